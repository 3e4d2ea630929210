"""Boxes of the ISO base media file format (ISO/IEC 14496-12), as AVIF and JPEG 2000 have them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from pooltool.errors import DamageError
from pooltool.images.headers import require_plausible

_FIELDS = {b"meta": 4, b"iref": 4, b"iinf": 6, b"stsd": 8, b"av01": 78}
"""Bytes of a box that lie before the boxes in it."""


class Box(NamedTuple):
    """A box, told by where its content lies in the whole file, so that bytes can be changed."""

    data: bytes
    name: bytes
    start: int
    end: int

    @property
    def body(self) -> bytes:
        return self.data[self.start : self.end]

    def inside(self, *path: bytes) -> list[Box]:
        """The boxes in it, or in the first box on a path of names below it."""
        if path:
            first = next((box for box in self.inside() if box.name == path[0]), None)
            return first.inside(*path[1:]) if first else []
        found, at = [], self.start + _FIELDS.get(self.name, 0)
        if self.name == b"iinf" and self.data[self.start]:  # a version with wider numbers
            at += 2
        while at + 8 <= self.end:
            size, name = struct.unpack_from(">I4s", self.data, at)
            head = 8
            if size == 1:
                size, head = struct.unpack_from(">Q", self.data, at + 8)[0], 16
            size = size or self.end - at
            if size < head or at + size > self.end:
                raise DamageError("it is cut or damaged: the data ends in the middle of a box")
            found.append(Box(self.data, name, at + head, at + size))
            at += size
        return found

    def every(self, *path: bytes) -> list[Box]:
        """The boxes of the last name on a path, in the first ones of the names before it."""
        return [box for box in self.inside(*path[:-1]) if box.name == path[-1]]


def whole(data: bytes) -> Box:
    """A file, as if it were a box."""
    return Box(data, b"", 0, len(data))


def contents(found: Sequence[Box]) -> dict[bytes, bytes]:
    """What boxes hold, by their names; of several with one name, the first."""
    return {box.name: box.body for box in reversed(found)}


def box(name: bytes, content: bytes) -> bytes:
    """A box to be written."""
    return struct.pack(">I4s", len(content) + 8, name) + content


def require_room(height: int, width: int, size: int) -> None:
    """Refuse a header that tells of more pixels than `size` bytes of wavelets or of AV1 can hold.

    Pictures of one color took down to a byte for 200,000 pixels; small ones need not be checked.
    """
    require_plausible(height, width, (height * width - (1 << 24)) >> 18, size)
