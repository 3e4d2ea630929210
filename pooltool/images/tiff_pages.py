"""The samples of one TIFF page, and what they mean (TIFF 6.0).

Strips and tiles are read here, as they are or inflated by zlib, whose checksum finds damage. OpenCV
decompresses LZW, PackBits, JPEG and fax data, from a TIFF made in memory that describes them as
strips of plain bytes. All that the tables below hold was compared with an independent reader.
What else there is, `images.tifffile` reads. Pages are written here as well.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv, tags
from pooltool.images.picture import Array, Picture, channels, padded, require_plausible
from pooltool.images.tags import Directory, Field, of_numbers

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
FILL_ORDER, STRIPS, SAMPLES, STRIP_ROWS, STRIP_BYTES, PLANAR = 266, 273, 277, 278, 279, 284
PREDICTOR, COLOR_MAP, TILE_WIDTH, TILE_ROWS, TILES, TILE_BYTES = 317, 320, 322, 323, 324, 325
INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT, DEPTH = 332, 338, 339, 32997

RAW, LZW, JPEG, PACKBITS, DEFLATE, FAX = 1, 5, 7, 32773, (8, 32946), (2, 3, 4)
COMPRESSIONS = {RAW: 1, **dict.fromkeys(DEFLATE, 1040), LZW: 2000, PACKBITS: 64, JPEG: 600,
                **dict.fromkeys(FAX, 0)}  # fmt: skip
"""The compressions that are read here, each with the most bytes that one byte of it stands for.

