"""PNG (third edition) with its animations (APNG)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pooltool.errors import DamageError
from pooltool.images import exif, formats, opencv
from pooltool.images.exif import EXIF_PREFIX
from pooltool.images.formats import Format
from pooltool.images.headers import name_of, repeated, require_plausible
from pooltool.images.picture import Encoded, Header, Metadata, Part, Picture, Resolution, Verbatim

FORMATS = (formats.PNG,)

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_STRUCTURAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT",
               b"sBIT", b"hIST", b"tIME")  # fmt: skip
"""How the pixels are coded, how many have a color, and when they were changed last."""
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_COLORS = (b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI", b"sRGB")
_XMP = b"XML:com.adobe.xmp\0"
_RAW_EXIF = (b"Raw profile type exif\0", b"Raw profile type APP1\0")
_SRGB = {
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
}
"""What these chunks say of sRGB, which pictures without them are taken for."""
_BEHIND_IHDR = len(_SIGNATURE) + 25
_LARGEST_BLOCK = 1 << 26


@dataclass(frozen=True)
class _Header(Header):
    transparent: int | None = None
    """The level of a gray picture that stands for transparent."""


def matches(start: bytes) -> bool:
    """True when the data begins as a PNG."""
    return start.startswith(_SIGNATURE)


def read_header(data: bytes) -> _Header:
    """Walk all chunks and verify their checksums."""
    single: dict[bytes, bytes] = {}
    kept, lost = [], []
    exif_block = xmp = None
    for part in _chunks(data, verify=True):
        name, body, _ = part
        single.setdefault(name, body)
        if name == b"iTXt" and body.startswith(_XMP):
            xmp = xmp or _international_text(body)
        elif name in (b"tEXt", b"zTXt") and body.startswith(_RAW_EXIF):
            exif_block = exif_block or _raw_exif(part)
        elif name in (*_TEXTS, *_COLORS):
            kept.append(part)
        elif name == b"":
            lost.append("data after the end of the picture")
        elif name not in (*_STRUCTURAL, b"eXIf", b"iCCP", b"pHYs"):
            lost.append(f"PNG chunk {name_of(name)}")
    if b"IHDR" not in single or b"IDAT" not in single:
        raise DamageError("it is damaged: the PNG has no header or no picture")
    width, height, bits, color = struct.unpack_from(">IIBB", single[b"IHDR"])
    # Deflate makes at most 1032 bytes of one.
    require_plausible(height, width, height * width * bits // 8, len(data) * 1032)
    transparent = None
    if color == 0 and b"tRNS" in single:
        level = struct.unpack(">H", single[b"tRNS"])[0]
        transparent = level if bits > 8 else level * 255 // ((1 << bits) - 1)
    animated = b"acTL" in single
    count = struct.unpack_from(">I", single[b"acTL"])[0] if animated else 1
    icc = _inflated(single.get(b"iCCP", b"").partition(b"\0")[2][1:])
    exif_block = single.get(b"eXIf") or exif_block
    across, down, unit = struct.unpack_from(">IIB", single.get(b"pHYs", b"").ljust(9, b"\0"))
    resolution = Resolution(down, across) if unit == 1 and across and down else None
    lost += ["shape of pixels"] if unit != 1 and across != down else []
    found = Metadata(exif_block, xmp, icc, resolution, _verbatim(kept))
    sizes, turn = repeated((height, width), count), exif.orientation(exif_block)
    return _Header(formats.PNG, sizes, found, tuple(lost), turn, animated, transparent)


def decode(data: bytes, header: _Header, frame: int | None) -> Picture:
    """Decode the pictures as they are stored; a transparent gray level becomes alpha."""
    if len(header.sizes) > 1:
        picture = opencv.decode_animation(data, header, frame)
    else:
        picture = Picture((opencv.decode_still(data, formats.PNG),), formats.PNG)
    if header.transparent is None or picture.frames[0].ndim == 3:
        return picture
    frames = []
    for pixels in picture.frames:
        full = np.iinfo(pixels.dtype).max
        alpha = np.where(pixels == header.transparent, 0, full).astype(pixels.dtype)
        frames.append(np.dstack([pixels, pixels, pixels, alpha]))
    return Picture(tuple(frames), formats.PNG, picture.durations, picture.loop)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode stills, wrap several into an animation, and add the metadata behind the header."""
    stills = [opencv.encode_still(format, frame) for frame in picture.frames]
    data = stills[0] if len(stills) == 1 else _animation(stills, picture)
    found, chunks = picture.metadata, b""
    for name, body, _ in found.verbatim.parts if found.verbatim else ():
        chunks += _chunk(name, body)
    if found.resolution:
        down, across = (min(max(1, round(side)), (1 << 31) - 1) for side in found.resolution)
        chunks += _chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if found.icc:
        chunks += _chunk(b"iCCP", b"icc\0\0" + zlib.compress(found.icc))
    if found.exif:
        chunks += _chunk(b"eXIf", found.exif)
    if found.xmp:
        chunks += _chunk(b"iTXt", _XMP + b"\0\0\0\0" + found.xmp)
    return Encoded(data[:_BEHIND_IHDR] + chunks + data[_BEHIND_IHDR:] if chunks else data)


