"""Where OpenCV gives exactly what the rules ask for, and faster.

Each function here pools a tile, or returns False or None where OpenCV is not faster or not exact.
None of these windows reaches into the padding, but those of medians of 3x3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import Axis
from pooltool.kernels.reduce import Reduction
from pooltool.kernels.tiles import Tile
from pooltool.native import import_cv2

cv2 = import_cv2()
Array = NDArray[Any]

MOST_CHANNELS = 128
"""Those of an image that OpenCV 5 computes with; OpenCV 4 took 512."""
LEAST_SIDE, MOST_SIDE = 3, 7
"""Sides of windows, in pixels, that OpenCV's morphology is faster with than our steps."""
BLURRED = range(9, 1025)
"""Pixels of the windows that OpenCV's box filter is used for."""
MOST_SCALED = 2**13
"""An odd count, up to which sums of bytes are divided by OpenCV."""
PICTURE_CHANNELS = (1, 3, 4)
"""Those that OpenCV's median filter takes, and that it halves images of with vector units."""
LARGE_MEDIAN = 16
"""Of bytes in windows of 7x7 and more it takes as long at a pixel as we do for so many values."""


def extreme(tile: Tile, reduction: Reduction, out: Array) -> bool:
    """Largest or smallest pixels of small windows that start at every pixel, by morphology.

    OpenCV's result for NaN depends on its position in a window, so tiles with NaN are left out.
    Zeros become +0.0.
    """
    sides = tile.rows.pool_size, tile.columns.pool_size
    if min(sides) < LEAST_SIDE or max(sides) > MOST_SIDE or not _can_filter(tile, "u1 u2 i2 f4 f8"):
        return False
    pixels = _stacked_pixels(tile)
    if pixels.dtype.kind == "f" and np.isnan(pixels.max()):
        return False
    morph = cv2.dilate if reduction.combine in (np.maximum, np.fmax) else cv2.erode
    element = np.ones(sides, np.uint8)
    spread = morph(pixels, element, anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    _keep_results(spread, out)
    return True


def can_blur(dtype: np.dtype[Any], rows: Axis, columns: Axis) -> bool:
    """True where `blur` may be used for windows that are inside the image."""
    area = rows.pool_size * columns.pool_size
    is_dense = rows.stride == rows.dilation == columns.stride == columns.dilation == 1
    return dtype == np.uint8 and is_dense and area % 2 == 1 and area in BLURRED


def blur(tile: Tile, out: Array) -> bool:
    """Rounded means of an odd number of bytes, by the box filter, of windows at every pixel.

    It rounds ties up, but an odd number of pixels has none: a mean is at least 1 / (2 * count)
    from one. OpenCV errs by less for all the sizes here, which a test tries sum by sum.
    """
    if not can_blur(out.dtype, tile.rows, tile.columns) or not _can_filter(tile, "u1"):
        return False
    sides = tile.columns.pool_size, tile.rows.pool_size
    pixels = _stacked_pixels(tile)
    blurred = cv2.blur(pixels, sides, anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    _keep_results(blurred, out)
    return True


def quarter(tile: Tile, out: Array) -> bool:
    """Rounded means of 2x2 integers side by side, by halving the image and its complement, which
    takes half of the time that sums take.

    OpenCV takes the exact sum of four and rounds a quarter of it, ties in a way that varies with
    channels and processors. Let m be that mean, and c what becomes of the complement: they add up
    to -1 unless the mean is a tie, where one of them is rounded up or down by the same rule. So m
    plus c plus 1 is what an odd m is too large by.
    """
    for axis in tile.rows, tile.columns:
        if (axis.pool_size, axis.stride, axis.dilation) != (2, 2, 1) or not axis.is_regular:
            return False
    if out.dtype.str[1:] not in ("u1", "u2", "i2") or out.shape[3] not in PICTURE_CHANNELS:
        return False
    pixels = _stacked_pixels(tile)
    size = out.shape[2], len(pixels) // 2
    means = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    excess = cv2.resize(np.invert(pixels), size, interpolation=cv2.INTER_AREA)
    excess += means
    excess += 1
    excess *= means & 1
    np.subtract(means.reshape(out.shape), excess.reshape(out.shape), out=out)
    return True


def median(tile: Tile, out: Array) -> bool:
    """Medians of square windows of an odd size, without gaps, that overlap so much that filtering
    at every pixel is the faster way. An odd number of values has one in the middle.

    OpenCV treats NaN differently, so tiles with NaN are left out.
    """
    pixels, rows, columns = tile.pixels, tile.rows, tile.columns
    side, kept = rows.pool_size, rows.stride * columns.stride
    frame = 0 if rows.is_regular and columns.is_regular else 1
    for axis in rows, columns:
        if axis.dilation > 1 or axis.lengths or axis.pool_size != side:
            return False
        outside = max(-axis.starts[0], axis.starts[-1] + side - axis.size)
        if frame and (side > 3 or outside > 1 or axis.size < 2):
            return False
    if side % 2 == 0 or pixels.shape[3] not in PICTURE_CHANNELS:
        return False
    if side in (3, 5):
        is_faster = out.dtype.str[1:] in ("u1", "u2", "f4") and 2 * kept <= side * side
    else:
        is_faster = out.dtype == np.uint8 and side > 5 and LARGE_MEDIAN * kept <= side * side
    if not is_faster or (out.dtype.kind == "f" and np.isnan(pixels.max())):
        return False
    middle = side // 2 + frame
    down, across = (
        slice(axis.starts[0] + middle, axis.starts[-1] + middle + 1, axis.stride)
        for axis in (rows, columns)
    )
    for plane, results in zip(pixels, out, strict=True):
        source = _framed(plane, out.dtype) if frame else np.ascontiguousarray(plane, out.dtype)
        filtered = cv2.medianBlur(source, side)
        results[...] = filtered.reshape(source.shape)[down, across]
    return True


def _framed(plane: Array, dtype: np.dtype[Any]) -> Array:
    """The pixels in a frame of small and large values, with which the middle of all 9 pixels of a
    3x3 window is the lower median of its own: 2 of any 3 adjacent ones are small, and the corners.
    A window at an edge has 6 pixels, whose 3rd is the 5th behind 2 small ones; one in a corner has
    4, whose 2nd is the 5th behind 3.
    """
    low, high = (-np.inf, np.inf) if dtype.kind == "f" else (0, np.iinfo(dtype).max)
    height, width, channels = plane.shape
    framed = np.full((height + 2, width + 2, channels), low, dtype)
    for side in (0, -1):
        framed[2 if height % 3 == 0 else 1 : -1 : 3, side] = high
        framed[side, 2 if width % 3 == 0 else 1 : -1 : 3] = high
    framed[1:-1, 1:-1] = plane
    return framed


def scale(sums: Array, count: int, out: Array) -> bool:
    """Divide sums below 2**23 and round them into bytes.

    OpenCV multiplies by 1 / count in float32 and rounds half to even. Of a power of two that is
    exact. An odd count has no ties: a mean is at least 1 / (2 * count) from one, and two
    roundings of a float32 below 256 err by no more than 2**-15.
    """
    exact = count & (count - 1) == 0 or (count % 2 == 1 and count < MOST_SCALED)
    if not exact or out.dtype != np.uint8 or sums.dtype.kind != "u":
        return False
    lines = sums.reshape(-1, sums.shape[2] * sums.shape[3])
    scaled = cv2.convertScaleAbs(
        lines.view(np.int32) if sums.itemsize == 4 else lines, None, 1 / count
    )
    np.copyto(out, scaled.reshape(out.shape))
    return True


def _can_filter(tile: Tile, dtypes: str) -> bool:
    """True for these dtypes, no more channels than OpenCV takes, and windows without gaps that
    start at every pixel of the image, none in the padding.
    """
    for axis in tile.rows, tile.columns:
        if not axis.is_regular or axis.stride > 1 or axis.dilation > 1:
            return False
    return tile.pixels.dtype.str[1:] in dtypes.split() and tile.pixels.shape[3] <= MOST_CHANNELS


def _stacked_pixels(tile: Tile) -> Array:
    """All pixels of a tile as one image, its planes on top of each other."""
    _, height, width, channels = tile.pixels.shape
    return tile.read(0, height, 0).reshape(-1, width, channels)


def _keep_results(filtered: Array, out: Array) -> None:
    """A filter gives as many pixels as it takes; keep those whose windows are in one plane."""
    planes = filtered.reshape(len(out), -1, filtered.shape[1], out.shape[3])
    kept = planes[:, : out.shape[1], : out.shape[2]]
    if out.dtype.kind == "f":
        np.add(kept, 0, out=out)
    else:
        np.copyto(out, kept)
