"""How still pictures become one animated file: APNG and WebP by wrapping.

OpenCV's own writers cut 16-bit APNG to 8 bits, lose colors under transparency in WebP and merge
equal frames.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from pooltool.images import containers
from pooltool.images.containers import png_chunk
from pooltool.images.metadata import riff, riff_chunk, webp_canvas


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


def _delay(milliseconds: int) -> tuple[int, int]:
    """A fraction of a second for APNG, whose numbers have 16 bits."""
    if milliseconds <= 0xFFFF:
        return milliseconds, 1000
    return min(milliseconds // 1000, 0xFFFF), 1
