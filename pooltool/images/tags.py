"""Tag directories, which TIFF files and EXIF blocks are made of (TIFF 6.0, BigTIFF, Exif 3.0)."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from pooltool.errors import DamageError
from pooltool.images.formats import EXIF_PREFIX

Array = NDArray[Any]
Placed = dict[tuple[int, bytes], int]
"""The position in a file of the values of a tag."""
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 274, 282, 283, 296
RESOLUTION = (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT)
EXIF, GPS, MAKER_NOTES = 0x8769, 0x8825, 0x927C
POINTERS: dict[int, tuple[int, ...]] = {EXIF: (0xA005,), GPS: (), 0xA005: ()}
"""Tags whose value is the position of a directory, and those in it that are pointers again."""

_WIDTHS, _HEIGHTS, _PLACES = (0x100, 0xA002, 0x1001), (0x101, 0xA003, 0x1002), (0x9214, 0xA214)
"""Sizes of the picture, and where its subject is, in pixels: x, y and perhaps how large it is."""
_ACROSS, _DOWN = (X_RESOLUTION, 0xA20E), (Y_RESOLUTION, 0xA20F)
"""Pixels a unit of the picture, and of the plane that the lens drew it on."""
_OTHER_WAY = dict(zip(_ACROSS + _DOWN, _DOWN + _ACROSS, strict=True))
_ORDERS = {b"II": "<", b"MM": ">"}
_CODES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii",
          11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}  # fmt: skip
"""The numbers that one value is made of, by field type, as struct writes them."""
_SIZES = {kind: struct.calcsize("=" + codes) for kind, codes in _CODES.items()}
_SHORT, _LONG, _RATIONAL, _IFD, _LONG8 = 3, 4, 5, 13, 16
_SHARED_FROM = 1 << 24
"""Position in a file from which on pages share equal values. Below, each has its own: Pillow adds
up what all pages refer to, and ignores what is more than the size of the file."""
_INTEGERS = (1, 3, 4, 6, 8, 9, 13, 16, 17, 18)


class Field(NamedTuple):
    """The values of one tag; `inner` is the directory that it points to."""

    kind: int
    count: int  # type: ignore[assignment]  # a tuple has a method of this name
    raw: bytes | memoryview
    """The values as they are stored. Of an unknown kind: the bytes that hold or place them."""
    at: int = 0
    """Position of `raw` in the data that it was read from; 0 for a new value."""
    inner: Directory | None = None

    @property
    def can_move(self) -> bool:
        """True when its values are known and do not point to places in the file."""
        return self.kind in _SIZES and self.kind != _IFD

    def integers(self, order: str) -> tuple[int, ...]:
        """Its values; nothing where they are no integers."""
        if self.kind not in _INTEGERS:
            return ()
        return struct.unpack_from(f"{order}{self.count}{_CODES[self.kind]}", self.raw)

    def number(self, order: str) -> float:
        """Its first value, a fraction divided; 0 where that is no number."""
        codes = _CODES.get(self.kind, "s")
        if codes == "s" or not self.count:
            return 0
        value, divisor = (*struct.unpack_from(order + codes, self.raw), 1)[:2]
        return value / divisor if divisor and math.isfinite(value) else 0


class Directory(NamedTuple):
    """The fields of a directory by tag: those of a TIFF page or, with the directories that some of
    them point to, an EXIF block.
    """

    order: str
    """Byte order, as struct writes it."""
    fields: dict[int, Field]
    is_whole: bool = True
    """False when a part of it could not be read."""
    following: int = 0
    """Position of the next directory; 0 for none."""
    size: int = 0
    """Bytes of its table, as it was read."""

    def raw(self, tag: int) -> bytes:
        """The bytes of a tag; none when it is missing."""
        return bytes(self.fields[tag].raw) if tag in self.fields else b""

    def numbers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The integers of a tag of a TIFF page; `default` when it is missing."""
        if tag not in self.fields:
            return default
        if not (integers := self.fields[tag].integers(self.order)):
            raise DamageError(f"it is damaged: tag {tag} of a TIFF page holds no numbers")
        return integers

    def number(self, tag: int, default: int) -> int:
        """The first integer of a tag of a TIFF page."""
        return self.numbers(tag, (default,))[0]

    @property
    def orientation(self) -> int:
        """How the picture is to be turned, 1 to 8; 1 when the tag is missing or not valid."""
        value = self._value(ORIENTATION)
        return int(value) if value in range(1, 9) else 1

    @property
    def resolution(self) -> tuple[float, float] | None:
        """Pixels per meter, down and across; None if it, or its unit, is missing."""
        unit = self._value(RESOLUTION_UNIT) if RESOLUTION_UNIT in self.fields else 2
        meter = {2: 1 / 0.0254, 3: 100.0}.get(int(unit), 0.0)
        down, across = self._value(Y_RESOLUTION) * meter, self._value(X_RESOLUTION) * meter
        return (down, across) if min(down, across) > 0 else None

    @property
    def describes(self) -> bool:
        """True when it holds more than orientation and resolution."""
        return not self.fields.keys() <= {ORIENTATION, *RESOLUTION}

    def adapted(
        self, shape: tuple[int, ...], turn: int = 1, reduction: tuple[float, float] = (1, 1)
    ) -> Directory:
        """The block of the picture that was turned, or then pooled, to this shape: with its own
        size, resolution and places, and upright.
        """
        (height, width, *_), fields = shape, {}
        sides = {tag: reduction[tag in _ACROSS] for tag in _OTHER_WAY}
        for tag, field in self.fields.items():
            if field.inner is not None:
                inner = field.inner.adapted(shape, turn, reduction)
                field = field._replace(inner=inner)
            elif tag == ORIENTATION:
                field = of_numbers([1], self.order)
            elif tag in _PLACES and len(place := field.integers(self.order)) > 1:
                place = _moved(place, height, width, turn, reduction)
                field = of_numbers(place, self.order)
            elif tag in _WIDTHS + _HEIGHTS and field.number(self.order):
                field = of_numbers([width if tag in _WIDTHS else height], self.order)
            elif tag in sides:
                if sides[tag] != 1 and (value := field.number(self.order)) > 0:
                    field = Field(_RATIONAL, 1, _as_ratio(value / sides[tag], self.order))
                tag = _OTHER_WAY[tag] if turn >= 5 else tag
            fields[tag] = field
        return self._replace(fields=fields)

    def to_bytes(self) -> bytes:
        """The block as JPEG, PNG and WebP hold it, without a prefix and without a thumbnail.

        Maker notes stay where they are: their pointers count from the start of the block.
        """
        inner = self.fields[EXIF].inner if EXIF in self.fields else None
        notes = inner.fields.get(MAKER_NOTES) if inner else None
        if notes is None or notes.at < 8 or len(notes.raw) <= 4:
            return packed([], [self.fields], self.order)
        placed = {(MAKER_NOTES, bytes(notes.raw)): notes.at}
        return packed((bytes(notes.at - 8), notes.raw), [self.fields], self.order, placed)

    def _value(self, tag: int) -> float:
        return self.fields[tag].number(self.order) if tag in self.fields else 0


