"""The arithmetic of max, min and average pooling on arrays. Knows no files and no options.

A window is reduced in two steps: its rows into one row, then that row's columns into one pixel.
The output is worked through in tiles whose input stays in the processor's cache, so the memory
taken beyond input and output stays small whatever the image's size.

Every result comes from the same operations in the same order wherever its window lies, so equal
input gives equal bits whatever the tiles, the memory layout or the number of channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pooltool import means
from pooltool.geometry import AdaptiveAxis, AnyAxis, AnyWindows, Axis

Array = NDArray[Any]
Method = Literal["max", "min", "avg"]

TILE_BYTES = 1 << 18
"""Input bytes of one tile: a few arrays of this size fit a core's second-level cache."""


@dataclass(frozen=True)
class Reduction:
    """How the values of a window combine: an associative ufunc and the value it ignores."""

    combine: np.ufunc
    neutral: Any
    idempotent: bool
    """True when taking a value twice changes nothing: max and min, not sums."""


@dataclass(frozen=True)
class Tile:
    """Windows `top` to `bottom - 1` of the rows and `left` to `right - 1` of the columns."""

    rows: AnyAxis
    columns: AnyAxis
    top: int
    bottom: int
    left: int
    right: int

    def cut(self, results: Array) -> Array:
        """The part of the (rows, columns, C) results that belongs to this tile."""
        return results[self.top : self.bottom, self.left : self.right]


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
    """Pool `image` by windows that are laid over its rows and columns already."""
    pixels = image.reshape(*image.shape[:2], -1)
    native = image.dtype.newbyteorder("=")
    result = means.mean_dtype(native, dtype) if method == "avg" else native
    out = np.empty((rows.count, columns.count, pixels.shape[2]), result)
    with np.errstate(all="ignore"):
        for tile in _tiles(rows, columns, pixels.shape[2] * native.itemsize, tile_bytes):
            if method == "avg":
                _average(pixels, tile, count_include_pad, tile.cut(out))
            else:
                _extreme(pixels, tile, method, tile.cut(out))
    return out.reshape(rows.count, columns.count, *image.shape[2:])


def _extreme(pixels: Array, tile: Tile, method: Method, out: Array) -> None:
    """Write the largest or smallest pixel of each window of the tile."""
    reduction = _extreme_reduction(method, out.dtype)
    out[...] = _reduce(_gather(pixels, tile, reduction, out.dtype), tile, reduction)
    means.settle(out)


def _extreme_reduction(method: Method, dtype: np.dtype[Any]) -> Reduction:
    if dtype.kind == "f":
        low, high = -np.inf, np.inf
    else:
        low, high = means.integer_range(dtype)
    if method == "max":
        return Reduction(np.maximum, low, idempotent=True)
    return Reduction(np.minimum, high, idempotent=True)


SUM = Reduction(np.add, 0, idempotent=False)


def _average(pixels: Array, tile: Tile, count_padding: bool, out: Array) -> None:
    """Write the mean of each window of the tile."""
    counts = _counts(tile, count_padding)
    source = pixels.dtype.newbyteorder("=")
    if source.kind == "f":
        _average_floats(pixels, tile, counts, out)
    elif source.itemsize == 8:
        values = _gather(pixels, tile, SUM, source)
        high = _reduce((values >> 32).astype(np.int64), tile, SUM)
        low = _reduce((values & 0xFFFFFFFF).astype(np.int64), tile, SUM)
        means.divide_wide_integers(high, low, counts, out)
    else:
        values = _gather(pixels, tile, SUM, np.dtype(np.int64))
        means.divide_integers(_reduce(values, tile, SUM), counts, out)


def _average_floats(pixels: Array, tile: Tile, counts: means.Counts, out: Array) -> None:
    source = pixels.dtype.newbyteorder("=")
    dtype = means.sum_dtype(source, out.dtype, _depth(tile.rows) + _depth(tile.columns))
    values = _gather(pixels, tile, SUM, dtype)
    means.divide_floats(_reduce(values, tile, SUM), counts, out)
    unsure = ~np.isfinite(out)
    if means.can_overflow(source, dtype) and unsure.any():
        scale = dtype.type(2.0 ** -int(np.max(counts)).bit_length())
        scaled = np.empty_like(out)
        means.divide_floats(_reduce(values * scale, tile, SUM), counts, scaled)
        out[unsure] = scaled[unsure] / scale


