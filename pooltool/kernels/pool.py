"""The arithmetic of max, min and average pooling on arrays. Knows no files and no options.

A window is reduced in two steps: its rows into one row, then that row's columns into one pixel.
The output is worked through in tiles whose input stays in the processor's cache, so the memory
taken beyond input and output stays small whatever the image's size.

Every result comes from the same operations in the same order wherever its window lies, so equal
input gives equal bits whatever the tiles, the memory layout or the number of channels.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache
from math import ceil
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import AnyAxis, AnyWindows
from pooltool.kernels import filters, means, sliding
from pooltool.kernels.columns import Block, columns_reducer
from pooltool.kernels.reading import Reader, copy, is_turned, lies_in_order
from pooltool.kernels.sliding import Reduction
from pooltool.kernels.tiles import TILE_BYTES, Kernel, Memory, tiles

Array = NDArray[Any]
Method = Literal["max", "min", "avg"]

MEMORY_BYTES = 8 << 20
"""What a thread has for intermediate results; the system gives it only the part that is used."""
KERNELS = 64
"""How many kernels a thread remembers: programs pool many images of one size."""


def pool2d(
    image: Array,
    method: Method,
    windows: AnyWindows,
    *,
    count_include_pad: bool = False,
    dtype: np.dtype[Any] | None = None,
    tile_bytes: int = TILE_BYTES,
) -> Array:
    """Pool `image`, (H, W) or (H, W, C), by `method`; return a new C-contiguous array.

    max and min keep the dtype; avg returns `dtype` or what `means.mean_dtype` says.
    """
    rows, columns = windows.axes(image.shape)
    return pool_axes(
        image,
        method,
        rows,
        columns,
        count_include_pad=count_include_pad,
        dtype=dtype,
        tile_bytes=tile_bytes,
    )


def pool_axes(
    image: Array,
    method: Method,
    rows: AnyAxis,
    columns: AnyAxis,
    *,
    count_include_pad: bool = False,
    dtype: np.dtype[Any] | None = None,
    tile_bytes: int = TILE_BYTES,
) -> Array:
    """Pool `image` as `pool2d` does, by windows that lie over its rows and columns already."""
    pixels = image if image.ndim == 3 else image[:, :, None]
    if image.dtype.kind == "b":
        pixels = pixels.view(np.uint8)
    turned = is_turned(pixels) and (method != "avg" or pixels.dtype.kind != "f")
    if turned:  # what does not depend on the order of rows and columns follows the memory
        rows, columns, pixels = columns, rows, pixels.swapaxes(0, 1)
    in_place, channels = lies_in_order(pixels), pixels.shape[2]
    work = _work(
        method, pixels.dtype, dtype, channels, rows, columns, count_include_pad, in_place, turned
    )
    counts = (columns.count, rows.count) if turned else (rows.count, columns.count)
    out = np.empty((*counts, channels), work.result)
    target = out.swapaxes(0, 1) if turned else out
    exact = method != "avg" and work.dtype.kind != "f"
    with nullcontext() if exact else np.errstate(all="ignore"):
        for tile in tiles(rows, columns, work.bytes_a_pixel, tile_bytes):
            _kernel(work, tile.rows, tile.columns)(pixels[tile.pixels], target[tile.results])
    if image.dtype.kind == "b" and method != "avg":
        out = out.view(np.bool_)
    return out.reshape(*counts, *image.shape[2:])


class Work(NamedTuple):
    """What is done to the pixels of an image, whatever its windows."""

    method: Method
    pixels: np.dtype[Any]
    sums: np.dtype[Any]
    """What the values of a window are combined in: of max and min, the dtype of the pixels."""
    result: np.dtype[Any]
    channels: int
    count_padding: bool
    in_place: bool
    """True when each row of pixels lies in one piece."""
    turned: bool
    """True when results are to be transposed."""
    bytes_a_pixel: int
    """What a pixel takes of a tile: itself, its share of reduced rows and of results."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the pixels in the byte order of this machine."""
        return self.pixels.newbyteorder("=")


