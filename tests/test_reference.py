"""Every function against nested loops: all small settings, then random ones over everything."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pooltool import WindowError
from pooltool.geometry import Windows
from pooltool.kernels import (
    Method,
    Pooling,
    fast,
    means,
    pool2d,
    pool_axes,
    reduce,
    tiles,
)
from pooltool.kernels.alpha import alpha_weighted

Array = NDArray[Any]
DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
METHODS: list[Method] = ["max", "min", "avg"]


def expected_windows(shape: tuple[int, ...], windows: Windows) -> list[reference.Along] | None:
    """The reference's windows along rows and columns, or None where they cannot lie."""
    both = []
    for axis in (0, 1):
        size = shape[axis]
        pool, stride = windows.pool_size[axis], windows.stride[axis]
        dilation = windows.dilation[axis]
        pad, ceil_mode = (0, 0), windows.ceil_mode
        if windows.padding == "same":
            pad, ceil_mode = reference.same_padding(size, pool, stride, dilation), False
        elif windows.padding != "valid":
            pad = windows.padding[axis]
        along = reference.windows(size, pool, stride, pad, dilation, ceil_mode)
        if not along or not all(inside for inside, _ in along):
            return None
        both.append(along)
    return both


def random_image(shape: tuple[int, ...], dtype: str, seed: int) -> Array:
    """Integers over their whole range; floats with zeros of both signs, NaN and infinities."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.random(shape) > 0.5
    if kind in "iu":
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    image = (rng.standard_normal(shape) * 10 ** float(rng.uniform(-3, 3))).astype(dtype)
    odd = rng.random(shape)
    image[odd < 0.2] = 0.0
    image[odd < 0.1] = -0.0
    if seed % 3 == 0:
        image[odd > 0.98], image[odd > 0.99] = np.nan, np.inf
    return image


def assert_same(got: Array, wanted: Array, image: Array, method: str) -> None:
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    assert got.flags.c_contiguous
    if image.dtype.kind != "f" or method != "avg":
        np.testing.assert_array_equal(got, wanted)
        return
    finite = np.abs(image[np.isfinite(image)].astype(np.float64))
    accuracy = {2: 1e-3, 4: 1e-6, 8: 1e-12}[image.dtype.itemsize]
    tolerance = accuracy * float(finite.max(initial=0.0))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 2), (4, 5), (5, 3)])
def test_every_small_setting(method: Method, size: tuple[int, int]) -> None:
    image = random_image((*size, 2), "i2", 1)
    checked = 0
    for pool, stride, dilation in itertools.product((1, 2, 3), (1, 2, 3), (1, 2)):
        paddings: list[Any] = ["valid", "same", 1, ((0, 1), (1, 0))]
        for padding, ceil_mode in itertools.product(paddings, (False, True)):
            windows = Windows.of(pool, stride, padding, dilation, ceil_mode)
            along = expected_windows(image.shape, windows)
            if along is None:
                with pytest.raises(WindowError):
                    pool2d(image, Pooling(method, windows))
                continue
            for include in (False, True):
                got = pool2d(image, Pooling(method, windows, count_include_pad=include))
                wanted = reference.pool(image, method, *along, include_pad=include)
                assert_same(got, wanted, image, method)
                checked += 1
    assert checked >= 16


sides = st.integers(1, 9)
pairs = st.one_of(
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.integers(2, 3).map(lambda side: (side, side)),
)
margins = st.tuples(st.integers(0, 3), st.integers(0, 3))
shapes = st.one_of(st.tuples(sides, sides), st.tuples(sides, sides, st.integers(1, 5)))
results = st.sampled_from([None, *["same"] * 6, *DTYPES])
"""Of an average: None for what is usual, "same" for the image's."""
layouts = st.sampled_from([*reference.LAYOUTS, *reference.REPEATED])


def lay_out(image: Array, layout: str) -> Array:
    """The image in another memory layout; with strides of 0 it is another image."""
    if layout in reference.REPEATED:
        return reference.repeated(image, layout)
    return reference.layouts(image)[layout]


