"""Kinds of AVIF and JPEG 2000: boxes made here around AV1 and JPEG 2000 data of other encoders."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import imagecodecs
import numpy as np
from kind import Array, Kind
from PIL import Image
from samples import pil, pil_frames, smooth

PHOTO = smooth((36, 46))
GRAY, MASK = PHOTO[..., 0], np.ascontiguousarray(PHOTO[::-1, :, 1] // 64 * 85)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>3</tiff:Orientation></x:xmpmeta>'


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, name) + body


def by_pillow(data: Callable[[], bytes]) -> Callable[[], Sequence[Array]]:
    """The pixels as Pillow reads them."""

    def read() -> Sequence[Array]:
        with Image.open(io.BytesIO(data())) as image:
            return [np.asarray(image)]

    return read


# AVIF


def avif(pixels: Array, **settings: Any) -> bytes:
    return pil(pixels, "AVIF", **{"quality": 100, "subsampling": "4:4:4", **settings})


def item(pixels: Array, **settings: Any) -> tuple[bytes, bytes, list[bytes]]:
    """Type, AV1 data and properties of a picture that Pillow writes."""
    data = avif(pixels, **settings)
    start = data.index(b"ipco")
    end = start - 4 + struct.unpack_from(">I", data, start - 4)[0]
    properties, at = [], start + 4
    while at < end:
        size = struct.unpack_from(">I", data, at)[0]
        properties.append(data[at : at + size])
        at += size
    return b"av01", data[data.index(b"mdat") + 4 :], properties


def heif(*items: tuple[bytes, bytes, list[bytes]], links: Sequence[bytes] = ()) -> bytes:
    """An AVIF of these items, the first of them the primary one; their data follow each other."""
    header = b""
    for _ in range(2):  # how long the header is does not depend on the places in it
        at, index = 24 + len(header) + 8, 0
        places: list[tuple[int, int]] = []
        for _, data, _ in items:
            places.append((at, len(data)))
            at += len(data)
        infe, iloc, container, owned = b"", b"", b"", b""
        for number, (kind, _, properties) in enumerate(items, 1):
            content = b"application/rdf+xml\0" if kind == b"mime" else b""
            infe += box(
                b"infe", b"\2\0\0\0" + struct.pack(">HH4s", number, 0, kind) + b"\0" + content
            )
            iloc += struct.pack(">HHHII", number, 0, 1, *places[number - 1])
            owned += struct.pack(">HB", number, len(properties))
            for part in properties:
                index += 1
                essential = part[4:8] in (b"av1C", b"irot", b"imir", b"clap")
                owned += bytes([index | (0x80 if essential else 0)])
            container += b"".join(properties)
        count = struct.pack(">H", len(items))
        header = box(
            b"meta",
            bytes(4)
            + box(b"hdlr", bytes(8) + b"pict" + bytes(13))
            + box(b"pitm", bytes(4) + b"\0\1")
            + box(b"iloc", bytes(4) + b"\x44\0" + count + iloc)
            + box(b"iinf", bytes(4) + count + infe)
            + (box(b"iref", bytes(4) + b"".join(links)) if links else b"")
            + box(
                b"iprp",
                box(b"ipco", container)
                + box(b"ipma", bytes(4) + struct.pack(">I", len(items)) + owned),
            ),
        )
    start = box(b"ftyp", b"avif" + bytes(4) + b"mif1avif"[:8])
    return start + header + box(b"mdat", b"".join(data for _, data, _ in items))


def link(kind: bytes, source: int, *targets: int) -> bytes:
    numbers = (source, len(targets), *targets)
    return box(kind, struct.pack(f">{len(numbers)}H", *numbers))


def with_property(*properties: bytes, pixels: Array = PHOTO) -> bytes:
    kind, data, others = item(pixels)
    return heif((kind, data, [*others, *properties]))


def untold(range: str) -> bytes:
    """Gray whose range is told by its AV1 data only."""
    kind, data, properties = item(GRAY, subsampling="4:0:0", range=range)
    return heif((kind, data, [part for part in properties if part[4:8] != b"colr"]))


def second_picture(kind: bytes) -> bytes:
    return heif(item(PHOTO), item(WIDE), links=[link(kind, 2, 1)])


CLAP = box(b"clap", struct.pack(">IIIIiIiI", 20, 1, 16, 1, -4, 1, 3, 1))
TURN = (box(b"irot", b"\1"), box(b"imir", b"\0"))
ASPECT = box(b"pasp", struct.pack(">II", 1, 2))


def exif_behind() -> bytes:
    block = bytes(4) + b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
    return heif(item(PHOTO), (b"Exif", block, []), links=[link(b"cdsc", 2, 1)])


def xmp_behind() -> bytes:
    return heif(item(PHOTO), (b"mime", XMP, []), links=[link(b"cdsc", 2, 1)])


def grid() -> bytes:
    """Two pictures side by side."""
    tiles = [item(np.ascontiguousarray(half)) for half in (WIDE[:, :64], WIDE[:, 64:])]
    size = box(b"ispe", bytes(4) + struct.pack(">II", 128, 64))
    described = [size, *(part for part in tiles[0][2] if part[4:8] in (b"pixi", b"colr"))]
    layout = (b"grid", struct.pack(">BBBBHH", 0, 0, 0, 1, 128, 64), described)
    return heif(layout, *tiles, links=[link(b"dimg", 1, 2, 3)])


WIDE = smooth((64, 128))
MOVING = (PHOTO, PHOTO[::-1].copy())
GRAYS = tuple(np.ascontiguousarray(frame[..., 0]) for frame in MOVING)
LA, GRAY_ALPHA = np.dstack([GRAY, MASK]), np.dstack([GRAY, GRAY, GRAY, MASK])
CLEARED = GRAY_ALPHA * (MASK > 0)[..., None]


def nclx(*values: int) -> Callable[[], bytes]:
    """A picture whose colr box has these primaries, curve and matrix."""
    return lambda: avif(PHOTO).replace(
        b"nclx\0\1\0\x0d\0\6", b"nclx" + struct.pack(">HHH", *values)
    )


def limited(pixels: Array) -> bytes:
    return avif(pixels, subsampling="4:0:0", range="limited")


def gray_alpha(**settings: Any) -> bytes:
    return avif(LA, subsampling="4:0:0", **settings)


def deep(bits: int) -> Callable[[], bytes]:
    values = PHOTO.astype(np.uint16) << (bits - 8)
    return lambda: bytes(imagecodecs.avif_encode(values, 95, bitspersample=bits))


def decoded_deep(bits: int) -> Callable[[], Sequence[Array]]:
    return lambda: [imagecodecs.avif_decode(deep(bits)())]


def moving(frames: Sequence[Array] = MOVING, **settings: Any) -> bytes:
    coded = "4:4:4" if frames is MOVING else "4:0:0"
    more = {"quality": 100, "subsampling": coded, "duration": 100, **settings}
    return pil_frames(list(frames), "AVIF", **more)


def turned_animation() -> bytes:
    upright = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    return moving().replace(upright, turned)


def huge_avif() -> bytes:
    size = struct.pack(">II", 46, 36)
    return avif(PHOTO).replace(size, struct.pack(">II", 32768, 32767))


IMAGECODECS = "imagecodecs"


def same(name: str, make: Callable[[], bytes], needs: str = "") -> Kind:
    """A kind that Pillow reads right."""
    return Kind(f"avif {name}", make, by_pillow(make), levels=1, needs=needs)


def like(
    name: str, make: Callable[[], bytes], right: Array, *warnings: str, needs: str = ""
) -> Kind:
    """A kind that Pillow does not read, or reads wrongly; colors were rounded on the way."""
    return Kind(f"avif {name}", make, lambda: [right], levels=4, warnings=warnings, needs=needs)


def refused(name: str, make: Callable[[], bytes]) -> Kind:
    """A kind that the decoder itself refuses."""
    return Kind(f"avif {name}", make, refusal="or a kind of AVIF that is not read.*; if another")


AVIF = (
    same("rgb", lambda: avif(PHOTO)),
    same("rgba", lambda: avif(np.dstack([PHOTO, MASK]))),
    same("premultiplied", lambda: avif(np.dstack([PHOTO, MASK]), alpha_premultiplied=True)),
    same("4:2:0", lambda: avif(PHOTO, subsampling="4:2:0")),
    same("4:2:2", lambda: avif(PHOTO, subsampling="4:2:2")),
    same("limited range", lambda: avif(PHOTO, range="limited")),
    same("gray", lambda: avif(GRAY, subsampling="4:0:0")),
    same("limited gray", lambda: limited(GRAY), IMAGECODECS),
    like("limited gray, not told in a box", lambda: untold("limited"), GRAY, needs=IMAGECODECS),
    like("gray, not told in a box", lambda: untold("full"), GRAY, needs=IMAGECODECS),
    like("gray with alpha", gray_alpha, GRAY_ALPHA, needs=IMAGECODECS),
    like("limited gray with alpha", lambda: gray_alpha(range="limited"), GRAY_ALPHA,
         needs=IMAGECODECS),
    like("premultiplied gray", lambda: gray_alpha(alpha_premultiplied=True), CLEARED,
         needs=IMAGECODECS),
    Kind("avif 10 bits", deep(10), decoded_deep(10)),
    Kind("avif 12 bits", deep(12), decoded_deep(12)),
    *(same(f"matrix {matrix}", nclx(1, 13, matrix)) for matrix in (0, 1, 2, 4, 5, 7, 8, 9, 12)),
    refused("matrix 14", nclx(1, 13, 14)),
    same("hdr", nclx(9, 16, 9)),
    like("exif behind", exif_behind, PHOTO),
    like("xmp behind", xmp_behind, PHOTO),
    like("grid", grid, WIDE),
    Kind("avif clap", lambda: with_property(CLAP), refusal="AVIF with a crop is not read; convert"),
    like("irot and imir", lambda: with_property(*TURN), np.rot90(PHOTO)[::-1]),
    refused("layer", lambda: with_property(box(b"lsel", b"\0\0"))),
    like("layers", lambda: with_property(box(b"a1lx", bytes(7))), PHOTO),
    refused("overlay", lambda: heif((b"iovl", b"", item(PHOTO)[2]))),
    like("second picture", lambda: heif(item(PHOTO), item(WIDE)), PHOTO, "out: a second picture$"),
    like("thumbnail", lambda: second_picture(b"thmb"), PHOTO),
    like("depth map", lambda: second_picture(b"auxl"), PHOTO, "out: a second picture$"),
    like("aspect", lambda: with_property(ASPECT), PHOTO, "out: AVIF property pasp$"),
    like("property", lambda: with_property(box(b"abcd", b"")), PHOTO, "out: AVIF property abcd$"),
    Kind("avif animation", moving, lambda: MOVING, levels=8),
    Kind("avif animation, one frame", moving, lambda: MOVING[1:], levels=8, frame=1),
    Kind("avif animation of limited gray", lambda: moving(GRAYS, range="limited"),
         refusal="^an animation, AVIF of gray .* limited range, is not read; convert"),
    Kind("avif animation of gray and alpha", lambda: moving([LA, LA[::-1].copy()]),
         refusal="^an animation, AVIF of gray with alpha .*, is not read; convert"),
    Kind("avif turned animation", turned_animation, refusal="an animation that is turned is not"),
    Kind("avif huge", huge_avif, refusal="damaged: its header declares 32767 x 32768 pixels"),
)  # fmt: skip


# JPEG 2000


def codestream(pixels: Array, **settings: Any) -> bytes:
    return bytes(
        imagecodecs.jpeg2k_encode(
            pixels, 0, codecformat="j2k", **{"reversible": True, "mct": False, **settings}
        )
    )


def jp2(code: bytes, *inner: bytes) -> bytes:
    """A codestream in boxes; `inner` is what the header holds beside its size."""
    right, bottom, channels = *struct.unpack_from(">II", code, 8), code[41]
    ihdr = struct.pack(">IIH4B", bottom, right, channels, code[42], 7, 0, 0)
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return start + box(b"jp2h", box(b"ihdr", ihdr) + b"".join(inner)) + box(b"jp2c", code)


def miscounted() -> bytes:
    """A tile in three parts that say that there are two, as Apple's encoder counts them."""
    head, _, tile = codestream(PHOTO)[:-2].partition(b"\xff\x90")
    data = tile.partition(b"\xff\x93")[2]
    for number, part in enumerate((data[:999], data[999:2000], data[2000:])):
        head += struct.pack(">HHHIBBH", 0xFF90, 10, 0, 14 + len(part), number, 2, 0xFF93) + part
    return jp2(head + b"\xff\xd9", colr(16))


