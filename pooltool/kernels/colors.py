"""The mode of colors: a pixel's color is one label, so that no color is made up.

Channel by channel, the most frequent values of a window may be those of different pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.geometry import Axis
from pooltool.kernels.pool import pool_axes
from pooltool.kernels.tiles import Pooling

Array = NDArray[Any]

WORD = 8
"""Bytes of the widest integer that channels are packed into."""


def pool_colors(
    image: Array, pooling: Pooling, rows: Axis, columns: Axis, order: Sequence[int]
) -> Array:
    """Pool (H, W, C) colors by mode to (H', W', C) of the same dtype, in native byte order.

    Of several colors that are most frequent, the smallest counts: they are compared channel by
    channel in `order`, as numbers. Any NaN equals any other, and is larger than all numbers.
    """
    dtype = image.dtype.newbyteorder("=")
    if dtype.kind == "f" or image.shape[2] * dtype.itemsize > WORD:
        labels, table = _number(image[..., list(order)])
        colors = table[pool_axes(labels, pooling, rows, columns)]
        return np.ascontiguousarray(colors[..., np.argsort(order)])
    return _unpack(pool_axes(_pack(image, order), pooling, rows, columns), order, dtype)


def _pack(image: Array, order: Sequence[int]) -> Array:
    """Make an unsigned integer of each color, the first channel of `order` in its highest bits."""
    size = image.dtype.itemsize
    width = 1 << (image.shape[2] * size - 1).bit_length()
    words = np.zeros((*image.shape[:2], width // size), f"<u{size}")
    for place, channel in enumerate(order, 1):
        np.copyto(words[..., -place], image[..., channel], casting="unsafe")
        words[..., -place] ^= _sign_bit(image.dtype)
    return words.view(f"<u{width}")[..., 0]


def _unpack(labels: Array, order: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """The colors that `_pack` made integers of."""
    words = np.asarray(labels, labels.dtype.newbyteorder("<"))[..., None].view(
        f"<u{dtype.itemsize}"
    )
    colors = np.empty((*labels.shape, len(order)), f"u{dtype.itemsize}")
    for place, channel in enumerate(order, 1):
        np.bitwise_xor(words[..., -place], _sign_bit(dtype), out=colors[..., channel])
    return colors.view(dtype)


def _sign_bit(dtype: np.dtype[Any]) -> Any:
    """What is flipped in signed integers, so that they are in order as unsigned ones."""
    bit = 1 << (8 * dtype.itemsize - 1) if dtype.kind == "i" else 0
    return np.dtype(f"u{dtype.itemsize}").type(bit)


def _number(image: Array) -> tuple[Array, Array]:
    """Number the colors of an image in their order: the numbers, (H, W), and the (n, C) colors."""
    height, width, channels = image.shape
    labels = np.zeros(height * width, np.int64)
    for channel in range(channels):
        values, numbers = np.unique(image[..., channel], return_inverse=True)
        labels = labels * len(values) + numbers.reshape(-1)
        _, firsts, labels = np.unique(labels, return_index=True, return_inverse=True)
    table = image.reshape(-1, channels)[firsts].astype(image.dtype.newbyteorder("="))
    if table.dtype.kind == "f":
        table += 0  # -0.0 becomes 0.0
    return labels.reshape(height, width).astype(np.uint32), table
