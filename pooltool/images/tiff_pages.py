"""The pixels of one TIFF page (TIFF 6.0).

Strips and tiles are read here, as they are or inflated by zlib, whose checksum finds damage. OpenCV
decompresses the others, from a TIFF made in memory that describes them as strips of plain bytes.
What the samples mean is looked up in the tables below: all that they hold was compared with an
independent reader, and what they do not hold is refused by name.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv, tags
from pooltool.images.headers import require_plausible
from pooltool.images.picture import Array
from pooltool.images.tags import Directory, number_fields

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
FILL_ORDER, STRIPS, SAMPLES, STRIP_ROWS, STRIP_BYTES, PLANAR = 266, 273, 277, 278, 279, 284
PREDICTOR, COLOR_MAP, TILE_WIDTH, TILE_ROWS, TILES, TILE_BYTES = 317, 320, 322, 323, 324, 325
EXTRA_SAMPLES, SAMPLE_FORMAT, STACK = 338, 339, 33629

RAW, LZW, JPEG, PACKBITS, DEFLATE, FAX = 1, 5, 7, 32773, (8, 32946), (2, 3, 4)
COMPRESSIONS = {RAW: 1, **dict.fromkeys(DEFLATE, 1040), LZW: 2000, PACKBITS: 64, JPEG: 600,
                **dict.fromkeys(FAX, 0)}  # fmt: skip
"""The compressions that are read, each with the most bytes that one byte of it stands for.

A row of a fax takes at least one bit, however long it is.
"""
DTYPES = {
    (1, 1): "u1", (2, 1): "u1", (4, 1): "u1", (6, 1): "u1", (8, 1): "u1",
    (10, 1): "u2", (12, 1): "u2", (14, 1): "u2", (16, 1): "u2", (32, 1): "u4", (64, 1): "u8",
    (8, 2): "i1", (16, 2): "i2", (32, 2): "i4", (64, 2): "i8",
    (16, 3): "f2", (32, 3): "f4", (64, 3): "f8",
}  # fmt: skip
"""The dtype of (bits a sample, sample format)."""
GRAY, GRAY_ALPHA, RGB, RGBA = "gray", "gray with alpha", "RGB", "RGBA"
PALETTE, BANDS = "palette", "bands"
MEANINGS = {
    (0, ()): GRAY, (1, ()): GRAY, (1, (1,)): GRAY_ALPHA, (1, (2,)): GRAY_ALPHA,
    (2, ()): RGB, (2, (1,)): RGBA, (2, (2,)): RGBA, (3, ()): PALETTE, (6, ()): RGB,
    (1, (0, 0, 1)): RGBA, (1, (0, 0, 2)): RGBA,
}  # fmt: skip
"""What samples are, by (photometric interpretation, extra samples).

