"""Averages in which colors weigh as much as they are opaque."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import Axis
from pooltool.kernels import means
from pooltool.kernels.pool import TILE_BYTES, Pooling, average_integers, empty, pool_axes
from pooltool.kernels.reduce import SUM, reduce_windows
from pooltool.kernels.tiles import Tile, tiles
from pooltool.native import import_cv2

cv2 = import_cv2()
Array = NDArray[Any]


def alpha_weighted(image: Array, pooling: Pooling, *, tile_bytes: int = TILE_BYTES) -> Array:
    """Average `image`, (H, W, 4) or (N, H, W, 4), whose last channel is alpha.

    A color is the sum of `color * alpha` divided by the sum of alpha: exact for integers, and
    rounded once. Where that sum is 0 colors are averaged plainly; alpha always is. Padding has
    alpha 0. A color with alpha 0 is not used even if it is NaN or infinite. With `skip_nan` a color
    that is NaN is left out, and all of a pixel whose alpha is NaN.
    """
    rows, columns = pooling.windows.axes(image.shape)
    if image.dtype.kind != "f" and not pooling.count_include_pad:
        low = image[..., 3].min()
        if low > 0 and low == image[..., 3].max():  # all weigh the same
            return pool_axes(image, pooling, rows, columns)
    planes = image if image.ndim == 4 else image[None]
    dtype = means.mean_dtype(image.dtype.newbyteorder("="), pooling.dtype)
    out = empty((len(planes), rows.count, columns.count, 4), dtype)
    area = rows.most * columns.most
    sums_dtype = _sum_dtype(image.dtype, area)
    few = area * 255 * 255 < means.SINGLE_ROUNDED and dtype.name in ("uint8", "float32")
    with np.errstate(all="ignore"):
        few = few and image.dtype == np.uint8
        # The products of a tile take many times its bytes.
        most = tile_bytes // ((12 if few else 96) * rows.stride * columns.stride)
        for tile in tiles(planes, rows, columns, most):
            target = out[tile.where]
            if few:
                _average_bytes(tile.pixels, pooling, tile.rows, tile.columns, target)
                continue
            pixels = tile.pixels.astype(sums_dtype, order="C")
            _average(pixels, pooling, tile.rows, tile.columns, target)
    return out if image.ndim == 4 else out[0]


def _average_bytes(pixels: Array, pooling: Pooling, rows: Axis, columns: Axis, out: Array) -> None:
    """Average a tile of bytes, whose sums of products are exact in float32.

    Where all are as opaque as each other the weights cancel out. Elsewhere pixels are multiplied by
    (alpha, alpha, alpha, 255), so that all four channels are summed at once.
    """
    lines = np.ascontiguousarray(pixels).reshape(-1, pixels.shape[2], 4)
    alpha = cv2.extractChannel(lines, 3)
    low, high = alpha.min(), alpha.max()
    if low == high and (low == 0 or not pooling.count_include_pad):
        average_integers(Tile(pixels, rows, columns), pooling, out)
        return
    weights = cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGRA)
    products = np.multiply(lines, weights, dtype=np.uint16).reshape(pixels.shape)
    tile = Tile(products, rows, columns)
    sums = np.empty(tile.shape, np.float32)
    reduce_windows(tile, SUM, sums.dtype, sums)
    opacity = sums[..., 3] / np.float32(255)
    counts = np.asarray(means.counts(rows, columns, pooling.count_include_pad), np.float32)
    counts = np.broadcast_to(counts[..., 0] if counts.ndim else counts, opacity.shape)
    divisors = opacity
    if low == 0 and (opacity == 0).any():  # there the weighted sums are 0, and the plain ones count
        clear = (opacity == 0).astype(np.float32)
        plain = np.empty_like(sums)
        reduce_windows(replace(tile, pixels=lines.reshape(pixels.shape)), SUM, sums.dtype, plain)
        plain *= _fourfold(clear)
        sums += plain
        divisors = opacity + clear * counts
    sums /= _fourfold(divisors)
    np.divide(opacity, counts, out=sums[..., 3])
    if out.dtype == np.uint8:
        sums = cv2.convertScaleAbs(sums.reshape(1, -1)).reshape(out.shape)
    np.copyto(out, sums)


def _fourfold(values: Array) -> Array:
    """(..., 4) of float32, each value in all channels."""
    planes, height, width = values.shape
    lines = cv2.cvtColor(values.reshape(-1, width), cv2.COLOR_GRAY2BGRA)
    lines[..., 3] = values.reshape(-1, width)
    fourfold: Array = lines.reshape(planes, height, width, 4)
    return fourfold


def _sum_dtype(image: np.dtype[Any], area: int) -> np.dtype[Any]:
    """What products of color and alpha are summed in: Python's integers where 64 bits are few."""
    if image.kind == "f":
        return np.dtype(np.float64)
    return np.dtype(np.int64 if image.itemsize <= 2 and area < 2**31 else object)


def _average(pixels: Array, pooling: Pooling, rows: Axis, columns: Axis, out: Array) -> None:
    """Average one tile of (planes, rows, columns, 4) pixels."""
    weights = pixels[..., 3:]
    parts = []
    if pixels.dtype.kind == "f" and pooling.skip_nan and np.isnan(pixels).any():
        left_out = np.isnan(pixels)
        left_out[..., :3] |= left_out[..., 3:]
        pixels = np.where(left_out, 0, pixels)
        weights = np.where(left_out[..., :3], 0, pixels[..., 3:])
        parts = [weights, left_out]
    products = pixels[..., :3] * weights
    if pixels.dtype.kind == "f":
        products = np.where(weights == 0, 0, products)
    values = np.concatenate([products, pixels, *parts], axis=3)
    tile = Tile(values, rows, columns)
    sums = np.empty(tile.shape, values.dtype)
    reduce_windows(tile, SUM, values.dtype, sums)
    weighted, plain = sums[..., :3], sums[..., 3:7]
    weights = sums[..., 7:10] if parts else plain[..., 3:]
    counts = np.asarray(means.counts(rows, columns, pooling.count_include_pad))
    if parts:
        present = np.asarray(means.counts(rows, columns, False)) - sums[..., 10:]
        plain[present == 0] = np.nan
        counts = counts - sums[..., 10:]
    counts = np.broadcast_to(counts, plain.shape)
    is_clear = weights == 0
    weighted[...] = np.where(is_clear, plain[..., :3], weighted)
    divisors = np.where(is_clear, counts[..., :3], weights)
    _divide(weighted, np.broadcast_to(divisors, weighted.shape), out[..., :3])
    _divide(plain[..., 3:], counts[..., 3:], out[..., 3:])


def _divide(sums: Array, counts: Array, out: Array) -> None:
    """Write the quotients, rounded once."""
    if sums.dtype.kind == "f":
        means.store(sums / counts, out)
        return
    largest = 0 if sums.dtype.hasobject else int(np.abs(sums).max())
    means.divide_each(sums, counts, largest, out)
