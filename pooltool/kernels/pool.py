"""The arithmetic of max, min and average pooling on arrays. Knows no files and no options.

A window is reduced in two steps: its rows into one row, then that row's columns into one pixel.
The output is worked through in tiles whose input stays in the processor's cache, so the memory
taken beyond input and output stays small whatever the image's size.

Every result comes from the same operations in the same order wherever its window lies, so equal
input gives equal bits whatever the tiles, the memory layout or the number of channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import AdaptiveAxis, AnyAxis, AnyWindows, Axis
from pooltool.kernels import boxes, halving, means, sliding
from pooltool.kernels.sliding import Reduction
from pooltool.kernels.tiles import (
    TILE_BYTES,
    Source,
    Tile,
    copy,
    decimate,
    is_turned,
    scratch,
    tiles,
    trim_scratch,
)

Array = NDArray[Any]
Method = Literal["max", "min", "avg"]


def pool2d(
    image: Array,
    method: Method,
    windows: AnyWindows,
    *,
    count_include_pad: bool = False,
    dtype: np.dtype[Any] | None = None,
    tile_bytes: int = TILE_BYTES,
) -> Array:
    """Pool `image`, (H, W) or (H, W, C), by `method`; return a new C-contiguous array.

    max and min keep the dtype; avg returns `dtype` or what `means.mean_dtype` says.
    """
    rows, columns = windows.axes(image.shape)
    return pool_axes(
        image,
        method,
        rows,
        columns,
        count_include_pad=count_include_pad,
        dtype=dtype,
        tile_bytes=tile_bytes,
    )


def pool_axes(
    image: Array,
    method: Method,
    rows: AnyAxis,
    columns: AnyAxis,
    *,
    count_include_pad: bool = False,
    dtype: np.dtype[Any] | None = None,
    tile_bytes: int = TILE_BYTES,
) -> Array:
    """Pool `image` as `pool2d` does, by windows that lie over its rows and columns already."""
    pixels = image.reshape(*image.shape[:2], -1)
    native = image.dtype.newbyteorder("=")
    if native.kind == "b":
        pixels, native = pixels.view(np.uint8), np.dtype(np.uint8)
    result = means.mean_dtype(native, dtype) if method == "avg" else native
    out = np.empty((rows.count, columns.count, pixels.shape[2]), result)
    target, turned = out, is_turned(pixels) and (method != "avg" or native.kind != "f")
    if turned:  # what does not depend on the order of rows and columns follows the memory
        rows, columns = columns, rows
        pixels, target = pixels.swapaxes(0, 1), target.swapaxes(0, 1)
    if method == "avg":
        itemsize, kernel = _average(pixels, rows, columns, count_include_pad, result)
    else:
        itemsize, kernel = _extreme(pixels, method)
    with np.errstate(all="ignore"):
        for tile in tiles(rows, columns, pixels.shape[2] * itemsize, tile_bytes):
            (_turn(kernel) if turned else kernel)(tile, tile.cut(target))
    trim_scratch()
    if image.dtype.kind == "b" and method != "avg":
        out = out.view(np.bool_)
    return out.reshape(*out.shape[:2], *image.shape[2:])


Kernel = Callable[[Tile, Array], None]
"""Writes the results of one tile, (rows, columns, C)."""


def _turn(kernel: Kernel) -> Kernel:
    """Work on a transposed image in the order of its memory; only the results are transposed."""

    def turned(tile: Tile, out: Array) -> None:
        result = scratch("turned", out.shape, out.dtype)
        kernel(tile, result)
        copy(result.swapaxes(0, 1), out.swapaxes(0, 1))

    return turned


def _extreme(pixels: Array, method: Method) -> tuple[int, Kernel]:
    """The largest or smallest pixel of each window, and the bytes of each on the way."""
    dtype = pixels.dtype.newbyteorder("=")
    low, high = (-np.inf, np.inf) if dtype.kind == "f" else means.integer_range(dtype)
    combine, neutral = (np.maximum, low) if method == "max" else (np.minimum, high)
    reduction = Reduction(combine, neutral, idempotent=True)
    source = Source(pixels, dtype, reduction.neutral)

    def kernel(tile: Tile, out: Array) -> None:
        reduced = _reduce_rows(source, tile, reduction)
        means.settle(reduced)
        _reduce_columns(reduced, tile, reduction, out)

    return dtype.itemsize, kernel


SUM = Reduction(np.add, 0, idempotent=False)


def _average(
    pixels: Array, rows: AnyAxis, columns: AnyAxis, count_padding: bool, result: np.dtype[Any]
) -> tuple[int, Kernel]:
    """The mean of each window, and the bytes of each sum."""
    counts = means.Counts.over(rows, columns, count_padding)
    dtype = pixels.dtype.newbyteorder("=")
    if dtype.kind == "f":
        depth = sliding.depth(rows) + sliding.depth(columns)
        sums = means.float_sum_dtype(dtype, result, depth)
        return _mean_of_floats(Source(pixels, sums, 0), counts)
    if dtype.itemsize == 8:
        return _mean_of_wide_integers(pixels, counts)
    if halving.can_halve(pixels, rows, columns, result):
        return dtype.itemsize, partial(halving.halve, Source(pixels, dtype, 0))
    total = means.integer_sum_dtype(dtype, rows.most * columns.most)
    if boxes.can_sum(pixels, rows, columns, total):
        source, reduce = Source(pixels, dtype, 0), boxes.sum_boxes
    else:
        source = Source(pixels, means.integer_sum_dtype(dtype, rows.most), 0)
        reduce = partial(_reduce, reduction=SUM)
    saturates = not np.can_cast(dtype, result)

    def kernel(tile: Tile, out: Array) -> None:
        sums = scratch("sums", out.shape, total)
        reduce(source, tile, out=sums)
        means.divide_integers(sums, counts.cut(tile.height, tile.width), saturates, out)

    return total.itemsize, kernel


def _mean_of_floats(source: Source, counts: means.Counts) -> tuple[int, Kernel]:
    """Sums that overflow although their mean does not are taken again of smaller values."""
    can_overflow = source.dtype == source.pixels.dtype.newbyteorder("=")
    scale = 2.0 ** -counts.most().bit_length()
    scaled = replace(source, factor=scale)

    def kernel(tile: Tile, out: Array) -> None:
        mean = out if out.dtype == source.dtype else scratch("mean", out.shape, source.dtype)
        _reduce(source, tile, SUM, mean)
        divisors = counts.cut(tile.height, tile.width)
        means.divide_floats(mean, divisors)
        if can_overflow and not means.all_finite(mean):
            repaired = np.empty_like(mean)
            _reduce(scaled, tile, SUM, repaired)
            means.divide_floats(repaired, divisors)
            np.divide(repaired, scale, out=mean, where=~np.isfinite(mean))
        means.store(mean, out)

    return source.dtype.itemsize, kernel


def _mean_of_wide_integers(pixels: Array, counts: means.Counts) -> tuple[int, Kernel]:
    """64-bit integers are summed as two halves, since 64 bits do not hold their sum."""
    big = pixels.dtype.byteorder == ">" or (pixels.dtype.byteorder == "=" and not np.little_endian)
    order = ">" if big else "<"
    kind = pixels.dtype.kind
    high = pixels.getfield(f"{order}{kind}4", 0 if big else 4)
    low = pixels.getfield(f"{order}u4", 4 if big else 0)
    sums = np.dtype(np.int64)

    def kernel(tile: Tile, out: Array) -> None:
        highs, lows = (scratch(name, out.shape, sums) for name in ("highs", "lows"))
        _reduce(Source(high, sums, 0), tile, SUM, highs)
        _reduce(Source(low, sums, 0), tile, SUM, lows)
        means.divide_wide_integers(highs, lows, counts.cut(tile.height, tile.width), out)

    return sums.itemsize, kernel


def _reduce(source: Source, tile: Tile, reduction: Reduction, out: Array) -> None:
    """Reduce the windows of a tile to one value a window and channel."""
    reduced = _reduce_rows(source, tile, reduction)
    if reduced.dtype != out.dtype:
        wide = scratch("wide rows", reduced.shape, out.dtype)
        np.copyto(wide, reduced)
        reduced = wide
    _reduce_columns(reduced, tile, reduction, out)


def _reduce_rows(source: Source, tile: Tile, reduction: Reduction) -> Array:
    """Reduce the rows of each window to one: (windows, columns, C), padding columns included.

    Columns are padded to a whole number of strides.
    """
    left, right = tile.columns.span(tile.left, tile.right)
    stride = tile.columns.stride if isinstance(tile.columns, Axis) else 1
    width = -(-(right - left) // stride) * stride
    _, size, channels = source.pixels.shape
    shape = (tile.bottom - tile.top, width, channels)
    reduced = scratch("reduced rows", shape, source.dtype)
    first, last = max(left, 0), min(right, size)
    if last - first < width:
        reduced[:, : first - left] = source.neutral
        reduced[:, last - left :] = source.neutral
    inside = reduced.reshape(len(reduced), -1)
    sliding.reduce_rows(
        source,
        tile.rows,
        range(tile.top, tile.bottom),
        range(first, last),
        reduction,
        inside[:, (first - left) * channels : (last - left) * channels],
    )
    return reduced


def _reduce_columns(block: Array, tile: Tile, reduction: Reduction, out: Array) -> None:
    """Reduce the columns of each window: (windows, columns, C) to (windows, windows, C).

    Windows slide over all columns; every stride-th is kept.
    """
    axis = tile.columns
    if isinstance(axis, AdaptiveAxis):
        _adaptive_columns(block, axis, tile, reduction, out)
    elif axis.stride == 1:
        _slide_columns(block, axis.pool_size, axis.dilation, reduction, out)
    else:
        slid = block
        if axis.pool_size > 1:
            slid = scratch("slid", block.shape, block.dtype)
            _slide_columns(block, axis.pool_size, axis.dilation, reduction, slid)
        decimate(slid, axis.stride, out)


def _adaptive_columns(
    block: Array, axis: AdaptiveAxis, tile: Tile, reduction: Reduction, out: Array
) -> None:
    """Slide by the shorter of the two sizes of window, then add the pixel that the longer lack."""
    first = axis.start(tile.left)
    starts = np.array([axis.start(i) - first for i in range(tile.left, tile.right)])
    stops = np.array([axis.stop(i) - first for i in range(tile.left, tile.right)])
    slid = scratch("slid", block.shape, block.dtype)
    _slide_columns(block, axis.least, 1, reduction, slid)
    np.take(slid, starts, axis=1, out=out)
    longer = np.flatnonzero(stops - starts > axis.least)
    out[:, longer] = reduction.combine(out[:, longer], block[:, stops[longer] - 1])


def _slide_columns(
    block: Array, pool: int, dilation: int, reduction: Reduction, out: Array
) -> None:
    """Windows that start at every column of (rows, columns, C); the last ones have no room.

    They slide over all columns as one flat run of memory, which is faster than row by row; what
    wraps from one row into the next is left behind in the last step.
    """
    rows, width, channels = block.shape
    count = min(width - (pool - 1) * dilation, out.shape[1])
    target = out[:, :count].reshape(rows, -1)
    if pool == 1:
        target[...] = block.reshape(rows, -1)[:, : target.shape[1]]
        return
    flat = block.reshape(-1)
    run, other, shift = sliding.last_two_runs(flat, pool, dilation * channels, reduction)
    run, other = run.reshape(rows, -1), other.reshape(rows, -1)
    end = target.shape[1]
    reduction.combine(run[:, :end], other[:, shift : shift + end], out=target)
