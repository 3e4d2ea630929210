"""Rounded averages of 2x2 integers, by OpenCV's fast halving of an image.

`cv2.resize(INTER_AREA)` to half the size takes the exact sum of four integers and rounds its
quarter to the nearest, ties in a way that varies with the number of channels and the processor.
Taken of the complement `~x` too, it tells which means are ties.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import AnyAxis, Axis
from pooltool.kernels.tiles import Source, Tile, cv2, scratch

Array = NDArray[Any]
FAST_CHANNELS = (1, 3, 4)
"""Those that OpenCV halves with vector units; of others it is several times slower than we are."""


def can_halve(pixels: Array, rows: AnyAxis, columns: AnyAxis, result: np.dtype[Any]) -> bool:
    """True for 2x2 windows without gaps or padding, of integers that keep their dtype."""
    kept = pixels.dtype.newbyteorder("=") == result and result.str[1:] in ("u1", "u2", "i2")
    return kept and _pairs(rows) and _pairs(columns) and pixels.shape[2] in FAST_CHANNELS


def _pairs(axis: AnyAxis) -> bool:
    if not isinstance(axis, Axis) or axis.span(0, axis.count)[1] > axis.size:
        return False
    return (axis.pool_size, axis.stride, axis.dilation, axis.before) == (2, 2, 1, 0)


def halve(source: Source, tile: Tile, out: Array) -> None:
    """Write the means of a tile, (rows, columns, C), rounded half to even.

    Let m be the mean as OpenCV rounds it and `~c` what it makes of the complement. Where the mean
    is no tie they are equal. Where it lies between n and n + 1, one is n and the other n + 1, by
    whichever rule OpenCV rounds ties: so an odd m is replaced by `~c`, and m - ~c is m + c + 1.
    """
    rows, width, channels = out.shape
    left, right = tile.columns.span(tile.left, tile.right)
    block = source.rows(*tile.rows.span(tile.top, tile.bottom), left, right)
    complement = np.invert(block, out=scratch("complement", block.shape, out.dtype))
    means, others = (scratch(name, out.shape, out.dtype) for name in ("means", "others"))
    for values, halved in ((block, means), (complement, others)):
        pixels = values.reshape(2 * rows, 2 * width, channels)
        resized = cv2.resize(pixels, (width, rows), halved, interpolation=cv2.INTER_AREA)
        assert np.may_share_memory(resized, halved)
    odd = np.bitwise_and(means, 1, out=scratch("odd means", out.shape, out.dtype))
    np.add(others, means, out=others)
    np.add(others, 1, out=others)
    np.multiply(others, odd, out=others)
    np.subtract(means, others, out=out)
