"""TIFF (6.0, and BigTIFF): the pages of a file, and what it says about them.

`tiff_pages` reads the pixels of a page.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv, tags, tiff_pages
from pooltool.images.formats import Format
from pooltool.images.headers import profile_kind, repeated
from pooltool.images.others import RAW
from pooltool.images.picture import Encoded, Header, Metadata, Picture, channels, padded
from pooltool.images.tags import Directory, Exif, Field, number_fields
from pooltool.images.tiff_pages import BANDS, GRAY_ALPHA, RGBA

FORMATS = (formats.TIFF,)
_DNG = 50706
START = rb"II[*+]\0|MM\0[*+]"

_DESCRIPTION, _XMP, _ICC = 270, 700, 34675
_RESOLUTION = (tags.X_RESOLUTION, tags.Y_RESOLUTION, tags.RESOLUTION_UNIT)
_DESCRIPTIVE = (269, _DESCRIPTION, 271, 272, *_RESOLUTION, 285, 305, 306, 315, 316, 33432, 18246,
                18249, *range(0x9C9B, 0x9CA0))  # fmt: skip
_POINTERS = (tags.EXIF, tags.GPS)
"""The tags that tell of the picture, and where more of them lie; they travel as an EXIF block."""
_STRUCTURAL = frozenset((254, 255, *range(256, 267), 273, tags.ORIENTATION, *range(277, 282), 284,
                         *range(288, 294), 297, 317, 320, 322, 323, 324, 325, 338, 339, 340, 341,
                         347, *range(512, 522), 529, 530, 531, 532))  # fmt: skip
"""The tags that tell how the pixels are stored; turning is done by the decoder."""
_LAYOUTS = {
    rb'\{"shape"[^:]*:?[^:]*\Z': "",
    rb'\{"shape"': "tifffile",
    rb"ImageJ=": "ImageJ",
    rb"(<\?xml.*?)?<OME": "OME",
    rb"<\?xml": "XML",
}
"""How descriptions begin that tell the array's layout, which pooling changes, and of which program.

