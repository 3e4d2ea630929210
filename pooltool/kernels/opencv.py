"""Where OpenCV gives exactly what the rules ask for, and faster.

Each function here looks at a tile and does it, or leaves it: False or None where OpenCV is not
faster or not exact. None of these windows reaches into the padding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import Axis
from pooltool.kernels.reduce import Reduction, Tile
from pooltool.native import import_cv2

cv2 = import_cv2()
Array = NDArray[Any]

MOST_CHANNELS = 128
"""Those of an image that OpenCV 5 computes with; OpenCV 4 took 512."""
LEAST_SIDE, MOST_SIDE = 3, 7
"""Sides of windows, in pixels, that OpenCV's morphology is faster with than our steps."""
LEAST_BLURRED, MOST_BLURRED = 9, 1024
"""Pixels of the windows that OpenCV's box filter is used for."""
MOST_SCALED = 2**13
"""An odd count, up to which sums of bytes are divided by OpenCV."""
MEDIAN_CHANNELS = (1, 3, 4)
"""Those that OpenCV's median filter takes."""
LARGE_MEDIAN = 16
"""Of bytes in windows of 7x7 and more it takes as long at a pixel as we do for so many values."""


def extreme(tile: Tile, reduction: Reduction, out: Array) -> bool:
    """Largest or smallest pixels of small windows that start at every pixel, by morphology.

    What OpenCV makes of NaN depends on where it lies in a window, so tiles with one are left.
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


def blurs(pixels: Array, result: np.dtype[Any] | None, rows: Axis, columns: Axis) -> bool:
    """True for rounded means of bytes that OpenCV's box filter takes, of windows that start at
    every pixel.

    It rounds ties up, but an odd number of pixels has none: a mean lies at least 1 / (2 * count)
    from one. OpenCV errs by less for all the sizes here, which a test tries sum by sum.
    """
    area = rows.pool_size * columns.pool_size
    if area % 2 == 0 or not LEAST_BLURRED <= area <= MOST_BLURRED:
        return False
    few = pixels.shape[3] <= MOST_CHANNELS
    return few and pixels.dtype == result == np.uint8 and _is_dense(rows, columns)


def mean(tile: Tile, out: Array) -> bool:
    """Rounded means of bytes, of windows that start at every pixel."""
    rows, columns = tile.rows, tile.columns
    if rows.stride > 1 or not blurs(tile.pixels, out.dtype, rows, columns):
        return False
    if not _can_filter(tile, "u1"):
        return False
    pixels = _stacked_pixels(tile)
    sides = columns.pool_size, rows.pool_size
    blurred = cv2.blur(pixels, sides, anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    _keep_results(blurred, out)
    return True


def takes_medians(pixels: Array, rows: Axis, columns: Axis) -> bool:
    """True for square windows of an odd size, without gaps, that overlap so much that filtering at
    every pixel is the faster way. An odd number of values has one in the middle: no rule to choose.
    """
    if not all(not axis.lengths and axis.dilation == 1 for axis in (rows, columns)):
        return False
    side, kept = rows.pool_size, rows.stride * columns.stride
    if side != columns.pool_size or side % 2 == 0 or pixels.shape[3] not in MEDIAN_CHANNELS:
        return False
    if side in (3, 5):
        return pixels.dtype.str[1:] in ("u1", "u2", "f4") and 2 * kept <= side * side
    return pixels.dtype == np.uint8 and side > 5 and LARGE_MEDIAN * kept <= side * side


def median(pixels: Array, rows: Axis, columns: Axis, out: Array) -> bool:
    """Medians where `takes_medians` holds, of windows inside the image and without NaN."""
    if not (rows.is_regular and columns.is_regular):
        return False
    if pixels.dtype.kind == "f" and np.isnan(pixels.max()):
        return False
    middle = rows.pool_size // 2
    kept = [
        slice(middle, middle + axis.stride * axis.count, axis.stride) for axis in (rows, columns)
    ]
    for plane, results in zip(pixels, out, strict=True):
        filtered = cv2.medianBlur(np.ascontiguousarray(plane, out.dtype), rows.pool_size)
        results[...] = filtered.reshape(plane.shape)[tuple(kept)]
    return True


def median_of_padded(pixels: Array, rows: Axis, columns: Axis, out: Array) -> bool:
    """Medians of 3x3 windows that reach one pixel into the padding: all at once.

    Around the image stand small and large values so that the middle of all 9 is the lower median
    of a window's own: 2 small ones in any 3 side by side, and small ones in the corners. A window
    at an edge has 6 pixels and the 3rd of them is the 5th with 2 small ones before it; one in a
    corner has 4 pixels and the 2nd of them is the 5th with 3 before it.
    """
    sizes = pixels.shape[1:3]
    if not takes_medians(pixels, rows, columns) or rows.pool_size != 3 or min(sizes) < 2:
        return False
    for axis in (rows, columns):
        if axis.unseen != (0, 0) or axis.starts[0] < -1 or axis.starts[-1] + 3 > axis.size + 1:
            return False
    is_float = out.dtype.kind == "f"
    if (rows.is_regular and columns.is_regular) or (is_float and np.isnan(pixels.max())):
        return False
    low, high = (-np.inf, np.inf) if is_float else (0, np.iinfo(out.dtype).max)
    height, width = sizes
    padded = np.full((height + 2, width + 2, pixels.shape[3]), low, out.dtype)
    for side in (0, -1):
        padded[2 if height % 3 == 0 else 1 : -1 : 3, side] = high
        padded[side, 2 if width % 3 == 0 else 1 : -1 : 3] = high
    kept = [slice(axis.starts[0] + 2, axis.starts[-1] + 3, axis.stride) for axis in (rows, columns)]
    for plane, results in zip(pixels, out, strict=True):
        padded[1:-1, 1:-1] = plane
        filtered = cv2.medianBlur(padded, 3)
        results[...] = filtered.reshape(padded.shape)[tuple(kept)]
    if is_float:
        out += 0  # -0.0 becomes 0.0
    return True


def sums(tile: Tile, dtype: np.dtype[Any]) -> Array | None:
    """Sums of bytes over wide windows that start at every pixel, by the integral image: the sum
    of all pixels above and left of each, of which two differences make the windows.

    Integers make that exact: sums that run over 32 bits come right again in a difference that
    fits. Of floats it could not be used: it would leak error and NaN from one window into others.
    """
    if dtype != np.uint32 or len(tile.pixels) > 1 or not _can_filter(tile, "u1"):
        return None
    pixels = _stacked_pixels(tile)
    height, width, channels = pixels.shape
    shape = height + 1, width + 1, channels
    integral = cv2.integral(pixels, sdepth=cv2.CV_32S).reshape(shape)
    totals, down, across = integral.view(dtype), tile.rows.pool_size, tile.columns.pool_size
    strips = np.empty((tile.rows.count, *shape[1:]), dtype)
    np.subtract(totals[down:], totals[:-down], out=strips)
    windows, shift = np.empty(strips.shape, dtype), across * channels
    flat, target = strips.reshape(-1), windows.reshape(-1)  # what wraps around is not kept
    np.subtract(flat[shift:], flat[:-shift], out=target[:-shift])
    return windows[None, :, : tile.columns.count]


def scale(sums: Array, count: int, out: Array) -> bool:
    """Divide sums below 2**23 and round them into bytes.

    OpenCV multiplies by 1 / count in float32 and rounds half to even. Of a power of two that is
    exact. An odd count has no ties: a mean lies at least 1 / (2 * count) from one, and two
    roundings of a float32 below 256 err by no more than 2**-15.
    """
    exact = count & (count - 1) == 0 or (count % 2 == 1 and count < MOST_SCALED)
    if not exact or out.dtype != np.uint8 or sums.dtype.kind != "u":
        return False
    pixels = sums.view(np.int32) if sums.itemsize == 4 else sums
    flat, target = (array.reshape(-1, array.shape[2] * array.shape[3]) for array in (pixels, out))
    column, row = target.strides[1], target.strides[0]
    in_order = column == 1 and row >= target.shape[1] and np.may_share_memory(target, out)
    if not in_order:  # OpenCV writes into no other layout
        return False
    scaled = cv2.convertScaleAbs(flat, target, 1 / count)
    if not np.may_share_memory(scaled, target):
        np.copyto(target, scaled.reshape(target.shape))
    return True


def _can_filter(tile: Tile, dtypes: str) -> bool:
    """True for these dtypes, no more channels than OpenCV takes, and windows without gaps that
    start at every pixel of the image, none in the padding.
    """
    whole = tile.rows.is_regular and tile.columns.is_regular
    dense = tile.pixels.shape[3] <= MOST_CHANNELS and _is_dense(tile.rows, tile.columns)
    return whole and dense and tile.pixels.dtype.str[1:] in dtypes.split()


def _is_dense(rows: Axis, columns: Axis) -> bool:
    """True for windows without gaps that start at every pixel, down and across."""
    return all(not a.lengths and a.stride == a.dilation == 1 for a in (rows, columns))


def _stacked_pixels(tile: Tile) -> Array:
    """All pixels of a tile as one image, its planes on top of each other."""
    _, height, width, channels = tile.pixels.shape
    return tile.read(0, height, 0).reshape(-1, width, channels)


def _keep_results(filtered: Array, out: Array) -> None:
    """A filter gives as many pixels as it takes; keep those whose windows lie in one plane."""
    planes = filtered.reshape(len(out), -1, filtered.shape[1], out.shape[3])
    kept = planes[:, : out.shape[1], : out.shape[2]]
    np.add(kept, 0, out=out) if out.dtype.kind == "f" else np.copyto(out, kept)
