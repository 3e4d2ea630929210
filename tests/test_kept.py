"""What is good in metadata with a fault is kept, and metadata in uncommon places is found."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from kinds_jpeg import FAULTS, GRAY, PHOTO, SIDE, exif, jpeg_with_exif, png, segment, xmp
from PIL import Image, ImageCms
from samples import pil, png_chunk

from pooltool import images
from pooltool.images import Metadata, Picture, formats
from pooltool.images.tags import turned

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
        assert b"somebody\0" in picture.metadata.exif.to_bytes()


def test_a_thumbnail_goes_without_a_word() -> None:
    block = bytearray(exif(SIDE, rest=exif((0x100, 3, 1, 9))[8:]))
    block[22:26] = struct.pack(">I", 26)
    picture = images.decode(jpeg_with_exif(bytes(block)))
    assert picture.warnings == ()
    assert picture.metadata.exif is not None
    assert picture.metadata.exif.to_bytes() == exif((0x112, 3, 1, 1))


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
        (b"tEXt", b"Raw profile type xmp\0" + raw(b"xmp", XMP)),
        (b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(raw(b"xmp", XMP))),
    ],
    ids=["iTXt", "raw-tEXt", "raw-zTXt"],
)
def test_xmp_in_texts_of_a_png(chunk: tuple[bytes, bytes]) -> None:
    picture = images.decode(png(GRAY[..., None], 8, 0, chunk))
    assert picture.warnings == ()
    assert picture.metadata.xmp == XMP
    assert picture.metadata.verbatim is None
    for format in (formats.JPEG, formats.WEBP, formats.TIFF):
        encoded = images.encode(picture, format)
        assert encoded.warnings == ()
        assert images.decode(encoded.data).metadata.xmp


def test_xmp_of_a_png_that_cannot_be_read_is_named() -> None:
    text = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)[:-9]
    picture = images.decode(png(GRAY[..., None], 8, 0, (b"iTXt", text)))
    assert picture.warnings == ("left out: damaged XMP",)


def test_texts_that_are_no_xmp_stay_texts() -> None:
    chunks = ((b"tEXt", b"Raw profile type xmp\0not hexadecimal at all"),
              (b"zTXt", b"Key\0\0damaged"), (b"tEXt", b"xmp\0" + XMP))  # fmt: skip
    picture = images.decode(png(GRAY[..., None], 8, 0, *chunks))
    assert not picture.metadata.xmp
    np.testing.assert_array_equal(picture.frames[0], GRAY)
    encoded = images.encode(picture, formats.PNG)
    assert encoded.warnings == ()
    assert all(png_chunk(*chunk) in encoded.data for chunk in chunks)
    warnings = images.encode(picture, formats.JPEG).warnings
    assert warnings == ("left out, as JPEG cannot hold it: PNG chunks tEXt, zTXt",)


# What tells of the picture before it was turned and pooled

TYPES = {"byte": (1, "B"), "short": (3, "H"), "long": (4, "I"), "sbyte": (6, "b"),
         "sshort": (8, "h"), "slong": (9, "i"), "float": (11, "f"), "ifd": (13, "I")}  # fmt: skip
"""Numeric field types of TIFF, and what struct calls them."""


def entry(tag: int, kind: int, code: str, *values: float, order: str = ">") -> tuple[int, ...]:
    """An entry of `exif` with values of four bytes at the most."""
    raw = struct.pack(f"{order}{len(values)}{code}", *values).ljust(4, b"\0")
    number = int.from_bytes(raw, "big" if order == ">" else "little")
    return tag, kind, len(values), number


def block_of(*entries: tuple[int, ...], order: str = ">", rest: bytes = b"") -> bytes:
    table = struct.pack(order + "H", len(entries))
    table += b"".join(struct.pack(order + "HHII", *each) for each in entries) + bytes(4)
    return (b"MM\0*\0\0\0\x08" if order == ">" else b"II*\0\x08\0\0\0") + table + rest


HOLDERS: dict[str, Callable[[bytes], bytes]] = {
    "JPEG": jpeg_with_exif,
    "PNG": lambda block: png(PHOTO, 8, 2, (b"eXIf", block)),
    "WEBP": lambda block: pil(PHOTO, "WEBP", lossless=True, exif=block),
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", [*TYPES, "two shorts", "two bytes", "four bytes"])
def test_an_orientation_of_any_type_is_obeyed_and_reset(name: str, order: str, holder: str) -> None:
    kind, code = TYPES.get(name) or TYPES[name.split()[1].removesuffix("s")]
    count = {"two": 2, "four": 4}.get(name.split()[0], 1)
    block = block_of(entry(0x112, kind, code, *[6] * count, order=order), order=order)
    picture = images.decode(HOLDERS[holder](block))
    assert picture.frames[0].shape[:2] == (90, 64)
    assert picture.warnings == ()
    again = images.encode(picture, picture.format)
    with Image.open(io.BytesIO(again.data)) as image:
        assert image.getexif()[0x112] == 1
    assert images.decode(again.data).frames[0].shape[:2] == (90, 64)


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("values", [(1, 6), (6, 1), (6, 8), (3, 6)])
def test_the_first_of_two_orientations_counts(values: tuple[int, int], holder: str) -> None:
    block = block_of(*(entry(0x112, 3, "H", value) for value in values))
    picture = images.decode(HOLDERS[holder](block))
    assert (picture.frames[0].shape[:2] == (90, 64)) == (values[0] == 6)
    assert picture.warnings == ()
    again = images.decode(images.encode(picture, picture.format).data)
    assert again.frames[0].shape == picture.frames[0].shape


RESOLUTIONS: dict[str, tuple[int, str, tuple[int, ...]]] = {
    "short": (3, "H", (300,)), "long": (4, "I", (300,)), "float": (11, "f", (300,)),
    "sshort": (8, "h", (300,)), "double": (12, "d", (300,)), "rational": (5, "II", (600, 2)),
    "srational": (10, "ii", (600, 2)),
}  # fmt: skip


@pytest.mark.parametrize("holder", [*HOLDERS, "TIFF"])
@pytest.mark.parametrize("name", RESOLUTIONS)
def test_a_resolution_of_any_type_is_divided(name: str, holder: str) -> None:
    kind, code, values = RESOLUTIONS[name]
    raw = struct.pack(">" + code, *values)
    start = 8 + 2 + 3 * 12 + 4
    place = start if len(raw) > 4 else int.from_bytes(raw.ljust(4, b"\0"), "big")
    # Both share their bytes, as some programs write it.
    entries = ((0x11A, kind, 1, place), (0x11B, kind, 1, place), entry(0x128, 3, "H", 2))
    block = block_of(*entries, rest=raw)
    if holder == "TIFF":
        data = tiff_of(block)
    else:
        data = HOLDERS[holder](block)
    picture = images.decode(data)._replace(reduction=(2, 3))
    encoded = images.encode(picture, picture.format)
    assert encoded.warnings == ()
    with Image.open(io.BytesIO(encoded.data)) as image:
        fields = image.getexif()
        assert [float(fields[tag]) for tag in (0x11A, 0x11B)] == [100, 150]


def tiff_of(block: bytes) -> bytes:
    """A gray TIFF of 4 x 4 pixels in which the fields of an EXIF block are the first ones."""
    count = struct.unpack_from(">H", block, 8)[0]
    fields = {0x100: (3, 4), 0x101: (3, 4), 0x102: (3, 8), 0x103: (3, 1), 0x106: (3, 1),
              0x111: (4, 300), 0x115: (3, 1), 0x117: (4, 16)}  # fmt: skip
    entries = [entry(tag, kind, "H" if kind == 3 else "I", value)
               for tag, (kind, value) in fields.items()]  # fmt: skip
    shift = 12 * len(entries)
    for at in range(10, 10 + 12 * count, 12):
        tag, kind, number, value = struct.unpack_from(">HHII", block, at)
        inline = {3: 2, 4: 4, 8: 2, 11: 4}.get(kind, 8) <= 4
        entries.append((tag, kind, number, value if inline else value + shift))
    return block_of(*sorted(entries), rest=block[14 + 12 * count :]).ljust(316, b"\x40")


def test_sizes_in_all_directories_are_those_of_the_result() -> None:
    interoperability = struct.pack(">HHHIIHHIII", 2, 0x1001, 4, 1, 90, 0x1002, 4, 1, 64, 0)
    inner_at = 8 + 2 + 3 * 12 + 4
    inner = struct.pack(">H", 3)
    for tag, value in ((0xA002, 90), (0xA003, 64), (0xA005, inner_at + 2 + 3 * 12 + 4)):
        inner += struct.pack(">HHII", tag, 4, 1, value)
    block = block_of(
        (0x100, 4, 1, 90), (0x101, 4, 1, 64), (0x8769, 4, 1, inner_at),
        rest=inner + bytes(4) + interoperability,
    )  # fmt: skip
    picture = images.decode(jpeg_with_exif(block))
    frames = (picture.frames[0][:10, :20].copy(),)
    data = images.encode(picture._replace(frames=frames), formats.JPEG).data
    with Image.open(io.BytesIO(data)) as image:
        fields = image.getexif()
        inner_fields = fields.get_ifd(0x8769)
        assert (fields[0x100], fields[0x101]) == (20, 10)
        assert (inner_fields[0xA002], inner_fields[0xA003]) == (20, 10)
        assert fields.get_ifd(0xA005) == {0x1001: 20, 0x1002: 10}


def test_a_thumbnail_takes_no_room() -> None:
    """It is not only unknown to the result: its bytes are not there."""
    small = pil(GRAY[:16, :16], "JPEG")
    start = 8 + 2 + 12 + 4
    second = struct.pack(">HHHIIHHII", 2, 513, 4, 1, start + 30, 514, 4, 1, len(small)) + bytes(4)
    block = bytearray(block_of(entry(0x112, 3, "H", 6), rest=second + small))
    block[start - 4 : start] = struct.pack(">I", start)
    picture = images.decode(jpeg_with_exif(bytes(block)))
    assert picture.metadata.exif is not None
    assert picture.metadata.exif.to_bytes() == block_of(entry(0x112, 3, "H", 1))


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("sides", [(), (9,), (20, 8)])
def test_the_place_of_the_subject_is_that_in_the_result(turn: int, sides: tuple[int, ...]) -> None:
    place = (40, 10, *sides)
    start = 8 + 2 + 2 * 12 + 4
    inner = struct.pack(">HHHII", 1, 0x9214, 4, len(place), start + 18) + bytes(4)
    inner += struct.pack(f">{len(place)}I", *place)
    block = block_of(entry(0x112, 3, "H", turn), (0x8769, 4, 1, start), rest=inner)
    picture = images.decode(jpeg_with_exif(block))
    mark = np.zeros((64, 90), bool)
    mark[10, 40] = True
    ((y, x),) = np.argwhere(turned(mark, turn))
    down, across = (len(sides) == 2) + 1, 4
    pooled = images.encode(picture._replace(reduction=(down, across)), formats.JPEG)
    assert pooled.warnings == ()
    with Image.open(io.BytesIO(pooled.data)) as image:
        told = image.getexif().get_ifd(0x8769)[0x9214]
    upright = (x, y, *(sides[::-1] if turn >= 5 else sides))
    assert told == tuple(round(n / d) for n, d in zip(upright, (across, down) * 2, strict=False))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("holder", HOLDERS)
def test_maker_notes_stay_where_they_are(holder: str, order: str) -> None:
    """Pointers in them count from the start of the block; a text before them became longer."""
    start = 8 + 2 + 2 * 12 + 4
    notes = b"Maker\0" + bytes(range(90))
    make = struct.pack(order + "HHHII", 1, 0x927C, 7, len(notes), start + 30) + bytes(4) + b"x" * 12
    block = block_of(
        entry(0x112, 3, "H", 6, order=order), (0x8769, 4, 1, start), order=order, rest=make + notes
    )
    picture = images.decode(HOLDERS[holder](block))
    encoded = images.encode(picture, picture.format)
    assert encoded.warnings == ()
    with Image.open(io.BytesIO(encoded.data)) as image:
        written = image.info["exif"].removeprefix(b"Exif\0\0")
        told = image.getexif()
    assert written[start + 30 :][: len(notes)] == notes
    assert written.count(notes) == 1
    assert (told[0x112], told.get_ifd(0x8769)) == (1, {0x927C: notes})
    again = images.decode(encoded.data)
    assert images.encode(again, again.format).data.count(written) == 1


PACKET = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:{prefix}="{space}"
 {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>"""
