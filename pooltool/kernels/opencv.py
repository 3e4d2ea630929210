"""Where OpenCV gives exactly what the rules ask for, and faster.

Each function here looks at a tile and does it, or leaves it: False or None where OpenCV is not
faster or not exact. None of these windows reaches into the padding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import AnyAxis, Axis
from pooltool.kernels.reduce import Reduction, Tile
from pooltool.native import import_cv2

cv2 = import_cv2()
Array = NDArray[Any]

MOST_CHANNELS = 128
"""Those of an image that OpenCV 5 computes with; OpenCV 4 took 512."""
HALVED_CHANNELS = (1, 3, 4)
"""Those that OpenCV halves with vector units; of others it is several times slower than we are."""
LEAST_SIDE, MOST_SIDE = 3, 7
"""Sides of windows, in pixels, that OpenCV's morphology is faster with than our steps."""
LEAST_BLURRED, MOST_BLURRED = 9, 1024
"""Pixels of the windows that OpenCV's box filter is used for."""
UNSIGNED_INTEGRAL = np.dtype(np.uint32)
"""How the int32 of an integral image are read: sums that run over come right in differences."""


def extreme(tile: Tile, reduction: Reduction, out: Array) -> bool:
    """Largest or smallest pixels of small windows that start at every pixel, by morphology.

    What OpenCV makes of NaN depends on where it lies in a window, so tiles with one are left.
    """
    sides = tile.rows.pool_size, tile.columns.pool_size
    small = min(sides) >= LEAST_SIDE and max(sides) <= MOST_SIDE
    if not (small and _can_filter(tile, "u1 u2 i2 f4 f8") and _is_dense(tile.rows, tile.columns)):
        return False
    pixels = _pixels(tile)
    if pixels.dtype.kind == "f" and np.isnan(pixels.max()):
        return False
    spread = tile.scratch.take("filtered", pixels.shape, pixels.dtype)
    morph = cv2.dilate if reduction.combine is np.maximum else cv2.erode
    element = np.ones(sides, np.uint8)
    done = morph(pixels, element, spread, (0, 0), borderType=cv2.BORDER_REPLICATE)
    _keep_results(done, spread, out)
    return True


def mean(tile: Tile, out: Array) -> bool:
    """Means of integers, rounded half to even into their own dtype."""
    if tile.pixels.dtype != out.dtype:
        return False
    if _is_paired(tile.rows) and _is_paired(tile.columns):
        channels = tile.pixels.shape[3]
        return _can_filter(tile, "u1 u2 i2") and channels in HALVED_CHANNELS and _halve(tile, out)
    return _blur(tile, out)


def _halve(tile: Tile, out: Array) -> bool:
    """Rounded means of 2x2 integers, by the halving of an image and of its complement.

    `cv2.resize(INTER_AREA)` to half the size takes the exact sum of four integers and rounds its
    quarter to the nearest, ties in a way that varies with channels and processors. Let m be that
    mean and `~c` what it makes of the complement `~x`. Where the mean is no tie they are equal.
    Where it lies between n and n + 1, one is n and the other n + 1, by whichever rule OpenCV
    rounds ties: so an odd m is replaced by `~c`, and m - ~c is m + c + 1.
    """
    _, height, width, channels = tile.shape
    pixels, shape = _pixels(tile), (height, width, channels)
    halves, others = (tile.scratch.take(name, shape, pixels.dtype) for name in ("half", "other"))
    complement = tile.scratch.take("complement", pixels.shape, pixels.dtype)
    np.invert(pixels, out=complement)
    for source, target in ((pixels, halves), (complement, others)):
        done = cv2.resize(source, (width, height), target, interpolation=cv2.INTER_AREA)
        assert np.may_share_memory(done, target)
    np.add(others, halves, out=others)
    np.add(others, 1, out=others)
    odd = np.bitwise_and(halves, 1, out=tile.scratch.take("complement", shape, pixels.dtype))
    np.multiply(others, odd, out=others)
    np.subtract(halves, others, out=out[0])
    return True


