"""What the headers of an encoded picture tell before it is decoded: format, sizes, wholeness.

Each format has one function that walks its parts. It raises `ImageError` when the walk shows that
data is missing or damaged, and returns the `Facts` otherwise.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, netpbm, tiff
from pooltool.images.formats import Format

MALFORMED = (struct.error, IndexError, ValueError)
"""What walking through broken headers raises where no check of ours comes first."""
Sizes = tuple[tuple[int, int], ...]
START_BYTES = 4096
"""So much of a file's start tells its format."""


class Facts(NamedTuple):
    """What the headers say."""

    format: Format
    sizes: Sizes
    """(height, width) of each frame or page, before any turning."""
    animated: bool = False
    orientation: int = 1
    """The turning that AVIF asks for, as an EXIF orientation."""
    maxval: int | None = None
    """Value of full brightness, where it is less than the dtype's largest."""
    transparent: int | None = None
    """The gray level that stands for transparent in a gray PNG."""
    cmyk: bool = False
    inverted: tuple[bool, ...] = ()
    """The TIFF pages whose 0 is white and that the decoder does not turn to black."""
    opaque: bool = False
    """True when a fourth channel means nothing: a BMP of the header without a mask for it."""
    premultiplied: bool = False
    """True when the colors are already multiplied with alpha."""


class Part(NamedTuple):
    """A segment, chunk or box: its name, what it holds, and where all of it begins."""

    name: bytes
    body: bytes
    at: int


def inspect(data: bytes) -> Facts:
    """Tell the format by content and walk its headers; raise `ImageError` when it is damaged."""
    examine = _examiner(data)
    try:
        return examine(data)
    except MALFORMED:
        raise DamageError("it is cut or damaged: a header ends too early") from None


def require_image(start: bytes) -> None:
    """Raise `ImageError` unless a file that starts like this is of a format that is read."""
    _examiner(start)


def _examiner(start: bytes) -> Callable[[bytes], Facts]:
    """What walks the headers of a file that starts like this."""
    if not start:
        raise ImageError("it is empty; save it again, or leave it out")
    for matches, examine in _INSPECTORS:
        if matches(start):
            return examine
    raise ImageError(
        "it is not an image in a format that pooltool reads; convert it, for example to PNG"
    )


def jpeg_segments(data: bytes) -> Iterator[Part]:
    """The segments from the start-of-image marker to the first scan, that one included."""
    at = 2
    while True:
        at = _past_fill(data, at)
        marker = data[at : at + 2]
        if len(marker) < 2 or marker[0] != 0xFF:
            raise DamageError("it is cut or damaged: the JPEG header has no picture behind it")
        size = struct.unpack_from(">H", data, at + 2)[0]
        yield Part(marker, data[at + 4 : at + 2 + size], at)
        if marker == b"\xff\xda":
            return
        at += 2 + size


def png_chunks(data: bytes, *, verify: bool = False) -> Iterator[Part]:
    """The chunks up to IEND; `verify` their checksums."""
    at = 8
    while True:
        size, name = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        if at + 12 + size > len(data):
            raise DamageError("it is cut: the PNG data ends in the middle")
        checksum = data[at + 8 + size : at + 12 + size]
        if verify and int.from_bytes(checksum, "big") != zlib.crc32(body, zlib.crc32(name)):
            raise DamageError(f"it is damaged: the checksum of its {_ascii(name)} chunk is wrong")
        yield Part(name, body, at)
        if name == b"IEND":
            return
        at += 12 + size


