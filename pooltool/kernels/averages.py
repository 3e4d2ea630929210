"""Average pooling: the mean of each window. How it is summed, divided and rounded is in `means`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.kernels import filters, means
from pooltool.kernels.sliding import Reduction
from pooltool.kernels.tiles import Kernel, Memory
from pooltool.kernels.windows import reader_of, reducer
from pooltool.kernels.work import Task

Array = NDArray[Any]
SUM = Reduction(np.add, 0, idempotent=False)


def average(task: Task, memory: Memory) -> Kernel:
    """The mean of each window."""
    if task.work.dtype.kind == "f":
        return _of_floats(task, memory)
    if task.work.dtype.itemsize == 8:
        return _of_wide_integers(task, memory)
    return _of_integers(task, memory)


def _counts(task: Task) -> means.Counts:
    return means.Counts.over(task.rows, task.columns, task.work.count_padding)


def _of_integers(task: Task, memory: Memory) -> Kernel:
    """Integers of up to 32 bits: their sum is exact, and divided and rounded once."""
    dtype, result = task.work.dtype, task.work.result
    reader = reader_of(task, dtype, 0, memory)
    if result == dtype:
        for offer in (filters.halving, filters.blurring):
            filtered = offer(task, reader, memory)
            if filtered:
                return filtered
    reduce, sums = filters.integral_sums(task, reader, memory) or _summing(task, memory)
    saturates = not np.can_cast(dtype, result)
    divide = means.integer_divider(sums, _counts(task), saturates, result, memory)

    def kernel(pixels: Array, out: Array) -> None:
        reduce(pixels)
        divide(out)

    return kernel


def _summing(task: Task, memory: Memory) -> tuple[Callable[[Array], None], Array]:
    """The sums of windows of integers: a function and what it fills."""
    sums = memory.take(task.shape, task.work.sums)
    along_rows = means.integer_sum_dtype(task.work.dtype, task.rows.most)
    reduce = reducer(task, SUM, along_rows, memory)
    return lambda pixels: reduce(pixels, sums), sums


def _of_floats(task: Task, memory: Memory) -> Kernel:
    """Sums that overflow although their mean does not are taken again of smaller values."""
    sums, most = task.work.sums, task.rows.most * task.columns.most
    space = None if task.work.result == sums else memory.take(task.shape, sums)
    divide = means.float_divider(_counts(task), sums)
    reduce = reducer(task, SUM, sums, memory)
    scale = sums.type(2.0 ** -most.bit_length())

    def repair(pixels: Array, mean: Array) -> None:
        smaller = np.empty_like(mean)
        reduce(np.multiply(pixels, scale, order="C"), smaller)
        divide(smaller)
        np.divide(smaller, scale, out=mean, where=~np.isfinite(mean))

    def kernel(pixels: Array, out: Array) -> None:
        mean = out if space is None else space
        reduce(pixels, mean)
        divide(mean)
        finite = means.all_finite(mean)
        if not finite and sums == task.work.dtype:
            repair(pixels, mean)
        means.store(mean, out, finite)

    return kernel


def _of_wide_integers(task: Task, memory: Memory) -> Kernel:
    """64-bit integers are summed as two halves, since 64 bits do not hold their sum."""
    pixels = task.work.pixels
    big = pixels.byteorder == ">" or (pixels.isnative and not np.little_endian)
    order, kind, counts = "<>"[big], pixels.kind, _counts(task)
    highs, lows = (memory.take(task.shape, task.work.sums) for _ in "hl")
    halves = task._replace(work=task.work._replace(in_place=False))
    reduce = reducer(halves, SUM, task.work.sums, memory)

    def kernel(pixels: Array, out: Array) -> None:
        reduce(pixels.getfield(f"{order}{kind}4", 0 if big else 4), highs)
        reduce(pixels.getfield(f"{order}u4", 4 if big else 0), lows)
        means.divide_wide_integers(highs, lows, counts, out)

    return kernel
