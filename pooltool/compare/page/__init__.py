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
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.compare.measures import NOISE_LEVEL, value_range
from pooltool.compare.panel import busiest, tones_of
from pooltool.compare.text import CHANNEL_NAMES, MOST_CHANNELS
from pooltool.geometry import Pair, Windows
from pooltool.kernels import Pooling, pool2d

Array = NDArray[Any]

ARITHMETIC = ("pool.js", "measures.js", "worker.js")
"""What runs in the page's Worker, and gives the page its constants."""
SCRIPTS = ("state.js", "words.js", "draw.js", "closeup.js", "controls.js", "page.js")

MOST_BYTES = 2_155_000
"""Bytes of pixels that a page holds, so that it stays below 3 MB when written in base64."""
PART = 1 << 16
"""Characters of base64 in one element, as a browser takes an element in one go; a multiple of 4."""
LONGEST_SIDE = 4096
"""Rows and columns that every browser's canvas can draw."""
NUMBERS = {"b1": "u1", "u8": "f8", "i8": "f8", "f2": "f4"}
"""What becomes of dtypes for which browsers have no array."""


def page(
    pixels: Array,
    windows: Windows,
    *,
    title: str,
    count_include_pad: bool = False,
    frame: Pair | None = None,
) -> str:
    """Write the page of an image as the text of an HTML file below 3 MB, to be written as UTF-8.

    `pixels` are (H, W) or (H, W, C) of a real dtype, three or four channels as BGR or BGRA; an
    image that is too large for a page is reduced by average pooling, and the page says so.
    `windows` and `count_include_pad` are the settings that it begins with; `title`, the name of the
    image, may hold any characters; `frame` says which frame of how many `pixels` is, for a file of
    several.

    Raises `WindowError` where the windows do not fit the image.
    """
    windows.axes(pixels.shape)
    # A name that is not UTF-8 comes with lone surrogates, which a file of UTF-8 cannot hold.
    title = title.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    values, info = _picture(pixels)
    settings = settings_of(windows, count_include_pad)
    data = {"frame": frame, "settings": settings, "info": {"title": title, **info}}
    parts = {
        "title": html.escape(title),
        "style": _asset("page.css"),
        "arithmetic": "\n".join(map(_asset, ARITHMETIC)),
        "script": "\n".join(map(_asset, SCRIPTS)),
        "texts": _json(json.loads(_asset("texts.json"))),
        "data": _json(data),
        "values": "\n".join(
            f'<script type="text/plain" class="values">{values[at : at + PART]}</script>'
            for at in range(0, len(values), PART)
        ),
    }
    # In one pass, so that a title which looks like a place to fill stays as it is.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _asset("page.html"))


def settings_of(windows: Windows, count_include_pad: bool) -> dict[str, Any]:
    """The settings as `pool.js` takes them."""
    settings = {**windows._asdict(), "count_include_pad": count_include_pad}
    if windows.padding != "same":  # the command's are alike on both sides
        sides = [(0, 0)] * 2 if windows.padding == "valid" else windows.padding
        settings["padding"] = [before for before, _ in sides]
    return settings


def reduction(pixels: Array) -> Pair:
    """How many rows and columns of an image one pixel of its page is the mean of: as few as make
    the picture fit a page; (1, 1) for the values as they are.
    """
    height, width, *channels = pixels.shape
    count = min(channels[0], MOST_CHANNELS) if channels else 1
    item = np.dtype(_number(pixels)).itemsize * count
    side = max(1, -(-max(height, width) // LONGEST_SIDE))
    while -(-height // side) * -(-width // side) * item > MOST_BYTES:
        side += 1
    return min(side, height), min(side, width)


def _number(pixels: Array) -> str:
    """The dtype that the page holds: what becomes of those for which browsers have no array."""
    return NUMBERS.get(pixels.dtype.str[1:], pixels.dtype.str[1:])


def _picture(pixels: Array) -> tuple[str, dict[str, Any]]:
    """The values of an image, or their means that fit a page, in base64, and how to show them."""
    height, width, *channels = pixels.shape
    count = channels[0] if channels else 1
    shown = pixels.reshape(height, width, count)[..., :MOST_CHANNELS]
    number, sides = _number(pixels), reduction(pixels)
    if sides != (1, 1):
        windows, dtype = Windows.of(sides, ceil_mode=True), pixels.dtype.newbyteorder("=")
        shown = pool2d(shown, Pooling("avg", windows, dtype=dtype))
    names = CHANNEL_NAMES.get(count) or [(index, str(index)) for index in range(shown.shape[2])]
    planes = np.stack([shown[..., index] for index, _ in names]).astype("<" + number)
    values = base64.b64encode(planes.tobytes()).decode("ascii")
    means = pool2d(shown[:1, :1], Pooling("avg", Windows.of(1)))
    tones = tones_of(pixels)
    return values, {
        "numbers": planes.dtype.str[1:],
        "height": shown.shape[0],
        "width": shown.shape[1],
        "channels": [name or "gray" for _, name in names],
        "reduced": sides,
        "file": {"height": height, "width": width, "channels": count},
        "dtype": pixels.dtype.name,
        "means": means.dtype.str[1:],
        "busiest": busiest(shown.shape, shown, tones),
        **tones._asdict(),
        "noise": NOISE_LEVEL * value_range(shown),
    }


def _json(value: object) -> str:
    """JSON that can stand inside a script element: no text in it ends the element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _asset(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
