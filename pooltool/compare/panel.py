"""The picture that `compare` writes: an image and its pooled results, side by side.

A value of a result is a block at the position of its window in the image, enlarged without
smoothing. A picture that is larger than its place is reduced by averaging, as in other viewers;
where that leaves blocks too small to see, a close-up is drawn below each picture. Colors are
blue, green, red throughout, as in OpenCV. Lengths are in pixels of the panel unless said otherwise.
"""

from __future__ import annotations

import textwrap
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise, product
from math import ceil, floor
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pooltool.compare.measures import Result, finite_range
from pooltool.compare.text import (
    CHANNEL_NAMES,
    LARGEST_GRID,
    is_partition,
    numerals,
    texts_of,
    window_text,
)
from pooltool.errors import UsageProblem
from pooltool.geometry import Axis, Pair

Array = NDArray[Any]
Bgr = NDArray[np.uint8]
Color = tuple[int, int, int]

PAPER: Color = (247, 247, 247)
INK: Color = (38, 34, 32)
PALE_INK: Color = (120, 112, 108)
EDGE: Color = (170, 166, 164)
ACCENT: Color = (36, 120, 240)
OUTSIDE: Color = (214, 212, 210)
NAN_COLOR: Color = (196, 64, 214)
"""A pixel that is not a number; no gray image holds this color."""
CHECKS, CHECK_SIDE = (188, 228), 12
"""A checkerboard of these two grays shows through where alpha is low."""

ALL_WIDTH, PICTURE_WIDTH = 2048, 720
"""Width of all the pictures in a row, and of one at most."""
PLAIN, BOLD = cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX
TYPE_SIZE, NOTE_SIZE, SMALLEST_TYPE, LARGEST_TYPE = 26, 21, 11, 44
LABEL_HEIGHT, NOTE_HEIGHT, MARGIN, GAP = 39, 32, 28, 14
LARGEST_PIXEL, NUMBERED_PIXEL = 128, 28
"""Side that a pixel of a tiny image is enlarged to at most; and from which on the pixels of a
small image are drawn apart, with their numbers.
"""
THINNEST = 120
"""Height or width of an image of few rows or columns, if need be out of proportion."""
VISIBLE = 3
"""Rows and columns without a window are hatched where they are as thick as this."""
SMALLEST_BLOCK, CLOSE_BLOCK = 6, 14
"""Blocks smaller than the first are shown again in a close-up, with about the second as side."""


class Tones(NamedTuple):
    """The values that are shown black and white; those between are spaced evenly."""

    black: float
    white: float
    stretched: bool
    """True when these are not the ends of the dtype's range."""
    opaque: float = 1
    """Alpha of what is not transparent at all; means of it are floats on the same scale."""


class View(NamedTuple):
    """The part of an axis that is drawn, from `low` to `high` in pixels of the image."""

    axis: Axis
    low: float
    high: float
    scale: float
    """Side of a pixel of the image on the panel."""
    is_input: bool = True
    """True where the image is drawn, False where a result is."""

    def at(self, position: float) -> int:
        """The place on the panel of a position in the image."""
        return floor((position - self.low) * self.scale + 0.5)

    @property
    def side(self) -> int:
        """Height or width of the part on the panel."""
        return self.at(self.high)

    @property
    def pitch(self) -> float:
        """From one value of a result to the next, in pixels of the image."""
        return self.axis.reduction if self.axis.count > 1 else self.axis.extent

    def blocks(self) -> list[Pair]:
        """Where each pixel of the image begins and ends on the panel or, one stride around the
        center of its window, each value of a result.
        """
        count, pitch, first = self.axis.size, 1.0, 0.0
        if not self.is_input:
            count, pitch = self.axis.count, self.pitch
            first = (sum(self.axis.span(0, count)) - count * pitch) / 2
        ends = [self.at(first + index * pitch) for index in range(count + 1)]
        return list(pairwise(ends))

    def windows(self) -> list[Pair]:
        """Where each window begins and ends on the panel or, in a result, its value."""
        spans = (self.axis.span(index, index + 1) for index in range(self.axis.count))
        bounds = [(self.at(start), self.at(stop)) for start, stop in spans]
        if self.is_input:
            return bounds
        return [
            (max(start, low), min(stop, high))
            for (start, stop), (low, high) in zip(self.blocks(), bounds, strict=True)
        ]

    def uncovered(self) -> NDArray[np.bool_]:
        """Which rows or columns of the panel no window holds, as far as they can be seen.

        A result's blocks hide the pixels that dilation leaves out of a window.
        """
        held, seen = np.zeros(self.axis.size, bool), np.zeros(self.side, bool)
        for index in range(self.axis.count):
            start, stop = self.axis.span(index, index + 1)
            pixels = self.axis.pixels(index)
            held[pixels if self.is_input else slice(max(0, start), stop)] = True
        ends = np.flatnonzero(np.diff(held, prepend=True, append=True)).tolist()
        for first, last in zip(ends[::2], ends[1::2], strict=True):
            if (last - first) * self.scale >= VISIBLE:
                seen[max(0, self.at(first)) : max(0, self.at(last))] = True
        return seen


