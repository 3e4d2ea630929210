"""BMP of Windows and OS/2, read here.

OpenCV ignores bit masks and the palettes of OS/2, makes 248 of 5 bits that are all set, shifts rows
of run-length data that are padded, and takes damaged ones for whole.
"""

from __future__ import annotations

import struct

import numpy as np

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv
from pooltool.images.formats import Format
from pooltool.images.headers import require_plausible
from pooltool.images.picture import Array, Encoded, Header, Metadata, Picture, padded
from pooltool.images.tags import Resolution

FORMATS = (formats.BMP,)
START = rb"BM"

_HEADERS = (12, 16, 64, 40, 52, 56, 108, 124)
"""Sizes of the headers that are read: three of OS/2, then those of Windows."""
_PLAIN, _RLE8, _RLE4, _MASKS, _MASKS_AND_ALPHA = 0, 1, 2, 3, 6
_BITS = {_PLAIN: (1, 2, 4, 8, 16, 24, 32), _RLE8: (8,), _RLE4: (4,), _MASKS: (16, 32),
         _MASKS_AND_ALPHA: (16, 32)}  # fmt: skip
"""Bits of a pixel, by how pixels are coded, in files that are read."""
_BYTES = (0xFF, 0xFF00, 0xFF0000, 0xFF000000)
_MASKS_OF = {16: (0x1F, 0x3E0, 0x7C00), 24: _BYTES[:3], 32: _BYTES[:3]}
"""Bits of blue, green and red where no masks are told."""
_KINDS = {
    (False, 4): "a JPEG in a BMP", (True, 3): "a BMP of OS/2 with Huffman coding",
    (False, 5): "a PNG in a BMP", (True, 4): "a BMP of OS/2 with RLE of 24 bits",
}  # fmt: skip
"""What is not read, by whether the header is of OS/2, and the coding."""
_CONVERT = "which is not read; convert it to PNG, for example with `magick`"


