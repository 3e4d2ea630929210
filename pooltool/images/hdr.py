"""HDR (Radiance RGBE): a text header, then four bytes a pixel."""

from __future__ import annotations

import re

from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv
from pooltool.images.formats import Format
from pooltool.images.headers import name_of, require_plausible
from pooltool.images.picture import Encoded, Header, Picture

FORMATS = (formats.HDR,)
START = rb"#\?(RADIANCE|RGBE)"

_SIZE = rb"\n\n([-+])([XY]) (\d+) ([-+])([XY]) (\d+)\n"
_ORIENTATIONS = (b"Y-+", b"Y--", b"Y+-", b"Y++", b"X+-", b"X--", b"X-+", b"X++")
"""The axis of the lines, its direction and that of the other one, in the order of the numbers by
which EXIF tells how to turn them upright. Radiance counts Y upwards."""


def read_header(data: bytes) -> Header:
    """Read the header, up to the line that tells the size."""
    found = re.search(_SIZE, data[:65536])
    if not found or found[2] == found[5]:
        raise DamageError("it is cut or damaged: the HDR header tells no size")
    lost = []
    for line in data[: found.start()].splitlines()[1:]:
        name, _, value = line.partition(b"=")
        if line.startswith(b"#"):
            lost.append("comments")
        elif name == b"FORMAT" and value.strip() != b"32-bit_rle_rgbe":
            raise ImageError(
                f"it is an HDR picture of the kind {name_of(value)}, which is not read; convert it "
                "to RGBE, for example with `ra_xyze -r`"
            )
        elif name != b"FORMAT" and name_of(name):
            lost.append(f"HDR header {name_of(name)}")
    lines, pixels, start = int(found[3]), int(found[6]), found.end()
    flat, size = lines * pixels * 4, len(data) - start
    if 7 < pixels < 32768 and data[start : start + 2] == b"\2\2":  # run-length coded lines
        # A line is its mark, then for each of four components at least two bytes for 127 pixels.
        require_plausible(lines, pixels, lines * (4 + 8 * -(-pixels // 127)), size * 2)
    else:
        if size < flat and re.search(rb"\x01\x01\x01[^\0]", data[start:]):
            raise ImageError(
                "it is an HDR picture with the run-length coding of before 1991, which is not "
                "read; convert it, for example with `ra_rgbe IN OUT`"
            )
        require_plausible(lines, pixels, flat, size)
    turn = _ORIENTATIONS.index(found[2] + found[1] + found[4]) + 1
    return Header(formats.HDR, ((lines, pixels),), left_out=tuple(lost), orientation=turn)


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """Decode the lines in the order of the file, as if they went down and to the right."""
    data = re.sub(_SIZE, b"\n\n-Y %d +X %d\n" % header.sizes[0], data, count=1)
    return Picture((opencv.decode_still(data, formats.HDR),), formats.HDR)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """Encode with OpenCV; raise `ImageError` for what is not 0 or more and below 2**127.

    A byte of exponent holds no more, and OpenCV writes other numbers as 0 or as any other color.
    """
    pixels = picture.frames[0]
    if not (pixels.min() >= 0 and pixels.max() < 2.0**127):  # nor a NaN
        raise ImageError("HDR cannot hold values below 0, above 1.7e38 or NaN; use pfm, tif or npy")
    return Encoded(opencv.encode_still(format, picture.frames[0]))