def colr(space: int) -> bytes:
    return box(b"colr", struct.pack(">BBBI", 1, 0, 0, space))


def icc(colors: bytes, method: int = 2) -> bytes:
    return box(b"colr", bytes((method, 0, 0)) + struct.pack(">I12x4s", 128, colors) + bytes(108))


def cdef(*roles: tuple[int, int, int]) -> bytes:
    return box(
        b"cdef", struct.pack(">H", len(roles)) + b"".join(struct.pack(">HHH", *r) for r in roles)
    )


ROLES = ((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 1, 0))
BLUE_FIRST = cdef((0, 0, 3), (1, 0, 2), (2, 0, 1))
NO_ALPHA = cdef(*ROLES[:3], (3, 65535, 65535))
PREMULTIPLIED = cdef(*ROLES[:3], (3, 2, 0))
INDICES = np.ascontiguousarray(np.arange(36 * 46, dtype=np.uint8).reshape(36, 46) % 16)
TABLE = np.random.default_rng(3).integers(0, 256, (16, 4), np.uint8)


def palette(width: int, *, bits: int = 8, depth: int = 7, kind: int = 1) -> bytes:
    pclr = struct.pack(">HB", 16, width) + bytes([depth]) * width + TABLE[:, :width].tobytes()
    cmap = b"".join(struct.pack(">HBB", 0, kind, column) for column in range(width))
    space = colr(17 if width == 1 else 16)
    return jp2(
        codestream(INDICES, bitspersample=bits), space, box(b"pclr", pclr), box(b"cmap", cmap)
    )


