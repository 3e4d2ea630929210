"""How still pictures become one animated file: APNG and WebP by wrapping, GIF by its palette.

OpenCV's own writers cut 16-bit APNG to 8 bits, lose colors under transparency in WebP, merge equal
frames, and move GIF colors by up to 80 levels, also where 256 colors would hold them exactly.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pooltool.images import containers
from pooltool.images.containers import png_chunk
from pooltool.images.metadata import riff, riff_chunk, webp_canvas

Array = NDArray[Any]


class Timing(NamedTuple):
    """Milliseconds of each frame, and how often the animation plays: 0 is for ever."""

    durations: tuple[int, ...]
    loop: int


def apng(stills: Sequence[bytes], timing: Timing) -> bytes:
    """Wrap PNG files of one size and kind into an animated one."""
    header = next(containers.png_chunks(stills[0]))
    width, height = struct.unpack_from(">II", header.body)
    out = stills[0][:8] + png_chunk(b"IHDR", header.body)
    out += png_chunk(b"acTL", struct.pack(">II", len(stills), timing.loop))
    number = 0
    for index, (still, milliseconds) in enumerate(zip(stills, timing.durations, strict=True)):
        delay = _delay(milliseconds)
        control = struct.pack(">IIIIIHHBB", number, width, height, 0, 0, *delay, 0, 0)
        out += png_chunk(b"fcTL", control)
        number += 1
        for part in containers.png_chunks(still):
            if part.name == b"IDAT" and index == 0:
                out += png_chunk(b"IDAT", part.body)
            elif part.name == b"IDAT":
                out += png_chunk(b"fdAT", struct.pack(">I", number) + part.body)
                number += 1
    return out + png_chunk(b"IEND", b"")


def webp(stills: Sequence[bytes], timing: Timing, alpha: bool) -> bytes:
    """Wrap WebP files of one size into an animated one."""
    first = next(containers.riff_chunks(stills[0]))
    canvas = bytearray(first.body if first.name == b"VP8X" else webp_canvas(first))
    canvas[0] = 0x02 | 0x10 * alpha
    body = riff_chunk(b"VP8X", bytes(canvas))
    body += riff_chunk(b"ANIM", struct.pack("<IH", 0, min(timing.loop, 0xFFFF)))
    for still, milliseconds in zip(stills, timing.durations, strict=True):
        parts = [part for part in containers.riff_chunks(still) if part.name != b"VP8X"]
        time = min(milliseconds, 0xFFFFFF).to_bytes(3, "little")
        place = b"\0" * 6 + bytes(canvas[4:10]) + time + bytes([_NO_BLENDING])
        body += riff_chunk(b"ANMF", place + b"".join(riff_chunk(p.name, p.body) for p in parts))
    return riff(body)


_NO_BLENDING = 2


def gif(frames: Sequence[Array], timing: Timing | None) -> tuple[bytes, int]:
    """Encode frames of one size; return the file and by how many levels a color moved at most."""
    height, width = frames[0].shape[:2]
    out = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF0, 0, 0) + _GLOBAL_TABLE
    if timing and timing.loop != 1:
        again = min(timing.loop - 1, 0xFFFF) if timing.loop else 0
        out += b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", again) + b"\0"
    worst = 0
    for index, frame in enumerate(frames):
        block, moved = _gif_frame(frame, timing.durations[index] if timing else 0)
        out += block
        worst = max(worst, moved)
    return out + b";", worst


_GLOBAL_TABLE = bytes(6)
"""Two colors nobody uses: readers want the background's color to be one of a global table."""


def _gif_frame(frame: Array, milliseconds: int) -> tuple[bytes, int]:
    """One frame with its own palette; a see-through pixel is the last color of the palette."""
    height, width = frame.shape[:2]
    colors, clear = _opaque(frame)
    palette, indices, moved = _palette(colors[~clear], 255 if clear.any() else 256)
    bits = max(2, int(len(palette) + clear.any() - 1).bit_length())
    pixels = np.full(clear.shape, (1 << bits) - 1, np.uint8)
    pixels[~clear] = indices
    flags = 0x09 if clear.any() else 0x04
    time = min(round(milliseconds / 10), 0xFFFF)
    control = b"!\xf9\x04" + struct.pack("<BHBB", flags, time, (1 << bits) - 1, 0)
    place = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0x80 | bits - 1)
    table = palette[:, ::-1].astype(np.uint8).tobytes().ljust(3 << bits, b"\0")
    return control + place + table + _sub_blocks(bits, _lzw(pixels.tobytes(), bits)), moved


