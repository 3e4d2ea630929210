"""Tag directories, which EXIF blocks and TIFF files are made of (TIFF 6.0), and what EXIF 2.3 says.

Pointers in maker notes count from the start of an EXIF block, so a block is changed in place.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from pooltool.errors import DamageError, ImageError
from pooltool.images.picture import MALFORMED, Resolution

EXIF_PREFIX = b"Exif\0\0"
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 274, 282, 283, 296
EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
POINTERS = (EXIF, GPS, INTEROPERABILITY)
"""Tags whose value is the position of a directory."""
_WIDTHS, _HEIGHTS = (0x100, 0xA002), (0x101, 0xA003)
_ACROSS, _DOWN = (X_RESOLUTION, 0xA20E), (Y_RESOLUTION, 0xA20F)
"""Pixels a unit of the picture, and of the plane that the lens drew it on."""
_MAX_DIRECTORIES = 65536
_INCH = 0.0254

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


@dataclass(frozen=True)
class Layout:
    """How numbers lie in a file: byte order, and the wider offsets of BigTIFF."""

    order: str
    big: bool

    def number(self, data: bytes, at: int, code: str) -> int:
        """Read one integer of struct's type `code`."""
        try:
            value: int = struct.unpack_from(self.order + code, data, at)[0]
        except struct.error:
            raise DamageError(
                "it is cut: a tag directory lies beyond the end of the data"
            ) from None
        return value


@dataclass(frozen=True)
class Directory:
    """The fields of one directory, and where the position of the next one is written."""

    layout: Layout
    fields: dict[int, Field]
    following: int
    following_at: int

    def numbers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The integers of a tag; `default` when it is missing or holds no integers."""
        found = self.fields.get(tag)
        if found is None or found.kind not in _CODES:
            return default
        return struct.unpack(f"{self.layout.order}{found.count}{_CODES[found.kind]}", found.raw)


def directories(data: bytes) -> Iterator[Directory]:
    """Walk the main directories of a TIFF file or an EXIF block; raise `DamageError` if broken."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        raise DamageError("it is damaged: the header of its tags is not one")
    layout = Layout(order, Layout(order, False).number(data, 2, "H") == 43)
    position = layout.number(data, 8, "Q") if layout.big else layout.number(data, 4, "I")
    seen: set[int] = set()
    while position:
        if position in seen or len(seen) >= _MAX_DIRECTORIES:
            raise DamageError("it is damaged: its tag directories run in a circle")
        seen.add(position)
        found = _directory(data, layout, position)
        yield found
        position = found.following


def tree(data: bytes, found: Directory, tags: Iterable[int]) -> tuple[Field, ...]:
    """The fields of a directory whose tags are in `tags`, with the directories they point to."""
    fields = found.fields
    known = (tag for tag in tags if tag in fields and fields[tag].kind in _SIZES)
    return tuple(_with_inner(data, found, tag, depth=2) for tag in known)


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
                values += raw + b"\0" * (len(raw) % 2)
            raw = struct.pack(order + "I", known[raw])
        table += struct.pack(order + "HHI", field.tag, field.kind, field.count) + raw.ljust(
            4, b"\0"
        )
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
    first = _first(block) if block else None
    value = first.numbers(ORIENTATION)[:1] if first else ()
    return value[0] if value and 1 <= value[0] <= 8 else 1


def upright(block: bytes, transposed: bool) -> bytes | None:
    """The block of a picture that was turned upright, without thumbnail; None if it is damaged."""
    try:
        first = next(directories(block))
        fields = _own_fields(block, first)
    except (ImageError, StopIteration, *MALFORMED):
        return None
    values = {ORIENTATION: Fraction(1)}
    if transposed:
        for across, down in zip(_ACROSS, _DOWN, strict=True):
            if across in fields and down in fields:
                values[across] = _rational(fields[down], first.layout)
                values[down] = _rational(fields[across], first.layout)
    return _without_thumbnail(_patched(block, first.layout, fields, values), first)


def resized(block: bytes, height: int, width: int, reduction: tuple[float, float]) -> bytes:
    """The block that `upright` made, with the size told and the resolution divided."""
    first = next(directories(block))
    fields = _own_fields(block, first)
    values = {tag: Fraction(height) for tag in _HEIGHTS} | {tag: Fraction(width) for tag in _WIDTHS}
    for tags, divisor in ((_DOWN, reduction[0]), (_ACROSS, reduction[1])):
        for tag in tags:
            if tag in fields and divisor != 1:
                values[tag] = _rational(fields[tag], first.layout) / Fraction(divisor)
    return _patched(block, first.layout, fields, values)


def resolution(block: bytes | None) -> Resolution | None:
    """What a block says of the resolution; None where it says nothing."""
    first = _first(block) if block else None
    if first is None or not {X_RESOLUTION, Y_RESOLUTION} <= first.fields.keys():
        return None
    columns, rows = (
        float(_rational(first.fields[tag], first.layout)) for tag in (X_RESOLUTION, Y_RESOLUTION)
    )
    unit = first.numbers(RESOLUTION_UNIT, (2,))[:1]
    if not (rows and columns) or (unit == (1,) and rows == columns):
        return None
    metre = {2: 1 / _INCH, 3: 100.0}.get(unit[0] if unit else 2, 1.0)
    return Resolution(rows * metre, columns * metre, metric=unit != (1,))


