"""AVIF and JPEG 2000: pictures in the boxes of the ISO base media file format (ISO/IEC 14496-12).

OpenCV decodes the kinds that a plain installation reads. It does not turn AVIF, which is done in
`codec`. imagecodecs decodes the kinds that `_Details.what` names.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv, others, tags
from pooltool.images.container import Container, Part, name_of
from pooltool.images.formats import Format
from pooltool.images.headers import left_out, repeated, require_plausible
from pooltool.images.picture import (
    Array,
    Encoded,
    Header,
    Metadata,
    Picture,
    Verbatim,
    channels,
)

_FIELDS = {b"meta": 4, b"iref": 4, b"iinf": 6, b"stsd": 8, b"av01": 78}
"""Bytes of a box that lie before the boxes in it."""

_AV1 = (b"av01", b"grid")
"""Items that are pictures: one, and a grid of them."""
_PROPERTIES = (b"ispe", b"pixi", b"av1C", b"colr", b"irot", b"imir", b"auxC", b"pasp",
               b"free", b"ccst", b"btrt")  # fmt: skip
"""Properties that are done here, or that change no pixel."""
_MATRICES = (0, 1, 2, 4, 5, 6, 7, 8, 9, 12)
"""Matrix coefficients (ISO/IEC 23091-2) from which colors come out right."""
_AVIF_BOXES = (b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"wide")
_XMP_TYPE = b"application/rdf+xml"
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")
_UPRIGHT = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_MOST_ITEMS, _MOST_BYTES = 4096, 1 << 26

_GRAY, _SRGB, _SYCC = 17, 16, 18
_COLORS: dict[int | str, int] = {_GRAY: 1, _SRGB: 3, _SYCC: 3}
"""Enumerated color spaces of JPEG 2000 that come out right, and how many channels have color."""
_EXIF = b"JpgTiffExif->JP2"
_ADOBE_EXIF = bytes.fromhex("0537cdab9d0c4431a72afa561f2a113e")
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_JP2 = Container(
    ">I4s", "box", counted=8,
    structural=frozenset((b"jP  ", b"ftyp", b"jp2h", b"jp2c", b"free", b"rreq", b"ihdr", b"bpcc",
                          b"colr", b"pclr", b"cmap", b"cdef")),
    places={b"uuid": ((_EXIF, "exif"), (_ADOBE_EXIF, "exif"), (_XMP, "xmp"))},
)  # fmt: skip
_COMPLAINTS = r"(ERROR:|WARN:).*(OpenJPEG2000|jpeg2000)"
_HARMLESS = r"unspecified color space, SRGB is assumed"
"""What the decoder says of a codestream alone, and of a profile."""


class Box(NamedTuple):
    """A box, by where its content lies in the whole file: nothing is copied before it is asked for,
    and bytes of the file can be changed.
    """

    data: bytes
    name: bytes
    start: int
    end: int

    @property
    def view(self) -> memoryview:
        return memoryview(self.data)[self.start : self.end]

    @property
    def body(self) -> bytes:
        return self.data[self.start : self.end]

    def inside(self, *path: bytes) -> list[Box]:
        """The boxes in it, or in the first box on a path of names below it."""
        if path:
            box = first_of(self.inside()).get(path[0])
            return box.inside(*path[1:]) if box else []
        boxes, at = [], self.start + _FIELDS.get(self.name, 0)
        if self.name == b"iinf" and self.data[self.start]:  # a version with wider numbers
            at += 2
        while at + 8 <= self.end:
            size, name = struct.unpack_from(">I4s", self.data, at)
            head = 8
            if size == 1:
                size, head = struct.unpack_from(">Q", self.data, at + 8)[0], 16
            size = size or self.end - at
            if size < head or at + size > self.end:
                raise DamageError(
                    "it is truncated or damaged: the data ends in the middle of a box"
                )
            boxes.append(Box(self.data, name, at + head, at + size))
            at += size
        return boxes


_NOTHING = Box(b"", b"", 0, 0)


def whole(data: bytes) -> Box:
    """A file, as if it were a box."""
    return Box(data, b"", 0, len(data))


def first_of(boxes: Iterable[Box]) -> dict[bytes, Box]:
    """Boxes by their names; of several with one name, the first."""
    named: dict[bytes, Box] = {}
    for box in boxes:
        named.setdefault(box.name, box)
    return named


class _Details(NamedTuple):
    what: str = ""
    """What it is, where imagecodecs decodes it."""
    maxval: int | None = None
    hidden: tuple[int, ...] = ()
    """Where the types of items stand that OpenCV must not see: it refuses files whose metadata lies
    behind the pixels."""
    bits: int = 8
    premultiplied: bool = False


class _Item(NamedTuple):
    """What a file says of an item; `at` is where its type is written."""

    kind: bytes
    at: int
    content: bytes
    """The media type of a `mime` item."""


class _Link(NamedTuple):
    """A reference from an item to others."""

    kind: bytes
    source: int
    targets: list[int]


def read_header(data: bytes) -> Header:
    """Walk the boxes, and of JPEG 2000 the start of the codestream."""
    return _avif_header(whole(data)) if data[4:8] == b"ftyp" else _jpeg_2000_header(data)


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode the pictures as they are stored."""
    details: _Details = header.details
    if details.hidden:
        changed = bytearray(data)
        for at in details.hidden:
            changed[at : at + 4] = b"skip"
        data = bytes(changed)
    picture = Picture((), header.format, maxval=details.maxval, premultiplied=details.premultiplied)
    frames: list[Array] = []
    if header.animated:
        animation = opencv.decode_animation(data, header, frame)
        picture = picture._replace(durations=animation.durations, loop=animation.loop)
        frames = list(animation.frames)
    elif not details.what:
        complaints = _COMPLAINTS if header.format is formats.JP2 else None
        frames = [opencv.decode_still(data, header.format, complaints, _HARMLESS)]
    if details.what:
        codec = "avif" if header.format is formats.AVIF else "jpeg2k"
        pixels = others.by_imagecodecs(codec, details.what, data)
        frames = list(pixels) if header.animated else [pixels]
        frames = list(map(others.in_opencv_order, frames if frame is None else frames[frame:][:1]))
    if details.bits < 8:  # levels of less than 8 bits become levels of 8
        scale = 255 / ((1 << details.bits) - 1)
        frames = [np.rint(pixels * scale).astype(np.uint8) for pixels in frames]
    return picture._replace(frames=tuple(frames))


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode AVIF with OpenCV's default quality of 50 or another one, JPEG 2000 without loss."""
    if format is formats.AVIF:
        return _encode_avif(picture, quality)
    return Encoded(_encode_jpeg_2000(picture))


