"""Pictures keep what they are: the way they are seen, frames, timing, alpha and metadata."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tifffile
from kinds_simple import A, B, blocks, control, gif_image, gif_of
from PIL import ExifTags, Image, ImageCms, PngImagePlugin
from samples import (
    Array,
    opened,
    pil,
    pil_frames,
    pixels,
    png,
    png_chunk,
    smooth,
    swapped,
    tiff,
)

from pooltool import images
from pooltool.errors import ImageError
from pooltool.images import Metadata, Picture, formats

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6">rose</r></x:xmpmeta>'
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PHOTO = np.repeat(np.repeat(pixels("uint8", 3, (6, 5)), 16, axis=0), 16, axis=1)

UPRIGHT: dict[int, Callable[[Array], Array]] = {
    1: np.asarray,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: np.rot90,
}
"""What turns a stored picture upright, by its EXIF orientation (Exif 2.3, tag 274)."""


def exif_block(orientation: int = 1) -> bytes:
    """An EXIF block by Pillow, with the prefix that JPEG gives it."""
    block = Image.Exif()
    block[274], block[271] = orientation, "Maker"
    block.get_ifd(0x8769).update({42036: "A lens of 50 mm", 40962: 4000, 40963: 3000})
    block.get_ifd(0x8825).update({2: (51.0, 30.0, 0.0)})
    return block.tobytes()


def with_thumbnail(block: bytes) -> bytes:
    """Chain a second directory with a JPEG picture to an EXIF block."""
    order, body = "<" if block[6:8] == b"II" else ">", bytearray(block[6:])
    first = struct.unpack_from(order + "I", body, 4)[0]
    count = struct.unpack_from(order + "H", body, first)[0]
    struct.pack_into(order + "I", body, first + 2 + 12 * count, len(body))
    small, at = pil(PHOTO, "JPEG"), len(body) + 30
    body += struct.pack(order + "HHHIIHHIII", 2, 513, 4, 1, at, 514, 4, 1, len(small), 0)
    return b"Exif\0\0" + bytes(body) + small


def saved(fmt: str, orientation: int, **more: Any) -> bytes:
    settings: dict[str, Any] = {"exif": exif_block(orientation), **more}
    if fmt in ("WEBP",):
        settings["lossless"] = True
    if fmt == "AVIF":
        settings |= {"quality": 100, "subsampling": "4:4:4"}
    if fmt == "JPEG":
        settings |= {"quality": 100, "subsampling": 0}
    if fmt == "TIFF":
        settings = {"tiffinfo": {274: orientation}}
    return pil(PHOTO, fmt, **settings)


def told(data: bytes) -> dict[str, Any]:
    """EXIF, XMP and ICC as Pillow reads them."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        block = image.getexif()
        return {
            "orientation": block.get(274, 1),
            "make": block.get(271),
            "lens": block.get_ifd(0x8769).get(42036),
            "size": (block.get_ifd(0x8769).get(40963), block.get_ifd(0x8769).get(40962)),
            "gps": block.get_ifd(0x8825).get(2),
            "xmp": image.info.get("xmp") or image.info.get("XML:com.adobe.xmp"),
            "icc": image.info.get("icc_profile"),
        }


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_are_turned_once(fmt: str, orientation: int) -> None:
    picture = images.decode(saved(fmt, orientation))
    upright = UPRIGHT[orientation](PHOTO)
    tolerance = 40 if fmt in ("JPEG", "AVIF") else 0
    assert picture.frames[0].shape == upright.shape
    assert np.abs(swapped(picture.frames[0]).astype(int) - upright).max() <= tolerance
    again = images.encode(picture, picture.format)
    assert again.warnings == ()
    assert told(again.data)["orientation"] == 1
    assert images.decode(again.data).frames[0].shape == upright.shape


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_animations(orientation: int) -> None:
    frames = [PHOTO, 255 - PHOTO]
    data = pil_frames(frames, "WEBP", lossless=True, duration=100, exif=exif_block(orientation))
    read = images.decode(data).frames
    for frame, stored in zip(read, frames, strict=True):
        np.testing.assert_array_equal(swapped(frame), UPRIGHT[orientation](stored))


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("target", ["jpg", "png", "webp", "tif", "avif"])
def test_metadata_goes_from_format_to_format(source: str, target: str) -> None:
    if source == "TIFF":
        block = {274: 6, 271: "Maker", 34665: {42036: "A lens of 50 mm", 40962: 9, 40963: 9},
                 34853: {2: (51.0, 30.0, 0.0)}, 700: XMP}  # fmt: skip
        data = pil(PHOTO, "TIFF", tiffinfo=block, icc_profile=ICC)
    else:
        data = saved(source, 6, xmp=XMP, icc_profile=ICC)
        if source == "PNG":
            text = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
            data = data[:33] + text + data[33:]
    picture = images.decode(data)
    encoded = images.encode(picture, formats.format_for(target))
    assert encoded.warnings == ()
    found = told(encoded.data)
    xmp = found["xmp"].encode() if isinstance(found["xmp"], str) else found["xmp"]
    assert xmp.rstrip(b"\0") == XMP.replace(b'"6"', b'"1"')
    assert found["icc"] == ICC
    assert found["orientation"] == 1
    assert found["make"] == "Maker"
    assert found["lens"] == "A lens of 50 mm"
    assert found["gps"] == (51.0, 30.0, 0.0)
    assert found["size"] == picture.frames[0].shape[:2]


