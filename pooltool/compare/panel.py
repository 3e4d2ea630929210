"""The picture that `compare` writes: an image and its pooled results, side by side.

Results are enlarged to the image's size without smoothing, so that their blocks show. A picture
that is larger than its place is reduced as every viewer does it, by averaging; where that leaves
blocks too small to see, a second row shows one detail of each picture, enlarged without smoothing.
Colours are blue, green, red throughout, as in OpenCV.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pooltool.compare.measures import finite_range
from pooltool.compare.text import (
    LARGEST_GRID,
    is_partition,
    numerals,
    texts_of,
    window_borders,
    window_text,
)
from pooltool.geometry import AnyAxis, AnyWindows, Pair
from pooltool.kernels import Method

Array = NDArray[Any]
Bgr = NDArray[np.uint8]
Colour = tuple[int, int, int]
Axes = tuple[AnyAxis, AnyAxis]
Span = tuple[int, int]
"""First and last + 1."""

NAMES: dict[Method, str] = {"max": "max", "min": "min", "avg": "average"}
PAPER: Colour = (247, 247, 247)
INK: Colour = (38, 34, 32)
PALE_INK: Colour = (120, 112, 108)
EDGE: Colour = (170, 166, 164)
ACCENT: Colour = (36, 120, 240)
NAN_COLOUR: Colour = (196, 64, 214)
"""A pixel that is not a number; no gray image holds this colour."""
CHECKS = (188, 228)
CHECK_SIDE = 12
"""Pixels on the screen; a checkerboard of these two grays shows through where alpha is low."""
LUMA = (0.114, 0.587, 0.299)
"""How bright blue, green and red look (ITU-R BT.601)."""

REGULAR, BOLD = 400, 600
TYPE_SIZE, NOTE_SIZE = 26, 21
LABEL_HEIGHT, NOTE_HEIGHT = 40, 32
SMALLEST_TYPE, LARGEST_TYPE = 11, 44
MARGIN = 28
LARGEST_PIXEL = 128
"""Side, on the picture, that a pixel of a tiny image is enlarged to at most."""
NUMBERED_PIXEL = 28
"""Pixels enlarged to this or more are drawn apart, with their value if type fits into them."""
THINNEST = 24
"""Height or width of an image of very few rows or columns; it is then drawn out of proportion."""
LITTLE = 1 / 8
"""An integer image that uses less of its dtype's range than this is stretched to be seen."""
SAMPLES = 4
"""Pixels per pixel of the screen that are averaged, at most, along each axis."""
SMALLEST_BLOCK = 6
"""Blocks shown smaller than this, in pixels, are shown again in a detail."""
DETAIL_BLOCK = 14
"""About the side, in pixels, of a block in a detail."""
LEAST_ROOM = 96
"""Pixels below which a detail would show nothing."""
BUSY_SIDE = 512
"""Rows and columns that are looked at to choose a detail."""


ARRANGEMENTS = {
    4: ((2.0, (4, 512, 640)), (6.0, (2, 1024, 512))),
    2: ((2.0, (2, 720, 720)),),
}
"""For so many pictures: up to which width / height of the image how many stand in a row, and the
largest width and height of each, in pixels."""
STACKED = (1, 2080, 400)


@dataclass(frozen=True)
class Tones:
    """The values that are shown black and white; those between are spaced evenly."""

    black: float
    white: float
    stretched: bool
    """True when these are not the ends of the dtype's range."""


@dataclass(frozen=True)
class Detail:
    """A part of the image and the windows that lie there, all as (rows, columns)."""

    windows: tuple[Span, Span]
    covered: tuple[Span, Span]
    """The pixels of the image that these windows stand for."""
    zoom: int
    """Side, on the picture, of a pixel of the image."""
    room: Pair
    """Largest height and width on the picture; blocks that reach beyond are cut."""

    @property
    def shown(self) -> list[Span]:
        """Those of the covered pixels that are seen at all."""
        pairs = zip(self.covered, self.room, strict=True)
        return [(low, min(high, low + ceil(side / self.zoom))) for (low, high), side in pairs]


