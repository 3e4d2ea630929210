"""GIF (87a and 89a), which is only read: OpenCV decodes the indices of one image at a time."""

from __future__ import annotations

import struct
from math import prod
from typing import NamedTuple

import numpy as np

from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv
from pooltool.images.animation import CLEARED, RESTORED, Frame, drawn
from pooltool.images.container import name_of
from pooltool.images.picture import (
    NO_METADATA,
    Array,
    Header,
    Picture,
    profile_kind,
    repeated,
    require_plausible,
)

_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_CONTROL, _NAMES = 0xF9, {0x01: "text", 0xFE: "comment"}
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_XMP, _ICC = b"XMP DataXMP", b"ICCRGBG1012"
_XMP_END = b"\1" + bytes(range(255, -1, -1)) + b"\0"
"""Read as blocks, a packet of XMP is skipped through this ramp of ever shorter steps."""
_DISPOSALS = {2: CLEARED, 3: RESTORED, 4: RESTORED}
"""Old programs wrote 4 for 3. Other numbers are not defined: the frame stays, as in browsers."""
_MOST_PIXELS = 2731
"""Pixels of a byte: a code has at most 12 bits and stands for at most 4096."""
_RAMP = bytes(level for level in range(256) for _ in range(3))


class _Details(NamedTuple):
    frames: list[Frame]
    loop: int


class _Image(NamedTuple):
    """What a frame is decoded from."""

    still: bytes
    """A GIF whose colors are levels of gray, which are the indices."""
    table: bytes
    """The table of its own colors."""
    clear: int | None
    """The index that is transparent."""


def read_header(data: bytes) -> Header:
    """Walk all blocks, up to the trailer."""
    (width, height), shared = struct.unpack_from("<HH", data, 6), _table(data, 10, 13)
    at, control, loop, frames = 13 + len(shared), bytes(4), 1, list[Frame]()
    metadata, missing = NO_METADATA, list[str]()
    while data[at] != _TRAILER:
        label, start = data[at + 1], at + 2
        if data[at] == _IMAGE:
            frame, at = _read_image(data, at, control, shared)
            if not frames:  # a first frame beyond the canvas makes it larger
                height, width = max(height, frame.rows.stop), max(width, frame.columns.stop)
            frames.append(frame)
            control = bytes(4)
            continue
        if data[at] != _EXTENSION:
            raise DamageError("it is truncated or damaged: a GIF block is not valid")
        body, at = _read_blocks(data, start)
        if label == _CONTROL:
            control = body[:4].ljust(4, b"\0")
        elif body.startswith(_LOOPS):
            times = int.from_bytes(body[12:14], "little")  # after the first time
            loop = times and times + 1
        elif body.startswith(_XMP):
            is_raw = data.endswith(_XMP_END, start, at)
            xmp = data[start + 12 : at] if is_raw else body[11:]
            metadata = metadata._replace(xmp=xmp.removesuffix(_XMP_END))
        elif body.startswith(_ICC) and profile_kind(body[11:]):
            metadata = metadata._replace(icc=body[11:])
        elif body:
            missing.append(_NAMES.get(label) or f"GIF extension {name_of(body[:11])}")
    sizes = repeated((height, width), len(frames))
    require_plausible(height, width, height * width, len(data) * _MOST_PIXELS)
    areas = (prod(side.stop - side.start for side in frame[:2]) for frame in frames)
    if max(areas) > height * width + (1 << 22):
        raise ImageError(opencv.unread("GIF", "a frame is far larger than its canvas"))
    return Header(formats.GIF, sizes, metadata, tuple(missing), animated=len(sizes) > 1,
                  indexed=True, details=_Details(frames, loop))  # fmt: skip


def _table(data: bytes, flags_at: int, at: int) -> bytes:
    """The color table that packed flags tell of; empty where there is none."""
    return data[at : at + (3 << ((data[flags_at] & 7) + 1))] if data[flags_at] & 0x80 else b""


def _read_blocks(data: bytes, at: int) -> tuple[bytes, int]:
    """What a series of sub-blocks holds, and where it ends."""
    pieces = []
    while size := data[at]:
        pieces.append(data[at + 1 : at + 1 + size])
        at += size + 1
    return b"".join(pieces), at + 1


def _read_image(data: bytes, at: int, control: bytes, shared: bytes) -> tuple[Frame, int]:
    """A frame, as the control block before it tells of it, and where its image ends."""
    left, top, width, height, flags = struct.unpack_from("<4HB", data, at + 1)
    table = _table(data, at + 9, at + 10)
    start = at + 10 + len(table)
    body, end = _read_blocks(data, start + 1)
    require_plausible(height, width, height * width, len(body) * _MOST_PIXELS)
    if not (table := table or shared):
        raise ImageError(opencv.unread("GIF", "it has no table of its colors"))
    sides, interlaced = data[at + 5 : at + 9], bytes([flags & 0x40])
    still = b"".join((b"GIF89a", sides, b"\xf7\0\0", _RAMP, b",\0\0\0\0", sides, interlaced,
                      data[start:end], b";"))  # fmt: skip
    flags, delay, index = struct.unpack("<BHB", control)
    clear = index if flags & 1 else None
    rows, columns = slice(top, top + height), slice(left, left + width)
    disposal = _DISPOSALS.get(flags >> 2 & 7, 0)
    image = _Image(still, table, clear)
    return Frame(rows, columns, 10 * delay, disposal, is_blended=True, data=image), end


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """Decode the frames as browsers show them, or the indices of a single one that covers all."""
    details: _Details = header.details
    frames, (height, width) = details.frames, header.sizes[0]
    if header.labels and [frame[:2] for frame in frames] == [(slice(0, height), slice(0, width))]:
        indices, palette = _decoded(frames[0].data)
        return Picture((indices,), formats.GIF, palette=palette)
    decoded = (_decoded(frame.data) for frame in frames)
    pixels = (palette.view(np.uint32).take(indices) for indices, palette in decoded)
    colors = (words[..., None].view(np.uint8) for words in pixels)
    return drawn(header, frames, colors, chosen, loop=details.loop, has_alpha=False)


def _decoded(image: _Image) -> tuple[Array, Array]:
    """The indices of an image and its palette."""
    still, table, clear = image
    indices = opencv.decode_still(still, formats.GIF)[..., 0].copy()
    count = len(table) // 3
    if indices.max() >= count and (indices[indices >= count] != clear).any():
        raise DamageError("it is damaged: the GIF holds an index beyond its color table")
    palette = np.full((max(count, (clear or 0) + 1), 4), 255, np.uint8)
    palette[:count, 2::-1] = np.frombuffer(table, np.uint8).reshape(count, 3)
    if clear is not None:
        palette[clear, 3] = 0
    return indices, palette
