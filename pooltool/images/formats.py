"""What each image format can hold: one table, asked before any work starts and when writing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from pooltool.errors import ImageError

EXIF_PREFIX, XMP_PREFIX = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
"""What stands before blocks of metadata in JPEG, and by some programs elsewhere."""
_INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
_ANY_REAL = ("bool", *_INTEGERS, "uint64", "int64", "float16", "float32", "float64")


class Format(NamedTuple):
    """One image format: its names, what it can hold, and what reads it."""

    name: str
    extensions: tuple[str, ...]
    dtypes: tuple[str, ...] = ("uint8",)
    channels: tuple[int, ...] = (1, 3, 4)
    """Empty: any number of channels."""
    frames: bool = False
    """True when it can hold more than one frame or page."""
    timed: bool = False
    """True when its frames are an animation, with durations and a loop count."""
    alike: bool = False
    """True when all of its frames have one size and kind."""
    bands: bool = False
    """True when channels may be no colors, and colors multiplied with alpha."""
    levels: tuple[int, ...] | None = None
    """The values of full brightness below the dtype's largest that it can hold; empty: any."""
    palette: Literal["", "indices", "colors", "colors and alpha"] = ""
    """What it holds of indices of colors: nothing, them alone, or with their palette."""
    quality: bool = False
    written: bool = True
    """False for a format that is only read."""
    gray_as_color: bool = False
    """True when it holds gray as three equal colors only."""
    metadata: frozenset[str] = frozenset()
    """Those of exif, xmp, icc and resolution that are written into it."""
    sides: tuple[int, int] = (1, (1 << 31) - 1)
    """Smallest and largest height or width in pixels (tested)."""
    area: int = 1 << 62
    """The most pixels of a frame."""
    limits: int = 3
    """How many of OpenCV's limits apply when it is read: of pixels, of columns, of rows."""
    gray_bits: int = 15
    """Bits of the weights with which OpenCV's decoder converts colors to gray; cvtColor has 15."""
    module: str = ""
    """The module of the extra `[formats]` that reads it, where OpenCV does not."""

    def objections(
        self, dtype: str, channels: int, frames: int, sides: tuple[int, int], maxval: int | None
    ) -> list[str]:
        """The properties of this picture that the format cannot hold, as phrases."""
        objections = []
        is_full = self.levels and dtype == "uint16" and maxval not in self.levels
        if dtype not in self.dtypes or is_full:
            objections.append(f"{dtype} values")
        if self.channels and channels not in self.channels:
            objections.append("1 channel" if channels == 1 else f"{channels} channels")
        if frames != 1 and not self.frames:
            objections.append(f"{frames} frames")
        is_between = self.sides[0] <= min(sides) and max(sides) <= self.sides[1]
        if not is_between or sides[0] * sides[1] > self.area:
            objections.append(f"{sides[0]} x {sides[1]} pixels")
        return objections


AVIF_DEPTHS = {1023: 10, 4095: 12}
"""Largest value and bits of the deep AVIF pictures; other 16-bit values do not fit into AVIF."""

_BLOCKS = frozenset({"exif", "xmp", "icc"})
_DENSE = frozenset({"resolution"})
_U8_U16 = ("uint8", "uint16")

JPEG = Format("JPEG", ("jpg", "jpeg", "jpe"), channels=(1, 3), quality=True,
              metadata=_BLOCKS | _DENSE, sides=(1, 65500))  # fmt: skip
PNG = Format("PNG", ("png", "apng"), _U8_U16, frames=True, timed=True, alike=True,
             palette="colors and alpha", metadata=_BLOCKS | _DENSE,
             sides=(1, 1_000_000))  # fmt: skip
TIFF = Format("TIFF", ("tif", "tiff"), (*_INTEGERS, "float32", "float64"), (), frames=True,
              bands=True, palette="colors", metadata=_BLOCKS | _DENSE, gray_bits=14)  # fmt: skip
WEBP = Format("WebP", ("webp",), frames=True, timed=True, alike=True, quality=True,
              gray_as_color=True, metadata=_BLOCKS, sides=(1, 16383))  # fmt: skip
BMP = Format("BMP", ("bmp", "dib"), palette="colors", metadata=_DENSE, gray_bits=14)
GIF = Format("GIF", ("gif",), frames=True, timed=True, written=False)
AVIF = Format("AVIF", ("avif",), _U8_U16, frames=True, timed=True, alike=True,
              levels=tuple(AVIF_DEPTHS), quality=True, metadata=_BLOCKS, sides=(1, 1 << 15),
              area=1 << 28)  # fmt: skip
# OpenCV asks OpenJPEG for six resolutions, each half of the last: five halvings of 32 pixels.
JP2 = Format("JPEG 2000", ("jp2",), _U8_U16, metadata=_BLOCKS,
             sides=(32, (1 << 31) - 1))  # fmt: skip
