"""TIFF (6.0, and BigTIFF): the pages of a file, and what it says about them.

`tiff_pages` reads the pixels of a page.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping, Sequence

from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, tags, tiff_pages, tifffile
from pooltool.images.container import name_of
from pooltool.images.others import RAW
from pooltool.images.picture import (
    Array,
    Encoded,
    Header,
    Metadata,
    Picture,
    channels,
    left_out,
    profile_kind,
    repeated,
)
from pooltool.images.tags import Field
from pooltool.images.tiff_pages import CMYK, LAB, PALETTE, RGB, Page

_DESCRIPTION, _XMP, _STACK, _ICC, _NO_DATA = 270, 700, 33629, 34675, 42113
_SHARED = (*tags.RESOLUTION, _NO_DATA)
"""What describes all pages of a file alike."""
_DESCRIPTIVE = (11, 269, _DESCRIPTION, 271, 272, *_SHARED, 285, 301, 305, 306, 315, 316, 318, 319,
                18246, 18249, 33432, *range(0x9C9B, 0x9CA0), 50708, 50709,
                tags.EXIF, tags.GPS)  # fmt: skip
"""The tags that describe the picture or point to such tags; they are kept as an EXIF block."""
_STRUCTURAL = frozenset((254, 255, *range(256, 267), 273, tags.ORIENTATION, *range(277, 282), 284,
                         *range(288, 294), 297, 317, 320, *range(322, 326), 332, *range(338, 342),
                         347, *range(512, 522), *range(529, 533), 32997, 32998, 50674, 59932,
                         59933))  # fmt: skip
"""The tags that describe how the pixels are stored, those of turning and of padding included."""
_SHAPE = rb'\{.*?"shape": \[([\d, ]{1,99})\]'
"""tifffile's description; its older versions wrote the shape last."""
_LAYOUT = _SHAPE + rb"|ImageJ=|(<\?xml.*?)?<OME|<\?xml"
"""How descriptions begin that programs read the array's layout from, which pooling changes."""
_NAMES = {
    _DESCRIPTION: "description", _XMP: "XMP", _ICC: "ICC profile", _NO_DATA: "no-data value",
    **dict.fromkeys(tags.RESOLUTION, "resolution"), tags.EXIF: "EXIF", tags.GPS: "GPS",
    tags.MAKER_NOTES: "maker notes", 33723: "IPTC (tag 33723)",
    34377: "Photoshop data (tag 34377)", 42112: "GDAL metadata (tag 42112)",
    **dict.fromkeys((33550, 33922, 34264, 34735, 34736, 34737),
                    "GeoTIFF tags (pooling moves their positions)"),
}  # fmt: skip


