"""The pooling functions: the lecture, the numeric rules, dtypes, layouts and errors."""

from __future__ import annotations

import doctest
import tracemalloc
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pooltool
from pooltool import (
    ArrayTypeError,
    PooltoolError,
    WindowError,
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    adaptive_min_pool2d,
    avg_pool2d,
    max_pool2d,
    min_pool2d,
    pooling,
)
from pooltool.errors import one_line

Array = NDArray[Any]
LECTURE = np.array([[0, 3, 3, 0], [2, 7, 6, 8], [0, 1, 7, 6], [1, 3, 5, 6]], np.uint8)
NOISY = np.array([[1, 3, 2, 0], [2, 7, 6, 8], [0, 2, 7, 3], [1, 3, 5, 6]], np.uint8)
DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
FUNCTIONS: list[Callable[..., Array]] = [max_pool2d, min_pool2d, avg_pool2d]
ADAPTIVE: list[Callable[..., Array]] = [
    adaptive_max_pool2d,
    adaptive_min_pool2d,
    adaptive_avg_pool2d,
]
rng = np.random.default_rng(7)


def equal_bits(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_the_lecture() -> None:
    assert max_pool2d(LECTURE).tolist() == [[7, 8], [3, 7]]
    assert avg_pool2d(LECTURE).tolist() == [[3, 4.25], [1.25, 6]]
    assert min_pool2d(LECTURE).tolist() == [[0, 0], [0, 5]]
    assert max_pool2d(NOISY).tolist() == max_pool2d(LECTURE).tolist()
    assert max_pool2d(np.zeros((700, 1024))).shape == (350, 512)


def test_color_gives_the_gray_answer_in_each_channel() -> None:
    color = np.stack([LECTURE, NOISY, LECTURE.T], axis=2)
    for function in FUNCTIONS:
        pooled = function(color)
        for channel in range(3):
            assert equal_bits(
                np.ascontiguousarray(pooled[..., channel]), function(color[..., channel])
            )


def test_pool_size_and_stride_defaults() -> None:
    image = rng.integers(0, 255, (9, 7), np.uint8)
    assert equal_bits(max_pool2d(image), max_pool2d(image, (2, 2), (2, 2)))
    assert equal_bits(max_pool2d(image, 3), max_pool2d(image, (3, 3), 3))
    assert max_pool2d(image, (2, 3)).shape == (4, 2)


def test_small_changes_change_the_max_little() -> None:
    image = rng.integers(0, 200, (20, 30)).astype(np.int16)
    noise = rng.integers(-2, 3, image.shape).astype(np.int16)
    assert np.abs(max_pool2d(image + noise, 3) - max_pool2d(image, 3)).max() <= 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_max_and_min_keep_the_dtype_and_its_extremes(dtype: str) -> None:
    if np.dtype(dtype).kind == "f":
        low, high = -np.inf, np.inf
    else:
        low, high = (0, 1) if dtype == "?" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    image = np.array([[low, low, high], [low, low, high]], dtype)
    top = max_pool2d(image, 2, 1, padding=1)
    assert top.dtype == image.dtype
    assert top.tolist() == [[low, low, high, high]] * 3
    assert min_pool2d(image, 2, 1, padding=1).tolist() == [[low, low, low, high]] * 3


@pytest.mark.parametrize("dtype", DTYPES)
def test_average_dtype_rule(dtype: str) -> None:
    small = np.dtype(dtype).itemsize <= 2
    expected = dtype if np.dtype(dtype).kind == "f" else "f4" if small else "f8"
    image = np.ones((4, 6), dtype)
    for result in (avg_pool2d(image), adaptive_avg_pool2d(image, 2)):
        assert result.dtype == np.dtype(expected)
        assert (result == 1).all()


@pytest.mark.parametrize(
    ("values", "dtype", "mean"),
    [
        ([[1, 2], [2, 2]], "u1", 2),  # 1.75
        ([[0, 1], [1, 0]], "u1", 0),  # 0.5, to even
        ([[1, 2], [2, 1]], "u1", 2),  # 1.5, to even
        ([[2, 3], [3, 2]], "u1", 2),  # 2.5, to even
        ([[255, 255], [255, 255]], "u1", 255),
        ([[300, 300], [300, 300]], "u1", 255),
        ([[-1, 0], [0, -1]], "i1", 0),  # -0.5
        ([[-1, -2], [-2, -1]], "i1", -2),  # -1.5
        ([[-5, -5], [-5, -5]], "u1", 0),
        ([[0, 1], [1, 1]], "?", True),
        ([[0, 1], [0, 1]], "?", False),  # 0.5, to even
        ([[2.5, 2.5], [2.5, 2.5]], "i8", 2),
        ([[1e300, 1e300], [1e300, 1e300]], "i8", 2**63 - 1),
        ([[-np.inf, 1.0], [1.0, 1.0]], "i4", -(2**31)),
    ],
)
def test_average_into_integers(values: Any, dtype: str, mean: int) -> None:
    result = avg_pool2d(values, dtype=dtype)
    assert result.dtype == np.dtype(dtype)
    assert result.tolist() == [[mean]]


@pytest.mark.parametrize("function", [*FUNCTIONS, pooltool.median_pool2d, pooltool.mode_pool2d])
def test_true_is_every_byte_but_0(function: Callable[..., Array]) -> None:
    """As numpy has it: masks of 0 and 255 are often viewed as bool."""
    mask = np.array([[255, 0, 0, 1], [2, 0, 3, 255]], np.uint8)
    assert equal_bits(function(mask.view(bool)), function(mask != 0))
    if function in (max_pool2d, min_pool2d):
        _, indices = function(mask.view(bool), return_indices=True)
        assert indices.tolist() == function(mask != 0, return_indices=True)[1].tolist()


def test_wide_integers_are_averaged_exactly() -> None:
    top = 2**63 - 1
    assert avg_pool2d(np.full((2, 2), top), dtype="i8").tolist() == [[top]]
    assert avg_pool2d(np.full((2, 2), 2**64 - 1, "u8"), dtype="u8").tolist() == [[2**64 - 1]]
    assert avg_pool2d(np.array([[top, -top - 1]]), (1, 2)).tolist() == [[-0.5]]
    assert avg_pool2d(np.array([[2**53 + 1, 2**53 + 3]]), (1, 2), dtype="i8").item() == 2**53 + 2
    # Rounded once: by way of float64 this mean would become 2**24 + 2 in float32.
    values = np.full((1, 2**10), 2**60, "i8")
    values[0, 0] += 2**46
    assert avg_pool2d(values, (1, 2**10), dtype="f4").item() == 2.0**60


def test_sums_of_floats_do_not_overflow() -> None:
    for dtype in ("f2", "f4", "f8"):
        top = np.finfo(dtype).max
        image = np.array([[top, top, 1.0], [top, top, 1.0]], dtype)
        assert avg_pool2d(image, 2, 1)[0, 0] == top
        assert avg_pool2d(-image, 2, 1)[0, 0] == -top
        assert avg_pool2d(image * np.array([1, -1, 1], dtype), 2, 1)[0, 0] == 0


def test_nan_and_infinity_touch_only_their_windows() -> None:
    image = np.arange(36, dtype=np.float32).reshape(6, 6)
    clean = {function: function(image) for function in FUNCTIONS}
    image[2, 3], image[5, 0] = np.nan, np.inf
    for function in FUNCTIONS:
        pooled = function(image)
        assert np.isnan(pooled[1, 1])
        assert pooled[2, 0] == (24 if function is min_pool2d else np.inf)
        others = np.ones((3, 3), bool)
        others[1, 1] = others[2, 0] = False
        assert (pooled[others] == clean[function][others]).all()


def test_opposite_infinities_average_to_nan() -> None:
    assert np.isnan(avg_pool2d([[np.inf, -np.inf]], (1, 2))).all()


def test_the_average_of_padding() -> None:
    image = np.full((2, 2), 4.0)
    assert avg_pool2d(image, 2, 2, padding=1).tolist() == [[4, 4], [4, 4]]
    counted = avg_pool2d(image, 2, 2, padding=1, count_include_pad=True)
    assert counted.tolist() == [[1, 1], [1, 1]]


def test_ceil_mode_never_counts_what_it_adds() -> None:
    image = np.full((1, 3), 6.0)
    settings: dict[str, Any] = {"ceil_mode": True, "count_include_pad": True}
    assert avg_pool2d(image, (1, 2), **settings).tolist() == [[6, 6]]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["u1", "i4", "u8", "f2", "f4", "f8"])
