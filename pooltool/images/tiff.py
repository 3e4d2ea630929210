"""The tagged directories that TIFF files and EXIF blocks are made of: read, patched and packed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pooltool.errors import DamageError

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip
"""Bytes of one value, by field type."""
_WORDS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of the numbers a value is made of, for the types whose byte order matters."""
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}

EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
POINTERS = (EXIF, GPS, INTEROPERABILITY)
"""Tags whose value is the position of a directory."""
MAX_DIRECTORIES = 65536


class Field(NamedTuple):
    """One tag with its values; `inner` are the fields of the directory that it points to."""

    tag: int
    kind: int
    count: int  # type: ignore[assignment]  # a tuple has a method of this name
    raw: bytes
    at: int = 0
    """Where `raw` lies in the data it was read from."""
    inner: tuple[Field, ...] | None = None


class Layout(NamedTuple):
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


class Directory(NamedTuple):
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
    """Walk the main directories of a TIFF file or an EXIF block; raise `ImageError` if broken."""
    layout, position = _header(data)
    seen: set[int] = set()
    while position:
        if position in seen or len(seen) >= MAX_DIRECTORIES:
            raise DamageError("it is damaged: its tag directories run in a circle")
        seen.add(position)
        found = directory(data, layout, position)
        yield found
        position = found.following


def directory(data: bytes, layout: Layout, position: int) -> Directory:
    """Read the directory at `position`."""
    count = layout.number(data, position, "Q" if layout.big else "H")
    start, size = position + (8 if layout.big else 2), 20 if layout.big else 12
    if start + count * size > len(data):
        raise DamageError("it is cut: a tag directory lies beyond the end of the data")
    fields = [_field(data, layout, start + index * size) for index in range(count)]
    end = start + count * size
    following = layout.number(data, end, "Q" if layout.big else "I") if end < len(data) else 0
    return Directory(layout, {found.tag: found for found in fields if found}, following, end)


def tree(data: bytes, found: Directory, tags: tuple[int, ...]) -> tuple[Field, ...]:
    """The fields of a directory whose tags are in `tags`, with the directories they point to."""
    return tuple(_with_inner(data, found, tag, depth=2) for tag in tags if tag in found.fields)


def with_kept_alpha(data: bytes) -> bytes:
    """Declare straight alpha of 8 bits premultiplied: OpenCV then leaves the colors as they are."""
    patched = bytearray(data)
    for page in directories(data):
        if page.numbers(338) == (2,) and page.numbers(258)[:1] == (8,):
            struct.pack_into(page.layout.order + "H", patched, page.fields[338].at, 1)
    return bytes(patched)


def pack(fields: tuple[Field, ...], order: str, base: int, following: int = 0) -> bytes:
    """Lay fields out as a classic directory that will lie at `base`, its values behind it."""
    table, values = struct.pack(order + "H", len(fields)), b""
    behind = base + 2 + 12 * len(fields) + 4
    for item in sorted(fields, key=lambda item: item.tag):
        raw, block = item.raw, b""
        if item.inner is not None:
            block = pack(item.inner, order, behind + len(values))
        elif len(raw) > 4:
            block = raw + b"\0" * (len(raw) % 2)
        if block:
            raw = struct.pack(order + "I", behind + len(values))
        values += block
        table += struct.pack(order + "HHI", item.tag, item.kind, item.count) + raw.ljust(4, b"\0")
    return table + struct.pack(order + "I", following) + values


def reordered(item: Field, order: str, wanted: str) -> Field:
    """The field with its numbers in the wanted byte order."""
    if item.inner is not None:
        item = item._replace(inner=tuple(reordered(field, order, wanted) for field in item.inner))
    word = _WORDS.get(item.kind, 1)
    if order == wanted or word == 1:
        return item
    return item._replace(raw=np.frombuffer(item.raw, f"u{word}").byteswap().tobytes())


def _header(data: bytes) -> tuple[Layout, int]:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        raise DamageError("it is damaged: the header of its tags is not one")
    big = Layout(order, False).number(data, 2, "H") == 43
    layout = Layout(order, big)
    return layout, layout.number(data, 8, "Q") if big else layout.number(data, 4, "I")


def _field(data: bytes, layout: Layout, at: int) -> Field | None:
    """Read one entry; None when its type is unknown, which readers are told to skip."""
    tag, kind = layout.number(data, at, "H"), layout.number(data, at + 2, "H")
    count = layout.number(data, at + 4, "Q" if layout.big else "I")
    size, room = count * _SIZES.get(kind, 0), 8 if layout.big else 4
    if kind not in _SIZES:
        return None
    where = at + 4 + room
    if size > room:
        where = layout.number(data, where, "Q" if layout.big else "I")
    if where + size > len(data):
        raise DamageError(f"it is cut: the values of tag {tag} lie beyond the end of the data")
    return Field(tag, kind, count, data[where : where + size], where)


def _with_inner(data: bytes, found: Directory, tag: int, depth: int) -> Field:
    """The field of `tag` with what it points to; no deeper than `depth`, should it be a circle."""
    item, position = found.fields[tag], found.numbers(tag)
    if tag not in POINTERS or len(position) != 1 or not depth:
        return item
    below = directory(data, found.layout, position[0])
    inner = tuple(_with_inner(data, below, other, depth - 1) for other in below.fields)
    return item._replace(kind=4, count=1, inner=inner)
