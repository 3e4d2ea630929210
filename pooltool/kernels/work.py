"""What is done to an image, and to a tile of it: the words that kernels are prepared by."""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import Any, Literal, NamedTuple

import numpy as np

from pooltool.geometry import AnyAxis, Axis
from pooltool.kernels import means, sliding
from pooltool.kernels.tiles import reads_in_chunks

Method = Literal["max", "min", "avg"]

MOST_CHANNELS = 128
"""Those of an image that OpenCV 5 computes with; OpenCV 4 took 512."""
LEAST_BLURRED, MOST_BLURRED = 9, 1024
"""Pixels of the windows that a box filter is used for: for smaller and larger ones our sums are
faster, and of larger ones it would take long to make sure that the filter is exact."""


class Work(NamedTuple):
    """What is done to the pixels of an image, whatever its windows."""

    method: Method
    pixels: np.dtype[Any]
    sums: np.dtype[Any]
    """What the values of a window are combined in: of max and min, the dtype of the pixels."""
    result: np.dtype[Any]
    channels: int
    count_padding: bool
    in_place: bool
    """True when each row of pixels lies in one piece."""
    turned: bool
    """True when results are to be transposed."""
    bytes_a_pixel: int
    """What a tile holds for each of its pixels."""
    blurs: bool
    """True where a box filter may take the means of the windows inside the image."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the pixels in the byte order of this machine."""
        return self.pixels.newbyteorder("=")

    @property
    def filtered_bytes(self) -> int:
        """What the result of a filter takes for each pixel; 0 where none works on whole tiles."""
        return self.channels if self.blurs else 0


@lru_cache(maxsize=64)
def work_on(
    method: Method,
    pixels: np.dtype[Any],
    wanted: np.dtype[Any] | None,
    channels: int,
    rows: AnyAxis,
    columns: AnyAxis,
    count_padding: bool,
    in_place: bool,
    turned: bool,
) -> Work:
    """Look up the numeric rules; they are asked for again with every image of a batch."""
    native = pixels.newbyteorder("=")
    result = means.mean_dtype(native, wanted) if method == "avg" else native
    sums = _sum_dtype(native, result, rows, columns) if method == "avg" else native
    size = channels * _bytes_a_value(pixels.itemsize, sums, result, rows, columns)
    blurs = method == "avg" and native == result == np.uint8 and _can_blur(channels, rows, columns)
    return Work(
        method, pixels, sums, result, channels, count_padding, in_place, turned, size, blurs
    )


def is_dense(axis: AnyAxis) -> bool:
    """True for windows without gaps that start at every pixel, of the image or also beside it."""
    return isinstance(axis, Axis) and axis.stride == axis.dilation == 1


def _can_blur(channels: int, rows: AnyAxis, columns: AnyAxis) -> bool:
    """True where a box filter suits the windows and the channels."""
    area = rows.most * columns.most
    odd = area % 2 == 1 and LEAST_BLURRED <= area <= MOST_BLURRED
    return odd and is_dense(rows) and is_dense(columns) and channels <= MOST_CHANNELS


def _bytes_a_value(
    read: int, sums: np.dtype[Any], result: np.dtype[Any], rows: AnyAxis, columns: AnyAxis
) -> int:
    """What a tile holds for each value of its pixels, or of its reduced rows where it holds just
    these: the value itself, and its share of reduced rows, of what they become, and of results.
    """
    if reads_in_chunks(rows):
        return 4 * sums.itemsize
    reduced = 2 * sums.itemsize / rows.advance
    return read + ceil(reduced + result.itemsize / (rows.advance * columns.advance))


def _sum_dtype(
    pixels: np.dtype[Any], result: np.dtype[Any], rows: AnyAxis, columns: AnyAxis
) -> np.dtype[Any]:
    """What the values of a window are added in."""
    if pixels.kind == "f":
        depth = sliding.depth(rows) + sliding.depth(columns)
        return means.float_sum_dtype(pixels, result, depth)
    return means.integer_sum_dtype(pixels, rows.most * columns.most)


class Task(NamedTuple):
    """The work on a tile: an image of its own, with windows that lie over just its pixels."""

    work: Work
    rows: AnyAxis
    columns: AnyAxis

    @property
    def channels(self) -> int:
        """Channels of the image and of the results."""
        return self.work.channels

    @property
    def values(self) -> int:
        """Numbers in a row of the tile."""
        return self.columns.size * self.work.channels

    @property
    def shape(self) -> tuple[int, int, int]:
        """The results: rows, columns, channels."""
        return self.rows.count, self.columns.count, self.work.channels
