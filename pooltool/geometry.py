"""Where windows lie along the rows and columns of an image: whole numbers only, no arrays.

Positions and sizes are in pixels. Pairs are (height, width): rows before columns.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import ClassVar, Literal

from pooltool.data_format import DataFormat, likelier, row_axis
from pooltool.errors import WindowError

Size = int | tuple[int, int]
Pair = tuple[int, int]
Padding = Literal["valid", "same"] | int | Pair | tuple[Pair, Pair]
ResolvedPadding = Literal["valid", "same"] | tuple[Pair, Pair]
OutputSize = int | tuple[int | None, int | None]


@dataclass(frozen=True)
class Axis:
    """Windows of one size and stride along `size` pixels.

    Window `i` holds the pixels `i * stride - before + tap * dilation` for `tap` in
    `range(pool_size)`; those below 0 or from `size` on are padding.
    """

    size: int
    pool_size: int
    stride: int
    dilation: int
    before: int
    after: int
    count: int
    unseen: Pair = (0, 0)
    """Taps that windows have before and after these, on padding in every window."""

    @property
    def extent(self) -> int:
        """Pixels from a window's first to its last, the gaps of dilation included."""
        return self.dilation * (self.pool_size - 1) + 1

    @property
    def is_regular(self) -> bool:
        """True when every window holds `pool_size` pixels: none reaches out of the image."""
        end = self.count * self.stride - self.before - self.stride + self.extent
        return self.before <= 0 and end <= self.size and self.unseen == (0, 0)

    @property
    def reduction(self) -> float:
        """Pixels of the image that one result stands for."""
        return self.stride

    def start(self, index: int) -> int:
        """Position of the first pixel of window `index`; negative in the padding before."""
        return index * self.stride - self.before

    def span(self, first: int, last: int) -> Pair:
        """Half-open range of pixels, padding included, that windows `first` to `last - 1` cover."""
        start = first * self.stride - self.before
        return start, start + (last - 1 - first) * self.stride + self.extent

    def pixels(self, index: int, *, count_padding: bool = False) -> int:
        """Pixels of window `index` inside the image, or inside image and padding together."""
        start, first, end, size = self.start(index), 0, self.pool_size, self.size
        if count_padding:  # which no window reaches out of before the image
            first, end, size = -self.unseen[0], end + self.unseen[1], size + self.after
        else:
            first = max(0, -(start // self.dilation))
        return max(0, min(end, -((start - size) // self.dilation)) - first)

    def counts(self, *, count_padding: bool = False) -> list[int]:
        """`pixels` of every window. Only the few at the ends can hold less than the pool size."""
        whole = self.inside() if self.unseen == (0, 0) else range(0)
        counts = [self.pool_size] * self.count
        for index in (*range(whole.start), *range(whole.stop, self.count)):
            counts[index] = self.pixels(index, count_padding=count_padding)
        return counts

    def inside(self) -> range:
        """The windows that lie in the image as a whole."""
        first = min(self.count, max(0, -(-self.before // self.stride)))
        fitting = (self.size - self.extent + self.before) // self.stride + 1
        return range(first, max(first, min(fitting, self.count)))

    def part(self, first: int, last: int) -> tuple[int, int, Axis]:
        """The pixels `low` to `high - 1` that windows `first` to `last - 1` need, and those
        windows laid over just these pixels.
        """
        start, end = self.span(first, last)
        low, high = max(start, 0), min(end, self.size)
        if (low, high, last - first) == (0, self.size, self.count):
            return low, high, self
        after = min(end + self.unseen[1] * self.dilation, self.size + self.after) - high
        before, size, windows = low - start, high - low, last - first
        laid = Axis(
            size, self.pool_size, self.stride, self.dilation, before, after, windows, self.unseen
        )
        return low, high, laid


@dataclass(frozen=True)
class AdaptiveAxis:
    """`count` windows that together cover `size` pixels, as evenly as whole pixels allow.

    Window `i` covers `floor(i * size / count)` to `ceil((i + 1) * size / count)`: the rule of
    PyTorch's adaptive pooling. `count` does not divide `size` (else windows are an `Axis`), so its
    length takes at most two values, one pixel apart.
    """

    size: int
    count: int
    whole: Pair
    """Pixels and windows of the axis that this is a part of, or is."""
    first: int = 0
    """Which of those windows is the first here."""
    dilation: ClassVar[int] = 1
    is_regular: ClassVar[bool] = False
    """There are windows of two sizes."""

    @property
    def shorter(self) -> int:
        """Pixels of the smaller windows; the larger ones have one more."""
        return self.whole[0] // self.whole[1] + 1

    @property
    def pool_size(self) -> int:
        """Pixels of the larger windows; none has more."""
        return min(self.whole[0], self.shorter + 1)

    @property
    def extent(self) -> int:
        """The same: there are no gaps."""
        return self.pool_size

    @property
    def stride(self) -> int:
        """Pixels from one window to the next, rounded down, but never 0."""
        return max(1, self.shorter - 1)

    @property
    def reduction(self) -> float:
        """Pixels of the image that one result stands for."""
        return self.whole[0] / self.whole[1]

    def start(self, index: int) -> int:
        """Position of the first pixel of window `index`."""
        size, count = self.whole
        return (self.first + index) * size // count - self.first * size // count

    def stop(self, index: int) -> int:
        """Position after the last pixel of window `index`."""
        size, count = self.whole
        return -(-(self.first + index + 1) * size // count) - self.first * size // count

    def span(self, first: int, last: int) -> Pair:
        """Half-open range of pixels that windows `first` to `last - 1` cover."""
        return self.start(first), self.stop(last - 1)

    def pixels(self, index: int, *, count_padding: bool = False) -> int:
        """Pixels of window `index`; there is never padding to count."""
        return self.stop(index) - self.start(index)

    def counts(self, *, count_padding: bool = False) -> list[int]:
        """`pixels` of every window."""
        return [self.pixels(index) for index in range(self.count)]

    def inside(self) -> range:
        """The windows that lie in the image as a whole: all of them."""
        return range(self.count)

    def part(self, first: int, last: int) -> tuple[int, int, AdaptiveAxis]:
        """The pixels `low` to `high - 1` that windows `first` to `last - 1` cover, and those
        windows laid over just these pixels.
        """
        low, high = self.span(first, last)
        return low, high, AdaptiveAxis(high - low, last - first, self.whole, self.first + first)


AnyAxis = Axis | AdaptiveAxis


@dataclass(frozen=True)
class Windows:
    """The window settings of a pooling layer, checked as far as they can be without an image."""

    pool_size: Pair = (2, 2)
    stride: Pair = (2, 2)
    padding: ResolvedPadding = "valid"
    dilation: Pair = (1, 1)
    ceil_mode: bool = False

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
        down_right = pool if stride is None else pair("stride", stride)
        dilated = pair("dilation", dilation)
        return cls(pool, down_right, _resolve_padding(padding), dilated, bool(ceil_mode))

    def axes(
        self, shape: tuple[int, ...], data_format: DataFormat = "channels_last"
    ) -> tuple[Axis, Axis]:
        """Lay the windows over an image of `shape`; raise `WindowError` if they cannot lie so."""
        first = row_axis(len(shape), data_format)
        try:
            return _lay(self, shape[first], shape[first + 1])
        except WindowError as error:
            error = with_shape(error, shape)
            if other := likelier(shape, data_format):
                error.reason += f"; if it is {other.replace('_', ' ')}, say {{data_format}}"
                error.settings["data_format"] = other
            raise error from None

    def along(self, size: int, axis: int) -> Axis:
        """Lay the windows along `size` pixels of axis 0, the rows, or 1, the columns.

        Their number is that of PyTorch's pooling layers and of ONNX:
        `floor((size + padding - dilation * (pool_size - 1) - 1) / stride) + 1`, or `ceil` of it
        less a last window that would start in the padding after the image.
        """
        pool, stride, dilation = self.pool_size[axis], self.stride[axis], self.dilation[axis]
        extent = dilation * (pool - 1) + 1
        if self.padding == "same":
            count = -(-size // stride)
            total = max((count - 1) * stride + extent - size, 0)
            before, after = total // 2, total - total // 2
        else:
            before, after = (0, 0) if self.padding == "valid" else self.padding[axis]
            room = size + before + after - extent
            count = (-(-room // stride) if self.ceil_mode else room // stride) + 1
            if self.ceil_mode and count > 1 and (count - 1) * stride >= size + before:
                count -= 1
        if count < 1:
            dilated = "" if extent == pool else ", {dilation}"
            raise WindowError(
                f"{{pool_size}}{dilated} does not fit: a window takes {extent} "
                f"{('rows', 'columns')[axis]}, the image has {size} and {{padding}}; "
                "use a smaller pool size or {padding:same}",
                pool_size=self.pool_size,
                dilation=self.dilation,
                padding=self.padding,
            )
        laid = Axis(size, pool, stride, dilation, before, after, count)
        # Windows without gaps that begin before the image all reach it if the first one does. With
        # gaps wider than the image, one of the first `size + 1` misses it if any does: they meet
        # it at different pixels, or all at the same ones.
        first = range(min(count, -(-before // stride), size + 1) if dilation > 1 else 1)
        padded = chain(first, [count - 1])
        if (before or after) and not all(map(laid.pixels, padded)):
            raise WindowError(
                f"{{padding}} leaves a window without a {('row', 'column')[axis]} of the image "
                "({pool_size}, {dilation}); use less padding",
                pool_size=self.pool_size,
                dilation=self.dilation,
                padding=self.padding,
            )
        return laid if extent <= size else _without_unseen(laid)


def _without_unseen(axis: Axis) -> Axis:
    """The same windows less the taps that lie on padding in all of them: a window of any size
    then costs no more than one of twice the image's.
    """
    first = max(0, -((axis.start(axis.count - 1)) // axis.dilation))
    last = min(axis.pool_size - 1, (axis.size - 1 + axis.before) // axis.dilation)
    return replace(
        axis,
        pool_size=last - first + 1,
        before=axis.before - first * axis.dilation,
        unseen=(first, axis.pool_size - 1 - last),
    )


@lru_cache(maxsize=64)
def _lay(windows: Windows, height: int, width: int) -> tuple[Axis, Axis]:
    """Remember the last layouts: that is a fifth of what a call on a small image costs."""
    return windows.along(height, 0), windows.along(width, 1)


@dataclass(frozen=True)
class AdaptiveWindows:
    """Adaptive pooling: windows chosen so that exactly `output_size` results come out, or as many
    as there are pixels where it is None.
    """

    output_size: tuple[int | None, int | None]

    @classmethod
    def of(cls, output_size: OutputSize) -> AdaptiveWindows:
        """Check the size; raise `WindowError` when it is not one or two positive integers."""
        if isinstance(output_size, (tuple, list)) and len(output_size) == 2 and None in output_size:
            height, width = (
                None if side is None else pair("output_size", (side, side))[0]
                for side in output_size
            )
            return cls((height, width))
        return cls(pair("output_size", output_size))

    def axes(
        self, shape: tuple[int, ...], data_format: DataFormat = "channels_last"
    ) -> tuple[AnyAxis, AnyAxis]:
        """Lay the windows over an image of `shape`."""
        first = row_axis(len(shape), data_format)
        axes: list[AnyAxis] = []
        for size, output in zip(shape[first : first + 2], self.output_size, strict=True):
            count = output or size
            if count > max(size, MOST_OUTPUTS):
                raise WindowError(
                    f"{{output_size}} is more than {MOST_OUTPUTS} rows or columns, and than the "
                    f"image has (image shape {shape})",
                    output_size=self.output_size,
                )
            length, rest = divmod(size, count)
            even = Axis(size, length, length, 1, 0, 0, count)
            axes.append(AdaptiveAxis(size, count, (size, count)) if rest else even)
        return axes[0], axes[1]


LARGEST = 2**31 - 1
"""No setting is larger, so that what is computed of two of them fits into 64 bits."""
MOST_OUTPUTS = 1 << 18
"""An adaptive result that has more rows or columns than its image has no more than these."""
AnyWindows = Windows | AdaptiveWindows


def with_shape(error: WindowError, shape: tuple[int, ...]) -> WindowError:
    """The error with the image's shape in its text."""
    return WindowError(f"{error.reason} (image shape {shape})", **error.settings)


def pair(name: str, value: object, *, at_least: int = 1) -> Pair:
    """Read an int or a (height, width) pair of integers `>= at_least`; raise `WindowError`."""
    if type(value) is int and at_least <= value <= LARGEST:
        return value, value
    values = value if isinstance(value, (tuple, list)) else (value, value)
    if len(values) == 2 and all(map(is_integer, values)):
        height, width = operator.index(values[0]), operator.index(values[1])
        if max(height, width) > LARGEST:
            raise WindowError(f"{{{name}}} is more than {LARGEST}", **{name: (height, width)})
        if height >= at_least and width >= at_least:
            return height, width
    wanted = "a positive integer" if at_least == 1 else "an integer of 0 or more"
    raise WindowError(
        f"{name}={value!r} is not {wanted} or a (height, width) pair of them, such as 2 or (2, 3)"
    )


def is_integer(value: object) -> bool:
    """True for int and its kin, numpy's included; bool, float, arrays and str are refused."""
    is_bool = type(value).__name__ in ("bool", "bool_")
    return hasattr(value, "__index__") and not is_bool and not hasattr(value, "__len__")


def _resolve_padding(padding: object) -> ResolvedPadding:
    if isinstance(padding, str):
        if padding.lower() in ("valid", "same"):
            return "valid" if padding.lower() == "valid" else "same"
        raise WindowError(
            f"padding={padding!r} is not 'valid', 'same', an integer, (height, width) "
            "or ((top, bottom), (left, right))"
        )
    if isinstance(padding, (tuple, list)) and len(padding) == 2:
        rows, columns = padding
        if isinstance(rows, (tuple, list)) and isinstance(columns, (tuple, list)):
            return pair("padding", rows, at_least=0), pair("padding", columns, at_least=0)
    height, width = pair("padding", padding, at_least=0)
    return (height, height), (width, width)
