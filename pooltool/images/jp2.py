"""JPEG 2000 (ISO/IEC 15444-1): a codestream, alone or in boxes that tell what its channels mean.

OpenCV decodes the codestream in boxes that are made here, which give its channels as they are.
What the boxes of the file say of palettes and colors is done here.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import exif, formats, opencv
from pooltool.images.boxes import Box, body, box, boxes, inside, require_room
from pooltool.images.exif import EXIF_PREFIX
from pooltool.images.formats import Format
from pooltool.images.headers import name_of
from pooltool.images.picture import Array, Encoded, Header, Metadata, Picture, channels

FORMATS = (formats.JP2,)
START = rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"

_GRAY, _SRGB, _SYCC = 17, 16, 18
_COLORS = {_GRAY: 1, _SRGB: 3, _SYCC: 3}
"""Enumerated color spaces that come out right, and how many channels have color."""
_OTHER_COLORS = {0: "bi-level", 12: "CMYK", 13: "YCCK", 14: "CIELab", 15: "bi-level",
                 19: "CIEJab", 20: "e-sRGB", 21: "ROMM-RGB", 24: "e-sYCC"}  # fmt: skip
_BOXES = (b"jP  ", b"ftyp", b"jp2h", b"jp2c", b"free", b"rreq")
_HEADER_BOXES = (b"ihdr", b"bpcc", b"colr", b"pclr", b"cmap", b"cdef")
_EXIF = b"JpgTiffExif->JP2"
_ADOBE_EXIF = bytes.fromhex("0537cdab9d0c4431a72afa561f2a113e")
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_COMPLAINTS = r"(ERROR:|WARN:).*(OpenJPEG2000|jpeg2000)"
_GRAY_FLAGS = 2
"""IMREAD_ANYDEPTH, without COLOR and ANYCOLOR."""
_SYCC_WEIGHTS = ((1.772, 0), (-0.344136, -0.714136), (0, 1.402))
"""Shares of Cb and Cr in blue, green and red (ITU-R BT.601 in full range, as in JFIF)."""


class _Details(NamedTuple):
    code: bytes
    """The codestream, its samples marked as unsigned and as no less than 8 bits."""
    channels: int
    bits: int
    signed: bool
    sycc: bool
    palette: Array | None
    premultiplied: bool


def read_header(data: bytes) -> Header:
    """Walk the boxes and the start of the codestream."""
    boxed = data[4:8] == b"jP  "
    parts = list(boxes(data)) if boxed else [Box(b"jp2c", 0, len(data))]
    inner = inside(data, b"jp2h") if boxed else []
    code = body(data, parts, b"jp2c")
    if code is None:
        raise DamageError("it is damaged: the JPEG 2000 file holds no picture")
    if not code.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise DamageError("it is cut: the JPEG 2000 data has no end marker")
    right, bottom, left, top, channels, depth = struct.unpack_from(">IIII16xHB", code, 8)
    ihdr = struct.pack(">IIH", bottom - top, right - left, channels)
    if boxed and not (body(data, inner, b"ihdr") or b"").startswith(ihdr):
        raise DamageError("it is damaged: its boxes tell of another picture than its data")
    bits, signed = (depth & 0x7F) + 1, depth > 0x7F
    _require_checked(code, channels, depth)
    require_room(bottom - top, right - left, len(code))
    table = _palette(data, inner, channels, depth)
    samples = channels if table is None else table.shape[-1] if table.ndim > 1 else 1
    colors = [data[part.start : part.end] for part in inner if part.name == b"colr"]
    icc = next((color[3:] for color in colors if color[0] in (2, 3)), None)
    space, premultiplied = _meaning(colors, icc, body(data, inner, b"cdef"), samples)
    if (signed and samples > 1) or (space == _SYCC and (bits < 8 or table is not None)):
        raise _not_read("colors with a sign, or sYCC in a palette or in fewer than 8 bits")
    found, lost = _metadata(data, parts, icc)
    lost += [f"box {name_of(part.name)}" for part in inner if part.name not in _HEADER_BOXES]
    plain = bytearray(code)
    plain[42 : 42 + 3 * channels : 3] = bytes([max(bits, 8) - 1]) * channels
    details = _Details(bytes(plain), channels, bits, signed, space == _SYCC, table, premultiplied)
    turn, sizes = exif.orientation(found.exif), ((bottom - top, right - left),)
    return Header(formats.JP2, sizes, found, tuple(lost), turn, details=details)


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode the codestream, then do what its boxes say of depth, palette and colors."""
    found: _Details = header.details
    options = (formats.JP2, _COMPLAINTS)
    if found.channels == 2:  # OpenCV gives one channel of two: the gray, then alpha as gray
        gray, alpha = (
            opencv.decode_still(_file(found.code, 2, alpha=last), *options, flags=_GRAY_FLAGS)
            for last in (1, 0)
        )
        pixels = np.dstack((gray, gray, gray, alpha))
    else:
        pixels = opencv.decode_still(_file(found.code, found.channels), *options)
    bits, middle, maxval = found.bits, 1 << max(found.bits, 8) - 1, (1 << found.bits) - 1
    if found.signed:
        pixels = (pixels.astype(np.int32) - middle).astype("i1" if bits <= 8 else "i2")
    elif bits < 8:  # the decoder adds 128 to values around 0, not half of the depth
        pixels = pixels - np.uint8(middle - (1 << bits - 1))
        if found.palette is None:
            pixels = np.rint(pixels * (255 / maxval)).astype(np.uint8)
    if found.palette is not None:
        pixels = found.palette[np.minimum(pixels, len(found.palette) - 1)]
    if found.sycc:
        blue, red = (pixels[..., plane] - np.float32(middle) for plane in (1, 0))
        luma = pixels[..., 2].astype(np.float32)
        for plane, (from_blue, from_red) in enumerate(_SYCC_WEIGHTS):
            mixed = luma + np.float32(from_blue) * blue + np.float32(from_red) * red
            pixels[..., plane] = np.rint(mixed).clip(0, maxval)
    deep = 8 < bits < 16 and not found.signed
    return Picture(
        (pixels,), formats.JP2, maxval=maxval if deep else None, premultiplied=found.premultiplied
    )


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode without loss."""
    frame, found = picture.frames[0], picture.metadata
    settings = (native.import_cv2().IMWRITE_JPEG2000_COMPRESSION_X1000, 1000)
    data = opencv.encode_still(format, frame, settings)
    code = body(data, list(boxes(data)), b"jp2c") or b""
    data = _file(code, channels(frame), found.icc)
    for name, block in ((_EXIF, found.exif), (_XMP, found.xmp)):
        data += box(b"uuid", name + block) if block else b""
    return Encoded(data)


def _file(code: bytes, channels: int, icc: bytes | None = None, alpha: int = -1) -> bytes:
    """A file of gray or RGB around a codestream; channel `alpha` of 2 or 4 is alpha."""
    right, bottom, left, top = struct.unpack_from(">IIII", code, 8)
    ihdr = struct.pack(">IIH4B", bottom - top, right - left, channels, code[42], 7, 0, 0)
    colr = struct.pack(">BBBI", 1, 0, 0, _GRAY if channels < 3 else _SRGB)
    inner = box(b"ihdr", ihdr) + box(b"colr", b"\2\0\0" + icc if icc else colr)
    if channels in (2, 4):
        colors = [number for number in range(channels) if number != alpha % channels]
        roles = [(number, 0, rank) for rank, number in enumerate(colors, 1)]
        roles.append((alpha % channels, 1, 0))
        packed = b"".join(struct.pack(">HHH", *role) for role in roles)
        inner += box(b"cdef", struct.pack(">H", channels) + packed)
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return start + box(b"jp2h", inner) + box(b"jp2c", code)


def _not_read(what: str, remedy: str = "magick in.jp2 out.png") -> ImageError:
    return ImageError(f"JPEG 2000 with {what} is not read; convert it, for example: {remedy}")


def _require_checked(code: bytes, channels: int, depth: int) -> None:
    """Refuse a codestream whose channels OpenCV does not decode, or decodes wrongly."""
    if any(code[16:24]):
        raise _not_read("an offset of the picture")
    samples = [code[at : at + 3] for at in range(42, 42 + 3 * channels, 3)]
    if any(sample[1:] != b"\1\1" for sample in samples):
        raise _not_read("subsampled colors")
    if any(sample[0] != depth for sample in samples):
        raise _not_read("channels of different depths", "gdal_translate in.jp2 out.tif")
    if not 1 <= channels <= 4:
        raise _not_read(f"{channels} channels", "gdal_translate in.jp2 out.tif")
    bits = (depth & 0x7F) + 1
    if bits > 16:
        raise _not_read(f"{bits} bits", "gdal_translate in.jp2 out.tif")
    at = 2
    while code[at : at + 2] != b"\xff\x52":  # COD, which tells the wavelet: 1 keeps integers
        at += 2 + struct.unpack_from(">H", code, at + 2)[0]
    if bits < 8 and code[at + 13] != 1:
        raise _not_read(f"{bits} bits coded with loss")


def _palette(data: bytes, inner: list[Box], channels: int, depth: int) -> Array | None:
    """The gray levels, or the colors in OpenCV's order of channels, of the indices."""
    table, columns = body(data, inner, b"pclr"), body(data, inner, b"cmap")
    if table is None:
        return None
    count, width = struct.unpack_from(">HB", table)
    wanted = b"".join(struct.pack(">HBB", 0, 1, column) for column in range(width))
    plain = channels == 1 and depth < 8 and table[3 : 3 + width] == b"\7" * width
    if not plain or columns != wanted or width not in (1, 3, 4):
        raise _not_read("a palette that is not of 8-bit gray or colors for one channel")
    entries = np.frombuffer(table, np.uint8, count * width, 3 + width).reshape(count, width)
    return entries[:, 0] if width == 1 else entries[:, [2, 1, 0, 3][:width]]