def panel(pixels: Array, windows: AnyWindows, pooled: Mapping[Method, Array]) -> Bgr:
    """Draw the image and what max, min and average pooling make of it.

    Parameters
    ----------
    pixels
        (H, W) or (H, W, C) of a real dtype, three or four channels as BGR or BGRA. Of 2, 5 or
        more channels the first is shown.
    pooled
        The result of each method, shown in this order.

    Returns
    -------
    (H', W', 3) uint8 in BGR, at most about 2200 pixels wide. Shades are those of `tones_of`; a
    caption says when they are stretched. NaN is magenta; transparent parts show a checkerboard.
    Up to 16 x 16 values of one channel are written into their blocks.
    """
    tones, axes = tones_of(pixels), windows.axes(pixels.shape)
    height, width = pixels.shape[:2]
    choices = ARRANGEMENTS[1 + len(pooled)]
    place = next((place for limit, place in choices if width / height <= limit), STACKED)
    columns, widest, tallest = place
    scale = min(widest / width, tallest / height, LARGEST_PIXEL)
    if scale >= 1:
        scale = int(scale)  # a whole number, so that all blocks are alike
    size = max(THINNEST, round(height * scale)), max(THINNEST, round(width * scale))
    detail = _choose_detail(axes, size, list(pooled.values())[-1], tones)
    drawn = [_labelled("input", pixels, tones, size, axes, detail)]
    for method, result in pooled.items():
        drawn.append(_labelled(NAMES[method], result, tones, size, axes, detail))
    notes = [window_text(windows), *_notes(pixels, tones, size, detail)]
    return _sheet(drawn, columns, notes)


def side_by_side(pixels: Array, windows: AnyWindows, method: Method, pooled: Array) -> Bgr:
    """Draw an image beside its result, as `panel` does."""
    return panel(pixels, windows, {method: pooled})


# Tones: values of any kind -> colours


def tones_of(pixels: Array) -> Tones:
    """Choose black and white for an image and for the results that are shown beside it.

    bool and integers: the dtype's range, so that pictures look as other viewers show them, unless
    the image uses less than an eighth of it. floats: the smallest and largest finite value. A
    constant float image is shown gray.
    """
    shown = colours(pixels)
    if shown.dtype.kind == "b":
        return Tones(0, 1, stretched=False)
    low, high = finite_range(shown) or (0.0, 0.0)
    if shown.dtype.kind == "f":
        margin = max(0.5, abs(low)) if low == high else 0.0
        return Tones(low - margin, high + margin, stretched=True)
    limits = np.iinfo(shown.dtype)
    bottom, top = float(limits.min), float(limits.max)
    if low < high and high - low < LITTLE * (top - bottom):
        return Tones(low, high, stretched=True)
    return Tones(bottom, top, stretched=False)


def colours(pixels: Array) -> Array:
    """The channels that are shown: one, or blue, green and red of three or four channels.

    Of any other number, which no screen colour stands for, the first.
    """
    if pixels.ndim == 2:
        return pixels
    return pixels[..., :3] if pixels.shape[2] in (3, 4) else pixels[..., 0]


