"""Where in its plane the largest or smallest value of each window lies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.data_format import DataFormat, row_axis
from pooltool.geometry import Axis
from pooltool.kernels.pool import as_planes
from pooltool.kernels.ranks import FEW_TAPS, gather, most_windows, own_taps
from pooltool.kernels.tiles import tiles

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
    for tile in tiles(planes, rows, columns, most_windows(rows, columns, values.dtype)):
        _, down, across = tile.where
        numbers = _first_equal(gather(tile, values.dtype), wanted[tile.where])
        row, column = np.divmod(numbers, columns.most)
        if not (tile.rows.is_regular and tile.columns.is_regular):
            row = np.clip(row, first_taps[0][down, None, None], last_taps[0][down, None, None])
            column = np.clip(column, first_taps[1][across, None], last_taps[1][across, None])
        places = row * np.int64(rows.dilation * planes.shape[2]) + corners[down, across]
        results[tile.where] = places + column * np.int64(columns.dilation)
    return indices


def _first_equal(values: Array, wanted: Array) -> Array:
    """Number of the first tap of each window that holds the value `wanted`."""
    has_nan = wanted.dtype.kind == "f" and bool(np.isnan(wanted).any())
    if len(values) > FEW_TAPS:
        equal = values == wanted
        if has_nan:
            equal |= np.isnan(values) & np.isnan(wanted)
        return np.asarray(np.moveaxis(equal, 0, -1).argmax(-1))
    numbers, missed = np.zeros(wanted.shape, np.uint8), np.ones(wanted.shape, np.bool_)
    for tap in values[:-1]:  # what no other tap holds, the last one does
        other = tap != wanted
        if has_nan:
            other &= (tap == tap) | (wanted == wanted)
        missed &= other
        numbers += missed
    return numbers