@settings(max_examples=1000, deadline=None)
@given(
    shape=shapes,
    dtype=st.sampled_from(["u1"] * 6 + DTYPES),
    seed=st.integers(0, 10**6),
    method=st.sampled_from([*METHODS, "avg"]),
    pool=pairs,
    stride=pairs,
    padding=st.one_of(
        st.just("valid"), st.sampled_from(["valid", "same"]), st.tuples(margins, margins)
    ),
    dilation=st.one_of(st.just((1, 1)), st.tuples(st.integers(1, 3), st.integers(1, 3))),
    ceil_mode=st.booleans(),
    include=st.booleans(),
    result=results,
    divisor=st.sampled_from([None, None, None, 1, 3, 8, 2**40]),
    skip_nan=st.booleans(),
    layout=layouts,
    tile_bytes=st.sampled_from([1, 40, 1 << 18, 1 << 22]),
)
def test_windows_against_loops(
    shape: tuple[int, ...],
    dtype: str,
    seed: int,
    method: Method,
    pool: tuple[int, int],
    stride: tuple[int, int],
    padding: Any,
    dilation: tuple[int, int],
    ceil_mode: bool,
    include: bool,
    result: str | None,
    divisor: int | None,
    skip_nan: bool,
    layout: str,
    tile_bytes: int,
) -> None:
    image = lay_out(random_image(shape, dtype, seed), layout)
    if divisor and image.dtype.kind == "f":
        divisor = max(25, divisor)  # a sum of less would be larger than the pixels it is near to
    windows = Windows.of(pool, stride, padding, dilation, ceil_mode)
    along = expected_windows(shape, windows)
    if along is None:
        with pytest.raises(WindowError):
            pool2d(image, Pooling(method, windows))
        return
    wanted_dtype = _safe_dtype(image, result, method)
    pooling = Pooling(
        method,
        windows,
        count_include_pad=include,
        dtype=None if wanted_dtype is None else np.dtype(wanted_dtype),
        divisor_override=divisor,
        skip_nan=skip_nan,
    )
    wanted = reference.pool(
        image,
        method,
        *along,
        include_pad=include,
        dtype=wanted_dtype,
        divisor=divisor,
        skip_nan=skip_nan,
    )
    got = pool2d(image, pooling, tile_bytes=tile_bytes)
    assert_same(got, wanted, image, method)
    assert_layouts_agree(image, pooling, got, tile_bytes)


def assert_layouts_agree(image: Array, pooling: Pooling, wanted: Array, tile_bytes: int) -> None:
    """The same pixels give the same bits as (N, H, W, C), (C, H, W) and (N, C, H, W), however
    these lie in memory.
    """
    batch = np.stack([image.reshape(*image.shape[:2], -1)] * 3)
    batch[1] = batch[1][::-1]
    results = pool2d(batch, pooling, tile_bytes=tile_bytes)
    np.testing.assert_array_equal(results[2].reshape(wanted.shape), wanted)
    assert results[0].tobytes() == results[2].tobytes() == wanted.tobytes()
    planar = results.transpose(0, 3, 1, 2)
    for pixels in (batch.transpose(0, 3, 1, 2), np.ascontiguousarray(batch.transpose(0, 3, 1, 2))):
        got = pool2d(pixels, pooling, data_format="channels_first", tile_bytes=tile_bytes)
        assert (got.shape, got.tobytes()) == (planar.shape, planar.tobytes())
        assert got.flags.c_contiguous
        got = pool2d(pixels[1], pooling, data_format="channels_first", tile_bytes=tile_bytes)
        assert (got.shape, got.tobytes()) == (planar[1].shape, planar[1].tobytes())


