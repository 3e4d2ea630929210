"""EXIF, XMP and ICC: found in encoded pictures, brought up to date, put into encoded pictures.

Each is kept in one form whatever the format: EXIF as a TIFF block without the prefix that JPEG
gives it, XMP as its XML text, ICC as the profile itself.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pooltool.errors import ImageError
from pooltool.images import containers, formats, own, tiff
from pooltool.images.containers import Part, png_chunk
from pooltool.images.formats import Format
from pooltool.images.own import PNG_RAW_EXIF, PNG_XMP, Own

_JPEG_EXIF = b"Exif\0\0"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"
_JPEG_ICC = b"ICC_PROFILE\0"
_JPEG_ROOM = 65533
_JP2_EXIF = b"JpgTiffExif->JP2"
_JP2_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_GIF_XMP = b"\xff\x0bXMP DataXMP"
# Read as blocks, the packet is skipped through this ramp of ever shorter steps, wherever it ends.
_GIF_TRAILER = b"\1" + bytes(range(255, -1, -1)) + b"\0"

_ORIENTATION, _XMP_TAG, _ICC_TAG, _EXTRA_SAMPLES = 0x112, 700, 34675, 338
_DESCRIPTIVE = (270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 33432, 18246, 18249,
                *range(0x9C9B, 0x9CA0), tiff.EXIF, tiff.GPS)  # fmt: skip
"""The tags of a TIFF page that tell of the picture, not of how its pixels are stored."""
_STRUCTURAL = (b'{"shape"', b"ImageJ=", b"<?xml", b"<OME")
"""Descriptions that tell a program the array's layout, which pooling changes."""


class Metadata(NamedTuple):
    """What a file says about its picture; None for what it does not say."""

    exif: bytes | None = None
    xmp: bytes | None = None
    icc: bytes | None = None
    own: Own = Own()
    """What only its own format can hold."""

    def names(self) -> tuple[str, ...]:
        """Those of exif, xmp and icc that are there."""
        return tuple(name for name in ("exif", "xmp", "icc") if getattr(self, name))


def read(data: bytes, fmt: Format) -> tuple[Metadata, tuple[str, ...]]:
    """Find the metadata of an encoded picture, and tell in warnings what cannot be read."""
    reader = _READERS.get(fmt.name)
    try:
        found = reader(data) if reader else Metadata()
        found = found._replace(own=own.read(data, fmt.name))
    except (ImageError, *containers.MALFORMED):
        return Metadata(), ("metadata was left out: it is damaged",)
    warnings = []
    if found.exif and _upright_exif(found.exif, 1, 1) is None:
        found = found._replace(exif=None)
        warnings.append("EXIF metadata was left out: it is damaged")
    if fmt is formats.JPEG and _has_more_xmp(data):
        warnings.append("a part of the XMP metadata beyond 64 KB was left out")
    return found, tuple(warnings)


def _has_more_xmp(data: bytes) -> bool:
    return any(part.body.startswith(_JPEG_XMP_MORE) for part in containers.jpeg_segments(data))


def orientation(exif: bytes | None) -> int:
    """The EXIF orientation, 1 to 8; 1 when there is none or it makes no sense."""
    try:
        first = next(tiff.directories(exif), None) if exif else None
    except (ImageError, *containers.MALFORMED):
        return 1
    value = first.numbers(_ORIENTATION, (1,))[:1] if first else (1,)
    return value[0] if value and 1 <= value[0] <= 8 else 1


def upright(found: Metadata, height: int, width: int) -> Metadata:
    """The metadata of the picture after it was turned upright and resized."""
    exif = _upright_exif(found.exif, height, width) if found.exif else None
    xmp = found.xmp and re.sub(
        rb"(tiff:Orientation(?:\s*=\s*[\"']|>)\s*)[1-8]", rb"\g<1>1", found.xmp
    )
    return found._replace(exif=exif, xmp=xmp)


