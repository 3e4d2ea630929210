"""AVIF (ISO/IEC 23008-12 and 23000-22): pictures in boxes, which OpenCV decodes, or imagecodecs."""

from __future__ import annotations

import io
import struct
from functools import partial
from typing import NamedTuple

import numpy as np

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv, others
from pooltool.images.container import Body, Container, Part, first_of, name_of
from pooltool.images.picture import (
    Encoded,
    Header,
    Metadata,
    Picture,
    Verbatim,
    channels,
    left_out,
    repeated,
    require_plausible,
)
from pooltool.images.tags import read_exif

BOXES = Container("box", frozenset((b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"wide")))
_FIELDS = {b"meta": 4, b"iref": 4, b"stsd": 8, b"av01": 78}
"""Bytes of a box before the boxes in it."""
_PROPERTIES = {b"ispe", b"pixi", b"av1C", b"colr", b"irot", b"imir", b"auxC", b"free", b"ccst",
               b"btrt", b"a1lx", b"a1op"}  # fmt: skip
"""Properties that are handled here, or that change no pixel."""
_XMP_TYPE = b"\0application/rdf+xml\0"
_ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"
_UPRIGHT = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_TURNS = ((1, 4, 2), (8, 5, 7), (3, 2, 4), (6, 7, 5))
"""As EXIF numbers them, by quarter turns to the left (irot), then by mirrors: none, top to bottom,
left to right (imir). EXIF and XMP do not turn an AVIF (MIAF, ISO/IEC 23000-22)."""
_MOST_ITEMS, _MOST_BYTES = 4096, 1 << 26
"""Decoders take the square of the items in time, and copy the properties that items share."""


class _Details(NamedTuple):
    what: str
    """What it is, where imagecodecs decodes it."""
    maxval: int | None
    items: bytes = b""
    """The box of the items, where some of them are metadata: OpenCV refuses files in which it lies
    behind the pixels, and must not see it."""


def read_header(data: bytes) -> Header:
    """Read what describes a still, which is an item, or an animation, which is a track."""
    boxes = BOXES.walk(data)
    named, is_still = first_of(boxes), data[8:12] != b"avis"
    meta = first_of(_inside(named, b"meta"))
    items, links, owned = _items(meta), _links(meta), _properties(meta)
    primary = int.from_bytes(meta.get(b"pitm", b"")[4:], "big")
    masks = {key for key, properties in owned.items()
             if _ALPHA in bytes(first_of(properties).get(b"auxC", b""))}  # fmt: skip
    if is_still:
        tiles = [target for kind, source, target in links if (kind, source) == (b"dimg", primary)]
        properties = [part for key in (primary, *tiles[:1]) for part in owned.get(key, [])]
        header = _described(properties, 1, has_alpha=bool(masks))
    else:
        header = _read_track(_inside(named, b"moov"))
    missing = [*header.left_out, *BOXES.sort(boxes)[2]]
    if is_still and b"moov" in named:
        missing.append("an animation")
    exif = next((key for key, item in items.items() if item[:4] == b"Exif"), -1)
    xmp = next((key for key, item in items.items() if _XMP_TYPE in item), -1)
    known = {primary, exif, xmp, *masks}
    known |= {source for kind, source, _ in links if kind == b"thmb"}
    known |= {target for kind, source, target in links if kind == b"dimg" and source in known}
    for kind in (item[:4] for key, item in items.items() if key not in known):
        is_picture = kind in (b"av01", b"grid")
        missing.append("a second picture" if is_picture else f"AVIF item {name_of(kind)}")
    block = _stored(data, meta, exif)
    block = block[4 + int.from_bytes(block[:4], "big") :]
    metadata = header.metadata._replace(exif=read_exif(block), xmp=_stored(data, meta, xmp))
    if {exif, xmp} != {-1}:
        header = header._replace(details=header.details._replace(items=bytes(meta[b"iinf"])))
    height, width = header.sizes[0]
    # Of one color, 200,000 pixels took down to a byte; small pictures need not be checked.
    require_plausible(height, width, (height * width - (1 << 24)) >> 18, len(data))
    return header._replace(metadata=metadata, left_out=tuple(missing))


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """Decode the pictures as they are stored."""
    details: _Details = header.details
    hidden = details.items.replace(b"Exif", b"skip").replace(b"mime", b"skip")
    data = data.replace(details.items, hidden, 1) if hidden else data
    if header.animated:
        picture = opencv.decode_animation(data, header, chosen)
        return picture._replace(maxval=details.maxval)
    if details.what:
        pixels = others.by_imagecodecs("avif", details.what, data)
        pixels = others.in_opencv_order(pixels)
    else:
        pixels = opencv.decode_still(data, formats.AVIF)
    return Picture((pixels,), formats.AVIF, maxval=details.maxval)