@settings(max_examples=200, deadline=None)
@given(
    shape=shapes,
    dtype=st.sampled_from(["u1"] * 6 + DTYPES),
    seed=st.integers(0, 10**6),
    method=st.sampled_from([*METHODS, "avg"]),
    output=st.tuples(st.integers(1, 12), st.integers(1, 12) | st.none()),
    result=results,
    skip_nan=st.booleans(),
    layout=layouts,
    tile_bytes=st.sampled_from([1, 40, 1 << 18, 1 << 22]),
)
def test_adaptive_windows_against_loops(
    shape: tuple[int, ...],
    dtype: str,
    seed: int,
    method: Method,
    output: tuple[int, int | None],
    result: str | None,
    skip_nan: bool,
    layout: str,
    tile_bytes: int,
) -> None:
    image = lay_out(random_image(shape, dtype, seed), layout)
    wanted_dtype = _safe_dtype(image, result, method)
    pooling = Pooling(
        method,
        Windows.adaptive(output),
        dtype=None if wanted_dtype is None else np.dtype(wanted_dtype),
        skip_nan=skip_nan,
    )
    got = pool2d(image, pooling, tile_bytes=tile_bytes)
    along = [
        reference.adaptive_windows(shape[axis], output[axis] or shape[axis]) for axis in (0, 1)
    ]
    wanted = reference.pool(image, method, *along, dtype=wanted_dtype, skip_nan=skip_nan)
    assert_same(got, wanted, image, method)
    assert_layouts_agree(image, pooling, got, tile_bytes)


@pytest.mark.parametrize("layout", [*reference.LAYOUTS, *reference.REPEATED])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_layout_with_every_result(dtype: str, layout: str) -> None:
    """Also where the result has one row or one column, and where all of it is one tile."""
    windows: list[Windows] = [Windows.of((2, 3)), Windows.of(3, 1, "same")]
    windows += [Windows.of(2, 2, 1, 2), Windows.of((4, 2), (4, 2)), Windows.of((1, 7))]
    windows += [Windows.adaptive((2, 3))]
    kinds = [None] if np.dtype(dtype).kind == "f" else [None, dtype, "u1", "i8", "f4"]
    for shape in ((4, 7), (8, 7, 1), (9, 8, 3)):
        image = lay_out(random_image(shape, dtype, 1), layout)
        for way, method in itertools.product(windows, [*METHODS, "median", "mode"]):
            for result in kinds if method == "avg" else [None]:
                into = None if result is None else np.dtype(result)
                pooling = Pooling(method, way, dtype=into)
                wanted = pool2d(np.array(image, image.dtype.newbyteorder("="), order="C"), pooling)
                for tile_bytes in (1, 1 << 20) if result in (None, dtype) else (1 << 20,):
                    got = pool2d(image, pooling, tile_bytes=tile_bytes)
                    assert got.flags.c_contiguous
                    assert (got.dtype, got.tobytes()) == (wanted.dtype, wanted.tobytes())