TIFF_SPACE, EXIF_SPACE = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
FORMS = {
    "attribute": ("{p}:{n}='{v}'", ""),
    "spaced attribute": ('{p}:{n} = "{v}"', ""),
    "element": ("", "<{p}:{n}>{v}</{p}:{n}>"),
    "element with lines": ("", "<{p}:{n}>\n  {v}\n</{p}:{n}>"),
    "element with a type": ("", '<{p}:{n} rdf:datatype="xsd:integer">{v}</{p}:{n}>'),
    "qualified value": (
        "", '<{p}:{n} rdf:parseType="Resource"><rdf:value>{v}</rdf:value></{p}:{n}>'
    ),
}  # fmt: skip
"""How RDF writes a property that is one number, as an attribute or an element."""


def packet(space: str, form: str, name: str, value: str) -> bytes:
    prefix = "tiff" if space == TIFF_SPACE else "exif"
    words = {"p": prefix, "n": name, "v": value}
    attributes, elements = (part.format(**words) for part in FORMS[form])
    return PACKET.format(
        prefix=prefix, space=space, attributes=attributes, elements=elements
    ).encode()


@pytest.mark.parametrize("form", FORMS)
def test_numbers_in_xmp_are_those_of_the_result(form: str) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    for space, name, before, after in (
        (TIFF_SPACE, "Orientation", "6", "1"),
        (TIFF_SPACE, "ImageWidth", "90", "64"),
        (TIFF_SPACE, "ImageLength", "64", "90"),
        (EXIF_SPACE, "PixelXDimension", "90", "64"),
        (EXIF_SPACE, "PixelYDimension", "64", "90"),
    ):
        data = pil(PHOTO, "JPEG", exif=exif, xmp=packet(space, form, name, before))
        picture = images.decode(data)._replace(reduction=(1, 1))
        again = images.decode(images.encode(picture, formats.JPEG).data)
        assert again.metadata.xmp == packet(space, form, name, after)
    for name, after in (("XResolution", "100/1"), ("YResolution", "150/1")):
        data = pil(PHOTO, "JPEG", xmp=packet(TIFF_SPACE, form, name, "300/1"))
        picture = images.decode(data)._replace(reduction=(2, 3))
        again = images.decode(images.encode(picture, formats.JPEG).data)
        assert again.metadata.xmp == packet(TIFF_SPACE, form, name, after)


