"""GIF (87a and 89a), which is only read: stills and animations.

OpenCV takes from the last frame whether there is transparency, and stops at a frame that leaves the
canvas. So it only unpacks: each frame is wrapped as a still whose color table is a gray ramp, which
gives the indices. Colors and frames are put together here, as browsers do it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv
from pooltool.images.animation import BACKGROUND, PREVIOUS, Frame, compose
from pooltool.images.headers import name_of, profile_kind, repeated, require_plausible
from pooltool.images.picture import NO_METADATA, Array, Header, Picture, padded

FORMATS = (formats.GIF,)
START = rb"GIF8[79]a"

_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_TEXT, _CONTROL, _COMMENT, _APPLICATION = 0x01, 0xF9, 0xFE, 0xFF
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_XMP, _ICC = b"XMP DataXMP", b"ICCRGBG1012"
_XMP_END = b"\1" + bytes(range(255, -1, -1)) + b"\0"
"""Read as blocks, a packet of XMP is skipped through this ramp of ever shorter steps."""
_DISPOSALS = {2: BACKGROUND, 3: PREVIOUS, 4: PREVIOUS}
"""Browsers take the background for transparent, and know that old programs wrote 4 for 3. Other
numbers have no meaning and leave the frame."""
_MOST_PIXELS = 2731
"""Pixels of a byte: a code has at most 12 bits and stands for at most 4096."""
_RAMP = bytes(level for level in range(256) for _ in range(3))


def read_header(data: bytes) -> Header:
    """Walk all blocks."""
    height, width = struct.unpack_from("<HH", data, 6)[::-1]
    shared = data[13 : 13 + _table_size(data[10])]
    frames: list[Frame] = []
    metadata, lost, loop, control = NO_METADATA, [], 1, bytes(4)
    for label, body, at, end in _blocks(data):
        if label == _IMAGE:
            frames.append(_frame(data, at, end, body, shared, control))
            control = bytes(4)
        elif label == _CONTROL:
            control = body[:4].ljust(4, b"\0")
        elif label == _APPLICATION and body[:11] in _LOOPS:
            times = int.from_bytes(body[12:14], "little")  # after the first time
            loop = times and times + 1
        elif label == _APPLICATION and body.startswith(_XMP):
            xmp = data[at + 14 : end] if data.endswith(_XMP_END, at, end) else body[11:]
            metadata = metadata._replace(xmp=xmp.removesuffix(_XMP_END))
        elif label == _APPLICATION and body.startswith(_ICC) and profile_kind(body[11:]):
            metadata = metadata._replace(icc=body[11:])
        elif label == _APPLICATION:
            lost.append(f"GIF extension {name_of(body[:11])}")
        elif body:
            lost.append({_COMMENT: "comment", _TEXT: "text"}.get(label, "GIF extension"))
    if not frames:
        raise DamageError("it is damaged: the GIF holds no picture")
    # A first frame that leaves the canvas makes it larger; what leaves it later is not seen.
    height = max(height, frames[0].top + frames[0].height)
    width = max(width, frames[0].left + frames[0].width)
    require_plausible(height, width, height * width, len(data) * _MOST_PIXELS)
    sizes = repeated((height, width), len(frames))
    return Header(formats.GIF, sizes, metadata, tuple(lost), indexed=True, details=(frames, loop))


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Draw the frames, or those up to one of them. Indices are those of a single frame that covers
    all of the canvas.
    """
    frames, loop = header.details
    if (
        header.labels
        and len(frames) == 1
        and header.sizes[0] == (frames[0].height, frames[0].width)
    ):
        levels, palette = _indices(frames[0])
        return Picture((levels,), formats.GIF, palette=palette)
    return compose(header, frames, loop, frame, _decoded)