def _refuse_if(odd: object, what: str) -> None:
    if odd:
        program = "magick in.avif out.png" if "AVIF" in what else "gdal_translate in.jp2 out.tif"
        raise ImageError(f"{what} is not read; convert it, for example: {program}")


def _require_room(height: int, width: int, size: int) -> None:
    """Refuse a header that claims more pixels than `size` bytes of wavelets or of AV1 can hold.

    Pictures of one color took down to a byte for 200,000 pixels; small ones need not be checked.
    """
    require_plausible(height, width, (height * width - (1 << 24)) >> 18, size)


# AVIF (ISO/IEC 23008-12 and 23000-22)


def _avif_header(file: Box) -> Header:
    """The header of an animation by its track of pictures, of a still by its primary item."""
    boxes, is_still = file.inside(), file.data[8:12] != b"avis"
    named = first_of(boxes)
    meta = first_of(named[b"meta"].inside()) if b"meta" in named else {}
    items, owned = _items(meta.get(b"iinf", _NOTHING)), _properties(meta.get(b"iprp", _NOTHING))
    links = _links(meta.get(b"iref", _NOTHING))
    number = int.from_bytes(meta[b"pitm"].body[4:], "big") if b"pitm" in meta else 0
    masks = set()
    for link in links:
        use = first_of(owned.get(link.source, [])).get(b"auxC")
        is_alpha = use is not None and file.data.startswith(_ALPHA, use.start + 4)
        if link.kind == b"auxl" and is_alpha and number in link.targets:
            masks.add(link.source)
    if is_still:
        tiles = [link.targets[0] for link in links if link[:2] == (b"dimg", number)]
        header = _read_primary(items, owned, number, tiles, bool(masks))
        premultiplied = header.details.what and any(link.kind == b"prem" for link in links)
        _refuse_if(premultiplied, "AVIF with gray that is premultiplied with alpha")
    else:
        header = _read_track(named[b"moov"])
    hidden = {key: item for key, item in items.items() if item.kind in (b"Exif", b"mime")}
    exif = next((key for key, item in hidden.items() if item.kind == b"Exif"), -1)
    xmp = next((key for key, item in hidden.items() if item.content == _XMP_TYPE), -1)
    stored = _stored(meta, {exif, xmp})
    block = stored.get(exif, b"")
    block = block[4 + int.from_bytes(block[:4], "big") :]
    metadata = header.metadata._replace(
        exif=tags.read_exif(block or None), xmp=stored.get(xmp) or None
    )
    missing = list(header.left_out)
    missing += ["an animation"] if is_still and b"moov" in named else []
    missing += _other_items(items, links, {number, *masks})
    missing += [f"box {name_of(box.name)}" for box in boxes if box.name not in _AVIF_BOXES]
    details = header.details._replace(hidden=tuple(item.at for item in hidden.values()))
    return header._replace(metadata=metadata, left_out=tuple(missing), details=details)


