"""Nothing is lost in silence: what is neither copied nor structural is named in one warning."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from conftest import Run
from kinds_pillow import psd
from PIL import Image, PngImagePlugin
from samples import pil, pil_frames, pixels, png_chunk, smooth, tiff

from pooltool import images
from pooltool.images import Picture, formats
from pooltool.images.formats import Format

PHOTO = smooth((40, 50))
JPEG, PNG = pil(PHOTO, "JPEG"), pil(PHOTO, "PNG")
WEBP, GIF = pil(PHOTO, "WEBP"), pil(PHOTO // 86 * 85, "GIF")
AVIF, JP2 = pil(PHOTO, "AVIF"), pil(PHOTO, "JPEG2000")
IPTC = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x05\x1c\x02\x78\0\0\0"


def segment(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def jpeg_with(*segments: bytes, behind: bytes = b"") -> bytes:
    return JPEG[:2] + b"".join(segments) + JPEG[2:] + behind


def png_with(name: bytes, body: bytes) -> bytes:
    return PNG[:33] + png_chunk(name, body) + PNG[33:]


def webp_with(name: bytes, body: bytes) -> bytes:
    chunk = name + struct.pack("<I", len(body)) + body
    return WEBP[:4] + struct.pack("<I", len(WEBP) + len(chunk) - 8) + WEBP[8:] + chunk


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, name) + body


def tag(number: int, value: bytes = b"abcdefgh") -> bytes:
    return tiff(PHOTO, photometric="rgb", metadata=None, extratags=[(number, 7, 8, value, True)])


def pages(*settings: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for words in settings:
            writer.write(PHOTO, photometric="rgb", metadata=None, **words)
    return file.getvalue()


HDR = images.encode(Picture((PHOTO.astype(np.float32),), formats.HDR), formats.HDR).data

LEFT_OUT = {
    "jpeg": (JPEG, None),
    "jpeg-ducky": (jpeg_with(segment(0xEC, b"Ducky\0\1")), "APP12 (Ducky)"),
    "jpeg-no-name": (jpeg_with(segment(0xE5, b"")), "APP5"),
    "jpeg-thumbnail": (jpeg_with(segment(0xE0, b"JFXX\0\x10")), None),
    "jpeg-adobe": (jpeg_with(segment(0xEE, b"Adobe\0d\0\0\0\0\1")), None),
    "jpeg-more-xmp": (
        jpeg_with(segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(99))),
        "XMP beyond 64 KB",
    ),
    "jpeg-mpf": (jpeg_with(segment(0xE2, b"MPF\0II*\0"), behind=JPEG), "a second picture"),
    "jpeg-gain-map": (jpeg_with(behind=bytes(3) + JPEG), "a second picture"),
    "jpeg-padded": (jpeg_with(behind=bytes(100)), None),
    "jpeg-film": (jpeg_with(behind=b"ftypmp42"), "data after the end of the picture"),
    "png": (PNG, None),
    "png-background": (png_with(b"bKGD", bytes(6)), "PNG chunk bKGD"),
    "png-unknown": (png_with(b"abCd", b"x"), "PNG chunk abCd"),
    "png-short-density": (png_with(b"pHYs", b"\0"), None),
    "png-time": (png_with(b"tIME", bytes((7, 208, 1, 1, 0, 0, 0))), None),
    "png-behind": (PNG + b"more", "data after the end of the picture"),
    "webp-unknown": (webp_with(b"abcd", b"xy"), "RIFF chunk abcd"),
    "webp-moving": (pil_frames([PHOTO, 255 - PHOTO], "WEBP", duration=50), None),
    "webp-behind": (WEBP + b"more", "data after the end of the picture"),
    "gif": (GIF, None),
    "gif-comment": (GIF[:-1] + b"!\xfe\x02hi\0;", "comment"),
    "gif-profile": (GIF[:-1] + b"!\xff\x0bICCRGBG1012\x01x\0;", "GIF extension ICCRGBG1012"),
    "gif-loop": (pil_frames([PHOTO // 86 * 85, PHOTO // 99], "GIF", loop=0), None),
    "avif": (AVIF, None),
    "avif-hdr": (AVIF.replace(b"nclx\0\1\0\x0d", b"nclx\0\x09\0\x10"), None),
    "avif-box": (AVIF + box(b"uuid", bytes(20)), "box uuid"),
    "jp2": (JP2, None),
    "jp2-xml": (JP2 + box(b"xml ", b"<a/>"), "box xml"),
    "jp2-uuid": (JP2 + box(b"uuid", bytes(20)), "box uuid"),
    "tiff": (tag(305, b"a text\0\0"), None),
    "tiff-tifffile": (tiff(PHOTO, photometric="rgb"), None),
    "tiff-iptc": (tag(33723), "IPTC (tag 33723)"),
    "tiff-unknown": (tag(65000), "tag 65000"),
    "tiff-geo": (tag(34735), "GeoTIFF tags (pooling moves their positions)"),
    "tiff-imagej": (
        tiff(PHOTO[..., 0], imagej=True, resolution=(5, 5), metadata={"unit": "um"}),
        "description (the array's layout)",
    ),
    "tiff-ome": (tiff(PHOTO[..., 0], ome=True), "description (the array's layout)"),
    "tiff-shaped": (
        tiff(PHOTO, photometric="rgb", metadata={"scale": 3}),
        "description (the array's layout)",
    ),
    "tiff-pages": (pages({"description": "a"}, {"description": "a"}), None),
    "tiff-descriptions": (
        pages({"description": "a"}, {"description": "b"}, {"description": "c"}),
        "description of pages after the first",
    ),
    "tiff-densities": (
        pages({"resolution": (300, 300)}, {"resolution": (150, 150)}),
        "resolution, which differs between pages",
    ),
    "tiff-two": (
        tiff(
            PHOTO,
            photometric="rgb",
            extratags=[(33723, 7, 8, b"12345678", True), (65001, 3, 1, 5, True)],
        ),
        "IPTC (tag 33723) and tag 65001",
    ),
    "bmp": (pil(PHOTO, "BMP"), None),
    "hdr": (HDR, None),
    "hdr-exposure": (
        HDR.replace(b"FORMAT", b"# by hand\nEXPOSURE=2\nFORMAT"),
        "comments and HDR header EXPOSURE",
    ),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_else_in_a_file_is_named_in_one_warning(name: str) -> None:
    data, names = LEFT_OUT[name]
    picture = images.decode(data)
    wanted = (f"left out: {names}",) if names else ()
    assert picture.warnings == wanted
    format = picture.format if picture.format.written else formats.PNG
    again = images.encode(picture, format)
    assert again.warnings == wanted
    assert images.decode(again.data).warnings == ()


def test_iptc_and_comments_stay_in_jpeg_as_they_are() -> None:
    parts = (segment(0xFE, b"by hand"), segment(0xED, IPTC))
    picture = images.decode(jpeg_with(*parts))
    assert picture.warnings == ()
    kept = images.encode(picture, formats.JPEG)
    assert kept.warnings == ()
    assert b"".join(parts) in kept.data
    with Image.open(io.BytesIO(kept.data)) as image:
        assert image.info["comment"] == b"by hand"
    assert images.encode(picture, formats.TIFF).warnings == (
        "left out, as TIFF cannot hold it: comment and IPTC",
    )


def test_comments_stay_in_netpbm() -> None:
    picture = images.decode(b"P2\n# by hand\n3 2 # a\n9\n0 1 2\n3 4 9\n")
    encoded = images.encode(picture, formats.PGM)
    assert encoded.data.startswith(b"P2\n# by hand\n# a\n3 2\n9\n")
    assert images.decode(encoded.data).frames[0].tolist() == [[0, 1, 2], [3, 4, 9]]


def test_a_broken_profile_or_block_is_named() -> None:
    broken = segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert images.decode(jpeg_with(broken)).warnings == ("left out: damaged EXIF",)
    picture = images.decode(jpeg_with(segment(0xE2, b"ICC_PROFILE\0\1\1no profile, " + bytes(99))))
    assert images.encode(picture, formats.PNG).warnings == ("left out: ICC (not a valid profile)",)


# Resolution


def dpi(data: bytes) -> tuple[float, float] | None:
    """(across, down) as Pillow reads it; None where nothing is told."""
    with Image.open(io.BytesIO(data)) as image:
        found = image.info.get("dpi")
        return None if found in (None, (1, 1)) else (float(found[0]), float(found[1]))


_INCHES = 1005, struct.pack(">IHHIHH", 300 << 16, 1, 1, 150 << 16, 1, 1)
DENSE = {name: pil(PHOTO, name, dpi=(300, 150)) for name in ("JPEG", "PNG", "TIFF", "BMP")}
_PCX = pil(PHOTO, "PCX")
DENSE |= {
    "PCX": _PCX[:12] + struct.pack("<HH", 300, 150) + _PCX[16:],
    "PSD": psd([PHOTO[..., 0]], 1, _INCHES),
}


@pytest.mark.parametrize("source", DENSE)
@pytest.mark.parametrize("target", [formats.JPEG, formats.PNG, formats.TIFF, formats.BMP])
@pytest.mark.parametrize("reduction", [(1, 1), (2, 3), (2.5, 4)])
def test_physical_size_stays(source: str, target: Format, reduction: tuple[float, float]) -> None:
    picture = images.decode(DENSE[source])._replace(reduction=reduction)
    encoded = images.encode(picture, target)
    assert encoded.warnings in ((), (f"left out, as {target.name} cannot hold it: EXIF",))
    assert dpi(encoded.data) == pytest.approx((300 / reduction[1], 150 / reduction[0]), rel=1e-3)


def test_a_turned_picture_has_a_turned_resolution() -> None:
    for block in ({274: 6}, {274: 6, 282: 300.0, 283: 150.0, 296: 2}):
        exif = Image.Exif()
        exif.update(block)
        picture = images.decode(pil(PHOTO, "JPEG", dpi=(300, 150), exif=exif))
        encoded = images.encode(picture._replace(reduction=(2, 5)), formats.JPEG)
        assert picture.frames[0].shape[:2] == (50, 40)
        assert dpi(encoded.data) == (150 / 5, 300 / 2)
        with Image.open(io.BytesIO(encoded.data)) as image:
            told = image.getexif()
            assert (told.get(282), told.get(283)) in ((None, None), (30, 150))
    data = pil(PHOTO, "TIFF", tiffinfo={274: 6}, dpi=(300, 150))
    assert dpi(images.encode(images.decode(data), formats.TIFF).data) == (150, 300)


@pytest.mark.parametrize("target", [formats.WEBP, formats.AVIF, formats.JP2])
def test_resolution_in_exif_alone(target: Format) -> None:
    exif = Image.Exif()
    exif.update({282: 300.0, 283: 150.0, 296: 2})
    picture = images.decode(pil(PHOTO, "JPEG", exif=exif))
    encoded = images.encode(picture._replace(reduction=(2, 4)), target)
    assert encoded.warnings == ()
    again = images.decode(encoded.data)
    assert dpi(images.encode(again, formats.PNG).data) == pytest.approx((75, 75), rel=1e-3)
    nowhere = images.encode(images.decode(DENSE["PNG"]), target)
    assert nowhere.warnings == (f"left out, as {target.name} cannot hold it: resolution",)


def test_pages_share_a_resolution() -> None:
    data = pages(*[{"resolution": (300, 300), "resolutionunit": 2}] * 3)
    encoded = images.encode(images.decode(data)._replace(reduction=(3, 3)), formats.TIFF)
    assert encoded.warnings == ()
    with tifffile.TiffFile(io.BytesIO(encoded.data)) as reader:
        for page in reader.pages:
            assert [page.tags[tag].value for tag in (282, 283, 296)] == [(100, 1), (100, 1), 2]  # type: ignore[union-attr]


@pytest.mark.parametrize("unit", [2, 1])
def test_pages_of_other_sizes_may_have_no_common_resolution(
    run: Run, tmp_path: Path, unit: int
) -> None:
    """All of 10 pixels, they are reduced by 10 and by 5; by strides they are reduced alike."""
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        for size in (100, 50):
            gray = np.zeros((size, size), np.uint8)
            writer.write(gray, resolution=(300, 300), resolutionunit=unit, metadata=None)
    warning = "left out: resolution, which differs between pages"
    resolutions: dict[str, list[tuple[int, int] | None]] = {
        "--output-size 10": [None, None],
        "--output-size 10 --frame 1": [(60, 1)],
        "--stride 5": [(60, 1), (60, 1)],
    }
    for number, (words, wanted) in enumerate(resolutions.items()):
        name = f"{number}.tif"
        done = run("avg", "in.tif", "-o", name, *words.split())
        assert done.status == 0
        assert (warning in done.out + done.err) == (None in wanted)
        with tifffile.TiffFile(tmp_path / name) as reader:
            for tag in (282, 283):
                found = [page.aspage().tags.get(tag) for page in reader.pages]
                assert [tag and tag.value for tag in found] == wanted


def test_spacing_of_imagej_is_divided_with_its_unit_left_out() -> None:
    data = tiff(PHOTO[..., 0], imagej=True, resolution=(5, 5), metadata={"unit": "um"})
    encoded = images.encode(images.decode(data)._replace(reduction=(2, 2)), formats.TIFF)
    with tifffile.TiffFile(io.BytesIO(encoded.data)) as reader:
        page = reader.pages.first
        assert [page.tags[tag].value for tag in (282, 283, 296)] == [(5, 2), (5, 2), 1]
        assert 270 not in page.tags


def test_the_shape_of_pixels_without_a_unit_is_named() -> None:
    wide = JPEG[:13] + struct.pack(">BHH", 0, 2, 1) + JPEG[18:]
    for data in (wide, png_with(b"pHYs", struct.pack(">IIB", 2, 1, 0))):
        assert images.decode(data).warnings == ("left out: shape of pixels",)
    square = png_with(b"pHYs", struct.pack(">IIB", 1, 1, 0))
    picture = images.decode(square)._replace(reduction=(1, 4))
    assert picture.warnings == ()
    assert images.encode(picture, formats.JPEG).data[13:18] == JPEG[13:18]


def test_a_resolution_below_one_pixel_an_inch_is_named() -> None:
    picture = images.decode(DENSE["PNG"])._replace(reduction=(1000, 1000))
    assert images.encode(picture, formats.JPEG).warnings == (
        "left out: resolution (JPEG stores whole pixels per inch)",
    )


# Colors of arrays


@pytest.mark.parametrize("channels", [3, 4])
def test_arrays_are_red_first(channels: int) -> None:
    array = pixels("uint8", channels)
    file = io.BytesIO()
    np.save(file, array)
    picture = images.decode(file.getvalue())
    png = images.encode(picture, formats.PNG).data
    with Image.open(io.BytesIO(png)) as image:
        np.testing.assert_array_equal(np.array(image), array)
    for source in (file.getvalue(), png):
        again = images.encode(images.decode(source), formats.NPY).data
        np.testing.assert_array_equal(np.load(io.BytesIO(again)), array)


def test_arrays_of_other_channels_keep_their_order() -> None:
    array = pixels("uint8", 3)[..., [0, 1, 2, 0, 1]]
    file = io.BytesIO()
    np.save(file, array)
    np.testing.assert_array_equal(images.decode(file.getvalue()).frames[0], array)


def test_texts_of_png_are_kept_beside_the_resolution() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "somebody")
    picture = images.decode(pil(PHOTO, "PNG", pnginfo=info, dpi=(300, 300)))
    encoded = images.encode(picture._replace(reduction=(2, 2)), formats.PNG)
    assert encoded.warnings == ()
    assert dpi(encoded.data) == pytest.approx((150, 150), rel=1e-3)
    with Image.open(io.BytesIO(encoded.data)) as image:
        assert image.info["Author"] == "somebody"
