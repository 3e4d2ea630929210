"""A whole picture at the size it is shown; a tiny one with its windows and numbers drawn."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.compare.drawing import ACCENT, EDGE, PAPER, number_blocks, rule, text_width
from pooltool.compare.grids import LARGEST_GRID, texts_of
from pooltool.compare.tiling import is_partition, window_borders
from pooltool.compare.tones import Bgr, Tones, paint
from pooltool.geometry import AnyAxis, Pair

Array = NDArray[Any]
Axes = tuple[AnyAxis, AnyAxis]

NUMBERED_PIXEL = 28
"""Pixels enlarged to this or more are drawn apart, with their value if type fits into them."""
SMALLEST_TYPE, LARGEST_TYPE = 11, 44


def paint_whole(values: Array, tones: Tones, size: Pair, axes: Axes, index: int) -> Bgr:
    """Paint picture `index`, the image for 0, else a result, (height, width) `size` large."""
    sides = [shown / axis.size for shown, axis in zip(size, axes, strict=True)]
    if max(axis.size for axis in axes) > LARGEST_GRID or min(sides) < NUMBERED_PIXEL:
        return paint(values, tones, *size)
    return _paint_tiny(values, tones, size, axes, index)


def _paint_tiny(values: Array, tones: Tones, size: Pair, axes: Axes, index: int) -> Bgr:
    """Paint a tiny picture with lines between its pixels and its windows, and with its numbers.

    The blocks of a result lie where their windows do; what is in no window stays paper.
    """
    tiled = all(map(is_partition, axes))
    rows, columns = (
        np.rint(_block_ends(axis, index, tiled) * (shown / axis.size)).astype(int)
        for axis, shown in zip(axes, size, strict=True)
    )
    sheet = np.full((*size, 3), PAPER, np.uint8)
    picture = sheet[: rows[-1], : columns[-1]]
    blocks = values.repeat(np.diff(rows), 0).repeat(np.diff(columns), 1)
    picture[...] = paint(blocks, tones, *picture.shape[:2])
    rule(picture, rows[1:-1], columns[1:-1], EDGE, 1)
    if tiled:
        _draw_borders(sheet, axes)
    if values.ndim == 2 or values.shape[2] == 1:
        _number(picture, values.reshape(values.shape[:2]), rows, columns)
    return sheet


def _draw_borders(sheet: Bgr, axes: Axes) -> None:
    """Draw the borders of the windows, but not through what is in none of them."""
    scales = [shown / axis.size for shown, axis in zip(sheet.shape, axes, strict=False)]
    pairs = list(zip(axes, scales, strict=True))
    below, right = (ceil(axis.span(0, axis.count)[1] * scale) + 2 for axis, scale in pairs)
    rows, columns = ([end * scale for end in window_borders(axis)] for axis, scale in pairs)
    rule(sheet[:below, :right], rows, columns, ACCENT, 3)


def _block_ends(axis: AnyAxis, index: int, tiled: bool) -> Array:
    """Where the blocks of picture `index` end along an axis, from 0 on, in pixels of the image."""
    if not index:
        return np.arange(axis.size + 1)
    if not tiled:
        return np.linspace(0, axis.size, axis.count + 1)
    stops = (axis.span(window, window + 1)[1] for window in range(axis.count))
    return np.array([0, *(min(stop, axis.size) for stop in stops)])


def _number(picture: Bgr, values: Array, rows: Array, columns: Array) -> None:
    """Write the values into their blocks if type that fits into them can be read."""
    texts = texts_of(values)
    longest = max(text_width(text, 100) for text in texts.flat)
    height, width = (float(np.diff(ends).min()) for ends in (rows, columns))
    size = int(min(0.45 * height, 75 * width / longest, LARGEST_TYPE))
    if size >= SMALLEST_TYPE:
        number_blocks(picture, texts, rows, columns, size)
