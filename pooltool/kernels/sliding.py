"""Windows along one axis: what reducing them costs should not depend on how wide they are.

Each function here prepares a reduction for tiles of one shape, takes the memory it needs, and
returns the function that does the work. Arrays are reduced along their first axis; what lies
behind it stays in one piece, as the processor's vector units want it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import gcd, isqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import AdaptiveAxis, AnyAxis, Axis
from pooltool.kernels.reading import Reader
from pooltool.kernels.tiles import Memory, reads_in_chunks

Array = NDArray[Any]

CHUNK = 64
"""Rows of a large window that are read and reduced at once."""


class Reduction(NamedTuple):
    """How the values of a window combine: an associative ufunc and the value it ignores."""

    combine: np.ufunc
    neutral: Any
    idempotent: bool
    """True when taking a value twice changes nothing: max and min, not sums."""


def depth(axis: AnyAxis) -> int:
    """Additions in a row behind one result along an axis, at the most."""
    tree = 2 * axis.most.bit_length()
    if isinstance(axis, AdaptiveAxis) or reads_in_chunks(axis):
        return tree + axis.most // CHUNK
    period, periods, rest = _periods(axis)
    return max(tree, period + rest + 2 * periods.bit_length() - 3)


def rows_reducer(
    axis: AnyAxis, reader: Reader, reduction: Reduction, out: Array, memory: Memory
) -> Callable[[Array], None]:
    """Reduce the rows of each window to one: from the pixels of a tile into `out`, (n, values)."""
    if isinstance(axis, AdaptiveAxis) or reads_in_chunks(axis):
        return _one_by_one(axis, reader, reduction, out, memory)
    top, bottom = axis.span(0, axis.count)
    reader.expect(axis, bottom - top)
    reduce = _sharing(axis, reduction, out, memory)
    return lambda pixels: reduce(reader.rows(pixels, top, bottom))


def _one_by_one(
    axis: AnyAxis, reader: Reader, reduction: Reduction, out: Array, memory: Memory
) -> Callable[[Array], None]:
    """Reduce windows that share no row, each a piece that fits the cache after the other."""
    step = axis.dilation if isinstance(axis, Axis) else 1
    chunk = max(CHUNK, isqrt(axis.most))
    reader.expect(axis, (min(chunk, axis.most) - 1) * step + 1)
    spans = [axis.span(index, index + 1) for index in range(axis.count)]
    partial = memory.take(out.shape[1:], out.dtype)
    halves = [memory.take((chunk // n, *out.shape[1:]), out.dtype) for n in (2, 4)]

    def reduce(pixels: Array) -> None:
        for (top, bottom), row in zip(spans, out, strict=True):
            for first in range(top, bottom, chunk * step):
                block = reader.rows(pixels, first, min(first + (chunk - 1) * step + 1, bottom))
                _reduce_all(block[::step], reduction, row if first == top else partial, halves)
                if first > top:
                    reduction.combine(row, partial, out=row)

    return reduce


def _reduce_all(rows: Array, reduction: Reduction, out: Array, halves: list[Array]) -> None:
    """Reduce all rows to one. Sums are taken as a tree of fixed shape: its errors stay small."""
    if reduction.idempotent:
        reduction.combine.reduce(rows, axis=0, out=out)
        return
    turn = 0
    while len(rows) > 3:
        half = len(rows) // 2
        halved = halves[turn % 2][:half]
        reduction.combine(rows[:half], rows[half : 2 * half], out=halved, dtype=out.dtype)
        if len(rows) % 2:
            reduction.combine(halved[-1], rows[-1], out=halved[-1], dtype=out.dtype)
        rows, turn = halved, turn + 1
    _fold([*rows], reduction, out)


def _sharing(
    axis: Axis, reduction: Reduction, out: Array, memory: Memory
) -> Callable[[Array], None]:
    """Reduce windows of rows that overlap or are small.

    Taps a period apart lie a whole number of windows apart, so a period's taps are combined once
    and shared by all the windows that hold them.
    """
    count, dtype = len(out), out.dtype
    period, periods, _ = _periods(axis)
    if periods == 1:
        taps = _taps(axis, range(axis.pool_size), count)
        return lambda block: _fold([block[tap] for tap in taps], reduction, out)
    advance = period * axis.dilation // axis.stride
    wide = count + (periods - 1) * advance
    taps = _taps(axis, range(period), wide)
    last = _taps(axis, range(periods * period, axis.pool_size), count)
    space = memory.take((wide, *out.shape[1:]), dtype)
    runs = last_two_runs(periods, advance, space, reduction, memory)

    def reduce(block: Array) -> None:
        shared = block[taps[0]]
        if period > 1 or axis.stride > 1 or block.dtype != dtype:
            _fold([block[tap] for tap in taps], reduction, space)
            shared = space
        run, other, shift = runs(shared)
        reduction.combine(run[:count], other[shift : shift + count], out=out)
        for tap in last:
            reduction.combine(out, block[tap], out=out, dtype=dtype)

    return reduce


def _periods(axis: Axis) -> tuple[int, int, int]:
    """Taps of one period, how many periods a window holds, and the taps left over."""
    period = min(axis.pool_size, axis.stride // gcd(axis.stride, axis.dilation))
    return period, *divmod(axis.pool_size, period)


def _taps(axis: Axis, taps: range, count: int) -> list[slice]:
    """For each tap of `count` windows, the row that it falls on in each of them."""
    end, step = (count - 1) * axis.stride + 1, axis.dilation
    return [slice(tap * step, tap * step + end, axis.stride) for tap in taps]


def _fold(parts: list[Array], reduction: Reduction, out: Array) -> None:
    """Combine arrays one after the other, in the dtype of `out`."""
    if len(parts) == 1:
        np.copyto(out, parts[0])
        return
    reduction.combine(parts[0], parts[1], out=out, dtype=out.dtype)
    for part in parts[2:]:
        reduction.combine(out, part, out=out, dtype=out.dtype)


def last_two_runs(
    taps: int, step: int, like: Array, reduction: Reduction, memory: Memory
) -> Callable[[Array], tuple[Array, Array, int]]:
    """Prepare windows of `taps` values, `step` apart along the first axis: all but the last step.

    What is returned takes an array of the shape of `like` and gives two arrays and a shift;
    combined with the second shifted, they are the windows. Each run is made of two shorter ones,
    so that the work grows with the digits of `taps`.
    """
    steps: list[tuple[bool, slice, slice, Array, Array]] = []
    *earlier, (doubled, last) = _growth(taps, reduction.idempotent)
    spaces = [memory.take(like.shape, like.dtype) for _ in earlier[:2]]
    length = 1
    for turn, (doubles, added) in enumerate(earlier):
        shift, longer = (added if doubles else length) * step, spaces[turn % 2]
        length += added
        size = len(like) - (length - 1) * step
        steps.append((doubles, slice(size), slice(shift, shift + size), longer[:size], longer))
    combine, final = reduction.combine, (last if doubled else length) * step

    def runs(block: Array) -> tuple[Array, Array, int]:
        run = block
        for doubles, head, tail, target, longer in steps:
            combine(run[head], (run if doubles else block)[tail], out=target)
            run = longer
        return run, run if doubled else block, final

    return runs


def _growth(taps: int, overlap: bool) -> Iterator[tuple[bool, int]]:
    """Steps from a run of 1 value to one of `taps`: (run joins itself or a value, values added).

    A max or min doubles and at last joins two runs that overlap; a sum, where nothing may be
    taken twice, follows the binary digits of `taps`.
    """
    length = 1
    if overlap:
        while length < taps:
            added = min(length, taps - length)
            yield True, added
            length += added
        return
    for digit in bin(taps)[3:]:
        yield True, length
        length *= 2
        if digit == "1":
            yield False, 1
            length += 1
