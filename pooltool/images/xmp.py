"""XMP (ISO 16684-1): what a packet says of the picture is changed with it, all else stays as it is.

A packet is changed as text, so that what it holds beyond the table keeps its form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple


class _Property(NamedTuple):
    """What pooling does to the properties of a namespace whose names match a pattern."""

    prefix: bytes
    """The customary one, which packets may use without declaring it."""
    namespace: bytes
    names: bytes
    role: str


_TIFF = b"tiff", b"http://ns.adobe.com/tiff/1.0/"
_EXIF = b"exif", b"http://ns.adobe.com/exif/1.0/"
_PANORAMA = b"GPano", b"http://ns.google.com/photos/1.0/panorama/"
_CAMERA = b"GCamera", b"http://ns.google.com/photos/1.0/camera/"
_PROPERTIES = (
    _Property(*_TIFF, b"Orientation", "orientation"),
    _Property(*_TIFF, b"ImageWidth", "width"),
    _Property(*_TIFF, b"ImageLength", "height"),
    _Property(*_TIFF, b"XResolution", "across"),
    _Property(*_TIFF, b"YResolution", "down"),
    _Property(*_EXIF, b"PixelXDimension", "width"),
    _Property(*_EXIF, b"PixelYDimension", "height"),
    _Property(*_EXIF, b"FocalPlaneXResolution", "across"),
    _Property(*_EXIF, b"FocalPlaneYResolution", "down"),
    _Property(*_EXIF, b"Subject(?:Area|Location)", "place"),
    _Property(*_PANORAMA, rb"\w+", "region"),
    _Property(*_PANORAMA, b"CroppedAreaImageWidthPixels", "width"),
    _Property(*_PANORAMA, b"CroppedAreaImageHeightPixels", "height"),
    _Property(*_PANORAMA, b"(?:FullPanoWidth|CroppedAreaLeft)Pixels", "columns"),
    _Property(*_PANORAMA, b"(?:FullPanoHeight|CroppedAreaTop)Pixels", "rows"),
    _Property(b"mwg-rs", b"http://www.metadataworkinggroup.com/schemas/regions/", b"Regions",
              "region"),
    _Property(b"MP", b"http://ns.microsoft.com/photo/1.2/", b"RegionInfo", "region"),
    _Property(b"xmp", b"http://ns.adobe.com/xap/1.0/", b"Thumbnails", "other picture"),
    _Property(b"Container", b"http://ns.google.com/photos/1.0/container/", b"Directory",
              "other picture"),
    _Property(*_CAMERA, rb"(?:MotionPhoto|MicroVideo)\w*", "other picture"),
    _Property(b"hdrgm", b"http://ns.adobe.com/hdr-gain-map/1.0/", rb"\w+", "other picture"),
)  # fmt: skip
"""Properties that describe the picture. Roles: a number that becomes 1 (orientation), the size
in pixels (width, height), what is divided by the reduction (across and down as fractions, columns
and rows as whole pixels), places in pixels, regions in parts of the picture or with a direction,
and other pictures, which are not copied.
"""
_MOST_PREFIXES = 8
"""Prefixes of one namespace that are looked for; no program declares so many."""
_NUMBER = re.compile(rb"\d{1,9}(?:[/.]\d{1,9})?")


def upright(xmp: bytes, turn: int, *, is_turned: bool) -> tuple[bytes, list[str]]:
    """The packet without other pictures, and the names of what cannot be kept of a picture that
    was turned by the EXIF orientation `turn`. Its own orientation is reset if the picture
    `is_turned`: else nobody obeys it.
    """
    xmp, _ = _without(xmp, "other picture")
    if is_turned:
        xmp = _with_numbers(xmp, {"orientation": lambda _: b"1"})
    if turn == 1:
        return xmp, []
    if turn >= 5:
        x_or_y = rb"(?<=[\s</])([\w.-]+:(?:FocalPlane)?)([XY])(?=Resolution\b)"
        xmp = re.sub(x_or_y, lambda match: match[1] + (b"Y" if match[2] == b"X" else b"X"), xmp)
    xmp, had_regions = _without(xmp, "region")
    xmp, had_places = _without(xmp, "place")
    left_out = ["regions (XMP)"] if had_regions else []
    return xmp, left_out + (["subject area (XMP)"] if had_places else [])


def resized(
    xmp: bytes, height: int, width: int, reduction: tuple[float, float]
) -> tuple[bytes, list[str]]:
    """The packet of the pooled picture, and the names of what cannot be kept."""
    down, across = reduction
    numbers: dict[str, Callable[[bytes], bytes]] = {
        "width": lambda _: b"%d" % width,
        "height": lambda _: b"%d" % height,
    }
    if reduction == (1, 1):
        return _with_numbers(xmp, numbers), []
    numbers |= {
        "across": lambda text: _divided(text, across),
        "down": lambda text: _divided(text, down),
        "columns": lambda text: _divided(text, across, whole=True),
        "rows": lambda text: _divided(text, down, whole=True),
    }
    xmp, had_places = _without(_with_numbers(xmp, numbers), "place")
    return xmp, ["subject area (XMP)"] if had_places else []


def _with_numbers(xmp: bytes, numbers: dict[str, Callable[[bytes], bytes]]) -> bytes:
    """The packet with other numbers in the properties of some roles."""
    for name, role in _names(xmp):
        if role in numbers:
            # An attribute, an element, or an element with a qualified value.
            start = rb"""\s%s\s*=\s*["']\s*|<%s(?:\s[^<>]*)?>\s*(?:<[\w.-]+:value[^<>]*>\s*)?"""
            pattern = rb"(%s)(%s)(?=\s*[<\"'])" % (start % (name, name), _NUMBER.pattern)
            pieces, at = [], 0
            for match in re.finditer(pattern, xmp):
                pieces += [xmp[at : match.start(2)], numbers[role](match[2])]
                at = match.end(2)
            xmp = b"".join((*pieces, xmp[at:]))
    return xmp


def _without(xmp: bytes, role: str) -> tuple[bytes, bool]:
    """The packet without the properties of a role, and if it had any."""
    before = len(xmp)
    for name, other in _names(xmp):
        if other != role:
            continue
        xmp = re.sub(rb"""\s%s\s*=\s*("[^"<]*"|'[^'<]*')""" % name, b"", xmp)
        kept, at = [], 0
        for match in re.finditer(rb"<(%s)(?:\s[^<>]*?)?(/?)>" % name, xmp):
            if match.start() < at:
                continue
            end = match.end()
            if not match[2]:
                close = xmp.find(b"</%s>" % match[1], end)
                if close < 0:
                    break
                end = close + len(match[1]) + 3
            kept.append(xmp[at : match.start()])
            at = end
        xmp = b"".join((*kept, xmp[at:]))
    return xmp, len(xmp) != before


def _names(xmp: bytes) -> Iterator[tuple[bytes, str]]:
    """Patterns of the names in a packet that are in the table, each with its role."""
    for prefix, namespace, names, role in _PROPERTIES:
        declared = rb"""xmlns(?::([\w.-]+))?\s*=\s*["']%s["']""" % re.escape(namespace)
        for one in list(dict.fromkeys((prefix, *re.findall(declared, xmp))))[:_MOST_PREFIXES]:
            if one and one + b":" in xmp:
                yield b"%s:(?:%s)" % (one, names), role


def _divided(text: bytes, divisor: float, *, whole: bool = False) -> bytes:
    """A number or fraction divided: a fraction where it was one or has to be, or a whole number."""
    from fractions import Fraction  # takes a millisecond to load, and few pictures need it

    try:
        value = (Fraction(text.decode()) / Fraction(divisor)).limit_denominator(0xFFFF)
    except ZeroDivisionError:
        return text
    if whole or (b"/" not in text and value.denominator == 1):
        return b"%d" % round(value)
    return b"%d/%d" % value.as_integer_ratio()