def _counts(tile: Tile, count_padding: bool) -> means.Counts:
    """Pixels that each window's sum is divided by: one number, or one a window."""
    along = []
    for axis, first, last in (
        (tile.rows, tile.top, tile.bottom),
        (tile.columns, tile.left, tile.right),
    ):
        pixels = [axis.pixels(i, count_padding=count_padding) for i in range(first, last)]
        along.append(np.array(pixels, np.int64))
    counts: NDArray[np.int64] = along[0][:, None, None] * along[1][None, :, None]
    return counts if np.ptp(counts) else int(counts.flat[0])


def _tiles(rows: AnyAxis, columns: AnyAxis, pixel_bytes: int, tile_bytes: int) -> Iterator[Tile]:
    """Cut the output so that the input of a tile takes about `tile_bytes`.

    Windows that overlap are read again by the next tile, so a tile spans a window at the least
    twice where they do.
    """
    across = max(1, tile_bytes // (4 * pixel_bytes))
    width = _windows_within(columns, across)
    bytes_per_row = pixel_bytes * max(1, _width(columns, 0, min(width, columns.count)))
    height = _windows_within(rows, max(1, tile_bytes // bytes_per_row))
    for top in range(0, rows.count, height):
        for left in range(0, columns.count, width):
            bottom, right = min(top + height, rows.count), min(left + width, columns.count)
            yield Tile(rows, columns, top, bottom, left, right)


def _windows_within(axis: AnyAxis, pixels: int) -> int:
    """How many windows to take at once along an axis so that they cover about `pixels`."""
    window = _width(axis, 0, 1)
    room = max(pixels, 2 * window) - window
    advance = max(1, axis.stride if isinstance(axis, Axis) else axis.size // axis.count)
    return min(axis.count, 1 + room // advance)


def _width(axis: AnyAxis, first: int, last: int) -> int:
    low, high = axis.span(first, last)
    return high - low


def _gather(pixels: Array, tile: Tile, reduction: Reduction, dtype: np.dtype[Any]) -> Array:
    """The input of a tile as (rows, columns, C) of `dtype`, its padding filled in.

    A view of the image where nothing has to be converted or padded.
    """
    top, bottom = tile.rows.span(tile.top, tile.bottom)
    left, right = tile.columns.span(tile.left, tile.right)
    height, width, channels = pixels.shape
    inside = pixels[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    if inside.shape[:2] == (bottom - top, right - left):
        return np.ascontiguousarray(inside, dtype)
    padded = np.full((bottom - top, right - left, channels), reduction.neutral, dtype)
    within = padded[max(-top, 0) :, max(-left, 0) :][: inside.shape[0], : inside.shape[1]]
    within[...] = inside
    return padded


def _reduce(values: Array, tile: Tile, reduction: Reduction) -> Array:
    """Reduce the gathered (rows, columns, C) of a tile to one value a window and channel."""
    height, width, channels = values.shape
    block = values.reshape(height, width * channels)
    reduced = _reduce_rows(block, tile, reduction)
    return _reduce_columns(reduced.reshape(-1, width, channels), tile, reduction)


def _reduce_rows(block: Array, tile: Tile, reduction: Reduction) -> Array:
    """Reduce the rows of each window to one: (rows, values) to (windows, values)."""
    axis, count = tile.rows, tile.bottom - tile.top
    if isinstance(axis, Axis):
        return _windowed(block, axis.pool_size, axis.stride, axis.dilation, count, reduction)
    first = axis.start(tile.top)
    folded = (
        _fold([*block[axis.start(i) - first : axis.stop(i) - first]], reduction)
        for i in range(tile.top, tile.bottom)
    )
    return np.stack([*folded])


def _reduce_columns(block: Array, tile: Tile, reduction: Reduction) -> Array:
    """Reduce the columns of each window: (windows, columns, C) to (windows, windows, C).

    Windows slide over all columns at once as one flat run of memory, the few results that wrap
    from one row into the next are left behind, and every stride-th is kept.
    """
    axis, count = tile.columns, tile.right - tile.left
    channels = block.shape[2]
    flat = np.ascontiguousarray(block).reshape(-1)
    if isinstance(axis, Axis):
        slid = _slide_flat(flat, axis.pool_size, axis.dilation * channels, reduction)
        return slid.reshape(block.shape)[:, :: axis.stride][:, :count]
    return _adaptive_columns(block, axis, tile, reduction)


def _adaptive_columns(block: Array, axis: AdaptiveAxis, tile: Tile, reduction: Reduction) -> Array:
    first = axis.start(tile.left)
    starts = np.array([axis.start(i) - first for i in range(tile.left, tile.right)])
    stops = np.array([axis.stop(i) - first for i in range(tile.left, tile.right)])
    shortest = int((stops - starts).min())
    flat = np.ascontiguousarray(block).reshape(-1)
    slid = _slide_flat(flat, shortest, block.shape[2], reduction).reshape(block.shape)
    result: Array = slid[:, starts]
    longer = stops - starts > shortest
    result[:, longer] = reduction.combine(result[:, longer], block[:, stops[longer] - 1])
    return result


def _slide_flat(flat: Array, pool: int, step: int, reduction: Reduction) -> Array:
    """Windows of `pool` values, `step` apart, at every position; the last ones are undefined."""
    out = np.empty_like(flat)
    count = flat.size - (pool - 1) * step
    out[:count] = _slide(flat, pool, step, count, reduction)
    return out


def _windowed(
    block: Array, pool: int, stride: int, dilation: int, count: int, reduction: Reduction
) -> Array:
    """Reduce `count` windows along the first axis.

    Taps a period apart lie a whole number of windows apart, so a period's taps are combined once
    and shared by all the windows that hold them.
    """
    period = min(pool, stride // gcd(stride, dilation))
    periods, rest = divmod(pool, period)
    advance = period * dilation // stride

    def tap(index: int, windows: int) -> Array:
        first = index * dilation
        return block[first : first + (windows - 1) * stride + 1 : stride]

    wide = count + (periods - 1) * advance
    shared = _fold([tap(i, wide) for i in range(period)], reduction)
    result = _slide(shared, periods, advance, count, reduction)
    return _fold([result, *(tap(i, count) for i in range(pool - rest, pool))], reduction)


def _slide(block: Array, taps: int, step: int, count: int, reduction: Reduction) -> Array:
    """Combine `taps` values, `step` apart along the first axis, for each of `count` positions.

    By doubling: runs of 1, 2, 4, ... taps are made of two of the run before. A max or min then
    takes two runs that overlap, a sum the runs of the binary digits of `taps`.
    """
    combine, run, done = reduction.combine, 1, 0
    result: Array | None = None
    while True:
        if not reduction.idempotent and taps & run:
            piece = block[done * step :][:count]
            result = piece if result is None else combine(result, piece)
            done += run
        if 2 * run > taps:
            break
        block = combine(block[: -run * step], block[run * step :])
        run *= 2
    if reduction.idempotent:
        rest = (taps - run) * step
        return combine(block[:count], block[rest:][:count]) if rest else block[:count]
    assert result is not None
    return result


def _fold(parts: list[Array], reduction: Reduction) -> Array:
    """Combine arrays pairwise, as a tree, so that rounding errors stay few."""
    while len(parts) > 1:
        pairs = [reduction.combine(a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)]
        parts = pairs + parts[len(pairs) * 2 :]
    return parts[0]


def _depth(axis: AnyAxis) -> int:
    """Additions in a row behind one result: twice the binary digits of the window at most."""
    low, high = axis.span(0, 1)
    return 2 * (high - low).bit_length()