def test_any_memory_layout_gives_the_same_bits(function: Callable[..., Array], dtype: str) -> None:
    image = (rng.standard_normal((23, 17, 3)) * 50).astype(dtype)
    if dtype.startswith("f"):
        image[3, 4, 1], image[9, 9, 0], image[0, :5] = np.nan, -np.inf, -0.0
    expected = function(image, 3, 2, padding=1)
    assert expected.flags.c_contiguous
    assert expected.dtype.isnative
    wide = np.repeat(np.repeat(image, 2, axis=0), 3, axis=1)
    read_only = image.copy()
    read_only.flags.writeable = False
    layouts = {
        "Fortran order": np.asfortranarray(image),
        "transposed": np.ascontiguousarray(image.transpose(1, 0, 2)).transpose(1, 0, 2),
        "planar": np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0),
        "sliced": wide[::2, ::3],
        "reversed": np.ascontiguousarray(image[::-1, ::-1, ::-1])[::-1, ::-1, ::-1],
        "big-endian": image.astype(image.dtype.newbyteorder(">")),
        "read-only": read_only,
        "unaligned": np.frombuffer(b"x" + image.tobytes(), np.uint8)[1:]
        .view(dtype)
        .reshape(image.shape),
    }
    for name, layout in layouts.items():
        before = layout.tobytes()
        assert equal_bits(function(layout, 3, 2, padding=1), expected), name
        assert layout.tobytes() == before, name
    one = np.ascontiguousarray(image[..., 1])
    assert equal_bits(function(one, 3, 2, padding=1), np.ascontiguousarray(expected[..., 1]))


