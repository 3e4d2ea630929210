"""Kinds of TIFF: one row for each entry of the tables of `tiff_pages`, and what is refused."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import tifffile
from kind import Array, Kind
from PIL import Image
from samples import opened, pil, pixels, smooth, tiff

PHOTO = smooth()
SIZE = (37, 45)
LINES = (PHOTO[..., 0] > 120) ^ (PHOTO[..., 1] > 90)
FRAME = "choose one of them with --frame"


def made(tags: Mapping[int, Sequence[int]], data: bytes, *, big_endian: bool = False) -> bytes:
    """A TIFF of one strip by hand; an empty value leaves a tag out."""
    order = ">" if big_endian else "<"
    rows, columns = SIZE
    standard: dict[int, Sequence[int]] = {256: [columns], 257: [rows], 258: [8], 259: [1],
                262: [1], 273: [8], 277: [1], 278: [rows], 279: [len(data)]}  # fmt: skip
    tags = {tag: values for tag, values in sorted({**standard, **tags}.items()) if values}
    data += bytes(len(data) % 2)
    behind = 8 + len(data) + 2 + 12 * len(tags) + 4
    table, values = struct.pack(order + "H", len(tags)), b""
    for tag, numbers in tags.items():
        raw = struct.pack(f"{order}{len(numbers)}I", *numbers)
        where = raw if len(numbers) == 1 else struct.pack(order + "I", behind + len(values))
        table += struct.pack(order + "HHI", tag, 4, len(numbers)) + where
        values += raw if len(numbers) > 1 else b""
    head = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(order + "I", 8 + len(data))
    return head + data + table + bytes(4) + values


def packed(array: Array, bits: int) -> bytes:
    """Rows of samples of so many bits, the highest bit first, each row filled up to a byte."""
    rows = array.reshape(len(array), -1).tolist()
    lines = ("".join(f"{value:0{bits}b}" for value in row) for row in rows)
    padded = (line + "0" * (-len(line) % 8) for line in lines)
    return b"".join(int(line, 2).to_bytes(len(line) // 8, "big") for line in padded)


def of_bits(bits: int, *channels: int, seed: int = 3) -> Array:
    """Random samples of so many bits."""
    dtype = np.uint8 if bits <= 8 else np.uint16
    return np.random.default_rng(seed).integers(0, 1 << bits, (*SIZE, *channels), dtype)


def pages(*pages: tuple[Array, dict[str, Any]]) -> bytes:
    """Pages by tifffile, each with its settings."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for array, settings in pages:
            writer.write(array, metadata=None, **settings)
    return file.getvalue()


def palette(bits: int) -> Kind:
    """A palette of so many bits, whose colors have 8 bits each."""
    index = of_bits(bits)
    colors = np.random.default_rng(bits).integers(0, 256, (1 << bits, 3), np.uint8)
    tags = {258: [bits], 262: [3], 320: (colors.T.astype(int) * 257).ravel().tolist()}
    return Kind(
        f"tiff palette of {bits} bits", lambda: made(tags, packed(index, bits)),
        lambda: [colors[index]],
    )  # fmt: skip


