"""Whether windows lie side by side, and where their borders are: whole numbers only."""

from __future__ import annotations

from itertools import pairwise

from pooltool.geometry import AnyAxis


def is_partition(axis: AnyAxis) -> bool:
    """True when the windows of an axis lie side by side, without overlap, gap or dilation."""
    spans = [axis.span(index, index + 1) for index in range(axis.count)]
    inside = [(max(start, 0), min(stop, axis.size)) for start, stop in spans]
    meet = all(one[1] == other[0] for one, other in pairwise(inside))
    return meet and all(axis.pixels(i) == stop - start for i, (start, stop) in enumerate(inside))


def window_borders(axis: AnyAxis) -> tuple[int, ...]:
    """Positions inside an axis where a window begins or ends."""
    ends = {end for index in range(axis.count) for end in axis.span(index, index + 1)}
    return tuple(sorted(end for end in ends if 0 < end < axis.size))
