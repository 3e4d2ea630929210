"""AVIF: AV1 pictures in the boxes of HEIF (ISO/IEC 23008-12, 23000-22).

OpenCV decodes the file with a few bytes changed in memory: metadata is hidden from its decoder,
and gray and alpha become two pictures. It gives gray as it is coded and knows neither crops nor
turns: these are done here and in `codec`.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv, tags
from pooltool.images.boxes import Box, contents, require_room, whole
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
_Patches = Sequence[tuple[int, bytes]]
_Links = Sequence[tuple[bytes, int, Sequence[int]]]
"""References between items: the kind, from which item, to which ones."""


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
    pieces: list[memoryview]
    properties: list[Box]

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


def read_header(data: bytes) -> Header:
    """Walk the boxes: those of the track of an animation, or of the primary item."""
    file = whole(data)
    header = _read_track(file) if data[8:12] == b"avis" else None
    items, links = _items(file), _links(file)
    pitm = next(iter(file.every(b"meta", b"pitm")), None)
    number = int.from_bytes(pitm.body[4:], "big") if pitm else 0
    header = header or _read_primary(file, items, links, number)
    uses = {key: contents(item.properties).get(b"auxC", b"") for key, item in items.items()}
    masks = [source for kind, source, targets in links if kind == b"auxl" and number in targets
             and uses.get(source, b"")[4:].split(b"\0")[0] in _ALPHA]  # fmt: skip
    hidden = [item for item in items.values() if item.kind in (b"Exif", b"mime")]
    patches = [(item.at, b"skip") for item in hidden]
    alpha: _Patches = ()
    if masks and header.details.gray and not header.animated and pitm:
        premultiplied = any(kind == b"prem" for kind, _, _ in links)
        _refuse_if(premultiplied, "gray that is premultiplied with alpha")
        mask, primary = items[masks[0]], struct.pack(">I" if pitm.body[0] else ">H", masks[0])
        patches.append((mask.at, b"skip"))
        alpha = ((mask.at, mask.kind), (pitm.start + 4, primary))
    kept = [item for item in hidden if item.kind == b"Exif" or item.content == _XMP]
    blocks = {item.kind: item.data for item in reversed(kept)}
    block = blocks.get(b"Exif", b"")
    block = block[4 + int.from_bytes(block[:4], "big") :]
    found = header.metadata._replace(exif=tags.read_exif(block), xmp=blocks.get(b"mime") or None)
    lost = list(header.left_out)
    lost += ["an animation"] if data[8:12] != b"avis" and file.inside(b"moov") else []
    lost += _other_items(items, links, {number, *masks})
    lost += [f"box {name_of(part.name)}" for part in file.inside() if part.name not in _BOXES]
    details = header.details._replace(patches=patches, alpha=alpha)
    return header._replace(metadata=found, left_out=tuple(lost), details=details)


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode the pictures as they are stored, in full range, and crop them."""
    found: _Details = header.details
    data = _patched(data, found.patches)
    if len(header.sizes) > 1:
        picture = opencv.decode_animation(data, header, frame)
    else:
        picture = Picture((opencv.decode_still(data, header.format),), header.format)
    frames = picture.frames
    if found.limited:  # as libavif does it, in integers
        top = found.maxval or 255
        unit = (top + 1) // 256
        levels = ((np.arange(top + 1) - 16 * unit) * top + 219 * unit // 2) // (219 * unit)
        table = levels.clip(0, top).astype(frames[0].dtype)
        frames = tuple(table[pixels] for pixels in frames)
    if found.alpha:
        mask = opencv.decode_still(_patched(data, found.alpha), header.format)
        frames = (np.dstack((frames[0], frames[0], frames[0], mask)),)
    if found.crop:
        frames = tuple(pixels[found.crop] for pixels in frames)
    return picture._replace(frames=frames, maxval=found.maxval)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode with OpenCV's default quality of 50 or another one.

    Without a quality, alpha is kept without loss: at 50 its edges move by up to 38 levels.
    """
    cv2, frames, found = native.import_cv2(), picture.frames, picture.metadata
    depth = (cv2.IMWRITE_AVIF_DEPTH, formats.AVIF_DEPTHS.get(picture.maxval or 0, 8))
    settings = depth if quality is None else (*depth, cv2.IMWRITE_AVIF_QUALITY, quality)
    kinds = (cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_XMP, cv2.IMAGE_METADATA_ICCP)
    exif = found.exif and found.exif.to_bytes()
    told = zip(("EXIF", "XMP", "ICC"), kinds, (exif, found.xmp, found.icc), strict=True)
    blocks = [(name, kind, np.frombuffer(block, "u1")) for name, kind, block in told if block]
    masks = [pixels[..., 3] for pixels in frames if channels(pixels) == 4]
    varied = any(mask.min() != (picture.maxval or 255) for mask in masks)
    if len(frames) == 1:
        numbers, arrays = [kind for _, kind, _ in blocks], [array for _, _, array in blocks]
        call = (".avif", frames[0], numbers, arrays, settings)
        data = opencv.encoded(format, lambda: cv2.imencodeWithMetadata(*call))
        if varied and quality is None:
            lossless = (*depth, cv2.IMWRITE_AVIF_QUALITY, 100)
            data = _with_alpha(data, opencv.encode_still(format, masks[0], lossless))
        if found.verbatim:  # primaries and curve; the matrix is the encoder's
            at = data.index(b"colrnclx") + 8
            data = _patched(data, [(at, found.verbatim.parts[0].body)])
        return Encoded(data)
    moving = cv2.Animation()
    moving.frames = frames
    moving.durations = np.array(picture.durations or (1000,) * len(frames))
    data = opencv.encoded(format, lambda: cv2.imencodeanimation(".avif", moving, settings))
    lost = [name for name, _, _ in blocks]
    lost += found.verbatim.names if found.verbatim else ()
    lost += ["loop count (AVIF plays for ever)"] if picture.loop else []
    warnings = left_out(lost, " of the AVIF animation")
    if varied and quality != 100:
        warnings += ("alpha of the AVIF animation was coded with loss; --quality 100 keeps it",)
    return Encoded(data, warnings)


def _refuse_if(odd: object, what: str) -> None:
    if odd:
        remedy = "convert it, for example: avifdec in.avif out.png"
        raise ImageError(f"AVIF with {what} is not read; {remedy}")


def _read_track(file: Box) -> Header:
    """The header of an animation, from its track of pictures."""
    tracks = file.every(b"moov", b"trak")
    kinds = [contents(part.inside(b"mdia")).get(b"hdlr", b"")[8:12] for part in tracks]
    if b"pict" not in kinds:
        raise DamageError("it is damaged: the AVIF animation holds no pictures")
    track, samples = tracks[kinds.index(b"pict")], (b"mdia", b"minf", b"stbl")
    sizes = contents(track.inside(*samples)).get(b"stsz", b"")
    entry = contents(track.inside(*samples, b"stsd")).get(b"av01", b"")
    width, height = struct.unpack_from(">HH", entry, 24)
    place = contents(track.inside()).get(b"tkhd", b"")
    header = _described(file, track.inside(*samples, b"stsd", b"av01"), (height, width), b"")
    _refuse_if(place[-44:-8] != _UPRIGHT, "an animation that is turned")
    _refuse_if(header.details.gray and b"auxv" in kinds, "an animation of gray with alpha")
    count = struct.unpack_from(">8xI", sizes)[0]
    return header._replace(sizes=repeated((height, width), count), animated=count > 1)


def _read_primary(file: Box, items: dict[int, _Item], links: _Links, number: int) -> Header:
    """The header of a still, from its primary item."""
    if number not in items:
        raise DamageError("it is damaged: the AVIF header names no picture")
    item = items[number]
    _refuse_if(item.kind not in _PICTURES, f"a picture that is an item {name_of(item.kind)}")
    tiles = [targets[0] for kind, source, targets in links if (kind, source) == (b"dimg", number)]
    tile = items.get(tiles[0], item) if item.kind == b"grid" and tiles else item
    size = contents(item.properties).get(b"ispe")
    if size is None:
        raise DamageError("it is damaged: the AVIF header tells no size")
    width, height = struct.unpack_from(">4xII", size)
    return _described(file, item.properties + tile.properties, (height, width), tile.data)


def _described(file: Box, properties: list[Box], size: tuple[int, int], coded: bytes) -> Header:
    """What the properties of a picture say; `coded` is the start of its AV1 data."""
    require_room(*size, file.end)
    told = contents(properties)
    _refuse_if(told.keys() & {b"a1op", b"a1lx", b"lsel"}, "several layers")
    depth = (told.get(b"av1C") or bytes(3))[2]
    maxval, gray = {0x40: 1023, 0x60: 4095}.get(depth & 0x60), bool(depth & 0x10)
    colors = [part.body for part in properties if part.name == b"colr"]
    icc = next((color[4:] for color in colors if color[:4] in (b"prof", b"rICC")), None)
    nclx = next((color for color in colors if color[:4] == b"nclx"), None)
    wide = None
    if nclx is not None:
        primaries, transfer, matrix, limits = struct.unpack_from(">HHHB", nclx, 4)
        _refuse_if(matrix not in _MATRICES, f"colors coded with the matrix {matrix}")
        limited = gray and limits < 0x80
        # 1 and 13 are those of sRGB, 2 says nothing; a profile tells colors better than numbers.
        if icc is None and (primaries not in (1, 2) or transfer not in (2, 13)):
            name = f"colors that are not sRGB (primaries {primaries}, transfer {transfer})"
            wide = Verbatim(("AVIF",), (Part(b"colr", nclx[4:8]),), (name,))
    else:
        limited = gray and _is_limited(coded)
    lost = [f"AVIF property {name_of(name)}" for name in sorted(told.keys() - _PROPERTIES)]
    aspect, clap = told.get(b"pasp", b""), told.get(b"clap")
    lost += ["pixel aspect ratio"] if aspect[:4] != aspect[4:8] else []
    details = _Details(maxval, gray, limited, _crop(clap, size) if clap else None)
    # By quarter turns to the left: without imir, with its axis 0 (top to bottom), with 1. EXIF and
    # XMP do not turn an AVIF (MIAF, ISO/IEC 23000-22).
    turns = ((1, 4, 2), (8, 5, 7), (3, 2, 4), (6, 7, 5))[(told.get(b"irot") or b"\0")[0] & 3]
    axis = told.get(b"imir")
    turn = turns[0 if axis is None else 1 + (axis[0] & 1)]
    found = Metadata(icc=icc, verbatim=wide)
    return Header(formats.AVIF, (size,), found, tuple(lost), turn, details=details)


def _is_limited(coded: bytes) -> bool:
    """Whether the sequence header of gray AV1 data, 5.5 of its specification, has color_range 0."""
    found = re.match(rb"(?:\x12\0)?\x0a[\0-\x7f]", coded)
    bits = "".join(f"{byte:08b}" for byte in coded[found.end() :][:32]) if found else ""
    _refuse_if(bits[4:5] != "1", "gray whose range is not told in a colr box")  # reduced header
    at = 18 + int(bits[10:14], 2) + 1 + int(bits[14:18], 2) + 1 + 6
    at += 2 if bits[:3] == "010" and bits[at] == "1" else 1
    return bits[at + 2 + 24 * int(bits[at + 1])] == "0"


def _crop(clap: bytes, size: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns of the clean aperture: its size, and its center from the picture's."""
    numbers = struct.unpack_from(">IIIIiIiI", clap)
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    width, height, right, down = (above / below for above, below in pairs if below)
    slices = []
    for side, length, shift in ((size[0], height, down), (size[1], width, right)):
        first = (side - length) / 2 + shift
        whole = first.is_integer() and length.is_integer() and length >= 1
        _refuse_if(not whole, "a crop between pixels")
        if first < 0 or first + length > side:
            raise DamageError("it is damaged: its crop lies beyond the picture")
        slices.append(slice(int(first), int(first + length)))
    return slices[0], slices[1]


def _items(file: Box) -> dict[int, _Item]:
    """All items by their numbers."""
    data, pieces, owned, items = file.data, _pieces(file), dict[int, list[Box]](), {}
    properties = file.inside(b"meta", b"iprp", b"ipco")
    for part in file.every(b"meta", b"iprp", b"ipma"):  # which properties each item has
        number = partial(_number, io.BytesIO(part.body))
        version, wide = number(1), number(3) & 1
        for _ in range(number(4)):
            key = number(4 if version else 2)
            marks = [number(1 + wide) & (0x7FFF if wide else 0x7F) for _ in range(number(1))]
            owned[key] = [properties[mark - 1] for mark in marks if mark]
    for part in file.every(b"meta", b"iinf", b"infe"):  # what each item is
        wide = data[part.start] > 2
        key = struct.unpack_from(">I" if wide else ">H", data, part.start + 4)[0]
        at = part.start + (10 if wide else 8)
        kind, content = data[at : at + 4], b"".join(data[at + 4 : part.end].split(b"\0")[1:2])
        items[key] = _Item(kind, at, content, pieces.get(key, []), owned.get(key, []))
    return items


def _pieces(file: Box) -> dict[int, list[memoryview]]:
    """Where the data of each item lies, in one piece or several."""
    data, found = memoryview(file.data), {}
    table = contents(file.inside(b"meta")).get(b"iloc") or bytes(8)
    version, sizes = struct.unpack_from(">B3xH", table)
    number, width = partial(_number, io.BytesIO(table[6:])), 4 if version == 2 else 2
    stored = next((part.start for part in file.every(b"meta", b"idat")), 0)
    for _ in range(number(width)):
        key, method = number(width), number(2) & 15 if version else 0
        number(2)
        base = number(sizes >> 4 & 15) + (stored if method == 1 else 0)
        pieces, room = list[memoryview](), len(data)
        for _ in range(number(2)):
            number(sizes & 15 if version else 0)
            at = base + number(sizes >> 12)
            pieces.append(data[at : at + number(sizes >> 8 & 15)])
            room -= len(pieces[-1])
            if room < 0:
                raise DamageError("it is damaged: an item holds more than the file")
        if method < 2:  # 2: inside another item
            found[key] = pieces
    return found


def _links(file: Box) -> _Links:
    meta = contents(file.inside(b"meta"))
    links, size = [], 4 if any(meta.get(b"iref", b"")[:1]) else 2
    for part in file.inside(b"meta", b"iref"):
        number = partial(_number, io.BytesIO(part.body))
        links.append((part.name, number(size), [number(size) for _ in range(number(2))]))
    return links


def _number(table: io.BytesIO, size: int) -> int:
    """The next number of so many bytes."""
    read = table.read(size)
    if len(read) < size:
        raise DamageError("it is damaged: a table in its header ends too early")
    return int.from_bytes(read, "big")


def _other_items(items: dict[int, _Item], links: _Links, shown: set[int]) -> list[str]:
    """What is lost of the items that are neither the picture, its tiles, alpha nor thumbnail."""
    shown |= {source for kind, source, _ in links if kind == b"thmb"}
    for kind, source, targets in links:
        if kind == b"dimg" and source in shown:
            shown |= set(targets)
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
    file, coded = whole(data), _items(whole(mask))[1].data
    changed, iloc, mdat = bytearray(data), file.every(b"meta", b"iloc")[0], file.every(b"mdat")[0]
    entry = np.dtype([("item", ">u2"), ("", "V4"), ("at", ">i4"), ("size", ">i4")])
    table = np.frombuffer(changed, entry, len(_items(file)), iloc.start + 8)
    _, _, start, size = table[table["item"] == 2].item()
    more = len(coded) - size
    table["size"][table["at"] == start] = len(coded)
    table["at"][table["at"] > start] += more
    struct.pack_into(">I", changed, mdat.start - 8, mdat.end - mdat.start + 8 + more)
    return bytes(changed[:start] + coded + changed[start + size :])