def _meaning(
    colors: list[bytes], icc: bytes | None, definitions: bytes | None, samples: int
) -> tuple[int, bool]:
    """The color space of so many samples a pixel, and whether alpha is premultiplied."""
    space = _GRAY if samples < 3 else _SRGB
    told = next((color for color in colors if color[0] == 1), None)
    if told is not None:
        space = struct.unpack_from(">I", told, 3)[0]
    elif icc and icc[16:20] not in (b"GRAY", b"RGB "):
        raise _not_read(f"a profile for {name_of(icc[16:20])}", "magick in.jp2 out.tif")
    if space not in _COLORS:
        raise _not_read(f"colors in {_OTHER_COLORS.get(space, f'space {space}')}")
    count = _COLORS[space]
    if samples - count not in (0, 1):
        raise _not_read(f"{samples} channels of which {count} are colors")
    kind = 1
    if definitions is not None:
        roles = sorted(struct.iter_unpack(">HHH", definitions[2:]))
        kind = roles[-1][1] if samples > count else 1
        wanted = [(number, 0, number + 1) for number in range(count)]
        wanted += [(count, kind, 0)] if samples > count else []
        if roles != wanted or kind not in (1, 2):
            raise _not_read("channels in another order, or without a meaning")
    return space, kind == 2


def _metadata(data: bytes, parts: list[Box], icc: bytes | None) -> tuple[Metadata, list[str]]:
    """EXIF and XMP, which uuid boxes hold, with the profile, and what is lost of the boxes."""
    blocks: dict[bytes, bytes] = {}
    lost: list[str] = []
    for part in reversed(parts):
        name = data[part.start : part.start + 16]
        if part.name == b"uuid" and name in (_EXIF, _ADOBE_EXIF, _XMP):
            blocks[name] = data[part.start + 16 : part.end]
        elif part.name not in _BOXES:
            lost.insert(0, f"box {name_of(part.name)}")
    lost += ["a second picture"] if sum(part.name == b"jp2c" for part in parts) > 1 else []
    block = blocks.get(_EXIF) or blocks.get(_ADOBE_EXIF, b"")
    return Metadata(block.removeprefix(EXIF_PREFIX) or None, blocks.get(_XMP), icc), lost
