"""PNG (third edition) with its animations (APNG)."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pooltool import native
from pooltool.errors import DamageError
from pooltool.images import formats, opencv
from pooltool.images.container import Container, Contents, Part, name_of
from pooltool.images.formats import Format
from pooltool.images.headers import left_out, repeated, require_plausible
from pooltool.images.picture import (
    NO_METADATA,
    Array,
    Encoded,
    Header,
    Metadata,
    Picture,
    Verbatim,
    channels,
)
from pooltool.images.tags import EXIF_PREFIX, XMP_PREFIX, Resolution, read_exif

CHECKED = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Color types and their bits a sample, all of which come out right, interlaced or not, with a
transparent color and in animations: gray, RGB, palette, gray with alpha, RGBA."""
_GRAY, _PALETTE, _GRAY_ALPHA, _RGBA = 0, 3, 4, 6
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BEHIND_IHDR = len(_SIGNATURE) + 25
_TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt"))
_COLOR_SIZES = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"mDCV": 24, b"cLLI": 8}
"""Chunks that describe colors, and their bytes."""
_DECODED = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB",
                      b"iCCP"))  # fmt: skip
"""What the decoder is given: it refuses some of the other chunks, and inflates texts to any size.
Gamma and colors are the light by which it weighs gray."""
_ANIMATED = frozenset((b"acTL", b"fcTL", b"fdAT"))
CONTAINER = Container(
    ">I4s", "PNG chunk", checked=True, last=b"IEND",
    # How many pixels have a color, when they were changed last, where Apple cuts them in two.
    structural=frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"sBIT", b"hIST", b"tIME",
                          b"iDOT", *_ANIMATED)),
    places={b"eXIf": ((b"", "exif"),), b"iCCP": ((b"", "icc"),), b"pHYs": ((b"", "density"),)},
    copied=_TEXTS | _COLOR_SIZES.keys(),
)  # fmt: skip
_BLOCKS = {b"XML:com.adobe.xmp": "xmp", b"Raw profile type xmp": "xmp",
           b"Raw profile type exif": "exif", b"Raw profile type APP1": "exif"}  # fmt: skip
"""Texts that are metadata, by keyword; ImageMagick writes raw ones in hexadecimal digits, of which
APP1 is EXIF or XMP as in JPEG."""
_COMPLAINTS = r"libpng .*(IDAT|compress|image data)"
_ODD = r"(?i)extra compress|too much image data"
_SRGB = {
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
}
"""What these chunks say of sRGB, which pictures without them are taken for."""
_LARGEST, _MOST_TEXTS = 8_000_000, 1000
"""The bytes of a chunk and the number of texts that libpng takes, and so other readers."""
_BACKGROUND, _PREVIOUS = 1, 2


class _Frame(NamedTuple):
    height: int
    width: int
    top: int
    left: int
    duration: int
    """Milliseconds."""
    disposal: int
    """What becomes of its area: nothing, clear (_BACKGROUND), or as before (_PREVIOUS)."""
    blended: bool
    """True when it lies over what is there, False when it replaces it."""
    parts: list[Part]
    """Its fcTL chunk and its data."""


class _Details(NamedTuple):
    bits: int
    color: int
    transparent: int | None
    """The level of a gray picture that stands for transparent."""
    alpha: bool
    """True when a pixel may be transparent."""
    frames: tuple[_Frame, ...]
    """The frames of an animation."""
    loop: int
    parts: Sequence[Part]


