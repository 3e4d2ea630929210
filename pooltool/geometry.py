"""The positions of windows along the rows and columns of an image: integers only, no arrays.

Positions and sizes are in pixels. Pairs are (height, width): rows before columns.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

from pooltool.data_format import DataFormat, likelier, row_axis
from pooltool.errors import WindowError

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


@dataclass(frozen=True)
class Axis:
    """Windows along `size` pixels, each of `pool_size` pixels that are `dilation` apart.

    Window `i` begins at `starts[i]`; its pixels below 0 or from `size` on are padding. Adaptive
    windows hold `lengths[i]` pixels, `pool_size` or one more; they are always inside the image.
    """

    size: int
    starts: range | tuple[int, ...]
    pool_size: int
    dilation: int = 1
    lengths: tuple[int, ...] = ()
    after: int = 0
    """Pixels of padding after the image, which `count_include_pad` counts."""
    unseen: Pair = (0, 0)
    """Pixels that windows have before and after these, on padding in every window."""

    @cached_property
    def count(self) -> int:
        """Number of windows."""
        return len(self.starts)

    @cached_property
    def stride(self) -> int:
        """Pixels from one window to the next; of adaptive windows, the least of them."""
        return self.starts.step if isinstance(self.starts, range) else max(1, self.pool_size - 1)

    @cached_property
    def extent(self) -> int:
        """Pixels from the first to the last of the largest window, gaps included."""
        return self.dilation * (self.most - 1) + 1

    @cached_property
    def most(self) -> int:
        """Pixels of the largest window."""
        return self.pool_size + bool(self.lengths)

    @cached_property
    def is_regular(self) -> bool:
        """True when every window holds `pool_size` pixels of the image."""
        if self.lengths or self.unseen != (0, 0):
            return False
        return self.starts[0] >= 0 and self.starts[-1] + self.extent <= self.size

    @cached_property
    def taps(self) -> list[slice]:
        """Where each tap of all windows is, of windows inside the image that are not adaptive."""
        end = (self.count - 1) * self.stride + 1
        return [slice(tap, tap + end, self.stride) for tap in range(0, self.extent, self.dilation)]

    @cached_property
    def whole(self) -> tuple[int, int, Axis]:
        """`part` of all windows."""
        return self.part(0, self.count)

    @property
    def reduction(self) -> float:
        """Pixels of the image that one result stands for."""
        return self.size / self.count if self.lengths else self.stride

    def span(self, first: int, last: int) -> Pair:
        """Half-open range of pixels, padding included, that windows `first` to `last - 1` cover."""
        length = self.lengths[last - 1] if self.lengths else self.extent
        return self.starts[first], self.starts[last - 1] + length

    def pixels(self, index: int, *, count_padding: bool = False) -> range:
        """The pixels of window `index` inside the image, or inside image and padding together."""
        length = self.lengths[index] if self.lengths else self.pool_size
        start, end, step = self.starts[index], self.size, self.dilation
        if count_padding:  # which no window reaches out of before the image
            first, end = start - self.unseen[0] * step, end + self.after
            length += self.unseen[1]
        else:
            first = start + max(0, -(start // step)) * step
        return range(first, min(start + (length - 1) * step + 1, end), step)

    def counts(self, *, count_padding: bool = False) -> list[int]:
        """`pixels` of every window; only a few at the ends have less than the pool size."""
        if self.lengths:
            return list(self.lengths)
        whole = self.inside() if self.unseen == (0, 0) else range(0)
        counts = [self.pool_size] * self.count
        for index in (*range(whole.start), *range(whole.stop, self.count)):
            counts[index] = len(self.pixels(index, count_padding=count_padding))
        return counts

    def inside(self) -> range:
        """The windows that are completely inside the image."""
        if self.lengths:
            return range(self.count)
        first = min(self.count, max(0, -(self.starts[0] // self.stride)))
        fitting = (self.size - self.extent - self.starts[0]) // self.stride + 1
        return range(first, max(first, min(fitting, self.count)))

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
        after = min(end + self.unseen[1] * self.dilation, self.size + self.after) - high
        lengths = self.lengths[first:last]
        size, pool_size, dilation = high - low, self.pool_size, self.dilation
        return low, high, Axis(size, moved, pool_size, dilation, lengths, after, self.unseen)


class _Settings:
    """Settings of windows, checked as far as they can be without an image."""

    def along(self, size: int, axis: int) -> Axis:
        """The windows along `size` pixels of axis 0, the rows, or 1, the columns."""
        raise NotImplementedError

    def axes(
        self, shape: tuple[int, ...], data_format: DataFormat = "channels_last"
    ) -> tuple[Axis, Axis]:
        """The windows over an image of `shape`; raise `WindowError` where there can be none."""
        first = row_axis(len(shape), data_format)
        try:
            return _axes(self, shape[first], shape[first + 1])
        except WindowError as error:
            error = with_shape(error, shape)
            if other := likelier(shape, data_format):
                error.reason += f"; if it is {other.replace('_', ' ')}, use {{data_format}}"
                error.settings["data_format"] = other
            raise error from None


@lru_cache(maxsize=64)
def _axes(windows: _Settings, height: int, width: int) -> tuple[Axis, Axis]:
    """Remember the last axes: that is a fifth of what a call on a small image costs."""
    return windows.along(height, 0), windows.along(width, 1)


@dataclass(frozen=True)
class Windows(_Settings):
    """The window settings of a pooling layer."""

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

    def along(self, size: int, axis: int) -> Axis:
        """The windows along `size` pixels, in number as PyTorch's pooling layers and ONNX have it:
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
            raise self._refusal(
                f"{{pool_size}}{dilated} does not fit: a window takes {extent} "
                f"{('rows', 'columns')[axis]}, the image has {size} and {{padding}}; "
                "use a smaller pool size or same padding"
            )
        starts = range(-before, count * stride - before, stride)
        windows = Axis(size, starts, pool, dilation, after=after)
        if (before or after) and _misses_image(windows):
            raise self._refusal(
                f"{{padding}} leaves a window without a {('row', 'column')[axis]} of the image "
                "({pool_size}, {dilation}); use less padding"
            )
        if extent > size:
            windows = _without_unseen(windows)
            if windows.extent > 16 * size + LARGEST_EXTENT:
                raise self._refusal(
                    f"{{pool_size}} and {{dilation}} with {{padding}} make windows of {extent} "
                    f"{('rows', 'columns')[axis]} over an image of {size}; use less"
                )
        return windows

    def _refusal(self, reason: str) -> WindowError:
        settings = {"pool_size": self.pool_size, "dilation": self.dilation, "padding": self.padding}
        return WindowError(reason, **settings)


