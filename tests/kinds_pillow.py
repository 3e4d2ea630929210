"""Kinds of the formats that Pillow, pillow-heif and imagecodecs read, made by these and by hand."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import imagecodecs
import numpy as np
from kind import Array, Kind
from PIL import Image
from samples import pil, smooth

PHOTO = smooth((37, 46))
GRAY, MASK = np.ascontiguousarray(PHOTO[..., 0]), np.ascontiguousarray(PHOTO[::-1, :, 1])
RGBA, DEEP = np.dstack([PHOTO, MASK]), PHOTO.astype(np.uint16) * 257
LA, GRAY_ALPHA = np.dstack([GRAY, MASK]), np.dstack([GRAY, GRAY, GRAY, MASK])
INDICES = GRAY % 16
TABLE = np.random.default_rng(3).integers(0, 256, (16, 3), np.uint8)


def heic(array: Array, mode: str, **settings: Any) -> bytes:
    """A HEIC file without loss but for the bits beyond 10."""
    size = (array.shape[1], array.shape[0])
    file, heif = io.BytesIO(), import_module("pillow_heif").from_bytes(mode, size, array.tobytes())
    heif.save(file, quality=-1, chroma=444, matrix_coefficients=0, **settings)
    return file.getvalue()


def turned_heic(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return heic(PHOTO, "RGB", exif=exif.tobytes())


UPRIGHT = {
    1: PHOTO,
    3: PHOTO[::-1, ::-1],
    6: np.rot90(PHOTO, -1),
    8: np.rot90(PHOTO),
    5: PHOTO.swapaxes(0, 1),
}


def two_heics() -> bytes:
    file = io.BytesIO()
    heif = import_module("pillow_heif").from_bytes("RGB", (46, 37), PHOTO.tobytes())
    heif.add_frombytes("RGB", (46, 37), PHOTO[::-1].tobytes())
    heif.save(file, quality=-1, chroma=444, matrix_coefficients=0)
    return file.getvalue()


def jpeg_xl(array: Array, **settings: Any) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(array, lossless=True, **settings))


def palette_file(format: str, **settings: Any) -> bytes:
    file, image = io.BytesIO(), Image.fromarray(INDICES, "P")
    image.putpalette(TABLE.tobytes())
    image.save(file, format, **settings)
    return file.getvalue()


def psd(planes: Sequence[Array], mode: int, *resources: tuple[int, bytes]) -> bytes:
    """A Photoshop document without layers, its planes one behind the other."""
    bits = 8 * planes[0].itemsize
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, len(planes), *planes[0].shape, bits, mode)
    parts = b""
    for number, block in resources:
        parts += struct.pack(">4sHHI", b"8BIM", number, 0, len(block)) + block
        parts += b"\0" * (len(block) % 2)
    body = b"".join(plane.astype(plane.dtype.newbyteorder(">")).tobytes() for plane in planes)
    return head + bytes(4) + struct.pack(">I", len(parts)) + parts + bytes(4) + b"\0\0" + body


def psd_of(array: Array, mode: int) -> bytes:
    return psd([array] if array.ndim == 2 else list(np.moveaxis(array, -1, 0)), mode)


def inks() -> Array:
    """Complements of ink, as Photoshop stores them, without black."""
    return np.dstack([PHOTO, np.full_like(GRAY, 255)])


def bc6h() -> bytes:
    head = struct.pack("<4s7I44x2I4s20x4I4x", b"DDS ", 124, 0x1007, 16, 16, 0, 0, 0, 32, 4, b"DX10",
                       0x1000, 0, 0, 0)  # fmt: skip
    return head + struct.pack("<5I", 95, 3, 0, 1, 0) + bytes(256)


def ok(
    name: str, make: Callable[[], bytes], right: Array, needs: str, *warnings: str, levels: int = 0
) -> Kind:
    return Kind(name, make, lambda: [right], warnings=warnings, levels=levels, needs=needs)


def truncated(name: str, make: Callable[[], bytes], needs: str) -> Kind:
    """Half of a file."""
    half = lambda: (data := make())[: len(data) // 2]  # noqa: E731
    return Kind(f"{name}, half of it", half, refusal="a kind of .* that is not read", needs=needs)


HEIF, XL, PIL = "pillow-heif", "imagecodecs", "pillow"
ONE = tuple[str, Callable[[], bytes], str]
WHOLE: tuple[ONE, ...] = (
    ("HEIC", partial(heic, PHOTO, "RGB"), HEIF),
    ("JPEG XL", partial(jpeg_xl, PHOTO), XL),
    ("TGA", partial(pil, PHOTO, "TGA"), PIL),
    ("TGA with run lengths", partial(pil, PHOTO, "TGA", compression="tga_rle"), PIL),
    ("ICO", partial(pil, RGBA, "ICO", sizes=[(46, 37)]), PIL),
    ("PSD", partial(psd_of, PHOTO, 3), PIL),
    ("QOI", lambda: bytes(imagecodecs.qoi_encode(PHOTO)), PIL),
    ("DDS", partial(pil, RGBA, "DDS"), PIL),
    ("PCX", partial(pil, PHOTO, "PCX"), PIL),
)
MOVING = np.stack([PHOTO, PHOTO[::-1]])

KINDS: tuple[Kind, ...] = (
    *(truncated(*whole) for whole in WHOLE),
    ok("HEIC, RGB", partial(heic, PHOTO, "RGB"), PHOTO, HEIF),
    ok("HEIC, RGBA", partial(heic, RGBA, "RGBA"), RGBA, HEIF),
    ok("HEIC, gray", partial(heic, GRAY, "L"), GRAY, HEIF, levels=2),
    ok("HEIC, 10 bits", partial(heic, DEEP, "RGB;16"), DEEP >> 6 << 6, HEIF, levels=64),
    *(ok(f"HEIC, orientation {number}", partial(turned_heic, number), right, HEIF)
      for number, right in UPRIGHT.items()),
    ok("HEIC, two pictures", two_heics, PHOTO, HEIF, "^left out: more pictures$"),
    *(ok(f"JPEG XL, {array.dtype} {array.shape}", partial(jpeg_xl, array), right, XL)
      for array, right in ((GRAY, GRAY), (LA, GRAY_ALPHA), (PHOTO, PHOTO), (RGBA, RGBA),
                           (DEEP, DEEP), (PHOTO.astype(np.float32) / 255,) * 2)),
    ok("JPEG XL in boxes", partial(jpeg_xl, PHOTO, usecontainer=True), PHOTO, XL),
    Kind("JPEG XL, animation", partial(jpeg_xl, MOVING, photometric="rgb"), lambda: list(MOVING),
         warnings=("durations of its frames",), needs=XL),
    *(ok(f"TGA, {array.shape} {compression}", partial(pil, array, "TGA", compression=compression),
         array, PIL)
      for array in (GRAY, PHOTO, RGBA) for compression in (None, "tga_rle")),
    ok("TGA, comment", partial(pil, GRAY, "TGA", id_section=b"words"), GRAY, PIL,
       "^left out: comment$"),
    ok("TGA, palette", partial(palette_file, "TGA"), TABLE[INDICES], PIL),
    ok("ICO, two sizes", partial(pil, RGBA, "ICO", sizes=[(23, 18), (46, 37)]), RGBA, PIL,
       "^left out: smaller pictures$"),
    ok("PSD, gray", partial(psd_of, GRAY, 1), GRAY, PIL),
    ok("PSD, IPTC", lambda: psd([GRAY], 1, (1028, b"words")), GRAY, PIL, "^left out: IPTC$"),
    ok("PSD, RGB", partial(psd_of, PHOTO, 3), PHOTO, PIL),
    ok("PSD, RGBA", partial(psd_of, RGBA, 3), RGBA, PIL),
    ok("PSD, CMYK", lambda: psd_of(inks(), 4), PHOTO, PIL, "CMYK .* without a profile"),
    Kind("PSD, 16 bits", partial(psd_of, DEEP, 3), refusal="a kind of PSD that is not", needs=PIL),
    Kind("PSD, Lab", partial(psd_of, PHOTO, 9), refusal="PSD .* LAB colors", needs=PIL),
    ok("QOI, RGB", lambda: bytes(imagecodecs.qoi_encode(PHOTO)), PHOTO, PIL),
    ok("QOI, RGBA", lambda: bytes(imagecodecs.qoi_encode(RGBA)), RGBA, PIL),
    ok("DDS, RGB", partial(pil, PHOTO, "DDS"), PHOTO, PIL),
    ok("DDS, RGBA", partial(pil, RGBA, "DDS"), RGBA, PIL),
    Kind("DDS, floats", bc6h, refusal="DDS texture of floats", needs=PIL),
    ok("PCX, RGB", partial(pil, PHOTO, "PCX"), PHOTO, PIL),
    ok("PCX, gray", partial(pil, GRAY, "PCX"), GRAY, PIL),
    ok("PCX, palette", partial(palette_file, "PCX"), TABLE[INDICES], PIL),
)  # fmt: skip
