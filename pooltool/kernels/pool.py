"""The arithmetic of max, min and average pooling on arrays. Knows no files and no options.

A window is reduced in two steps: its rows into one row, then that row's columns into one pixel;
an average is then divided. The output is worked through in tiles whose input stays in the
processor's cache, so the memory taken beyond input and output stays small whatever the image's
size. Inside, arrays are (planes, rows, columns, channels): planes and channels are independent,
and which of the two an image's channels become depends on the memory layout.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from math import inf, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.errors import PooltoolError
from pooltool.geometry import Axis, DataFormat, row_axis
from pooltool.kernels import fast, means
from pooltool.kernels.reduce import SUM, Reduction, reduce_windows
from pooltool.kernels.tiles import (
    LARGE_SIDE,
    Method,
    Pooling,
    Tile,
    as_planes,
    copy_pixels,
    tiles,
    transposed,
)

Array = NDArray[Any]
CHECKED_BYTES = 1 << 28
"""Results that are larger are compared with the memory of this machine."""

TILE_BYTES = 7 << 18
"""Bytes of a tile's pixels and of what they become: few enough to stay in the cache, and so many
that the calls of a tile, some tens of microseconds, hardly show."""
OVERLAP = 4
"""A tile of windows that overlap spans so many of them, down and across."""
SHORT, MANY_PLANES = 32, 32
"""Rows of so few values, of so many planes, are transposed: numpy then works on all planes at once
instead of starting anew with each row."""


def pool2d(
    image: Array,
    pooling: Pooling,
    *,
    data_format: DataFormat = "channels_last",
    tile_bytes: int = TILE_BYTES,
) -> Array:
    """Pool `image`, of 2 to 4 axes as `data_format` says; return a new C-contiguous array.

    avg returns `pooling.dtype` or what `means.mean_dtype` says; all others keep the dtype.
    """
    rows, columns = pooling.windows.axes(image.shape, data_format)
    return pool_axes(image, pooling, rows, columns, data_format=data_format, tile_bytes=tile_bytes)


def pool_axes(
    image: Array,
    pooling: Pooling,
    rows: Axis,
    columns: Axis,
    *,
    data_format: DataFormat = "channels_last",
    tile_bytes: int = TILE_BYTES,
) -> Array:
    """Pool `image` as `pool2d` does, by windows that are already fitted to its rows and columns."""
    is_bool, is_mean = image.dtype.kind == "b", pooling.method == "avg"
    pixels = image
    if is_bool:  # a mask that is viewed as bool may hold 255
        pixels = np.not_equal(image.view(np.uint8), 0).view(np.uint8)
    dtype = pixels.dtype.newbyteorder("=")
    first = row_axis(image.ndim, data_format)
    shape = (*image.shape[:first], rows.count, columns.count, *image.shape[first + 2 :])
    out = empty(shape, means.mean_dtype(dtype, pooling.dtype) if is_mean else dtype)
    planes, wanted = as_planes(pixels, out, first)
    if len(planes) >= MANY_PLANES and max(planes[0, 0].size, wanted[0, 0].size) <= SHORT:
        _pool_short(planes, pooling, rows, columns, wanted, tile_bytes)
    else:
        if (dtype.kind != "f" or not is_mean) and abs(planes.strides[1]) < abs(planes.strides[2]):
            # A transposed view is read along its memory, whose order cannot be seen in the result.
            planes, wanted = planes.swapaxes(1, 2), wanted.swapaxes(1, 2)
            rows, columns = columns, rows
        is_in_order = wanted[0, 0].flags.c_contiguous
        results = wanted if is_in_order else np.empty(wanted.shape, out.dtype)
        _pool_planes(planes, pooling, rows, columns, results, tile_bytes)
        if not is_in_order:
            copy_pixels(results, wanted)
    return out.view(np.bool_) if is_bool and not is_mean else out


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Memory for a result; a `PooltoolError` where it is more than this machine has."""
    size = prod(shape) * dtype.itemsize
    try:
        if size > CHECKED_BYTES and size > memory_bytes():
            raise MemoryError
        return np.empty(shape, dtype)
    except (MemoryError, ValueError):
        raise PooltoolError(
            f"the result would have shape {shape} and take {size / 2**30:,.1f} GB, more memory "
            "than there is; use larger steps or fewer results"
        ) from None