def test_the_result_is_new_even_when_nothing_is_pooled() -> None:
    image = np.ones((3, 4), np.float32)
    for function in FUNCTIONS:
        result = function(image, 1)
        assert not np.shares_memory(result, image)
        result[...] = 5
    assert (image == 1).all()


def test_any_number_of_channels() -> None:
    image = rng.integers(0, 255, (6, 4, 11), np.uint8)
    assert max_pool2d(image).shape == (3, 2, 11)
    assert max_pool2d(image[..., :1]).shape == (3, 2, 1)


def test_adaptive_pooling() -> None:
    row = np.array([[1, 2, 3, 4, 5]])
    assert adaptive_max_pool2d(row, (1, 3)).tolist() == [[2, 4, 5]]
    assert adaptive_min_pool2d(row, (1, 3)).tolist() == [[1, 2, 4]]
    assert adaptive_avg_pool2d(row, (1, 3)).tolist() == [[1.5, 3, 4.5]]
    assert adaptive_avg_pool2d(row, (1, 3), dtype="u1").tolist() == [[2, 3, 4]]
    assert adaptive_max_pool2d(row, 1).tolist() == [[5]]
    assert adaptive_max_pool2d(row, (2, 7)).tolist() == [[1, 2, 3, 3, 4, 5, 5]] * 2


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (5, WindowError),
        ([1, 2, 3], WindowError),
        (np.zeros((2, 2, 2, 2, 2)), WindowError),
        (np.zeros((0, 4)), WindowError),
        (np.zeros((4, 4, 0)), WindowError),
        ([[1, 2], [3]], WindowError),
        (np.zeros((4, 4), complex), ArrayTypeError),
        (np.full((4, 4), None), ArrayTypeError),
        (np.full((4, 4), "a"), ArrayTypeError),
        (np.zeros((4, 4), "M8[s]"), ArrayTypeError),
        (np.zeros((4, 4), np.longdouble), ArrayTypeError),
        (np.zeros((4, 4), [("r", "u1")]), ArrayTypeError),
    ],
)
def test_arrays_that_cannot_be_pooled(image: Any, error: type[Exception]) -> None:
    functions: list[Any] = [*FUNCTIONS, adaptive_max_pool2d, adaptive_avg_pool2d]
    for function in functions:
        with pytest.raises(error, match="image") as caught:
            function(image, 1)
        assert isinstance(caught.value, PooltoolError)


@pytest.mark.parametrize(
    "settings",
    [
        {"pool_size": 0},
        {"pool_size": 2.0},
        {"pool_size": True},
        {"pool_size": 9},
        {"stride": 0},
        {"stride": (1, 2, 3)},
        {"padding": "reflect"},
        {"padding": -1},
        {"padding": 2},
        {"dilation": 0},
        {"dilation": 4},
    ],
)
def test_windows_that_cannot_be_used(settings: dict[str, Any]) -> None:
    (name, value), *_ = settings.items()
    for function in FUNCTIONS:
        with pytest.raises(WindowError, match=rf"{name}=.*\(4, 5, 3\)") as caught:
            function(np.zeros((4, 5, 3)), **settings)
        assert isinstance(caught.value, ValueError)
        assert repr(value) in str(caught.value)
    with pytest.raises(WindowError, match=r"output_size=0 .*\(4, 5\)"):
        adaptive_max_pool2d(np.zeros((4, 5)), 0)


