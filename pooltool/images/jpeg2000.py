"""JPEG 2000 (ISO/IEC 15444-1): a codestream, alone or in boxes that describe its channels.

OpenCV decodes the plain kinds, and imagecodecs the others.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv, others
from pooltool.images.container import Body, Container, Part, first_of, name_of
from pooltool.images.picture import (
    Encoded,
    Header,
    Metadata,
    Picture,
    channels,
    require_plausible,
)
from pooltool.images.tags import read_exif

_EXIF = b"JpgTiffExif->JP2"
_ADOBE_EXIF = bytes.fromhex("0537cdab9d0c4431a72afa561f2a113e")
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_BOXES = Container(
    "box",
    structural=frozenset((b"jP  ", b"ftyp", b"jp2h", b"jp2c", b"rreq", b"ihdr", b"bpcc", b"colr",
                          b"pclr", b"cmap", b"cdef", b"free")),
    places=((b"uuid", _EXIF, "exif"), (b"uuid", _ADOBE_EXIF, "exif"), (b"uuid", _XMP, "xmp")),
)  # fmt: skip
_GRAY, _SRGB, _SYCC = 17, 16, 18
_COLORS: dict[int | str, int] = {_GRAY: 1, _SRGB: 3, _SYCC: 3, "GRAY": 1, "RGB": 3}
"""How many channels have color, by the color spaces that come out right, enumerated or a profile's.
"""
_COMPLAINTS = r"(ERROR:|WARN:)(?!.*(unspecified color|TPsot==)).*(OpenJPEG2000|jpeg2000)"
"""A codestream alone has no color space, nor has a profile one for the decoder; and Apple's encoder
counts one part of a tile too few, which the decoder corrects."""
_ODD = "JPEG 2000 with odd channels or odd colors"


class _Details(NamedTuple):
    is_odd: bool
    """True when only imagecodecs decodes it right."""
    maxval: int | None


def read_header(data: bytes) -> Header:
    """Read the start of the codestream and the boxes around it."""
    is_boxed = data[4:8] == b"jP  "
    boxes = _BOXES.walk(data) if is_boxed else [Part(b"jp2c", memoryview(data))]
    inner = _BOXES.walk(first_of(boxes).get(b"jp2h", b""))
    coded = first_of(boxes)[b"jp2c"]
    if not bytes(coded).rstrip(b"\0").endswith(b"\xff\xd9"):
        raise DamageError("it is truncated: the JPEG 2000 data has no end marker")
    right, bottom, left, top, count, depth = struct.unpack_from(">IIII16xHB", coded, 8)
    size, bits, is_signed = (bottom - top, right - left), (depth & 0x7F) + 1, depth > 0x7F
    samples, has_palette = bytes(coded[42 : 42 + 3 * count]), b"pclr" in first_of(inner)
    is_known = 1 <= count <= 4 and (1 if has_palette else 8) <= bits <= 16
    is_known = is_known and samples[::3] == bytes([depth]) * count
    _refuse_if(not is_known, f"{count} channels of {bits} or of different bits")
    _require_packets(coded, size)
    # Of one color, 200,000 pixels took down to a byte; small pictures need not be checked.
    require_plausible(*size, (size[0] * size[1] - (1 << 24)) >> 18, len(data))
    icc, is_sycc = _colors(inner, count)
    is_subsampled = samples[1::3] + samples[2::3] != b"\1\1" * count
    is_odd = count == 2 or is_signed or has_palette or is_sycc or is_subsampled or bool(left or top)
    maxval = (1 << bits) - 1 if 8 < bits < 16 and not is_signed else None
    blocks, _, missing = _BOXES.sort((*boxes, *inner))
    missing += ["a second picture"] if [box.name for box in boxes].count(b"jp2c") > 1 else []
    metadata = Metadata(read_exif(blocks["exif"]), blocks["xmp"], icc)
    return Header(formats.JP2, (size,), metadata, tuple(missing), details=_Details(is_odd, maxval),
                  pixel_bytes=8 if bits > 8 else 4)  # fmt: skip


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """Decode the picture as it is stored."""
    details: _Details = header.details
    if details.is_odd:
        pixels = others.in_opencv_order(others.by_imagecodecs("jpeg2k", _ODD, data))
    else:
        pixels = opencv.decode_still(data, formats.JP2, _COMPLAINTS)
    return Picture((pixels,), formats.JP2, maxval=details.maxval)


def encode(picture: Picture, quality: int | None) -> Encoded:
    """Encode without loss. The boxes are written here: OpenCV writes neither which channel is alpha
    nor a profile.
    """
    frame, (exif, xmp, icc) = picture.frames[0], picture.metadata.blocks()
    count, (height, width) = channels(frame), frame.shape[:2]
    settings = (native.import_cv2().IMWRITE_JPEG2000_COMPRESSION_X1000, 1000)
    written = first_of(_BOXES.walk(opencv.encoded(formats.JP2, frame, settings)))
    colr = struct.pack(">BBBI", 1, 0, 0, _GRAY if count < 3 else _SRGB)
    if icc:
        colr = b"\2\0\0" + icc
    size = struct.pack(">IIH4B", height, width, count, 8 * frame.itemsize - 1, 7, 0, 0)
    inner = [(b"ihdr", size), (b"colr", colr)]
    if count == 4:
        inner.append((b"cdef", struct.pack(">13H", 4, 0, 0, 1, 1, 0, 2, 2, 0, 3, 3, 1, 0)))
    return Encoded(_BOXES.join((
        (b"jP  ", b"\r\n\x87\n"), (b"ftyp", b"jp2 \0\0\0\0jp2 "), (b"jp2h", _BOXES.join(inner)),
        (b"jp2c", written[b"jp2c"]),
        *((b"uuid", name + block) for name, block in ((_EXIF, exif), (_XMP, xmp)) if block),
    )))  # fmt: skip


def _refuse_if(is_odd: object, what: str) -> None:
    if is_odd:
        words = "is not read; convert it, for example: gdal_translate in.jp2 out.tif"
        raise ImageError(f"JPEG 2000 with {what} {words}")


def _require_packets(data: Body, size: tuple[int, int]) -> None:
    """Refuse what takes a decoder more memory than the data can be worth: a packet for every
    precinct takes a byte of it at least, a tile fourteen; a code block takes 256 bytes of memory.
    """
    at = 2
    while data[at : at + 2] != b"\xff\x52":  # COD
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    style, layers, levels, across, down = struct.unpack_from(">BxHx3B", data, at + 4)
    is_many = across + down < 2 and size[0] * size[1] > 1 << 20
    _refuse_if(is_many, "so many small code blocks")
    tile_width, tile_height = struct.unpack_from(">II", data, 24)
    packets = 14 * -(-size[0] // (tile_height or 1)) * -(-size[1] // (tile_width or 1))
    for level in range(levels + 1):
        sides = data[at + 14 + level] if style & 1 else 0xFF
        rows, columns = (-(-side >> (levels - level)) for side in size)
        rows, columns = -(-rows >> (sides >> 4)), -(-columns >> (sides & 15))
        packets += layers * rows * columns
    require_plausible(*size, packets, len(data))


def _colors(boxes: Sequence[Part], count: int) -> tuple[bytes, bool]:
    """The profile, and whether the colors are sYCC; raise `ImageError` for other colors."""
    named = first_of(boxes)
    if b"pclr" in named:
        count = named[b"pclr"][2]
    colors = {body[0]: bytes(body[3:]) for name, body in reversed(boxes) if name == b"colr"}
    icc = colors.get(2) or colors.get(3) or b""
    # A damaged profile has no name.
    space = name_of(icc[16:20]) or (_GRAY if count < 3 else _SRGB)
    if 1 in colors:
        space = int.from_bytes(colors[1][:4], "big")
    alphas, roles = count - _COLORS.get(space, count + 1), [1]
    if b"cdef" in named and alphas:
        roles = [role for _, role, _ in struct.iter_unpack(">HHH", named[b"cdef"][2:]) if role]
    is_read = alphas in (0, 1) and roles == [1]
    _refuse_if(not is_read, f"{count} channels of the color space {space}")
    return icc, space == _SYCC
