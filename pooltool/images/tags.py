"""Tag directories, which TIFF files and EXIF blocks are made of (TIFF 6.0, BigTIFF, Exif 3.0).

Pointers in maker notes count from the start of an EXIF block, so a block that was read is written
back in place: its directories are written over, and values that changed are added at its end.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from numpy.typing import NDArray

from pooltool.errors import DamageError

Array = NDArray[Any]
EXIF_PREFIX, XMP_PREFIX = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
"""What stands before blocks of metadata in JPEG."""
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 274, 282, 283, 296
EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
POINTERS = (EXIF, GPS, INTEROPERABILITY)
"""Tags whose value is the position of a directory."""

_Role = Literal["width", "height", "across", "down"]
_ROLES: dict[int, _Role] = {
    0x100: "width", 0xA002: "width", 0x1001: "width",
    0x101: "height", 0xA003: "height", 0x1002: "height",
    X_RESOLUTION: "across", 0xA20E: "across", Y_RESOLUTION: "down", 0xA20F: "down",
}  # fmt: skip
"""Tags of one number that pooling changes: sizes in pixels, and pixels a unit, of the picture and
of the plane that the lens drew it on. Their numbers differ in all directories."""
_ACROSS_DOWN = {X_RESOLUTION: Y_RESOLUTION, Y_RESOLUTION: X_RESOLUTION,
                0xA20E: 0xA20F, 0xA20F: 0xA20E}  # fmt: skip
_PLACES = (0x9214, 0xA214)
"""Subject area and location, in pixels of the picture before it was turned and pooled."""
_MAX_INNER = 8
_FEW_DIRECTORIES, _BYTES_A_DIRECTORY = 5000, 2000
"""So many directories may be of any size; a file of more has so many bytes for each of the others.
"""

_ORDERS = {b"II": "<", b"MM": ">"}
_CODES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii",
          11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}  # fmt: skip
"""The numbers that one value is made of, by field type, as struct writes them."""
_SIZES = {kind: struct.calcsize("=" + codes) for kind, codes in _CODES.items()}
_SHORT, _LONG, _RATIONAL, _IFD, _LONG8 = 3, 4, 5, 13, 16
_INTEGERS, _TEXTS = (1, 3, 4, 6, 8, 9, 13, 16, 17, 18), (2, 7)


class Resolution(NamedTuple):
    """Pixels a meter, down and across."""

    rows: float
    columns: float


class Field(NamedTuple):
    """The values of one tag; `inner` are the fields of the directory that it points to, by tag."""

    kind: int
    count: int  # type: ignore[assignment]  # a tuple has a method of this name
    raw: bytes | memoryview
    """The values as they are stored. Of an unknown kind: the bytes that hold or place them."""
    at: int | None = None
    """Where `raw` lies in the block it was read from; None for a value that changed."""
    inner: dict[int, Field] | None = None
    repeated: bool = False
    """True when the directory has the tag again."""

    @property
    def can_move(self) -> bool:
        """True when its values are known and do not point to places in the file."""
        return self.kind in _SIZES and (self.kind != _IFD or self.inner is not None)


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
        return bytes(self.fields[tag].raw) if tag in self.fields else None

    def numbers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The integers of a tag; `default` when it is missing or holds no integers."""
        field = self.fields.get(tag)
        if field is None or field.kind not in _INTEGERS:
            return default
        return struct.unpack_from(f"{self.order}{field.count}{_CODES[field.kind]}", field.raw)

    def number(self, tag: int, default: int) -> int:
        """The first integer of a tag."""
        return (self.numbers(tag) or (default,))[0]


