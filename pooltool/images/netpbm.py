"""PBM, PGM, PPM (netpbm) and PFM: plain headers and numbers, read and written here.

OpenCV rescales text files whose largest value is below 255 and ignores the scale of PFM, so these
formats never reach it.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import numpy as np

from pooltool.errors import DamageError, ImageError
from pooltool.images import formats
from pooltool.images.formats import Format
from pooltool.images.picture import Array, Encoded, Header, Metadata, Part, Picture, Verbatim

FORMATS = (*formats.NETPBM, formats.PFM)
START = rb"P[1-6fF][\s#]"

_TEXT, _FLOAT = "123", "fF"
_HEADER = (
    rb"P(?:([14]) (\d+) (\d+)|([2356]) (\d+) (\d+) (\d+)".replace(b" ", rb"(?:\s|#[^\n]*\n)+")
    + rb"|([fF])\s+(\d+)\s+(\d+)\s+([-+.\deE]+))(?=\s)"
)
_FORMAT_OF = {"1": formats.PBM, "4": formats.PBM, "2": formats.PGM, "5": formats.PGM,
              "3": formats.PPM, "6": formats.PPM, "f": formats.PFM, "F": formats.PFM}  # fmt: skip


class _Plain(NamedTuple):
    """One picture of a file: what its header says and where its numbers lie."""

    kind: str
    """The character after the P."""
    shape: tuple[int, ...]
    maxval: int
    """The largest number; 255 where the header tells none."""
    dtype: np.dtype[Any]
    scale: float
    start: int
    end: int
    """Where numbers that are no text end."""


def read_header(data: bytes) -> Header:
    """Walk the headers of all pictures; their comments stay in the family."""
    found = [_plain_header(data, 0)]
    left_out = []
    while found[-1].kind not in _TEXT:
        end = found[-1].end
        if end > len(data):
            raise DamageError("it is cut: it holds fewer pixels than its header says")
        if not data[end:].strip():
            break
        if found[-1].kind in _FLOAT:
            left_out.append("data after the picture")
            break
        if not re.compile(START).match(data, end):
            more = len(data) - end
            raise DamageError(f"it is damaged: {more} bytes follow its pixels that are no picture")
        found.append(_plain_header(data, end))
    kind, start = found[0].kind, found[0].start
    head = b"" if kind in _FLOAT else data if kind in _TEXT else data[:start]
    comments = tuple(Part(b"#", text) for text in re.findall(rb"#([^\r\n]*)", head))
    names = tuple(format.name for format in formats.NETPBM)
    metadata = Metadata(verbatim=Verbatim(names, comments, ()) if comments else None)
    sizes = tuple((each.shape[0], each.shape[1]) for each in found)
    return Header(_FORMAT_OF[kind], sizes, metadata, tuple(left_out), details=tuple(found))


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Read one picture or all."""
    found: tuple[_Plain, ...] = header.details
    pictures = found if frame is None else found[frame : frame + 1]
    levels = {None if each.maxval in (255, 65535) else each.maxval for each in pictures}
    if len(levels) > 1:
        raise ImageError("its pictures have different maximum values; choose one with --frame")
    frames = tuple(_pixels(data, each) for each in pictures)
    return Picture(frames, header.format, maxval=levels.pop(), text=pictures[0].kind in _TEXT)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Write the pictures one behind the other, as text where a single one came as text."""
    verbatim, text = picture.metadata.verbatim, picture.text and len(picture.frames) == 1
    comments = b"".join(b"#%s\n" % part.body for part in verbatim.parts) if verbatim else b""
    out = []
    for pixels in picture.frames:
        height, width, *more = pixels.shape
        is_gray = more in ([], [1])
        ordered = pixels if is_gray else pixels[..., ::-1]
        if format is formats.PFM:
            kind, last = b"f" if is_gray else b"F", b"-1.0\n"
            body = ordered[::-1].astype("<f4").tobytes()
        elif format is formats.PBM:
            if not np.all((ordered == 0) | (ordered == 255)):
                raise ImageError(
                    "PBM cannot hold gray levels between black and white; use pgm or png"
                )
            kind, last, body = b"4", b"", np.packbits(ordered == 0, axis=1).tobytes()
        else:
            largest = picture.maxval or int(np.iinfo(pixels.dtype).max)
            kind, last = b"%d" % ((5 if is_gray else 6) - 3 * text), b"%d\n" % largest
            body = ordered.astype(pixels.dtype.newbyteorder(">")).tobytes()
            if text:
                rows = ordered.reshape(height, -1).tolist()
                form = b" ".join([b"%%%dd" % len(str(largest))] * len(rows[0])) + b"\n"
                body = b"".join(form % tuple(row) for row in rows)
        out.append(b"P%s\n%s%d %d\n%s%s" % (kind, comments, width, height, last, body))
    return Encoded(b"".join(out))


def _plain_header(data: bytes, at: int) -> _Plain:
    """Read the header that begins at `at`."""
    found = re.compile(_HEADER).match(data, at)
    if found is None:
        raise DamageError("it is cut or damaged: its header is not complete")
    kind, *words = (word.decode() for word in found.groups() if word)
    width, height, start = int(words[0]), int(words[1]), found.end() + 1
    maxval = int(words[2]) if kind in "2356" else 255
    if not 0 < maxval < 65536:
        raise DamageError(
            f"it is damaged: its header tells of values up to {maxval}, not 1 to 65535"
        )
    try:
        scale = float(words[2]) if kind in _FLOAT else 1.0
    except ValueError:
        raise DamageError("it is damaged: the scale in its header is not a number") from None
    name = ("<f4" if scale < 0 else ">f4") if kind in _FLOAT else "u1" if maxval < 256 else ">u2"
    dtype: np.dtype[Any] = np.dtype(name)
    shape = (height, width, 3) if kind in "36F" else (height, width)
    size = height * -(-width // 8) if kind == "4" else math.prod(shape) * dtype.itemsize
    if data[start - 1 : start + 1] == b"\r\n" and start + size < len(data):
        start += 1  # one blank ends a header, but some programs write lines of Windows
    return _Plain(kind, shape, maxval, dtype, abs(scale), start, start + size)


def _pixels(data: bytes, plain: _Plain) -> Array:
    """The pixels of one picture, (H, W) or (H, W, 3) with blue first."""
    kind, maxval = plain.kind, plain.maxval
    if kind in _TEXT:
        body = re.sub(rb"#[^\n]*", b"", data[plain.start :])
        # The digits of a bitmap need no space between them.
        words = re.findall(rb"[01]" if kind == "1" else rb"\S+", body)
        wanted = math.prod(plain.shape)
        if not all(map(re.compile(rb"[+-]?\d{1,4000}").fullmatch, words)):
            raise DamageError("it is damaged: it holds a word that is not a number")
        values = list(map(int, words[:wanted]))
        if len(values) < wanted:
            raise DamageError("it is cut: it holds fewer pixels than its header says")
        if len(words) > wanted:
            raise DamageError(f"it is damaged: it holds {len(words)} numbers where {wanted} belong")
        if min(values) < 0 or max(values) > maxval:
            raise DamageError(f"it is damaged: it holds a value outside 0 to {maxval}")
        numbers = np.array(values, plain.dtype)
    else:
        if plain.end > len(data):
            raise DamageError("it is cut: it holds fewer pixels than its header says")
        numbers = np.frombuffer(data[plain.start : plain.end], plain.dtype)
        if kind in "56" and numbers.max() > maxval:
            raise DamageError(f"it is damaged: it holds a value above its maximum of {maxval}")
        if kind == "4":
            rows = numbers.reshape(plain.shape[0], -1)
            numbers = np.unpackbits(rows, axis=1, count=plain.shape[1])
    if kind in "14":
        numbers = np.where(numbers == 0, np.uint8(255), np.uint8(0))
    pixels = numbers.reshape(plain.shape).astype(plain.dtype.newbyteorder("="))
    if kind in _FLOAT:
        with np.errstate(all="ignore"):
            pixels = pixels[::-1] * np.float32(plain.scale)
    return pixels if pixels.ndim == 2 else pixels[..., ::-1]
