"""The second step of a reduction: a block of reduced rows, and the columns of its windows.

Windows slide over all columns; every stride-th is kept. They slide over the block as one flat run
of memory, which is faster than row by row; what wraps from one row into the next is left behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import AdaptiveAxis, AnyAxis, Axis
from pooltool.kernels.reading import Reader
from pooltool.kernels.sliding import Reduction, last_two_runs
from pooltool.kernels.tiles import Memory

Array = NDArray[Any]
Write = Callable[[Array], None]
"""Writes the results of a tile, (rows, columns, C)."""


class Block:
    """Reduced rows of a tile, as wide as its windows call for: the padding, and a whole number of
    strides.
    """

    def __init__(self, count: int, axis: AnyAxis, channels: int, like: Reader, memory: Memory):
        """`count` rows of the dtype and neutral value of what is read."""
        low, high = axis.span(0, axis.count)
        stride = axis.stride if isinstance(axis, Axis) else 1
        width = -(-(high - low) // stride) * stride
        self.pixels = memory.take((count, width, channels), like.dtype)
        first, last = max(low, 0) - low, min(high, axis.size) - low
        self.inside = self.pixels.reshape(count, -1)[:, first * channels : last * channels]
        """The columns of the image, (rows, values)."""
        outside = self.pixels[:, :first], self.pixels[:, last:]
        self._outside = [columns for columns in outside if columns.size]
        self._neutral = like.neutral

    @property
    def is_whole(self) -> bool:
        """True when all columns are columns of the image."""
        return not self._outside

    def fill(self, inside: Array) -> Array:
        """Copy the columns of the image to where they belong; return all pixels."""
        self.clear_padding()
        np.copyto(self.inside, inside)
        return self.pixels

    def clear_padding(self) -> None:
        """Fill what is no column of the image with the value that the reduction ignores."""
        for columns in self._outside:
            columns[...] = self._neutral


def columns_reducer(block: Array, axis: AnyAxis, reduction: Reduction, memory: Memory) -> Write:
    """Reduce the columns of each window: from `block`, (rows, columns, C)."""
    if isinstance(axis, AdaptiveAxis):
        return _adaptive(block, axis, reduction, memory)
    if axis.stride == 1:
        return _sliding(block, axis.pool_size, axis.dilation, reduction, memory)
    if axis.pool_size == 1:
        return _decimating(block, axis)
    slid = memory.take(block.shape, block.dtype)
    slide = _sliding_flat(block, axis.pool_size, axis.dilation, reduction, slid, memory)
    keep = _decimating(slid, axis)

    def write(out: Array) -> None:
        slide()
        keep(out)

    return write


def _sliding(block: Array, pool: int, dilation: int, reduction: Reduction, memory: Memory) -> Write:
    """Windows that start at every column."""
    rows, width, channels = block.shape
    end = (width - (pool - 1) * dilation) * channels
    if pool == 1:
        return lambda out: np.copyto(out, block)
    flat = block.reshape(-1)
    runs = last_two_runs(pool, dilation * channels, flat, reduction, memory)

    def write(out: Array) -> None:
        run, other, shift = runs(flat)
        run, other = run.reshape(rows, -1), other.reshape(rows, -1)
        target = out.reshape(rows, end)
        reduction.combine(run[:, :end], other[:, shift : shift + end], out=target)

    return write


def _sliding_flat(
    block: Array, pool: int, dilation: int, reduction: Reduction, out: Array, memory: Memory
) -> Callable[[], None]:
    """The same into memory as wide as `block`, in which the last columns mean nothing."""
    flat, target = block.reshape(-1), out.reshape(-1)
    step = dilation * block.shape[2]
    size = len(flat) - (pool - 1) * step
    runs = last_two_runs(pool, step, flat, reduction, memory)

    def slide() -> None:
        run, other, shift = runs(flat)
        reduction.combine(run[:size], other[shift : shift + size], out=target[:size])

    return slide


def _adaptive(block: Array, axis: AdaptiveAxis, reduction: Reduction, memory: Memory) -> Write:
    """Slide by the shorter of the two sizes of window, then add the pixel that the longer lack."""
    starts = np.array([axis.start(i) for i in range(axis.count)])
    stops = np.array([axis.stop(i) for i in range(axis.count)])
    longer = np.flatnonzero(stops - starts > axis.least)
    lacking = stops[longer] - 1
    slid = block
    slide = None
    if axis.least > 1:
        slid = memory.take(block.shape, block.dtype)
        slide = _sliding_flat(block, axis.least, 1, reduction, slid, memory)

    def write(out: Array) -> None:
        if slide:
            slide()
        np.take(slid, starts, axis=1, out=out)
        if len(longer):
            out[:, longer] = reduction.combine(out[:, longer], block[:, lacking])

    return write


def _decimating(block: Array, axis: Axis) -> Write:
    """Keep every stride-th pixel; the number of columns of `block` is a multiple of the stride."""
    rows, _, channels = block.shape
    stride, count = axis.stride, axis.count
    word = _MOVED_AS.get(channels * block.itemsize)
    if word is None:
        kept = [block[:, : count * stride : stride, channel] for channel in range(channels)]

        def by_channels(out: Array) -> None:
            for channel, pixels in enumerate(kept):
                out[:, :, channel] = pixels

        return by_channels
    words = block.reshape(rows, -1).view(word)
    size = stride * words.itemsize
    # The low end of a wide word is its first pixel: a cast that truncates keeps just that,
    # several times as fast as steps through memory.
    wide = size in (2, 4, 8) and np.little_endian
    pixels = words.view(f"u{size}")[:, :count] if wide else words[:, : count * stride : stride]

    def by_words(out: Array) -> None:
        np.copyto(out.reshape(rows, -1).view(word), pixels, casting="unsafe")

    return by_words


_MOVED_AS = {1: "u1", 2: "u2", 4: "u4", 8: "u8", 16: "c16"}
"""A dtype for the bytes of one pixel, that it is moved in one piece."""
