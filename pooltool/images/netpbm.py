"""The netpbm family and PFM: plain headers and numbers, read and written here.

OpenCV rescales text files whose largest value is below 255 and ignores the scale of PFM, so these
formats never reach it.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pooltool.errors import DamageError, ImageError
from pooltool.images import formats
from pooltool.images.formats import Format

Array = NDArray[Any]

_SPACE = rb"(?:\s|#[^\n]*\n)+"
_HEADERS = (
    rb"P([14])" + _SPACE + rb"(\d+)" + _SPACE + rb"(\d+)(?=\s)",
    rb"P([2356])" + _SPACE + rb"(\d+)" + _SPACE + rb"(\d+)" + _SPACE + rb"(\d+)(?=\s)",
    rb"P([fF])\s+(\d+)\s+(\d+)\s+([-+.\deE]+)(?=\s)",
)
_FORMATS = {"1": formats.PBM, "4": formats.PBM, "2": formats.PGM, "5": formats.PGM,
            "3": formats.PPM, "6": formats.PPM, "f": formats.PFM, "F": formats.PFM}  # fmt: skip


class Header(NamedTuple):
    """One picture of a netpbm or PFM file: what it is and where its numbers begin."""

    kind: str
    """The character after the P of the magic number."""
    height: int
    width: int
    channels: int
    maxval: int
    start: int
    scale: float = 1.0

    @property
    def format(self) -> Format:
        """The format it belongs to."""
        return _FORMATS[self.kind]

    @property
    def text(self) -> bool:
        """True when its numbers are written out as decimal text."""
        return self.kind in "123"

    @property
    def dtype(self) -> np.dtype[Any]:
        """How its numbers lie in the file."""
        if self.kind in "fF":
            return np.dtype("<f4" if self.scale < 0 else ">f4")
        return np.dtype("u1" if self.maxval < 256 else ">u2")

    @property
    def size(self) -> int:
        """Bytes of its numbers, unless they are text."""
        if self.kind == "4":
            return self.height * -(-self.width // 8)
        return self.height * self.width * self.channels * self.dtype.itemsize


def matches(data: bytes) -> bool:
    """True when the data begins as a netpbm or PFM picture."""
    return re.match(rb"P[1-7fF][\s#]", data) is not None


def headers(data: bytes) -> list[Header]:
    """The headers of all pictures in the data; raise `ImageError` when one is cut or damaged."""
    found = [_header(data, 0)]
    while not found[-1].text and found[-1].kind not in "fF":
        end = found[-1].start + found[-1].size
        if end > len(data):
            raise DamageError("it is cut: it holds fewer pixels than its header says")
        if not data[end:].strip():
            break
        found.append(_header(data, end))
    return found


def read(data: bytes, header: Header) -> Array:
    """The pixels of one picture, (H, W) or (H, W, C) as OpenCV orders channels."""
    numbers = _text_numbers(data, header) if header.text else _binary_numbers(data, header)
    if numbers.size and header.kind not in "fF" and numbers.max() > header.maxval:
        raise DamageError(f"it is damaged: it holds a value above its maximum of {header.maxval}")
    if header.kind in "14":
        numbers = np.where(numbers == 0, np.uint8(255), np.uint8(0))
    shape = (header.height, header.width, header.channels)
    pixels = numbers.reshape(shape).astype(numbers.dtype.newbyteorder("="))
    if header.kind in "fF":
        with np.errstate(all="ignore"):
            pixels = pixels[::-1] * np.float32(abs(header.scale))
    return np.ascontiguousarray(_as_opencv(pixels))


def brightness(header: Header) -> int | None:
    """The largest value, where it is less than the dtype's."""
    full = header.kind in "14fF" or header.maxval in (255, 65535)
    return None if full else header.maxval


