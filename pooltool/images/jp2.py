"""JPEG 2000 (ISO/IEC 15444-1): a codestream, alone or in boxes that tell what its channels mean.

OpenCV decodes the codestream in boxes that are made here, which give its channels as they are.
What the boxes of the file say of palettes and colors is done here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv, tags
from pooltool.images.boxes import Box, box, contents, require_room, whole
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
_EXIF = b"JpgTiffExif->JP2"
_ADOBE_EXIF = bytes.fromhex("0537cdab9d0c4431a72afa561f2a113e")
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_BOXES = (b"jP  ", b"ftyp", b"jp2h", b"jp2c", b"free", b"rreq",
          b"uuid" + _EXIF, b"uuid" + _ADOBE_EXIF, b"uuid" + _XMP)  # fmt: skip
_HEADER_BOXES = (b"ihdr", b"bpcc", b"colr", b"pclr", b"cmap", b"cdef")
_COMPLAINTS = r"(ERROR:|WARN:).*(OpenJPEG2000|jpeg2000)"
_SYCC_WEIGHTS = np.array([[1.772, 0], [-0.344136, -0.714136], [0, 1.402]], np.float32)
"""Shares of Cb and Cr in blue, green and red (ITU-R BT.601 in full range, as in JFIF)."""
_GDAL = "gdal_translate in.jp2 out.tif"


class _Details(NamedTuple):
    code: bytes
    """The codestream, its samples marked as unsigned and as no less than 8 bits."""
    channels: int
    bits: int
    signed: bool
    palette: Array | None
    sycc: bool
    premultiplied: bool


def read_header(data: bytes) -> Header:
    """Walk the boxes and the start of the codestream."""
    boxed = data[4:8] == b"jP  "
    parts = whole(data).inside() if boxed else [Box(data, b"jp2c", 0, len(data))]
    inner = whole(data).inside(b"jp2h") if boxed else []
    code = contents(parts).get(b"jp2c")
    if code is None:
        raise DamageError("it is damaged: the JPEG 2000 file holds no picture")
    if not code.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise DamageError("it is cut: the JPEG 2000 data has no end marker")
    right, bottom, left, top, channels, depth = struct.unpack_from(">IIII16xHB", code, 8)
    size, bits, signed = (bottom - top, right - left), (depth & 0x7F) + 1, depth > 0x7F
    ihdr = struct.pack(">IIH", *size, channels)
    if boxed and not contents(inner).get(b"ihdr", b"").startswith(ihdr):
        raise DamageError("it is damaged: its boxes tell of another picture than its data")
    _require_decodable(code, channels, depth)
    require_room(*size, len(code))
    palette, icc, sycc, premultiplied = _colors(inner, channels, depth)
    odd = (signed and channels > 1) or (sycc and (bits < 8 or palette is not None))
    _refuse_if(odd, "colors with a sign, or sYCC in a palette or in fewer than 8 bits")
    blocks = {part.body[:16]: part.body[16:] for part in reversed(parts) if part.name == b"uuid"}
    block = tags.read_exif(blocks.get(_EXIF) or blocks.get(_ADOBE_EXIF))
    lost = [f"box {name_of(part.name)}" for part in parts
            if not (part.name + part.body[:16]).startswith(_BOXES)]  # fmt: skip
    lost += ["a second picture"] if [part.name for part in parts].count(b"jp2c") > 1 else []
    lost += [f"box {name_of(part.name)}" for part in inner if part.name not in _HEADER_BOXES]
    plain = bytearray(code)
    plain[42 : 42 + 3 * channels : 3] = bytes([max(bits, 8) - 1]) * channels
    details = _Details(bytes(plain), channels, bits, signed, palette, sycc, premultiplied)
    found = Metadata(block, blocks.get(_XMP), icc)
    return Header(formats.JP2, (size,), found, tuple(lost), details=details)


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode the codestream, then do what its boxes say of depth, palette and colors."""
    found: _Details = header.details
    bits, options = found.bits, (formats.JP2, _COMPLAINTS)
    if found.channels == 2:  # OpenCV gives one channel of two: the gray, then alpha as gray
        gray, alpha = (
            opencv.decode_still(_file(found.code, order), *options, gray=True)
            for order in ((0, 1), (1, 0))
        )
        pixels = np.dstack((gray, gray, gray, alpha))
    else:
        pixels = opencv.decode_still(_file(found.code, range(found.channels)), *options)
    # The decoder adds `middle` to values around 0, also where half of the depth is less.
    middle, maxval = 1 << max(bits, 8) - 1, (1 << bits) - 1
    pixels -= pixels.dtype.type(middle - (0 if found.signed else 1 << bits - 1))
    if found.palette is not None:
        pixels = found.palette[np.minimum(pixels, len(found.palette) - 1)]
    elif found.signed:
        pixels = pixels.view(f"i{pixels.itemsize}")
    elif bits < 8:
        pixels = np.rint(pixels * (255 / maxval)).astype(np.uint8)
    if found.sycc:
        red, blue, luma = (pixels[..., plane].astype(np.float32) for plane in range(3))
        for plane, (from_blue, from_red) in enumerate(_SYCC_WEIGHTS):
            mixed = luma + from_blue * (blue - middle) + from_red * (red - middle)
            pixels[..., plane] = np.rint(mixed).clip(0, maxval)
    deep = maxval if 8 < bits < 16 and not found.signed else None
    return Picture((pixels,), formats.JP2, maxval=deep, premultiplied=found.premultiplied)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode without loss."""
    frame, found = picture.frames[0], picture.metadata
    settings = (native.import_cv2().IMWRITE_JPEG2000_COMPRESSION_X1000, 1000)
    parts = whole(opencv.encode_still(format, frame, settings)).inside()
    data = _file(contents(parts)[b"jp2c"], range(channels(frame)), found.icc)
    exif = found.exif and found.exif.to_bytes()
    for name, block in ((_EXIF, exif), (_XMP, found.xmp)):
        data += box(b"uuid", name + block) if block else b""
    return Encoded(data)


def _file(code: bytes, order: Sequence[int], icc: bytes | None = None) -> bytes:
    """A file around a codestream of gray or RGB; the last of 2 or 4 channels is alpha."""
    right, bottom, left, top = struct.unpack_from(">IIII", code, 8)
    ihdr = struct.pack(">IIH4B", bottom - top, right - left, len(order), code[42], 7, 0, 0)
    colr = struct.pack(">BBBI", 1, 0, 0, _GRAY if len(order) < 3 else _SRGB)
    inner = box(b"ihdr", ihdr) + box(b"colr", b"\2\0\0" + icc if icc else colr)
    if len(order) in (2, 4):
        roles = [(number, 0, rank) for rank, number in enumerate(order[:-1], 1)]
        packed = b"".join(struct.pack(">HHH", *role) for role in (*roles, (order[-1], 1, 0)))
        inner += box(b"cdef", struct.pack(">H", len(order)) + packed)
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return start + box(b"jp2h", inner) + box(b"jp2c", code)


def _refuse_if(odd: object, what: str, remedy: str = "magick in.jp2 out.png") -> None:
    if odd:
        raise ImageError(f"JPEG 2000 with {what} is not read; convert it, for example: {remedy}")


def _require_decodable(code: bytes, channels: int, depth: int) -> None:
    """Refuse a codestream whose channels OpenCV does not decode, or decodes wrongly."""
    samples, bits = code[42 : 42 + 3 * channels], (depth & 0x7F) + 1
    _refuse_if(any(code[16:24]), "an offset of the picture")
    _refuse_if(samples[1::3] + samples[2::3] != b"\1\1" * channels, "subsampled colors")
    _refuse_if(samples[::3] != bytes([depth]) * channels, "channels of different depths", _GDAL)
    _refuse_if(not 1 <= channels <= 4, f"{channels} channels", _GDAL)
    _refuse_if(bits > 16, f"{bits} bits", _GDAL)
    at = 2
    while code[at : at + 2] != b"\xff\x52":  # COD, which tells the wavelet: 1 keeps integers
        at += 2 + struct.unpack_from(">H", code, at + 2)[0]
    _refuse_if(bits < 8 and code[at + 13] != 1, f"{bits} bits coded with loss")


def _colors(
    inner: Sequence[Box], channels: int, depth: int
) -> tuple[Array | None, bytes | None, bool, bool]:
    """The palette in OpenCV's order, the profile, and whether it is sYCC and premultiplied."""
    told, palette, samples = contents(inner), None, channels
    if (table := told.get(b"pclr")) is not None:
        count, samples = struct.unpack_from(">HB", table)
        columns = b"".join(b"\0\0\1%c" % column for column in range(samples))
        order: Any = {1: 0, 3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(samples)
        plain = channels == 1 and depth < 8 and table[3 : 3 + samples] == b"\7" * samples
        odd = not plain or order is None or told.get(b"cmap") != columns
        _refuse_if(odd, "a palette that is not of 8-bit gray or colors for one channel")
        if not count:
            raise DamageError("it is damaged: its palette is empty")
        palette = np.frombuffer(table, np.uint8, count * samples, 3 + samples)
        palette = palette.reshape(count, samples)[:, order]
    colors = [part.body for part in inner if part.name == b"colr"]
    icc = next((part[3:] for part in colors if part[0] in (2, 3)), b"")
    space = next((struct.unpack_from(">I", part, 3)[0] for part in colors if part[0] == 1), None)
    if space is None:
        space = _GRAY if samples < 3 else _SRGB
        kind = name_of(icc[16:20])  # nothing in a damaged profile, which is left out by name
        foreign = kind not in ("", "GRAY", "RGB")
        _refuse_if(foreign, f"a profile for {kind}", "magick in.jp2 out.tif")
    _refuse_if(space not in _COLORS, f"colors in {_OTHER_COLORS.get(space, f'space {space}')}")
    count = _COLORS[space]
    _refuse_if(samples - count not in (0, 1), f"{samples} channels of which {count} are colors")
    role = 1
    if (definitions := told.get(b"cdef")) is not None:
        roles = sorted(struct.iter_unpack(">HHH", definitions[2:]))
        role = roles[-1][1] if samples > count else 1
        wanted = [*((number, 0, number + 1) for number in range(count)), (count, role, 0)]
        odd = roles != wanted[:samples] or role not in (1, 2)
        _refuse_if(odd, "channels in another order, or without a meaning")
    return palette, icc or None, space == _SYCC, role == 2
