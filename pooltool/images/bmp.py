"""BMP of Windows and OS/2, read here: OpenCV takes the palettes of OS/2 for gray and ignores bit
masks. Pillow reads masks and run lengths, OpenCV writes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv, pillow
from pooltool.images.formats import Format
from pooltool.images.headers import require_plausible
from pooltool.images.picture import Array, Encoded, Header, Metadata, Picture, colored, padded
from pooltool.images.tags import Resolution

_RUNS, _MASKS = "BMP with run lengths", "BMP with bit masks"
_BY_PILLOW = {(1, 8): _RUNS, (2, 4): _RUNS, (0, 16): _MASKS, (3, 16): _MASKS, (3, 32): _MASKS,
              (6, 16): _MASKS, (6, 32): _MASKS}  # fmt: skip
"""The coding and the bits of a pixel in files that Pillow reads, and what they are."""


class _Details(NamedTuple):
    what: str
    """What it is where Pillow reads it."""
    bits: int
    palette: Array
    """(K, 3), blue first."""
    start: int
    is_upwards: bool


def read_header(data: bytes) -> Header:
    """Read the header and the palette behind it."""
    start, size = struct.unpack_from("<II", data, 10)
    head = data[14 : 14 + size].ljust(124, b"\0")
    form = "<IHHHH" if size == 12 else "<IiiHHIIiiI"
    _, width, height, _, bits, *more = struct.unpack_from(form, head)
    coding, _, across, down, used = more or (0, 0, 0, 0, 0)
    what = _BY_PILLOW.get((coding, bits), "")
    has_deep_alpha = bits == 16 and coding and size >= 56 and any(head[52:56])
    if has_deep_alpha or not (what or (coding == 0 and bits in (1, 2, 4, 8, 24, 32))):
        raise ImageError(opencv.unread("BMP", f"{bits} bits a pixel, compression {coding}"))
    is_upwards, height, stride = height > 0, abs(height), (width * bits + 31) // 32 * 4
    least, room = stride * (height - 1) + (width * bits + 7) // 8, len(data) - start
    if what == _RUNS:  # a code of two bytes stands for at most 255 pixels
        least, room = height * width, room * 128
    require_plausible(height, width, least, room)
    if what == _RUNS:
        _require_runs(data, start, stride * 8 // bits, height, bits)
    entry = 3 if size == 12 else 4
    count = min(used or 1 << bits, 1 << bits, max(start - 14 - size, 0) // entry)
    table = np.frombuffer(data, np.uint8)[14 + size :][: count * entry]
    palette = table.reshape(count, entry)[:, :3]
    missing = ("ICC profile",) if size >= 124 and any(head[116:120]) else ()
    metadata = Metadata(resolution=Resolution(down, across) if min(down, across) > 0 else None)
    details = _Details(what, bits, palette, start, is_upwards)
    indexed = bits <= 8 and not _is_ramp(palette)
    return Header(formats.BMP, ((height, width),), metadata, missing, indexed=indexed,
                  details=details)  # fmt: skip


def _require_runs(data: bytes, at: int, width: int, height: int, bits: int) -> None:
    """Refuse run-length data that ends early or leaves the picture, which Pillow does not see."""
    row = column = 0
    while (code := data[at : at + 2]) != b"\0\1":
        if len(code) < 2:
            raise DamageError("it is truncated: its run-length data has no end")
        count, value = code
        at += 2
        if count or value > 2:  # a run, or pixels one by one, padded to words
            column += count or value
            at += 0 if count else -(-value * bits // 16) * 2
        elif value == 2:
            column, row, at = column + data[at], row + data[at + 1], at + 2
        else:
            column, row = 0, row + 1
        if column > width or row > height or (column and row == height):
            raise DamageError("it is damaged: its run-length data goes beyond the picture")


def _is_ramp(palette: Array) -> bool:
    """True for the palette of a gray picture: its levels are the indices, or black and white."""
    levels = palette[:, 0].tobytes()
    is_ramp = levels in (bytes(range(len(levels))), b"\0\xff")
    return is_ramp and bool((palette == palette[:, :1]).all())


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """The pixels: gray where the palette holds nothing but gray."""
    details: _Details = header.details
    what, bits, palette, start, is_upwards = details
    if what:
        return pillow.decode_as(data, header, what)
    ((height, width),) = header.sizes
    stride = (width * bits + 31) // 32 * 4
    body = data.ljust(start + height * stride, b"\0")  # the last row may end early
    rows = np.frombuffer(body, np.uint8, height * stride, start).reshape(height, stride)
    rows = rows[:: -1 if is_upwards else 1]
    if bits > 8:
        pixels = rows[:, : width * bits // 8].reshape(height, width, -1)[..., :3]
        return Picture((np.ascontiguousarray(pixels),), formats.BMP)
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    indices = (rows[..., None] >> shifts & ((1 << bits) - 1)).reshape(height, -1)[:, :width]
    if indices.max() >= len(palette):
        raise DamageError("it is damaged: it holds an index beyond its palette")
    if (palette == palette[:, :1]).all() and not header.labels:
        return Picture((palette[:, 0].take(indices),), formats.BMP)
    table = np.insert(palette, 3, 255, axis=1)
    picture = Picture((np.ascontiguousarray(indices),), formats.BMP, palette=table)
    return picture if header.labels else colored(picture)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """OpenCV gives gray a palette of 256 levels, in whose place another one fits."""
    data, resolution = opencv.encode_still(format, picture.frames[0]), picture.metadata.resolution
    if picture.palette is not None:
        colors = padded(picture.palette)
        colors[:, 3] = 0
        data = data[:54] + colors.tobytes() + data[54 + 1024 :]
    if resolution:
        down, across = (min(round(side), (1 << 31) - 1) for side in resolution)
        data = data[:38] + struct.pack("<ii", across, down) + data[46:]
    return Encoded(data)
