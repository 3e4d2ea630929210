"""Reduce the rows of each window to one row, then the columns of that row to one pixel.

A window is reduced by the same operations in the same order everywhere, so that equal input
gives equal bits whatever the tiles, the memory layout or the number of channels.

The cost should not grow with the size of windows that overlap. Runs do that: two runs of n values
side by side make one of 2n for every window at once, so a window of 31 takes 5 steps, not 30.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import Axis
from pooltool.kernels.tiles import FEW, LARGE_SIDE, Tile, copy_pixels

Array = NDArray[Any]

CHUNK = 64
"""Rows of a large window that are read and reduced at once."""
FEW_VALUES = 1 << 16
"""A tile of so few is reduced tap by tap, which takes the fewest calls."""
WORDS = {1: "u1", 2: "u2", 4: "u4", 8: "u8", 16: "c16"}
"""Dtypes that hold the bytes of a pixel."""


class Reduction(NamedTuple):
    """How the values of a window combine: an associative ufunc and the value it ignores."""

    combine: np.ufunc
    neutral: Any
    idempotent: bool
    """True when taking a value twice changes nothing: max and min, not sums."""


SUM = Reduction(np.add, 0, idempotent=False)


def _is_separate(axis: Axis) -> bool:
    """True for windows that are reduced one after the other, by chunks of rows: adaptive ones, and
    large ones that share no row.
    """
    return bool(axis.lengths) or (axis.pool_size >= LARGE_SIDE and axis.period == axis.pool_size)


@lru_cache(maxsize=64)
def depth(rows: Axis, columns: Axis) -> int:
    """The longest chain of additions in a sum over a window."""
    if _is_separate(rows):
        chunk = min(_chunk(rows), rows.pool_size)
        down = 2 * chunk.bit_length() + rows.pool_size // chunk
    else:
        period = rows.period
        periods, rest = divmod(rows.pool_size, period)
        down = period - 1 + (periods - 1).bit_length() + rest
    return down + (columns.pool_size - 1).bit_length()


def reduce_windows(tile: Tile, reduction: Reduction, dtype: np.dtype[Any], out: Array) -> None:
    """Reduce the windows of a tile into `out`, (planes, rows, columns, channels): their rows in
    `dtype`, then their columns in the dtype of `out`.
    """
    axis, channels, combine = tile.columns, out.shape[3], reduction.combine
    reduced = _reduce_rows(tile, reduction, dtype).astype(out.dtype, copy=False)
    # Steps from tap to tap through memory are no slower where a step is many channels or a wide
    # value; many small values are combined with all of their neighbors first, then thinned out.
    is_wide = out.itemsize >= 4
    is_stepped = channels >= FEW or (channels == 1 and is_wide) or tile.pixels.size <= FEW_VALUES
    is_word = channels > 1 and channels * out.itemsize in WORDS and not out.dtype.hasobject
    if axis.lengths:
        _reduce_adaptive_columns(axis, reduced, reduction, out)
    elif axis.pool_size == 1 or (is_stepped and axis.pool_size <= min(2 * axis.stride, LARGE_SIDE)):
        if 1 < channels < FEW:  # as planes, in whose order ufuncs then go through them
            reduced, out = reduced.transpose(0, 3, 1, 2), out.transpose(0, 3, 1, 2)
            _tree([reduced[..., tap] for tap in axis.taps], combine, out)
        else:
            _tree([reduced[:, :, tap] for tap in axis.taps], combine, out)
    elif axis.stride == 1 or axis.count == 1 or (is_wide and not is_word):
        _slide(reduced, 2, axis.pool_size, axis.dilation, reduction, out, axis.stride)
    else:
        slid = _slide(reduced, 2, axis.pool_size, axis.dilation, reduction)
        _keep(slid[:, :, : axis.count * axis.stride], axis.stride, out)


def _reduce_rows(tile: Tile, reduction: Reduction, dtype: np.dtype[Any]) -> Array:
    """Reduce the rows of each window, to (planes, windows down, columns, channels) of all columns
    that the windows span; those in the padding hold the neutral value.
    """
    planes, height, width, channels = tile.pixels.shape
    rows, columns = tile.rows, tile.columns
    has_few_taps = rows.pool_size < min(LARGE_SIDE, 2 * rows.period)
    is_inside = rows.is_regular and columns.is_regular
    if tile.pixels.size <= FEW_VALUES and has_few_taps and is_inside:
        # Without memory made ready for it, which takes a fifth of the time of a small image.
        lines = tile.pixels.reshape(planes, height, width * channels)
        folded, *others = [lines[:, tap] for tap in rows.taps]
        for other in others:
            folded = reduction.combine(folded, other, dtype=dtype)
        return folded.reshape(planes, rows.count, width, channels)
    low, high = columns.span(0, columns.count)
    inside = reduced = np.empty((planes, rows.count, high - low, channels), dtype)
    if low < 0 or high > width:
        first, last = max(-low, 0), min(high, width) - low
        reduced[:, :, :first] = reduced[:, :, last:] = reduction.neutral
        inside = reduced[:, :, first:last]
    reduce_rows = _reduce_each if _is_separate(rows) else _reduce_together
    reduce_rows(tile, reduction, inside.reshape(planes, rows.count, -1))
    return reduced


def _reduce_together(tile: Tile, reduction: Reduction, out: Array) -> None:
    """Reduce the rows of all windows at once: each step takes one tap of every window.

    Taps a period apart are a whole number of windows apart. So the taps of one period are
    combined once, and the windows are runs of periods and a rest.
    """
    axis, combine = tile.rows, reduction.combine
    pixels = tile.read(*axis.span(0, axis.count), reduction.neutral)
    if axis.pool_size < 2 * axis.period:
        _fold([pixels[:, tap] for tap in axis.taps], combine, out)
        return
    periods, rest = divmod(axis.pool_size, axis.period)
    shift = axis.period * axis.dilation // axis.stride
    windows = axis.count + (periods - 1) * shift
    shared = pixels
    if axis.period > 1 or axis.stride > 1 or pixels.dtype != out.dtype:
        shared = np.empty((len(pixels), windows, pixels.shape[2]), out.dtype)
        end = (windows - 1) * axis.stride + 1
        first = range(0, axis.period * axis.dilation, axis.dilation)
        _fold([pixels[:, tap : tap + end : axis.stride] for tap in first], combine, shared)
    _slide(shared, 1, periods, shift, reduction, out)
    if rest:
        _fold([out, *(pixels[:, tap] for tap in axis.taps[-rest:])], combine, out)


def _fold(parts: list[Array], combine: np.ufunc, out: Array) -> None:
    """Combine arrays one after the other, in the dtype of `out`."""
    if len(parts) == 1:
        np.copyto(out, parts[0])
        return
    combine(parts[0], parts[1], out=out, dtype=out.dtype)
    for part in parts[2:]:
        combine(out, part, out=out, dtype=out.dtype)


def _reduce_each(tile: Tile, reduction: Reduction, out: Array) -> None:
    """Reduce the rows of one window after the other, by chunks that fit into the cache."""
    axis = tile.rows
    chunk, dilation = _chunk(axis), axis.dilation
    low, high = axis.span(0, axis.count)
    block = tile.read(low, high, reduction.neutral) if axis.pool_size <= chunk else None
    for index in range(axis.count):
        top, bottom = axis.span(index, index + 1)
        row = out[:, index]
        for first in range(top, bottom, chunk * dilation):
            last = min(first + (chunk - 1) * dilation + 1, bottom)
            if block is not None:
                pixels = block[:, first - low : last - low]
            else:
                pixels = tile.read(first, last, reduction.neutral)
            if first == top:
                _reduce_all(pixels[:, ::dilation], reduction, row)
            else:
                reduced = np.empty_like(row)
                _reduce_all(pixels[:, ::dilation], reduction, reduced)
                reduction.combine(row, reduced, out=row)


def _reduce_all(rows: Array, reduction: Reduction, out: Array) -> None:
    """Reduce all rows of (planes, rows, values) to one.

    Sums of floats are a tree of one shape: its errors stay small, and its bits are the same in
    every memory layout, which those of numpy's own sums are not.
    """
    combine = reduction.combine
    if reduction.idempotent or out.dtype.kind != "f":
        combine.reduce(rows, axis=1, dtype=out.dtype, out=out)
        return
    while rows.shape[1] > 3:
        half, is_odd = divmod(rows.shape[1], 2)
        halved = combine(rows[:, :half], rows[:, half : 2 * half], dtype=out.dtype)
        if is_odd:
            combine(halved[:, -1], rows[:, -1], out=halved[:, -1])
        rows = halved
    _fold(list(rows.swapaxes(0, 1)), combine, out)


def _chunk(axis: Axis) -> int:
    """Rows of a chunk: more in huge windows, so that sums of chunks do not become long."""
    return max(CHUNK, isqrt(axis.pool_size))


def _tree(taps: list[Array], combine: np.ufunc, out: Array | None = None) -> Array:
    """Combine arrays in the order of `_slide`: the last power of two of them is combined last."""
    if len(taps) == 2:
        both: Array = combine(*taps, out=out, order="C")
        return both
    if len(taps) == 1:
        if out is not None:
            np.copyto(out, taps[0])
        return taps[0]
    largest = 1 << len(taps).bit_length() - 1
    half = len(taps) - largest or largest // 2
    first, second = _tree(taps[:half], combine), _tree(taps[half:], combine)
    combined: Array = combine(first, second, out=out, order="C")
    return combined


def _slide(
    values: Array,
    axis: int,
    taps: int,
    shift: int,
    reduction: Reduction,
    out: Array | None = None,
    stride: int = 1,
) -> Array:
    """Combine `taps` values, `shift` apart along axis 1 or 2, for every window along it, or for
    each stride-th, as many as fill `out`. Without `out`, what reaches beyond the end means nothing.

    Runs double; a max or min then joins two that overlap. A sum, where nothing may be taken twice,
    joins the runs that are binary digits of `taps`, the shortest first: few additions in a row.
    All values are one run of memory, which is faster than row by row.
    """
    if taps == 1 and out is None:
        return values
    combine, flat = reduction.combine, values.reshape(-1)
    step = shift * prod(values.shape[axis + 1 :])

    def join(first: Array, offset: int, second: Array, length: int) -> Array:
        """Runs of `offset + length` values: one of `first` and, `offset` behind it, of `second`."""
        longer = np.empty_like(flat)
        start, end = offset * step, len(flat) - (offset + length - 1) * step
        combine(first[:end], second[start : start + end], out=longer[:end])
        return longer

    run, joined, length, so_far = flat, flat, 1, 0
    while 2 * length < taps:
        if taps & length and not reduction.idempotent:
            joined = join(joined, so_far, run, length) if so_far else run
            so_far += length
        run = join(run, length, run, length)
        length *= 2
    if so_far == 0:
        joined, so_far = run, taps - length
    if out is None:
        return join(joined, so_far, run, length).reshape(values.shape)
    start, end, before = so_far * shift, (out.shape[axis] - 1) * stride + 1, (slice(None),) * axis
    first = joined.reshape(values.shape)[(*before, slice(0, end, stride))]
    second = run.reshape(values.shape)[(*before, slice(start, start + end, stride))]
    if stride > 1 and 1 < out.shape[3] < FEW:  # channel by channel
        first, second, out = (array.transpose(0, 3, 1, 2) for array in (first, second, out))
        combine(first, second, out=out, order="C")
    else:
        combine(first, second, out=out)
    return out


def _reduce_adaptive_columns(axis: Axis, reduced: Array, reduction: Reduction, out: Array) -> None:
    """Slide by the shorter of the two sizes of window, then add the pixel that the longer lack."""
    shorter = axis.pool_size - 1
    slid = _slide(reduced, 2, shorter, 1, reduction)
    starts = np.array(axis.starts)
    np.take(slid, starts, axis=2, out=out, mode="clip")
    longer = np.flatnonzero(np.array(axis.lengths) > shorter)
    if len(longer):
        lacking = reduced[:, :, starts[longer] + shorter]
        out[:, :, longer] = reduction.combine(out[:, :, longer], lacking)


def _keep(pixels: Array, stride: int, out: Array) -> None:
    """Keep every stride-th of the columns."""
    size = out.shape[3] * out.itemsize
    if size not in WORDS:
        copy_pixels(pixels[:, :, ::stride], out)
    elif (
        size * stride in (2, 4, 8) and pixels.shape[2] == out.shape[2] * stride and np.little_endian
    ):
        # The low end of a wide word is its first pixel, and a cast that truncates keeps just
        # that: 1.7 times as fast as steps through memory.
        words = pixels.reshape(*pixels.shape[:2], -1).view(f"u{size * stride}")
        np.copyto(out.view(f"u{size}")[..., 0], words, casting="unsafe")
    else:
        np.copyto(out.view(WORDS[size]), pixels.view(WORDS[size])[:, :, ::stride])