def _blocks(data: bytes) -> Iterator[tuple[int, bytes, int, int]]:
    """The images and extensions up to the trailer: label, what their sub-blocks hold, and where
    each begins and ends.
    """
    at = 13 + _table_size(data[10])
    while data[at] != _TRAILER:
        if data[at] == _IMAGE:
            label, end = _IMAGE, at + 11 + _table_size(data[at + 9])
        elif data[at] == _EXTENSION:
            label, end = data[at + 1], at + 2
        else:
            raise DamageError("it is cut or damaged: the GIF data does not go on as it should")
        pieces = []
        while data[end]:
            pieces.append(data[end + 1 : end + 1 + data[end]])
            end += data[end] + 1
        yield label, b"".join(pieces), at, end + 1
        at = end + 1


def _table_size(flags: int) -> int:
    """Bytes of the color table that a GIF's packed flags tell of."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _frame(data: bytes, at: int, end: int, codes: bytes, shared: bytes, control: bytes) -> Frame:
    """The frame of an image block, by what the control block before it says."""
    left, top, width, height, flags = struct.unpack_from("<HHHHB", data, at + 1)
    if not height or not width:
        raise DamageError("it is damaged: a frame of the GIF has no pixels")
    start = at + 10 + _table_size(flags)
    require_plausible(height, width, height * width, (end - start - 1) * _MOST_PIXELS)
    table = data[at + 10 : start] or shared
    if not table:
        raise ImageError(
            "it is a GIF without a table of its colors, which is not read; convert it to PNG, for "
            "example with `magick`"
        )
    switches, delay, clear = struct.unpack("<BHB", control)
    disposal = _DISPOSALS.get(switches >> 2 & 7, 0)
    content = flags & 0x40, data[start:end], codes, table, clear if switches & 1 else None
    return Frame(height, width, top, left, delay * 10, disposal, True, content)


def _decoded(frame: Frame) -> Array:
    """The frame's pixels, with alpha if one of its indices stands for transparent."""
    indices, palette = _indices(frame)
    colors = padded(palette)
    if frame.content[-1] is None:
        pixels: Array = native.import_cv2().applyColorMap(indices, colors[:, None, :3].copy())
        return pixels
    return colors.view("<u4")[:, 0].take(indices)[..., None].view(np.uint8)


def _indices(frame: Frame) -> tuple[Array, Array]:
    """The indices of a frame, and its palette, up to the index that stands for transparent.

    The indices are OpenCV's colors of a still with a gray ramp for a table.
    """
    interlaced, packed, codes, table, clear = frame.content
    sides = struct.pack("<HH", frame.width, frame.height)
    start = b"GIF89a" + sides + b"\xf7\0\0" + _RAMP + b",\0\0\0\0" + sides + bytes([interlaced])
    try:
        still = opencv.decode_still(start + packed + b";", formats.GIF)
    except ImageError:
        trimmed = _trimmed(packed[0], codes)
        if trimmed == packed:
            raise
        still = opencv.decode_still(start + trimmed + b";", formats.GIF)
    indices, count = still[..., 0].copy(), len(table) // 3
    if indices.max() >= count and (indices[indices >= count] != clear).any():
        raise DamageError("it is damaged: the GIF holds an index beyond its color table")
    palette = np.full((max(count, (clear or 0) + 1), 4), 255, np.uint8)
    palette[:count, 2::-1] = np.frombuffer(table, np.uint8).reshape(count, 3)
    if clear is not None:
        palette[clear, 3] = 0
    return indices, palette


def _trimmed(size: int, codes: bytes) -> bytes:
    """Codes up to the one that ends them, as they stand in a file behind the size of the first;
    OpenCV takes what follows for more codes.

    A code is one bit wider whenever the codes before it have made that many entries.
    """
    at, first = 0, 1 << size
    count = first + 2
    while at < len(codes) * 8:
        width = min(max(count - 1, first + 1).bit_length(), 12)
        window = int.from_bytes(codes[at // 8 : at // 8 + 3], "little")
        code = window >> at % 8 & (1 << width) - 1
        at += width
        if code == first + 1:
            codes = codes[: -(-at // 8)]
        count = first + 2 if code == first else count + 1
    pieces = [codes[at : at + 255] for at in range(0, len(codes), 255)]
    return bytes([size]) + b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"
