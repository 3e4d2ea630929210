"""What is pooled: an image as planes, cut with its windows into tiles that stay in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import Axis, Windows
from pooltool.native import import_cv2

cv2 = import_cv2()
Array = NDArray[Any]
Method = Literal["max", "min", "avg", "median", "mode"]

ALL = slice(None)
NARROW = 256
"""So many windows along an axis are not parted into those inside the image and those that reach
out of it."""
LARGE_SIDE = 16
"""From so many rows on, windows that share no row are reduced one after the other. Up to so many
columns they may be reduced tap by tap."""
FEW = 16
"""So few planes or channels are copied one after the other: numpy would loop over the axis whose
values lie closest, and start anew for every pixel."""


class Pooling(NamedTuple):
    """What is taken from each window, and the settings of the windows."""

    method: Method
    windows: Windows
    count_include_pad: bool = False
    """avg: count padding as zeros in the mean."""
    dtype: np.dtype[Any] | None = None
    """avg: the result's dtype; None for what `means.mean_dtype` says."""
    divisor_override: int | None = None
    """avg: what sums are divided by instead of the number of pixels."""
    skip_nan: bool = False
    """Ignore NaN; a window that holds only NaN gives NaN."""


class Tile(NamedTuple):
    """Some windows, and the part of the image that they need."""

    pixels: Array
    """(planes, rows, columns, channels) of any memory layout and byte order."""
    rows: Axis
    columns: Axis
    where: tuple[slice, slice, slice] = (ALL, ALL, ALL)
    """The planes, rows and columns of the results."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The results: planes, rows, columns, channels."""
        return len(self.pixels), self.rows.count, self.columns.count, self.pixels.shape[3]

    def read(self, top: int, bottom: int, neutral: Any) -> Array:
        """Rows `top` to `bottom - 1` as (planes, rows, values), in this machine's byte order;
        `neutral` outside of the image.
        """
        planes, height, width, channels = self.pixels.shape
        flags, dtype = self.pixels[0, :1].flags, self.pixels.dtype.newbyteorder("=")
        is_in_order = flags.c_contiguous and flags.aligned and self.pixels.dtype.isnative
        if is_in_order and top >= 0 and bottom <= height:
            return self.pixels.reshape(planes, height, width * channels)[:, top:bottom]
        block = np.empty((planes, bottom - top, width, channels), dtype)
        inside = self.pixels[:, max(top, 0) : max(bottom, 0)]
        first = min(max(-top, 0), bottom - top)
        last = first + inside.shape[1]
        block[:, :first] = block[:, last:] = neutral
        copy_pixels(inside, block[:, first:last])
        return block.reshape(planes, bottom - top, width * channels)


def as_planes(image: Array, out: Array, first: int) -> tuple[Array, Array]:
    """View an image, whose rows are its axis `first`, and its result as (planes, rows, columns,
    channels). Channels that are adjacent in memory stay channels, others become planes.
    """
    if image.ndim == 2:
        return image[None, :, :, None], out[None, :, :, None]
    if image.ndim == 4 and first == 1:
        return image, out
    channel = image.ndim - 3 if first == image.ndim - 2 else 2
    by_plane = abs(image.strides[channel]) > abs(image.strides[first + 1])
    if image.ndim == 3:
        order = (channel, first, first + 1) if by_plane else (first, first + 1, channel)
        image, out = image.transpose(order), out.transpose(order)
        return (image[..., None], out[..., None]) if by_plane else (image[None], out[None])
    if by_plane and image.strides[0] == image.shape[1] * image.strides[1]:
        return image.reshape(-1, *image.shape[2:], 1), out.reshape(-1, *out.shape[2:], 1)
    return image.transpose(0, 2, 3, 1), out.transpose(0, 2, 3, 1)


def tiles(
    planes: Array, rows: Axis, columns: Axis, window_limit: int, *, times: int = 0
) -> Iterator[Tile]:
    """Cut planes and windows into tiles of up to `window_limit` windows, times channels, or of one
    window. Where windows overlap, a tile spans at least `times` of them, because what tiles share
    is reduced for each of them.

    Windows that reach into the padding become tiles of their own along the edges: the others hold
    all the same number of pixels and are read without a copy.
    """
    window_limit = max(1, window_limit // planes.shape[3])
    is_narrow = rows.count <= NARROW and columns.count <= NARROW
    if is_narrow and len(planes) * rows.count * columns.count <= window_limit:
        top, bottom, rows = rows.whole
        left, right, columns = columns.whole
        yield Tile(planes[:, top:bottom, left:right], rows, columns)
        return
    least = [
        max(1, times * axis.extent // axis.stride) if axis.extent > axis.stride else 1
        for axis in (rows, columns)
    ]
    for high, wide in product(_around_inside(rows, len(planes)), _around_inside(columns, 1)):
        height = min(len(high), least[0])
        strips = max(1, round(len(wide) / max(window_limit // height, least[1])))
        width = -(-len(wide) // strips)
        height = max(height, window_limit // width)
        count = max(1, window_limit // (len(high) * width))
        for plane, top, left in product(
            range(0, len(planes), count), high[::height], wide[::width]
        ):
            bottom, right = min(top + height, high.stop), min(left + width, wide.stop)
            above, below, tile_rows = rows.part(top, bottom)
            before, behind, tile_columns = columns.part(left, right)
            where = slice(plane, plane + count), slice(top, bottom), slice(left, right)
            pixels = planes[where[0], above:below, before:behind]
            yield Tile(pixels, tile_rows, tile_columns, where)


def _around_inside(axis: Axis, planes: int) -> list[range]:
    """The windows inside the image, and those before and after it that padding takes part in."""
    inside = range(axis.count) if axis.count * planes <= NARROW else axis.inside
    parts = range(inside.start), inside, range(inside.stop, axis.count)
    return [windows for windows in parts if windows]


def own_taps(axis: Axis) -> tuple[Array, Array, Array]:
    """Of each window, where it starts, and its first and last tap inside the image."""
    starts, step = np.array(axis.starts, np.int64), axis.dilation
    lengths = np.array(axis.lengths or axis.pool_size)
    last = np.minimum(lengths, -((starts - axis.size) // step)) - 1
    return starts, np.maximum(0, -(starts // step)), last


def copy_pixels(pixels: Array, out: Array) -> None:
    """Copy (planes, rows, columns, channels), in any memory layout of either."""
    if abs(out.strides[1]) < abs(out.strides[2]):
        pixels, out = pixels.swapaxes(1, 2), out.swapaxes(1, 2)
    is_turned = abs(pixels.strides[1]) < abs(pixels.strides[2]) and pixels.itemsize <= 8
    if len(out) > FEW or not out.size:
        np.copyto(out, pixels)
        return
    for plane, target in zip(pixels, out, strict=True):
        if is_turned and out.shape[3] <= 4 and pixels.dtype == out.dtype:
            np.copyto(target, transposed(plane.swapaxes(0, 1)).reshape(target.shape))
        elif out.shape[3] > FEW or (plane[0].flags.c_contiguous and target[0].flags.c_contiguous):
            np.copyto(target, plane)
        else:
            for channel in range(out.shape[3]):
                np.copyto(target[..., channel], plane[..., channel])


def transposed(pixels: Array) -> Array:
    """(columns, rows, ...) of (rows, columns, ...), by OpenCV: it goes about it in blocks, which is
    1.8 times as fast.
    """
    word = {1: "u1", 2: "u2", 4: "i4", 8: "f8"}[pixels.itemsize]  # bits that are only moved
    return np.asarray(cv2.transpose(pixels.view(word)).view(pixels.dtype))