A row of a fax takes at least one bit, however long it is.
"""
DTYPES = {
    (1, 1): "u1", (2, 1): "u1", (4, 1): "u1", (8, 1): "u1", (16, 1): "u2", (32, 1): "u4",
    (64, 1): "u8", (8, 2): "i1", (16, 2): "i2", (32, 2): "i4", (64, 2): "i8",
    (16, 3): "f2", (32, 3): "f4", (64, 3): "f8",
}  # fmt: skip
"""The dtype of (bits a sample, sample format)."""
WHITE_AS_0, GRAY, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
COLORS = {WHITE_AS_0: ("gray with white as 0", 1), GRAY: ("gray", 1), RGB: ("RGB", 3),
          PALETTE: ("a palette", 1), CMYK: ("CMYK", 4), YCBCR: ("YCbCr", 3),
          LAB: ("CIELab", 3)}  # fmt: skip
"""What the colors are, and how many samples they have, by their photometric interpretation."""
_ALPHA = ((1,), (2,), (0, 0, 1), (0, 0, 2))
"""Extra samples that are alpha, up to 4 samples (1: which colors are multiplied with). The longer
ones are colors, too: GDAL writes 16-bit RGBA as gray with three more samples.
"""
_OPTIONS = (292, 293, 347, 530, 531, 532)
"""Tags of fax and JPEG data: how lines are coded, tables, and the kind of YCbCr."""
_STRIP_BYTES = 1 << 18
_COMPLAINTS = r"TIFF_Error|error: .*TIFF|JPEGLib: (Premature|Corrupt)|Fax.*(Premature|mismatch)"


class Page(NamedTuple):
    """How one picture is stored, and what its samples are."""

    directory: Directory
    height: int
    width: int
    is_tiled: bool
    rows: int
    """Of a strip or tile, as the columns."""
    columns: int
    samples: int
    planes: int
    """1, or the number of samples where each has strips or tiles of its own."""
    bits: int
    sample_format: int
    """1: unsigned, 2: signed, 3: float."""
    compression: int
    predictor: int
    photometric: int
    extra: tuple[int, ...]
    """What the samples beyond those of the colors are."""

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of a strip or tile."""
        return -(-self.columns * (self.samples // self.planes) * self.bits // 8)

    @property
    def grid(self) -> tuple[int, int]:
        """How many strips or tiles each plane has, down and across."""
        return -(-self.height // self.rows), -(-self.width // self.columns)

    @property
    def words(self) -> str:
        """The page for a message: "3 x 12-bit samples, RGB, compression 34925"."""
        kind = {3: " float", 5: " complex", 6: " complex"}.get(self.sample_format, "")
        layout = " in planes" if self.planes > 1 else ""
        if self.directory.number(DEPTH, 1) > 1:
            layout = " of a volume"
        color, _ = COLORS.get(self.photometric, (f"color space {self.photometric}", 0))
        words = f"{self.samples} x {self.bits}-bit{kind} samples{layout}, {color}"
        predictor = f", predictor {self.predictor}" if self.predictor != 1 else ""
        return f"{words}, compression {self.compression}{predictor}"

    @property
    def is_bands(self) -> bool:
        """True when its samples are more than colors and alpha."""
        return bool(self.extra) and (self.samples > 4 or self.extra not in _ALPHA)

    @property
    def top(self) -> int | None:
        """The largest sample, where that is less than the largest of the dtype."""
        is_less = self.sample_format == 1 and self.bits not in (1, 2, 4, 8, 16, 32, 64)
        return (1 << self.bits) - 1 if is_less else None


def page(directory: Directory) -> Page:
    """What a directory says of its picture; raise `DamageError` for what cannot be."""
    number, is_tiled = directory.number, TILE_WIDTH in directory.fields
    height, width = number(HEIGHT, 0), number(WIDTH, 0)
    samples, bits = number(SAMPLES, 1), number(BITS, 1)
    if not (0 < samples < 1 << 16 and 0 < bits < 1 << 16):
        raise DamageError(f"it is damaged: a TIFF page has {samples} samples of {bits} bits")
    rows, columns = min(number(STRIP_ROWS, height) or height, height), width
    if is_tiled:
        rows, columns = number(TILE_ROWS, 0), number(TILE_WIDTH, 0)
    if min(rows, columns) < 1:
        raise DamageError("it is damaged: its strips or tiles have no size")
    compression, sample_format = number(COMPRESSION, RAW), number(SAMPLE_FORMAT, 1)
    # Without the tag, libtiff's rule: by the number of samples; a fax is black on white.
    default = RGB if samples in (3, 4) else WHITE_AS_0 if compression in FAX else GRAY
    photometric, extra = number(PHOTOMETRIC, default), directory.numbers(EXTRA_SAMPLES)
    if photometric == RGB and samples == 4 and not extra:
        extra = (2,)  # OpenCV writes alpha so
    _, colors = COLORS.get(photometric, ("", 1))
    return Page(
        directory, height, width, is_tiled, rows, columns, samples,
        planes=samples if number(PLANAR, 1) == 2 else 1, bits=bits,
        sample_format=1 if sample_format in (0, 4) else sample_format,  # unknown to the writer
        compression=compression, predictor=number(PREDICTOR, 1), photometric=photometric,
        extra=(*extra, *(0,) * samples)[: max(0, samples - colors)],
    )  # fmt: skip


def stack(page: Page, count: int) -> dict[int, Page]:
    """The pictures that lie in a row where the only page of a file does, uncompressed."""
    start, size = page.directory.number(STRIPS, 0), page.height * page.row_bytes
    pages = {}
    for index in range(count):
        place = _fields({}, [size], start + index * size, page.directory.order)
        directory = page.directory._replace(fields=page.directory.fields | place)
        pages[index] = page._replace(directory=directory, rows=page.height)
    return pages


def rare_kind(page: Page) -> str:
    """The kind of a page that is not read here but by tifffile, in words; nothing where it is read
    here. Raise `ImageError` with a remedy for what no reader takes right.
    """
    numbers, code, color = page.directory.numbers, page.compression, page.photometric
    number, remedy = (page.bits, page.sample_format), ""
    _, colors = COLORS.get(color, ("", 0))
    predictors = {1}
    if page.bits in (8, 16, 32, 64) and code in (LZW, *DEFLATE):
        # 2: differences of samples of whole bytes; 3: of floats, byte by byte.
        predictors = {1, 2, 3} if page.sample_format == 3 else {1, 2}
    is_regular = (
        all(len({*numbers(tag)[: page.samples]}) < 2 for tag in (BITS, SAMPLE_FORMAT))
        and page.bits <= 64 and page.bits != 24  # which imagecodecs before 2026.3 reads wrongly
        and page.sample_format <= 3 and page.directory.number(DEPTH, 1) <= 1
        and page.samples - len(page.extra) == colors
        and (not page.extra or color in (GRAY, RGB))
        and (page.sample_format == 1 or color not in (WHITE_AS_0, PALETTE))
        and (color != CMYK or numbers(INK_SET, (1,)) == (1,))
        and (color != YCBCR or code in (6, JPEG))
        and (code not in FAX or page.bits * page.samples == 1)
        and (code not in COMPRESSIONS or page.predictor in predictors)
    )  # fmt: skip
    if not is_regular:
        remedy = "in the program that made it"
    elif 0 in numbers(TILE_BYTES if page.is_tiled else STRIP_BYTES):
        remedy = "with `gdal_translate -co SPARSE_OK=FALSE`, as parts of it were left empty"
    if remedy:
        raise ImageError(f"it is a TIFF of {page.words}, which is not read; convert it {remedy}")
    is_read_here = (
        code in COMPRESSIONS and number in DTYPES and page.planes == 1
        and color not in (CMYK, LAB) and (page.bits >= 8 or page.samples == 1)
        and (code != JPEG or (number == (8, 1) and page.samples in (1, 3)))
    )  # fmt: skip
    return "" if is_read_here else page.words


def blocks(data: bytes, page: Page) -> list[memoryview]:
    """The strips or tiles of a page, as stored; raise `DamageError` if they are not in the file."""
    view, whole, is_raw = memoryview(data), page.rows * page.row_bytes, page.compression == RAW
    place, length = (TILES, TILE_BYTES) if page.is_tiled else (STRIPS, STRIP_BYTES)
    starts = page.directory.numbers(place)
    sizes = page.directory.numbers(length, (whole,) * len(starts) if is_raw else ())
    down, across = page.grid
    count = page.planes * down * across
    if min(len(starts), len(sizes)) < count:
        raise DamageError("it is damaged: a TIFF page does not say where all of its data lies")
    spans = [*zip(starts[:count], sizes, strict=False)]
    if not is_raw and max(map(sum, spans)) > len(data):
        raise DamageError("it is truncated: a TIFF page is beyond the end of the data")
    parts = [view[start : start + size] for start, size in spans]
    if page.compression in COMPRESSIONS:  # bytes that several strips share count once
        most = min(sum(map(len, parts)), len(data))
        most *= COMPRESSIONS[page.compression] or 8 * page.row_bytes
    else:  # a byte may stand for any number of them, and tiles be larger than the picture
        most = (1 << 24) + page.height * page.width * page.samples * page.bits // 2
    rows = count * page.rows if page.is_tiled else page.planes * page.height
    require_plausible(page.height, page.width, rows * page.row_bytes, most)
    in_a_row = range(starts[0], starts[0] + count * whole, whole)
    if is_raw and not page.is_tiled and starts[:count] == tuple(in_a_row):
        return [view[starts[0] : sum(spans[-1])]]  # which need not be copied
    return parts


def stored(page: Page, blocks: Sequence[memoryview]) -> Array:
    """The samples of a page as they are stored: (H, W, samples)."""
    values = _values(page, _joined(page, blocks))
    if page.is_tiled:
        down, across = page.grid
        values = values.reshape(down, across, page.rows, page.columns, page.samples)
        values = values.swapaxes(1, 2).reshape(down * page.rows, -1, page.samples)
    return values[: page.height, : page.width]


def shared_palette(pages: Sequence[Page]) -> Array | None:
    """The palette of at most 256 colors that all of the pages have: (K, 4), blue first; or None."""
    maps = {page.directory.numbers(COLOR_MAP) for page in pages}
    if len(maps) > 1 or any(page.photometric != PALETTE or page.bits > 8 for page in pages):
        return None
    return np.insert(_palette(pages[0])[:, ::-1], 3, 255, axis=1)


def _palette(page: Page) -> Array:
    """The colors of a page's indices: (K, 3), red first."""
    table, count = page.directory.numbers(COLOR_MAP), 3 << page.bits
    if len(table) != count or not 0 <= min(table) <= max(table) <= 0xFFFF:
        raise DamageError(f"it is damaged: its palette is not {count} numbers of 16 bits")
    colors = np.array(table, np.uint16).reshape(3, -1).T
    # Some programs write 8 bits where TIFF asks for 16; libtiff takes them so, too.
    return (colors >> 8 if colors.max() > 255 else colors).astype(np.uint8)


def frame(page: Page, values: Array, *, indices: bool = False) -> Array:
    """The picture that stored samples are: (H, W) or (H, W, C), upright, colors and the first three
    of 3 or 4 bands reversed; with `indices` those of a palette, not its colors.
    """
    top = (1 << page.bits) - 1
    if page.photometric == PALETTE:
        values = values if indices else _palette(page)[values[..., 0]]
    elif page.bits < 8 and 255 % top == 0:
        values, top = values * np.uint8(255 // top), 255
    if page.photometric == WHITE_AS_0:
        values = np.subtract(values.dtype.type(top), values)
    if values.shape[2] == 1:
        values = values[..., 0]
    elif values.shape[2] == 2 and not page.is_bands:
        values = values[..., [0, 0, 0, 1]]
    elif values.shape[2] in (3, 4):
        values = opencv.swapped(values)
    return tags.turned(values, page.directory.orientation)


def encoded(
    frame: Array, picture: Picture, order: str, position: int
) -> tuple[Sequence[bytes | memoryview], dict[int, Field]]:
    """The strips of a page, which will lie at a position, and the fields that describe them."""
    count, kind = channels(frame), frame.dtype.kind
    strips, rows = _strips(frame, order)
    has_colors = count in (3, 4) and not picture.bands
    numbers: dict[int, Sequence[int]] = {
        WIDTH: [frame.shape[1]], HEIGHT: [frame.shape[0]], STRIP_ROWS: [rows],
        BITS: [8 * frame.itemsize] * count, SAMPLES: [count],
        SAMPLE_FORMAT: ["uif".index(kind) + 1] * count, PHOTOMETRIC: [RGB if has_colors else GRAY],
        COMPRESSION: [RAW if kind == "f" else 8], PREDICTOR: [1 if kind == "f" else 2],
    }  # fmt: skip
    if count == 4 and has_colors:
        numbers[EXTRA_SAMPLES] = [1 if picture.premultiplied else 2]
    elif count > 1 and not has_colors:
        numbers[EXTRA_SAMPLES] = [0] * (count - 1)
    if picture.palette is not None:
        table = padded(picture.palette)[:, 2::-1].T.ravel().astype(int) * 257
        numbers |= {PHOTOMETRIC: [PALETTE], COLOR_MAP: table.tolist()}
    return strips, _fields(numbers, [*map(len, strips)], position, order)


def _strips(frame: Array, order: str) -> tuple[Sequence[bytes | memoryview], int]:
    """The data of a page in strips, and how many rows each has, the last one excepted.

    Integers are deflated as differences from pixel to pixel; floats, which hardly become smaller,
    are stored.
    """
    (height, width), size = frame.shape[:2], frame.itemsize
    pixels = opencv.swapped(frame).reshape(height, width, -1)
    if frame.dtype.kind == "f":
        return [np.ascontiguousarray(pixels, f"{order}f{size}").data.cast("B")], height
    pixels = np.ascontiguousarray(pixels).view(f"u{size}")
    rows, strips = min(height, max(1, _STRIP_BYTES // pixels[0].nbytes)), []
    for top in range(0, height, rows):
        strip = pixels[top : top + rows]
        differences = strip.copy()
        differences[:, 1:] -= strip[:, :-1]
        deflater = zlib.compressobj(1, strategy=zlib.Z_RLE)
        stored = differences.astype(f"{order}u{size}", copy=False)
        strips.append(deflater.compress(stored.data) + deflater.flush())
    return strips, rows


def _fields(
    numbers: Mapping[int, Sequence[int]], sizes: Sequence[int], position: int, order: str
) -> dict[int, Field]:
    """The fields of numbers and of strips of these sizes, which lie in a row at a position."""
    starts = [*accumulate(sizes[:-1], initial=position)]
    numbers = {**numbers, STRIPS: starts, STRIP_BYTES: sizes}
    return {tag: of_numbers(values, order) for tag, values in numbers.items()}


def _joined(page: Page, blocks: Sequence[memoryview | bytes]) -> Array:
    """(rows, row bytes) of all strips or tiles, one below the other."""
    heights = [page.rows] * len(blocks)
    if not page.is_tiled:
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
                part = inflater.decompress(part, whole + 1)
            except zlib.error as error:
                raise DamageError(f"it is damaged: {error}") from None
            if len(part) > whole or not inflater.eof:
                raise DamageError("it is damaged: a strip or tile does not end where it should")
        if len(part) < height * page.row_bytes:
            raise DamageError("it is truncated or damaged: a strip or tile holds too little data")
        parts.append(part[: height * page.row_bytes])
    joined = b"".join(parts) if len(parts) > 1 else parts[0]  # one part is not copied
    return np.frombuffer(joined, np.uint8).reshape(-1, page.row_bytes)


def _by_opencv(page: Page, blocks: Sequence[memoryview | bytes], rows: int) -> Array:
    """Decompress strips, or tiles as if they were strips: (rows, row bytes)."""
    samples, bits, columns, color = 1, 8, page.row_bytes, GRAY
    if page.compression in FAX:
        bits, columns = 1, page.columns
    elif page.compression == JPEG:
        samples, columns = page.samples, page.columns
        color = YCBCR if page.photometric == YCBCR else RGB if samples == 3 else GRAY
    order, fields = page.directory.order, page.directory.fields
    numbers = {
        WIDTH: [columns], HEIGHT: [rows], BITS: [bits] * samples, COMPRESSION: [page.compression],
        PHOTOMETRIC: [color], SAMPLES: [samples], STRIP_ROWS: [page.rows],
    }  # fmt: skip
    made = {tag: fields[tag] for tag in _OPTIONS if tag in fields}
    made |= _fields(numbers, [*map(len, blocks)], 8, order)
    data = tags.packed(blocks, [made], order)
    decoded = opencv.decode_still(data, formats.TIFF, _COMPLAINTS)
    if decoded.shape[:2] != (rows, columns) or decoded.size != rows * columns * samples:
        raise DamageError("it is damaged: a strip or tile inflates to another size")
    if page.compression in FAX:
        return np.packbits(decoded, axis=1)
    return (opencv.swapped(decoded) if samples == 3 else decoded).reshape(rows, -1)


def _values(page: Page, rows: Array) -> Array:
    """(rows, columns, samples) of the page's dtype out of rows of bytes, predictions undone."""
    shape = (len(rows), page.columns, page.samples)
    dtype = np.dtype(DTYPES[page.bits, page.sample_format])
    if page.bits < 8:
        bits = np.unpackbits(rows, axis=1, count=page.columns * page.bits)
        bits = bits.reshape(*shape, page.bits)
        return np.packbits(bits, axis=3)[..., 0] >> (8 - page.bits)
    if page.predictor == 3:  # Adobe's TIFF technical note 3: bytes of one rank are adjacent
        summed = np.cumsum(rows.reshape(len(rows), -1, page.samples), axis=1, dtype=np.uint8)
        ranks = summed.reshape(len(rows), dtype.itemsize, -1).swapaxes(1, 2)
        floats = np.ascontiguousarray(ranks).view(dtype.newbyteorder(">"))
        return floats.astype(dtype).reshape(shape)
    unsigned = np.dtype(f"{page.directory.order}u{dtype.itemsize}")
    values = rows.view(unsigned).reshape(shape).astype(unsigned.newbyteorder("="), copy=False)
    if page.predictor == 2:
        values = np.cumsum(values, axis=1, dtype=values.dtype)
    return values.view(dtype)