def _opaque(frame: Array) -> tuple[Array, Array]:
    """The pixels as a list of (blue, green, red), and which of them are see-through."""
    height, width = frame.shape[:2]
    pixels = np.broadcast_to(frame.reshape(height * width, -1), (height * width, 3)) if (
        frame.ndim == 2 or frame.shape[2] == 1
    ) else frame.reshape(height * width, -1)  # fmt: skip
    clear = pixels[:, 3] < 128 if pixels.shape[1] == 4 else np.zeros(len(pixels), bool)
    return pixels[:, :3], clear


def _palette(colors: Array, most: int) -> tuple[Array, Array, int]:
    """Palette, index of each pixel in it, and the largest error: 0 where the colors fit."""
    keys = colors.astype(np.uint32) @ np.array([1, 256, 65536], np.uint32)
    unique, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    found = np.stack([unique & 255, unique >> 8 & 255, unique >> 16], axis=1).astype(np.int64)
    if len(found) <= most:
        return found, which, 0
    labels = _median_cut(found, counts, most)
    weights = np.bincount(labels, counts)
    means = np.stack([np.bincount(labels, counts * found[:, c]) for c in range(3)], axis=1)
    palette = np.rint(means / weights[:, None]).astype(np.int64)
    return palette, labels[which], int(np.abs(palette[labels] - found).max())


def _median_cut(colors: Array, counts: Array, boxes: int) -> Array:
    """Sort colors into boxes: the widest one is cut at its median until there are enough."""
    groups = [np.arange(len(colors))]
    widths = [int(np.ptp(colors, axis=0).max())]
    while len(groups) < boxes:
        widest = int(np.argmax(widths))
        group = groups.pop(widest)
        widths.pop(widest)
        group = group[np.argsort(colors[group, np.ptp(colors[group], axis=0).argmax()])]
        total = np.cumsum(counts[group])
        middle = int(np.clip(np.searchsorted(total, total[-1] / 2), 1, len(group) - 1))
        for half in (group[:middle], group[middle:]):
            groups.append(half)
            widths.append(int(np.ptp(colors[half], axis=0).max()))
    labels = np.empty(len(colors), np.int64)
    for label, group in enumerate(groups):
        labels[group] = label
    return labels


def _lzw(pixels: bytes, bits: int) -> bytes:
    """Compress by GIF's LZW: codes of growing width, packed from the lowest bit on."""
    out, held, room = bytearray(), 0, 0
    for code, width in _lzw_codes(pixels, bits):
        held |= code << room
        room += width
        if room >= 8:
            whole = room >> 3
            out += (held & (1 << 8 * whole) - 1).to_bytes(whole, "little")
            held, room = held >> 8 * whole, room & 7
    return bytes(out + held.to_bytes(1, "little")) if room else bytes(out)


def _lzw_codes(pixels: bytes, bits: int) -> Iterator[tuple[int, int]]:
    """The codes and their widths in bits (GIF89a, appendix F)."""
    clear, table, width = 1 << bits, dict[int, int](), bits + 1
    yield clear, width
    prefix = pixels[0]
    for value in pixels[1:]:
        key = prefix << 8 | value
        code = table.get(key)
        if code is not None:
            prefix = code
            continue
        yield prefix, width
        prefix = value
        fresh = clear + 2 + len(table)
        if fresh < 4096:
            table[key] = fresh
            width += fresh >> width
        else:
            yield clear, width
            table.clear()
            width = bits + 1
    yield prefix, width
    # The decoder has added one code more by now, which may have made its codes wider.
    yield (
        clear + 1,
        width + (clear + 2 + len(table) >> width if len(table) + clear + 2 < 4096 else 0),
    )


def _sub_blocks(bits: int, codes: bytes) -> bytes:
    blocks = (codes[at : at + 255] for at in range(0, len(codes), 255))
    return bytes([bits]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def _delay(milliseconds: int) -> tuple[int, int]:
    """A fraction of a second for APNG, whose numbers have 16 bits."""
    if milliseconds <= 0xFFFF:
        return milliseconds, 1000
    return min(milliseconds // 1000, 0xFFFF), 1
