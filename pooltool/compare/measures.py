"""What pooling does to an image, in figures: brightness, spread, noise and shift.

The figures are about pooling and nothing else: averages are not rounded and noise is not clipped
to the image's range. Images are (H, W) or (H, W, C); the fourth channel of four is alpha and is
left out. NaN and infinity are left out of every mean; a figure that would be 0 / 0 is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pooltool.errors import WindowError
from pooltool.geometry import AdaptiveWindows, AnyAxis, AnyWindows
from pooltool.kernels import Method, Pooling, pool2d

Array = NDArray[Any]

METHODS: tuple[Method, ...] = ("max", "min", "avg")
NOISE_LEVEL = 0.02
"""Standard deviation of the noise that is added, as a part of the range of the image."""
NOISE_SEED = 0
FEWEST_DRAWS = 1 << 16
"""Noise is drawn anew until it is so many values, so that a tiny image is not left to chance."""
SAMPLE_SIDE = 1200
"""Rows and columns, in pixels, of the centre of a larger image that noise and shift look at."""
FEWEST_WINDOWS = 8
"""Windows along an axis that the centre holds, however large they are."""
BAND = 1 << 20
"""Values that are looked at in one go, to save memory."""


@dataclass(frozen=True)
class Measures:
    """The figures of one method on one image; None where there is nothing to measure.

    `mean` and `std` (standard deviation) are those of the pooled values, in the image's units.
    `noise` and `shift` are ratios: how much of a change of the input is left after pooling.
    """

    method: Method
    output_shape: tuple[int, ...]
    mean: float | None
    std: float | None
    noise: float | None
    shift: float | None


def pool_all(
    pixels: Array, windows: AnyWindows, count_include_pad: bool = False
) -> dict[Method, Array]:
    """Pool by every method: max and min in the image's dtype, the average not rounded into it."""
    return {
        method: pool2d(pixels, Pooling(method, windows, count_include_pad)) for method in METHODS
    }


def measure(
    pixels: Array,
    windows: AnyWindows,
    count_include_pad: bool = False,
    *,
    pooled: dict[Method, Array] | None = None,
) -> list[Measures]:
    """Measure max, min and average pooling of an image.

    Parameters
    ----------
    pixels
        (H, W) or (H, W, C) of a real dtype.
    pooled
        What `pool_all` gave for the same image, if it is at hand.

    Returns
    -------
    One `Measures` a method. With x the image and mean |.| the mean of absolute values:

    noise = mean |pool(x + n) - pool(x)| / mean |n|, where n is Gaussian noise, the same on every
    run, with a standard deviation of 2 % of the dtype's range (of a float image: of its largest
    less its smallest finite value). 1 keeps noise as it is, 0 removes it.

    shift = mean |pool(x) - pool(x moved)| / mean |x - x moved|, where x is moved one pixel along
    its columns and only the part that both have is pooled. 1 changes as much as the image does,
    0 does not notice.

    Of an image with more than `SAMPLE_SIDE` rows or columns these two are measured on its centre;
    mean and std are always those of the whole result.

    Raises
    ------
    WindowError
        The windows do not fit the image.
    """
    if pooled is None:
        pooled = pool_all(pixels, windows, count_include_pad)
    sample, windows = _centre(_colours(pixels), windows)
    # float32 holds every value of integers up to 16 bits.
    single = pixels.dtype.itemsize <= 2 or pixels.dtype.str[1:] == "f4"
    values = sample.astype(np.float32 if single else np.float64)
    noise = _noise(values, _range(_colours(pixels)))
    found = []
    for method, result in pooled.items():
        mean, std = _mean_and_std(_colours(result))
        pooling = Pooling(method, windows, count_include_pad)
        noise_left, shift_left = _noise_left(values, noise, pooling), _shift_left(values, pooling)
        found.append(Measures(method, result.shape, mean, std, noise_left, shift_left))
    return found


def finite_range(values: Array) -> tuple[float, float] | None:
    """Smallest and largest finite value; None where there is none."""
    ends = [(band.min(), band.max()) for band in _finite_bands(values) if band.size]
    if not ends:
        return None
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))