def _chunks(data: bytes, *, verify: bool = False) -> Iterator[Part]:
    """The chunks up to IEND, and last, without a name, what lies behind it."""
    at, name = len(_SIGNATURE), b""
    while name != b"IEND":
        size, name = struct.unpack_from(">I4s", data, at)
        body, end = data[at + 8 : at + 8 + size], at + 12 + size
        if end > len(data):
            raise DamageError("it is cut: the PNG data ends in the middle")
        checksum = int.from_bytes(data[end - 4 : end], "big")
        if verify and checksum != zlib.crc32(body, zlib.crc32(name)):
            raise DamageError(f"it is damaged: the checksum of its {name_of(name)} chunk is wrong")
        yield Part(name, body, at)
        at = end
    if data[at:].strip(b"\0"):
        yield Part(b"", data[at:], at)


def _chunk(name: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _animation(stills: Sequence[bytes], picture: Picture) -> bytes:
    """Wrap PNG files of one size and kind; OpenCV's own animations have 8 bits only."""
    header = stills[0][:_BEHIND_IHDR]
    width, height = struct.unpack_from(">II", header, 16)
    out = [header, _chunk(b"acTL", struct.pack(">II", len(stills), picture.loop))]
    durations, number = picture.durations or (1000,) * len(stills), 0
    for index, (still, time) in enumerate(zip(stills, durations, strict=True)):
        # The time is a fraction of a second, whose numbers have 16 bits.
        delay = (time, 1000) if time <= 0xFFFF else (min(time // 1000, 0xFFFF), 1)
        control = struct.pack(">IIIIIHHBB", number, width, height, 0, 0, *delay, 0, 0)
        out.append(_chunk(b"fcTL", control))
        number += 1
        for name, body, _ in _chunks(still):
            if name == b"IDAT" and index == 0:
                out.append(_chunk(b"IDAT", body))
            elif name == b"IDAT":
                out.append(_chunk(b"fdAT", struct.pack(">I", number) + body))
                number += 1
    return b"".join((*out, _chunk(b"IEND", b"")))


def _verbatim(kept: Sequence[Part]) -> Verbatim | None:
    """Texts and chunks of color. What says that the picture is sRGB is no loss elsewhere."""
    if not kept:
        return None
    standard = any(part.name == b"sRGB" for part in kept)
    lost = dict.fromkeys(
        part.name.decode()
        for part in kept
        if part.name != b"sRGB"
        and not (part.name in _SRGB and (standard or part.body == _SRGB[part.name]))
    )
    names = (f"PNG chunks {', '.join(lost)}",) if lost else ()
    return Verbatim(("PNG",), tuple(kept), names)


def _raw_exif(part: Part) -> bytes | None:
    """EXIF as ImageMagick wrote it before PNG had a chunk for it: a text of hexadecimal digits."""
    text = part.body.partition(b"\0")[2]
    words = ((_inflated(text[1:]) or b"") if part.name == b"zTXt" else text).split()[2:]
    try:
        block = bytes.fromhex(b"".join(words).decode("ascii", "replace"))
    except ValueError:
        return None
    return block.removeprefix(EXIF_PREFIX)


def _international_text(body: bytes) -> bytes | None:
    """The text behind the keyword of an iTXt chunk, its flags, language and translated keyword."""
    compressed = body[len(_XMP) : len(_XMP) + 1] == b"\1"
    text = body[len(_XMP) + 2 :].split(b"\0", 2)[-1]
    return _inflated(text) if compressed else text.rstrip(b"\0")


def _inflated(packed: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(packed, _LARGEST_BLOCK) or None
    except zlib.error:
        return None
