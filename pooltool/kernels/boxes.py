"""Sums of bytes over wide windows that start at every pixel, by an integral image.

The integral image, the sum of all pixels above and left of each, is OpenCV's: one pass, and two
of differences make the windows, however wide they are. Integers make that exact: their sums are
the same in any order, and those that run over 32 bits come right again in a difference that fits.
Of floats it could not be used: it would leak error and NaN from one window into the next.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import AnyAxis, Axis
from pooltool.kernels.tiles import MOST_CHANNELS, Source, Tile, cv2, scratch

Array = NDArray[Any]


def can_sum(pixels: Array, rows: AnyAxis, columns: AnyAxis, sums: np.dtype[Any]) -> bool:
    """True for bytes whose windows slide over rows and columns and are so wide that their sums
    take 32 bits; in 16 bits they are faster summed the usual way.
    """
    slide = all(isinstance(x, Axis) and x.stride == x.dilation == 1 for x in (rows, columns))
    bytes_to_words = pixels.dtype == np.uint8 and sums == np.uint32
    return slide and bytes_to_words and pixels.shape[2] <= MOST_CHANNELS


def sum_boxes(source: Source, tile: Tile, out: Array) -> None:
    """Write the sums of a tile's windows, (rows, columns, C)."""
    block = _padded(source, tile)
    rows, width, channels = block.shape
    integral = scratch("integral", (rows + 1, width + 1, channels), np.dtype(np.int32))
    assert np.may_share_memory(cv2.integral(block, integral, cv2.CV_32S), integral)
    totals, (height, length) = integral.view(out.dtype), (tile.rows.most, tile.columns.most)
    high = scratch("high", (len(out), width + 1, channels), out.dtype)
    np.subtract(totals[height:], totals[:-height], out=high)
    np.subtract(high[:, length:], high[:, :-length], out=out)


def _padded(source: Source, tile: Tile) -> Array:
    """The pixels of a tile, (rows, columns, C), the padding on all sides included."""
    left, right = tile.columns.span(tile.left, tile.right)
    _, size, channels = source.pixels.shape
    first, last = max(left, 0), min(right, size)
    rows = source.rows(*tile.rows.span(tile.top, tile.bottom), first, last)
    inside = rows.reshape(len(rows), last - first, channels)
    if (first, last) == (left, right):
        return inside
    block = scratch("padded", (len(rows), right - left, channels), source.dtype)
    block[:, : first - left] = source.neutral
    block[:, first - left : last - left] = inside
    block[:, last - left :] = source.neutral
    return block
