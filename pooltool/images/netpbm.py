"""PBM, PGM, PPM (netpbm) and PFM: a text header, then numbers, of one picture or many.

They are read here, as OpenCV rescales text files whose largest value is below 255, ignores the
scale of PFM, and knows no second picture.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import numpy as np

from pooltool.errors import DamageError, ImageError
from pooltool.images import formats
from pooltool.images.picture import Array, Encoded, Header, Metadata, Picture, Verbatim

_TEXT, _FLOAT = "123", "fF"
_FORMATS = {"1": formats.PBM, "4": formats.PBM, "2": formats.PGM, "5": formats.PGM,
            "3": formats.PPM, "6": formats.PPM, "f": formats.PFM, "F": formats.PFM}  # fmt: skip
"""The format by the character after the P."""
_BLANKS = rb"(?:\s|#[^\n]*\n){1,9999}"
_HEADER = re.compile(
    rb"P(?:[14]|([2356fF]))%b(\d{1,9})%b(\d{1,9})(?(1)%b([^\s#]{1,99}))\s" % ((_BLANKS,) * 3)
)


class _Raster(NamedTuple):
    """One picture of a file: its header and the position of its numbers."""

    kind: str
    """The character after the P."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    last: float
    """Largest number of gray and color, and by what floats are multiplied, below 0 if they are
    little-endian."""
    start: int
    end: int
    """Where they end; for text, the end of the file."""


def read_header(data: bytes) -> Header:
    """Walk the headers of all pictures; their comments stay in the family."""
    rasters = [_read_raster(data, 0)]
    kind, start = rasters[0].kind, rasters[0].start
    while following := re.compile(rb"\S").search(data, rasters[-1].end):
        rasters.append(_read_raster(data, following.start()))
    comments = re.findall(rb"#[^\r\n]*", data[:start])[:999]
    names = tuple(format.name for format in formats.NETPBM)
    lines = b"".join(comment + b"\n" for comment in comments)
    verbatim = Verbatim(names, ((b"#", lines),), ()) if comments else None
    sizes = tuple((raster.shape[0], raster.shape[1]) for raster in rasters)
    pixel_bytes = max(math.prod(raster.shape[2:]) * raster.dtype.itemsize for raster in rasters)
    return Header(_FORMATS[kind], sizes, Metadata(verbatim=verbatim), details=rasters,
                  pixel_bytes=pixel_bytes)  # fmt: skip


