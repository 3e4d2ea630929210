"""Tag directories, which EXIF blocks and TIFF files are made of (TIFF 6.0), and what EXIF 2.3 says.

Pointers in maker notes count from the start of an EXIF block, so a block is changed in place.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from pooltool.errors import DamageError, ImageError
from pooltool.images.headers import MALFORMED
from pooltool.images.picture import Array, Resolution

EXIF_PREFIX = b"Exif\0\0"
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 274, 282, 283, 296
EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
POINTERS = (EXIF, GPS, INTEROPERABILITY)
"""Tags whose value is the position of a directory."""
_WIDTHS, _HEIGHTS = (0x100, 0xA002), (0x101, 0xA003)
_ACROSS, _DOWN = (X_RESOLUTION, 0xA20E), (Y_RESOLUTION, 0xA20F)
"""Pixels a unit of the picture, and of the plane that the lens drew it on."""
_MAX_DIRECTORIES, _MAX_INNER = 65536, 8

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip
"""Bytes of one value, by field type."""
_WORDS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of the numbers a value is made of, for the types whose byte order matters."""
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_RATIONAL = 5


class Field(NamedTuple):
    """One tag with its values; `inner` are the fields of the directory that it points to."""

    tag: int
    kind: int
    count: int  # type: ignore[assignment]  # a tuple has a method of this name
    raw: bytes
    at: int = 0
    """Where `raw` lies in the data it was read from."""
    inner: tuple[Field, ...] | None = None


class Directory(NamedTuple):
    """The fields of one directory, and where the position of the next one is written."""

    order: str
    """Byte order, as struct writes it."""
    big: bool
    """True for the wider numbers of BigTIFF."""
    fields: dict[int, Field]
    following: int
    following_at: int

    def numbers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The integers of a tag; `default` when it is missing or holds no integers."""
        found = self.fields.get(tag)
        if found is None or found.kind not in _CODES:
            return default
        return struct.unpack(f"{self.order}{found.count}{_CODES[found.kind]}", found.raw)

    def ratio(self, tag: int) -> float:
        """The one fraction of a tag; 0 when it is missing or holds none."""
        found = self.fields.get(tag)
        if found is None or found.kind != _RATIONAL or found.count != 1:
            return 0.0
        above, below = struct.unpack(self.order + "II", found.raw)
        return above / below if below else 0.0


def directories(data: bytes) -> Iterator[Directory]:
    """Walk the main directories of a TIFF file or an EXIF block; raise `DamageError` if broken."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        raise DamageError("it is damaged: the header of its tags is not one")
    big = struct.unpack_from(order + "H", data, 2) == (43,)
    position = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    seen: set[int] = set()
    while position:
        if position in seen or len(seen) >= _MAX_DIRECTORIES:
            raise DamageError("it is damaged: its tag directories run in a circle")
        seen.add(position)
        found = _directory(data, order, big, position)
        yield found
        position = found.following


def tree(data: bytes, found: Directory, tags: Iterable[int], depth: int = 2) -> tuple[Field, ...]:
    """The fields of a directory whose tags are in `tags`, with the directories they point to.

    Fields of unknown types are left out; pointers are followed to a depth, as they may circle.
    """
    fields = []
    for tag in tags:
        field = found.fields.get(tag)
        if field is None or field.kind not in _SIZES:
            continue
        position = found.numbers(tag)
        if tag in POINTERS and len(position) == 1 and depth:
            below = _directory(data, found.order, found.big, position[0])
            inner = tree(data, below, below.fields, depth - 1)
            field = field._replace(kind=4, count=1, inner=inner)
        fields.append(field)
    return tuple(fields)


