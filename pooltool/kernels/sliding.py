"""Windows along one axis: what reducing them costs should not depend on how wide they are.

Arrays are reduced along their first axis; what lies behind it stays in one piece, as the
processor's vector units want it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd, isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import AdaptiveAxis, AnyAxis, Axis
from pooltool.kernels.tiles import Source, reads_in_chunks, scratch

Array = NDArray[Any]

CHUNK = 64
"""Rows of a large window that are read and reduced at once."""


@dataclass(frozen=True)
class Reduction:
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


def reduce_rows(
    source: Source,
    axis: AnyAxis,
    windows: range,
    columns: range,
    reduction: Reduction,
    out: Array,
) -> None:
    """Reduce the rows of each window to one: (windows, values of `columns`)."""
    if isinstance(axis, Axis) and not reads_in_chunks(axis):
        block = source.rows(*axis.span(windows.start, windows.stop), columns.start, columns.stop)
        _windowed(block, axis, reduction, out)
        return
    dilation = axis.dilation if isinstance(axis, Axis) else 1
    for index, row in zip(windows, out, strict=True):
        first, last = axis.span(index, index + 1)
        _reduce_one(source, range(first, last, dilation), columns, reduction, row)


def _reduce_one(
    source: Source, rows: range, columns: range, reduction: Reduction, out: Array
) -> None:
    """Reduce the rows of one large window, a piece that fits the cache after the other."""
    chunk = max(CHUNK, isqrt(len(rows)))
    partial = scratch("partial", out.shape, out.dtype)
    for start in range(0, len(rows), chunk):
        taken = rows[start : start + chunk]
        block = source.rows(taken[0], taken[-1] + 1, columns.start, columns.stop)
        target = partial if start else out
        _reduce_all(block[:: rows.step], reduction, target)
        if start:
            reduction.combine(out, partial, out=out)


def _windowed(block: Array, axis: Axis, reduction: Reduction, out: Array) -> None:
    """Reduce windows of rows that overlap or are small.

    Taps a period apart lie a whole number of windows apart, so a period's taps are combined once
    and shared by all the windows that hold them.
    """
    stride, dilation = axis.stride, axis.dilation
    period, periods, rest = _periods(axis)
    if periods == 1:
        _fold(_taps(block, axis.pool_size, stride, dilation, len(out)), reduction, out)
        return
    advance = period * dilation // stride
    wide = len(out) + (periods - 1) * advance
    shared = block[:wide]
    if period > 1 or stride > 1 or block.dtype != out.dtype:
        shared = scratch("shared", (wide, *block.shape[1:]), out.dtype)
        _fold(_taps(block, period, stride, dilation, wide), reduction, shared)
    run, other, shift = last_two_runs(shared, periods, advance, reduction)
    reduction.combine(run[: len(out)], other[shift:][: len(out)], out=out)
    unshared = block[periods * period * dilation :]
    for tap in _taps(unshared, rest, stride, dilation, len(out)):
        reduction.combine(out, tap, out=out, dtype=out.dtype)


def _periods(axis: Axis) -> tuple[int, int, int]:
    """Taps of one period, how many periods a window holds, and the taps left over."""
    period = min(axis.pool_size, axis.stride // gcd(axis.stride, axis.dilation))
    return period, *divmod(axis.pool_size, period)


def _taps(block: Array, pool: int, stride: int, dilation: int, count: int) -> list[Array]:
    """For each tap of `count` windows, the row that it falls on in each of them."""
    end = (count - 1) * stride + 1
    return [block[i * dilation :][:end:stride] for i in range(pool)]


def _fold(parts: list[Array], reduction: Reduction, out: Array) -> None:
    """Combine arrays one after the other, in the dtype of `out`."""
    if len(parts) == 1:
        np.copyto(out, parts[0])
        return
    reduction.combine(parts[0], parts[1], out=out, dtype=out.dtype)
    for part in parts[2:]:
        reduction.combine(out, part, out=out, dtype=out.dtype)


def _reduce_all(rows: Array, reduction: Reduction, out: Array) -> None:
    """Reduce all rows to one. Sums are taken as a tree of fixed shape: its errors stay small."""
    if reduction.idempotent:
        reduction.combine.reduce(rows, axis=0, out=out)
        return
    turn = 0
    while len(rows) > 3:
        half = len(rows) // 2
        halved = scratch(("even", "odd")[turn % 2], (half, *rows.shape[1:]), out.dtype)
        reduction.combine(rows[:half], rows[half : 2 * half], out=halved, dtype=out.dtype)
        if len(rows) % 2:
            reduction.combine(halved[-1], rows[-1], out=halved[-1], dtype=out.dtype)
        rows, turn = halved, turn + 1
    _fold([*rows], reduction, out)


def last_two_runs(
    block: Array, taps: int, step: int, reduction: Reduction
) -> tuple[Array, Array, int]:
    """Prepare windows of `taps` values, `step` apart along the first axis: all but the last step.

    Return two arrays and a shift; combined with the second shifted, they are the windows. Each run
    is made of two shorter ones, so that the work grows with the digits of `taps`.
    """
    run, length = block, 1
    for turn, (doubles, added) in enumerate(_growth(taps, reduction.idempotent)):
        other = run if doubles else block
        shift = (added if doubles else length) * step
        length += added
        if length == taps:
            break
        longer = scratch(("even", "odd")[turn % 2], block.shape, block.dtype)
        size = len(block) - (length - 1) * step
        reduction.combine(run[:size], other[shift:][:size], out=longer[:size])
        run = longer
    return run, other, shift


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
