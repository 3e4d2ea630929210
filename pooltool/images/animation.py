"""Animations of GIF and PNG: each frame is drawn onto what the ones before it left on the canvas,
as browsers do it and PNG (third edition, section 11.3.4) tells it.

OpenCV's own cut 16 bits to 8, do not restore what a frame covered, and stop at a frame that leaves
the canvas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pooltool import native
from pooltool.images.picture import Array, Header, Picture, channels

BACKGROUND, PREVIOUS = 1, 2


class Frame(NamedTuple):
    """One frame, as the file tells of it."""

    height: int
    width: int
    top: int
    left: int
    duration: int
    """Milliseconds."""
    disposal: int
    """BACKGROUND where its area becomes transparent before the next frame is drawn, PREVIOUS where
    it becomes what it was before this one."""
    blended: bool
    """True when it lies over what is there, False when it replaces it."""
    content: Any
    """What the module of the format decodes its pixels from."""


def compose(
    header: Header,
    frames: Sequence[Frame],
    loop: int,
    frame: int | None,
    decode: Callable[[Frame], Array],
) -> Picture:
    """The frames as they are seen, or one of them; without alpha if there is none in the frames
    and all of the canvas is covered. What of a frame leaves the canvas is not seen.
    """
    cv2, shown = native.import_cv2(), list[Array]()
    for index, each in enumerate(frames if frame is None else frames[: frame + 1]):
        pixels = decode(each)
        if index == 0:
            count, opaque = channels(pixels), np.iinfo(pixels.dtype).max
            canvas = np.zeros((*header.sizes[0], 4), pixels.dtype)
        blended = each.blended and channels(pixels) == 4
        if channels(pixels) < 4:
            gray, color = cv2.COLOR_GRAY2BGRA, cv2.COLOR_BGR2BGRA
            pixels = cv2.cvtColor(pixels, gray if pixels.ndim == 2 else color)
        area = canvas[each.top : each.top + each.height, each.left : each.left + each.width]
        pixels, before = pixels[: area.shape[0], : area.shape[1]], area.copy()
        if blended:
            _blend(pixels, area)
        else:
            area[...] = pixels
        if frame in (None, index):
            shown.append(canvas.copy())
        if each.disposal in (BACKGROUND, PREVIOUS):
            area[...] = before if each.disposal == PREVIOUS else 0
    if count < 4 and all((pixels[..., 3] == opaque).all() for pixels in shown):
        shown = [pixels[..., 0] if count == 1 else pixels[..., :3] for pixels in shown]
    if len(frames) == 1 or frame is not None:
        return Picture(tuple(shown), header.format)
    durations = tuple(each.duration for each in frames)
    return Picture(tuple(shown), header.format, durations, loop)


def _blend(front: Array, back: Array) -> None:
    """Lay the front over the back, with straight alpha, rounded once."""
    alpha, opaque = front[..., 3].copy(), int(np.iinfo(front.dtype).max)
    whole = f"u{4 * front.itemsize}"  # a pixel as one number
    np.copyto(back.view(whole), front.view(whole), where=(alpha == opaque)[..., None])
    mixed = (alpha > 0) & (alpha < opaque)
    colors, behind = front[mixed].astype(np.int64), back[mixed].astype(np.int64)
    share, rest = colors[:, 3:] * opaque, behind[:, 3:] * (opaque - colors[:, 3:])
    total = share + rest
    sums = colors[:, :3] * share + behind[:, :3] * rest
    back[mixed] = np.hstack([(sums + total // 2) // total, (total + opaque // 2) // opaque])
