"""The positions of windows along the rows and columns of an image: integers only, no arrays.

Positions and sizes are in pixels. Pairs are (height, width): rows before columns.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from math import gcd
from numbers import Integral
from typing import Literal, NamedTuple

from pooltool.errors import WindowError

DataFormat = Literal["channels_last", "channels_first"]
"""The order of an array's axes, by Keras' names: (H, W), (H, W, C) or (N, H, W, C) is channels
last, (H, W), (C, H, W) or (N, C, H, W) channels first."""
Size = int | tuple[int, int]
Pair = tuple[int, int]
Padding = Literal["valid", "same"] | int | Pair | tuple[Pair, Pair]
ResolvedPadding = Literal["valid", "same"] | tuple[Pair, Pair]
OutputSize = int | tuple[int | None, int | None]

LARGEST = 2**31 - 1
"""Largest value of a setting, so that products of two fit into 64 bits."""
LARGEST_EXTENT = 1 << 16
"""Pixels, in addition to 16 times the image, that a window with its padding may span."""
MOST_OUTPUTS = 1 << 18
"""Most rows or columns of an adaptive result that is larger than its image."""


class Axis:
    """Windows along `size` pixels, each of `pool_size` pixels that are `dilation` apart.

    Window `i` begins at `starts[i]`; its pixels below 0 or from `size` on are padding. Adaptive
    windows hold `lengths[i]` pixels, `pool_size` or one less; they are always inside the image.

    Pixels that are padding in every window are left out, so that one of any size costs no more
    than one of twice the image's. `count_include_pad` counts them as if they came last.
    """

    def __init__(
        self,
        size: int,
        starts: range | tuple[int, ...],
        pool_size: int,
        stride: int,
        dilation: int = 1,
        lengths: tuple[int, ...] = (),
        after: int = 0,
        unseen: int = 0,
    ) -> None:
        self.size, self.starts, self.pool_size, self.lengths = size, starts, pool_size, lengths
        self.stride = stride
        """Pixels from one window to the next; of adaptive windows, the least of them."""
        self.dilation = dilation
        self.after = after
        """Pixels of padding after the image, which `count_include_pad` counts."""
        self.unseen = unseen
        """Pixels of each window that are left out."""
        self.count = count = len(starts)
        """Number of windows."""
        self.extent = dilation * (pool_size - 1) + 1
        """Pixels from the first to the last of the largest window, gaps included."""
        self.reduction = size / count if lengths else stride
        """Pixels of the image that one result stands for."""
        self.period = min(pool_size, stride // gcd(stride, dilation))
        """After so many taps they fall on the first taps of other windows; at most all taps."""
        first, end = 0, count
        if not lengths:
            first = min(count, max(0, -(starts[0] // stride)))
            end = max(first, min(count, (size - self.extent - starts[0]) // stride + 1))
        self.inside = range(0) if unseen else range(first, end)
        """The windows that are completely inside the image."""
        self.is_regular = not lengths and len(self.inside) == count
        """True when every window holds `pool_size` pixels of the image."""

    @cached_property
    def taps(self) -> list[slice]:
        """Where each tap of all windows is, of windows inside the image that are not adaptive."""
        end = (self.count - 1) * self.stride + 1
        return [slice(tap, tap + end, self.stride) for tap in range(0, self.extent, self.dilation)]

    @cached_property
    def whole(self) -> tuple[int, int, Axis]:
        """`part` of all windows."""
        return self.part(0, self.count)

    def span(self, first: int, last: int) -> Pair:
        """Half-open range of pixels, padding included, that windows `first` to `last - 1` cover."""
        length = self.lengths[last - 1] if self.lengths else self.extent
        return self.starts[first], self.starts[last - 1] + length

    def part(self, first: int, last: int) -> tuple[int, int, Axis]:
        """The pixels `low` to `high - 1` that windows `first` to `last - 1` need, and the windows
        over just these pixels.
        """
        start, end = self.span(first, last)
        low, high = max(start, 0), min(end, self.size)
        if (low, high, last - first) == (0, self.size, self.count):
            return low, high, self
        starts = self.starts[first:last]
        if isinstance(starts, range):
            moved: range | tuple[int, ...] = range(start - low, starts.stop - low, starts.step)
        else:
            moved = tuple(begin - low for begin in starts)
        # More than a window's is as good as that: parts far from the end are then alike.
        after = min(self.size + self.after - high, (self.pool_size + self.unseen) * self.dilation)
        taps = self.pool_size, self.stride, self.dilation, self.lengths[first:last]
        return low, high, _part(high - low, moved, *taps, after, self.unseen)

    def pixels(self, index: int) -> range:
        """The pixels of window `index` that are inside the image."""
        length = self.lengths[index] if self.lengths else self.pool_size
        start, step = self.starts[index], self.dilation
        first = max(0, -(start // step))
        return range(start + first * step, min(start + length * step, self.size), step)


_part = lru_cache(maxsize=64)(Axis)
"""Most parts of an axis are alike, and what they work out is then worked out once."""


class Windows(NamedTuple):
    """The window settings of a pooling layer or, if it has an `output_size`, of an adaptive one."""

    pool_size: Pair = (2, 2)
    stride: Pair = (2, 2)
    padding: ResolvedPadding = "valid"
    dilation: Pair = (1, 1)
    ceil_mode: bool = False
    output_size: tuple[int | None, int | None] | None = None
    """Adaptive pooling: windows are chosen so that so many results come out, as many as there are
    pixels where it is None. The other settings then mean nothing."""

    @classmethod
    def of(
        cls,
        pool_size: Size = 2,
        stride: Size | None = None,
        padding: Padding = "valid",
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> Windows:
        """Check each setting and fill in the stride; raise `WindowError` naming the bad one."""
        pool = pair("pool_size", pool_size)
        strides = pool if stride is None else pair("stride", stride)
        return cls(pool, strides, _padding(padding), pair("dilation", dilation), bool(ceil_mode))

    @classmethod
    def adaptive(cls, output_size: OutputSize) -> Windows:
        """Check the size; raise `WindowError` when it is not one or two positive integers."""
        given = output_size if isinstance(output_size, (tuple, list)) else ()
        if len(given) == 2 and any(side is None for side in given):
            height, width = (
                None if side is None else pair("output_size", (side, side), given)[0]
                for side in given
            )
            return cls(output_size=(height, width))
        return cls(output_size=pair("output_size", output_size))

    @lru_cache(maxsize=64)  # noqa: B019 (these are values, and small)
    def axes(
        self, shape: tuple[int, ...], data_format: DataFormat = "channels_last"
    ) -> tuple[Axis, Axis]:
        """The windows over an image of `shape`; raise `WindowError` where there can be none."""
        first = row_axis(len(shape), data_format)
        try:
            return _axis(self, shape[first], 0), _axis(self, shape[first + 1], 1)
        except WindowError as error:
            error.settings.update(self._asdict())
            is_last = data_format == "channels_last"
            if looks_channels_first(shape if is_last else shape[-3:][::-1]):
                other = "channels_first" if is_last else "channels_last"
                error.reason += f"; if it is {other.replace('_', ' ')}, use {{data_format}}"
                error.settings["data_format"] = other
            error.ending = f" (image shape {shape})"
            raise


def _axis(windows: Windows, size: int, number: int) -> Axis:
    """The windows along `size` pixels of axis 0, the rows, or 1, the columns.

    Their number is as PyTorch's pooling layers and ONNX have it: `floor((size + padding -
    dilation * (pool_size - 1) - 1) / stride) + 1`, or `ceil` of it less a last window that would
    start in the padding after the image.
    """
    if windows.output_size is not None:
        return _adaptive_axis(windows.output_size[number] or size, size)
    pool, stride = windows.pool_size[number], windows.stride[number]
    dilation, padding = windows.dilation[number], windows.padding
    extent = dilation * (pool - 1) + 1
    if padding == "same":
        count = -(-size // stride)
        total = max((count - 1) * stride + extent - size, 0)
        before, after = total // 2, total - total // 2
    else:
        before, after = (0, 0) if padding == "valid" else padding[number]
        room = size + before + after - extent
        count = (-(-room // stride) if windows.ceil_mode else room // stride) + 1
        if windows.ceil_mode and count > 1 and (count - 1) * stride >= size + before:
            count -= 1
    noun = ("row", "column")[number]
    if count < 1:
        dilated = "" if extent == pool else ", {dilation}"
        raise WindowError(
            f"{{pool_size}}{dilated} does not fit: a window takes {extent} {noun}s, the image has "
            f"{size} and {{padding}}; use a smaller pool size or same padding"
        )
    last = (count - 1) * stride - before
    first_seen = max(0, -(last // dilation))
    seen = min(pool, (size - 1 + before) // dilation + 1) - first_seen
    shift = first_seen * dilation
    starts = range(shift - before, shift + last + 1, stride)
    axis = Axis(size, starts, seen, stride, dilation, (), shift + after, pool - seen)
    if axis.extent > 16 * size + LARGEST_EXTENT:
        raise WindowError(
            f"{{pool_size}} and {{dilation}} with {{padding}} make windows of {extent} {noun}s "
            f"over an image of {size}; use less"
        )
    early = min(count, -(starts[0] // stride)) if dilation > size else 0  # gaps may jump the image
    if -starts[0] >= axis.extent or starts[-1] >= size or not all(map(axis.pixels, range(early))):
        raise WindowError(
            f"{{padding}} leaves a window without a {noun} of the image "
            "({pool_size}, {dilation}); use less padding"
        )
    return axis


def _adaptive_axis(count: int, size: int) -> Axis:
    """Window `i` of n covers `floor(i * size / n)` to `ceil((i + 1) * size / n)`: the rule of
    PyTorch's adaptive pooling.
    """
    if count > max(size, MOST_OUTPUTS):
        reason = f"{{output_size}} is more than {MOST_OUTPUTS} rows or columns, and than the image "
        raise WindowError(f"{reason}has ({size})")
    length, rest = divmod(size, count)
    if not rest:
        return Axis(size, range(0, size, length), length, length)
    starts = tuple(index * size // count for index in range(count))
    stops = (-(-(index + 1) * size // count) for index in range(count))
    lengths = tuple(stop - start for start, stop in zip(starts, stops, strict=True))
    return Axis(size, starts, length + 2, max(1, length), lengths=lengths)


def pair(name: str, value: object, given: object = None) -> Pair:
    """Read an int or a (height, width) pair of positive integers, or of 0 in a padding; raise
    `WindowError`, which shows the value or what was `given`, if it is neither.
    """
    least = 0 if name == "padding" else 1
    if type(value) is int and least <= value <= LARGEST:
        return value, value
    sides = value if isinstance(value, (tuple, list)) else (value, value)
    if len(sides) == 2 and all(map(is_integer, sides)) and min(sides) >= least:
        height, width = map(int, sides)
        if max(height, width) > LARGEST:
            raise WindowError(f"{{{name}}} is more than {LARGEST}", **{name: (height, width)})
        return height, width
    wanted = "a positive integer or a (height, width) pair of them, such as 2 or (2, 3)"
    if name == "padding":
        wanted = "'valid', 'same', an integer of 0 or more, (height, width) or ((top, bottom), "
        wanted += "(left, right))"
    raise WindowError(f"{name}={given or value!r} is not {wanted}")


def is_integer(value: object) -> bool:
    """True for Python and numpy integers; False for bool, float, arrays and str."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _padding(padding: object) -> ResolvedPadding:
    if isinstance(padding, str) and padding.lower() in ("valid", "same"):
        return "valid" if padding.lower() == "valid" else "same"
    if isinstance(padding, (tuple, list)) and len(padding) == 2:
        rows, columns = padding
        if isinstance(rows, (tuple, list)) and isinstance(columns, (tuple, list)):
            return pair("padding", rows), pair("padding", columns)
    height, width = pair("padding", padding)
    return (height, height), (width, width)


def row_axis(ndim: int, data_format: DataFormat) -> int:
    """The axis of rows of an array; that of the columns is the next."""
    return ndim - 2 if data_format == "channels_first" else max(0, ndim - 3)


def looks_channels_first(shape: tuple[int, ...]) -> bool:
    """True for a shape whose axis before the last two is small and whose last one is not: at most
    4, or a quarter of both others.
    """
    if len(shape) < 3:
        return False
    small = max(4, sorted(shape[-3:])[1] // 4)
    return shape[-3] <= small < shape[-1]
