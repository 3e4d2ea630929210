"""Reduce the rows of each window to one row, then the columns of that row to one pixel.

A window is reduced by the same operations in the same order wherever it lies, so that equal input
gives equal bits whatever the tiles, the memory layout or the number of channels.

The cost should not grow with the size of windows that overlap. Runs do that: two runs of n values
side by side make one of 2n for every window at once, so a window of 31 takes 5 steps, not 30.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd, isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import Axis
from pooltool.native import import_cv2

cv2 = import_cv2()
Array = NDArray[Any]

CHUNK = 64
"""Rows of a large window that are read and reduced at once."""
FEW_VALUES = 1 << 16
"""Images of so few values are reduced tap by tap."""
SHORT_BYTES, GATHERED = 20_000, 16
"""Adaptive windows whose rows have no more bytes are gathered so many at a time."""
MANY = 16
"""From so many rows on, windows that share no row are reduced one after the other."""
FEWEST_CHANNELS, MANY_WINDOWS = 4, 512
"""Up to so many channels of a small image are reduced one after the other, in so many windows."""
FEW_CHANNELS = 16
"""Fewer channels are copied one after the other, and reduced for windows at every column."""


@dataclass(frozen=True)
class Reduction:
    """How the values of a window combine: an associative ufunc and the value it ignores."""

    combine: np.ufunc
    neutral: Any
    idempotent: bool
    """True when taking a value twice changes nothing: max and min, not sums."""


SUM = Reduction(np.add, 0, idempotent=False)


@dataclass
class Tile:
    """Some windows, and the part of the image that they need."""

    pixels: Array
    """(planes, rows, columns, channels) of any memory layout and byte order."""
    rows: Axis
    columns: Axis
    in_order: bool
    """True when each row of pixels lies in one piece and can be worked on where it is."""
    small: bool = False
    """True for a whole image of which `is_small` is true."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The results: planes, rows, columns, channels."""
        planes, _, _, channels = self.pixels.shape
        return planes, self.rows.count, self.columns.count, channels

    def read(self, top: int, bottom: int, neutral: Any) -> Array:
        """Rows `top` to `bottom - 1` as (planes, rows, values); `neutral` outside of the image."""
        planes, height, width, channels = self.pixels.shape
        if self.in_order and top >= 0 and bottom <= height:
            return self.pixels[:, top:bottom].reshape(planes, bottom - top, width * channels)
        shape, dtype = (planes, bottom - top, width, channels), self.pixels.dtype.newbyteorder("=")
        block = np.empty(shape, dtype)
        above, below = (min(max(edge - top, 0), bottom - top) for edge in (0, height))
        block[:, :above] = neutral
        inside, pixels = block[:, above:below], self.pixels[:, top + above : top + below]
        if self.in_order:
            np.copyto(inside, pixels)
        else:
            copy_pixels(pixels, inside)
        block[:, below:] = neutral
        return block.reshape(planes, bottom - top, width * channels)


def one_by_one(axis: Axis) -> bool:
    """True for windows whose rows are reduced one window after the other, by chunks: adaptive
    ones, and large ones that share no row. The rows of a tile need not fit into the cache then.
    """
    if axis.lengths:
        return True
    return axis.pool_size >= MANY and axis.stride >= axis.pool_size * gcd(
        axis.stride, axis.dilation
    )


@lru_cache(maxsize=64)
def depth(rows: Axis, columns: Axis) -> int:
    """Additions in a row, at the most, that a sum over a window goes through."""
    if one_by_one(rows):
        chunk = min(_chunk(rows), rows.most)
        down = 2 * chunk.bit_length() + rows.most // chunk
    else:
        period = _period(rows)
        periods, rest = divmod(rows.pool_size, period)
        down = period - 1 + _additions(periods) + rest
    return down + _additions(columns.most)


def _additions(taps: int) -> int:
    """How many additions in a row `_runs` and `_combine` take to a sum of so many values."""
    return (taps - 1).bit_length()


def reduce_windows(tile: Tile, reduction: Reduction, along_rows: np.dtype[Any], out: Array) -> None:
    """Reduce the windows of a tile into `out`, their rows in the dtype `along_rows`."""
    rows, columns, channels = tile.rows, tile.columns, tile.pixels.shape[3]
    if not tile.small:
        reduce_columns(tile, reduce_rows(tile, reduction, along_rows), reduction, out)
        return
    # A small image takes less time than the calls above: the same operations on views of it.
    end, stride = (rows.count - 1) * rows.stride + 1, rows.stride
    taps = [tile.pixels[:, tap : tap + end : stride] for tap in range(rows.pool_size)]
    reduced = taps[0]
    for tap in taps[1:]:
        reduced = reduction.combine(reduced, tap, dtype=along_rows)
    end, stride = (columns.count - 1) * columns.stride + 1, columns.stride
    taps = [reduced[:, :, tap : tap + end : stride] for tap in range(columns.pool_size)]
    if out.size < MANY_WINDOWS * channels or not 1 < channels <= FEWEST_CHANNELS:
        _combine(taps, reduction.combine, out)
        return
    for channel in range(channels):
        _combine([tap[..., channel] for tap in taps], reduction.combine, out[..., channel])


