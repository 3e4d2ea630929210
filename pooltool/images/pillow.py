"""What OpenCV does not read, by Pillow, pillow-heif and imagecodecs where they are installed.

They are loaded when a file needs them. Such formats are read only; see `formats.WRITTEN_AS`.
"""

from __future__ import annotations

import io
import re
import struct
from typing import Any

import numpy as np

from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv, others, tags
from pooltool.images.avif import BOXES
from pooltool.images.container import Part, first_of, name_of
from pooltool.images.formats import Format
from pooltool.images.picture import Header, Metadata, Picture, require_plausible

_STARTS = {
    formats.HEIC: rb"....ftyp(hei[cxms]|hev[cxms]|mif[12]|msf1)",
    formats.JXL: rb"\xff\x0a|\0\0\0\x0cJXL ",
    formats.PSD: rb"8BPS\0\x01",
    formats.DDS: rb"DDS ",
    formats.QOI: rb"qoif",
    formats.ICO: rb"\0\0[\x01\x02]\0[^\0]\0",
    formats.PCX: rb"\x0a[\0-\x05]\x01[\x01\x02\x04\x08]",
    # A TGA begins with nothing of its own: the kinds and depths there are, and a size.
    formats.TGA: rb".(\x01[\x01\x09].{5}|\0[\x02\x03\x0a\x0b]\0{5}).{4}(?!\0\0|..\0\0).{4}"
                 rb"[\x08\x0f\x10\x18\x20][\0-\x3f]",
}  # fmt: skip
"""How files of each format begin."""


def read_header(data: bytes) -> Header:
    """Open the file by the package that reads its format; pixels are not decoded yet."""
    formats_so = (key for key, start in _STARTS.items() if re.match(start, data, re.DOTALL))
    if not (format := next(formats_so, None)):
        raise ImageError(others.refusal(data[:4096]))
    if format is formats.HEIC:
        return _read_heic(data)
    if format is formats.JXL:
        return _read_jpeg_xl(data)
    sides = re.findall(rb"\x89PNG\r\n\x1a\n....IHDR(....)(....)", data, re.DOTALL)
    if format is formats.ICO and any(max(pair) > struct.pack(">I", 1024) for pair in sides):
        raise DamageError("it is damaged: an icon holds a picture larger than it says")
    image = _opened(data, format, format.name)
    height, width = image.size[::-1]
    # No run of these formats has more pixels a byte; an icon may hold a small PNG.
    require_plausible(height, width, height * width - (1 << 16), len(data) * 256)
    resources = {number: block for number, _, block in getattr(image, "resources", ())}  # of PSD
    exif, xmp = tags.read_exif(resources.get(1058)), resources.get(1060, b"")
    across, down = image.info.get("dpi", (0, 0))  # of PCX
    if inches := resources.get(1005):
        across, down = (side / 65536 for side in struct.unpack_from(">I4xI", inches + bytes(12)))
    resolution = (down / 0.0254, across / 0.0254) if across and down else None
    names = {"comment": image.info.get("id_section"), "IPTC": resources.get(1028)}  # TGA, PSD
    missing = [name for name, block in names.items() if block]
    count = others.attempt(format.name, lambda: getattr(image, "n_frames", 1))
    if len(image.info.get("sizes", ())) > 1:  # of ICO
        missing.append("smaller pictures")
    elif count > 1:
        missing.append("layers" if format is formats.PSD else "more pictures")
    metadata = Metadata(exif, xmp, image.info.get("icc_profile") or b"", resolution)
    return Header(format, (image.size[::-1],), metadata, tuple(missing), 1, details=image)


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """Decode the picture that is shown first, and all frames of an animation of JPEG XL."""
    format = header.format
    if format is formats.JXL:
        pixels = others.by_imagecodecs("jpegxl", "JPEG XL", data)
        if pixels.dtype == np.float16:
            pixels = pixels.astype(np.float32)
        stack = pixels if pixels.ndim == 4 else pixels[None]
        lost = ("the durations of its frames were left out",) if len(stack) > 1 else ()
        return Picture(tuple(map(others.in_opencv_order, stack)), format, warnings=lost)
    if format is formats.HEIC:
        # A copy: in older releases the memory ends with the image.
        pixels = others.attempt(format.name, lambda: np.array(header.details))
        frames = (others.in_opencv_order(pixels),)
        return Picture(frames, format, premultiplied=header.details.premultiplied_alpha)
    return _picture(header.details, header)