@pytest.mark.parametrize("packed", [False, True])
def test_exif_in_png_as_imagemagick_writes_it(packed: bool) -> None:
    block = exif_block(6)
    lines = "\n".join(block.hex()[at : at + 72] for at in range(0, len(block) * 2, 72))
    text = PngImagePlugin.PngInfo()
    told_as = f"\nexif\n{len(block):8}\n{lines}\n"
    text.add_text("Raw profile type exif", told_as, zip=packed)
    picture = images.decode(pil(PHOTO, "PNG", pnginfo=text))
    np.testing.assert_array_equal(swapped(picture.frames[0]), UPRIGHT[6](PHOTO))
    assert told(images.encode(picture, formats.JPEG).data)["lens"] == "A lens of 50 mm"


def test_jpeg_2000_holds_what_it_can() -> None:
    picture = images.decode(saved("JPEG", 1, xmp=XMP, icc_profile=ICC))
    encoded = images.encode(picture, formats.JP2)
    assert encoded.warnings == ()
    back = images.decode(encoded.data).metadata
    assert back.xmp == XMP
    assert back.exif is not None and back.exif.orientation == 1
    assert back.icc == ICC


def test_xmp_of_a_gif() -> None:
    block = b"!\xff\x0bXMP DataXMP" + XMP + b"\1" + bytes(range(255, -1, -1)) + b"\0"
    picture = images.decode(pil(PHOTO // 128 * 128, "GIF")[:-1] + block + b";")
    assert picture.metadata.xmp
    again = images.decode(images.encode(picture, formats.PNG).data)
    assert again.metadata.xmp == XMP


@pytest.mark.parametrize("name", ["bmp", "ppm", "npy"])
def test_metadata_without_a_place_is_a_warning(name: str) -> None:
    picture = images.decode(saved("JPEG", 1, xmp=XMP, icc_profile=ICC))
    format = formats.format_for(name)
    assert images.encode(picture, format).warnings == (
        f"left out, as {format.name} cannot hold it: EXIF, XMP and ICC",
    )


def _annotated_png() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "somebody")
    info.add_text("Comment", "long " * 99, zip=True)
    info.add_itxt("Title", "Rosé")
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    info.add(b"gAMA", struct.pack(">I", 100_000))
    info.add(b"tIME", bytes((7, 208, 1, 1, 0, 0, 0)))
    return pil(PHOTO, "PNG", pnginfo=info, dpi=(300, 150))


def test_what_only_png_holds_stays_in_png() -> None:
    picture = images.decode(_annotated_png())
    for frames in (picture.frames, picture.frames * 2):
        encoded = images.encode(picture._replace(frames=frames), formats.PNG)
        assert encoded.warnings == ()
        with Image.open(io.BytesIO(encoded.data)) as image:
            image.load()
            assert image.info["Author"] == "somebody"
            assert image.info["Comment"] == "long " * 99
            assert image.info["Title"] == "Rosé"
            assert image.info["gamma"] == 1
            assert image.info["dpi"] == pytest.approx((300, 150), abs=0.1)
        assert images.decode(encoded.data).metadata.xmp == XMP
        assert encoded.data.count(b"XML:com.adobe.xmp") == 1
        assert encoded.data.count(b"tEXt") == encoded.data.count(b"gAMA") == 1
    (warning,) = images.encode(picture, formats.JPEG).warnings
    assert warning == "left out, as JPEG cannot hold it: PNG chunks tEXt, zTXt, iTXt, gAMA"
    (warning,) = images.encode(picture, formats.NPY).warnings
    assert warning == (
        "left out, as NPY cannot hold it: XMP, resolution and PNG chunks tEXt, zTXt, iTXt, gAMA"
    )


def test_colors_that_every_format_assumes_are_no_loss() -> None:
    for standard in (
        png_chunk(b"gAMA", struct.pack(">I", 45455)),
        png_chunk(b"sRGB", b"\0") + png_chunk(b"gAMA", struct.pack(">I", 45000)),
    ):
        data = pil(PHOTO, "PNG")
        picture = images.decode(data[:33] + standard + data[33:])
        assert images.encode(picture, formats.JPEG).warnings == ()
        assert standard in images.encode(picture, formats.PNG).data


def test_the_resolution_of_a_jpeg_stays_in_jpeg() -> None:
    picture = images.decode(pil(PHOTO, "JPEG", dpi=(300, 150)))
    with Image.open(io.BytesIO(images.encode(picture, formats.JPEG).data)) as image:
        assert image.info["dpi"] == (300, 150)
    assert images.encode(picture, formats.PNG).warnings == ()


def test_what_tiff_tags_lose_is_told() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for text in ("first", "second"):
            writer.write(PHOTO, photometric="rgb", description=text, metadata=None)
    (warning,) = images.encode(images.decode(file.getvalue()), formats.TIFF).warnings
    assert warning == "left out: description of pages after the first"
    scale = (33550, 12, 3, (10.0, 10.0, 0.0), True)
    data = tiff(PHOTO, extratags=[scale])
    (warning,) = images.encode(images.decode(data), formats.TIFF).warnings
    assert warning == "left out: GeoTIFF tags (pooling moves their positions)"


def test_thumbnails_are_cut_off() -> None:
    def thumbnail(data: bytes) -> object:
        with Image.open(io.BytesIO(data)) as image:
            return image.getexif().get_ifd(ExifTags.IFD.IFD1).get(514)

    data = pil(PHOTO, "JPEG", exif=with_thumbnail(exif_block(6)))
    assert thumbnail(data)
    again = images.encode(images.decode(data), formats.JPEG).data
    assert thumbnail(again) is None
    assert told(again)["make"] == "Maker"


def test_large_blocks() -> None:
    large = Picture((PHOTO,), formats.JPEG, metadata=Metadata(xmp=b"x" * 70_000, icc=_large_icc()))
    encoded = images.encode(large, formats.JPEG)
    assert encoded.warnings == ("left out: XMP (it has more bytes than JPEG holds)",)
    assert told(encoded.data)["icc"] == _large_icc()
    for fmt in (formats.PNG, formats.WEBP, formats.TIFF):
        encoded = images.encode(large, fmt)
        assert encoded.warnings == ()
        assert images.decode(encoded.data).metadata == large.metadata


def _large_icc() -> bytes:
    return ICC + bytes(150_000 - len(ICC))


def test_broken_metadata_never_stops_a_picture() -> None:
    for block in (b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"junk" * 9, exif_block(1)[6:60]):
        data = images.encode(Picture((PHOTO,), formats.JPEG), formats.JPEG).data
        segment = b"Exif\0\0" + block
        data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]
        encoded = images.encode(images.decode(data), formats.TIFF)
        assert images.decode(encoded.data).frames
        assert encoded.warnings == () or encoded.warnings[0].startswith("left out: damaged ")
        assert len(encoded.warnings) == bool(block)
    for icc in (b"x", b"no profile" * 30):
        encoded = images.encode(
            Picture((PHOTO,), formats.PNG, metadata=Metadata(icc=icc)), formats.PNG
        )
        assert "not a valid profile" in encoded.warnings[0]


