"""Cut an image and its windows into tiles that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import isqrt
from typing import Any

from numpy.typing import NDArray

from pooltool.geometry import Axis, Pair
from pooltool.kernels.reduce import CHUNK, one_by_one

Array = NDArray[Any]

FEW, NARROW = 2048, 256
"""So few windows, of an image or side by side, are not parted into those inside the image and
those that reach out of it."""
LARGEST_SHARE = 16
"""A tile takes no more than so many bytes for each byte that it reads."""
LEAST_WINDOWS, MOST_HIGH = 8, 6
"""A tile of windows that overlap is no smaller than so many of them, side by side, and no higher
than so many unless it is as wide as the image."""


def tiles(
    planes: Array,
    rows: Axis,
    columns: Axis,
    out: Array,
    tile_bytes: int,
    value_bytes: int,
) -> Iterator[tuple[Array, Axis, Axis, Array]]:
    """Cut planes and windows into tiles of about `tile_bytes`, `value_bytes` for each value read.

    Windows that reach into the padding become tiles of their own along the edges: the others hold
    all the same number of pixels and are read where they lie.
    """
    few = len(planes) * rows.count * columns.count <= FEW
    if few and planes.nbytes <= tile_bytes // LARGEST_SHARE:
        top, bottom, rows = rows.part(0, rows.count)
        left, right, columns = columns.part(0, columns.count)
        yield planes[:, top:bottom, left:right], rows, columns, out
        return
    room = tile_bytes // (planes.shape[3] * value_bytes)
    sidewise = _around_inside(columns, few or columns.count <= NARROW)
    for down, across in product(_around_inside(rows, few), sidewise):
        height, width = _tile_pixels(rows, columns, len(across), max(1, room))
        low, high = rows.span(down.start, down.stop)
        pieces = [
            (*columns.part(piece.start, piece.stop), piece)
            for piece in _slices(across, 1 + (width - columns.extent) // columns.stride)
        ]
        for part, piece in product(
            _slices(range(len(planes)), room // (width * min(height, high - low))),
            _slices(down, 1 + (height - rows.extent) // rows.stride),
        ):
            top, bottom, tile_rows = rows.part(piece.start, piece.stop)
            for left, right, tile_columns, beside in pieces:
                pixels = planes[part, top:bottom, left:right]
                yield pixels, tile_rows, tile_columns, out[part, piece, beside]


def window_tiles(
    planes: Array, rows: Axis, columns: Axis, most: int
) -> Iterator[tuple[Array, Axis, Axis, tuple[slice, slice, slice]]]:
    """Cut them into tiles of `most` windows at the most, times channels, or of one; and where the
    results lie. Windows that reach into the padding become tiles of their own here too.
    """
    count, _, _, channels = planes.shape
    most = max(1, most // channels)
    few = count * rows.count * columns.count <= min(most, FEW)
    for high, wide in product(_around_inside(rows, few), _around_inside(columns, few)):
        for part, down, across in product(
            _slices(range(count), most // (len(high) * len(wide))),
            _slices(high, most // len(wide)),
            _slices(wide, most),
        ):
            top, bottom, tile_rows = rows.part(down.start, down.stop)
            left, right, tile_columns = columns.part(across.start, across.stop)
            pixels = planes[part, top:bottom, left:right]
            yield pixels, tile_rows, tile_columns, (part, down, across)


def _around_inside(axis: Axis, few: bool) -> list[range]:
    """The windows inside the image, and those before and after it that padding takes part in."""
    inside = range(axis.count) if few else axis.inside()
    parts = range(inside.start), inside, range(inside.stop, axis.count)
    return [windows for windows in parts if windows]


def _slices(windows: range, count: int) -> Iterator[slice]:
    for first in range(windows.start, windows.stop, max(1, count)):
        yield slice(first, min(first + max(1, count), windows.stop))


def _tile_pixels(rows: Axis, columns: Axis, across: int, room: int) -> Pair:
    """The height and width of a tile, in pixels, where so many windows lie side by side.

    Rows are as long as they can be: each costs some time to start with. But what overlapping
    windows of two tiles share is read and reduced twice, so there a tile is several windows high.
    """
    area, height = rows.extent * columns.extent, rows.extent
    if one_by_one(rows):  # a tile holds no more than a chunk of the rows, and the results
        height = min(height, CHUNK)
        room *= height
    elif rows.extent > rows.stride:
        room = max(room, LEAST_WINDOWS * area)
        height *= min(MOST_HIGH, max(2, isqrt(room // area)))
    most = 1 + max(0, room // height - columns.extent) // columns.stride
    windows = -(-across // -(-across // most))  # pieces of one size
    width = columns.extent + (windows - 1) * columns.stride
    return max(height, room // width), width
