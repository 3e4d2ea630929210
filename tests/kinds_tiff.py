"""Kinds of TIFF: one row for each entry of the tables of `tiff_pages`, and what is refused."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from kind import Array, Kind
from PIL import Image, ImageCms
from samples import opened, pil, pixels, smooth, tiff

from pooltool.images.tags import directories

PHOTO = smooth()
SIZE = (37, 45)
LINES = (PHOTO[..., 0] > 120) ^ (PHOTO[..., 1] > 90)
PASTEL = smooth(SIZE) // 2 + 70
RAMP = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint16) * 20
FRAME = "choose one of them with --frame"
_LAYOUT = "left out: description .the array's layout."


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


def palette(bits: int, compression: int = 1) -> Kind:
    """A palette of so many bits, whose colors have 8 bits each; 50000 is Zstandard."""
    index = of_bits(bits)
    colors = np.random.default_rng(bits).integers(0, 256, (1 << bits, 3), np.uint8)
    data = packed(index, bits) if bits < 16 else index.tobytes()
    data = bytes(imagecodecs.zstd_encode(data)) if compression == 50000 else data
    table = (colors.T.astype(int) * 257).ravel().tolist()
    tags = {258: [bits], 259: [compression], 262: [3], 320: table}
    return Kind(
        f"tiff palette of {bits} bits, compression {compression}",
        lambda: made(tags, data),
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


NEEDS = "tifffile imagecodecs"


def rare(kind: Kind) -> Kind:
    """A kind that a plain install does not read."""
    return replace(kind, needs=NEEDS)


def by_hand(name: str, right: Array, data: bytes, tags: Mapping[int, Sequence[int]]) -> Kind:
    return Kind(f"tiff {name}", lambda: made(tags, data), lambda: [right])


def compressed(name: str, dtype: str, channels: int) -> Kind:
    """A compression of imagecodecs', without loss."""
    array = PHOTO if dtype == "uint8" and channels == 3 else pixels(dtype, channels, SIZE)
    level = {"jpegxl": {"lossless": True}, "jpeg2000": {"level": 0}, "webp": {"lossless": True}}
    settings = {"compressionargs": level[name]} if name in level else {}
    color = "rgb" if channels == 3 else "minisblack"
    return rare(by_tifffile(f"{name} {dtype} {channels}", array, photometric=color,
                            planarconfig="contig" if channels > 1 else None,
                            compression=name, **settings))  # fmt: skip


def _rgb_of(inks: Array) -> Array:
    top = np.iinfo(inks.dtype).max
    rest = top - inks.astype(float)
    colors: Array = np.rint(rest[..., :3] * rest[..., 3:] / top).astype(inks.dtype)
    return colors


def _cmyk(dtype: str, **settings: Any) -> Kind:
    inks = pixels(dtype, 4, SIZE)
    stored = np.moveaxis(inks, 2, 0) if "planarconfig" in settings else inks
    return rare(by_tifffile(
        f"CMYK {dtype} {settings}", stored, photometric="separated", wanted=_rgb_of(inks),
        warnings=("CMYK colors became RGB without a profile",), **settings,
    ))  # fmt: skip


