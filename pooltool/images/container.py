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


class Container(NamedTuple):
    """What kind of parts a format has, and what they hold."""

    kind: Literal["PNG chunk", "RIFF chunk", "box"]
    structural: frozenset[bytes]
    """Parts that hold pixels or need no warning when they are left out."""
    places: Sequence[tuple[bytes, bytes, str]] = ()
    """Where blocks of metadata are: (name of the part, what stands before it, block)."""
    copied: frozenset[bytes] = frozenset()
    """Parts that are copied as they are."""

    def walk(self, data: Body, start: int = 0, end: int | None = None) -> list[Part]:
        """The parts between two places of a file or of a part; of a PNG up to the one that ends it.

        Raise `DamageError` where one goes beyond the end, where its checksum is wrong, and where
        the last one is missing.
        """
        parts: list[Part] = []
        view, at, is_png = memoryview(data), start, self.kind == "PNG chunk"
        end = len(view) if end is None else end
        while at + 8 <= end:
            begin, (length, name) = at + 8, struct.unpack_from(">I4s", view, at)
            if is_png:
                stop, following = begin + length, begin + length + 4
            elif self.kind == "RIFF chunk":
                name, length = struct.unpack_from("<4sI", view, at)
                stop, following = begin + length, begin + length + length % 2
            else:
                stop = at + length
                if length == 0:
                    stop = end
                elif length == 1:  # the length has 64 bits
                    begin += 8
                    stop = at + int.from_bytes(view[at + 8 : begin], "big")
                following = stop
            if not begin <= stop <= end:
                raise DamageError(f"it is truncated: a {self.kind} goes beyond the end of the data")
            parts.append(Part(name, view[begin:stop]))
            if is_png:
                if zlib.crc32(view[at + 4 : stop]).to_bytes(4, "big") != view[stop:following]:
                    words = f"the checksum of its PNG chunk {name_of(name)} is wrong"
                    raise DamageError(f"it is damaged: {words}")
                if name == b"IEND":
                    return parts
            at = following
        if is_png:
            raise DamageError("it is truncated: its last PNG chunk is missing")
        return parts

    def sort(
        self, parts: Iterable[Part]
    ) -> tuple[defaultdict[str, bytes], list[tuple[bytes, bytes]], list[str]]:
        """What the parts of a file hold besides pixels: the first of each block of metadata, the
        names and bodies that are copied, and the names of those that are not in the table.
        """
        blocks, copied, left_out = defaultdict[str, bytes](bytes), [], []
        for name, body in parts:
            for place, prefix, block in self.places:
                if name == place and body[: len(prefix)] == prefix:
                    blocks.setdefault(block, bytes(body[len(prefix) :]))
                    break
            else:
                if name in self.copied:
                    copied.append((name, bytes(body)))
                elif name not in self.structural:
                    left_out.append(f"{self.kind} {name_of(name)}")
        return blocks, copied, left_out

    def join(self, parts: Iterable[tuple[bytes, Body]]) -> bytes:
        """Names and bodies as bytes of a file."""
        pieces: list[Body] = []
        for name, body in parts:
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
