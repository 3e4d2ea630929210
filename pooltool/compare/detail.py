"""A detail of a picture: where it lies, and the same part of the image and of its results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.compare.drawing import ACCENT, frame
from pooltool.compare.tones import Bgr, Tones, paint
from pooltool.geometry import AnyAxis, Pair

Array = NDArray[Any]
Axes = tuple[AnyAxis, AnyAxis]
Span = tuple[int, int]
"""First and last + 1."""

SMALLEST_BLOCK = 6
"""Blocks shown smaller than this, in pixels, are shown again in a detail."""
DETAIL_BLOCK = 14
"""About the side, in pixels, of a block in a detail."""
LEAST_ROOM = 96
"""Pixels below which a detail would show nothing."""
BUSY_SIDE = 512
"""Rows and columns that are looked at to choose a detail."""


@dataclass(frozen=True)
class Detail:
    """A part of the image and the windows that lie there.

    Everything is (rows, columns), and a span is (first, last + 1).
    """

    windows: tuple[Span, Span]
    axes: Axes
    zoom: int
    """Side, on the picture, of a pixel of the image."""
    room: Pair
    """Largest height and width on the picture; blocks that reach beyond are cut."""

    @property
    def covered(self) -> list[Span]:
        """The pixels of the image that these windows stand for."""
        pairs = zip(self.axes, self.windows, strict=True)
        return [_covered(axis, *span) for axis, span in pairs]

    @property
    def shown(self) -> list[Span]:
        """Those of them that are seen at all."""
        pairs = zip(self.covered, self.room, strict=True)
        return [(low, min(high, low + ceil(side / self.zoom))) for (low, high), side in pairs]


def choose_detail(axes: Axes, size: Pair, result: Array, tones: Tones) -> Detail | None:
    """Choose the detail to enlarge; None where the blocks can be seen in the whole picture."""
    if all(shown >= SMALLEST_BLOCK * axis.count for shown, axis in zip(size, axes, strict=True)):
        return None
    if min(size) < LEAST_ROOM or any(axis.count > axis.size for axis in axes):
        return None
    zoom = max(1, round(DETAIL_BLOCK / max(axis.size / axis.count for axis in axes)))
    room = min(size[0], size[1] * 3 // 4), size[1]
    counts = [
        min(axis.count, ceil(shown * axis.count / (zoom * axis.size)))
        for axis, shown in zip(axes, room, strict=True)
    ]
    first = _busiest(result, tones, counts)
    ends = [(start, start + count) for start, count in zip(first, counts, strict=True)]
    return Detail((ends[0], ends[1]), axes, zoom, room)


def _covered(axis: AnyAxis, first: int, last: int) -> tuple[int, int]:
    """The pixels of the image that windows `first` to `last - 1` stand for, a step for each."""
    low = axis.start(first)
    high = axis.start(last) if last < axis.count else axis.span(first, last)[1]
    return max(0, low), min(axis.size, high)


def _busiest(result: Array, tones: Tones, counts: Sequence[int]) -> tuple[int, int]:
    """First row and column of the part of `counts` values in which neighbours differ most."""
    step = max(1, max(result.shape[:2]) // BUSY_SIDE)
    thinned = result[::step, ::step]
    shown = paint(thinned, tones, *thinned.shape[:2]).mean(axis=2, dtype=np.float64)
    change = np.abs(np.diff(shown, axis=0, prepend=shown[:1]))
    change += np.abs(np.diff(shown, axis=1, prepend=shown[:, :1]))
    totals = _sums(change, *(max(1, count // step) for count in counts))
    place = np.unravel_index(np.argmax(totals), totals.shape)
    row, column = (
        min(int(at) * step, side - count)
        for at, side, count in zip(place, result.shape[:2], counts, strict=False)
    )
    return row, column


def _sums(values: Array, tall: int, wide: int) -> Array:
    """The sum of every part of `tall` x `wide` values, by the part's first row and column."""
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    lower, upper = sums[tall:], sums[:-tall]
    return np.asarray(lower[:, wide:] - upper[:, wide:] - lower[:, :-wide] + upper[:, :-wide])


def outline(whole: Bgr, detail: Detail | None, axes: Axes) -> None:
    """Mark on a whole picture where the detail lies."""
    if detail is not None:
        scales = (side / axis.size for side, axis in zip(whole.shape, axes, strict=False))
        (top, bottom), (left, right) = (
            (round(low * scale), round(high * scale))
            for (low, high), scale in zip(detail.shown, scales, strict=True)
        )
        frame(whole, (left, top, right, bottom), ACCENT, 2)


def close_up(values: Array, detail: Detail, tones: Tones, index: int) -> Bgr:
    """The detail of picture `index`: of the image itself for 0, else of a result."""
    (top, bottom), (left, right) = detail.windows if index else detail.covered
    height, width = ((high - low) * detail.zoom for low, high in detail.covered)
    enlarged = paint(values[top:bottom, left:right], tones, height, width)
    return enlarged[: detail.room[0], : detail.room[1]]