def _read_track(moov: Box) -> Header:
    """The header of an animation."""
    tracks, data = [box for box in moov.inside() if box.name == b"trak"], moov.data
    kinds = []
    for track in tracks:
        handler = first_of(track.inside(b"mdia")).get(b"hdlr")
        kinds.append(handler.body[8:12] if handler else b"")
    if b"pict" not in kinds:
        raise DamageError("it is damaged: the AVIF animation holds no pictures")
    track, samples = tracks[kinds.index(b"pict")], (b"mdia", b"minf", b"stbl")
    sizes = first_of(track.inside(*samples))[b"stsz"]
    entry = first_of(track.inside(*samples, b"stsd"))[b"av01"]
    width, height = struct.unpack_from(">HH", data, entry.start + 24)
    place = first_of(track.inside())[b"tkhd"].body
    has_alpha = b"auxv" in kinds
    header = _described(entry.inside(), (height, width), len(data), has_alpha=has_alpha)
    _refuse_if(place[-44:-8] != _UPRIGHT, "AVIF with an animation that is turned")
    gray_alpha = has_alpha and header.details.what
    _refuse_if(gray_alpha, "AVIF with an animation of gray with alpha")
    count = struct.unpack_from(">I", data, sizes.start + 8)[0]
    return header._replace(sizes=repeated((height, width), count), animated=count > 1)


def _read_primary(
    items: dict[int, _Item],
    owned: dict[int, list[Box]],
    number: int,
    tiles: Sequence[int],
    has_alpha: bool,
) -> Header:
    """The header of a still; a grid is described by its first tile as well."""
    if number not in items:
        raise DamageError("it is damaged: the AVIF header names no picture")
    kind, boxes = items[number].kind, owned.get(number, [])
    _refuse_if(kind not in _AV1, f"AVIF with a picture that is an item {name_of(kind)}")
    size = first_of(boxes).get(b"ispe")
    if size is None:
        raise DamageError("it is damaged: the AVIF header tells no size")
    width, height = struct.unpack_from(">II", size.data, size.start + 4)
    if kind == b"grid" and tiles:
        boxes = boxes + owned.get(tiles[0], [])
    return _described(boxes, (height, width), len(size.data), has_alpha=has_alpha)


def _described(boxes: list[Box], size: tuple[int, int], room: int, *, has_alpha: bool) -> Header:
    """What the properties of a picture say, in a file of `room` bytes."""
    _require_room(*size, room)
    named = first_of(boxes)
    _refuse_if(named.keys() & {b"a1op", b"a1lx", b"lsel"}, "AVIF with several layers")
    _refuse_if(b"clap" in named, "AVIF with a crop")
    depth = named[b"av1C"].body[2] if b"av1C" in named else 0
    maxval, gray = {0x40: 1023, 0x60: 4095}.get(depth & 0x60), bool(depth & 0x10)
    colors = [box.body for box in boxes if box.name == b"colr"]
    icc = next((color[4:] for color in colors if color[:4] in (b"prof", b"rICC")), None)
    nclx = next((color for color in colors if color[:4] == b"nclx"), None)
    verbatim, is_full = None, False
    if nclx is not None:
        primaries, transfer, matrix, limits = struct.unpack_from(">HHHB", nclx, 4)
        coding = f"AVIF with colors coded with the matrix {matrix}"
        _refuse_if(matrix not in _MATRICES, coding)
        is_full = limits >= 0x80
        # 1 and 13 are those of sRGB, 2 says nothing; a profile tells colors better than numbers.
        if icc is None and (primaries not in (1, 2) or transfer not in (2, 13)):
            name = f"colors that are not sRGB (primaries {primaries}, transfer {transfer})"
            verbatim = Verbatim(("AVIF",), (Part(b"colr", nclx[4:8]),), (name,))
    what = ""
    if gray and has_alpha:
        what = "AVIF of gray with alpha"
    elif gray and not is_full:
        what = "AVIF of gray in a limited range"
    missing = [f"AVIF property {name_of(name)}" for name in sorted(named.keys() - {*_PROPERTIES})]
    aspect = named[b"pasp"].body if b"pasp" in named else b""
    missing += ["pixel aspect ratio"] if aspect[:4] != aspect[4:8] else []
    # By quarter turns to the left: without imir, with its axis 0 (top to bottom), with 1. EXIF and
    # XMP do not turn an AVIF (MIAF, ISO/IEC 23000-22).
    quarters = named[b"irot"].body[0] & 3 if b"irot" in named else 0
    axis = 1 + (named[b"imir"].body[0] & 1) if b"imir" in named else 0
    turn = ((1, 4, 2), (8, 5, 7), (3, 2, 4), (6, 7, 5))[quarters][axis]
    details = _Details(what, maxval)
    metadata = Metadata(icc=icc, verbatim=verbatim)
    return Header(formats.AVIF, (size,), metadata, tuple(missing), turn, details=details,
                  pixel_bytes=8 if maxval else 4)  # fmt: skip


