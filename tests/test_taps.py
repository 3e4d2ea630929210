"""Median, mode and the places of extremes, against loops over the values of each window."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any

import cv2
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import pooltool
from pooltool.geometry import Windows
from pooltool.kernels import Method, Pooling, fast, pool2d, ranks, tiles
from pooltool.kernels.colors import pool_colors
from pooltool.kernels.ranks import indices2d

Array = NDArray[Any]
DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">u2", ">f4"]


def labels(shape: tuple[int, ...], dtype: str, seed: int, blocks: int = 1) -> Array:
    """Few values, so that many are equal, with both ends of the dtype's range; floats with zeros
    of both signs, and every other time NaN and infinities. Blocks of pixels are equal.
    """
    rng = np.random.default_rng(seed)
    few = tuple(-(-size // blocks) for size in shape[:2]) + shape[2:]
    image = rng.integers(0, 4, few).astype(dtype)
    odd = rng.random(few)
    if image.dtype.kind == "f":
        image[odd < 0.15] = -0.0
        if seed % 2:
            image[odd > 0.9], image[odd > 0.95] = np.inf, -np.inf
            image[odd > 0.97] = np.nan
    elif image.dtype.kind != "b":
        image[odd < 0.1], image[odd > 0.9] = np.iinfo(dtype).max, np.iinfo(dtype).min
    return image.repeat(blocks, 0).repeat(blocks, 1)[: shape[0], : shape[1]]


def each_window(
    image: Array, windows: Windows
) -> Iterator[tuple[tuple[int, ...], list[Any], list[int]]]:
    """Place of the result, values of the window in reading order, and their flat positions."""
    along = []
    for axis, size in enumerate(image.shape[:2]):
        if windows.output_size is not None:
            count = windows.output_size[axis] or size
            along.append(reference.adaptive_windows(size, count))
            continue
        pool, stride = windows.pool_size[axis], windows.stride[axis]
        dilation, pad, ceil_mode = windows.dilation[axis], (0, 0), windows.ceil_mode
        if windows.padding == "same":
            pad, ceil_mode = reference.same_padding(size, pool, stride, dilation), False
        elif windows.padding != "valid":
            pad = windows.padding[axis]
        along.append(reference.windows(size, pool, stride, pad, dilation, ceil_mode))
    channels = image.reshape(*image.shape[:2], -1)
    width = image.shape[1]
    for (i, (down, _)), (j, (across, _)) in product(*map(enumerate, along)):
        for c in range(channels.shape[2]):
            values = [channels[y, x, c].item() for y in down for x in across]
            place = (i, j, c)[: image.ndim]
            yield place, values, [y * width + x for y in down for x in across]


def assert_right(image: Array, windows: Windows) -> None:
    """Compare all that comes from the taps of windows with loops over them."""
    largest, smallest = (Pooling(method, windows) for method in ("max", "min"))
    medians, modes = (pool2d(image, Pooling(method, windows)) for method in ("median", "mode"))
    found = {max: pool2d(image, largest), min: pool2d(image, smallest)}
    places = {
        max: indices2d(image, found[max], *windows.axes(image.shape)),
        min: indices2d(image, found[min], *windows.axes(image.shape)),
    }
    for result in (medians, modes):
        assert result.dtype == image.dtype.newbyteorder("=")
        assert result.flags.c_contiguous
        assert not np.signbit(result[result == 0]).any()
    for place, values, positions in each_window(image, windows):
        missing = [value != value for value in values]
        if any(missing):
            assert np.isnan([medians[place], modes[place]]).all()
            first = positions[missing.index(True)]
            assert [places[max][place], places[min][place]] == [first, first]
            continue
        assert medians[place] == np.sort(values)[(len(values) - 1) // 2]
        counted = Counter(values)
        assert modes[place] == min(v for v in values if counted[v] == max(counted.values()))
        for extreme in (max, min):
            assert found[extreme][place] == extreme(values)
            assert places[extreme][place] == positions[values.index(extreme(values))]


shapes = st.one_of(
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5)),
)
pairs = st.one_of(st.just((2, 2)), st.tuples(st.integers(1, 11), st.integers(1, 11)))
steps = st.tuples(st.integers(1, 4), st.integers(1, 4))
margins = st.tuples(st.integers(0, 3), st.integers(0, 3))


@settings(max_examples=300, deadline=None)
@given(
    shape=shapes,
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 10**6),
    blocks=st.sampled_from([1, 5]),
    pool=pairs,
    stride=steps,
    padding=st.one_of(st.sampled_from(["valid", "same"]), st.tuples(margins, margins)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    ceil_mode=st.booleans(),
)
def test_windows_against_loops(
    shape: tuple[int, ...],
    dtype: str,
    seed: int,
    blocks: int,
    pool: tuple[int, int],
    stride: tuple[int, int],
    padding: Any,
    dilation: tuple[int, int],
    ceil_mode: bool,
) -> None:
    image = labels(shape, dtype, seed, blocks)
    windows = Windows.of(pool, stride, padding, dilation, ceil_mode)
    try:
        windows.axes(shape)
    except pooltool.WindowError:  # those that do not fit have their own tests
        return
    assert_right(image, windows)


@settings(max_examples=100, deadline=None)
@given(
    shape=shapes,
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 10**6),
    output=st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_adaptive_windows_against_loops(
    shape: tuple[int, ...], dtype: str, seed: int, output: tuple[int, int]
) -> None:
    assert_right(labels(shape, dtype, seed), Windows.adaptive(output))


@pytest.mark.parametrize("size", [1, 3, 5, 7, 31])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_medians_with_and_without_opencv(
    dtype: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(size).integers(0, 255, (70, 90, 3)).astype(dtype)
    pooling = [Pooling("median", Windows.of(size, stride, size // 2)) for stride in (1, 2)]
    found = [pool2d(image, each) for each in pooling]
    monkeypatch.setattr(fast, "median", lambda *arguments: False)
    for each, results in zip(pooling, found, strict=True):
        assert pool2d(image, each).tobytes() == results.tobytes()


@pytest.mark.parametrize(("dtype", "size", "stride", "is_used"), [
    ("u1", 3, 1, True), ("u1", 5, 2, True), ("u1", 31, 4, True), ("u2", 5, 1, True),
    ("f4", 3, 2, True), ("u1", 2, 1, False), ("u2", 7, 1, False), ("u1", 7, 7, False),
    ("i2", 3, 1, False), (">u2", 3, 1, True),
])  # fmt: skip
def test_opencv_is_used(
    dtype: str, size: int, stride: int, is_used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    blur = cv2.medianBlur

    def counted(*given: Any) -> Any:
        calls.append(given)
        return blur(*given)

    monkeypatch.setattr(cv2, "medianBlur", counted)
    pool2d(np.zeros((40, 50), dtype), Pooling("median", Windows.of(size, stride)))
    assert bool(calls) == is_used


@pytest.mark.parametrize("blocks", [1, 9])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f8"])
def test_tiles_do_not_show(dtype: str, blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image = labels((70, 90, 3), dtype, 2, blocks)
    for windows in (Windows.of(2), Windows.of(9, 4, "same"), Windows.adaptive((7, 11))):
        whole = results(image, windows)
        for name, value in (("TAP_BYTES", 300), ("BLOCK_BYTES", 5000)):
            monkeypatch.setattr(ranks, name, value)
        monkeypatch.setattr(tiles, "NARROW", 0)
        assert results(image, windows) == whole
        monkeypatch.undo()


def results(image: Array, windows: Windows) -> list[bytes]:
    pooled = {method: pool2d(image, Pooling(method, windows)) for method in METHODS}
    places = indices2d(image, pooled["max"], *windows.axes(image.shape))
    return [places.tobytes(), *(each.tobytes() for each in pooled.values())]


METHODS: list[Method] = ["max", "median", "mode"]


@pytest.mark.parametrize("windows", [Windows.of(2), Windows.of(3, 1, 1), Windows.of((9, 8), 2)])
@pytest.mark.parametrize("dtype", ["u1", "f2", "u4", "f8"])
def test_layouts_do_not_show(dtype: str, windows: Windows) -> None:
    image = labels((22, 31), dtype, 1)
    wide = np.zeros((22, 62), dtype)
    wide[:, ::2] = image
    still = image.copy()
    still.flags.writeable = False
    turned = np.ascontiguousarray(image[::-1, ::-1])[::-1, ::-1]
    swapped = image.astype(image.dtype.newbyteorder(">"))
    for other in (wide[:, ::2], still, turned, swapped, np.asfortranarray(image)):
        assert results(other, windows) == results(image, windows)
    three = results(np.stack([image] * 3, axis=2), windows)
    size = np.dtype(dtype).itemsize
    for got, one, word in zip(three, results(image, windows), (8, size, size, size), strict=True):
        assert got == b"".join(one[i : i + word] * 3 for i in range(0, len(one), word))


@pytest.mark.parametrize("size", [2, 3, 9])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_skipped_nan_takes_part_in_nothing(dtype: str, size: int) -> None:
    image = labels((19, 23), dtype, 4)
    image[np.random.default_rng(1).random(image.shape) < 0.4] = np.nan
    image[:9, :9] = np.nan
    windows = Windows.of(size, 2, "same")
    out = pool2d(image, Pooling("median", windows, skip_nan=True))
    alone = 0
    for (i, j), values, _ in each_window(image, windows):
        left = np.sort([value for value in values if value == value])
        wanted = left[(len(left) - 1) // 2] if len(left) else np.nan
        alone += not len(left)
        np.testing.assert_array_equal(out[i, j], wanted)
    assert alone


@pytest.mark.parametrize(
    ("method", "size", "width"),
    [("median", 31, 4000), ("median", 8, 4000), ("mode", 8, 4000), ("mode", 31, 500)],
)
def test_memory_is_that_of_a_tile(method: Method, size: int, width: int) -> None:
    image = labels((100, width), "u1", 2)
    pooling = Pooling(method, Windows.of(size, 1, "same"))
    pool2d(image, pooling)
    tracemalloc.start()
    pool2d(image, pooling)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 << 20  # size * size copies of the image are 25 to 380 MB


def test_memory_of_many_small_planes_is_that_of_the_result_and_of_a_tile() -> None:
    image = np.zeros((1, 64, 2, 2), np.uint8)
    tracemalloc.start()
    result = pooltool.adaptive_max_pool2d(image, 500, data_format="channels_first")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * result.nbytes


def test_table_of_modes() -> None:
    for values, mode in (
        ([1, 2, 3, 4], 1), ([4, 4, 1, 1], 1), ([1, 4, 4, 2], 4), ([2, 1, 2, 3], 2),
        ([9, 9, 9, 1], 9), ([0, 7, 7, 0], 0), ([5, 5, 5, 5], 5), ([3, 8, 1, 8], 8),
    ):  # fmt: skip
        for dtype in DTYPES[1:]:
            image = np.array(values, dtype).reshape(2, 2)
            assert pooltool.mode_pool2d(image).tolist() == [[mode]]


def test_one_window_of_a_whole_image() -> None:
    image = np.random.default_rng(0).integers(0, 1000, (301, 402), np.int32)
    windows = Windows.adaptive(1)
    values, counts = np.unique(image, return_counts=True)
    for method, wanted in (
        ("median", np.sort(image, axis=None)[(image.size - 1) // 2]),
        ("mode", values[counts.argmax()]),
    ):
        assert pool2d(image, Pooling(method, windows)).tolist() == [[wanted]]  # type: ignore[arg-type]
    _, place = pooltool.adaptive_max_pool2d(image, 1, return_indices=True)
    assert place.tolist() == [[image.argmax()]]


@pytest.mark.parametrize("pool", [(2, 2), (3, 2), (3, 4)])
@pytest.mark.parametrize("stride", [(1, 2), (3, 2)])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_indices_are_those_of_pytorch(
    pool: tuple[int, int], stride: tuple[int, int], ceil_mode: bool
) -> None:
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(9).permutation(3 * 11 * 14).reshape(3, 11, 14)  # no ties
    for padding, dilation in product(((0, 0), (1, 1), (1, 0)), ((1, 1), (2, 3))):
        how: dict[str, Any] = {"padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
        values, indices = pooltool.max_pool2d(
            image, pool, stride, data_format="channels_first", return_indices=True, **how
        )
        theirs = torch.nn.functional.max_pool2d(
            torch.from_numpy(image)[None].double(), pool, stride, return_indices=True, **how
        )
        np.testing.assert_array_equal(values, theirs[0][0].numpy())
        np.testing.assert_array_equal(indices, theirs[1][0].numpy())


def test_of_several_nan_pytorch_takes_the_last() -> None:
    torch = pytest.importorskip("torch")
    image = np.array([[np.nan, 1, np.nan, 2]])
    _, index = pooltool.max_pool2d(image, (1, 4), return_indices=True)
    _, theirs = torch.nn.functional.max_pool2d(
        torch.from_numpy(image)[None], (1, 4), return_indices=True
    )
    assert (index.item(), theirs.item()) == (0, 2)


@pytest.mark.parametrize("name", ["max", "min"])
def test_indices_find_the_values(name: str) -> None:
    image = labels((13, 17, 3), "f4", 2)
    pool, adaptive = (getattr(pooltool, f"{kind}{name}_pool2d") for kind in ("", "adaptive_"))
    for plain, (values, places) in (
        (pool(image, 3, 2, padding=1), pool(image, 3, 2, padding=1, return_indices=True)),
        (adaptive(image, (4, 5)), adaptive(image, (4, 5), return_indices=True)),
    ):
        assert values.tobytes() == plain.tobytes()
        assert places.dtype == np.int64
        planes = image.reshape(-1, 3)
        there = np.take_along_axis(planes, places.reshape(-1, 3), axis=0)
        np.testing.assert_array_equal(there.reshape(values.shape), values)


@pytest.mark.parametrize("dtype", ["u1", "f4"])
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_places_in_large_windows(dtype: str, layout: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that are looked through one by one give what all at once give."""
    image = labels((2, 15, 17, 3), dtype, 3)
    windows: list[Windows] = [Windows.adaptive((2, 3)), Windows.of((5, 4), 2, 1, (2, 1), True)]
    windows += [Windows.adaptive(1), Windows.of(9, 4, "same")]
    for way in windows:
        rows, columns = way.axes(image.shape, layout)
        values = pool2d(image, Pooling("max", way), data_format=layout)
        wanted = indices2d(image, values, rows, columns, data_format=layout)
        for block_bytes in (1, 300, 1 << 20):
            monkeypatch.setattr(ranks, "FEW_TAPS", 0)
            monkeypatch.setattr(ranks, "BLOCK_BYTES", block_bytes)
            got = indices2d(image, values, rows, columns, data_format=layout)
            monkeypatch.undo()
            np.testing.assert_array_equal(got, wanted)


