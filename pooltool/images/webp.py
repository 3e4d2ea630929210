"""WebP (RFC 9649): a RIFF container of one picture or the frames of an animation."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import numpy as np

from pooltool import native
from pooltool.errors import DamageError
from pooltool.images import exif, formats, opencv
from pooltool.images.exif import EXIF_PREFIX
from pooltool.images.formats import Format
from pooltool.images.headers import name_of, repeated, require_plausible
from pooltool.images.picture import Encoded, Header, Metadata, Part, Picture, channels

FORMATS = (formats.WEBP,)
START = rb"RIFF....WEBP"

CHECKED = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF")
"""Chunks that code pixels: lossy and lossless stills, their alpha, and animations of both."""
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
    frames = [part for part in chunks if part.name == b"ANMF"]
    height, width = _size(chunks[0])
    if frames:  # an animation may leave most of its canvas clear, but hardly all of it
        covered = 0
        for part in frames:
            wide, high = (int.from_bytes(part.body[at : at + 3], "little") + 1 for at in (6, 9))
            covered += wide * high
        require_plausible(height, width, height * width // 1024, covered)
    elif b"VP8 " in found:  # a block of 16 x 16 pixels takes more than 2 bits
        require_plausible(height, width, height * width // 256, len(data) * 8)
    known = (*CHECKED, b"EXIF", b"XMP ", b"ICCP")
    lost = [f"RIFF chunk {name_of(part.name)}" for part in chunks if part.name not in known]
    if data[end:].strip(b"\0"):
        lost.append("data after the end of the picture")
    block = found.get(b"EXIF", b"").removeprefix(EXIF_PREFIX) or None
    metadata = Metadata(block, found.get(b"XMP "), found.get(b"ICCP"))
    sizes, turn = repeated((height, width), max(1, len(frames))), exif.orientation(block)
    return Header(formats.WEBP, sizes, metadata, tuple(lost), turn, bool(frames))


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
        stills.append(list(_chunks(opencv.encode_still(format, frame, settings))))
    found, chunks = picture.metadata, [part for part in stills[0] if part.name != b"VP8X"]
    if not (found.exif or found.xmp or found.icc or len(stills) > 1):
        return Encoded(_file(stills[0]))
    height, width = frame.shape[:2]
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    flags = _ICC * bool(found.icc) | _EXIF * bool(found.exif) | _XMP * bool(found.xmp)
    flags |= _ALPHA * (frame.shape[2] == 4)
    if len(stills) > 1:
        flags |= _ANIMATED
        chunks = _animation(stills, picture, sides)
    canvas = struct.pack("<I", flags) + sides
    before = [Part(b"VP8X", canvas), Part(b"ICCP", found.icc or b"")]
    behind = [Part(b"EXIF", found.exif or b""), Part(b"XMP ", found.xmp or b"")]
    return Encoded(_file([part for part in (*before, *chunks, *behind) if part.body]))


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


def _size(first: Part) -> tuple[int, int]:
    """(height, width) as the first chunk of a file tells them."""
    if first.name == b"VP8X":
        width, height = (int.from_bytes(first.body[at : at + 3], "little") + 1 for at in (4, 7))
    elif first.name == b"VP8L":
        bits = int.from_bytes(first.body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", first.body, 6))
    return height, width


def _animation(stills: Sequence[Sequence[Part]], picture: Picture, sides: bytes) -> list[Part]:
    """The chunks of an animation of stills; OpenCV's own loses colors under transparency."""
    chunks = [Part(b"ANIM", struct.pack("<IH", 0, min(picture.loop, 0xFFFF)))]
    for still, time in zip(stills, picture.durations or (1000,) * len(stills), strict=True):
        place = bytes(6) + sides + min(time, 0xFFFFFF).to_bytes(3, "little")
        parts = _joined([part for part in still if part.name != b"VP8X"])
        chunks.append(Part(b"ANMF", place + bytes([_NO_BLENDING]) + parts))
    return chunks


def _joined(parts: Sequence[Part]) -> bytes:
    """Chunks with their lengths, padded to even ones."""
    return b"".join(
        name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
        for name, body, _ in parts
    )


def _file(parts: Sequence[Part]) -> bytes:
    body = _joined(parts)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
