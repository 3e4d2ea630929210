"""Small files that once took gigabytes or minutes, and their brothers: one table, by name.

All are made here, of nothing but bytes. `test_hostile` measures what they take.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
from samples import pil, png_chunk

WORD = struct.Struct(">I").pack


# PNG


def png_file(*parts: tuple[bytes, bytes], size: tuple[int, int] = (2, 2), color: int = 0) -> bytes:
    """A PNG of zeros with chunks between its header and its pixels."""
    (height, width), count = size, {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    pixels = zlib.compress(bytes((1 + count * width) * height))
    chunks = [(b"IHDR", header), *parts, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in chunks)


def text_bomb(name: bytes, start: bytes, content: bytes) -> bytes:
    """A PNG whose one chunk inflates to a thousand times its size."""
    return png_file((name, start + zlib.compress(content, 9)))


def png_many(count: int, *parts: tuple[bytes, bytes]) -> bytes:
    return png_file(*parts * count)


def apng(frames: int, size: tuple[int, int] = (2, 2)) -> bytes:
    """An animation whose frames are one pixel each."""
    pixel, number, parts = zlib.compress(bytes(2)), 0, [(b"acTL", WORD(frames) + WORD(0))]
    for frame in range(frames):
        sides = (2, 2) if not frame and size == (2, 2) else (1, 1) if frame else size[::-1]
        control = struct.pack(">IIIIIHHBB", number, *sides, 0, 0, 1, 1, 0, 0)
        parts.append((b"fcTL", control))
        number += 1
        if frame:
            parts.append((b"fdAT", WORD(number) + pixel))
            number += 1
    first, rest = parts[:2], parts[2:]
    whole = png_file(*first, size=size)
    return whole[:-12] + b"".join(png_chunk(*part) for part in rest) + whole[-12:]


# JPEG

JPEG = pil(np.arange(64, dtype=np.uint8).reshape(8, 8), "JPEG")


def segment(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def jpeg_many(count: int, code: int, body: bytes) -> bytes:
    """A JPEG with many equal segments."""
    return JPEG[:2] + segment(code, body) * count + JPEG[2:]


def jpeg_exif(block: bytes) -> bytes:
    return JPEG[:2] + segment(0xE1, b"Exif\0\0" + block) + JPEG[2:]


def jpeg_scans(count: int, side: int = 4096) -> bytes:
    """A progressive JPEG whose scans hold next to nothing, and take as long as its pixels."""
    done, data = cv2.imencode(".jpg", np.zeros((8, 8), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert done
    file = bytearray(data.tobytes())
    at = file.index(b"\xff\xc2")
    struct.pack_into(">HH", file, at + 5, side, side)
    scan = file.index(b"\xff\xda")
    table = segment(0xC4, b"\x10" + bytes([1]) + bytes(15) + b"\xe0")  # one code: 2**14 blocks end
    zeros = bytes(8 * (side // 8) ** 2 // (1 << 14) // 8 + 64)
    refinements = segment(0xDA, b"\1\1\0\1\x3f\0") + zeros
    return bytes(file[:scan]) + table + refinements * count + b"\xff\xd9"


# TIFF and EXIF


def directory(entries: Sequence[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """A little-endian directory of (tag, type, count, value or position)."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<H", len(entries)) + body + struct.pack("<I", following)


def tags_file(entries: Sequence[tuple[int, int, int, int]], behind: bytes = b"") -> bytes:
    """A TIFF file or EXIF block of one directory."""
    return b"II*\0\x08\0\0\0" + directory(entries) + behind


def picture_tags(height: int, width: int, **more: int) -> list[tuple[int, int, int, int]]:
    """The tags of a gray picture of one strip at byte 8."""
    numbers = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height,
               279: height * width}  # fmt: skip
    numbers |= {int(tag[1:]): value for tag, value in more.items()}
    return [(tag, 4, 1, value) for tag, value in sorted(numbers.items()) if value >= 0]


def shared_tags(count: int, start: int = 1000) -> bytes:
    """Tags whose values are all of the file."""
    size = 8 + 2 + 12 * (count + 9) + 4
    own = picture_tags(2, 2)
    return tags_file([*own, *((start + number, 7, size - 1, 1) for number in range(count))])


def shared_exif(count: int, start: int = 1000) -> bytes:
    size = 8 + 2 + 12 * count + 4
    return tags_file([(start + number, 7, size - 1, 1) for number in range(count)])