@lru_cache(maxsize=64)
def _work(
    method: Method,
    pixels: np.dtype[Any],
    wanted: np.dtype[Any] | None,
    channels: int,
    rows: AnyAxis,
    columns: AnyAxis,
    count_padding: bool,
    in_place: bool,
    turned: bool,
) -> Work:
    """Look up the numeric rules; they are asked for again with every image of a batch."""
    native = pixels.newbyteorder("=")
    result = means.mean_dtype(native, wanted) if method == "avg" else native
    sums = _sum_dtype(native, result, rows, columns) if method == "avg" else native
    reduced = 2 * sums.itemsize / rows.advance
    written = result.itemsize / (rows.advance * columns.advance)
    size = channels * (pixels.itemsize + ceil(reduced + written))
    return Work(method, pixels, sums, result, channels, count_padding, in_place, turned, size)


class _Thread(threading.local):
    """What each thread has of its own: memory, and the kernels that work in it."""

    def __init__(self) -> None:
        self.memory = np.empty(MEMORY_BYTES, np.uint8)
        self.kernels: dict[tuple[Work, AnyAxis, AnyAxis], Kernel] = {}


_thread = _Thread()


def _kernel(work: Work, rows: AnyAxis, columns: AnyAxis) -> Kernel:
    """The kernel of a tile, prepared only once for all tiles that are alike."""
    known = _thread.kernels
    kernel = known.get((work, rows, columns))
    if kernel is None:
        memory = Memory(_thread.memory)
        kernel = _prepared(work, rows, columns, memory)
        if len(known) >= KERNELS:
            known.clear()
        if memory.sufficed:
            known[work, rows, columns] = kernel
    return kernel


def _prepared(work: Work, rows: AnyAxis, columns: AnyAxis, memory: Memory) -> Kernel:
    if not work.turned:
        return _straight(work, rows, columns, memory)
    result = memory.take((rows.count, columns.count, work.channels), work.result)
    kernel = _straight(work, rows, columns, memory)

    def turned(pixels: Array, out: Array) -> None:
        kernel(pixels, result)
        copy(result.swapaxes(0, 1), out.swapaxes(0, 1))

    return turned


def _straight(work: Work, rows: AnyAxis, columns: AnyAxis, memory: Memory) -> Kernel:
    if work.method != "avg":
        return _extreme(work, rows, columns, memory)
    if work.dtype.kind == "f":
        return _mean_of_floats(work, rows, columns, memory)
    if work.dtype.itemsize == 8:
        return _mean_of_wide_integers(work, rows, columns, memory)
    return _mean_of_integers(work, rows, columns, memory)


def _extreme(work: Work, rows: AnyAxis, columns: AnyAxis, memory: Memory) -> Kernel:
    """The largest or smallest pixel of each window."""
    is_float = work.dtype.kind == "f"
    low, high = (-np.inf, np.inf) if is_float else means.integer_range(work.dtype)
    combine, neutral = (np.maximum, low) if work.method == "max" else (np.minimum, high)
    reduction = Reduction(combine, neutral, idempotent=True)
    reader = Reader(columns.size * work.channels, work.dtype, neutral, work.in_place, memory)
    settle = means.settle if is_float else None
    by_filter, by_steps = memory.in_turn(
        lambda: filters.dilating(rows, columns, reduction, reader, work.channels, memory),
        lambda: _reducer(work, rows, columns, reduction, work.dtype, memory, settle),
    )
    if by_filter is None:
        return by_steps

    def kernel(pixels: Array, out: Array) -> None:
        if not by_filter(pixels, out):
            by_steps(pixels, out)

    return kernel


SUM = Reduction(np.add, 0, idempotent=False)


def _sum_dtype(
    pixels: np.dtype[Any], result: np.dtype[Any], rows: AnyAxis, columns: AnyAxis
) -> np.dtype[Any]:
    """What the values of a window are added in."""
    if pixels.kind == "f":
        depth = sliding.depth(rows) + sliding.depth(columns)
        return means.float_sum_dtype(pixels, result, depth)
    return means.integer_sum_dtype(pixels, rows.most * columns.most)


