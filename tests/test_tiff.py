"""TIFF: what is read is written so that an independent reader reads the same; bands are kept."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import kinds_tiff
import numpy as np
import pytest
import tifffile
from conftest import Run
from kind import Kind
from samples import pixels, swapped, tiff

from pooltool import images
from pooltool.errors import ImageError
from pooltool.images import formats, tags, tiff_pages

SIZE = (37, 45)
BANDS = {"photometric": "minisblack", "planarconfig": "contig"}


@pytest.mark.parametrize("kind", kinds_tiff.READ, ids=lambda kind: kind.name)
def test_what_is_read_is_written_as_it_was(kind: Kind) -> None:
    picture = images.decode(kind.data(), frame=kind.frame)
    if str(picture.frames[0].dtype) not in formats.TIFF.dtypes:
        with pytest.raises(ImageError, match=r"TIFF cannot hold .* values; use npy"):
            images.encode(picture, formats.TIFF)
        return
    data = images.encode(picture, formats.TIFF).data
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pages = [page.aspage() for page in file.pages]
        assert len(pages) == len(picture.frames)
        for page, frame in zip(pages, picture.frames, strict=True):
            written = page.asarray()
            assert written.dtype == frame.dtype
            np.testing.assert_array_equal(written, swapped(frame))
            channels = 1 if frame.ndim == 2 else frame.shape[2]
            if picture.bands and channels > 1:
                assert page.photometric == 1
                assert page.extrasamples == (0,) * (channels - 1)
            elif channels == 4:
                assert page.extrasamples == ((1,) if picture.premultiplied else (2,))
            else:
                assert page.extrasamples == ()
    again = images.decode(data)
    assert (again.bands, again.premultiplied) == (picture.bands, picture.premultiplied)


def test_every_entry_of_the_tables_is_a_kind() -> None:
    compressions, numbers, meanings = set(), set(), set()
    for kind in kinds_tiff.READ:
        for directory in tags.directories(kind.data()):
            with suppress(ImageError):
                page = tiff_pages.page(directory)
                compressions.add(page.compression)
                numbers.add((page.bits, page.sample_format))
                meanings.add((page.photometric, page.extra))
    assert compressions == set(tiff_pages.COMPRESSIONS)
    assert numbers == set(tiff_pages.DTYPES)
    assert meanings >= set(tiff_pages.MEANINGS)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("layout", [{}, {"rowsperstrip": 7}, {"tile": (16, 32)}], ids=str)
def test_layouts(
    dtype: str, compression: str | None, order: str, planar: str, layout: dict[str, object]
) -> None:
    for channels in (1, 3, 5):
        array = pixels(dtype, channels, SIZE)
        stored = array if planar == "contig" or channels == 1 else np.moveaxis(array, 2, 0)
        settings = {"planarconfig": planar} if channels > 1 else {}
        data = tiff(
            stored,
            photometric="minisblack",
            compression=compression,
            predictor=compression is not None,
            byteorder=order,
            **settings,
            **layout,
        )
        np.testing.assert_array_equal(swapped(images.decode(data).frames[0]), array)


def test_bands_and_the_formats_that_hold_none() -> None:
    four = images.decode(tiff(pixels("uint8", 4, SIZE), **BANDS))
    three = images.decode(tiff(pixels("uint8", 3, SIZE), **BANDS))
    for format in (formats.PNG, formats.WEBP, formats.BMP):
        with pytest.raises(ImageError, match=f"{format.name} cannot hold 4 bands; use tiff or npy"):
            images.encode(four, format)
        first, *_ = images.encode(three, format).warnings
        assert first == "its 3 bands were written as red, green and blue"
    array = np.load(io.BytesIO(images.encode(four, formats.NPY).data))
    np.testing.assert_array_equal(array, pixels("uint8", 4, SIZE))
    for count in (3, 4, 5):
        with pytest.raises(ImageError, match="its bands are not colors; leave out --gray"):
            images.decode(tiff(pixels("uint8", count, SIZE), **BANDS), gray=True)


@pytest.mark.parametrize(("count", "dtype"), [(3, "int16"), (4, "uint16"), (6, "float32")])
def test_bands_on_the_command_line(run: Run, tmp_path: Path, count: int, dtype: str) -> None:
    array = pixels(dtype, count, SIZE)
    data = tiff(array, compression="zlib", tile=(16, 16), **BANDS)
    (tmp_path / "bands.tif").write_bytes(data)
    done = run("max", "bands.tif")
    assert (done.status, done.err) == (0, "")
    right = array[:36, :44].reshape(18, 2, 22, 2, count).max((1, 3))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "bands_max.tif"), right)
    refused = run("max", "bands.tif", "--gray")
    assert "its bands are not colors; leave out --gray" in refused.err


def test_raw_pictures_of_cameras_are_named() -> None:
    preview = tiff(pixels("uint8", 3), photometric="rgb", subfiletype=1)
    dng = tiff(
        pixels("uint8", 3), photometric="rgb", extratags=[(50706, "B", 4, b"\1\4\0\0", True)]
    )
    for raw in (dng, b"II*\0\x10\0\0\0CR\2\0" + bytes(4) + bytes(6)):
        with pytest.raises(ImageError, match=r"camera.s raw picture.*develop it"):
            images.decode(raw)
    assert len(images.decode(preview).frames) == 1
