"""All values of a window at once: medians, modes, and where the largest or smallest value lies.

The values are gathered tile by tile. A tap is one place in a window: the first tap of all windows
is an array, the second another, and so on. Few taps are sorted by a network of minima and maxima,
which works on all windows together; many are sorted or parted window by window.

A tap outside of the image holds the largest value of its dtype: it is sorted to the end, behind
as many values as the window has inside the image, and is never counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pooltool.geometry import AdaptiveAxis, AnyAxis, Axis
from pooltool.kernels import means, opencv
from pooltool.kernels.reduce import Scratch, copy_pixels, take_scratch

Array = NDArray[Any]

TILE_BYTES = 1 << 20
"""Bytes of all taps of a tile: they stay in the cache while they are sorted."""
FEW_TAPS = 64
"""So many taps are sorted by a network. It takes more steps a value than numpy's sort, but each is
done for all windows at once."""
WHOLE = 2048
"""So few windows are not parted into those inside the image and those that reach out of it."""


@dataclass(frozen=True)
class Taps:
    """The windows of a tile, made regular: none reaches out of the pixels, all have one size."""

    pixels: Array
    """(planes, rows, columns, channels)"""
    rows: Axis
    columns: Axis

    @classmethod
    def of(cls, pixels: Array, rows: AnyAxis, columns: AnyAxis) -> Taps:
        """Lay the windows side by side along an axis where padding or two sizes call for it."""
        laid = []
        is_float = pixels.dtype.kind == "f"
        largest = np.inf if is_float else means.integer_range(pixels.dtype)[1]
        for number, axis in ((1, rows), (2, columns)):
            if not isinstance(axis, Axis) or not axis.is_whole:
                places, taps = np.add.outer(*_places(axis)).reshape(-1), axis.pool_size
                pixels = pixels.take(places, axis=number, mode="clip")
                np.moveaxis(pixels, number, 0)[~_inside(axis).reshape(-1)] = largest
                axis = Axis(len(places), taps, taps, 1, 0, 0, axis.count)
            laid.append(axis)
        return cls(pixels, *laid)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The results: planes, rows, columns, channels."""
        return len(self.pixels), self.rows.count, self.columns.count, self.pixels.shape[3]

    def gather(self, dtype: np.dtype[Any], scratch: Scratch) -> tuple[Array, int]:
        """Copy the values, in reading order along the axis that is also returned.

        Few are (taps, planes, rows, columns, channels), an array for each tap; many are (planes,
        rows, columns, channels, taps), each window in one piece.
        """
        if self.rows.pool_size * self.columns.pool_size <= FEW_TAPS:
            return self._stacked(dtype, scratch), 0
        return self._side_by_side(dtype, scratch), -1

    def _stacked(self, dtype: np.dtype[Any], scratch: Scratch) -> Array:
        down, across = self.rows.pool_size, self.columns.pool_size
        stack = scratch.take("taps", (down * across, *self.shape), dtype)
        for tap in range(down):
            top = tap * self.rows.dilation
            end = top + (self.rows.count - 1) * self.rows.stride + 1
            lines = self.pixels[:, top : end : self.rows.stride]
            self._stack_columns(lines, stack[tap * across : (tap + 1) * across], scratch)
        return stack

    def _stack_columns(self, lines: Array, stack: Array, scratch: Scratch) -> None:
        columns, size = self.columns, stack.itemsize
        pairs = (columns.pool_size, columns.stride, columns.dilation) == (2, 2, 1)
        if pairs and size <= 2 and stack.dtype == lines.dtype and np.little_endian:
            wide, count = np.dtype(f"u{2 * size}"), 2 * columns.count
            if lines.shape[3] == 1 and lines.strides[2] == size:
                # Both taps in one wide word: shifts and casts are faster than steps in memory.
                words, narrow = lines[:, :, :count, 0].view(wide), stack.view(f"u{size}")
                high = scratch.take("words", words.shape, wide)
                np.right_shift(words, 8 * size, out=high)
                np.copyto(narrow[0, ..., 0], words, casting="unsafe")
                np.copyto(narrow[1, ..., 0], high, casting="unsafe")
                return
        for tap in range(columns.pool_size):
            left = tap * columns.dilation
            end = left + (columns.count - 1) * columns.stride + 1
            copy_pixels(lines[:, :, left : end : columns.stride], stack[tap])

    def _side_by_side(self, dtype: np.dtype[Any], scratch: Scratch) -> Array:
        rows, columns = self.rows, self.columns
        windows = sliding_window_view(self.pixels, (rows.extent, columns.extent), (1, 2))
        windows = windows[:, :: rows.stride, :: columns.stride]
        windows = windows[..., :: rows.dilation, :: columns.dilation]
        values = scratch.take("taps", windows.shape, dtype)
        np.copyto(values, windows)
        return values.reshape(*self.shape, -1)


