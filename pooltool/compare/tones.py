"""Pixel values of any kind -> colours on the screen, at the size they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pooltool.compare.finite import finite_range

Array = NDArray[Any]
Bgr = NDArray[np.uint8]

NAN_COLOUR = (196, 64, 214)
"""Blue, green, red of a pixel that is not a number; no gray image holds it."""
CHECKS = (188, 228)
CHECK_SIDE = 12
"""Pixels on the screen; a checkerboard of these two grays shows through where alpha is low."""
LITTLE = 1 / 8
"""An integer image that uses less of its dtype's range than this is stretched to be seen."""
SAMPLES = 4
"""Pixels per pixel of the screen that are averaged, at most, along each axis."""


@dataclass(frozen=True)
class Tones:
    """The values that are shown black and white; those between are spaced evenly."""

    black: float
    white: float
    stretched: bool
    """True when these are not the ends of the dtype's range."""


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
    shown = _shades(colours(pixels), tones)
    if pixels.ndim == 2 or pixels.shape[2] != 4:
        return np.asarray(fit(shown, height, width), np.uint8)
    alpha = _opacity(pixels[..., 3])
    visible = fit(shown * alpha[..., np.newaxis], height, width)
    behind = 1 - fit(alpha, height, width)[..., np.newaxis]
    return np.asarray(np.rint(visible + behind * checkerboard(height, width)), np.uint8)


def fit(values: Array, height: int, width: int) -> Array:
    """Resize (H, W, ...) values: averaged where they shrink, repeated where they grow."""
    smaller = min(values.shape[0], height), min(values.shape[1], width)
    if smaller != values.shape[:2]:
        values = cv2.resize(values, smaller[::-1], interpolation=cv2.INTER_AREA)
    rows, columns = (
        np.arange(wanted) * have // wanted
        for have, wanted in zip(values.shape, (height, width), strict=False)
    )
    return np.asarray(values[rows[:, np.newaxis], columns])


def checkerboard(height: int, width: int) -> Array:
    """(height, width, 1) of the two grays."""
    squares = np.add.outer(np.arange(height) // CHECK_SIDE, np.arange(width) // CHECK_SIDE) % 2
    return np.asarray(np.array(CHECKS, np.float32)[squares][..., np.newaxis])


def _shades(values: Array, tones: Tones) -> Bgr:
    """(H, W) or (H, W, 3) of any real dtype -> (H, W, 3) from 0, black, to 255, white."""
    if values.dtype == np.uint8:
        table: Bgr = _scaled(np.arange(256), tones).astype(np.uint8)
        return _three_channels(np.asarray(cv2.LUT(np.ascontiguousarray(values), table), np.uint8))
    shades = _scaled(values, tones)
    unknown = np.isnan(shades)
    shown = _three_channels(np.where(unknown, 0, shades).astype(np.uint8))
    if unknown.any():
        shown[unknown.any(axis=2) if unknown.ndim == 3 else unknown] = NAN_COLOUR
    return shown


def _scaled(values: Array, tones: Tones) -> Array:
    """Values -> whole floats from 0 to 255; NaN stays."""
    exact = np.dtype(np.float64 if values.dtype.itemsize > 2 else np.float32)
    black, spread = exact.type(tones.black), exact.type(tones.white - tones.black)
    with np.errstate(all="ignore"):
        scaled: Array = (values.astype(exact) - black) / spread
        return np.asarray(np.rint(np.clip(scaled * 255, 0, 255)))


def _three_channels(shades: NDArray[np.uint8]) -> Bgr:
    if shades.ndim == 2:
        shades = np.repeat(shades[..., np.newaxis], 3, axis=2)
    return np.ascontiguousarray(shades)


def _opacity(alpha: Array) -> Array:
    """0 transparent to 1 opaque, the top of an integer dtype or 1.0 of a float one."""
    top = 1 if alpha.dtype.kind in "bf" else np.iinfo(alpha.dtype).max
    return np.nan_to_num(np.clip(alpha.astype(np.float32) / top, 0, 1))