def _read_raster(data: bytes, at: int) -> _Raster:
    """Read the header that begins at `at`: one blank separates it from its numbers."""
    header = _HEADER.match(data, at)
    if not header:
        raise DamageError(f"it is truncated or damaged: no whole header begins at byte {at}")
    kind, start, last = chr(data[at + 1]), header.end(), float(header[4] or 255)
    dtype: np.dtype[Any] = np.dtype("u1" if last < 256 else ">u2")
    if kind in _FLOAT:
        dtype = np.dtype("<f4" if last < 0 else ">f4")
        if not last or not math.isfinite(last):
            raise DamageError("it is damaged: the scale in its header is not a number")
    elif not (last.is_integer() and 0 < last < 65536):
        words = f"values up to {last:g}, not 1 to 65535"
        raise DamageError(f"it is damaged: its header declares {words}")
    height, width = int(header[3]), int(header[2])
    shape = (height, width, 3) if kind in "36F" else (height, width)
    size = height * -(-width // 8) if kind == "4" else math.prod(shape) * dtype.itemsize
    if data[start - 1 : start + 1] == b"\r\n" and start + size < len(data):
        start += 1  # some programs write lines of Windows
    end = len(data) if kind in _TEXT else start + size
    if end > len(data):
        raise DamageError("it is truncated: it holds fewer pixels than its header says")
    return _Raster(kind, shape, dtype, last, start, end)


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """Read one picture or all."""
    rasters: list[_Raster] = header.details[chosen]
    kind = rasters[0].kind
    levels = {None if kind in _FLOAT or r.last in (255, 65535) else int(r.last) for r in rasters}
    if len(levels) > 1:
        raise ImageError("its pictures have different maximum values; choose one with --frame")
    frames = tuple(_pixels(data, raster) for raster in rasters)
    return Picture(frames, header.format, maxval=levels.pop(), text=kind in _TEXT)


def _pixels(data: bytes, raster: _Raster) -> Array:
    """The pixels of one picture, (H, W) or (H, W, 3) with blue first."""
    kind, shape, dtype, last, start, end = raster
    if kind in _TEXT:
        numbers = _text_numbers(data[start:], kind, math.prod(shape))
    else:
        numbers = np.frombuffer(data, dtype, (end - start) // dtype.itemsize, start)
    if kind in "2356" and numbers.max() > last:
        raise DamageError(f"it is damaged: it holds a value outside 0 to {last:g}")
    if kind == "4":
        numbers = np.unpackbits(numbers.reshape(shape[0], -1), axis=1, count=shape[1])
    if kind in "14":
        numbers = np.where(numbers == 0, np.uint8(255), np.uint8(0))
    pixels = numbers.reshape(shape).astype(dtype.newbyteorder("="))
    if kind in _FLOAT:
        with np.errstate(all="ignore"):
            pixels = pixels[::-1] * np.float32(abs(last))
    return pixels if pixels.ndim == 2 else pixels[..., ::-1]


def _text_numbers(text: bytes, kind: str, count: int) -> Array:
    """Decimal numbers with blanks between them, which the digits of a bitmap do not need."""
    text = b"\n".join(line.partition(b"#")[0] for line in text.split(b"\n"))
    if other := re.search(rb"[^01\s]" if kind == "1" else rb"[^\d\s]", text):
        word = other[0].decode("latin-1")
        raise ImageError(f"it is not valid: it holds {word!r} where whole numbers belong")
    if kind == "1":
        numbers: Array = np.frombuffer(b"".join(text.split()), np.uint8) - 48
    else:
        numbers = np.fromstring(text, np.int64, sep=" ")
    if len(numbers) != count:
        state = "truncated" if len(numbers) < count else "damaged"
        raise DamageError(f"it is {state}: it holds {len(numbers)} numbers where {count} belong")
    return numbers


def encode(picture: Picture, quality: int | None) -> Encoded:
    """Write the pictures one after the other; a single one that was text as text."""
    verbatim, is_text = picture.metadata.verbatim, picture.text and len(picture.frames) == 1
    comments, out = verbatim.parts[0][1] if verbatim else b"", []
    for pixels in picture.frames:
        height, width, *more = pixels.shape
        is_gray = more in ([], [1])
        ordered = pixels if is_gray else pixels[..., ::-1]
        if picture.format is formats.PFM:
            kind, last = b"f" if is_gray else b"F", b"-1.0\n"
            body = ordered[::-1].astype("<f4").tobytes()
        elif picture.format is formats.PBM:
            if not np.all((ordered == 0) | (ordered == 255)):
                words = "gray levels between black and white; use pgm or png"
                raise ImageError(f"PBM cannot hold {words}")
            kind, last, body = b"4", b"", np.packbits(ordered == 0, axis=1).tobytes()
        else:
            largest = picture.maxval or int(np.iinfo(pixels.dtype).max)
            kind, last = b"%d" % ((5 if is_gray else 6) - 3 * is_text), b"%d\n" % largest
            body = ordered.astype(pixels.dtype.newbyteorder(">")).tobytes()
            if is_text:
                rows = ordered.reshape(height, -1).tolist()
                form = b" ".join([b"%%%dd" % len(str(largest))] * len(rows[0])) + b"\n"
                body = b"".join(form % tuple(row) for row in rows)
        out.append(b"P%s\n%s%d %d\n%s%s" % (kind, comments, width, height, last, body))
    return Encoded(b"".join(out))