tifffile by itself tells the shape, which is no loss.
"""
_GEO = "GeoTIFF tags (pooling moves what they place)"
_NAMES = {
    _DESCRIPTION: "description", _XMP: "XMP", _ICC: "ICC profile", tags.EXIF: "EXIF",
    tags.GPS: "GPS", 301: "transfer function", 318: "white point (tag 318)",
    319: "primary colors (tag 319)", 330: "sub-pictures (tag 330)", 33723: "IPTC (tag 33723)",
    34377: "Photoshop data (tag 34377)", 37724: "Photoshop layers (tag 37724)",
    **dict.fromkeys((33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113), _GEO),
}  # fmt: skip


def read_header(data: bytes) -> Header:
    """Walk the directories; pictures are those that are no overviews and no masks of others."""
    if data[8:10] == b"CR":  # of Canon
        raise ImageError(RAW)
    found = tuple(tags.directories(data))
    if any(_DNG in page.fields for page in found):  # of Adobe
        raise ImageError(RAW)
    kinds = [page.number(tiff_pages.SUBFILE, 0) for page in found]
    pages = tuple(page for page, kind in zip(found, kinds, strict=True) if not kind & 5)
    if not pages and 330 in found[0].fields:
        raise ImageError(RAW)
    pages = pages or found[:1]
    metadata, lost = _describe(data, pages)
    if len(pages) < len(found):
        lost += ["overviews"] if any(kind & 1 for kind in kinds) else []
        lost += ["masks"] if any(kind & 4 for kind in kinds) else []
    if len(found) == 1:
        pages = _stacked(data, found[0])
    sizes = tuple(map(tiff_pages.size, pages))
    indexed = any(page.number(tiff_pages.PHOTOMETRIC, 0) == 3 for page in pages)
    return Header(formats.TIFF, sizes, metadata, tuple(lost), 1, indexed=indexed, details=pages)


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode pages, upright, with straight or premultiplied colors as they are stored. Indices are
    those of pages that all have one palette.
    """
    found: tuple[Directory, ...] = header.details
    pages = [tiff_pages.page(each) for each in (found if frame is None else [found[frame]])]
    premultiplied = {1 in page.extra for page in pages if page.meaning in (RGBA, GRAY_ALPHA)}
    bands = {page.meaning == BANDS for page in pages if page.samples > 1}
    tops = {(1 << page.bits) - 1 if page.bits in (6, 10, 12, 14) else None for page in pages}
    if max(len(premultiplied), len(bands), len(tops)) > 1:
        raise ImageError(
            "it is a TIFF whose pages differ in their depth, or in having colors, bands or alpha; "
            "choose one of them with --frame"
        )
    warnings = []
    for page in pages:
        if tiff_pages.PHOTOMETRIC not in page.directory.fields:
            warnings.append(f"it does not say what its values mean: read as {page.meaning}")
        if page.meaning == BANDS and (page.photometric == 2 or any(page.extra)):
            was = "colors" if page.photometric == 2 else "alpha"
            warnings.append(f"its {page.samples} channels became bands, none of them {was}")
    palette = tiff_pages.shared_palette(pages) if header.labels else None
    blocks = [tiff_pages.blocks(data, page) for page in pages]
    return Picture(
        tuple(
            tiff_pages.pixels(page, parts, indices=palette is not None)
            for page, parts in zip(pages, blocks, strict=True)
        ),
        formats.TIFF,
        maxval=tops.pop(),
        premultiplied=True in premultiplied,
        bands=True in bands,
        palette=palette,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode all pages, then add the metadata and what OpenCV does not tell: alpha and bands."""
    found, cv2 = picture.metadata, native.import_cv2()
    first: dict[int, Field] = {}
    if found.exif:
        known = (*_DESCRIPTIVE, *_POINTERS)
        kept = {tag: field for tag, field in found.exif.fields.items() if tag in known}
        first |= tags.swapped(kept, found.exif.order, "<")
    density = {tag: first[tag] for tag in _RESOLUTION if tag in first}
    if found.resolution:
        density = tags.resolution_fields(found.resolution)
    if found.xmp:
        first[_XMP] = Field(1, len(found.xmp), found.xmp)
    written, added, settings = [], list[dict[int, Field]](), list[int]()
    for frame in picture.frames:
        count, numbers = channels(frame), dict[int, list[int]]()
        if count == 4 and not picture.bands:
            numbers = {tiff_pages.EXTRA_SAMPLES: [1 if picture.premultiplied else 2]}
        elif count != 1 and (count != 3 or picture.bands):
            numbers = {
                tiff_pages.WIDTH: [frame.shape[1]],
                tiff_pages.BITS: [8 * frame.dtype.itemsize] * count,
                tiff_pages.PHOTOMETRIC: [1],
                tiff_pages.SAMPLES: [count],
                tiff_pages.EXTRA_SAMPLES: [0] * (count - 1),
                tiff_pages.SAMPLE_FORMAT: ["uif".index(frame.dtype.kind) + 1] * count,
            }
        if picture.palette is not None:
            colors = padded(picture.palette)[:, 2::-1].T.ravel().astype(int) * 257
            numbers = {tiff_pages.PHOTOMETRIC: [3], tiff_pages.COLOR_MAP: colors.tolist()}
        fields = (density if added else first | density) | number_fields(numbers)
        is_gray = count == 1 and picture.palette is None
        if found.icc and (not added or is_gray == (profile_kind(found.icc) == "gray")):
            fields[_ICC] = Field(7, len(found.icc), found.icc)
        added.append(fields)
        # OpenCV writes 1, 3 or 4 channels; other numbers are written as one wide gray picture.
        if count not in (1, 3, 4):
            frame, settings = frame.reshape(len(frame), -1), [cv2.IMWRITE_TIFF_PREDICTOR, 1]
        written.append(frame)
    data = opencv.encoded(format, lambda: cv2.imencodemulti(".tif", written, settings))
    return Encoded(_with_fields(data, added) if any(added) else data)


def _stacked(data: bytes, page: Directory) -> tuple[Directory, ...]:
    """A directory for each plane, where one describes many that lie uncompressed in a row.

    ImageJ writes stacks above 4 GB so, tifffile those that it was asked to truncate.
    """
    height, width = tiff_pages.size(page)
    text, samples = page.raw(_DESCRIPTION) or b"", page.number(tiff_pages.SAMPLES, 1)
    count = 1
    if images := re.match(rb"ImageJ=.*\nimages=(\d+)", text):
        count = int(images[1])
    elif shape := re.match(rb'\{"shape": \[([\d, ]+)\].*"truncated": true', text):
        count = math.prod(map(int, shape[1].split(b","))) // max(1, height * width * samples)
    if count < 2 or page.numbers(tiff_pages.COMPRESSION, (1,)) != (1,):
        return (page,)
    start, bits = page.numbers(tiff_pages.STRIPS)[0], page.numbers(tiff_pages.BITS, (1,))[0]
    size = height * width * samples * bits // 8
    if start + count * size > len(data):
        raise DamageError(f"it is cut: it describes {count} planes, more than its data holds")
    repeated((height, width), count)
    planes = []
    for index in range(count):
        numbers = {
            tiff_pages.STRIP_ROWS: [height],
            tiff_pages.STRIP_BYTES: [size],
            tiff_pages.STRIPS: [start + index * size],
        }
        planes.append(page._replace(fields=page.fields | number_fields(numbers, page.order)))
    return tuple(planes)


def _describe(data: bytes, pages: Sequence[Directory]) -> tuple[Metadata, list[str]]:
    """The metadata of the first page, and what else is in the file."""
    first, lost = pages[0], []
    try:
        kept = tags.tree(data, first, (*_DESCRIPTIVE, *_POINTERS), first.order)
    except ImageError:
        kept = tags.tree(data, first, _DESCRIPTIVE, first.order)
        lost.append("damaged EXIF")
    for page in pages:
        for tag, field in page.fields.items():
            name = _NAMES.get(tag, f"tag {tag}")
            if tag in _STRUCTURAL or tag in (*_RESOLUTION, _ICC):
                continue
            if tag not in (*_DESCRIPTIVE, *_POINTERS, _XMP):
                lost.append(name)
            elif page is not first and (tag in _POINTERS or field.raw != first.raw(tag)):
                lost.append(f"{name} of pages after the first")
    text = first.raw(_DESCRIPTION) or b""
    programs = (name for start, name in _LAYOUTS.items() if re.match(start, text, re.DOTALL))
    if (program := next(programs, None)) is not None:
        kept.pop(_DESCRIPTION, None)
        lost += [f"{program} description"] if program else []
    for tag in _POINTERS:
        if tag in kept and kept[tag].inner is None:
            del kept[tag]
            lost.append(_NAMES[tag])
    if len({tuple(map(page.raw, _RESOLUTION)) for page in pages}) > 1:
        lost.append("resolution, which differs between pages")
        kept = {tag: field for tag, field in kept.items() if tag not in _RESOLUTION}
    if 5 <= first.number(tags.ORIENTATION, 1) <= 8:
        turned = {tags.X_RESOLUTION: tags.Y_RESOLUTION, tags.Y_RESOLUTION: tags.X_RESOLUTION}
        kept = {turned.get(tag, tag): field for tag, field in kept.items()}
    profiles = {page.raw(_ICC) for page in pages} - {None}
    if len(profiles) > 1:
        lost.append("ICC profiles, which differ between pages")
    icc = first.raw(_ICC) if len(profiles) == 1 else None
    block = Exif(first.order, kept) if kept else None
    return Metadata(block, first.raw(_XMP), icc), lost


def _with_fields(data: bytes, added: Sequence[dict[int, Field]]) -> bytes:
    """Add fields to each page: its directory is written anew behind the data, in one pass."""
    out, known = bytearray(data), dict[bytes, int]()
    pointer = 4
    for page, fields in zip(tags.directories(data), added, strict=True):
        following_at = page.following_at
        if fields:
            merged = page.fields | fields
            out += bytes(len(out) % 2)
            at = len(out)
            out += tags.pack(merged, "<", at, known, page.following)
            if page.big or len(out) >= 1 << 32:
                raise ImageError("TIFF files above 4 GB cannot take metadata or alpha; write npy")
            struct.pack_into("<I", out, pointer, at)
            following_at = at + 2 + 12 * len(merged)
        pointer = following_at
    return bytes(out)
