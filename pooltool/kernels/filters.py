"""Pooling by OpenCV's filters, where these are exact or can be made so.

Each function here looks at the task of a tile and gives the kernel for it, or None where another
way is faster or the filter is not exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import AnyAxis, Axis
from pooltool.kernels import means
from pooltool.kernels.columns import Block
from pooltool.kernels.reading import Reader
from pooltool.kernels.sliding import Reduction
from pooltool.kernels.tiles import Kernel, Memory, lie_inside
from pooltool.kernels.work import MOST_CHANNELS, Task, is_dense
from pooltool.native import import_cv2

cv2 = import_cv2()
Array = NDArray[Any]

FAST_CHANNELS = (1, 3, 4)
"""Those that OpenCV halves with vector units; of others it is several times slower than we are."""
LEAST_SIDE, MOST_SIDE = 3, 7
"""Sides of the windows, in pixels, that OpenCV's morphology is faster with than our steps."""


def dilating(
    task: Task, reduction: Reduction, reader: Reader, memory: Memory
) -> Callable[[Array, Array], bool] | None:
    """Largest or smallest pixels of small windows that start at every pixel, by morphology.

    What OpenCV makes of NaN depends on where it lies in a window: tiles with one are left undone,
    and False returned. Zeros of both signs become +0.0 on the way to the results.
    """
    rows, columns = task.rows, task.columns
    sides = rows.most, columns.most
    small = min(sides) >= LEAST_SIDE and max(sides) <= MOST_SIDE
    known = _can_filter(task, reader, "u1", "u2", "i2", "f4", "f8")
    if not (small and known and _is_dense(task) and lie_inside(rows, columns)):
        return None
    morph = cv2.dilate if reduction.combine is np.maximum else cv2.erode
    element, is_float = np.ones(sides, np.uint8), reader.dtype.kind == "f"
    spread = memory.take((rows.size, columns.size, task.channels), reader.dtype)
    results = spread[: rows.count, : columns.count]
    reader.expect(rows, rows.size)

    def kernel(pixels: Array, out: Array) -> bool:
        block = reader.rows(pixels, 0, rows.size)
        if is_float and np.isnan(block.max()):
            return False
        block = block.reshape(spread.shape)
        done = morph(block, element, spread, (0, 0), borderType=cv2.BORDER_REPLICATE)
        assert np.may_share_memory(done, spread)
        np.add(results, 0, out=out) if is_float else np.copyto(out, results)
        return True

    return kernel


def halving(task: Task, reader: Reader, memory: Memory) -> Kernel | None:
    """Rounded means of 2x2 integers, by the halving of an image and of its complement.

    `cv2.resize(INTER_AREA)` to half the size takes the exact sum of four integers and rounds its
    quarter to the nearest, ties in a way that varies with channels and processors. Let m be that
    mean and `~c` what it makes of the complement `~x`. Where the mean is no tie they are equal.
    Where it lies between n and n + 1, one is n and the other n + 1, by whichever rule OpenCV
    rounds ties: so an odd m is replaced by `~c`, and m - ~c is m + c + 1.
    """
    known = _can_filter(task, reader, "u1", "u2", "i2") and task.channels in FAST_CHANNELS
    paired = _is_paired(task.rows) and _is_paired(task.columns)
    if not (known and paired and lie_inside(task.rows, task.columns)):
        return None
    height, width, channels = task.shape
    size = 2 * height, 2 * width, channels
    complement = memory.take(size, reader.dtype)
    halves, others = (memory.take(task.shape, reader.dtype) for _ in "mc")
    reader.expect(task.rows, 2 * height)

    def halve(pixels: Array, out: Array) -> None:
        resized = cv2.resize(pixels, (width, height), out, interpolation=cv2.INTER_AREA)
        assert np.may_share_memory(resized, out)

    def kernel(pixels: Array, out: Array) -> None:
        block = reader.rows(pixels, 0, 2 * height).reshape(size)
        np.invert(block, out=complement)
        halve(block, halves)
        halve(complement, others)
        np.add(others, halves, out=others)
        np.add(others, 1, out=others)
        np.bitwise_and(halves, 1, out=out)
        np.multiply(others, out, out=others)
        np.subtract(halves, others, out=out)

    return kernel


def _is_paired(axis: AnyAxis) -> bool:
    """True for windows of two pixels side by side."""
    pair = (2, 2, 1)
    return isinstance(axis, Axis) and (axis.pool_size, axis.stride, axis.dilation) == pair


def blurring(task: Task, reader: Reader, memory: Memory) -> Kernel | None:
    """Rounded means of bytes in windows that start at every pixel: OpenCV's box filter."""
    rows, columns = task.rows, task.columns
    height, width = rows.most, columns.most
    inside = lie_inside(rows, columns)
    if not (task.work.blurs and inside and means.blurs_exactly(height, width)):
        return None
    blurred = memory.take((rows.size, columns.size, task.channels), reader.dtype)
    reader.expect(rows, rows.size)

    def kernel(pixels: Array, out: Array) -> None:
        block = reader.rows(pixels, 0, rows.size).reshape(blurred.shape)
        done = cv2.blur(block, (width, height), blurred, (0, 0), cv2.BORDER_REPLICATE)
        assert np.may_share_memory(done, blurred)
        np.copyto(out, blurred[: rows.count, : columns.count])

    return kernel


def _can_filter(task: Task, reader: Reader, *dtypes: str) -> bool:
    """True for pixels of one of these dtypes, of no more channels than OpenCV computes with."""
    return reader.dtype.str[1:] in dtypes and task.channels <= MOST_CHANNELS


def _is_dense(task: Task) -> bool:
    """True for windows without gaps that start at every pixel, down and across."""
    return is_dense(task.rows) and is_dense(task.columns)


def integral_sums(
    task: Task, reader: Reader, memory: Memory
) -> tuple[Callable[[Array], None], Array] | None:
    """Sums of bytes over wide windows that start at every pixel: a function and what it fills.

    The integral image, the sum of all pixels above and left of each, is OpenCV's: one pass, and
    two of differences make the windows, however wide they are. Integers make that exact: their
    sums are the same in any order, and those that run over 32 bits come right again in a
    difference that fits. Of floats it could not be used: it would leak error and NaN from one
    window into the next.
    """
    rows, columns, sums, channels = task.rows, task.columns, task.work.sums, task.channels
    wide = sums == np.uint32 and _can_filter(task, reader, "u1")
    if not (wide and _is_dense(task)):
        return None
    top, bottom = rows.span(0, rows.count)
    block = Block(bottom - top, columns, channels, reader, memory)
    reader.expect(rows, bottom - top)
    height, width, _ = block.pixels.shape
    integral = memory.take((height + 1, width + 1, channels), np.dtype(np.int32))
    totals, shift = integral.view(sums), columns.most * channels
    high, low = (memory.take((rows.count, width + 1, channels), sums) for _ in "hl")
    right, left, between = high.reshape(-1)[shift:], high.reshape(-1)[:-shift], low.reshape(-1)

    def run(pixels: Array) -> None:
        inside = reader.rows(pixels, top, bottom)
        summed = inside.reshape(block.pixels.shape) if block.is_whole else block.fill(inside)
        assert np.may_share_memory(cv2.integral(summed, integral, cv2.CV_32S), integral)
        np.subtract(totals[rows.most :], totals[: -rows.most], out=high)
        np.subtract(right, left, out=between[:-shift])

    return run, low[:, : columns.count]
