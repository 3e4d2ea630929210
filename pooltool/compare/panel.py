"""The picture that `compare` writes: an image and its pooled results, side by side.

Results are enlarged to the image's size without smoothing, so that their blocks show. A picture
that is larger than its place is reduced as every viewer does it, by averaging; where that leaves
blocks too small to see, a second row shows one detail of each picture, enlarged without smoothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.compare.blocks import paint_whole
from pooltool.compare.detail import Detail, choose_detail, close_up, outline
from pooltool.compare.drawing import BOLD, EDGE, INK, PALE_INK, PAPER, frame, text_width, write
from pooltool.compare.tables import numerals, window_text
from pooltool.compare.tones import Bgr, Tones, colours, tones_of
from pooltool.geometry import AnyWindows
from pooltool.kernels import Method

Array = NDArray[Any]

NAMES: dict[Method, str] = {"max": "max", "min": "min", "avg": "average"}
MARGIN = 28
TYPE_SIZE = 26
LABEL_HEIGHT = 40
NOTE_SIZE = 21
NOTE_HEIGHT = 32
LARGEST_PIXEL = 128
"""Side, on the picture, that a pixel of a tiny image is enlarged to at most."""
THINNEST = 24
"""Height or width of an image of very few rows or columns; it is then drawn out of proportion."""


@dataclass(frozen=True)
class Arrangement:
    """How many pictures stand in a row, and the largest size of each in pixels."""

    columns: int
    width: int
    height: int


ARRANGEMENTS = {
    4: ((2.0, Arrangement(4, 512, 640)), (6.0, Arrangement(2, 1024, 512))),
    2: ((2.0, Arrangement(2, 720, 720)),),
}
"""For so many pictures: up to which width / height which arrangement is used."""
STACKED = Arrangement(1, 2080, 400)


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
    (H', W', 3) uint8 in BGR, at most about 2200 pixels wide. Shades are those of
    `tones.tones_of`; a caption says when they are stretched. NaN is magenta; transparent
    parts show a checkerboard. Up to 16 x 16 values of one channel are written into their blocks.
    """
    return _draw(pixels, windows, [(NAMES[method], pooled[method]) for method in pooled])


def side_by_side(pixels: Array, windows: AnyWindows, method: Method, pooled: Array) -> Bgr:
    """Draw an image beside its result, as `panel` does."""
    return _draw(pixels, windows, [(NAMES[method], pooled)])


def _draw(pixels: Array, windows: AnyWindows, results: Sequence[tuple[str, Array]]) -> Bgr:
    pictures = [("input", pixels), *results]
    height, width = pixels.shape[:2]
    place = _arrangement(len(pictures), width / height)
    size = _shown_size(height, width, place)
    tones, axes = tones_of(pixels), windows.axes(pixels.shape)
    detail = choose_detail(axes, size, results[-1][1], tones)
    drawn = []
    for index, (name, values) in enumerate(pictures):
        whole = paint_whole(values, tones, size, axes, index)
        outline(whole, detail, axes)
        parts = [whole] if detail is None else [whole, close_up(values, detail, tones, index)]
        drawn.append(_labelled(name, values.shape, parts))
    notes = [window_text(windows), *_notes(pixels, tones, size, detail)]
    return _sheet(drawn, place.columns, notes)


def _arrangement(count: int, aspect: float) -> Arrangement:
    fitting = (place for limit, place in ARRANGEMENTS[count] if aspect <= limit)
    return next(fitting, STACKED)


def _shown_size(height: int, width: int, place: Arrangement) -> tuple[int, int]:
    """Height and width of the pictures: a whole number of times the image's if they are larger."""
    scale = min(place.width / width, place.height / height, LARGEST_PIXEL)
    if scale >= 1:
        scale = int(scale)
    return max(THINNEST, round(height * scale)), max(THINNEST, round(width * scale))


def _notes(pixels: Array, tones: Tones, size: tuple[int, int], detail: Detail | None) -> list[str]:
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


def _labelled(name: str, shape: tuple[int, ...], parts: Sequence[Bgr]) -> Bgr:
    """Put a picture's name and shape above its parts, on paper just large enough."""
    shape_at = text_width(name, TYPE_SIZE, BOLD) + 12
    label = shape_at + text_width(str(shape), TYPE_SIZE)
    width = 2 + max(label, *(part.shape[1] for part in parts))
    height = LABEL_HEIGHT + sum(part.shape[0] + MARGIN // 2 for part in parts)
    paper = np.full((height, width, 3), PAPER, np.uint8)
    write(paper, name, (0, TYPE_SIZE), TYPE_SIZE, INK, BOLD)
    write(paper, str(shape), (shape_at, TYPE_SIZE), TYPE_SIZE, PALE_INK)
    top = LABEL_HEIGHT
    for part in parts:
        bottom, right = top + part.shape[0], 1 + part.shape[1]
        paper[top:bottom, 1:right] = part
        frame(paper, (1, top, right, bottom), EDGE)
        top = bottom + MARGIN // 2
    return paper


def _sheet(drawn: Sequence[Bgr], columns: int, notes: Sequence[str]) -> Bgr:
    """Lay the labelled pictures out in rows of `columns`, the notes beneath."""
    tall, wide = (max(part.shape[axis] for part in drawn) for axis in (0, 1))
    rows = -(-len(drawn) // columns)
    width = MARGIN + columns * (wide + MARGIN)
    lines = _wrapped(notes, width - 2 * MARGIN)
    height = MARGIN + rows * (tall + MARGIN // 2) + len(lines) * NOTE_HEIGHT + MARGIN // 2
    sheet = np.full((height, width, 3), PAPER, np.uint8)
    for index, part in enumerate(drawn):
        row, column = divmod(index, columns)
        top, left = MARGIN + row * (tall + MARGIN // 2), MARGIN + column * (wide + MARGIN)
        sheet[top : top + part.shape[0], left : left + part.shape[1]] = part
    for index, line in enumerate(lines):
        y = MARGIN + rows * (tall + MARGIN // 2) + index * NOTE_HEIGHT + NOTE_SIZE - 6
        write(sheet, line, (MARGIN, y), NOTE_SIZE, PALE_INK)
    return sheet


def _wrapped(notes: Sequence[str], width: int) -> list[str]:
    """Join notes to lines of at most `width` pixels."""
    lines: list[str] = []
    for note in notes:
        longer = f"{lines[-1]}   ·   {note}" if lines else note
        if lines and text_width(longer, NOTE_SIZE) <= width:
            lines[-1] = longer
        else:
            lines.append(note)
    return lines
