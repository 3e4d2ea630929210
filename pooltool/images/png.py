"""PNG (third edition) with its animations (APNG)."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pooltool.errors import DamageError
from pooltool.images import formats, opencv
from pooltool.images.animation import Frame, drawn
from pooltool.images.container import Body, Container, Part, first_of
from pooltool.images.picture import (
    NO_METADATA,
    Array,
    Encoded,
    Header,
    Metadata,
    Picture,
    Verbatim,
    repeated,
    require_plausible,
)
from pooltool.images.tags import read_exif

CHECKED = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Color types and their bits a sample, all of which come out right, interlaced or not, with a
transparent color and in animations: gray, RGB, palette, gray with alpha, RGBA."""
_GRAY, _PALETTE, _GRAY_ALPHA, _RGBA = 0, 3, 4, 6
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BEHIND_IHDR = len(_SIGNATURE) + 25
_COLORS = (b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"PLTE", b"tRNS")
"""What the decoder is given besides pixels: it refuses some of the other chunks, and inflates texts
to any size. Gamma and colors are the light by which it weighs gray."""
_BARE = frozenset((b"IHDR", b"IDAT", b"IEND", *_COLORS))
_ANIMATED = frozenset((b"acTL", b"fcTL", b"fdAT"))
_XMP = b"XML:com.adobe.xmp\0"
CONTAINER = Container(
    "PNG chunk",
    # How many pixels have a color, when they were changed last, where Apple cuts them in two.
    structural=frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"sBIT", b"hIST", b"tIME",
                          b"iDOT", *_ANIMATED)),
    places=((b"eXIf", b"", "exif"), (b"iTXt", _XMP, "xmp"), (b"iCCP", b"", "icc"),
            (b"pHYs", b"", "density")),
    copied=frozenset((b"tEXt", b"zTXt", b"iTXt", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV",
                      b"cLLI")),
)  # fmt: skip
_RAW_PROFILE = re.compile(rb"Raw profile type (exif|xmp|APP1)\0")
"""How texts begin in which exiv2, GIMP and ImageMagick write EXIF and XMP in hexadecimal digits."""
_COMPLAINTS = r"(?i)libpng (?!.*(extra compress|too much)).*(IDAT|compress|image data)"
"""More data than the picture takes is no harm."""
_SRGB = {
    b"sRGB": b"",
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
}
"""What these chunks say of sRGB, which pictures without them are taken for."""
_LARGEST = 8_000_000
"""The bytes of a chunk that libpng takes, and so other readers."""


class _Details(NamedTuple):
    bits: int
    color: int
    has_alpha: bool
    before: Mapping[bytes, Body]
    """The chunks before the picture."""
    frames: Sequence[Frame]
    """A still is one frame."""
    loop: int
    is_bare: bool
    """True when the decoder may be given the file as it is."""