def read_header(data: bytes) -> Header:
    """Walk all chunks and verify their checksums."""
    parts = list(CONTAINER.walk(data, len(_SIGNATURE)))
    names = [part.name for part in parts]
    if b"IHDR" not in names or b"IDAT" not in names:
        raise DamageError("it is damaged: the PNG has no header or no picture")
    width, height, bits, color = struct.unpack_from(">IIBB", parts[names.index(b"IHDR")].body)
    if bits not in CHECKED.get(color, ()):
        raise DamageError(f"it is damaged: no PNG has color type {color} with {bits} bits")
    # Deflate makes at most 1032 bytes of one.
    require_plausible(height, width, height * width * bits // 8, len(data) * 1032)
    transparent, before = None, parts[: names.index(b"IDAT")]
    # As libpng does it, one behind the picture or of another size is ignored, and high bits are.
    clear = next((bytes(part.body) for part in before if part.name == b"tRNS"), None)
    if color == _GRAY and clear is not None and len(clear) == 2:
        top = (1 << bits) - 1
        level = int.from_bytes(clear, "big") & top
        transparent = level if bits > 8 else level * 255 // top
    has_clear = transparent is not None if color == _GRAY else clear is not None
    metadata, missing = NO_METADATA, list[str]()
    if not CONTAINER.structural.issuperset(names):  # else, as mostly, there is nothing to sort
        metadata, missing = _read_metadata(CONTAINER.sort(parts))
    frames, loop = list[_Frame](), 0
    if not _ANIMATED.isdisjoint(names):
        frames, loop, more = _animated(height, width, parts)
        missing += more
        # Frames may be small parts of a large picture, but hardly thousands of a pixel each.
        area = len(frames) * height * width
        require_plausible(height, width, area - (1 << 28), len(data) << 12)
    last = parts[-1]
    if data[last.at + 12 :].strip(b"\0"):
        missing.append("data after the end of the picture")
    alpha = color in (_GRAY_ALPHA, _RGBA) or has_clear
    details = _Details(bits, color, transparent, alpha, tuple(frames), loop, parts)
    return Header(
        formats.PNG, repeated((height, width), len(frames) or 1), metadata, tuple(missing),
        animated=bool(frames), indexed=color == _PALETTE, details=details,
        pixel_bytes=max(4, bits // 8 * (4 if alpha else 1 if color == _GRAY else 3)),
    )  # fmt: skip


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode the pictures as they are stored; a transparent gray level becomes alpha. Frames of an
    animation have no indices, as they are put together by their colors.
    """
    odd: list[str] = []
    details: _Details = header.details
    if details.frames:
        return _decode_animation(header, frame)
    if header.labels:
        return _indexed(details, odd)
    if any(part.name not in _DECODED for part in details.parts):
        data = _joined(data, [part for part in details.parts if part.name in _DECODED])
    pixels = _decoded(data, details, odd, gray=header.gray and not details.alpha)
    if header.gray and details.alpha and pixels.ndim == 3:
        # The decoder weighs colors by itself, as light where the file tells its gamma.
        pixels[..., :3] = _decoded(data, details, [], gray=True)[..., None]
    return Picture((pixels,), formats.PNG, warnings=tuple(odd))


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode stills, wrap several into an animation, and add the metadata behind the header."""
    stills = [opencv.encode_still(format, frame) for frame in picture.frames]
    data = stills[0] if len(stills) == 1 else _animation(stills, picture)
    if picture.palette is not None:
        data = _with_palette(data, picture.palette)
    metadata, missing = picture.metadata, []
    chunks = [CONTAINER.pack(part.name, part.body)
              for part in (metadata.verbatim.parts if metadata.verbatim else ())]  # fmt: skip
    if metadata.resolution:
        down, across = (min(max(1, round(side)), (1 << 31) - 1) for side in metadata.resolution)
        chunks.append(CONTAINER.pack(b"pHYs", struct.pack(">IIB", across, down, 1)))
    blocks = (
        ("ICC", b"iCCP", metadata.icc and b"icc\0\0" + zlib.compress(metadata.icc)),
        ("EXIF", b"eXIf", metadata.exif and metadata.exif.to_bytes()),
        ("XMP", b"iTXt", metadata.xmp and b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp),
    )
    for what, name, block in blocks:
        if block and len(block) <= _LARGEST:
            chunks.append(CONTAINER.pack(name, block))
        elif block:
            missing.append(f"{what} (its {len(block)} bytes are more than readers of PNG take)")
    if chunks:
        data = b"".join((data[:_BEHIND_IHDR], *chunks, data[_BEHIND_IHDR:]))
    return Encoded(data, left_out(missing))


def _animation(stills: Sequence[bytes], picture: Picture) -> bytes:
    """Wrap PNG files of one size and kind; OpenCV's own animations have 8 bits only."""
    pack, header = CONTAINER.pack, stills[0][:_BEHIND_IHDR]
    out = [header, pack(b"acTL", struct.pack(">II", len(stills), picture.loop))]
    durations, number = picture.durations or (1000,) * len(stills), 0
    for still, time in zip(stills, durations, strict=True):
        # The time is a fraction of a second, whose numbers have 16 bits.
        delay = (time, 1000) if time <= 0xFFFF else (min(time // 1000, 0xFFFF), 1)
        place = struct.pack(">I8s8xHHBB", number, header[16:24], *delay, 0, 0)
        parts = CONTAINER.walk(still, len(_SIGNATURE))
        body = b"".join(part.body for part in parts if part.name == b"IDAT")
        if number:
            body = struct.pack(">I", number + 1) + body
        out += [pack(b"fcTL", place), pack(b"fdAT" if number else b"IDAT", body)]
        number += 2 if number else 1
    return b"".join((*out, pack(b"IEND", b"")))


def _read_metadata(contents: Contents) -> tuple[Metadata, list[str]]:
    """What the chunks say of the picture, and the names of those that are not copied."""
    inflate, missing = _Inflater(2 * _LARGEST), CONTAINER.names(contents.others)
    blocks = {"exif": contents.first("exif"), "xmp": b""}
    kept, texts = [], 0
    for part in contents.copied:
        texts += part.name in _TEXTS
        if texts > _MOST_TEXTS and part.name in _TEXTS:
            missing.append(f"PNG texts beyond {_MOST_TEXTS}")
        elif block := _block(part, inflate):
            blocks[block[0]] = blocks[block[0]] or block[1]
        elif len(part.body) <= _LARGEST and _is_sound(part, inflate):
            kept.append(part)
        else:
            missing.append(f"damaged PNG chunk {name_of(part.name)}")
    profile = contents.first("icc").partition(b"\0")[2][1:]
    icc = inflate(profile) if profile else None
    missing += ["damaged ICC profile"] if "icc" in contents.blocks and not icc else []
    across, down, unit = struct.unpack(">IIB", contents.first("density")[:9].ljust(9, b"\0"))
    resolution = Resolution(down, across) if unit == 1 and across and down else None
    missing += ["shape of pixels"] if unit != 1 and across != down else []
    verbatim = Verbatim(("PNG",), tuple(kept), _names_elsewhere(kept)) if kept else None
    exif = read_exif(blocks["exif"])
    return Metadata(exif, blocks["xmp"] or None, icc, resolution, verbatim), missing


class _Inflater:
    """Inflates blocks, all of them in one file to so many bytes at the most."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __call__(self, packed: bytes) -> bytes | None:
        """What was compressed; None if it is damaged, truncated or too large."""
        inflater = zlib.decompressobj()
        try:
            content = inflater.decompress(packed, max(1, min(_LARGEST, self.room)))
        except zlib.error:
            return None
        self.room -= len(content)
        return content if inflater.eof else None


def _text(part: Part, inflate: _Inflater) -> tuple[bytes, bytes] | None:
    """The keyword and the text of a chunk; None where it has not the form that PNG gives it."""
    keyword, separator, text = bytes(part.body).partition(b"\0")
    if not separator or not re.fullmatch(rb"[ -~\xa1-\xff]{1,79}", keyword):
        return None
    is_packed = part.name == b"zTXt"
    if part.name == b"iTXt":  # language and translated keyword come before the text
        flags, fields = text[:2], text[2:].split(b"\0", 2)
        if len(fields) < 3 or flags not in (b"\0\0", b"\1\0"):
            return None
        is_packed, text = flags == b"\1\0", fields[2]
    elif is_packed:
        if text[:1] != b"\0":
            return None
        text = text[1:]
    inflated = inflate(text) if is_packed else text
    return None if inflated is None else (keyword, inflated)


def _is_sound(part: Part, inflate: _Inflater) -> bool:
    """Whether a chunk that is copied as it is has the form that PNG gives it."""
    if part.name in _COLOR_SIZES:
        return len(part.body) == _COLOR_SIZES[part.name]
    text = _text(part, inflate)
    if text is None or part.name != b"iTXt":
        return text is not None
    try:
        text[1].decode()
    except UnicodeDecodeError:
        return False
    return True


def _block(part: Part, inflate: _Inflater) -> tuple[str, bytes] | None:
    """EXIF or XMP in a text chunk, with the name of the block; None where it is another text."""
    keyword = bytes(part.body[:80]).partition(b"\0")[0]
    block = _BLOCKS.get(keyword)
    text = _text(part, inflate) if block and part.name in _TEXTS else None
    if block is None or text is None:
        return None
    content = text[1].rstrip(b"\0")
    if keyword.startswith(b"Raw"):  # a line with the name, one with the length, then the digits
        try:
            content = bytes.fromhex(b"".join(content.split()[2:]).decode("ascii", "replace"))
        except ValueError:
            return None
        if content.startswith((EXIF_PREFIX, XMP_PREFIX)):
            block = "exif" if content.startswith(EXIF_PREFIX) else "xmp"
    return (block, content.removeprefix(XMP_PREFIX)) if content else None


def _names_elsewhere(kept: Sequence[Part]) -> tuple[str, ...]:
    """What other formats lose of the copied chunks. That a picture is sRGB is no loss elsewhere."""
    is_srgb = any(part.name == b"sRGB" for part in kept)
    names = dict.fromkeys(
        part.name.decode()
        for part in kept
        if part.name != b"sRGB"
        and not (part.name in _SRGB and (is_srgb or part.body == _SRGB[part.name]))
    )
    return (f"PNG chunks {', '.join(names)}",) if names else ()


def _animated(
    height: int, width: int, parts: Sequence[Part]
) -> tuple[list[_Frame], int, list[str]]:
    """The frames of an animation, its loop count, and what is not among the frames.

    An acTL chunk behind the picture, a second one, or one of no frames makes no animation.
    """
    names = [part.name for part in parts]
    controls = [part.body for part in parts if part.name == b"acTL"]
    count, loop = struct.unpack(">II", controls[0]) if len(controls) == 1 else (0, 0)
    if not 0 < count < 1 << 31 or names.index(b"acTL") > names.index(b"IDAT"):
        return [], 0, ["an animation whose header (acTL) is missing or not valid"]
    frames, number = list[_Frame](), 0
    for part in parts:
        name, body, _ = part
        if name in (b"fcTL", b"fdAT"):
            if int.from_bytes(body[:4], "big") != number or (name == b"fdAT" and not frames):
                raise DamageError("it is damaged: chunks of its animation are missing or twice")
            number += 1
        if name == b"fcTL":
            wide, high, left, top, time, unit, dispose, blend = struct.unpack(">4x4IHHBB", body)
            if not (0 < wide <= width - left and 0 < high <= height - top):
                raise DamageError("it is damaged: a frame of its animation lies beyond the picture")
            time = round(1000 * time / (unit or 100))
            frames.append(_Frame(high, wide, top, left, time, dispose, blend != 0, [part]))
        elif frames and name in (b"fdAT", b"IDAT"):
            frames[-1].parts.append(part)
    if len(frames) < count or not all(frame.parts[1:] for frame in frames):
        raise DamageError(f"it is damaged: only {len(frames)} of {count} frames can be read")
    missing = []
    if names.index(b"fcTL") > names.index(b"IDAT"):
        missing.append("the picture for programs without animation")
    if len(frames) > count:
        missing.append(f"{len(frames) - count} more frames than its header gives")
    return frames[:count], loop, missing


def _decode_animation(header: Header, frame: int | None) -> Picture:
    """The frames as they are seen, or one of them; without alpha where there is none in them and
    they cover the picture.

    Put together here, as PNG (11.3.4) says: OpenCV cuts 16 bits to 8, takes what becomes clear in
    pictures without alpha for black, and keeps gray of a transparent level.
    """
    cv2, details, odd = native.import_cv2(), header.details, list[str]()
    canvas, shown, first = np.zeros(0), list[Array](), details.frames[0]
    can_be_clear = first[:2] != header.sizes[0] or first.disposal == _PREVIOUS
    can_be_clear = can_be_clear or any(part.disposal == _BACKGROUND for part in details.frames)
    for index, part in enumerate(details.frames[: None if frame is None else frame + 1]):
        pixels = _decoded(_still(details, part), details, odd)
        count, full = channels(pixels), np.iinfo(pixels.dtype).max
        if count < 4 and can_be_clear:
            code = cv2.COLOR_GRAY2BGRA if count == 1 else cv2.COLOR_BGR2BGRA
            pixels = cv2.cvtColor(pixels, code)
        if not index:
            canvas = np.zeros((*header.sizes[0], *pixels.shape[2:]), pixels.dtype)
        area = canvas[part.top : part.top + part.height, part.left : part.left + part.width]
        before = area.copy()
        if part.blended and count == 4:
            _blend(pixels, area)
        else:
            area[...] = pixels
        if frame in (None, index):
            shown.append(canvas.copy())
        if part.disposal in (_BACKGROUND, _PREVIOUS):
            area[...] = before if part.disposal == _PREVIOUS else 0
    if count < 4 and can_be_clear and all((pixels[..., 3] == full).all() for pixels in shown):
        shown = [pixels[..., 0] if count == 1 else pixels[..., :3] for pixels in shown]
    picture = Picture(tuple(shown), formats.PNG, warnings=tuple(odd))
    if len(details.frames) == 1 or frame is not None:
        return picture
    durations = tuple(part.duration for part in details.frames)
    return picture._replace(durations=durations, loop=details.loop)


def _blend(front: Array, back: Array) -> None:
    """Lay the front over the back, with straight alpha, rounded once."""
    alpha, opaque = front[..., 3:], int(np.iinfo(front.dtype).max)
    np.copyto(back, front, where=alpha == opaque)
    mixed = ((alpha > 0) & (alpha < opaque))[..., 0]
    colors, behind = front[mixed].astype(np.int64), back[mixed].astype(np.int64)
    share, rest = colors[:, 3:] * opaque, behind[:, 3:] * (opaque - colors[:, 3:])
    total = share + rest
    sums = colors[:, :3] * share + behind[:, :3] * rest
    back[mixed] = np.hstack([(sums + total // 2) // total, (total + opaque // 2) // opaque])


def _joined(data: bytes, parts: Sequence[Part]) -> bytes:
    """A file of some of the chunks of another."""
    chunks = (memoryview(data)[part.at : part.at + 12 + len(part.body)] for part in parts)
    return b"".join((_SIGNATURE, *chunks))


def _still(details: _Details, frame: _Frame) -> bytes:
    """A frame as a PNG of its own."""
    chunks = [_SIGNATURE]
    for part in details.parts:
        if part.name == b"IDAT" or part.name in _ANIMATED:
            break
        if part.name in (b"PLTE", b"tRNS"):
            chunks.append(CONTAINER.pack(part.name, part.body))
        elif part.name == b"IHDR":
            sides = struct.pack(">II", frame.width, frame.height)
            chunks.append(CONTAINER.pack(b"IHDR", sides + bytes(part.body[8:])))
    pieces = (part.body[4 * (part.name == b"fdAT") :] for part in frame.parts[1:])
    chunks.append(CONTAINER.pack(b"IDAT", b"".join(pieces)))
    return b"".join((*chunks, CONTAINER.pack(b"IEND", b"")))


def _indexed(details: _Details, odd: list[str]) -> Picture:
    """The indices of a picture with a palette: they are the levels once its header says gray."""
    names, parts = [part.name for part in details.parts], details.parts
    end = names.index(b"IDAT")
    if b"PLTE" not in names[:end]:
        raise DamageError("it is damaged: the PNG has no palette")
    behind = {part.name: part.body for part in reversed(parts[names.index(b"PLTE") : end])}
    colors, clear = behind[b"PLTE"], behind.get(b"tRNS", b"")
    if len(colors) % 3 or not 0 < len(colors) <= 768:
        raise DamageError("it is damaged: the palette of the PNG is not of 1 to 256 colors")
    palette = np.full((len(colors) // 3, 4), 255, np.uint8)
    palette[:, 2::-1] = np.frombuffer(colors, np.uint8).reshape(-1, 3)
    palette[: len(clear), 3] = np.frombuffer(clear[: len(palette)], np.uint8)
    header = bytes(parts[names.index(b"IHDR")].body)
    body = b"".join(part.body for part in parts if part.name == b"IDAT")
    chunks = ((b"IHDR", header[:9] + b"\0" + header[10:]), (b"IDAT", body), (b"IEND", b""))
    data = b"".join((_SIGNATURE, *(CONTAINER.pack(*chunk) for chunk in chunks)))
    levels = opencv.decode_still(data, formats.PNG, _COMPLAINTS, _ODD, odd)
    top = (1 << details.bits) - 1
    return Picture((levels // (255 // top),), formats.PNG, palette=palette, warnings=tuple(odd))


def _with_palette(data: bytes, palette: Array) -> bytes:
    """A gray PNG whose levels are indices, as a PNG with a palette."""
    colors, alpha = palette[:, 2::-1].tobytes(), palette[:, 3].tobytes().rstrip(b"\xff")
    chunks = [CONTAINER.pack(b"IHDR", data[16:25] + b"\3" + data[26:29])]
    chunks.append(CONTAINER.pack(b"PLTE", colors))
    chunks += [CONTAINER.pack(b"tRNS", alpha)] if alpha else []
    return b"".join((_SIGNATURE, *chunks, data[_BEHIND_IHDR:]))


def _decoded(data: bytes, details: _Details, odd: list[str], *, gray: bool = False) -> Array:
    """The pixels of a still, a transparent gray level as alpha."""
    pixels = opencv.decode_still(data, formats.PNG, _COMPLAINTS, _ODD, odd, gray=gray)
    if gray or details.transparent is None or pixels.ndim == 3:
        return pixels
    full = np.iinfo(pixels.dtype).max
    alpha = np.where(pixels == details.transparent, 0, full).astype(pixels.dtype)
    return np.dstack([pixels, pixels, pixels, alpha])
