"""Files that are lists of named parts: JPEG segments, PNG and RIFF chunks, ISO boxes.

A table for each format describes its parts and what they hold. A walk copies nothing: a part is a
view of the file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pooltool.errors import DamageError

Body = bytes | memoryview


class Part(NamedTuple):
    """A segment, chunk or box of a file."""

    name: bytes
    body: Body
    at: int = 0
    """Position of its first byte, header included, in the data that was walked."""


class Contents(NamedTuple):
    """What the parts of a file hold besides pixels."""

    blocks: dict[str, list[Body]]
    """The pieces of each block of metadata, in the order of the file."""
    copied: list[Part]
    others: list[Part]
    """Parts that are not in the table."""

    def first(self, name: str) -> bytes:
        """The first of the blocks of a name; empty where there is none."""
        return bytes(self.blocks.get(name, (b"",))[0])


class Container(NamedTuple):
    """How the parts of a format are stored, and what they hold."""

    head: str
    """Name and length of a part as struct packs them, or length and name."""
    part: str
    """What a part is called in messages: "PNG chunk"."""
    name_first: bool = False
    counted: int = 0
    """Bytes of the head that a length counts."""
    even: bool = False
    """True where a byte is added to parts of odd lengths."""
    checked: bool = False
    """True where four bytes of CRC-32 over name and body follow."""
    last: bytes = b""
    """The part that ends the file, where one does."""
    structural: frozenset[bytes] = frozenset()
    """Parts that hold pixels or need no warning when they are left out."""
    places: Mapping[bytes, Sequence[tuple[bytes, str]]] = {}
    """The blocks in parts of a name, after a prefix: {name: ((prefix, block), ...)}."""
    copied: frozenset[bytes] = frozenset()
    """Parts that are copied as they are."""

    def walk(self, data: Body, start: int = 0, end: int | None = None) -> list[Part]:
        """The parts between two places of a file or of a part, the one that ends it included.

        Raise `DamageError` where one goes beyond the end, where its checksum is wrong, and where
        the last one is missing.
        """
        parts: list[Part] = []
        view, at, name, unpack = memoryview(data), start, b"", struct.unpack_from
        end, size = len(view) if end is None else end, struct.calcsize(self.head)
        tail = 4 * self.checked
        while at + size <= end:
            name, length = unpack(self.head, view, at)
            if not self.name_first:
                name, length = length, name
            begin, stop = at + size, at + size + length - self.counted
            if length < 2 and self.counted == 8:  # of a box: to the end, or as 64 bits say
                begin += 8 * length
                stop = at + int.from_bytes(view[at + 8 : begin], "big") if length else end
            if stop + tail > end or stop < begin:
                raise DamageError(f"it is truncated: a {self.part} goes beyond the end of the data")
            if self.checked and zlib.crc32(view[begin - 4 : stop]) != unpack(">I", view, stop)[0]:
                words = f"{self.part} {name_of(name)}"
                raise DamageError(f"it is damaged: the checksum of its {words} is wrong")
            parts.append(Part(name, view[begin:stop], at))
            at = stop + tail + (stop % 2 if self.even else 0)
            if name == self.last:
                break
        if self.last and name != self.last:
            raise DamageError(f"it is truncated: its last {self.part} is missing")
        return parts

    def sort(self, parts: Iterable[Part]) -> Contents:
        """What the parts of a file hold besides pixels, by the table."""
        contents = Contents({}, [], [])
        for part in parts:
            if part.name in self.structural:
                continue
            for prefix, block in self.places.get(part.name, ()):
                if part.body[: len(prefix)] == prefix:
                    contents.blocks.setdefault(block, []).append(part.body[len(prefix) :])
                    break
            else:
                (contents.copied if part.name in self.copied else contents.others).append(part)
        return contents

    def pack(self, name: bytes, body: Body) -> bytes:
        """A part as bytes of a file."""
        length = len(body) + self.counted
        head = struct.pack(self.head, *((name, length) if self.name_first else (length, name)))
        tail = b"\0" * (len(body) % 2) if self.even else b""
        if self.checked:
            tail = struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))
        return b"".join((head, body, tail))

    def names(self, parts: Iterable[Part]) -> list[str]:
        """What parts are called in a warning."""
        return list(dict.fromkeys(f"{self.part} {name_of(part.name)}" for part in parts))


def first_of(parts: Sequence[Part]) -> dict[bytes, Body]:
    """The bodies by the names of the parts; of several with one name, the first."""
    return {part.name: part.body for part in reversed(parts)}


def name_of(raw: Body) -> str:
    """The printable start of a name in a file."""
    text = bytes(raw[:24]).partition(b"\0")[0].decode("latin-1")
    return "".join(letter if letter.isprintable() else "?" for letter in text).strip()
