"""AVIF and JPEG 2000: pictures in the boxes of the ISO base media file format (ISO/IEC 14496-12).

OpenCV decodes the kinds that a plain installation reads, and imagecodecs those that `_Details.what`
names.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv, others, tags
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

_EXIF = b"JpgTiffExif->JP2"
_ADOBE_EXIF = bytes.fromhex("0537cdab9d0c4431a72afa561f2a113e")
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
BOXES = Container(
    "box",
    structural=frozenset((b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"wide",
                          b"jP  ", b"jp2h", b"jp2c", b"rreq", b"ihdr", b"bpcc", b"colr", b"pclr",
                          b"cmap", b"cdef")),
    places=((b"uuid", _EXIF, "exif"), (b"uuid", _ADOBE_EXIF, "exif"), (b"uuid", _XMP, "xmp")),
)  # fmt: skip
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

_GRAY, _SRGB, _SYCC = 17, 16, 18
_COLORS: dict[int | str, int] = {_GRAY: 1, _SRGB: 3, _SYCC: 3, "GRAY": 1, "RGB": 3}
"""Color spaces of JPEG 2000 that come out right, enumerated or of a profile, and how many channels
have color."""
_COMPLAINTS = r"(ERROR:|WARN:)(?!.*(unspecified color|TPsot==)).*(OpenJPEG2000|jpeg2000)"
"""A codestream alone has no color space, nor has a profile one for the decoder; and Apple's encoder
counts one part of a tile too few, which the decoder corrects."""


class _Details(NamedTuple):
    what: str = ""
    """What it is, where imagecodecs decodes it."""
    maxval: int | None = None
    items: bytes = b""
    """The box of the items, where some of them are metadata: OpenCV refuses files in which it lies
    behind the pixels, and must not see it."""


def read_header(data: bytes) -> Header:
    """Walk the boxes, and of JPEG 2000 the start of the codestream."""
    header = _avif_header(data) if data[4:8] == b"ftyp" else _jpeg_2000_header(data)
    height, width = header.sizes[0]
    # Of one color, 200,000 pixels took down to a byte; small pictures need not be checked.
    require_plausible(height, width, (height * width - (1 << 24)) >> 18, len(data))
    return header


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """Decode the pictures as they are stored."""
    details: _Details = header.details
    hidden = details.items.replace(b"Exif", b"skip").replace(b"mime", b"skip")
    data = data.replace(details.items, hidden, 1) if hidden else data
    if header.animated:
        picture = opencv.decode_animation(data, header, chosen)
        return picture._replace(maxval=details.maxval)
    is_avif = header.format is formats.AVIF
    if details.what:
        pixels = others.by_imagecodecs("avif" if is_avif else "jpeg2k", details.what, data)
        pixels = others.in_opencv_order(pixels)
    else:
        pixels = opencv.decode_still(data, header.format, "" if is_avif else _COMPLAINTS)
    return Picture((pixels,), header.format, maxval=details.maxval)


def encode(picture: Picture, quality: int | None) -> Encoded:
    """Encode AVIF with OpenCV's default quality of 50 or another one, JPEG 2000 without loss."""
    is_avif = picture.format is formats.AVIF
    return _encode_avif(picture, quality) if is_avif else _encode_jpeg_2000(picture)


def _refuse_if(is_odd: object, what: str) -> None:
    if is_odd:
        program = "magick in.avif out.png" if "AVIF" in what else "gdal_translate in.jp2 out.tif"
        raise ImageError(f"{what} is not read; convert it, for example: {program}")


def _inside(boxes: dict[bytes, Body], *path: bytes) -> list[Part]:
    """The boxes in the first box on a path of names; none where a box is missing."""
    for name in path:
        parts = BOXES.walk(boxes.get(name, b""), _FIELDS.get(name, 0))
        boxes = first_of(parts)
    return parts


# AVIF (ISO/IEC 23008-12 and 23000-22)


def _avif_header(data: bytes) -> Header:
    """The header of an animation by its track of pictures, of a still by its primary item."""
    boxes = BOXES.walk(data)
    named, is_still = first_of(boxes), data[8:12] != b"avis"
    meta = first_of(_inside(named, b"meta"))
    items, links, owned = _items(meta), _links(meta), _properties(meta)
    number = int.from_bytes(meta.get(b"pitm", b"")[4:], "big")
    masks = {key for key, properties in owned.items()
             if _ALPHA in bytes(first_of(properties).get(b"auxC", b""))}  # fmt: skip
    if is_still:
        tiles = [target for kind, source, target in links if (kind, source) == (b"dimg", number)]
        properties = owned[number] + owned.get(tiles[0], []) if tiles else owned[number]
        width, height = struct.unpack_from(">II", first_of(properties)[b"ispe"], 4)
        header = _described(properties, (height, width), has_alpha=bool(masks))
    else:
        header = _read_track(_inside(named, b"moov"))
    exif = next((key for key, item in items.items() if item[:4] == b"Exif"), -1)
    xmp = next((key for key, item in items.items() if _XMP_TYPE in item), -1)
    stored = _stored(data, meta, {exif, xmp})
    block = stored.get(exif, b"")
    block = block[4 + int.from_bytes(block[:4], "big") :]
    metadata = header.metadata._replace(exif=tags.read_exif(block), xmp=stored.get(xmp, b""))
    missing = [*header.left_out, *BOXES.sort(boxes)[2]]
    if is_still and b"moov" in named:
        missing.append("an animation")
    shown = {number, exif, xmp} | masks
    shown |= {source for kind, source, _ in links if kind == b"thmb"}
    shown |= {target for kind, source, target in links if kind == b"dimg" and source in shown}
    kinds = [item[:4] for key, item in items.items() if key not in shown]
    missing += ["a second picture" if kind in (b"av01", b"grid") else f"AVIF item {name_of(kind)}"
                for kind in kinds]  # fmt: skip
    details = header.details._replace(items=bytes(meta[b"iinf"]) if {exif, xmp} != {-1} else b"")
    return header._replace(metadata=metadata, left_out=tuple(missing), details=details)


