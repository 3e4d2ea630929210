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
from pooltool.kernels.reduce import Scratch, copy_pixels

Array = NDArray[Any]

FEW_TAPS = 64
"""So many taps are sorted by a network. It takes more steps a value than numpy's sort, but each is
done for all windows at once."""
TAP_BYTES = 1 << 16
"""Bytes of one tap of a tile: a few of them stay in the cache while they are sorted."""
BLOCK_BYTES = 1 << 21
"""Bytes of a tile whose windows hold many taps: so many that its calls hardly show."""
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

    def taps(self) -> list[Array]:
        """Each tap of all windows, in reading order: views of `shape`."""
        lines = [self.pixels[:, part] for part in _every_stride(self.rows)]
        return [line[:, :, part] for line in lines for part in _every_stride(self.columns)]

    def gather(self, dtype: np.dtype[Any], scratch: Scratch) -> tuple[Array, int]:
        """Copy the values, in reading order along the axis that is also returned.

        Few are (taps, planes, rows, columns, channels), an array for each tap; many are (planes,
        rows, columns, channels, taps), each window in one piece.
        """
        many = self.rows.pool_size * self.columns.pool_size
        if many > FEW_TAPS:
            return self._side_by_side(dtype, scratch), -1
        stack = scratch.take("taps", (many, *self.shape), dtype)
        if not self._copy_pairs(stack, scratch):
            for view, line in zip(self.taps(), stack, strict=True):
                copy_pixels(view, line)
        return stack, 0

    def _copy_pairs(self, stack: Array, scratch: Scratch) -> bool:
        """Copy the taps of small integers two by two, where they lie side by side and the windows
        too: as wide words, of which a cast keeps the low half. Steps in memory take longer.
        """
        size, columns, pixels = stack.itemsize, self.columns, self.pixels
        paired = (columns.pool_size, columns.stride, columns.dilation) == (2, 2, 1)
        in_order = pixels.shape[3] == 1 and pixels.strides[2] == size and np.little_endian
        if not (paired and in_order and size <= 2 and stack.dtype == pixels.dtype):
            return False
        wide, narrow = np.dtype(f"u{2 * size}"), stack.view(f"u{size}")[..., 0]
        for tap, part in enumerate(_every_stride(self.rows)):
            words = pixels[:, part, : 2 * columns.count, 0].view(wide)
            high = np.right_shift(words, 8 * size, out=scratch.take("high", words.shape, wide))
            np.copyto(narrow[2 * tap], words, casting="unsafe")
            np.copyto(narrow[2 * tap + 1], high, casting="unsafe")
        return True

    def _side_by_side(self, dtype: np.dtype[Any], scratch: Scratch) -> Array:
        rows, columns = self.rows, self.columns
        windows = sliding_window_view(self.pixels, (rows.extent, columns.extent), (1, 2))
        windows = windows[:, :: rows.stride, :: columns.stride]
        windows = windows[..., :: rows.dilation, :: columns.dilation]
        values = scratch.take("taps", windows.shape, dtype)
        np.copyto(values, windows)
        return values.reshape(*self.shape, -1)


def _every_stride(axis: Axis) -> list[slice]:
    """For each tap, where it lies in all windows."""
    length = (axis.count - 1) * axis.stride + 1
    starts = range(0, axis.extent, axis.dilation)
    return [slice(start, start + length, axis.stride) for start in starts]


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
) -> None:
    """Write the lower median or the most frequent value of each window into `out`.

    Of several values that are most frequent, the smallest. A NaN in a window gives NaN; with
    `skip_nan`, which is for medians only, it takes part in nothing.
    """
    scratch = Scratch.take_unused()
    # numpy compares float16 one by one, and float32 with vector units.
    dtype = np.dtype(np.float32) if out.dtype == np.float16 else out.dtype
    blurs = method == "median" and opencv.takes_medians(pixels, rows, columns)
    most = _windows_of_tile(rows.pool_size * columns.pool_size, dtype)
    if blurs:  # OpenCV finds the median at every pixel, whatever the stride
        most = BLOCK_BYTES // (rows.stride * columns.stride * dtype.itemsize)
    for part, down, across in _tiles(out.shape, rows, columns, most):
        top, bottom, tile_rows = rows.part(down.start, down.stop)
        left, right, tile_columns = columns.part(across.start, across.stop)
        tile, target = pixels[part, top:bottom, left:right], out[part, down, across]
        if not (blurs and opencv.median(tile, tile_rows, tile_columns, target)):
            counts = means.counts(tile_rows, tile_columns, False)
            values, axis = Taps.of(tile, tile_rows, tile_columns).gather(dtype, scratch)
            if method == "median":
                target[...] = _medians(values, axis, counts, skip_nan, scratch)
            else:
                target[...] = _modes(values, axis, counts, scratch)
        if dtype.kind == "f":
            means.canonicalize(target)
    scratch.leave()