def read_header(data: bytes) -> Header:
    """Read the header and the palette behind it."""
    start, size = struct.unpack_from("<II", data, 10)
    if size not in _HEADERS:
        raise ImageError(f"it is no BMP, or one with a header of {size} bytes, {_CONVERT}")
    head = data[14 : 14 + size].ljust(124, b"\0")
    form = "<IHHHH" if size == 12 else "<IiiHHIIiiI"
    _, width, height, _, bits, *more = struct.unpack_from(form, head)
    coding, _, across, down, used = more or (_PLAIN, 0, 0, 0, 0)
    is_os2 = size in (16, 64)
    if bits not in _BITS.get(coding, ()) or (is_os2 and coding >= _MASKS):
        unknown = f"a BMP of {bits} bits a pixel with the compression {coding}"
        raise ImageError(f"it is {_KINDS.get((is_os2, coding), unknown)}, {_CONVERT}")
    if width <= 0 or not height:
        raise DamageError("it is damaged: its header tells of a picture without pixels")
    masks: tuple[int, ...] = _MASKS_OF.get(bits, ())
    if coding in (_MASKS, _MASKS_AND_ALPHA):  # they lie in the header, or behind one of 40 bytes
        count = 4 if coding == _MASKS_AND_ALPHA or size >= 56 else 3
        red, green, blue, *alpha = struct.unpack_from(f"<{count}I", data, 54)
        masks = (blue, green, red, *filter(None, alpha))
        levels = [mask // (mask & -mask or 1) for mask in masks]
        if any(level > 255 or level & (level + 1) for level in levels):
            raise ImageError(f"it is a BMP whose colors are not of 1 to 8 bits, {_CONVERT}")
        if max(masks) >> bits:
            raise DamageError(f"it is damaged: a color lies beyond the {bits} bits of its pixels")
    upwards, height, stride = height > 0, abs(height), (width * bits + 31) // 32 * 4
    least, most = stride * (height - 1) + (width * bits + 7) // 8, len(data) - start
    if coding in (_RLE8, _RLE4):  # a code of two bytes stands for at most 255 pixels
        least, most = height * width, most * 128
    require_plausible(height, width, least, most)
    entry = 3 if size == 12 else 4
    count = min(used or 1 << bits, 1 << bits, max(start - 14 - size, 0) // entry)
    table = np.frombuffer(data, np.uint8)[14 + size :][: count * entry]
    palette = table.reshape(count, entry)[:, :3]  # blue, green and red
    lost = ["ICC profile of a BMP"] if size >= 124 and any(head[116:120]) else []
    if size >= 108 and not any(head[56:60]) and any(head[60:108]):
        lost.append("calibrated colors of a BMP")
    metadata = Metadata(resolution=Resolution(down, across) if min(down, across) > 0 else None)
    details = bits, coding, masks, palette, start, stride, upwards
    sizes, indexed = ((height, width),), bits <= 8 and not _is_gray(palette)
    return Header(formats.BMP, sizes, metadata, tuple(lost), indexed=indexed, details=details)


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """The pixels: gray where the palette holds nothing but gray, alpha where a mask tells of it."""
    ((height, width),) = header.sizes
    bits, coding, masks, palette, start, stride, upwards = header.details
    body = data[start : start + height * stride].ljust(height * stride, b"\0")
    rows = np.frombuffer(body, np.uint8).reshape(height, stride)
    if bits <= 8:
        if coding == _PLAIN:
            shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
            levels = (rows[..., None] >> shifts & ((1 << bits) - 1)).reshape(height, -1)
            levels = np.ascontiguousarray(levels[:, :width])
        else:
            levels = _unpacked(data, start, coding == _RLE8, height, width, stride * 8 // bits)
        if levels.max() >= len(palette):
            raise DamageError("it is damaged: it holds an index beyond its palette")
        if header.labels:
            opaque = np.insert(palette, 3, 255, axis=1)
            frames = (levels[:: -1 if upwards else 1].copy(),)
            return Picture(frames, formats.BMP, palette=opaque)
        cv2, colors = native.import_cv2(), np.zeros((256, 1, 3), np.uint8)
        colors[: len(palette), 0] = palette
        if (palette == palette[:, :1]).all():
            pixels = cv2.LUT(levels, colors[:, 0, 0])
        else:
            pixels = cv2.applyColorMap(levels, colors)
    elif masks == _BYTES[: len(masks)]:
        pixels = rows[:, : width * bits // 8].reshape(height, width, -1)[..., : len(masks)]
    else:
        numbers, planes = rows.view(f"<u{bits // 8}")[:, :width], []
        for mask in masks:  # a mask of nothing is a channel of zeros
            low = mask & -mask or 1
            levels = np.arange(mask // low + 1) * 255 // max(mask // low, 1)
            planes.append(levels.astype(np.uint8)[(numbers & mask) // low])
        pixels = np.dstack(planes)
    return Picture((np.ascontiguousarray(pixels[:: -1 if upwards else 1]),), formats.BMP)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode with OpenCV, which gives gray a palette of 256 levels."""
    data, resolution = opencv.encode_still(format, picture.frames[0]), picture.metadata.resolution
    if picture.palette is not None:
        colors = padded(picture.palette)
        colors[:, 3] = 0
        data = data[:54] + colors.tobytes() + data[54 + 1024 :]
    if resolution:
        down, across = (min(round(side), (1 << 31) - 1) for side in resolution)
        data = data[:38] + struct.pack("<ii", across, down) + data[46:]
    return Encoded(data)


def _is_gray(palette: Array) -> bool:
    """True for the palette of a gray picture: its levels are the indices, or black and white."""
    levels = palette[:, 0].tobytes()
    is_ramp = levels in (bytes(range(len(levels))), b"\0\xff")
    return is_ramp and bool((palette == palette[:, :1]).all())


def _unpacked(data: bytes, at: int, wide: bool, height: int, width: int, room: int) -> Array:
    """The indices of run-length data; rows may be padded up to `room` pixels, as ImageMagick does.

    Pixels that are skipped have no color of their own: readers differ, so they are refused.
    """
    row, rows, count, value = bytearray(), list[bytes](), 0, 0
    while (count, value) != (0, 1):
        if at + 2 > len(data):
            raise DamageError("it is cut: its run-length data has no end")
        count, value = data[at : at + 2]
        at += 2
        if count:
            row += bytes([value]) * count if wide else (bytes(divmod(value, 16)) * count)[:count]
        elif value > 2:
            size = value if wide else -(-value // 2)
            piece = data[at : at + size]
            row += (piece if wide else bytes(int(digit, 16) for digit in piece.hex()))[:value]
            at += size + size % 2
        elif value == 2:
            raise ImageError(f"it is a BMP with run-length data that skips pixels, {_CONVERT}")
        if row and (len(row) > room or len(rows) == height):
            raise DamageError("it is damaged: its run-length data goes beyond the picture")
        if (count, value) == (0, 0) or (row and (count, value) == (0, 1)):
            rows.append(bytes(row[:width]))
            row.clear()
    indices = b"".join(rows[:height])
    if len(indices) < height * width:
        raise ImageError(f"it is a BMP with run-length data that skips pixels, {_CONVERT}")
    return np.frombuffer(indices, np.uint8).reshape(height, width)
