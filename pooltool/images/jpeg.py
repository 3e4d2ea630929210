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
from pooltool.images.formats import Format
from pooltool.images.headers import left_out, require_plausible
from pooltool.images.picture import Encoded, Header, Metadata, Picture, Verbatim
from pooltool.images.tags import EXIF_PREFIX, XMP_PREFIX, Resolution, read_exif

CHECKED = {0xC0: (1, 3, 4), 0xC1: (1, 3, 4), 0xC2: (1, 3, 4), 0xC3: (1, 3)}
"""Codings of 8 bits a sample that come out right, by the marker of the frame, and their numbers of
components: baseline, extended sequential, progressive and lossless. Arithmetic codes come out
right as well, but the decoder does not see when data is missing."""
_LOSSLESS = 0xC3
_ARITHMETIC = (0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_SOF = frozenset((*CHECKED, 0xC5, 0xC6, 0xC7, *_ARITHMETIC))
_SOI, _EOI, _SOS, _APP0, _APP14, _COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE, 0xFE
_BARE = frozenset((0x01, *range(0xD0, 0xD8)))
"""Markers of no segment."""
_MARKER = re.compile(rb"\xff([^\x00\xff])")
_NEXT_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
"""The same behind coded pixels, where a 0 or a restart marker goes after 0xFF."""
_MOST_SCANS = 128
"""Each scan takes as long as the picture is large; programs write a dozen."""

_JFIF, _APP1, _APP2, _APP13 = b"\xff\xe0", b"\xff\xe1", b"\xff\xe2", b"\xff\xed"
_ICC, _PHOTOSHOP = b"ICC_PROFILE\0", b"Photoshop 3.0\0"
CONTAINER = Container(
    ">2sH", "JPEG segment", name_first=True, counted=2,
    # APP14 of Adobe tells the kind of colors.
    structural=frozenset(bytes((0xFF, code)) for code in
                         (*_SOF, 0xC4, 0xCC, _SOS, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, _APP14)),
    places={
        _JFIF: ((b"JFIF\0", "density"), (b"JFXX\0", "thumbnail")),
        _APP1: ((EXIF_PREFIX, "exif"), (XMP_PREFIX, "xmp")),
        _APP2: ((_ICC, "icc"),), _APP13: ((_PHOTOSHOP, "photoshop"),),
    },
    copied=frozenset((b"\xff\xfe",)),
)  # fmt: skip
_IPTC, _OF_THE_PICTURE = 0x0404, (0x03ED, 0x0409, 0x040C, 0x0425)
"""Numbers of Photoshop's resources: IPTC; resolution and thumbnails, which describe the picture
before pooling, and the sum of IPTC by which Photoshop sees that it was changed."""
_ROOM = 65533
"""The most bytes in a segment."""
_COMPLAINTS = r"Premature end of JPEG|Corrupt JPEG data|Inconsistent progression|Invalid SOS param"
_EXTRANEOUS = r"Corrupt JPEG data: \d+ extraneous bytes before marker 0xd9"
_WHOLE_SPECTRUM = b"\0\x3f\0"
"""How the scan header of a sequential JPEG ends: all of 64 coefficients, all of their bits."""
_INCH = 0.0254


class _Details(NamedTuple):
    repairs: tuple[str, ...]
    """What is odd in the file without harm to the picture, in the decoder's words."""
    repaired: bytes | None
    """The file without that: of its complaints libjpeg prints the first only."""
    rest: int
    """Bytes from the end-of-image marker to the end of the file."""
    lossless: bool
    """True when the decoder gives no gray of its own."""


def read_header(data: bytes) -> Header:
    """Walk the segments from the start to the end of the image."""
    parts = _segments(data)
    frames = [part for part in parts if part.name[1] in _SOF]
    if not frames or len(frames[0].body) < 6:
        raise DamageError("it is damaged: the JPEG header gives no size")
    coding, body = frames[0].name[1], frames[0].body
    bits, height, width, channels = struct.unpack_from(">BHHB", body)
    scans = sum(part.name[1] == _SOS for part in parts)
    _require_checked(coding, bits, height, channels, scans)
    # Huffman codes take at least one bit for each block of 8 x 8 pixels.
    require_plausible(height, width, height * width // 64, len(data) * 8)
    metadata, missing = _read_metadata(CONTAINER.sort(parts))
    if metadata.icc and channels == 4:
        missing.append("ICC profile of the CMYK colors, which are RGB now")
        metadata = metadata._replace(icc=None)
    repairs, repaired = _repaired(data, parts, coding)
    details = _Details(tuple(repairs), repaired, len(parts[-1].body) + 2, coding == _LOSSLESS)
    return Header(formats.JPEG, ((height, width),), metadata, tuple(missing), details=details)


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode the picture as it is stored."""
    details: _Details = header.details
    data, odd = details.repaired or data, list(details.repairs)
    gray = header.gray and not details.lossless
    try:
        pixels = opencv.decode_still(data, formats.JPEG, _COMPLAINTS, gray=gray)
    except DamageError as error:
        # Zeros may fill the file up. Was data lost instead, then zeros were taken for codes, and
        # the decoder will miss them.
        complaint, end = re.search(_EXTRANEOUS, str(error)), len(data) - details.rest
        if not complaint or data[end - 1]:
            raise
        kept = data[:end].rstrip(b"\0")
        kept += b"\0" if kept.endswith(b"\xff") else b""  # which is how 0xFF is coded
        pixels = opencv.decode_still(kept + data[end:], formats.JPEG, _COMPLAINTS, gray=gray)
        odd.append(complaint[0])
    warnings = tuple(f"read, though the decoder says: {words}" for words in odd)
    return Picture((pixels,), formats.JPEG, warnings=warnings)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode with OpenCV's default quality of 95, or another one, and add the metadata.

    Colors are as fine as brightness (4:4:4): those of pooled pixels have more detail than a pixel
    of the image had.
    """
    cv2, metadata = native.import_cv2(), picture.metadata
    settings = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    settings += [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    data = opencv.encode_still(format, picture.frames[0], settings)
    start = data[:20]  # the marker of the start, and the JFIF segment that OpenCV writes
    segments, missing = [], []
    if metadata.resolution:
        down, across = (min(round(side * _INCH), 0xFFFF) for side in metadata.resolution)
        if down and across:
            start = start[:13] + struct.pack(">BHH", 1, across, down) + start[18:]
        else:
            missing.append("resolution (JPEG holds whole pixels an inch)")
    exif = metadata.exif and metadata.exif.to_bytes()
    for name, block, prefix in (("EXIF", exif, EXIF_PREFIX), ("XMP", metadata.xmp, XMP_PREFIX)):
        if block and len(prefix + block) <= _ROOM:
            segments.append(CONTAINER.pack(_APP1, prefix + block))
        elif block:
            missing.append(f"{name} (its {len(block)} bytes are more than JPEG holds)")
    profile = metadata.icc or b""
    pieces = _pieces(profile, _ROOM - len(_ICC) - 2)
    if len(pieces) > 255:
        missing.append(f"ICC (its {len(profile)} bytes are more than JPEG holds)")
        pieces = []
    for number, piece in enumerate(pieces, 1):
        segments.append(CONTAINER.pack(_APP2, _ICC + bytes((number, len(pieces))) + piece))
    for part in metadata.verbatim.parts if metadata.verbatim else ():
        segments.append(CONTAINER.pack(part.name, part.body))
    return Encoded(b"".join((start, *segments, data[20:])), left_out(missing))


def _segments(data: bytes) -> list[Part]:
    """All segments, and last what lies behind the end of the image, each by its marker.

    As libjpeg does it, what is no marker is stepped over in the header.
    """
    parts, view, at, pattern = list[Part](), memoryview(data), 2, _MARKER
    while marker := pattern.search(data, at):
        start, at = marker.span()
        code = data[at - 1]
        if code == _EOI and pattern is _NEXT_MARKER:
            parts.append(Part(marker[0], view[at:], start))
            return parts
        if code in (_SOI, _EOI):
            break
        if code in _BARE:
            continue
        end = at + struct.unpack_from(">H", data, at)[0]
        if end < at + 2:
            raise DamageError("it is damaged: a JPEG segment is shorter than its length")
        parts.append(Part(marker[0], view[at + 2 : end], start))
        at = end
        if code == _SOS:
            pattern = _NEXT_MARKER
    if pattern is _NEXT_MARKER:
        raise DamageError("it is truncated: the JPEG data has no end-of-image marker")
    raise DamageError("it is truncated or damaged: the JPEG header has no picture behind it")


def _require_checked(coding: int, bits: int, height: int, channels: int, scans: int) -> None:
    """Refuse what does not come out right, by name and with what to convert it to."""
    remedy = "convert it to PNG or TIFF with the program that wrote it"
    to_baseline = "convert it with jpegtran -optimize in.jpg > out.jpg"
    if coding in _ARITHMETIC:
        kind, remedy = "arithmetic coding", to_baseline
    elif coding not in CHECKED:
        kind = "hierarchical coding"
    elif bits != 8:
        kind = f"{bits} bits a sample"
        remedy = "convert it to a PPM of 16 bits with djpeg of libjpeg-turbo 3"
    elif not height:
        kind = "its height behind the pixels (DNL)"
    elif channels not in CHECKED[coding]:
        coded = "lossless" if coding == _LOSSLESS else "Huffman"
        kind = f"{channels} components in {coded} coding"
    elif scans > _MOST_SCANS:
        kind, remedy = f"{scans} scans", to_baseline
    else:
        return
    raise ImageError(f"it is a JPEG with {kind}, which is not read; {remedy}")


def _read_metadata(contents: Contents) -> tuple[Metadata, list[str]]:
    """What the segments say of the picture, and the names of those that are not copied."""
    missing = list(filter(None, map(_name, contents.others)))
    blocks, resolution = contents.blocks, None
    if density := contents.first("density"):
        unit, across, down = struct.unpack_from(">BHH", density.ljust(7, b"\0"), 2)
        meter = {1: 1 / _INCH, 2: 100.0}.get(unit, 0)
        if meter and across and down:
            resolution = Resolution(down * meter, across * meter)
        elif not meter and across != down:
            missing.append("shape of pixels")
    if blocks.keys() <= {"density", "thumbnail"} and not contents.copied:
        return Metadata(resolution=resolution), missing
    exif, *more = blocks.get("exif", [b""])  # a large block goes on in the next segment
    going_on = [piece for piece in more if piece[:2] not in (b"II", b"MM")]
    missing += ["a second EXIF block"] if len(going_on) < len(more) else []
    missing += ["a second XMP packet"] if len(blocks.get("xmp", ())) > 1 else []
    pieces = {piece[0]: piece[2:] for piece in blocks.get("icc", ()) if len(piece) > 2}
    iptc, has_others = _iptc(contents.block("photoshop"))
    missing += ["Photoshop data (APP13)"] if has_others else []
    kept = [*contents.copied, *iptc]
    names = ("comment",) * bool(contents.copied) + ("IPTC",) * bool(iptc)
    metadata = Metadata(
        read_exif(b"".join((exif, *going_on))),
        contents.first("xmp") or None,
        b"".join(pieces[number] for number in sorted(pieces)) or None,
        resolution,
        Verbatim(("JPEG",), tuple(kept), names) if kept else None,
    )
    return metadata, missing


def _iptc(resources: bytes) -> tuple[list[Part], bool]:
    """Of Photoshop's resources segments of IPTC, and if there are others that are worth a word."""
    iptc, has_others, at = list[bytes](), False, 0
    while at + 12 <= len(resources):
        kind, number, name = struct.unpack_from(">4sHB", resources, at)
        start = at + 7 + name + (name + 1) % 2
        size = int.from_bytes(resources[start : start + 4], "big")
        end = start + 4 + size + size % 2
        if kind != b"8BIM" or start + 4 + size > len(resources):
            break
        if number == _IPTC:
            iptc.append(resources[at:end].ljust(end - at, b"\0"))
        has_others = has_others or number not in (_IPTC, *_OF_THE_PICTURE)
        at = end
    pieces = _pieces(b"".join(iptc), _ROOM - len(_PHOTOSHOP))
    has_others = has_others or bool(resources[at:].strip(b"\0"))
    return [Part(_APP13, _PHOTOSHOP + piece) for piece in pieces], has_others


def _pieces(block: bytes, room: int) -> list[bytes]:
    return [block[at : at + room] for at in range(0, len(block), room)]


def _name(part: Part) -> str:
    """What a segment that is not copied is called; nothing if it says nothing."""
    code, body = part.name[1], part.body
    if code == _EOI:  # the second picture of MPO files and gain maps lies behind the first
        if b"\xff\xd8\xff" in bytes(body):
            return "a second picture"
        return "data after the end of the picture" if bytes(body).strip(b"\0\r\n ") else ""
    if body[:35] == b"http://ns.adobe.com/xmp/extension/\0":
        return "XMP beyond 64 KB"
    if part.name == _APP2 and body[:4] == b"MPF\0":
        return "a second picture"
    if _APP0 <= code <= _APP0 + 15:
        name = name_of(body)
        return f"APP{code - _APP0} ({name})" if name else f"APP{code - _APP0}"
    return f"segment {code:#x}"


def _repaired(data: bytes, parts: Sequence[Part], coding: int) -> tuple[list[str], bytes | None]:
    """What is odd in the headers, as the decoder says it, and the file without that."""
    repairs, out, done = [], [], 0
    end, scanned, before = 2, False, _COM
    for (_, code), body, at in parts:
        # Bytes of 0xFF may precede a marker.
        if not scanned and at > end and (junk := data[end:at].rstrip(b"\xff")):
            words = f"Corrupt JPEG data: {len(junk)} extraneous bytes before marker {code:#x}"
            if before != _COM and not _APP0 <= before <= _APP0 + 15:  # the end of a table perhaps
                raise DamageError(f"it is damaged: {words}")
            repairs.append(words)
            out.append(data[done:end])
            done = at
        end = at + 4 + len(body)
        if code == _SOS:
            scanned = True
            # Phones write a spectrum that ends at 0. Zeros that go on are a hole.
            no_spectrum = body[-3:] == bytes(3) and any(data[end : end + 4])
            if coding in (0xC0, 0xC1) and no_spectrum:
                repairs.append("Invalid SOS parameters for sequential JPEG")
                out += [data[done : end - 3], _WHOLE_SPECTRUM]
                done = end
        before = code
    if not repairs:
        return [], None
    return list(dict.fromkeys(repairs)), b"".join((*out, data[done:]))