def test_the_resolution_in_xmp_is_turned() -> None:
    before = PACKET.format(
        prefix="tiff",
        space=TIFF_SPACE,
        attributes='tiff:XResolution="300"',
        elements="<tiff:YResolution>7</tiff:YResolution>",
    ).encode()
    exif = Image.Exif()
    exif[0x112] = 8
    turned = images.decode(pil(PHOTO, "JPEG", exif=exif, xmp=before)).metadata.xmp
    assert turned is not None
    assert b'tiff:YResolution="300"' in turned
    assert b"<tiff:XResolution>7</tiff:XResolution>" in turned


REGIONS = '<mwg-rs:Regions rdf:parseType="Resource"><a>1</a></mwg-rs:Regions>'
THUMBNAIL = "<xmp:Thumbnails><rdf:Alt><rdf:li>/9j/4AAQ</rdf:li></rdf:Alt></xmp:Thumbnails>"


def test_thumbnails_and_regions_in_xmp() -> None:
    plain = PACKET.format(prefix="xmp", space="http://ns.adobe.com/xap/1.0/", attributes="",
                          elements="{}")  # fmt: skip
    data = pil(PHOTO, "JPEG", xmp=plain.format(THUMBNAIL + REGIONS).encode())
    picture = images.decode(data)
    assert picture.warnings == ()
    again = images.decode(images.encode(picture, formats.JPEG).data)
    assert again.metadata.xmp == plain.format(REGIONS).encode()
    exif = Image.Exif()
    exif[0x112] = 2
    picture = images.decode(
        pil(PHOTO, "JPEG", exif=exif, xmp=plain.format(THUMBNAIL + REGIONS).encode())
    )
    assert picture.warnings == ("left out: regions (XMP)",)
    assert picture.metadata.xmp == plain.format("").encode()


