"""The arithmetic of max, min and average pooling on arrays. Knows no files and no options.

A window is reduced in two steps: its rows into one row, then that row's columns into one pixel.
The output is worked through in tiles whose input stays in the processor's cache, so the memory
taken beyond input and output stays small whatever the image's size.

Every result comes from the same operations in the same order wherever its window lies, so equal
input gives equal bits whatever the tiles, the memory layout or the number of channels.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import AnyAxis, AnyWindows
from pooltool.kernels.averages import average
from pooltool.kernels.extremes import extreme
from pooltool.kernels.reading import copy, is_turned, lies_in_order
from pooltool.kernels.tiles import TILE_BYTES, Kernel, Memory, tiles
from pooltool.kernels.work import Method, Task, work_on

Array = NDArray[Any]

KERNELS = 64
"""How many kernels a thread remembers: programs pool many images of one size."""


@dataclass(frozen=True)
class Pooling:
    """What is taken from each window, and where the windows lie."""

    method: Method
    windows: AnyWindows
    count_include_pad: bool = False
    """avg: count padding as zeros in the mean."""
    dtype: np.dtype[Any] | None = None
    """avg: the result's dtype; None for what `means.mean_dtype` says."""


def pool2d(image: Array, pooling: Pooling, *, tile_bytes: int = TILE_BYTES) -> Array:
    """Pool `image`, (H, W) or (H, W, C); return a new C-contiguous array.

    max and min keep the dtype; avg returns `pooling.dtype` or what `means.mean_dtype` says.
    """
    rows, columns = pooling.windows.axes(image.shape)
    return pool_axes(image, pooling, rows, columns, tile_bytes=tile_bytes)


def pool_axes(
    image: Array,
    pooling: Pooling,
    rows: AnyAxis,
    columns: AnyAxis,
    *,
    tile_bytes: int = TILE_BYTES,
) -> Array:
    """Pool `image` as `pool2d` does, by windows that lie over its rows and columns already."""
    method, dtype, counted = pooling.method, pooling.dtype, pooling.count_include_pad
    pixels = image if image.ndim == 3 else image[:, :, None]
    if image.dtype.kind == "b":
        pixels = pixels.view(np.uint8)
    turned = is_turned(pixels) and (method != "avg" or pixels.dtype.kind != "f")
    if turned:  # what does not depend on the order of rows and columns follows the memory
        rows, columns, pixels = columns, rows, pixels.swapaxes(0, 1)
    in_place, channels = lies_in_order(pixels), pixels.shape[2]
    work = work_on(method, pixels.dtype, dtype, channels, rows, columns, counted, in_place, turned)
    counts = (columns.count, rows.count) if turned else (rows.count, columns.count)
    out = np.empty((*counts, channels), work.result)
    target = out.swapaxes(0, 1) if turned else out
    exact = method != "avg" and work.dtype.kind != "f"
    with nullcontext() if exact else np.errstate(all="ignore"):
        for tile in tiles(rows, columns, work.bytes_a_pixel, tile_bytes, work.filtered_bytes):
            kernel = _kernel(Task(work, tile.rows, tile.columns))
            kernel(pixels[tile.pixels], target[tile.results])
    if image.dtype.kind == "b" and method != "avg":
        out = out.view(np.bool_)
    return out.reshape(*counts, *image.shape[2:])


class _Thread(threading.local):
    """What each thread has of its own: memory, and the kernels that work in it."""

    def __init__(self) -> None:
        self.blocks: list[NDArray[np.uint8]] = []
        self.kernels: dict[Task, Kernel] = {}


_thread = _Thread()


def _kernel(task: Task) -> Kernel:
    """The kernel of a tile, prepared only once for all tiles that are alike."""
    known = _thread.kernels
    kernel = known.get(task)
    if kernel is None:
        memory = Memory(_thread.blocks)
        kernel = _turned(task, memory) if task.work.turned else _straight(task, memory)
        if len(known) >= KERNELS:
            known.clear()
        if memory.sufficed:
            known[task] = kernel
    return kernel


def _straight(task: Task, memory: Memory) -> Kernel:
    return average(task, memory) if task.work.method == "avg" else extreme(task, memory)


def _turned(task: Task, memory: Memory) -> Kernel:
    """Work on a transposed image in the order of its memory; only the results are transposed."""
    result = memory.take(task.shape, task.work.result)
    kernel = _straight(task, memory)

    def turned(pixels: Array, out: Array) -> None:
        kernel(pixels, result)
        copy(result.swapaxes(0, 1), out.swapaxes(0, 1))

    return turned
