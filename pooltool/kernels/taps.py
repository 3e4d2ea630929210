"""All values of a window at once: medians, modes, and where the largest or smallest value lies.

The values are gathered tile by tile. A tap is one place in a window: the first tap of all windows
is an array, the second another, and so on. What is computed of them is in `ranks`.

A tap outside of the image holds the largest value of its dtype: it is sorted to the end, behind
as many values as the window has inside the image, and is never counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pooltool.geometry import Axis
from pooltool.kernels import means, opencv, ranks
from pooltool.kernels.reduce import copy_pixels
from pooltool.kernels.tiles import window_tiles

Array = NDArray[Any]

FEW_TAPS = 64
"""So many taps are sorted by a network. It takes more steps a value than numpy's sort, but each is
done for all windows at once."""
TAP_BYTES = 1 << 17
"""Bytes of one tap of a tile: a few of them stay in the cache while they are sorted."""
BLOCK_BYTES = 1 << 21
"""Bytes of a tile whose windows hold many taps: so many that its calls hardly show."""
SCANNED = 1 << 16
"""Windows of more pixels are looked through one after the other for where an extreme lies."""
SAMPLED, UNIFORM = 16, 0.85
"""One of so many rows of windows is looked at to tell whether more than this share of them hold
one value only."""


@dataclass(frozen=True)
class Taps:
    """The windows of a tile, made regular: none reaches out of the pixels, all have one size."""

    pixels: Array
    """(planes, rows, columns, channels)"""
    rows: Axis
    columns: Axis

    @classmethod
    def of(cls, pixels: Array, rows: Axis, columns: Axis) -> Taps:
        """Lay the windows side by side along an axis where padding or two sizes call for it."""
        axes = []
        is_float = pixels.dtype.kind == "f"
        largest = np.inf if is_float else means.integer_range(pixels.dtype)[1]
        for number, axis in ((1, rows), (2, columns)):
            if not axis.is_regular:
                places, taps = np.add.outer(*_places(axis)).reshape(-1), axis.most
                pixels = pixels.take(places, axis=number, mode="clip")
                np.moveaxis(pixels, number, 0)[~_inside(axis).reshape(-1)] = largest
                axis = Axis(len(places), range(0, len(places), taps), taps)
            axes.append(axis)
        return cls(pixels, *axes)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The results: planes, rows, columns, channels."""
        return len(self.pixels), self.rows.count, self.columns.count, self.pixels.shape[3]

    def taps(self) -> list[Array]:
        """Each tap of all windows, in reading order: views of `shape`."""
        lines = [self.pixels[:, part] for part in _every_stride(self.rows)]
        return [line[:, :, part] for line in lines for part in _every_stride(self.columns)]

    def gather(self, dtype: np.dtype[Any]) -> tuple[Array, int]:
        """Copy the values, in reading order along the axis that is also returned.

        Few are (taps, planes, rows, columns, channels), an array for each tap; many are (planes,
        rows, columns, channels, taps), each window in one piece.
        """
        many = self.rows.pool_size * self.columns.pool_size
        if many > FEW_TAPS:
            return self._side_by_side(dtype), -1
        stack = np.empty((many, *self.shape), dtype)
        if dtype.itemsize <= 2 and dtype == self.pixels.dtype and (words := self._words()):
            narrow = stack.view(f"u{dtype.itemsize}")[..., 0]
            for number, word in enumerate(words):  # shifts and casts: faster than steps in memory
                np.copyto(narrow[2 * number], word, casting="unsafe")
                high = np.empty(word.shape, word.dtype)
                np.right_shift(word, 8 * dtype.itemsize, out=high)
                np.copyto(narrow[2 * number + 1], high, casting="unsafe")
            return stack, 0
        for view, line in zip(self.taps(), stack, strict=True):
            copy_pixels(view, line)
        return stack, 0

    def _words(self) -> list[Array]:
        """(planes, rows, columns) for each row of taps, where pairs of columns lie side by side:
        both in one wide integer, the first in its low half. Empty if they do not lie so.
        """
        columns, pixels, size = self.columns, self.pixels, self.pixels.itemsize
        paired = (columns.pool_size, columns.stride, columns.dilation) == (2, 2, 1)
        in_order = pixels.shape[3] == 1 and pixels.strides[2] == size and np.little_endian
        if not (paired and in_order):
            return []
        pairs = pixels[:, :, : 2 * columns.count, 0].view(f"u{2 * size}")
        return [pairs[:, part] for part in _every_stride(self.rows)]

    def _side_by_side(self, dtype: np.dtype[Any]) -> Array:
        rows, columns = self.rows, self.columns
        windows = sliding_window_view(self.pixels, (rows.extent, columns.extent), (1, 2))
        windows = windows[:, :: rows.stride, :: columns.stride]
        windows = windows[..., :: rows.dilation, :: columns.dilation]
        values = np.empty(windows.shape, dtype)
        np.copyto(values, windows)
        return values.reshape(*self.shape, -1)