def _mean_of_integers(work: Work, rows: AnyAxis, columns: AnyAxis, memory: Memory) -> Kernel:
    """Integers of up to 32 bits: their sum is exact, and divided and rounded once."""
    values, channels = columns.size * work.channels, work.channels
    pixels = Reader(values, work.dtype, 0, work.in_place, memory)
    if work.result == work.dtype:
        for offer in (filters.halving, filters.blurring):
            filtered = offer(rows, columns, pixels, channels, memory)
            if filtered:
                return filtered
    reduce, sums = filters.integral_sums(
        rows, columns, pixels, channels, work.sums, memory
    ) or _summing(work, rows, columns, memory)
    counts = means.Counts.over(rows, columns, work.count_padding)
    saturates = not np.can_cast(work.dtype, work.result)
    divide = means.integer_divider(sums, counts, saturates, work.result, memory)

    def kernel(pixels: Array, out: Array) -> None:
        reduce(pixels)
        divide(out)

    return kernel


def _summing(
    work: Work, rows: AnyAxis, columns: AnyAxis, memory: Memory
) -> tuple[Callable[[Array], None], Array]:
    """The sums of windows of integers: a function and what it fills."""
    sums = memory.take((rows.count, columns.count, work.channels), work.sums)
    along_rows = means.integer_sum_dtype(work.dtype, rows.most)
    reduce = _reducer(work, rows, columns, SUM, along_rows, memory)
    return lambda pixels: reduce(pixels, sums), sums


def _mean_of_floats(work: Work, rows: AnyAxis, columns: AnyAxis, memory: Memory) -> Kernel:
    """Sums that overflow although their mean does not are taken again of smaller values."""
    counts = means.Counts.over(rows, columns, work.count_padding)
    divide = means.float_divider(counts, work.sums)
    reduce = _reducer(work, rows, columns, SUM, work.sums, memory)
    shape = rows.count, columns.count, work.channels
    space = None if work.result == work.sums else memory.take(shape, work.sums)
    scale = work.sums.type(2.0 ** -(rows.most * columns.most).bit_length())

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
        if not finite and work.sums == work.dtype:
            repair(pixels, mean)
        means.store(mean, out, finite)

    return kernel


def _mean_of_wide_integers(work: Work, rows: AnyAxis, columns: AnyAxis, memory: Memory) -> Kernel:
    """64-bit integers are summed as two halves, since 64 bits do not hold their sum."""
    big = work.pixels.byteorder == ">" or (work.pixels.isnative and not np.little_endian)
    order, kind = "<>"[big], work.pixels.kind
    counts = means.Counts.over(rows, columns, work.count_padding)
    halves = work._replace(in_place=False)
    reduce = _reducer(halves, rows, columns, SUM, work.sums, memory)
    shape = rows.count, columns.count, work.channels
    highs, lows = (memory.take(shape, work.sums) for _ in "hl")

    def kernel(pixels: Array, out: Array) -> None:
        reduce(pixels.getfield(f"{order}{kind}4", 0 if big else 4), highs)
        reduce(pixels.getfield(f"{order}u4", 4 if big else 0), lows)
        means.divide_wide_integers(highs, lows, counts, out)

    return kernel


def _reducer(
    work: Work,
    rows: AnyAxis,
    columns: AnyAxis,
    reduction: Reduction,
    along_rows: np.dtype[Any],
    memory: Memory,
    settle: Callable[[Array], None] | None = None,
) -> Kernel:
    """Reduce the windows of a tile to one value a window and channel, first along the rows in the
    dtype `along_rows`, then along the columns in `work.sums`; `settle` what is between.
    """
    values = columns.size * work.channels
    reader = Reader(values, along_rows, reduction.neutral, work.in_place, memory)
    block = Block(rows.count, columns, work.channels, reader, memory)
    wide = block.pixels
    if work.sums != along_rows:
        wide = memory.take(wide.shape, work.sums)
    reduce_rows, reduce_columns = memory.in_turn(
        lambda: sliding.rows_reducer(rows, reader, reduction, block.inside, memory),
        lambda: columns_reducer(wide, columns, reduction, memory),
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