def odd(bits: int, *channels: int, color: int = 1) -> Kind:
    """Samples of a number of bits that is not 8, 16 or 32, scaled to 8 bits where that is whole."""
    samples = of_bits(bits, *channels)
    top = (1 << bits) - 1
    right = samples * np.uint8(255 // top) if bits in (1, 2, 4) else samples
    if color == 0:
        right = (right.max() if bits in (1, 2, 4) else top) - right
    tags = {258: [bits] * (channels or (1,))[0], 262: [color], 277: list(channels) or [1],
            338: [0] * ((channels or (1,))[0] - 1 if color == 1 else 0)}  # fmt: skip
    return Kind(
        f"tiff {bits} bits {channels} photometric {color}",
        lambda: made(tags, packed(samples, bits)),
        lambda: [right],
    )


def by_tifffile(name: str, array: Array, **settings: Any) -> Kind:
    """A file by tifffile that holds an array as it is."""
    warnings = settings.pop("warnings", ())
    wanted = settings.pop("wanted", array)
    return Kind(f"tiff {name}", lambda: tiff(array, **settings), lambda: [wanted], "", warnings)


def bands(count: int, dtype: str, **settings: Any) -> Kind:
    array = pixels(dtype, count, SIZE)
    settings = {"photometric": "minisblack", "planarconfig": "contig", **settings}
    return by_tifffile(f"{count} bands {dtype} {settings}", array, **settings)


def by_planes(count: int, dtype: str, **settings: Any) -> Kind:
    array = pixels(dtype, count, SIZE)
    return by_tifffile(
        f"{count} planes {dtype} {settings}", np.moveaxis(array, 2, 0), wanted=array,
        planarconfig="separate", **settings,
    )  # fmt: skip


def _pointer_below_zero(position: int) -> Kind:
    """A signed EXIF pointer: positions do not count from the end of the file."""
    unsigned, signed = (struct.pack("<HHI", 0x8769, kind, 1) for kind in (4, 9))
    return Kind(
        f"tiff EXIF at {position}",
        lambda: made({0x8769: [position & 0xFFFFFFFF]}, GRAY.tobytes()).replace(unsigned, signed),
        lambda: [GRAY], "", ("left out: damaged EXIF",),
    )  # fmt: skip


def refused(name: str, data: Callable[[], bytes], words: str, frame: int | None = None) -> Kind:
    return Kind(f"tiff {name}", data, None, words, frame=frame)


def _gray_alpha(dtype: str, kind: str) -> Kind:
    array = pixels(dtype, 2, SIZE)
    return by_tifffile(
        f"gray with {kind} {dtype}", array, photometric="minisblack", planarconfig="contig",
        extrasamples=[kind], wanted=array[..., [0, 0, 0, 1]],
    )  # fmt: skip


def _fax(compression: str) -> Kind:
    data = pil(LINES, "TIFF", compression=compression)
    return Kind(f"tiff {compression}", lambda: data, lambda: [opened(data) * np.uint8(255)])


def _jpeg(name: str, array: Array, **settings: Any) -> Kind:
    data = tiff(array, compression="jpeg", **settings)
    return Kind(
        f"tiff jpeg {name}", lambda: data, lambda: [tifffile.imread(io.BytesIO(data))], levels=3
    )


def _stack() -> Array:
    return np.stack([pixels("uint16", 1, SIZE, seed=seed) for seed in range(5)])


def _cog() -> bytes:
    """A picture, its mask, an overview, that one's mask, and a second picture."""
    mask = np.ones(SIZE, bool)
    return pages(
        (PHOTO, {"photometric": "rgb"}),
        (mask, {"subfiletype": 4}),
        (PHOTO[::2, ::2], {"photometric": "rgb", "subfiletype": 1}),
        (mask[::2], {"subfiletype": 5}),
        (PHOTO[::-1], {"photometric": "rgb"}),
    )


def _mixed() -> bytes:
    cmyk = pixels("uint8", 4, SIZE)
    return pages(
        (PHOTO, {"photometric": "rgb"}), (cmyk, {"photometric": "separated"}),
        (PHOTO[1:], {"photometric": "rgb"}),
    )  # fmt: skip


def _holed() -> bytes:
    """Deflate data that zlib still inflates to the right length somewhere along 400 zeros."""
    data = bytearray(tiff(PHOTO, photometric="rgb", compression="zlib"))
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    return bytes(data)


GRAY = pixels("uint8", 1, SIZE)
READ = (
    # Bands, and what GDAL and tifffile write as gray with more samples.
    *(bands(count, dtype) for count in (2, 3, 4, 5, 13) for dtype in ("uint8", "uint16")),
    *(bands(3, dtype, compression=comp, predictor=True, tile=(16, 32))
      for dtype in ("int16", "float32", "uint32") for comp in ("lzw", "zlib")),
    bands(4, "int16", byteorder=">"), bands(4, "float32"), bands(7, "float64", bigtiff=True),
    by_tifffile("16-bit RGBA by GDAL", pixels("uint16", 4, SIZE), photometric="minisblack",
                planarconfig="contig", extrasamples=["unspecified", "unspecified", "unassalpha"]),
    by_tifffile("16-bit premultiplied RGBA", pixels("uint16", 4, SIZE), photometric="minisblack",
                planarconfig="contig", extrasamples=["unspecified", "unspecified", "assocalpha"]),
    *(by_tifffile(f"RGB and a fourth sample {dtype}", pixels(dtype, 4, SIZE), photometric="rgb",
                  extrasamples=["unspecified"], warnings=("4 channels became bands.*colors",))
      for dtype in ("uint8", "uint16")),
    by_tifffile("RGB, alpha and infrared", pixels("uint8", 5, SIZE), photometric="rgb",
                extrasamples=["unassalpha", "unspecified"],
                warnings=("5 channels became bands.*colors",)),
    by_tifffile("bands with alpha", pixels("uint8", 3, SIZE), photometric="minisblack",
                planarconfig="contig", extrasamples=["unspecified", "unassalpha"],
                warnings=("3 channels became bands.*alpha",)),
    *(by_planes(count, dtype, photometric="minisblack") for count in (2, 3, 4, 5)
      for dtype in ("uint8", "uint16")),
    by_planes(3, "uint16", photometric="rgb", compression="lzw", predictor=True),
    by_planes(3, "float32", photometric="rgb", compression="zlib", predictor=True, tile=(16, 16)),
    *(_gray_alpha(dtype, kind) for dtype in ("uint8", "uint16", "float32")
      for kind in ("unassalpha", "assocalpha")),
    *(by_tifffile(f"RGB with {kind}", pixels("uint8", 4, SIZE), photometric="rgb",
                  extrasamples=[kind]) for kind in ("unassalpha", "assocalpha")),
    # Depths.
    *(by_tifffile(dtype, pixels(dtype, 1, SIZE)) for dtype in (
        "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16",
        "float32", "float64")),
    *(by_tifffile(f"RGB {dtype}", pixels(dtype, 3, SIZE), photometric="rgb")
      for dtype in ("uint8", "uint16", "uint32", "int16", "float16", "float32", "float64")),
    *(odd(bits, color=color) for bits in (1, 2, 4, 6, 10, 12, 14) for color in (0, 1)),
    odd(12, 3, color=2), odd(10, 5),
    by_tifffile("white is 0 in 16 bits", pixels("uint16", 1, SIZE), photometric="miniswhite",
                wanted=65535 - pixels("uint16", 1, SIZE)),
    *(palette(bits) for bits in (1, 2, 4, 8)),
    Kind("tiff palette of 1 bit by Pillow", lambda: opened_palette()[0],
         lambda: [opened_palette()[1]]),
    # Compressions and layouts.
    *(by_tifffile(f"compression {code}", PHOTO, photometric="rgb", compression=code)
      for code in (1, 5, 8, 32946, 32773)),
    *(_fax(compression) for compression in ("group3", "group4", "tiff_ccitt")),
    _jpeg("RGB", PHOTO, photometric="rgb"), _jpeg("gray", PHOTO[..., 0]),
    _jpeg("tiles", PHOTO, photometric="rgb", tile=(32, 48)),
    _jpeg("3 bands", PHOTO, photometric="minisblack", planarconfig="contig",
          compressionargs={"subsampling": "444", "outcolorspace": "rgb"}),
    Kind("tiff jpeg YCbCr", lambda: pil(PHOTO, "TIFF", compression="jpeg"),
         lambda: [opened(pil(PHOTO, "TIFF", compression="jpeg"))], levels=3),
    by_tifffile("predictor 3", pixels("float64", 3, SIZE), photometric="rgb", predictor=3,
                compression="zlib", byteorder=">"),
    *(by_tifffile(f"tiles of {tile} {compression}", GRAY, tile=tile, compression=compression)
      for tile in ((16, 16), (32, 16), (48, 80)) for compression in (None, "lzw")),
    Kind("tiff fill order 2", lambda: made({266: [2], 258: [1]}, bytes(
        int(f"{byte:08b}"[::-1], 2) for byte in packed(of_bits(1), 1))),
         lambda: [of_bits(1) * np.uint8(255)]),
    Kind("tiff 12 bits in a big-endian file", lambda: made(
        {258: [12]}, packed(of_bits(12), 12), big_endian=True), lambda: [of_bits(12)]),
    Kind("tiff without strip sizes", lambda: made({279: []}, GRAY.tobytes()), lambda: [GRAY]),
    # What directories tell of pages.
    *(Kind(f"tiff stack {settings}", partial(tiff, _stack(), **settings),
           lambda: list(_stack()), "", warnings, frame=None)
      for settings, warnings in (
          ({"imagej": True, "truncate": True}, ("left out: ImageJ description",)),
          ({"photometric": "minisblack", "truncate": True, "byteorder": ">"},
           ("left out: tifffile description",)),
          ({"photometric": "minisblack", "truncate": True, "bigtiff": True},
           ("left out: tifffile description",)))),
    Kind("tiff one plane of a stack", lambda: tiff(_stack(), imagej=True, truncate=True),
         lambda: [_stack()[3]], "", ("left out: ImageJ description",), frame=3),
    Kind("tiff with overviews and masks", _cog, lambda: [PHOTO, PHOTO[::-1]], "",
         ("left out: overviews and masks",)),
    Kind("tiff frame 1 counts pictures", _cog, lambda: [PHOTO[::-1]], "",
         ("left out: overviews and masks",), frame=1),
    Kind("tiff frame 0 beside CMYK", _mixed, lambda: [PHOTO], frame=0),
    Kind("tiff frame 2 beside CMYK", _mixed, lambda: [PHOTO[1:]], frame=2),
    Kind("tiff gray without photometric tag", lambda: made({262: []}, GRAY.tobytes()),
         lambda: [GRAY], "", ("does not say what its values mean: read as gray",)),
    Kind("tiff RGB without photometric tag",
         lambda: made({262: [], 277: [3], 258: [8, 8, 8]}, pixels("uint8", 3, SIZE).tobytes()),
         lambda: [pixels("uint8", 3, SIZE)], "", ("what its values mean: read as RGB",)),
    *map(_pointer_below_zero, (-2, -104, -1800, -3000)),
    Kind("tiff private tags", lambda: made({65000: [7], 65001: [1, 2]}, GRAY.tobytes()),
         lambda: [GRAY], "", ("left out: tag 65000 and tag 65001",)),
)  # fmt: skip


def opened_palette() -> tuple[bytes, Array]:
    """A palette of 1 bit by Pillow, and its colors."""
    image = Image.fromarray(LINES.astype(np.uint8)).convert("P")
    image.putpalette([200, 30, 10, 5, 90, 250])
    file = io.BytesIO()
    image.save(file, "TIFF", bits=1)
    colors = np.array([[200, 30, 10], [5, 90, 250]], np.uint8)
    return file.getvalue(), colors[LINES.astype(int)]


REFUSED = (
    refused("CMYK", lambda: tiff(pixels("uint8", 4, SIZE), photometric="separated"),
            "CMYK colors.*magick in.tif -colorspace sRGB"),
    refused("CMYK page of three", _mixed, "CMYK colors"),
    refused("CMYK page asked for", _mixed, "CMYK colors", frame=1),
    refused("Lab", lambda: tiff(pixels("uint8", 3, SIZE), photometric="cielab"), "CIELab colors"),
    refused("unknown colors", lambda: made({262: [999]}, GRAY.tobytes()), r"unknown colors \(999"),
    refused("YCbCr", lambda: made({262: [6], 277: [3]}, PHOTO.tobytes()), "YCbCr colors that"),
    refused("white as 0 in bands", lambda: made({262: [0], 277: [2]}, GRAY.tobytes()),
            "white as 0 in several samples"),
    refused("palette with alpha", lambda: made({262: [3], 277: [2]}, GRAY.tobytes()),
            "a palette and other samples"),
    refused("palette of 16 bits", lambda: made({262: [3], 258: [16]}, GRAY.tobytes()),
            "a palette of 16 bits"),
    refused("RGB of 2", lambda: made({262: [2], 277: [2]}, GRAY.tobytes()), "RGB of 2 samples"),
    *(refused(name, partial(made, {259: [code]}, GRAY.tobytes()),
              f"{name} compression.*COMPRESS=DEFLATE")
      for code, name in ((6, "old-style JPEG"), (34925, "LZMA"), (50000, "Zstandard"),
                         (50001, "WebP"), (34712, "JPEG 2000"), (34887, "LERC"),
                         (34661, "JBIG"), (777, r"unknown \(777\)"))),
    *(refused(f"{bits} bits", partial(made, {258: [bits]}, GRAY.tobytes()),
              f"{bits} bits a sample.*8, 16 or 32 bits") for bits in (3, 24, 128)),
    refused("24-bit floats", lambda: made({258: [24], 339: [3]}, GRAY.tobytes()),
            "24 bits a sample of floating point"),
    refused("samples of 5, 6 and 5 bits", lambda: made(
        {258: [5, 6, 5], 262: [2], 277: [3]}, GRAY.tobytes()), "5, 6, 5 bits a sample"),
    refused("RGB of 4 bits", lambda: made({258: [4] * 3, 262: [2], 277: [3]}, GRAY.tobytes()),
            "3 samples of 4 bits"),
    refused("complex values", lambda: tiff(np.zeros(SIZE, np.complex64)), "complex values"),
    *(refused(f"white as 0 in {dtype}",
              partial(tiff, pixels(dtype, 1, SIZE), photometric="miniswhite"),
              "white as 0 in signed or floating") for dtype in ("int16", "float32")),
    refused("JPEG of 12 bits", lambda: made({258: [12], 259: [7]}, GRAY.tobytes()),
            "JPEG compression of 1 x 12 bits"),
    refused("fax of 8 bits", lambda: made({259: [4]}, GRAY.tobytes()), "fax compression of more"),
    refused("predictor without compression", lambda: made({317: [2]}, GRAY.tobytes()),
            "predictor 2 here"),
    refused("predictor 3 of integers", lambda: made({317: [3], 259: [8]}, GRAY.tobytes()),
            "predictor 3 here"),
    refused("MetaMorph stack", lambda: made({33629: [1, 2, 3]}, GRAY.tobytes()),
            "many planes in one page.*a page for each plane"),
    refused("empty tiles", lambda: made({279: [0]}, b""), "left empty.*SPARSE_OK=FALSE"),
    refused("pages of colors and of bands", lambda: pages(
        (PHOTO, {"photometric": "rgb"}),
        (PHOTO, {"photometric": "minisblack", "planarconfig": "contig"})), FRAME),
    refused("deflate with a hole", _holed, "it is damaged"),
    refused("raw data that is cut", lambda: made({}, GRAY.tobytes()[:-9]), "cut or damaged"),
    refused("a stack that is cut", lambda: tiff(_stack(), imagej=True, truncate=True)[:-9],
            "it is cut: it describes 5 planes"),
    refused("a header of more than its data",
            lambda: made({256: [32768], 257: [16385], 278: [16385], 259: [5]}, GRAY.tobytes()),
            "cut or damaged: its header tells of 16385 x 32768"),
    refused("samples without end", lambda: made({277: [0xFFFFFFFF]}, GRAY.tobytes()),
            "it is damaged: a TIFF page tells of 4294967295 samples"),
    refused("palette that is cut", lambda: made({262: [3], 320: [1, 2, 3]}, GRAY.tobytes()),
            "it is damaged: its palette is not 768 numbers"),
)  # fmt: skip

KINDS: tuple[Kind, ...] = (*READ, *REFUSED)