def _read_track(moov: list[Part]) -> Header:
    """The header of an animation."""
    tracks = {}
    for part in reversed(moov):
        track = first_of(BOXES.walk(part.body)) if part.name == b"trak" else {}
        handler = first_of(_inside(track, b"mdia")).get(b"hdlr", b"")
        tracks[bytes(handler[8:12])] = track
    track, samples = tracks[b"pict"], (b"mdia", b"minf", b"stbl")
    sizes = first_of(_inside(track, *samples))[b"stsz"]
    entry = first_of(_inside(track, *samples, b"stsd"))
    width, height = struct.unpack_from(">HH", entry[b"av01"], 24)
    has_alpha = b"auxv" in tracks
    header = _described(_inside(entry, b"av01"), (height, width), has_alpha=has_alpha)
    _refuse_if(track[b"tkhd"][-44:-8] != _UPRIGHT, "AVIF with an animation that is turned")
    count = struct.unpack_from(">I", sizes, 8)[0]
    what = header.details.what
    _refuse_if(count > 1 and what, f"an animation, {what},")
    return header._replace(sizes=repeated((height, width), count), animated=count > 1)


def _described(properties: list[Part], size: tuple[int, int], *, has_alpha: bool) -> Header:
    """What the properties of a picture say."""
    named = first_of(properties)
    _refuse_if(b"clap" in named, "AVIF with a crop")
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
    missing = (
        f"AVIF property {name_of(name)}" for name, body in named.items()
        if name not in _PROPERTIES and not (name == b"pasp" and body[:4] == body[4:8])
    )  # fmt: skip
    turn = _TURNS[named.get(b"irot", b"\0")[0] & 3]
    return Header(
        formats.AVIF, (size,), Metadata(icc=icc, verbatim=verbatim), tuple(missing),
        turn[1 + (named[b"imir"][0] & 1)] if b"imir" in named else turn[0],
        details=_Details(what, maxval), pixel_bytes=8 if maxval else 4,
    )  # fmt: skip


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


def _stored(data: bytes, meta: dict[bytes, Body], wanted: set[int]) -> dict[int, bytes]:
    """The data of some items, which may be split into pieces."""
    number, stored = partial(_number, io.BytesIO(meta.get(b"iloc", bytes(8)))), dict[int, bytes]()
    version, _, sizes = number(1), number(3), number(2)
    wide = 4 if version == 2 else 2
    for _ in range(number(wide)):
        key, method = number(wide), number(2) & 15 if version else 0
        number(2)
        base, pieces, size = number(sizes >> 4 & 15), list[Body](), 0
        source = meta.get(b"idat", b"") if method == 1 else memoryview(data)
        for _ in range(number(2)):
            number(sizes & 15 if version else 0)
            at, length = base + number(sizes >> 12), number(sizes >> 8 & 15)
            if key in wanted and method < 2:  # 2: inside another item
                pieces.append(source[at : at + length])
                size += len(pieces[-1])
            if size > len(data):
                raise DamageError("it is damaged: an item holds more than the file")
        stored[key] = b"".join(pieces)
    return stored


def _number(table: io.BytesIO, size: int) -> int:
    """The next number of so many bytes."""
    read = table.read(size)
    if len(read) < size:
        raise DamageError("it is damaged: a table in its header ends too early")
    return int.from_bytes(read, "big")