COLOR_DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">i2", ">f4"]


def color_modes(image: Array, windows: Windows, order: tuple[int, ...]) -> Array:
    rows, columns = windows.axes(image.shape)
    return pool_colors(image, Pooling("mode", windows), rows, columns, order)


@pytest.mark.parametrize("order", [(0, 1), (2, 1, 0), (2, 1, 0, 3), (0, 1, 2)])
@pytest.mark.parametrize("dtype", COLOR_DTYPES)
def test_of_colors_that_are_most_frequent_the_smallest_counts(
    dtype: str, order: tuple[int, ...]
) -> None:
    image = labels((14, 17, len(order)), dtype, 2)
    windows = Windows.of(3, 2, 1)
    modes = color_modes(image, windows, order)
    assert modes.dtype == image.dtype.newbyteorder("=")
    assert modes.shape == (7, 9, len(order))
    assert modes.flags.c_contiguous
    colors = image.reshape(-1, len(order))[:, order].tolist()
    numbers = np.arange(14 * 17).reshape(14, 17)
    for place, values, _ in each_window(numbers, windows):
        counted = Counter(tuple(colors[number]) for number in values)
        most = max(counted.values())
        assert tuple(modes[place][list(order)].tolist()) == min(
            color for color in counted if counted[color] == most
        )


