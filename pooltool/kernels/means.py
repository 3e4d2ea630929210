"""How a mean is summed, divided and rounded: the numeric rules of average pooling.

- Integers are summed exactly; their mean is rounded once, into the result's dtype.
- An integer result is rounded half to even and saturates at the ends of its dtype's range.
- Floats are summed as a tree, in float64 where the tree of a float32 would be too deep.
- A zero is +0.0 and a NaN is the one NaN of `numpy.nan`, so that equal input gives equal bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pooltool.errors import ArrayTypeError
from pooltool.geometry import AnyAxis
from pooltool.kernels.tiles import Memory
from pooltool.native import import_cv2

cv2 = import_cv2()
Array = NDArray[Any]
Write = Callable[[Array], None]
"""Writes the means of a tile, (rows, columns, C)."""
IntArray = NDArray[np.int64]

SINGLE_DEPTH = 15
"""Additions in a row that float32 bears: 16 roundings of 2**-24 stay within 1e-6."""
SINGLE_SUM = 2**24
"""Up to this float32 holds every integer, so that a quotient of two is rounded just once."""
EXACT_SUM = 2**52
"""Below this a float64 quotient of integers lies on the right side of every rounding tie."""
EXACT_COUNT = 2**28
"""Below this many pixels the same holds when the quotient is rounded on to float32."""
PIECE = 2**14
"""So many windows of different sizes are divided at a time: what that takes stays small."""


class Counts(NamedTuple):
    """Pixels that sums are divided by: window (i, j) holds `rows[i] * columns[j]` of them."""

    rows: IntArray
    columns: IntArray

    @classmethod
    def over(cls, rows: AnyAxis, columns: AnyAxis, count_padding: bool) -> Counts:
        """Count the pixels of the windows that lie so."""
        along = [axis.counts(count_padding=count_padding) for axis in (rows, columns)]
        return cls(np.array(along[0]), np.array(along[1]))

    def uniform(self) -> int | None:
        """The one number of pixels that all windows hold, if so."""
        if np.ptp(self.rows) or np.ptp(self.columns):
            return None
        return int(self.rows[0]) * int(self.columns[0])

    def pieces(self) -> Iterator[tuple[slice, IntArray]]:
        """Some rows of windows at a time, and the pixels of each window, (rows, columns, 1)."""
        step = max(1, PIECE // len(self.columns))
        for first in range(0, len(self.rows), step):
            rows = slice(first, first + step)
            yield rows, self.rows[rows, None, None] * self.columns[None, :, None]


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


def integer_divider(
    sums: Array, counts: Counts, saturates: bool, result: np.dtype[Any], memory: Memory
) -> Write:
    """Write the mean of the exact integers that `sums` will hold, rounded once.

    Windows of one size are divided by one number and in narrow integers; `sums` is used up.
    """
    count = counts.uniform()
    if count is None:
        return lambda out: _divide_each(sums, counts, out)
    if result.kind == "f":
        return _float_divider(sums, counts, count, result)
    if result == np.uint8 and not saturates and scales_exactly(count):
        return _scaling(sums, count)
    return _half_even(sums, count, saturates, result, memory)


def _float_divider(sums: Array, counts: Counts, count: int, result: np.dtype[Any]) -> Write:
    """Divide by one number into floats, in float32 where that holds the sums."""

    def write(out: Array) -> None:
        if result != np.float32 or count > SINGLE_SUM or not _within(sums, SINGLE_SUM):
            _divide_each(sums, counts, out)
            return
        np.copyto(out, sums, casting="unsafe")
        _divide(out, count, out)

    return write


def _scaling(sums: Array, count: int) -> Write:
    """Divide sums of bytes by OpenCV, in one pass."""
    rows = sums.reshape(len(sums), -1).view(sums.dtype.str.replace("u4", "i4"))

    def write(out: Array) -> None:
        target = out.reshape(rows.shape)
        scaled = cv2.convertScaleAbs(rows, target, 1 / count)
        assert np.may_share_memory(scaled, target)

    return write


@lru_cache(maxsize=256)
def scales_exactly(count: int) -> bool:
    """True when OpenCV divides all sums of `count` bytes as the rule for means has it.

    It multiplies by the reciprocal and rounds half to even, in float32. That is exact for powers
    of 2; of odd numbers, whose means are never ties, as long as errors stay below the distance of
    a mean from a tie. To be sure of every build of it, the sums beside all ties are tried.
    """
    if count * 255 >= SINGLE_SUM or (count % 2 == 0 and count & (count - 1)):
        return False
    beside = [count * n + half for n in range(255) for half in (count // 2, -(-count // 2))]
    sums = np.array([[*beside, 0, 255 * count]], np.int32)
    wanted = np.rint(sums / count)
    dtypes = (np.int32, np.uint16) if sums.max() <= 65535 else (np.int32,)
    return all(
        (cv2.convertScaleAbs(sums.astype(d), None, 1 / count) == wanted).all() for d in dtypes
    )


@lru_cache(maxsize=64)
def blurs_exactly(height: int, width: int) -> bool:
    """True when OpenCV's box filter rounds the mean of so many bytes to the nearest.

    It rounds ties up, but an odd number of pixels has none. It divides by shifts and a
    multiplication, in ways that differ with sizes. To be sure of every build of it, the sums on
    both sides of all ties are tried.
    """
    count = height * width
    sums = np.array([count * n + count // 2 + up for n in range(255) for up in (0, 1)])
    whole, rest = np.divmod(sums, count)
    bytes_ = whole.astype(np.uint8)[:, None] + (np.arange(count) < rest[:, None])
    side_by_side = bytes_.reshape(-1, height, width).swapaxes(0, 1).reshape(height, -1)
    means = cv2.blur(side_by_side, (width, height), anchor=(0, 0))[0, ::width]
    return bool((means == np.rint(sums / count)).all())


def _half_even(
    sums: Array, count: int, saturates: bool, result: np.dtype[Any], memory: Memory
) -> Write:
    """Round sums to the integer nearest to `sums / count`, the even one of two.

    Half of `count` is added before dividing down, and 1 less when that ends on an even number:
    only a tie, the smallest sum to be rounded up, can tell the difference.
    """
    kind, power = sums.dtype.type, count & (count - 1) == 0
    divide: np.ufunc = np.right_shift if power else np.floor_divide
    divisor = kind(count.bit_length() - 1 if power else count)
    parity = memory.take(sums.shape, sums.dtype) if count % 2 == 0 else None
    addend = kind(count // 2 - (count % 2 == 0))
    low, high = integer_range(result)
    least, most = integer_range(sums.dtype)
    limits = max(low, least), min(high, most)

    def write(out: Array) -> None:
        if parity is not None:
            divide(sums, divisor, out=parity)
            np.bitwise_and(parity, kind(1), out=parity)
            np.add(sums, parity, out=sums)
        if count > 1:
            np.add(sums, addend, out=sums)
            divide(sums, divisor, out=sums)
        if saturates:
            np.clip(sums, *limits, out=sums)
        np.copyto(out, sums, casting="unsafe")

    return write


def _within(sums: Array, limit: int) -> bool:
    """True when all sums lie between `-limit` and `limit`; read off the dtype if that is enough."""
    low, high = integer_range(sums.dtype)
    if -limit <= low and high <= limit:
        return True
    return -limit <= int(sums.min()) and int(sums.max()) <= limit


def _divide_each(sums: Array, counts: Counts, out: Array) -> None:
    """Divide each sum by its own number of pixels."""
    for rows, each in counts.pieces():
        _divide_piece(sums[rows].astype(np.int64), each, out[rows])


def _divide_piece(sums: IntArray, counts: IntArray, out: Array) -> None:
    means = sums / counts
    store(means, out)
    doubtful = (np.abs(means) * counts >= EXACT_SUM) | (counts >= EXACT_COUNT)
    if doubtful.any():
        chosen = np.nonzero(doubtful)
        _divide_exactly(sums[chosen].tolist(), counts, chosen, out)


def _divide_exactly(
    sums: list[int], counts: IntArray, chosen: tuple[IntArray, ...], out: Array
) -> None:
    """Divide the sums of the chosen windows in whole numbers of any length."""
    each = np.broadcast_to(counts, out.shape)[chosen].tolist()
    out[chosen] = [_exact(total, count, out.dtype) for total, count in zip(sums, each, strict=True)]


def divide_wide_integers(high: IntArray, low: IntArray, counts: Counts, out: Array) -> None:
    """Write the mean of the sums `high * 2**32 + low`, which 64 bits may not hold, into `out`."""
    for rows, each in counts.pieces():
        top, bottom, results = high[rows], low[rows], out[rows]
        narrow = np.abs(top) < 2**19
        _divide_piece(np.where(narrow, (top << 32) + bottom, 0), each, results)
        chosen = np.nonzero(~narrow)
        halves = zip(top[chosen].tolist(), bottom[chosen].tolist(), strict=True)
        _divide_exactly([(first << 32) + rest for first, rest in halves], each, chosen, results)


def float_divider(counts: Counts, dtype: np.dtype[Any]) -> Callable[[Array], None]:
    """Turn float sums of this dtype into means, in place."""
    count = counts.uniform()
    if count is not None:
        return lambda sums: _divide(sums, count, sums)

    def divide(sums: Array) -> None:
        for rows, each in counts.pieces():
            np.divide(sums[rows], each.astype(dtype), out=sums[rows])

    return divide


def _divide(values: Array, count: int, out: Array) -> None:
    """Divide floats; by a power of two, multiplying is as exact and faster."""
    if count & (count - 1) == 0:
        np.multiply(values, values.dtype.type(1 / count), out=out)
    else:
        np.divide(values, values.dtype.type(count), out=out)


def all_finite(values: Array) -> bool:
    """True when no value is infinite or NaN."""
    return bool(np.isfinite(values).all())


def settle(values: Array, finite: bool = False) -> None:
    """Give floats one zero and one NaN in place; they compare equal but differ in their bits."""
    if not finite and np.isnan(values.max()):
        values[np.isnan(values)] = np.nan
    negative_zero, signed = integer_range(_SIGNED[values.itemsize])[0], _SIGNED[values.itemsize]
    if values.view(signed).min() == negative_zero:  # no other float has bits that are less
        np.add(values, values.dtype.type(0), out=values)


_SIGNED = {size: np.dtype(f"i{size}") for size in (2, 4, 8)}


def store(means: Array, out: Array, finite: bool = False) -> None:
    """Write float means into `out`: as floats, or rounded half to even and saturated."""
    if out.dtype.kind == "f":
        if means is not out:
            np.copyto(out, means, casting="same_kind")
        settle(out, finite)
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
