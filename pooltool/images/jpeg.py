"""JPEG (ITU-T T.81) with JFIF, EXIF, XMP and ICC in its application segments."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import NamedTuple

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv
from pooltool.images.container import Container, Contents, Part, name_of
from pooltool.images.formats import EXIF_PREFIX, XMP_PREFIX
from pooltool.images.picture import (
    NO_METADATA,
    Encoded,
    Header,
    Metadata,
    Picture,
    Verbatim,
    left_out,
    require_plausible,
)
from pooltool.images.tags import read_exif

CHECKED = {0xC0: (1, 3, 4), 0xC1: (1, 3, 4), 0xC2: (1, 3, 4), 0xC3: (1, 3)}
"""Codings of 8 bits a sample that come out right, by the marker of the frame, and their numbers of
components: baseline, extended sequential, progressive and lossless. Arithmetic codes come out
right as well, but the decoder does not see when data is missing."""
_LOSSLESS = 0xC3
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOI, _EOI, _SOS, _APP0, _APP14, _COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE, 0xFE
_BARE = frozenset((0x01, *range(0xD0, 0xD8)))
"""Markers of no segment."""
_TABLES = frozenset((0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF))
"""Markers of segments that are the decoder's alone."""
_MARKER = re.compile(rb"\xff([^\x00\xff])")
_NEXT_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
"""The same behind coded pixels, where a 0 or a restart marker goes after 0xFF."""
_MOST_SCANS = 128
"""Each scan takes time for the whole picture; programs write a dozen."""

_JFIF, _APP1, _APP2, _APP13 = b"\xff\xe0", b"\xff\xe1", b"\xff\xe2", b"\xff\xed"
_ICC, _PHOTOSHOP = b"ICC_PROFILE\0", b"Photoshop 3.0\0"
CONTAINER = Container(
    ">2sH", "JPEG segment", name_first=True, counted=2,
    # APP14 of Adobe gives the kind of colors.
    structural=frozenset(bytes((0xFF, code)) for code in (*_SOF, _SOS, _APP14)),
    places={
        _JFIF: ((b"JFIF\0", "density"), (b"JFXX\0", "thumbnail")),
        _APP1: ((EXIF_PREFIX, "exif"), (XMP_PREFIX, "xmp"),
                (b"http://ns.adobe.com/xmp/extension/\0", "XMP beyond 64 KB")),
        _APP2: ((_ICC, "icc"), (b"MPF\0", "a second picture")),
        _APP13: ((_PHOTOSHOP, "photoshop"),),
    },
    copied=frozenset((b"\xff\xfe",)),
)  # fmt: skip
_IPTC = re.compile(rb"8BIM\x04\x04\0\0(....)", re.DOTALL)
_RESOURCE = re.compile(rb"8BIM(?!\x03\xed|\x04[\x04\x09\x0c\x25])..", re.DOTALL)
"""Photoshop's resources other than IPTC, resolution and thumbnails, which describe the picture
before pooling, and the sum of IPTC by which Photoshop sees that it was changed."""
_ROOM = 65533
"""The most bytes in a segment."""
_COMPLAINTS = r"Premature end of JPEG|Corrupt JPEG data|Inconsistent progression|Invalid SOS param"
_EXTRANEOUS = r"Corrupt JPEG data: \d+ extraneous bytes before marker 0xd9"
_WHOLE_SPECTRUM = b"\0\x3f\0"
"""How the scan header of a sequential JPEG ends: all of 64 coefficients, all of their bits."""
_INCH = 0.0254


class _Repair(NamedTuple):
    """Harmless oddities in the headers, as warnings."""

    start: int
    end: int
    new: bytes
    """What is to stand from `start` to `end`."""
    words: str
    """What the decoder says of it, which of its complaints prints the first only."""


class _Details(NamedTuple):
    repairs: Sequence[_Repair]
    rest: int
    """Bytes from the end-of-image marker to the end of the file."""
    is_lossless: bool
    """True when the decoder gives no gray of its own."""


