"""Pooling as the lecture writes it: loops over every window and pixel. Slow, obvious, exact."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]


def layouts(image: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays that equal an image of 2 axes or more, each laid out otherwise in memory."""
    shape = image.shape
    wide = np.repeat(np.repeat(image, 2, axis=0), 3, axis=1)
    constant = np.array(image)
    constant.flags.writeable = False
    data = np.frombuffer(b"x" + image.tobytes(), np.uint8)[1:]
    return {
        "C": np.ascontiguousarray(image),
        "Fortran": np.asfortranarray(image),
        "transposed": np.ascontiguousarray(image.swapaxes(0, 1)).swapaxes(0, 1),
        "turned": np.rot90(np.ascontiguousarray(np.rot90(image)), -1),
        "turned left": np.rot90(np.ascontiguousarray(np.rot90(image, -1))),
        "upside down": np.ascontiguousarray(image[::-1])[::-1],
        "mirrored": np.ascontiguousarray(image[:, ::-1])[:, ::-1],
        "backwards": np.ascontiguousarray(image[..., ::-1])[..., ::-1],
        "planar": np.moveaxis(np.ascontiguousarray(np.moveaxis(image, -1, 0)), 0, -1),
        "sliced": wide[::2, ::3],
        "read-only": constant,
        "big-endian": image.astype(image.dtype.newbyteorder(">")),
        "unaligned": data.view(image.dtype).reshape(shape),
    }


REPEATED = ("rows", "columns", "channels", "all")
LAYOUTS = tuple(layouts(np.zeros((2, 2))))


def repeated(image: np.ndarray, what: str) -> np.ndarray:
    """An image whose rows, columns, channels or values are one in memory: strides of 0."""
    axes = {"rows": (0,), "columns": (1,), "channels": (image.ndim - 1,), "all": (0, 1)}[what]
    first = tuple(slice(0, 1) if axis in axes else slice(None) for axis in range(image.ndim))
    return np.broadcast_to(image[first], image.shape)


def output_size(
    size: int, pool: int, stride: int, pad: Pair, dilation: int, ceil_mode: bool
) -> int:
    """Count windows by laying them down one after another."""
    extent = dilation * (pool - 1) + 1
    end = size + pad[1]
    starts = []
    start = -pad[0]
    while start + extent <= end:
        starts.append(start)
        start += stride
    if ceil_mode:
        if start - stride + extent < end:  # pixels are left over: one partial window more
            starts.append(start)
        if len(starts) > 1 and starts[-1] >= size:  # it starts in the padding: dropped
            starts.pop()
    return len(starts)


def same_padding(size: int, pool: int, stride: int, dilation: int) -> Pair:
    """Padding of Keras' "same": as little as gives ceil(size / stride) windows."""
    total = 0
    while output_size(size, pool, stride, (0, total), dilation, False) < math.ceil(size / stride):
        total += 1
    return total // 2, total - total // 2


def windows(
    size: int, pool: int, stride: int, pad: Pair, dilation: int, ceil_mode: bool
) -> list[tuple[list[int], int]]:
    """For each window: the pixels inside the image, and how many it has inside the padding too."""
    found = []
    for index in range(output_size(size, pool, stride, pad, dilation, ceil_mode)):
        taps = [index * stride - pad[0] + tap * dilation for tap in range(pool)]
        inside = [tap for tap in taps if 0 <= tap < size]
        padded = [tap for tap in taps if -pad[0] <= tap < size + pad[1]]
        found.append((inside, len(padded)))
    return found


def adaptive_windows(size: int, count: int) -> list[tuple[list[int], int]]:
    """PyTorch's adaptive windows, in fractions."""
    found = []
    for index in range(count):
        start = math.floor(Fraction(index * size, count))
        stop = math.ceil(Fraction((index + 1) * size, count))
        found.append((list(range(start, stop)), stop - start))
    return found


Along = list[tuple[list[int], int]]