def put(data: bytes, fmt: Format, found: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """Put metadata into an encoded picture; tell in warnings what could not be written."""
    fitting, warnings = _fitting(fmt, found)
    writer = _WRITERS.get(fmt.name)
    if writer and fitting.names():
        data = writer(data, fitting)
    data, left_out = own.put(data, fmt.name, found.own)
    return data, (*warnings, *left_out)


def icc_channels(icc: bytes) -> int | None:
    """How many channels a profile is for; None when it is not a profile."""
    return {b"GRAY": 1, b"RGB ": 3, b"CMYK": 4, b"Lab ": 3}.get(icc[16:20])


def mark_alpha(data: bytes, premultiplied: bool) -> bytes:
    """Tell in every page of a TIFF that its fourth channel is alpha, which OpenCV leaves out."""
    kind = struct.pack("<H", 1 if premultiplied else 2)
    field = tiff.Field(_EXTRA_SAMPLES, 3, 1, kind)
    pages = list(tiff.directories(data))
    for index, page in enumerate(pages):
        if page.numbers(277) == (4,):
            data = _with_fields(data, index, (field,))
    return data


def _fitting(fmt: Format, found: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """The part of the metadata that the format can hold, and a warning for each other part."""
    objections = {name: _objection(fmt, name, getattr(found, name)) for name in found.names()}
    reasons = {name: reason for name, reason in objections.items() if reason}
    warnings = [f"{name.upper()} metadata was left out: {text}" for name, text in reasons.items()]
    left_out: dict[str, Any] = dict.fromkeys(reasons)
    return found._replace(**left_out), tuple(warnings)


def _objection(fmt: Format, name: str, block: bytes) -> str | None:
    if name not in fmt.metadata:
        return f"{fmt.name} cannot hold it here"
    room = _JPEG_ROOM - len({"exif": _JPEG_EXIF, "xmp": _JPEG_XMP}.get(name, b""))
    if fmt is formats.JPEG and name != "icc" and len(block) > room:
        return f"its {len(block)} bytes are more than JPEG holds"
    if fmt is formats.JPEG and name == "icc" and len(block) > 255 * (_JPEG_ROOM - 14):
        return f"its {len(block)} bytes are more than JPEG holds"
    if name == "icc" and icc_channels(block) is None:
        return "it is not a valid profile"
    return None


# Reading: one function a format.


def _read_jpeg(data: bytes) -> Metadata:
    exif = xmp = None
    profile: dict[int, bytes] = {}
    for segment in containers.jpeg_segments(data):
        if segment.name == b"\xff\xe1" and segment.body.startswith(_JPEG_EXIF):
            exif = exif or segment.body[len(_JPEG_EXIF) :]
        elif segment.name == b"\xff\xe1" and segment.body.startswith(_JPEG_XMP):
            xmp = xmp or segment.body[len(_JPEG_XMP) :]
        elif segment.name == b"\xff\xe2" and segment.body.startswith(_JPEG_ICC):
            profile[segment.body[12]] = segment.body[14:]
    icc = b"".join(profile[number] for number in sorted(profile))
    return Metadata(exif, xmp, icc or None)


def _read_png(data: bytes) -> Metadata:
    chunks = list(containers.png_chunks(data))
    parts = {part.name: part.body for part in chunks}
    texts = [part.body for part in chunks if part.name == b"iTXt"]
    xmp = next((_png_text(text) for text in texts if text.startswith(PNG_XMP)), None)
    icc = None
    if b"iCCP" in parts:
        icc = _inflated(parts[b"iCCP"].partition(b"\0")[2][1:])
    return Metadata(parts.get(b"eXIf") or _raw_exif(chunks), xmp, icc)


def _raw_exif(chunks: list[Part]) -> bytes | None:
    """EXIF as ImageMagick wrote it before PNG had a chunk for it: a text of hexadecimal digits."""
    for part in chunks:
        text = part.body.partition(b"\0")[2]
        if part.name in (b"tEXt", b"zTXt") and part.body.startswith(PNG_RAW_EXIF):
            told = _inflated(text[1:]) if part.name == b"zTXt" else text
            digits = b"".join((told or b"").split()[2:]).decode("ascii", "replace")
            return bytes.fromhex(digits).removeprefix(_JPEG_EXIF)
    return None


def _png_text(body: bytes) -> bytes | None:
    """The text of an iTXt chunk, behind its keyword, flags, language and translated keyword."""
    compressed = body[len(PNG_XMP)]
    text = body[len(PNG_XMP) + 2 :].split(b"\0", 2)[-1]
    return _inflated(text) if compressed else text.rstrip(b"\0")


def _inflated(packed: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(packed, 1 << 26) or None
    except zlib.error:
        return None


def _read_webp(data: bytes) -> Metadata:
    parts = {part.name: part.body for part in containers.riff_chunks(data)}
    exif = parts.get(b"EXIF")
    if exif and exif.startswith(_JPEG_EXIF):
        exif = exif[len(_JPEG_EXIF) :]
    return Metadata(exif, parts.get(b"XMP "), parts.get(b"ICCP"))


def _read_tiff(data: bytes) -> Metadata:
    first = next(tiff.directories(data))
    order = first.layout.order
    try:
        fields = tuple(_kept(field) for field in tiff.tree(data, first, _DESCRIPTIVE))
    except ImageError:
        fields = ()
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    told = tuple(field for field in fields if field)
    exif = head + tiff.pack(told, order, 8) if told else None
    blocks = (first.fields.get(tag) for tag in (_XMP_TAG, _ICC_TAG))
    xmp, icc = (block.raw if block else None for block in blocks)
    return Metadata(exif, xmp, icc)


def _kept(field: tiff.Field) -> tiff.Field | None:
    structural = field.tag == 270 and field.raw.startswith(_STRUCTURAL)
    unreadable = field.tag in tiff.POINTERS and field.inner is None
    return None if structural or unreadable else field


def _read_jp2(data: bytes) -> Metadata:
    if data[4:8] != b"jP  ":
        return Metadata()
    blocks = {p.body[:16]: p.body[16:] for p in containers.boxes(data) if p.name == b"uuid"}
    color = containers.box(data, b"jp2h", b"colr") or b""
    return Metadata(blocks.get(_JP2_EXIF), blocks.get(_JP2_XMP), _profile(color))


def _profile(color: bytes) -> bytes | None:
    """The profile in a color box of JPEG 2000, when it holds one."""
    return color[3:] if color[:1] == b"\2" else None


def _read_avif(data: bytes) -> Metadata:
    meta = containers.box(data, b"meta") or b""
    shared = containers.boxes(containers.box(meta, b"iprp", b"ipco") or b"")
    colors = (part.body for part in shared if part.name == b"colr")
    icc = next((body[4:] for body in colors if body[:4] in (b"prof", b"rICC")), None)
    items = _avif_items(meta)
    exif, xmp = (_avif_item(data, meta, items.get(kind)) for kind in (b"Exif", b"mime"))
    return Metadata(exif[4 + int.from_bytes(exif[:4], "big") :] if exif else None, xmp, icc)


def _avif_items(meta: bytes) -> dict[bytes, int]:
    """The number of the first item of each type, from the item information box."""
    info = containers.box(meta, b"iinf") or b"\0" * 6
    entries = containers.boxes(info[6 if info[0] == 0 else 8 :])
    wide = [(part.body[0] > 2, part.body) for part in entries if part.name == b"infe"]
    found = [
        (body[10:14], struct.unpack_from(">I", body, 4)[0])
        if large
        else (body[8:12], struct.unpack_from(">H", body, 4)[0])
        for large, body in wide
    ]
    return dict(reversed(found))


def _avif_item(data: bytes, meta: bytes, wanted: int | None) -> bytes | None:
    """The bytes of an item whose place is told as positions in the file."""
    table = containers.box(meta, b"iloc")
    if wanted is None or table is None:
        return None
    places = dict(_avif_places(table))
    pieces = places.get(wanted, [])
    return b"".join(data[start : start + size] for start, size in pieces) or None


def _avif_places(table: bytes) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Number, positions and sizes of each item, from the item location box (ISO 14496-12)."""
    version, sizes = table[0], struct.unpack_from(">H", table, 4)[0]
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size, wide = (sizes & 15 if version else 0), 4 if version == 2 else 2
    stream = io.BytesIO(table[6:])

    def number(size: int) -> int:
        return int.from_bytes(stream.read(size), "big")

    for _ in range(number(wide)):
        item = number(wide)
        method = number(2) if version else 0
        number(2)
        base, pieces = number(base_size), []
        for _ in range(number(2)):
            number(index_size)
            pieces.append((base + number(offset_size), number(length_size)))
        if method == 0:
            yield item, pieces


def _read_gif(data: bytes) -> Metadata:
    for block in containers.gif_blocks(data):
        if block.body.startswith(_GIF_XMP):
            packet = block.body[len(_GIF_XMP) :]
            return Metadata(xmp=packet[: -len(_GIF_TRAILER)])
    return Metadata()


# Writing: one function a format.


def _put_jpeg(data: bytes, found: Metadata) -> bytes:
    segments = b""
    if found.exif:
        segments += _segment(b"\xff\xe1", _JPEG_EXIF + found.exif)
    if found.xmp:
        segments += _segment(b"\xff\xe1", _JPEG_XMP + found.xmp)
    if found.icc:
        room = _JPEG_ROOM - 14
        pieces = [found.icc[at : at + room] for at in range(0, len(found.icc), room)]
        for number, piece in enumerate(pieces, 1):
            head = _JPEG_ICC + bytes((number, len(pieces)))
            segments += _segment(b"\xff\xe2", head + piece)
    parts = list(containers.jpeg_segments(data))
    after = parts[1].at if parts[0].name == b"\xff\xe0" else parts[0].at
    return data[:after] + segments + data[after:]


def _segment(marker: bytes, body: bytes) -> bytes:
    return marker + struct.pack(">H", len(body) + 2) + body


def _put_png(data: bytes, found: Metadata) -> bytes:
    chunks = b""
    if found.icc:
        chunks += png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(found.icc))
    if found.exif:
        chunks += png_chunk(b"eXIf", found.exif)
    if found.xmp:
        chunks += png_chunk(b"iTXt", PNG_XMP + b"\0\0\0\0" + found.xmp)
    return containers.with_png_chunks(data, chunks)


def _put_webp(data: bytes, found: Metadata) -> bytes:
    chunks = list(containers.riff_chunks(data))
    if chunks[0].name == b"VP8X":
        head, chunks = bytearray(chunks[0].body), chunks[1:]
    else:
        head = bytearray(webp_canvas(chunks[0]))
    head[0] |= 0x20 * bool(found.icc) | 0x08 * bool(found.exif) | 0x04 * bool(found.xmp)
    body = riff_chunk(b"VP8X", bytes(head))
    body += riff_chunk(b"ICCP", found.icc) if found.icc else b""
    body += b"".join(riff_chunk(part.name, part.body) for part in chunks)
    body += riff_chunk(b"EXIF", found.exif) if found.exif else b""
    body += riff_chunk(b"XMP ", found.xmp) if found.xmp else b""
    return riff(body)


def webp_canvas(picture: Part) -> bytes:
    """The body of the VP8X chunk for a single picture: flags and size."""
    height, width = containers.webp_size(picture)
    alpha = picture.name == b"VP8L" and picture.body[4] & 0x10
    flags = struct.pack("<I", 0x10 if alpha else 0)
    return flags + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def riff_chunk(name: bytes, body: bytes) -> bytes:
    """A chunk with its length, padded to an even one."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def riff(body: bytes) -> bytes:
    """A WebP file of these chunks."""
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _put_tiff(data: bytes, found: Metadata) -> bytes:
    fields: list[tiff.Field] = []
    if found.exif:
        fields += _exif_fields(found.exif)
    if found.xmp:
        fields.append(tiff.Field(_XMP_TAG, 1, len(found.xmp), found.xmp))
    data = _with_fields(data, 0, tuple(fields)) if fields else data
    if found.icc:
        profile = tiff.Field(_ICC_TAG, 7, len(found.icc), found.icc)
        for index in range(sum(1 for _ in tiff.directories(data))):
            data = _with_fields(data, index, (profile,))
    return data


def _exif_fields(exif: bytes) -> list[tiff.Field]:
    """The descriptive fields of an EXIF block, as little-endian as the TIFF that OpenCV writes."""
    first = next(tiff.directories(exif))
    fields = tiff.tree(exif, first, _DESCRIPTIVE)
    return [tiff.reordered(field, first.layout.order, "<") for field in fields]


def _with_fields(data: bytes, index: int, added: tuple[tiff.Field, ...]) -> bytes:
    """Add fields to one page: its directory is written anew behind the data."""
    pages = list(tiff.directories(data))
    page = pages[index]
    if page.layout.big:
        raise ImageError("TIFF files above 4 GB cannot take metadata or alpha; write npy")
    pointer = pages[index - 1].following_at if index else 4
    fields = page.fields | {field.tag: field for field in added}
    data += b"\0" * (len(data) % 2)
    at = struct.pack("<I", len(data))
    packed = tiff.pack(tuple(fields.values()), "<", len(data), page.following)
    return data[:pointer] + at + data[pointer + 4 :] + packed


def _put_jp2(data: bytes, found: Metadata) -> bytes:
    for name, block in ((_JP2_EXIF, found.exif), (_JP2_XMP, found.xmp)):
        if block:
            data += struct.pack(">I4s", len(block) + 24, b"uuid") + name + block
    return data


def _upright_exif(exif: bytes, height: int, width: int) -> bytes | None:
    """Set orientation and sizes where they are told, cut off the thumbnail; None if unreadable."""
    try:
        first = next(tiff.directories(exif))
        told = tiff.tree(exif, first, tuple(first.fields))
    except (ImageError, StopIteration, *containers.MALFORMED):
        return None
    order, patched = first.layout.order, bytearray(exif)
    new = {_ORIENTATION: 1, 0x100: width, 0x101: height, 0xA002: width, 0xA003: height}
    inner = next((field.inner for field in told if field.tag == tiff.EXIF), None) or ()
    for field in (*told, *inner):
        code = {3: "H", 4: "I"}.get(field.kind)
        if field.tag in new and field.count == 1 and code:
            value = min(new[field.tag], 0xFFFF if code == "H" else 0xFFFFFFFF)
            struct.pack_into(order + code, patched, field.at, value)
    return _without_thumbnail(bytes(patched), first)


def _without_thumbnail(exif: bytes, first: tiff.Directory) -> bytes:
    """Cut the chain to the second directory, and the bytes too where they are the last ones."""
    if not first.following or first.following_at + 4 > len(exif):
        return exif
    at = first.following_at
    return exif[:at] + b"\0\0\0\0" + exif[at + 4 :]


_READERS: dict[str, Callable[[bytes], Metadata]] = {
    "JPEG": _read_jpeg,
    "PNG": _read_png,
    "WebP": _read_webp,
    "TIFF": _read_tiff,
    "AVIF": _read_avif,
    "JPEG 2000": _read_jp2,
    "GIF": _read_gif,
}

_WRITERS: dict[str, Callable[[bytes, Metadata], bytes]] = {
    "JPEG": _put_jpeg,
    "PNG": _put_png,
    "WebP": _put_webp,
    "TIFF": _put_tiff,
    "JPEG 2000": _put_jp2,
}
