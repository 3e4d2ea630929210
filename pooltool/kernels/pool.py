"""The arithmetic of max, min and average pooling on arrays. Knows no files and no options.

A window is reduced in two steps: its rows into one row, then that row's columns into one pixel;
an average is then divided. The output is worked through in tiles whose input stays in the
processor's cache, so the memory taken beyond input and output stays small whatever the image's
size. Inside, arrays are (planes, rows, columns, channels): planes and channels are independent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import AnyAxis, AnyWindows, Pair
from pooltool.kernels import means, opencv
from pooltool.kernels.reduce import (
    CHUNK,
    SUM,
    Reduction,
    Scratch,
    Tile,
    copy_pixels,
    one_by_one,
    reduce_columns,
    reduce_rows,
)

Array = NDArray[Any]
Method = Literal["max", "min", "avg"]

TILE_BYTES = 3 << 20
"""Bytes of a tile's pixels and of what they become: few enough to stay in the cache, and so many
that the calls of a tile, some tens of microseconds, hardly show."""
FEW = 2048
"""So few windows are not parted into those inside the image and those that reach out of it."""
HEIGHTS = 1, 2, 3, 4, 6, 8, 12, 16
"""Heights that a tile may have, in windows, unless it is as wide as the image."""
LEAST_WINDOWS = 8
"""A tile of windows that overlap is no smaller than so many of them, side by side."""
ROW_START = 160
"""Pixels that could be reduced in the time that it takes to start with a row."""


@dataclass(frozen=True)
class Pooling:
    """What is taken from each window, and where the windows lie."""

    method: Method
    windows: AnyWindows
    count_include_pad: bool = False
    """avg: count padding as zeros in the mean."""
    dtype: np.dtype[Any] | None = None
    """avg: the result's dtype; None for what `means.mean_dtype` says."""


def pool2d(image: Array, pooling: Pooling, *, tile_bytes: int = TILE_BYTES) -> Array:
    """Pool `image`, (H, W) or (H, W, C); return a new C-contiguous array.

    max and min keep the dtype; avg returns `pooling.dtype` or what `means.mean_dtype` says.
    """
    rows, columns = pooling.windows.axes(image.shape)
    return pool_axes(image, pooling, rows, columns, tile_bytes=tile_bytes)


def pool_axes(
    image: Array,
    pooling: Pooling,
    rows: AnyAxis,
    columns: AnyAxis,
    *,
    tile_bytes: int = TILE_BYTES,
) -> Array:
    """Pool `image` as `pool2d` does, by windows that lie over its rows and columns already."""
    is_bool = image.dtype.kind == "b"
    planes = (image.view(np.uint8) if is_bool else image)[None]
    if image.ndim == 2:
        planes = planes[..., None]
    dtype = planes.dtype.newbyteorder("=")
    result = means.mean_dtype(dtype, pooling.dtype) if pooling.method == "avg" else dtype
    out = np.empty((1, rows.count, columns.count, planes.shape[3]), result)
    pooled = out.view(np.bool_) if is_bool and pooling.method != "avg" else out
    exact = pooling.method != "avg" or dtype.kind != "f"
    if exact and abs(planes.strides[1]) < abs(planes.strides[2]):
        # A transposed view is read along its memory; in what order cannot be seen in the result.
        planes, out, rows, columns = planes.swapaxes(1, 2), out.swapaxes(1, 2), columns, rows
    with nullcontext() if pooling.method != "avg" else np.errstate(all="ignore"):
        _pool_planes(planes, pooling, rows, columns, out, tile_bytes)
    return pooled.reshape(pooled.shape[1:3] + image.shape[2:])


