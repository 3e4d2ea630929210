"""The table of what formats hold, and that what it allows comes through, as others read it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image
from samples import Array, opened, pil_frames, pixels, swapped

from pooltool import images
from pooltool.errors import DamageError, ImageError
from pooltool.images import Picture, formats
from pooltool.images.formats import Format

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
          "float16", "float32", "float64")  # fmt: skip
LOSSY = {"JPEG": 2.0, "AVIF": 2.0, "HDR": 0.01}
"""Mean difference in levels that a soft gradient may suffer."""
HELD = [
    (fmt, dtype, channels)
    for fmt in formats.FORMATS
    for dtype in DTYPES
    for channels in (1, 3, 4)
    if fmt.written and not fmt.objections(dtype, channels, 1, (40, 50), None)
]


def sample(fmt: Format, dtype: str, channels: int) -> Array:
    array = pixels(dtype, channels)
    if fmt is formats.PBM:
        return np.where(array > 99, 255, 0).astype(np.uint8)
    if fmt.name in ("JPEG", "AVIF"):
        rows, columns = np.mgrid[:40, :50]
        soft = np.stack([rows * 3, columns * 4, rows + columns, 200 - rows], -1)[..., :channels]
        return soft.reshape(array.shape).astype(np.uint8)
    return array


def independent(fmt: Format, data: bytes, dtype: str) -> Array | None:
    """The pixels in OpenCV's order as Pillow, tifffile or numpy read them; None if none does."""
    if fmt is formats.TIFF:
        return swapped(tifffile.imread(io.BytesIO(data)))
    if fmt is formats.NPY:
        return swapped(np.load(io.BytesIO(data)))
    if fmt is formats.HDR or fmt is formats.PFM:
        return None
    array = opened(data)
    if fmt is formats.PBM:
        return array.astype(np.uint8) * 255
    if array.ndim == 3 and dtype == "uint16":
        return None  # Pillow reduces 16-bit color to 8
    return swapped(array)


@pytest.mark.parametrize(
    ("fmt", "dtype", "channels"), HELD, ids=lambda value: getattr(value, "name", str(value))
)
def test_what_the_table_allows_comes_through(fmt: Format, dtype: str, channels: int) -> None:
    array = sample(fmt, dtype, channels)
    encoded = images.encode(Picture((array,), fmt), fmt)
    back = images.decode(encoded.data).frames[0]
    if back.ndim > array.ndim:  # WebP knows gray only as equal colors
        array = np.repeat(array[..., None], 3, axis=2)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    others = independent(fmt, encoded.data, dtype)
    for read in (back,) if others is None else (back, others):
        if fmt.name in LOSSY:
            assert np.abs(read.astype(float) - array).mean() < LOSSY[fmt.name]
        else:
            np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("name", ["jpg", "png", "webp", "bmp", "avif", "jp2", "pgm", "hdr"])
def test_what_the_table_forbids_is_refused(name: str) -> None:
    fmt = formats.format_for(name)
    refused = 0
    for dtype in DTYPES:
        for channels in (1, 2, 3, 4, 5):
            if not fmt.objections(dtype, channels, 1, (40, 50), None):
                continue
            refused += 1
            with pytest.raises(ImageError, match=f"{fmt.name} cannot hold .*; use .*npy"):
                images.encode(Picture((pixels(dtype, channels),), fmt), fmt)
    assert refused > 30


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("png", "PNG"), (".PNG", "PNG"), ("a.b/c.JPeG", "JPEG"), ("x.tif", "TIFF"),
     ("jp2", "JPEG 2000"), ("tiff", "TIFF"), ("dir.png/x.webp", "WebP"), ("x_max.npy", "NPY")],
)  # fmt: skip
def test_names(name: str, wanted: str) -> None:
    assert formats.format_for(name).name == wanted


@pytest.mark.parametrize("name", ["", "xcf", "picture", "a.png/b", ".", "x.doc"])
def test_unknown_names_tell_the_known_ones(name: str) -> None:
    with pytest.raises(ImageError, match=r"from png, jpg, tif, webp, .*npy"):
        formats.format_for(name)