def paint(pixels: Array, tones: Tones, height: int, width: int) -> Bgr:
    """Show `pixels` as a (height, width, 3) picture in BGR.

    Enlarged pixels become flat blocks, never smoothed; where there are more pixels than the
    picture has, those that share one are averaged.
    """
    rows, columns = (
        max(1, have // (SAMPLES * wanted))
        for have, wanted in zip(pixels.shape, (height, width), strict=False)
    )
    pixels = pixels[::rows, ::columns]
    shades = _shades(colours(pixels), tones)
    if pixels.ndim == 2 or pixels.shape[2] != 4:
        return np.asarray(_fit(shades, height, width), np.uint8)
    alpha = pixels[..., 3]
    opaque = 1 if alpha.dtype.kind in "bf" else np.iinfo(alpha.dtype).max
    opacity = np.nan_to_num(np.clip(alpha.astype(np.float32) / opaque, 0, 1))[..., np.newaxis]
    visible = _fit(shades * opacity, height, width)
    behind = 1 - _fit(opacity, height, width).reshape(height, width, 1)
    return np.asarray(np.rint(visible + behind * checkerboard(height, width)), np.uint8)


def checkerboard(height: int, width: int) -> Array:
    """(height, width, 1) of the two grays."""
    squares = np.add.outer(np.arange(height) // CHECK_SIDE, np.arange(width) // CHECK_SIDE) % 2
    return np.asarray(np.array(CHECKS, np.float32)[squares][..., np.newaxis])


def _shades(values: Array, tones: Tones) -> Bgr:
    """(H, W) or (H, W, 3) of any real dtype -> (H, W, 3) from 0, black, to 255, white."""
    if values.dtype == np.uint8 and values.size > 256:  # a table of all values is quicker
        table = _shades(np.arange(256, dtype=np.uint8)[np.newaxis], tones)[0, :, 0]
        shades = np.asarray(cv2.LUT(np.ascontiguousarray(values), table), np.uint8)
        return shades if shades.ndim == 3 else np.repeat(shades[..., np.newaxis], 3, axis=2)
    exact = np.dtype(np.float64 if values.dtype.itemsize > 2 else np.float32)
    black, spread = exact.type(tones.black), exact.type(tones.white - tones.black)
    with np.errstate(all="ignore"):
        scaled = np.rint(np.clip((values.astype(exact) - black) / spread * 255, 0, 255))
    unknown = np.isnan(scaled)
    shades = np.where(unknown, 0, scaled).astype(np.uint8)
    if shades.ndim == 2:
        shades, unknown = np.repeat(shades[..., np.newaxis], 3, axis=2), unknown[..., np.newaxis]
    shades[unknown.any(axis=2)] = NAN_COLOUR
    return np.ascontiguousarray(shades)


def _fit(values: Array, height: int, width: int) -> Array:
    """Resize (H, W, ...) values: averaged where they shrink, repeated where they grow."""
    smaller = min(values.shape[0], height), min(values.shape[1], width)
    if smaller != values.shape[:2]:
        values = cv2.resize(values, smaller[::-1], interpolation=cv2.INTER_AREA)
    rows, columns = (
        np.arange(wanted) * have // wanted
        for have, wanted in zip(values.shape, (height, width), strict=False)
    )
    return np.asarray(values[rows[:, np.newaxis], columns])


# Pictures: a whole one, and a detail of it


def _labelled(
    name: str, values: Array, tones: Tones, size: Pair, axes: Axes, detail: Detail | None
) -> Bgr:
    """Put a picture's name and shape above it and its detail, on paper just large enough."""
    parts = [_paint_whole(values, tones, size, axes, is_input=name == "input")]
    if detail is not None:
        scales = (side / axis.size for side, axis in zip(size, axes, strict=True))
        (top, bottom), (left, right) = (
            (round(low * scale), round(high * scale))
            for (low, high), scale in zip(detail.shown, scales, strict=True)
        )
        _frame(parts[0], (left, top, right, bottom), ACCENT, 2)
        rows, columns = detail.covered if name == "input" else detail.windows
        height, width = ((high - low) * detail.zoom for low, high in detail.covered)
        enlarged = paint(values[slice(*rows), slice(*columns)], tones, height, width)
        parts.append(enlarged[: detail.room[0], : detail.room[1]])
    shape_at = _text_width(name, TYPE_SIZE, BOLD) + 12
    label = shape_at + _text_width(str(values.shape), TYPE_SIZE)
    width = 2 + max(label, *(part.shape[1] for part in parts))
    height = LABEL_HEIGHT + sum(part.shape[0] + MARGIN // 2 for part in parts)
    paper = np.full((height, width, 3), PAPER, np.uint8)
    _write(paper, name, (0, TYPE_SIZE), TYPE_SIZE, INK, BOLD)
    _write(paper, str(values.shape), (shape_at, TYPE_SIZE), TYPE_SIZE, PALE_INK)
    top = LABEL_HEIGHT
    for part in parts:
        bottom, right = top + part.shape[0], 1 + part.shape[1]
        paper[top:bottom, 1:right] = part
        _frame(paper, (1, top, right, bottom), EDGE)
        top = bottom + MARGIN // 2
    return paper


def _paint_whole(values: Array, tones: Tones, size: Pair, axes: Axes, *, is_input: bool) -> Bgr:
    """Paint the image or a result, (height, width) `size` large.

    A tiny one is drawn with lines between its pixels and its windows, and with its numbers. The
    blocks of a result lie where their windows do; what is in no window stays paper.
    """
    scales = [shown / axis.size for shown, axis in zip(size, axes, strict=True)]
    if max(axis.size for axis in axes) > LARGEST_GRID or min(scales) < NUMBERED_PIXEL:
        return paint(values, tones, *size)
    tiled = all(map(is_partition, axes))
    ends, borders = [], []
    for axis, scale in zip(axes, scales, strict=True):
        stops = [axis.span(index, index + 1)[1] for index in range(axis.count)]
        blocks = np.array([0, *(min(stop, axis.size) for stop in stops)])
        if is_input:
            blocks = np.arange(axis.size + 1)
        elif not tiled:
            blocks = np.linspace(0, axis.size, axis.count + 1)
        ends.append(np.rint(blocks * scale).astype(int))
        borders.append([border * scale for border in window_borders(axis)])
    rows, columns = ends
    sheet = np.full((*size, 3), PAPER, np.uint8)
    picture = sheet[: rows[-1], : columns[-1]]
    blocks = values.repeat(np.diff(rows), 0).repeat(np.diff(columns), 1)
    picture[...] = paint(blocks, tones, *picture.shape[:2])
    _rule(picture, rows[1:-1], columns[1:-1], EDGE, 1)
    if tiled:
        bottom, right = (
            ceil(axis.span(0, axis.count)[1] * scale) + 2
            for axis, scale in zip(axes, scales, strict=True)
        )
        _rule(sheet[:bottom, :right], borders[0], borders[1], ACCENT, 3)
    if values.ndim == 2 or values.shape[2] == 1:
        _number(picture, texts_of(values.reshape(values.shape[:2])), rows, columns)
    return sheet


def _number(picture: Bgr, texts: Array, rows: Array, columns: Array) -> None:
    """Write each text into the middle of its block, if type that fits into it can be read.

    Blocks end at the pixels `rows` and `columns`, from 0 on.
    """
    longest = max(_text_width(text, 100) for text in texts.flat)
    height, width = (float(np.diff(ends).min()) for ends in (rows, columns))
    size = int(min(0.45 * height, 75 * width / longest, LARGEST_TYPE))
    if size < SMALLEST_TYPE:
        return
    ys, xs = ((ends[1:] + ends[:-1]) // 2 for ends in (rows, columns))
    dark = picture[np.ix_(ys, xs)] @ LUMA < 140
    for (row, column), text in np.ndenumerate(texts):
        left = round(int(xs[column]) - _text_width(text, size) / 2)
        baseline = round(int(ys[row]) + 0.36 * size)
        _write(picture, text, (left, baseline), size, PAPER if dark[row, column] else INK)


def _choose_detail(axes: Axes, size: Pair, result: Array, tones: Tones) -> Detail | None:
    """Choose the detail to enlarge, where neighbours in `result` differ most.

    None where the blocks can be seen in the whole picture.
    """
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
    step = max(1, max(result.shape[:2]) // BUSY_SIDE)
    thinned = result[::step, ::step]
    shown = paint(thinned, tones, *thinned.shape[:2]).mean(axis=2, dtype=np.float64)
    change = np.abs(np.diff(shown, axis=0, prepend=shown[:1]))
    change += np.abs(np.diff(shown, axis=1, prepend=shown[:, :1]))
    tall, wide = (max(1, count // step) for count in counts)
    sums = np.pad(change, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    totals = sums[tall:, wide:] - sums[:-tall, wide:] - sums[tall:, :-wide] + sums[:-tall, :-wide]
    busiest = np.unravel_index(np.argmax(totals), totals.shape)
    chosen, covered = [], []
    for axis, count, place in zip(axes, counts, busiest, strict=True):
        first = min(int(place) * step, axis.count - count)
        last = first + count
        high = axis.start(last) if last < axis.count else axis.span(first, last)[1]
        chosen.append((first, last))
        covered.append((max(0, axis.start(first)), min(axis.size, high)))
    return Detail((chosen[0], chosen[1]), (covered[0], covered[1]), zoom, room)


# The sheet: pictures and captions


def _notes(pixels: Array, tones: Tones, size: Pair, detail: Detail | None) -> list[str]:
    """What a reader has to know to read the picture right."""
    notes = []
    if detail is not None:
        rows, columns = (f"{low} to {high - 1}" for low, high in detail.shown)
        notes.append(f"below: rows {rows}, columns {columns}, enlarged {detail.zoom} times")
    if tones.stretched:
        low, high = numerals([tones.black, tones.white])
        notes.append(f"{low} is shown black, {high} white")
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4):
        notes.append(f"channel 0 of {pixels.shape[2]} is shown")
    if pixels.dtype.kind == "f" and np.isnan(colours(pixels)).any():
        notes.append("NaN is magenta")
    (height, width), (rows_shown, columns_shown) = pixels.shape[:2], size
    if not 0.9 < rows_shown * width / (columns_shown * height) < 1.1:
        notes.append("drawn thicker than it is")
    return notes


def _sheet(drawn: Sequence[Bgr], columns: int, notes: Sequence[str]) -> Bgr:
    """Lay the labelled pictures out in rows of `columns`, the notes beneath."""
    tall, wide = (max(part.shape[axis] for part in drawn) for axis in (0, 1))
    rows = -(-len(drawn) // columns)
    width = MARGIN + columns * (wide + MARGIN)
    lines: list[str] = []
    for note in notes:
        longer = f"{lines[-1]}   ·   {note}" if lines else note
        if lines and _text_width(longer, NOTE_SIZE) <= width - 2 * MARGIN:
            lines[-1] = longer
        else:
            lines.append(note)
    below = MARGIN + rows * (tall + MARGIN // 2)
    height = below + len(lines) * NOTE_HEIGHT + MARGIN // 2
    sheet = np.full((height, width, 3), PAPER, np.uint8)
    for index, part in enumerate(drawn):
        row, column = divmod(index, columns)
        top, left = MARGIN + row * (tall + MARGIN // 2), MARGIN + column * (wide + MARGIN)
        sheet[top : top + part.shape[0], left : left + part.shape[1]] = part
    for index, line in enumerate(lines):
        baseline = below + index * NOTE_HEIGHT + NOTE_SIZE - 6
        _write(sheet, line, (MARGIN, baseline), NOTE_SIZE, PALE_INK)
    return sheet


# Marks: type and lines


@cache
def _typeface(weight: int) -> cv2.FontFace:
    """A face that comes with OpenCV, so that pictures look alike on every machine.

    "uni" has the plainer figures and brackets, but no bold.
    """
    return cv2.FontFace("sans" if weight > REGULAR else "uni")


def _text_width(text: str, size: int, weight: int = REGULAR) -> int:
    """Pixels that a line of type takes."""
    box: Sequence[int] = cv2.getTextSize((0, 0), text, (0, 0), _typeface(weight), size, weight)
    return int(box[0] + box[2])


def _write(
    picture: Bgr, text: str, at: tuple[int, int], size: int, colour: Colour, weight: int = REGULAR
) -> None:
    """Write a line whose baseline begins at `at`, (x, y); `size` is in pixels."""
    no_wrap = (0, 1 << 20)
    cv2.putText(picture, text, at, colour, _typeface(weight), size, weight, wrap=no_wrap)


def _frame(
    picture: Bgr, box: tuple[int, int, int, int], colour: Colour, thickness: int = 1
) -> None:
    """Draw around (not on) the box of (left, top, right, bottom), its last two excluded."""
    left, top, right, bottom = box
    for step in range(1, thickness + 1):
        corners = (left - step, top - step), (right - 1 + step, bottom - 1 + step)
        cv2.rectangle(picture, *corners, colour, 1)


def _rule(
    picture: Bgr, rows: Iterable[float], columns: Iterable[float], colour: Colour, thickness: int
) -> None:
    """Draw lines across the whole picture at these positions, in pixels."""
    for row in rows:
        top = max(0, round(row) - thickness // 2)
        picture[top : top + thickness] = colour
    for column in columns:
        left = max(0, round(column) - thickness // 2)
        picture[:, left : left + thickness] = colour