def blurs(pixels: Array, result: np.dtype[Any] | None, rows: AnyAxis, columns: AnyAxis) -> bool:
    """True for rounded means of bytes that OpenCV's box filter takes, of windows that start at
    every pixel.

    It rounds ties up, but an odd number of pixels has none: a mean lies at least 1 / (2 * count)
    from one. OpenCV errs by less for all the sizes here, which a test tries sum by sum.
    """
    area = rows.pool_size * columns.pool_size
    if area % 2 == 0 or not LEAST_BLURRED <= area <= MOST_BLURRED:
        return False
    few = len(pixels) == 1 and pixels.shape[3] <= MOST_CHANNELS
    return few and pixels.dtype == result == np.uint8 and _is_dense(rows, columns)


def _blur(tile: Tile, out: Array) -> bool:
    rows, columns = tile.rows, tile.columns
    inside = rows.is_inside and columns.is_inside
    if not (inside and blurs(tile.pixels, out.dtype, rows, columns)):
        return False
    pixels = _pixels(tile)
    blurred = tile.scratch.take("filtered", pixels.shape, pixels.dtype)
    sides = columns.pool_size, rows.pool_size
    done = cv2.blur(pixels, sides, blurred, (0, 0), cv2.BORDER_REPLICATE)
    _keep_results(done, blurred, out)
    return True


def sums(tile: Tile, dtype: np.dtype[Any]) -> Array | None:
    """Sums of bytes over wide windows that start at every pixel, by the integral image: the sum
    of all pixels above and left of each, of which two differences make the windows.

    Integers make that exact: sums that run over 32 bits come right again in a difference that
    fits. Of floats it could not be used: it would leak error and NaN from one window into others.
    """
    if (
        dtype != UNSIGNED_INTEGRAL
        or not _can_filter(tile, "u1")
        or not _is_dense(tile.rows, tile.columns)
    ):
        return None
    pixels, scratch = _pixels(tile), tile.scratch
    height, width, channels = pixels.shape
    shape = height + 1, width + 1, channels
    integral = scratch.take("integral", shape, np.dtype(np.int32))
    assert np.may_share_memory(cv2.integral(pixels, integral, cv2.CV_32S), integral)
    totals, down, across = integral.view(dtype), tile.rows.pool_size, tile.columns.pool_size
    strips = scratch.take("strips", (tile.rows.count, *shape[1:]), dtype)
    np.subtract(totals[down:], totals[:-down], out=strips)
    windows = scratch.take("sums", tile.shape, dtype)
    np.subtract(strips[:, across:], strips[:, :-across], out=windows[0])
    return windows


def _can_filter(tile: Tile, dtypes: str) -> bool:
    """True for one plane of these dtypes, no more channels than OpenCV takes and no padding."""
    planes, _, _, channels = tile.pixels.shape
    known = tile.pixels.dtype.str[1:] in dtypes.split() and channels <= MOST_CHANNELS
    return planes == 1 and known and tile.rows.is_inside and tile.columns.is_inside


def _is_dense(rows: AnyAxis, columns: AnyAxis) -> bool:
    """True for windows without gaps that start at every pixel, down and across."""
    return all(isinstance(a, Axis) and a.stride == a.dilation == 1 for a in (rows, columns))


def _is_paired(axis: AnyAxis) -> bool:
    """True for windows of two pixels side by side."""
    pair = 2, 2, 1
    return isinstance(axis, Axis) and (axis.pool_size, axis.stride, axis.dilation) == pair


def _pixels(tile: Tile) -> Array:
    """All pixels of a tile, (rows, columns, channels), as OpenCV takes them."""
    _, height, width, channels = tile.pixels.shape
    return tile.read(0, height, 0).reshape(height, width, channels)


def _keep_results(done: Array, filtered: Array, out: Array) -> None:
    """A filter gives as many pixels as it takes; keep those whose windows lie in the tile."""
    assert np.may_share_memory(done, filtered)
    np.copyto(out[0], filtered[: out.shape[1], : out.shape[2]])
