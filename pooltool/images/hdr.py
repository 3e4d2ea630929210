"""HDR (Radiance RGBE): a text header, then four bytes a pixel, which OpenCV reads and writes."""

from __future__ import annotations

import re

from pooltool.errors import ImageError
from pooltool.images import formats, opencv
from pooltool.images.container import name_of
from pooltool.images.picture import Encoded, Header, Picture, require_plausible


def read_header(data: bytes) -> Header:
    """Read the header, up to the line of the size; other than from top left is not read."""
    size = re.search(rb"\n\n-Y (\d{1,9}) \+X (\d{1,9})\n", data[:65536])
    if not size:
        raise ImageError(opencv.unread("HDR"))
    height, width, start = int(size[1]), int(size[2]), size.end()
    lines = data[: size.start()].splitlines()[1:]
    names = (name_of(line.partition(b"=")[0]) for line in lines)
    missing = tuple(
        "comments" if name.startswith("#") else f"HDR header {name}"
        for name in names
        if name != "FORMAT"
    )
    least, room = 4 * height * width, len(data) - start
    if 7 < width < 32768 and data[start : start + 2] == b"\2\2":
        # A run-length line is its mark, then for each component two bytes or more for 127 pixels.
        least, room = height * (4 + 8 * -(-width // 127)), 2 * room
    require_plausible(height, width, least, room)
    return Header(formats.HDR, ((height, width),), left_out=missing, pixel_bytes=12)


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """Decode the picture."""
    return Picture((opencv.decode_still(data, formats.HDR),), formats.HDR)


def encode(picture: Picture, quality: int | None) -> Encoded:
    """Encode a picture; raise `ImageError` for what is not 0 or more and below 2**127.

    A byte of exponent holds no more, and OpenCV writes other numbers as 0 or as any other color.
    """
    pixels = picture.frames[0]
    if not (pixels.min() >= 0 and pixels.max() < 2.0**127):  # nor a NaN
        raise ImageError("HDR cannot hold values below 0, above 1.7e38 or NaN; use pfm, tif or npy")
    return Encoded(opencv.encoded(formats.HDR, pixels))
