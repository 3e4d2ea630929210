"""GIF (87a and 89a), which is only read: OpenCV decodes the bare frames.

It stops at unknown extensions and numbers, and takes the transparency from the last control block
only, so each file is rebuilt for it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv
from pooltool.images.container import name_of
from pooltool.images.picture import (
    NO_METADATA,
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
_DISPOSALS = {2: 2, 3: 3, 4: 3}
"""Old programs wrote 4 for 3. Other numbers are not defined: the frame stays, as in browsers."""
_MOST_PIXELS = 2731
"""Pixels of a byte: a code has at most 12 bits and stands for at most 4096."""
_RAMP = bytes(level for level in range(256) for _ in range(3))


class _Block(NamedTuple):
    """An image or an extension: what it is, and where it begins and ends."""

    label: int
    start: int
    content: int
    """Where its first sub-block begins."""
    end: int
    body: bytes
    """What its sub-blocks hold."""


_Details = tuple[list[tuple[bytes, _Block]], int, tuple[int, int]]
"""For each frame what controls it and its image, how often all of them play, and the height and
width that hold all frames, also where they reach beyond what is shown.
"""


def read_header(data: bytes) -> Header:
    """Walk all blocks."""
    width, height = struct.unpack_from("<HH", data, 6)
    frames, control, loop = list[tuple[bytes, _Block]](), bytes(4), 1
    metadata, missing, bottom, right = NO_METADATA, list[str](), 0, 0
    for block in _blocks(data):
        body = block.body
        if block.label == _IMAGE:
            low, far = _ends(data, block)
            bottom, right = max(bottom, low), max(right, far)
            if not frames:  # a first frame beyond the canvas makes it larger
                height, width = max(height, low), max(width, far)
            frames.append((control, block))
            control = bytes(4)
        elif block.label == _CONTROL:
            control = body[:4].ljust(4, b"\0")
        elif body.startswith(_LOOPS):
            times = int.from_bytes(body[12:14], "little")  # after the first time
            loop = times and times + 1
        elif body.startswith(_XMP):
            is_raw = data.endswith(_XMP_END, block.start, block.end)
            xmp = data[block.content + 12 : block.end] if is_raw else body[11:]
            metadata = metadata._replace(xmp=xmp.removesuffix(_XMP_END))
        elif body.startswith(_ICC) and profile_kind(body[11:]):
            metadata = metadata._replace(icc=body[11:])
        elif body:
            missing.append(_NAMES.get(block.label) or f"GIF extension {name_of(body[:11])}")
    if not frames:
        raise DamageError("it is damaged: the GIF holds no picture")
    require_plausible(height, width, height * width, len(data) * _MOST_PIXELS)
    canvas = max(height, bottom), max(width, right)
    if max(canvas) > 0xFFFF or prod(canvas) > 2 * height * width + (1 << 24) // len(frames):
        raise ImageError(opencv.unread("GIF", "a frame lies far beyond its canvas"))
    details: _Details = frames, loop, canvas
    return Header(formats.GIF, repeated((height, width), len(frames)), metadata, tuple(missing),
                  animated=len(frames) > 1, indexed=True, details=details)  # fmt: skip


def _blocks(data: bytes) -> Iterator[_Block]:
    """The images and extensions up to the trailer."""
    at = 13 + len(_table(data, 10, 13))
    while data[at] != _TRAILER:
        if data[at] == _IMAGE:
            label, content = _IMAGE, at + 11 + len(_table(data, at + 9, at + 10))
        elif data[at] == _EXTENSION:
            label, content = data[at + 1], at + 2
        else:
            words = "a GIF block is not valid"
            raise DamageError(f"it is truncated or damaged: {words}")
        start, at, pieces = at, content, []
        while data[at]:
            pieces.append(data[at + 1 : at + 1 + data[at]])
            at += data[at] + 1
        at += 1
        yield _Block(label, start, content, at, b"".join(pieces))


def _table(data: bytes, flags_at: int, at: int) -> bytes:
    """The color table that packed flags tell of; empty where there is none."""
    return data[at : at + (3 << ((data[flags_at] & 7) + 1))] if data[flags_at] & 0x80 else b""


def _ends(data: bytes, block: _Block) -> tuple[int, int]:
    """The last row and column of an image, plus 1; refuse one without data or colors."""
    left, top, across, down = struct.unpack_from("<4H", data, block.start + 1)
    if not (data[10] | data[block.start + 9]) & 0x80:
        raise ImageError(opencv.unread("GIF", "it has no table of its colors"))
    require_plausible(down, across, max(1, down * across), len(block.body) * _MOST_PIXELS)
    return top + down, left + across


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """Decode the frames as browsers show them, or the indices of a single one that covers all."""
    details: _Details = header.details
    (height, width), (blocks, loop, canvas) = header.sizes[0], details
    if header.labels and len(blocks) == 1:
        place = struct.unpack_from("<4H", data, blocks[0][1].start + 1)
        if place == (0, 0, width, height):
            return _decoded_indices(data, *blocks[0])
    flags, table = data[10], _table(data, 10, 13)
    if not table:  # without one OpenCV does not clear the area outside the next frame
        flags, table = 0x80, bytes(6)
    parts = [data[:6] + struct.pack("<HHBBB", *canvas[::-1], flags, 0, 0) + table]
    for control, block in blocks:
        flags, delay, clear = struct.unpack("<BHB", control)
        flags = _DISPOSALS.get(flags >> 2 & 7, 0) << 2 | flags & 1
        parts.append(b"!\xf9\4" + struct.pack("<BHB", flags, delay, clear) + b"\0")
        parts.append(data[block.start : block.end])
    parts.append(b"!\xf9\4\1\0\0\0\0;")
    picture = opencv.decode_animation(b"".join(parts), header, chosen)
    cv2, frames = native.import_cv2(), picture.frames
    if canvas != (height, width):
        frames = tuple(pixels[:height, :width].copy() for pixels in frames)
    masks = [cv2.extractChannel(pixels, 3) for pixels in frames]
    if all(mask.min() == 255 for mask in masks):
        frames = tuple(cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR) for pixels in frames)
    else:  # what is transparent has no color
        pairs = zip(frames, masks, strict=True)
        frames = tuple(cv2.bitwise_and(pixels, pixels, mask=mask) for pixels, mask in pairs)
    return picture._replace(frames=frames, loop=loop)


def _decoded_indices(data: bytes, control: bytes, block: _Block) -> Picture:
    """The indices are OpenCV's colors of a still with a gray ramp for a table."""
    start, flags = block.start, data[block.start + 9]
    table = _table(data, start + 9, start + 10) or _table(data, 10, 13)
    sides, codes = data[start + 5 : start + 9], data[block.content - 1 : block.end]
    head = b"GIF89a" + sides + b"\xf7\0\0" + _RAMP + b",\0\0\0\0" + sides + bytes([flags & 0x40])
    indices = opencv.decode_still(head + codes + b";", formats.GIF)[..., 0].copy()
    count, clear = len(table) // 3, control[3] if control[0] & 1 else None
    if indices.max() >= count and (indices[indices >= count] != clear).any():
        raise DamageError("it is damaged: the GIF holds an index beyond its color table")
    palette = np.full((max(count, (clear or 0) + 1), 4), 255, np.uint8)
    palette[:count, 2::-1] = np.frombuffer(table, np.uint8).reshape(count, 3)
    if clear is not None:
        palette[clear, 3] = 0
    return Picture((indices,), formats.GIF, palette=palette)
