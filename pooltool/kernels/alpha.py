"""Averages in which colours weigh as much as they are opaque."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.kernels import means
from pooltool.kernels.pool import TILE_BYTES, Pooling, empty
from pooltool.kernels.reduce import SUM, Scratch, Tile, reduce_windows
from pooltool.kernels.tiles import tiles

Array = NDArray[Any]


def alpha_weighted(image: Array, pooling: Pooling, *, tile_bytes: int = TILE_BYTES) -> Array:
    """Average `image`, (H, W, 4) or (N, H, W, 4), whose last channel is alpha.

    A colour is the sum of `colour * alpha` divided by the sum of alpha: exact for integers, and
    rounded once. Where all alpha is 0 colours are averaged plainly; alpha always is. Padding has
    alpha 0.
    """
    rows, columns = pooling.windows.axes(image.shape)
    planes = image if image.ndim == 4 else image[None]
    dtype = means.mean_dtype(image.dtype.newbyteorder("="), pooling.dtype)
    out = empty((len(planes), rows.count, columns.count, 4), dtype)
    sums_dtype = _sum_dtype(image.dtype, rows.pool_size * columns.pool_size)
    scratch = Scratch()
    with np.errstate(all="ignore"):
        # The products of a tile take many times its bytes, wherever they come from.
        for tile_planes, tile_rows, tile_columns, target in tiles(
            planes, rows, columns, out, tile_bytes // 8, 12
        ):
            pixels = tile_planes.astype(sums_dtype, order="C")
            weighted = pixels[..., :3] * pixels[..., 3:]
            stack = np.concatenate([weighted, pixels], axis=3)
            tile = Tile(stack, tile_rows, tile_columns, True, scratch)
            sums = np.empty(tile.shape, sums_dtype)
            reduce_windows(tile, SUM, sums_dtype, sums)
            count = means.counts(tile_rows, tile_columns, pooling.count_include_pad)
            _divide(sums, count, target)
    return out if image.ndim == 4 else out[0]


def _sum_dtype(image: np.dtype[Any], area: int) -> np.dtype[Any]:
    """What products of colour and alpha are summed in: Python's integers where 64 bits are few."""
    if image.kind == "f":
        return np.dtype(np.float64)
    return np.dtype(np.int64 if image.itemsize <= 2 and area < 2**31 else object)


def _divide(sums: Array, count: means.Counts, out: Array) -> None:
    """Divide (..., 7) sums, of weighted colours, colours and alpha, into (..., 4) means."""
    alpha, plain = sums[..., 6:], np.broadcast_to(np.asarray(count), sums[..., 6:].shape)
    is_clear = alpha == 0
    colours = np.where(is_clear, sums[..., 3:6], sums[..., :3])
    weights = np.broadcast_to(np.where(is_clear, plain, alpha), colours.shape)
    for totals, by, target in ((colours, weights, out[..., :3]), (alpha, plain, out[..., 3:])):
        if sums.dtype.kind == "f":
            means.store(totals / by, target)
        else:
            largest = 0 if sums.dtype.hasobject else int(np.abs(totals).max())
            means.divide_each(totals, by, largest, target)
