"""What pooling does to an image, in figures: brightness, contrast, noise, bias and shift.

The figures are about pooling and nothing else: averages are not rounded and noise is not clipped
to the image's range. Images are (H, W) or (H, W, C); the fourth channel of four is alpha and is
left out. NaN and infinity are left out of every mean; a figure that would be 0 / 0 is None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite, sqrt
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pooltool.errors import WindowError
from pooltool.geometry import Windows
from pooltool.kernels import Method, Pooling, pool2d
from pooltool.kernels.alpha import alpha_weighted

Array = NDArray[Any]

METHODS: tuple[Method, ...] = ("max", "min", "avg")
Shown = Method | Literal["weighted"]
"""What is shown: also the average whose colors weigh as much as they are opaque."""
NOISE_LEVEL = 0.02
"""Standard deviation of the noise that is added, as a part of the range of the image's values."""
FEWEST_RESULTS, MOST_DRAWN = 1 << 16, 1 << 20
"""Noise is drawn anew until it made so many results, so that a small image is not left to chance,
or so many values were drawn.
"""
SAMPLE_SIDE, FEWEST_WINDOWS = 1468, 8
"""Rows and columns of the center of an image that noise and shift look at, in pixels, where it has
more than their product, as no page has; and windows along an axis that the center holds, however
large they are.
"""
MOST_ALONG = 2048
"""Results along an axis that are compared, where those are more than the image has pixels."""
BAND = 1 << 20
"""Values that are measured at once, to save memory."""


class Result(NamedTuple):
    """What every method makes of an image under one setting of the windows."""

    windows: Windows
    pooled: Mapping[Shown, Array]
    count_include_pad: bool = False


class Measures(NamedTuple):
    """A row of figures; None where there is nothing to measure.

    `mean` and `std` (standard deviation) are those of the values, in the image's units. The others
    are ratios, see `measure`.
    """

    method: Shown | Literal["input"]
    output_shape: tuple[int, ...]
    mean: float | None
    std: float | None
    noise: float | None = None
    bias: float | None = None
    shift: float | None = None


def pool_all(pixels: Array, windows: Windows, count_include_pad: bool = False) -> Result:
    """Pool by every method: max and min in the image's dtype, the average not rounded into it;
    also the average weighted by alpha, where that varies.

    Raises `WindowError` where windows do not fit, or far more results come out than pixels go in.
    """
    for axis, noun in zip(windows.axes(pixels.shape), ("rows", "columns"), strict=True):
        if axis.count > max(axis.size, MOST_ALONG):
            setting = "{output_size}" if windows.output_size else "{padding}"
            advice = f"use less, at most {MOST_ALONG} are compared"
            reason = f"{setting} makes {axis.count} {noun}; {advice}"
            raise WindowError(reason, **windows._asdict())
    pooled: dict[Shown, Array] = {
        method: pool2d(pixels, Pooling(method, windows, count_include_pad)) for method in METHODS
    }
    if pixels.ndim == 3 and pixels.shape[2] == 4 and (pixels[..., 3] != pixels[0, 0, 3]).any():
        pooled["weighted"] = alpha_weighted(pixels, Pooling("avg", windows, count_include_pad))
    return Result(windows, pooled, count_include_pad)