@pytest.mark.parametrize("dtype", COLOR_DTYPES)
def test_ties_of_colors_by_hand(dtype: str) -> None:
    low, high = (0, 1) if dtype == "?" else (1, 2) if dtype[-2] == "u" else (-1, 2)
    for order, first in ((0, 1, 2), (low, 0, high)), ((2, 1, 0), (high, 0, low)):
        image = np.array([[(low, 0, high), (high, 0, low)]] * 2, dtype)
        assert color_modes(image, Windows.of(2), order).tolist() == [[list(first)]]


def test_colors_of_nan() -> None:
    """NaN is a color like others; of equal frequency it is the last."""
    nan, one = (np.nan, 0, 1), (5, 0, 1)
    for pixels, mode in (([nan, nan, one, (1, 1, 1)], nan), ([nan, nan, one, one], one)):
        image = np.array(pixels, np.float32).reshape(2, 2, 3)
        np.testing.assert_array_equal(color_modes(image, Windows.of(2), (0, 1, 2)), [[mode]])
    zeros = np.array([(-0.0, 1), (0, 1), (2, 2)], np.float32).reshape(1, 3, 2)
    (mode,) = color_modes(zeros, Windows.of((1, 3)), (0, 1))[0]
    assert mode.tolist() == [0, 1]
    assert not np.signbit(mode).any()
