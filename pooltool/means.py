"""How a mean is summed, divided and rounded: the numeric rules of average pooling.

- Integers are summed exactly; their mean is rounded once, into the result's dtype.
- An integer result is rounded half to even and saturates at the ends of its dtype's range.
- Floats are summed as a tree, in float64 where the tree of a float32 would be too deep.
- A zero is +0.0 and a NaN is the one NaN of `numpy.nan`, so that equal input gives equal bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.errors import ArrayTypeError

Array = NDArray[Any]
Counts = int | NDArray[np.int64]

SINGLE_DEPTH = 15
"""Additions in a row that float32 bears: 16 roundings of 2**-24 stay within 1e-6."""
EXACT_SUM = 2**52
"""Below this a float64 quotient of integers lies on the right side of every rounding tie."""
EXACT_COUNT = 2**28
"""Below this many pixels the same holds when the quotient is rounded on to float32."""


def mean_dtype(image: np.dtype[Any], wanted: np.dtype[Any] | None) -> np.dtype[Any]:
    """The dtype of an average: `wanted`, or float32 for small integers, float64 for wide ones."""
    if wanted is not None:
        return wanted
    if image.kind == "f":
        return image
    return np.dtype(np.float32 if image.itemsize <= 2 else np.float64)


def sum_dtype(image: np.dtype[Any], result: np.dtype[Any], depth: int) -> np.dtype[Any]:
    """The dtype to sum in, for windows whose tree of additions is `depth` levels deep."""
    if image.kind != "f":
        return np.dtype(np.int64)
    single = image == result == np.float32 and depth <= SINGLE_DEPTH
    return np.dtype(np.float32 if single else np.float64)


def can_overflow(image: np.dtype[Any], sums: np.dtype[Any]) -> bool:
    """True when finite values of dtype `image` can add up to more than dtype `sums` holds."""
    return image.kind == "f" and image == sums


def divide_integers(sums: NDArray[np.int64], counts: Counts, out: Array) -> None:
    """Write the mean of exact integer `sums` over `counts` pixels into `out`, rounded once."""
    means = sums / counts
    _store(means, out)
    doubtful = (np.abs(means) * counts >= EXACT_SUM) | (np.asarray(counts) >= EXACT_COUNT)
    if doubtful.any():
        chosen = np.nonzero(doubtful)
        pixels = np.broadcast_to(counts, sums.shape)[chosen]
        pairs = zip(sums[chosen], pixels, strict=True)
        out[chosen] = [_exact(int(total), int(n), out.dtype) for total, n in pairs]


def divide_wide_integers(
    high: NDArray[np.int64], low: NDArray[np.int64], counts: Counts, out: Array
) -> None:
    """Write the mean of the sums `high * 2**32 + low`, which 64 bits may not hold, into `out`."""
    narrow = np.abs(high) < 2**19
    divide_integers(np.where(narrow, (high << 32) + low, 0), counts, out)
    chosen = np.nonzero(~narrow)
    pixels = np.broadcast_to(counts, high.shape)[chosen]
    limbs = zip(high[chosen], low[chosen], pixels, strict=True)
    out[chosen] = [_exact((int(up) << 32) + int(lo), int(n), out.dtype) for up, lo, n in limbs]


def divide_floats(sums: Array, counts: Counts, out: Array) -> None:
    """Write `sums / counts` into `out`, dividing in the dtype of `sums`."""
    divisor = np.asarray(counts, sums.dtype)
    _store(np.divide(sums, divisor, out=sums), out)


def settle(values: Array) -> None:
    """Give floats one zero and one NaN in place; they compare equal but differ in their bits."""
    if values.dtype.kind == "f":
        np.add(values, 0.0, out=values, casting="same_kind")
        unordered = np.isnan(values)
        if unordered.any():
            values[unordered] = np.nan


def _store(means: Array, out: Array) -> None:
    """Write float means into `out`: as floats, or rounded half to even and saturated."""
    if out.dtype.kind == "f":
        np.copyto(out, means, casting="same_kind")
        settle(out)
        return
    if np.isnan(means).any():
        raise ArrayTypeError(f"dtype={out.dtype}: the average of a window is NaN, which it lacks")
    low, high = integer_range(out.dtype)
    rounded = np.rint(means, dtype=np.float64)
    out[...] = np.where((rounded > low) & (rounded < high), rounded, 0).astype(out.dtype)
    out[rounded <= low] = low
    out[rounded >= high] = high


def _exact(total: int, count: int, dtype: np.dtype[Any]) -> int | float:
    """The mean `total / count` rounded once into `dtype`, in whole numbers of any length."""
    if dtype.kind == "f":
        return _quotient(total, count, dtype)
    whole, rest = divmod(total, count)
    whole += 2 * rest > count or (2 * rest == count and whole % 2)
    low, high = integer_range(dtype)
    return min(max(whole, low), high)


def _quotient(total: int, count: int, dtype: np.dtype[Any]) -> float:
    """`total / count`, rounded to odd when `dtype` is narrower, so that rounding on is exact."""
    nearest = total / count
    numerator, denominator = nearest.as_integer_ratio()
    error = total * denominator - numerator * count
    even = not int(np.float64(nearest).view(np.int64)) & 1
    if error and even and dtype.itemsize < 8:
        return float(np.nextafter(nearest, np.inf if error > 0 else -np.inf))
    return nearest


def integer_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Smallest and largest value of an integer dtype; bool counts as the integers 0 and 1."""
    if dtype.kind == "b":
        return 0, 1
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)