def _items(iinf: Box) -> dict[int, _Item]:
    """What each item is, by its number; decoders take the square of their count in time."""
    data, items = iinf.data, dict[int, _Item]()
    for box in iinf.inside():
        if box.name != b"infe":
            continue
        _refuse_if(len(items) == _MOST_ITEMS, "AVIF with so many items")
        wide = data[box.start] > 2
        number = struct.unpack_from(">I" if wide else ">H", data, box.start + 4)[0]
        at = box.start + (10 if wide else 8)
        content = b"".join(data[at + 4 : box.end].split(b"\0")[1:2])
        items[number] = _Item(data[at : at + 4], at, content)
    return items


def _properties(iprp: Box) -> dict[int, list[Box]]:
    """The properties of each item, by its number; decoders copy what several items share."""
    properties, owned, size = iprp.inside(b"ipco"), dict[int, list[Box]](), 0
    for box in iprp.inside():
        if box.name != b"ipma":
            continue
        number = partial(_number, io.BytesIO(box.body))
        version, wide = number(1), number(3) & 1
        for _ in range(number(4)):
            key = number(4 if version else 2)
            marks = [number(1 + wide) & (0x7FFF if wide else 0x7F) for _ in range(number(1))]
            owned[key] = [properties[mark - 1] for mark in marks if mark]
            size += sum(part.end - part.start for part in owned[key])
            _refuse_if(size > _MOST_BYTES, "AVIF with so many properties")
    return owned


def _links(iref: Box) -> list[_Link]:
    """The references between items."""
    size, links = 4 if any(iref.data[iref.start : iref.start + 1]) else 2, []
    for box in iref.inside():
        number = partial(_number, io.BytesIO(box.body))
        links.append(_Link(box.name, number(size), [number(size) for _ in range(number(2))]))
    return links


def _stored(meta: dict[bytes, Box], wanted: set[int]) -> dict[int, bytes]:
    """The data of some items, each of which may lie in several pieces."""
    if b"iloc" not in meta:
        return {}
    iloc, stored = meta[b"iloc"], {}
    number = partial(_number, io.BytesIO(iloc.body))
    version, _, sizes = number(1), number(3), number(2)
    wide = 4 if version == 2 else 2
    for _ in range(number(wide)):
        key, method = number(wide), number(2) & 15 if version else 0
        number(2)
        base, pieces, size = number(sizes >> 4 & 15), list[bytes](), 0
        if method == 1 and b"idat" in meta:
            base += meta[b"idat"].start
        for _ in range(number(2)):
            number(sizes & 15 if version else 0)
            at, length = base + number(sizes >> 12), number(sizes >> 8 & 15)
            if key in wanted and method < 2:  # 2: inside another item
                pieces.append(iloc.data[at : at + length])
                size += len(pieces[-1])
            if size > len(iloc.data):
                raise DamageError("it is damaged: an item holds more than the file")
        stored[key] = b"".join(pieces)
    return stored


def _number(table: io.BytesIO, size: int) -> int:
    """The next number of so many bytes."""
    read = table.read(size)
    if len(read) < size:
        raise DamageError("it is damaged: a table in its header ends too early")
    return int.from_bytes(read, "big")


