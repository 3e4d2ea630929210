"""Type and lines on a picture: the few marks that the panel is made of. Colours are BGR."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Bgr = NDArray[np.uint8]
Colour = tuple[int, int, int]

PAPER: Colour = (247, 247, 247)
INK: Colour = (38, 34, 32)
PALE_INK: Colour = (120, 112, 108)
EDGE: Colour = (170, 166, 164)
ACCENT: Colour = (36, 120, 240)
REGULAR, BOLD = 400, 600
LUMA = (0.114, 0.587, 0.299)
"""How bright blue, green and red look (ITU-R BT.601)."""


@cache
def _typeface(weight: int) -> cv2.FontFace:
    """A face that comes with OpenCV, so that pictures look alike on every machine.

    "uni" has the plainer figures and brackets, but no bold.
    """
    return cv2.FontFace("sans" if weight > REGULAR else "uni")


def text_width(text: str, size: int, weight: int = REGULAR) -> int:
    """Pixels that a line of type takes."""
    box: Sequence[int] = cv2.getTextSize((0, 0), text, (0, 0), _typeface(weight), size, weight)
    return int(box[0] + box[2])


def write(
    picture: Bgr, text: str, at: tuple[int, int], size: int, colour: Colour, weight: int = REGULAR
) -> None:
    """Write a line whose baseline begins at `at`, (x, y); `size` is in pixels."""
    no_wrap = (0, 1 << 20)
    cv2.putText(picture, text, at, colour, _typeface(weight), size, weight, wrap=no_wrap)


def frame(picture: Bgr, box: tuple[int, int, int, int], colour: Colour, thickness: int = 1) -> None:
    """Draw around (not on) the box of (left, top, right, bottom), its last two excluded."""
    left, top, right, bottom = box
    for step in range(1, thickness + 1):
        corners = (left - step, top - step), (right - 1 + step, bottom - 1 + step)
        cv2.rectangle(picture, *corners, colour, 1)


def rule(
    picture: Bgr, rows: Iterable[float], columns: Iterable[float], colour: Colour, thickness: int
) -> None:
    """Draw lines across the whole picture at these positions, in pixels."""
    first = thickness // 2
    for row in rows:
        top = max(0, round(row) - first)
        picture[top : top + thickness] = colour
    for column in columns:
        left = max(0, round(column) - first)
        picture[:, left : left + thickness] = colour


def number_blocks(
    picture: Bgr, texts: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any], size: int
) -> None:
    """Write each text into the middle of its block; blocks end at these pixels, from 0 on."""
    centres = [(ends[1:] + ends[:-1]) // 2 for ends in (rows, columns)]
    dark = picture[np.ix_(*centres)] @ LUMA < 140
    for place, text in np.ndenumerate(texts):
        y, x = (int(along[i]) for along, i in zip(centres, place, strict=True))
        start = round(x - text_width(text, size) / 2), round(y + 0.36 * size)
        write(picture, text, start, size, PAPER if dark[place] else INK)
