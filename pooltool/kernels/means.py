"""How a mean is summed, divided and rounded: the numeric rules of average pooling.

- Integers are summed exactly; their mean is rounded once, into the result's dtype.
- An integer result is rounded half to even and saturates at the ends of its dtype's range.
- Floats are summed as a tree, in float64 where the tree of a float32 would be too deep.
- A zero is +0.0 and a NaN is the one NaN of `numpy.nan`, so that equal input gives equal bits.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pooltool.errors import ArrayTypeError
from pooltool.geometry import Axis
from pooltool.kernels import fast
from pooltool.kernels.reduce import depth
from pooltool.kernels.tiles import own_taps

Array = NDArray[Any]
Counts = int | NDArray[np.int64]
"""What sums are divided by: one number for all windows, or an array that broadcasts to them."""

SINGLE_DEPTH = 15
"""Additions in a row that float32 bears: 16 roundings of 2**-24 stay within 1e-6."""
SINGLE_SUM = 2**24
"""Up to this float32 holds every integer, so that a quotient of two is rounded just once."""
SINGLE_ROUNDED, EXACT_SUM = 2**23, 2**52
"""Below these a float32 and a float64 quotient of integers lie on the right side of every rounding
tie: 1 / (2 * count) or more from it, which is more than half a unit in the last place.
"""
EXACT_COUNT = 2**28
"""Below this many pixels the same holds when the quotient is rounded on to float32."""
FEW_TO_ADD_TO = 2**12
"""To add 0 to so few values takes less time than to search them for -0.0."""


def mean_dtype(image: np.dtype[Any], wanted: np.dtype[Any] | None) -> np.dtype[Any]:
    """The dtype of an average: `wanted`, or float32 for small integers, float64 for wide ones."""
    if wanted is not None:
        return wanted
    if image.kind == "f":
        return image
    return np.dtype(np.float32 if image.itemsize <= 2 else np.float64)


def checked_dtype(dtype: DTypeLike | None) -> np.dtype[Any] | None:
    """The dtype of an average that was asked for; raise `ArrayTypeError` if it cannot hold one."""
    if dtype is None:
        return None
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        raise ArrayTypeError("{dtype} is not a numpy dtype such as float32", dtype=dtype) from None
    if not is_real(wanted):
        reason = "{dtype} cannot hold an average; use an integer or float, such as float32"
        raise ArrayTypeError(reason, dtype=wanted.name)
    return wanted.newbyteorder("=")


def is_real(dtype: np.dtype[Any]) -> bool:
    """True for the dtypes that can be pooled."""
    return dtype.kind in "buif" and dtype.itemsize <= 8


def integer_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Smallest and largest value of an integer dtype; bool counts as the integers 0 and 1."""
    if dtype.kind == "b":
        return 0, 1
    bits = 8 * dtype.itemsize
    return (0, 2**bits - 1) if dtype.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@lru_cache(maxsize=64)
def integer_sum_dtype(image: np.dtype[Any], low: int, high: int, count: int) -> np.dtype[Any]:
    """The narrowest dtype that holds the sum of `count` integers from `low` to `high`; beyond 64
    bits these are Python's own: slow, and exact.
    """
    narrow = ["u2", "u4"] if image.kind == "u" else ["i2", "i4"]
    for name in ["i8"] if image.itemsize == 8 else [*narrow, "i8"]:
        dtype: np.dtype[Any] = np.dtype(name)
        smallest, largest = integer_range(dtype)
        if count * low >= smallest and count * high <= largest:
            return dtype
    return np.dtype(object)


def float_sum_dtype(
    image: np.dtype[Any], result: np.dtype[Any], rows: Axis, columns: Axis
) -> np.dtype[Any]:
    """What floats are summed in: float32 only where its roundings stay within 1e-6."""
    if image == result == np.float32:
        is_shallow = rows.pool_size * columns.pool_size <= SINGLE_DEPTH + 1  # whatever their order
        if is_shallow or depth(rows, columns) <= SINGLE_DEPTH:
            return image
    return np.dtype(np.float64)


def counts(rows: Axis, columns: Axis, count_padding: bool) -> Counts:
    """How many pixels each window holds: one number for all, or (rows, columns, 1) of them."""
    if rows.is_regular and columns.is_regular:
        return rows.pool_size * columns.pool_size
    down, across = counts_along(rows, count_padding), counts_along(columns, count_padding)
    if (down == down[0]).all() and (across == across[0]).all():
        return int(down[0]) * int(across[0])
    pixels: NDArray[np.int64] = down[:, None, None] * across[:, None]
    return pixels