def _other_items(items: dict[int, _Item], links: Sequence[_Link], shown: set[int]) -> list[str]:
    """What is left out of the items: all but the picture, its tiles, its alpha and a thumbnail."""
    shown |= {link.source for link in links if link.kind == b"thmb"}
    for link in links:
        if link.kind == b"dimg" and link.source in shown:
            shown.update(link.targets)
    missing = []
    for number, item in items.items():
        is_known = item.kind in _AV1 or item.kind == b"Exif" or item.content == _XMP_TYPE
        if item.kind in _AV1 and number not in shown:
            missing.append("a second picture")
        elif not is_known:
            missing.append(f"AVIF item {name_of(item.content or item.kind)}")
    return missing


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
    blocks = {
        "EXIF": (cv2.IMAGE_METADATA_EXIF, metadata.exif and metadata.exif.to_bytes()),
        "XMP": (cv2.IMAGE_METADATA_XMP, metadata.xmp),
        "ICC": (cv2.IMAGE_METADATA_ICCP, metadata.icc),
    }
    held = {name: pair for name, pair in blocks.items() if pair[1]}
    if len(frames) == 1:
        kinds = [kind for kind, _ in held.values()]
        arrays = [np.frombuffer(block or b"", np.uint8) for _, block in held.values()]
        call = (".avif", frames[0], kinds, arrays, settings)
        data = opencv.encoded(formats.AVIF, lambda: cv2.imencodeWithMetadata(*call))
        if metadata.verbatim:  # primaries and curve; the matrix is the encoder's
            at = data.index(b"colrnclx") + 8
            data = data[:at] + metadata.verbatim.parts[0].body + data[at + 4 :]
        return Encoded(data)
    moving = cv2.Animation()
    moving.frames = frames
    moving.durations = np.array(picture.durations or (1000,) * len(frames))
    data = opencv.encoded(formats.AVIF, lambda: cv2.imencodeanimation(".avif", moving, settings))
    missing = [*held, *(metadata.verbatim.names if metadata.verbatim else ())]
    missing += ["loop count (AVIF plays for ever)"] if picture.loop else []
    return Encoded(data, left_out(missing, " of the AVIF animation"))


# JPEG 2000 (ISO/IEC 15444-1): a codestream, alone or in boxes that tell what its channels mean


def _jpeg_2000_header(data: bytes) -> Header:
    """The header by the start of the codestream and by the boxes around it."""
    boxed = data[4:8] == b"jP  "
    boxes = whole(data).inside() if boxed else [Box(data, b"jp2c", 0, len(data))]
    inner = whole(data).inside(b"jp2h") if boxed else []
    coded, named = first_of(boxes).get(b"jp2c"), first_of(inner)
    if coded is None:
        raise DamageError("it is damaged: the JPEG 2000 file holds no picture")
    if not coded.body.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise DamageError("it is truncated: the JPEG 2000 data has no end marker")
    right, bottom, left, top, count, depth = struct.unpack_from(">IIII16xHB", data, coded.start + 8)
    size, bits, signed = (bottom - top, right - left), (depth & 0x7F) + 1, depth > 0x7F
    if boxed and named[b"ihdr"].body[:10] != struct.pack(">IIH", *size, count):
        raise DamageError("it is damaged: its boxes describe another picture than its data")
    samples = data[coded.start + 42 : coded.start + 42 + 3 * count]
    is_plain = 1 <= count <= 4 and bits <= 16 and samples[::3] == bytes([depth]) * count
    _refuse_if(not is_plain, f"JPEG 2000 with {count} channels of {bits} or of different bits")
    _require_room(*size, coded.end - coded.start)
    _require_packets(coded, size)
    icc, is_sycc, premultiplied = _colors(inner, count)
    odd = {
        "gray and alpha": count == 2,
        f"{bits} bits": bits < 8,
        "signed values": signed,
        "a palette": b"pclr" in named,
        "sYCC colors": is_sycc,
        "subsampled colors": samples[1::3] + samples[2::3] != b"\1\1" * count,
        "an offset of the picture": left or top,
    }
    what = " and ".join(name for name, is_so in odd.items() if is_so)
    contents = _JP2.sort(Part(box.name, box.view) for box in (*boxes, *inner))
    missing = _JP2.names(contents.others)
    missing += ["a second picture"] if [box.name for box in boxes].count(b"jp2c") > 1 else []
    details = _Details(
        f"JPEG 2000 with {what}" if what else "",
        maxval=(1 << bits) - 1 if 8 < bits < 16 and not signed else None,
        bits=8 if signed or b"pclr" in named else bits,
        premultiplied=premultiplied,
    )
    exif, xmp = tags.read_exif(contents.first("exif")), contents.first("xmp") or None
    return Header(formats.JP2, (size,), Metadata(exif, xmp, icc), tuple(missing), details=details,
                  pixel_bytes=8 if bits > 8 else 4)  # fmt: skip