def read_exif(block: bytes | memoryview | None) -> Directory | None:
    """Read an EXIF block, with or without the prefix that JPEG gives it; None where there is none.

    What cannot be read is left out. Values are not copied.
    """
    if not block:
        return None
    data = bytes(block).removeprefix(EXIF_PREFIX)
    if data[:2] not in _ORDERS or len(data) < 16:
        return Directory("<", {}, is_whole=False)
    return with_inner(data, _directory(data))


def directories(data: bytes) -> Iterator[Directory]:
    """Walk the main directories of a TIFF file; raise `DamageError` if they are broken."""
    directory, room = _directory(data), len(data)
    while True:
        room -= directory.size
        if not directory.is_whole:
            raise DamageError("it is truncated: its tags are beyond the end of the data")
        if room < 0:
            raise DamageError("it is damaged: its tag directories overlap or form a loop")
        yield directory
        if not directory.following:
            return
        directory = _directory(data, directory.following)


def with_inner(
    data: bytes, directory: Directory, pointers: Sequence[int] = (EXIF, GPS)
) -> Directory:
    """A directory with those that some of its tags point to; what cannot be read is left out."""
    fields, is_whole = dict(directory.fields), directory.is_whole
    if sum(len(field.raw) for field in fields.values()) > 2 * len(data):
        return directory._replace(fields={}, is_whole=False)  # values share their bytes
    for tag in fields.keys() & {*pointers}:
        position, *_ = fields.pop(tag).integers(directory.order) or (-1,)
        below = _directory(data, position)
        if tag in below.fields or not (below.fields or below.is_whole):  # to itself, or nowhere
            is_whole = False
            continue
        inner = with_inner(data, below, POINTERS[tag])
        fields[tag] = Field(_LONG, 1, bytes(4), inner=inner)
        is_whole = is_whole and inner.is_whole
    return directory._replace(fields=fields, is_whole=is_whole)


def of_numbers(values: Sequence[int], order: str) -> Field:
    """A field of numbers of 16 bits where they fit, else of 32 or 64."""
    most = max(values)
    kind = _SHORT if most <= 0xFFFF else _LONG if most <= 0xFFFFFFFF else _LONG8
    raw = struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)
    return Field(kind, len(values), raw)