def pool(
    image: np.ndarray,
    method: str,
    rows: Along,
    columns: Along,
    *,
    include_pad: bool = False,
    dtype: Any = None,
    divisor: int | None = None,
    skip_nan: bool = False,
) -> np.ndarray:
    """Pool (H, W) or (H, W, C) over the given windows."""
    channels = image.reshape(*image.shape[:2], -1)
    native = image.dtype.newbyteorder("=")
    result = native if method != "avg" else np.dtype(dtype or _mean_dtype(native))
    out = np.empty((len(rows), len(columns), channels.shape[2]), result)
    for i, (row_taps, row_count) in enumerate(rows):
        for j, (column_taps, column_count) in enumerate(columns):
            for c in range(channels.shape[2]):
                values = [channels[y, x, c].item() for y in row_taps for x in column_taps]
                count = row_count * column_count if include_pad else len(values)
                if skip_nan:
                    kept = [value for value in values if value == value]
                    count -= len(values) - len(kept)
                    values = kept or [math.nan]
                out[i, j, c] = _reduce(values, method, divisor or count, result)
    return out.reshape(len(rows), len(columns), *image.shape[2:])


def alpha_weighted(
    image: np.ndarray,
    rows: Along,
    columns: Along,
    *,
    include_pad: bool = False,
    skip_nan: bool = False,
    dtype: Any = None,
) -> np.ndarray:
    """Average (H, W, 4), whose colors weigh as much as they are opaque; in its dtype if None."""
    out = np.empty((len(rows), len(columns), 4), dtype or image.dtype.newbyteorder("="))
    for i, (row_taps, row_count) in enumerate(rows):
        for j, (column_taps, column_count) in enumerate(columns):
            pixels = [image[y, x].tolist() for y in row_taps for x in column_taps]
            padding = row_count * column_count - len(pixels) if include_pad else 0
            if skip_nan:
                pixels = [pixel for pixel in pixels if pixel[3] == pixel[3]]
            for c in range(4):
                pairs = [(pixel[c], pixel[3]) for pixel in pixels]
                if skip_nan:
                    pairs = [(value, weight) for value, weight in pairs if value == value]
                out[i, j, c] = _weighted(pairs, padding, c < 3, out.dtype)
    return out


def _weighted(pairs: list[tuple[Any, Any]], padding: int, is_color: bool, dtype: np.dtype) -> Any:
    """The mean of values by their weights; the plain one of alpha, and where the weights are 0."""
    opacity = sum(weight for _, weight in pairs)
    if not is_color or opacity == 0:
        values = [value for value, _ in pairs]
        return _reduce(values, "avg", len(values) + padding, dtype) if values else math.nan
    products = [(value, weight) for value, weight in pairs if weight != 0]
    if not all(math.isfinite(number) for pair in products for number in pair):
        return sum(value * weight for value, weight in products) / opacity
    mean = sum((Fraction(value) * Fraction(weight) for value, weight in products), Fraction(0))
    mean /= sum((Fraction(weight) for _, weight in products), Fraction(0))
    return nearest_float(mean, dtype) if dtype.kind == "f" else round(mean)


def _mean_dtype(dtype: np.dtype) -> np.dtype:
    if dtype.kind == "f":
        return dtype
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)


def _reduce(values: list[Any], method: str, count: int, dtype: np.dtype) -> Any:
    if any(isinstance(v, float) and math.isnan(v) for v in values):
        return math.nan
    if method == "max":
        return max(values)
    if method == "min":
        return min(values)
    infinite = {v for v in values if isinstance(v, float) and math.isinf(v)}
    if infinite:
        return infinite.pop() if len(infinite) == 1 else math.nan
    mean = sum((Fraction(v) for v in values), Fraction(0)) / count
    if dtype.kind == "f":
        return nearest_float(mean, dtype)
    limits = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return min(max(round(mean), int(limits[0])), int(limits[1]))


def nearest_float(value: Fraction, dtype: np.dtype) -> float:
    """The float of `dtype` nearest to `value`, ties to the even one: one rounding, by search."""
    with np.errstate(over="ignore"):
        guess = np.float64(float(value)).astype(dtype)
    if np.isinf(guess):
        return float(guess)
    around = [
        np.nextafter(guess, dtype.type(-np.inf)),
        guess,
        np.nextafter(guess, dtype.type(np.inf)),
    ]
    finite = [f for f in around if np.isfinite(f)]
    bits = {2: np.uint16, 4: np.uint32, 8: np.uint64}[dtype.itemsize]
    nearest: float = min(
        finite, key=lambda f: (abs(Fraction(float(f)) - value), int(f.view(bits)) & 1)
    )
    return nearest


def reduce_values(values: list[float]) -> float:
    """The mean of floats, summed without error."""
    return math.fsum(values) / len(values)
