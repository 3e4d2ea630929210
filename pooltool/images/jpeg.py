"""JPEG (ITU-T T.81) with JFIF, EXIF, XMP and ICC in its application segments."""

from __future__ import annotations

import re
import struct

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv
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

CHECKED = {0xC0: (1, 3, 4), 0xC1: (1, 3, 4), 0xC2: (1, 3, 4), 0xC3: (1, 3)}
"""Codings of 8 bits a sample that come out right, by the marker of the frame, and their numbers of
components: baseline, extended sequential, progressive and lossless. Arithmetic codes come out
right as well, but the decoder does not see when data is missing."""
_LOSSLESS = 0xC3
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOI, _EOI, _SOS, _APP0, _COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xFE
_TABLES = frozenset((0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF))
"""Markers of segments that are the decoder's alone."""
_USUAL_TABLE = rb"\xdb\0\x43.{65}|\xc4\0\x1f.{29}|\xc4\0\xb5.{179}"
_MARKER = re.compile(rb"\xff(?!\0)(?:(?:%b)\xff)*[\xc0-\xcf\xd8-\xfe]" % _USUAL_TABLE, re.DOTALL)
"""A marker, and any tables of the usual sizes before it. Behind 0xFF among coded pixels is a 0 or
a restart marker.
"""
_MOST_SCANS = 128
"""Each scan takes time for the whole picture; programs write a dozen."""

_ICC, _PHOTOSHOP = b"ICC_PROFILE\0", b"Photoshop 3.0\0"
_BLOCKS = {
    _APP0: ((b"JFIF\0", "density"), (b"JFXX\0", "thumbnail")),
    0xE1: ((EXIF_PREFIX, "exif"), (XMP_PREFIX, "xmp"),
           (b"http://ns.adobe.com/xmp/extension/\0", "XMP beyond 64 KB")),
    0xE2: ((_ICC, "icc"), (b"MPF\0", "a second picture")),
    0xED: ((_PHOTOSHOP, "photoshop"),),
    0xEE: ((b"", "kind of colors"),),  # of Adobe, for the decoder
    _COM: ((b"", "comment"),),
}  # fmt: skip
"""What segments hold behind which prefix, by their marker."""
_IPTC = re.compile(rb"8BIM\x04\x04\0\0(....)", re.DOTALL)
_RESOURCE = re.compile(rb"8BIM(?!\x03\xed|\x04[\x04\x09\x0c\x25])..", re.DOTALL)
"""Photoshop's resources other than IPTC, resolution and thumbnails, which describe the picture
before pooling, and the sum of IPTC by which Photoshop sees that it was changed."""
_ROOM = 65533
"""The most bytes in a segment."""
_COMPLAINTS = r"Premature end of JPEG|Corrupt JPEG data|Inconsistent progression|Invalid SOS param"
_INCH = 0.0254

Segment = tuple[int, int, bytes]
"""The code of its marker, the position of that, and what it holds."""
Repair = tuple[int, int, bytes]
"""A harmless oddity of the header: from where to where it is, and what is to stand there."""
_Details = tuple[list[Repair], int, bool]
"""What can be repaired, where the image's data ends, and whether it is lossless: then the decoder
gives no gray of its own."""


