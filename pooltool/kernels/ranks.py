"""Medians and modes of values that have been gathered, for all windows of a tile at once.

Few taps, an array for each, are sorted by a network of minima and maxima; many, side by side in
memory, by numpy. Behind the values of a window, what lies outside of the image is sorted to the
end: `counts` says how many values each window has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.kernels.means import Counts

Array = NDArray[Any]


def medians(values: Array, axis: int, counts: Counts, skip_nan: bool) -> Array:
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
        lines = sort_taps(values, rank if isinstance(rank, int) else None)
        if isinstance(rank, int):
            return lines[rank]  # minima and maxima have carried each NaN along
        values = np.stack(lines)
    elif isinstance(rank, int) and values.itemsize > 1:
        values.partition(rank)
    else:
        values.sort(kind="stable")  # of bytes a radix sort
    ranks = np.broadcast_to(rank, values[0].shape if axis == 0 else values.shape[:-1])
    result: Array = np.take_along_axis(values, np.expand_dims(ranks, axis), axis).squeeze(axis)
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


def modes_of_sorted(lines: list[Array], counts: Counts) -> Array:
    """The most frequent of sorted taps, an array for each. `lines[0]` is used up."""
    words = [line.view(f"u{line.itemsize}") for line in lines]
    modes, shape = words[0], words[0].shape
    longer, same = (np.empty(shape, np.dtype(np.bool_)) for name in ("longer", "same"))
    changes = np.empty(shape, modes.dtype)

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


def modes_of_many(values: Array, counts: Counts) -> Array:
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