def test_cmyk_jpeg_loses_its_profile_with_a_warning() -> None:
    file = io.BytesIO()
    Image.fromarray(PHOTO).convert("CMYK").save(file, "JPEG", icc_profile=ICC)
    picture = images.decode(file.getvalue())
    assert picture.frames[0].shape == PHOTO.shape
    assert not picture.metadata.icc
    assert "CMYK" in images.encode(picture, formats.PNG).warnings[0]


def test_gray() -> None:
    picture = images.decode(saved("PNG", 6, icc_profile=ICC), gray=True)
    weights = np.array([0.299, 0.587, 0.114])
    wanted = np.rint(UPRIGHT[6](PHOTO) @ weights)
    assert np.abs(picture.frames[0].astype(float) - wanted).max() <= 1
    words = "left out: ICC (a profile for RGB colors)"
    assert images.encode(picture, formats.PNG).warnings == (words,)
    already = pil(PHOTO[..., 0], "PNG", icc_profile=ICC[:16] + b"GRAY" + ICC[20:])
    assert images.decode(already, gray=True).warnings == ()
    for name in ("jpg", "png", "webp", "tif", "bmp", "avif", "pgm"):
        fmt = formats.format_for(name)
        again = images.decode(images.encode(picture, fmt).data, gray=True)
        error = np.abs(again.frames[0].astype(int) - picture.frames[0])
        assert error.max() <= (60 if name in ("jpg", "avif") else 0)


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32", "float64"])
def test_gray_of_deep_pictures(dtype: str) -> None:
    array = pixels(dtype, 3)
    gray = images.decode(tiff(array, photometric="rgb"), gray=True).frames[0]
    wanted = array.astype(float) @ np.array([0.299, 0.587, 0.114])
    assert gray.dtype == dtype
    np.testing.assert_allclose(gray, wanted, rtol=1e-6, atol=2 if dtype[0] != "f" else 0)