def sycc(dtype: str) -> Callable[[], bytes]:
    return lambda: jp2(codestream(PHOTO.astype(dtype) * (257 if dtype == "u2" else 1)), colr(18))


def sycc_right(dtype: str) -> Array:
    """JFIF's equations, in the depth of the file."""
    scale, middle = (257, 32768) if dtype == "u2" else (1, 128)
    luma, blue, red = np.moveaxis(PHOTO.astype(float) * scale, -1, 0)
    blue, red = blue - middle, red - middle
    planes = (luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue)
    right: Array = np.rint(np.stack(planes, -1)).clip(0, 255 * scale).astype(dtype)
    return right


def few(bits: int) -> Kind:
    values = GRAY >> (8 - bits)
    return not_read(f"{bits} bits", lambda: codestream(values, bitspersample=bits),
                    f"1 channels of {bits}")  # fmt: skip


def with_sign(dtype: str, bits: int) -> Kind:
    values = ((GRAY.astype(float) - 128) * 2.0 ** (bits - 8)).astype(dtype)
    return odd(f"signed {bits} bits", lambda: codestream(values, bitspersample=bits), values)


def many(bits: int) -> Kind:
    values = GRAY.astype(np.uint16) << (bits - 8)
    return exact(f"{bits} bits", lambda: codestream(values, bitspersample=bits), values)


