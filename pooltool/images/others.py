"""Kinds of files that OpenCV does not read, by how they begin, and where to go with each."""

from __future__ import annotations

import importlib
import importlib.util
import re
import warnings
from collections.abc import Callable
from typing import Any

from pooltool.errors import ImageError
from pooltool.images import opencv
from pooltool.images.picture import Array, channels

PACKAGES = {"PIL": "pillow", "pillow_heif": "pillow-heif", "imagecodecs": "imagecodecs",
            "tifffile": "tifffile imagecodecs"}  # fmt: skip
"""What installs the modules of the extra `[formats]`."""

_MAGICK = "convert it to PNG, for example with `magick`"
_FRAMES = "take pictures out of it, for example with `ffmpeg -i FILE frame_%04d.png`"
_DEVELOP = "develop it to TIFF, for example with `dcraw_emu -T` or darktable"
_ARRAY = "save one array as .npy, with numpy.save"
_KINDS = (
    (rb"....ftypcrx |FUJIFILMCCD-RAW|IIU\0|II\x52[OS]|MMOR|FOVb|\0MRM", "a camera's raw picture",
     _DEVELOP),
    (rb"....(ftyp|moov|mdat|wide)|\x1aE\xdf\xa3|RIFF....AVI |OggS|FLV\x01|\0\0\x01[\xba\xb3]",
     "a video", _FRAMES),
    (rb"P7\s", "a PAM picture", "convert it to PNG or PPM"),
    (rb"II\xbc", "a JPEG XR picture", "convert it to TIFF with `JxrDecApp`"),
    (rb"\x76\x2f\x31\x01", "an OpenEXR picture", "convert it to PFM or TIFF, for example with "
     "`oiiotool`"),
    (rb"SIMPLE  =", "a FITS file", f"read it with astropy and {_ARRAY}"),
    (rb".{128}DICM", "a DICOM file", f"read it with pydicom and {_ARRAY}"),
    (rb"\x89HDF\r\n|MATLAB 5\.0|CDF[\x01\x02\x05]|.{344}n\+1\0",
     "a file of scientific arrays", _ARRAY),
    (rb"PK\x03\x04", "a ZIP archive, as .npz is one",
     "unpack it; of an .npz, save each array as .npy, with numpy.save"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf", "a compressed file", "unpack it"),
    (rb"%PDF-|%!PS|\xc5\xd0\xd3\xc6", "a PDF or PostScript document",
     "render it, for example with `pdftoppm -png` or `magick`"),
    (rb"\s*(<\?xml.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE svg.*?>\s*)*<svg[\s>]", "an SVG drawing",
     "render it to PNG, for example with `rsvg-convert`"),
    (rb"(?i)\s*<(!doctype html|html)", "a web page, not the picture itself", "download it again"),
    (rb"version https://git-lfs", "a pointer of Git LFS, not the picture itself", "run "
     "`git lfs pull`"),
    (rb"8BPS", "a large Photoshop document", _MAGICK),
    (rb"gimp xcf", "a GIMP document", _MAGICK),
    (rb"\xabKTX|BLP[12]", "a texture", _MAGICK),
    (rb"\x01\xda[\0\x01][\x01\x02]|\x59\xa6\x6a\x95|FLIF|BPG\xfb|icns"
     rb"|\x8a[M]NG\r|\x8bJNG\r|/\* XPM \*/|BA..\0\0.{8}BM", "a picture of a rare kind", _MAGICK),
)  # fmt: skip
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
    """Run what a package of the extra does with a file, which may raise and warn of anything."""
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
    """What one of the codecs of imagecodecs makes of a file."""
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
