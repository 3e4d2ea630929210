"""What is good in metadata with a fault is kept, and metadata in uncommon places is found."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from kinds_jpeg import FAULTS, GRAY, PHOTO, SIDE, exif, jpeg_with_exif, png, segment, xmp
from PIL import Image
from samples import pil

from pooltool import images
from pooltool.images import formats

XMP = xmp(3)


def raw(name: bytes, block: bytes) -> bytes:
    """A block as ImageMagick writes it into a text."""
    return b"\n%s\n%8d\n%s\n" % (name, len(block), block.hex().encode())


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("fault", FAULTS)
def test_the_good_part_of_exif_is_kept(fault: str, order: str) -> None:
    make = b"somebody's\0\0"
    entries = sorted({SIDE, FAULTS[fault], (0x110, 2, len(make), 8 + 2 + 3 * 12 + 4)})
    block = exif(*entries, order=order, rest=make)
    picture = images.decode(jpeg_with_exif(block))
    assert picture.frames[0].shape[:2] == (90, 64)
    for format in (formats.JPEG, formats.PNG, formats.WEBP, formats.TIFF):
        encoded = images.encode(picture, format)
        assert encoded.warnings == ("left out: damaged parts of EXIF",)
        again = images.decode(encoded.data)
        assert again.warnings == ()
        assert again.frames[0].shape[:2] == (90, 64)
        with Image.open(io.BytesIO(encoded.data)) as image:
            told = image.getexif()
        assert told[0x110].rstrip("\0") == "somebody's"
        assert told.get(0x112, 1) == 1
        assert FAULTS[fault][0] not in told


def test_a_fault_in_an_inner_directory_leaves_the_others() -> None:
    # The inner directory begins behind the outer one: a lens, and a text beyond the end.
    start = 8 + 2 + 2 * 12 + 4
    inner = struct.pack(">HHHIIHHII", 2, 0xA434, 2, 4, 0x66203200, 0xA435, 2, 99, 5000) + bytes(4)
    picture = images.decode(jpeg_with_exif(exif(SIDE, (0x8769, 4, 1, start), rest=inner)))
    encoded = images.encode(picture, formats.JPEG)
    assert encoded.warnings == ("left out: damaged parts of EXIF",)
    with Image.open(io.BytesIO(encoded.data)) as image:
        assert image.getexif().get_ifd(0x8769) == {0xA434: "f 2"}


@pytest.mark.parametrize("order", "<>")
def test_a_resolution_that_lies_in_the_header_leaves_the_block_whole(order: str) -> None:
    # Halving it would write over the position of the first directory.
    entries = sorted({SIDE, (0x110, 2, 4, 0x66663200), (0x11A, 5, 1, 0)})
    picture = images.decode(jpeg_with_exif(exif(*entries, order=order)))
    pooled = picture._replace(reduction=(2, 2))
    with Image.open(io.BytesIO(images.encode(pooled, formats.JPEG).data)) as image:
        assert 0x110 in image.getexif()


def test_exif_may_go_on_in_the_next_segment() -> None:
    block = exif(SIDE, (0x110, 2, 9, 8 + 2 + 2 * 12 + 4), rest=b"somebody\0")
    plain = pil(PHOTO, "JPEG", quality=90)
    for cut in (10, 20, 40):
        pieces = (segment(0xE1, b"Exif\0\0" + piece) for piece in (block[:cut], block[cut:]))
        picture = images.decode(plain[:2] + b"".join(pieces) + plain[2:])
        assert picture.warnings == ()
        assert picture.frames[0].shape[:2] == (90, 64)
        assert picture.metadata.exif is not None
        assert picture.metadata.exif.endswith(b"somebody\0")


def test_a_thumbnail_goes_without_a_word() -> None:
    block = bytearray(exif(SIDE, rest=exif((0x100, 3, 1, 9))[8:]))
    block[22:26] = struct.pack(">I", 26)
    picture = images.decode(jpeg_with_exif(bytes(block)))
    assert picture.warnings == ()
    assert picture.metadata.exif is not None
    assert picture.metadata.exif[22:26] == bytes(4)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_orientation_in_xmp_alone_stays_as_it_is(name: str) -> None:
    chunk = (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
    data = png(GRAY[..., None], 8, 0, chunk) if name == "PNG" else pil(GRAY, name, xmp=XMP)
    picture = images.decode(data)
    assert picture.frames[0].shape[:2] == GRAY.shape
    assert picture.metadata.xmp == XMP
    turned = Image.Exif()
    turned[0x112] = 6
    both = images.decode(pil(PHOTO, "JPEG", xmp=XMP, exif=turned))
    assert both.frames[0].shape[:2] == (90, 64)
    assert both.metadata.xmp == xmp(1)


@pytest.mark.parametrize(
    "chunk",
    [
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)),
        (b"tEXt", b"XML:com.adobe.xmp\0" + XMP),
        (b"zTXt", b"XML:com.adobe.xmp\0\0" + zlib.compress(XMP)),
        (b"tEXt", b"Raw profile type xmp\0" + raw(b"xmp", XMP)),
        (b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(raw(b"xmp", XMP))),
    ],
    ids=["iTXt", "tEXt", "zTXt", "raw-tEXt", "raw-zTXt"],
)
def test_xmp_in_any_text_of_a_png(chunk: tuple[bytes, bytes]) -> None:
    picture = images.decode(png(GRAY[..., None], 8, 0, chunk))
    assert picture.warnings == ()
    assert picture.metadata.xmp == XMP
    assert picture.metadata.verbatim is None
    for format in (formats.JPEG, formats.WEBP, formats.TIFF):
        encoded = images.encode(picture, format)
        assert encoded.warnings == ()
        assert images.decode(encoded.data).metadata.xmp is not None


def test_texts_that_are_no_xmp_stay_texts() -> None:
    chunks = ((b"tEXt", b"Raw profile type xmp\0not hexadecimal at all"), (b"tEXt", b"xmp\0" + XMP))
    picture = images.decode(png(GRAY[..., None], 8, 0, *chunks))
    assert picture.metadata.xmp is None
    assert picture.metadata.verbatim is not None
    assert len(picture.metadata.verbatim.parts) == 2
    np.testing.assert_array_equal(picture.frames[0], GRAY)