def resolution_fields(resolution: Resolution) -> list[Field]:
    """The fields of a little-endian directory that tell a resolution, in inches where it can."""
    inch = _INCH if resolution.metric else 1
    unit = struct.pack("<H", 2 if resolution.metric else 1)
    sides = ((X_RESOLUTION, resolution.columns), (Y_RESOLUTION, resolution.rows))
    return [
        *(Field(tag, _RATIONAL, 1, _ratio(Fraction(side * inch), "<")) for tag, side in sides),
        Field(RESOLUTION_UNIT, 3, 1, unit),
    ]


def _directory(data: bytes, layout: Layout, position: int) -> Directory:
    count = layout.number(data, position, "Q" if layout.big else "H")
    start, size = position + (8 if layout.big else 2), 20 if layout.big else 12
    end = start + count * size
    if end > len(data):
        raise DamageError("it is cut: a tag directory lies beyond the end of the data")
    fields = [_field(data, layout, at) for at in range(start, end, size)]
    following = layout.number(data, end, "Q" if layout.big else "I") if end < len(data) else 0
    return Directory(layout, {field.tag: field for field in fields}, following, end)


def _field(data: bytes, layout: Layout, at: int) -> Field:
    """Read one entry; of a type that is unknown, only tag and type are known."""
    tag, kind = layout.number(data, at, "H"), layout.number(data, at + 2, "H")
    if kind not in _SIZES:
        return Field(tag, kind, 0, b"")
    count = layout.number(data, at + 4, "Q" if layout.big else "I")
    size, room = count * _SIZES[kind], 8 if layout.big else 4
    where = at + 4 + room
    if size > room:
        where = layout.number(data, where, "Q" if layout.big else "I")
    if where + size > len(data):
        raise DamageError(f"it is cut: the values of tag {tag} lie beyond the end of the data")
    return Field(tag, kind, count, data[where : where + size], where)


def _with_inner(data: bytes, found: Directory, tag: int, depth: int) -> Field:
    """The field of `tag` with what it points to; no deeper than `depth`, should it be a circle."""
    field, position = found.fields[tag], found.numbers(tag)
    if tag not in POINTERS or len(position) != 1 or not depth:
        return field
    below = _directory(data, found.layout, position[0])
    known = (other.tag for other in below.fields.values() if other.kind in _SIZES)
    inner = tuple(_with_inner(data, below, other, depth - 1) for other in known)
    return field._replace(kind=4, count=1, inner=inner)


def _first(block: bytes) -> Directory | None:
    try:
        return next(directories(block), None)
    except (ImageError, *MALFORMED):
        return None


def _own_fields(block: bytes, first: Directory) -> dict[int, Field]:
    """The fields of the main directory and of its EXIF directory."""
    fields = {field.tag: field for field in tree(block, first, first.fields)}
    inner = fields[EXIF].inner if EXIF in fields else None
    return {field.tag: field for field in inner or ()} | fields


def _rational(field: Field, layout: Layout) -> Fraction:
    """The one value of a field that holds a fraction; 0 when it does not."""
    if field.kind != _RATIONAL or field.count != 1:
        return Fraction(0)
    above, below = struct.unpack(layout.order + "II", field.raw)
    return Fraction(above, below) if below else Fraction(0)


def _ratio(value: Fraction, order: str) -> bytes:
    """A fraction as two numbers of 32 bits, as near as they come to it."""
    near = min(value, Fraction(0xFFFF0000)).limit_denominator(0xFFFF)
    near = near if near.numerator <= 0xFFFFFFFF else Fraction(round(near))
    return struct.pack(order + "II", near.numerator, near.denominator)


def _patched(
    block: bytes, layout: Layout, fields: dict[int, Field], values: dict[int, Fraction]
) -> bytes:
    """Write values over those that are there; what is not told, or not as one number, stays so."""
    patched = bytearray(block)
    for tag, value in values.items():
        field = fields.get(tag)
        if field is None or field.count != 1:
            continue
        if field.kind in (3, 4):
            most, code = (0xFFFF, "H") if field.kind == 3 else (0xFFFFFFFF, "I")
            struct.pack_into(layout.order + code, patched, field.at, min(int(value), most))
        elif field.kind == _RATIONAL and value:
            patched[field.at : field.at + 8] = _ratio(value, layout.order)
    return bytes(patched)


def _without_thumbnail(block: bytes, first: Directory) -> bytes:
    """Cut the chain to the second directory, whose small picture shows what was before pooling."""
    if not first.following or first.following_at + 4 > len(block):
        return block
    cut = block[: first.following_at] + b"\0\0\0\0" + block[first.following_at + 4 :]
    try:
        second = _directory(block, first.layout, first.following)
        start, size = second.numbers(513)[0], second.numbers(514)[0]
        if start + size < len(block):
            return cut
        shorter = cut[:start]
        _own_fields(shorter, next(directories(shorter)))
    except (ImageError, *MALFORMED):
        return cut
    return shorter