def read_header(data: bytes) -> Header:
    """Walk the directories; pictures are those that are no overviews and no masks of others."""
    directories = tuple(tags.directories(data))
    spans = {(field.at, len(field.raw)) for page in directories for field in page.fields.values()}
    if sum(length for _, length in spans) > 2 * len(data):
        raise DamageError("it is damaged: its tags overlap")
    pictures = {index: directory for index, directory in enumerate(directories)
                if not directory.number(tiff_pages.SUBFILE, 0) & 5}  # fmt: skip
    is_canon = data[4:12] == b"\x10\0\0\0CR\2\0"
    is_adobe = any(50706 in directory.fields for directory in directories)
    if is_canon or is_adobe or (not pictures and 330 in directories[0].fields):  # of others
        raise ImageError(RAW)
    pictures = pictures or {0: directories[0]}
    pages = {index: tiff_pages.page(directory) for index, directory in pictures.items()}
    first, *_ = pages.values()
    metadata, missing = _describe(data, [*pages.values()])
    if len(pages) < len(directories):
        missing.append("overviews or masks")
    sizes = tuple((page.height, page.width) for page in pages.values())
    if len(directories) == 1:
        sizes = repeated(sizes[0], _planes(data, first))
    return Header(
        formats.TIFF, sizes, metadata, tuple(missing), first.directory.orientation,
        is_upright=True, details=pages,
        indexed=any(page.photometric == PALETTE for page in pages.values()),
        pixel_bytes=max(page.samples * -(-page.bits // 8) for page in pages.values()),
    )  # fmt: skip


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """Decode pages, upright, with straight or premultiplied colors as they are stored. Indices are
    those of pages that all have one palette.
    """
    pages: dict[int, Page] = header.details
    if len(header.sizes) > len(pages):
        pages = tiff_pages.stack(pages[0], len(header.sizes))
    pages = dict([*pages.items()][chosen])
    premultiplied = {1 in page.extra for page in pages.values() if page.extra and not page.is_bands}
    bands = {page.is_bands for page in pages.values() if page.samples > 1}
    tops = {page.top for page in pages.values()}
    if max(len(premultiplied), len(bands), len(tops)) > 1:
        raise ImageError(
            "it is a TIFF whose pages differ in their depth, or in having colors, bands or alpha; "
            "choose one of them with --frame"
        )
    palette = tiff_pages.shared_palette([*pages.values()]) if header.labels else None
    frames, warnings, file = [], list[str](), None
    for index, page in pages.items():
        kind, blocks = tiff_pages.rare_kind(page), tiff_pages.blocks(data, page)
        if kind:
            file = file or tifffile.opened(data, kind)
            values = tifffile.stored(file, index, page, blocks)
        else:
            values = tiff_pages.stored(page, blocks)
        if page.photometric in (CMYK, LAB):
            values, warning = tifffile.in_rgb(page, values, page.directory.raw(_ICC))
            warnings.append(warning)
        frames.append(tiff_pages.frame(page, values, indices=palette is not None))
        warnings += _doubts(page, frames[-1])
    return Picture(
        tuple(frames),
        formats.TIFF,
        maxval=tops.pop(),
        premultiplied=True in premultiplied,
        bands=True in bands,
        palette=palette,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _doubts(page: Page, pixels: Array) -> list[str]:
    """Warnings of what the pixels of a page may not be."""
    doubts, text = [], name_of(page.directory.raw(_NO_DATA))
    if tiff_pages.PHOTOMETRIC not in page.directory.fields:
        name, _ = tiff_pages.COLORS[page.photometric]
        doubts.append(f"it does not say what its values mean: read as {name}")
    if page.is_bands and (page.photometric == RGB or any(page.extra)):
        was = "colors" if page.photometric == RGB else "alpha"
        doubts.append(f"its {page.samples} channels became bands, none of them {was}")
    try:  # GDAL's no-data value is a number in words
        no_data = pixels.dtype.type(text) if pixels.dtype.kind == "f" else float(text)
    except ValueError:
        return doubts
    if (pixels == no_data).any():
        doubts.append(f"no-data {text} was pooled as a value; make it NaN and add --skip-nan")
    return doubts


def encode(picture: Picture, quality: int | None) -> Encoded:
    """Encode all pages in the byte order of the EXIF block, whose values may depend on it.

    What describes the file is in the first page, what pixels mean in every page.
    """
    metadata, order, first, missing = picture.metadata, "<", dict[int, Field](), list[str]()
    if metadata.exif:
        order = metadata.exif.order
        first = _movable(metadata.exif.fields, missing)
    shared = {
        tag: first[tag]._replace(raw=bytes(first[tag].raw)) for tag in _SHARED if tag in first
    }
    if metadata.resolution:
        shared |= tags.resolution_fields(metadata.resolution, order)
    if metadata.xmp:
        first[_XMP] = Field(1, len(metadata.xmp), metadata.xmp)
    parts, pages, position = list[bytes | memoryview](), list[dict[int, Field]](), 8
    for frame in picture.frames:
        strips, layout = tiff_pages.encoded(frame, picture, order, position)
        position += sum(map(len, strips))
        fields = (shared if pages else first | shared) | layout
        is_gray = channels(frame) == 1 and picture.palette is None
        if metadata.icc and (not pages or is_gray == (profile_kind(metadata.icc) == "gray")):
            fields[_ICC] = Field(7, len(metadata.icc), metadata.icc)
        parts += strips
        pages.append(fields)
    try:
        data = tags.packed(parts, pages, order)
    except struct.error:
        raise ImageError("TIFF files above 4 GB are not written; write npy") from None
    return Encoded(data, left_out(missing, ", as TIFF cannot hold it"))


def _movable(
    fields: Mapping[int, Field], missing: list[str], *, is_main: bool = True
) -> dict[int, Field]:
    """The fields that describe a picture and can be written elsewhere; the names of the others,
    structure excepted, are added to `missing`.

    Maker notes cannot: their pointers count from the start of the file that they were made for.
    """
    moved = {}
    for tag, field in fields.items():
        is_wanted = tag in _DESCRIPTIVE if is_main else tag != tags.MAKER_NOTES
        if tag in _STRUCTURAL:
            continue
        if not is_wanted or not field.can_move:
            missing.append(_NAMES.get(tag, f"tag {tag}"))
            continue
        if field.inner is not None:
            inner = _movable(field.inner.fields, missing, is_main=False)
            field = field._replace(inner=field.inner._replace(fields=inner))
        moved[tag] = field
    return moved


def _planes(data: bytes, page: Page) -> int:
    """How many planes the only page of a file describes, which are stored in a row, uncompressed:
    ImageJ does so above 4 GB, tifffile those that it was asked to truncate, MetaMorph all.
    """
    directory, size = page.directory, max(1, page.height * page.row_bytes)
    count = directory.fields[_STACK].count if _STACK in directory.fields else 1
    text = directory.raw(_DESCRIPTION)
    if images := re.match(rb"ImageJ=.*\nimages=(\d{1,9})\b", text):
        count = int(images[1])
    elif b'"truncated": true' in text and (shape := re.match(_SHAPE, text)):
        count = math.prod(map(int, shape[1].split(b","))) * page.bits // (8 * size)
    if count < 2 or page.compression != tiff_pages.RAW or page.is_tiled:
        return 1
    if directory.number(tiff_pages.STRIPS, 0) + count * size > len(data):
        raise DamageError(f"it is truncated: it describes {count} planes, more than its data holds")
    return count


def _describe(data: bytes, pages: Sequence[Page]) -> tuple[Metadata, list[str]]:
    """The metadata of the first page, and what else is in the file."""
    first, missing = pages[0].directory, list[str]()
    own = {tag: field for tag, field in first.fields.items() if tag not in (_XMP, _ICC)}
    exif = tags.with_inner(data, first._replace(fields=own))
    kept = _movable(exif.fields, missing)
    places = {(tag, field.at): field.raw for page in pages
              for tag, field in page.directory.fields.items()}  # fmt: skip
    differing = {
        tag for (tag, _), raw in places.items()
        if tag not in first.fields or raw != first.fields[tag].raw
    }  # fmt: skip
    for tag in sorted(differing - _STRUCTURAL):
        name = _NAMES.get(tag, f"tag {tag}")
        if tag in (*_SHARED, _ICC):
            name += ", which differs between pages"
        elif tag in (*_DESCRIPTIVE, _XMP):
            name += " of pages after the first"
        missing.append(name)
    if differing & {*tags.RESOLUTION}:
        differing |= {*tags.RESOLUTION}
    for tag in differing & {*_SHARED}:
        kept.pop(tag, None)
    text = first.raw(_DESCRIPTION)
    if re.match(_LAYOUT, text, re.DOTALL):
        kept.pop(_DESCRIPTION, None)
        if not re.match(rb'\{"shape"[^:]*:[^:]*\Z', text):  # no loss: the shape alone
            missing.append("description (the array's layout)")
    icc = b"" if _ICC in differing else first.raw(_ICC)
    return Metadata(exif._replace(fields=kept), first.raw(_XMP), icc), missing