def _misses_image(axis: Axis) -> bool:
    """True when a window has no pixel of the image.

    Windows without gaps that begin before the image all reach it if the first one does. With gaps
    wider than the image, one of the first `size + 1` misses it if any does: they meet it at
    different pixels, or all at the same ones.
    """
    first = min(axis.count, -(axis.starts[0] // axis.stride), axis.size + 1)
    first = first if axis.dilation > 1 else 1
    return not all(map(axis.pixels, (*range(first), axis.count - 1)))


def _without_unseen(axis: Axis) -> Axis:
    """The same windows less the pixels that are padding in all of them: a window of any size then
    costs no more than one of twice the image's.
    """
    first = max(0, -(axis.starts[-1] // axis.dilation))
    last = min(axis.pool_size - 1, (axis.size - 1 - axis.starts[0]) // axis.dilation)
    moved = first * axis.dilation
    starts = range(axis.starts[0] + moved, axis.starts[-1] + moved + axis.stride, axis.stride)
    unseen = first, axis.pool_size - 1 - last
    return replace(axis, starts=starts, pool_size=last - first + 1, unseen=unseen)


@dataclass(frozen=True)
class AdaptiveWindows(_Settings):
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

    def along(self, size: int, axis: int) -> Axis:
        """Window `i` of n covers `floor(i * size / n)` to `ceil((i + 1) * size / n)`: the rule of
        PyTorch's adaptive pooling.
        """
        count = self.output_size[axis] or size
        if count > max(size, MOST_OUTPUTS):
            reason = f"{{output_size}} is more than {MOST_OUTPUTS} rows or columns, and than the "
            raise WindowError(reason + f"image has ({size})", output_size=self.output_size)
        length, rest = divmod(size, count)
        if not rest:
            return Axis(size, range(0, size, length), length)
        starts = tuple(index * size // count for index in range(count))
        stops = (-(-(index + 1) * size // count) for index in range(count))
        lengths = tuple(stop - start for start, stop in zip(starts, stops, strict=True))
        return Axis(size, starts, length + 1, lengths=lengths)


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
    """True for Python and numpy integers; False for bool, float, arrays and str."""
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