def _require_packets(coded: Box, size: tuple[int, int]) -> None:
    """Refuse what takes a decoder more memory than the data can be worth: a packet for every
    precinct takes a byte of it at least, a tile fourteen, and a code block 256 bytes of memory.
    """
    data, at = coded.data, coded.start + 2
    tile_width, tile_height = struct.unpack_from(">II", data, coded.start + 24)
    while data[at : at + 2] != b"\xff\x52":  # COD
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    style, layers, levels, across, down = struct.unpack_from(">BxHx3B", data, at + 4)
    pixels = size[0] * size[1]
    many = 256 * (pixels >> across + down + 4) > 4 * pixels + (1 << 26)
    _refuse_if(many, "JPEG 2000 with so many small code blocks")
    packets = 14 * -(-size[0] // (tile_height or 1)) * -(-size[1] // (tile_width or 1))
    for level in range(levels + 1):
        sides = data[at + 14 + level] if style & 1 else 0xFF
        rows, columns = (-(-side >> (levels - level)) for side in size)
        rows, columns = -(-rows >> (sides >> 4)), -(-columns >> (sides & 15))
        packets += layers * rows * columns
    require_plausible(*size, packets, coded.end - coded.start)


def _colors(boxes: Sequence[Box], count: int) -> tuple[bytes | None, bool, bool]:
    """The profile, and whether the colors are sYCC and premultiplied; raise `ImageError` for other
    colors.
    """
    named = first_of(boxes)
    if b"pclr" in named:
        count = named[b"pclr"].body[2]
    colors = [box.body for box in boxes if box.name == b"colr"]
    icc = next((color[3:] for color in colors if color[0] in (2, 3)), b"")
    spaces = [struct.unpack_from(">I", color, 3)[0] for color in colors if color[0] == 1]
    # A damaged profile has no name, and is left out by name.
    by_profile = {"": _GRAY if count < 3 else _SRGB, "GRAY": _GRAY, "RGB": _SRGB}
    kind = name_of(icc[16:20])
    space = spaces[0] if spaces else by_profile.get(kind, kind)
    more, roles = count - _COLORS.get(space, count + 1), [1]
    if b"cdef" in named and more:
        definitions = struct.iter_unpack(">HHH", named[b"cdef"].body[2:])
        roles = [role for _, role, _ in definitions if role]
    is_read = more in (0, 1) and roles in ([1], [2])
    _refuse_if(not is_read, f"JPEG 2000 with {count} channels of the color space {space}")
    return icc or None, space == _SYCC, roles == [2]


def _encode_jpeg_2000(picture: Picture) -> bytes:
    """The boxes are written here: OpenCV tells neither what is alpha nor a profile."""
    frame, metadata = picture.frames[0], picture.metadata
    count, (height, width) = channels(frame), frame.shape[:2]
    settings = (native.import_cv2().IMWRITE_JPEG2000_COMPRESSION_X1000, 1000)
    written = whole(opencv.encode_still(formats.JP2, frame, settings)).inside()
    colr = struct.pack(">BBBI", 1, 0, 0, _GRAY if count < 3 else _SRGB)
    if metadata.icc:
        colr = b"\2\0\0" + metadata.icc
    depth = 8 * frame.itemsize - 1
    inner = _JP2.pack(b"ihdr", struct.pack(">IIH4B", height, width, count, depth, 7, 0, 0))
    inner += _JP2.pack(b"colr", colr)
    if count == 4:
        inner += _JP2.pack(b"cdef", struct.pack(">13H", 4, 0, 0, 1, 1, 0, 2, 2, 0, 3, 3, 1, 0))
    data = _JP2.pack(b"jP  ", b"\r\n\x87\n") + _JP2.pack(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    data += _JP2.pack(b"jp2h", inner) + _JP2.pack(b"jp2c", first_of(written)[b"jp2c"].body)
    exif = metadata.exif and metadata.exif.to_bytes()
    for name, block in ((_EXIF, exif), (_XMP, metadata.xmp)):
        data += _JP2.pack(b"uuid", name + block) if block else b""
    return data