Views = tuple[View, View]


def panel(pixels: Array, results: Sequence[Result], detail: Pair | None = None) -> Bgr:
    """Draw the image and what each method makes of it, a row of pictures for each result.

    `pixels` are (H, W) or (H, W, C) of a real dtype, three or four channels as BGR or BGRA; of 2, 5
    or more channels the first is shown. `results` are those of `pool_all`. `detail` is the row and
    column, counted from 0, that close-ups show; else those where neighboring values differ most.

    Returns (H', W', 3) uint8 in BGR, at most about 2200 pixels wide. Shades are those of
    `tones_of`; a caption says when they are stretched. NaN is magenta; transparent parts show a
    checkerboard. Up to 16 x 16 pixels and their results are drawn with their numbers.

    Raises `UsageProblem` where `detail` is outside the image.
    """
    height, width = pixels.shape[:2]
    if detail is not None and not (0 <= detail[0] < height and 0 <= detail[1] < width):
        raise UsageProblem(
            f"--detail {detail[0]},{detail[1]} is outside the image, whose rows are 0 to "
            f"{height - 1} and columns 0 to {width - 1}"
        )
    tones = tones_of(pixels)
    center = detail or busiest(pixels.shape, list(results[0].pooled.values())[-1], tones)
    bands = [_band(pixels, one, tones, center, always=detail is not None) for one in results]
    return _padded(_joined(bands), bottom=GAP, left=MARGIN, right=MARGIN)


def tones_of(pixels: Array) -> Tones:
    """Choose black and white for an image and for the results that are shown beside it.

    bool and integers: the dtype's range, so that pictures look as other viewers show them, unless
    the image uses less than an eighth of it. floats: the smallest and largest finite value. A
    constant float image is shown gray.
    """
    shown = colors(pixels)
    if shown.dtype.kind == "b":
        return Tones(0, 1, stretched=False)
    low, high = finite_range(shown)
    if shown.dtype.kind == "f":
        margin = max(0.5, abs(low)) if low == high else 0.0
        return Tones(low - margin, high + margin, stretched=True)
    limits = np.iinfo(shown.dtype)
    bottom, top = float(limits.min), float(limits.max)
    if low < high and high - low < (top - bottom) / 8:
        return Tones(low, high, stretched=True, opaque=top)
    return Tones(bottom, top, stretched=False, opaque=top)


def colors(pixels: Array) -> Array:
    """The channels that are shown, (H, W, 1 or 3): blue, green and red of three or four channels;
    of any other number, which no screen color stands for, the first.
    """
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return pixels[..., :3] if pixels.shape[2] in (3, 4) else pixels[..., :1]


@np.errstate(all="ignore")
def paint(pixels: Array, tones: Tones, height: int, width: int) -> Bgr:
    """Show `pixels` as a (height, width, 3) picture in BGR.

    Enlarged pixels become flat blocks, never smoothed; where there are more pixels than the
    picture has, those that share one are averaged, up to about 4 along each axis.
    """
    rows, columns = pixels.shape[0] // (4 * height), pixels.shape[1] // (4 * width)
    pixels = pixels[:: max(1, rows), :: max(1, columns)]
    shades = _shades(colors(pixels), tones)
    if pixels.ndim == 2 or pixels.shape[2] != 4:
        return np.asarray(_fit(shades, height, width), np.uint8)
    alpha = pixels[..., 3:].astype(np.float32) / tones.opaque
    opacity = np.nan_to_num(np.clip(alpha, 0, 1))
    visible = _fit(shades * opacity, height, width)
    behind = 1 - _fit(opacity, height, width).reshape(height, width, 1)
    return np.asarray(np.rint(visible + behind * checkerboard(height, width)), np.uint8)


