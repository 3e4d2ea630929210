"""What AVIF and JPEG 2000 keep beside their pixels, and how well they keep these."""

from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path

import imagecodecs
import kinds_iso as kinds
import numpy as np
import pytest
from conftest import Run
from PIL import Image
from samples import Array, opened, pil, swapped

from pooltool import images
from pooltool.errors import DamageError, ImageError
from pooltool.images import Picture, formats, tags
from pooltool.images.picture import Metadata

EXIF = b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"


PROFILE = kinds.icc(b"RGB ")[11:]


def test_metadata_behind_the_pixels_is_kept_and_turns_nothing() -> None:
    picture = images.decode(kinds.exif_behind())
    assert picture.metadata.exif is not None
    assert picture.metadata.exif.orientation == 1
    picture = images.decode(kinds.xmp_behind())
    assert picture.metadata.xmp == kinds.XMP.replace(b">3<", b">1<")


BLOCKS = {
    "none": Metadata(),
    "exif": Metadata(exif=tags.read_exif(EXIF.replace(b"\0\6\0\0", b"\0\1\0\0"))),
    "icc": Metadata(icc=PROFILE),
}


@pytest.mark.parametrize("maxval", [None, 1023, 4095])
@pytest.mark.parametrize("name", BLOCKS)
def test_alpha_of_avif_is_kept_without_loss(maxval: int | None, name: str) -> None:
    top, dtype = maxval or 255, np.uint16 if maxval else np.uint8
    noise = np.random.default_rng(1).integers(0, top + 1, (36, 46))
    pixels = np.dstack([kinds.PHOTO.astype(dtype) * (top // 255), noise.astype(dtype)])
    picture = Picture((pixels,), formats.AVIF, metadata=BLOCKS[name], maxval=maxval)
    data = images.encode(picture, formats.AVIF).data
    back = images.decode(data)
    np.testing.assert_array_equal(back.frames[0][..., 3], pixels[..., 3])
    np.testing.assert_array_equal(imagecodecs.avif_decode(data), swapped(back.frames[0]))
    assert back.metadata._replace(exif=None) == BLOCKS[name]._replace(exif=None)
    exif, wanted = back.metadata.exif, BLOCKS[name].exif
    assert (exif and exif.to_bytes()) == (wanted and wanted.to_bytes())
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (46, 36)
    small = images.encode(back, formats.AVIF, quality=20).data
    assert not np.array_equal(images.decode(small).frames[0][..., 3], pixels[..., 3])


def test_alpha_of_an_animation_is_kept_without_loss() -> None:
    frames = tuple(np.dstack([frame, kinds.MASK]) for frame in kinds.MOVING)
    picture = Picture(frames, formats.AVIF, (100, 100))
    exact = images.encode(picture, formats.AVIF)
    assert exact.warnings == ()
    for frame, wanted in zip(images.decode(exact.data).frames, frames, strict=True):
        np.testing.assert_array_equal(frame[..., 3], wanted[..., 3])
    assert len(images.encode(picture, formats.AVIF, quality=20).data) < len(exact.data)


@pytest.mark.parametrize("numbers", [(9, 16), (1, 8), (12, 13), (1, 1), (2, 4), (9, 2)])
def test_colors_that_are_not_srgb_stay_in_avif(numbers: tuple[int, int]) -> None:
    picture = images.decode(kinds.nclx(*numbers, 9)())
    data = images.encode(picture, formats.AVIF, quality=100).data
    assert b"colrnclx" + struct.pack(">HH", *numbers) in data
    again = images.decode(data)
    assert np.abs(again.frames[0].astype(int) - picture.frames[0]).max() <= 4
    named = "colors that are not sRGB (primaries {}, transfer {})".format(*numbers)
    for format in (formats.PNG, formats.TIFF, formats.NPY):
        warnings = images.encode(again, format).warnings
        assert warnings == (f"left out, as {format.name} cannot hold it: {named}",)
    moving = again._replace(frames=again.frames * 2)
    assert images.encode(moving, formats.AVIF).warnings == (
        f"left out of the AVIF animation: {named}",
    )


@pytest.mark.parametrize("numbers", [(1, 13), (2, 2), (1, 2), (2, 13)])
def test_colors_of_srgb_need_no_word(numbers: tuple[int, int]) -> None:
    picture = images.decode(kinds.nclx(*numbers, 6)())
    assert picture.metadata == Metadata()
    assert images.encode(picture, formats.PNG).warnings == ()


def test_a_damaged_profile_of_jpeg_2000_is_left_out_by_name() -> None:
    box = kinds.box(b"colr", b"\2\0\0" + bytes(128))
    picture = images.decode(kinds.jp2(kinds.codestream(kinds.PHOTO), box))
    np.testing.assert_array_equal(swapped(picture.frames[0]), kinds.PHOTO)
    warnings = images.encode(picture, formats.JP2).warnings
    assert warnings == ("left out: ICC (not a valid profile)",)


def test_exif_of_jpeg_2000_under_its_other_name() -> None:
    name = bytes.fromhex("0537cdab9d0c4431a72afa561f2a113e")
    data = kinds.in_boxes(kinds.PHOTO) + kinds.box(b"uuid", name + EXIF)
    picture = images.decode(data)
    np.testing.assert_array_equal(swapped(picture.frames[0]), np.rot90(kinds.PHOTO, -1))
    assert picture.metadata.exif is not None
    assert picture.warnings == ()


@pytest.mark.parametrize("pixels", [kinds.GRAY, kinds.PHOTO, kinds.RGBA], ids=["L", "RGB", "RGBA"])
def test_profiles_stay_in_jpeg_2000(pixels: Array) -> None:
    profile = kinds.icc(b"GRAY" if pixels.ndim == 2 else b"RGB ")[11:]
    picture = Picture((pixels,), formats.JP2, metadata=Metadata(icc=profile))
    data = images.encode(picture, formats.JP2).data
    assert images.decode(data).metadata.icc == profile
    np.testing.assert_array_equal(swapped(imagecodecs.jpeg2k_decode(data)), pixels)
    np.testing.assert_array_equal(swapped(opened(data)), pixels)


def test_names_that_are_only_read_become_names_that_are_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.j2k", "b.JPF", "c.j2c", "d.avifs"):
        photo = pil(kinds.WIDE, "AVIF") if name == "d.avifs" else kinds.codestream(kinds.WIDE)
        (tmp_path / "in" / name).write_bytes(photo)
    done = run("max", "-r", "in", "-o", "out")
    assert done.status == 0, done.err
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["a_max.jp2", "b_max.jp2", "c_max.jp2", "d_max.avif"]
    wanted = kinds.WIDE.reshape(32, 2, 64, 2, 3).max(axis=(1, 3))
    np.testing.assert_array_equal(opened((tmp_path / "out" / "a_max.jp2").read_bytes()), wanted)


def test_a_flat_picture_is_no_lie() -> None:
    for level in (0, 128):
        flat = np.full((4500, 5000), level, np.uint8)
        for name, settings in (("AVIF", {"subsampling": "4:0:0", "speed": 10}), ("JPEG2000", {})):
            assert images.decode(pil(flat, name, **settings)).frames[0].shape == flat.shape


def test_cut_tables_of_an_avif_are_damage() -> None:
    data = kinds.avif(kinds.PHOTO)
    for name in (b"iloc", b"ipma"):
        at = data.index(name) + 4
        broken = data[:at] + b"\0\0\0\0\xff\xff\xff\xff" + data[at + 8 :]
        with pytest.raises(DamageError):
            images.decode(broken)


def test_alpha_whose_number_does_not_fit_is_refused() -> None:
    _, data, properties = kinds.item(kinds.GRAY, subsampling="4:0:0")
    alpha = kinds.box(b"auxC", bytes(4) + b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
    number, count = struct.pack(">I", 70000), len(properties)
    first = b"\0\0\0\1" + bytes([count, *range(1, count + 1)])
    second = number + bytes([1, count + 1])
    kind = b"\0\0av01\0"
    items = (b"\2\0\0\0\0\1" + kind, b"\3\0\0\0" + number + kind)
    container = kinds.box(b"ipco", b"".join(properties) + alpha)
    owned = kinds.box(b"ipma", b"\1\0\0\0\0\0\0\2" + first + second)
    parts = (
        kinds.box(b"pitm", bytes(5) + b"\1"),
        kinds.box(b"iinf", bytes(5) + b"\2" + b"".join(kinds.box(b"infe", i) for i in items)),
        kinds.box(b"iref", b"\1\0\0\0" + kinds.box(b"auxl", number + b"\0\1\0\0\0\1")),
        kinds.box(b"iprp", container + owned),
    )
    meta = kinds.box(b"meta", bytes(4) + b"".join(parts))
    start = kinds.box(b"ftyp", b"avif" + bytes(4) + b"mif1avif")
    with pytest.raises(ImageError):
        images.decode(start + meta + kinds.box(b"mdat", data))


def test_an_item_that_holds_the_file_many_times_takes_no_memory() -> None:
    count = 60_000
    entry = struct.pack(">HHH", 1, 0, count) + struct.pack(">II", 0, 1 << 30) * count
    iloc = kinds.box(b"iloc", bytes(4) + b"\x44\0\0\1" + entry)
    item = kinds.box(b"infe", b"\2\0\0\0\0\1\0\0Exif\0")
    iinf = kinds.box(b"iinf", bytes(5) + b"\1" + item)
    start = kinds.box(b"ftyp", b"avis" + bytes(4) + b"mif1avif")
    track = kinds.moving()
    track = track[track.index(b"moov") - 4 :]
    meta = kinds.box(b"meta", bytes(4) + iinf + iloc)
    data = start + meta + track + kinds.box(b"free", bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(DamageError, match="an item holds more than the file"):
        images.decode(data)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