class Tensor:
    """What numpy cannot read, as PyTorch says it."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise self.error


@pytest.mark.parametrize(("image", "problem"), [
    (Tensor(RuntimeError("Use tensor.detach().numpy() instead.\nMore.")), r"detach\(\).numpy\(\)"),
    (Tensor(TypeError("Got unsupported ScalarType BFloat16")), r"BFloat16; use image.float\(\)$"),
    (Tensor(TypeError("it takes 1 positional argument but 2 were given")), "were given$"),
    (np.ma.masked_equal(np.eye(3), 1), r"masked array, .* \(image shape \(3, 3\)\)$"),
])  # fmt: skip
def test_arrays_that_would_be_misread(image: Any, problem: str) -> None:
    with pytest.raises(ArrayTypeError, match=problem) as caught:
        max_pool2d(image, 2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("function", [*FUNCTIONS, adaptive_max_pool2d])
def test_layouts_that_do_not_fit(function: Callable[..., Array]) -> None:
    name: Any
    for name in ("NCHW", "hwc", "CHANNELS_FIRST", "NCDHW", "", None, 1, [], ("channels_last",)):
        with pytest.raises(WindowError) as caught:
            function(np.zeros((4, 5, 3)), 2, data_format=name)
        assert isinstance(caught.value, ValueError)
        assert str(caught.value) == (
            f"data_format={name!r} is not 'channels_last' (NHWC) or 'channels_first' (NCHW) "
            "(image shape (4, 5, 3))"
        )
    with pytest.raises(WindowError, match=r"5 axes.*'channels_first' takes .*N, C.*\(1, 1, 1, 4"):
        function(np.zeros((1, 1, 1, 4, 4)), 2, data_format="channels_first")
    with pytest.raises(WindowError, match=r"columns.*3 .*\(4, 5, 3\)|output_size=0.*\(4, 5, 3\)"):
        function(np.zeros((4, 5, 3)), 0 if "adapt" in function.__name__ else 4,
                 data_format="channels_first")  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_layouts(function: Callable[..., Array]) -> None:
    image = rng.integers(0, 255, (2, 7, 9, 3), np.uint8)
    pooled = function(image, (2, 3))
    assert pooled.shape == (2, 3, 3, 3)
    assert equal_bits(np.ascontiguousarray(pooled[1]), function(image[1], (2, 3)))
    first = function(image.transpose(0, 3, 1, 2), (2, 3), data_format="channels_first")
    assert equal_bits(first, np.ascontiguousarray(pooled.transpose(0, 3, 1, 2)))
    chosen = np.ascontiguousarray(image.transpose(0, 3, 1, 2))[:, :2]  # planes that do not follow
    assert equal_bits(function(chosen, (2, 3), data_format="channels_first"),
                      np.ascontiguousarray(first[:, :2]))  # fmt: skip


def test_nan_that_is_skipped() -> None:
    nan = np.nan
    image = np.array([[1, nan, nan, nan], [nan, 5, nan, nan]], np.float32)
    assert max_pool2d(image, skip_nan=True)[0, 0] == 5
    assert min_pool2d(image, skip_nan=True)[0, 0] == 1
    assert avg_pool2d(image, skip_nan=True)[0, 0] == 3
    assert adaptive_avg_pool2d(image, 1, skip_nan=True).tolist() == [[3]]
    assert adaptive_max_pool2d(image, 1, skip_nan=True).tolist() == [[5]]
    for function in FUNCTIONS:
        assert np.isnan(function(image, skip_nan=True)[0, 1])
        assert np.isnan(function(image)).all()
        whole = np.full((3, 2), 7)
        assert equal_bits(function(whole, 1, skip_nan=True), function(whole, 1))
    padded = avg_pool2d(image, 2, 2, padding=1, count_include_pad=True, skip_nan=True)
    np.testing.assert_array_equal(padded, [[0.25, nan, nan], [nan, np.float32(5 / 3), nan]])


def test_divisor_override() -> None:
    image = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.uint8)
    assert avg_pool2d(image, 2, 1, divisor_override=1).tolist() == [[12, 16], [24, 28]]
    assert avg_pool2d(image, 3, divisor_override=2, dtype="u1").tolist() == [[22]]  # 22.5, to even
    assert avg_pool2d(image + 200, 2, 1, divisor_override=1, dtype="u1").tolist() == [[255] * 2] * 2
    assert avg_pool2d(image, 2, 2, padding=1, divisor_override=4)[0, 0] == 0.25
    assert avg_pool2d(image, 3, divisor_override=2**62).item() == 45 / 2**62
    for value in (0, -1, 2**63, 2.0, True, "2", (1, 2)):
        with pytest.raises(WindowError, match="divisor_override="):
            avg_pool2d(image, divisor_override=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["u1", "f4"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_huge_settings_on_small_images_cost_nothing(
    function: Callable[..., Array], dtype: str
) -> None:
    image = rng.integers(1, 200, (7, 5, 2)).astype(dtype)
    first, all_of_it = function(image, (2, 3), (7, 5)), adaptive_avg_pool2d(image, 1)
    tracemalloc.start()
    assert equal_bits(function(image, (2, 3), 10**9), first)
    whole = function(image, 10**9, 3, padding="same")
    assert equal_bits(whole, np.tile(function(image, (7, 5)), (3, 2, 1)))
    assert equal_bits(function(image, 3, 1, padding="same", dilation=10**9), function(image, 1))
    zeros = avg_pool2d(image, 10**9, padding="same", count_include_pad=True)
    np.testing.assert_allclose(zeros, all_of_it * 35 / 1e18, rtol=1e-6)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


@pytest.mark.parametrize("size", [10**9, 2**31 - 1])
@pytest.mark.parametrize("function", [adaptive_max_pool2d, adaptive_avg_pool2d])
def test_results_larger_than_memory_are_refused(function: Callable[..., Array], size: int) -> None:
    with pytest.raises(PooltoolError, match=r"output_size=\d+ is more than 262144 rows"):
        function(np.zeros((4, 5), np.uint8), size)


def test_names_of_other_libraries_are_answered_with_those_here() -> None:
    image = np.zeros((4, 5))
    for name, known in {"kernel_size": "pool_size", "strides": "stride", "pads": "padding"}.items():
        with pytest.raises(TypeError, match=f"{name}'; it is called '{known}' here"):
            max_pool2d(image, **{name: 2})  # type: ignore[call-overload]
    both: Any = {"strides": 2, "kernel_size": 2}
    with pytest.raises(TypeError, match="'strides'; it is called 'stride' here"):
        max_pool2d(image, **both)
    with pytest.raises(TypeError, match=r"keyword argument 'nonsense'$"):
        avg_pool2d(image, nonsense=2)  # type: ignore[call-arg]
    for name in ("size", "output_shape"):
        for function in ADAPTIVE:
            with pytest.raises(TypeError, match=f"{name}'; it is called 'output_size' here"):
                function(image, **{name: 2})
    for name in ("strides", "kernel_size", "pads"):  # which adaptive windows do not have
        with pytest.raises(TypeError, match=rf"keyword argument '{name}'$"):
            ADAPTIVE[0](image, 2, **{name: 2})
    for name, known in {
        "adaptive_mean_pool2d": "adaptive_avg_pool2d",
        "pool2d_max": "max_pool2d",
        "pool2d_mean": "avg_pool2d",
        "minimum_pool2d": "min_pool2d",
    }.items():
        with pytest.raises(AttributeError, match=f"it is called {known}$"):
            getattr(pooltool, name)


def test_first_mistakes_in_python() -> None:
    nothing: Any = None
    with pytest.raises(TypeError, match=r"image is None; cv2\.imread gives that"):
        max_pool2d(nothing)
    functions: list[Any] = [max_pool2d, avg_pool2d]
    for function in functions:
        with pytest.raises(TypeError, match=r"need their names, such as padding=1$"):
            function(np.zeros((4, 4)), 3, 2, 1)


@pytest.mark.parametrize("image", ["x.jpg", Path("x.jpg"), b"\xff\xd8"])
def test_a_file_name_is_not_an_image(image: Any) -> None:
    for function in [*FUNCTIONS, *ADAPTIVE]:
        with pytest.raises(ArrayTypeError, match=r"not an array; read it first.*imread"):
            function(image, 2)


@pytest.mark.parametrize("name", ["pool_size", "stride", "padding", "dilation"])
def test_sizes_beyond_the_integers_of_64_bits(name: str) -> None:
    """Up to 2**31 - 1 anything is computed, or refused as any window; beyond it all is refused."""
    for size in (2**31, 2**63 - 1, 2**63, 2**64, 2**70, 10**400, np.uint64(2**63)):
        sizes: list[Any] = [size, (1, size), (size, 1)]
        if name == "padding":
            sizes.append(((0, size), (0, 0)))
        for value in sizes:
            for function in (*FUNCTIONS, pooltool.median_pool2d, pooltool.mode_pool2d):
                with pytest.raises(WindowError, match=rf"{name}=.* is more than 2147483647"):
                    function(np.zeros((4, 5)), **({"pool_size": 2} | {name: value}))
    with pytest.raises(WindowError, match=r"output_size=.* is more than"):
        adaptive_max_pool2d(np.zeros((4, 5)), (None, 2**70))


@pytest.mark.parametrize("dtype", ["u1", "i8", "f4"])
def test_sizes_up_to_the_largest(dtype: str) -> None:
    image = np.arange(12, dtype=dtype).reshape(3, 4)
    names = ("pool_size", "stride", "padding", "dilation")
    for values in product((1, 2, 2**31 - 1), repeat=4):
        how: dict[str, Any] = dict(zip(names, values, strict=True))
        for padding in {"valid", "same", how["padding"]}:
            for function in (*FUNCTIONS, pooltool.median_pool2d, pooltool.mode_pool2d):
                options: Any = {"count_include_pad": True} if function is avg_pool2d else {}
                try:
                    result = function(image, **(how | {"padding": padding}), **options)
                except PooltoolError:
                    continue
                assert result.size <= 100


@pytest.mark.parametrize(("shape", "data_format", "other"), [
    ((1, 28, 28), "channels_last", "channels_first"),
    ((8, 1, 28, 28), "channels_last", "channels_first"),
    ((28, 28, 1), "channels_first", "channels_last"),
    ((8, 28, 28, 3), "channels_first", "channels_last"),
    ((1, 28), "channels_last", None),
    ((2, 3, 3), "channels_last", None),
])  # fmt: skip
def test_windows_that_do_not_fit_may_lie_on_the_wrong_axes(
    shape: tuple[int, ...], data_format: Any, other: str | None
) -> None:
    for function in (*FUNCTIONS, pooltool.median_pool2d, pooltool.mode_pool2d):
        with pytest.raises(WindowError) as caught:
            function(np.zeros(shape), 4, data_format=data_format)
        assert (f"use data_format='{other}'" in str(caught.value)) == (other is not None)
        assert (f"use --data-format {other}" in one_line(caught.value)) == (other is not None)


def test_sizes_of_other_types_are_refused_with_what_is_taken() -> None:
    for value in ((2,), np.array([2, 2]), 2.0, "2", [2, 2, 2]):
        with pytest.raises(WindowError, match=r"or a \(height, width\) pair .*such as 2 or \(2, 3"):
            max_pool2d(np.zeros((4, 5)), value)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [complex, object, "U3", "M8[s]", "nonsense", np.longdouble])
def test_averages_that_cannot_be_held(dtype: Any) -> None:
    for function in (avg_pool2d, adaptive_avg_pool2d):
        with pytest.raises(ArrayTypeError, match=r"^dtype=.* \(image shape \(4, 5, 3\)\)$"):
            function(np.zeros((4, 5, 3)), 2, dtype=dtype)


def test_nan_cannot_become_an_integer() -> None:
    for function in (avg_pool2d, adaptive_avg_pool2d):
        with pytest.raises(ArrayTypeError) as caught:
            function([[np.nan, 1.0]], 1, dtype=np.uint8)
        assert str(caught.value) == (
            "dtype='uint8': the average of a window is NaN, which it lacks (image shape (1, 2))"
        )


def test_the_public_door() -> None:
    assert sorted(pooltool.__all__) == pooltool.__all__
    for name in pooltool.__all__:
        assert name in dir(pooltool)
        assert getattr(pooltool, name).__doc__
    with pytest.raises(AttributeError):
        _ = pooltool.max_pool3d


def test_every_function_has_an_example() -> None:
    for name in pooltool.__all__:
        if name.endswith("pool2d"):
            assert f">>> {name}(" in getattr(pooltool, name).__doc__


def test_indices_are_typed_as_a_tuple() -> None:
    """mypy checks what is returned with and without them."""
    values, indices = max_pool2d(LECTURE, return_indices=True)
    smallest, _ = adaptive_min_pool2d(LECTURE, 1, return_indices=True)
    assert indices.dtype == np.int64
    assert (max_pool2d(LECTURE).shape, values.shape, smallest.shape) == ((2, 2), (2, 2), (1, 1))


def test_docstring_examples() -> None:
    failed, attempted = doctest.testmod(pooling)
    assert attempted >= 8
    assert not failed