def checkerboard(height: int, width: int) -> Array:
    """(height, width, 1) of the two grays."""
    squares = np.add.outer(np.arange(height) // CHECK_SIDE, np.arange(width) // CHECK_SIDE) % 2
    return np.asarray(np.array(CHECKS, np.float32)[squares][..., np.newaxis])


def _shades(values: Array, tones: Tones) -> Bgr:
    """(H, W, 1 or 3) of any real dtype -> (H, W, 3) from 0, black, to 255, white."""
    if values.dtype == np.uint8 and (tones.black, tones.white) == (0, 255):
        return values.repeat(3 // values.shape[2], axis=2)
    exact = np.dtype(np.float64 if values.dtype.itemsize > 2 else np.float32)
    black, spread = exact.type(tones.black), exact.type(tones.white - tones.black)
    scaled = np.rint(np.clip((values.astype(exact) - black) / spread * 255, 0, 255))
    unknown = np.isnan(scaled).any(axis=2, keepdims=True)
    return np.where(unknown, np.array(NAN_COLOR, exact), scaled).astype(np.uint8, order="C")


def _fit(values: Array, height: int, width: int) -> Array:
    """Resize (H, W, ...) values: averaged where they shrink, repeated where they grow."""
    smaller = min(values.shape[1], width), min(values.shape[0], height)
    shrunk = cv2.resize(values, smaller, interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


def _band(pixels: Array, result: Result, tones: Tones, center: Pair, *, always: bool) -> Bgr:
    """Draw a result's pictures, in a row or one below the other, between a line that names its
    windows and the captions.
    """
    pictures = [("input", pixels), *result.pooled.items()]
    in_a_row = pixels.shape[1] <= 2 * pixels.shape[0]
    widest, tallest, close_height = ALL_WIDTH, 400, 128
    if in_a_row:
        widest = min(PICTURE_WIDTH, ALL_WIDTH // len(pictures))
        tallest, close_height = 1200, widest * 3 // 4
    axes, ends = result.windows.axes(pixels.shape), []
    for axis in axes:
        low, high = axis.span(0, axis.count)
        ends.append((min(0, low), max(axis.size, high)))
    height, width = (high - low for low, high in ends)
    scale = min(widest / width, tallest / height, LARGEST_PIXEL)
    if scale >= 1:
        scale = int(scale)  # a whole number, so that all blocks are alike
    whole = (
        View(axes[0], *ends[0], max(scale, THINNEST / height)),
        View(axes[1], *ends[1], max(scale, THINNEST / width)),
    )
    close = _close_up(whole, close_height, center, always=always)
    parts = [whole, close] if close else [whole]
    drawn = [_labeled(name, values, parts, tones) for name, values in pictures]
    sheet = _joined(drawn, gap=MARGIN, axis=1) if in_a_row else _joined(drawn)
    heading = _lines([window_text(result.windows, pixels.shape)], sheet.shape[1], INK)
    captions = _lines(_captions(parts, pixels, tones), sheet.shape[1], PALE_INK)
    return _joined([heading, sheet, captions])


def _captions(parts: Sequence[Views], pixels: Array, tones: Tones) -> list[str]:
    """Notes that explain the pictures of a band."""
    whole, close, views = parts[0], parts[-1], [view for part in parts for view in part]
    axes, channels = [view.axis for view in whole], pixels.shape[2] if pixels.ndim == 3 else 1
    rows, columns = (
        f"{max(0, ceil(view.low))} to {min(view.axis.size, floor(view.high)) - 1}" for view in close
    )
    enlarged = f"{close[0].scale:.0f} times enlarged: rows {rows}, columns {columns}"
    has_gray = any(view.at(0) > 0 or view.at(view.axis.size) < view.side for view in views)
    do_overlap = any(axis.count > 1 and axis.span(0, 1)[1] > axis.span(1, 2)[0] for axis in axes)
    has_numbers, are_apart = _shows_numbers(whole), all(map(is_partition, axes))
    framed = "windows and their values" if are_apart else "the first window and its value"
    in_colors = "numbers from top to bottom: red, green, blue (, alpha)"
    black, white = numerals([tones.black, tones.white])
    captions = {
        f"below, {enlarged}, counted from 0": len(parts) > 1,
        "hatched: in no window": any(view.uncovered().any() for view in views),
        "gray: outside the image": has_gray,
        "windows overlap; each value is drawn at the center of its window": do_overlap,
        f"framed: {framed}": has_numbers,
        in_colors: has_numbers and channels in (3, 4),
        f"{black} is shown black, {white} white": tones.stretched,
        f"only channel 0 of {channels}, counted from 0, is shown": channels not in CHANNEL_NAMES,
        "NaN is magenta": pixels.dtype.kind == "f" and np.isnan(colors(pixels)).any(),
    }
    return [text for text, is_true in captions.items() if is_true]


def _labeled(name: str, values: Array, parts: Sequence[Views], tones: Tones) -> Bgr:
    """Draw a picture and its close-up, if it has one, below its name and shape."""
    if name != "input":
        parts = [(y._replace(is_input=False), x._replace(is_input=False)) for y, x in parts]
    drawn = [_draw(values, views, tones) for views in parts]
    if len(parts) > 1:
        (top, bottom), (left, right) = (
            (view.at(part.low), view.at(part.high)) for view, part in zip(*parts, strict=True)
        )
        cv2.rectangle(drawn[0], (left - 1, top - 1), (right, bottom), ACCENT, 2)
    label = _strip(name, TYPE_SIZE, INK, LABEL_HEIGHT, BOLD)
    shape = _strip(str(values.shape), TYPE_SIZE, PALE_INK, LABEL_HEIGHT)
    framed = [_padded(_padded(one, 1, 1, 1, 1, EDGE), bottom=GAP - 2) for one in drawn]
    return _joined([_joined([label, shape], gap=10, axis=1), *framed])


def busiest(shape: tuple[int, ...], values: Array, tones: Tones) -> Pair:
    """Row and column of the image around which neighboring values of a result differ most."""
    step = max(1, max(values.shape[:2]) // 512)
    thinned = values[::step, ::step]
    shown = paint(thinned, tones, *thinned.shape[:2]).mean(axis=2, dtype=np.float64)
    change = np.abs(np.diff(shown, axis=0, prepend=shown[:1]))
    change += np.abs(np.diff(shown, axis=1, prepend=shown[:, :1]))
    part = 36 // step + 1, 25 // step + 1  # width and height of what is looked for
    around = cv2.blur(change, part, borderType=cv2.BORDER_CONSTANT)
    row, column = np.unravel_index(np.argmax(around), around.shape)
    return int(row) * shape[0] // around.shape[0], int(column) * shape[1] // around.shape[1]


def _close_up(views: Views, height: int, center: Pair, *, always: bool) -> Views | None:
    """What to show enlarged, around `center`; None where the blocks can be seen as it is."""
    smallest = min(view.scale * view.pitch for view in views)
    seen = smallest >= SMALLEST_BLOCK and not always
    if seen or _shows_numbers(views) or min(view.pitch for view in views) < 1:
        return None
    zoom = max(1, round(CLOSE_BLOCK / max(view.pitch for view in views)))
    parts = []
    for view, room, middle in zip(views, (height, views[1].side), center, strict=True):
        length = min(view.high - view.low, room // zoom)
        low = min(max(view.low, floor(middle - length / 2)), view.high - length)
        if view.pitch >= 2 and 4 * view.pitch <= length:  # begin with a whole window
            low -= floor((low - view.axis.span(0, 1)[0]) % view.pitch)
        parts.append(View(view.axis, low, low + length, zoom))
    return parts[0], parts[1]


def _draw(values: Array, views: Views, tones: Tones) -> Bgr:
    """Paint the image or a result, each value at its place; hatch what is in no window."""
    is_input, parts, ends = views[0].is_input, [], []
    for view in views:
        starts, stops = zip(*view.blocks(), strict=True)
        first, last = bisect_left(stops, 0), bisect_right(starts, view.side)
        parts.append(slice(first, last))
        ends.append((starts[first], stops[last - 1]) if first < last else (0, 0))
    (top, bottom), (left, right) = ends
    sheet = np.full((views[0].side, views[1].side, 3), OUTSIDE if is_input else PAPER, np.uint8)
    if top < bottom and left < right:
        painted = paint(values[parts[0], parts[1]], tones, bottom - top, right - left)
        shown = sheet[max(0, top) : bottom, max(0, left) : right]
        shown[...] = painted[max(0, -top) :, max(0, -left) :][: shown.shape[0], : shown.shape[1]]
    rows, columns = (view.uncovered() for view in views)
    free = rows[:, np.newaxis] | columns
    stripes = np.add.outer(np.arange(len(rows)), np.arange(len(columns))) % 10 < 2
    sheet[free] = (sheet[free].astype(int) + PAPER) // 2 if is_input else PAPER
    sheet[free & stripes] = EDGE if is_input else PALE_INK
    if _shows_numbers(views):
        _number(sheet, values, views)
    return sheet


def _shows_numbers(views: Views) -> bool:
    return all(view.axis.size <= LARGEST_GRID and view.scale >= NUMBERED_PIXEL for view in views)


def _number(sheet: Bgr, values: Array, views: Views) -> None:
    """Draw the blocks of a small picture apart and frame its windows, only the first where they
    are not side by side; write the values into the blocks, if type that fits can be read.

    The values of three or four channels stand one below the other, red first.
    """
    ends, frames = [view.blocks() for view in views], [view.windows() for view in views]
    ends = frames if not views[0].is_input else ends
    height, width = (min(stop - start for start, stop in along) for along in ends)
    if min(height, width) < SMALLEST_TYPE:
        return
    if not all(is_partition(view.axis) for view in views):
        frames = [along[:1] for along in frames]
    for boxes, color, thickness in ((ends, EDGE, 1), (frames, ACCENT, 3)):
        for (top, bottom), (left, right) in product(*boxes):
            cv2.rectangle(sheet, (left, top), (right, bottom), color, thickness)
    values = values.reshape(*values.shape[:2], -1)
    names = CHANNEL_NAMES.get(values.shape[2], CHANNEL_NAMES[1])
    texts, lines = texts_of(values[..., [index for index, _ in names]]), len(names)
    longest = max(_text_width(text, 100) for text in texts.flat)
    size = int(min(0.45 * height, 0.8 * height / lines, 75 * width / longest, LARGEST_TYPE))
    if size < SMALLEST_TYPE:
        return
    for row, column in np.ndindex(texts.shape[:2]):
        (top, bottom), (left, right) = ends[0][row], ends[1][column]
        # How bright blue, green and red look (ITU-R BT.601).
        bright = sheet[top:bottom, left:right].mean(axis=(0, 1)) @ (0.114, 0.587, 0.299) >= 140
        for line, text in enumerate(texts[row, column]):
            x = round((left + right) / 2 - _text_width(text, size) / 2)
            y = round((top + bottom) / 2 + (0.36 + 1.1 * (line - (lines - 1) / 2)) * size)
            ink = INK if bright else PAPER
            cv2.putText(sheet, text, (x, y), PLAIN, size / 32, ink, 1, cv2.LINE_AA)


def _joined(parts: Sequence[Bgr], *, gap: int = 0, axis: int = 0) -> Bgr:
    """Put parts below each other or, with `axis` 1, side by side, `gap` apart; smaller ones on
    paper as large as the largest.
    """
    size = max(part.shape[1 - axis] for part in parts)
    padded = []
    for number, part in enumerate(parts):
        rest, before = size - part.shape[1 - axis], gap if number else 0
        padded.append(_padded(part, 0, rest, before) if axis else _padded(part, before, right=rest))
    return np.concatenate(padded, axis)


def _padded(
    part: Bgr, top: int = 0, bottom: int = 0, left: int = 0, right: int = 0, color: Color = PAPER
) -> Bgr:
    sides = top, bottom, left, right
    return np.asarray(cv2.copyMakeBorder(part, *sides, cv2.BORDER_CONSTANT, value=color), np.uint8)


def _lines(notes: Sequence[str], width: int, color: Color) -> Bgr:
    """Notes in lines that fit a width: a letter is about half as wide as high."""
    lines = textwrap.wrap("   |   ".join(notes), width * 2 // NOTE_SIZE)
    strips = [_strip(line, NOTE_SIZE, color, NOTE_HEIGHT) for line in lines]
    return _joined([np.full((GAP, 1, 3), PAPER, np.uint8), *strips])


def _strip(text: str, size: int, color: Color, height: int, face: int = PLAIN) -> Bgr:
    """A line of type on a strip of paper."""
    strip = np.full((height, _text_width(text, size, face) + 2, 3), PAPER, np.uint8)
    cv2.putText(strip, text, (0, size), face, size / 32, color, 1, cv2.LINE_AA)
    return strip


def _text_width(text: str, size: int, face: int = PLAIN) -> int:
    """Width of a line of type in pixels; `size` is about its height."""
    return cv2.getTextSize(text, face, size / 32, 1)[0][0]
