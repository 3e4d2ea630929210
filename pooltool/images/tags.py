"""Tag directories, which EXIF blocks and TIFF files are made of (TIFF 6.0), and what EXIF 2.3 says.

Pointers in maker notes count from the start of an EXIF block, so a block is changed in place.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pooltool.errors import DamageError, ImageError
from pooltool.images.picture import Array, Resolution

EXIF_PREFIX = b"Exif\0\0"
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 274, 282, 283, 296
EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
POINTERS = (EXIF, GPS, INTEROPERABILITY)
"""Tags whose value is the position of a directory."""
_ACROSS_DOWN = {X_RESOLUTION: Y_RESOLUTION, 0xA20E: 0xA20F}
"""Pixels a unit, across and down: of the picture, and of the plane that the lens drew it on."""
_MAX_DIRECTORIES, _MAX_INNER = 65536, 8

_ORDERS = {b"II": "<", b"MM": ">"}
_CODES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii",
          11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}  # fmt: skip
"""The numbers that one value is made of, by field type, as struct writes them."""
_SIZES = {kind: struct.calcsize("=" + codes) for kind, codes in _CODES.items()}
_INTEGERS, _RATIONAL = (1, 3, 4, 6, 8, 9, 13, 16, 18), 5


class Field(NamedTuple):
    """The values of one tag; `inner` are the fields of the directory that it points to, by tag."""

    kind: int
    count: int  # type: ignore[assignment]  # a tuple has a method of this name
    raw: bytes
    at: int = 0
    """Where `raw` lies in the data it was read from."""
    inner: dict[int, Field] | None = None


class Directory(NamedTuple):
    """The fields of one directory by tag, and where the position of the next one is written."""

    order: str
    """Byte order, as struct writes it."""
    big: bool
    """True for the wider numbers of BigTIFF."""
    fields: dict[int, Field]
    following: int
    following_at: int

    def raw(self, tag: int) -> bytes | None:
        """The bytes of a tag; None when it is missing."""
        return self.fields[tag].raw if tag in self.fields else None

    def numbers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The integers of a tag; `default` when it is missing or holds no integers."""
        found = self.fields.get(tag)
        if found is None or found.kind not in _INTEGERS:
            return default
        return struct.unpack(f"{self.order}{found.count}{_CODES[found.kind]}", found.raw)

    def number(self, tag: int, default: int) -> int:
        """The first integer of a tag."""
        return (self.numbers(tag) or (default,))[0]

    def ratio(self, tag: int) -> float:
        """The one fraction of a tag; 0 when it is missing or holds none."""
        found = self.fields.get(tag)
        if found is None or found.kind != _RATIONAL or found.count != 1:
            return 0.0
        above, below = struct.unpack(self.order + "II", found.raw)
        return above / below if below else 0.0


_EMPTY = Directory("<", False, {}, 0, 0)


def directories(data: bytes) -> Iterator[Directory]:
    """Walk the main directories of a TIFF file or an EXIF block; raise `DamageError` if broken."""
    order = _ORDERS.get(data[:2])
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


def tree(
    data: bytes, found: Directory, tags: Iterable[int], order: str, depth: int = 2
) -> dict[int, Field]:
    """The fields of a directory whose tags are in `tags`, with the directories they point to.

    Their numbers get the byte order `order`. Fields of unknown types are left out; pointers are
    followed to a depth, as they may circle.
    """
    fields = {}
    for tag in tags:
        field = found.fields.get(tag)
        if field is None or field.kind not in _SIZES:
            continue
        position, word = found.numbers(tag), struct.calcsize("=" + _CODES[field.kind][0])
        if tag in POINTERS and len(position) == 1 and depth:
            below = _directory(data, found.order, found.big, position[0])
            inner = tree(data, below, below.fields, order, depth - 1)
            field = field._replace(kind=4, count=1, inner=inner)
        elif order != found.order and word > 1:
            swapped = np.frombuffer(field.raw, f"u{word}").byteswap()
            field = field._replace(raw=swapped.tobytes())
        fields[tag] = field
    return fields


def number_fields(numbers: Mapping[int, Sequence[int]], order: str = "<") -> dict[int, Field]:
    """A field for each tag, with numbers of 16 bits where they fit, else of 32 or 64."""
    fields = {}
    for tag, values in numbers.items():
        kind = 3 if max(values) <= 0xFFFF else 4 if max(values) <= 0xFFFFFFFF else 16
        raw = struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)
        fields[tag] = Field(kind, len(values), raw)
    return fields


def pack(
    fields: dict[int, Field], order: str, base: int, known: dict[bytes, int], following: int = 0
) -> bytes:
    """Lay fields out as a classic directory that will lie at `base`, its values behind it.

    `known` tells where values of the file lie already; equal ones are written once.
    """
    table, values = bytearray(struct.pack(order + "H", len(fields))), bytearray()
    behind = base + 2 + 12 * len(fields) + 4
    for tag, field in sorted(fields.items()):
        raw, end = field.raw, behind + len(values)
        if field.inner is not None:
            values += pack(field.inner, order, end, known)
            raw = struct.pack(order + "I", end)
        elif len(raw) > 4:
            if raw not in known:
                known[raw] = end
                values += raw + bytes(len(raw) % 2)
            raw = struct.pack(order + "I", known[raw])
        table += struct.pack(order + "HHI4s", tag, field.kind, field.count, raw)
    return bytes(table + struct.pack(order + "I", following) + values)


