"""A picture's colour as one label, for a mode that makes up no colour.

Channel by channel, the most frequent values of a window may be those of different pixels. Packed
into one integer, the channels of a pixel stay together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

WORD = 8
"""Bytes of the widest integer that channels are packed into."""


@dataclass(frozen=True)
class Colours:
    """An image's colours as labels: pool `labels`, then `unpack` what comes out."""

    labels: Array
    """(H, W), unsigned integers."""
    dtype: np.dtype[Any]
    channels: int
    table: Array | None
    """(labels, channels): the colours, where they do not fit into an integer."""

    @classmethod
    def pack(cls, image: Array) -> Colours:
        """Take (H, W, C) apart into labels. They are ordered by the last channel first; where a
        colour has more than 8 bytes or is of floats, in which 0.0 is -0.0, by the first.
        """
        height, width, channels = image.shape
        dtype = image.dtype.newbyteorder("<")
        used = channels * dtype.itemsize
        if dtype.kind == "f" or used > WORD:
            return cls._number(image)
        padded = 1 << (used - 1).bit_length()
        colours = np.zeros((height, width, padded // dtype.itemsize), dtype)
        for channel in range(channels):
            colours[..., channel] = image[..., channel]
        return cls(colours.view(f"<u{padded}")[..., 0], image.dtype, channels, None)

    @classmethod
    def _number(cls, image: Array) -> Colours:
        """Number the colours that there are. A NaN is a value like the others here."""
        height, width, channels = image.shape
        labels = np.zeros(height * width, np.int64)
        for channel in range(channels):
            values, numbers = np.unique(image[..., channel], return_inverse=True)
            labels = labels * len(values) + numbers.reshape(-1)
            _, firsts, labels = np.unique(labels, return_index=True, return_inverse=True)
        table = image.reshape(-1, channels)[firsts]
        return cls(labels.reshape(height, width).astype(np.uint32), image.dtype, channels, table)

    def unpack(self, labels: Array) -> Array:
        """The colours of (H', W') labels: (H', W', C), of the image's dtype in native order."""
        native = self.dtype.newbyteorder("=")
        if self.table is not None:
            return self.table.astype(native)[labels]
        words = np.ascontiguousarray(labels, labels.dtype.newbyteorder("<"))
        colours = words[..., None].view(self.dtype.newbyteorder("<"))[..., : self.channels]
        return np.ascontiguousarray(colours, native)