PBM = Format("PBM", ("pbm",), channels=(1,), frames=True, levels=(), limits=1)
PGM = Format("PGM", ("pgm",), _U8_U16, (1,), frames=True, levels=(), limits=1)
PPM = Format("PPM", ("ppm",), _U8_U16, (3,), frames=True, levels=(), limits=1, gray_bits=14)
PNM = Format("PNM", ("pnm",), _U8_U16, (1, 3), frames=True, levels=(), limits=1, gray_bits=14)
PFM = Format("PFM", ("pfm",), ("float32",), (1, 3), limits=1)
HDR = Format("HDR", ("hdr", "pic"), ("float32",), (3,))
NPY = Format("NPY", ("npy",), _ANY_REAL, (), frames=True, alike=True, bands=True, levels=(),
             palette="indices", limits=0)  # fmt: skip
HEIC = Format("HEIC", ("heic", "heif", "hif"), written=False, module="pillow_heif")
JXL = Format("JPEG XL", ("jxl",), written=False, module="imagecodecs")
TGA = Format("TGA", ("tga",), written=False, module="PIL")
ICO = Format("ICO", ("ico", "cur"), written=False, module="PIL")
PSD = Format("PSD", ("psd",), written=False, module="PIL")
QOI = Format("QOI", ("qoi",), written=False, module="PIL")
DDS = Format("DDS", ("dds",), written=False, module="PIL")
PCX = Format("PCX", ("pcx",), written=False, module="PIL")

FORMATS = (PNG, JPEG, TIFF, WEBP, GIF, AVIF, JP2, BMP, PGM, PPM, PNM, PBM, PFM, HDR, NPY,
           HEIC, JXL, TGA, ICO, PSD, QOI, DDS, PCX)  # fmt: skip
NETPBM = (PBM, PGM, PPM, PNM)
CODECS: dict[str, tuple[bytes, tuple[Format, ...]]] = {
    "jpeg": (rb"\xff\xd8\xff", (JPEG,)),
    "png": (rb"\x89PNG\r\n\x1a\n", (PNG,)),
    "webp": (rb"RIFF....WEBP", (WEBP,)),
    "tiff": (rb"II[*+]\0|MM\0[*+]", (TIFF,)),
    "avif": (rb"....ftyp.{,52}avi[fs]", (AVIF,)),
    "jpeg2000": (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", (JP2,)),
    "npy": (rb"\x93NUMPY", (NPY,)),
    "gif": (rb"GIF8[79]a", (GIF,)),
    "bmp": (rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", (BMP,)),
    "netpbm": (rb"P[1-6fF][\s#]", (*NETPBM, PFM)),
    "hdr": (rb"#\?(RADIANCE|RGBE)", (HDR,)),
}
"""The module that reads and writes formats: how their files begin, and what they are. `pillow`
reads what is not among them."""
WRITTEN_AS = {"j2k": "jp2", "j2c": "jp2", "jpc": "jp2", "jpf": "jp2", "jpx": "jp2",
              "avifs": "avif", "jfif": "jpg", "gif": "png",
              **{name: "png" for format in FORMATS if format.module for name in format.extensions},
              }  # fmt: skip
"""More names of files that are read, and the extension of their results."""
_MOST_LISTED = 12
_BY_EXTENSION = {extension: format for format in FORMATS for extension in format.extensions}


@lru_cache
def format_for(extension_or_name: str) -> Format:
    """The format to write by `png`, `.PNG` or `some/picture.png`; raise `ImageError` if none."""
    name = os.path.basename(extension_or_name.rstrip("/"))
    extension = name.rpartition(".")[2].lower()
    format = _BY_EXTENSION.get(extension)
    if format and format.written:
        return format
    known = ", ".join(format.extensions[0] for format in FORMATS if format.written)
    if not extension:
        raise ImageError(f"the name has no extension; choose a format with --format from {known}")
    raise ImageError(f"{extension!r} is not a format that can be written; choose from {known}")


@lru_cache
def require_holds(
    format: Format,
    dtype: object,
    channels: int,
    frames: int,
    height: int,
    width: int,
    maxval: int | None = None,
) -> None:
    """Raise `ImageError`, naming formats that can, unless `format` holds such a picture.

    `maxval` is the value of full brightness where it is less than the dtype's largest.
    """
    asked = (str(dtype), channels, frames, (height, width), maxval)
    objections = format.objections(*asked)
    if objections:
        written = [other for other in FORMATS if other.written]
        suitable = [other.extensions[0] for other in written if not other.objections(*asked)]
        remedy = f"use {listed(suitable, 'or')}" if suitable else "no format can"
        remedy += ", or choose one with --frame" * (frames > 1 and not format.frames)
        raise ImageError(f"{format.name} cannot hold {' and '.join(objections)}; {remedy}")


def require_quality(format: Format, quality: int) -> None:
    """Raise `ImageError` unless it is a quality, 0 to 100, that the format has a use for."""
    if not format.quality:
        suitable = listed([other.extensions[0] for other in FORMATS if other.quality], "or")
        raise ImageError(f"{format.name} has no quality; leave out --quality or write {suitable}")
    if not 0 <= quality <= 100:
        raise ImageError(f"quality {quality} is not between 0 and 100")


def listed(names: Iterable[str], word: str = "and") -> str:
    """Each name once, with commas and, before the last one, the word; of very many the first."""
    *others, last = dict.fromkeys(names)
    if len(others) > _MOST_LISTED:
        last = f"{len(others) + 1 - _MOST_LISTED:,} more"
    return f"{', '.join(others[:_MOST_LISTED])} {word} {last}" if others else last