@lru_cache(maxsize=64)
def counts_along(axis: Axis, count_padding: bool) -> NDArray[np.int64]:
    """Count the pixels of each window along an axis, with or without those of the padding."""
    starts, first, last = own_taps(axis)
    pixels: NDArray[np.int64] = last - first + 1
    if count_padding and not axis.lengths:
        until_end = -((starts - axis.size - axis.after) // axis.dilation)
        pixels = np.minimum(axis.pool_size + axis.unseen, until_end)
    pixels.setflags(write=False)  # all callers share it
    return pixels


def divide_floats(sums: Array, count: Counts, out: Array) -> None:
    """Divide sums, in the dtype of the means."""
    divisors = out.dtype.type(count) if isinstance(count, int) else count.astype(out.dtype)
    if not isinstance(count, int) and divisors.shape[-1] != sums.shape[-1]:
        divisors = np.repeat(divisors, sums.shape[-1], axis=-1)  # numpy is slow to broadcast it
    np.divide(sums, divisors, out=out, dtype=out.dtype, casting="unsafe")


def divide_integers(sums: Array, count: Counts, limits: tuple[float, float], out: Array) -> None:
    """Write the mean of exact sums into `out`, rounded once. `limits` are the smallest and the
    largest sum that there can be; `sums` may be used up.
    """
    largest_sum = max(-limits[0], limits[1])
    if out.dtype.kind != "f":
        is_small = largest_sum < SINGLE_ROUNDED and out.itemsize <= 2
        if is_small and not isinstance(count, int):  # numpy is slow to divide integers by others
            means = sums.astype(np.float32, copy=False)
            divide_floats(means, count, means)
            store(means, out)
            return
        if not (is_small and isinstance(count, int) and fast.scale(sums, count, out)):
            _divide_whole(sums, count, limits, out)
        return
    is_single = isinstance(count, int) and out.dtype == np.float32 and count <= SINGLE_SUM
    if is_single and largest_sum > SINGLE_SUM:
        is_single = max(-int(sums.min()), int(sums.max())) <= SINGLE_SUM
    if is_single:
        divide_floats(sums, count, out)
        return
    _divide_exactly(sums, np.broadcast_to(np.asarray(count), sums.shape), largest_sum, out)


def _divide_whole(sums: Array, count: Counts, limits: tuple[float, float], out: Array) -> None:
    """Round quotients to the nearest integer, ties to the even one, without fractions: half of the
    divisor is added before dividing down. Where that is even, ties would all go up; 1 less is added
    there, unless the number below is odd.
    """
    fewest, most = (count, count) if isinstance(count, int) else (count.min(), count.max())
    largest = max(-limits[0], limits[1]) + int(most)
    dtypes = [sums.dtype] if isinstance(count, int) else []
    wide = [dtype for dtype in (*dtypes, np.dtype(np.int64)) if largest <= integer_range(dtype)[1]]
    whole: Array = sums.astype(wide[0] if wide else np.dtype(object), copy=False)
    is_even: Any = (count + 1) % 2
    if not isinstance(count, int) or is_even:
        whole += whole // count & is_even
    whole += count // 2 - is_even
    whole //= count
    low, high = integer_range(out.dtype)
    if limits[0] < int(fewest) * low or limits[1] > int(fewest) * high:
        np.clip(whole, max(low, limits[0]), min(high, limits[1]), out=whole)
    np.copyto(out, whole, casting="unsafe")


@np.errstate(all="ignore")
def _divide_exactly(sums: Array, count: Array, largest_sum: float, out: Array) -> None:
    """Round quotients to the nearest float, by float64 where that is exact."""
    if sums.dtype.hasobject or count.dtype.hasobject:
        doubtful = np.ones(sums.shape, bool)
    else:
        means = sums / count
        store(means, out)
        if largest_sum < EXACT_SUM and count.max() < EXACT_COUNT:
            return
        doubtful = (np.abs(means) * count >= EXACT_SUM) | (count >= EXACT_COUNT)
    pairs = zip(sums[doubtful].tolist(), count[doubtful].tolist(), strict=True)
    out[doubtful] = [_nearest_float(total, pixels, out.dtype) for total, pixels in pairs]


def _nearest_float(total: int, count: int, dtype: np.dtype[Any]) -> Any:
    """The value of `dtype` nearest to `total / count`. Python rounds that once, to float64; when
    it is then rounded on to less, the neighbor may have been nearer.
    """
    from fractions import Fraction  # takes a millisecond to load, and few means need it

    nearest = total / count
    guess = dtype.type(nearest)
    mirrored = 2 * nearest - float(guess)
    other = dtype.type(mirrored)
    if guess == other or float(other) != mirrored or np.isinf(guess):  # not a tie of float64
        return guess
    return min(guess, other, key=lambda value: abs(Fraction(float(value)) * count - total))


def canonicalize(values: Array, *, finite: bool = False) -> None:
    """Give floats one zero and one NaN in place; they compare equal but differ in their bits."""
    if not finite and np.isnan(np.maximum.reduce(values, axis=None)):
        np.copyto(values, np.nan, where=np.isnan(values))
    signed = np.dtype(f"i{values.itemsize}")
    if values.size < FEW_TO_ADD_TO or values.view(signed).min() == integer_range(signed)[0]:
        np.add(values, values.dtype.type(0), out=values)  # only -0.0 has such bits


def store(means: Array, out: Array, *, finite: bool = False) -> None:
    """Write float means into `out`: as floats, or rounded half to even and saturated.

    `finite` means are known to hold no NaN.
    """
    if out.dtype.kind == "f":
        if means is not out:
            np.copyto(out, means, casting="same_kind")
        canonicalize(out, finite=finite)
        return
    if np.isnan(means).any():
        reason = "{dtype}: the average of a window is NaN, which it lacks"
        raise ArrayTypeError(reason, dtype=out.dtype.name)
    low, high = integer_range(out.dtype)
    rounded = np.clip(np.rint(means, dtype=np.float64), low, high)
    np.copyto(out, rounded, casting="unsafe")
    if out.itemsize == 8:  # as a float the largest integer is one more, which a cast overflows
        out[rounded >= high] = high
