"""Where in its plane the largest or smallest value of each window lies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import Axis, DataFormat, row_axis
from pooltool.kernels.pool import as_planes
from pooltool.kernels.ranks import FEW_TAPS, gather, most_windows, view_windows
from pooltool.kernels.tiles import Tile, own_taps, tiles

Array = NDArray[Any]


def indices2d(
    image: Array,
    values: Array,
    rows: Axis,
    columns: Axis,
    *,
    data_format: DataFormat = "channels_last",
) -> NDArray[np.int64]:
    """Where `values`, which `pool_axes` took from `image` by max or min, lie in their planes:
    `row * width + column`. Of equal ones, and of several NaN, the first in reading order counts.
    """
    if image.dtype.kind == "b":
        image, values = image.view(np.uint8), values.view(np.uint8)
    indices = np.empty(values.shape, np.int64)
    first = row_axis(image.ndim, data_format)
    planes, results = as_planes(image, indices, first)
    _, wanted = as_planes(image, values, first)
    starts, first_taps, last_taps = zip(*map(own_taps, (rows, columns)), strict=True)
    corners = starts[0][:, None, None] * planes.shape[2] + starts[1][:, None]
    row, column = np.divmod(np.arange(FEW_TAPS, dtype=np.int64), columns.pool_size)
    steps = row * rows.dilation * planes.shape[2] + column * columns.dilation
    for tile in tiles(planes, rows, columns, most_windows(rows, columns, values.dtype)):
        _, down, across = tile.where
        numbers = _first_equal(tile, wanted[tile.where])
        is_regular = tile.rows.is_regular and tile.columns.is_regular
        if is_regular and rows.pool_size * columns.pool_size <= FEW_TAPS:
            np.add(steps.take(numbers), corners[down, across], out=results[tile.where])
            continue
        row, column = np.divmod(numbers, columns.pool_size)
        if not is_regular:
            row = np.clip(row, first_taps[0][down, None, None], last_taps[0][down, None, None])
            column = np.clip(column, first_taps[1][across, None], last_taps[1][across, None])
        places = row * np.int64(rows.dilation * planes.shape[2]) + corners[down, across]
        results[tile.where] = places + column * np.int64(columns.dilation)
    return indices


def _first_equal(tile: Tile, wanted: Array) -> Array:
    """Number of the first tap of each window that holds the value `wanted`."""
    has_nan = wanted.dtype.kind == "f" and bool(np.isnan(wanted).any())
    if tile.rows.pool_size * tile.columns.pool_size > FEW_TAPS:
        windows = np.moveaxis(view_windows(tile), (0, 1), (4, 5))
        windows, value = np.ascontiguousarray(windows, wanted.dtype), wanted[..., None, None]
        equal = windows == value
        if has_nan:
            equal |= np.isnan(windows) & np.isnan(value)
        return np.asarray(equal.reshape(*wanted.shape, -1).argmax(-1))
    values = gather(tile, wanted.dtype)
    numbers, missed = np.zeros(wanted.shape, np.uint8), np.ones(wanted.shape, np.bool_)
    for tap in values[:-1]:  # what no other tap holds, the last one does
        other = tap != wanted
        if has_nan:
            other &= (tap == tap) | (wanted == wanted)
        missed &= other
        numbers += missed
    return numbers