# Frames


DURATIONS = (100, 250, 70, 1000)
MOVING = [np.ascontiguousarray(np.roll(smooth((40, 30)) // 86 * 85, 4 * n, 1)) for n in range(4)]


@pytest.mark.parametrize("fmt", ["GIF", "PNG", "WEBP"])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("loop", [0, 1, 3])
def test_animations_of_pillow_come_through(fmt: str, alpha: bool, loop: int) -> None:
    frames = [np.dstack([f, np.where(f[..., 2] > 99, 255, 0).astype(np.uint8)]) for f in MOVING]
    frames = frames if alpha else MOVING
    again = {"loop": loop - 1 if fmt == "GIF" and loop else loop}
    if fmt == "GIF" and loop == 1:
        again = {}
    more = {"lossless": True, "exact": True} if fmt == "WEBP" else {}
    data = pil_frames(frames, fmt, duration=list(DURATIONS), **again, **more)
    picture = images.decode(data)
    assert (picture.durations, picture.loop) == (DURATIONS, loop)
    shown = [_composed(data, number) for number in range(4)]
    for frame, wanted in zip(picture.frames, shown, strict=True):
        _assert_looks_equal(frame, wanted)
    encoded = images.encode(picture, formats.PNG if fmt == "GIF" else picture.format)
    assert encoded.warnings == ()
    back = images.decode(encoded.data)
    assert (back.durations, back.loop, len(back.frames)) == (DURATIONS, loop, 4)
    with Image.open(io.BytesIO(encoded.data)) as image:
        assert image.n_frames == 4  # type: ignore[attr-defined]
        for number, (wanted, duration) in enumerate(zip(shown, DURATIONS, strict=True)):
            image.seek(number)
            image.load()
            assert image.info["duration"] == duration
            _assert_looks_equal(swapped(np.array(image.convert("RGBA"))), wanted)


def _composed(data: bytes, number: int) -> Array:
    with Image.open(io.BytesIO(data)) as image:
        image.seek(number)
        return np.array(image.convert("RGBA"))


def _assert_looks_equal(frame: Array, wanted: Array) -> None:
    """Equal where something is to be seen; `frame` in OpenCV's order, `wanted` in RGBA."""
    alpha = frame[..., 3] if frame.shape[2] == 4 else np.full(frame.shape[:2], 255)
    np.testing.assert_array_equal(alpha, wanted[..., 3])
    seen = alpha > 0
    np.testing.assert_array_equal(swapped(frame)[..., :3][seen], wanted[..., :3][seen])


def test_avif_animations() -> None:
    data = pil_frames(MOVING, "AVIF", duration=list(DURATIONS), quality=100, subsampling="4:4:4")
    picture = images.decode(data)
    assert picture.durations == DURATIONS
    for frame, wanted in zip(picture.frames, MOVING, strict=True):
        assert np.abs(swapped(frame).astype(int) - wanted).max() < 9
    back = images.decode(images.encode(picture, formats.AVIF, quality=100).data)
    assert back.durations == DURATIONS
    for frame, wanted in zip(back.frames, MOVING, strict=True):
        assert np.abs(swapped(frame).astype(int) - wanted).max() < 9
    once = Picture(picture.frames, formats.AVIF, DURATIONS, 2, Metadata(xmp=XMP))
    assert images.encode(once, formats.AVIF).warnings == (
        "left out of the AVIF animation: XMP and loop count (AVIF plays forever)",
    )


@pytest.mark.parametrize(
    ("name", "dtype"), [("png", "uint8"), ("png", "uint16"), ("webp", "uint8")]
)
def test_equal_frames_and_hidden_colors_are_kept(name: str, dtype: str) -> None:
    one = pixels(dtype, 4)
    one[:9, ..., 3] = 0
    fmt = formats.format_for(name)
    picture = Picture((one, one, one.copy()), fmt, (10, 20, 70_000), 2)
    back = images.decode(images.encode(picture, fmt).data)
    assert (back.durations, back.loop) == (picture.durations, 2)
    for frame in back.frames:
        np.testing.assert_array_equal(frame, one)


def test_one_frame_of_several() -> None:
    data = pil_frames(MOVING, "PNG", duration=100)
    np.testing.assert_array_equal(swapped(images.decode(data, frame=2).frames[0]), MOVING[2])
    pages = tiff(np.stack(MOVING), photometric="rgb")
    np.testing.assert_array_equal(swapped(images.decode(pages, frame=3).frames[0]), MOVING[3])
    for several in (data, pages):
        with pytest.raises(ImageError, match="no frame 4; it has frames 0 to 3"):
            images.decode(several, frame=4)
    with pytest.raises(ImageError, match="no frame 1; it has only one frame"):
        images.decode(pil(PHOTO, "PNG"), frame=1)
    with pytest.raises(ImageError, match="no frame -1"):
        images.decode(pages, frame=-1)


def test_pages_of_different_kinds() -> None:
    pages = [pixels("uint8", 3), pixels("uint16", 1, (20, 30)), pixels("float32", 1)]
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in pages:
            writer.write(page, photometric="rgb" if page.ndim == 3 else "minisblack")
    picture = images.decode(file.getvalue())
    encoded = images.encode(picture, formats.TIFF)
    with tifffile.TiffFile(io.BytesIO(encoded.data)) as reader:
        for page, read in zip(pages, reader.pages, strict=True):
            np.testing.assert_array_equal(read.asarray(), page)
    with pytest.raises(ImageError, match="PNG cannot hold"):
        images.encode(picture, formats.PNG)


def test_pages_keep_alpha_and_profile() -> None:
    frames = (pixels("uint16", 4), pixels("uint16", 4, seed=2))
    picture = Picture(frames, formats.TIFF, metadata=Metadata(icc=ICC, xmp=XMP))
    encoded = images.encode(picture, formats.TIFF)
    with tifffile.TiffFile(io.BytesIO(encoded.data)) as reader:
        for frame, page in zip(frames, reader.pages, strict=True):
            np.testing.assert_array_equal(swapped(page.asarray()), frame)
            assert page.extrasamples == (2,)  # type: ignore[union-attr]
            assert page.iccprofile == ICC  # type: ignore[union-attr]
    assert images.decode(encoded.data).metadata.xmp == XMP.replace(b'"6"', b'"1"')


def test_an_animation_in_pages_warns() -> None:
    picture = images.decode(pil_frames(MOVING, "PNG", duration=100))
    encoded = images.encode(picture, formats.TIFF)
    assert encoded.warnings == ("TIFF cannot hold durations: the animation became pages",)
    assert len(images.decode(encoded.data).frames) == 4
    with pytest.raises(ImageError, match="JPEG cannot hold 4 frames"):
        images.encode(picture, formats.JPEG)


# Pictures that OpenCV decodes wrongly


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_tiff_alpha(dtype: str, kind: str) -> None:
    array = pixels(dtype, 4)
    data = tiff(array, photometric="rgb", extrasamples=[kind])
    picture = images.decode(data)
    np.testing.assert_array_equal(swapped(picture.frames[0]), array)
    assert picture.premultiplied == (kind == "assocalpha")
    encoded = images.encode(picture, formats.TIFF)
    with tifffile.TiffFile(io.BytesIO(encoded.data)) as reader:
        page = reader.pages.first
        assert page.extrasamples == ((1,) if kind == "assocalpha" else (2,))
        np.testing.assert_array_equal(reader.asarray(), array)
    if kind == "assocalpha" and dtype != "float32":
        with pytest.raises(ImageError, match="premultiplied"):
            images.encode(picture, formats.PNG)


def test_pillow_reads_the_alpha_of_our_tiff() -> None:
    array = pixels("uint8", 4)
    data = images.encode(Picture((array,), formats.TIFF), formats.TIFF).data
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGBA"
    np.testing.assert_array_equal(swapped(opened(data)), array)


@pytest.mark.parametrize(("header", "channels"), [(40, 3), (56, 4), (124, 4)])
def test_bmp_has_alpha_where_it_has_a_mask_for_it(header: int, channels: int) -> None:
    array = pixels("uint8", 4, (3, 5))
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", header, 5, 3, 1, 32, 3, 60, 0, 0, 0, 0)
    head += masks[:12] if header == 40 else masks.ljust(header - 40, b"\0")
    start = struct.pack("<2sIHHI", b"BM", 14 + len(head) + 60, 0, 0, 14 + len(head))
    read = images.decode(start + head + array[::-1].tobytes()).frames[0]
    np.testing.assert_array_equal(read, array[..., :channels])


@pytest.mark.parametrize(
    "settings",
    [{"byteorder": ">"}, {"bigtiff": True}, {"tile": (32, 32)}, {"compression": "lzw"},
          {"compression": "zlib", "predictor": True}, {"compression": "packbits"}],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tiff_layouts(settings: dict[str, Any], dtype: str) -> None:
    array = pixels(dtype, 3)
    read = images.decode(tiff(array, photometric="rgb", **settings)).frames[0]
    np.testing.assert_array_equal(swapped(read), array)


@pytest.mark.parametrize(("bits", "level"), [(8, 3), (4, 3), (1, 1), (16, 700)])
def test_gray_png_with_a_transparent_level(bits: int, level: int) -> None:
    rows = {8: [bytes([1, 2, 3, 4])], 4: [bytes([0x12, 0x34])], 1: [bytes([0b01100000])],
            16: [struct.pack(">4H", 1, 2, 700, 4)]}[bits]  # fmt: skip
    data = png(bits, 0, rows, 4, (b"tRNS", struct.pack(">H", level)))
    read = images.decode(data).frames[0]
    full = 65535 if bits == 16 else 255
    clear = {1: [1, 2]}.get(bits, [2])
    assert read.shape == (1, 4, 4)
    assert read[0, :, 3].tolist() == [0 if i in clear else full for i in range(4)]
    assert (read[0, :, 0] == read[0, :, 2]).all()


def test_png_kinds() -> None:
    color = png(8, 2, [bytes([1, 2, 3, 4, 5, 6])], 2, (b"tRNS", struct.pack(">3H", 4, 5, 6)))
    assert images.decode(color).frames[0].tolist() == [[[3, 2, 1, 255], [6, 5, 4, 0]]]
    gray_alpha = png(16, 4, [struct.pack(">4H", 1000, 2000, 3000, 4000)], 2)
    assert images.decode(gray_alpha).frames[0].tolist() == [
        [[1000, 1000, 1000, 2000], [3000, 3000, 3000, 4000]]
    ]


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b"P2\n# a comment\n3 2\n15\n0 1 2\n3 4 15\n", [[0, 1, 2], [3, 4, 15]]),
        (b"P5 3 1 15\n\1\2\17", [[1, 2, 15]]),
        (b"P5\n#c\n2 1\n1000\n\1\0\3\350", [[256, 1000]]),
        (b"P1\n3 2\n010\n111\n", [[255, 0, 255], [0, 0, 0]]),
        (b"P4\n3 2\n\x40\xe0", [[255, 0, 255], [0, 0, 0]]),
        (b"P3 1 1 255 1 2 3", [[[3, 2, 1]]]),
        (b"P6 1 1 255\n\1\2\3", [[[3, 2, 1]]]),
        (b"Pf\n1 2\n-2.0\n" + struct.pack("<2f", 1, 3), [[6.0], [2.0]]),
        (b"PF\n1 1\n1.0\n" + struct.pack(">3f", 1, 2, 3), [[[3.0, 2.0, 1.0]]]),
    ],
)  # fmt: skip
def test_netpbm_and_pfm_are_read_exactly(data: bytes, values: list[Any]) -> None:
    picture = images.decode(data)
    assert picture.frames[0].tolist() == values
    again = images.encode(picture, picture.format)
    assert again.warnings == ()
    assert images.decode(again.data).frames[0].tolist() == values
    assert images.decode(again.data).maxval == picture.maxval
    assert again.data[:2] == data[:2].replace(b"P1", b"P4")


def test_the_largest_value_is_told_when_it_has_no_place() -> None:
    picture = images.decode(b"P2 2 1 15 3 15")
    encoded = images.encode(picture, formats.PNG)
    assert "0 to 15" in encoded.warnings[0]
    assert opened(encoded.data).tolist() == [[3, 15]]


def test_netpbm_of_several_pictures() -> None:
    picture = images.decode(b"P5 2 1 255\n\1\2P5 2 1 255\n\3\4")
    assert [frame.tolist() for frame in picture.frames] == [[[1, 2]], [[3, 4]]]
    assert images.decode(images.encode(picture, formats.PGM).data, frame=1).frames[0].tolist() == [
        [3, 4]
    ]


@pytest.mark.parametrize(
    "data",
    [b"P2 2 2 255 1 2 3", b"P2 2 1 255 1 2 3", b"P2 2 1 255 1 256", b"P2 2 1 255 1 x",
     b"P5 2 2 255\n\1\2\3", b"P5 2 1 15\n\1\20", b"P5 0 1 255\n", b"P5 2 1 99999\n\1\1",
     b"P5 2", b"P4 9 1\n\0", b"Pf\n1 1\nx\n\0\0\0\0", b"P5 1 1 255\n\1junk"],
)  # fmt: skip
def test_broken_netpbm(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"^it is "):
        images.decode(data)


def test_black_and_white_stays_so() -> None:
    with pytest.raises(ImageError, match="use pgm or png"):
        images.encode(Picture((np.full((2, 2), 7, np.uint8),), formats.PBM), formats.PBM)


def test_timing_of_a_gif() -> None:
    """A delay is told in hundredths of a second; without a control block there is none."""
    moving = gif_of(b"!\xff\x0bANIMEXTS1.0\3\1\4\0\0", gif_image(A), control(delay=7), gif_image(B))
    picture = images.decode(moving)
    assert (picture.durations, picture.loop) == ((0, 70), 5)
    once = images.decode(gif_of(control(), gif_image(A), control(), gif_image(B)))
    assert (once.durations, once.loop) == ((50, 50), 1)


def test_blocks_of_a_gif_that_are_kept() -> None:
    xmp = b"!\xff\x0bXMP DataXMP" + blocks(XMP * 3)
    icc = b"!\xff\x0bICCRGBG1012" + blocks(ICC)
    found = images.decode(gif_of(xmp, icc, gif_image(A))).metadata
    assert (found.xmp, found.icc) == (XMP * 3, ICC)


def test_an_interlaced_gif() -> None:
    indices = np.arange(19 * 31).reshape(19, 31) % 256
    image = Image.fromarray(indices.astype(np.uint8))
    file = io.BytesIO()
    image.save(file, "GIF", interlace=True)
    read = images.decode(file.getvalue()).frames[0]
    np.testing.assert_array_equal(read[..., 0], indices)