def _every_stride(axis: Axis) -> list[slice]:
    """For each tap, where it lies in all windows."""
    length = (axis.count - 1) * axis.stride + 1
    starts = range(0, axis.extent, axis.dilation)
    return [slice(start, start + length, axis.stride) for start in starts]


def _places(axis: Axis) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the windows start, and how far from there each tap is."""
    return np.array(axis.starts, np.int64), axis.dilation * np.arange(axis.most)


def _inside(axis: Axis) -> NDArray[np.bool_]:
    """(windows, taps): which taps lie in the image, and are the window's own."""
    starts, steps = _places(axis)
    places, stops = starts[:, None] + steps, np.array(axis.size)
    if axis.lengths:
        stops = (starts + axis.lengths)[:, None]
    inside: NDArray[np.bool_] = (places >= 0) & (places < stops)
    return inside


def pool(
    pixels: Array,
    method: Literal["median", "mode"],
    rows: Axis,
    columns: Axis,
    out: Array,
    *,
    skip_nan: bool = False,
) -> None:
    """Write the lower median or the most frequent value of each window into `out`.

    Of several values that are most frequent, the smallest. A NaN in a window gives NaN; with
    `skip_nan`, which is for medians only, it takes part in nothing.
    """
    if method == "median" and opencv.median_of_padded(pixels, rows, columns, out):
        return
    if method == "mode" or not opencv.takes_medians(pixels, rows, columns):
        _pool_gathered(pixels, method, rows, columns, out, skip_nan)
        return
    # OpenCV finds the median at every pixel, whatever the stride.
    most = BLOCK_BYTES // (rows.stride * columns.stride * out.itemsize)
    for tile, tile_rows, tile_columns, where in window_tiles(pixels, rows, columns, most):
        target = out[where]
        if not opencv.median(tile, tile_rows, tile_columns, target):
            _pool_gathered(tile, method, tile_rows, tile_columns, target, skip_nan)
        elif out.dtype.kind == "f":
            means.canonicalize(target)


def _pool_gathered(
    pixels: Array, method: str, rows: Axis, columns: Axis, out: Array, skip_nan: bool
) -> None:
    # numpy compares float16 one by one, and float32 with vector units.
    dtype = np.dtype(np.float32) if out.dtype == np.float16 else out.dtype
    most = _windows_of_tile(rows.most * columns.most, dtype)
    for tile, tile_rows, tile_columns, where in window_tiles(pixels, rows, columns, most):
        target, counts = out[where], _counts(tile_rows, tile_columns)
        taps = Taps.of(tile, tile_rows, tile_columns)
        if method == "median":
            target[...] = ranks.medians(*taps.gather(dtype), counts, skip_nan)
        else:
            _find_modes(taps, dtype, counts, target)
        if dtype.kind == "f":
            means.canonicalize(target)


def _counts(rows: Axis, columns: Axis) -> means.Counts:
    """Values of each window; one number where all taps lie in the image."""
    counts = means.counts(rows, columns, False)
    if isinstance(counts, int) and not (rows.is_regular and columns.is_regular):
        return np.full((rows.count, columns.count, 1), counts)
    return counts