class Exif(NamedTuple):
    """An EXIF block: the fields of its main directory, with those of the directories in it."""

    order: str
    fields: dict[int, Field]
    block: bytes = b""
    """What the fields were read from; empty where they were put together from elsewhere."""
    is_whole: bool = True
    """False when something of the block could not be read."""

    @property
    def orientation(self) -> int:
        """How the picture is to be turned, 1 to 8; 1 when nothing or nonsense is said."""
        value = _number(self.fields.get(ORIENTATION), self.order)
        return int(value) if value in range(1, 9) else 1

    @property
    def resolution(self) -> Resolution | None:
        """Pixels a meter; None where nothing is said, or no unit."""
        unit, down, across = (
            _number(self.fields.get(tag), self.order)
            for tag in (RESOLUTION_UNIT, Y_RESOLUTION, X_RESOLUTION)
        )
        if RESOLUTION_UNIT not in self.fields:
            unit = 2
        meter = {2: 1 / 0.0254, 3: 100.0}.get(int(unit), 0.0)
        is_said = meter > 0 and min(down, across) > 0
        return Resolution(down * meter, across * meter) if is_said else None

    @property
    def describes(self) -> bool:
        """True when it says more than orientation and resolution."""
        return not self.fields.keys() <= {ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT}

    @property
    def has_places(self) -> bool:
        """Whether it says where in the picture its subject is."""
        inner = self.fields[EXIF].inner if EXIF in self.fields else None
        return any(tag in fields for fields in (self.fields, inner or {}) for tag in _PLACES)

    def without_places(self) -> Exif:
        """The block without what `has_places` is about."""
        return self._replace(fields=_without(self.fields, _PLACES))

    def upright(self) -> Exif:
        """The block of the turned picture."""
        fields, field = self.fields, self.fields.get(ORIENTATION)
        if self.orientation >= 5:
            fields = _turned(fields)
        one = Field(_SHORT, 1, struct.pack(self.order + "H", 1))
        if field is not None and field.repeated:
            fields = _without(fields, (ORIENTATION,))
        elif field is not None and field[:3] != one[:3]:
            fields = {**fields, ORIENTATION: one}
        return self._replace(fields=fields)

    def resized(self, height: int, width: int, reduction: tuple[float, float]) -> Exif:
        """The block of the pooled picture: its own size, and its resolution divided."""
        sides = {"height": height, "width": width, "down": reduction[0], "across": reduction[1]}
        return self._replace(fields=_resized(self.fields, self.order, sides))

    def to_bytes(self) -> bytes:
        """The block as JPEG, PNG and WebP hold it, without a prefix and without a thumbnail."""
        if not self.block:
            return packed_behind(b"", self.fields, self.order)
        out = bytearray(self.block)
        first = struct.unpack_from(self.order + "I", out, 4)[0]
        _write_over(out, self.order, first, self.fields, following=0)
        return bytes(out)


def read_exif(block: bytes | memoryview | None) -> Exif | None:
    """Read an EXIF block, with or without the prefix that JPEG gives it; None where there is none.

    What cannot be read is left out, and so is a thumbnail that ends the block. Values are not
    copied, and no more of them are taken than the block is long: some may share their bytes, but
    not all of them.
    """
    if not block:
        return None
    data = bytes(block).removeprefix(EXIF_PREFIX)
    order = _ORDERS.get(data[:2], "")
    if not order or len(data) < 16:
        return Exif("<", {}, data, is_whole=False)
    seen, faults, room, end = set[int](), list[int](), 2 * len(data), 0

    def read(position: int) -> tuple[dict[int, Field], Directory]:
        nonlocal room, end
        seen.add(position)
        directory = _directory(data, order, False, position, faults)
        fields, end = dict[int, Field](), max(end, directory.following_at + 4)
        for tag, field in directory.fields.items():
            if tag in POINTERS:
                below = _position_below(data, order, field)
                if below is None or below in seen or len(seen) >= _MAX_INNER:
                    faults.append(tag)
                    continue
                field = field._replace(inner=read(below)[0])
            room -= len(field.raw)
            if room < 0:
                faults.append(tag)
                continue
            fields[tag], end = field, max(end, (field.at or 0) + len(field.raw))
        return fields, directory

    fields, main = read(struct.unpack_from(order + "I", data, 4)[0])
    if main.following >= end:
        second = _directory(data, order, False, main.following, [])
        start, length = second.number(513, len(data)), second.number(514, 0)
        if start >= end and max(start + length, second.following_at) + 16 >= len(data):
            data = data[: min(main.following, start)]
    return Exif(order, fields, data, not faults)