def _places(axis: AnyAxis) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the windows start, and how far from there each tap is."""
    dilation = axis.dilation if isinstance(axis, Axis) else 1
    starts = np.array([axis.start(i) for i in range(axis.count)], np.int64)
    return starts, dilation * np.arange(axis.pool_size)


def _inside(axis: AnyAxis) -> NDArray[np.bool_]:
    """(windows, taps): which taps lie in the image, and are the window's own."""
    starts, steps = _places(axis)
    places, stops = starts[:, None] + steps, np.array(axis.size)
    if isinstance(axis, AdaptiveAxis):
        stops = np.array([axis.stop(i) for i in range(axis.count)])[:, None]
    inside: NDArray[np.bool_] = (places >= 0) & (places < stops)
    return inside


def pool(
    pixels: Array,
    method: Literal["median", "mode"],
    rows: AnyAxis,
    columns: AnyAxis,
    out: Array,
    *,
    skip_nan: bool = False,
    tile_bytes: int = TILE_BYTES,
) -> None:
    """Write the lower median or the most frequent value of each window into `out`.

    Of several values that are most frequent, the smallest. A NaN in a window gives NaN; with
    `skip_nan`, which is for medians only, it takes part in nothing.
    """
    scratch = take_scratch()
    # numpy compares float16 one by one, and float32 with vector units.
    dtype = np.dtype(np.float32) if out.dtype == np.float16 else out.dtype
    blurs = method == "median" and opencv.takes_medians(pixels, rows, columns)
    # OpenCV finds the median at every pixel, whatever the stride.
    taps = (rows.stride * columns.stride) if blurs else rows.pool_size * columns.pool_size
    for part, down, across in _tiles(out.shape, rows, columns, tile_bytes // (taps * out.itemsize)):
        top, bottom, tile_rows = rows.part(down.start, down.stop)
        left, right, tile_columns = columns.part(across.start, across.stop)
        tile, target = pixels[part, top:bottom, left:right], out[part, down, across]
        if not (blurs and opencv.median(tile, tile_rows, tile_columns, target)):
            counts = means.counts(tile_rows, tile_columns, False)
            values, axis = Taps.of(tile, tile_rows, tile_columns).gather(dtype, scratch)
            if method == "median":
                target[...] = _medians(values, axis, counts, skip_nan, scratch)
            elif axis == 0:
                target[...] = _modes(_sort_taps(values, None, scratch), counts)
            else:
                target[...] = _modes_of_many(values, counts)
        if dtype.kind == "f":
            means.canonicalize(target)
    scratch.leave()


def _tiles(
    shape: tuple[int, ...], rows: AnyAxis, columns: AnyAxis, most: int
) -> Iterator[tuple[slice, slice, slice]]:
    """Cut planes, rows and columns of windows into tiles of `most` values at the most, or of one
    window. Those that reach into the padding become tiles of their own along the edges.
    """
    planes, down, across, channels = shape
    most = max(1, most // channels)
    whole = planes * down * across <= min(most, WHOLE)

    def parts(axis: AnyAxis) -> list[range]:
        inside = range(axis.count) if whole else axis.inside()
        return [range(inside.start), inside, range(inside.stop, axis.count)]

    def slices(windows: range, count: int) -> Iterator[slice]:
        for first in windows[:: max(1, count)]:
            yield slice(first, min(first + max(1, count), windows.stop))

    for high, wide in product(parts(rows), parts(columns)):
        if high and wide:
            yield from product(
                slices(range(planes), most // (len(high) * len(wide))),
                slices(high, most // len(wide)),
                slices(wide, most),
            )


def _medians(
    values: Array, axis: int, counts: means.Counts, skip_nan: bool, scratch: Scratch
) -> Array:
    """The lower median of each window, whose taps lie along `axis`; `values` are used up."""
    is_float = values.dtype.kind == "f"
    if skip_nan and is_float and np.isnan(missing := values.max(initial=-np.inf)):
        missing = np.isnan(values)
        values[missing] = np.inf
        counts = counts - np.count_nonzero(missing, axis=axis)
    rank = (counts - 1) // 2
    if axis == 0:
        lines = _sort_taps(values, rank if isinstance(rank, int) else None, scratch)
        if isinstance(rank, int):
            return lines[rank]  # minima and maxima have carried each NaN along
        values = np.stack(lines)
    elif isinstance(rank, int) and values.itemsize > 1:
        values.partition((rank, values.shape[-1] - 1))
    else:
        values.sort(kind="stable")  # of bytes a radix sort
    ranks = np.broadcast_to(rank, values[0].shape if axis == 0 else values.shape[:-1])
    medians: Array = np.take_along_axis(values, np.expand_dims(ranks, axis), axis).squeeze(axis)
    if is_float:
        medians[np.isnan(values.take(-1, axis)) | (np.asarray(counts) == 0)] = np.nan
    return medians


def _sort_taps(stack: Array, rank: int | None, scratch: Scratch) -> list[Array]:
    """Sort (taps, ...) along its first axis, or as far as the value of one rank calls for.

    A NaN makes all values of its window NaN.
    """
    lines = list(stack)
    spare = scratch.take("spare", lines[0].shape, stack.dtype)
    for low, high, keeps_low, keeps_high in _network(len(lines), rank):
        first, second = lines[low], lines[high]
        if keeps_low and keeps_high:
            np.minimum(first, second, out=spare)
            np.maximum(first, second, out=second)
            lines[low], spare = spare, first
        elif keeps_low:
            np.minimum(first, second, out=first)
        else:
            np.maximum(first, second, out=second)
    return lines


@lru_cache(maxsize=64)
def _network(count: int, rank: int | None) -> list[tuple[int, int, bool, bool]]:
    """Batcher's odd-even merge sort of `count` values, (low, high) for each exchange, and whether
    its smaller and its larger value are used: all of them, or those that `rank` depends on.
    """
    pairs = []
    for run in (1 << n for n in range((count - 1).bit_length())):
        for step in (run >> n for n in range(run.bit_length())):
            for first in range(step % run, count - step, 2 * step):
                for low in range(first, min(first + step, count - step)):
                    if low // (2 * run) == (low + step) // (2 * run):
                        pairs.append((low, low + step))
    used = set(range(count)) if rank is None else {rank}
    exchanges = []
    for low, high in reversed(pairs):
        if low in used or high in used:
            exchanges.append((low, high, low in used, high in used))
            used |= {low, high}
    return exchanges[::-1]


def _modes(lines: list[Array], counts: means.Counts) -> Array:
    """The most frequent value of each window; its taps are sorted. `lines[0]` is used up."""
    words = [line.view(f"u{line.itemsize}") for line in lines]
    modes = words[0]
    if len(lines) == 4 and isinstance(counts, int):
        a, b, c, d = lines
        _replace(modes, words[2], (a != b) & ((b == c) | (c == d)))
        return modes.view(lines[0].dtype)
    run = np.ones(modes.shape, np.uint8)
    longest = run.copy()
    for tap in range(1, len(lines)):
        run *= lines[tap] == lines[tap - 1]
        run += 1
        longer = run > longest
        if not isinstance(counts, int):
            longer &= tap < counts
        np.maximum(run, longest, out=longest)
        _replace(modes, words[tap], longer)
    return modes.view(lines[0].dtype)


def _replace(words: Array, others: Array, where: Array) -> None:
    """`np.copyto(words, others, where=where)`, several times as fast because it has no branch."""
    changes = np.bitwise_xor(words, others)
    changes *= where
    words ^= changes


def _modes_of_many(values: Array, counts: means.Counts) -> Array:
    """The same of windows whose taps lie side by side: sorted, by the lengths of runs."""
    values.sort(kind="stable" if values.itemsize == 1 else None)  # of bytes a radix sort
    taps, flat = values.shape[-1], values.reshape(-1)
    begins = np.ones(values.shape, np.bool_)
    np.not_equal(values[..., 1:], values[..., :-1], out=begins[..., 1:])
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=flat.size)
    firsts = np.searchsorted(starts, np.arange(0, flat.size, taps))  # run of each window
    if not isinstance(counts, int):
        outside = taps - np.broadcast_to(counts, values.shape[:-1]).reshape(-1)
        lengths[np.append(firsts[1:], len(starts)) - 1] -= outside
    longest = np.maximum.reduceat(lengths, firsts)
    runs = np.append(firsts, len(starts))
    candidates = np.flatnonzero(lengths == np.repeat(longest, np.diff(runs)))
    chosen = candidates[np.searchsorted(candidates, firsts)]
    modes: Array = flat[starts[chosen]].reshape(values.shape[:-1])
    if values.dtype.kind == "f":
        modes[np.isnan(values[..., -1])] = np.nan
    return modes


def indices(
    pixels: Array,
    values: Array,
    rows: AnyAxis,
    columns: AnyAxis,
    *,
    tile_bytes: int = TILE_BYTES,
) -> NDArray[np.int64]:
    """Where in its plane the value of each window lies, `row * width + column`, int64.

    `values` are the largest or the smallest of each window. Of equal ones, and of several NaN, the
    first in reading order counts.
    """
    found = np.empty(values.shape, np.int64)
    scratch, width = take_scratch(), pixels.shape[2]
    many, size = rows.pool_size * columns.pool_size, values.itemsize
    row_starts, row_steps = _places(rows)
    column_starts, column_steps = _places(columns)
    offsets = np.add.outer(row_steps * width, column_steps).reshape(-1)
    for part, down, across in _tiles(values.shape, rows, columns, tile_bytes // (many * size)):
        top, bottom, tile_rows = rows.part(down.start, down.stop)
        left, right, tile_columns = columns.part(across.start, across.stop)
        tile, target = pixels[part, top:bottom, left:right], found[part, down, across]
        taps, axis = Taps.of(tile, tile_rows, tile_columns).gather(values.dtype, scratch)
        inside = None
        if not isinstance(means.counts(tile_rows, tile_columns, False), int):
            high, wide = _inside(tile_rows), _inside(tile_columns)
            inside = high[:, None, None, :, None] & wide[:, None, None, :]
            inside = inside.reshape(len(high), len(wide), 1, many)
        numbers = _first_equal(taps, axis, values[part, down, across], inside)
        np.take(offsets, numbers, out=target, mode="clip")
        target += row_starts[down, None, None] * width + column_starts[across, None]
    scratch.leave()
    return found


def _first_equal(taps: Array, axis: int, wanted: Array, inside: Array | None) -> Array:
    """Number of the first tap of each window that holds the value `wanted`."""
    wanted = np.expand_dims(wanted, axis)
    equal = taps == wanted
    if wanted.dtype.kind == "f" and (lacking := np.isnan(wanted)).any():
        equal |= np.isnan(taps) & lacking
    if inside is not None:
        equal &= inside if axis else np.moveaxis(inside, -1, 0)[:, None]
    if axis:
        return np.asarray(equal.argmax(axis))
    numbers = np.zeros(equal.shape[1:], np.uint8)
    missed = np.ones(equal.shape[1:], np.bool_)
    for tap in equal[:-1]:
        np.greater(missed, tap, out=missed)  # missed so far, and not here
        numbers += missed
    return numbers