def packed_behind(content: bytes, fields: dict[int, Field], order: str) -> bytes:
    """An EXIF block or TIFF file of one directory, with `content` between header and directory."""
    content += bytes(len(content) % 2)
    mark, at = (b"II" if order == "<" else b"MM"), 8 + len(content)
    return struct.pack(order + "2sHI", mark, 42, at) + content + pack(fields, order, at, {})


def orientation(block: bytes | None) -> int:
    """The EXIF orientation, 1 to 8; 1 when there is none or it makes no sense."""
    value = _read(_mended(block)).number(ORIENTATION, 1) if block else 1
    return value if 1 <= value <= 8 else 1


def upright(block: bytes, transposed: bool) -> tuple[bytes | None, bool]:
    """The block of a picture that was turned upright, without thumbnail, and if it is whole.

    What is damaged is taken out; the block is None when nothing is left.
    """
    mended = _mended(block)
    found = _read(mended)
    values: dict[int, float] = {ORIENTATION: 1}
    if transposed:
        for across, down in _ACROSS_DOWN.items():
            values |= {across: found.ratio(down), down: found.ratio(across)}
    patched = _patched(mended, found, values)
    if found.following:  # the second directory is the thumbnail: it shows what was before pooling
        patched = patched[: found.following_at] + bytes(4) + patched[found.following_at + 4 :]
    return (patched, mended == block) if _read(patched).fields else (None, False)


def turned(pixels: Array, orientation: int) -> Array:
    """Pixels upright, as a view: transposed, then rows flipped, then columns."""
    if 5 <= orientation <= 8:
        pixels = pixels.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    return pixels[::rows, :: -1 if orientation in (2, 3, 6, 7) else 1]


def resized(block: bytes, height: int, width: int, reduction: tuple[float, float]) -> bytes:
    """The block that `upright` made, with the size told and the resolution divided."""
    found = _read(block)
    values: dict[int, float] = {0x100: width, 0xA002: width, 0x101: height, 0xA003: height}
    for tags, divisor in zip((_ACROSS_DOWN.values(), _ACROSS_DOWN), reduction, strict=True):
        if divisor != 1:
            values |= {tag: found.ratio(tag) / divisor for tag in tags}
    patched = _patched(block, found, values)
    return patched if _read(patched).fields else block  # values may lie in the tables themselves


def resolution(block: bytes | None) -> Resolution | None:
    """What a block says of the resolution; None where it says nothing, or has no unit."""
    found = _read(block or b"")
    unit = found.numbers(RESOLUTION_UNIT, (2,))
    metre = 1 / 0.0254 if unit == (2,) else 100.0 if unit == (3,) else 0.0
    sides = Resolution(*(found.ratio(tag) * metre for tag in (Y_RESOLUTION, X_RESOLUTION)))
    return sides if all(sides) else None


def resolution_fields(resolution: Resolution) -> dict[int, Field]:
    """The fields of a little-endian directory that tell a resolution in inches."""
    sides = zip((Y_RESOLUTION, X_RESOLUTION), resolution, strict=True)
    ratios = {tag: Field(_RATIONAL, 1, _as_ratio(side * 0.0254, "<")) for tag, side in sides}
    return ratios | number_fields({RESOLUTION_UNIT: [2]})


def _directory(data: bytes, order: str, big: bool, position: int) -> Directory:
    """Read a directory; of a field of unknown type, only tag and type are known."""
    head, word, room = ("Q", "Q", 8) if big else ("H", "I", 4)
    start = position + struct.calcsize("=" + head)
    count = struct.unpack(order + head, data[position:start].ljust(start - position, b"\0"))[0]
    end = start + count * (4 + 2 * room)
    if position < 0 or end > len(data):
        raise DamageError("it is cut: a tag directory lies beyond the end of the data")
    fields = {}
    for at in range(start, end, 4 + 2 * room):
        tag, kind, count = struct.unpack_from(f"{order}HH{word}", data, at)
        size, where = count * _SIZES.get(kind, 0), at + 4 + room
        if size > room:
            where = struct.unpack_from(order + word, data, where)[0]
        if where + size > len(data):
            raise DamageError(f"it is cut: the values of tag {tag} lie beyond the end of the data")
        fields[tag] = Field(kind, count, data[where : where + size], where)
    is_whole = end + room <= len(data)
    following = struct.unpack_from(order + word, data, end)[0] if is_whole else 0
    return Directory(order, big, fields, following, end)


def _mended(block: bytes) -> bytes:
    """The block without tags whose values lie beyond its end.

    The tables of its directories close up where they are: all other positions stay right.
    """
    order = _ORDERS.get(block[:2])
    if order is None or len(block) < 16:
        return block
    out, known = bytearray(block), [*struct.unpack_from(order + "I", block, 4)]
    for position in known:
        if position + 2 > len(block):
            break
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
            table = struct.pack(order + "H", len(kept) // 12) + kept
            table += block[end : end + 4].ljust(4, b"\0")
            out[position : position + len(table)] = table
    return bytes(out)


def _read(block: bytes) -> Directory:
    """The main directory with the fields of its EXIF directory; no fields if it is damaged."""
    try:
        first = next(directories(block), _EMPTY)
        fields = tree(block, first, first.fields, first.order)
    except ImageError:
        return _EMPTY
    inner = fields[EXIF].inner if EXIF in fields else None
    return first._replace(fields=(inner or {}) | fields)


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