def write(pixels: Array, fmt: Format, maxval: int | None, text: bool) -> bytes:
    """Encode one picture as PBM, PGM, PPM or PFM."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if fmt is formats.PBM:
        return _write_bitmap(pixels)
    ordered = _as_opencv(pixels)
    if fmt is formats.PFM:
        head = f"P{'F' if channels == 3 else 'f'}\n{pixels.shape[1]} {pixels.shape[0]}\n-1.0\n"
        return head.encode() + ordered[::-1].astype("<f4").tobytes()
    largest = maxval or np.iinfo(pixels.dtype).max
    body = ordered.astype(pixels.dtype.newbyteorder(">")).tobytes()
    sides = (pixels.shape[1], pixels.shape[0])
    kind = 5 if channels == 1 else 6
    head = "P{}\n{} {}\n{}\n".format(kind - 3 if text else kind, *sides, largest)
    return head.encode() + (_as_text(ordered, largest) if text else body)


def _header(data: bytes, at: int) -> Header:
    if data.startswith(b"P7", at):
        raise ImageError("it is a PAM picture, which is not read; convert it to PNG or PPM")
    for pattern in _HEADERS:
        found = re.compile(pattern).match(data, at)
        if found:
            header = _positional(found)
            _require_sense(header)
            return header
    raise DamageError("it is cut or damaged: its header is not complete")


def _positional(found: re.Match[bytes]) -> Header:
    kind, last = found[1].decode(), found[found.re.groups].decode()
    width, height, start = int(found[2]), int(found[3]), found.end() + 1
    channels = 3 if kind in "36F" else 1
    if kind in "fF":
        return Header(kind, height, width, channels, 1, start, _scale(last))
    return Header(kind, height, width, channels, 1 if kind in "14" else int(last), start)


def _scale(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DamageError("it is damaged: the scale in its header is not a number") from None


def _require_sense(header: Header) -> None:
    if not (header.height and header.width):
        raise DamageError("it is damaged: its header tells of a picture without pixels")
    if not 0 < header.maxval < 65536:
        raise DamageError(
            f"it is damaged: its header tells of values up to {header.maxval}, not 1 to 65535"
        )


def _text_numbers(data: bytes, header: Header) -> Array:
    body = re.sub(rb"#[^\n]*", b"", data[header.start :])
    wanted = header.height * header.width * header.channels
    words = re.findall(rb"[01]" if header.kind == "1" else rb"\S+", body)
    try:
        numbers = np.array([int(word) for word in words[:wanted]], np.int64)
    except ValueError:
        raise DamageError("it is damaged: it holds a word that is not a number") from None
    if numbers.size < wanted:
        raise DamageError("it is cut: it holds fewer pixels than its header says")
    if len(words) > wanted:
        raise DamageError(f"it is damaged: it holds {len(words)} numbers where {wanted} belong")
    if numbers.min() < 0 or numbers.max() > header.maxval:
        raise DamageError(f"it is damaged: it holds a value outside 0 to {header.maxval}")
    return numbers.astype(header.dtype)


def _binary_numbers(data: bytes, header: Header) -> Array:
    body = data[header.start : header.start + header.size]
    if len(body) < header.size:
        raise DamageError("it is cut: it holds fewer pixels than its header says")
    numbers = np.frombuffer(body, header.dtype)
    if header.kind == "4":
        rows = np.unpackbits(numbers.reshape(header.height, -1), axis=1)
        return np.ascontiguousarray(rows[:, : header.width])
    return numbers


def _as_opencv(pixels: Array) -> Array:
    """Swap red and blue, drop a single channel's axis."""
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return pixels.reshape(pixels.shape[:2])
    return pixels[..., ::-1]


def _as_text(pixels: Array, largest: int) -> bytes:
    width = len(str(largest))
    rows = pixels.reshape(pixels.shape[0], -1).tolist()
    return b"".join(b" ".join(b"%*d" % (width, value) for value in row) + b"\n" for row in rows)


def _write_bitmap(pixels: Array) -> bytes:
    black = pixels == 0
    if not np.all(black | (pixels == 255)):
        raise ImageError("PBM cannot hold gray levels between black and white; use pgm or png")
    head = f"P4\n{pixels.shape[1]} {pixels.shape[0]}\n".encode()
    return head + np.packbits(black, axis=1).tobytes()
