"""PNG (third edition) with its animations (APNG)."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pooltool.errors import DamageError
from pooltool.images import formats, opencv, tags
from pooltool.images.animation import Frame, compose
from pooltool.images.formats import Format
from pooltool.images.headers import name_of, repeated, require_plausible
from pooltool.images.picture import (
    NO_METADATA,
    Array,
    Encoded,
    Header,
    Metadata,
    Part,
    Picture,
    Verbatim,
)
from pooltool.images.tags import EXIF_PREFIX, Resolution

FORMATS = (formats.PNG,)
START = rb"\x89PNG\r\n\x1a\n"

CHECKED = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Color types and their bits a sample, all of which come out right, interlaced or not, with a
transparent color and in animations: gray, RGB, palette, gray with alpha, RGBA."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_STRUCTURAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT",
               b"sBIT", b"hIST", b"tIME", b"iDOT"}  # fmt: skip
"""How the pixels are coded, how many have a color, when they were changed last, and where Apple's
decoder cuts them in two."""
_DECODED = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP"}
"""What the decoder is given: it refuses some of the other chunks, and inflates texts to any size.
Gamma and colors are the light by which it weighs gray."""
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_XMP = b"XML:com.adobe.xmp\0"
_BLOCKS = {b"XML:com.adobe.xmp": "xmp", b"Raw profile type xmp": "xmp",
           b"Raw profile type exif": "exif", b"Raw profile type APP1": "exif"}  # fmt: skip
"""Texts that are metadata, by keyword; ImageMagick writes raw ones in hexadecimal digits, of which
APP1 is EXIF or XMP as in JPEG."""
_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
_COLOR_SIZES = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"mDCV": 24, b"cLLI": 8}
_COMPLAINTS = r"libpng .*(IDAT|compress|image data)"
_ODD = r"(?i)extra compress|too much image data"
_SRGB = {
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
}
"""What these chunks say of sRGB, which pictures without them are taken for."""
_BEHIND_IHDR = len(_SIGNATURE) + 25
_LARGEST_BLOCK = 1 << 24


class _Details(NamedTuple):
    transparent: int | None
    """The level of a gray picture that stands for transparent."""
    alpha: bool
    """True when a pixel may be transparent."""
    frames: tuple[Frame, ...]
    """The frames of an animation."""
    loop: int
    parts: Sequence[Part]


def read_header(data: bytes) -> Header:
    """Walk all chunks and verify their checksums."""
    parts = _chunks(data)
    single = {part.name: part.body for part in reversed(parts)}
    if b"IHDR" not in single or b"IDAT" not in single:
        raise DamageError("it is damaged: the PNG has no header or no picture")
    width, height, bits, color = struct.unpack_from(">IIBB", single[b"IHDR"])
    if bits not in CHECKED.get(color, ()):
        raise DamageError(f"it is damaged: no PNG has color type {color} with {bits} bits")
    # Deflate makes at most 1032 bytes of one.
    require_plausible(height, width, height * width * bits // 8, len(data) * 1032)
    transparent, names = None, [part.name for part in parts]
    # As libpng does it, one behind the picture or of another size is ignored, and high bits are.
    has_color = b"tRNS" in names[: names.index(b"IDAT")]
    if color == 0 and has_color and len(single[b"tRNS"]) == 2:
        top = (1 << bits) - 1
        level = int.from_bytes(single[b"tRNS"], "big") & top
        transparent = level if bits > 8 else level * 255 // top
    alpha = color in (4, 6) or (has_color if color else transparent is not None)
    found, lost = _read_metadata(parts, single)
    frames, loop = list[Frame](), 0
    if not single.keys().isdisjoint((b"acTL", b"fcTL", b"fdAT")):
        frames, loop, missing = _animated(height, width, parts)
        lost += missing
    sizes, indexed = repeated((height, width), len(frames) or 1), color == 3
    details = _Details(transparent, alpha, tuple(frames), loop, parts)
    return Header(
        formats.PNG, sizes, found, tuple(lost), None, bool(frames), indexed, details=details
    )


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode the pictures as they are stored; a transparent gray level becomes alpha. Frames of an
    animation have no indices, as they are put together by their colors.
    """
    odd: list[str] = []
    details: _Details = header.details
    if not details.frames:
        if header.labels:
            return _indexed(data, odd)
        if not {part.name for part in details.parts} <= _DECODED:
            kept = [part for part in details.parts if part.name in _DECODED]
            data = _SIGNATURE + b"".join(data[at : at + len(body) + 12] for _, body, at in kept)
        pixels = _decoded(data, details, odd, gray=header.gray and not details.alpha)
        if header.gray and details.alpha and pixels.ndim == 3:
            # The decoder weighs colors by itself, as light where the file tells its gamma.
            pixels[..., :3] = _decoded(data, details, [], gray=True)[..., None]
        return Picture((pixels,), formats.PNG, warnings=tuple(odd))

    def decoded(each: Frame) -> Array:
        still = _png(details.parts, b"".join(each.content), each.width, each.height)
        return _decoded(still, details, odd)

    picture = compose(header, details.frames, details.loop, frame, decoded)
    return picture._replace(warnings=tuple(odd))


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode stills, wrap several into an animation, and add the metadata behind the header."""
    stills = [opencv.encode_still(format, frame) for frame in picture.frames]
    data = stills[0] if len(stills) == 1 else _animation(stills, picture)
    if picture.palette is not None:
        data = _with_palette(data, picture.palette)
    found, chunks = picture.metadata, b""
    for name, body, _ in found.verbatim.parts if found.verbatim else ():
        chunks += _chunk(name, body)
    if found.resolution:
        down, across = (min(max(1, round(side)), (1 << 31) - 1) for side in found.resolution)
        chunks += _chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if found.icc:
        chunks += _chunk(b"iCCP", b"icc\0\0" + zlib.compress(found.icc))
    if found.exif:
        chunks += _chunk(b"eXIf", found.exif.to_bytes())
    if found.xmp:
        chunks += _chunk(b"iTXt", _XMP + b"\0\0\0\0" + found.xmp)
    return Encoded(data[:_BEHIND_IHDR] + chunks + data[_BEHIND_IHDR:] if chunks else data)


def _chunks(data: bytes) -> list[Part]:
    """The chunks up to IEND, checksums verified, and last, without a name, what lies behind it."""
    parts, at, name = [], len(_SIGNATURE), b""
    while name != b"IEND":
        size, name = struct.unpack_from(">I4s", data, at)
        body, end = data[at + 8 : at + 8 + size], at + 12 + size
        if end > len(data):
            raise DamageError("it is cut: the PNG data ends in the middle")
        checksum = int.from_bytes(data[end - 4 : end], "big")
        if checksum != zlib.crc32(body, zlib.crc32(name)):
            raise DamageError(f"it is damaged: the checksum of its {name_of(name)} chunk is wrong")
        parts.append(Part(name, body, at))
        at = end
    if data[at:].strip(b"\0"):
        parts.append(Part(b"", data[at:], at))
    return parts


def _chunk(name: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _animation(stills: Sequence[bytes], picture: Picture) -> bytes:
    """Wrap PNG files of one size and kind; OpenCV's own animations have 8 bits only."""
    header = stills[0][:_BEHIND_IHDR]
    width, height = struct.unpack_from(">II", header, 16)
    out = [header, _chunk(b"acTL", struct.pack(">II", len(stills), picture.loop))]
    durations, number = picture.durations or (1000,) * len(stills), 0
    for still, time in zip(stills, durations, strict=True):
        # The time is a fraction of a second, whose numbers have 16 bits.
        delay = (time, 1000) if time <= 0xFFFF else (min(time // 1000, 0xFFFF), 1)
        control = struct.pack(">IIIIIHHBB", number, width, height, 0, 0, *delay, 0, 0)
        body = b"".join(part.body for part in _chunks(still) if part.name == b"IDAT")
        if number:
            body = struct.pack(">I", number + 1) + body
        out += [_chunk(b"fcTL", control), _chunk(b"fdAT" if number else b"IDAT", body)]
        number += 2 if number else 1
    return b"".join((*out, _chunk(b"IEND", b"")))


def _read_metadata(parts: Sequence[Part], single: dict[bytes, bytes]) -> tuple[Metadata, list[str]]:
    """What the chunks say of the picture, and the names of those that are not copied."""
    if single.keys() <= _STRUCTURAL:
        return NO_METADATA, []
    blocks = {"exif": single.get(b"eXIf"), "xmp": None}
    kept, lost = [], []
    for part in parts:
        name = part.name
        if name in _TEXTS and (text := _block(part)):
            blocks[text[0]] = blocks[text[0]] or text[1]
        elif name in _TEXTS or name in _COLOR_SIZES:
            if _is_sound(part):
                kept.append(part)
            else:
                lost.append(f"damaged PNG chunk {name_of(name)}")
        elif name == b"":
            lost.append("data after the end of the picture")
        elif name not in _STRUCTURAL and name not in (b"eXIf", b"iCCP", b"pHYs"):
            lost.append(f"PNG chunk {name_of(name)}")
    icc = _inflated(single.get(b"iCCP", b"").partition(b"\0")[2][1:]) or None
    lost += ["damaged ICC profile"] if b"iCCP" in single and not icc else []
    across, down, unit = struct.unpack_from(">IIB", single.get(b"pHYs", b"").ljust(9, b"\0"))
    resolution = Resolution(down, across) if unit == 1 and across and down else None
    lost += ["shape of pixels"] if unit != 1 and across != down else []
    exif = tags.read_exif(blocks["exif"])
    return Metadata(exif, blocks["xmp"], icc, resolution, _verbatim(kept)), lost


def _is_sound(part: Part) -> bool:
    """Whether a chunk that is copied as it is has the form that PNG gives it."""
    name, body, _ = part
    if name in _COLOR_SIZES:
        return len(body) == _COLOR_SIZES[name]
    keyword, separator, text = body.partition(b"\0")
    if not separator or not re.fullmatch(rb"[ -~\xa1-\xff]{1,79}", keyword):
        return False
    if name == b"iTXt":
        fields = text[2:].split(b"\0", 2)
        if len(fields) < 3 or text[:2] not in (b"\0\0", b"\1\0"):
            return False
        if text[:1] == b"\0":
            return _is_text(fields[2])
        return _is_text(_inflated(fields[2]))
    return name == b"tEXt" or (text[:1] == b"\0" and _inflated(text[1:]) is not None)


def _is_text(text: bytes | None) -> bool:
    try:
        return text is not None and text.decode() is not None
    except UnicodeDecodeError:
        return False


def _block(part: Part) -> tuple[str, bytes] | None:
    """EXIF or XMP in a text chunk, with the name of the field; None where it is another text."""
    keyword, _, text = part.body.partition(b"\0")
    name = _BLOCKS.get(keyword)
    if name is None:
        return None
    if part.name == b"iTXt":  # flags, language and translated keyword come before the text
        is_packed, text = text[:1] == b"\1", text[2:].split(b"\0", 2)[-1]
    else:
        is_packed, text = part.name == b"zTXt", text[part.name == b"zTXt" :]
    text = (_inflated(text) or b"") if is_packed else text.rstrip(b"\0")
    if keyword.startswith(b"Raw"):  # a line with the name, one with the length, then the digits
        try:
            text = bytes.fromhex(b"".join(text.split()[2:]).decode("ascii", "replace"))
        except ValueError:
            return None
        if text.startswith((EXIF_PREFIX, _XMP_PREFIX)):
            name = "exif" if text.startswith(EXIF_PREFIX) else "xmp"
    return (name, text.removeprefix(_XMP_PREFIX)) if text else None


def _animated(height: int, width: int, parts: Sequence[Part]) -> tuple[list[Frame], int, list[str]]:
    """The frames of an animation, its loop count, and what is not among the frames.

    An acTL chunk behind the picture, a second one, or one of no frames makes no animation.
    """
    names = [part.name for part in parts]
    controls = [part.body for part in parts if part.name == b"acTL"]
    count, loop = struct.unpack(">II", controls[0]) if len(controls) == 1 else (0, 0)
    if not 0 < count < 1 << 31 or names.index(b"acTL") > names.index(b"IDAT"):
        return [], 0, ["an animation whose header (acTL) is missing or not valid"]
    frames, number = list[Frame](), 0
    for name, body, _ in parts:
        if name in (b"fcTL", b"fdAT"):
            if int.from_bytes(body[:4], "big") != number or (name == b"fdAT" and not frames):
                raise DamageError("it is damaged: chunks of its animation are missing or twice")
            number += 1
        if name == b"fcTL":
            wide, high, left, top, time, unit, dispose, blend = struct.unpack(">4x4IHHBB", body)
            if not (0 < wide <= width - left and 0 < high <= height - top):
                raise DamageError("it is damaged: a frame of its animation lies beyond the picture")
            time = round(1000 * time / (unit or 100))
            frames.append(Frame(high, wide, top, left, time, dispose, blend != 0, []))
        elif frames and name in (b"fdAT", b"IDAT"):
            frames[-1].content.append(body[4:] if name == b"fdAT" else body)
    if len(frames) < count or not all(frame.content for frame in frames):
        raise DamageError(f"it is damaged: only {len(frames)} of {count} frames can be read")
    lost = []
    if names.index(b"fcTL") > names.index(b"IDAT"):
        lost.append("the picture for programs without animation")
    if len(frames) > count:
        lost.append(f"{len(frames) - count} more frames than its header tells of")
    return frames[:count], loop, lost


def _png(parts: Sequence[Part], body: bytes, width: int = 0, height: int = 0) -> bytes:
    """A still PNG of compressed data, with the kind of the pixels of other chunks."""
    out = [_SIGNATURE]
    for name, chunk, _ in parts:
        if name == b"IHDR" and width:
            chunk = struct.pack(">II", width, height) + chunk[8:]
        if name in (b"IHDR", b"PLTE", b"tRNS"):
            out.append(_chunk(name, chunk))
    return b"".join((*out, _chunk(b"IDAT", body), _chunk(b"IEND", b"")))


def _indexed(data: bytes, odd: list[str]) -> Picture:
    """The indices of a picture with a palette: they are the levels once its header says gray."""
    parts = _chunks(data)
    names = [part.name for part in parts]
    end = names.index(b"IDAT")
    if b"PLTE" not in names[:end]:
        raise DamageError("it is damaged: the PNG has no palette")
    header = parts[names.index(b"IHDR")]
    behind = {part.name: part.body for part in reversed(parts[names.index(b"PLTE") : end])}
    colors, clear = behind[b"PLTE"], behind.get(b"tRNS", b"")
    if len(colors) % 3 or not 0 < len(colors) <= 768:
        raise DamageError("it is damaged: the palette of the PNG is not of 1 to 256 colors")
    palette = np.full((len(colors) // 3, 4), 255, np.uint8)
    palette[:, 2::-1] = np.frombuffer(colors, np.uint8).reshape(-1, 3)
    palette[: len(clear), 3] = np.frombuffer(clear[: len(palette)], np.uint8)
    gray = header._replace(body=header.body[:9] + b"\0" + header.body[10:])
    data = _png([gray], b"".join(part.body for part in parts if part.name == b"IDAT"))
    levels = opencv.decode_still(data, formats.PNG, _COMPLAINTS, _ODD, odd)
    top = (1 << header.body[8]) - 1
    return Picture((levels // (255 // top),), formats.PNG, palette=palette, warnings=tuple(odd))


def _with_palette(data: bytes, palette: Array) -> bytes:
    """A gray PNG whose levels are indices, as a PNG with a palette."""
    colors, alpha = palette[:, 2::-1].tobytes(), palette[:, 3].tobytes().rstrip(b"\xff")
    header = _chunk(b"IHDR", data[16:25] + b"\3" + data[26:29])
    chunks = _chunk(b"PLTE", colors) + (_chunk(b"tRNS", alpha) if alpha else b"")
    return _SIGNATURE + header + chunks + data[_BEHIND_IHDR:]


def _decoded(data: bytes, details: _Details, odd: list[str], *, gray: bool = False) -> Array:
    """The pixels of a still, a transparent gray level as alpha."""
    pixels = opencv.decode_still(data, formats.PNG, _COMPLAINTS, _ODD, odd, gray=gray)
    if gray or details.transparent is None or pixels.ndim == 3:
        return pixels
    full = np.iinfo(pixels.dtype).max
    alpha = np.where(pixels == details.transparent, 0, full).astype(pixels.dtype)
    return np.dstack([pixels, pixels, pixels, alpha])


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


def _inflated(packed: bytes) -> bytes | None:
    """What was compressed; None if it is damaged, truncated or larger than a block may be."""
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(packed, _LARGEST_BLOCK)
    except zlib.error:
        return None
    return content if inflater.eof else None
