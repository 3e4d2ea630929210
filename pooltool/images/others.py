"""Kinds of files that OpenCV does not read, by their first bytes, and what to do with each."""

from __future__ import annotations

import importlib
import importlib.util
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from pooltool.errors import ImageError
from pooltool.images import opencv
from pooltool.images.picture import Array, channels

PACKAGES = {"PIL": "pillow", "pillow_heif": "pillow-heif", "imagecodecs": "imagecodecs",
            "tifffile": "tifffile imagecodecs"}  # fmt: skip
"""What installs the modules of the extra `[formats]`."""

_DEVELOP = "develop it to TIFF, for example with `dcraw_emu -T` or darktable"
_KINDS = (
    (rb"....ftypcrx |FUJIFILMCCD-RAW|IIU\0|II\x52[OS]|MMOR|FOVb|\0MRM", "a camera's raw picture",
     _DEVELOP),
    (rb"....(ftyp|moov|mdat|wide)|\x1aE\xdf\xa3|RIFF....AVI |OggS|FLV\x01|\0\0\x01[\xba\xb3]",
     "a video", "take pictures out of it, for example with `ffmpeg -i FILE frame_%04d.png`"),
    (rb"\x76\x2f\x31\x01", "an OpenEXR picture", "convert it to TIFF, for example with `oiiotool`"),
    (rb"SIMPLE  =|.{128}DICM|\x89HDF\r\n|MATLAB 5\.0|CDF[\x01\x02\x05]|.{344}n\+1\0",
     "a file of scientific arrays", "save one array as .npy, with numpy.save"),
    (rb"PK\x03\x04|\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf", "a compressed file",
     "unpack it; of an .npz, save each array as .npy, with numpy.save"),
    (rb"(?i)\s*<(!doctype html|html)", "a web page, not the picture itself", "download it again"),
    (rb"%PDF-|%!PS|\xc5\xd0\xd3\xc6|\s*<(svg|.{,2000}<svg)[\s>]", "a document or drawing",
     "render it to PNG, for example with `magick`"),
    (rb"version https://git-lfs", "a pointer of Git LFS, not the picture itself",
     "run `git lfs pull`"),
)  # fmt: skip
"""The first bytes of other kinds of files, what they are, and what to do with them."""
RAW = f"it is a camera's raw picture, which is not read; {_DEVELOP}"


def refusal(start: bytes) -> str:
    """Why a file that starts like this is not read, and what to do with it."""
    for pattern, kind, remedy in _KINDS:
        if re.match(pattern, start, re.DOTALL):
            return f"it is {kind}, which is not read; {remedy}"
    return "it is not an image in a format that pooltool reads; convert it to PNG, TIFF or .npy"


def imported(module: str, what: str) -> Any:
    """A module of the extra `[formats]`, which reads `what`; raise `ImageError` that ends in the
    command that installs it where it is missing.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        command = f"pip install {PACKAGES[module.partition('.')[0]]}"
        raise ImageError(f"{what} is read with another package; run: {command}") from None


def is_installed(module: str) -> bool:
    """Whether a module of the extra is there; it is not loaded."""
    return importlib.util.find_spec(module) is not None


def attempt(kind: str, action: Callable[[], Any]) -> Any:
    """Run a package of the extra on a file; it may raise and warn of anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return action()
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        words = " ".join(re.sub(r"<.* object at 0x\w+>|[\s]+", " ", str(error)).split())
        raise ImageError(opencv.unread(kind, words[:200])) from None


def by_imagecodecs(codec: str, what: str, data: bytes) -> Array:
    """Decode a file with one of the codecs of imagecodecs."""
    decoder = getattr(imported("imagecodecs", what), f"{codec}_decode")
    pixels: Array = attempt(what, lambda: decoder(data))
    return pixels


def in_opencv_order(pixels: Array) -> Array:
    """Pixels (H, W) or (H, W, C) whose red comes first, blue first; gray with alpha as colors."""
    if channels(pixels) == 1:
        return pixels.reshape(pixels.shape[:2])
    if channels(pixels) == 2:
        pixels = pixels[..., [0, 0, 0, 1]]
    return opencv.swapped(pixels)


def rgb_of_cmyk(inks: Array, profile: bytes, what: str) -> tuple[Array, str]:
    """Inks (H, W, 4) as red, green and blue of their depth, and a warning that says how."""
    if not profile:
        top = np.iinfo(inks.dtype).max
        rest = top - inks.astype(np.float64)
        colors = np.rint(rest[..., :3] * rest[..., 3:] / top).astype(inks.dtype)
        return colors, "its CMYK colors became RGB without a profile: they may look different"
    codecs = imported("imagecodecs", what)
    profiles, spaces = (profile, codecs.cms_profile("srgb")), {"outcolorspace": "rgb"}
    spaces |= {"colorspace": "cmyk", "outdtype": inks.dtype.name}
    colors = attempt(what, lambda: codecs.cms_transform(inks, *profiles, **spaces))
    return colors, "its CMYK colors became RGB by its profile"