def memory_bytes() -> float:
    """What this machine has; infinite where Python cannot tell."""
    if sys.platform != "win32" and "SC_PHYS_PAGES" in os.sysconf_names:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return inf


def _pool_short(
    planes: Array, pooling: Pooling, rows: Axis, columns: Axis, out: Array, tile_bytes: int
) -> None:
    """Pool planes as channels that are adjacent in memory, as many at once as stay in the cache."""
    count, height, width, channels = planes.shape
    step = max(MANY_PLANES, tile_bytes // planes[0].nbytes)
    for part in (slice(first, first + step) for first in range(0, count, step)):
        lines = planes[part].reshape(-1, height * width * channels)
        stack = transposed(np.ascontiguousarray(lines, planes.dtype.newbyteorder("=")))
        pooled = np.empty((1, rows.count, columns.count, channels * len(lines)), out.dtype)
        _pool_planes(
            stack.reshape(1, height, width, -1), pooling, rows, columns, pooled, tile_bytes
        )
        by_plane = transposed(pooled.reshape(-1, len(lines)))
        np.copyto(out[part], by_plane.reshape(out[part].shape))


def _pool_planes(
    planes: Array, pooling: Pooling, rows: Axis, columns: Axis, out: Array, tile_bytes: int
) -> None:
    """Pool (planes, rows, columns, channels) into `out`, tile by tile."""
    across = columns.stride + 1
    window_bytes = planes.itemsize * across * (min(rows.stride, LARGE_SIDE) + 1)
    pool = _pool_extremes
    if pooling.method in ("median", "mode"):
        from pooltool.kernels import ranks  # to load it takes a millisecond

        pool, tile_bytes = ranks.pool, 8 * tile_bytes  # which it cuts again
    elif pooling.method == "avg" and planes.dtype.kind == "f":
        pool = _average_floats
    elif pooling.method == "avg":
        pool = average_integers
        window_bytes += 2 * planes.itemsize * across  # for sums, which are wider
        if out.dtype == planes.dtype and fast.can_blur(out.dtype, rows, columns):
            tile_bytes *= 8  # of which the filter keeps a few rows in the cache
    for tile in tiles(planes, rows, columns, tile_bytes // window_bytes, times=OVERLAP):
        pool(tile, pooling, out[tile.where])


def _pool_extremes(tile: Tile, pooling: Pooling, out: Array) -> None:
    """The largest or smallest pixel of each window; a NaN in it gives NaN, unless it is skipped."""
    reduction = _extreme(pooling.method, pooling.skip_nan, out.dtype)
    if not fast.extreme(tile, reduction, out):
        reduce_windows(tile, reduction, out.dtype, out)
        if out.dtype.kind == "f":
            means.canonicalize(out)


@lru_cache
def _extreme(method: Method, skip_nan: bool, dtype: np.dtype[Any]) -> Reduction:
    """How a max or min combines values of a dtype."""
    is_max, is_float = method == "max", dtype.kind == "f"
    if is_float and skip_nan:
        return Reduction(np.fmax if is_max else np.fmin, np.nan, idempotent=True)
    low, high = (-np.inf, np.inf) if is_float else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    combine, neutral = (np.maximum, low) if is_max else (np.minimum, high)
    return Reduction(combine, neutral, idempotent=True)


def average_integers(tile: Tile, pooling: Pooling, out: Array) -> None:
    """Means of integers: their sum is exact, and divided and rounded once."""
    pixels, divisor = tile.pixels.dtype, pooling.divisor_override
    if (
        divisor is None
        and pixels == out.dtype
        and (fast.blur(tile, out) or fast.quarter(tile, out))
    ):
        return
    low, high = means.integer_range(pixels)
    if pixels.itemsize == 8:  # most sums fit into 64 bits even so
        low, high = min(int(tile.pixels.min()), 0), max(int(tile.pixels.max()), 0)
    area = tile.rows.pool_size * tile.columns.pool_size
    along_rows = means.integer_sum_dtype(pixels, low, high, tile.rows.pool_size)
    sums = np.empty(out.shape, means.integer_sum_dtype(pixels, low, high, area))
    reduce_windows(tile, SUM, along_rows, sums)
    counts = divisor or means.counts(tile.rows, tile.columns, pooling.count_include_pad)
    means.divide_integers(sums, counts, (area * low, area * high), out)


@np.errstate(all="ignore")
def _average_floats(tile: Tile, pooling: Pooling, out: Array) -> None:
    """Means of floats. Sums that overflow although their mean does not are taken again of smaller
    values.
    """
    pixels = tile.pixels.dtype.newbyteorder("=")
    dtype = means.float_sum_dtype(pixels, out.dtype, tile.rows, tile.columns)
    counts: means.Counts = pooling.divisor_override or means.counts(
        tile.rows, tile.columns, pooling.count_include_pad
    )
    alone = None
    if pooling.skip_nan and (nan := np.isnan(tile.pixels, order="C")).any():
        tile, skipped = without_nan(tile, nan)
        if pooling.count_include_pad or pooling.divisor_override:  # else it is 0 / 0 for them
            alone = skipped == means.counts(tile.rows, tile.columns, False)
        counts = pooling.divisor_override or counts - skipped
    mean = out if out.dtype == dtype else np.empty(out.shape, dtype)
    reduce_windows(tile, SUM, dtype, mean)
    means.divide_floats(mean, counts, mean)
    finite = bool(np.isfinite(np.add.reduce(mean, axis=None)))
    area = tile.rows.pool_size * tile.columns.pool_size
    if dtype.itemsize == tile.pixels.itemsize and not finite and _may_overflow(tile.pixels, area):
        scale = dtype.type(2.0 ** -area.bit_length())
        smaller = tile._replace(pixels=np.multiply(tile.pixels, scale, order="C"))
        again = np.empty(out.shape, dtype)
        reduce_windows(smaller, SUM, dtype, again)
        means.divide_floats(again, counts, again)
        np.divide(again, scale, out=mean, where=~np.isfinite(mean))
    if alone is not None:
        mean[alone] = np.nan
        finite = False
    means.store(mean, out, finite=finite)


def _may_overflow(pixels: Array, area: int) -> bool:
    """True when a sum of `area` finite values of these may be beyond their dtype."""
    largest = max(-np.fmin.reduce(pixels, axis=None), np.fmax.reduce(pixels, axis=None))
    if np.isinf(largest):
        largest = np.abs(pixels[np.isfinite(pixels)]).max(initial=0)
    return bool(largest > np.finfo(pixels.dtype).max / area)


def without_nan(tile: Tile, nan: NDArray[np.bool_]) -> tuple[Tile, NDArray[np.int64]]:
    """The tile with 0 in place of each `nan`, and how many of them each of its windows holds."""
    area = tile.rows.pool_size * tile.columns.pool_size
    dtype = means.integer_sum_dtype(np.dtype(np.uint8), 0, 1, area)
    skipped = np.empty(tile.shape, dtype)
    holes = tile._replace(pixels=nan.view(np.uint8))
    reduce_windows(holes, SUM, dtype, skipped)
    pixels = np.where(nan, tile.pixels.dtype.type(0), tile.pixels)
    return tile._replace(pixels=pixels), skipped.astype(np.int64)