def _encode_avif(picture: Picture, quality: int | None) -> Encoded:
    """Without a quality, a picture with alpha is kept without loss: at OpenCV's 50 its edges would
    move by up to 38 levels.
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


# JPEG 2000 (ISO/IEC 15444-1): a codestream, alone or in boxes that describe its channels


def _jpeg_2000_header(data: bytes) -> Header:
    """The header by the start of the codestream and by the boxes around it."""
    is_boxed = data[4:8] == b"jP  "
    boxes = BOXES.walk(data) if is_boxed else [Part(b"jp2c", memoryview(data))]
    inner = _inside(first_of(boxes), b"jp2h")
    coded = first_of(boxes)[b"jp2c"]
    if not bytes(coded).rstrip(b"\0").endswith(b"\xff\xd9"):
        raise DamageError("it is truncated: the JPEG 2000 data has no end marker")
    right, bottom, left, top, count, depth = struct.unpack_from(">IIII16xHB", coded, 8)
    size, bits, is_signed = (bottom - top, right - left), (depth & 0x7F) + 1, depth > 0x7F
    samples, has_palette = bytes(coded[42 : 42 + 3 * count]), b"pclr" in first_of(inner)
    is_plain = 1 <= count <= 4 and (bits >= 8 or has_palette) and bits <= 16
    is_plain = is_plain and samples[::3] == bytes([depth]) * count
    _refuse_if(not is_plain, f"JPEG 2000 with {count} channels of {bits} or of different bits")
    _require_packets(coded, size)
    icc, is_sycc = _colors(inner, count)
    is_subsampled = samples[1::3] + samples[2::3] != b"\1\1" * count
    is_odd = count == 2 or is_signed or has_palette or is_sycc or is_subsampled
    blocks, _, missing = BOXES.sort((*boxes, *inner))
    missing += ["a second picture"] if [box.name for box in boxes].count(b"jp2c") > 1 else []
    details = _Details(
        "JPEG 2000 with odd channels or odd colors" if is_odd or left or top else "",
        maxval=(1 << bits) - 1 if 8 < bits < 16 and not is_signed else None,
    )
    metadata = Metadata(tags.read_exif(blocks["exif"]), blocks["xmp"], icc)
    return Header(formats.JP2, (size,), metadata, tuple(missing), details=details,
                  pixel_bytes=8 if bits > 8 else 4)  # fmt: skip


def _require_packets(data: Body, size: tuple[int, int]) -> None:
    """Refuse what takes a decoder more memory than the data can be worth: a packet for every
    precinct takes a byte of it at least, a tile fourteen; a code block takes 256 bytes of memory.
    """
    at = 2
    while data[at : at + 2] != b"\xff\x52":  # COD
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    style, layers, levels, across, down = struct.unpack_from(">BxHx3B", data, at + 4)
    is_many = across + down < 2 and size[0] * size[1] > 1 << 20
    _refuse_if(is_many, "JPEG 2000 with so many small code blocks")
    tile_width, tile_height = struct.unpack_from(">II", data, 24)
    packets = 14 * -(-size[0] // (tile_height or 1)) * -(-size[1] // (tile_width or 1))
    for level in range(levels + 1):
        sides = data[at + 14 + level] if style & 1 else 0xFF
        rows, columns = (-(-side >> (levels - level)) for side in size)
        rows, columns = -(-rows >> (sides >> 4)), -(-columns >> (sides & 15))
        packets += layers * rows * columns
    require_plausible(*size, packets, len(data))


def _colors(boxes: Sequence[Part], count: int) -> tuple[bytes, bool]:
    """The profile, and whether the colors are sYCC; raise `ImageError` for other colors."""
    named = first_of(boxes)
    if b"pclr" in named:
        count = named[b"pclr"][2]
    colors = {body[0]: bytes(body[3:]) for name, body in reversed(boxes) if name == b"colr"}
    icc = colors.get(2) or colors.get(3) or b""
    # A damaged profile has no name.
    space = name_of(icc[16:20]) or (_GRAY if count < 3 else _SRGB)
    if 1 in colors:
        space = int.from_bytes(colors[1][:4], "big")
    alphas, roles = count - _COLORS.get(space, count + 1), [1]
    if b"cdef" in named and alphas:
        roles = [role for _, role, _ in struct.iter_unpack(">HHH", named[b"cdef"][2:]) if role]
    is_read = alphas in (0, 1) and roles == [1]
    _refuse_if(not is_read, f"JPEG 2000 with {count} channels of the color space {space}")
    return icc, space == _SYCC


def _encode_jpeg_2000(picture: Picture) -> Encoded:
    """The boxes are written here: OpenCV writes neither which channel is alpha nor a profile."""
    frame, (exif, xmp, icc) = picture.frames[0], picture.metadata.blocks()
    count, (height, width) = channels(frame), frame.shape[:2]
    settings = (native.import_cv2().IMWRITE_JPEG2000_COMPRESSION_X1000, 1000)
    written = first_of(BOXES.walk(opencv.encoded(formats.JP2, frame, settings)))
    colr = struct.pack(">BBBI", 1, 0, 0, _GRAY if count < 3 else _SRGB)
    if icc:
        colr = b"\2\0\0" + icc
    depth = 8 * frame.itemsize - 1
    size = struct.pack(">IIH4B", height, width, count, depth, 7, 0, 0)
    inner = [(b"ihdr", size), (b"colr", colr)]
    if count == 4:
        inner.append((b"cdef", struct.pack(">13H", 4, 0, 0, 1, 1, 0, 2, 2, 0, 3, 3, 1, 0)))
    return Encoded(BOXES.join((
        (b"jP  ", b"\r\n\x87\n"), (b"ftyp", b"jp2 \0\0\0\0jp2 "), (b"jp2h", BOXES.join(inner)),
        (b"jp2c", written[b"jp2c"]),
        *((b"uuid", name + block) for name, block in ((_EXIF, exif), (_XMP, xmp)) if block),
    )))  # fmt: skip
