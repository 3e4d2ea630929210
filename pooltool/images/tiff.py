"""TIFF (6.0, and BigTIFF): pages described by tag directories."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import exif, formats, opencv
from pooltool.images.exif import Directory, Field
from pooltool.images.formats import Format
from pooltool.images.headers import profile_channels
from pooltool.images.picture import Encoded, Header, Metadata, Picture

FORMATS = (formats.TIFF,)

_DESCRIPTION, _XMP, _ICC, _EXTRA_SAMPLES = 270, 700, 34675, 338
_RESOLUTION = (exif.X_RESOLUTION, exif.Y_RESOLUTION, exif.RESOLUTION_UNIT)
_DESCRIPTIVE = (269, _DESCRIPTION, 271, 272, *_RESOLUTION, 285, 305, 306, 315, 316, 33432, 18246,
                18249, *range(0x9C9B, 0x9CA0), exif.EXIF, exif.GPS)  # fmt: skip
"""The tags that tell of the picture; they travel as an EXIF block."""
_STRUCTURAL = frozenset((254, 255, *range(256, 267), 273, exif.ORIENTATION, *range(277, 282), 284,
                         *range(288, 294), 297, 317, 320, 322, 323, 324, 325, 338, 339, 340, 341,
                         347, *range(512, 522), 529, 530, 531, 532))  # fmt: skip
"""The tags that tell how the pixels are stored; turning is done by the decoder."""
_GEO = "GeoTIFF tags (pooling moves what they place)"
_NAMES = {
    _DESCRIPTION: "description", _XMP: "XMP", _ICC: "ICC profile", exif.EXIF: "EXIF",
    exif.GPS: "GPS", 330: "sub-pictures (tag 330)", 33723: "IPTC (tag 33723)",
    34377: "Photoshop data (tag 34377)",
    **dict.fromkeys((33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113), _GEO),
}  # fmt: skip
_COMPLAINTS = r"TIFF_Error|error: .*TIFF|JPEGLib: (Premature|Corrupt)"


@dataclass(frozen=True)
class _Header(Header):
    pages: tuple[Directory, ...] = ()
    objections: tuple[str | None, ...] = ()
    """Of each page, why OpenCV would decode it wrongly or not at all."""


def matches(start: bytes) -> bool:
    """True when the data begins as a TIFF."""
    return start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))


def read_header(data: bytes) -> _Header:
    """Walk the directories of all pages."""
    pages = tuple(exif.directories(data))
    sizes = tuple(_size(data, page) for page in pages)
    found, lost = _describe(data, pages)
    objections = tuple(_objection(page) for page in pages)
    return _Header(formats.TIFF, sizes, found, lost, pages=pages, objections=objections)


def decode(data: bytes, header: _Header, frame: int | None) -> Picture:
    """Decode pages, upright, with straight or premultiplied colors as they are stored."""
    first, last = (0, len(header.pages)) if frame is None else (frame, frame + 1)
    reason = next(filter(None, header.objections[first:last]), None)
    if reason:
        raise ImageError(
            f"it is a TIFF with {reason}, which is not read; convert it to an interleaved gray "
            "or RGB TIFF of 8, 16 or 32 bits"
        )
    # OpenCV multiplies colors of 8 bits with straight alpha, unless that is told to be done.
    is_straight = [
        page.numbers(_EXTRA_SAMPLES) == (2,) and page.numbers(258)[:1] == (8,)
        for page in header.pages
    ]
    if any(is_straight):
        patched = bytearray(data)
        for page in compress(header.pages, is_straight):
            struct.pack_into(page.order + "H", patched, page.fields[_EXTRA_SAMPLES].at, 1)
        data = bytes(patched)
    frames = opencv.decode_pages(data, first, last, formats.TIFF, _COMPLAINTS)
    for index, page in enumerate(header.pages[first:last]):
        if page.numbers(262) == (0,) and page.numbers(258) > (8,):
            frames[index] = np.invert(frames[index])
    premultiplied = any(page.numbers(_EXTRA_SAMPLES) == (1,) for page in header.pages[first:last])
    return Picture(tuple(frames), formats.TIFF, premultiplied=premultiplied)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode all pages, then add the metadata and what OpenCV does not tell: alpha."""
    frames, found = list(picture.frames), picture.metadata
    data = opencv.encoded(format, lambda: native.import_cv2().imencodemulti(".tif", frames))
    first: list[Field] = []
    if found.exif:
        block = next(exif.directories(found.exif))
        fields = exif.tree(found.exif, block, _DESCRIPTIVE)
        first += [exif.reordered(field, block.order, "<") for field in fields]
    if found.xmp:
        first.append(Field(_XMP, 1, len(found.xmp), found.xmp))
    density = [field for field in first if field.tag in _RESOLUTION]
    if found.resolution:
        density = exif.resolution_fields(found.resolution)
    added: list[list[Field]] = []
    for index, frame in enumerate(frames):
        channels = 1 if frame.ndim == 2 else frame.shape[2]
        added.append([*(first if index == 0 else ()), *density])
        if channels == 4:
            kind = struct.pack("<H", 1 if picture.premultiplied else 2)
            added[-1].append(Field(_EXTRA_SAMPLES, 3, 1, kind))
        if found.icc and (index == 0 or (channels == 1) == (profile_channels(found.icc) == 1)):
            added[-1].append(Field(_ICC, 7, len(found.icc), found.icc))
    return Encoded(_with_fields(data, added))


