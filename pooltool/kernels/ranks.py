"""Medians, modes, and where in a window its largest or smallest value lies: all values at once.

The values are gathered tile by tile. A tap is one place in a window: the first tap of all windows
is an array, the second another, and so on. Few taps are sorted by a network of minima and maxima,
many by numpy. A tap outside of the image holds the largest value of its dtype: it is sorted to the
end, behind as many values as the window has inside the image, and is never counted.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pooltool.geometry import Axis, DataFormat, row_axis
from pooltool.kernels import fast, means
from pooltool.kernels.tiles import Pooling, Tile, as_planes, copy_pixels, own_taps, tiles

Array = NDArray[Any]

FEW_TAPS = 64
"""So many taps are sorted by a network. It takes more steps a value than numpy's sort, but each is
done for all windows at once."""
TAP_BYTES = 1 << 17
"""Bytes of one tap of a tile: a few of them stay in the cache while they are sorted."""
BLOCK_BYTES = 1 << 21
"""Bytes of a tile whose windows hold many taps: so many that its calls hardly show."""
SAMPLED, UNIFORM = 16, 0.85
"""One of so many rows of windows is looked at to tell whether more than this share of them hold
one value only."""


def pool(tile: Tile, pooling: Pooling, out: Array) -> None:
    """Write the lower median or the most frequent value of each window into `out`.

    Of several values that are most frequent, the smallest. A NaN in a window gives NaN; with
    `skip_nan`, which is for medians only, NaN is ignored.
    """
    is_median, is_float = pooling.method == "median", out.dtype.kind == "f"
    if not (is_median and fast.median(tile, out)):
        # numpy compares float16 one by one, and float32 with vector units.
        dtype = np.dtype(np.float32) if out.dtype == np.float16 else out.dtype
        largest = np.inf if is_float else means.integer_range(dtype)[1]
        for part in tiles(
            tile.pixels, tile.rows, tile.columns, most_gathered(tile.rows, tile.columns, dtype)
        ):
            counts = means.counts(part.rows, part.columns, False)
            values = gather(part, dtype, largest)
            if is_median:
                out[part.where] = _medians(values, counts, pooling.skip_nan)
            elif len(values) > FEW_TAPS:
                out[part.where] = _modes_of_many(values, counts)
            else:
                out[part.where] = _modes(values, counts)
    if is_float:
        means.canonicalize(out)


def most_gathered(rows: Axis, columns: Axis, dtype: np.dtype[Any]) -> int:
    """So many windows make a tile of gathered values, times channels."""
    taps = rows.pool_size * columns.pool_size
    return (TAP_BYTES if taps <= FEW_TAPS else BLOCK_BYTES // taps) // dtype.itemsize


def view_windows(tile: Tile, outside: Any = None) -> Array:
    """(taps down, taps across, planes, rows, columns, channels), a view where it can be one.

    A tap outside of the image holds the value `outside`, or the nearest of its window.
    """
    windows = tile.pixels
    for number, axis in enumerate((tile.rows, tile.columns)):
        place = 1 + 2 * number
        if axis.is_regular:
            windows = sliding_window_view(windows, axis.extent, place)[..., :: axis.dilation]
            every = (*[slice(None)] * place, slice(None, None, axis.stride))
            windows = np.moveaxis(windows[every], -1, number)
            continue
        starts, first, last = own_taps(axis)
        taps = np.arange(axis.pool_size)[:, None]
        own = np.clip(taps, first, last)
        windows = windows.take(starts + axis.dilation * own, axis=place)
        if outside is not None:
            np.moveaxis(windows, (place, place + 1), (0, 1))[taps != own] = outside
        windows = np.moveaxis(windows, place, number)
    return windows


def gather(tile: Tile, dtype: np.dtype[Any], outside: Any = None) -> Array:
    """Copy the values to (taps, planes, rows, columns, channels). In memory each of few taps lies
    in one piece, and of many taps each window.

    A tap outside of the image holds the value `outside`, or the nearest of its window.
    """
    rows, columns, shape, size = tile.rows, tile.columns, tile.shape, dtype.itemsize
    down, across = rows.pool_size, columns.pool_size
    is_few, is_regular = down * across <= FEW_TAPS, rows.is_regular and columns.is_regular
    if is_few and is_regular:
        views = [tile.pixels[:, row, column] for row in rows.taps for column in columns.taps]
    else:
        windows = view_windows(tile, outside)
        if not is_few:
            values = np.empty((*shape, down, across), dtype)
            np.copyto(values, np.moveaxis(windows, (0, 1), (-2, -1)))
            return np.moveaxis(values.reshape(*shape, -1), -1, 0)
        views = [windows[place] for place in np.ndindex(down, across)]
    stack = np.empty((down * across, *shape), dtype)
    is_pairs = (across, columns.stride, columns.dilation, shape[3]) == (2, 2, 1, 1) and is_regular
    if is_pairs and tile.pixels.dtype == dtype and size <= 2 and np.little_endian:
        # Two pixels are one integer: to cut it is 3 times as fast as steps through memory.
        lines = tile.read(0, tile.rows.size, 0)
        pairs = lines[:, :, : 2 * columns.count].view(f"u{2 * size}")
        narrow = stack.view(f"u{size}")[..., 0]
        for number, row in enumerate(rows.taps):
            np.copyto(narrow[2 * number], pairs[:, row], casting="unsafe")
            np.copyto(narrow[2 * number + 1], pairs[:, row] >> 8 * size, casting="unsafe")
        return stack
    for view, line in zip(views, stack, strict=True):
        copy_pixels(view, line)
    return stack


def _medians(values: Array, counts: means.Counts, skip_nan: bool) -> Array:
    """The lower median of each window; `values` are used up."""
    lacking: Any = None  # windows of which the median is NaN
    if values.dtype.kind == "f" and np.isnan(values.max()):
        missing = np.isnan(values)
        lacking = missing.any(0)
        if skip_nan:
            values[missing] = np.inf
            counts = counts - np.count_nonzero(missing, 0)
            lacking = np.equal(counts, 0)
    rank = (counts - 1) // 2
    lines: Any = values
    if len(values) <= FEW_TAPS:
        lines = sort_taps(values, rank if isinstance(rank, int) else None)
    elif isinstance(rank, int) and values.itemsize > 1:
        values.partition(rank, axis=0)
    else:
        values.sort(axis=0, kind="stable")  # of bytes a radix sort
    if isinstance(rank, int):
        result: Array = lines[rank]
    else:
        ranks = np.broadcast_to(rank, values.shape[1:])[None]
        result = np.take_along_axis(np.asarray(lines), ranks, 0)[0]
    if lacking is not None:
        result[lacking] = np.nan
    return result


def sort_taps(stack: Array, rank: int | None) -> list[Array]:
    """Sort (taps, ...) along its first axis, or as far as the value of one rank calls for.

    A NaN makes all values of its window NaN.
    """
    lines = list(stack)
    spare = np.empty(lines[0].shape, stack.dtype)
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


def _modes(stack: Array, counts: means.Counts) -> Array:
    """The most frequent value of each window. Most windows of labels hold one value only: where a
    sample says so, only the others are sorted.
    """
    taps, rows = len(stack), stack.shape[2]
    # The rows looked at are not a stride apart, because labels often form a grid.
    sample = (np.arange(1, rows // SAMPLED + 2) * 0.618 % 1 * rows).astype(np.intp)
    is_whole = isinstance(counts, int) and counts == taps > 4
    if not is_whole or np.mean(_equal(stack[:, :, sample])) <= UNIFORM:
        return _modes_of_sorted(sort_taps(stack, None), counts)
    modes = stack[0].copy()
    mixed = np.flatnonzero(~_equal(stack))
    if len(mixed):
        lines = sort_taps(stack.reshape(taps, -1)[:, mixed], None)
        modes.reshape(-1)[mixed] = _modes_of_sorted(lines, counts)
    return np.asarray(modes)


def _equal(taps: Array) -> NDArray[np.bool_]:
    """Which windows hold one value only."""
    equal = np.ones(taps[0].shape, np.bool_)
    for tap in taps[1:]:
        equal &= tap == taps[0]
    return equal


def _modes_of_sorted(lines: list[Array], counts: means.Counts) -> Array:
    """The most frequent of sorted taps, an array for each. `lines[0]` is used up."""
    words = [line.view(f"u{line.itemsize}") for line in lines]
    modes, shape = words[0], words[0].shape  # to xor is several times as fast as to copy some
    is_whole = isinstance(counts, int) and counts == len(lines)
    if is_whole and counts == 4:
        a, b, c, d = lines  # c is most frequent if it has an equal, and a and b are not a pair
        modes ^= (modes ^ words[2]) * (((b == c) | (c == d)) & (a != b))
        return modes.view(lines[0].dtype)
    run, longest = np.ones((2, *shape), np.uint8)
    for tap in range(1, len(lines)):
        run *= lines[tap] == lines[tap - 1]
        run += 1
        is_longer = run > longest
        if not is_whole:
            is_longer &= tap < np.asarray(counts)
        np.maximum(run, longest, out=longest)
        modes ^= (modes ^ words[tap]) * is_longer
    return modes.view(lines[0].dtype)


def _modes_of_many(taps: Array, counts: means.Counts) -> Array:
    """The same of windows whose taps are adjacent: sorted, by the lengths of runs."""
    values = np.moveaxis(taps, 0, -1)
    values.sort(kind="stable" if values.itemsize == 1 else None)  # of bytes a radix sort
    size, flat = values.shape[-1], values.reshape(-1)
    begins = np.ones(values.shape, np.bool_)
    np.not_equal(values[..., 1:], values[..., :-1], out=begins[..., 1:])
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=flat.size)
    firsts = np.searchsorted(starts, np.arange(0, flat.size, size))  # run of each window
    runs = np.append(firsts, len(starts))
    outside = size - np.broadcast_to(counts, values.shape[:-1]).reshape(-1)
    lengths[runs[1:] - 1] -= outside
    longest = np.maximum.reduceat(lengths, firsts)
    candidates = np.flatnonzero(lengths == np.repeat(longest, np.diff(runs)))
    chosen = candidates[np.searchsorted(candidates, firsts)]
    modes: Array = flat[starts[chosen]].reshape(values.shape[:-1])
    if values.dtype.kind == "f":
        modes[np.isnan(values[..., -1])] = np.nan
    return modes


def indices2d(
    image: Array,
    values: Array,
    rows: Axis,
    columns: Axis,
    *,
    data_format: DataFormat = "channels_last",
) -> NDArray[np.int64]:
    """Where `values`, which `pool_axes` took from `image` by max or min, lie in their planes:
    `row * width + column`. Of equal ones, and of several NaN, the first in reading order counts.
    """
    if image.dtype.kind == "b":
        image, values = np.not_equal(image.view(np.uint8), 0).view(np.uint8), values.view(np.uint8)
    indices = np.empty(values.shape, np.int64)
    first = row_axis(image.ndim, data_format)
    planes, results = as_planes(image, indices, first)
    _, wanted = as_planes(image, values, first)
    starts, first_taps, last_taps = zip(*map(own_taps, (rows, columns)), strict=True)
    corners = starts[0][:, None, None] * planes.shape[2] + starts[1][:, None]
    row, column = np.divmod(np.arange(FEW_TAPS, dtype=np.int64), columns.pool_size)
    steps = row * rows.dilation * planes.shape[2] + column * columns.dilation
    for tile in tiles(planes, rows, columns, most_gathered(rows, columns, values.dtype)):
        _, down, across = tile.where
        numbers = _first_equal(tile, wanted[tile.where])
        is_regular = tile.rows.is_regular and tile.columns.is_regular
        if is_regular and rows.pool_size * columns.pool_size <= FEW_TAPS:
            np.add(steps.take(numbers), corners[down, across], out=results[tile.where])
            continue
        row, column = np.divmod(numbers, columns.pool_size)
        if not is_regular:
            row = np.clip(row, first_taps[0][down, None, None], last_taps[0][down, None, None])
            column = np.clip(column, first_taps[1][across, None], last_taps[1][across, None])
        places = row * np.int64(rows.dilation * planes.shape[2]) + corners[down, across]
        results[tile.where] = places + column * np.int64(columns.dilation)
    return indices


def _first_equal(tile: Tile, wanted: Array) -> Array:
    """Number of the first tap of each window that holds the value `wanted`."""
    has_nan = wanted.dtype.kind == "f" and bool(np.isnan(wanted).any())
    if tile.rows.pool_size * tile.columns.pool_size > FEW_TAPS:
        windows = np.moveaxis(view_windows(tile), (0, 1), (4, 5))
        windows, value = np.ascontiguousarray(windows, wanted.dtype), wanted[..., None, None]
        equal = windows == value
        if has_nan:
            equal |= np.isnan(windows) & np.isnan(value)
        return np.asarray(equal.reshape(*wanted.shape, -1).argmax(-1))
    values = gather(tile, wanted.dtype)
    numbers, missed = np.zeros(wanted.shape, np.uint8), np.ones(wanted.shape, np.bool_)
    for tap in values[:-1]:  # what no other tap holds, the last one does
        other = tap != wanted
        if has_nan:
            other &= (tap == tap) | (wanted == wanted)
        missed &= other
        numbers += missed
    return numbers