def pack(
    fields: Iterable[Field],
    order: str,
    base: int,
    following: int = 0,
    known: dict[bytes, int] | None = None,
) -> bytes:
    """Lay fields out as a classic directory that will lie at `base`, its values behind it.

    `known` tells where values of the file lie already; equal ones are written once.
    """
    known = {} if known is None else known
    fields = sorted(fields, key=lambda field: field.tag)
    table, values = bytearray(struct.pack(order + "H", len(fields))), bytearray()
    behind = base + 2 + 12 * len(fields) + 4
    for field in fields:
        raw, end = field.raw, behind + len(values)
        if field.inner is not None:
            values += pack(field.inner, order, end, known=known)
            raw = struct.pack(order + "I", end)
        elif len(raw) > 4:
            if raw not in known:
                known[raw] = end
                values += raw + bytes(len(raw) % 2)
            raw = struct.pack(order + "I", known[raw])
        table += struct.pack(order + "HHI4s", field.tag, field.kind, field.count, raw)
    return bytes(table + struct.pack(order + "I", following) + values)


def reordered(field: Field, order: str, wanted: str) -> Field:
    """The field with its numbers in the wanted byte order."""
    if field.inner is not None:
        field = field._replace(inner=tuple(reordered(each, order, wanted) for each in field.inner))
    word = _WORDS.get(field.kind, 1)
    if order == wanted or word == 1:
        return field
    return field._replace(raw=np.frombuffer(field.raw, f"u{word}").byteswap().tobytes())


def orientation(block: bytes | None) -> int:
    """The EXIF orientation, 1 to 8; 1 when there is none or it makes no sense."""
    found = _read(_mended(block)[0]) if block else None
    value = (found.numbers(ORIENTATION) if found else ()) or (1,)
    return value[0] if 1 <= value[0] <= 8 else 1


def upright(block: bytes, transposed: bool) -> tuple[bytes | None, bool]:
    """The block of a picture that was turned upright, without thumbnail, and if it is whole.

    What is damaged is taken out; the block is None when nothing is left.
    """
    block, is_whole = _mended(block)
    found = _read(block)
    if found is None:
        return None, False
    values: dict[int, float] = {ORIENTATION: 1}
    if transposed:
        for across, down in zip(_ACROSS, _DOWN, strict=True):
            values |= {across: found.ratio(down), down: found.ratio(across)}
    block = _patched(block, found, values)
    if found.following:  # the second directory is the thumbnail: it shows what was before pooling
        block = block[: found.following_at] + bytes(4) + block[found.following_at + 4 :]
    return (block, is_whole) if _read(block) else (None, False)


def turned(pixels: Array, orientation: int) -> Array:
    """Pixels upright, as a view: transposed, then rows flipped, then columns."""
    if 5 <= orientation <= 8:
        pixels = pixels.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    return pixels[::rows, :: -1 if orientation in (2, 3, 6, 7) else 1]


def resized(block: bytes, height: int, width: int, reduction: tuple[float, float]) -> bytes:
    """The block that `upright` made, with the size told and the resolution divided."""
    found = _read(block)
    if found is None:
        return block
    values = {tag: float(height) for tag in _HEIGHTS} | {tag: float(width) for tag in _WIDTHS}
    for tags, divisor in ((_DOWN, reduction[0]), (_ACROSS, reduction[1])):
        if divisor != 1:
            values |= {tag: found.ratio(tag) / divisor for tag in tags}
    patched = _patched(block, found, values)
    return patched if _read(patched) else block  # values may lie in the tables themselves


def resolution(block: bytes | None) -> Resolution | None:
    """What a block says of the resolution; None where it says nothing, or has no unit."""
    found = _read(block) if block else None
    if found is None:
        return None
    unit = found.numbers(RESOLUTION_UNIT, (2,))
    metre = 1 / 0.0254 if unit == (2,) else 100.0 if unit == (3,) else 0.0
    sides = Resolution(*(found.ratio(tag) * metre for tag in (Y_RESOLUTION, X_RESOLUTION)))
    return sides if all(sides) else None


def resolution_fields(resolution: Resolution) -> list[Field]:
    """The fields of a little-endian directory that tell a resolution in inches."""
    down, across = (_as_ratio(side * 0.0254, "<") for side in resolution)
    return [
        Field(X_RESOLUTION, _RATIONAL, 1, across),
        Field(Y_RESOLUTION, _RATIONAL, 1, down),
        Field(RESOLUTION_UNIT, 3, 1, struct.pack("<H", 2)),
    ]


