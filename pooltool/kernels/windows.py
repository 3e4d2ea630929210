"""A window is reduced in two steps: its rows into one row, then that row into one pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.kernels.columns import Block, columns_reducer
from pooltool.kernels.reading import Reader
from pooltool.kernels.sliding import Reduction, rows_reducer
from pooltool.kernels.tiles import Kernel, Memory
from pooltool.kernels.work import Task

Array = NDArray[Any]


def reader_of(task: Task, dtype: np.dtype[Any], neutral: Any, memory: Memory) -> Reader:
    """What reads the pixels of a tile, to be reduced in `dtype`."""
    return Reader(task.values, dtype, neutral, task.work.in_place, memory)


def reducer(
    task: Task,
    reduction: Reduction,
    along_rows: np.dtype[Any],
    memory: Memory,
    settle: Callable[[Array], None] | None = None,
) -> Kernel:
    """Reduce the windows of a tile to one value a window and channel, first along the rows in the
    dtype `along_rows`, then along the columns in `work.sums`; `settle` what is between.
    """
    sums = task.work.sums
    reader = reader_of(task, along_rows, reduction.neutral, memory)
    block = Block(task.rows.count, task.columns, task.channels, reader, memory)
    wide = block.pixels if sums == along_rows else memory.take(block.pixels.shape, sums)
    reduce_rows, reduce_columns = memory.in_turn(
        lambda: rows_reducer(task.rows, reader, reduction, block.inside, memory),
        lambda: columns_reducer(wide, task.columns, reduction, memory),
    )

    def kernel(pixels: Array, out: Array) -> None:
        block.clear_padding()
        reduce_rows(pixels)
        if settle:
            settle(block.pixels)
        if wide is not block.pixels:
            np.copyto(wide, block.pixels)
        reduce_columns(out)

    return kernel
