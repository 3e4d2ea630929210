"""BMP of Windows and OS/2. OpenCV takes the palettes of OS/2 for gray, so it is given a plain
header and levels of gray for a palette: then it gives the indices. Pillow reads bit masks other
than those that OpenCV writes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv, pillow
from pooltool.images.picture import (
    Array,
    Encoded,
    Header,
    Metadata,
    Picture,
    colored,
    padded,
    require_plausible,
)

_FLAT = frozenset((0, bits) for bits in (1, 4, 8, 24, 32))
_RUNS = frozenset(((1, 8), (2, 4)))
_MASKS = frozenset(((0, 16), (3, 16), (3, 32), (6, 16), (6, 32)))
"""The kinds that are read, by compression and bits a pixel."""
_BGR, _ALPHA = struct.pack("<3I", 0xFF0000, 0xFF00, 0xFF), struct.pack("<I", 0xFF000000)
"""The masks of bytes in OpenCV's order."""
_RAMP = bytes(level * (place < 3) for level in range(256) for place in range(4))


class _Details(NamedTuple):
    kind: tuple[int, int]
    palette: Array
    """(K, 4), blue first; empty above 8 bits."""
    is_gray: bool
    """True when all colors of the palette are gray."""
    start: int
    """Where the pixels begin."""
    rows: int
    """Below 0 when the first row is the top one."""
    has_alpha: bool
    """Of what Pillow does not read."""


def read_header(data: bytes) -> Header:
    """Read the header and the palette behind it."""
    start, size = struct.unpack_from("<II", data, 10)
    head = data[14 : 14 + size].ljust(124, b"\0")
    form = "<IHHHH" if size == 12 else "<IiiHHIIiiI"
    _, width, rows, _, bits, *more = struct.unpack_from(form, head)
    coding, _, across, down, used = more or (0, 0, 0, 0, 0)
    kind, has_deep_alpha = (coding, bits), bits == 16 and size >= 56 and any(head[52:56])
    if has_deep_alpha or kind not in _FLAT | _RUNS | _MASKS:
        raise ImageError(opencv.unread("BMP", f"{bits} bits a pixel, compression {coding}"))
    alpha = head[52:56]
    is_bgr = kind == (3, 32) and data[54:66] == _BGR and alpha in (_ALPHA, bytes(4))
    kind = (0, 32) if is_bgr else kind
    height, stride, room = abs(rows), (width * bits + 31) // 32 * 4, len(data) - start
    least = stride * (height - 1) + (width * bits + 7) // 8  # the last row may end early
    if kind in _RUNS:  # a code of two bytes stands for at most 255 pixels
        least, room = height * width, room * 128
    require_plausible(height, width, least, room)
    entry = 3 if size == 12 else 4
    count = min(used or 1 << bits, 1 << bits, max(start - 14 - size, 0) // entry) * (bits <= 8)
    table = np.frombuffer(data, np.uint8)[14 + size :][: count * entry].reshape(count, entry)
    palette = np.full((count, 4), 255, np.uint8)
    palette[:, :3] = table[:, :3]
    missing = ("ICC profile",) if size >= 124 and any(head[116:120]) else ()
    metadata = Metadata(resolution=(down, across) if min(down, across) > 0 else None)
    is_gray, levels = bool((palette[:, :3] == palette[:, :1]).all()), palette[:, 0].tobytes()
    is_ramp = is_gray and levels in (bytes(range(count)), b"\0\xff")  # then it needs no palette
    details = _Details(kind, palette, is_gray, start, rows, has_alpha=is_bgr and alpha == _ALPHA)
    return Header(formats.BMP, ((height, width),), metadata, missing, indexed=not is_ramp,
                  details=details)  # fmt: skip


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """Decode the pixels, or the indices of a palette."""
    details: _Details = header.details
    ((height, width),), (coding, bits), palette = header.sizes, details.kind, details.palette
    start, rows = details.start, details.rows
    if (coding, bits) in _MASKS:
        return pillow.decode_as(data, header, "BMP with bit masks")
    if bits > 8:  # OpenCV takes twice the time
        stride = (width * bits + 31) // 32 * 4
        body = data.ljust(start + height * stride, b"\0")  # the last row may end early
        lines = np.frombuffer(body, np.uint8, height * stride, start).reshape(height, stride)
        pixels = lines[:: -1 if rows > 0 else 1, : width * bits // 8].reshape(height, width, -1)
        return Picture((np.ascontiguousarray(pixels[..., : 3 + details.has_alpha]),), formats.BMP)
    head = struct.pack("<IIiiHHI20x", 54 + 1024, 40, width, rows, 1, bits, coding)
    plain = b"".join((data[:10], head, _RAMP, memoryview(data)[start:], bytes(3)))
    indices = opencv.decode_still(plain, formats.BMP)
    if indices.max() >= len(palette):
        raise DamageError("it is damaged: it holds an index beyond its palette")
    picture = Picture((indices,), formats.BMP, palette=palette)
    if header.labels:
        return picture
    if not details.is_gray:
        return colored(picture)
    levels = np.ascontiguousarray(padded(palette)[:, 0])
    return Picture((native.import_cv2().LUT(indices, levels),), formats.BMP)


def encode(picture: Picture, quality: int | None) -> Encoded:
    """OpenCV gives gray a palette of 256 levels, in whose place another one fits."""
    data = opencv.encoded(formats.BMP, picture.frames[0])
    if picture.palette is not None:
        colors = padded(picture.palette)
        colors[:, 3] = 0
        data = data[:54] + colors.tobytes() + data[54 + 1024 :]
    if resolution := picture.metadata.resolution:
        down, across = (min(round(side), (1 << 31) - 1) for side in resolution)
        data = data[:38] + struct.pack("<ii", across, down) + data[46:]
    return Encoded(data)