def decode_as(data: bytes, header: Header, what: str) -> Picture:
    """Decode a kind of a format that OpenCV reads in other kinds."""
    return _picture(_opened(data, header.format, what), header)


def _opened(data: bytes, format: Format, what: str) -> Any:
    """A Pillow image whose pixels are not decoded yet."""
    pillow = others.imported("PIL.Image", what)
    if format is formats.DDS and data[84:88] == b"DX10" and data[128] in (94, 95, 96):
        raise ImageError("it is a DDS texture of floats (BC6H), which is not read")
    names = ("ICO", "CUR") if format is formats.ICO else (format.name,)
    return others.attempt(format.name, lambda: pillow.open(io.BytesIO(data), formats=names))


def _picture(image: Any, header: Header) -> Picture:
    """Pixels as Pillow decodes them, with all their bits."""
    format = header.format
    others.attempt(format.name, image.load)
    mode = {"1": "L", "P": "RGB", "RGBX": "RGB"}.get(image.mode, image.mode)
    if image.has_transparency_data:
        mode = "RGBA"
    if mode == "CMYK":
        words = f"a {format.name} of CMYK colors with a profile"
        colors, warning = others.rgb_of_cmyk(np.asarray(image), header.metadata.icc, words)
        return Picture((opencv.swapped(colors),), format, warnings=(warning,))
    if mode not in ("L", "RGB", "RGBA", "I;16", "I;16B"):
        raise ImageError(f"it is a {format.name} picture with {mode} colors, which is not read")
    pixels = np.asarray(image.convert(mode))
    pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    return Picture((others.in_opencv_order(pixels),), format)


def _read_heic(data: bytes) -> Header:
    """libheif turns its pictures upright by itself; deep ones fill 16 bits."""
    heif = others.imported("pillow_heif", "HEIC")
    file = others.attempt("HEIC", lambda: heif.open_heif(data, convert_hdr_to_8bit=False))
    image, missing = file[file.primary_index], []
    if len(file) > 1 or image.info.get("depth_images") or image.info.get("aux"):
        missing.append("more pictures")
    exif = tags.read_exif(image.info.get("exif"))
    metadata = Metadata(exif, image.info.get("xmp") or b"", image.info.get("icc_profile") or b"")
    colors = image.info.get("nclx_profile") or {}
    if not metadata.icc and colors.get("transfer_characteristics", 13) not in (2, 6, 13):
        missing.append("colors that are not sRGB")
    return Header(formats.HEIC, (image.size[::-1],), metadata, tuple(missing), 1, details=image,
                  pixel_bytes=8 if ";16" in image.mode else 4)  # fmt: skip


def _read_jpeg_xl(data: bytes) -> Header:
    """The size by the first bits of the codestream (ISO/IEC 18181-1, B.2), metadata by boxes.

    libjxl turns pictures upright by itself.
    """
    others.imported("imagecodecs", "JPEG XL")
    boxes = BOXES.walk(data) if data[4:8] == b"JXL " else [Part(b"jxlc", data)]
    named = first_of(boxes)
    code = named[b"jxlp"][4:] if b"jxlp" in named else named[b"jxlc"]
    bits, at = int.from_bytes(code[2:20], "little"), 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return bits >> at - count & (1 << count) - 1

    def side(small: int) -> int:
        return 8 * take(5) + 8 if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = take(1)
    height, ratio = side(small), take(3)
    above, below = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio]
    width = height * above // below if ratio else side(small)
    exif, xmp = tags.read_exif(named.get(b"Exif", b"")[4:]), bytes(named.get(b"xml ", b""))
    missing = [f"box {name_of(box.name)}" for box in boxes if box.name in (b"brob", b"jumb")]
    return Header(formats.JXL, ((height, width),), Metadata(exif, xmp), tuple(missing), 1,
                  pixel_bytes=8)  # fmt: skip