def _pool_planes(
    planes: Array, pooling: Pooling, rows: AnyAxis, columns: AnyAxis, out: Array, tile_bytes: int
) -> None:
    """Pool (planes, rows, columns, channels) into `out`, tile by tile."""
    in_order, turned = _lies_in_order(planes), not _lies_in_order(out)
    scratch = Scratch.take_unused()
    dtype = planes.dtype.newbyteorder("=")
    reduction = SUM if pooling.method == "avg" else _extreme_of(pooling.method, dtype)
    room = max(1, tile_bytes // (planes.shape[3] * _bytes_a_value(planes, pooling, rows, columns)))
    for part, down, across in _tiles(len(planes), rows, columns, room):
        top, bottom, tile_rows = rows.part(down.start, down.stop)
        left, right, tile_columns = columns.part(across.start, across.stop)
        pixels, target = planes[part, top:bottom, left:right], out[part, down, across]
        tile = Tile(pixels, tile_rows, tile_columns, in_order, scratch)
        results = scratch.take("turned", target.shape, out.dtype) if turned else target
        if pooling.method != "avg":
            _pool_extreme(tile, reduction, results)
        elif dtype.kind == "f":
            _average_floats(tile, pooling, results)
        else:
            _average_integers(tile, pooling, results)
        if turned:
            copy_pixels(results, target)
    scratch.leave()


def _bytes_a_value(planes: Array, pooling: Pooling, rows: AnyAxis, columns: AnyAxis) -> int:
    """What a tile holds for each value that it reads: the value itself, and its share of rows
    that are being reduced and of sums that are being divided.
    """
    if pooling.method == "avg" and opencv.blurs(planes, pooling.dtype, rows, columns):
        return 1
    size, sums = planes.itemsize, pooling.method == "avg" and planes.dtype.kind != "f"
    added = max(2, min(2 * size, 8)) if sums else size
    if one_by_one(rows):
        return 4 * added
    divided = 2 * added if sums else 0
    return size + 2 * added // rows.stride + divided // (rows.stride * columns.stride)


def _extreme_of(method: Method, dtype: np.dtype[Any]) -> Reduction:
    low, high = (-np.inf, np.inf) if dtype.kind == "f" else means.integer_range(dtype)
    combine, neutral = (np.maximum, low) if method == "max" else (np.minimum, high)
    return Reduction(combine, neutral, idempotent=True)


def _pool_extreme(tile: Tile, reduction: Reduction, out: Array) -> None:
    """The largest or smallest pixel of each window; a NaN in it gives NaN."""
    if not opencv.extreme(tile, reduction, out):
        reduce_columns(tile, reduce_rows(tile, reduction, out.dtype), reduction, out)
    if out.dtype.kind == "f":
        means.canonicalize(out)


def _average_integers(tile: Tile, pooling: Pooling, out: Array) -> None:
    """Means of integers: their sum is exact, and divided and rounded once."""
    if opencv.mean(tile, out):
        return
    pixels, shape = tile.pixels.dtype, (tile.rows.pool_size, tile.columns.pool_size)
    low, high = means.integer_range(pixels)
    if pixels.itemsize == 8:  # most sums fit into 64 bits even so
        low, high = min(int(tile.pixels.min()), 0), max(int(tile.pixels.max()), 0)
    dtype = means.integer_sum_dtype(pixels, low, high, prod(shape))
    sums = opencv.sums(tile, dtype)
    if sums is None:
        reduced = reduce_rows(tile, SUM, means.integer_sum_dtype(pixels, low, high, shape[0]))
        sums = tile.scratch.take("sums", tile.shape, dtype)
        reduce_columns(tile, reduced, SUM, sums)
    counts = means.counts(tile.rows, tile.columns, pooling.count_include_pad)
    means.divide_integers(sums, counts, (low, high), out, tile.scratch)


def _average_floats(tile: Tile, pooling: Pooling, out: Array) -> None:
    """Means of floats. Sums that overflow although their mean does not are taken again of smaller
    values.
    """
    pixels = tile.pixels.dtype.newbyteorder("=")
    dtype = means.float_sum_dtype(pixels, out.dtype, tile.rows, tile.columns)
    counts = means.counts(tile.rows, tile.columns, pooling.count_include_pad)
    mean = out if out.dtype == dtype else tile.scratch.take("sums", tile.shape, dtype)
    reduce_columns(tile, reduce_rows(tile, SUM, dtype), SUM, mean)
    means.divide_floats(mean, counts, mean)
    if dtype == pixels and not np.isfinite(np.add.reduce(mean, axis=None)):
        most = tile.rows.pool_size * tile.columns.pool_size
        scale = dtype.type(2.0 ** -most.bit_length())
        scaled = np.multiply(tile.pixels, scale, order="C")
        smaller = Tile(scaled, tile.rows, tile.columns, True, tile.scratch)
        again = np.empty(tile.shape, dtype)
        reduce_columns(smaller, reduce_rows(smaller, SUM, dtype), SUM, again)
        means.divide_floats(again, counts, again)
        np.divide(again, scale, out=mean, where=~np.isfinite(mean))
    means.store(mean, out)


def _lies_in_order(planes: Array) -> bool:
    """True when each row of pixels lies in one piece, in this machine's byte order."""
    _, _, width, channels = planes.shape
    _, _, column, channel = planes.strides
    item = planes.itemsize
    return (
        planes.dtype.isnative
        and planes.flags.aligned
        and (channels == 1 or channel == item)
        and (width == 1 or column == item * channels)
    )


def _tiles(
    planes: int, rows: AnyAxis, columns: AnyAxis, room: int
) -> Iterator[tuple[slice, slice, slice]]:
    """Cut planes and windows into tiles that span about `room` pixels.

    Windows that reach into the padding become tiles of their own along the edges: the others hold
    all the same number of pixels and are read where they lie.
    """
    few = planes * rows.count * columns.count <= FEW
    if few and planes * rows.size * columns.size <= room:
        yield slice(0, planes), slice(0, rows.count), slice(0, columns.count)
        return
    for down, across in product(_around_inside(rows, few), _around_inside(columns, few)):
        low, high = rows.span(down.start, down.stop)
        height, width = _tile_pixels(rows, columns, len(across), room)
        yield from product(
            _slices(range(planes), room // (width * min(height, high - low))),
            _slices(down, 1 + (height - rows.extent) // rows.stride),
            _slices(across, 1 + (width - columns.extent) // columns.stride),
        )


def _around_inside(axis: AnyAxis, few: bool) -> Iterator[range]:
    """The windows inside the image, and those before and after it that padding takes part in."""
    inside = range(axis.count) if few else axis.inside()
    for first, last in ((0, inside.start), (inside.start, inside.stop), (inside.stop, axis.count)):
        if first < last:
            yield range(first, last)


def _slices(windows: range, count: int) -> Iterator[slice]:
    for first in range(windows.start, windows.stop, max(1, count)):
        yield slice(first, min(first + max(1, count), windows.stop))


def _tile_pixels(rows: AnyAxis, columns: AnyAxis, across: int, room: int) -> Pair:
    """The height and width of a tile, in pixels, where so many windows lie side by side.

    What overlapping windows of two tiles share is read and reduced twice, and each row costs some
    pixels to start with: of some heights, the one is taken that reads least for what it gives.
    """
    if one_by_one(rows):  # a tile holds no more than a chunk of the rows, and the results
        heights = [min(rows.extent, CHUNK)]
        room *= heights[0]
    else:
        heights = [rows.extent * n for n in HEIGHTS]
        room = max(room, LEAST_WINDOWS * rows.extent * columns.extent)
    shapes = []
    for height in heights:
        most = 1 + max(0, room // height - columns.extent) // columns.stride
        windows = -(-across // -(-across // most))  # pieces of one size
        width = columns.extent + (windows - 1) * columns.stride
        shapes.append((max(height, room // width), width))

    def cost(shape: Pair) -> float:
        height, width = shape
        down_twice, across_twice = (max(0, a.extent - a.stride) for a in (rows, columns))
        return height / max(1, height - down_twice) * (width + ROW_START) / (width - across_twice)

    return min(shapes, key=cost)