def overlapping_strips(count: int, compression: int = 1, rows: int = 1) -> bytes:
    """Strips that all lie on the same bytes."""
    at = 8 + 2 + 12 * 9 + 4
    strip = 1 << 16
    offsets, sizes, body = at, at + 4 * count, at + 8 * count
    data = zlib.compress(bytes(strip * rows), 9) if compression == 8 else bytes(strip * rows)
    tags = {256: (4, 1, strip), 257: (4, 1, count * rows), 258: (3, 1, 8),
            259: (3, 1, compression), 262: (3, 1, 1), 273: (4, count, offsets), 277: (3, 1, 1),
            278: (4, 1, rows), 279: (4, count, sizes)}  # fmt: skip
    tables = struct.pack("<I", body) * count + struct.pack("<I", len(data)) * count
    return tags_file([(tag, *value) for tag, value in tags.items()], tables + data)


def large_tiff(height: int, width: int, samples: int, bits: int) -> bytes:
    """A TIFF whose samples take far more memory than its pixels are many."""
    size = 1000
    more = {"t259": 8, "t277": samples, "t258": bits, "t279": size, "t262": 1, "t339": 1}
    return tags_file(picture_tags(height, width, **more), bytes(size))


def png_header(height: int, width: int, bits: int, color: int) -> bytes:
    """A PNG whose pixels are nothing that inflates, as long as they have to be to be believed."""
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", bytes(height * width * bits // 8000)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in chunks)


def tiff_pages(count: int) -> bytes:
    """Directories that share one strip."""
    out, size = bytearray(b"II*\0" + struct.pack("<I", 12) + b"\0\0\0\0"), 2 + 12 * 9 + 4
    for page in range(count):
        following = 12 + (page + 1) * size if page + 1 < count else 0
        out += directory(picture_tags(2, 2), following)
    return bytes(out)


def planes(count: int, side: int = 1) -> bytes:
    """ImageJ's way to tell of many planes in one directory."""
    text = b"ImageJ=1.53\nimages=%d\n\0" % count
    tags = [*picture_tags(side, side), (270, 2, len(text), 8 + 2 + 12 * 10 + 4)]
    return tags_file(sorted(tags), text)


def huge(**tags: int) -> bytes:
    """A TIFF whose header tells of much and whose data is next to nothing."""
    return tags_file(picture_tags(tags.pop("height", 1), tags.pop("width", 1), **tags), bytes(64))


# ISO boxes


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, name) + body


def full(name: bytes, body: bytes, version: int = 0) -> bytes:
    return box(name, bytes([version, 0, 0, 0]) + body)


def avif(
    items: int = 1, extents: int = 1, shared: int = 0, entries: bytes = b"", depth: int = 0
) -> bytes:
    """An AVIF of boxes: `items` items, of which the first has `extents` pieces that are the whole
    file, and `shared` properties of as many bytes that each item has.
    """
    start = box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")
    infe = b"".join(
        full(b"infe", struct.pack(">HH4sB", number, 0, b"Exif" if number > 1 else b"av01", 0), 2)
        for number in range(1, items + 1)
    )
    pieces = struct.pack(">HHH", 1, 0, extents) + struct.pack(">II", 0, 4000) * extents
    iloc = struct.pack(">BBH", 0x44, 0, items) + pieces
    for number in range(2, items + 1):
        iloc += struct.pack(">HHHII", number, 0, 1, 0, 64)
    ispe = full(b"ispe", WORD(16) + WORD(16))
    wide = box(b"abcd", bytes(shared))
    marks = bytes([min(255, 1 + (255 if shared else 0)), 1, *[2] * (254 if shared else 0)])
    ipma = WORD(items) + b"".join(struct.pack(">H", n) + marks for n in range(1, items + 1))
    props = box(b"iprp", box(b"ipco", ispe + (wide if shared else b"")) + full(b"ipma", ipma))
    nested = b""
    for _ in range(depth):
        nested = box(b"meta", bytes(4) + nested)
    meta = full(b"hdlr", bytes(4) + b"pict" + bytes(13)) + full(b"pitm", b"\0\1")
    meta += full(b"iinf", struct.pack(">H", items) + infe) + full(b"iloc", iloc) + props + nested
    return start + full(b"meta", meta) + entries + box(b"mdat", bytes(4000))


