"""AVIF: AV1 pictures in the boxes of HEIF (ISO/IEC 23008-12, 23000-22).

OpenCV decodes the file with a few bytes changed in memory: metadata is hidden from its decoder,
and gray and alpha become two pictures. It gives gray as it is coded and knows neither crops nor
turns: these are done here and in `codec`.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv
from pooltool.images.boxes import Box, body, boxes, inside, require_room
from pooltool.images.formats import Format
from pooltool.images.headers import left_out, name_of, repeated
from pooltool.images.picture import Encoded, Header, Metadata, Part, Picture, Verbatim, channels

FORMATS = (formats.AVIF,)
START = rb"....ftyp.{,52}avi[fs]"

_PICTURES = (b"av01", b"grid")
"""Items that come out right: a picture, and a grid of them."""
_PROPERTIES = (b"ispe", b"pixi", b"av1C", b"colr", b"irot", b"imir", b"clap", b"auxC", b"pasp",
               b"free", b"ccst", b"btrt")  # fmt: skip
"""Properties that are done here, or that change no pixel."""
_MATRICES = (0, 1, 2, 4, 5, 6, 7, 8, 9, 12)
"""Matrix coefficients (ISO/IEC 23091-2) from which colors come out right."""
_ITEMS = (*_PICTURES, b"Exif", b"mime")
_BOXES = (b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"wide")
_XMP = b"application/rdf+xml"
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
_UPRIGHT = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_Patches = tuple[tuple[int, bytes], ...]


class _Details(NamedTuple):
    maxval: int | None
    gray: bool
    limited: bool
    """True when gray is coded as 16 to 235, times 4 or 16 in 10 and 12 bits."""
    crop: tuple[slice, slice] | None
    patches: _Patches = ()
    """Bytes that are changed before OpenCV decodes the file, and where."""
    alpha: _Patches = ()
    """More of them, which let OpenCV decode the alpha of gray instead."""


class _Item(NamedTuple):
    """What the file says of an item; `at` is where its type is written."""

    kind: bytes
    at: int
    content: bytes
    places: Sequence[tuple[int, int]]
    properties: Sequence[Box]

    def data(self, data: bytes) -> bytes:
        return b"".join(data[at : at + size] for at, size in self.places)


class _Link(NamedTuple):
    """A reference of an item to others."""

    kind: bytes
    source: int
    targets: Sequence[int]


def read_header(data: bytes) -> Header:
    """Walk the boxes: those of the track of an animation, or of the primary item."""
    header = _read_track(data) if data[8:12] == b"avis" else None
    items, links = _items(data), list(_links(data))
    pitm = next((part for part in inside(data, b"meta") if part.name == b"pitm"), None)
    number = int.from_bytes(data[pitm.start + 4 : pitm.end], "big") if pitm else 0
    if header is None:
        if number not in items:
            raise DamageError("it is damaged: the AVIF header names no picture")
        header = _read_primary(data, items, links, number)
    hidden = [item for item in items.values() if item.kind in (b"Exif", b"mime")]
    patches = [(item.at, b"skip") for item in hidden]
    masks = [link for link in links if link.kind == b"auxl" and number in link.targets
             and _is_alpha(data, items.get(link.source))]  # fmt: skip
    alpha: _Patches = ()
    if masks and header.details.gray and not header.animated and pitm:
        if any(link.kind == b"prem" for link in links):
            raise _not_read("gray that is premultiplied with alpha")
        mask = items[masks[0].source]
        patches.append((mask.at, b"skip"))
        primary = masks[0].source.to_bytes(pitm.end - pitm.start - 4, "big")
        alpha = ((mask.at, mask.kind), (pitm.start + 4, primary))
    lost = [*header.left_out, *_other_items(items, links, number, masks)]
    lost += [f"box {name_of(part.name)}" for part in boxes(data) if part.name not in _BOXES]
    blocks = {item.kind: item.data(data) for item in reversed(hidden)
              if item.kind == b"Exif" or item.content == _XMP}  # fmt: skip
    block = blocks.get(b"Exif", b"")
    found = header.metadata._replace(
        exif=block[4 + int.from_bytes(block[:4], "big") :] or None,
        xmp=blocks.get(b"mime") or None,
    )
    details = header.details._replace(patches=tuple(patches), alpha=alpha)
    return header._replace(metadata=found, left_out=tuple(lost), details=details)


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode the pictures as they are stored, in full range, and crop them."""
    found: _Details = header.details
    data = _patched(data, found.patches)
    if len(header.sizes) > 1:
        picture = opencv.decode_animation(data, header, frame)
    else:
        picture = Picture((opencv.decode_still(data, header.format),), header.format)
    frames = list(picture.frames)
    if found.limited:  # as libavif does it, in integers
        unit = ((found.maxval or 255) + 1) // 256
        low, wide, top = 16 * unit, 219 * unit, found.maxval or 255
        levels = ((np.arange(256 * unit) - low) * top + wide // 2) // wide
        table = levels.clip(0, top).astype(frames[0].dtype)
        frames = [table[pixels] for pixels in frames]
    if found.alpha:
        mask = opencv.decode_still(_patched(data, found.alpha), header.format)
        frames = [np.dstack((frames[0], frames[0], frames[0], mask))]
    if found.crop:
        frames = [pixels[found.crop] for pixels in frames]
    return picture._replace(frames=tuple(frames), maxval=found.maxval)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode with OpenCV's default quality of 50 or another one.

    Without a quality, alpha is kept without loss: at 50 its edges move by up to 38 levels.
    """
    cv2, found = native.import_cv2(), picture.metadata
    settings = [cv2.IMWRITE_AVIF_DEPTH, formats.AVIF_DEPTHS.get(picture.maxval or 0, 8)]
    quality_settings = [] if quality is None else [cv2.IMWRITE_AVIF_QUALITY, quality]
    kinds = (cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_XMP, cv2.IMAGE_METADATA_ICCP)
    told = zip(("EXIF", "XMP", "ICC"), kinds, (found.exif, found.xmp, found.icc), strict=True)
    blocks = [(name, kind, np.frombuffer(block, "u1")) for name, kind, block in told if block]
    frame, count = picture.frames[0], len(picture.frames)
    masks = [f[..., 3] for f in picture.frames if channels(f) == 4]
    varied = any(mask.min() != (picture.maxval or 255) for mask in masks)
    if count == 1:
        numbers, arrays = [kind for _, kind, _ in blocks], [array for _, _, array in blocks]
        call = (".avif", frame, numbers, arrays, settings + quality_settings)
        data = opencv.encoded(format, lambda: cv2.imencodeWithMetadata(*call))
        if varied and quality is None:
            lossless = (*settings, cv2.IMWRITE_AVIF_QUALITY, 100)
            data = _with_alpha(data, opencv.encode_still(format, masks[0], lossless))
        if found.verbatim:  # primaries and curve; the matrix is the encoder's
            at = data.index(b"colrnclx") + 8
            data = _patched(data, ((at, found.verbatim.parts[0].body),))
        return Encoded(data)
    moving = cv2.Animation()
    moving.frames = list(picture.frames)
    moving.durations = np.array(picture.durations or (1000,) * count)
    settings += quality_settings
    data = opencv.encoded(format, lambda: cv2.imencodeanimation(".avif", moving, settings))
    lost = [name for name, _, _ in blocks]
    lost += found.verbatim.names if found.verbatim else ()
    lost += ["loop count (AVIF plays for ever)"] if picture.loop else []
    warnings = left_out(lost, " of the AVIF animation")
    if varied and quality != 100:
        warnings += ("alpha of the AVIF animation was coded with loss; --quality 100 keeps it",)
    return Encoded(data, warnings)


def _not_read(what: str) -> ImageError:
    return ImageError(
        f"AVIF with {what} is not read; convert it, for example: avifdec in.avif out.png"
    )


def _read_track(data: bytes) -> Header:
    """The header of an animation, from its track of pictures."""
    tracks = [part for part in inside(data, b"moov") if part.name == b"trak"]
    kinds = [(body(data, inside(data, b"mdia", of=part), b"hdlr") or b"")[8:12] for part in tracks]
    if b"pict" not in kinds:
        raise DamageError("it is damaged: the AVIF animation holds no pictures")
    track = tracks[kinds.index(b"pict")]
    samples = (b"mdia", b"minf", b"stbl")
    sizes = body(data, inside(data, *samples, of=track), b"stsz") or b""
    entry = body(data, inside(data, *samples, b"stsd", of=track), b"av01") or b""
    width, height = struct.unpack_from(">HH", entry, 24)
    place = body(data, inside(data, of=track), b"tkhd") or b""
    header = _described(data, inside(data, *samples, b"stsd", b"av01", of=track), (height, width))
    if place[-44:-8] != _UPRIGHT:
        raise _not_read("an animation that is turned")
    if header.details.gray and b"auxv" in kinds:
        raise _not_read("an animation of gray with alpha")
    count = struct.unpack_from(">8xI", sizes)[0]
    return header._replace(sizes=repeated((height, width), count), animated=count > 1)


def _read_primary(
    data: bytes, items: dict[int, _Item], links: Sequence[_Link], number: int
) -> Header:
    """The header of a still, from its primary item."""
    item = items[number]
    if item.kind not in _PICTURES:
        raise _not_read(f"a picture that is an item {name_of(item.kind)}")
    tiles = [link.targets[0] for link in links if link.kind == b"dimg" and link.source == number]
    tile = items.get(tiles[0], item) if item.kind == b"grid" and tiles else item
    size = body(data, item.properties, b"ispe")
    if size is None:
        raise DamageError("it is damaged: the AVIF header tells no size")
    width, height = struct.unpack_from(">4xII", size)
    properties = item.properties if tile is item else (*item.properties, *tile.properties)
    header = _described(data, properties, (height, width), tile.data(data))
    lost = ("an animation",) if inside(data, b"moov") else ()
    return header._replace(left_out=(*header.left_out, *lost))


def _described(
    data: bytes, properties: Sequence[Box], size: tuple[int, int], coded: bytes = b""
) -> Header:
    """What the properties of a picture say; `coded` is the start of its AV1 data."""
    names, (height, width) = {part.name for part in properties}, size
    require_room(height, width, len(data))
    if names & {b"a1op", b"a1lx", b"lsel"}:
        raise _not_read("several layers")
    depth = (body(data, properties, b"av1C") or bytes(3))[2]
    maxval, gray = {0x40: 1023, 0x60: 4095}.get(depth & 0x60), bool(depth & 0x10)
    colors = [data[part.start : part.end] for part in properties if part.name == b"colr"]
    icc = next((color[4:] for color in colors if color[:4] in (b"prof", b"rICC")), None)
    nclx = next((color for color in colors if color[:4] == b"nclx"), None)
    limited, wide = False, None
    if nclx is not None:
        primaries, transfer, matrix, limits = struct.unpack_from(">HHHB", nclx, 4)
        if matrix not in _MATRICES:
            raise _not_read(f"colors coded with the matrix {matrix}")
        limited = gray and limits < 0x80
        if primaries in (9, 11, 12) or transfer in (16, 18):  # BT.2020, P3; PQ, HLG
            wide = Verbatim(("AVIF",), (Part(b"colr", nclx[4:8]),), ("wide or HDR colors",))
    elif gray:
        limited = _is_limited(coded)
    lost = [f"AVIF property {name_of(name)}" for name in sorted(names.difference(_PROPERTIES))]
    aspect = body(data, properties, b"pasp")
    if aspect is not None and aspect[:4] != aspect[4:8]:
        lost.append("pixel aspect ratio")
    clap = body(data, properties, b"clap")
    details = _Details(maxval, gray, limited, _crop(clap, size) if clap else None)
    found, turn = Metadata(icc=icc, verbatim=wide), _orientation(data, properties)
    return Header(formats.AVIF, (size,), found, tuple(lost), turn, details=details)


def _is_limited(coded: bytes) -> bool:
    """Whether the sequence header of gray AV1 data, 5.5 of its specification, has color_range 0."""
    found = re.match(rb"(?:\x12\0)?\x0a[\0-\x7f]", coded)
    bits = "".join(f"{byte:08b}" for byte in coded[found.end() :][:32]) if found else ""
    if bits[4:5] != "1":  # reduced_still_picture_header
        raise _not_read("gray whose range is not told in a colr box")
    at = 18 + int(bits[10:14], 2) + 1 + int(bits[14:18], 2) + 1 + 6
    at += 2 if bits[:3] == "010" and bits[at] == "1" else 1
    return bits[at + 2 + 24 * int(bits[at + 1])] == "0"


def _orientation(data: bytes, properties: Sequence[Box]) -> int:
    """irot (quarter turns to the left), then imir (0: top to bottom), as EXIF numbers them.

    EXIF and XMP do not turn an AVIF (MIAF, ISO/IEC 23000-22).
    """
    quarters, axis = body(data, properties, b"irot"), body(data, properties, b"imir")
    plain, top_down, left_right = ((1, 4, 2), (8, 5, 7), (3, 2, 4), (6, 7, 5))[
        quarters[0] & 3 if quarters else 0
    ]
    return plain if axis is None else left_right if axis[0] & 1 else top_down


def _crop(clap: bytes, size: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns of the clean aperture: its size, and its center from the picture's."""
    numbers = struct.unpack_from(">IIIIiIiI", clap)
    width, height, right, down = (
        numbers[at] / numbers[at + 1] for at in (0, 2, 4, 6) if numbers[at + 1]
    )
    slices = []
    for side, length, shift in ((size[0], height, down), (size[1], width, right)):
        first = (side - length) / 2 + shift
        if not first.is_integer() or not length.is_integer() or length < 1:
            raise _not_read("a crop between pixels")
        if first < 0 or first + length > side:
            raise DamageError("it is damaged: its crop lies beyond the picture")
        slices.append(slice(int(first), int(first + length)))
    return slices[0], slices[1]


def _items(data: bytes) -> dict[int, _Item]:
    """All items by their numbers, from the boxes iinf, iloc and iprp."""
    meta = inside(data, b"meta")
    stored = next(((part.start, part.end) for part in meta if part.name == b"idat"), (0, 0))
    places = dict(_places(body(data, meta, b"iloc") or bytes(8), stored[0]))
    container, owned = inside(data, b"meta", b"iprp", b"ipco"), {}
    for part in inside(data, b"meta", b"iprp"):
        if part.name == b"ipma":
            number = _reader(data[part.start : part.end])
            version, flags = number(1), number(3)
            for _ in range(number(4)):
                item, wide = number(4 if version else 2), flags & 1
                marks = [number(2 if wide else 1) for _ in range(number(1))]
                indices = [mark & (0x7FFF if wide else 0x7F) for mark in marks]
                owned[item] = [container[index - 1] for index in indices if index]
    items = {}
    for part in inside(data, b"meta", b"iinf"):
        if part.name == b"infe":
            wide = data[part.start] > 2
            key = struct.unpack_from(">I" if wide else ">H", data, part.start + 4)[0]
            at = part.start + (10 if wide else 8)
            content = data[at + 4 : part.end].split(b"\0")[1:2]
            items[key] = _Item(
                data[at : at + 4], at, b"".join(content), places.get(key, ()), owned.get(key, ())
            )
    return items


def _places(table: bytes, stored: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Number, positions and sizes of each item; `stored` is where the content of idat begins."""
    version, sizes = table[0], struct.unpack_from(">H", table, 4)[0]
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size, number = (sizes & 15 if version else 0), _reader(table[6:])
    for _ in range(number(4 if version == 2 else 2)):
        item = number(4 if version == 2 else 2)
        method = number(2) & 15 if version else 0
        number(2)
        base, pieces = number(base_size) + (stored if method == 1 else 0), []
        for _ in range(number(2)):
            number(index_size)
            pieces.append((base + number(offset_size), number(length_size)))
        if method < 2:  # 2: inside another item
            yield item, pieces


def _links(data: bytes) -> Iterator[_Link]:
    """The references between items."""
    version = (body(data, inside(data, b"meta"), b"iref") or b"\0")[0]
    for part in inside(data, b"meta", b"iref"):
        size = 4 if version else 2
        number = _reader(data[part.start : part.end])
        source = number(size)
        targets = [number(size) for _ in range(number(2))]
        yield _Link(part.name, source, targets)


def _reader(table: bytes) -> Callable[[int], int]:
    """A function that reads the next number of so many bytes."""
    stream = io.BytesIO(table)

    def number(size: int) -> int:
        read = stream.read(size)
        if len(read) < size:
            raise DamageError("it is damaged: a table in its header ends too early")
        return int.from_bytes(read, "big")

    return number


def _is_alpha(data: bytes, item: _Item | None) -> bool:
    kind = body(data, item.properties if item else (), b"auxC") or b""
    return kind[4:].split(b"\0")[0] in _ALPHA


def _other_items(
    items: dict[int, _Item], links: Sequence[_Link], number: int, masks: Sequence[_Link]
) -> list[str]:
    """What is lost of the items that are neither the picture, its tiles, alpha nor thumbnail."""
    shown = {number} | {mask.source for mask in masks}
    shown |= {link.source for link in links if link.kind == b"thmb"}
    for link in links:
        if link.kind == b"dimg" and link.source in shown:
            shown |= set(link.targets)
    lost = []
    for key, item in items.items():
        if item.kind in _PICTURES and key not in shown:
            lost.append("a second picture")
        elif item.kind not in _ITEMS or (item.kind == b"mime" and item.content != _XMP):
            lost.append(f"AVIF item {name_of(item.content or item.kind)}")
    return lost


def _patched(data: bytes, patches: _Patches) -> bytes:
    changed = bytearray(data)
    for at, content in patches:
        changed[at : at + len(content)] = content
    return bytes(changed)


def _with_alpha(data: bytes, mask: bytes) -> bytes:
    """The file with the AV1 data of another one, a gray picture, as its alpha.

    Both were written by libavif: its iloc has entries of 14 bytes, item 2 is alpha, and all that
    lies behind the boxes of the header is AV1 data.
    """
    items, coded = _items(data), _items(mask)[1].data(mask)
    (start, size), iloc = items[2].places[0], data.index(b"iloc") + 12
    changed = bytearray(data)
    for entry in range(iloc, iloc + 14 * len(items), 14):
        at = struct.unpack_from(">I", data, entry + 6)[0]
        if at == start:
            struct.pack_into(">I", changed, entry + 10, len(coded))
        elif at > start:
            struct.pack_into(">I", changed, entry + 6, at + len(coded) - size)
    mdat = next(part for part in boxes(data) if part.name == b"mdat")
    total = mdat.end - mdat.start + 8 + len(coded) - size
    struct.pack_into(">I", changed, mdat.start - 8, total)
    return bytes(changed[:start] + coded + changed[start + size :])
