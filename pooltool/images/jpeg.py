"""JPEG (ITU-T T.81) with JFIF, EXIF, XMP and ICC in its application segments."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import NamedTuple

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv, tags
from pooltool.images.formats import Format
from pooltool.images.headers import left_out, name_of, require_plausible
from pooltool.images.picture import Encoded, Header, Metadata, Part, Picture, Verbatim
from pooltool.images.tags import EXIF_PREFIX, Resolution

FORMATS = (formats.JPEG,)
START = rb"\xff\xd8\xff"

CHECKED = {0xC0: (1, 3, 4), 0xC1: (1, 3, 4), 0xC2: (1, 3, 4), 0xC3: (1, 3)}
"""Codings of 8 bits a sample that come out right, by the marker of the frame, and their numbers of
components: baseline, extended sequential, progressive and lossless. Arithmetic codes come out
right as well, but the decoder does not see when data is missing."""
_ARITHMETIC = (0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_SOF = frozenset((*CHECKED, 0xC5, 0xC6, 0xC7, *_ARITHMETIC))
_SOI, _EOI, _SOS, _APP0, _APP1, _APP2, _APP13, _COM = (
    0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xED, 0xFE)  # fmt: skip
_BARE = frozenset((0x01, *range(0xD0, 0xD8)))
"""Markers of no segment."""
_STRUCTURAL = _SOF | {0xC4, 0xCC, _SOS, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, 0xEE}
"""How the pixels are coded; 0xEE (APP14 of Adobe) tells the kind of colors."""
_MARKER = re.compile(rb"\xff([^\x00\xff])")
_NEXT_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
"""The same behind coded pixels, where a 0 or a restart marker goes after 0xFF."""

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_IPTC, _OF_THE_PICTURE = 0x0404, (0x03ED, 0x0409, 0x040C, 0x0425)
"""Numbers of resources: IPTC; resolution and thumbnails, which tell of the picture before pooling,
and the sum of IPTC by which Photoshop sees that it was changed."""
_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_ICC = b"ICC_PROFILE\0"
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
    frames = [part for part in parts if part.name[0] in _SOF]
    if not frames or len(frames[0].body) < 6:
        raise DamageError("it is damaged: the JPEG header tells no size")
    (coding,), body, _ = frames[0]
    bits, height, width, channels = struct.unpack_from(">BHHB", body)
    _require_checked(coding, bits, height, channels)
    # Huffman codes take at least one bit for each block of 8 x 8 pixels.
    require_plausible(height, width, height * width // 64, len(data) * 8)
    found, lost = _read_metadata(parts)
    if found.icc and channels == 4:
        lost.append("ICC profile of the CMYK colors, which are RGB now")
        found = found._replace(icc=None)
    repairs, repaired = _repaired(data, parts, coding)
    details = _Details(tuple(repairs), repaired, len(parts[-1].body) + 2, coding == 0xC3)
    return Header(formats.JPEG, ((height, width),), found, tuple(lost), details=details)


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
        said, end = re.search(_EXTRANEOUS, str(error)), len(data) - details.rest
        if not said or data[end - 1]:
            raise
        kept = data[:end].rstrip(b"\0")
        kept += b"\0" if kept.endswith(b"\xff") else b""  # which is how 0xFF is coded
        pixels = opencv.decode_still(kept + data[end:], formats.JPEG, _COMPLAINTS, gray=gray)
        odd.append(said[0])
    warnings = tuple(f"read, though the decoder says: {words}" for words in odd)
    return Picture((pixels,), formats.JPEG, warnings=warnings)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode with OpenCV's default quality of 95, or another one, and add the metadata.

    Colors are as fine as brightness (4:4:4): those of pooled pixels have more detail than a pixel
    of the image had.
    """
    cv2 = native.import_cv2()
    settings = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    settings += [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    data = opencv.encode_still(format, picture.frames[0], settings)
    found, segments, lost = picture.metadata, b"", []
    exif = found.exif and found.exif.to_bytes()
    for name, block, prefix in (("EXIF", exif, EXIF_PREFIX), ("XMP", found.xmp, _XMP)):
        if block and len(prefix + block) <= _ROOM:
            segments += _segment(_APP1, prefix + block)
        elif block:
            lost.append(f"{name} (its {len(block)} bytes are more than JPEG holds)")
    room = _ROOM - len(_ICC) - 2
    icc = found.icc or b""
    pieces = [icc[at : at + room] for at in range(0, len(icc), room)]
    if len(pieces) > 255:
        lost.append(f"ICC (its {len(icc)} bytes are more than JPEG holds)")
        pieces = []
    for number, piece in enumerate(pieces, 1):
        segments += _segment(_APP2, _ICC + bytes((number, len(pieces))) + piece)
    for (code,), body, _ in found.verbatim.parts if found.verbatim else ():
        segments += _segment(code, body)
    start = data[:20]  # the marker of the start, and the JFIF segment that OpenCV writes
    if found.resolution:
        down, across = (min(round(side * _INCH), 0xFFFF) for side in found.resolution)
        if down and across:
            start = start[:13] + struct.pack(">BHH", 1, across, down) + start[18:]
        else:
            lost.append("resolution (JPEG holds whole pixels an inch)")
    return Encoded(start + segments + data[20:], left_out(lost))


def _segments(data: bytes) -> list[Part]:
    """All segments, and last what lies behind the end of the image, each by its marker's code.

    As libjpeg does it, what is no marker is stepped over in the header.
    """
    parts, at, scanned = list[Part](), 2, False
    while found := (_NEXT_MARKER if scanned else _MARKER).search(data, at):
        code, at = found[1], found.end()
        if code[0] == _EOI and scanned:
            parts.append(Part(code, data[at:], found.start()))
            return parts
        if code[0] in (_SOI, _EOI):
            break
        if code[0] in _BARE:
            continue
        size = struct.unpack_from(">H", data, at)[0]
        if size < 2:
            raise DamageError("it is damaged: a JPEG segment is shorter than its length")
        parts.append(Part(code, data[at + 2 : at + size], found.start()))
        scanned = scanned or code[0] == _SOS
        at += size
    if scanned:
        raise DamageError("it is cut: the JPEG data has no end-of-image marker")
    raise DamageError("it is cut or damaged: the JPEG header has no picture behind it")


def _require_checked(coding: int, bits: int, height: int, channels: int) -> None:
    """Refuse what does not come out right, by name and with what to convert it to."""
    if bits == 8 and height and channels in CHECKED.get(coding, ()):
        return
    remedy = "convert it to PNG or TIFF with the program that wrote it"
    if coding in _ARITHMETIC:
        kind, remedy = "arithmetic coding", "convert it with jpegtran -optimize in.jpg > out.jpg"
    elif coding not in CHECKED:
        kind = "hierarchical coding"
    elif bits != 8:
        kind = f"{bits} bits a sample"
        remedy = "convert it to a PPM of 16 bits with djpeg of libjpeg-turbo 3"
    elif not height:
        kind = "its height behind the pixels (DNL)"
    else:
        kind = f"{channels} components in {'lossless' if coding == 0xC3 else 'Huffman'} coding"
    raise ImageError(f"it is a JPEG with {kind}, which is not read; {remedy}")


def _read_metadata(parts: Sequence[Part]) -> tuple[Metadata, list[str]]:
    """What the segments say of the picture, and the names of those that are not copied."""
    resolution, blocks, profile = None, dict[str, bytes](), dict[int, bytes]()
    kept: list[Part] = []
    lost, photoshop = list[str](), b""
    for part in parts:
        (code,), body, _ = part
        if code in _STRUCTURAL:
            continue
        if code == _APP0 and body.startswith(b"JFIF\0"):
            unit, across, down = struct.unpack_from(">BHH", body.ljust(12, b"\0"), 7)
            metre = {1: 1 / _INCH, 2: 100.0}.get(unit, 0)
            if metre and across and down:
                resolution = Resolution(down * metre, across * metre)
            elif not metre and across != down:
                lost.append("shape of pixels")
        elif code == _APP0 and body.startswith(b"JFXX\0"):
            pass  # a thumbnail, which shows what was before pooling
        elif (
            code == _APP1
            and body.startswith(EXIF_PREFIX)
            and not ("exif" in blocks and body[6:8] in (b"II", b"MM"))
        ):  # a large block goes on in the next segment
            blocks["exif"] = blocks.get("exif", b"") + body[len(EXIF_PREFIX) :]
        elif code == _APP1 and body.startswith(_XMP) and "xmp" not in blocks:
            blocks["xmp"] = body[len(_XMP) :]
        elif code == _APP2 and body.startswith(_ICC) and len(body) > 14:
            profile[body[12]] = body[14:]
        elif code == _APP13 and body.startswith(_PHOTOSHOP):  # may go on in the next segment
            photoshop += body[len(_PHOTOSHOP) :]
        elif code == _COM:
            kept.append(part)
        elif name := _name(code, body):
            lost.append(name)
    icc = b"".join(map(profile.__getitem__, sorted(profile))) or None
    iptc, has_others = _iptc(photoshop)
    lost += ["Photoshop data (APP13)"] if has_others else []
    names = ("comment",) * bool(kept) + ("IPTC",) * bool(iptc)
    verbatim = Verbatim(("JPEG",), (*kept, *iptc), names) if names else None
    block = tags.read_exif(blocks.get("exif"))
    return Metadata(block, blocks.get("xmp"), icc, resolution, verbatim), lost


def _iptc(resources: bytes) -> tuple[list[Part], bool]:
    """Of Photoshop's resources segments of IPTC, and if there are others that are worth a word."""
    iptc, others, at = b"", False, 0
    while at + 12 <= len(resources):
        kind, number, name = struct.unpack_from(">4sHB", resources, at)
        start = at + 7 + name + (name + 1) % 2
        size = int.from_bytes(resources[start : start + 4], "big")
        end = start + 4 + size + size % 2
        if kind != b"8BIM" or start + 4 + size > len(resources):
            break
        if number == _IPTC:
            iptc += resources[at:end].ljust(end - at, b"\0")
        others = others or number not in (_IPTC, *_OF_THE_PICTURE)
        at = end
    room = _ROOM - len(_PHOTOSHOP)
    pieces = [iptc[at : at + room] for at in range(0, len(iptc), room)]
    segments = [Part(bytes([_APP13]), _PHOTOSHOP + piece) for piece in pieces]
    return segments, others or bool(resources[at:].strip(b"\0"))


def _name(code: int, body: bytes) -> str:
    """What a segment that is not copied is called; nothing if it says nothing."""
    if code == _EOI:  # the second picture of MPO files and gain maps lies behind the first
        if b"\xff\xd8\xff" in body:
            return "a second picture"
        return "data after the end of the picture" if body.strip(b"\0\r\n ") else ""
    if body.startswith(_MORE_XMP):
        return "XMP beyond 64 KB"
    if code == _APP2 and body.startswith(b"MPF\0"):
        return "a second picture"
    if 0xE0 <= code <= 0xEF:
        name = name_of(body)
        return f"APP{code - 0xE0} ({name})" if name else f"APP{code - 0xE0}"
    return f"segment {code:#x}"


def _repaired(data: bytes, parts: Sequence[Part], coding: int) -> tuple[list[str], bytes | None]:
    """What is odd in the headers, as the decoder says it, and the file without that."""
    repairs, out, done = [], [], 0
    end, scanned, before = 2, False, _COM
    for (code,), body, at in parts:
        # Bytes of 0xFF may precede a marker.
        if not scanned and at > end and (junk := data[end:at].rstrip(b"\xff")):
            words = f"Corrupt JPEG data: {len(junk)} extraneous bytes before marker {code:#x}"
            if before != _COM and not 0xE0 <= before <= 0xEF:  # they may be the end of a table
                raise DamageError(f"it is damaged: {words}")
            repairs.append(words)
            out.append(data[done:end])
            done = at
        end = at + 4 + len(body)
        if code == _SOS:
            scanned = True
            # Phones write a spectrum that ends at 0. Zeros that go on are a hole.
            no_spectrum = body.endswith(bytes(3)) and any(data[end : end + 4])
            if coding in (0xC0, 0xC1) and no_spectrum:
                repairs.append("Invalid SOS parameters for sequential JPEG")
                out += [data[done : end - 3], _WHOLE_SPECTRUM]
                done = end
        before = code
    if not repairs:
        return [], None
    return list(dict.fromkeys(repairs)), b"".join((*out, data[done:]))


def _segment(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body