def png_chunk(name: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_png_chunks(data: bytes, chunks: bytes) -> bytes:
    """A PNG with more chunks, behind its signature of 8 bytes and its header chunk of 25."""
    after = 8 + 25
    return data[:after] + chunks + data[after:]


def riff_chunks(data: bytes, at: int = 12) -> Iterator[Part]:
    """The chunks of a WebP file, or of `data` from `at` on."""
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if at + 8 + size > len(data):
            raise DamageError("it is cut: the WebP data ends in the middle")
        if not name.strip(b"\0"):
            raise DamageError("it is damaged: zeros lie where a WebP chunk should begin")
        yield Part(name, data[at + 8 : at + 8 + size], at)
        at += 8 + size + size % 2


def boxes(data: bytes) -> Iterator[Part]:
    """The boxes of AVIF and JPEG 2000 files; a box in a box is read from the outer one's body."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = size or len(data) - at
        if size < head or at + size > len(data):
            raise DamageError("it is cut or damaged: the data ends in the middle of a box")
        yield Part(name, data[at + head : at + size], at)
        at += size


def box(data: bytes, *path: bytes) -> bytes | None:
    """The body of the first box on a path of names; None when there is none."""
    for name in path:
        body = next((part.body for part in boxes(data) if part.name == name), None)
        if body is None:
            return None
        data = body[4:] if name == b"meta" else body
    return data


def gif_blocks(data: bytes) -> Iterator[Part]:
    """The blocks of a GIF up to its trailer: images (`,`) and extensions (`!`)."""
    at = 13 + _color_table(data[10])
    while data[at : at + 1] != b";":
        kind = data[at : at + 1]
        if kind not in (b",", b"!"):
            raise DamageError("it is cut or damaged: the GIF data does not go on as it should")
        start = at + 2
        if kind == b",":
            start = at + 11 + _color_table(data[at + 9])
        end = start
        while data[end]:
            end += data[end] + 1
        yield Part(kind, data[at + 1 : end + 1], at)
        at = end + 1


def _jpeg(data: bytes) -> Facts:
    facts = None
    for segment in jpeg_segments(data):
        if segment.name[1] in _FRAME_MARKERS:
            _, height, width, channels = struct.unpack_from(">BHHB", segment.body)
            facts = Facts(formats.JPEG, ((height, width),), cmyk=channels == 4)
            # Huffman codes take at least one bit for each block of 8 x 8 pixels.
            if segment.name[1] < 0xC8:
                _require_plausible(height * width // 64, len(data) * 8, facts)
        scan = segment.at
    if facts is None:
        raise DamageError("it is damaged: the JPEG header tells no size")
    if data.find(b"\xff\xd9", scan) < 0:
        raise DamageError("it is cut: the JPEG data has no end-of-image marker")
    return facts


_FRAME_MARKERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}


def _png(data: bytes) -> Facts:
    parts = {part.name: part.body for part in png_chunks(data, verify=True)}
    if b"IHDR" not in parts or b"IDAT" not in parts:
        raise DamageError("it is damaged: the PNG has no header or no picture")
    width, height, bits, color = struct.unpack_from(">IIBB", parts[b"IHDR"])
    transparent = None
    if color == 0 and b"tRNS" in parts:
        level = struct.unpack(">H", parts[b"tRNS"])[0]
        transparent = level if bits > 8 else level * 255 // ((1 << bits) - 1)
    count = struct.unpack_from(">I", parts[b"acTL"])[0] if b"acTL" in parts else 1
    sizes = _repeated((height, width), count)
    facts = Facts(formats.PNG, sizes, b"acTL" in parts, transparent=transparent)
    # Deflate makes at most 1032 bytes of one.
    _require_plausible(height * width * bits // 8, len(data) * 1032, facts)
    return facts


def _webp(data: bytes) -> Facts:
    size = struct.unpack_from("<I", data, 4)[0]
    if size + 8 > len(data):
        raise DamageError("it is cut: the WebP data ends in the middle")
    chunks = list(riff_chunks(data[: size + 8]))
    frames = sum(part.name == b"ANMF" for part in chunks)
    height, width = webp_size(chunks[0])
    sizes = _repeated((height, width), max(1, frames))
    return Facts(formats.WEBP, sizes, animated=frames > 0)


def webp_size(first: Part) -> tuple[int, int]:
    """(height, width) as the first chunk of a WebP file tells them."""
    if first.name == b"VP8X":
        width, height = (int.from_bytes(first.body[at : at + 3], "little") + 1 for at in (4, 7))
    elif first.name == b"VP8L":
        bits = int.from_bytes(first.body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", first.body, 6))
    return height, width


def _gif(data: bytes) -> Facts:
    width, height = struct.unpack_from("<HH", data, 6)
    frames = sum(block.name == b"," for block in gif_blocks(data))
    if not frames:
        raise DamageError("it is damaged: the GIF holds no picture")
    return Facts(formats.GIF, _repeated((height, width), frames), animated=True)


def _tiff(data: bytes) -> Facts:
    pages = list(tiff.directories(data))
    sizes = tuple(_tiff_size(data, page) for page in pages)
    for page in pages:
        reason = _tiff_objection(page)
        if reason:
            raise ImageError(f"it is a TIFF with {reason}, which is not read; convert it first")
    premultiplied = any(page.numbers(338) == (1,) for page in pages)
    inverted = tuple(_min_is_white(page) and page.numbers(258) > (8,) for page in pages)
    return Facts(formats.TIFF, sizes, inverted=inverted, premultiplied=premultiplied)


def _tiff_size(data: bytes, page: tiff.Directory) -> tuple[int, int]:
    width, height = page.numbers(256), page.numbers(257)
    if not width or not height:
        raise DamageError("it is damaged: a TIFF page tells no size")
    for at, size in ((273, 279), (324, 325)):
        ends = map(sum, zip(page.numbers(at), page.numbers(size), strict=False))
        if max(ends, default=0) > len(data):
            raise DamageError("it is cut: a TIFF page lies beyond the end of the data")
    return height[0], width[0]


def _tiff_objection(page: tiff.Directory) -> str | None:
    """Why OpenCV would decode a page wrongly or not at all; None when it does it well."""
    bits, samples = set(page.numbers(258, (1,))), page.numbers(277, (1,))[0]
    kind, photometric = page.numbers(339, (1,))[0], page.numbers(262, (1,))[0]
    deepest = max(bits)
    separate = page.numbers(284, (1,)) == (2,) and samples > 1
    objections = (
        (samples not in (1, 3, 4), f"{samples} channels"),
        (len(bits) > 1 or deepest not in (1, 4, 8, 16, 32, 64), f"{deepest} bits a channel"),
        (kind == 3 and deepest == 16, "16-bit floating point values"),
        (separate and deepest != 8, f"separate planes of {deepest} bits"),
        (photometric not in (0, 1, 2, 3, 6), f"colors of kind {photometric}, not gray or RGB"),
        (_min_is_white(page) and kind != 1, "white as 0 in signed or floating point values"),
    )
    return next((reason for found, reason in objections if found), None)


def _min_is_white(page: tiff.Directory) -> bool:
    return page.numbers(262) == (0,)


def _bmp(data: bytes) -> Facts:
    header = struct.unpack_from("<I", data, 14)[0]
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)
    return Facts(formats.BMP, ((abs(height), width),), opaque=header == 40)


def _avif(data: bytes) -> Facts:
    meta = box(data, b"meta") or b""
    properties = list(boxes(box(meta, b"iprp", b"ipco") or b""))
    sizes = [struct.unpack_from(">4xII", part.body) for part in properties if part.name == b"ispe"]
    if not sizes:
        raise DamageError("it is damaged: the AVIF header tells no size")
    width, height = max(sizes)
    table = box(data, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz")
    count = struct.unpack_from(">8xI", table)[0] if table and data[8:12] == b"avis" else 1
    deep = next((part.body[2] for part in properties if part.name == b"av1C"), 0)
    maxval = {0x40: 1023, 0x60: 4095}.get(deep & 0x60)
    turn = _avif_orientation(properties)
    return Facts(formats.AVIF, _repeated((height, width), count), count > 1, turn, maxval)


def _avif_orientation(properties: list[Part]) -> int:
    """irot (quarter turns to the left), then imir (0: top to bottom), as EXIF numbers them."""
    turns = {part.name: part.body[-1] for part in properties if part.name in (b"irot", b"imir")}
    plain, top_down, left_right = ((1, 4, 2), (8, 5, 7), (3, 2, 4), (6, 7, 5))[
        turns.get(b"irot", 0) & 3
    ]
    return {None: plain, 0: top_down, 1: left_right}[turns.get(b"imir")]


def _jp2(data: bytes) -> Facts:
    code = box(data, b"jp2c") if data[4:8] == b"jP  " else data
    if code is None:
        raise DamageError("it is damaged: the JPEG 2000 file holds no picture")
    if not code.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise DamageError("it is cut: the JPEG 2000 data has no end marker")
    right, bottom, left, top = struct.unpack_from(">IIII", code, 8)
    bits = (code[42] & 0x7F) + 1
    maxval = None if bits in (8, 16) else (1 << bits) - 1
    return Facts(formats.JP2, ((bottom - top, right - left),), maxval=maxval)


def _hdr(data: bytes) -> Facts:
    found = re.search(rb"\n[-+]([XY]) (\d+) [-+][XY] (\d+)\n", data[:65536])
    if not found:
        raise DamageError("it is damaged: the HDR header tells no size")
    first, second = int(found[2]), int(found[3])
    return Facts(formats.HDR, ((first, second) if found[1] == b"Y" else (second, first),))


def _netpbm(data: bytes) -> Facts:
    headers = netpbm.headers(data)
    sizes = tuple((header.height, header.width) for header in headers)
    return Facts(headers[0].format, sizes)


def _npy(_: bytes) -> Facts:
    return Facts(formats.NPY, ())


def _require_plausible(least: int, most: int, facts: Facts) -> None:
    """Refuse a header that lies about the size, before memory is taken for its pixels."""
    if least > most:
        height, width = facts.sizes[0]
        raise DamageError(
            f"it is cut or damaged: its header tells of {height} x {width} pixels, "
            "more than its data can hold"
        )


def _repeated(size: tuple[int, int], count: int) -> Sizes:
    if not 0 < count <= _MAX_FRAMES:
        raise DamageError(f"it is damaged: its header tells of {count} frames")
    return (size,) * count


_MAX_FRAMES = 1 << 20


def _past_fill(data: bytes, at: int) -> int:
    """Skip the 0xFF bytes that may fill the space before a JPEG marker."""
    while data[at : at + 2] == b"\xff\xff":
        at += 1
    return at


def _color_table(flags: int) -> int:
    """Bytes of the color table that a GIF's packed flags tell of."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _ascii(name: bytes) -> str:
    return name.decode("ascii", "replace")


def _starts(*signatures: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(signatures)


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _is_avif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and bool(re.search(rb"avi[fs]", data[8:64]))


_INSPECTORS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Facts]], ...] = (
    (_starts(b"\xff\xd8\xff"), _jpeg),
    (_starts(b"\x89PNG\r\n\x1a\n"), _png),
    (_is_webp, _webp),
    (_starts(b"GIF87a", b"GIF89a"), _gif),
    (_starts(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
    (_is_avif, _avif),
    (_starts(b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"), _jp2),
    (_starts(b"#?RADIANCE", b"#?RGBE"), _hdr),
    (_starts(b"\x93NUMPY"), _npy),
    (netpbm.matches, _netpbm),
    (_starts(b"BM"), _bmp),
)
