"""How a mean is summed, divided and rounded: the numeric rules of average pooling.

- Integers are summed exactly; their mean is rounded once, into the result's dtype.
- An integer result is rounded half to even and saturates at the ends of its dtype's range.
- Floats are summed as a tree, in float64 where the tree of a float32 would be too deep.
- A zero is +0.0 and a NaN is the one NaN of `numpy.nan`, so that equal input gives equal bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.errors import ArrayTypeError
from pooltool.geometry import AnyAxis
from pooltool.kernels.tiles import scratch

Array = NDArray[Any]
IntArray = NDArray[np.int64]

SINGLE_DEPTH = 15
"""Additions in a row that float32 bears: 16 roundings of 2**-24 stay within 1e-6."""
SINGLE_SUM = 2**24
"""Up to this float32 holds every integer, so that a quotient of two is rounded just once."""
EXACT_SUM = 2**52
"""Below this a float64 quotient of integers lies on the right side of every rounding tie."""
EXACT_COUNT = 2**28
"""Below this many pixels the same holds when the quotient is rounded on to float32."""
FEW = 2048
"""So few sums are divided at once, each by its own number: parts would cost more in calls."""


@dataclass(frozen=True)
class Counts:
    """Pixels that sums are divided by: window (i, j) holds `rows[i] * columns[j]` of them.

    One number stands for all where they are equal.
    """

    rows: IntArray
    columns: IntArray

    @classmethod
    @lru_cache(maxsize=64)
    def over(cls, rows: AnyAxis, columns: AnyAxis, count_padding: bool) -> Counts:
        """Count the pixels of the windows that lie so; programs pool many images of one size."""
        along = [axis.counts(count_padding=count_padding) for axis in (rows, columns)]
        return cls.of(*along)

    @classmethod
    def of(cls, rows: Sequence[int], columns: Sequence[int]) -> Counts:
        """Count from the pixels of each window along the rows and along the columns."""
        along = [counts[:1] if min(counts) == max(counts) else counts for counts in (rows, columns)]
        return cls(np.array(along[0]), np.array(along[1]))

    def cut(self, rows: slice, columns: slice) -> Counts:
        """The counts of some of the windows."""
        return Counts(
            self.rows[rows] if len(self.rows) > 1 else self.rows,
            self.columns[columns] if len(self.columns) > 1 else self.columns,
        )

    def most(self) -> int:
        """Pixels of the fullest window."""
        return int(self.rows.max()) * int(self.columns.max())

    def uniform(self) -> int | None:
        """The one number of pixels that all windows hold, if so."""
        if (len(self.rows) > 1 and np.ptp(self.rows)) or (
            len(self.columns) > 1 and np.ptp(self.columns)
        ):
            return None
        return int(self.rows[0]) * int(self.columns[0])

    def each(self) -> IntArray:
        """The number of pixels of each window, (rows, columns, 1)."""
        counts: IntArray = self.rows[:, None, None] * self.columns[None, :, None]
        return counts

    def parts(self) -> Iterator[tuple[slice, slice, Counts]]:
        """Cut off the windows along the edges that differ from the many inside."""
        for rows in _around_longest_run(self.rows):
            for columns in _around_longest_run(self.columns):
                yield rows, columns, self.cut(rows, columns)


def _around_longest_run(counts: IntArray) -> list[slice]:
    """The longest run of equal numbers, and what lies before and after it."""
    if len(counts) == 1:
        return [slice(None)]
    borders = np.concatenate(([0], np.flatnonzero(np.diff(counts)) + 1, [len(counts)]))
    longest = int(np.argmax(np.diff(borders)))
    start, stop = int(borders[longest]), int(borders[longest + 1])
    cuts = [slice(0, start), slice(start, stop), slice(stop, len(counts))]
    return [cut for cut in cuts if cut.start < cut.stop]


def mean_dtype(image: np.dtype[Any], wanted: np.dtype[Any] | None) -> np.dtype[Any]:
    """The dtype of an average: `wanted`, or float32 for small integers, float64 for wide ones."""
    if wanted is not None:
        return wanted
    if image.kind == "f":
        return image
    return np.dtype(np.float32 if image.itemsize <= 2 else np.float64)


@lru_cache(maxsize=256)
def integer_sum_dtype(image: np.dtype[Any], count: int) -> np.dtype[Any]:
    """The narrowest dtype that holds the sum of `count` integers and their rounding: speed."""
    low, high = integer_range(image)
    signs = (np.uint16, np.uint32) if low >= 0 else (np.int16, np.int32)
    for dtype in signs:
        least, most = integer_range(np.dtype(dtype))
        if count * low >= least and count * (high + 1) <= most:
            return np.dtype(dtype)
    return np.dtype(np.int64)


def float_sum_dtype(image: np.dtype[Any], result: np.dtype[Any], depth: int) -> np.dtype[Any]:
    """The dtype to sum floats in, for windows whose tree of additions is `depth` levels deep."""
    single = image == result == np.float32 and depth <= SINGLE_DEPTH
    return np.dtype(np.float32 if single else np.float64)


def divide_integers(sums: Array, counts: Counts, saturates: bool, out: Array) -> None:
    """Write the mean of exact integer `sums` into `out`, rounded once; `sums` is used up.

    The windows of one size, nearly all, are divided by one number and in narrow integers.
    """
    parts = counts.parts() if sums.size > FEW else [(slice(None), slice(None), counts)]
    for i, j, part in parts:
        count = part.uniform()
        if count is None or not _divide_uniform(sums[i, j], count, saturates, out[i, j]):
            _divide_each(sums[i, j].astype(np.int64), part.each(), out[i, j])


def _divide_uniform(sums: Array, count: int, saturates: bool, out: Array) -> bool:
    """Divide by one number the fast way; False where that would not be exact."""
    if out.dtype.kind != "f":
        _round_half_even(sums, count)
        if saturates:
            low, high = integer_range(out.dtype)
            least, most = integer_range(sums.dtype)
            np.clip(sums, max(low, least), min(high, most), out=sums)
        np.copyto(out, sums, casting="unsafe")
        return True
    if out.dtype != np.float32 or count > SINGLE_SUM or not _within(sums, SINGLE_SUM):
        return False
    np.copyto(out, sums, casting="unsafe")
    _divide(out, count, out)
    return True


def _round_half_even(sums: Array, count: int) -> None:
    """Replace sums by the integer nearest to `sums / count`, the even one of two.

    Half of `count` is added before dividing down, and 1 less when that ends on an even number:
    only a tie, the smallest sum to be rounded up, can tell the difference.
    """
    if count == 1:
        return
    divide: np.ufunc = np.floor_divide
    divisor = count
    if count & (count - 1) == 0:
        divide, divisor = np.right_shift, count.bit_length() - 1
    kind = sums.dtype.type
    if count % 2:
        np.add(sums, kind(count // 2), out=sums)
    else:
        odd = scratch("parity", sums.shape, sums.dtype)
        divide(sums, kind(divisor), out=odd)
        np.bitwise_and(odd, kind(1), out=odd)
        np.add(sums, odd, out=sums)
        np.add(sums, kind(count // 2 - 1), out=sums)
    divide(sums, kind(divisor), out=sums)


def _within(sums: Array, limit: int) -> bool:
    """True when all sums lie between `-limit` and `limit`; read off the dtype if that is enough."""
    low, high = integer_range(sums.dtype)
    if -limit <= low and high <= limit:
        return True
    return -limit <= int(sums.min()) and int(sums.max()) <= limit


def _divide_each(sums: IntArray, counts: IntArray, out: Array) -> None:
    """Divide each sum by its own number of pixels."""
    means = sums / counts
    store(means, out)
    doubtful = (np.abs(means) * counts >= EXACT_SUM) | (counts >= EXACT_COUNT)
    if doubtful.any():
        chosen = np.nonzero(doubtful)
        pixels = np.broadcast_to(counts, sums.shape)[chosen]
        out[chosen] = [
            _exact(int(s), int(n), out.dtype) for s, n in zip(sums[chosen], pixels, strict=True)
        ]


def divide_wide_integers(high: IntArray, low: IntArray, counts: Counts, out: Array) -> None:
    """Write the mean of the sums `high * 2**32 + low`, which 64 bits may not hold, into `out`."""
    narrow = np.abs(high) < 2**19
    each = counts.each()
    _divide_each(np.where(narrow, (high << 32) + low, 0), each, out)
    chosen = np.nonzero(~narrow)
    totals = [(int(h) << 32) + int(part) for h, part in zip(high[chosen], low[chosen], strict=True)]
    pixels = np.broadcast_to(each, high.shape)[chosen]
    out[chosen] = [_exact(s, int(n), out.dtype) for s, n in zip(totals, pixels, strict=True)]


def divide_floats(sums: Array, counts: Counts) -> None:
    """Turn float sums into means, in place."""
    count = counts.uniform()
    if count is None:
        np.divide(sums, counts.each().astype(sums.dtype), out=sums)
    else:
        _divide(sums, count, sums)


def _divide(values: Array, count: int, out: Array) -> None:
    """Divide floats; by a power of two, multiplying is as exact and faster."""
    if count & (count - 1) == 0:
        np.multiply(values, values.dtype.type(1 / count), out=out)
    else:
        np.divide(values, values.dtype.type(count), out=out)


def all_finite(values: Array) -> bool:
    """True when no value is infinite or NaN; False also for values that are nearly infinite."""
    return bool(np.isfinite(values.max() - values.min()))


def settle(values: Array) -> None:
    """Give floats one zero and one NaN in place; they compare equal but differ in their bits."""
    if values.dtype.kind == "f":
        np.add(values, values.dtype.type(0), out=values)
        if np.isnan(values.max()):
            values[np.isnan(values)] = np.nan


def store(means: Array, out: Array) -> None:
    """Write float means into `out`: as floats, or rounded half to even and saturated."""
    if out.dtype.kind == "f":
        if means is not out:
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


@lru_cache(maxsize=32)
def integer_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Smallest and largest value of an integer dtype; bool counts as the integers 0 and 1."""
    if dtype.kind == "b":
        return 0, 1
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)