def huge_jp2() -> bytes:
    code = codestream(GRAY)
    return (
        code[:8]
        + struct.pack(">II", 32768, 32767)
        + code[16:24]
        + struct.pack(">II", 32768, 32767)
        + code[32:]
    )


def in_boxes(pixels: Array, space: int | None = None) -> bytes:
    code = codestream(pixels)
    return jp2(code, colr((17 if code[41] < 3 else 16) if space is None else space))


def exact(
    name: str, make: Callable[[], bytes], right: Array, *warnings: str, needs: str = ""
) -> Kind:
    return Kind(f"jpeg 2000 {name}", make, lambda: [right], warnings=warnings, needs=needs)


def odd(name: str, make: Callable[[], bytes], right: Array, levels: int = 0) -> Kind:
    """A kind that OpenCV does not decode right."""
    return Kind(f"jpeg 2000 {name}", make, lambda: [right], levels=levels, needs=IMAGECODECS)


def spoiled(name: str, make: Callable[[], bytes]) -> Kind:
    """A kind that nobody decodes."""
    words = "JPEG 2000 with odd channels or odd colors that is not read"
    return Kind(f"jpeg 2000 {name}", make, refusal=words, needs=IMAGECODECS)


def subsampled() -> bytes:
    """Luma that grows by 3 a column, and chroma of half the size in two halves, by OpenJPEG."""
    return base64.b64decode(
        "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAAMAAAAEAAAwcHAAAAAAAPY29s"
        "cgEAAAAAABIAAAEDanAyY/9P/1EALwAAAAAAQAAAADAAAAAAAAAAAAAAAEAAAAAwAAAAAAAAAAAAAwcBAQcCAgcCAv9S"
        "AAwAAAABAAUEBAAB/1wAE0BASEhQSEhQSEhQSEhQSEhQ/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIu"
        "NS4w/5AACgAAAAAAfAAB/5PfgCAJV1s9wfIBCcfUAgTD6gMADPobx9oCAAOAwfODABvtfcPqBQAIE264z4DA+QKANpz6"
        "Er/D6gcAEC6EjK1PH4DAfCIAX6fHusPqCQAhbdqt5jEo2H+AwDooi2IBdb/D6gkANfI/4+NvMJB/gP/Z"
    )


