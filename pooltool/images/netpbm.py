"""PBM, PGM, PPM (netpbm) and PFM: plain headers and numbers, read and written here.

OpenCV rescales text files whose largest value is below 255 and ignores the scale of PFM, so these
formats never reach it.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from pooltool.errors import DamageError, ImageError
from pooltool.images import formats
from pooltool.images.formats import Format
from pooltool.images.picture import (
    Array,
    Encoded,
    Header,
    Metadata,
    Part,
    Picture,
    Verbatim,
    channels,
)

FORMATS = (*formats.NETPBM, formats.PFM)
START = rb"P[1-6fF][\s#]"

_TEXT, _FLOAT = "123", "fF"
_SPACE = rb"(?:\s|#[^\n]*\n)+"
_HEADERS = (
    rb"P([14]) (\d+) (\d+)(?=\s)".replace(b" ", _SPACE),
    rb"P([2356]) (\d+) (\d+) (\d+)(?=\s)".replace(b" ", _SPACE),
    rb"P([fF])\s+(\d+)\s+(\d+)\s+([-+.\deE]+)(?=\s)",
)
_FORMAT_OF = {"1": formats.PBM, "4": formats.PBM, "2": formats.PGM, "5": formats.PGM,
              "3": formats.PPM, "6": formats.PPM, "f": formats.PFM, "F": formats.PFM}  # fmt: skip


class _Plain(NamedTuple):
    """One picture of a file: what its header says and where its numbers begin."""

    kind: str
    """The character after the P."""
    height: int
    width: int
    channels: int
    maxval: int
    dtype: np.dtype[Any]
    scale: float
    start: int
    size: int
    """Bytes of its numbers, unless they are text."""


def read_header(data: bytes) -> Header:
    """Walk the headers of all pictures; their comments stay in the family."""
    found = [_plain_header(data, 0)]
    while found[-1].kind not in _TEXT + _FLOAT:
        end = found[-1].start + found[-1].size
        if end > len(data):
            raise DamageError("it is cut: it holds fewer pixels than its header says")
        if not data[end:].strip():
            break
        found.append(_plain_header(data, end))
    first = found[0]
    head = b"" if first.kind in _FLOAT else data if first.kind in _TEXT else data[: first.start]
    comments = tuple(Part(b"#", text) for text in re.findall(rb"#([^\n]*)", head))
    names = tuple(format.name for format in formats.NETPBM)
    verbatim = Verbatim(names, comments, ()) if comments else None
    sizes = tuple((each.height, each.width) for each in found)
    metadata = Metadata(verbatim=verbatim)
    return Header(_FORMAT_OF[first.kind], sizes, metadata, details=tuple(found))


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Read one picture or all."""
    found: tuple[_Plain, ...] = header.details
    pictures = found if frame is None else found[frame : frame + 1]
    levels = {
        None if each.kind in "14fF" or each.maxval in (255, 65535) else each.maxval
        for each in pictures
    }
    if len(levels) > 1:
        raise ImageError("its pictures have different maximum values; choose one with --frame")
    frames = tuple(_pixels(data, each) for each in pictures)
    return Picture(frames, header.format, maxval=levels.pop(), text=pictures[0].kind in _TEXT)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Write the pictures one behind the other, as text where a single one came as text."""
    verbatim, text = picture.metadata.verbatim, picture.text and len(picture.frames) == 1
    comments = b"".join(b"#" + part.body + b"\n" for part in verbatim.parts) if verbatim else b""
    out = []
    for pixels in picture.frames:
        ordered = _red_first(pixels)
        sides = b"%d %d\n" % (pixels.shape[1], pixels.shape[0])
        if format is formats.PFM:
            body = ordered[::-1].astype("<f4").tobytes()
            out.append((b"Pf\n" if ordered.ndim == 2 else b"PF\n") + sides + b"-1.0\n" + body)
        elif format is formats.PBM:
            if not np.all((ordered == 0) | (ordered == 255)):
                raise ImageError(
                    "PBM cannot hold gray levels between black and white; use pgm or png"
                )
            out.append(b"P4\n" + comments + sides + np.packbits(ordered == 0, axis=1).tobytes())
        else:
            largest = picture.maxval or int(np.iinfo(pixels.dtype).max)
            kind = (5 if ordered.ndim == 2 else 6) - 3 * text
            if text:
                rows = ordered.reshape(ordered.shape[0], -1).tolist()
                form = b" ".join([b"%%%dd" % len(str(largest))] * len(rows[0])) + b"\n"
                body = b"".join(form % tuple(row) for row in rows)
            else:
                body = ordered.astype(pixels.dtype.newbyteorder(">")).tobytes()
            out.append(b"P%d\n" % kind + comments + sides + b"%d\n" % largest + body)
    return Encoded(b"".join(out))


def _plain_header(data: bytes, at: int) -> _Plain:
    """Read the header that begins at `at`."""
    tried = (re.compile(pattern).match(data, at) for pattern in _HEADERS)
    found = next(filter(None, tried), None)
    if found is None:
        raise DamageError("it is cut or damaged: its header is not complete")
    kind, last = found[1].decode(), found[found.re.groups]
    width, height, start = int(found[2]), int(found[3]), found.end() + 1
    maxval = int(last) if kind in "2356" else 1
    if not 0 < maxval < 65536:
        raise DamageError(
            f"it is damaged: its header tells of values up to {maxval}, not 1 to 65535"
        )
    try:
        scale = float(last) if kind in _FLOAT else 1.0
    except ValueError:
        raise DamageError("it is damaged: the scale in its header is not a number") from None
    channels = 3 if kind in "36F" else 1
    name = ("<f4" if scale < 0 else ">f4") if kind in _FLOAT else "u1" if maxval < 256 else ">u2"
    dtype: np.dtype[Any] = np.dtype(name)
    row = -(-width // 8) if kind == "4" else width * channels * dtype.itemsize
    return _Plain(kind, height, width, channels, maxval, dtype, abs(scale), start, height * row)


def _pixels(data: bytes, plain: _Plain) -> Array:
    """The pixels of one picture, (H, W) or (H, W, 3) with blue first."""
    if plain.kind in _TEXT:
        numbers = _text_numbers(data, plain)
    else:
        body = data[plain.start : plain.start + plain.size]
        if len(body) < plain.size:
            raise DamageError("it is cut: it holds fewer pixels than its header says")
        numbers = np.frombuffer(body, plain.dtype)
    if plain.kind == "4":
        numbers = np.unpackbits(numbers.reshape(plain.height, -1), axis=1)[:, : plain.width]
    if plain.kind not in _FLOAT and numbers.max() > plain.maxval:
        raise DamageError(f"it is damaged: it holds a value above its maximum of {plain.maxval}")
    if plain.kind in "14":
        numbers = np.where(numbers == 0, np.uint8(255), np.uint8(0))
    shape = (plain.height, plain.width, plain.channels)
    pixels = numbers.reshape(shape).astype(numbers.dtype.newbyteorder("="))
    if plain.kind in _FLOAT:
        with np.errstate(all="ignore"):
            pixels = pixels[::-1] * np.float32(plain.scale)
    return np.ascontiguousarray(_red_first(pixels))


def _text_numbers(data: bytes, plain: _Plain) -> Array:
    """The decimal numbers of a picture; those of a bitmap need no space between them."""
    body = re.sub(rb"#[^\n]*", b"", data[plain.start :])
    wanted = plain.height * plain.width * plain.channels
    words = re.findall(rb"[01]" if plain.kind == "1" else rb"\S+", body)
    try:
        numbers = [int(word) for word in words[:wanted]]
    except ValueError:
        raise DamageError("it is damaged: it holds a word that is not a number") from None
    if len(numbers) < wanted:
        raise DamageError("it is cut: it holds fewer pixels than its header says")
    if len(words) > wanted:
        raise DamageError(f"it is damaged: it holds {len(words)} numbers where {wanted} belong")
    if min(numbers) < 0 or max(numbers) > plain.maxval:
        raise DamageError(f"it is damaged: it holds a value outside 0 to {plain.maxval}")
    return np.array(numbers, plain.dtype)


def _red_first(pixels: Array) -> Array:
    """Exchange red and blue, or drop the axis of a single channel."""
    return pixels.reshape(pixels.shape[:2]) if channels(pixels) == 1 else pixels[..., ::-1]
