"""The page that `compare` writes: one HTML file in which a reader moves windows over a picture.

The files beside this module are put together into one that needs no network. `pool.js` pools as the
package does; the picture's values travel as they are, so that the numbers on the page are those of
the file.
"""

from __future__ import annotations

import base64
import html
import json
import re
from dataclasses import asdict
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.compare.measures import NOISE_LEVEL, value_range
from pooltool.compare.panel import tones_of
from pooltool.compare.text import CHANNEL_NAMES, MOST_CHANNELS
from pooltool.geometry import AdaptiveWindows, AnyWindows, Pair, Windows
from pooltool.kernels import Pooling, pool2d

Array = NDArray[Any]

SCRIPTS = ("pool.js", "measures.js", "draw.js", "words.js", "page.js")

MOST_BYTES = 2_180_000
"""Bytes of pixels that a page holds, so that it stays below 3 MB when written in base64."""
LONGEST_SIDE = 4096
"""Rows and columns that every browser's canvas can draw."""
LARGEST_EXACT = 2**53
"""Whole numbers up to this are exact in a browser, whose numbers are float64."""
NUMBERS = {"b1": "u1", "u8": "f8", "i8": "f8", "f2": "f4"}
"""What becomes of dtypes for which browsers have no array."""


def page(
    pixels: Array,
    windows: AnyWindows,
    *,
    title: str,
    count_include_pad: bool = False,
    frame: Pair | None = None,
) -> str:
    """Write the page of an image.

    Parameters
    ----------
    pixels
        (H, W) or (H, W, C) of a real dtype, three or four channels as BGR or BGRA.
    windows, count_include_pad
        The settings that the page begins with.
    title
        Name of the image. It may hold any characters.
    frame
        Which frame of how many `pixels` is, for a file of several.

    Returns
    -------
    The text of an HTML file below 3 MB, to be written as UTF-8. An image that is too large for
    that is reduced by average pooling, and the page says so.

    Raises
    ------
    WindowError
        The windows do not fit the image.
    """
    windows.axes(pixels.shape)
    # A name that is not UTF-8 comes with lone surrogates, which a file of UTF-8 cannot hold.
    title = title.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    data = {
        "title": title,
        "frame": frame,
        "settings": settings_of(windows, count_include_pad),
        **_picture(pixels),
    }
    texts = json.loads(_asset("texts.json"))
    parts = {
        "title": html.escape(title),
        "style": _asset("page.css"),
        "script": "\n".join(map(_asset, SCRIPTS)),
        "texts": _json(texts),
        "data": _json(data),
    }
    # In one pass, so that a title which looks like a place to fill stays as it is.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html"))


def settings_of(windows: AnyWindows, count_include_pad: bool) -> dict[str, Any]:
    """The settings as `pool.js` takes them."""
    output_size = windows.output_size if isinstance(windows, AdaptiveWindows) else None
    windows = windows if isinstance(windows, Windows) else Windows()
    padding = ((0, 0), (0, 0)) if windows.padding == "valid" else windows.padding
    return {
        **asdict(windows),
        "padding": padding,
        "output_size": output_size,
        "count_include_pad": count_include_pad,
    }


def _picture(pixels: Array) -> dict[str, Any]:
    """The values of an image, reduced if they are too many, and how to show them."""
    tones, spread = tones_of(pixels), value_range(pixels)
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    shown = pixels.reshape(*pixels.shape[:2], channels)[..., :MOST_CHANNELS]
    reduced, side = _reduced(shown)
    number = pixels.dtype.str[1:]
    exact = pixels.dtype.kind not in "iu" or bool((np.abs(reduced / 1.0) <= LARGEST_EXACT).all())
    names = CHANNEL_NAMES.get(channels) or tuple(enumerate(map(str, range(reduced.shape[2]))))
    planes = np.stack([reduced[..., index] for index, _ in names])
    planes = planes.astype("<" + NUMBERS.get(number, number))
    return {
        "values": base64.b64encode(planes.tobytes()).decode("ascii"),
        "numbers": planes.dtype.str[1:],
        "height": reduced.shape[0],
        "width": reduced.shape[1],
        "channels": [name or "gray" for _, name in names],
        "reduced": side,
        "file": {"height": pixels.shape[0], "width": pixels.shape[1], "channels": channels},
        "dtype": pixels.dtype.name,
        "exact": exact,
        "black": tones.black,
        "white": tones.white,
        "stretched": tones.stretched,
        "opaque": tones.opaque,
        "noise": NOISE_LEVEL * spread,
        "noise_level": NOISE_LEVEL,
    }


def _reduced(pixels: Array) -> tuple[Array, Pair]:
    """Pool (H, W, C) by the mean, over the smallest windows that make it fit a page; and those."""
    height, width, channels = pixels.shape
    side = max(1, -(-max(height, width) // LONGEST_SIDE))
    item = np.dtype(NUMBERS.get(pixels.dtype.str[1:], pixels.dtype)).itemsize * channels
    while -(-height // side) * -(-width // side) * item > MOST_BYTES:
        side += 1
    sides = min(side, height), min(side, width)
    if side == 1:
        return pixels, sides
    pooling = Pooling(
        "avg", Windows.of(sides, ceil_mode=True), dtype=pixels.dtype.newbyteorder("=")
    )
    return pool2d(pixels, pooling), sides


def _json(value: object) -> str:
    """JSON that can stand inside a script element: no text in it ends the element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _asset(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
