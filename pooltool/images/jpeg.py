"""JPEG (ITU-T T.81) with JFIF, EXIF, XMP and ICC in its application segments."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import replace

from pooltool import native
from pooltool.errors import DamageError
from pooltool.images import exif, formats, opencv
from pooltool.images.exif import EXIF_PREFIX
from pooltool.images.formats import Format
from pooltool.images.headers import left_out, name_of, require_plausible
from pooltool.images.picture import Encoded, Header, Metadata, Part, Picture, Resolution, Verbatim

FORMATS = (formats.JPEG,)

_SOF = (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_SOI, _EOI, _SOS, _APP0, _APP1, _APP2, _APP13, _COM = (
    0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xED, 0xFE)  # fmt: skip
_STRUCTURAL = (*_SOF, 0xC4, 0xCC, _SOS, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, 0xEE)
"""How the pixels are coded; 0xEE (APP14 of Adobe) tells the kind of colors."""
_MARKER = re.compile(rb"\xff+([^\x00\xff])")
"""A marker, which bytes of 0xFF may precede."""
_NEXT_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
"""The same behind coded pixels, where a 0 or a restart marker goes after 0xFF."""

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_ICC = b"ICC_PROFILE\0"
_ROOM = 65533
"""The most bytes in a segment."""
_COMPLAINTS = r"Premature end of JPEG|Corrupt JPEG data|Inconsistent progression|Invalid SOS param"
_INCH = 0.0254


def matches(start: bytes) -> bool:
    """True when the data begins as a JPEG."""
    return start.startswith(b"\xff\xd8\xff")


def read_header(data: bytes) -> Header:
    """Walk the segments from the start to the end of the image."""
    size = resolution = None
    cmyk, blocks, profile = False, dict[str, bytes](), dict[int, bytes]()
    kept: list[Part] = []
    names, lost = [], []
    for (code,), body, at in _segments(data):
        if code in _SOF:
            _, height, width, channels = struct.unpack_from(">BHHB", body)
            size, cmyk = (height, width), channels == 4
            # Huffman codes take at least one bit for each block of 8 x 8 pixels.
            if code < 0xC8:
                require_plausible(height, width, height * width // 64, len(data) * 8)
        elif code == _APP0 and body.startswith(b"JFIF\0"):
            resolution, shape = _read_density(body)
            lost += shape
        elif code == _APP0 and body.startswith(b"JFXX\0"):
            pass  # a thumbnail, which shows what was before pooling
        elif code == _APP1 and body.startswith(EXIF_PREFIX) and "exif" not in blocks:
            blocks["exif"] = body[len(EXIF_PREFIX) :]
        elif code == _APP1 and body.startswith(_XMP) and "xmp" not in blocks:
            blocks["xmp"] = body[len(_XMP) :]
        elif code == _APP2 and body.startswith(_ICC) and len(body) > 14:
            profile[body[12]] = body[14:]
        elif code in (_APP13, _COM):
            kept.append(Part(bytes([code]), body, at))
            names.append("comment" if code == _COM else "IPTC and Photoshop data (APP13)")
        elif code == _EOI:
            lost += _behind(body)
        elif code not in _STRUCTURAL:
            lost.append(_name(code, body))
    if size is None:
        raise DamageError("it is damaged: the JPEG header tells no size")
    icc = b"".join(profile[number] for number in sorted(profile)) or None
    if icc and cmyk:
        lost.append("ICC profile of the CMYK colors, which are RGB now")
    verbatim = Verbatim(("JPEG",), tuple(kept), tuple(names)) if kept else None
    found = Metadata(blocks.get("exif"), blocks.get("xmp"), None if cmyk else icc)
    found = replace(found, resolution=resolution, verbatim=verbatim)
    turn = exif.orientation(found.exif)
    return Header(formats.JPEG, (size,), found, tuple(lost), turn)


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode the picture as it is stored."""
    return Picture((opencv.decode_still(data, formats.JPEG, _COMPLAINTS),), formats.JPEG)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode with OpenCV's default quality of 95, or another one, and add the metadata."""
    settings = [] if quality is None else [native.import_cv2().IMWRITE_JPEG_QUALITY, quality]
    data = opencv.encode_still(format, picture.frames[0], settings)
    found, segments, lost = picture.metadata, b"", []
    for name, block, prefix in (("EXIF", found.exif, EXIF_PREFIX), ("XMP", found.xmp, _XMP)):
        if block and len(prefix + block) <= _ROOM:
            segments += _segment(_APP1, prefix + block)
        elif block:
            lost.append(f"{name} (its {len(block)} bytes are more than JPEG holds)")
    room = _ROOM - len(_ICC) - 2
    pieces = (
        [found.icc[at : at + room] for at in range(0, len(found.icc), room)] if found.icc else []
    )
    if len(pieces) > 255:
        lost.append(f"ICC (its {len(found.icc or b'')} bytes are more than JPEG holds)")
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


def _segments(data: bytes) -> Iterator[Part]:
    """All segments, and last what lies behind the end of the image, each by its marker's code."""
    at, scanned = 2, False
    while True:
        found = _NEXT_MARKER.search(data, at) if scanned else _MARKER.match(data, at)
        if found is None and scanned:
            raise DamageError("it is cut: the JPEG data has no end-of-image marker")
        if found is None or (found[1][0] in (_SOI, _EOI) and not scanned):
            raise DamageError("it is cut or damaged: the JPEG header has no picture behind it")
        if found[1][0] == _EOI:
            yield Part(found[1], data[found.end() :], found.start())
            return
        at = found.end()
        size = struct.unpack_from(">H", data, at)[0]
        yield Part(found[1], data[at + 2 : at + size], found.start())
        scanned = scanned or found[1][0] == _SOS
        at += size


def _segment(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def _read_density(body: bytes) -> tuple[Resolution | None, list[str]]:
    """The resolution in a JFIF segment. Without a unit it tells just the shape of the pixels."""
    unit, across, down = struct.unpack_from(">BHH", body.ljust(12, b"\0"), 7)
    metre = {1: 1 / _INCH, 2: 100.0}.get(unit)
    if metre is None:
        return None, ["shape of pixels"] if across != down else []
    return Resolution(down * metre, across * metre) if across and down else None, []


def _name(code: int, body: bytes) -> str:
    """What a segment that is not copied is called."""
    if body.startswith(_MORE_XMP):
        return "XMP beyond 64 KB"
    if code == _APP2 and body.startswith(b"MPF\0"):
        return "a second picture"
    if 0xE0 <= code <= 0xEF:
        name = name_of(body)
        return f"APP{code - 0xE0} ({name})" if name else f"APP{code - 0xE0}"
    return f"segment {code:#x}"


def _behind(rest: bytes) -> list[str]:
    """What lies behind the end of the image: the second picture of MPO files and gain maps."""
    rest = rest.strip(b"\0\r\n ")
    if not rest:
        return []
    return ["a second picture" if b"\xff\xd8\xff" in rest else "data after the end of the picture"]
