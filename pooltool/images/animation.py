"""Animations whose frames are drawn one over the other (APNG, GIF).

They are put together here: OpenCV cuts 16 bits to 8, takes what becomes clear in pictures without
alpha for black, and looks at the last frame of a GIF for the transparency of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pooltool import native
from pooltool.images.picture import Array, Header, Picture, channels

CLEARED, RESTORED = 1, 2
"""What becomes of the area of a frame afterwards; with any other number it stays."""


class Frame(NamedTuple):
    """A picture that is drawn somewhere on the canvas."""

    rows: slice
    columns: slice
    duration: int
    """Milliseconds."""
    disposal: int
    is_blended: bool
    """True when it is blended over the canvas, False when it replaces it."""
    data: Any
    """What it is decoded from."""


def drawn(
    header: Header,
    frames: Sequence[Frame],
    decoded: Iterable[Array],
    chosen: slice,
    *,
    loop: int,
    has_alpha: bool,
) -> Picture:
    """The chosen frames as they are seen. Without `has_alpha` they have alpha only where some of
    the canvas is clear.
    """
    cv2, size, shown = native.import_cv2(), header.sizes[0], list[Array]()
    whole = tuple(slice(0, side) for side in size)
    may_be_clear = frames[0][:2] != whole or any(frame.disposal for frame in frames)
    for frame, pixels in zip(frames[: chosen.stop], decoded, strict=False):
        is_gray = channels(pixels) == 1
        if may_be_clear and channels(pixels) < 4:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGRA if is_gray else cv2.COLOR_BGR2BGRA)
        if not shown:
            canvas = np.zeros((*size, *pixels.shape[2:]), pixels.dtype)
        area = canvas[frame.rows, frame.columns]
        pixels = pixels[: area.shape[0], : area.shape[1]]  # a GIF may reach beyond its canvas
        after = area.copy() if frame.disposal == RESTORED else 0
        if frame.is_blended and channels(pixels) == 4 and area.size:
            _blend(pixels, area)
        else:
            area[...] = pixels
        shown.append(canvas.copy())
        if frame.disposal in (CLEARED, RESTORED):
            area[...] = after
    shown = shown[chosen]
    if not has_alpha and channels(canvas) == 4 and all(pixels[..., 3].all() for pixels in shown):
        # Three equal colors give their own level of gray.
        code = cv2.COLOR_BGRA2GRAY if is_gray else cv2.COLOR_BGRA2BGR
        shown = [cv2.cvtColor(pixels, code) for pixels in shown]
    durations = tuple(frame.duration for frame in frames[chosen])
    return Picture(tuple(shown), header.format, durations, loop)


def _blend(front: Array, back: Array) -> None:
    """Blend the front over the back, with straight alpha, rounded once."""
    cv2, opaque = native.import_cv2(), int(np.iinfo(front.dtype).max)
    alpha = cv2.extractChannel(front, 3)
    cv2.copyTo(front, (alpha == opaque).view(np.uint8), back)
    mixed = (alpha > 0) & (alpha < opaque)
    colors, behind = front[mixed].astype(np.int64), back[mixed].astype(np.int64)
    share, rest = colors[:, 3:] * opaque, behind[:, 3:] * (opaque - colors[:, 3:])
    total = share + rest
    sums = colors[:, :3] * share + behind[:, :3] * rest
    back[mixed] = np.hstack([(sums + total // 2) // total, (total + opaque // 2) // opaque])
