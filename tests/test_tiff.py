"""TIFF: what is read is written so that an independent reader reads the same; bands are kept."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import cv2
import kinds_tiff
import numpy as np
import pytest
import tifffile
from conftest import Run
from kind import Array, Kind
from PIL import Image, ImageCms
from samples import pil, pil_frames, pixels, swapped, tiff

from pooltool import images
from pooltool.errors import ImageError
from pooltool.images import formats, tags, tiff_pages
from pooltool.images.tags import Directory, Field, packed

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
    compressions, numbers, colors = set(), set(), set()
    for kind in kinds_tiff.READ:
        for directory in tags.directories(kind.data()):
            with suppress(ImageError):
                page = tiff_pages.page(directory)
                colors.add(page.photometric)
                if not tiff_pages.rare_kind(page):
                    compressions.add(page.compression)
                    numbers.add((page.bits, page.sample_format))
    assert compressions == set(tiff_pages.COMPRESSIONS)
    assert numbers == set(tiff_pages.DTYPES)
    assert colors >= set(tiff_pages.COLORS)


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
    pixels_first = kinds_tiff.made({}, b"CR\2\0".ljust(SIZE[0] * SIZE[1], b"\0"))
    assert images.decode(pixels_first).frames[0][0, :3].tolist() == [67, 82, 2]


def no_data(array: Array, *texts: str) -> bytes:
    """A page for each text, with that no-data value of GDAL's."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for text in texts:
            tags = [(42113, "s", 0, text, True)] if text else ()
            writer.write(array, metadata=None, extratags=tags, photometric="minisblack")
    return file.getvalue()


@pytest.mark.parametrize(
    ("dtype", "value", "text"),
    [
        ("float32", -9999, "-9999"),
        ("float32", -3.4028234663852886e38, "-3.4028234663852886e+38"),
        ("float64", 1e300, "1e+300"),
        ("int16", -32768, "-32768"),
        ("uint8", 255, "255.0"),
        ("uint16", 0, " 0 "),
    ],
)
def test_a_no_data_value_that_is_pooled_is_named_and_kept(
    dtype: str, value: float, text: str
) -> None:
    array = np.full(SIZE, 7, dtype)
    for occurs in (False, True):
        array[3, 5] = value if occurs else 7
        picture = images.decode(no_data(array, text))
        word = f"no-data {text.strip()} was pooled as a value; make it NaN and add --skip-nan"
        assert picture.warnings == ((word,) if occurs else ())
        with tifffile.TiffFile(io.BytesIO(images.encode(picture, formats.TIFF).data)) as file:
            assert file.pages[0].aspage().tags[42113].value.strip() == text.strip()
    assert "EXIF" in images.encode(picture, formats.NPY).warnings[-1]


@pytest.mark.parametrize("text", ["nan", "none", "", "-9999", "1e999", "0x7", "7 7"])
def test_no_data_that_no_pixel_has(text: str) -> None:
    array = np.full(SIZE, 7, np.uint8)
    assert images.decode(no_data(array, text)).warnings == ()


def test_no_data_of_several_pages() -> None:
    array = np.full(SIZE, 7, np.uint8)
    same = images.encode(images.decode(no_data(array, "3", "3")), formats.TIFF).data
    with tifffile.TiffFile(io.BytesIO(same)) as file:
        assert [page.aspage().tags[42113].value for page in file.pages] == ["3", "3"]
    differs = images.decode(no_data(array, "3", "7"))
    assert differs.warnings == (
        "no-data 7 was pooled as a value; make it NaN and add --skip-nan",
        "left out: no-data value, which differs between pages",
    )