def resolution_fields(resolution: tuple[float, float], order: str) -> dict[int, Field]:
    """The fields of a directory for a resolution in inches."""
    sides = zip((Y_RESOLUTION, X_RESOLUTION), resolution, strict=True)
    ratios = {tag: Field(_RATIONAL, 1, _as_ratio(side * 0.0254, order)) for tag, side in sides}
    return ratios | {RESOLUTION_UNIT: of_numbers([2], order)}


def packed(
    content: Iterable[bytes | memoryview],
    directories: Sequence[Mapping[int, Field]],
    order: str,
    placed: Placed | None = None,
) -> bytes:
    """An EXIF block or TIFF file, with `content` between its header and directories, which holds
    the values in `placed` already. Raise `struct.error` above 4 GB.
    """
    parts, placed = [b"", *content], placed or {}
    position = 8 + sum(map(len, parts))
    if position % 2:
        parts.append(b"\0")
        position += 1
    parts[0] = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, position)
    for number, fields in enumerate(directories, 1):
        if number > 1 and position < _SHARED_FROM:
            placed.clear()
        table = _table(fields, order, position, placed, is_last=number == len(directories))
        position += len(table)
        parts.append(table)
    return b"".join(parts)


def _table(
    fields: Mapping[int, Field], order: str, base: int, placed: Placed, *, is_last: bool
) -> bytes:
    """Fields as a classic directory that will lie at `base`, with those of its values behind it
    that are not `placed` yet.
    """
    table, values = bytearray(struct.pack(order + "H", len(fields))), bytearray()
    behind = base + 2 + 12 * len(fields) + 4
    for tag, field in sorted(fields.items()):
        raw, end = bytes(field.raw), behind + len(values)
        if field.inner is not None:
            values += _table(field.inner.fields, order, end, placed, is_last=True)
            raw = struct.pack(order + "I", end)
        elif len(raw) > 4:
            position = placed.setdefault((tag, raw), end)
            if position == end:
                values += raw + bytes(len(raw) % 2)
            raw = struct.pack(order + "I", position)
        table += struct.pack(order + "HHI4s", tag, field.kind, field.count, raw)
    following = 0 if is_last else behind + len(values)
    return bytes(table + struct.pack(order + "I", following) + values)


def turned(pixels: Array, orientation: int) -> Array:
    """Pixels upright, as a view: transposed, then rows flipped, then columns."""
    if 5 <= orientation <= 8:
        pixels = pixels.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    return pixels[::rows, :: -1 if orientation in (2, 3, 6, 7) else 1]


def _directory(data: bytes, position: int | None = None) -> Directory:
    """Read a directory, the first one by default, without what lies beyond the end of the data; the
    first of equal tags counts.
    """
    order, is_big = _ORDERS[data[:2]], data[2:4] in (b"+\0", b"\0+")
    head, word, room = ("Q", "Q", 8) if is_big else ("H", "I", 4)
    if position is None:
        position = int(struct.unpack_from(order + word, data, room)[0])
    start, size = position + struct.calcsize("=" + head), 4 + 2 * room
    if position < 0 or start > len(data):
        return Directory(order, {}, is_whole=False)
    end = start + struct.unpack_from(order + head, data, position)[0] * size
    fields, view, is_whole = dict[int, Field](), memoryview(data), end <= len(data)
    for at in range(start, min(end, len(data) - size + 1), size):
        tag, kind, count = struct.unpack_from(f"{order}HH{word}", data, at)
        length, where = count * _SIZES.get(kind, 0), at + size - room
        if length > room:
            where = struct.unpack_from(order + word, data, where)[0]
        if where + length > len(data):
            is_whole = False
        else:
            raw = view[where : where + (length or room)]
            fields.setdefault(tag, Field(kind, count, raw, where))
    is_followed = end + room <= len(data)
    following = struct.unpack_from(order + word, data, end)[0] if is_followed else 0
    return Directory(order, fields, is_whole, following, end - position)


def _moved(
    place: Sequence[int], height: int, width: int, turn: int, reduction: tuple[float, float]
) -> tuple[int, ...]:
    """A place in the picture that was turned, or then pooled, to this height and width."""
    x, y, *sides = place
    if turn >= 5:
        x, y, sides = y, x, sides[::-1]
    x = width - 1 - x if turn in (2, 3, 6, 7) else x
    y = height - 1 - y if turn in (3, 4, 7, 8) else y
    down, across = reduction
    pairs = zip((x, y, *sides), (across, down) * 2, strict=False)
    return tuple(max(0, round(number / side)) for number, side in pairs)


def _as_ratio(value: float, order: str) -> bytes:
    """A number as a fraction of two numbers of 32 bits, as near as they come to it."""
    from fractions import Fraction  # takes a millisecond to load, and few pictures need it

    value = min(value, 0xFFFFFFFF)
    near = Fraction(value).limit_denominator(min(0xFFFF, int(0xFFFFFFFF / max(1, value))))
    return struct.pack(order + "II", near.numerator, near.denominator)