def directories(data: bytes) -> Iterator[Directory]:
    """Walk the main directories of a TIFF file; raise `DamageError` if they are broken."""
    order = _ORDERS.get(data[:2])
    if order is None or len(data) < 16:
        raise DamageError("it is damaged: the header of its tags is not one")
    big = struct.unpack_from(order + "H", data, 2) == (43,)
    position = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    seen: set[int] = set()
    while position:
        if position in seen:
            raise DamageError("it is damaged: its tag directories run in a circle")
        if len(seen) >= _FEW_DIRECTORIES + len(data) // _BYTES_A_DIRECTORY:
            raise DamageError(
                f"it is damaged: {len(seen)} pages are more than its size makes likely"
            )
        seen.add(position)
        directory = _directory(data, order, big, position)
        yield directory
        position = directory.following


def tree(
    data: bytes, directory: Directory, tags: Iterable[int], depth: int = 2
) -> dict[int, Field]:
    """The fields of a directory whose tags are in `tags`, with the directories they point to.

    Pointers are followed to a depth, as they may circle.
    """
    fields = {}
    for tag in tags:
        field, position = directory.fields[tag], directory.numbers(tag)
        if tag in POINTERS and len(position) == 1 and depth:
            below = _directory(data, directory.order, directory.big, position[0])
            field = Field(_LONG, 1, bytes(4), inner=tree(data, below, below.fields, depth - 1))
        fields[tag] = field
    return fields


def number_fields(numbers: Mapping[int, Sequence[int]], order: str = "<") -> dict[int, Field]:
    """A field for each tag, with numbers of 16 bits where they fit, else of 32 or 64."""
    fields = {}
    for tag, values in numbers.items():
        most = max(values)
        kind = _SHORT if most <= 0xFFFF else _LONG if most <= 0xFFFFFFFF else _LONG8
        raw = struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)
        fields[tag] = Field(kind, len(values), raw)
    return fields


def resolution_fields(resolution: Resolution, order: str) -> dict[int, Field]:
    """The fields of a directory that tell a resolution in inches."""
    sides = zip((Y_RESOLUTION, X_RESOLUTION), resolution, strict=True)
    ratios = {tag: Field(_RATIONAL, 1, _as_ratio(side * 0.0254, order)) for tag, side in sides}
    return ratios | number_fields({RESOLUTION_UNIT: [2]}, order)


def pack(
    fields: Mapping[int, Field], order: str, base: int, known: dict[bytes, int], following: int = 0
) -> bytes:
    """Lay fields out as a classic directory that will lie at `base`, its values behind it.

    `known` tells where values of the file lie already; equal ones are written once.
    """
    table, values = bytearray(struct.pack(order + "H", len(fields))), bytearray()
    behind = base + 2 + 12 * len(fields) + 4
    for tag, field in sorted(fields.items()):
        raw, end = bytes(field.raw), behind + len(values)
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


def packed_behind(content: bytes, fields: Mapping[int, Field], order: str) -> bytes:
    """An EXIF block or TIFF file of one directory, with `content` between header and directory."""
    content += bytes(len(content) % 2)
    mark, at = (b"II" if order == "<" else b"MM"), 8 + len(content)
    return struct.pack(order + "2sHI", mark, 42, at) + content + pack(fields, order, at, {})


def turned(pixels: Array, orientation: int) -> Array:
    """Pixels upright, as a view: transposed, then rows flipped, then columns."""
    if 5 <= orientation <= 8:
        pixels = pixels.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    return pixels[::rows, :: -1 if orientation in (2, 3, 6, 7) else 1]


def _directory(
    data: bytes, order: str, big: bool, position: int, faults: list[int] | None = None
) -> Directory:
    """Read a directory; the first of several equal tags counts.

    Raise `DamageError` where tags or their values lie beyond the end of the data, or leave them
    out and add them to `faults`.
    """
    head, word, room = ("Q", "Q", 8) if big else ("H", "I", 4)
    start = position + struct.calcsize("=" + head)
    count = struct.unpack(order + head, data[position:start].ljust(start - position, b"\0"))[0]
    size = 4 + 2 * room
    end = start + count * size
    if position < 0 or end > len(data):
        if faults is None:
            raise DamageError("it is truncated: a tag directory lies beyond the end of the data")
        faults.append(0)
    fields: dict[int, Field] = {}
    view = memoryview(data)
    for at in range(start, min(end, len(data) - size + 1), size):
        tag, kind, count = struct.unpack_from(f"{order}HH{word}", data, at)
        length, where = count * _SIZES.get(kind, 0), at + size - room
        if length > room:
            where = struct.unpack_from(order + word, data, where)[0]
        if tag in fields:
            fields[tag] = fields[tag]._replace(repeated=True)
            if faults is not None and tag != ORIENTATION:
                faults.append(tag)
        elif where + length <= len(data):
            fields[tag] = Field(kind, count, view[where : where + (length or room)], where)
        elif faults is not None:
            faults.append(tag)
        else:
            raise DamageError(
                f"it is truncated: the values of tag {tag} lie beyond the end of the data"
            )
    is_followed = end + room <= len(data)
    following = struct.unpack_from(order + word, data, end)[0] if is_followed else 0
    return Directory(order, big, fields, following, end)