def test_xmp_of_a_tiff_is_turned_with_it() -> None:
    elements = (
        REGIONS + "<tiff:Orientation>6</tiff:Orientation><tiff:YResolution>7</tiff:YResolution>"
    )
    before = PACKET.format(prefix="tiff", space=TIFF_SPACE, attributes="", elements=elements)
    picture = images.decode(pil(PHOTO, "TIFF", tiffinfo={274: 6, 700: before.encode()}))
    assert picture.frames[0].shape[:2] == (90, 64)
    assert picture.warnings == ("left out: regions (XMP)",)
    after = "<tiff:Orientation>1</tiff:Orientation><tiff:XResolution>7</tiff:XResolution>"
    assert picture.metadata.xmp == before.replace(elements, after).encode()


def test_iptc_alone_stays_of_the_data_of_photoshop() -> None:
    def resource(number: int, body: bytes) -> bytes:
        return struct.pack(">4sHHI", b"8BIM", number, 0, len(body)) + body + bytes(len(body) % 2)

    iptc = resource(0x0404, b"\x1c\x02\x78\0\0")
    old = resource(0x03ED, bytes(16)) + resource(0x040C, bytes(100)) + resource(0x0425, bytes(16))
    plain = pil(PHOTO, "JPEG")
    for others, warnings in (
        (b"", ()),
        (resource(0x2710, bytes(14)), ("left out: Photoshop data (APP13)",)),
    ):
        body = segment(0xED, b"Photoshop 3.0\0" + old + iptc + others)
        picture = images.decode(plain[:2] + body + plain[2:])
        assert picture.warnings == warnings
        again = images.encode(picture, formats.JPEG).data
        assert segment(0xED, b"Photoshop 3.0\0" + iptc) in again
        assert again.count(b"8BIM") == 1
    # One resource in two segments.
    body = b"".join(
        segment(0xED, b"Photoshop 3.0\0" + half)
        for half in ((old + iptc)[:150], (old + iptc)[150:])
    )
    again = images.encode(images.decode(plain[:2] + body + plain[2:]), formats.JPEG).data
    assert segment(0xED, b"Photoshop 3.0\0" + iptc) in again


