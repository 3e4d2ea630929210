"""Kinds of BMP, GIF, HDR and netpbm files, and files of other kinds that are named.

The pixels are told by hand: each file is put together from numbers that the test knows.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence

import numpy as np
from kind import Array, Kind
from numpy.typing import ArrayLike
from PIL import Image

from pooltool import images
from pooltool.images import Picture, formats

WIDTH, HEIGHT = 5, 3
RNG = np.random.default_rng(13)
COLORS = RNG.integers(0, 256, (256, 3), dtype=np.uint8)
"""Red, green and blue of each index."""


def made(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def shown(*frames: Array) -> Callable[[], Sequence[Array]]:
    return lambda: frames


# BMP


def bmp_of(
    rows: Sequence[bytes],
    bits: int,
    coding: int = 0,
    *,
    header: int = 40,
    masks: Sequence[int] = (),
    palette: Array = COLORS[:0],
    height: int = HEIGHT,
    used: int | None = None,
    density: int = 0,
) -> bytes:
    """A BMP file; rows from the lowest one up, each padded to four bytes."""
    body = b"".join(row.ljust(-(-len(row) // 4) * 4 if coding not in (1, 2) else 0, b"\0")
                    for row in rows)  # fmt: skip
    told = struct.pack(f"<{len(masks)}I", *masks)
    if header == 12:
        head = struct.pack("<IHHHH", 12, WIDTH, height, 1, bits)
    else:
        used = len(palette) if used is None else used
        head = struct.pack("<IiiHHIIii", header, WIDTH, height, 1, bits, coding, 0, density, 0)
        head = (head + struct.pack("<II", used, 0))[:header]
        head = head + told if header == 40 else (head + told).ljust(header, b"\0")
    entry = 3 if header == 12 else 4
    table = b"".join(bytes(color[::-1]).ljust(entry, b"\0") for color in palette)
    start = 14 + len(head) + len(table)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + head + table + body


def numbers(bits: int) -> Array:
    kind = {16: np.uint16, 32: np.uint32}.get(bits, np.uint8)
    return RNG.integers(0, 1 << bits, (HEIGHT, WIDTH)).astype(kind)


def packed(indices: Array, bits: int) -> list[bytes]:
    """Rows of numbers below 8 bits, the lowest row first."""
    rows = []
    for row in indices[::-1]:
        text = "".join(format(value, f"0{bits}b") for value in row)
        text = text.ljust(-(-len(text) // 8) * 8, "0")
        rows.append(int(text, 2).to_bytes(len(text) // 8, "big"))
    return rows


def masked(values: Array, masks: Sequence[int]) -> Array:
    """The bits of each mask, stretched to 0 to 255."""
    out = np.zeros((*values.shape, len(masks)), np.uint8)
    for at in np.ndindex(out.shape):
        mask = masks[at[-1]]
        low = mask & -mask
        out[at] = (int(values[at[:2]]) & mask) // low * 255 // (mask // low)
    return out


def plain(values: Array) -> list[bytes]:
    return [row.astype(row.dtype.newbyteorder("<")).tobytes() for row in values[::-1]]


PILLOW = "pillow"


def pillow_kind(name: str, data: bytes, right: Array) -> Kind:
    return Kind(f"BMP, {name}", made(data), shown(right), needs=PILLOW)


def odd_kind(name: str, data: bytes) -> Kind:
    """A file that Pillow reads neither."""
    return Kind(f"BMP, {name}", made(data), refusal="a kind of BMP that is not read", needs=PILLOW)


def coded_kind(coding: int, bits: int) -> Kind:
    """A file of each coding that is read."""
    name = f"BMP, compression {coding}, {bits} bits"
    values = numbers(bits)
    if coding == 0 and bits <= 8:
        data = bmp_of(packed(values, bits), bits, palette=COLORS[: 1 << bits])
        return Kind(name, made(data), shown(COLORS[values]))
    if coding in (1, 2):
        rows = packed(values, bits)
        units = [bytes([0, WIDTH]) + row.ljust(-(-len(row) // 2) * 2, b"\0") for row in rows]
        data = bmp_of([*(unit + b"\0\0" for unit in units), b"\0\1"], bits, coding,
                      palette=COLORS[: 1 << bits])  # fmt: skip
        return Kind(name, made(data), shown(COLORS[values]))
    if bits == 24:
        colors = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        rows = [row[:, ::-1].tobytes() for row in colors[::-1]]
        return Kind(name, made(bmp_of(rows, 24)), shown(colors))
    masks: tuple[int, ...] = (0x7C00, 0x3E0, 0x1F) if bits == 16 else (0xFF0000, 0xFF00, 0xFF)
    told: tuple[int, ...] = ()
    if coding == 3:
        masks = told = (0xF, 0x7E0, 0xF800) if bits == 16 else (0xFF, 0xFF0000, 0x7F00)
    elif coding == 6:
        told = (0xF00, 0xF0, 0xF, 0xF000) if bits == 16 else (0xFF00, 0xFF, 0x3F0000, 3 << 30)
    data = bmp_of(plain(values), bits, coding, masks=told)
    if told:
        return odd_kind(f"odd masks, compression {coding}, {bits} bits", data)
    return Kind(name, made(data), shown(masked(values, masks)), needs=PILLOW if bits == 16 else "")


def header_kind(header: int) -> Kind:
    """A palette under each header that is read."""
    values = numbers(4)
    data = bmp_of(packed(values, 4), 4, header=header, palette=COLORS[:16])
    return Kind(f"BMP, header of {header} bytes", made(data), shown(COLORS[values]))


def deep_kind(header: int, masks: tuple[int, ...]) -> Kind:
    values = numbers(16)
    data = bmp_of(plain(values), 16, 3, header=header, masks=masks)
    told = masks if header >= 56 else masks[:3]
    told = told if told[-1] else told[:3]
    name = f"{len(told)} masks in a header of {header} bytes"
    if len(told) == 4:  # Pillow takes no alpha of 16 bits
        return Kind(f"BMP, {name}", made(data), refusal="kind of BMP .*16 bits a pixel, .*PNG")
    return pillow_kind(name, data, masked(values, told))


def run_length(*codes: int) -> bytes:
    return bmp_of([bytes(codes)], 8, 1, palette=COLORS[:8])


CODINGS = (*((0, bits) for bits in (1, 4, 8, 16, 24, 32)), (1, 8), (2, 4),
           (3, 16), (3, 32), (6, 16), (6, 32))  # fmt: skip
PADDED = (8, 1, 0, 0, 2, 2, 0, 3, 3, 4, 5, 0, 3, 7, 0, 0, 8, 6, 0, 0, 0, 1)
EIGHT = numbers(8)
FULL_ALPHA = numbers(32)
BGRA = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
BMP_KINDS = (
    *(coded_kind(coding, bits) for coding, bits in CODINGS),
    *(header_kind(header) for header in (12, 16, 40, 52, 56, 64, 108, 124)),
    *(deep_kind(header, (0xF800, 0x7E0, 0x1F, 0)) for header in (52, 56, 108, 124)),
    deep_kind(124, (0x7C00, 0x3E0, 0x1F, 0x8000)),
    Kind("BMP, 24 bits under the header of 12 bytes",
         made(bmp_of([bytes(range(15)), bytes(15), bytes(range(15, 30))], 24, header=12)),
         shown(np.array([np.arange(15, 30), np.zeros(15), np.arange(15)], np.uint8)
               .reshape(3, 5, 3)[..., ::-1])),
    Kind("BMP, from the top down",
         made(bmp_of(packed(EIGHT, 8)[::-1], 8, height=-HEIGHT, palette=COLORS)),
         shown(COLORS[EIGHT])),
    Kind("BMP, a gray palette is gray",
         made(bmp_of(packed(EIGHT % 2, 1), 1, palette=np.array([[255] * 3, [9] * 3], np.uint8))),
         shown(np.where(EIGHT % 2, 9, 255).astype(np.uint8))),
    Kind("BMP, a short palette",
         made(bmp_of(packed(EIGHT % 7, 8), 8, palette=COLORS[:7])), shown(COLORS[EIGHT % 7])),
    Kind("BMP, a palette that is shorter than its header tells",
         made(bmp_of(packed(EIGHT % 7, 8), 8, palette=COLORS[:7], used=256)),
         shown(COLORS[EIGHT % 7])),
    Kind("BMP, an index beyond the palette",
         made(bmp_of(packed(EIGHT % 8 | 7, 8), 8, palette=COLORS[:7])),
         refusal="damaged.* beyond its palette"),
    *(Kind(f"BMP, {len(masks)} masks of bytes in a header of {header} bytes",
           made(bmp_of(plain(FULL_ALPHA), 32, 3, header=header, masks=masks)),
           shown(masked(FULL_ALPHA, masks)))
      for header, masks in ((124, BGRA), (108, BGRA), (56, BGRA), (124, BGRA[:3]), (40, BGRA[:3]))),
    pillow_kind("masks that leave out the first byte",
                bmp_of(plain(FULL_ALPHA), 32, 3, masks=(0xFF000000, 0xFF0000, 0xFF00)),
                masked(FULL_ALPHA, (0xFF000000, 0xFF0000, 0xFF00))),
    *(Kind(f"BMP, run lengths, {name}", made(run_length(*codes)), refusal="a kind of BMP that")
      for name, codes in (
          ("rows that are padded to 4 pixels", PADDED), ("beyond the row", (9, 1, *PADDED[2:])),
          ("beyond the last row", (*PADDED[:-2], 5, 1, 0, 0, 0, 1)),
          *((f"{end} bytes", PADDED[:end]) for end in (len(PADDED) - 1, 10, 2)),
          ("without the last rows", (*PADDED[:4], 0, 1)))),
    Kind("BMP, a JPEG inside", made(bmp_of([b"\xff\xd8"], 0, 4)), refusal="compression 4.*PNG"),
    Kind("BMP, a PNG inside", made(bmp_of([b"\x89PNG"], 0, 5)), refusal="compression 5.*PNG"),
    Kind("BMP, Huffman codes of OS/2", made(bmp_of([b""], 1, 3, header=64)),
         refusal="1 bits a pixel, compression 3.*PNG"),
    Kind("BMP, 24-bit runs of OS/2", made(bmp_of([b""], 24, 4, header=64)),
         refusal="24 bits a pixel, compression 4.*PNG"),
    Kind("BMP, 2 bits", made(bmp_of([bytes(4)] * 3, 2, palette=COLORS[:4])),
         refusal="2 bits a pixel.*PNG"),
    Kind("BMP, 64 bits", made(bmp_of([bytes(40)] * 3, 64)), refusal="64 bits a pixel.*PNG"),
    odd_kind("more than 8 bits a color",
             bmp_of([bytes(20)] * 3, 32, 3, masks=(0x3FF, 0xFFC00, 0x3FF00000))),
    odd_kind("a mask with a hole", bmp_of([bytes(20)] * 3, 32, 3, masks=(5, 0xFF00, 0xFF0000))),
    odd_kind("a mask beyond the bits of a pixel",
             bmp_of([bytes(10)] * 3, 16, 3, masks=(0xFF0000, 0x7E0, 0x1F))),
    Kind("BMP, a header of another size", made(bmp_of([bytes(16)] * 3, 24, header=66)),
         refusal="not an image in a format"),
    Kind("BMP, cut", made(bmp_of([bytes(15)] * 3, 24)[:-9]), refusal="truncated or damaged"),
    Kind("text that begins with BM", made(b"BMW builds cars and motorcycles in Bavaria."),
         refusal="not an image in a format"),
)  # fmt: skip


# GIF

TABLE = COLORS[:8]
A, B = np.full((2, 3), 1), np.full((2, 3), 2)


def blocks(body: bytes) -> bytes:
    pieces = [body[at : at + 255] for at in range(0, len(body), 255)]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def gif_image(indices: Array, left: int = 0, top: int = 0, more: bytes = b"") -> bytes:
    """The image block of these indices, whose codes Pillow makes."""
    file = io.BytesIO()
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette(bytes(range(256)) * 3)
    image.save(file, "GIF", optimize=False, interlace=False)
    data = file.getvalue()
    at = data.index(b",\0\0\0\0", 13 + 768) + 10
    codes, start = b"", at + 1
    while data[start]:
        codes += data[start + 1 : start + 1 + data[start]]
        start += data[start] + 1
    sides = struct.pack("<HHHHB", left, top, *indices.shape[::-1], 0)
    return b"," + sides + data[at : at + 1] + blocks(codes + more)


def control(disposal: int = 0, delay: int = 5, clear: int | None = None) -> bytes:
    flags = disposal << 2 | (clear is not None)
    return b"!\xf9\4" + struct.pack("<BHB", flags, delay, clear or 0) + b"\0"


def gif_of(*parts: bytes, size: tuple[int, int] = (2, 3), background: int = 0) -> bytes:
    head = struct.pack("<HHBBB", size[1], size[0], 0x82, background, 0)
    return b"GIF89a" + head + TABLE.tobytes() + b"".join(parts) + b";"


def colored(rows: ArrayLike) -> Array:
    """Indices as colors; -1 stands for transparent."""
    indices = np.array(rows)
    alpha = np.where(indices < 0, 0, 255).astype(np.uint8)
    return np.dstack([np.where(alpha[..., None] > 0, TABLE[indices], 0), alpha])


def opaque(rows: ArrayLike) -> Array:
    return colored(rows)[..., :3]


MANY = RNG.integers(0, 8, (60, 70))
DOT = np.full((1, 1), 3)
XMP = b"<?xpacket begin=''?><x/>"
GIF_KINDS = (
    Kind("GIF, one frame", made(gif_of(gif_image(MANY), size=MANY.shape)), shown(TABLE[MANY])),
    Kind("GIF, one frame with a transparent color",
         made(gif_of(control(clear=1), gif_image(np.array([[1, 2, 1], [3, 1, 4]])))),
         shown(colored([[-1, 2, -1], [3, -1, 4]]))),
    Kind("GIF, the last frame has no transparent color",
         made(gif_of(control(clear=1), gif_image(np.array([[1, 2, 1], [3, 1, 4]])),
                     control(2), gif_image(B))),
         shown(colored([[-1, 2, -1], [3, -1, 4]]), colored(B))),
    Kind("GIF, only the last frame has a transparent color",
         made(gif_of(control(), gif_image(A), control(clear=2), gif_image(np.array([[2, 2, 5]])))),
         shown(opaque(A), opaque([[1, 1, 5], [1, 1, 1]]))),
    Kind("GIF, frames stay",
         made(gif_of(control(1), gif_image(A), control(1), gif_image(DOT, 1, 1),
                     control(), gif_image(DOT))),
         shown(opaque(A), opaque([[1, 1, 1], [1, 3, 1]]), opaque([[3, 1, 1], [1, 3, 1]]))),
    Kind("GIF, disposal to the background is to transparent, as in browsers",
         made(gif_of(control(), gif_image(A), control(2), gif_image(DOT, 1, 1),
                     control(), gif_image(DOT))),
         shown(colored(A), colored([[1, 1, 1], [1, 3, 1]]), colored([[3, 1, 1], [1, -1, 1]]))),
    *(Kind(f"GIF, disposal {number} is to what was there before",
           made(gif_of(control(), gif_image(A), control(number), gif_image(DOT, 1, 1),
                       control(), gif_image(DOT))),
           shown(opaque(A), opaque([[1, 1, 1], [1, 3, 1]]), opaque([[3, 1, 1], [1, 1, 1]])))
      for number in (3, 4)),
    Kind("GIF, a disposal above 4 has no meaning",
         made(gif_of(control(7), gif_image(A), control(5), gif_image(DOT))),
         shown(opaque(A), opaque([[3, 1, 1], [1, 1, 1]]))),
    Kind("GIF, disposal of the first frame to before it",
         made(gif_of(control(3), gif_image(A), control(), gif_image(DOT, 2, 0))),
         shown(colored(A), colored([[-1, -1, 3], [-1, -1, -1]]))),
    Kind("GIF, one frame of several",
         made(gif_of(control(), gif_image(A), control(2), gif_image(DOT, 1, 1),
                     control(), gif_image(DOT))),
         frame=1, frames=shown(opaque([[1, 1, 1], [1, 3, 1]]))),
    Kind("GIF, a first frame that is smaller than the canvas",
         made(gif_of(gif_image(DOT, 1, 1))), shown(colored([[-1, -1, -1], [-1, 3, -1]]))),
    Kind("GIF, a first frame beyond the canvas makes it larger",
         made(gif_of(gif_image(A), size=(1, 2))), shown(opaque(A))),
    Kind("GIF, a later frame beyond the canvas is cut",
         made(gif_of(control(), gif_image(A), control(), gif_image(B, 2, 1),
                     control(), gif_image(B, 9, 9))),
         shown(opaque(A), *[opaque([[1, 1, 1], [1, 1, 2]])] * 2)),
    Kind("GIF, a frame far beyond the canvas", made(gif_of(gif_image(A), gif_image(B, 9000, 9000))),
         shown(opaque(A), opaque(A))),
    Kind("GIF, a frame far larger than the canvas",
         made(gif_of(gif_image(A), gif_image(np.zeros((3000, 3000), int)))),
         refusal="kind of GIF .*far larger than its canvas"),
    Kind("GIF, a background index beyond the table",
         made(gif_of(gif_image(A), background=200)), shown(opaque(A))),
    Kind("GIF, data after the last code",
         made(gif_of(gif_image(MANY, more=b"\xff" * 600), size=MANY.shape)),
         refusal="a kind of GIF that is not read"),
    Kind("GIF, ANIMEXTS1.0",
         made(gif_of(b"!\xff\x0bANIMEXTS1.0\3\1\0\0\0", control(), gif_image(A), gif_image(B))),
         shown(opaque(A), opaque(B))),
    Kind("GIF, XMP in plain blocks",
         made(gif_of(b"!\xff\x0bXMP DataXMP" + blocks(XMP), gif_image(A))),
         shown(opaque(A))),
    Kind("GIF, a comment", made(gif_of(b"!\xfe\2hi\0", gif_image(A))), shown(opaque(A)),
         warnings=("^left out: comment$",)),
    Kind("GIF, an index beyond the table", made(gif_of(gif_image(A * 9))),
         refusal="damaged.* index beyond its color table"),
    Kind("GIF, the transparent index lies beyond the table",
         made(gif_of(control(clear=9), gif_image(np.array([[9, 1, 2]])), size=(1, 3))),
         shown(colored([[-1, 1, 2]]))),
    Kind("GIF, no table",
         made(b"GIF89a" + struct.pack("<HHBBB", 3, 2, 0, 0, 0) + gif_image(A) + b";"),
         refusal="kind of GIF .*no table of its colors.*PNG"),
    Kind("GIF, a header that tells of a huge picture",
         made(gif_of(gif_image(A), size=(32768, 16385))), refusal="damaged.* 32768 x 16385 pixels"),
    Kind("GIF, a frame of no pixels", made(gif_of(b"," + bytes(9) + b"\2\1\x2c\0")),
         refusal="a kind of GIF that is not read"),
    Kind("GIF, codes that end early", made(gif_of(gif_image(MANY)[:2000] + b"\0", size=MANY.shape)),
         refusal="damaged"),
)  # fmt: skip


# HDR

RADIANCE = RNG.integers(1, 256, (3, 10, 4), dtype=np.uint8)
RADIANCE[..., 3] = RNG.integers(126, 132, (3, 10))
LIGHT = np.ldexp(RADIANCE[..., :3].astype(np.float32), RADIANCE[..., 3:].astype(int) - 136)
SMOOTH = np.repeat(LIGHT[:, :, None], 4, 2).reshape(3, 40, 3)


def hdr_of(size: str, body: bytes = RADIANCE.tobytes(), head: str = "") -> bytes:
    return f"#?RADIANCE\n{head}FORMAT=32-bit_rle_rgbe\n\n{size}\n".encode() + body


def run_length_hdr(size: str) -> bytes:
    """Lines that OpenCV packed, under another size."""
    data = images.encode(Picture((SMOOTH[..., ::-1],), formats.HDR), formats.HDR).data
    assert b"-Y 3 +X 40\n\2\2" in data
    return data.replace(b"-Y 3 +X 40", size.encode())


HDR_KINDS = (
    Kind("HDR", made(hdr_of("-Y 3 +X 10")), shown(LIGHT)),
    *(Kind(f"HDR, {size}", made(hdr_of(size)), refusal="a kind of HDR that is not read")
      for size in ("+Y 3 +X 10", "-Y 3 -X 10", "+X 3 -Y 10")),
    Kind("HDR, run-length lines", lambda: run_length_hdr("-Y 3 +X 40"), shown(SMOOTH)),
    Kind("HDR, exposure and primaries",
         made(hdr_of("-Y 3 +X 10", head="EXPOSURE=2\nPRIMARIES=0 0 0 0 0 0 0 0\n")), shown(LIGHT),
         warnings=("left out: HDR header EXPOSURE and HDR header PRIMARIES",)),
    Kind("HDR, XYZ", made(hdr_of("-Y 3 +X 10").replace(b"rgbe", b"xyze")),
         refusal="a kind of HDR that is not read"),
    Kind("HDR, the old run-length coding",
         made(hdr_of("-Y 3 +X 10", b"\7\7\7\x80" + b"\1\1\1\x1d")),
         refusal="truncated or damaged"),
    Kind("HDR, cut", made(hdr_of("-Y 3 +X 10")[:-9]), refusal="truncated or damaged"),
    Kind("HDR, a header that tells of a huge picture", lambda: run_length_hdr("-Y 30000 +X 30000"),
         refusal="damaged.* 30000 x 30000 pixels"),
)  # fmt: skip


# Netpbm

BITS = np.array([[255, 0, 255], [0, 0, 255]], np.uint8)
NETPBM_KINDS = (
    *(Kind(f"netpbm, P{data[1:2].decode()}", made(data), shown(wanted)) for data, wanted in (
        (b"P1 3 2 010\n1 1 0", BITS),
        (b"P2 3 2 255 1 2 3 4 5 6", np.arange(1, 7, dtype=np.uint8).reshape(2, 3)),
        (b"P3 2 1 255 1 2 3 4 5 6", np.arange(1, 7, dtype=np.uint8).reshape(1, 2, 3)),
        (b"P4 3 2\n\x40\xc0", BITS),
        (b"P5 3 2 65535\n" + bytes(range(12)),
         np.array([[1, 0x203, 0x405], [0x607, 0x809, 0xA0B]], np.uint16)),
        (b"P6 2 1 255\n\1\2\3\4\5\6", np.arange(1, 7, dtype=np.uint8).reshape(1, 2, 3)),
        (b"Pf 2 2 2\n" + struct.pack(">4f", 1, 2, 3, 4), np.array([[6, 8], [2, 4]], np.float32)),
        (b"PF 1 2 -1\n" + struct.pack("<6f", 1, 2, 3, 4, 5, 6),
         np.array([[[4, 5, 6]], [[1, 2, 3]]], np.float32)))),
    *(Kind(f"netpbm, P{data[1:2].decode()} with lines of Windows", made(data), shown(wanted))
      for data, wanted in (
        (b"P2\r\n# hi\r\n2 1\r\n255\r\n7 8\r\n", np.array([[7, 8]], np.uint8)),
        (b"P4\r\n3 2\r\n\x40\xc0", BITS),
        (b"P5\r\n# hi\r\n2 1\r\n255\r\n\7\x20", np.array([[7, 32]], np.uint8)),
        (b"P6\r\n1 1\r\n255\r\n\1\2\3", np.array([[[1, 2, 3]]], np.uint8)),
        (b"Pf\r\n1 1\r\n-1\r\n" + struct.pack("<f", 7), np.array([[7]], np.float32)))),
    Kind("netpbm, a return ends the header and a pixel of 10 follows",
         made(b"P5\n2 1\n255\r\n\7"), shown(np.array([[10, 7]], np.uint8))),
    Kind("netpbm, pictures with lines of Windows", made(b"P5\r\n1 1\r\n255\r\n\7" * 2),
         shown(*[np.array([[7]], np.uint8)] * 2)),
    Kind("netpbm, changed by a transfer as text", made(b"P5\r\n2 1\r\n255\r\n\r\n\7"),
         refusal="damaged: no whole header begins at byte 1"),
    Kind("netpbm, data after floats", made(b"Pf 1 1 -1\n" + struct.pack("<f", 7) + b"more"),
         refusal="damaged: no whole header begins at byte 1"),
    Kind("netpbm, a number that no integer of a machine holds",
         made(b"P2 1 1 255 99999999999999999999"), refusal="damaged: .* outside 0 to 255"),
    Kind("PGM of text, an underscore among digits",
         made(b"P2 1 1 255 1_0"), refusal="'_' where whole numbers belong"),
)  # fmt: skip


# Other kinds

OTHERS = (
    (b"\0\0\0\x18ftypcrx \0", "a camera's raw picture, .*dcraw_emu"),
    (b"FUJIFILMCCD-RAW 0201", "a camera's raw picture"),
    (b"IIU\0\x08\0\0\0", "a camera's raw picture"),
    (b"\0\0\0\x20ftypisom", "a video, .*ffmpeg"),
    (b"\x1aE\xdf\xa3\x01", "a video, .*ffmpeg"),
    (b"RIFF\0\0\0\0AVI LIST", "a video, .*ffmpeg"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture, .*oiiotool"),
    (b"SIMPLE  =                    T", "a file of scientific arrays, .*numpy.save"),
    (bytes(128) + b"DICM", "a file of scientific arrays, .*numpy.save"),
    (b"\x89HDF\r\n\x1a\n", "a file of scientific arrays, .*numpy.save"),
    (b"PK\3\4\x14\0", r"a compressed file, .*\.npy"),
    (b"\x1f\x8b\x08\0", "a compressed file, .*unpack it"),
    (b"%PDF-1.4", "a document or drawing, .*magick"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a document or drawing, .*magick"),
    (b"<?xml version='1.0'?>\n<!-- by hand -->\n<svg>", "a document or drawing, .*magick"),
    (b"<!DOCTYPE html><title>404", "a web page"),
    (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS.*git lfs pull"),
    (b"some text", "not an image in a format that pooltool reads; convert it to PNG, TIFF or .npy"),
)
OTHER_KINDS = tuple(
    Kind(f"other kinds, {start[:12]!r}", made(start.ljust(200, b"\0")), refusal=f"it is {words}")
    for start, words in OTHERS
)

KINDS: tuple[Kind, ...] = (*BMP_KINDS, *GIF_KINDS, *HDR_KINDS, *NETPBM_KINDS, *OTHER_KINDS)
