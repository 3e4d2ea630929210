"""BMP, GIF, HDR (Radiance RGBE), and PBM, PGM, PPM and PFM (netpbm): formats with a short header.

Numbers that lie in a file as they are, are read and written here: OpenCV takes the palettes of
OS/2 for gray, ignores bit masks and the scale of PFM, and rescales text files whose largest value
is below 255. It decodes GIF and HDR, Pillow the rare kinds of BMP.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv, pillow
from pooltool.images.container import Part, name_of
from pooltool.images.formats import Format
from pooltool.images.headers import profile_kind, repeated, require_plausible
from pooltool.images.picture import (
    NO_METADATA,
    Array,
    Encoded,
    Header,
    Metadata,
    Picture,
    Verbatim,
    colored,
    padded,
)
from pooltool.images.tags import Resolution


def read_header(data: bytes) -> Header:
    """Read what lies before the pixels; walk all blocks of a GIF and all pictures of netpbm."""
    readers = {b"B": _read_bmp, b"G": _read_gif, b"P": _read_netpbm, b"#": _read_hdr}
    return readers[data[:1]](data)


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode the pictures as they are stored."""
    if header.format is formats.BMP:
        return _decode_bmp(data, header)
    if header.format is formats.GIF:
        return _decode_gif(data, header, frame)
    if header.format is formats.HDR:
        return _decode_hdr(data, header)
    return _decode_netpbm(data, header, frame)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode BMP and HDR with OpenCV, and write netpbm."""
    if format is formats.BMP:
        return Encoded(_bmp_file(picture))
    if format is formats.HDR:
        return Encoded(_hdr_file(picture))
    return Encoded(_netpbm_file(picture, format))


# BMP of Windows and OS/2

_BMP_HEADERS = (12, 16, 64, 40, 52, 56, 108, 124)
"""Sizes of the headers that are read: three of OS/2, then those of Windows."""
_RUNS, _MASKS = ((1, 8), (2, 4)), ((0, 16), (3, 16), (3, 32), (6, 16), (6, 32))
"""The coding and the bits of a pixel in files that Pillow reads."""
_MAGICK = "convert it to PNG, for example with `magick`"


class _Bmp(NamedTuple):
    what: str
    """What it is where Pillow reads it."""
    bits: int
    palette: Array
    """(K, 3), blue first."""
    start: int
    stride: int
    """Bytes of a row."""
    upwards: bool


def _read_bmp(data: bytes) -> Header:
    """Read the header and the palette behind it."""
    start, size = struct.unpack_from("<II", data, 10)
    if size not in _BMP_HEADERS:
        raise ImageError(f"it is no BMP, or has a header of {size} bytes, which is not read")
    head = data[14 : 14 + size].ljust(124, b"\0")
    form = "<IHHHH" if size == 12 else "<IiiHHIIiiI"
    _, width, height, _, bits, *more = struct.unpack_from(form, head)
    coding, _, across, down, used = more or (0, 0, 0, 0, 0)
    what = ""
    if (coding, bits) in _RUNS:
        what = "BMP with run lengths"
    elif (coding, bits) in _MASKS and size not in (16, 64):
        what = "BMP with bit masks"
    elif coding or bits not in (1, 2, 4, 8, 24, 32):
        kind = f"{bits} bits a pixel and the compression {coding}"
        raise ImageError(f"it is a BMP with {kind}, which is not read; {_MAGICK}")
    if bits == 16 and coding and size >= 56 and any(head[52:56]):
        raise ImageError(f"it is a BMP of 16 bits with alpha, which is not read; {_MAGICK}")
    if width <= 0 or not height:
        raise DamageError("it is damaged: its header declares a picture without pixels")
    upwards, height, stride = height > 0, abs(height), (width * bits + 31) // 32 * 4
    least, most = stride * (height - 1) + (width * bits + 7) // 8, len(data) - start
    if coding in (1, 2):  # a code of two bytes stands for at most 255 pixels
        least, most = height * width, most * 128
    require_plausible(height, width, least, most)
    if coding in (1, 2):
        _require_runs(data, start, stride * 8 // bits, height, bits)
    entry = 3 if size == 12 else 4
    count = min(used or 1 << bits, 1 << bits, max(start - 14 - size, 0) // entry)
    table = np.frombuffer(data, np.uint8)[14 + size :][: count * entry]
    palette = table.reshape(count, entry)[:, :3]
    missing = ["ICC profile of a BMP"] if size >= 124 and any(head[116:120]) else []
    if size >= 108 and not any(head[56:60]) and any(head[60:108]):
        missing.append("calibrated colors of a BMP")
    metadata = Metadata(resolution=Resolution(down, across) if min(down, across) > 0 else None)
    details = _Bmp(what, bits, palette, start, stride, upwards)
    sizes, indexed = ((height, width),), bits <= 8 and not _is_ramp(palette)
    return Header(formats.BMP, sizes, metadata, tuple(missing), indexed=indexed, details=details)


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


def _decode_bmp(data: bytes, header: Header) -> Picture:
    """The pixels: gray where the palette holds nothing but gray."""
    bmp: _Bmp = header.details
    if bmp.what:
        return pillow.decode_as(data, header, bmp.what)
    ((height, width),) = header.sizes
    body = data[bmp.start : bmp.start + height * bmp.stride].ljust(height * bmp.stride, b"\0")
    rows = np.frombuffer(body, np.uint8).reshape(height, bmp.stride)
    rows = rows[:: -1 if bmp.upwards else 1]
    if bmp.bits > 8:
        pixels = rows[:, : width * bmp.bits // 8].reshape(height, width, -1)[..., :3]
        return Picture((np.ascontiguousarray(pixels),), formats.BMP)
    shifts = np.arange(8 - bmp.bits, -1, -bmp.bits, dtype=np.uint8)
    indices = (rows[..., None] >> shifts & ((1 << bmp.bits) - 1)).reshape(height, -1)[:, :width]
    if indices.max() >= len(bmp.palette):
        raise DamageError("it is damaged: it holds an index beyond its palette")
    if (bmp.palette == bmp.palette[:, :1]).all() and not (header.labels and header.indexed):
        return Picture((bmp.palette[:, 0].take(indices),), formats.BMP)
    palette = np.insert(bmp.palette, 3, 255, axis=1)
    picture = Picture((np.ascontiguousarray(indices),), formats.BMP, palette=palette)
    return picture if header.labels else colored(picture)


def _bmp_file(picture: Picture) -> bytes:
    """OpenCV gives gray a palette of 256 levels, in whose place another one fits."""
    data, resolution = (
        opencv.encode_still(formats.BMP, picture.frames[0]),
        picture.metadata.resolution,
    )
    if picture.palette is not None:
        colors = padded(picture.palette)
        colors[:, 3] = 0
        data = data[:54] + colors.tobytes() + data[54 + 1024 :]
    if resolution:
        down, across = (min(round(side), (1 << 31) - 1) for side in resolution)
        data = data[:38] + struct.pack("<ii", across, down) + data[46:]
    return data


def _is_ramp(palette: Array) -> bool:
    """True for the palette of a gray picture: its levels are the indices, or black and white."""
    levels = palette[:, 0].tobytes()
    is_ramp = levels in (bytes(range(len(levels))), b"\0\xff")
    return is_ramp and bool((palette == palette[:, :1]).all())


# GIF (87a and 89a), which is only read

_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_TEXT, _CONTROL, _COMMENT, _APPLICATION = 0x01, 0xF9, 0xFE, 0xFF
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_XMP, _ICC = b"XMP DataXMP", b"ICCRGBG1012"
_XMP_END = b"\1" + bytes(range(255, -1, -1)) + b"\0"
"""Read as blocks, a packet of XMP is skipped through this ramp of ever shorter steps."""
_DISPOSALS = {2: 2, 3: 3, 4: 3}
"""Browsers know that old programs wrote 4 for 3. Other numbers have no meaning: the frame stays."""
_MOST_PIXELS = 2731
"""Pixels of a byte: a code has at most 12 bits and stands for at most 4096."""
_RAMP = bytes(level for level in range(256) for _ in range(3))


class _Block(NamedTuple):
    """An image or an extension: what it is, and where it begins and ends."""

    label: int
    start: int
    content: int
    """Where its first sub-block begins."""
    end: int


class _Gif(NamedTuple):
    shown: tuple[int, int]
    """The canvas, (height, width)."""
    canvas: tuple[int, int]
    """The canvas with all that frames draw beyond it."""
    frames: list[tuple[bytes, _Block]]
    """What controls a frame, and its image."""
    loop: int


def _read_gif(data: bytes) -> Header:
    """Walk all blocks."""
    height, width = struct.unpack_from("<HH", data, 6)[::-1]
    frames = list[tuple[bytes, _Block]]()
    metadata, missing, loop, control = NO_METADATA, list[str](), 1, bytes(4)
    bottom = right = 0
    for block in _blocks(data):
        if block.label == _IMAGE:
            left, top, across, down = struct.unpack_from("<HHHH", data, block.start + 1)
            _require_image(data, block, across, down)
            if not frames:  # a first frame that leaves the canvas makes it larger
                height, width = max(height, top + down), max(width, left + across)
            bottom, right = max(bottom, top + down), max(right, left + across)
            frames.append((control, block))
            control = bytes(4)
            continue
        body = _joined(data, block)
        if block.label == _CONTROL:
            control = body[:4].ljust(4, b"\0")
        elif block.label == _APPLICATION and body[:11] in _LOOPS:
            times = int.from_bytes(body[12:14], "little")  # after the first time
            loop = times and times + 1
        elif block.label == _APPLICATION and body.startswith(_XMP):
            is_plain = not data.endswith(_XMP_END, block.start, block.end)
            xmp = body[11:] if is_plain else data[block.start + 14 : block.end]
            metadata = metadata._replace(xmp=xmp.removesuffix(_XMP_END))
        elif block.label == _APPLICATION and body.startswith(_ICC) and profile_kind(body[11:]):
            metadata = metadata._replace(icc=body[11:])
        elif block.label == _APPLICATION:
            missing.append(f"GIF extension {name_of(body[:11])}")
        elif body:
            missing.append({_COMMENT: "comment", _TEXT: "text"}.get(block.label, "GIF extension"))
    if not frames:
        raise DamageError("it is damaged: the GIF holds no picture")
    require_plausible(height, width, height * width, len(data) * _MOST_PIXELS)
    canvas = max(height, bottom), max(width, right)
    if max(canvas) > 0xFFFF or math.prod(canvas) > 2 * height * width + (1 << 24) // len(frames):
        raise ImageError(f"a frame of the GIF lies far beyond its canvas; {_MAGICK}")
    sizes, gif = repeated((height, width), len(frames)), _Gif((height, width), canvas, frames, loop)
    is_animated = len(frames) > 1
    return Header(formats.GIF, sizes, metadata, tuple(missing), animated=is_animated, indexed=True,
                  details=gif)  # fmt: skip


def _blocks(data: bytes) -> Iterator[_Block]:
    """The images and extensions up to the trailer."""
    at = 13 + _table_size(data[10])
    while data[at] != _TRAILER:
        if data[at] == _IMAGE:
            label, content = _IMAGE, at + 11 + _table_size(data[at + 9])
        elif data[at] == _EXTENSION:
            label, content = data[at + 1], at + 2
        else:
            raise DamageError(
                "it is truncated or damaged: the GIF data does not go on as it should"
            )
        end = content
        while data[end]:
            end += data[end] + 1
        yield _Block(label, at, content, end + 1)
        at = end + 1


def _joined(data: bytes, block: _Block) -> bytes:
    """What the sub-blocks of a block hold."""
    pieces, at = [], block.content
    while data[at]:
        pieces.append(data[at + 1 : at + 1 + data[at]])
        at += data[at] + 1
    return b"".join(pieces)


def _table_size(flags: int) -> int:
    """Bytes of the color table that a GIF's packed flags tell of."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _require_image(data: bytes, block: _Block, width: int, height: int) -> None:
    """Refuse an image without pixels, data or colors."""
    if not height or not width:
        raise DamageError("it is damaged: a frame of the GIF has no pixels")
    require_plausible(height, width, height * width, (block.end - block.content) * _MOST_PIXELS)
    if not (data[10] | data[block.start + 9]) & 0x80:
        raise ImageError(f"it is a GIF without a table of its colors, which is not read; {_MAGICK}")