def _position_below(block: bytes, order: str, field: Field) -> int | None:
    """Where the directory of a pointer lies; None unless all of its table is in the block."""
    if field.kind not in (_LONG, _IFD) or field.count != 1:
        return None
    position: int = struct.unpack(order + "I", field.raw)[0]
    if position + 2 > len(block):
        return None
    count = struct.unpack_from(order + "H", block, position)[0]
    return position if position + 2 + 12 * count <= len(block) else None


def _number(field: Field | None, order: str) -> float:
    """The first number of a field of any numeric type, fractions divided; 0 where there is none."""
    if field is None or field.kind in _TEXTS or field.kind not in _CODES or not field.count:
        return 0
    above, *below = struct.unpack_from(order + _CODES[field.kind], field.raw)
    if below:
        above = above / below[0] if below[0] else 0
    return above if math.isfinite(above) else 0


def _turned(fields: Mapping[int, Field]) -> dict[int, Field]:
    """Fields with what is said across and what is said down exchanged."""
    return {
        _ACROSS_DOWN.get(tag, tag): field
        if field.inner is None
        else field._replace(inner=_turned(field.inner))
        for tag, field in fields.items()
    }


def _without(fields: Mapping[int, Field], tags: Sequence[int]) -> dict[int, Field]:
    """Fields without some tags, here and in the directories below."""
    return {
        tag: field if field.inner is None else field._replace(inner=_without(field.inner, tags))
        for tag, field in fields.items()
        if tag not in tags
    }


def _resized(
    fields: Mapping[int, Field], order: str, sides: Mapping[str, float]
) -> dict[int, Field]:
    """Fields with the size and the resolution of the pooled picture."""
    result = {}
    for tag, field in fields.items():
        role, value = _ROLES.get(tag), _number(field, order)
        if field.inner is not None:
            field = field._replace(inner=_resized(field.inner, order, sides))
        elif role in ("width", "height") and value:
            field = number_fields({tag: [int(sides[role])]}, order)[tag]
        elif role in ("across", "down") and value > 0 and sides[role] != 1:
            field = Field(_RATIONAL, 1, _as_ratio(value / sides[role], order))
        result[tag] = field
    return result


def _as_ratio(value: float, order: str) -> bytes:
    """A number as a fraction of two numbers of 32 bits, as near as they come to it."""
    from fractions import Fraction  # takes a millisecond to load, and few pictures need it

    value = min(value, 0xFFFFFFFF)
    near = Fraction(value).limit_denominator(min(0xFFFF, int(0xFFFFFFFF / max(1, value))))
    return struct.pack(order + "II", near.numerator, near.denominator)


def _write_over(
    out: bytearray, order: str, position: int, fields: Mapping[int, Field], following: int | None
) -> None:
    """Write a directory where it was; a value that changed is added at the end of the block."""
    behind = position + 2
    if behind <= len(out):
        behind += 12 * struct.unpack_from(order + "H", out, position)[0]
    table = bytearray(struct.pack(order + "H", len(fields)))
    for tag, field in sorted(fields.items()):
        raw, at = bytes(field.raw), field.at
        if field.inner is not None:
            _write_over(out, order, struct.unpack(order + "I", raw)[0], field.inner, None)
        elif len(raw) > 4:
            if at is None:
                at = len(out)
                out += raw
            raw = struct.pack(order + "I", at)
        table += struct.pack(order + "HHI4s", tag, field.kind, field.count, raw)
    table += out[behind : behind + 4] if following is None else struct.pack(order + "I", following)
    out[position : position + len(table)] = table
