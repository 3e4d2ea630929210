"""Averages in which colors weigh as much as they are opaque."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.kernels import means
from pooltool.kernels.pool import TILE_BYTES, average_integers, empty, without_nan
from pooltool.kernels.reduce import SUM, reduce_windows
from pooltool.kernels.tiles import Pooling, Tile, tiles
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
    planes = image if image.ndim == 4 else image[None]
    dtype = means.mean_dtype(image.dtype.newbyteorder("="), pooling.dtype)
    out = empty((len(planes), rows.count, columns.count, 4), dtype)
    height, width = (axis.pool_size + axis.unseen for axis in (rows, columns))
    sums = _sum_dtype(image.dtype, dtype, height * width)
    window_limit = tile_bytes // (2 * sums.itemsize * rows.stride * columns.stride)
    with np.errstate(all="ignore"):
        for tile in tiles(planes, rows, columns, window_limit):
            if image.dtype.kind in "iu" and not pooling.count_include_pad:
                low = tile.pixels[..., 3].min()
                if low > 0 and low == tile.pixels[..., 3].max():  # all weigh the same
                    average_integers(tile, pooling, out[tile.where])
                    continue
            _average(tile, pooling, sums, out[tile.where])
    return out if image.ndim == 4 else out[0]


def _sum_dtype(image: np.dtype[Any], result: np.dtype[Any], area: int) -> np.dtype[Any]:
    """What products of color and alpha are summed in so that the quotients of the sums are right:
    a float, where it holds all sums with a bit to spare, or Python's integers, slow and exact.
    """
    if image.kind == "f":
        return np.dtype(np.float64)
    low, high = means.integer_range(image)
    largest = max(-low, high)
    is_small = image == np.uint8 and area * largest**2 < means.SINGLE_ROUNDED
    if is_small and result.name in ("uint8", "float32"):
        return np.dtype(np.float32)
    is_exact = area * largest**2 < means.EXACT_SUM and area * largest < means.EXACT_COUNT
    return np.dtype(np.float64 if is_exact else object)


def _average(tile: Tile, pooling: Pooling, dtype: np.dtype[Any], out: Array) -> None:
    """Average one tile, with sums in `dtype`."""
    counts: Any = means.counts(tile.rows, tile.columns, pooling.count_include_pad)
    is_float, nan, alone = tile.pixels.dtype.kind == "f", None, None
    if is_float and pooling.skip_nan and np.isnan(tile.pixels).any():
        nan = np.isnan(tile.pixels, order="C")
        nan[..., :3] |= nan[..., 3:]
        tile, skipped = without_nan(tile, nan)
        alone = skipped == means.counts(tile.rows, tile.columns, False)
        counts = counts - skipped
    pixels = tile.pixels if dtype == np.float32 else tile.pixels.astype(dtype, order="C")
    weights = pixels[..., 3:] if nan is None else np.where(nan[..., :3], 0, pixels[..., 3:])
    products = _products(pixels, weights)
    if is_float:  # what weighs nothing is not used even if it is NaN or infinite
        products[..., :3] = np.where(weights == 0, 0, products[..., :3])
    sums = _sums(tile, products, dtype)
    if dtype == np.float32:
        sums[..., 3] /= 255
    opacity = sums[..., 3:] if nan is None else _sums(tile, weights, dtype)
    plain = _sums(tile, pixels, dtype) if (opacity == 0).any() else None
    if plain is not None and alone is not None:
        plain[alone] = sums[alone] = np.nan
    divisors = np.broadcast_to(np.asarray(counts, dtype), sums.shape)
    _divide(sums, plain, opacity, divisors, out)


def _divide(sums: Array, plain: Array | None, opacity: Array, counts: Array, out: Array) -> None:
    """Divide the sums of colors by the opacity, or, where that is 0, the plain ones by counts;
    those of alpha by counts. `sums` are used up.
    """
    for channel in range(4):
        total, divisor = sums[..., channel], counts[..., channel]
        if channel < 3:
            weight = opacity[..., channel % opacity.shape[3]]
            if plain is not None:
                is_clear = weight == 0
                total = np.where(is_clear, plain[..., channel], total)
                weight = np.where(is_clear, divisor, weight)
            divisor = weight
        if sums.dtype.hasobject:
            means.divide_integers(total, divisor, (-inf, inf), out[..., channel])
        else:
            np.divide(total, divisor, out=sums[..., channel])
    if sums.dtype == np.float32 and out.dtype == np.uint8:
        np.copyto(out, cv2.convertScaleAbs(sums.reshape(1, -1)).reshape(out.shape))
    elif not sums.dtype.hasobject:
        means.store(sums, out)


def _products(pixels: Array, weights: Array) -> Array:
    """The colors times their weights (one for all or one each), and alpha, of bytes times 255."""
    if pixels.dtype == np.uint8:
        return _products_of_bytes(pixels)
    products = pixels.copy()
    for channel in range(3):
        products[..., channel] *= weights[..., channel % weights.shape[3]]
    return products


def _products_of_bytes(pixels: Array) -> Array:
    """The pixels times (alpha, alpha, alpha, 255): 1.5 times as fast as channel by channel."""
    lines = np.ascontiguousarray(pixels).reshape(-1, pixels.shape[2], 4)
    weights = cv2.cvtColor(cv2.extractChannel(lines, 3), cv2.COLOR_GRAY2BGRA)
    products: Array = np.multiply(lines, weights, dtype=np.uint16)
    return products.reshape(pixels.shape)


def _sums(tile: Tile, values: Array, dtype: np.dtype[Any]) -> Array:
    sums = np.empty((*tile.shape[:3], values.shape[3]), dtype)
    reduce_windows(tile._replace(pixels=values), SUM, dtype, sums)
    return sums