@pytest.mark.parametrize(
    ("name", "sides", "held"),
    [
        ("webp", (16383, 1), True), ("webp", (1, 16384), False),
        ("jpg", (1, 65500), True), ("jpg", (65501, 1), False),
        ("jp2", (32, 32), True), ("jp2", (31, 400), False),
        ("png", (1, 1_000_000), True), ("png", (1_000_001, 1), False),
        ("avif", (8, 32768), True), ("avif", (8, 32769), False),
        ("avif", (32768, 8), True), ("avif", (32769, 8), False),
        ("avif", (16384, 16385), False), ("pgm", (1, 3_000_000), True),
    ],
)  # fmt: skip
def test_sizes(name: str, sides: tuple[int, int], held: bool) -> None:
    fmt, array = formats.format_for(name), np.zeros(sides, np.uint8)
    if held:
        assert images.decode(images.encode(Picture((array,), fmt), fmt).data).frames[0].size
    else:
        with pytest.raises(ImageError, match=f"{sides[0]} x {sides[1]} pixels; use "):
            formats.require_holds(fmt, "uint8", 1, 1, *sides)


@pytest.mark.parametrize("name", ["gif", ".GIF", "some/moving.gif"])
def test_gif_is_read_but_not_written(name: str) -> None:
    with pytest.raises(ImageError, match=r"^'gif' is not a format .* choose from png, jpg"):
        formats.format_for(name)


def test_pam_is_no_format() -> None:
    with pytest.raises(ImageError, match=r"^'pam' is not a format that can be written"):
        formats.format_for("x.pam")
    data = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\n\1"
    with pytest.raises(
        ImageError, match=r"^it is not an image in a format that pooltool reads; convert it to PNG"
    ):
        images.decode(data)


def test_frames() -> None:
    formats.require_holds(formats.TIFF, np.dtype("uint16"), 3, 5, 10, 10)
    with pytest.raises(ImageError, match=r"JPEG cannot hold 2 frames; use png, tif, webp, avif"):
        formats.require_holds(formats.JPEG, "uint8", 3, 2, 10, 10)


def test_pages_that_find_no_room_are_refused() -> None:
    data = pil_frames([pixels("uint8", 3)] * 3, "TIFF", compression="tiff_adobe_deflate")
    with pytest.raises(DamageError):
        images.decode(data[:1000] + bytes(1000) + data[2000:])
    words = "cannot hold 3 frames; use png, tif, .*, or choose one with --frame"
    for format in (formats.BMP, formats.JPEG):
        with pytest.raises(ImageError, match=f"{format.name} {words}"):
            images.encode(images.decode(data), format)
        assert images.encode(images.decode(data, frame=1), format).data


@pytest.mark.parametrize("name", ["jpg", "webp", "avif"])
def test_quality_makes_a_difference(name: str) -> None:
    fmt = formats.format_for(name)
    picture = Picture((pixels("uint8", 3),), fmt)
    sizes = [len(images.encode(picture, fmt, quality=quality).data) for quality in (0, 50, 100)]
    assert sizes == sorted(set(sizes))


def test_quality_where_it_has_no_use() -> None:
    with pytest.raises(ImageError, match=r"PNG has no quality; .* jpg, webp or avif"):
        formats.require_quality(formats.PNG, 90)
    with pytest.raises(ImageError, match=r"quality 101 is not"):
        formats.require_quality(formats.JPEG, 101)


@pytest.mark.parametrize(("maxval", "bits"), [(1023, 10), (4095, 12)])
def test_deep_avif(maxval: int, bits: int) -> None:
    array = (pixels("uint16", 3) % (maxval + 1)).astype(np.uint16)
    picture = Picture((array,), formats.AVIF, maxval=maxval)
    back = images.decode(images.encode(picture, formats.AVIF, quality=100).data)
    assert back.maxval == maxval
    assert np.array_equal(back.frames[0], array)
    assert formats.AVIF_DEPTHS[maxval] == bits
    with pytest.raises(ImageError, match="AVIF cannot hold uint16"):
        images.encode(Picture((array,), formats.AVIF), formats.AVIF)


def test_a_picture_of_one_color_can_be_read_again() -> None:
    for fmt in (formats.WEBP, formats.PNG, formats.TIFF):
        data = images.encode(Picture((np.zeros((16, 16, 3), np.uint8),), fmt), fmt).data
        assert images.decode(data).frames[0].shape == (16, 16, 3)


def test_colors_of_a_jpeg_are_as_fine_as_its_brightness() -> None:
    for quality in (None, 50):
        picture = Picture((pixels("uint8", 3),), formats.JPEG)
        data = images.encode(picture, formats.JPEG, quality=quality).data
        with Image.open(io.BytesIO(data)) as image:
            assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