def codestream(side: int, tile: int = 0, levels: int = 0, block: int = 4, precinct: int = -1,
               channels: int = 1, layers: int = 1) -> bytes:  # fmt: skip
    """A JPEG 2000 codestream of an empty tile."""
    tile = tile or side
    siz = struct.pack(">HIIIIIIIIH", 0, side, side, 0, 0, tile, tile, 0, 0, channels)
    siz += b"\7\1\1" * channels
    cod = struct.pack(">BBHBBBBBB", int(precinct >= 0), 0, layers, 0, levels, block - 2, block - 2,
                      0, 1)  # fmt: skip
    cod += bytes([precinct * 17]) * (levels + 1) if precinct >= 0 else b""
    qcd = bytes([0x40, *[0x40] * (3 * levels + 1)])

    def marker(code: int, body: bytes) -> bytes:
        return struct.pack(">HH", code, len(body) + 2) + body

    head = b"\xff\x4f" + marker(0xFF51, siz) + marker(0xFF52, cod) + marker(0xFF5C, qcd)
    body = b"\xff\x93" + bytes(16 + (side * side >> 18))
    return head + marker(0xFF90, struct.pack(">HIBB", 0, 12 + len(body), 0, 1)) + body + b"\xff\xd9"


# Others


def gif(*blocks: bytes, size: tuple[int, int] = (1, 1)) -> bytes:
    height, width = size
    table = bytes(6)
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", width, height, 0x80, 0, 0)
        + table
        + b"".join(blocks)
        + b";"
    )


def gif_frame(height: int = 1, width: int = 1, codes: bytes = b"\x44\x01") -> bytes:
    packed = b"".join(
        bytes([len(codes[at : at + 255])]) + codes[at : at + 255]
        for at in range(0, len(codes), 255)
    )
    return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02" + packed + b"\0"