def _decode_gif(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode the frames as browsers show them, or the indices of a single one that covers all.

    OpenCV decodes the bare frames: it stops at extensions and numbers that have no meaning, and
    takes from the last control block, which is added here, whether there is transparency.
    """
    gif: _Gif = header.details
    if header.labels and len(gif.frames) == 1:
        left, top, width, height = struct.unpack_from("<4H", data, gif.frames[0][1].start + 1)
        if (left, top, height, width) == (0, 0, *gif.shown):
            return _decode_gif_indices(data, *gif.frames[0])
    flags, table = data[10], data[13 : 13 + _table_size(data[10])]
    if not table:  # without one OpenCV does not clear what lies outside of the next frame
        flags, table = 0x80, bytes(6)
    parts = [data[:6] + struct.pack("<HHBBB", *gif.canvas[::-1], flags, 0, 0) + table]
    for control, block in gif.frames:
        flags, delay, clear = struct.unpack("<BHB", control)
        flags = _DISPOSALS.get(flags >> 2 & 7, 0) << 2 | flags & 1
        parts.append(b"!\xf9\4" + struct.pack("<BHB", flags, delay, clear) + b"\0")
        parts.append(data[block.start : block.end])
    parts.append(b"!\xf9\4\1\0\0\0\0;")
    try:
        picture = opencv.decode_animation(b"".join(parts), header, frame)
    except ImageError:
        raise DamageError("it is damaged: the codes of a frame cannot be read") from None
    cv2, frames = native.import_cv2(), picture.frames
    if gif.canvas != gif.shown:
        frames = tuple(pixels[: gif.shown[0], : gif.shown[1]].copy() for pixels in frames)
    masks = [cv2.extractChannel(pixels, 3) for pixels in frames]
    if all(mask.min() == 255 for mask in masks):
        frames = tuple(cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR) for pixels in frames)
    else:  # what is transparent has no color
        pairs = zip(frames, masks, strict=True)
        frames = tuple(cv2.bitwise_and(pixels, pixels, mask=mask) for pixels, mask in pairs)
    if len(gif.frames) == 1 or frame is not None:
        return Picture(frames, formats.GIF)
    return picture._replace(frames=frames, loop=gif.loop)


def _decode_gif_indices(data: bytes, control: bytes, block: _Block) -> Picture:
    """The indices are OpenCV's colors of a still with a gray ramp for a table."""
    flags, at = data[block.start + 9], block.start + 10
    table = data[at : at + _table_size(flags)] or data[13 : 13 + _table_size(data[10])]
    sides = data[block.start + 5 : block.start + 9]
    start = b"GIF89a" + sides + b"\xf7\0\0" + _RAMP + b",\0\0\0\0" + sides + bytes([flags & 0x40])
    codes = data[block.content - 1 : block.end]
    indices = opencv.decode_still(start + codes + b";", formats.GIF)[..., 0].copy()
    count, clear = len(table) // 3, control[3] if control[0] & 1 else None
    if indices.max() >= count and (indices[indices >= count] != clear).any():
        raise DamageError("it is damaged: the GIF holds an index beyond its color table")
    palette = np.full((max(count, (clear or 0) + 1), 4), 255, np.uint8)
    palette[:count, 2::-1] = np.frombuffer(table, np.uint8).reshape(count, 3)
    if clear is not None:
        palette[clear, 3] = 0
    return Picture((indices,), formats.GIF, palette=palette)


# PBM, PGM, PPM (netpbm) and PFM

_TEXT_KINDS, _FLOAT = "123", "fF"
_FORMAT_OF = {"1": formats.PBM, "4": formats.PBM, "2": formats.PGM, "5": formats.PGM,
              "3": formats.PPM, "6": formats.PPM, "f": formats.PFM, "F": formats.PFM}  # fmt: skip
_NEXT = re.compile(rb"P[1-6fF][\s#]")
_WORD = re.compile(rb"#[^\n]*|[^\s#]+")


class _Plain(NamedTuple):
    """One picture of a file: what its header says and where its numbers lie."""

    kind: str
    """The character after the P."""
    shape: tuple[int, ...]
    maxval: int
    """The largest number; 255 where the header tells none."""
    dtype: np.dtype[Any]
    scale: float
    start: int
    end: int
    """Where numbers that are no text end."""


def _read_netpbm(data: bytes) -> Header:
    """Walk the headers of all pictures; their comments stay in the family."""
    pictures, missing = [_read_plain(data, 0)], []
    kind, start = pictures[0].kind, pictures[0].start
    while kind not in _TEXT_KINDS:
        end = pictures[-1].end
        if end > len(data):
            raise DamageError("it is truncated: it holds fewer pixels than its header says")
        following = re.compile(rb"\S").search(data, end)
        if following is None:
            break
        if kind in _FLOAT:
            missing.append("data after the picture")
            break
        if not _NEXT.match(data, following.start()):
            more = len(data) - end
            raise DamageError(f"it is damaged: {more} bytes follow its pixels that are no picture")
        pictures.append(_read_plain(data, following.start()))
    head = b"" if kind in _FLOAT else data if kind in _TEXT_KINDS else data[:start]
    comments = bytearray()
    for comment in re.finditer(rb"#[^\r\n]*", head):
        comments += comment[0] + b"\n"
    names = tuple(format.name for format in formats.NETPBM)
    verbatim = Verbatim(names, (Part(b"#", bytes(comments)),), ()) if comments else None
    sizes = tuple((picture.shape[0], picture.shape[1]) for picture in pictures)
    pixel_bytes = max(math.prod(plain.shape[2:]) * plain.dtype.itemsize for plain in pictures)
    return Header(_FORMAT_OF[kind], sizes, Metadata(verbatim=verbatim), tuple(missing),
                  details=pictures, pixel_bytes=pixel_bytes)  # fmt: skip


def _read_plain(data: bytes, at: int) -> _Plain:
    """Read the header that begins at `at`: one blank lies between it and its numbers."""
    kind, words, end = chr(data[at + 1]), list[bytes](), at
    for word in _WORD.finditer(data, at + 2):
        if word[0].startswith(b"#"):
            continue
        words.append(word[0])
        end = word.end()
        if len(words) == (2 if kind in "14" else 3):
            break
    integers = words[:2] if kind in _FLOAT else words
    if not all(map(bytes.isdigit, integers)) or not data[end : end + 1].isspace():
        raise DamageError("it is truncated or damaged: its header is not complete")
    width, height, maxval, scale = int(words[0]), int(words[1]), 255, 1.0
    dtype: np.dtype[Any] = np.dtype(np.uint8)
    if kind in "2356":
        maxval = int(words[2][:9])
        dtype = np.dtype("u1" if maxval < 256 else ">u2")
        if not 0 < maxval < 65536:
            raise DamageError(
                f"it is damaged: its header declares values up to {maxval}, not 1 to 65535"
            )
    elif kind in _FLOAT:
        scale = float(words[2])
        dtype = np.dtype("<f4" if scale < 0 else ">f4")
        if not scale or not math.isfinite(scale):
            raise DamageError("it is damaged: the scale in its header is not a number")
    shape = (height, width, 3) if kind in "36F" else (height, width)
    size = height * -(-width // 8) if kind == "4" else math.prod(shape) * dtype.itemsize
    start = end + 1
    if data[end : end + 2] == b"\r\n" and start + size < len(data):
        start += 1  # some programs write lines of Windows
    return _Plain(kind, shape, maxval, dtype, abs(scale), start, start + size)


def _decode_netpbm(data: bytes, header: Header, frame: int | None) -> Picture:
    """Read one picture or all."""
    pictures: list[_Plain] = header.details
    pictures = pictures if frame is None else pictures[frame : frame + 1]
    levels = {None if plain.maxval in (255, 65535) else plain.maxval for plain in pictures}
    if len(levels) > 1:
        raise ImageError("its pictures have different maximum values; choose one with --frame")
    frames = tuple(_plain_pixels(data, plain) for plain in pictures)
    return Picture(frames, header.format, maxval=levels.pop(), text=pictures[0].kind in _TEXT_KINDS)


def _plain_pixels(data: bytes, plain: _Plain) -> Array:
    """The pixels of one picture, (H, W) or (H, W, 3) with blue first."""
    kind, maxval = plain.kind, plain.maxval
    if kind in _TEXT_KINDS:
        numbers = _text_numbers(data, plain)
    else:
        numbers = np.frombuffer(
            data, plain.dtype, (plain.end - plain.start) // plain.dtype.itemsize, plain.start
        )
    if kind in "2356" and numbers.max() > maxval:
        raise DamageError(f"it is damaged: it holds a value outside 0 to {maxval}")
    if kind == "4":
        rows = numbers.reshape(plain.shape[0], -1)
        numbers = np.unpackbits(rows, axis=1, count=plain.shape[1])
    if kind in "14":
        numbers = np.where(numbers == 0, np.uint8(255), np.uint8(0))
    pixels = numbers.reshape(plain.shape).astype(plain.dtype.newbyteorder("="))
    if kind in _FLOAT:
        with np.errstate(all="ignore"):
            pixels = pixels[::-1] * np.float32(plain.scale)
    return pixels if pixels.ndim == 2 else pixels[..., ::-1]


def _text_numbers(data: bytes, plain: _Plain) -> Array:
    """Decimal numbers with blanks between them, which the digits of a bitmap do not need."""
    pieces, at = [], plain.start
    while (comment := data.find(b"#", at)) >= 0:
        pieces.append(data[at:comment])
        end = data.find(b"\n", comment)
        at = len(data) if end < 0 else end
    body = b"".join((*pieces, data[at:]))
    if re.search(rb"[^01\s]" if plain.kind == "1" else rb"[^\d\s]", body):
        raise DamageError("it is damaged: it holds a word that is not a number")
    if plain.kind == "1":
        numbers: Array = np.frombuffer(body.translate(None, b" \t\n\r\v\f"), np.uint8) - 48
    else:
        numbers = np.fromstring(body, np.int64, sep=" ")
    wanted = math.prod(plain.shape)
    if len(numbers) < wanted:
        raise DamageError("it is truncated: it holds fewer pixels than its header says")
    if len(numbers) > wanted:
        raise DamageError(f"it is damaged: it holds {len(numbers)} numbers where {wanted} belong")
    return numbers


def _netpbm_file(picture: Picture, format: Format) -> bytes:
    """Write the pictures one behind the other, as text where a single one came as text."""
    verbatim, text = picture.metadata.verbatim, picture.text and len(picture.frames) == 1
    comments = verbatim.parts[0].body if verbatim else b""
    out = []
    for pixels in picture.frames:
        height, width, *more = pixels.shape
        is_gray = more in ([], [1])
        ordered = pixels if is_gray else pixels[..., ::-1]
        if format is formats.PFM:
            kind, last = b"f" if is_gray else b"F", b"-1.0\n"
            body = ordered[::-1].astype("<f4").tobytes()
        elif format is formats.PBM:
            if not np.all((ordered == 0) | (ordered == 255)):
                raise ImageError(
                    "PBM cannot hold gray levels between black and white; use pgm or png"
                )
            kind, last, body = b"4", b"", np.packbits(ordered == 0, axis=1).tobytes()
        else:
            largest = picture.maxval or int(np.iinfo(pixels.dtype).max)
            kind, last = b"%d" % ((5 if is_gray else 6) - 3 * text), b"%d\n" % largest
            body = ordered.astype(pixels.dtype.newbyteorder(">")).tobytes()
            if text:
                rows = ordered.reshape(height, -1).tolist()
                form = b" ".join([b"%%%dd" % len(str(largest))] * len(rows[0])) + b"\n"
                body = b"".join(form % tuple(row) for row in rows)
        out.append(b"P%s\n%s%d %d\n%s%s" % (kind, comments, width, height, last, body))
    return b"".join(out)


# HDR (Radiance RGBE): a text header, then four bytes a pixel

_SIZE = rb"\n\n([-+])([XY]) (\d+) ([-+])([XY]) (\d+)\n"
_ORIENTATIONS = (b"Y-+", b"Y--", b"Y+-", b"Y++", b"X+-", b"X--", b"X-+", b"X++")
"""The axis of the lines, its direction and that of the other one, in the order of the numbers by
which EXIF tells how to turn them upright. Radiance counts Y upwards."""


def _read_hdr(data: bytes) -> Header:
    """Read the header, up to the line that tells the size."""
    size = re.search(_SIZE, data[:65536])
    if not size or size[2] == size[5]:
        raise DamageError("it is truncated or damaged: the HDR header tells no size")
    missing = []
    for line in data[: size.start()].splitlines()[1:]:
        name, _, value = line.partition(b"=")
        if line.startswith(b"#"):
            missing.append("comments")
        elif name == b"FORMAT" and value.strip() != b"32-bit_rle_rgbe":
            kind = f"an HDR picture of the kind {name_of(value)}"
            remedy = "convert it to RGBE, for example with `ra_xyze -r`"
            raise ImageError(f"it is {kind}, which is not read; {remedy}")
        elif name != b"FORMAT" and name_of(name):
            missing.append(f"HDR header {name_of(name)}")
    lines, pixels, start = int(size[3]), int(size[6]), size.end()
    flat, room = lines * pixels * 4, len(data) - start
    if 7 < pixels < 32768 and data[start : start + 2] == b"\2\2":  # run-length coded lines
        # A line is its mark, then for each of four components at least two bytes for 127 pixels.
        require_plausible(lines, pixels, lines * (4 + 8 * -(-pixels // 127)), room * 2)
    else:
        if room < flat and re.compile(rb"\x01\x01\x01[^\0]").search(data, start):
            kind = "an HDR picture with the run-length coding of before 1991"
            remedy = "convert it, for example with `ra_rgbe IN OUT`"
            raise ImageError(f"it is {kind}, which is not read; {remedy}")
        require_plausible(lines, pixels, flat, room)
    turn = _ORIENTATIONS.index(size[2] + size[1] + size[4]) + 1
    return Header(formats.HDR, ((lines, pixels),), left_out=tuple(missing), orientation=turn,
                  pixel_bytes=12)  # fmt: skip


def _decode_hdr(data: bytes, header: Header) -> Picture:
    """Decode the lines in the order of the file, as if they went down and to the right."""
    data = re.sub(_SIZE, b"\n\n-Y %d +X %d\n" % header.sizes[0], data, count=1)
    return Picture((opencv.decode_still(data, formats.HDR),), formats.HDR)


def _hdr_file(picture: Picture) -> bytes:
    """Encode with OpenCV; raise `ImageError` for what is not 0 or more and below 2**127.

    A byte of exponent holds no more, and OpenCV writes other numbers as 0 or as any other color.
    """
    pixels = picture.frames[0]
    if not (pixels.min() >= 0 and pixels.max() < 2.0**127):  # nor a NaN
        raise ImageError("HDR cannot hold values below 0, above 1.7e38 or NaN; use pfm, tif or npy")
    return opencv.encode_still(formats.HDR, pixels)
