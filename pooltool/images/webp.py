"""WebP (RFC 9649): a RIFF container of one picture or the frames of an animation."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from math import prod

from pooltool import native
from pooltool.errors import DamageError
from pooltool.images import formats, opencv
from pooltool.images.container import Container, Part
from pooltool.images.picture import (
    Encoded,
    Header,
    Metadata,
    Picture,
    channels,
    repeated,
    require_plausible,
)
from pooltool.images.tags import read_exif

CONTAINER = Container(
    "RIFF chunk",
    structural=frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF")),
    places=((b"EXIF", b"", "exif"), (b"XMP ", b"", "xmp"), (b"ICCP", b"", "icc")),
)  # fmt: skip
_ANIMATED, _XMP, _EXIF, _ALPHA, _ICC = 0x02, 0x04, 0x08, 0x10, 0x20
"""Flags in the first byte of VP8X."""
_NO_BLENDING = 2
_HEAD, _IN_FRAME = 12, 16
"""Bytes of the file before its chunks, and of a frame before its own."""


def read_header(data: bytes) -> Header:
    """Walk the chunks of the file."""
    end = struct.unpack_from("<I", data, 4)[0] + 8
    if end > len(data):
        raise DamageError("it is truncated: the WebP data ends in the middle")
    parts = CONTAINER.walk(data, _HEAD, end)
    frames = [part for part in parts if part.name == b"ANMF"]
    if frames:
        canvas = bytes(parts[0].body[4:10])  # 24 bits a side, less one
        width, height = (int.from_bytes(side, "little") + 1 for side in (canvas[:3], canvas[3:]))
        # They may leave most of the canvas clear, but hardly all of it.
        covered = sum(prod(_coded_size(CONTAINER.walk(frame.body, _IN_FRAME))) for frame in frames)
        require_plausible(height, width, height * width // 1024, covered)
    else:
        height, width = _coded_size(parts)
    blocks, _, missing = CONTAINER.sort(parts)
    if data[end:].strip(b"\0"):
        missing.append("data after the end of the picture")
    metadata = Metadata(read_exif(blocks["exif"]), blocks["xmp"], blocks["icc"])
    sizes = repeated((height, width), max(1, len(frames)))
    return Header(formats.WEBP, sizes, metadata, tuple(missing), animated=bool(frames))


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """Decode the pictures as they are stored."""
    if len(header.sizes) > 1:
        return opencv.decode_animation(data, header, chosen)
    return Picture((opencv.decode_still(data, formats.WEBP),), formats.WEBP)


def encode(picture: Picture, quality: int | None) -> Encoded:
    """Encode without loss unless a quality is asked for, the colors under alpha 0 included."""
    cv2, (exif, xmp, icc) = native.import_cv2(), picture.metadata.blocks()
    settings = [cv2.IMWRITE_WEBP_LOSSLESS_MODE, cv2.IMWRITE_WEBP_LOSSLESS_PRESERVE_COLOR]
    if quality is not None:
        settings = [cv2.IMWRITE_WEBP_QUALITY, max(1, quality)]
    stills = []
    for frame in picture.frames:
        if channels(frame) == 1:  # it knows gray only as equal colors
            frame = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)
        still = opencv.encoded(formats.WEBP, frame, settings)
        stills.append([part for part in CONTAINER.walk(still, _HEAD) if part.name != b"VP8X"])
    if len(stills) == 1 and not (exif or xmp or icc):
        return Encoded(still)
    height, width, samples = frame.shape
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    flags = _ICC * bool(icc) | _EXIF * bool(exif) | _XMP * bool(xmp)
    flags |= _ALPHA * (samples == 4) | _ANIMATED * (len(stills) > 1)
    chunks = stills[0]
    if len(stills) > 1:  # OpenCV's own animation loses colors under transparency
        chunks = [Part(b"ANIM", struct.pack("<IH", 0, min(picture.loop, 0xFFFF)))]
        for parts, time in zip(stills, picture.durations or (1000,) * len(stills), strict=True):
            place = bytes(6) + sides + min(time, 0xFFFFFF).to_bytes(3, "little")
            chunks.append(Part(b"ANMF", place + bytes([_NO_BLENDING]) + CONTAINER.join(parts)))
    before = [Part(b"VP8X", struct.pack("<I", flags) + sides), Part(b"ICCP", icc)]
    behind = [Part(b"EXIF", exif), Part(b"XMP ", xmp)]
    body = CONTAINER.join(part for part in (*before, *chunks, *behind) if part.body)
    return Encoded(b"".join((b"RIFF", struct.pack("<I", len(body) + 4), b"WEBP", body)))


def _coded_size(parts: Iterable[Part]) -> tuple[int, int]:
    """The (height, width) that the data of a picture gives; raise `DamageError` without one."""
    for name, body in parts:
        if name == b"VP8L":
            bits = int.from_bytes(body[1:5], "little")
            return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
        if name == b"VP8 ":
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 6))
            require_plausible(height, width, height * width // 256, len(body) * 8)
            return height, width
    raise DamageError("it is damaged: the WebP file holds no picture")