GDAL writes 16-bit RGBA as gray with three more samples, the last one alpha. Gray and RGB (1, 2)
with any other extra samples are bands.
"""
_OTHER_COMPRESSIONS = {
    6: "old-style JPEG", 32766: "NeXT", 32809: "ThunderScan", 33003: "JPEG 2000",
    33005: "JPEG 2000", 34661: "JBIG", 34676: "LogLuv", 34677: "LogLuv", 34712: "JPEG 2000",
    34887: "LERC", 34925: "LZMA", 34926: "Zstandard", 34927: "WebP", 50000: "Zstandard",
    50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_OTHER_COLORS = {
    0: "white as 0 in several samples", 3: "a palette and other samples", 4: "a mask",
    5: "CMYK colors", 6: "YCbCr colors that are not JPEG", 8: "CIELab colors",
    9: "ICCLab colors", 10: "ITULab colors", 32803: "a color filter array",
    32844: "LogL values", 32845: "LogLuv colors", 34892: "linear raw values",
}  # fmt: skip
_TO_DEFLATE = (
    "with another compression, for example by "
    "gdal_translate -co COMPRESS=DEFLATE in.tif out.tif, or magick in.tif -compress zip out.tif"
)
_TO_RGB = "to RGB, for example by magick in.tif -colorspace sRGB out.tif"
_TO_DEPTH = (
    "to 8, 16 or 32 bits a sample, for example by gdal_translate -ot UInt16 in.tif out.tif, "
    "or with tifffile"
)
_COMPLAINTS = r"TIFF_Error|error: .*TIFF|JPEGLib: (Premature|Corrupt)|Fax.*(Premature|mismatch)"
_NUMBERS = (SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIPS, SAMPLES,
            STRIP_ROWS, STRIP_BYTES, PLANAR, PREDICTOR, COLOR_MAP, TILE_WIDTH, TILE_ROWS, TILES,
            TILE_BYTES, EXTRA_SAMPLES, SAMPLE_FORMAT, tags.ORIENTATION)  # fmt: skip


class Page(NamedTuple):
    """How one picture lies in the file, and what its samples are.

    Each plane has so many strips or tiles `down` and `across`, each of `rows` x `columns`.
    """

    directory: Directory
    height: int
    width: int
    tiled: bool
    rows: int
    columns: int
    row_bytes: int
    """Bytes of one row of a strip or tile."""
    down: int
    across: int
    planes: int
    """1, or the number of samples where each has strips or tiles of its own."""
    samples: int
    together: int
    """Samples that lie side by side."""
    bits: int
    sample_format: int
    compression: int
    predictor: int
    photometric: int
    extra: tuple[int, ...]
    meaning: str


def size(directory: Directory) -> tuple[int, int]:
    """(height, width) of a page."""
    width, height = directory.numbers(WIDTH), directory.numbers(HEIGHT)
    if not width or not height:
        raise DamageError("it is damaged: a TIFF page tells no size")
    return height[0], width[0]


def page(directory: Directory) -> Page:
    """What a directory tells of its picture; raise `ImageError` for a kind that is not read."""
    for tag in _NUMBERS:
        if tag in directory.fields and not directory.numbers(tag):
            raise DamageError(f"it is damaged: tag {tag} of a TIFF page holds no numbers")
    height, width = size(directory)
    told, tiled = directory.number, TILE_WIDTH in directory.fields
    samples = told(SAMPLES, 1)
    if not 0 < samples < 1 << 16:
        raise DamageError(f"it is damaged: a TIFF page tells of {samples} samples a pixel")
    bits, compression = told(BITS, 1), told(COMPRESSION, RAW)
    # Without the tag, libtiff's rule: by the number of samples; a fax is black on white.
    photometric = told(PHOTOMETRIC, 2 if samples in (3, 4) else 0 if compression in FAX else 1)
    extra = directory.numbers(EXTRA_SAMPLES)
    if photometric == 2 and samples == 4 and not extra:
        extra = (2,)  # OpenCV writes alpha so
    extra = (*extra, *(0,) * samples)[: max(0, samples - (3 if photometric in (2, 6) else 1))]
    planes = samples if told(PLANAR, 1) == 2 else 1
    rows, columns = min(told(STRIP_ROWS, height) or height, height), width
    if tiled:
        rows, columns = told(TILE_ROWS, 0), told(TILE_WIDTH, 0)
        if min(rows, columns) < 1:
            raise DamageError("it is damaged: its tiles have no size")
    together = samples // planes
    found = Page(
        directory, height, width, tiled, rows, columns,
        row_bytes=-(-columns * together * bits // 8),
        down=-(-height // rows), across=-(-width // columns),
        planes=planes, samples=samples, together=together, bits=bits,
        sample_format=max(1, told(SAMPLE_FORMAT, 1) % 4),  # 4: unknown to the writer, so unsigned
        compression=compression, predictor=told(PREDICTOR, 1), photometric=photometric, extra=extra,
        meaning=MEANINGS.get((photometric, extra), BANDS if photometric in (1, 2) else ""),
    )  # fmt: skip
    _require_known(found)
    return found


def blocks(data: bytes, page: Page) -> list[memoryview]:
    """The strips or tiles of a page as they lie in the file; raise `DamageError` if they do not."""
    tags = (TILES, TILE_BYTES) if page.tiled else (STRIPS, STRIP_BYTES)
    starts, sizes = map(page.directory.numbers, tags)
    count = page.planes * page.down * page.across
    if not sizes and page.compression == RAW:
        sizes = (page.rows * page.row_bytes,) * count
    if min(len(starts), len(sizes)) < count:
        raise DamageError("it is damaged: a TIFF page does not tell where all of its data lies")
    found = []
    for start, length in zip(starts[:count], sizes[:count], strict=True):
        if length == 0:
            raise ImageError(
                "it is a TIFF with strips or tiles that were left empty, which is not read; convert"
                " it, for example by gdal_translate -co SPARSE_OK=FALSE in.tif out.tif"
            )
        if start + length > len(data) and page.compression != RAW:
            raise DamageError("it is cut: a TIFF page lies beyond the end of the data")
        found.append(memoryview(data)[start : start + length])
    most = sum(map(len, found)) * (COMPRESSIONS[page.compression] or 8 * page.row_bytes)
    rows = count * page.rows if page.tiled else page.planes * page.height
    require_plausible(page.height, page.width, rows * page.row_bytes, most)
    return found


def shared_palette(pages: Sequence[Page]) -> Array | None:
    """The palette that all of the pages have: (K, 4), blue first; None where there is no such."""
    maps = {page.meaning == PALETTE and page.directory.numbers(COLOR_MAP) for page in pages}
    return None if len(maps) > 1 or False in maps else np.insert(_palette(pages[0]), 3, 255, axis=1)


def _palette(page: Page) -> Array:
    """The colors of a page's indices: (K, 3), blue first."""
    table, count = page.directory.numbers(COLOR_MAP), 3 << page.bits
    if len(table) != count or not 0 <= min(table) <= max(table) <= 0xFFFF:
        raise DamageError(f"it is damaged: its palette is not {count} numbers of 16 bits")
    colors = np.array(table, np.uint16).reshape(3, -1)[::-1].T
    # Some programs write 8 bits where TIFF asks for 16; libtiff tells them so, too.
    return (colors >> 8 if colors.max() > 255 else colors).astype(np.uint8)


