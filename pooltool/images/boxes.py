"""Boxes of the ISO base media file format (ISO/IEC 14496-12), which AVIF and JPEG 2000 are made of.

A box is told by where its content lies in the whole file, so that bytes of it can be changed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pooltool.errors import DamageError
from pooltool.images.headers import require_plausible

_FIELDS = {b"meta": 4, b"iref": 4, b"stsd": 8, b"av01": 78}
"""Bytes of a box that lie before the boxes in it."""


class Box(NamedTuple):
    """A box: its name, and where its content begins and ends."""

    name: bytes
    start: int
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes of a file, or of a part of it."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, start + 8)[0], 16
        size = size or end - start
        if size < head or start + size > end:
            raise DamageError("it is cut or damaged: the data ends in the middle of a box")
        yield Box(name, start + head, start + size)
        start += size


def inside(data: bytes, *path: bytes, of: Box | None = None) -> list[Box]:
    """The boxes in the first box on a path of names, in the file or in a box of it."""
    found = list(boxes(data)) if of is None else _content(data, of)
    for name in path:
        found = next((_content(data, box) for box in found if box.name == name), [])
    return found


def body(data: bytes, found: Sequence[Box], name: bytes) -> bytes | None:
    """The content of the first box of a name; None when there is none."""
    return next((data[box.start : box.end] for box in found if box.name == name), None)


def box(name: bytes, content: bytes) -> bytes:
    """A box to be written."""
    return struct.pack(">I4s", len(content) + 8, name) + content


def require_room(height: int, width: int, size: int) -> None:
    """Refuse a header that tells of more pixels than `size` bytes of wavelets or of AV1 can hold.

    Pictures of one color took down to a byte for 200,000 pixels; small ones need not be checked.
    """
    require_plausible(height, width, (height * width - (1 << 24)) >> 18, size)


def _content(data: bytes, box: Box) -> list[Box]:
    fields = _FIELDS.get(box.name, 0)
    if box.name == b"iinf":
        fields = 8 if data[box.start] else 6
    return list(boxes(data, box.start + fields, box.end))
