"""Formats with little to tell: BMP, HDR (Radiance RGBE) and GIF, which is only read."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pooltool.errors import DamageError
from pooltool.images import formats, opencv
from pooltool.images.formats import Format
from pooltool.images.headers import name_of, repeated
from pooltool.images.picture import Encoded, Header, Metadata, Part, Picture, Resolution

FORMATS = (formats.BMP, formats.HDR, formats.GIF)

_GIF_XMP = b"\xff\x0bXMP DataXMP"
_GIF_XMP_END = b"\1" + bytes(range(255, -1, -1)) + b"\0"
"""Read as blocks, the packet is skipped through this ramp of ever shorter steps."""


@dataclass(frozen=True)
class _Header(Header):
    opaque: bool = False
    """True when a fourth channel means nothing: a BMP of the header without a mask for it."""


def matches(start: bytes) -> bool:
    """True when the data begins as GIF, HDR or BMP."""
    return start.startswith((b"GIF87a", b"GIF89a", b"#?RADIANCE", b"#?RGBE", b"BM"))


def read_header(data: bytes) -> _Header:
    """Walk the header, or the blocks of a GIF."""
    read = {b"G": _read_gif, b"#": _read_hdr, b"B": _read_bmp}[data[:1]]
    return read(data)


def decode(data: bytes, header: _Header, frame: int | None) -> Picture:
    """Decode the pictures as they are stored."""
    if len(header.sizes) > 1:
        return opencv.decode_animation(data, header, frame)
    pixels = opencv.decode_still(data, header.format)
    if header.opaque and pixels.ndim == 3:
        pixels = np.ascontiguousarray(pixels[..., :3])
    return Picture((pixels,), header.format)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode BMP or HDR."""
    data, resolution = opencv.encode_still(format, picture.frames[0]), picture.metadata.resolution
    if format is formats.BMP and resolution:
        down, across = (min(round(side), (1 << 31) - 1) for side in resolution)
        data = data[:38] + struct.pack("<ii", across, down) + data[46:]
    return Encoded(data)


def _read_bmp(data: bytes) -> _Header:
    header = struct.unpack_from("<I", data, 14)[0]
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)
    resolution, lost = None, []
    if header >= 40:
        columns, rows = struct.unpack_from("<ii", data, 38)
        resolution = Resolution(rows, columns) if min(rows, columns) > 0 else None
    if header >= 124 and struct.unpack_from("<I", data, 130)[0]:
        lost.append("ICC profile of a BMP")
    return _Header(
        formats.BMP,
        ((abs(height), width),),
        Metadata(resolution=resolution),
        tuple(lost),
        opaque=header == 40,
    )


def _read_hdr(data: bytes) -> _Header:
    found = re.search(rb"\n[-+]([XY]) (\d+) [-+][XY] (\d+)\n", data[:65536])
    if not found:
        raise DamageError("it is damaged: the HDR header tells no size")
    first, second = int(found[2]), int(found[3])
    size = (first, second) if found[1] == b"Y" else (second, first)
    lost = []
    for line in data[: found.start()].splitlines()[1:]:
        name = name_of(line.partition(b"=")[0])
        if line.startswith(b"#"):
            lost.append("comments")
        elif name and name != "FORMAT":
            lost.append(f"HDR header {name}")
    return _Header(formats.HDR, (size,), left_out=tuple(lost))


def _read_gif(data: bytes) -> _Header:
    width, height = struct.unpack_from("<HH", data, 6)
    frames, xmp, lost = 0, None, []
    for kind, body, _ in _gif_blocks(data):
        if kind == b",":
            frames += 1
        elif body.startswith(_GIF_XMP):
            xmp = body[len(_GIF_XMP) : -len(_GIF_XMP_END)]
        elif body[:1] == b"\xff" and body[2:13] not in (b"NETSCAPE2.0", b"ANIMEXTS1.0"):
            lost.append(f"GIF extension {name_of(body[2:13])}")
        elif body[:1] not in (b"\xff", b"\xf9"):
            lost.append({b"\xfe": "comment", b"\1": "text"}.get(body[:1], "GIF extension"))
    if not frames:
        raise DamageError("it is damaged: the GIF holds no picture")
    sizes = repeated((height, width), frames)
    return _Header(formats.GIF, sizes, Metadata(xmp=xmp), tuple(lost), animated=True)


def _gif_blocks(data: bytes) -> Iterator[Part]:
    """The blocks up to the trailer: images (`,`) and extensions (`!`)."""
    at = 13 + _color_table(data[10])
    while data[at : at + 1] != b";":
        kind = data[at : at + 1]
        if kind not in (b",", b"!"):
            raise DamageError("it is cut or damaged: the GIF data does not go on as it should")
        end = at + 2
        if kind == b",":
            end = at + 11 + _color_table(data[at + 9])
        while data[end]:
            end += data[end] + 1
        yield Part(kind, data[at + 1 : end + 1], at)
        at = end + 1


def _color_table(flags: int) -> int:
    """Bytes of the color table that a GIF's packed flags tell of."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
