"""How the work is cut: tiles of the output whose input stays in the cache.

A tile is a small image with windows of its own, so one kernel does for all tiles of one shape and
for small images too. It reads its input where it lies, and keeps its intermediate results in
memory that the next tile uses again: nothing of the size of the image is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise, product
from math import gcd, isqrt, prod
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import AdaptiveAxis, AnyAxis, Pair

Array = NDArray[Any]
First = TypeVar("First")
Second = TypeVar("Second")
Kernel = Callable[[Array, Array], None]
"""Pools the pixels of a tile, (H, W, C), into its results, (H', W', C)."""

TILE_BYTES = 3 << 20
"""Bytes of a tile's pixels, reduced rows and results: few enough to stay in the cache, and so many
that what the calls of a tile cost, some ten microseconds, hardly shows."""
GROWS_FROM = 16
"""Tiles of fewer windows than this, side by side, are twice as large."""
MOST_TIMES = 4
"""The height of a tile in windows, at the most, where that leaves its rows longer."""
FILTERED_TIMES = 14
"""The height of a tile that a filter works on, in windows, unless it is wider than it needs."""
ROW_BYTES = 1 << 9
"""A tile's rows are no shorter where that can be: below it, calls cost more than the pixels."""
FEW = 2048
"""So few windows are one tile, padding and all: cutting off the edges would cost more."""
MANY = 16
"""From this many rows on, windows that share none are reduced one by one."""


class Tile(NamedTuple):
    """Windows laid over the part of an image that they need."""

    rows: AnyAxis
    columns: AnyAxis
    pixels: tuple[slice, slice]
    """The rows and columns of the image that the tile reads."""
    results: tuple[slice, slice]
    """The rows and columns of the output that it writes."""


def tiles(
    rows: AnyAxis, columns: AnyAxis, pixel_bytes: int, tile_bytes: int, filtered_bytes: int = 0
) -> Iterator[Tile]:
    """Cut the output so that what a tile holds takes about `tile_bytes`, `pixel_bytes` a pixel.

    Windows that reach into the padding become tiles along the edges, so that the many others know
    of none. Where a filter works on those, it takes `filtered_bytes` a pixel.
    """
    whole = _whole(rows, columns, pixel_bytes, tile_bytes)
    if whole:
        yield whole
        return
    for windows in product(_around_inside(rows), _around_inside(columns)):
        inside = windows == (rows.inside(), columns.inside())
        if filtered_bytes and inside:
            height, width = _filtered_tile(rows, columns, windows, filtered_bytes, tile_bytes)
        else:
            height, width = _tile_shape(rows, columns, windows, pixel_bytes, tile_bytes)
        across = [_part(columns, piece) for piece in _pieces(windows[1], width)]
        for piece in _pieces(windows[0], height):
            down = _part(rows, piece)
            for right in across:
                yield Tile(down[0], right[0], (down[1], right[1]), (down[2], right[2]))


@lru_cache(maxsize=64)
def _whole(rows: AnyAxis, columns: AnyAxis, pixel_bytes: int, tile_bytes: int) -> Tile | None:
    """All windows as one tile, if they fit into it and padding is no reason to cut."""
    few = lie_inside(rows, columns) or rows.count * columns.count <= FEW
    if not few or rows.size * columns.size * pixel_bytes > tile_bytes:
        return None
    down, right = _part(rows, range(rows.count)), _part(columns, range(columns.count))
    return Tile(down[0], right[0], (down[1], right[1]), (down[2], right[2]))


def lie_inside(rows: AnyAxis, columns: AnyAxis) -> bool:
    """True when no window reaches into the padding."""
    return all(len(axis.inside()) == axis.count for axis in (rows, columns))


def _around_inside(axis: AnyAxis) -> Iterator[range]:
    """The windows inside the image, and those before and after it that padding takes part in."""
    inside = axis.inside()
    for first, last in pairwise((0, inside.start, inside.stop, axis.count)):
        if first < last:
            yield range(first, last)


def _pieces(windows: range, count: int) -> Iterator[range]:
    for first in range(windows.start, windows.stop, count):
        yield range(first, min(first + count, windows.stop))


def _part(axis: AnyAxis, windows: range) -> tuple[AnyAxis, slice, slice]:
    """Windows of an axis as an axis of their own, its pixels, and its results."""
    low, high, part = axis.part(windows.start, windows.stop)
    return part, slice(low, high), slice(windows.start, windows.stop)