def _size(data: bytes, page: Directory) -> tuple[int, int]:
    """(height, width) of a page whose data lies in the file."""
    width, height = page.numbers(256), page.numbers(257)
    if not width or not height:
        raise DamageError("it is damaged: a TIFF page tells no size")
    for at, size in ((273, 279), (324, 325)):
        ends = map(sum, zip(page.numbers(at), page.numbers(size), strict=False))
        if max(ends, default=0) > len(data):
            raise DamageError("it is cut: a TIFF page lies beyond the end of the data")
    return height[0], width[0]


def _objection(page: Directory) -> str | None:
    """Why OpenCV would decode a page wrongly or not at all; None when it does it well."""
    bits, samples = set(page.numbers(258, (1,))), page.numbers(277, (1,))[0]
    kind, photometric = page.numbers(339, (1,))[0], page.numbers(262, (1,))[0]
    deepest, white_is_0 = max(bits), page.numbers(262) == (0,)
    separate = page.numbers(284, (1,)) == (2,) and samples > 1
    objections = (
        (samples not in (1, 3, 4), f"{samples} channels"),
        (len(bits) > 1 or deepest not in (1, 4, 8, 16, 32, 64), f"{deepest} bits a channel"),
        (kind == 3 and deepest == 16, "16-bit floating point values"),
        (separate and deepest != 8, f"separate planes of {deepest} bits"),
        (photometric not in (0, 1, 2, 3, 6), f"colors of kind {photometric}, not gray or RGB"),
        (white_is_0 and kind != 1, "white as 0 in signed or floating point values"),
    )
    return next((reason for found, reason in objections if found), None)


def _describe(data: bytes, pages: Sequence[Directory]) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata of the first page, and what else is in the file."""
    first, lost = pages[0], []
    try:
        kept = {field.tag: field for field in exif.tree(data, first, _DESCRIPTIVE)}
    except ImageError:
        kept = {}
        lost.append("damaged EXIF")
    for page in pages:
        lost += _not_copied(first, page)
    if _DESCRIPTION in kept and (program := _layout_program(kept[_DESCRIPTION].raw)) is not None:
        del kept[_DESCRIPTION]
        lost += [f"{program} description"] if program else []
    for tag in exif.POINTERS:
        if tag in kept and kept[tag].inner is None:
            lost.append(_NAMES.get(kept.pop(tag).tag, f"tag {tag}"))
    if any(_raws(page, _RESOLUTION) != _raws(first, _RESOLUTION) for page in pages):
        lost.append("resolution, which differs between pages")
        kept = {tag: field for tag, field in kept.items() if tag not in _RESOLUTION}
    if first.numbers(exif.ORIENTATION)[:1] in ((5,), (6,), (7,), (8,)):
        across, down = exif.X_RESOLUTION, exif.Y_RESOLUTION
        turned = {across: down, down: across}
        kept = {tag: field._replace(tag=turned.get(tag, tag)) for tag, field in kept.items()}
    profiles = {page.fields[_ICC].raw for page in pages if _ICC in page.fields}
    if len(profiles) > 1:
        lost.append("ICC profiles, which differ between pages")
    icc = first.fields[_ICC].raw if _ICC in first.fields and len(profiles) == 1 else None
    xmp = first.fields[_XMP].raw if _XMP in first.fields else None
    order, block = first.order, None
    if kept:
        head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
        block = head + exif.pack(kept.values(), order, 8)
    return Metadata(block, xmp, icc), tuple(lost)


def _not_copied(first: Directory, page: Directory) -> list[str]:
    """What a page holds beside pixels and what is taken from the first page."""
    lost = []
    for tag, field in page.fields.items():
        name = _NAMES.get(tag, f"tag {tag}")
        if tag not in (*_DESCRIPTIVE, _XMP, _ICC):
            lost += [] if tag in _STRUCTURAL else [name]
        elif page is not first and tag not in (*_RESOLUTION, _ICC):
            same = field.raw == _raws(first, (tag,))[0] and tag not in exif.POINTERS
            lost += [] if same else [f"{name} of pages after the first"]
    return lost


def _raws(page: Directory, tags: Sequence[int]) -> list[bytes | None]:
    return [page.fields[tag].raw if tag in page.fields else None for tag in tags]


def _layout_program(description: bytes) -> str | None:
    """Who tells the array's layout, which pooling changes, in a description; None for a text.

    tifffile by itself tells the shape, which is no loss: then the name is empty.
    """
    if description.startswith(b'{"shape"'):
        return "tifffile" if description.count(b":") > 1 else ""
    if description.startswith(b"ImageJ="):
        return "ImageJ"
    if description.startswith((b"<?xml", b"<OME")):
        return "OME" if b"<OME" in description else "XML"
    return None


def _with_fields(data: bytes, added: Sequence[Sequence[Field]]) -> bytes:
    """Add fields to each page: its directory is written anew behind the data, in one pass."""
    if not any(added):
        return data
    out, known = bytearray(data), dict[bytes, int]()
    pointer = 4
    for page, fields in zip(exif.directories(data), added, strict=True):
        following_at = page.following_at
        if fields:
            merged = page.fields | {field.tag: field for field in fields}
            out += bytes(len(out) % 2)
            at = len(out)
            out += exif.pack(merged.values(), "<", at, page.following, known)
            if page.big or len(out) >= 1 << 32:
                raise ImageError("TIFF files above 4 GB cannot take metadata or alpha; write npy")
            struct.pack_into("<I", out, pointer, at)
            following_at = at + 2 + 12 * len(merged)
        pointer = following_at
    return bytes(out)
