"""How the work is cut: tiles of output whose input stays in the cache.

A tile reads its input as views of the image where it can, and keeps its intermediate results in
scratch memory that the next tile uses again, so nothing that has the size of the image is made.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import AdaptiveAxis, AnyAxis
from pooltool.native import import_cv2

cv2 = import_cv2()
Array = NDArray[Any]

TILE_BYTES = 1 << 21
"""Input bytes of one tile: it stays in the cache that cores share, and is large enough that what
the calls of a tile cost, some tens of microseconds, does not show."""
SCRATCH_BYTES = 8 << 20
"""What a thread keeps at the most of the memory for intermediate results."""
MANY = 16
"""From this many rows on, windows that share none are reduced one by one."""
ROW_BYTES = 1 << 9
"""A tile's rows are no shorter where that can be: below it, calls cost more than the pixels."""
MOST_CHANNELS = 128
"""Those of an image that OpenCV 5 computes with; OpenCV 4 took 512."""


@dataclass(frozen=True)
class Tile:
    """Windows `top` to `bottom - 1` of the rows and `left` to `right - 1` of the columns."""

    rows: AnyAxis
    columns: AnyAxis
    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> slice:
        """The tile's windows among the rows."""
        return slice(self.top, self.bottom)

    @property
    def width(self) -> slice:
        """The tile's windows among the columns."""
        return slice(self.left, self.right)

    def cut(self, results: Array) -> Array:
        """The part of the (rows, columns, C) results that belongs to this tile."""
        return results[self.height, self.width]


def tiles(rows: AnyAxis, columns: AnyAxis, pixel_bytes: int, tile_bytes: int) -> Iterator[Tile]:
    """Cut the output so that the input of a tile takes about `tile_bytes`.

    Windows that overlap are read again by the next tile, so a tile spans a window at the least
    twice where they do.
    """
    heights, widths = (high - low for low, high in (a.span(0, a.count) for a in (rows, columns)))
    if heights * widths * pixel_bytes <= tile_bytes:
        yield Tile(rows, columns, 0, rows.count, 0, columns.count)
        return
    least = 1 if reads_in_chunks(rows) else _least(rows)
    bytes_per_row = max(tile_bytes // least, min(ROW_BYTES, tile_bytes))
    width = _windows_within(columns, bytes_per_row // pixel_bytes)
    low, high = columns.span(0, width)
    room = tile_bytes // (pixel_bytes * (high - low))
    height = max(1, room) if reads_in_chunks(rows) else _windows_within(rows, room)
    for top in range(0, rows.count, height):
        for left in range(0, columns.count, width):
            bottom, right = min(top + height, rows.count), min(left + width, columns.count)
            yield Tile(rows, columns, top, bottom, left, right)


def reads_in_chunks(axis: AnyAxis) -> bool:
    """True for windows that are reduced one by one: adaptive ones, and large ones that share
    no row with the next. However many rows they have, a tile holds few of them at a time.
    """
    if isinstance(axis, AdaptiveAxis):
        return True
    return (
        axis.pool_size >= MANY and axis.stride // gcd(axis.stride, axis.dilation) >= axis.pool_size
    )


def _least(axis: AnyAxis) -> int:
    """Pixels that a tile spans at the least: a window, or two that overlap."""
    low, high = axis.span(0, 1)
    return (high - low) * (1 if axis.advance >= high - low else 2)


def _windows_within(axis: AnyAxis, pixels: int) -> int:
    """How many windows to take at once along an axis so that they cover about `pixels`."""
    low, high = axis.span(0, 1)
    room = max(pixels, _least(axis)) - (high - low)
    return min(axis.count, 1 + room // axis.advance)


class _Scratch(threading.local):
    """Memory for the intermediate arrays of a tile, by name: each thread has its own."""

    def __init__(self) -> None:
        self.held: dict[str, NDArray[np.uint8]] = {}


_scratch = _Scratch()


def scratch(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array of undefined content that is valid until the thread asks for `name` again.

    The next tile and the next call take its memory over: fresh memory, which the system hands out
    page by page, costs more than the arithmetic.
    """
    size = prod(shape) * dtype.itemsize
    held = _scratch.held.get(name)
    if held is None or held.size < size:
        held = _scratch.held[name] = np.empty(size, np.uint8)
    return np.ndarray(shape, dtype, held)


def trim_scratch() -> None:
    """Give the thread's memory back where unusual windows have made it large."""
    if sum(held.size for held in _scratch.held.values()) > SCRATCH_BYTES:
        _scratch.held.clear()


@dataclass(frozen=True)
class Source:
    """An image as tiles read it, to be reduced in `dtype`; `neutral` where there is padding."""

    pixels: Array
    dtype: np.dtype[Any]
    neutral: Any
    factor: float | None = None
    """What every value is multiplied by."""

    def rows(self, top: int, bottom: int, left: int, right: int) -> Array:
        """Rows `top` to `bottom - 1`, padded, of pixels `left` to `right - 1`: (rows, values).

        A view of the image, in the image's own dtype, unless rows have to be padded or their
        values put in order: `dtype` is left to the first operation, which converts on the way.
        """
        height, _, channels = self.pixels.shape
        inside = self.pixels[max(top, 0) : max(min(bottom, height), 0), left:right]
        shape = (bottom - top, (right - left) * channels)
        if len(inside) == bottom - top and self._in_place(inside):
            return inside.reshape(shape)
        block = scratch("input", shape, self.dtype)
        above = min(max(-top, 0), len(block))
        below = above + len(inside)
        block[:above] = self.neutral
        block[below:] = self.neutral
        copy(inside, block[above:below].reshape(inside.shape))
        if self.factor is not None:
            np.multiply(block, self.dtype.type(self.factor), out=block)
        return block

    def _in_place(self, inside: Array) -> bool:
        """True when each row lies in one piece, so that it can be reduced where it is."""
        _, width, channels = inside.shape
        item = inside.itemsize
        return (
            inside.dtype.isnative
            and self.factor is None
            and (channels == 1 or inside.strides[2] == item)
            and (width == 1 or inside.strides[1] == item * channels)
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


def decimate(block: Array, stride: int, out: Array) -> None:
    """Write every `stride`-th pixel of (rows, columns, C) into `out`, of fewer columns.

    `block` is contiguous and its number of columns a multiple of `stride`.
    """
    rows, count, channels = out.shape
    word = _MOVED_AS.get(channels * block.itemsize)
    if word is None or not _is_plain(out):
        for channel in range(channels):
            out[:, :, channel] = block[:, : count * stride : stride, channel]
        return
    kept = out.reshape(rows, -1).view(word)
    if stride > 1 and stride * kept.itemsize in (2, 4, 8) and np.little_endian:
        # The low end of a wide word is its first pixel: a cast that truncates keeps just that,
        # several times as fast as steps through memory.
        wide = block.reshape(rows, -1).view(f"u{stride * kept.itemsize}")
        np.copyto(kept, wide[:, :count], casting="unsafe")
    else:
        kept[...] = block.reshape(rows, -1).view(word)[:, : count * stride : stride]


_MOVED_AS = {1: "u1", 2: "u2", 4: "u4", 8: "u8", 16: "c16"}
"""A dtype for the bytes of one pixel, that it is moved in one piece."""