def read_header(data: bytes) -> Header:
    """Walk all chunks and verify their checksums."""
    parts = CONTAINER.walk(data, len(_SIGNATURE))
    names = [part.name for part in parts]
    before = first_of(parts[: names.index(b"IDAT")])
    width, height, bits, color = struct.unpack_from(">IIBB", before[b"IHDR"])
    if bits not in CHECKED.get(color, ()):
        raise DamageError(f"it is damaged: no PNG has color type {color} with {bits} bits")
    # Deflate makes at most 1032 bytes of one.
    require_plausible(height, width, height * width * bits // 8, len(data) * 1032)
    metadata = NO_METADATA
    missing: list[str] = []
    if not CONTAINER.structural.issuperset(names):  # else there is nothing to sort
        metadata, missing = _read_metadata(parts)
    frames: Sequence[Frame] = ()
    loop = 0
    if not _ANIMATED.isdisjoint(names):
        frames, loop, more = _animated(height, width, parts, before)
        missing += more
        # Frames may be small parts of a large picture, but hardly thousands of a pixel each.
        area = len(frames) * height * width
        require_plausible(height, width, area - (1 << 28), len(data) << 12)
    end = len(_SIGNATURE) + sum(12 + len(part.body) for part in parts)
    if data[end:].strip(b"\0"):
        missing.append("data after the end of the picture")
    is_animated, has_alpha = bool(frames), color in (_GRAY_ALPHA, _RGBA) or b"tRNS" in before
    if not is_animated:
        body = [part.body for part in parts if part.name == b"IDAT"]
        frames = [Frame(slice(0, height), slice(0, width), 0, 0, is_blended=False, data=body)]
    count = 4 if has_alpha else 1 if color == _GRAY else 3
    return Header(
        formats.PNG, repeated((height, width), len(frames)), metadata, tuple(missing),
        animated=is_animated, indexed=color == _PALETTE, pixel_bytes=max(4, bits // 8 * count),
        details=_Details(bits, color, has_alpha, before, frames, loop, _BARE.issuperset(names)),
    )  # fmt: skip


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """Decode the pictures as they are stored; a transparent gray level becomes alpha. Frames of an
    animation have no indices, as they are put together by their colors.
    """
    details: _Details = header.details
    frames, has_alpha = details.frames, details.has_alpha
    if header.animated:
        decoded = (_decoded(_still(details, frame), details) for frame in frames)
        return drawn(header, frames, decoded, chosen, loop=details.loop, has_alpha=has_alpha)
    if header.labels:
        return _indexed(details)
    if not details.is_bare:
        data = _still(details, frames[0])
    pixels = _decoded(data, details, gray=header.gray and not has_alpha)
    if header.gray and has_alpha and pixels.ndim == 3:
        # The decoder weights colors itself, as linear light where the file gives its gamma.
        pixels[..., :3] = _decoded(data, details, gray=True)[..., None]
    return Picture((pixels,), formats.PNG)


def encode(picture: Picture, quality: int | None) -> Encoded:
    """Encode stills, wrap several into an animation, and add what is told behind the header."""
    stills = [opencv.encoded(formats.PNG, frame) for frame in picture.frames]
    data = stills[0] if len(stills) == 1 else _animation(stills, picture)
    header, palette, metadata = data[:_BEHIND_IHDR], picture.palette, picture.metadata
    if metadata == NO_METADATA and palette is None:
        return Encoded(data)
    (exif, xmp, icc), density, colors, alpha = metadata.blocks(), b"", b"", b""
    if metadata.resolution:
        down, across = (min(max(1, round(side)), (1 << 31) - 1) for side in metadata.resolution)
        density = struct.pack(">IIB", across, down, 1)
    if palette is not None:  # the indices are encoded as levels of gray
        colors, alpha = palette[:, 2::-1].tobytes(), palette[:, 3].tobytes().rstrip(b"\xff")
        fields = data[16:25] + bytes([_PALETTE]) + data[26:29]
        header = _SIGNATURE + CONTAINER.join([(b"IHDR", fields)])
    chunks = [
        *(metadata.verbatim.parts if metadata.verbatim else ()),
        (b"pHYs", density),
        (b"iCCP", icc and b"icc\0\0" + zlib.compress(icc)),
        (b"eXIf", exif),
        (b"iTXt", xmp and _XMP + bytes(4) + xmp),
        (b"PLTE", colors),
        (b"tRNS", alpha),
    ]
    added = CONTAINER.join(chunk for chunk in chunks if chunk[1])
    return Encoded(b"".join((header, added, data[_BEHIND_IHDR:])))


def _animation(stills: Sequence[bytes], picture: Picture) -> bytes:
    """Wrap PNG files of one size and kind; OpenCV's own animations have 8 bits only."""
    header = stills[0][:_BEHIND_IHDR]
    chunks = [(b"acTL", struct.pack(">II", len(stills), picture.loop))]
    durations, number = picture.durations or (1000,) * len(stills), 0
    for still, time in zip(stills, durations, strict=True):
        # The time is a fraction of a second, whose numbers have 16 bits.
        delay = (time, 1000) if time <= 0xFFFF else (min(time // 1000, 0xFFFF), 1)
        place = struct.pack(">I8s8xHHBB", number, header[16:24], *delay, 0, 0)
        parts = CONTAINER.walk(still, len(_SIGNATURE))
        body = b"".join(part.body for part in parts if part.name == b"IDAT")
        if number:
            body = struct.pack(">I", number + 1) + body
        chunks += [(b"fcTL", place), (b"fdAT" if number else b"IDAT", body)]
        number += 2 if number else 1
    return header + CONTAINER.join([*chunks, (b"IEND", b"")])


def _read_metadata(parts: Sequence[Part]) -> tuple[Metadata, list[str]]:
    """What the chunks say of the picture, and the names of those that are not copied."""
    blocks, copied, missing = CONTAINER.sort(map(_translated, parts))
    profile, text = blocks["icc"].partition(b"\0")[2], blocks["xmp"]
    icc = _inflated(profile[1:])
    xmp = text[2:].split(b"\0", 2)[-1]  # behind its language and translated keyword
    xmp = _inflated(xmp) if text[:1] == b"\1" else xmp
    missing += ["damaged ICC profile"] if profile and not icc else []
    missing += ["damaged XMP"] if text and not xmp else []
    across, down, unit = struct.unpack(">IIB", blocks["density"][:9].ljust(9, b"\0"))
    resolution = (down, across) if unit == 1 and across and down else None
    missing += ["shape of pixels"] if unit != 1 and across != down else []
    verbatim = Verbatim(("PNG",), tuple(copied), _names_elsewhere(copied)) if copied else None
    return Metadata(read_exif(blocks["exif"]), xmp, icc, resolution, verbatim), missing


def _translated(part: Part) -> Part:
    """The chunk that PNG has for EXIF or XMP, for a text in which other programs write them."""
    if not _RAW_PROFILE.match(part.body):
        return part
    text = bytes(part.body).partition(b"\0")[2]
    text = _inflated(text[1:]) if part.name == b"zTXt" else text
    try:  # behind its name and its length
        block = bytes.fromhex(text.split(None, 2)[2].decode("ascii", "replace"))
    except (IndexError, ValueError):
        return part
    if block.startswith((b"<", formats.XMP_PREFIX)):
        return Part(b"iTXt", _XMP + bytes(4) + block.removeprefix(formats.XMP_PREFIX))
    return Part(b"eXIf", block)


def _inflated(packed: bytes) -> bytes:
    """What was compressed; nothing if it is damaged, truncated or too large."""
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(packed, _LARGEST)
    except zlib.error:
        return b""
    return content if inflater.eof else b""


def _names_elsewhere(kept: Sequence[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """What other formats lose of the copied chunks. That a picture is sRGB is no loss elsewhere."""
    named = dict(kept)
    known = {name for name, body in _SRGB.items() if b"sRGB" in named or named.get(name) == body}
    names = [name.decode() for name in named if name not in known]
    return (f"PNG chunks {', '.join(names)}",) if names else ()


def _animated(
    height: int, width: int, parts: Sequence[Part], before: Mapping[bytes, Body]
) -> tuple[list[Frame], int, list[str]]:
    """The frames of an animation, its loop count, and what is not among the frames."""
    count, loop = struct.unpack(">II", before.get(b"acTL", bytes(8)))
    if not count:
        return [], 0, ["an animation whose header (acTL) is missing or not valid"]
    frames, number = list[Frame](), 0
    for name, body in parts:
        if name in (b"fcTL", b"fdAT"):
            if int.from_bytes(body[:4], "big") != number or (name == b"fdAT" and not frames):
                raise DamageError("it is damaged: chunks of its animation are missing or twice")
            number += 1
        if name == b"fcTL":
            wide, high, left, top, time, unit, dispose, blend = struct.unpack(">4x4IHHBB", body)
            if not (0 < wide <= width - left and 0 < high <= height - top):
                raise DamageError("it is damaged: a frame of its animation is outside the picture")
            rows, columns = slice(top, top + high), slice(left, left + wide)
            time = round(1000 * time / (unit or 100))
            frames.append(Frame(rows, columns, time, dispose, blend != 0, []))
        elif frames and name in (b"fdAT", b"IDAT"):
            frames[-1].data.append(body[4:] if name == b"fdAT" else body)
    if len(frames) != count or not all(frame.data for frame in frames):
        raise DamageError("it is damaged: its header gives another number of frames")
    missing = [] if b"fcTL" in before else ["the picture for programs without animation"]
    return frames, loop, missing


def _still(details: _Details, frame: Frame, *, has_indices: bool = False) -> bytes:
    """A frame as a PNG of its own, with nothing but what the decoder needs; indices of a palette
    are the levels of one whose header says gray.
    """
    before, color = details.before, _GRAY if has_indices else details.color
    width, height = (side.stop - side.start for side in (frame.columns, frame.rows))
    header = struct.pack(">IIBB", width, height, details.bits, color) + before[b"IHDR"][10:]
    chunks: list[tuple[bytes, Body]] = [(b"IHDR", header)]
    if not has_indices:
        chunks += [(name, before[name]) for name in _COLORS if name in before]
    chunks += [(b"IDAT", body) for body in frame.data]
    return _SIGNATURE + CONTAINER.join([*chunks, (b"IEND", b"")])


def _decoded(still: bytes, details: _Details, *, gray: bool = False) -> Array:
    """The pixels of a still; the level of gray that stands for transparent becomes alpha."""
    pixels = opencv.decode_still(still, formats.PNG, _COMPLAINTS, gray=gray)
    clear = details.before.get(b"tRNS", b"")
    if gray or details.color != _GRAY or len(clear) != 2:
        return pixels
    top, full = (1 << details.bits) - 1, np.iinfo(pixels.dtype).max
    level = (int.from_bytes(clear, "big") & top) * int(full) // top
    alpha = np.where(pixels == level, 0, full).astype(pixels.dtype)
    return np.dstack([pixels, pixels, pixels, alpha])


def _indexed(details: _Details) -> Picture:
    """The indices of a picture with a palette."""
    colors, clear = details.before.get(b"PLTE", b""), details.before.get(b"tRNS", b"")
    if len(colors) % 3 or not 0 < len(colors) <= 768:
        raise DamageError("it is damaged: the palette of the PNG is not of 1 to 256 colors")
    palette = np.full((len(colors) // 3, 4), 255, np.uint8)
    palette[:, 2::-1] = np.frombuffer(colors, np.uint8).reshape(-1, 3)
    palette[: len(clear), 3] = np.frombuffer(clear[: len(palette)], np.uint8)
    still = _still(details, details.frames[0], has_indices=True)
    levels = opencv.decode_still(still, formats.PNG, _COMPLAINTS)
    return Picture((levels // (255 // ((1 << details.bits) - 1)),), formats.PNG, palette=palette)
