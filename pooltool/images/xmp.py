"""XMP (ISO 16684-1): what a packet says of the picture is changed with it, all else stays as it is.

A packet is changed as text, so that what it holds beyond the table keeps its form. Prefixes are the
customary ones, which all writers of XMP use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

_NAMES = {
    "orientation": rb"tiff:Orientation",
    "width": rb"tiff:ImageWidth|exif:PixelXDimension|GPano:CroppedAreaImageWidthPixels",
    "height": rb"tiff:ImageLength|exif:PixelYDimension|GPano:CroppedAreaImageHeightPixels",
    "across": rb"(?:tiff:|exif:FocalPlane)XResolution"
              rb"|GPano:(?:FullPanoWidth|CroppedAreaLeft)Pixels",
    "down": rb"(?:tiff:|exif:FocalPlane)YResolution"
            rb"|GPano:(?:FullPanoHeight|CroppedAreaTop)Pixels",
    "subject area": rb"exif:Subject(?:Area|Location)",
    "regions": rb"mwg-rs:Regions|MP:RegionInfo|GPano:\w+",
    "other pictures": rb"xmp:Thumbnails|Container:Directory|hdrgm:\w+"
                      rb"|GCamera:(?:MotionPhoto|MicroVideo)\w*",
}  # fmt: skip
"""Properties that describe the picture, by what they say: what is divided by the reduction (across
and down), places in pixels, regions in parts of the picture or with a direction, and other
pictures, which are not copied.
"""
_NUMBER = rb"\d{1,9}(?:/[1-9]\d{,8}|\.\d{1,9})?"


def adapted(
    xmp: bytes,
    shape: tuple[int, ...],
    turn: int | None = None,
    reduction: tuple[float, float] = (1, 1),
) -> tuple[bytes, list[str]]:
    """The packet of the picture that was turned, or then pooled, to this shape, and the names of
    what cannot be kept. Its own orientation is reset where `turn` tells how the picture was turned,
    or that it was upright: otherwise programs ignore it.
    """
    xmp, _ = _without(xmp, "other pictures")
    xmp = _changed(xmp, "height", lambda _: b"%d" % shape[0])
    xmp = _changed(xmp, "width", lambda _: b"%d" % shape[1])
    if turn:
        xmp = _changed(xmp, "orientation", lambda _: b"1")
    if turn and turn >= 5:
        x_or_y = rb"((?:tiff:|exif:FocalPlane))([XY])(?=Resolution\b)"
        xmp = re.sub(x_or_y, lambda match: match[1] + (b"Y" if match[2] == b"X" else b"X"), xmp)
    for role, side in zip(("down", "across"), reduction, strict=True):
        if side != 1:
            xmp = _changed(xmp, role, partial(_divided, side))
    lost = ["regions"] if turn not in (None, 1) else []
    if lost or reduction != (1, 1):
        lost.append("subject area")
    return _without(xmp, *lost)


def _changed(xmp: bytes, role: str, change: Callable[[bytes], bytes]) -> bytes:
    """The packet with other numbers in some properties: attributes, elements, or elements with a
    qualified value.
    """
    start = rb"""\s(?:%s)\s*=\s*["']\s*|<(?:%s)(?:\s[^<>]*)?>\s*(?:<[\w.-]+:value[^<>]*>\s*)?"""
    pattern = rb"(%s)(%s)(?=\s*[<\"'])" % (start % (_NAMES[role], _NAMES[role]), _NUMBER)
    return re.sub(pattern, lambda match: match[1] + change(match[2]), xmp)


def _without(xmp: bytes, *roles: str) -> tuple[bytes, list[str]]:
    """The packet without some properties, and the names of those that it had."""
    names = []
    for role in roles:
        before = len(xmp)
        xmp = re.sub(rb"""\s(?:%s)\s*=\s*("[^"<]*"|'[^'<]*')""" % _NAMES[role], b"", xmp)
        kept, at = [], 0
        for match in re.finditer(rb"<(%s)(?:\s[^<>]*?)?(/?)>" % _NAMES[role], xmp):
            if match.start() < at:
                continue
            closing = b"" if match[2] else b"</%s>" % match[1]
            end = xmp.find(closing, match.end())
            if end < 0:
                break
            kept.append(xmp[at : match.start()])
            at = end + len(closing)
        xmp = b"".join((*kept, xmp[at:]))
        if len(xmp) != before:
            names.append(f"{role} (XMP)")
    return xmp, names


def _divided(divisor: float, text: bytes) -> bytes:
    """A number divided: a fraction where it was one, else a whole number."""
    from fractions import Fraction  # takes a millisecond to load, and few pictures need it

    value = (Fraction(text.decode()) / Fraction(divisor)).limit_denominator(0xFFFF)
    return b"%d/%d" % value.as_integer_ratio() if b"/" in text else b"%d" % round(value)