def gif_codes(pixels: int) -> bytes:
    """LZW codes of one color: each stands for one pixel more than the one before it, until the
    table is full or the next would be too long; then it is cleared. The first code has 3 bits.
    """
    words = ["100"]
    while pixels:
        words.append("000")
        pixels, count = pixels - 1, 6
        while count < 4095 and count - 4 <= pixels:
            words.append(f"{count:0{count.bit_length()}b}")
            pixels, count = pixels - (count - 4), count + 1
        words.append(f"{4 if pixels else 5:0{count.bit_length()}b}")
    bits = "".join(reversed(words))
    return int(bits, 2).to_bytes(-(-len(bits) // 8), "little")


def riff(*parts: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for name, content in parts
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp(frames: int, side: int, *more: tuple[bytes, bytes], kind: bytes = b"\x02") -> bytes:
    """An animation of frames of one pixel on a large canvas."""
    still = pil(np.zeros((1, 1, 3), np.uint8), "WEBP", lossless=True)[12:]
    sides = (side - 1).to_bytes(3, "little") * 2
    frame = (b"ANMF", bytes(6) + bytes(6) + bytes(3) + b"\0" + still)
    return riff((b"VP8X", kind + bytes(3) + sides), (b"ANIM", bytes(6)), *[frame] * frames, *more)


def webp_still(*more: tuple[bytes, bytes]) -> bytes:
    still = pil(np.zeros((1, 1, 3), np.uint8), "WEBP", lossless=True)[20:]
    return riff((b"VP8X", b"\x0c" + bytes(9)), (b"VP8L", still), *more)


def npy(words: bytes, data: bytes = b"", version: int = 1) -> bytes:
    size = struct.pack("<H" if version == 1 else "<I", len(words))
    return b"\x93NUMPY" + bytes([version, 0]) + size + words + data


def npy_header(descr: bytes, shape: bytes) -> bytes:
    return npy(b"{'descr': %s, 'fortran_order': False, 'shape': %s}\n" % (descr, shape), bytes(64))


def tiff_coded(compression: int, body: bytes, samples: int = 1) -> bytes:
    """A TIFF of 4 x 4 pixels whose data says itself that it is larger."""
    more = {"t259": compression, "t277": samples, "t262": 2 if samples == 3 else 1}
    tags = picture_tags(4, 4, t279=len(body), t273=8 + 2 + 12 * 9 + 4, **more)
    return tags_file(tags, body)


def flat(format: str, channels: int = 1, **settings: Any) -> bytes:
    """A large picture of one color."""
    shape = (8000, 8000) if channels == 1 else (8000, 8000, channels)
    return pil(np.zeros(shape, np.uint8), format, **settings)


def tga(kind: int) -> bytes:
    size = struct.pack("<HHHH", 0, 0, 30000, 30000)
    return bytes((0, 0, kind, 0, 0, 0, 0, 0)) + size + b"\x18\0" + b"\xff\0\0\0" * 10


def psd(channels: int) -> bytes:
    sizes = struct.pack(">HIIHH", channels, 30000, 30000, 8, 3)
    return b"8BPS\0\1" + bytes(6) + sizes + bytes(12) + b"\0\1" + bytes(1000)


def dds() -> bytes:
    start = b"DDS " + struct.pack("<IIIII", 124, 0x1007, 30000, 30000, 0)
    return start.ljust(76, b"\0") + struct.pack("<II4s", 32, 4, b"DXT1") + bytes(1040)


def pcx() -> bytes:
    start = b"\x0a\5\1\x08" + struct.pack("<HHHH", 0, 0, 29999, 29999) + bytes(52) + b"\0\3"
    return start + struct.pack("<H", 30000) + bytes(58) + b"\xff\0" * 1000


def ico() -> bytes:
    """An icon of 16 x 16 whose PNG is another one."""
    body = flat("PNG")
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(body), 22) + body


def bmp(height: int, width: int, bits: int, coding: int, body: bytes, used: int = 0) -> bytes:
    header = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, bits, coding, len(body), 0, 0, used, 0
    )
    table = bytes(4 << bits) if bits <= 8 else b""
    return struct.pack("<2sIII", b"BM", 0, 0, 54 + len(table)) + header + table + body


HDR = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n"
BLANKS = b" " * (2 << 20)
XMP = b"http://ns.adobe.com/xap/1.0/\0"


FILES: dict[str, Callable[[], bytes]] = {
    # Texts that inflate
    "png-ztxt-digits": partial(
        text_bomb, b"zTXt", b"Raw profile type exif\0\0", b"\nexif\n9\n" + b"4 " * (32 << 20)
    ),
    "png-ztxt-blanks": partial(text_bomb, b"zTXt", b"Raw profile type xmp\0\0", b" " * (64 << 20)),
    "png-ztxt-other": partial(text_bomb, b"zTXt", b"Comment\0\0", b"x" * (64 << 20)),
    "png-itxt-xmp": partial(
        text_bomb, b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0", b"<a>" * (20 << 20)
    ),
    "png-itxt-orientation": partial(
        text_bomb, b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0", b"tiff:Orientation " * (2 << 20)
    ),
    "png-iccp": partial(text_bomb, b"iCCP", b"icc\0\0", bytes(64 << 20)),
    "png-many-ztxt": lambda: png_file(
        *[
            (
                b"zTXt",
                b"Raw profile type APP1\0\0" + zlib.compress(b"\nexif\n9\n" + b"45" * (1 << 20), 9),
            )
        ]
        * 50
    ),
    "png-many-iccp": lambda: png_file(
        *[(b"iCCP", b"icc\0\0" + zlib.compress(bytes(16 << 20), 9))] * 20
    ),
    # Walks
    "png-100000-chunks": partial(png_many, 100_000, (b"abCd", b"")),
    "png-100000-texts": partial(png_many, 100_000, (b"tEXt", b"a\0b")),
    "png-100000-idat": lambda: (
        png_file()[:-12] + png_chunk(b"IDAT", b"") * 100_000 + png_chunk(b"IEND", b"")
    ),
    "apng-5000-frames": partial(apng, 5000),
    "apng-2000-frames-of-a-large-canvas": partial(apng, 2000, (700, 700)),
    "apng-control-only": lambda: png_file(
        (b"acTL", WORD(50_000) + WORD(0)),
        *[(b"fcTL", struct.pack(">IIIIIHHBB", n, 2, 2, 0, 0, 1, 1, 0, 0)) for n in range(50_000)],
    ),
    "jpeg-20000-exif": partial(jpeg_many, 20_000, 0xE1, b"Exif\0\0abc"),
    "jpeg-20000-exif-starts": partial(jpeg_many, 20_000, 0xE1, b"Exif\0\0II*\0"),
    "jpeg-100000-comments": partial(jpeg_many, 100_000, 0xFE, b""),
    "jpeg-100000-names": partial(jpeg_many, 100_000, 0xE5, b"abc"),
    "jpeg-20000-icc": lambda: (
        JPEG[:2]
        + b"".join(
            segment(0xE2, b"ICC_PROFILE\0" + bytes([n & 255, 255, 1, 2])) for n in range(20_000)
        )
        + JPEG[2:]
    ),
    "jpeg-20000-app13": partial(jpeg_many, 20_000, 0xED, b"Photoshop 3.0\0008BIM\4\4\0\0\0\0\0\0"),
    "jpeg-app13-resources": lambda: jpeg_many(
        50, 0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0" * 5000
    ),
    "jpeg-20000-xmp": partial(jpeg_many, 20_000, 0xE1, XMP + b"tiff:Orientation='6'"),
    "png-xmp-open-elements": lambda: png_file(
        (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + b"<tiff:Orientation " * 100_000)
    ),
    "png-xmp-attributes": lambda: png_file(
        (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + b" tiff:Orientation='6'" * 100_000)
    ),
    "png-xmp-thumbnails": lambda: png_file(
        (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + b"<xmp:Thumbnails>" * 100_000)
    ),
    "png-xmp-spaces": lambda: png_file(
        (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + (b"tiff:" + b" " * 2000) * 1000)
    ),
    "jpeg-fill-bytes": lambda: JPEG[:2] + b"\xff" * (1 << 20) + JPEG[2:],
    "jpeg-junk": lambda: JPEG[:-2] + b"\xff\xd0" * (1 << 19) + JPEG[-2:],
    "jpeg-1000-scans": partial(jpeg_scans, 1000),
    "gif-200000-comments": lambda: gif(b"!\xfe\1a\0" * 200_000, gif_frame()),
    "gif-200000-controls": lambda: gif(b"!\xf9\4\0\0\0\0\0" * 200_000, gif_frame()),
    "gif-20000-frames": lambda: gif(gif_frame() * 20_000),
    "gif-frames-of-a-large-canvas": lambda: gif(gif_frame() * 3000, size=(600, 600)),
    "gif-frames-beyond-the-canvas": lambda: gif(
        gif_frame(), gif_frame(8000, 8000, gif_codes(64_000_000)) * 8
    ),
    "gif-frame-at-the-far-corner": lambda: gif(
        gif_frame(), b",\xff\xff\0\0" + gif_frame(2, 2, gif_codes(4))[5:]
    ),
    "gif-small-pieces": lambda: gif(
        b"!\xff\x0bXMP DataXMP" + b"\1a" * 500_000 + b"\0", gif_frame()
    ),
    "gif-one-piece-a-code": lambda: gif(gif_frame()[:-1] + b"\1\0" * 500_000 + b"\0"),
    "webp-100000-chunks": lambda: webp_still(*[(b"abcd", b"")] * 100_000),
    "webp-10000-frames": partial(webp, 10_000, 4),
    "webp-frames-of-a-large-canvas": partial(webp, 4, 16_000),
    "webp-exif-many": lambda: webp_still(*[(b"EXIF", shared_exif(50))] * 2000),
    "netpbm-100000-pictures": lambda: b"P5 1 1 255\n\0" * 100_000,
    "netpbm-comments": lambda: b"P5 " + b"#\n" * 500_000 + b"1 1 255\n\0",
    "netpbm-blanks": lambda: b"P2" + BLANKS + b"1" + BLANKS + b"1" + BLANKS + b"255 7",
    "netpbm-blanks-no-number": lambda: b"P5" + BLANKS + b"x",
    "netpbm-blanks-cr": lambda: b"P6" + b"\r\n#\r" * (1 << 19) + b"x",
    "netpbm-blank-pixels": lambda: b"P2 2 2 255\n1" + BLANKS + b"2 3 4",
    "netpbm-comment-pixels": lambda: b"P2 2 2 255\n" + b"#\n" * (1 << 20) + b"1 2 3 4",
    "netpbm-digits": lambda: b"P2 1 1 255\n" + b"0" * (1 << 20) + b"7",
    "netpbm-header-digits": lambda: b"P5 " + b"1" * (1 << 20) + b" 1 255\n\0",
    "netpbm-text-of-a-large-header": lambda: b"P3 30000 10000 255\n" + b"0 " * 1000,
    "netpbm-many-numbers": lambda: b"P1 1 1\n" + b"1" * (4 << 20),
    "pfm-blanks": lambda: b"PF" + BLANKS + b"1" + BLANKS + b"x",
    "pfm-digits": lambda: b"Pf 1 1 " + b"1e" * (1 << 19) + b"\n\0\0\0\0",
    "hdr-lines": lambda: HDR + b"A=b\n" * 15_000 + b"\n-Y 1 +X 1\n\0\0\0\0",
    "hdr-runs": lambda: HDR + b"\n-Y 30000 +X 30000\n" + b"\2\2\x75\x30" + bytes(4000),
    # Tags
    "tiff-shared-tags": partial(shared_tags, 5400),
    "tiff-shared-known-tags": partial(shared_tags, 400, 33000),
    "tiff-no-sizes": partial(huge, height=1 << 14, width=1 << 13, t278=1, t279=-1),
    "tiff-no-sizes-tall": partial(huge, height=1 << 27, width=1, t278=1, t279=-1),
    "tiff-strips-short": partial(huge, height=1 << 20, width=1 << 9, t278=1),
    "tiff-million-planes": partial(planes, 1 << 20),
    "tiff-million-planes-large": partial(planes, 1 << 20, 30),
    "tiff-overlapping-strips": partial(overlapping_strips, 1000),
    "tiff-overlapping-deflated": partial(overlapping_strips, 1000, 8, 16),
    "tiff-overlapping-packbits": lambda: overlapping_strips(1000, 32773),
    "tiff-20000-pages": partial(tiff_pages, 20_000),
    "tiff-65535-samples": partial(huge, height=500, width=500, t277=65535, t279=1 << 30),
    "tiff-deep-bands": lambda: large_tiff(1 << 13, 1 << 13, 100, 64),
    "tiff-deep": lambda: large_tiff(1 << 14, 1 << 14, 4, 64),
    "png-deep": lambda: png_header(32_000, 32_000, 16, 6),
    "tiff-fax": partial(huge, height=1 << 15, width=1 << 14, t258=1, t259=4, t279=64),
    "tiff-fax-wide": partial(huge, height=1, width=1 << 30, t258=1, t259=3, t279=64),
    "tiff-lzw-wide": partial(huge, height=1, width=1 << 29, t259=5, t279=64),
    "tiff-huge-tile": partial(huge, t322=1 << 30, t323=1, t324=8, t325=64, t259=8),
    "tiff-tiles-of-nothing": partial(
        huge, height=1 << 14, width=1 << 14, t322=1, t323=1, t324=8, t325=1
    ),
    "tiff-zero-width-strips": partial(huge, height=1 << 30, width=1, t278=1 << 30, t279=1),
    "exif-shared-tags": lambda: jpeg_exif(shared_exif(5400)),
    "exif-shared-known-tags": lambda: jpeg_exif(shared_exif(1200, 0x9000)),
    "exif-shared-tags-png": lambda: png_file((b"eXIf", shared_exif(50_000, 1))),
    "exif-shared-tags-webp": lambda: webp_still((b"EXIF", shared_exif(50_000, 1))),
    "exif-segments": lambda: (
        JPEG[:2]
        + b"".join(
            segment(0xE1, b"Exif\0\0" + part)
            for part in [
                shared_exif(50_000, 1)[at : at + 60_000] for at in range(0, 600_000, 60_000)
            ]
        )
        + JPEG[2:]
    ),
    "exif-circle": lambda: jpeg_exif(
        tags_file([(0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0xA005, 4, 1, 8)])
    ),
    "exif-many-pointers": lambda: jpeg_exif(tags_file([(0x8769, 4, 1, 8)] * 5000)),
    "exif-pages": lambda: png_file((b"eXIf", tiff_pages(60_000))),
    "tiff-of-lerc": lambda: tiff_coded(
        34887, b"Lerc2 " + struct.pack("<iI7i", 3, 0, 30000, 30000, 1, 8, 60, 1, 1) + bytes(60)
    ),
    "tiff-of-no-jpeg-xl": lambda: tiff_coded(50002, bytes(20)),
    "tiff-of-no-webp": lambda: tiff_coded(50001, bytes(20)),
    "tiff-of-webp": lambda: tiff_coded(50001, flat("WEBP", 3, lossless=True, method=0), 3),
    "tiff-of-png": lambda: tiff_coded(34933, flat("PNG")),
    "tiff-of-jpeg-2000": lambda: tiff_coded(34712, codestream(4096, precinct=0)),
    # Boxes
    "avif-20000-items": partial(avif, 20_000),
    "avif-60000-extents": partial(avif, 1, 60_000),
    "avif-exif-extents": lambda: avif(2, 1).replace(
        struct.pack(">HHHII", 2, 0, 1, 0, 64), struct.pack(">HHHII", 2, 0, 1, 0, 4000)
    ),
    "avif-shared-property": partial(avif, 1, 1, 1 << 20),
    "avif-shared-property-items": partial(avif, 1000, 1, 1 << 16),
    "avif-deep": lambda: avif(depth=20_000),
    "avif-100000-boxes": lambda: avif(entries=box(b"free", b"") * 100_000),
    "avif-100000-unknown-boxes": lambda: avif(entries=box(b"abcd", b"") * 100_000),
    "jp2-precincts": partial(codestream, 4096, precinct=1, levels=0),
    "jp2-precincts-of-one": partial(codestream, 4096, precinct=0, levels=0),
    "jp2-small-precincts-in-levels": partial(codestream, 8192, precinct=1, levels=5),
    "jp2-small-blocks": partial(codestream, 16_000, block=2, levels=5),
    "jp2-tiles": partial(codestream, 60_000, tile=236, levels=5),
    "jp2-layers": partial(codestream, 64, layers=65_535, levels=5),
    "jp2-channels": partial(codestream, 64, channels=16_384),
    # What Pillow reads
    "tga-runs": partial(tga, 10),
    "tga-raw": partial(tga, 2),
    "qoi-runs": lambda: b"qoif" + struct.pack(">IIBB", 30000, 30000, 4, 0) + b"\xfd" * 100,
    "psd": partial(psd, 3),
    "psd-channels": partial(psd, 56),
    "dds": dds,
    "pcx": pcx,
    "ico-png": ico,
    # Headers of arrays
    "npy-hex": lambda: npy(
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (0x" + b"f" * 50_000 + b", 2)}\n"
    ),
    "npy-digits": lambda: npy_header(b"'<f4'", b"(" + b"9" * 5000 + b", 2)"),
    "npy-deep": lambda: npy_header(b"'<f4'", b"(" * 30_000),
    "npy-deep-lists": lambda: npy_header(b"[" * 30_000, b"(1, 2)"),
    "npy-minus": lambda: npy_header(b"'<f4'", b"-" * 60_000 + b"1"),
    "npy-sum": lambda: npy_header(b"'<f4'", b"1" + b"+1j" * 20_000),
    "npy-many-numbers": lambda: npy_header(b"'<f4'", b"(" + b"1," * 30_000 + b")"),
    "npy-fields": lambda: npy_header(
        b"[" + b"".join(b"('f%d','<f4')," % n for n in range(4000)) + b"]", b"(1, 2)"
    ),
    "npy-long-text": lambda: npy_header(b"'" + b"x" * 60_000 + b"'", b"(1, 2)"),
    "npy-large-shape": lambda: npy_header(b"'<f8'", b"(1000000, 1000000)"),
    "npy-subarray": lambda: npy_header(b"('<f8', (100000, 100000))", b"(1, 2)"),
    "npy-large-item": lambda: npy_header(b"'<U200000000'", b"(1, 2)"),
    "npy-header-length": lambda: b"\x93NUMPY\2\0\xff\xff\xff\x7f{" + bytes(100),
    # Others
    "bmp-rle-rows": lambda: bmp(1 << 16, 1, 8, 1, b"\0\0" * (1 << 18) + b"\0\1"),
    "bmp-rle-codes": lambda: bmp(1, 1, 8, 1, b"\1\1" * (1 << 18) + b"\0\1"),
    "bmp-rle-large": lambda: bmp(15_000, 15_000, 8, 1, b"\xff\0" * 1000),
    "bmp-rle-wide": lambda: bmp(1, 1 << 30, 4, 2, b"\xff\0" * 1000),
    "bmp-huge": lambda: bmp(1 << 15, 1 << 15, 1, 0, bytes(100)),
    "bmp-used-colors": lambda: bmp(1, 1, 8, 0, bytes(4), used=0xFFFFFFFF),
}
