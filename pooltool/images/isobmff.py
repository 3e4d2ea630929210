"""AVIF (AV1 Image File Format, ISO/IEC 23008-12) and JPEG 2000 (ISO/IEC 15444-1): boxes."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import exif, formats, opencv
from pooltool.images.formats import Format
from pooltool.images.headers import MALFORMED, left_out, name_of, repeated
from pooltool.images.picture import Encoded, Header, Metadata, Part, Picture

FORMATS = (formats.AVIF, formats.JP2)

_AVIF_BOXES = (b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"wide")
_AVIF_ITEMS = (b"av01", b"grid", b"Exif", b"mime")
_AVIF_PROPERTIES = (b"ispe", b"pixi", b"av1C", b"colr", b"irot", b"imir", b"auxC", b"pasp",
                    b"clap", b"a1op", b"a1lx", b"lsel", b"free")  # fmt: skip
_JP2_BOXES = (b"jP  ", b"ftyp", b"jp2h", b"jp2c", b"free")
_JP2_HEADER_BOXES = (b"ihdr", b"bpcc", b"colr", b"pclr", b"cmap", b"cdef")
_JP2_EXIF = b"JpgTiffExif->JP2"
_JP2_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_JP2_COMPLAINTS = r"(ERROR:|WARN:).*(OpenJPEG2000|jpeg2000)(?!.*color space)"


@dataclass(frozen=True)
class _Header(Header):
    maxval: int | None = None


def matches(start: bytes) -> bool:
    """True when the data begins as AVIF, or as JPEG 2000 with or without boxes."""
    return _is_avif(start) or start.startswith((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"))


def read_header(data: bytes) -> _Header:
    """Walk the boxes."""
    return _read_avif(data) if _is_avif(data) else _read_jp2(data)


def decode(data: bytes, header: _Header, frame: int | None) -> Picture:
    """Decode the pictures as they are stored."""
    if len(header.sizes) > 1:
        picture = opencv.decode_animation(data, header, frame)
    else:
        complaints = _JP2_COMPLAINTS if header.format is formats.JP2 else None
        picture = Picture((opencv.decode_still(data, header.format, complaints),), header.format)
    return Picture(
        picture.frames, header.format, picture.durations, picture.loop, maxval=header.maxval
    )


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode JPEG 2000 without loss, AVIF with OpenCV's default quality of 50 or another one."""
    cv2, found = native.import_cv2(), picture.metadata
    if format is formats.JP2:
        data = opencv.encode_still(
            format, picture.frames[0], (cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000)
        )
        for name, block in ((_JP2_EXIF, found.exif), (_JP2_XMP, found.xmp)):
            data += struct.pack(">I4s", len(block) + 24, b"uuid") + name + block if block else b""
        return Encoded(data)
    settings = [cv2.IMWRITE_AVIF_DEPTH, formats.AVIF_DEPTHS.get(picture.maxval or 0, 8)]
    settings += [] if quality is None else [cv2.IMWRITE_AVIF_QUALITY, quality]
    kinds = {
        "EXIF": (cv2.IMAGE_METADATA_EXIF, found.exif),
        "XMP": (cv2.IMAGE_METADATA_XMP, found.xmp),
        "ICC": (cv2.IMAGE_METADATA_ICCP, found.icc),
    }
    blocks = {name: (kind, block) for name, (kind, block) in kinds.items() if block}
    count = len(picture.frames)
    if count == 1:
        numbers = [kind for kind, _ in blocks.values()]
        arrays = [np.frombuffer(block, np.uint8) for _, block in blocks.values()]
        call = (".avif", picture.frames[0], numbers, arrays, settings)
        return Encoded(opencv.encoded(format, lambda: cv2.imencodeWithMetadata(*call)))
    moving = cv2.Animation()
    moving.frames = list(picture.frames)
    moving.durations = np.array(picture.durations or (1000,) * count)
    data = opencv.encoded(format, lambda: cv2.imencodeanimation(".avif", moving, settings))
    lost = [*blocks, *(["loop count (AVIF plays for ever)"] if picture.loop else [])]
    return Encoded(data, left_out(lost, " of the AVIF animation"))


def _is_avif(start: bytes) -> bool:
    return start[4:8] == b"ftyp" and bool(re.search(rb"avi[fs]", start[8:64]))