def _windows_of_tile(taps: int, dtype: np.dtype[Any]) -> int:
    """So many windows make a tile, times channels."""
    return (TAP_BYTES if taps <= FEW_TAPS else BLOCK_BYTES // taps) // dtype.itemsize


def _find_modes(taps: Taps, dtype: np.dtype[Any], counts: means.Counts, out: Array) -> None:
    """Write the most frequent value of each window into `out`.

    Most windows of labels hold one value only. Where that is so, only the others are sorted.
    """
    values, axis = taps.gather(dtype)
    if axis:
        out[...] = ranks.modes_of_many(values, counts)
        return
    mixed: Any = ...
    if isinstance(counts, int) and _mostly_uniform(values):
        uniform = _equal(values)
        copy_pixels(values[0], out)
        mixed = np.unravel_index(np.flatnonzero(~uniform), uniform.shape)
        values = np.stack([tap[mixed] for tap in values])
        if not values.size:
            return
    out[mixed] = ranks.modes_of_sorted(ranks.sort_taps(values, None), counts)


def _mostly_uniform(taps: Array) -> bool:
    """True when it pays to sort only the windows that hold several values: not those of 2x2, which
    are sorted sooner. The rows looked at are not a stride apart, because labels often form a grid.
    """
    rows = taps.shape[2]
    some = np.arange(1, rows // SAMPLED + 2) * 0.618 % 1 * rows
    return len(taps) > 4 and bool(np.mean(_equal(taps[:, :, some.astype(np.intp)])) > UNIFORM)


def _equal(taps: Array) -> NDArray[np.bool_]:
    """Which windows hold one value only."""
    equal = np.ones(taps[0].shape, np.bool_)
    for tap in taps[1:]:
        equal &= tap == taps[0]
    return equal


def indices(pixels: Array, values: Array, rows: Axis, columns: Axis) -> NDArray[np.int64]:
    """Where in its plane the value of each window lies, `row * width + column`, int64.

    `values` are the largest or the smallest of each window. Of equal ones, and of several NaN, the
    first in reading order counts.
    """
    places = np.empty(values.shape, np.int64)
    width = pixels.shape[2]
    many = rows.most * columns.most
    if many > SCANNED:
        for row, column in np.ndindex(rows.count, columns.count):
            own_rows, own_columns = rows.own(row), columns.own(column)
            window = pixels[:, own_rows, own_columns]
            y, x = np.divmod(_first_in(window, values[:, row, column]), window.shape[2])
            y = own_rows.start + y * rows.dilation
            places[:, row, column] = y * width + own_columns.start + x * columns.dilation
        return places
    most = _windows_of_tile(many, values.dtype)
    row_starts, row_steps = _places(rows)
    column_starts, column_steps = _places(columns)
    offsets = np.add.outer(row_steps * width, column_steps).reshape(-1)
    for tile, tile_rows, tile_columns, where in window_tiles(pixels, rows, columns, most):
        _, down, across = where
        inside = None
        if not isinstance(_counts(tile_rows, tile_columns), int):
            high, wide = _inside(tile_rows), _inside(tile_columns)
            inside = (high[:, None, :, None] & wide[:, None, :]).reshape(len(high), len(wide), many)
        taps = Taps.of(tile, tile_rows, tile_columns)
        numbers = _first_equal(taps, values[where], inside)
        target = places[where]
        np.take(offsets, numbers, out=target, mode="clip")
        target += row_starts[down, None, None] * width + column_starts[across, None]
    return places


def _first_in(window: Array, wanted: Array) -> NDArray[np.int64]:
    """Where (planes, rows, columns, channels) first hold the values `wanted`, (planes, channels):
    flat, in reading order. Few rows are looked at at once: a window may be larger than memory.
    """
    planes, height, width, channels = window.shape
    places = np.full(wanted.shape, -1, np.int64)
    step = max(1, BLOCK_BYTES // (planes * width * channels))
    for top in range(0, height, step):
        part = window[:, top : top + step].reshape(planes, -1, channels)
        equal = part == wanted[:, None]
        if wanted.dtype.kind == "f":
            equal |= np.isnan(part) & np.isnan(wanted[:, None])
        new = (places < 0) & equal.any(1)
        places[new] = (top * width + equal.argmax(1))[new]
        if (places >= 0).all():
            break
    return places


def _first_equal(taps: Taps, wanted: Array, inside: Array | None) -> Array:
    """Number of the first tap of each window that holds the value `wanted`.

    `inside`, (rows, columns, taps), tells which taps are the window's own; None for all.
    """
    has_nan = wanted.dtype.kind == "f" and bool(np.isnan(wanted).any())
    if taps.rows.pool_size * taps.columns.pool_size > FEW_TAPS:
        values, _ = taps.gather(wanted.dtype)
        equal = values == wanted[..., None]
        if has_nan:
            equal |= np.isnan(values) & np.isnan(wanted)[..., None]
        if inside is not None:
            equal &= inside[:, :, None]
        return np.asarray(equal.argmax(-1))
    numbers = np.empty(wanted.shape, np.dtype(np.uint8))
    numbers[...] = 0
    missed = np.empty(wanted.shape, np.dtype(np.bool_))
    missed[...] = True
    line = np.empty(wanted.shape, wanted.dtype)
    for number, view in enumerate(taps.taps()[:-1]):  # what no other tap holds, the last one does
        copy_pixels(view, line)
        other = line != wanted
        if has_nan:
            other &= (line == line) | (wanted == wanted)
        if inside is not None:
            other |= ~inside[:, :, number, None]
        missed &= other
        numbers += missed
    return numbers