PROFILES = {
    b"GRAY": struct.pack(">I12s4s4s16s4s88x", 132, b"", b"GRAY", b"XYZ ", b"", b"acsp"),
    b"RGB ": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    b"CMYK": struct.pack(">I12s4s4s16s4s88x", 132, b"", b"CMYK", b"Lab ", b"", b"acsp"),
}


@pytest.mark.parametrize("kind", PROFILES)
@pytest.mark.parametrize("count", [1, 3, 4])
@pytest.mark.parametrize("name", ["jpg", "png", "webp", "tif", "avif", "jp2"])
def test_a_profile_stays_with_its_colors_alone(kind: bytes, count: int, name: str) -> None:
    format = formats.format_for(name)
    if count not in (format.channels or (count,)):
        return
    frame = np.dstack([GRAY] * count).reshape((*GRAY.shape, count)[: 2 if count == 1 else 3])
    metadata = Metadata(icc=PROFILES[kind])
    encoded = images.encode(Picture((frame,), formats.PNG, metadata=metadata), format)
    right = b"GRAY" if count == 1 and name != "webp" else b"RGB "
    again = images.decode(encoded.data).metadata.icc
    if kind == right:
        assert encoded.warnings == ()
        assert again == PROFILES[kind]
    else:
        assert len(encoded.warnings) == 1
        assert re.search(r"^left out: ICC \(a profile for \w+ colors", encoded.warnings[0])
        assert again == b""


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt"])
@pytest.mark.parametrize("keyword", [b"Raw profile type APP1", b"Raw profile type exif",
                                     b"Raw profile type xmp"])  # fmt: skip
def test_a_raw_profile_is_told_by_its_first_bytes(kind: bytes, keyword: bytes) -> None:
    for block in (b"http://ns.adobe.com/xap/1.0/\0" + XMP, b"Exif\0\0" + exif(SIDE)):
        text = raw(b"generic profile"[:7], block)
        body = zlib.compress(text) if kind == b"zTXt" else text
        data = png(PHOTO, 8, 2, (kind, keyword + b"\0" * (1 + (kind == b"zTXt")) + body))
        picture = images.decode(data)
        assert picture.warnings == ()
        if block.startswith(b"Exif"):
            assert picture.frames[0].shape[:2] == (90, 64)
            assert not picture.metadata.xmp
        else:
            assert picture.metadata.xmp == XMP
            assert picture.metadata.exif is None


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_level_is_read_as_libpng_reads_it(bits: int) -> None:
    levels = (np.arange(64).reshape(8, 8) * 997) & ((1 << bits) - 1)
    level = int(levels[3, 3])
    plain = png(levels[..., None], bits, 0)
    right = images.decode(png(levels[..., None], bits, 0, (b"tRNS", struct.pack(">H", level))))
    assert right.frames[0].shape == (8, 8, 4)
    if bits < 16:
        high = struct.pack(">H", level | 1 << bits)
        masked = images.decode(png(levels[..., None], bits, 0, (b"tRNS", high)))
        np.testing.assert_array_equal(masked.frames[0], right.frames[0])
    end = plain.index(b"IEND") - 4
    late = plain[:end] + png_chunk(b"tRNS", struct.pack(">H", level)) + plain[end:]
    for data in (late, png(levels[..., None], bits, 0, (b"tRNS", b"\0\1\2"))):
        assert images.decode(data).frames[0].shape == (8, 8)


def test_where_apple_cuts_a_png_in_two_is_no_loss() -> None:
    data = png(GRAY[..., None], 8, 0, (b"iDOT", bytes(28)))
    assert images.decode(data).warnings == ()
    assert b"iDOT" not in images.encode(images.decode(data), formats.PNG).data