def _boxes(data: bytes) -> Iterator[Part]:
    """The boxes in a file, or in the body of another box."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = size or len(data) - at
        if size < head or at + size > len(data):
            raise DamageError("it is cut or damaged: the data ends in the middle of a box")
        yield Part(name, data[at + head : at + size], at)
        at += size


def _box(data: bytes, *path: bytes) -> bytes | None:
    """The body of the first box on a path of names; None when there is none."""
    for name in path:
        body = next((part.body for part in _boxes(data) if part.name == name), None)
        if body is None:
            return None
        data = body[4:] if name == b"meta" else body
    return data


def _unknown(parts: Sequence[Part], known: Sequence[bytes], kind: str) -> list[str]:
    return [f"{kind} {name_of(part.name)}" for part in parts if part.name not in known]


def _read_avif(data: bytes) -> _Header:
    meta = _box(data, b"meta") or b""
    properties = list(_boxes(_box(meta, b"iprp", b"ipco") or b""))
    sides = [struct.unpack_from(">4xII", part.body) for part in properties if part.name == b"ispe"]
    if not sides:
        raise DamageError("it is damaged: the AVIF header tells no size")
    width, height = max(sides)
    table = _box(data, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz")
    count = struct.unpack_from(">8xI", table)[0] if table and data[8:12] == b"avis" else 1
    deep = next((part.body[2] for part in properties if part.name == b"av1C"), 0)
    maxval = {0x40: 1023, 0x60: 4095}.get(deep & 0x60)
    lost = _unknown(properties, _AVIF_PROPERTIES, "AVIF property")
    if any(part.name == b"colr" and _is_wide(part.body) for part in properties):
        lost.append("wide or HDR colors")
    found = Metadata()
    try:
        found, items = _read_avif_metadata(data, meta, properties)
        lost += _unknown(items, _AVIF_ITEMS, "AVIF item")
        lost += _unknown(list(_boxes(data)), _AVIF_BOXES, "box")
    except (ImageError, *MALFORMED):
        lost.append("damaged metadata")
    sizes, turn = repeated((height, width), count), _avif_orientation(properties)
    return _Header(formats.AVIF, sizes, found, tuple(lost), turn, count > 1, maxval)


def _is_wide(color: bytes) -> bool:
    """True for the primaries of P3 or BT.2020 and the curves of HDR (ISO/IEC 23091-2)."""
    if color[:4] != b"nclx":
        return False
    primaries, transfer = struct.unpack_from(">HH", color, 4)
    return primaries in (9, 11, 12) or transfer in (16, 18)


def _avif_orientation(properties: Sequence[Part]) -> int:
    """irot (quarter turns to the left), then imir (0: top to bottom), as EXIF numbers them."""
    turns = {part.name: part.body[-1] for part in properties if part.name in (b"irot", b"imir")}
    plain, top_down, left_right = ((1, 4, 2), (8, 5, 7), (3, 2, 4), (6, 7, 5))[
        turns.get(b"irot", 0) & 3
    ]
    return {None: plain, 0: top_down, 1: left_right}[turns.get(b"imir")]


def _read_avif_metadata(
    data: bytes, meta: bytes, properties: Sequence[Part]
) -> tuple[Metadata, list[Part]]:
    """The metadata, and all items: their types, and their numbers as `at`."""
    colors = (part.body for part in properties if part.name == b"colr")
    icc = next((body[4:] for body in colors if body[:4] in (b"prof", b"rICC")), None)
    info, items = _box(meta, b"iinf") or bytes(6), []
    for part in _boxes(info[6 if info[0] == 0 else 8 :]):
        if part.name == b"infe":
            wide = part.body[0] > 2
            number = struct.unpack_from(">I" if wide else ">H", part.body, 4)[0]
            items.append(Part(part.body[10:14] if wide else part.body[8:12], b"", number))
    places = dict(_avif_places(_box(meta, b"iloc") or bytes(8)))
    blocks = {
        item.name: b"".join(data[at : at + size] for at, size in places.get(item.at, ()))
        for item in reversed(items)
    }
    block, xmp = blocks.get(b"Exif"), blocks.get(b"mime")
    start = 4 + int.from_bytes(block[:4], "big") if block else 0
    return Metadata(block[start:] if block else None, xmp or None, icc), items


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
        if method == 0:  # positions count from the start of the file
            yield item, pieces


def _read_jp2(data: bytes) -> _Header:
    boxed = data[4:8] == b"jP  "
    parts = list(_boxes(data)) if boxed else [Part(b"jp2c", data)]
    code = next((part.body for part in parts if part.name == b"jp2c"), None)
    if code is None:
        raise DamageError("it is damaged: the JPEG 2000 file holds no picture")
    if not code.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise DamageError("it is cut: the JPEG 2000 data has no end marker")
    right, bottom, left, top = struct.unpack_from(">IIII", code, 8)
    bits = (code[42] & 0x7F) + 1
    maxval = None if bits in (8, 16) else (1 << bits) - 1
    blocks = {p.body[:16]: p.body[16:] for p in reversed(parts) if p.name == b"uuid"}
    described = (b"uuid",) if blocks.keys() <= {_JP2_EXIF, _JP2_XMP} else ()
    inner = list(_boxes(_box(data, b"jp2h") or b"")) if boxed else []
    color = next((part.body for part in inner if part.name == b"colr"), b"")
    found = Metadata(
        blocks.get(_JP2_EXIF), blocks.get(_JP2_XMP), color[3:] if color[:1] == b"\2" else None
    )
    lost = _unknown(parts, (*_JP2_BOXES, *described), "box")
    lost += _unknown(inner, _JP2_HEADER_BOXES, "box")
    turn = exif.orientation(found.exif)
    sizes = ((bottom - top, right - left),)
    return _Header(formats.JP2, sizes, found, tuple(lost), turn, maxval=maxval)
