"""Max and min pooling: the largest or the smallest pixel of each window."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.kernels import filters, means
from pooltool.kernels.sliding import Reduction
from pooltool.kernels.tiles import Kernel, Memory
from pooltool.kernels.windows import reader_of, reducer
from pooltool.kernels.work import Task

Array = NDArray[Any]


def extreme(task: Task, memory: Memory) -> Kernel:
    """The largest or smallest pixel of each window; a NaN in it gives NaN."""
    dtype, is_float = task.work.dtype, task.work.dtype.kind == "f"
    low, high = (-np.inf, np.inf) if is_float else means.integer_range(dtype)
    combine, neutral = (np.maximum, low) if task.work.method == "max" else (np.minimum, high)
    reduction = Reduction(combine, neutral, idempotent=True)
    reader = reader_of(task, dtype, neutral, memory)
    by_filter, by_steps = memory.in_turn(
        lambda: filters.dilating(task, reduction, reader, memory),
        lambda: reducer(task, reduction, dtype, memory, means.settle if is_float else None),
    )
    if by_filter is None:
        return by_steps

    def kernel(pixels: Array, out: Array) -> None:
        if not by_filter(pixels, out):
            by_steps(pixels, out)

    return kernel