def _windows_of_tile(taps: int, dtype: np.dtype[Any]) -> int:
    """So many windows make a tile, times channels."""
    return (TAP_BYTES if taps <= FEW_TAPS else BLOCK_BYTES // taps) // dtype.itemsize


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
    lacking: Any = None  # windows of which the median is NaN
    if values.dtype.kind == "f" and np.isnan(values.max()):
        missing = np.isnan(values)
        lacking = missing.any(axis)
        if skip_nan:
            values[missing] = np.inf
            counts = counts - np.count_nonzero(missing, axis)
            lacking = np.equal(counts, 0)
    rank = (counts - 1) // 2
    if axis == 0:
        lines = _sort_taps(values, rank if isinstance(rank, int) else None, scratch)
        if isinstance(rank, int):
            return lines[rank]  # minima and maxima have carried each NaN along
        values = np.stack(lines)
    elif isinstance(rank, int) and values.itemsize > 1:
        values.partition(rank)
    else:
        values.sort(kind="stable")  # of bytes a radix sort
    ranks = np.broadcast_to(rank, values[0].shape if axis == 0 else values.shape[:-1])
    medians: Array = np.take_along_axis(values, np.expand_dims(ranks, axis), axis).squeeze(axis)
    if lacking is not None:
        medians[lacking] = np.nan
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


def _modes(values: Array, axis: int, counts: means.Counts, scratch: Scratch) -> Array:
    """The most frequent value of each window, whose taps lie along `axis`; `values` are used up.

    Most windows of labels hold just one. Where that is so, only the others are sorted.
    """
    if isinstance(counts, int) and (mixed := _mixed(values, axis)) is not None:
        if axis == 0:
            first, others = values[0].copy(), values.reshape(counts, -1)[:, mixed]
        else:
            first, others = values[..., 0].copy(), values.reshape(-1, counts)[mixed]
        if len(mixed):
            first.reshape(-1)[mixed] = _modes(others, axis, counts, scratch)
        return np.asarray(first)
    if axis == 0:
        return _modes_of_few(_sort_taps(values, None, scratch), counts, scratch)
    return _modes_of_many(values, counts)


def _mixed(values: Array, axis: int) -> NDArray[np.int64] | None:
    """Which windows hold more than one value; None if more than a fourth of them do."""
    if axis:
        uniform = (values[..., 1:] == values[..., :1]).all(axis)
        return (
            None if 4 * np.count_nonzero(uniform) < 3 * uniform.size else np.flatnonzero(~uniform)
        )
    uniform = np.ones(values.shape[1:], np.bool_)
    for line in values[1:]:
        uniform &= line == values[0]
        if 4 * np.count_nonzero(uniform) < 3 * uniform.size:
            return None
    return np.flatnonzero(~uniform)


def _modes_of_few(lines: list[Array], counts: means.Counts, scratch: Scratch) -> Array:
    """`_modes` of sorted taps, an array for each. `lines[0]` is used up."""
    words = [line.view(f"u{line.itemsize}") for line in lines]
    modes, shape = words[0], words[0].shape
    longer, same = (scratch.take(name, shape, np.dtype(np.bool_)) for name in ("longer", "same"))
    changes = scratch.take("changes", shape, modes.dtype)

    def replace(others: Array) -> None:
        """Where runs are longer; several times as fast as a copy with a mask: no branches."""
        np.bitwise_xor(modes, others, out=changes)
        np.multiply(changes, longer, out=changes)
        np.bitwise_xor(modes, changes, out=modes)

    if len(lines) == 4 and isinstance(counts, int):
        a, b, c, d = lines  # c is most frequent if it has an equal, and a and b are not a pair
        np.logical_or(np.equal(b, c, out=longer), np.equal(c, d, out=same), out=longer)
        np.logical_and(np.not_equal(a, b, out=same), longer, out=longer)
        replace(words[2])
        return modes.view(lines[0].dtype)
    run, longest = np.ones((2, *shape), np.uint8)
    for tap in range(1, len(lines)):
        run *= np.equal(lines[tap], lines[tap - 1], out=same)
        run += 1
        np.greater(run, longest, out=longer)
        if not isinstance(counts, int):
            longer &= tap < counts
        np.maximum(run, longest, out=longest)
        replace(words[tap])
    return modes.view(lines[0].dtype)


def _modes_of_many(values: Array, counts: means.Counts) -> Array:
    """`_modes` of windows whose taps lie side by side, by the lengths of runs when sorted."""
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


def indices(pixels: Array, values: Array, rows: AnyAxis, columns: AnyAxis) -> NDArray[np.int64]:
    """Where in its plane the value of each window lies, `row * width + column`, int64.

    `values` are the largest or the smallest of each window. Of equal ones, and of several NaN, the
    first in reading order counts.
    """
    found = np.empty(values.shape, np.int64)
    scratch, width = Scratch.take_unused(), pixels.shape[2]
    many = rows.pool_size * columns.pool_size
    most = _windows_of_tile(many, values.dtype)
    row_starts, row_steps = _places(rows)
    column_starts, column_steps = _places(columns)
    offsets = np.add.outer(row_steps * width, column_steps).reshape(-1)
    for part, down, across in _tiles(values.shape, rows, columns, most):
        top, bottom, tile_rows = rows.part(down.start, down.stop)
        left, right, tile_columns = columns.part(across.start, across.stop)
        tile, target = pixels[part, top:bottom, left:right], found[part, down, across]
        inside = None
        if not isinstance(means.counts(tile_rows, tile_columns, False), int):
            high, wide = _inside(tile_rows), _inside(tile_columns)
            inside = (high[:, None, :, None] & wide[:, None, :]).reshape(len(high), len(wide), many)
        laid = Taps.of(tile, tile_rows, tile_columns)
        numbers = _first_equal(laid, values[part, down, across], inside, scratch)
        np.take(offsets, numbers, out=target, mode="clip")
        target += row_starts[down, None, None] * width + column_starts[across, None]
    scratch.leave()
    return found


def _first_equal(laid: Taps, wanted: Array, inside: Array | None, scratch: Scratch) -> Array:
    """Number of the first tap of each window that holds the value `wanted`.

    `inside`, (rows, columns, taps), tells which taps are the window's own; None for all.
    """
    has_nan = wanted.dtype.kind == "f" and bool(np.isnan(wanted).any())
    if laid.rows.pool_size * laid.columns.pool_size > FEW_TAPS:
        values, _ = laid.gather(wanted.dtype, scratch)
        equal = values == wanted[..., None]
        if has_nan:
            equal |= np.isnan(values) & np.isnan(wanted)[..., None]
        if inside is not None:
            equal &= inside[:, :, None]
        return np.asarray(equal.argmax(-1))
    numbers = scratch.take("numbers", wanted.shape, np.dtype(np.uint8))
    numbers[...] = 0
    missed = scratch.take("missed", wanted.shape, np.dtype(np.bool_))
    missed[...] = True
    line = scratch.take("line", wanted.shape, wanted.dtype)
    for number, view in enumerate(laid.taps()[:-1]):  # what no other tap holds, the last one does
        copy_pixels(view, line)
        other = line != wanted
        if has_nan:
            other &= (line == line) | (wanted == wanted)
        if inside is not None:
            other |= ~inside[:, :, number, None]
        missed &= other
        numbers += missed
    return numbers
