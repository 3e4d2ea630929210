"""Encoded bytes <-> pictures, whatever the format.

A picture is decoded the way it is seen: turned upright, its depth, gray or color and alpha kept.

A format is a module with `read_header(data)`, which walks the file once, `decode(data, header,
chosen)`, where `chosen` is a slice of the frames, and, if it is written, `encode(picture,
quality)`. A new one is a module and its row in `formats.CODECS`; a module is loaded when a file
needs it.

The label of a picture with a palette is its index. Where labels are asked for, `decode` of its
module finds `header.labels` and returns them with the palette, or colors where there is no one
palette. What a format with `palette` is given with indices, it writes as such; .npy takes the
indices alone, and all others the colors.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from types import ModuleType

import numpy as np

from pooltool.errors import DamageError, ImageError
from pooltool.geometry import DataFormat
from pooltool.images.formats import CODECS, Format, require_holds, require_quality
from pooltool.images.picture import (
    MALFORMED,
    NO_METADATA,
    Array,
    Encoded,
    Header,
    Metadata,
    Picture,
    channels,
    colored,
    has_alpha,
    left_out,
    profile_kind,
)
from pooltool.native import LIMITS, import_cv2, limit

_loaded = cache(import_module)
_CODEC_OF = {format.name: name for name, (_, formats) in CODECS.items() for format in formats}
_STARTS = (b"(?P<%b>%b)" % (name.encode(), start) for name, (start, _) in CODECS.items())
_START = re.compile(b"|".join(_STARTS), re.DOTALL)
"""The first bytes of each kind of file, in a group named after its module."""
_FEW_FRAMES, _BYTES_A_FRAME = 5000, 500
"""A file of more frames has so many bytes for each of the others."""


def decode(
    data: bytes,
    *,
    gray: bool = False,
    frame: int | None = None,
    format: Format | None = None,
    data_format: DataFormat | None = None,
    labels: bool = False,
) -> Picture:
    """Decode a file's bytes, whatever its name; `frame` counts from 0, and the result will be
    written as `format`, which may lose a palette. `data_format` says how a .npy array lies; None is
    channels_last, with a warning where it looks otherwise. With `labels` a picture with a palette
    comes as its indices.

    Raise `ImageError` with the reason when they are no picture, too large, or of a kind that would
    come out wrong, and `DamageError` when they are truncated or damaged.
    """
    module, header = read_header(data)
    count, labels = len(header.sizes), labels and header.indexed and not gray
    if frame is not None and not 0 <= frame < count:
        only = "only one frame" if count == 1 else f"frames 0 to {count - 1}"
        raise ImageError(f"it has no frame {frame}; it has {only}")
    chosen = slice(None) if frame is None else slice(frame, frame + 1)
    _require_sizes(header, chosen, len(data))
    if gray or labels or data_format:
        header = header._replace(gray=gray, labels=labels, data_format=data_format)
    picture: Picture = module.decode(data, header, chosen)
    if header.metadata != NO_METADATA or header.left_out or header.orientation not in (None, 1):
        picture = _upright(picture, header)
    if gray:
        return _grayed(picture)
    if header.indexed and picture.palette is None and format and "colors" in format.palette:
        return picture._replace(warnings=(*picture.warnings, "its palette became colors"))
    return picture


def encode(picture: Picture, format: Format, *, quality: int | None = None) -> Encoded:
    """Encode a picture; raise `ImageError`, naming formats that can, when `format` cannot hold it.

    What the format cannot hold of the metadata is left out with a warning.
    """
    if quality is not None:
        require_quality(format, quality)
    missing: list[str] = []
    if picture.palette is not None:
        picture = _with_palette_for(format, picture, missing)
    first, count = picture.frames[0], len(picture.frames)
    for frame in picture.frames:
        sides, maxval = frame.shape[:2], picture.maxval
        require_holds(format, frame.dtype, channels(frame), count, *sides, maxval)
        if format.alike and (frame.shape, frame.dtype) != (first.shape, first.dtype):
            words = "frames of different sizes or kinds; use tiff"
            raise ImageError(f"{format.name} cannot hold {words}")
    warnings = list(picture.warnings)
    if not format.bands:
        if picture.premultiplied:
            words = "colors premultiplied with alpha; use tiff or npy"
            raise ImageError(f"{format.name} cannot hold {words}")
        if picture.bands:
            most = max(map(channels, picture.frames))
            if most != 3:
                raise ImageError(f"{format.name} cannot hold {most} bands; use tiff or npy")
            warnings.append("its 3 bands were written as red, green and blue")
    if picture.durations and count > 1 and not format.timed:
        warnings.append(f"{format.name} cannot hold durations: the animation became pages")
    if picture.maxval and format.levels is None:
        warnings.append(f"values were kept as they are, 0 to {picture.maxval}: it may look dark")
    if picture.metadata != NO_METADATA:
        metadata, names, outdated = _fitting(picture, format)
        missing += names
        picture = picture._replace(metadata=metadata)
        warnings += left_out(outdated)
    if missing:
        warnings += left_out(missing, f", as {format.name} cannot hold it")
    if picture.format is not format:
        picture = picture._replace(format=format)
    module = _loaded(f"pooltool.images.{_CODEC_OF[format.name]}")
    encoded: Encoded = module.encode(picture, quality)
    if warnings:
        encoded = Encoded(encoded.data, (*warnings, *encoded.warnings))
    return encoded


def read_header(data: bytes) -> tuple[ModuleType, Header]:
    """The module of a file's format, and its header; raise `ImageError` that names the kind of a
    file that is not read, and `DamageError` when the header is damaged.
    """
    if not data:
        raise ImageError("it is empty; save it again, or leave it out")
    match = _START.match(data)
    module = _loaded(f"pooltool.images.{match.lastgroup if match else 'pillow'}")
    try:
        return module, module.read_header(data)
    except MALFORMED:
        raise DamageError("it is truncated or damaged: a header ends too early") from None


def _require_sizes(header: Header, chosen: slice, size: int) -> None:
    """Refuse frames without pixels, more of them than a file of this size has, and more pixels,
    rows or columns than OpenCV's limits. A pixel of more than 4 bytes counts as more than one.
    """
    sizes, limits = header.sizes, header.format.limits
    if limits and len(sizes) > _FEW_FRAMES + size // _BYTES_A_FRAME:
        raise DamageError(f"it is damaged: its {size} bytes are too few for {len(sizes)} frames")
    pixels = rows = columns = 0
    for height, width in sizes if header.animated else sizes[chosen]:
        if height < 1 or width < 1:
            raise DamageError("it is damaged: its header declares a picture without pixels")
        pixels, rows, columns = pixels + height * width, max(rows, height), max(columns, width)
    units = ("pixels", "columns", "rows")
    if header.pixel_bytes > 4:
        pixels, units = -(-pixels * header.pixel_bytes // 4), ("pixels of 4 bytes", *units[1:])
    numbers = (pixels, columns, rows)[:limits]
    for number, unit, variable in zip(numbers, units, LIMITS, strict=False):
        if number > (most := limit(variable)):
            raise ImageError(
                f"its header declares {number} {unit}, more than the limit of {most}; "
                f"if that is right, set the environment variable {variable}={number}"
            )


def _upright(picture: Picture, header: Header) -> Picture:
    """Turn pixels and metadata upright, and warn of what is left out of the file."""
    from pooltool.images import tags

    metadata, missing = header.metadata, list(header.left_out)
    block, text, resolution = metadata.exif, metadata.xmp, metadata.resolution
    turn = header.orientation or (block.orientation if block else 1)
    turn_pixels = 1 if header.is_upright else turn
    frames = [np.ascontiguousarray(tags.turned(pixels, turn_pixels)) for pixels in picture.frames]
    if block:
        if not block.is_whole:
            missing.append("damaged parts of EXIF" if block.fields else "damaged EXIF")
        block = block.adapted(frames[0].shape, turn) if block.fields else None
    # TIFF and AVIF are turned by what their headers say, whatever EXIF and XMP do.
    if text and (turn != 1 or header.orientation):
        from pooltool.images import xmp

        text, names = xmp.adapted(text, frames[0].shape, turn)
        missing += names
    if resolution and turn >= 5:
        resolution = resolution[::-1]
    resolution = resolution or (block.resolution if block else None)
    metadata = metadata._replace(exif=block, xmp=text, resolution=resolution)
    warnings = (*picture.warnings, *left_out(missing))
    return picture._replace(frames=tuple(frames), metadata=metadata, warnings=warnings)


def _with_palette_for(format: Format, picture: Picture, missing: list[str]) -> Picture:
    """The picture as the format holds palettes; what of its own is lost is added to `missing`."""
    if format.palette == "indices":
        missing.append("palette")
        return picture._replace(palette=None)
    if not format.palette:
        words = f"its palette became colors, as {format.name} cannot hold one"
        return colored(picture._replace(warnings=(*picture.warnings, words)))
    if format.palette == "colors" and has_alpha(picture.palette):
        missing.append("transparency of the palette")
    return picture


def _fitting(picture: Picture, format: Format) -> tuple[Metadata, list[str], list[str]]:
    """The metadata that the format holds, as it is after pooling, the names of what it cannot hold,
    and of what does not describe the result.
    """
    first, missing, outdated = picture.frames[0], list[str](), list[str]()
    block, text, profile, resolution, verbatim = picture.metadata
    blocks = {"EXIF": block and block.describes, "XMP": text, "ICC": profile}
    missing += [name for name, it in blocks.items() if it and name.lower() not in format.metadata]
    block = block if "exif" in format.metadata else None
    text = text if "xmp" in format.metadata else b""
    profile = profile if "icc" in format.metadata else b""
    if block:
        block = block.adapted(first.shape, reduction=picture.reduction)
    if text:
        from pooltool.images import xmp

        text, names = xmp.adapted(text, first.shape, reduction=picture.reduction)
        outdated += names
    if profile:
        kind, is_gray = profile_kind(profile), first.ndim == 2 and picture.palette is None
        if kind != ("gray" if is_gray and not format.gray_as_color else "RGB"):
            words = f"a profile for {kind} colors" if kind else "not a valid profile"
            outdated.append(f"ICC ({words})")
            profile = b""
    if resolution:
        down, across = picture.reduction
        resolution = (resolution[0] / down, resolution[1] / across)
        if "resolution" not in format.metadata and not (block and block.resolution):
            missing.append("resolution")
    if verbatim and format.name not in verbatim.formats:
        missing += verbatim.names
        verbatim = None
    return Metadata(block, text, profile, resolution, verbatim), missing, outdated


def without_resolution(picture: Picture) -> Picture:
    """The picture without its one resolution, where the pages of the result have several."""
    from pooltool.images import tags

    metadata = picture.metadata
    fields = metadata.exif.fields if metadata.exif else {}
    if not metadata.resolution and fields.keys().isdisjoint(tags.RESOLUTION):
        return picture
    if metadata.exif:
        others = {tag: field for tag, field in fields.items() if tag not in tags.RESOLUTION}
        metadata = metadata._replace(exif=metadata.exif._replace(fields=others))
    warnings = (*picture.warnings, *left_out(["resolution, which differs between pages"]))
    return picture._replace(metadata=metadata._replace(resolution=None), warnings=warnings)


def _grayed(picture: Picture) -> Picture:
    """Gray as IMREAD_GRAYSCALE gives it (ITU-R BT.601) in the depth of the picture, without alpha.

    JPEG and PNG give gray by themselves; other colors are weighed as their decoders do it.
    """
    if picture.bands:
        raise ImageError("its bands are not colors; leave out --gray")
    frames = tuple(_gray(pixels, picture.format) for pixels in picture.frames)
    for pixels in picture.frames:
        full = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1
        if channels(pixels) == 4 and np.any(pixels[..., 3] != full):
            words = "its transparency was left out: --gray keeps no alpha"
            picture = picture._replace(warnings=(*picture.warnings, words))
            break
    return picture._replace(frames=frames, premultiplied=False)


def _gray(pixels: Array, format: Format) -> Array:
    count = channels(pixels)
    if count == 1:
        return np.ascontiguousarray(pixels.reshape(pixels.shape[:2]))
    if count not in (3, 4):
        raise ImageError(f"{count} channels are not colors; leave out --gray")
    if format.gray_bits == 14 and pixels.dtype in (np.uint8, np.uint16):
        blue, green, red = (pixels[..., channel].astype(np.uint32) for channel in range(3))
        total = blue * 1868 + green * 9617 + red * 4899 + (1 << 13)
        return (total >> 14).astype(pixels.dtype)
    if pixels.dtype in (np.uint8, np.uint16, np.float32):
        cv2 = import_cv2()
        result: Array = cv2.cvtColor(np.ascontiguousarray(pixels[..., :3]), cv2.COLOR_BGR2GRAY)
        return result
    with np.errstate(invalid="ignore"):  # of infinities of both signs
        weighed = pixels[..., :3].astype(np.float64) @ np.array([0.114, 0.587, 0.299])
    rounded: Array = np.rint(weighed) if pixels.dtype.kind in "iu" else weighed
    return rounded.astype(pixels.dtype)
