"""How a tile reads its pixels: where they lie if it can, else copied, padded and converted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import AnyAxis
from pooltool.kernels.tiles import Memory
from pooltool.native import import_cv2

cv2 = import_cv2()
Array = NDArray[Any]


class Reader:
    """Gives rows of a tile as (rows, values), padded rows included.

    They are a view of the image, in the image's own dtype, unless rows have to be padded or their
    values put in order: `dtype` is left to the first operation, which converts on the way.
    """

    def __init__(
        self, values: int, dtype: np.dtype[Any], neutral: Any, in_place: bool, memory: Memory
    ) -> None:
        """Rows of so many values; copied ones get `dtype`, and `neutral` where there is padding."""
        self.values, self.dtype, self.in_place = values, dtype, in_place
        self.neutral, self._memory = neutral, memory
        self._copied = memory.take((0, values), dtype)

    def expect(self, axis: AnyAxis, rows: int) -> None:
        """Make room to copy so many rows at once, where windows that lie so call for it."""
        low, high = axis.span(0, axis.count)
        if not self.in_place or low < 0 or high > axis.size:
            self._copied = self._memory.take((rows, self.values), self.dtype)

    def rows(self, pixels: Array, top: int, bottom: int) -> Array:
        """Rows `top` to `bottom - 1` of (H, W, C) pixels; below 0 and from H on is padding."""
        height, width, channels = pixels.shape
        if self.in_place and top >= 0 and bottom <= height:
            return pixels[top:bottom].reshape(bottom - top, self.values)
        block = self._copied[: bottom - top]
        above, below = (min(max(edge - top, 0), len(block)) for edge in (0, height))
        block[:above] = self.neutral
        block[below:] = self.neutral
        if above < below:
            inside = block[above:below].reshape(below - above, width, channels)
            copy(pixels[top + above : top + below], inside)
        return block


def lies_in_order(pixels: Array) -> bool:
    """True when each row of (H, W, C) lies in one piece, so that it can be reduced where it is."""
    _, width, channels = pixels.shape
    _, step, item = pixels.strides
    size = pixels.itemsize
    return (
        pixels.dtype.isnative
        and (channels == 1 or item == size)
        and (width == 1 or step == size * channels)
    )


def is_turned(pixels: Array) -> bool:
    """True for a transposed view, whose pixels follow each other down the columns."""
    rows, columns, _ = pixels.shape
    return rows > 1 and columns > 1 and abs(pixels.strides[0]) < abs(pixels.strides[1])


def copy(pixels: Array, out: Array) -> None:
    """Copy (rows, columns, C); a transposed view by OpenCV, which goes about it in blocks."""
    word = _WORDS.get(pixels.itemsize * pixels.shape[2])
    turned = pixels.swapaxes(0, 1)
    if word and is_turned(pixels) and pixels.dtype == out.dtype and _is_plain(turned):
        moved = cv2.transpose(_as_words(turned, word), _as_words(out, word))
        assert np.may_share_memory(moved, out)
    else:
        out[...] = pixels


_WORDS = {1: "u1", 2: "u2", 3: "3u1", 4: "i4", 6: "3u2", 8: "f8", 12: "3i4", 16: "4i4"}
"""OpenCV's type of pixel for the bytes of one: they are only moved, whatever they mean."""


def _is_plain(pixels: Array) -> bool:
    """True when each row of pixels lies in one piece, and rows in order, as OpenCV wants it."""
    item, (rows, _, channels) = pixels.itemsize, pixels.shape
    return pixels.strides[1:] == (item * channels, item) and (rows == 1 or pixels.strides[0] > 0)


def _as_words(pixels: Array, word: str) -> Array:
    rows, columns, _ = pixels.shape
    flat = pixels.reshape(rows, -1).view(word[-2:])
    return flat.reshape(rows, columns, -1) if len(word) > 2 else flat