def _tile_shape(
    rows: AnyAxis,
    columns: AnyAxis,
    windows: tuple[range, range],
    pixel_bytes: int,
    tile_bytes: int,
) -> Pair:
    """How many windows a tile takes along the rows and along the columns.

    Rows are as long as they can be. But where windows overlap, the next tile reads and reduces
    again what they share, so there a tile spans several of them, and grows if they are large.
    """
    area = _extent(rows) * _extent(columns) * pixel_bytes
    room = tile_bytes if area * GROWS_FROM <= tile_bytes else 2 * tile_bytes
    times = min(MOST_TIMES, max(2, isqrt(room // area)))
    height = 1 if reads_in_chunks(rows) else _shared(rows, times)
    row_bytes = max(room // height, min(ROW_BYTES, tile_bytes))
    width, fitting = _across(columns, windows[1], row_bytes // pixel_bytes, room // pixel_bytes)
    if reads_in_chunks(rows):
        return max(1, min(fitting, len(windows[0]))), width
    return _windows_within(rows, windows[0], max(fitting, _shared(rows, 2))), width


def _filtered_tile(
    rows: AnyAxis, columns: AnyAxis, windows: tuple[range, range], pixel_bytes: int, tile_bytes: int
) -> Pair:
    """The same for a filter whose result fills a block of memory. It adds up the first rows of
    each tile anew, so a tile is so high that these are few of it.
    """
    pixels = min(tile_bytes, BLOCK_BYTES) // pixel_bytes
    wide = pixels // _shared(rows, FILTERED_TIMES)
    width, fitting = _across(columns, windows[1], wide, pixels)
    return _windows_within(rows, windows[0], max(fitting, _shared(rows, 2))), width


def _across(columns: AnyAxis, windows: range, wide: int, pixels: int) -> Pair:
    """How many windows side by side span about `wide` pixels, and how many rows of pixels a tile
    of them then has, that holds `pixels` in all.
    """
    width = _windows_within(columns, windows, max(wide, _shared(columns, 2)))
    low, high = columns.span(windows.start, windows.start + width)
    return width, pixels // (high - low)


def _extent(axis: AnyAxis) -> int:
    """Pixels of a window."""
    low, high = axis.span(0, 1)
    return high - low


def _shared(axis: AnyAxis, times: int) -> int:
    """Pixels that a tile should span: a window, or so many times one where they overlap."""
    extent = _extent(axis)
    return extent if axis.advance >= extent else extent * times


def reads_in_chunks(axis: AnyAxis) -> bool:
    """True for windows that are reduced one by one: adaptive ones, and large ones that share
    no row with the next. However many rows they have, a tile holds few of them at a time.
    """
    if isinstance(axis, AdaptiveAxis):
        return True
    return (
        axis.pool_size >= MANY and axis.stride // gcd(axis.stride, axis.dilation) >= axis.pool_size
    )


def _windows_within(axis: AnyAxis, windows: range, pixels: int) -> int:
    """How many windows to take at once along an axis so that they cover about `pixels`."""
    return min(len(windows), 1 + max(0, pixels - _extent(axis)) // axis.advance)


class Memory:
    """Memory for intermediate arrays, taken from the start again by each kernel that is prepared.

    It grows block by block as it is needed, up to a limit; what is beyond is made anew. Blocks are
    of a size that leaves the allocator's habits alone: it gives large ones back to the system at
    once, and the pages of the next picture would have to be asked for again.
    """

    def __init__(self, blocks: list[NDArray[np.uint8]]) -> None:
        """`blocks` are those that earlier kernels have asked for."""
        self._blocks = blocks
        self._used = 0, 0
        self.sufficed = True

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An array of undefined content."""
        (block, start), size = self._used, prod(shape) * dtype.itemsize
        if start + size > BLOCK_BYTES:
            block, start = block + 1, 0
        if size > BLOCK_BYTES or block == MOST_BLOCKS:
            self.sufficed = False
            return np.empty(shape, dtype)
        if block == len(self._blocks):
            self._blocks.append(np.empty(BLOCK_BYTES, np.uint8))
        self._used = block, -(-(start + size) // _LINE) * _LINE
        return np.ndarray(shape, dtype, self._blocks[block], start)

    def in_turn(
        self, first: Callable[[], First], second: Callable[[], Second]
    ) -> tuple[First, Second]:
        """Make two things that never need their memory at the same time and so share it."""
        start = self._used
        one, end = first(), self._used
        self._used = start
        other = second()
        self._used = max(self._used, end)
        return one, other


BLOCK_BYTES, MOST_BLOCKS = 2 << 20, 4
"""What a thread has for intermediate results, and the system gives it as it is used."""
_LINE = 64
"""Bytes of a cache line."""
