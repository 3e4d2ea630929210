"""Measures, windows and numbers as text: a table, records for JSON, grids of numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise, zip_longest
from math import floor, isfinite, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.compare.measures import Measures, Result
from pooltool.geometry import Axis, Windows

Array = NDArray[Any]
Cuts = Sequence[Collection[int]]

MISSING = "-"
LARGEST_GRID, MOST_CHANNELS = 16, 8
"""Rows and columns up to which an image is printed as numbers, and channels that are printed."""
GAP = "   "
LINES = "─│┌┬┐├┼┤└┴┘"
"""Strokes across and down, then left, inner and right joints of the first, inner and last line."""
IN_ASCII = str.maketrans(LINES, "-|+++++++++")

CHANNEL_NAMES: dict[int, tuple[tuple[int, str], ...]] = {
    1: ((0, ""),),
    3: ((2, "red"), (1, "green"), (0, "blue")),
    4: ((2, "red"), (1, "green"), (0, "blue"), (3, "alpha")),
}
"""Channels in the order they are shown; the arrays hold them as OpenCV does, blue first."""


def as_lines(
    pixels: Array,
    result: Result,
    measures: Sequence[Measures],
    *,
    width: int = 100,
    encoding: str = "utf-8",
) -> list[str]:
    """Write one setting's windows, table and, of a small image, numbers, in lines of `width`; with
    -, | and + where the encoding has no characters that draw lines.
    """
    lines = textwrap.wrap(window_text(result.windows, pixels.shape), width)
    lines += as_table(measures, width).split("\n")
    if _is_small(pixels):
        lines += ["", *as_grids(pixels, result, width).split("\n")]
    try:
        LINES.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return [line.translate(IN_ASCII) for line in lines]
    return lines


def as_records(measures: Iterable[Measures], windows: Windows) -> list[dict[str, Any]]:
    """One dict a row of the table, ready for JSON: None where there is no figure."""
    pool_size = None if windows.output_size else list(windows.pool_size)
    return [
        {"pool_size": pool_size, **row._asdict(), "output_shape": list(row.output_shape)}
        for row in measures
    ]


def as_table(measures: Sequence[Measures], width: int = 100) -> str:
    """Align the measures under their names, a row each; `-` where there is no figure.

    Columns that do not fit into lines of `width` stand below, the methods again before them.
    """
    methods, shapes, means, stds, *ratios = zip(*measures, strict=True)
    columns = [methods, map(str, shapes), *(numerals(c, keep_zeros=True) for c in (means, stds))]
    columns += [[MISSING if v is None else _fixed(v, 2) for v in values] for values in ratios]
    aligned = []
    for index, (name, column) in enumerate(zip(Measures._fields, columns, strict=True)):
        cells = [name.replace("_", " "), *column]
        longest = max(6, *map(len, cells))
        aligned.append([f"{cell:{'<' if index < 2 else '>'}{longest}}" for cell in cells])
    return "\n".join(_in_rows(aligned[1:], width, "  ", begin=aligned[0]))


def numerals(values: Iterable[float | None], *, keep_zeros: bool = False) -> list[str]:
    """Write numbers to about three digits of the largest, all with as many decimals.

    Unless `keep_zeros`, zeros at the end of all are cut.
    """
    numbers = [None if value is None else float(value) for value in values]
    finite = [number for number in numbers if number is not None and isfinite(number)]
    largest = max(map(abs, finite), default=0.0)
    if largest and not 1e-4 <= largest < 1e9:
        return [MISSING if number is None else f"{number + 0:.3g}" for number in numbers]
    places = 2 if largest >= 1 or not largest else 2 - floor(log10(largest))
    if not keep_zeros:
        decimals = (_fixed(number, places).partition(".")[2].rstrip("0") for number in finite)
        places = max(map(len, decimals), default=0)
    return [MISSING if number is None else _fixed(number, places) for number in numbers]


def _fixed(number: float, places: int) -> str:
    """A number with so many decimals; one that is rounded to 0 loses its sign."""
    return f"{round(number, places) + 0:.{places}f}"


def window_text(windows: Windows, shape: tuple[int, ...]) -> str:
    """Describe the windows over an image of `shape` in a few words, and how many of its last rows
    and columns are in none; sizes are HEIGHTxWIDTH in pixels.
    """
    words = [f"windows {size_text(windows.pool_size)}", f"stride {size_text(windows.stride)}"]
    if windows.output_size:
        words = [f"adaptive windows, output {size_text(windows.output_size)}"]
    if windows.padding == "same":
        words.append("padding same")
    elif windows.padding != "valid" and any(map(any, windows.padding)):
        (top, bottom), (left, right) = windows.padding
        sides = f"top {top}, bottom {bottom}, left {left}, right {right}"
        even = (top, left) == (bottom, right)
        words.append(f"padding {size_text((top, left)) if even else sides}")
    if windows.dilation != (1, 1):
        words.append(f"dilation {size_text(windows.dilation)}")
    if windows.ceil_mode:
        words.append("ceil mode")
    rest = []
    for axis, noun in zip(windows.axes(shape), ("row", "column"), strict=True):
        count = axis.size - axis.span(0, axis.count)[1]
        if count > 0:
            rest.append(noun if count == 1 else f"{count} {noun}s")
    uncovered = f" (the last {' and the last '.join(rest)} in no window)" if rest else ""
    return ", ".join(words) + uncovered


def size_text(size: Sequence[int | None]) -> str:
    """`HEIGHTxWIDTH` of a shape or a size."""
    return "x".join(map(str, size[:2]))


def is_partition(axis: Axis) -> bool:
    """True when the windows of an axis are side by side, without overlap, gap or dilation."""
    windows = map(axis.pixels, range(axis.count))
    is_solid = axis.dilation == 1 or axis.pool_size == 1
    return is_solid and all(one.stop == other.start for one, other in pairwise(windows))


def as_grids(pixels: Array, result: Result, width: int = 100) -> str:
    """Write an image of up to 16 rows and columns and its results as grids of numbers.

    Lines between the numbers of the input are the borders of its windows. Where windows overlap or
    leave gaps no such lines can be drawn; the first line of the text then says so. A result of
    more than 16 rows or columns is named but not written out; one wider than `width` is written
    in parts.
    """
    axes = result.windows.axes(pixels.shape)
    drawn = all(map(is_partition, axes))
    borders: list[Collection[int]] = [
        {end for i in range(axis.count) for end in axis.span(i, i + 1)} for axis in axes
    ]
    note = "windows are not drawn: they overlap or leave gaps"
    lines = [] if drawn else textwrap.wrap(note, width)
    count = pixels.shape[2] if pixels.ndim == 3 else 1
    plain = [(index, f"channel {index}") for index in range(min(count, MOST_CHANNELS))]
    for index, name in CHANNEL_NAMES.get(count, plain):
        boxes = []
        for title, values in [("input", pixels), *result.pooled.items()]:
            shown = values if values.ndim == 2 else values[..., index]
            inner = borders if title == "input" else [range(size) for size in shown.shape]
            cuts = inner if drawn else [(), ()]
            heading = f"{title} {size_text(shown.shape)}"
            if _is_small(shown):
                boxes += _boxes(heading, texts_of(shown), cuts, width)
            else:
                boxes.append([heading])
        lines += [name] * bool(name) + _in_rows(boxes, width, GAP)
    if count > MOST_CHANNELS:
        lines.append(f"and {count - MOST_CHANNELS} more channels")
    return "\n".join(lines)


def texts_of(values: Array) -> Array:
    """Numbers as texts, in the same shape: whole ones as they are, floats as `numerals` do."""
    flat = values.ravel().tolist()
    texts = numerals(flat) if values.dtype.kind == "f" else [str(int(value)) for value in flat]
    return np.array(texts, object).reshape(values.shape)


def _is_small(pixels: Array) -> bool:
    """True for an image whose numbers fit on the terminal."""
    return bool(max(pixels.shape[:2]) <= LARGEST_GRID)


def _boxes(
    title: str, texts: Array, cuts: Cuts, width: int, columns: range | None = None
) -> list[list[str]]:
    """Frame a 2-D array, or some columns of it, under its title; in halves where that is wider than
    `width`. Lines stand before the rows and columns in `cuts`.
    """
    columns = columns or range(texts.shape[1])
    cell = max(map(len, texts[:, columns.start : columns.stop].flat))
    starts = (column for column in columns[1:] if column in cuts[1])
    groups = [slice(*ends) for ends in pairwise([columns.start, *starts, columns.stop])]
    strokes = [LINES[0] * ((group.stop - group.start) * (cell + 1) + 1) for group in groups]
    top, inner, bottom = (
        LINES[at] + LINES[at + 1].join(strokes) + LINES[at + 2] for at in (2, 5, 8)
    )
    if len(top) > width and len(columns) > 1:
        halves = columns[: len(columns) // 2], columns[len(columns) // 2 :]
        return [box for half in halves for box in _boxes(title, texts, cuts, width, half)]
    if len(columns) < texts.shape[1]:
        title += f", columns {columns[0]}-{columns[-1]}"
    lines, down = [title, top], LINES[1]
    for index, row in enumerate(texts):
        if index and index in cuts[0]:
            lines.append(inner)
        cells = (" ".join(f"{text:>{cell}}" for text in row[group]) for group in groups)
        lines.append(f"{down} " + f" {down} ".join(cells) + f" {down}")
    return [[*lines, bottom]]


def _in_rows(
    boxes: Iterable[list[str]], width: int, gap: str, begin: list[str] | None = None
) -> list[str]:
    """Put boxes side by side for as long as they fit into `width`, then below; `begin` is a box
    that stands first in every row.
    """
    rows: list[list[list[str]]] = []
    used = width
    for box in boxes:
        used += len(gap) + max(map(len, box))
        if used > width:
            rows.append([begin, box] if begin else [box])
            used = sum(len(gap) + max(map(len, box)) for box in rows[-1]) - len(gap)
        else:
            rows[-1].append(box)
    lines = []
    for row in rows:
        widths = [max(map(len, box)) for box in row]
        for parts in zip_longest(*row, fillvalue=""):
            padded = (f"{part:<{size}}" for part, size in zip(parts, widths, strict=True))
            lines.append(gap.join(padded).rstrip())
    return lines