def encode(picture: Picture, quality: int | None) -> Encoded:
    """Encode with OpenCV's default quality of 50 or another one. Without one, a picture with alpha
    is kept without loss: at 50 its edges would move by up to 38 levels.
    """
    cv2, frames, metadata = native.import_cv2(), picture.frames, picture.metadata
    opaque = picture.maxval or 255
    if quality is None and any(
        channels(pixels) == 4 and pixels[..., 3].min() != opaque for pixels in frames
    ):
        quality = 100
    settings = [cv2.IMWRITE_AVIF_DEPTH, formats.AVIF_DEPTHS.get(picture.maxval or 0, 8)]
    settings += [] if quality is None else [cv2.IMWRITE_AVIF_QUALITY, quality]
    blocks = dict(zip(("EXIF", "XMP", "ICC"), metadata.blocks(), strict=True))
    if len(frames) == 1:
        kinds = [cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_XMP, cv2.IMAGE_METADATA_ICCP]
        arrays = [np.frombuffer(block, np.uint8) for block in blocks.values()]
        call = (frames[0], kinds, arrays, settings)
        data = opencv.encoded(formats.AVIF, *call, encoder="imencodeWithMetadata")
        if metadata.verbatim:  # primaries and curve; the matrix is the encoder's
            at = data.index(b"colrnclx") + 8
            data = data[:at] + metadata.verbatim.parts[0][1] + data[at + 4 :]
        return Encoded(data)
    moving = cv2.Animation()
    moving.frames = frames
    moving.durations = np.array(picture.durations or (1000,) * len(frames))
    data = opencv.encoded(formats.AVIF, moving, settings, encoder="imencodeanimation")
    missing = [name for name, block in blocks.items() if block]
    missing += metadata.verbatim.names if metadata.verbatim else ()
    missing += ["loop count (AVIF plays forever)"] if picture.loop else []
    return Encoded(data, left_out(missing, " of the AVIF animation"))


def _refuse_if(is_odd: object, what: str) -> None:
    if is_odd:
        words = "is not read; convert it, for example: magick in.avif out.png"
        raise ImageError(f"{what} {words}")


def _inside(boxes: dict[bytes, Body], *path: bytes) -> list[Part]:
    """The boxes in the first box on a path of names; none where a box is missing."""
    for name in path:
        parts = BOXES.walk(boxes.get(name, b""), _FIELDS.get(name, 0))
        boxes = first_of(parts)
    return parts


def _described(properties: list[Part], count: int, *, has_alpha: bool) -> Header:
    """What the properties of a picture say."""
    named = first_of(properties)
    _refuse_if(b"clap" in named, "AVIF with a crop")
    width, height = struct.unpack_from(">II", named[b"ispe"], 4)
    depth = named.get(b"av1C", bytes(4))[2]
    maxval, is_gray = {0x40: 1023, 0x60: 4095}.get(depth & 0x60), bool(depth & 0x10)
    colors = {bytes(body[:4]): bytes(body[4:]) for name, body in properties if name == b"colr"}
    icc = colors.get(b"prof") or colors.get(b"rICC") or b""
    nclx = colors.get(b"nclx", bytes(7))
    primaries, transfer, _, limits = struct.unpack_from(">HHHB", nclx)
    verbatim, what = None, ""
    # 1 and 13 are those of sRGB, 2 is unspecified; a profile takes precedence over numbers.
    if primaries and not icc and (primaries not in (1, 2) or transfer not in (2, 13)):
        words = f"colors that are not sRGB (primaries {primaries}, transfer {transfer})"
        verbatim = Verbatim(("AVIF",), ((b"colr", nclx[:4]),), (words,))
    if is_gray and (has_alpha or limits < 0x80):
        what = "AVIF of gray with alpha or limited range"
        _refuse_if(count > 1, f"an animation, {what},")
    missing = (
        f"AVIF property {name_of(name)}" for name, body in named.items()
        if name not in _PROPERTIES and not (name == b"pasp" and body[:4] == body[4:8])
    )  # fmt: skip
    turn = _TURNS[named.get(b"irot", b"\0")[0] & 3]
    return Header(
        formats.AVIF, repeated((height, width), count), Metadata(icc=icc, verbatim=verbatim),
        tuple(missing), turn[1 + (named[b"imir"][0] & 1)] if b"imir" in named else turn[0],
        animated=count > 1, details=_Details(what, maxval), pixel_bytes=8 if maxval else 4,
    )  # fmt: skip


