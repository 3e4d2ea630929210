"""Files that are lists of named parts: PNG chunks, RIFF chunks and ISO boxes.

A table for each format says what its parts hold. A walk copies nothing: a part is a view of the
file.
"""

from __future__ import annotations

import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from pooltool.errors import DamageError

Body = bytes | memoryview


class Part(NamedTuple):
    """A chunk or box of a file."""

    name: bytes
    body: Body
    at: int = 0
    """Position of its first byte, header included, in the data that was walked."""


class Container(NamedTuple):
    """What kind of parts a format has, and what they hold."""

    kind: Literal["PNG chunk", "RIFF chunk", "box"]
    structural: frozenset[bytes]
    """Parts that hold pixels or need no warning when they are left out."""
    places: Sequence[tuple[bytes, bytes, str]]
    """Where blocks of metadata are: (name of the part, what stands before it, block)."""
    copied: frozenset[bytes] = frozenset()
    """Parts that are copied as they are."""

    def walk(self, data: Body, start: int = 0, end: int | None = None) -> list[Part]:
        """The parts between two places of a file or of a part; of a PNG up to the one that ends it.

        Raise `DamageError` where one goes beyond the end, where its checksum is wrong, and where
        the last one is missing.
        """
        parts, view, at, name = list[Part](), memoryview(data), start, b""
        is_png, is_riff, is_box = (self.kind == kind for kind in ("PNG chunk", "RIFF chunk", "box"))
        end, unpack, tail = len(view) if end is None else end, struct.unpack_from, 4 * is_png
        while at + 8 <= end and not (is_png and name == b"IEND"):
            length, name = unpack(">I4s", view, at)
            if is_riff:
                name, length = unpack("<4sI", view, at)
            begin, stop = at + 8, at + 8 + length
            if is_box:
                stop = at + length
                if length < 2:  # to the end, or as 64 bits say
                    begin += 8 * length
                    stop = at + int.from_bytes(view[at + 8 : begin], "big") if length else end
            if stop + tail > end or stop < begin:
                raise DamageError(f"it is truncated: a {self.kind} goes beyond the end of the data")
            if is_png and zlib.crc32(view[begin - 4 : stop]) != unpack(">I", view, stop)[0]:
                words = f"{self.kind} {name_of(name)}"
                raise DamageError(f"it is damaged: the checksum of its {words} is wrong")
            parts.append(Part(name, view[begin:stop], at))
            at = stop + tail + (stop % 2 if is_riff else 0)
        if is_png and name != b"IEND":
            raise DamageError("it is truncated: its last PNG chunk is missing")
        return parts

    def sort(
        self, parts: Iterable[Part]
    ) -> tuple[defaultdict[str, bytes], list[tuple[bytes, bytes]], list[str]]:
        """What the parts of a file hold besides pixels: the first of each block of metadata, the
        names and bodies that are copied, and the names of those that are not in the table.
        """
        blocks, copied, left_out = defaultdict[str, bytes](bytes), [], []
        for part in parts:
            for name, prefix, block in self.places:
                if part.name == name and part.body[: len(prefix)] == prefix:
                    blocks.setdefault(block, bytes(part.body[len(prefix) :]))
                    break
            else:
                if part.name in self.copied:
                    copied.append((part.name, bytes(part.body)))
                elif part.name not in self.structural:
                    left_out.append(f"{self.kind} {name_of(part.name)}")
        return blocks, copied, left_out

    def join(self, parts: Iterable[Part | tuple[bytes, Body]]) -> bytes:
        """Parts, or names with bodies, as bytes of a file."""
        pieces = list[Body]()
        for name, body, *_ in parts:
            if self.kind == "RIFF chunk":
                pieces += (struct.pack("<4sI", name, len(body)), body, bytes(len(body) % 2))
            elif self.kind == "box":
                pieces += (struct.pack(">I4s", len(body) + 8, name), body)
            else:
                checksum = zlib.crc32(body, zlib.crc32(name)).to_bytes(4, "big")
                pieces += (struct.pack(">I4s", len(body), name), body, checksum)
        return b"".join(pieces)


def first_of(parts: Sequence[Part]) -> dict[bytes, Body]:
    """The bodies by the names of the parts; of several with one name, the first."""
    return {part.name: part.body for part in reversed(parts)}


def name_of(raw: Body) -> str:
    """The printable start of a name in a file."""
    text = bytes(raw[:24]).partition(b"\0")[0].decode("latin-1")
    return "".join(letter if letter.isprintable() else "?" for letter in text).strip()
