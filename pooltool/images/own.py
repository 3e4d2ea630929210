"""What one format alone holds of a picture: kept while it stays in that format, else told.

PNG chunks of color, text and resolution, and the resolution in the JFIF header of a JPEG. What
TIFF tags say and pooling makes wrong is told too.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pooltool.images import containers, tiff
from pooltool.images.containers import Part


class Own(NamedTuple):
    """What was found, in the format's own bytes, and what to say where it is left out."""

    format: str = ""
    data: bytes = b""
    warning: str | None = None


def read(data: bytes, fmt: str) -> Own:
    """Find what only the named format can hold in an encoded picture."""
    reader = _READERS.get(fmt)
    return reader(data) if reader else Own()


def put(data: bytes, fmt: str, found: Own) -> tuple[bytes, tuple[str, ...]]:
    """Put it into an encoded picture of that format; of any other one, tell what is left out."""
    if fmt == found.format:
        return _WRITERS[fmt](data, found.data), ()
    return data, (found.warning,) if found.warning else ()


PNG_XMP = b"XML:com.adobe.xmp\0"
PNG_RAW_EXIF = (b"Raw profile type exif\0", b"Raw profile type APP1\0")
"""How texts begin that hold XMP and EXIF: these go into every format."""
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_COLORS = (b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI")
_SILENT = (b"sRGB", b"pHYs")
"""Chunks that say what holds for most pictures, or nothing of the pixels: left out untold."""
_SRGB = {
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
}
"""What these chunks say of sRGB, which pictures without them are taken for (PNG, 4.3)."""


def _read_png(data: bytes) -> Own:
    kept = list(_kept_chunks(data))
    names = {part.name for part in kept}
    lost = [
        part.name
        for part in kept
        if part.name not in _SILENT
        and not (part.name in _SRGB and (b"sRGB" in names or part.body == _SRGB[part.name]))
    ]
    told = ", ".join(dict.fromkeys(name.decode() for name in lost))
    warning = f"its PNG chunks {told} were left out: only PNG can hold them" if told else None
    chunks = b"".join(containers.png_chunk(part.name, part.body) for part in kept)
    return Own("PNG", chunks, warning) if chunks else Own()


def _kept_chunks(data: bytes) -> Iterator[Part]:
    for part in containers.png_chunks(data):
        is_other = part.name in _TEXTS and not part.body.startswith((PNG_XMP, *PNG_RAW_EXIF))
        if is_other or part.name in (*_COLORS, *_SILENT):
            yield part


_DENSITY = slice(7, 12)
"""Unit, and pixels a unit across and down, in the body of a JFIF segment."""
_SQUARE = bytes((0, 0, 1, 0, 1))
"""No unit: pixels as wide as high."""


def _read_jpeg(data: bytes) -> Own:
    first = next(containers.jpeg_segments(data))
    is_header = first.name == b"\xff\xe0" and first.body.startswith(b"JFIF\0")
    density = first.body[_DENSITY] if is_header else b""
    return Own("JPEG", density) if len(density) == 5 and density != _SQUARE else Own()


def _put_jpeg(data: bytes, density: bytes) -> bytes:
    first = next(containers.jpeg_segments(data))
    if not first.body.startswith(b"JFIF\0"):
        return data
    at = first.at + 4 + _DENSITY.start
    return data[:at] + density + data[at + len(density) :]


_GEOGRAPHIC = (33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)
"""Tags of GeoTIFF and GDAL, which place pixels on the earth or describe them."""


def _read_tiff(data: bytes) -> Own:
    """TIFF itself loses these: they would be wrong, or belong to pages that are written anew."""
    first, *others = tiff.directories(data)
    lost = []
    if any(tag in page.fields for page in (first, *others) for tag in _GEOGRAPHIC):
        lost.append("its GeoTIFF tags were left out: pooling moves what they place")
    if any(_description(page) not in (b"", _description(first)) for page in others):
        lost.append("descriptions of pages after the first were left out")
    return Own(warning="; ".join(lost) or None)


def _description(page: tiff.Directory) -> bytes:
    return page.fields[270].raw if 270 in page.fields else b""


_READERS: dict[str, Callable[[bytes], Own]] = {
    "PNG": _read_png,
    "JPEG": _read_jpeg,
    "TIFF": _read_tiff,
}
_WRITERS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "PNG": containers.with_png_chunks,
    "JPEG": _put_jpeg,
}