def read_header(data: bytes) -> Header:
    """Walk the segments from the start to the end of the image."""
    segments, repairs = _segments(data)
    frames, scans = [], []
    missing: list[str] = []
    blocks: dict[str, list[bytes]] = {}
    for segment in segments:
        code, _, body = segment
        if code in _SOF:
            frames.append(segment)
        elif code == _SOS:
            scans.append(segment)
        elif body or code != _EOI:
            for prefix, name in _BLOCKS.get(code, ()):
                if body.startswith(prefix):
                    blocks.setdefault(name, []).append(body[len(prefix) :])
                    break
            else:
                missing += _names(code, body)
    coding, _, body = frames[0]
    bits, height, width, channels = struct.unpack_from(">BHHB", body)
    if bits != 8 or channels not in CHECKED.get(coding, ()) or len(scans) > _MOST_SCANS:
        raise ImageError(
            f"it is a JPEG of a rare kind (frame {coding:#x}, {bits} bits, {channels} components, "
            f"{len(scans)} scans), which is not read; convert it: djpeg in.jpg > out.ppm"
        )
    # Huffman codes take at least one bit for each block of 8 x 8 pixels.
    require_plausible(height, width, height * width // 64, len(data) * 8)
    metadata = _read_metadata(blocks, missing)
    if metadata.icc and channels == 4:
        missing.append("ICC profile of the CMYK colors, which are RGB now")
        metadata = metadata._replace(icc=b"")
    for _, start, body in scans if coding in (0xC0, 0xC1) else ():
        end = start + 4 + len(body)
        # Phones write a spectrum that ends at 0. Zeros that go on are a hole.
        if body[-3:] == bytes(3) and any(data[end : end + 4]):
            repairs.append((end - 3, end, b"\0\x3f\0"))  # all 64 coefficients, all of their bits
    details: _Details = repairs, segments[-1][1], coding == _LOSSLESS
    return Header(formats.JPEG, ((height, width),), metadata, tuple(missing), details=details)


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """Decode the picture as it is stored.

    The decoder tells of its first complaint only: where that may be about something harmless, the
    picture is decoded again without that, and nothing must be wrong then.
    """
    details: _Details = header.details
    repairs, end, is_lossless = details
    gray = header.gray and not is_lossless
    try:
        return Picture(
            (opencv.decode_still(data, formats.JPEG, _COMPLAINTS, gray=gray),), formats.JPEG
        )
    except DamageError as error:
        # Zeros may pad the data. If they replace what was lost, the decoder misses that next.
        kept = len(data[:end].rstrip(b"\0"))
        padding = (kept, end, b"\0" if data[kept - 1] == 0xFF else b"")  # 0xFF is coded so
        repairs = [*repairs, padding] if kept < end else repairs
        if not repairs:
            raise
        complaint = error.reason.removeprefix("it is damaged: ")
    pieces, done = list[bytes](), 0
    for start, end, new in repairs:
        pieces += (data[done:start], new)
        done = end
    data = b"".join((*pieces, data[done:]))
    pixels = opencv.decode_still(data, formats.JPEG, _COMPLAINTS, gray=gray)
    warnings = (f"read, though the decoder says: {complaint}",)
    return Picture((pixels,), formats.JPEG, warnings=warnings)


def encode(picture: Picture, quality: int | None) -> Encoded:
    """Encode with OpenCV's default quality of 95, or another one, and add the metadata.

    Colors are as fine as brightness (4:4:4): those of pooled pixels have more detail than a pixel
    of the image had.
    """
    cv2, metadata = native.import_cv2(), picture.metadata
    settings = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    settings += [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    data = opencv.encoded(formats.JPEG, picture.frames[0], settings)
    if metadata == NO_METADATA:
        return Encoded(data)
    start, missing = data[:20], list[str]()  # its marker, and the JFIF segment of OpenCV
    if metadata.resolution:
        down, across = (min(round(side * _INCH), 0xFFFF) for side in metadata.resolution)
        if down and across:
            start = start[:13] + struct.pack(">BHH", 1, across, down) + start[18:]
        else:
            missing.append("resolution (JPEG stores whole pixels per inch)")
    (exif, xmp, profile), room = metadata.blocks(), _ROOM - len(_ICC) - 2
    pieces = [profile[at : at + room] for at in range(0, len(profile), room)]
    if len(pieces) > 255:
        pieces, missing = [], ["ICC (it has more bytes than JPEG holds)", *missing]
    parts = [
        ("EXIF", b"\xff\xe1", exif and EXIF_PREFIX + exif),
        ("XMP", b"\xff\xe1", xmp and XMP_PREFIX + xmp),
    ]
    for number, piece in enumerate(pieces, 1):
        parts.append(("ICC", b"\xff\xe2", _ICC + bytes((number, len(pieces))) + piece))
    parts += [("IPTC", *part) for part in (metadata.verbatim.parts if metadata.verbatim else ())]
    segments = list[bytes]()
    for what, marker, body in parts:
        if len(body) > _ROOM:
            missing.append(f"{what} (it has more bytes than JPEG holds)")
        elif body:
            segments += (marker, struct.pack(">H", len(body) + 2), body)
    return Encoded(b"".join((start, *segments, data[20:])), left_out(missing))


def _segments(data: bytes) -> tuple[list[Segment], list[Repair]]:
    """All segments but tables, and last the data after the end of the image; and bytes of the
    header that are no marker, which libjpeg skips.
    """
    segments: list[Segment] = []
    junk: list[Repair] = []
    before, at, is_coded = _COM, 2, False
    while marker := _MARKER.search(data, at):
        start, behind = marker.span()
        code = data[behind - 1]
        if code == _EOI and is_coded:
            segments.append((code, behind - 2, data[behind:]))
            return segments, junk
        if code in (_SOI, _EOI):
            break
        # Behind a table they are the end of that perhaps.
        if start > at and not is_coded and before >= _APP0:
            junk.append((at, start, b""))
        before, at = code, behind + (data[behind] << 8 | data[behind + 1])
        if at < behind + 2:
            raise DamageError("it is damaged: a JPEG segment is shorter than its length")
        if code not in _TABLES:
            segments.append((code, behind - 2, data[behind + 2 : at]))
            is_coded = is_coded or code == _SOS
    if is_coded:
        raise DamageError("it is truncated: the JPEG data has no end-of-image marker")
    raise DamageError("it is truncated or damaged: there is no picture after the JPEG header")


def _read_metadata(blocks: dict[str, list[bytes]], missing: list[str]) -> Metadata:
    """What the segments say of the picture; the names of those that are not copied are added to
    `missing`.
    """
    resolution = None
    if "density" in blocks:
        density = blocks["density"][0].ljust(7, b"\0")
        unit, across, down = struct.unpack_from(">BHH", density, 2)
        meter = {1: 1 / _INCH, 2: 100.0}.get(unit, 0)
        if meter and across and down:
            resolution = (down * meter, across * meter)
        elif not meter and across != down:
            missing.append("shape of pixels")
    if blocks.keys() <= {"density", "thumbnail", "kind of colors"}:
        return Metadata(resolution=resolution) if resolution else NO_METADATA
    from pooltool.images.tags import read_exif

    missing += [name for name in ("a second picture", "XMP beyond 64 KB") if name in blocks]
    exif, *more = blocks.get("exif", [b""])
    going_on = [piece for piece in more if piece[:2] not in (b"II", b"MM")]  # a large block
    missing += ["a second EXIF block"] if len(going_on) < len(more) else []
    xmp, *more = blocks.get("xmp", [b""])
    missing += ["a second XMP packet"] if more else []
    pieces = {piece[0]: piece[2:] for piece in blocks.get("icc", ()) if len(piece) > 2}
    resources, comments = b"".join(blocks.get("photoshop", ())), blocks.get("comment", ())
    kept, names = [(b"\xff\xfe", body) for body in comments], ["comment"] * bool(comments)
    if head := _IPTC.search(resources):
        iptc = resources[head.start() : head.end() + int.from_bytes(head[1], "big")]
        kept.append((b"\xff\xed", _PHOTOSHOP + iptc + b"\0" * (len(iptc) % 2)))
        names.append("IPTC")
    missing += ["Photoshop data (APP13)"] if _RESOURCE.search(resources) else []
    return Metadata(
        read_exif(b"".join((exif, *going_on))),
        xmp,
        b"".join(pieces[number] for number in sorted(pieces)),
        resolution,
        Verbatim(("JPEG",), tuple(kept), tuple(names)) if kept else None,
    )


def _names(code: int, body: bytes) -> list[str]:
    """What a segment that is not copied is called; nothing if it says nothing."""
    from pooltool.images.container import name_of

    if code != _EOI:
        name = name_of(body)
        return [f"APP{code - _APP0} ({name})" if name else f"APP{code - _APP0}"]
    if b"\xff\xd8\xff" in body:  # the second picture of MPO files and gain maps
        return ["a second picture"]
    return ["data after the end of the picture"] if body.strip(b"\0\r\n ") else []