@np.errstate(all="ignore")
def measure(pixels: Array, result: Result) -> list[Measures]:
    """Measure an image, (H, W) or (H, W, C) of a real dtype, and its results.

    Returns one `Measures` for the input and one a method. With x the image, n Gaussian noise, the
    same on every run and in every channel, whose standard deviation is 2 % of the image's range
    (its largest less its smallest finite value), and d = pool(x + n) - pool(x):

    noise = std(d) / std(n): how much of the noise is left. 1 keeps it as it is, 0 removes it.

    bias = mean(d) / std(n): how far noise alone moves the result, up or down. It is 0 for the
    average, which is linear, so that is not measured.

    shift = mean |pool(x) - pool(x moved)| / std(pool(x)), where x is moved one pixel to the left
    and its last column stays: how much of its own contrast a result changes by. 0 does not notice.
    None where the result has no contrast.

    Of an image of more than `SAMPLE_SIDE`**2 pixels these three are measured on its center; mean
    and std are always those of the whole. Raises `WindowError` where the windows do not fit the
    image.
    """
    sample, windows = _center(_colors(pixels), result.windows)
    if sample.dtype == np.float16:  # the average of which would be rounded
        sample = sample.astype(np.float32)
    height, width = sample.shape[:2]
    rows, columns = windows.axes(sample.shape)
    draws = max(1, min(FEWEST_RESULTS // (rows.count * columns.count), MOST_DRAWN // sample.size))
    noisy = _with_noise(sample, NOISE_LEVEL * value_range(pixels), draws)
    # The draws are pooled as channels of one image.
    images = sample, noisy.reshape(height, width, -1), np.hstack([sample[:, 1:], sample[:, -1:]])
    table: list[Measures] = []
    unit = None  # standard deviation of the noise
    methods: tuple[Shown | Literal["input"], ...] = ("input", *result.pooled)
    for method in methods:
        pooled = pixels if method == "input" else result.pooled[method]
        row = Measures(method, pooled.shape, *_mean_and_std(_colors(pooled)))
        if method != "weighted":  # noise that alpha hides is not the same for every pixel
            before, after, moved = images
            if method != "input":
                pooling = Pooling(method, windows, result.count_include_pad)
                before, after, moved = (pool2d(image, pooling) for image in images)
            after = after.reshape(*before.shape, draws)
            bias, left = _mean_and_std(after, before[..., np.newaxis])
            if method == "input":
                unit = left
            if method in ("input", "avg"):
                bias = 0.0
            change, _ = _mean_and_std(before, moved, absolute=True)
            shift = _divided(change, _mean_and_std(before)[1])
            row = row._replace(noise=_divided(left, unit), bias=_divided(bias, unit), shift=shift)
        table.append(row)
    return table


def _with_noise(image: Array, level: float, draws: int) -> Array:
    """So many copies of an image, along a new last axis, each with other noise of this level; in
    float32 where that holds every value of the image's dtype.
    """
    dtype = np.result_type(image.dtype, np.float32)
    noisy = np.empty((*image.shape, draws), dtype)
    width = image.shape[1] * draws
    step = 2 * max(1, BAND * len(image) // (2 * noisy.size))  # normal numbers come in pairs
    for top in range(0, len(image), step):
        band = image[top : top + step, ..., np.newaxis]
        noise = dtype.type(level) * _normal_numbers(top * width, len(band) * width)
        per_pixel = len(band), image.shape[1], *(1 for _ in image.shape[2:]), draws
        np.add(band, noise.reshape(per_pixel), out=noisy[top : top + step])
    return noisy


def _normal_numbers(start: int, count: int) -> Array:
    """Normal random numbers from an even `start` on, the same on every run and in
    page/measures.js: hashed counters (the last steps of MurmurHash3) through the Box-Muller
    transform, in float32.
    """
    hashed = np.arange(start + 1, start + count + count % 2 + 1, dtype=np.uint32)
    hashed *= np.uint32(0x9E3779B9)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        hashed ^= hashed >> np.uint32(shift)
        hashed *= np.uint32(factor)
    hashed ^= hashed >> np.uint32(16)
    uniform = (hashed.astype(np.float32) + np.float32(1)) * np.float32(2**-32)
    radius, angle = np.sqrt(-2 * np.log(uniform[::2])), np.float32(2 * np.pi) * uniform[1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()[:count]


def value_range(pixels: Array) -> float:
    """Largest less smallest finite value of the colors; 0 for a constant image."""
    low, high = finite_range(_colors(pixels))
    return high - low


def finite_range(values: Array) -> tuple[float, float]:
    """Smallest and largest finite value; both 0 where there is none."""
    ends = [(band.min(), band.max()) for band in _finite_bands(values)] or [(0, 0)]
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))


def _colors(pixels: Array) -> Array:
    """All channels but alpha."""
    return pixels[..., :3] if pixels.ndim == 3 and pixels.shape[2] == 4 else pixels


def _center(pixels: Array, windows: Windows) -> tuple[Array, Windows]:
    """Crop the windows in the center of a large image, with settings that give the same windows.

    Adaptive windows are as many as were cut, so theirs is the same size up to a pixel.
    """
    parts, counts = [], []
    is_large = pixels.shape[0] * pixels.shape[1] > SAMPLE_SIDE**2
    for axis in windows.axes(pixels.shape):
        low, high, count = 0, axis.size, axis.count
        if is_large and axis.size > SAMPLE_SIDE:
            count = min(axis.count, max(FEWEST_WINDOWS, axis.count * SAMPLE_SIDE // axis.size))
            first = (axis.count - count) // 2
            low, high = axis.span(first, first + count)
        parts.append(slice(max(0, low), min(axis.size, high)))
        counts.append(count)
    if windows.output_size:
        windows = windows._replace(output_size=(counts[0], counts[1]))
    return pixels[parts[0], parts[1]], windows


def _divided(change: float | None, unit: float | None) -> float | None:
    return change / unit if unit and change is not None else None


def _mean_and_std(
    values: Array, less: Array | None = None, *, absolute: bool = False
) -> tuple[float | None, float | None]:
    """Mean and standard deviation of the finite values, in float64; with `less`, those of the
    differences to it, or of their absolute values.

    Taken of the differences to one of the values, so that those of a constant image are exact.
    """
    origin, count, total, squares = 0.0, 0, 0.0, 0.0
    for band in _finite_bands(values, less):
        band = np.abs(band) if absolute else band
        origin = origin if count else float(band.flat[0])
        differences = np.subtract(band, origin, dtype=np.float64)
        count += band.size
        total += float(differences.sum())
        squares += float(np.square(differences).sum())
    mean = total / max(1, count)
    std = sqrt(max(0.0, squares / max(1, count) - mean * mean))
    return (origin + mean, std) if count and isfinite(mean) and isfinite(std) else (None, None)


def _finite_bands(values: Array, less: Array | None = None) -> Iterator[Array]:
    """The values, or their differences to `less`, that are neither NaN nor infinite, a band of
    rows at a time, if it has any.
    """
    rows = max(1, BAND * len(values) // values.size)
    for top in range(0, len(values), rows):
        band = values[top : top + rows]
        if less is not None:
            dtype = np.result_type(values, less, np.float32)  # bytes would wrap around
            band = np.subtract(band, less[top : top + rows], dtype=dtype)
        band = band[np.isfinite(band)] if band.dtype.kind == "f" else band
        if band.size:
            yield band