def is_small(pixels: Array, rows: Axis, columns: Axis) -> bool:
    """True for few values, in windows inside the image that share no pixel, nor are large."""
    return pixels.size <= FEW_VALUES and _stand_apart(rows) and _stand_apart(columns)


def _stand_apart(axis: Axis) -> bool:
    return axis.dilation == 1 and axis.stride >= axis.pool_size < MANY and axis.is_regular


def _combine(parts: list[Array], combine: np.ufunc, out: Array | None, dtype: Any = None) -> Array:
    """Combine arrays in the order of `_runs`: the last power of two of them is combined last."""
    if len(parts) == 1:
        if out is None:
            return parts[0]
        np.copyto(out, parts[0])
        return out
    dtype = dtype if out is None else out.dtype
    if len(parts) > 2:
        largest = 1 << len(parts).bit_length() - 1
        half = len(parts) - largest or largest // 2
        parts = [_combine(part, combine, None, dtype) for part in (parts[:half], parts[half:])]
    combined: Array = combine(*parts, out=out, dtype=dtype)
    return combined


def reduce_rows(tile: Tile, reduction: Reduction, dtype: np.dtype[Any]) -> Array:
    """Reduce the rows of each window in `dtype`, to (planes, windows down, columns, channels).

    The columns are as many as the windows span: those in the padding hold the neutral value, and
    a few more at the end make their number a multiple of the stride.
    """
    planes, count, _, channels = tile.shape
    columns = tile.columns
    low, high = columns.span(0, columns.count)
    stride = 1 if columns.lengths or columns.count == 1 else columns.stride
    width = -(-(high - low) // stride) * stride
    reduced = np.empty((planes, count, width, channels), dtype)
    first, last = max(low, 0) - low, min(high, columns.size) - low
    if last - first < width:
        reduced[:, :, :first] = reduced[:, :, last:] = reduction.neutral
    inside = reduced.reshape(planes, count, -1)[:, :, first * channels : last * channels]
    row_bytes = len(tile.pixels) * tile.pixels[0, 0].size * tile.pixels.itemsize
    if tile.rows.lengths and tile.rows.most * row_bytes <= SHORT_BYTES:
        _reduce_by_length(tile, reduction, inside)
    elif one_by_one(tile.rows):
        _reduce_one_by_one(tile, reduction, inside)
    else:
        _reduce_together(tile, reduction, inside)
    return reduced


def _reduce_together(tile: Tile, reduction: Reduction, out: Array) -> None:
    """Reduce the rows of all windows at once: each step takes one tap of every window.

    Taps a period apart lie a whole number of windows apart. So the taps of one period are
    combined once, and the windows are runs of periods and a rest.
    """
    combine, axis = reduction.combine, tile.rows
    count, dilation, stride = axis.count, axis.dilation, axis.stride
    top, bottom = axis.span(0, count)
    pixels = tile.read(top, bottom, reduction.neutral)

    def tap(index: int, windows: int) -> Array:
        start = index * dilation
        return pixels[:, start : start + (windows - 1) * stride + 1 : stride]

    period = _period(axis)
    periods, rest = divmod(axis.pool_size, period)
    if periods == 1:
        _fold([tap(index, count) for index in range(axis.pool_size)], combine, out)
        return
    shift = period * dilation // stride
    windows = count + (periods - 1) * shift
    shared = tap(0, windows)
    if period > 1 or stride > 1 or shared.dtype != out.dtype:
        taps = [tap(index, windows) for index in range(period)]
        shared = np.empty(shared.shape, out.dtype)
        _fold(taps, combine, shared)
    _runs(shared, 1, periods, shift, reduction, out)
    for index in range(periods * period, periods * period + rest):
        combine(out, tap(index, count), out=out, dtype=out.dtype)


def _reduce_by_length(tile: Tile, reduction: Reduction, out: Array) -> None:
    """Reduce the rows of adaptive windows of few rows, all windows of one length at once."""
    axis = tile.rows
    for first in range(0, axis.count, GATHERED):
        last = min(first + GATHERED, axis.count)
        top, bottom = axis.span(first, last)
        pixels = tile.read(top, bottom, reduction.neutral)
        starts = np.array(axis.starts[first:last]) - top
        lengths = np.array(axis.lengths[first:last])
        for length in (axis.pool_size, axis.most):
            windows = np.flatnonzero(lengths == length)
            if not len(windows):
                continue
            places = np.add.outer(np.arange(length), starts[windows]).reshape(-1)
            taps = pixels.take(places, axis=1).reshape(len(pixels), length, -1)
            reduced = np.empty((len(pixels), taps.shape[2]), out.dtype)
            _reduce_all(taps, reduction, reduced)
            out[:, first + windows] = reduced.reshape(len(pixels), len(windows), -1)


def _reduce_one_by_one(tile: Tile, reduction: Reduction, out: Array) -> None:
    """Reduce the rows of one window after the other, by chunks that fit into the cache."""
    axis = tile.rows
    chunk, dilation = _chunk(axis), axis.dilation
    for index in range(axis.count):
        top, bottom = axis.span(index, index + 1)
        row = target = out[:, index]
        for first in range(top, bottom, chunk * dilation):
            last = min(first + (chunk - 1) * dilation + 1, bottom)
            pixels = tile.read(first, last, reduction.neutral)[:, ::dilation]
            _reduce_all(pixels, reduction, target)
            if target is not row:
                reduction.combine(row, target, out=row)
            elif last < bottom:
                target = np.empty(row.shape, row.dtype)


def _reduce_all(rows: Array, reduction: Reduction, out: Array) -> None:
    """Reduce all rows of (planes, rows, values) to one.

    Sums of floats are a tree of one shape: its errors stay small, and its bits are the same in
    every memory layout, which those of numpy's own sums are not.
    """
    combine = reduction.combine
    if reduction.idempotent or out.dtype.kind != "f":
        combine.reduce(rows, axis=1, dtype=out.dtype, out=out)
        return
    planes, count, values = rows.shape
    turn = 0
    while count > 3:
        count, odd = divmod(count, 2)
        halved = np.empty((planes, count, values), out.dtype)
        combine(rows[:, :count], rows[:, count : 2 * count], out=halved, dtype=out.dtype)
        if odd:
            combine(halved[:, -1], rows[:, -1], out=halved[:, -1], dtype=out.dtype)
        rows, turn = halved, 1 - turn
    _fold([rows[:, index] for index in range(count)], combine, out)


def _chunk(axis: Axis) -> int:
    """Rows of a chunk: more in huge windows, so that sums of chunks do not become long."""
    return max(CHUNK, isqrt(axis.most))


def _period(axis: Axis) -> int:
    """After so many taps they fall on the first taps of other windows; at most all taps."""
    return min(axis.pool_size, axis.stride // gcd(axis.stride, axis.dilation))


def _fold(parts: list[Array], combine: np.ufunc, out: Array) -> None:
    """Combine arrays one after the other, in the dtype of `out`."""
    if len(parts) == 1:
        np.copyto(out, parts[0])
        return
    combine(parts[0], parts[1], out=out, dtype=out.dtype)
    for part in parts[2:]:
        combine(out, part, out=out, dtype=out.dtype)


def _runs(
    values: Array, axis: int, taps: int, shift: int, reduction: Reduction, out: Array | None = None
) -> Array:
    """Combine `taps` values, `shift` apart along axis 1 or 2, for every window along it, or for the
    first ones that fill `out`. Without `out`, what reaches beyond the end means nothing.

    Runs double; a max or min then joins two that overlap. A sum, where nothing may be taken twice,
    joins the runs that are binary digits of `taps`, the shortest first: few additions in a row.
    Columns of a block are one run of memory, which is faster than row by row.
    """
    lines, step = values, shift
    if axis == 2:
        lines, step = values.reshape(1, -1), shift * values.shape[3]
    combine, size = reduction.combine, lines.shape[1]
    run, joined, length, so_far = lines, lines, 1, 0
    unused: list[Array] = []  # memory that is in the cache still

    def join(first: Array, offset: int, taps: int) -> Array:
        longer = unused.pop() if unused else np.empty_like(lines)
        start, end = offset * step, size - (taps - 1) * step
        combine(first[:, :end], run[:, start : start + end], out=longer[:, :end])
        return longer

    while 2 * length < taps:
        before = run, joined
        if taps & length and not reduction.idempotent:
            joined = join(joined, so_far, so_far + length) if so_far else run
            so_far += length
        run = join(run, length, 2 * length)
        length *= 2
        unused += [old for old in before if not any(old is kept for kept in (lines, run, joined))]
    if so_far == 0:
        joined, so_far = run, taps - length
    if out is None:
        return join(joined, so_far, taps).reshape(values.shape) if taps > 1 else values
    before_axis = (slice(None),) * axis
    first, second = (slice(start, start + out.shape[axis]) for start in (0, so_far * shift))
    parts = joined.reshape(values.shape)[(*before_axis, first)], run.reshape(values.shape)
    combine(parts[0], parts[1][(*before_axis, second)], out=out)
    return out


def reduce_columns(tile: Tile, reduced: Array, reduction: Reduction, out: Array) -> None:
    """Reduce the columns of each window, from what `reduce_rows` gives, in the dtype of `out`.

    Windows slide over all columns and every stride-th is kept.
    """
    axis, channels = tile.columns, reduced.shape[3]
    if reduced.dtype != out.dtype:
        wide = np.empty(reduced.shape, out.dtype)
        np.copyto(wide, reduced)
        reduced = wide
    if axis.lengths:
        _reduce_adaptive_columns(axis, reduced, reduction, out)
        return
    stride = axis.stride if axis.count > 1 else 1
    if channels >= FEW_CHANNELS and axis.pool_size <= 2 * axis.stride:
        end, step = (axis.count - 1) * stride + 1, axis.dilation
        taps = [reduced[:, :, tap * step :][:, :, :end:stride] for tap in range(axis.pool_size)]
        _combine(taps, reduction.combine, out)
        return
    if stride > 1 or axis.pool_size == 1:
        _keep(_runs(reduced, 2, axis.pool_size, axis.dilation, reduction), stride, out)
        return
    _runs(reduced, 2, axis.pool_size, axis.dilation, reduction, out)


def _reduce_adaptive_columns(axis: Axis, reduced: Array, reduction: Reduction, out: Array) -> None:
    """Slide by the shorter of the two sizes of window, then add the pixel that the longer lack."""
    slid = _runs(reduced, 2, axis.pool_size, 1, reduction)
    starts = np.array(axis.starts)
    np.take(slid, starts, axis=2, out=out, mode="clip")
    longer = np.flatnonzero(np.array(axis.lengths) > axis.pool_size)
    if len(longer):
        lacking = reduced[:, :, starts[longer] + axis.pool_size]
        out[:, :, longer] = reduction.combine(out[:, :, longer], lacking)


def _keep(pixels: Array, stride: int, out: Array) -> None:
    """Keep every stride-th column; there is a whole number of strides."""
    planes, rows, _, channels = pixels.shape
    size, kept = channels * pixels.itemsize, pixels[:, :, : out.shape[2] * stride]
    if pixels.dtype.hasobject or size not in _WORDS:
        copy_pixels(kept[:, :, ::stride], out)
    elif size * stride in (2, 4, 8) and np.little_endian:
        # The low end of a wide word is its first pixel, and a cast that truncates keeps just
        # that: several times as fast as steps through memory.
        lines = kept.reshape(planes, rows, -1).view(f"u{size * stride}")
        np.copyto(out.view(f"u{size}")[..., 0], lines, casting="unsafe")
    else:
        np.copyto(out.view(_WORDS[size]), kept.view(_WORDS[size])[:, :, ::stride])


def copy_pixels(pixels: Array, out: Array) -> None:
    """Copy (planes, rows, columns, channels) that do not lie side by side. Few channels are copied
    one after the other: numpy loops over the last axis, and starts anew for every pixel.
    """
    if abs(out.strides[1]) < abs(out.strides[2]):
        pixels, out = pixels.swapaxes(1, 2), out.swapaxes(1, 2)
    turned = len(out) <= FEW_CHANNELS and abs(pixels.strides[1]) < abs(pixels.strides[2])
    if turned and all(transpose(*planes) for planes in zip(pixels, out, strict=True)):
        return
    if out.shape[3] >= FEW_CHANNELS:
        np.copyto(out, pixels)
        return
    for channel in range(out.shape[3]):
        np.copyto(out[..., channel], pixels[..., channel])


def transpose(pixels: Array, out: Array) -> bool:
    """Copy (rows, columns, channels), whose columns follow each other down in memory, by OpenCV:
    it goes about it in blocks. False where it cannot.
    """
    word = {1: "u1", 2: "u2", 4: "i4", 8: "f8"}.get(pixels.itemsize)  # bits that are only moved
    if word is None or out.shape[2] > 4 or pixels.dtype != out.dtype:
        return False
    moved = []
    for array in (pixels.swapaxes(0, 1), out):
        _, width, channels = array.shape
        size = array.itemsize * channels
        in_order = channels == 1 or array.strides[2] == array.itemsize
        if array.strides[1] != size or array.strides[0] < size * width or not in_order:
            return False
        moved.append((array[:, :, 0] if channels == 1 else array).view(word))
    return bool(np.may_share_memory(cv2.transpose(*moved), out))


_WORDS = {1: "u1", 2: "u2", 4: "u4", 8: "u8", 16: "c16"}
"""A dtype for the bytes of one pixel, so that it is moved in one piece."""