def _safe_dtype(image: Array, result: str | None, method: Method) -> str | None:
    """Leave out what has its own tests: floats rounded into other dtypes."""
    if method != "avg" or image.dtype.kind == "f":
        return None
    return image.dtype.newbyteorder("=").str if result == "same" else result


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pool", [2, 3, 31])
def test_tiles_do_not_show(
    method: Method, dtype: str, pool: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = random_image((70, 90, 3), dtype, 5)
    for windows in (
        Windows.of(pool),
        Windows.of(pool, 1, "same"),
        Windows.of(pool, 2, 1, 2),
        Windows.adaptive((7, 11)),
    ):
        whole = pool2d(image, Pooling(method, windows), tile_bytes=1 << 24)
        for tile_bytes, few in itertools.product((1, 3000, 1 << 24), (0, 1000)):
            with monkeypatch.context() as patched:
                patched.setattr(reduce, "FEW_VALUES", few)
                tiled = pool2d(image, Pooling(method, windows), tile_bytes=tile_bytes)
            assert tiled.tobytes() == whole.tobytes()


@pytest.mark.parametrize("result", ["u1", "i1", "i4", "f4", "f8"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_sums_divided_in_parts_or_each(
    dtype: str, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = random_image((17, 23, 2), dtype, 7)
    for windows in (Windows.of(3, 1, "same"), Windows.of(4, 3, 2, 1, True)):
        each = pool2d(image, Pooling("avg", windows, dtype=np.dtype(result)))
        monkeypatch.setattr(tiles, "NARROW", 0)
        parts = pool2d(image, Pooling("avg", windows, dtype=np.dtype(result)))
        monkeypatch.undo()
        assert parts.tobytes() == each.tobytes()


@pytest.fixture(params=[True, False], ids=["optimized", "plain"])
def vector_units(request: pytest.FixtureRequest) -> Iterator[None]:
    """OpenCV with and without its vector units: it takes other ways through other code."""
    cv2.setUseOptimized(request.param)
    yield
    cv2.setUseOptimized(True)


@pytest.mark.usefixtures("vector_units")
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 128, 129])
@pytest.mark.parametrize(("dtype", "pool", "stride"), [
    ("u1", 2, 2), ("u2", 2, 2), ("i2", 2, 2),
    ("u1", 3, 1), ("u1", 5, 1), ("u1", 15, 1), ("u1", 16, 1), ("u1", 17, 1), ("u1", 32, 1),
    ("u1", 33, 1), ("u1", (3, 5), 1), ("u1", 4, 4), ("u1", 9, 2), ("u1", (24, 12), (24, 12)),
])  # fmt: skip
def test_averages_by_opencv_are_exact(
    dtype: str, pool: int | tuple[int, int], stride: int | tuple[int, int], channels: int
) -> None:
    """Ties abound among small numbers, and sums are largest where all pixels are; OpenCV takes
    other ways for other numbers of channels, and has a limit to them.
    """
    limits, shape = np.iinfo(dtype), (38, 45, channels)
    few = np.random.default_rng(6).integers(0, 4, shape).astype(dtype)
    windows = Windows.of(pool, stride)
    (height, width), (down, right) = windows.pool_size, windows.stride
    for image in (few, few + limits.min, limits.max - few, random_image(shape, dtype, 6)):
        pixels = sliding_window_view(image, (height, width), axis=(0, 1))[::down, ::right]
        wanted = np.rint(pixels.mean(axis=(-2, -1), dtype=np.float64)).astype(dtype)
        got = pool2d(image, Pooling("avg", windows, dtype=np.dtype(dtype)))
        np.testing.assert_array_equal(got, wanted)


def sums_side_by_side(sums: Array, height: int, width: int) -> Array:
    """An image of `height` rows: one window after the other, whose pixels have these sums."""
    whole, rest = np.divmod(sums, height * width)
    pixels = whole.astype(np.uint8)[:, None] + (np.arange(height * width) < rest[:, None])
    return pixels.reshape(-1, height, width).swapaxes(0, 1).reshape(height, -1)


def blurred_sides() -> Iterator[tuple[int, int]]:
    """For every number of pixels that is blurred, the longest window and the squarest."""
    for area in fast.BLURRED[::2]:
        squarest = max(side for side in range(1, 33) if area % side == 0)
        yield from {(1, area), (squarest, area // squarest), (area // squarest, squarest)}


@pytest.mark.usefixtures("vector_units")
def test_opencv_blurs_every_size_exactly() -> None:
    """The sums on both sides of every tie stand for all sums: those between them lie farther off
    from a tie. This is the proof that `fast.blur` rests on.
    """
    checked = 0
    for height, width in blurred_sides():
        count = height * width
        sums = np.array([count * n + count // 2 + up for n in range(255) for up in (0, 1)])
        image = sums_side_by_side(sums, height, width)
        blurred = cv2.blur(image, (width, height), anchor=(0, 0))[0, ::width]
        np.testing.assert_array_equal(blurred, np.rint(sums / count), err_msg=f"{height}x{width}")
        checked += 1
    assert checked > 1000


@pytest.mark.usefixtures("vector_units")
@pytest.mark.parametrize("sides", [(3, 3), (5, 5), (3, 7), (15, 15), (1, 9), (51, 5), (31, 31)])
def test_every_sum_of_a_blur_is_exact(sides: tuple[int, int]) -> None:
    height, width = sides
    assert height * width in fast.BLURRED
    every = np.arange(255 * height * width + 1)
    for sums in np.array_split(every, 1 + len(every) // 5000):  # as wide as images are
        image = sums_side_by_side(sums, height, width)
        blurred = cv2.blur(image, (width, height), anchor=(0, 0))[0, ::width]
        np.testing.assert_array_equal(blurred, np.rint(sums / (height * width)))


@pytest.mark.usefixtures("vector_units")
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2"])
def test_quarters_of_every_sum_are_exact(dtype: str, channels: int) -> None:
    low, high = 4 * np.iinfo(dtype).min, 4 * np.iinfo(dtype).max
    sums = np.arange(low, high + 1, max(1, (high - low) // 20011))  # a prime: ties and all others
    even = sums // 4 + (np.arange(4)[:, None] < sums % 4)
    noise = random_image((4, len(sums)), dtype, 3).astype(np.int64)
    for pixels in even, noise:
        plane = pixels.reshape(2, 2, -1).swapaxes(1, 2).reshape(2, -1).astype(dtype)
        image = np.stack([np.roll(plane, 2 * n, axis=1) for n in range(channels)], axis=-1)
        tile = tiles.Tile(image[None], *Windows.of(2).axes(image.shape))
        means = np.empty((1, 1, len(sums), channels), dtype)
        assert fast.quarter(tile, means)
        wanted = np.rint(image.reshape(2, -1, 2, channels).sum((0, 2), np.int64) / 4)
        np.testing.assert_array_equal(means[0, 0], wanted)


@pytest.mark.usefixtures("vector_units")
def test_opencv_divides_every_sum_exactly() -> None:
    """This is the proof that `fast.scale` rests on, tried for all sums of bytes."""
    powers, odd = [2**n for n in range(14)], range(3, fast.MOST_SCALED, 2)
    for count in [*powers, *odd[:300], *odd[300::97], odd[-1]]:
        sums = np.arange(255 * count + 1, dtype=np.uint32)
        for narrow in ("u2", "u4") if sums[-1] < 2**16 else ("u4",):
            means = np.empty((1, 1, len(sums), 1), np.uint8)
            assert fast.scale(sums.astype(narrow).reshape(means.shape), count, means)
            np.testing.assert_array_equal(means.ravel(), np.rint(sums / count))


@pytest.mark.parametrize("dtype", ["i1", "u2", "i2"])
@pytest.mark.parametrize("count", [2, 3, 6, 12, 49, 100])
def test_rounding_is_exact(dtype: str, count: int) -> None:
    limits = np.iinfo(dtype)
    for middle in (limits.min, 0, limits.max):
        low, high = max(limits.min, middle - 200), min(limits.max, middle + 200)
        sums = np.arange(count * low, count * high + 1, dtype="i4").reshape(1, 1, -1, 1)
        got = np.empty(sums.shape, dtype)
        ends = count * int(limits.min), count * int(limits.max)
        means.divide_integers(sums.copy(), count, ends, got)
        np.testing.assert_array_equal(got, np.rint(sums / count))


@pytest.mark.parametrize("padding", [300, 5000, 70_000])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u8", "f2", "f4", "f8"])
def test_huge_padding_is_counted(dtype: str, padding: int) -> None:
    """Most of it is padding in all windows: it is not read, and counts even so."""
    image = np.random.default_rng(1).integers(0, 100, (3, 4, 4)).astype(dtype)
    kinds, accuracy = [image.dtype, np.dtype("f4")], 0.0
    if image.dtype.kind == "f":
        image[0, :2] = image[:, 2, 0] = np.nan
        kinds, accuracy = [image.dtype], 2e-3 if dtype == "f2" else 3e-7
    windows = Windows.of(padding + 2, 1, ((padding, 0), (padding, 1)), ceil_mode=True)
    along = expected_windows(image.shape, windows)
    assert along
    for into, skip_nan in itertools.product(kinds, (False, True)):
        options: dict[str, Any] = {"dtype": into, "skip_nan": skip_nan}
        pooling = Pooling("avg", windows, count_include_pad=True, **options)
        wanted = reference.alpha_weighted(image, *along, include_pad=True, **options)
        np.testing.assert_allclose(alpha_weighted(image, pooling), wanted, rtol=accuracy)
        for divisor in (None, 2**40 + 1):
            got = pool2d(image, pooling._replace(divisor_override=divisor))
            options["divisor"] = divisor
            wanted = reference.pool(image, "avg", *along, include_pad=True, **options)
            np.testing.assert_allclose(got, wanted, rtol=accuracy)


@pytest.mark.parametrize("shape", [(40, 3, 5), (3, 40, 9, 7), (2, 40, 1, 30)])
@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
@pytest.mark.parametrize("method", METHODS)
def test_many_small_planes(method: Method, dtype: str, shape: tuple[int, ...]) -> None:
    """Planes of short rows are transposed, and each gives what it gives alone."""
    image = random_image(shape, dtype, 3)
    for windows in (Windows.of(2, 1, "same"), Windows.adaptive(1), Windows.adaptive((2, 3))):
        pooling = Pooling(method, windows)
        got = pool2d(image, pooling, data_format="channels_first")
        for index in np.ndindex(*shape[:-2]):
            assert got[index].tobytes() == pool2d(image[index], pooling).tobytes()


@settings(max_examples=400, deadline=None)
@given(
    shape=st.tuples(sides, sides),
    dtype=st.sampled_from(["u1", "u1", "u1", "u1", "i1", "u2", "u4", "i8", "f2", "f4", "f8"]),
    seed=st.integers(0, 10**6),
    pool=pairs,
    stride=pairs | st.none(),
    padding=st.one_of(st.sampled_from(["valid", "same"]), st.tuples(margins, margins)),
    include=st.booleans(),
    skip_nan=st.booleans(),
    opaque=st.booleans(),
    layout=layouts,
)
def test_alpha_weights_against_loops(
    shape: tuple[int, int],
    dtype: str,
    seed: int,
    pool: tuple[int, int],
    stride: tuple[int, int] | None,
    padding: Any,
    include: bool,
    skip_nan: bool,
    opaque: bool,
    layout: str,
) -> None:
    image = translucent((*shape, 4), dtype, seed)
    if opaque:
        image[..., 3] = 1 if image.dtype.kind == "f" else np.iinfo(dtype).max
    image = lay_out(image, layout)
    windows = Windows.of(pool, stride, padding)
    along = expected_windows(shape, windows)
    if along is None:
        return
    pooling = Pooling("avg", windows, include, image.dtype.newbyteorder("="), skip_nan=skip_nan)
    wanted = reference.alpha_weighted(image, *along, include_pad=include, skip_nan=skip_nan)
    assert_same(alpha_weighted(image, pooling), wanted, image, "avg")
    batch = alpha_weighted(np.stack([image, image]), pooling, tile_bytes=300)
    assert_same(batch, np.stack([wanted, wanted]), image, "avg")


def translucent(shape: tuple[int, ...], dtype: str, seed: int) -> Array:
    """Colors, two of three of them under alpha 0; of floats some are NaN or infinite, and so is
    some alpha of every other image.
    """
    rng = np.random.default_rng(seed)
    image: Array
    if np.dtype(dtype).kind != "f":
        image = np.abs(random_image(shape, dtype, seed) // 2)
        image[..., 3] *= rng.random(shape[:2]) > 0.7
        return image
    image = rng.random(shape).astype(dtype)
    odd = rng.random(shape)
    if seed % 2:
        odd[..., 3] = 0.5
    image[odd > 0.93], image[odd > 0.97] = np.nan, np.inf
    image[..., 3][rng.random(shape[:2]) > 0.3] = 0
    return image


@pytest.mark.parametrize("result", ["u1", "f8", None])
@pytest.mark.parametrize("pool", [2, 11, 12])
def test_alpha_weights_of_bytes(pool: int, result: str | None) -> None:
    """Few pixels are weighed in float32, many in integers; windows without alpha abound."""
    image = random_image((27, 25, 4), "u1", 8)
    image[:14, :, 3] //= 200
    image[14:, :, 3] //= 3
    into = None if result is None else np.dtype(result)
    for windows in (Windows.of(pool), Windows.of(pool, 5, "same")):
        along = expected_windows(image.shape, windows)
        assert along
        for include in (False, True):
            got = alpha_weighted(image, Pooling("avg", windows, include, into))
            wanted = reference.alpha_weighted(image, *along, include_pad=include, dtype=got.dtype)
            np.testing.assert_array_equal(got, wanted)


def test_alpha_weights_by_hand() -> None:
    clear, red = (0, 255, 0, 0), (255, 0, 0, 255)
    pooling = Pooling("avg", Windows.of(2), dtype=np.dtype("u1"))
    picture = np.array([[red, clear], [clear, clear]], np.uint8)
    assert alpha_weighted(picture, pooling).tolist() == [[[255, 0, 0, 64]]]
    assert pool2d(picture, pooling).tolist() == [[[64, 191, 0, 64]]]
    hidden = np.array([[(9, 8, 7, 0)] * 2, [(1, 0, 1, 0)] * 2], np.uint8)
    assert alpha_weighted(hidden, pooling).tolist() == [[[5, 4, 4, 0]]]
    gray = np.array([10, 20, 30, np.nan])[:, None].repeat(4, 1)
    gray[:, 3] = 1
    skipping = Pooling("avg", Windows.of(2), skip_nan=True)
    assert alpha_weighted(gray.reshape(2, 2, 4), skipping).tolist() == [[[20, 20, 20, 1]]]
    gray[3, 3] = 0  # what weighs nothing takes part in nothing
    mean = alpha_weighted(gray.reshape(2, 2, 4), Pooling("avg", Windows.of(2)))
    assert mean.tolist() == [[[20, 20, 20, 0.75]]]
    floats = alpha_weighted(picture / 255, Pooling("avg", Windows.of(2)))
    assert floats.dtype == np.float64
    assert floats.tolist() == [[[1, 0, 0, 0.25]]]


@pytest.mark.parametrize("result", ["f2", "f4", "f8", "u1", "i8", "u8"])
@pytest.mark.parametrize("dtype", ["i8", "u8"])
def test_sums_beyond_64_bits(dtype: str, result: str) -> None:
    """Small numbers fit, large ones do not; both are divided exactly."""
    small = np.random.default_rng(2).integers(0, 2**50, (9, 7, 2)).astype(dtype)
    for image in (small, random_image((9, 7, 2), dtype, 4)):
        windows = Windows.of((3, 2), (2, 1), "same", ceil_mode=True)
        along = expected_windows(image.shape, windows)
        assert along
        got = pool2d(image, Pooling("avg", windows, dtype=np.dtype(result)))
        wanted = reference.pool(image, "avg", *along, dtype=np.dtype(result))
        np.testing.assert_array_equal(got, wanted)


def test_parts_of_axes_give_the_same_bits() -> None:
    """Files are pooled by bands of rows; a band knows nothing of the others."""
    image = random_image((61, 19, 2), "f4", 4)
    for windows in (Windows.of((5, 3), 2, "same"), Windows.of(20, 20, 3), Windows.adaptive(7)):
        pooling = Pooling("avg", windows, count_include_pad=True)
        rows, columns = windows.axes(image.shape)
        bands = []
        for first in range(0, rows.count, 2):
            low, high, part = rows.part(first, min(first + 2, rows.count))
            bands.append(pool_axes(image[low:high], pooling, part, columns))
        assert np.concatenate(bands).tobytes() == pool2d(image, pooling).tobytes()


def test_what_calls_share_cannot_be_changed() -> None:
    rows, _ = Windows.of(3, 1, "same").axes((9, 9))
    for count_padding in (False, True):
        with pytest.raises(ValueError, match="read-only"):
            means.counts_along(rows, count_padding)[0] = 1


def test_threads_share_nothing() -> None:
    """Each call has memory of its own for what is between, however many run at once."""
    images = [random_image((300, 200, 3), "u2", seed) for seed in range(8)]
    pooling = Pooling("avg", Windows.of(3, 2, 1), dtype=np.dtype("u2"))
    wanted = [pool2d(image, pooling).tobytes() for image in images]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            got = pool.map(lambda image: pool2d(image, pooling, tile_bytes=20000), images)
            assert [pooled.tobytes() for pooled in got] == wanted


@pytest.mark.usefixtures("vector_units")
@pytest.mark.parametrize("channels", [1, 3, 129])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("method", ["max", "min"])
def test_small_windows_at_every_pixel(method: Method, dtype: str, channels: int) -> None:
    """OpenCV's morphology does these, but not where NaN is; zeros are +0.0 either way."""
    image = random_image((23, 31, channels), dtype, 4)
    images = [image]
    if image.dtype.kind == "f":
        spoilt = image.copy()
        spoilt[11, 17], spoilt[4:6] = -np.nan, -0.0
        images += [spoilt, -np.abs(image)]
    reduce = np.max if method == "max" else np.min
    for pixels in images:
        for sides in ((3, 3), (5, 4), (7, 7), (8, 3)):
            windows = sliding_window_view(pixels, sides, axis=(0, 1))
            wanted = reduce(windows, axis=(-2, -1))
            if wanted.dtype.kind == "f":
                wanted = np.where(np.isnan(wanted), wanted.dtype.type(np.nan), wanted + 0)
            for tile_bytes in (4000, 1 << 20):
                got = pool2d(pixels, Pooling(method, Windows.of(sides, 1)), tile_bytes=tile_bytes)
                assert got.tobytes() == np.ascontiguousarray(wanted).tobytes()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("pool", [2, 31, 127, 300])
def test_average_accuracy_in_large_windows(dtype: str, pool: int) -> None:
    rng = np.random.default_rng(3)
    image = (rng.standard_normal((300, 301)) + 100).astype(dtype)
    got = pool2d(image, Pooling("avg", Windows.of(pool, 100)))
    for row, column in np.ndindex(got.shape):
        window = image[row * 100 :, column * 100 :][:pool, :pool]
        exact = reference.reduce_values([float(v) for v in window.ravel()])
        limit = {"f4": 1e-6, "f8": 1e-12}[dtype] * float(np.abs(window).max())
        assert abs(float(got[row, column]) - exact) <= limit


def digest() -> str:
    """Of the bits of many results."""
    found = sha256()
    ways: list[Windows] = [Windows.of(2), Windows.of(3, 1), Windows.of(5, 1, "same")]
    ways += [Windows.of(31, 1), Windows.of(3, 2, 1), Windows.of((2, 3), 1, dilation=2)]
    ways += [Windows.adaptive((7, 10))]
    for dtype, channels in itertools.product(DTYPES, (1, 3)):
        image = random_image((37, 33, channels), dtype, 3)
        for windows in ways:
            for method in (*METHODS, "median", "mode"):
                for result in (None, image.dtype) if method == "avg" else (None,):
                    pooling = Pooling(method, windows, dtype=result, skip_nan=method != "mode")
                    found.update(pool2d(image, pooling).tobytes())
                    found.update(pool2d(image.swapaxes(0, 1), pooling).tobytes())
            if channels == 3:
                weighted = alpha_weighted(translucent((37, 33, 4), dtype, 3), pooling)
                found.update(weighted.tobytes())
    return found.hexdigest()


def test_no_work_is_done_by_assertions() -> None:
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    program += "import test_reference; print(__debug__, test_reference.digest())"
    run = [sys.executable, "-O", "-W", "ignore", "-c", program]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", digest()]
