"""Small images as grids of numbers, with the borders of the windows drawn between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.compare.tables import numerals, size_text, widest, window_text
from pooltool.compare.tiling import is_partition, window_borders
from pooltool.geometry import AnyAxis, AnyWindows
from pooltool.kernels import Method

Array = NDArray[Any]
Rows = list[str]
Cuts = tuple[tuple[int, ...], tuple[int, ...]]

LARGEST_GRID = 16
"""Rows and columns up to which an image is printed as numbers."""
MOST_CHANNELS = 8
LINE_WIDTH = 100
GAP = "   "


@dataclass(frozen=True)
class Border:
    """The characters of a frame: its two strokes, then its corners and joints row by row."""

    across: str
    down: str
    joints: tuple[str, str, str]
    """Left, inner and right joint of the top line, the inner lines and the bottom line."""


LINES = Border("─", "│", ("┌┬┐", "├┼┤", "└┴┘"))
ASCII = Border("-", "|", ("+++", "+++", "+++"))

CHANNEL_NAMES: dict[int, tuple[tuple[int, str], ...]] = {
    1: ((0, ""),),
    3: ((2, "red"), (1, "green"), (0, "blue")),
    4: ((2, "red"), (1, "green"), (0, "blue"), (3, "alpha")),
}
"""Channels in the order they are shown; the arrays hold them as OpenCV does, blue first."""


def as_grids(
    pixels: Array, windows: AnyWindows, pooled: Mapping[Method, Array], *, ascii_only: bool = False
) -> str:
    """Write an image of up to 16 rows and columns and its results as grids of numbers.

    Lines between the numbers of the input are the borders of its windows. Where windows overlap or
    leave gaps no such lines can be drawn; the first line of the text then says so, as it says how
    much of the image is in no window. A result of more than 16 rows or columns is named but not
    written out.

    Parameters
    ----------
    pixels, pooled
        (H, W) or (H, W, C) in OpenCV's channel order, and the result of each method.
    ascii_only
        Draw with `-`, `|` and `+` instead of box-drawing characters.
    """
    border = ASCII if ascii_only else LINES
    rows, columns = windows.axes(pixels.shape)
    drawn = is_partition(rows) and is_partition(columns)
    cuts = (window_borders(rows), window_borders(columns)) if drawn else ((), ())
    remark = _uncovered(rows, columns) if drawn else " (not drawn: they overlap or leave gaps)"
    lines = [window_text(windows) + remark]
    for index, name in _channels(pixels):
        boxes = [_box("input", _channel(pixels, index), cuts, border)]
        for method, result in pooled.items():
            boxes.append(_result_box(method, _channel(result, index), drawn, border))
        lines += [name] * bool(name) + list(_in_rows(boxes))
    left_out = _left_out(pixels)
    return "\n".join(lines + [left_out] * bool(left_out))


def can_draw_lines(encoding: str | None) -> bool:
    """True when text of this encoding can hold the box-drawing characters."""
    try:
        "".join((LINES.across, LINES.down, *LINES.joints)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def is_small(pixels: Array) -> bool:
    """True for an image whose numbers fit on the terminal."""
    height, width = pixels.shape[:2]
    return bool(max(height, width) <= LARGEST_GRID)


def _uncovered(rows: AnyAxis, columns: AnyAxis) -> str:
    """Say how many rows and columns at the end are in no window."""
    parts = []
    for axis, noun in ((rows, "row"), (columns, "column")):
        rest = axis.size - axis.span(0, axis.count)[1]
        if rest > 0:
            parts.append(f"{noun if rest == 1 else f'{rest} {noun}s'}")
    return f" (the last {' and the last '.join(parts)} in no window)" if parts else ""


def _channels(pixels: Array) -> tuple[tuple[int, str], ...]:
    """Index and name of the channels to show, in the order to show them."""
    count = pixels.shape[2] if pixels.ndim == 3 else 1
    plain = tuple((index, f"channel {index}") for index in range(min(count, MOST_CHANNELS)))
    return CHANNEL_NAMES.get(count, plain)


def _left_out(pixels: Array) -> str:
    more = (pixels.shape[2] if pixels.ndim == 3 else 1) - MOST_CHANNELS
    return f"and {more} more channels" if more > 0 else ""


def _channel(pixels: Array, index: int) -> Array:
    return pixels if pixels.ndim == 2 else pixels[..., index]


def _result_box(method: Method, values: Array, drawn: bool, border: Border) -> Rows:
    """A result, each of its numbers in a box of its own where the input shows its window."""
    if not is_small(values):
        return [f"{method} {size_text(values.shape)}"]
    rows, columns = values.shape
    cuts = (tuple(range(1, rows)), tuple(range(1, columns))) if drawn else ((), ())
    return _box(method, values, cuts, border)


def _box(name: str, values: Array, cuts: Cuts, border: Border) -> Rows:
    """Frame a 2-D array under its name, with lines at the row and column positions `cuts`."""
    texts = texts_of(values)
    width = widest(texts.flat)
    groups = [b - a for a, b in pairwise((0, *cuts[1], values.shape[1]))]
    strokes = [border.across * (size * (width + 1) + 1) for size in groups]
    top, inner, bottom = (_rule(strokes, joints) for joints in border.joints)
    lines = [f"{name} {size_text(values.shape)}", top]
    for index, row in enumerate(texts):
        lines += [inner] * (index in cuts[0]) + [_row(list(row), width, groups, border)]
    return [*lines, bottom]


def texts_of(values: Array) -> Array:
    """Numbers as texts, in the same shape: whole ones as they are, floats as `numerals` do."""
    flat = values.ravel().tolist()
    texts = numerals(flat) if values.dtype.kind == "f" else [str(int(value)) for value in flat]
    return np.array(texts, object).reshape(values.shape)


def _row(row: list[str], width: int, groups: list[int], border: Border) -> str:
    ends = accumulate(groups)
    parts = [row[end - size : end] for size, end in zip(groups, ends, strict=True)]
    cells = (" ".join(f"{text:>{width}}" for text in part) for part in parts)
    return f"{border.down} " + f" {border.down} ".join(cells) + f" {border.down}"


def _rule(strokes: list[str], joints: str) -> str:
    return joints[0] + joints[1].join(strokes) + joints[2]


def _in_rows(boxes: Iterable[Rows]) -> Iterator[str]:
    """Put boxes side by side for as long as they fit into a line, then below."""
    together: list[Rows] = []
    for box in boxes:
        if together and sum(widest(b) + len(GAP) for b in [*together, box]) > LINE_WIDTH:
            yield from _side_by_side(together)
            together = []
        together.append(box)
    yield from _side_by_side(together)


def _side_by_side(boxes: Sequence[Rows]) -> Iterator[str]:
    widths = [widest(box) for box in boxes]
    for parts in zip_longest(*boxes, fillvalue=""):
        cells = (f"{part:<{width}}" for part, width in zip(parts, widths, strict=True))
        yield GAP.join(cells).rstrip()
