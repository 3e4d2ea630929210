"""WebP (RFC 9649): a RIFF container of one picture or the frames of an animation."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence

import numpy as np

from pooltool import native
from pooltool.errors import DamageError
from pooltool.images import formats, opencv, tags
from pooltool.images.formats import Format
from pooltool.images.headers import name_of, repeated, require_plausible
from pooltool.images.picture import Encoded, Header, Metadata, Part, Picture, channels

FORMATS = (formats.WEBP,)
START = rb"RIFF....WEBP"

_KNOWN = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"XMP ", b"ICCP")
"""Chunks of pixels, lossy and lossless, their alpha and animation, and of metadata."""
_ANIMATED, _XMP, _EXIF, _ALPHA, _ICC = 0x02, 0x04, 0x08, 0x10, 0x20
"""Flags in the first byte of VP8X."""
_NO_BLENDING = 2


def read_header(data: bytes) -> Header:
    """Walk the chunks of the file."""
    end = struct.unpack_from("<I", data, 4)[0] + 8
    if end > len(data):
        raise DamageError("it is cut: the WebP data ends in the middle")
    chunks = list(_chunks(data[:end]))
    found = {part.name: part.body for part in reversed(chunks)}
    frames = [part.body for part in chunks if part.name == b"ANMF"]
    name, first, _ = chunks[0]
    if name == b"VP8X":
        width, height = _sides(first, 4)
    elif name == b"VP8L":
        bits = int.from_bytes(first[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", first, 6))
    if frames:  # an animation may leave most of its canvas clear, but hardly all of it
        covered = sum(math.prod(_sides(body, 6)) for body in frames)
        require_plausible(height, width, height * width // 1024, covered)
    elif b"VP8 " in found:  # a block of 16 x 16 pixels takes more than 2 bits
        require_plausible(height, width, height * width // 256, len(data) * 8)
    lost = [f"RIFF chunk {name_of(part.name)}" for part in chunks if part.name not in _KNOWN]
    if data[end:].strip(b"\0"):
        lost.append("data after the end of the picture")
    block = tags.read_exif(found.get(b"EXIF"))
    metadata = Metadata(block, found.get(b"XMP "), found.get(b"ICCP"))
    sizes = repeated((height, width), max(1, len(frames)))
    return Header(formats.WEBP, sizes, metadata, tuple(lost), animated=bool(frames))


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode the pictures as they are stored."""
    if len(header.sizes) > 1:
        return opencv.decode_animation(data, header, frame)
    return Picture((opencv.decode_still(data, formats.WEBP),), formats.WEBP)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode without loss unless a quality is asked for, the colors under alpha 0 included."""
    cv2 = native.import_cv2()
    settings = [cv2.IMWRITE_WEBP_LOSSLESS_MODE, cv2.IMWRITE_WEBP_LOSSLESS_PRESERVE_COLOR]
    if quality is not None:
        settings = [cv2.IMWRITE_WEBP_QUALITY, max(1, quality)]
    stills = []
    for frame in picture.frames:
        if channels(frame) == 1:  # it knows gray only as equal colors
            frame = np.repeat(frame.reshape(*frame.shape[:2], 1), 3, axis=2)
        still = opencv.encode_still(format, frame, settings)
        stills.append([part for part in _chunks(still) if part.name != b"VP8X"])
    found, chunks = picture.metadata, stills[0]
    if not (found.exif or found.xmp or found.icc or len(stills) > 1):
        return Encoded(still)
    height, width, samples = frame.shape
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    flags = _ICC * bool(found.icc) | _EXIF * bool(found.exif) | _XMP * bool(found.xmp)
    flags |= _ALPHA * (samples == 4) | _ANIMATED * (len(stills) > 1)
    if len(stills) > 1:  # OpenCV's own animation loses colors under transparency
        chunks = [Part(b"ANIM", struct.pack("<IH", 0, min(picture.loop, 0xFFFF)))]
        for parts, time in zip(stills, picture.durations or (1000,) * len(stills), strict=True):
            place = bytes(6) + sides + min(time, 0xFFFFFF).to_bytes(3, "little")
            chunks.append(Part(b"ANMF", place + bytes([_NO_BLENDING]) + _joined(parts)))
    before = [Part(b"VP8X", struct.pack("<I", flags) + sides), Part(b"ICCP", found.icc or b"")]
    exif = found.exif.to_bytes() if found.exif else b""
    behind = [Part(b"EXIF", exif), Part(b"XMP ", found.xmp or b"")]
    body = _joined([part for part in (*before, *chunks, *behind) if part.body])
    return Encoded(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body)


def _chunks(data: bytes) -> Iterator[Part]:
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if at + 8 + size > len(data):
            raise DamageError("it is cut: the WebP data ends in the middle")
        if not name.strip(b"\0"):
            raise DamageError("it is damaged: zeros lie where a WebP chunk should begin")
        yield Part(name, data[at + 8 : at + 8 + size], at)
        at += 8 + size + size % 2


def _sides(body: bytes, at: int) -> tuple[int, int]:
    """The (width, height) at a place of a chunk: 24 bits each, less one."""
    width, height = (int.from_bytes(body[start : start + 3], "little") for start in (at, at + 3))
    return width + 1, height + 1


def _joined(parts: Sequence[Part]) -> bytes:
    """Chunks with their lengths, padded to even ones."""
    return b"".join(
        name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
        for name, body, _ in parts
    )