def exif_of_camera(order: str) -> bytes:
    """EXIF with maker notes, a comment in Unicode, private tags, and an unknown directory."""

    def field(tag: int, kind: int, raw: bytes, fields: dict[int, Field] | None = None) -> Field:
        inner = Directory(order, fields) if fields else None
        return Field(kind, len(raw) // {2: 1, 7: 1, 3: 2, 4: 4, 13: 4}[kind], raw, inner=inner)

    code = "utf-16-le" if order == "<" else "utf-16-be"
    comment = b"UNICODE\0" + "Grüße 日本".encode(code)
    exif = {
        0x9286: field(0x9286, 7, comment),
        0x927C: field(0x927C, 7, b"Maker\0" + bytes(90)),
        0x8827: field(0x8827, 3, np.array([400], f"{order}u2").tobytes()),
        0xC000: field(0xC000, 13, bytes(4)),
    }
    main = {
        11: field(11, 2, b"digiKam\0"),
        271: field(271, 2, b"Maker\0"),
        274: field(274, 3, np.array([6], f"{order}u2").tobytes()),
        33723: field(33723, 7, b"\x1c\2\5\0\3abc"),
        50341: field(50341, 7, b"PrintIM\0"),
        50708: field(50708, 2, b"Phone\0"),
        65000: field(65000, 7, b"private"),
        0x8769: field(0x8769, 4, bytes(4), exif),
    }
    return packed([], [main], order)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP"])
def test_exif_that_moves_into_tiff_is_all_there_or_named(order: str, source: str) -> None:
    block = b"Exif\0\0" * (source == "JPEG") + exif_of_camera(order)
    picture = images.decode(pil(pixels("uint8", 3, SIZE), source, exif=block))
    done = images.encode(picture, formats.TIFF)
    (warning,) = done.warnings
    for name in ("maker notes", "tag 49152", "IPTC", "tag 50341", "tag 65000"):
        assert name in warning
    with tifffile.TiffFile(io.BytesIO(done.data)) as file:
        page = file.pages[0].aspage()
        np.testing.assert_array_equal(page.asarray(), swapped(picture.frames[0]))
        assert file.byteorder == order
        assert {11, 271, 50708, 34665} <= set(page.tags.keys())
        assert not {274, 33723, 50341, 65000} & set(page.tags.keys())
        exif = page.tags[34665].value
        assert set(exif) == {"ISOSpeedRatings", "UserComment"}
        assert exif["ISOSpeedRatings"] == 400
    code = "utf-16-le" if order == "<" else "utf-16-be"
    assert b"UNICODE\0" + "Grüße 日本".encode(code) in done.data
    again = images.encode(images.decode(done.data), formats.TIFF)
    assert again == (done.data, ())


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32", "float64"])
def test_values_of_a_big_endian_result(dtype: str) -> None:
    array = pixels(dtype, 3, SIZE)
    made = tiff(array, byteorder=">", photometric="rgb", software="x", metadata=None)
    data = images.encode(images.decode(made), formats.TIFF).data
    assert data[:2] == b"MM"
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(data)), array)
    np.testing.assert_array_equal(images.decode(data).frames[0], swapped(array))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("profile_bytes", [500, 60_000])
def test_pillow_reads_every_page_of_many_that_share_values(profile_bytes: int) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile += bytes(profile_bytes)
    frames = [pixels("uint8", 3, (5, 7), seed=seed) for seed in range(40)]
    data = pil_frames(frames, "TIFF", icc_profile=profile)
    done = images.encode(images.decode(data), formats.TIFF).data
    assert len(done) < len(data) * 1.1
    with Image.open(io.BytesIO(done)) as image:
        for index, frame in enumerate(frames):
            image.seek(index)
            assert image.info["icc_profile"] == profile
            np.testing.assert_array_equal(np.array(image), frame)


@pytest.mark.filterwarnings("ignore:Tag data larger than file")
def test_a_long_profile_of_many_pages_is_not_stored_for_each() -> None:
    profile = Field(7, 1 << 20, bytes(16) + b"GRAY" + bytes((1 << 20) - 20))
    layout = {256: 2, 257: 2, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 2, 279: 4}
    fields = {tag: tags.of_numbers([value], "<") for tag, value in layout.items()}
    picture = images.decode(packed([b"abcd"], [fields | {34675: profile}], "<"))
    data = images.encode(picture._replace(frames=picture.frames * 300), formats.TIFF).data
    assert len(data) < 18 << 20
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert {page.aspage().tags[34675].value for page in file.pages} == {profile.raw}
        assert file.asarray().tobytes() == b"abcd" * 300
    with Image.open(io.BytesIO(data)) as image:
        for index in range(300):
            image.seek(index)
            assert (image.tobytes(), image.info["icc_profile"]) == (b"abcd", profile.raw)
    found, read = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert (found, np.array(read).tobytes()) == (True, b"abcd" * 300)
    assert len(images.decode(data).frames) == 300


def test_a_resolution_alone_is_called_so() -> None:
    alone = tiff(pixels("uint8", 1, SIZE), resolution=(300, 300), metadata=None, software=False)
    more = tiff(pixels("uint8", 1, SIZE), resolution=(300, 300), metadata=None, software="x")
    cannot = "left out, as NPY cannot hold it: "
    for data, names in ((alone, "resolution"), (more, "EXIF and resolution")):
        assert images.encode(images.decode(data), formats.NPY).warnings == (cannot + names,)
        assert images.encode(images.decode(data), formats.TIFF).warnings == ()
        assert images.encode(images.decode(data), formats.WEBP).warnings == ()
    assert images.encode(images.decode(alone), formats.BMP).warnings == ()