def _read_track(moov: list[Part]) -> Header:
    """The header of an animation."""
    tracks = {}
    for part in reversed(moov):
        track = first_of(BOXES.walk(part.body)) if part.name == b"trak" else {}
        handler = first_of(_inside(track, b"mdia")).get(b"hdlr", b"")
        tracks[bytes(handler[8:12])] = track
    track = tracks[b"pict"]
    _refuse_if(track[b"tkhd"][-44:-8] != _UPRIGHT, "AVIF with an animation that is turned")
    samples = first_of(_inside(track, b"mdia", b"minf", b"stbl"))
    (count,) = struct.unpack_from(">I", samples[b"stsz"], 8)
    entry = first_of(_inside(samples, b"stsd"))
    size = struct.pack(">III", 0, *struct.unpack_from(">HH", entry[b"av01"], 24))
    properties = [Part(b"ispe", size), *_inside(entry, b"av01")]
    return _described(properties, count, has_alpha=b"auxv" in tracks)


def _items(meta: dict[bytes, Body]) -> dict[int, bytes]:
    """What each item is, by its number: its type, its name, and the media type of a `mime` item."""
    table, items = meta.get(b"iinf", b"\0"), dict[int, bytes]()
    for _, body in BOXES.walk(table, 8 if table[0] else 6):
        _refuse_if(len(items) == _MOST_ITEMS, "AVIF with so many items")
        end = 8 if body[0] > 2 else 6
        items[int.from_bytes(body[4:end], "big")] = bytes(body[end + 2 :])
    return items


def _properties(meta: dict[bytes, Body]) -> dict[int, list[Part]]:
    """The properties of each item, by its number."""
    boxes, owned, size = first_of(_inside(meta, b"iprp")), dict[int, list[Part]](), 0
    properties = _inside(boxes, b"ipco")
    number = partial(_number, io.BytesIO(boxes.get(b"ipma", bytes(8))))
    version, wide = number(1), number(3) & 1
    for _ in range(number(4)):
        key = number(4 if version else 2)
        marks = [number(1 + wide) & (0x7FFF if wide else 0x7F) for _ in range(number(1))]
        owned[key] = [properties[mark - 1] for mark in marks if mark]
        size += sum(len(part.body) for part in owned[key])
        _refuse_if(size > _MOST_BYTES, "AVIF with so many properties")
    return owned


def _links(meta: dict[bytes, Body]) -> list[tuple[bytes, int, int]]:
    """The references between items: (kind, source, target)."""
    size, links = 4 if meta.get(b"iref", b"\0")[0] else 2, list[tuple[bytes, int, int]]()
    for kind, body in _inside(meta, b"iref"):
        number = partial(_number, io.BytesIO(body))
        source = number(size)
        links += [(kind, source, number(size)) for _ in range(number(2))]
        _refuse_if(len(links) > _MOST_ITEMS, "AVIF with so many items")
    return links


def _stored(data: bytes, meta: dict[bytes, Body], wanted: int) -> bytes:
    """The data of an item, which may be split into pieces; empty where there is none."""
    number, pieces, size = partial(_number, io.BytesIO(meta.get(b"iloc", bytes(8)))), [], 0
    version, _, sizes = number(1), number(3), number(2)
    wide = 4 if version == 2 else 2
    for _ in range(number(wide)):
        key, method = number(wide), number(2) & 15 if version else 0
        source = {0: memoryview(data), 1: meta.get(b"idat", b"")}.get(method, b"")
        number(2)
        base = number(sizes >> 4 & 15)
        for _ in range(number(2)):
            number(sizes & 15 if version else 0)
            at, length = base + number(sizes >> 12), number(sizes >> 8 & 15)
            if key == wanted:
                pieces.append(source[at : at + length])
                size += len(pieces[-1])
            if size > len(data):
                raise DamageError("it is damaged: an item holds more than the file")
    return b"".join(pieces)


def _number(table: io.BytesIO, size: int) -> int:
    """The next number of so many bytes."""
    read = table.read(size)
    if len(read) < size:
        raise DamageError("it is damaged: a table in its header ends too early")
    return int.from_bytes(read, "big")