def pixels(page: Page, blocks: Sequence[memoryview], *, indices: bool = False) -> Array:
    """(H, W) or (H, W, C), upright, colors and the first three of 3 or 4 bands reversed; with
    `indices` those of a palette, not its colors.
    """
    planes, each = [], page.down * page.across
    for at in range(0, len(blocks), each):
        values = _values(page, _stored(page, blocks[at : at + each]))
        if page.tiled:
            values = values.reshape(page.down, page.across, page.rows, page.columns, -1)
            values = values.swapaxes(1, 2).reshape(page.down * page.rows, -1, page.together)
        planes.append(values[: page.height, : page.width])
    values = planes[0] if page.planes == 1 else np.concatenate(planes, axis=2)
    top = (1 << page.bits) - 1
    if page.meaning == PALETTE:
        values = values[..., 0] if indices else _palette(page)[values[..., 0]]
    elif page.bits < 8 and 255 % top == 0:
        values, top = values * np.uint8(255 // top), 255
    if page.photometric == 0:
        values = np.subtract(values.dtype.type(top), values)
    if page.meaning == GRAY:
        values = values[..., 0]
    elif page.meaning == GRAY_ALPHA:
        values = values[..., [0, 0, 0, 1]]
    elif page.samples in (3, 4) and page.meaning != PALETTE:
        values = opencv.swapped(values)
    return tags.turned(values, page.directory.number(tags.ORIENTATION, 1))


def _require_known(page: Page) -> None:
    """Raise `ImageError`, naming the kind and the remedy, for what is not in the tables."""
    bits, kinds = (page.directory.numbers(tag)[: page.samples] for tag in (BITS, SAMPLE_FORMAT))
    compression, number = page.compression, (page.bits, page.sample_format)
    other = _OTHER_COMPRESSIONS.get(compression, f"unknown ({compression})")
    color = _OTHER_COLORS.get(page.photometric, f"unknown colors ({page.photometric})")
    floating = " of floating point" * (page.sample_format == 3)
    predictors: tuple[int, ...] = (1,)
    if page.bits in (8, 16, 32, 64) and compression in (LZW, *DEFLATE):
        # 2: differences of samples of whole bytes; 3: of floats, byte by byte.
        predictors = (1, 2, 3) if floating else (1, 2)
    objections = (
        (compression not in COMPRESSIONS, f"{other} compression", _TO_DEFLATE),
        (STACK in page.directory.fields, "many planes in one page (MetaMorph)",
         "to a TIFF with a page for each plane, for example with tifffile"),
        (not page.meaning or (page.photometric == 6 and compression != JPEG), color, _TO_RGB),
        (page.samples - len(page.extra) not in (1, 3), f"RGB of {page.samples} samples", _TO_RGB),
        (len({*bits}) > 1, f"{', '.join(map(str, bits[:8]))} bits a sample", _TO_DEPTH),
        (len({*kinds}) > 1, "samples of several kinds", _TO_DEPTH),
        (max(kinds, default=1) > 4, "complex values", "to real numbers, with tifffile"),
        (number not in DTYPES, f"{page.bits} bits a sample{floating}", _TO_DEPTH),
        (page.bits < 8 and page.samples > 1, f"{page.samples} samples of {page.bits} bits",
         _TO_DEPTH),
        (page.meaning == PALETTE and page.bits > 8, f"a palette of {page.bits} bits", _TO_RGB),
        (page.photometric == 0 and page.sample_format != 1, "white as 0 in signed or floating "
         "point values", "so that black is 0, for example with tifffile"),
        (compression in FAX and page.bits * page.samples != 1, "fax compression of more than "
         "1 bit", _TO_DEFLATE),
        (compression == JPEG and (number != (8, 1) or page.together not in (1, 3)),
         f"JPEG compression of {page.together} x {page.bits} bits", _TO_DEFLATE),
        (page.predictor not in predictors, f"predictor {page.predictor} here", _TO_DEFLATE),
    )  # fmt: skip
    for found, words, remedy in objections:
        if found:
            raise ImageError(f"it is a TIFF with {words}, which is not read; convert it {remedy}")


def _stored(page: Page, blocks: Sequence[memoryview | bytes]) -> Array:
    """(rows, row bytes) of all strips or tiles of a plane, one below the other."""
    heights = [page.rows] * len(blocks)
    if not page.tiled:
        heights[-1] = page.height - page.rows * (len(blocks) - 1)
    if page.directory.numbers(FILL_ORDER) == (2,) and page.compression != JPEG:
        reverse = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
        blocks = [bytes(block).translate(reverse) for block in blocks]
    whole, parts = page.rows * page.row_bytes, []
    if page.compression not in (RAW, *DEFLATE):
        # OpenCV's limit counts these bytes as pixels: no more than 64 MB in one call.
        step = max(1, (1 << 26) // whole)
        return np.concatenate([
            _by_opencv(page, blocks[at : at + step], sum(heights[at : at + step]))
            for at in range(0, len(blocks), step)
        ])  # fmt: skip
    for part, height in zip(blocks, heights, strict=True):
        if page.compression in DEFLATE:
            inflater = zlib.decompressobj()
            try:
                part = inflater.decompress(part, whole)
                more = inflater.decompress(inflater.unconsumed_tail, 1)
            except zlib.error as error:
                raise DamageError(f"it is damaged: {error}") from None
            if more or not inflater.eof:
                raise DamageError("it is damaged: a strip or tile does not end where it should")
        if len(part) < height * page.row_bytes:
            raise DamageError("it is cut or damaged: a strip or tile holds too little data")
        parts.append(part[: height * page.row_bytes])
    return np.frombuffer(bytearray().join(parts), np.uint8).reshape(-1, page.row_bytes)


def _by_opencv(page: Page, blocks: Sequence[memoryview | bytes], rows: int) -> Array:
    """Decompress strips, or tiles as if they were strips: (rows, row bytes)."""
    copied: tuple[int, ...] = ()
    samples, bits, columns, photometric = 1, 8, page.row_bytes, 1
    if page.compression == JPEG:  # its tables and the kind of YCbCr are copied
        samples, columns, copied = page.together, page.columns, (347, 530, 531, 532)
        photometric = page.photometric if page.photometric == 6 else 1 if samples == 1 else 2
    elif page.compression in FAX:  # its options are copied
        bits, columns, copied = 1, page.columns, (292, 293)
    order, known = page.directory.order, page.directory.fields
    numbers = {
        WIDTH: [columns], HEIGHT: [rows], BITS: [bits] * samples, COMPRESSION: [page.compression],
        PHOTOMETRIC: [photometric], SAMPLES: [samples], STRIP_ROWS: [page.rows],
        STRIPS: [*accumulate(map(len, blocks[:-1]), initial=8)], STRIP_BYTES: [*map(len, blocks)],
    }  # fmt: skip
    fields = {tag: known[tag] for tag in copied if tag in known} | number_fields(numbers, order)
    data = tags.packed_behind(b"".join(blocks), fields, order)
    decoded = opencv.decode_still(data, formats.TIFF, _COMPLAINTS)
    if decoded.shape[:2] != (rows, columns) or decoded.size != rows * columns * samples:
        raise DamageError("it is damaged: a strip or tile inflates to another size")
    if page.compression in FAX:
        return np.packbits(decoded, axis=1)
    return (opencv.swapped(decoded) if samples == 3 else decoded).reshape(rows, -1)


def _values(page: Page, stored: Array) -> Array:
    """(rows, columns, samples) of the page's dtype out of rows of bytes, predictions undone."""
    shape = (len(stored), page.columns, page.together)
    dtype = np.dtype(DTYPES[page.bits, page.sample_format])
    if page.bits not in (8, 16, 32, 64):
        count = page.columns * page.together
        bits = np.unpackbits(stored, axis=1, count=count * page.bits).reshape(*shape, page.bits)
        values = np.zeros(shape, dtype)
        for index in range(page.bits):
            values <<= 1
            values |= bits[..., index]
        return values
    if page.predictor == 3:  # Adobe's TIFF technical note 3: bytes of one rank lie together
        summed = _summed(stored.reshape(len(stored), -1, page.together))
        ranks = summed.reshape(len(stored), dtype.itemsize, -1).swapaxes(1, 2)
        floats = np.ascontiguousarray(ranks).view(dtype.newbyteorder(">"))
        return floats.astype(dtype).reshape(shape)
    unsigned = np.dtype(f"{page.directory.order}u{dtype.itemsize}")
    values = stored.view(unsigned).reshape(shape).astype(unsigned.newbyteorder("="), copy=False)
    return (_summed(values) if page.predictor == 2 else values).view(dtype)


def _summed(differences: Array) -> Array:
    """The running sum along each row, sample by sample, which is faster than all at once."""
    out = np.empty_like(differences)
    for sample in range(differences.shape[2]):
        np.add.accumulate(differences[..., sample], axis=1, out=out[..., sample])
    return out