def _directory(data: bytes, order: str, big: bool, position: int) -> Directory:
    """Read a directory; of a field of unknown type, only tag and type are known."""
    word, room, fields = "Q" if big else "I", 8 if big else 4, {}
    try:
        count = struct.unpack_from(order + ("Q" if big else "H"), data, position)[0]
        start = position + (8 if big else 2)
        end = start + count * (4 + 2 * room)
        if position < 0 or end > len(data):
            raise struct.error
    except (struct.error, OverflowError):
        raise DamageError("it is cut: a tag directory lies beyond the end of the data") from None
    for at in range(start, end, 4 + 2 * room):
        tag, kind, count = struct.unpack_from(f"{order}HH{word}", data, at)
        size, where = count * _SIZES.get(kind, 0), at + 4 + room
        if size > room:
            where = struct.unpack_from(order + word, data, where)[0]
        if where + size > len(data):
            raise DamageError(f"it is cut: the values of tag {tag} lie beyond the end of the data")
        fields[tag] = Field(tag, kind, count, data[where : where + size], where)
    following = 0
    if end + room <= len(data):
        following = struct.unpack_from(order + word, data, end)[0]
    return Directory(order, big, fields, following, end)


def _mended(block: bytes) -> tuple[bytes, bool]:
    """The block without tags whose values lie beyond its end, and if there are none of them.

    The tables of its directories close up where they are: all other positions stay right.
    """
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 16:
        return block, False
    out, is_whole = bytearray(block), True
    known = [struct.unpack_from(order + "I", block, 4)[0]]
    for position in known:
        if position + 2 > len(block):
            return block, False
        count = struct.unpack_from(order + "H", block, position)[0]
        start, end, kept = position + 2, position + 2 + 12 * count, b""
        for at in range(start, min(end, len(block) - 11), 12):
            tag, kind, number, value = struct.unpack_from(order + "HHII", block, at)
            size = number * _SIZES.get(kind, 0)
            good = size <= 4 or value + size <= len(block)
            if tag in POINTERS:
                below = struct.unpack(order + "H", block[value : value + 2].ljust(2, b"\0"))[0]
                fits = 12 * below <= len(block) - value - 2
                good = kind in (4, 13) and number == 1 and fits and value not in known
                good = good and len(known) < _MAX_INNER
                known += [value] if good else []
            kept += block[at : at + 12] if good else b""
        if len(kept) != 12 * count:
            is_whole = False
            count = struct.pack(order + "H", len(kept) // 12)
            out[position : start + len(kept) + 4] = (
                count + kept + block[end : end + 4].ljust(4, b"\0")
            )
    return bytes(out), is_whole


def _read(block: bytes) -> Directory | None:
    """The main directory with the fields of its EXIF directory; None if damaged or empty."""
    try:
        first = next(directories(block))
        fields = tree(block, first, first.fields)
    except (ImageError, StopIteration, *MALFORMED):
        return None
    inner = next((field.inner for field in fields if field.tag == EXIF), None) or ()
    merged = {field.tag: field for field in (*inner, *fields)}
    return first._replace(fields=merged) if merged else None


def _as_ratio(value: float, order: str) -> bytes:
    """A number as a fraction of two numbers of 32 bits, as near as they come to it."""
    from fractions import Fraction  # takes a millisecond to load, and few pictures need it

    value = min(value, 0xFFFFFFFF)
    near = Fraction(value).limit_denominator(min(0xFFFF, int(0xFFFFFFFF / max(1, value))))
    return struct.pack(order + "II", near.numerator, near.denominator)


def _patched(block: bytes, found: Directory, values: dict[int, float]) -> bytes:
    """Write values over those that are there; what is not told, or not as one number, stays so."""
    patched = bytearray(block)
    for tag, value in values.items():
        field = found.fields.get(tag)
        if field is None or field.count != 1:
            continue
        if field.kind in (3, 4):
            most, code = (0xFFFF, "H") if field.kind == 3 else (0xFFFFFFFF, "I")
            struct.pack_into(found.order + code, patched, field.at, min(int(value), most))
        elif field.kind == _RATIONAL and value:
            patched[field.at : field.at + 8] = _as_ratio(value, found.order)
    return bytes(patched)
