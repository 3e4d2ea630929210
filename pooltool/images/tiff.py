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
from pooltool.images import exif, formats, opencv, tiff_pages
from pooltool.images.exif import Directory, Field
from pooltool.images.formats import Format
from pooltool.images.headers import profile_channels, repeated
from pooltool.images.others import RAW
from pooltool.images.picture import Array, Encoded, Header, Metadata, Picture, channels
from pooltool.images.tiff_pages import BANDS, GRAY_ALPHA, RGBA, number_field

FORMATS = (formats.TIFF,)
_DNG = 50706
START = rb"II[*+]\0|MM\0[*+]"

_DESCRIPTION, _XMP, _ICC = 270, 700, 34675
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
    exif.GPS: "GPS", 301: "transfer function", 318: "white point (tag 318)",
    319: "primary colors (tag 319)", 330: "sub-pictures (tag 330)", 33723: "IPTC (tag 33723)",
    34377: "Photoshop data (tag 34377)", 37724: "Photoshop layers (tag 37724)",
    **dict.fromkeys((33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113), _GEO),
}  # fmt: skip


def read_header(data: bytes) -> Header:
    """Walk the directories; pictures are those that are no overviews and no masks of others."""
    if data[8:10] == b"CR":  # of Canon
        raise ImageError(RAW)
    found = tuple(exif.directories(data))
    if any(_DNG in page.fields for page in found):  # of Adobe
        raise ImageError(RAW)
    kinds = [next(iter(page.numbers(tiff_pages.SUBFILE)), 0) for page in found]
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
    return Header(formats.TIFF, sizes, metadata, tuple(lost), details=pages)


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode pages, upright, with straight or premultiplied colors as they are stored."""
    found: tuple[Directory, ...] = header.details
    directories = found if frame is None else found[frame : frame + 1]
    pages = [tiff_pages.page(directory) for directory in directories]
    colored = [page for page in pages if page.samples > 1]
    premultiplied = {1 in page.extra for page in pages if page.meaning in (RGBA, GRAY_ALPHA)}
    bands = {page.meaning == BANDS for page in colored}
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
    blocks = [tiff_pages.blocks(data, page) for page in pages]
    return Picture(
        tuple(tiff_pages.pixels(page, each) for page, each in zip(pages, blocks, strict=True)),
        formats.TIFF,
        maxval=tops.pop(),
        premultiplied=True in premultiplied,
        bands=True in bands,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode all pages, then add the metadata and what OpenCV does not tell: alpha and bands."""
    frames, found, cv2 = picture.frames, picture.metadata, native.import_cv2()
    # OpenCV writes 1, 3 or 4 channels; other numbers are written as one wide gray picture.
    narrow = [channels(frame) in (1, 3, 4) for frame in frames]
    written = [
        frame if fits else frame.reshape(len(frame), -1)
        for frame, fits in zip(frames, narrow, strict=True)
    ]
    settings = [] if all(narrow) else [cv2.IMWRITE_TIFF_PREDICTOR, 1]
    data = opencv.encoded(format, lambda: cv2.imencodemulti(".tif", written, settings))
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
        added.append([*(first if index == 0 else ()), *density, *_channel_fields(picture, frame)])
        is_gray, gray_profile = channels(frame) == 1, profile_channels(found.icc or b"") == 1
        if found.icc and (index == 0 or is_gray == gray_profile):
            added[-1].append(Field(_ICC, 7, len(found.icc), found.icc))
    return Encoded(_with_fields(data, added))


def _channel_fields(picture: Picture, frame: Array) -> list[Field]:
    """What tells of a page that its channels are bands, or the last one alpha."""
    count = channels(frame)
    if count == 1 or (count == 3 and not picture.bands):
        return []
    if count == 4 and not picture.bands:
        return [number_field(tiff_pages.EXTRA_SAMPLES, 1 if picture.premultiplied else 2)]
    kind = {"u": 1, "i": 2, "f": 3}[frame.dtype.kind]
    return [
        number_field(tiff_pages.WIDTH, frame.shape[1]),
        number_field(tiff_pages.BITS, *(8 * frame.dtype.itemsize,) * count),
        number_field(tiff_pages.PHOTOMETRIC, 1),
        number_field(tiff_pages.SAMPLES, count),
        number_field(tiff_pages.EXTRA_SAMPLES, *(0,) * (count - 1)),
        number_field(tiff_pages.SAMPLE_FORMAT, *(kind,) * count),
    ]


def _stacked(data: bytes, page: Directory) -> tuple[Directory, ...]:
    """A directory for each plane, where one describes many that lie uncompressed in a row.

    ImageJ writes stacks above 4 GB so, tifffile those that it was asked to truncate.
    """
    height, width = tiff_pages.size(page)
    text = page.fields[_DESCRIPTION].raw if _DESCRIPTION in page.fields else b""
    samples = next(iter(page.numbers(tiff_pages.SAMPLES)), 1)
    images = re.match(rb"ImageJ=.*\nimages=(\d+)", text)
    shape = re.match(rb'\{"shape": \[([\d, ]+)\].*"truncated": true', text)
    count = int(images[1]) if images else 1
    if shape:
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
        fields = [
            number_field(tiff_pages.STRIP_ROWS, height),
            number_field(tiff_pages.STRIP_BYTES, size),
            Field(tiff_pages.STRIPS, 16, 1, struct.pack("<Q", start + index * size)),
        ]
        changed = {field.tag: exif.reordered(field, "<", page.order) for field in fields}
        planes.append(page._replace(fields=page.fields | changed))
    return tuple(planes)


def _describe(data: bytes, pages: Sequence[Directory]) -> tuple[Metadata, list[str]]:
    """The metadata of the first page, and what else is in the file."""
    first, lost = pages[0], []
    try:
        kept = {field.tag: field for field in exif.tree(data, first, _DESCRIPTIVE)}
    except ImageError:
        plain = [tag for tag in _DESCRIPTIVE if tag not in exif.POINTERS]
        kept = {field.tag: field for field in exif.tree(data, first, plain)}
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
    return Metadata(block, xmp, icc), lost


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