def _colours(pixels: Array) -> Array:
    """All channels but alpha."""
    return pixels[..., :3] if pixels.ndim == 3 and pixels.shape[2] == 4 else pixels


def _centre(pixels: Array, windows: AnyWindows) -> tuple[Array, AnyWindows]:
    """Cut the windows in the middle of a large image, with the settings that lie on them alike.

    Adaptive windows are as many as were cut, so theirs is the same size up to a pixel.
    """
    (top, bottom, rows), (left, right, columns) = map(_middle, windows.axes(pixels.shape))
    if isinstance(windows, AdaptiveWindows):
        windows = AdaptiveWindows((rows, columns))
    return pixels[top:bottom, left:right], windows


def _middle(axis: AnyAxis) -> tuple[int, int, int]:
    """First and last + 1 pixel to keep along an axis, and how many windows they hold."""
    if axis.size <= SAMPLE_SIDE:
        return 0, axis.size, axis.count
    kept = min(axis.count, max(FEWEST_WINDOWS, axis.count * SAMPLE_SIDE // axis.size))
    first = (axis.count - kept) // 2
    low, high = axis.span(first, first + kept)
    return max(low, 0), min(high, axis.size), kept


def _range(pixels: Array) -> float:
    """Largest less smallest value that the dtype holds or, of floats, that the image does."""
    if pixels.dtype.kind == "b":
        return 1.0
    if pixels.dtype.kind in "iu":
        limits = np.iinfo(pixels.dtype)
        return float(int(limits.max) - int(limits.min))
    low, high = finite_range(pixels) or (0.0, 0.0)
    return high - low


def _noise(values: Array, spread: float) -> Array:
    """Noise for each value; several draws along a last axis where the image is small."""
    shape = (*values.shape, max(1, FEWEST_DRAWS // values.size))
    drawn = np.random.default_rng(NOISE_SEED).standard_normal(shape, values.dtype)
    with np.errstate(all="ignore"):
        noise: Array = drawn * values.dtype.type(NOISE_LEVEL * spread)
    return noise


def _noise_left(values: Array, noise: Array, pooling: Pooling) -> float | None:
    """The change that noise makes; its draws are pooled as channels of one image."""
    still = pool2d(values, pooling)[..., np.newaxis]
    with np.errstate(all="ignore"):
        disturbed = (values[..., np.newaxis] + noise).reshape(*values.shape[:2], -1)
        noisy = pool2d(disturbed, pooling).reshape(*still.shape[:-1], -1)
        return _ratio(noisy - still, noise)


def _shift_left(values: Array, pooling: Pooling) -> float | None:
    """None also for an image that is as narrow as a window: less one column, none fits."""
    here, moved = values[:, 1:], values[:, :-1]
    if not here.size:
        return None
    try:
        before = pool2d(here, pooling)
    except WindowError:
        return None
    with np.errstate(all="ignore"):
        return _ratio(pool2d(moved, pooling) - before, moved - here)


def _ratio(change: Array, cause: Array) -> float | None:
    """mean |change| / mean |cause|; None for 0 / 0 and where nothing is finite."""
    above, below = (_mean_and_std(np.abs(values))[0] for values in (change, cause))
    return above / below if above is not None and below else None


def _mean_and_std(values: Array) -> tuple[float | None, float | None]:
    """Mean and standard deviation of the finite values, in float64."""
    with np.errstate(all="ignore"):
        sums = [(band.size, band.sum(dtype=np.float64)) for band in _finite_bands(values)]
        count = sum(size for size, _ in sums)
        if not count:
            return None, None
        mean = sum(float(total) for _, total in sums) / count
        squares = (np.square(band - np.float64(mean)).sum() for band in _finite_bands(values))
        std = float(np.sqrt(sum(squares) / count))
    return (mean, std) if np.isfinite([mean, std]).all() else (None, None)


def _finite_bands(values: Array) -> Iterator[Array]:
    """The values that are neither NaN nor infinite, a band of rows at a time."""
    rows = max(1, BAND * len(values) // values.size)
    for top in range(0, len(values), rows):
        band = values[top : top + rows]
        yield band[np.isfinite(band)] if values.dtype.kind == "f" else band