def read_header(data: bytes) -> Header:
    """Walk the segments from the start to the end of the image."""
    parts, repairs = _segments(data)
    frames = [part for part in parts if part.name[1] in _SOF]
    scans = [part for part in parts if part.name[1] == _SOS]
    coding, body = frames[0].name[1], frames[0].body
    bits, height, width, channels = struct.unpack_from(">BHHB", body)
    if bits != 8 or channels not in CHECKED.get(coding, ()) or len(scans) > _MOST_SCANS:
        raise ImageError(
            f"it is a JPEG of a rare kind (frame {coding:#x}, {bits} bits, {channels} components, "
            f"{len(scans)} scans), which is not read; convert it: djpeg in.jpg > out.ppm"
        )
    # Huffman codes take at least one bit for each block of 8 x 8 pixels.
    require_plausible(height, width, height * width // 64, len(data) * 8)
    end = parts[-1]
    metadata, missing = _read_metadata(CONTAINER.sort(parts if end.body else parts[:-1]))
    if metadata.icc and channels == 4:
        missing.append("ICC profile of the CMYK colors, which are RGB now")
        metadata = metadata._replace(icc=b"")
    for scan in scans if coding in (0xC0, 0xC1) else ():
        start = scan.at + 4 + len(scan.body)
        # Phones write a spectrum that ends at 0. Zeros that go on are a hole.
        if scan.body[-3:] == bytes(3) and any(data[start : start + 4]):
            words = "Invalid SOS parameters for sequential JPEG"
            repairs.append(_Repair(start - 3, start, _WHOLE_SPECTRUM, words))
    details = _Details(repairs, len(data) - end.at, coding == _LOSSLESS)
    return Header(formats.JPEG, ((height, width),), metadata, tuple(missing), details=details)


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """Decode the picture as it is stored."""
    details: _Details = header.details
    odd = [repair.words for repair in details.repairs]
    gray = header.gray and not details.is_lossless
    if odd:
        pieces, done = list[bytes](), 0
        for start, end, new, _ in details.repairs:
            pieces += (data[done:start], new)
            done = end
        data = b"".join((*pieces, data[done:]))
    try:
        pixels = opencv.decode_still(data, formats.JPEG, _COMPLAINTS, gray=gray)
    except DamageError as error:
        # Zeros may pad the file. If they replace lost data instead, the decoder reads them as codes
        # and complains.
        complaint, end = re.search(_EXTRANEOUS, str(error)), len(data) - details.rest
        if not complaint or data[end - 1]:
            raise
        kept = data[:end].rstrip(b"\0")
        kept += b"\0" if kept.endswith(b"\xff") else b""  # which is how 0xFF is coded
        pixels = opencv.decode_still(kept + data[end:], formats.JPEG, _COMPLAINTS, gray=gray)
        odd.append(complaint[0])
    warnings = tuple(f"read, though the decoder says: {words}" for words in dict.fromkeys(odd))
    return Picture((pixels,), formats.JPEG, warnings=warnings)


def encode(picture: Picture, quality: int | None) -> Encoded:
    """Encode with OpenCV's default quality of 95, or another one, and add the metadata.

    Colors are as fine as brightness (4:4:4): those of pooled pixels have more detail than a pixel
    of the image had.
    """
    cv2, metadata = native.import_cv2(), picture.metadata
    settings = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    settings += [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    data = opencv.encode_still(formats.JPEG, picture.frames[0], settings)
    if metadata == NO_METADATA:
        return Encoded(data)
    start = data[:20]  # the marker of the start, and the JFIF segment that OpenCV writes
    segments, missing = [], []
    if metadata.resolution:
        down, across = (min(round(side * _INCH), 0xFFFF) for side in metadata.resolution)
        if down and across:
            start = start[:13] + struct.pack(">BHH", 1, across, down) + start[18:]
        else:
            missing.append("resolution (JPEG stores whole pixels per inch)")
    (exif, xmp, profile), room = metadata.blocks(), _ROOM - len(_ICC) - 2
    parts = [
        ("EXIF", Part(_APP1, exif and EXIF_PREFIX + exif)),
        ("XMP", Part(_APP1, xmp and XMP_PREFIX + xmp)),
    ]
    pieces = [profile[at : at + room] for at in range(0, len(profile), room)]
    if len(pieces) > 255:
        pieces, missing = [], ["ICC (it has more bytes than JPEG holds)", *missing]
    for number, piece in enumerate(pieces, 1):
        parts.append(("ICC", Part(_APP2, _ICC + bytes((number, len(pieces))) + piece)))
    for pair in metadata.verbatim.parts if metadata.verbatim else ():
        parts.append(("IPTC", Part(*pair)))
    for what, (name, body, _) in parts:
        if len(body) > _ROOM:
            missing.append(f"{what} (it has more bytes than JPEG holds)")
        elif body:
            segments.append(CONTAINER.pack(name, body))
    return Encoded(b"".join((start, *segments, data[20:])), left_out(missing))


def _segments(data: bytes) -> tuple[list[Part], list[_Repair]]:
    """All segments but tables, and last the data after the end of the image, by their markers.

    Like libjpeg, it skips bytes of the header that are no marker.
    """
    parts: list[Part] = []
    junk: list[_Repair] = []
    view, pattern, before, at, done = memoryview(data), _MARKER, _COM, 2, 2
    while marker := pattern.search(data, at):
        start, at = marker.span()
        code = data[at - 1]
        if code == _EOI and pattern is _NEXT_MARKER:
            parts.append(Part(marker[0], view[at:], start))
            return parts, junk
        if code in (_SOI, _EOI):
            break
        if code in _BARE:
            continue
        # Bytes of 0xFF may precede a marker.
        if start > done and pattern is _MARKER and (count := len(data[done:start].rstrip(b"\xff"))):
            words = f"Corrupt JPEG data: {count} extraneous bytes before marker {code:#x}"
            if not _APP0 <= before <= _COM:  # the end of a table perhaps
                raise DamageError(f"it is damaged: {words}")
            junk.append(_Repair(done, start, b"", words))
        done = at + (data[at] << 8 | data[at + 1])
        if done < at + 2:
            raise DamageError("it is damaged: a JPEG segment is shorter than its length")
        if code not in _TABLES:
            parts.append(Part(marker[0], view[at + 2 : done], start))
        at, before = done, code
        if code == _SOS:
            pattern = _NEXT_MARKER
    if pattern is _NEXT_MARKER:
        raise DamageError("it is truncated: the JPEG data has no end-of-image marker")
    raise DamageError("it is truncated or damaged: there is no picture after the JPEG header")


def _read_metadata(contents: Contents) -> tuple[Metadata, list[str]]:
    """What the segments say of the picture, and the names of those that are not copied."""
    missing = list(filter(None, map(_name, contents.others)))
    blocks, resolution = contents.blocks, None
    if density := contents.first("density"):
        unit, across, down = struct.unpack_from(">BHH", density.ljust(7, b"\0"), 2)
        meter = {1: 1 / _INCH, 2: 100.0}.get(unit, 0)
        if meter and across and down:
            resolution = (down * meter, across * meter)
        elif not meter and across != down:
            missing.append("shape of pixels")
    if blocks.keys() <= {"density", "thumbnail"} and not contents.copied:
        return Metadata(resolution=resolution), missing
    missing += [name for name in ("a second picture", "XMP beyond 64 KB") if name in blocks]
    exif, *more = blocks.get("exif", [b""])  # a large block goes on in the next segment
    going_on = [piece for piece in more if piece[:2] not in (b"II", b"MM")]
    missing += ["a second EXIF block"] if len(going_on) < len(more) else []
    missing += ["a second XMP packet"] if len(blocks.get("xmp", ())) > 1 else []
    pieces = {piece[0]: piece[2:] for piece in blocks.get("icc", ()) if len(piece) > 2}
    resources, kept = b"".join(blocks.get("photoshop", ())), contents.copied
    names = ["comment"] if kept else []
    if head := _IPTC.search(resources):
        iptc = resources[head.start() : head.end() + int.from_bytes(head[1], "big")]
        kept.append(Part(_APP13, _PHOTOSHOP + iptc + b"\0" * (len(iptc) % 2)))
        names.append("IPTC")
    missing += ["Photoshop data (APP13)"] if _RESOURCE.search(resources) else []
    pairs = tuple((name, bytes(body)) for name, body, _ in kept)
    metadata = Metadata(
        read_exif(b"".join((exif, *going_on))),
        contents.first("xmp"),
        b"".join(pieces[number] for number in sorted(pieces)),
        resolution,
        Verbatim(("JPEG",), pairs, tuple(names)) if kept else None,
    )
    return metadata, missing


def _name(part: Part) -> str:
    """What a segment that is not copied is called; nothing if it says nothing."""
    number, body = part.name[1] - _APP0, bytes(part.body)
    if part.name[1] != _EOI:
        return f"APP{number} ({name_of(body)})" if name_of(body) else f"APP{number}"
    if b"\xff\xd8\xff" in body:  # the second picture of MPO files and gain maps
        return "a second picture"
    return "data after the end of the picture" if body.strip(b"\0\r\n ") else ""