def subsampled_right() -> Array:
    luma = np.tile(np.arange(64) * 3.0, (48, 1))
    blue = np.where(np.arange(64) < 32, 90, 200) - 128.0
    planes = (luma + 1.402 * 32, luma - 0.344136 * blue - 0.714136 * 32, luma + 1.772 * blue)
    return np.stack(planes, -1).clip(0, 255).round().astype(np.uint8)


def not_read(name: str, make: Callable[[], bytes], words: str) -> Kind:
    refusal = f"JPEG 2000 with {words}.* is not read; convert it, for example: "
    return Kind(f"jpeg 2000 {name}", make, refusal=refusal)


RGBA = np.dstack([PHOTO, MASK])
CHANNELS = (GRAY, PHOTO, RGBA)
SAMPLES = b"\7\1\1" * 3

JP2 = (
    *(exact(f"codestream {a.shape}", partial(codestream, a), a) for a in CHANNELS),
    *(exact(f"{a.shape}", partial(in_boxes, a), a) for a in CHANNELS),
    odd("codestream of gray and alpha", lambda: codestream(LA), GRAY_ALPHA),
    odd("gray and alpha", lambda: in_boxes(LA), GRAY_ALPHA),
    exact("alpha", lambda: jp2(codestream(RGBA), colr(16), cdef(*ROLES)), RGBA),
    exact("blue first", lambda: jp2(codestream(PHOTO), colr(16), BLUE_FIRST), PHOTO[..., ::-1]),
    not_read("no alpha", lambda: jp2(codestream(RGBA), colr(16), NO_ALPHA), "4 channels of"),
    not_read("premultiplied", lambda: jp2(codestream(RGBA), colr(16), PREMULTIPLIED),
             "4 channels of"),
    not_read("5 channels", lambda: codestream(np.dstack([PHOTO, LA])), "5 channels"),
    exact("icc", lambda: jp2(codestream(PHOTO), icc(b"RGB ")), PHOTO),
    exact("icc in a second box", lambda: jp2(codestream(PHOTO), colr(16), icc(b"RGB ", 3)), PHOTO),
    not_read("icc of Lab", lambda: jp2(codestream(PHOTO), icc(b"Lab ")), "3 channels of .* Lab"),
    not_read("icc of CMYK", lambda: jp2(codestream(RGBA), icc(b"CMYK")), "4 channels of .* CMYK"),
    odd("palette of gray", lambda: palette(1), TABLE[INDICES][..., 0]),
    odd("palette of rgb", lambda: palette(3), TABLE[INDICES][..., :3]),
    odd("palette of rgba", lambda: palette(4), TABLE[INDICES]),
    odd("palette, 4 bits", lambda: palette(3, bits=4), TABLE[INDICES][..., :3]),
    odd("short palette", lambda: palette(3).replace(b"\0\x10\3\7\7", b"\0\x09\3\7\7"),
        TABLE[np.minimum(INDICES, 8)][..., :3]),
    spoiled("empty palette", lambda: palette(3).replace(b"\0\x10\3\7\7", b"\0\0\3\7\7")),
    spoiled("palette of 16 bits", lambda: palette(3, depth=15)),
    spoiled("palette not used", lambda: palette(3, kind=0)),
    odd("sycc", sycc("u1"), sycc_right("u1"), levels=1),
    odd("sycc, 16 bits", sycc("u2"), sycc_right("u2"), levels=16),
    *(not_read(f"space {number}", partial(in_boxes, RGBA, number), f"4 channels .* {number}")
      for number in (0, 12, 13, 14, 99)),
    *(few(bits) for bits in (1, 2, 4, 7)),
    *(with_sign(*kind) for kind in (("i1", 8), ("i2", 12), ("i2", 16))),
    *(many(bits) for bits in (9, 12, 16)),
    not_read("20 bits", lambda: codestream(GRAY.astype("u4") << 12, bitspersample=20),
             "1 channels of 20"),
    exact("part 15", lambda: bytes(imagecodecs.htj2k_encode(PHOTO, reversible=True)), PHOTO),
    exact("tiles", lambda: pil(PHOTO, "JPEG2000", tile_size=(16, 16)), PHOTO),
    exact("miscounted parts", miscounted, PHOTO),
    odd("offset", lambda: pil(PHOTO, "JPEG2000", offset=(3, 5), tile_size=(64, 64)), PHOTO),
    odd("4:2:0", subsampled, subsampled_right(), levels=1),
    not_read("mixed depths", lambda: codestream(PHOTO).replace(SAMPLES, b"\5" + SAMPLES[1:]),
             "3 channels of 6 or of different bits"),
    exact("two pictures", lambda: in_boxes(PHOTO) + box(b"jp2c", codestream(GRAY)), PHOTO,
          "out: a second picture$"),
    Kind("jpeg 2000 huge", huge_jp2, refusal="damaged: its header declares 32767 x 32768 pixels"),
    Kind("jpeg 2000 of two minds", lambda: jp2(codestream(PHOTO), colr(16)).replace(
        struct.pack(">II", 36, 46), struct.pack(">II", 36, 47)), refusal="damaged: .* IHDR"),
)  # fmt: skip

KINDS: tuple[Kind, ...] = (*AVIF, *JP2)