def _cmyk_profile() -> bytes:
    """A profile of inks that holds the color of each full ink and of each mixture of them."""
    full = np.array([*product((0, 255), repeat=4)])
    corners = ((255 - full[:, :3]) * (255 - full[:, 3:]) // 255).astype(np.uint8)
    spaces = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(Image.fromarray(corners[None]), *spaces, outputMode="LAB")
    unit, ramp = [65536, 0, 0, 0, 65536, 0, 0, 0, 65536], bytes(range(256))
    table = struct.pack(">4s4xBBBx9I", b"mft1", 4, 3, 2, *unit) + ramp * 4
    table += (np.asarray(lab)[0] ^ np.array([0, 128, 128], np.uint8)).tobytes() + ramp * 3
    white = struct.pack(">4s4x3i", b"XYZ ", 63190, 65536, 54061)
    tags = struct.pack(">I4sII4sII", 2, b"A2B0", 156, len(table), b"wtpt", 156 + len(table), 20)
    head = struct.pack(">I4xI12s12x4s28x3i", 176 + len(table), 0x02400000, b"prtrCMYKLab ", b"acsp",
                       63190, 65536, 54061)  # fmt: skip
    profile: bytes = head.ljust(128, b"\0") + tags + table + white
    return profile


def _cmyk_by_profile(dtype: str) -> Kind:
    """Inks and their profile by tifffile; the colors are those of Pillow's ImageCms."""
    inks, profile = pixels("uint8", 4, SIZE), _cmyk_profile()
    spaces = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    image = Image.fromarray(inks, "CMYK")
    colors = np.asarray(ImageCms.profileToProfile(image, *spaces, outputMode="RGB"))
    depth = 257 if dtype == "uint16" else 1
    return rare(Kind(
        f"tiff CMYK with a profile {dtype}",
        lambda: tiff(inks.astype(dtype) * depth, photometric="separated", iccprofile=profile),
        lambda: [colors.astype(dtype) * depth], "", ("CMYK colors became RGB by its profile",),
        levels=depth,
    ))  # fmt: skip


def _second_cmyk() -> Kind:
    """A page of inks whose profile is not that of the first page, which has none."""
    kind, profile = _cmyk_by_profile("uint8"), _cmyk_profile()
    inks = {"photometric": "separated", "iccprofile": profile}
    return replace(
        kind, name="tiff CMYK page with a profile", frame=1,
        data=lambda: pages((PHOTO, {"photometric": "rgb"}), (pixels("uint8", 4, SIZE), inks)),
        warnings=(*kind.warnings, "left out: ICC profile, which differs between pages"),
    )  # fmt: skip


def _lab() -> Kind:
    """CIELab by Pillow, of which lcms makes RGB with at most the error of its 8 bits."""
    spaces = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(Image.fromarray(PASTEL), *spaces, outputMode="LAB")
    file = io.BytesIO()
    if lab:
        lab.save(file, "TIFF")
    return rare(Kind(
        "tiff Lab", file.getvalue, lambda: [PASTEL], "", ("Lab colors became RGB",), levels=4
    ))  # fmt: skip


def _sparse(**settings: Any) -> Kind:
    """A file of tiles whose second one was left out."""
    data = bytearray(tiff(GRAY, tile=(16, 16), **settings))
    fields = next(directories(bytes(data))).fields
    for field in (fields[324], fields[325]):
        size = len(field.raw) // field.count
        data[field.at + size : field.at + 2 * size] = bytes(size)
    return refused(f"left out tiles {settings}", lambda: bytes(data), "SPARSE_OK=FALSE.*left empty")


def _metamorph() -> Kind:
    stack = _stack()
    tags = {258: [16], 33628: [0, 0], 33629: [0] * 30, 279: [stack[0].nbytes]}
    data = made(tags, stack.tobytes()).replace(
        struct.pack("<HHI", 33629, 4, 30), struct.pack("<HHI", 33629, 5, 5)
    )
    left_out = "left out: tag 33628 and tag 33629"
    return Kind("tiff MetaMorph stack", lambda: data, lambda: list(stack), "", (left_out,))


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


def _older(image: Array, **settings: Any) -> bytes:
    """As tifffile wrote before 2025: the shape is the last of its description."""
    data = tiff(image, photometric="minisblack", **settings)
    return re.sub(rb'\{("shape": \[.*?\]), (.*?)\}', rb"{\2, \1}", data)


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


MIXED_INKS = pixels("uint8", 4, SIZE)


def _mixed() -> bytes:
    return pages(
        (PHOTO, {"photometric": "rgb"}), (MIXED_INKS, {"photometric": "separated"}),
        (PHOTO[1:], {"photometric": "rgb"}),
    )  # fmt: skip


def _holed() -> bytes:
    """Deflate data that zlib still inflates to the right length somewhere along 400 zeros."""
    data = bytearray(tiff(PHOTO, photometric="rgb", compression="zlib"))
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    return bytes(data)


GRAY = pixels("uint8", 1, SIZE)
OLD_JPEG = pil(smooth(SIZE), "JPEG", subsampling=0)
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
    by_tifffile("RGB and three more, the last one alpha", pixels("uint8", 6, SIZE),
                photometric="rgb", extrasamples=["unspecified", "unspecified", "unassalpha"],
                warnings=("6 channels became bands.*colors",)),
    by_tifffile("bands with alpha", pixels("uint8", 3, SIZE), photometric="minisblack",
                planarconfig="contig", extrasamples=["unspecified", "unassalpha"],
                warnings=("3 channels became bands.*alpha",)),
    *(rare(by_planes(count, dtype, photometric="minisblack")) for count in (2, 3, 4, 5)
      for dtype in ("uint8", "uint16")),
    rare(by_planes(3, "uint16", photometric="rgb", compression="lzw", predictor=True)),
    rare(by_planes(3, "float32", photometric="rgb", compression="zlib", predictor=True,
                   tile=(16, 16))),
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
    *(odd(bits, color=color) for bits in (1, 2, 4) for color in (0, 1)),
    *(rare(odd(bits, color=color)) for bits in (3, 5, 6, 7, 9, 10, 12, 14) for color in (0, 1)),
    rare(odd(4, 3, color=2)), rare(odd(12, 3, color=2)), rare(odd(10, 5)),
    by_tifffile("white is 0 in 16 bits", pixels("uint16", 1, SIZE), photometric="miniswhite",
                wanted=65535 - pixels("uint16", 1, SIZE)),
    *(palette(bits) for bits in (1, 2, 4, 8, 16)),
    *(rare(palette(bits, 50000)) for bits in (1, 2, 4, 8)),
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
    rare(Kind("tiff 12 bits in a big-endian file", lambda: made(
        {258: [12]}, packed(of_bits(12), 12), big_endian=True), lambda: [of_bits(12)])),
    *(compressed(name, "uint8", 3)
      for name in ("zstd", "lerc", "lzma", "webp", "jpeg2000", "jpegxl", "png")),
    *(compressed(name, dtype, 1) for name in ("zstd", "lerc", "lzma") for dtype in (
        "uint16", "int32", "float32", "float64")),
    compressed("zstd", "uint16", 6), compressed("jpeg2000", "uint16", 1),
    *(rare(by_tifffile(f"empty page in {name}", np.zeros((2000, 45), np.uint8), compression=name,
                       rowsperstrip=2000)) for name in ("zstd", "lerc", "lzma")),
    rare(by_tifffile("zstd with a predictor", pixels("uint16", 3, SIZE), photometric="rgb",
                     compression="zstd", predictor=True, tile=(16, 16))),
    rare(Kind("tiff old-style JPEG", lambda: made(
        {259: [6], 262: [6], 277: [3], 258: [8] * 3, 513: [8], 514: [len(OLD_JPEG)]}, OLD_JPEG),
        lambda: [opened(OLD_JPEG)], levels=3)),
    rare(Kind("tiff JPEG of 12 bits", lambda: tiff(RAMP, compression="jpeg", bitspersample=12),
              lambda: [RAMP], levels=2)),
    _cmyk("uint8"), _cmyk("uint16"), _cmyk("uint8", planarconfig="separate"),
    _cmyk("uint8", compression="lzw"), _lab(),
    _cmyk_by_profile("uint8"), _cmyk_by_profile("uint16"), _second_cmyk(),
    _metamorph(),
    Kind("tiff without strip sizes", lambda: made({279: []}, GRAY.tobytes()), lambda: [GRAY]),
    # What directories tell of pages.
    *(Kind(f"tiff stack {settings}", partial(tiff, _stack(), **settings),
           lambda: list(_stack()), "", warnings)
      for settings, warnings in (
          ({"imagej": True, "truncate": True}, (_LAYOUT,)),
          ({"photometric": "minisblack", "truncate": True, "byteorder": ">"},
           (_LAYOUT,)),
          ({"photometric": "minisblack", "truncate": True, "bigtiff": True},
           (_LAYOUT,)))),
    *(Kind(f"tiff of older tifffile {settings}", partial(_older, _stack(), **settings),
           lambda: list(_stack()), "", (_LAYOUT,))
      for settings in ({"truncate": True}, {"metadata": {"axes": "ZYX"}})),
    Kind("tiff one plane of a stack", lambda: tiff(_stack(), imagej=True, truncate=True),
         lambda: [_stack()[3]], "", (_LAYOUT,), frame=3),
    Kind("tiff with overviews or masks", _cog, lambda: [PHOTO, PHOTO[::-1]], "",
         ("left out: overviews or masks",)),
    Kind("tiff frame 1 counts pictures", _cog, lambda: [PHOTO[::-1]], "",
         ("left out: overviews or masks",), frame=1),
    Kind("tiff frame 0 beside CMYK", _mixed, lambda: [PHOTO], frame=0),
    Kind("tiff frame 2 beside CMYK", _mixed, lambda: [PHOTO[1:]], frame=2),
    Kind("tiff gray without photometric tag", lambda: made({262: []}, GRAY.tobytes()),
         lambda: [GRAY], "", ("does not say what its values mean: read as gray",)),
    Kind("tiff RGB without photometric tag",
         lambda: made({262: [], 277: [3], 258: [8, 8, 8]}, pixels("uint8", 3, SIZE).tobytes()),
         lambda: [pixels("uint8", 3, SIZE)], "", ("what its values mean: read as RGB",)),
    *map(_pointer_below_zero, (-2, -104, -1800, -3000)),
    rare(Kind("tiff CMYK page of three", _mixed, lambda: [PHOTO, _rgb_of(MIXED_INKS), PHOTO[1:]],
              "", ("CMYK colors became RGB without",))),
    rare(Kind("tiff CMYK page asked for", _mixed, lambda: [_rgb_of(MIXED_INKS)], "",
              ("CMYK colors became RGB without",), frame=1)),
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
    refused("CMYK of 5 samples", lambda: tiff(pixels("uint8", 5, SIZE), photometric="separated"),
            "5 x 8-bit samples, CMYK, .*in the program that made it"),
    refused("other inks", lambda: made({262: [5], 277: [4], 258: [8] * 4, 332: [2]},
                                       pixels("uint8", 4, SIZE).tobytes()), "4 x 8-bit .*CMYK"),
    rare(refused("CMYK of floats", lambda: tiff(pixels("float32", 4, SIZE),
                                                photometric="separated"), "CMYK colors of 32")),
    refused("ITULab", lambda: tiff(PHOTO, photometric="itulab"), "color space 10"),
    refused("unknown colors", lambda: made({262: [999]}, GRAY.tobytes()), "color space 999"),
    refused("YCbCr", lambda: made({262: [6], 277: [3]}, PHOTO.tobytes()),
            "YCbCr.*in the program that made it"),
    refused("white as 0 in bands", lambda: made({262: [0], 277: [2]}, GRAY.tobytes()),
            "2 x 8-bit samples, gray with white as 0"),
    refused("palette with alpha", lambda: made({262: [3], 277: [2]}, GRAY.tobytes()),
            "2 x 8-bit samples, a palette"),
    refused("RGB of 2", lambda: made({262: [2], 277: [2]}, GRAY.tobytes()), "2 x 8-bit .*RGB"),
    refused("RGB of 1", lambda: made({262: [2]}, GRAY.tobytes()), "1 x 8-bit .*RGB"),
    refused("CMYK of 1", lambda: made({262: [5]}, GRAY.tobytes()), "1 x 8-bit .*CMYK"),
    refused("CIELab of 1", lambda: made({262: [8]}, GRAY.tobytes()), "1 x 8-bit .*CIELab"),
    *(rare(refused(name, partial(made, {259: [code]}, GRAY.tobytes()),
                   "a kind of TIFF that is not read"))
      for code, name in ((34925, "damaged LZMA"), (50000, "damaged Zstandard"),
                         (34887, "damaged LERC"), (777, "compression 777"), (34661, "JBIG"))),
    *(rare(refused(name, partial(made, {259: [code]}, GRAY.tobytes()),
                   "it is damaged: a strip or tile begins with no header"))
      for code, name in ((34712, "damaged JPEG 2000"), (50001, "damaged WebP"))),
    refused("128 bits", lambda: made({258: [128]}, GRAY.tobytes()), "1 x 128-bit samples"),
    refused("palette of 65535 bits", lambda: made(
        {262: [3], 258: [65535], 320: [1, 2, 3], 256: [1], 257: [1]}, bytes(8192)), "65535-bit"),
    refused("24 bits", lambda: made({258: [24]}, GRAY.tobytes()), "1 x 24-bit samples"),
    refused("samples of 5, 6 and 5 bits", lambda: made(
        {258: [5, 6, 5], 262: [2], 277: [3]}, GRAY.tobytes()), "3 x 5-bit samples"),
    refused("complex values", lambda: tiff(np.zeros(SIZE, np.complex64)), "1 x 64-bit complex"),
    *(refused(f"white as 0 in {dtype}",
              partial(tiff, pixels(dtype, 1, SIZE), photometric="miniswhite"),
              "white as 0") for dtype in ("int16", "float32")),
    refused("fax of 8 bits", lambda: made({259: [4]}, GRAY.tobytes()), "1 x 8-.*compression 4,"),
    refused("predictor without compression", lambda: made({317: [2]}, GRAY.tobytes()),
            "compression 1, predictor 2,"),
    refused("predictor 3 of integers", lambda: made({317: [3], 259: [8]}, GRAY.tobytes()),
            "compression 8, predictor 3,"),
    _sparse(), _sparse(compression="zlib"), _sparse(compression="zstd"),
    refused("empty strips", lambda: made({279: [0]}, b""), "SPARSE_OK=FALSE.*left empty"),
    refused("pages of colors and of bands", lambda: pages(
        (PHOTO, {"photometric": "rgb"}),
        (PHOTO, {"photometric": "minisblack", "planarconfig": "contig"})), FRAME),
    refused("deflate with a hole", _holed, "it is damaged"),
    refused("raw data that is cut", lambda: made({}, GRAY.tobytes()[:-9]),
            "(cut|truncated) or damaged"),
    *(refused(f"volume {settings}", partial(tiff, _stack(), volumetric=True, **settings),
              "1 x 16-bit samples of a volume, gray, compression .* which is not read")
      for settings in ({"compression": "zlib"}, {"tile": (16, 16, 16), "metadata": None})),
    refused("a stack that is cut", lambda: tiff(_stack(), imagej=True, truncate=True)[:-9],
            "it is truncated: it describes 5 planes"),
    refused("a header of more than its data",
            lambda: made({256: [32768], 257: [16385], 278: [16385], 259: [5]}, GRAY.tobytes()),
            "truncated or damaged: its header declares 16385 x 32768"),
    refused("a left out tile without end", lambda: made(
        {322: [1 << 30], 323: [1 << 30], 324: [8, 0], 325: [1, 0], 257: [(1 << 30) + 1], 256: [1],
         273: [], 279: []}, GRAY.tobytes()), "more than its data can hold|more than the limit"),
    refused("a left out tile that is huge", lambda: made(
        {322: [1 << 30], 323: [1 << 30], 324: [0], 325: [0], 273: [], 279: []}, GRAY.tobytes()),
        "SPARSE_OK=FALSE"),
    refused("bits without end", lambda: made({258: [0xFFFFFFFF]}, GRAY.tobytes()),
            "it is damaged: a TIFF page has 1 samples of 4294967295 bits"),
    refused("samples without end", lambda: made({277: [0xFFFFFFFF]}, GRAY.tobytes()),
            "it is damaged: a TIFF page has 4294967295 samples"),
    refused("palette that is cut", lambda: made({262: [3], 320: [1, 2, 3]}, GRAY.tobytes()),
            "it is damaged: its palette is not 768 numbers"),
)  # fmt: skip

KINDS: tuple[Kind, ...] = (*READ, *REFUSED)
