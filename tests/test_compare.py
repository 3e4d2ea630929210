"""Comparing the methods: figures, grids of numbers, the picture, and the command."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, Run, load, save
from numpy.typing import NDArray

from pooltool import files
from pooltool.compare.measures import METHODS, Measures, measure, pool_all
from pooltool.compare.panel import (
    NAN_COLOR,
    Tones,
    checkerboard,
    paint,
    panel,
    tones_of,
)
from pooltool.compare.text import (
    IN_ASCII,
    as_grids,
    as_lines,
    as_records,
    as_table,
    numerals,
    window_text,
)
from pooltool.errors import UsageProblem, WindowError
from pooltool.geometry import Padding, Windows

Array = NDArray[Any]
rng = np.random.default_rng(6)
LECTURE = np.array([[0, 3, 3, 0], [2, 7, 6, 8], [0, 1, 7, 6], [1, 3, 5, 6]], np.uint8)
TWO = Windows.of(2)

LECTURE_GRIDS = """\
input 4x4       max 2x2     min 2x2     avg 2x2
┌─────┬─────┐   ┌───┬───┐   ┌───┬───┐   ┌──────┬──────┐
│ 0 3 │ 3 0 │   │ 7 │ 8 │   │ 0 │ 0 │   │ 3.00 │ 4.25 │
│ 2 7 │ 6 8 │   ├───┼───┤   ├───┼───┤   ├──────┼──────┤
├─────┼─────┤   │ 3 │ 7 │   │ 0 │ 5 │   │ 1.25 │ 6.00 │
│ 0 1 │ 7 6 │   └───┴───┘   └───┴───┘   └──────┴──────┘
│ 1 3 │ 5 6 │
└─────┴─────┘"""
OVERLAPPING_GRIDS = """\
windows are not drawn: they overlap or leave gaps
input 4x4     max 2x2   min 2x2   avg 2x2
+---------+   +-----+   +-----+   +-----------+
| 0 3 3 0 |   | 7 8 |   | 0 0 |   | 3.22 4.56 |
| 2 7 6 8 |   | 7 8 |   | 0 1 |   | 3.56 5.44 |
| 0 1 7 6 |   +-----+   +-----+   +-----------+
| 1 3 5 6 |
+---------+"""


def measured(pixels: Array, windows: Any = TWO) -> list[Measures]:
    return measure(pixels, pool_all(pixels, windows))


def by_method(pixels: Array, windows: Any = TWO) -> dict[str, Measures]:
    return {found.method: found for found in measured(pixels, windows)}


def grids(pixels: Array, windows: Any = TWO, *, width: int = 100, ascii_only: bool = False) -> str:
    text = as_grids(pixels, pool_all(pixels, windows), width)
    return text.translate(IN_ASCII) if ascii_only else text


def drawn(pixels: Array, windows: Any = TWO) -> Array:
    return panel(pixels, [pool_all(pixels, windows)])


# Measures


def test_the_lectures_figures() -> None:
    found = by_method(LECTURE)
    assert list(found) == ["input", *METHODS]
    assert found.pop("input").output_shape == (4, 4)
    assert all(figures.output_shape == (2, 2) for figures in found.values())
    for method, values in (
        ("max", [7, 8, 3, 7]),
        ("min", [0, 0, 0, 5]),
        ("avg", [3, 4.25, 1.25, 6]),
    ):
        assert found[method].mean == np.mean(values)
        assert found[method].std == pytest.approx(np.std(values))


def test_shift_of_the_lecture_by_hand() -> None:
    # Moved, it has columns 1, 2, 3 and 3: its results are 7, 8, 7, 6; 3, 0, 1, 6; 4.75, 4, 4, 6.
    # Neighbors differ by 3+0+3+0 + 5+1+2+0 + 1+6+1+0 + 2+2+1+0 = 27 over 16 pixels.
    found = by_method(LECTURE)
    assert found["input"].shift == pytest.approx(27 / 16 / np.std(LECTURE))
    assert found["max"].shift == pytest.approx((0 + 0 + 4 + 1) / 4 / np.std([7, 8, 3, 7]))
    assert found["min"].shift == pytest.approx((3 + 0 + 1 + 1) / 4 / np.std([0, 0, 0, 5]))
    assert found["avg"].shift == pytest.approx(
        (1.75 + 0.25 + 2.75) / 4 / np.std([3, 4.25, 1.25, 6])
    )


def test_windows_of_one_pixel_change_nothing() -> None:
    image = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    before, *after = measured(image, Windows.of(1))
    assert (before.noise, before.bias) == (1, 0)
    for figures in after:
        assert (figures.mean, figures.std) == (before.mean, before.std)
        assert figures.noise == pytest.approx(1)
        assert figures.bias == pytest.approx(0, abs=0.01)
        assert figures.shift == pytest.approx(before.shift)


def test_shift_of_stripes_under_even_windows_is_none() -> None:
    stripes = np.tile(np.array([[0], [200]], np.uint8), (8, 40))
    assert [figures.shift for figures in measured(stripes)] == [0, None, None, None]
    stripes = np.ascontiguousarray(stripes.T)
    assert [figures.shift for figures in measured(stripes)] == [1.875, None, None, None]


def test_shift_of_a_page_with_one_square_is_of_its_own_contrast() -> None:
    # 40 of 90,000 pixels change when the square moves, at its left and at its right.
    page = np.full((300, 300), 255, np.uint8)
    page[20:60, 30:80] = 0
    found = by_method(page, Windows.of(10))
    assert found["input"].shift == pytest.approx(2 * 40 * 255 / (300 * 300) / np.std(page))
    assert all(figures.shift is not None and figures.shift < 0.05 for figures in found.values())


@pytest.mark.parametrize(
    ("side", "noise", "bias"),
    [(2, 0.70, 1.03), (4, 0.54, 1.77), (8, 0.45, 2.34), (16, 0.39, 2.82)],
)
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_noise_and_bias_on_a_flat_image_as_loops_find_them(
    side: int, noise: float, bias: float, dtype: str
) -> None:
    own = np.random.default_rng(1)
    windows = [own.normal(size=side * side) for _ in range(4000)]
    largest = [max(window) for window in windows]
    assert np.std(largest) == pytest.approx(noise, abs=0.02)
    assert np.mean(largest) == pytest.approx(bias, abs=0.03)
    flat = np.full((256, 512), 100, dtype)
    flat[0, 0] = 99  # without which an image has no range; it never is the largest
    found = by_method(flat, Windows.of(side))
    assert found["max"].noise == pytest.approx(np.std(largest), abs=0.02)
    assert found["max"].bias == pytest.approx(np.mean(largest), abs=0.06)
    assert found["avg"].noise == pytest.approx(1 / side, abs=0.01)
    assert found["avg"].bias == 0
    mirrored = by_method(200 - flat, Windows.of(side))
    assert mirrored["min"].noise == pytest.approx(found["max"].noise, abs=0.03)
    assert mirrored["min"].bias == pytest.approx(-bias, abs=0.06)


@pytest.mark.parametrize(
    ("dtype", "spread"), [("u1", 255), ("u1", 100), ("u2", 65535), ("u2", 900), ("f8", 0.1)]
)
def test_noise_is_two_percent_of_the_range(dtype: str, spread: float) -> None:
    # One pixel of each window stands out by 1.5 standard deviations of the noise, so that how
    # often another one wins depends on the level of the noise. One pixel sets the range.
    step = round(0.03 * spread, 3) if dtype == "f8" else round(0.03 * spread)
    image = np.tile(np.array([[0, 0], [0, step]], dtype), (500, 500))
    image[0, 0] = spread
    own = np.random.default_rng(1).normal(size=(200_000, 4)) * 0.02 * spread
    changed = np.add(own, [0, 0, 0, step]).max(axis=1) - step
    found = by_method(image)["max"]
    assert found.noise == pytest.approx(changed.std() / own.std(), abs=0.01)
    assert found.bias == pytest.approx(changed.mean() / own.std(), abs=0.01)


def test_noise_of_a_tiny_image_is_not_left_to_chance() -> None:
    tiny = np.full((2, 2, 3), 9, np.uint8)
    tiny[0, 0, 0] = 10
    assert by_method(tiny)["avg"].noise == pytest.approx(0.5, abs=0.01)
    assert by_method(LECTURE)["avg"].noise == pytest.approx(0.5, abs=0.01)


def test_noise_is_as_faint_as_the_numbers_of_the_picture_are_small() -> None:
    """2 % of 8: no other pixel of a window of the lecture comes near the largest."""
    table = by_method(LECTURE)
    for method in ("max", "min"):
        assert (table[method].noise, table[method].bias) == pytest.approx((1, 0), abs=0.015)
    louder = by_method(LECTURE.astype(np.uint16) * 8000)
    assert louder["max"].noise == pytest.approx(table["max"].noise, abs=0.01)


def test_the_average_has_no_bias_at_all() -> None:
    image = rng.integers(0, 256, (30, 41, 3)).astype(np.uint8)
    for windows in (TWO, Windows.of(3, 2, 1), Windows.adaptive((7, 5))):
        assert by_method(image, windows)["avg"].bias == 0
    assert by_method(np.full((4, 4), 7, np.uint8))["avg"].bias is None


def test_noise_is_not_clipped_at_the_ends_of_the_range() -> None:
    black, gray = (np.full((64, 64), value, np.uint8) for value in (0, 128))
    black[0, 0], gray[0, 0] = 100, 228
    for one, other in zip(measured(black), measured(gray), strict=True):
        assert one.noise == pytest.approx(other.noise, rel=1e-4)
        assert one.bias == pytest.approx(other.bias, abs=1e-4)


@pytest.mark.parametrize(
    "image",
    [
        np.full((1, 1), 7, np.uint8),
        np.full((1, 1), 0.5),
        np.full((6, 4), 0.1),
        np.full((6, 4), 3.3, np.float32),
        np.full((4, 4), np.nan),
        np.full((4, 4), np.inf),
        np.full((4, 4), -1e308) * np.tile([1, -1], (4, 2)),
    ],
    ids=["pixel", "float pixel", "constant", "float32", "nan", "inf", "huge"],
)
def test_figures_that_would_be_zero_by_zero_are_none(image: Array) -> None:
    windows = Windows.of(min(2, *image.shape))
    for figures in measured(image, windows):
        assert figures.shift is None
        json.dumps(as_records([figures], windows), allow_nan=False)
    assert "nan" not in as_table(measured(image, windows))
    assert drawn(image, windows).dtype == np.uint8


def test_shift_of_a_narrow_image() -> None:
    image = rng.random((9, 3))
    found = by_method(image, Windows.of(3))
    changes = [rows.max() - rows[:, 1:].max() for rows in image.reshape(3, 3, 3)]
    largest = [rows.max() for rows in image.reshape(3, 3, 3)]
    assert found["max"].shift == pytest.approx(np.mean(changes) / np.std(largest))
    assert all(figures.noise for figures in found.values())
    for windows in (Windows.of(1), Windows.adaptive((2, 1))):
        assert [one.shift for one in measured(np.arange(9.0)[:, np.newaxis], windows)] == [0] * 4


def test_nan_is_left_out() -> None:
    image = rng.random((40, 40))
    image[0, 0] = np.nan
    for whole, part in zip(measured(image), measured(image[2:]), strict=True):
        assert whole.mean == pytest.approx(part.mean, rel=0.02)
        assert whole.noise == pytest.approx(part.noise, rel=0.1)
        assert whole.shift == pytest.approx(part.shift, rel=0.1)


def test_alpha_is_not_measured_and_seven_channels_are() -> None:
    image = rng.integers(0, 256, (12, 14, 4)).astype(np.uint8)
    for whole, colors in zip(measured(image)[:4], measured(image[..., :3]), strict=True):
        assert whole.output_shape[2] == 4
        assert (whole.mean, whole.std, whole.shift) == (colors.mean, colors.std, colors.shift)
    many = rng.random((8, 9, 7))
    assert by_method(many)["avg"].mean == pytest.approx(many[:, :8].mean())


def test_few_large_windows_on_a_large_image_take_little_memory() -> None:
    image = rng.integers(0, 200, (3000, 3000), np.uint8)
    tracemalloc.start()
    try:
        measured(image, Windows.of(600))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * image.nbytes


def test_a_large_image_is_measured_by_its_center_but_its_mean_by_the_whole() -> None:
    image = np.zeros((440, 5000), np.uint8)
    image[:, 2000:3000] = rng.integers(0, 256, (440, 1000))
    image[:, :100] = 255
    found = by_method(image)
    assert found["avg"].mean == pytest.approx(image.mean(), rel=1e-6)
    center = by_method(image[:, 1766:3234])
    assert found["avg"].shift == pytest.approx(center["avg"].shift, rel=0.05)


@pytest.mark.parametrize("windows", [Windows.adaptive((7, 1900)), Windows.of(3, 2, padding=1)])
def test_a_large_image_under_any_windows(windows: Any) -> None:
    for figures in measured(rng.random((800, 3000)), windows):
        assert figures.noise is not None and figures.shift is not None


def test_the_same_on_every_run_and_the_image_stays() -> None:
    image = rng.integers(0, 65536, (30, 40, 3)).astype(np.uint16)
    image.setflags(write=False)
    assert measured(image) == measured(image.copy())
    np.testing.assert_array_equal(drawn(image), drawn(image.copy()))


def test_a_window_that_does_not_fit() -> None:
    with pytest.raises(WindowError, match=r"pool_size=5 does not fit.*\(4, 4\)"):
        measured(LECTURE, Windows.of(5))


# Text


def test_table() -> None:
    found = [
        Measures("input", (4, 4), 3.625, 2.7, 1.0, 0.0, 0.83),
        Measures("max", (2, 2), 6.25, 1.92, 0.7, 1.03, 0.888),
        Measures("avg", (87, 128, 3), 124.0531, None, None, -0.001, 12.0),
    ]
    assert as_table(found).splitlines() == [
        "method  output shape    mean     std   noise    bias   shift",
        "input   (4, 4)          3.62    2.70    1.00    0.00    0.83",
        "max     (2, 2)          6.25    1.92    0.70    1.03    0.89",
        "avg     (87, 128, 3)  124.05       -       -    0.00   12.00",
    ]


def test_records_have_the_promised_keys() -> None:
    record = as_records(measured(LECTURE), TWO)[1]
    assert list(record) == [
        "pool_size", "method", "output_shape", "mean", "std", "noise", "bias", "shift",
    ]  # fmt: skip
    assert (record["pool_size"], record["method"]) == ([2, 2], "max")
    assert record["output_shape"] == [2, 2]
    adaptive = Windows.adaptive(2)
    assert as_records(measured(LECTURE, adaptive), adaptive)[0]["pool_size"] is None


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([3, 4.25, 1.25, 6], ["3.00", "4.25", "1.25", "6.00"]),
        ([1.5, 200], ["1.5", "200.0"]),
        ([7.0, 8.0], ["7", "8"]),
        ([0.0], ["0"]),
        ([1 / 3, 0.01234], ["0.333", "0.012"]),
        ([0.00123, np.nan], ["0.00123", "nan"]),
        ([1e10, -np.inf], ["1e+10", "-inf"]),
        ([None, 1.0], ["-", "1"]),
        ([-0.001, 5.5], ["0.0", "5.5"]),
        ([-0.0, 1e10], ["0", "1e+10"]),
    ],
)
def test_numerals(values: list[float | None], texts: list[str]) -> None:
    assert numerals(values) == texts


@pytest.mark.parametrize(
    ("windows", "text"),
    [
        (Windows.of((2, 3)), "windows 2x3, stride 2x3"),
        (Windows.of(3, 2, "same"), "windows 3x3, stride 2x2, padding same"),
        (Windows.of(3, 2, 1, 2, True),
         "windows 3x3, stride 2x2, padding 1x1, dilation 2x2, ceil mode"),
        (Windows.of(2, padding=((0, 1), (1, 0))),
         "windows 2x2, stride 2x2, padding top 0, bottom 1, left 1, right 0"),
        (Windows.of(2, padding=0), "windows 2x2, stride 2x2"),
        (Windows.adaptive((7, 5)), "adaptive windows, output 7x5"),
    ],
)  # fmt: skip
def test_window_text(windows: Any, text: str) -> None:
    assert window_text(windows, (12, 12)).partition(" (")[0] == text


def test_the_lectures_grids() -> None:
    assert grids(LECTURE) == LECTURE_GRIDS


def test_borders_are_not_drawn_where_they_would_lie() -> None:
    assert grids(LECTURE, Windows.of(3, 1), ascii_only=True) == OVERLAPPING_GRIDS
    for windows in (Windows.of(2, 3), Windows.of(2, 3, dilation=2), Windows.adaptive(3)):
        assert "not drawn" in grids(np.zeros((7, 7), np.uint8), windows)


def test_borders_of_padded_partial_and_adaptive_windows() -> None:
    row = np.arange(5, dtype=np.uint8)[np.newaxis]
    assert "| 0 | 1 2 | 3 4 |" in grids(row, Windows.of((1, 2), padding=(0, 1)), ascii_only=True)
    assert "| 0 1 | 2 3 | 4 |" in grids(row, Windows.of((1, 2), ceil_mode=True), ascii_only=True)
    assert "| 0 | 1 | 2 | 3 | 4 |" in grids(row, Windows.adaptive((1, 5)), ascii_only=True)
    assert "| 0 1 | 2 3 | 4 |" in grids(row, Windows.of((1, 2)), ascii_only=True)


@pytest.mark.parametrize(
    ("windows", "text"),
    [
        (Windows.of((1, 2)), "the last column in no window)"),
        (Windows.of((3, 1)), "the last 2 rows in no window)"),
        (Windows.of(2), "the last row and the last column in no window)"),
        (Windows.of(2, padding="same"), ""),
        (Windows.adaptive(3), ""),
    ],
)
def test_what_is_in_no_window(windows: Any, text: str) -> None:
    assert window_text(windows, (5, 7)).partition(" (")[1:] == (" (" * bool(text), text)


def test_lines_begin_with_the_windows_and_end_with_the_numbers_of_a_small_image() -> None:
    result = pool_all(LECTURE, Windows.of(3))
    found = measure(LECTURE, result)
    first, *table = as_lines(LECTURE, result, found)
    assert first == "windows 3x3, stride 3x3 (the last row and the last column in no window)"
    assert table == [*as_table(found).split("\n"), "", *as_grids(LECTURE, result).split("\n")]
    large = np.zeros((17, 3), np.uint8)
    result = pool_all(large, TWO)
    assert len(as_lines(large, result, measure(large, result))) == 6


def test_channels_by_name_red_first() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(2, 2, 4)
    lines = grids(image, ascii_only=True).splitlines()
    heads = [line for line in lines if line in ("red", "green", "blue", "alpha")]
    assert heads == ["red", "green", "blue", "alpha"]
    assert lines[lines.index("red") + 3].startswith("|  2  6 |")
    assert lines[lines.index("alpha") + 4].startswith("| 11 15 |")
    color = grids(image[..., :3], ascii_only=True).splitlines()
    assert color[0] == "red"
    assert color[color.index("blue") + 3].startswith("|  0  4 |")
    many = grids(np.zeros((2, 2, 10)))
    assert "channel 7" in many
    assert many.endswith("and 2 more channels")


@pytest.mark.parametrize("width", [40, 60, 80, 132])
def test_lines_fit_the_terminal_and_no_number_is_left_out(width: int) -> None:
    image = rng.integers(0, 65536, (16, 16, 3)).astype(np.uint16)
    for windows in (TWO, Windows.of(3, 1)):
        result = pool_all(image, windows)
        figures = measure(image, result)
        lines = as_lines(image, result, figures, width=width)
        assert max(map(len, lines)) <= width
        words = " ".join(lines).replace("│", " ").split()
        for values in (image, result.pooled["max"], result.pooled["min"]):
            assert {str(value) for value in values.flat} <= set(words)
        for row in figures:
            assert f"{row.mean:.2f}" in words and f"{row.shift:.2f}" in words


def test_parts_of_a_grid_count_their_columns_from_the_first_of_all() -> None:
    text = grids(np.arange(48, dtype=np.uint8).reshape(4, 12), width=25, ascii_only=True)
    assert "input 4x12, columns 0-5\n+-------+-------+-------+\n|  0  1 |  2  3 |  4  5 |" in text
    odd = grids(np.arange(36, dtype=np.uint8).reshape(4, 9), width=25, ascii_only=True)
    assert "columns 4-8\n+-------+-------+----+\n|  4  5 |  6  7 |  8 |" in odd


def test_a_table_goes_on_below_with_its_methods() -> None:
    lines = as_table(measured(LECTURE), 40).splitlines()
    assert [line.split()[0] for line in lines] == ["method", "input", "max", "min", "avg"] * 2
    assert lines[5].split() == ["method", "noise", "bias", "shift"]


def test_a_large_result_is_named_and_bool_is_0_and_1() -> None:
    assert "│ 1 0 │" in grids(np.array([[True, False], [False, False]]))
    assert "max 40x40" in grids(LECTURE, Windows.adaptive(40))


# The picture

IMAGES = {
    "gray": rng.integers(0, 256, (30, 41)).astype(np.uint8),
    "color": rng.integers(0, 256, (700, 1024, 3)).astype(np.uint8),
    "alpha": rng.integers(0, 256, (151, 203, 4)).astype(np.uint8),
    "16 bit": rng.integers(0, 65536, (241, 319)).astype(np.uint16),
    "signed": rng.integers(-128, 128, (9, 9)).astype(np.int8),
    "int64": rng.integers(0, 2**60, (9, 9)),
    "float": rng.normal(size=(50, 60, 3)),
    "half": rng.normal(size=(5, 6)).astype(np.float16),
    "big-endian": rng.normal(size=(20, 30)).astype(">f4"),
    "bool": rng.random((12, 16)) > 0.5,
    "bool with alpha": rng.random((12, 16, 4)) > 0.5,
    "largest floats": np.full((5, 6, 4), 1e308),
    "one channel": rng.random((6, 5, 1)),
    "two channels": rng.random((30, 40, 2)),
    "seven channels": rng.random((30, 40, 7)),
    "tall": rng.random((3000, 2)),
    "wide": rng.random((2, 3000)),
    "banner": rng.integers(0, 256, (200, 900, 3)).astype(np.uint8),
}


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize(
    "windows",
    [TWO, Windows.of(2, 1, "same"), Windows.adaptive((3, 2)), Windows.adaptive((2, 2000))],
)
def test_a_panel_of_anything(image: Array, windows: Any) -> None:
    picture = drawn(image, windows)
    assert picture.dtype == np.uint8
    height, width, channels = picture.shape
    assert 150 < height <= 2500 and 500 < width <= 2250 and channels == 3
    result = pool_all(image, windows)
    pair = panel(image, [result._replace(pooled={"max": result.pooled["max"]})])
    assert pair.shape[1] <= 2250


def test_a_panel_of_twelve_megapixels_is_small(tmp_path: Path) -> None:
    image = np.tile(rng.integers(0, 256, (30, 40, 3)).astype(np.uint8), (100, 100, 1))
    picture = drawn(image)
    save(tmp_path / "a.png", picture)
    assert picture.shape[1] <= 2200
    assert (tmp_path / "a.png").stat().st_size < 3_000_000


def test_enlarged_blocks_are_flat_and_where_their_windows_are() -> None:
    values = rng.integers(0, 256, (7, 9)).astype(np.uint8)
    shown = paint(values, Tones(0, 255, False, 255), 70, 90)
    np.testing.assert_array_equal(shown[..., 0], values.repeat(10, 0).repeat(10, 1))
    uneven = paint(values, Tones(0, 255, False, 255), 100, 200)
    assert {tuple(color) for color in uneven.reshape(-1, 3)} == {(v, v, v) for v in values.flat}


def test_what_is_reduced_is_averaged() -> None:
    values = np.zeros((40, 60), np.uint8)
    values[1::4, 3::4] = 160
    assert (paint(values, Tones(0, 255, False, 255), 10, 15) == 10).all()


def test_the_panel_shows_each_block_in_one_color() -> None:
    image = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    pooled = pool_all(image, Windows.of(8)).pooled
    picture = drawn(image, Windows.of(8))
    x, y, side = 28 + 1 + 512 + 2 + 28, 14 + 32 + 40, 64
    place = picture[y : y + 512, x : x + 512]
    blocks = place.reshape(8, side, 8, side, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    np.testing.assert_array_equal(blocks[:, 0, :, 0], pooled["max"])


# Where results lie


def pictures(pixels: Array, windows: Any, height: int, width: int) -> list[Array]:
    """The input and its three results, cut out of the panel; they are (height, width) there."""
    picture = drawn(pixels, windows)[86 : 86 + height]
    lefts = [29 + index * (width + 30) for index in range(4)]
    return [picture[:, left : left + width] for left in lefts]


def gray(values: Array, rows: int, columns: int) -> Array:
    """Values as blocks of so many pixels of the panel."""
    return values[..., np.newaxis].repeat(3, 2).repeat(rows, 0).repeat(columns, 1)


PAGE = np.full((96, 128), 255, np.uint8)
PAGE[10:20, 10:30] = 0
"""A white page with one black square in its upper left; its pixels are shown 4 x 4 large."""


def test_a_square_stays_where_it_is_and_what_is_in_no_window_is_hatched() -> None:
    before, _, smallest, average = pictures(PAGE, Windows.of(40), 384, 512)
    np.testing.assert_array_equal(before[:320, :480], gray(PAGE[:80, :120], 4, 4))
    assert (smallest[:160, :160] == 0).all()
    assert (smallest[:160, 160:480] == 255).all()
    assert (average[:160, :160] == 223).all()  # 1,400 of 1,600 pixels are white: 223.1
    for picture in (before, smallest, average):
        for strip in (picture[320:], picture[:, 480:]):
            assert 2 <= len(np.unique(strip.reshape(-1, 3), axis=0)) <= 4
            assert 0.1 < (strip[..., 0] < 200).mean() < 0.3


def test_overlapping_windows_are_drawn_at_their_centers() -> None:
    image = rng.integers(0, 256, (48, 64)).astype(np.uint8)
    _, largest, *_ = pictures(image, Windows.of(3, 1), 384, 512)
    result = pool_all(image, Windows.of(3, 1)).pooled["max"]
    np.testing.assert_array_equal(largest[8:-8, 8:-8], gray(result, 8, 8))
    assert (largest[:8] == 247).all() and (largest[:, -8:] == 247).all()


def test_windows_with_gaps_between_them() -> None:
    image = rng.integers(0, 256, (96, 128)).astype(np.uint8)
    before, largest, *_ = pictures(image, Windows.of(2, 3), 384, 512)
    result = pool_all(image, Windows.of(2, 3)).pooled["max"]
    for row, column in np.ndindex(result.shape):
        here = np.s_[12 * row : 12 * row + 8, 12 * column : 12 * column + 8]
        assert (largest[here] == result[row, column]).all()
        np.testing.assert_array_equal(
            before[here][::4, ::4, 0], image[3 * row : 3 * row + 2, 3 * column : 3 * column + 2]
        )
    assert (largest[8:12] != before[8:12]).any()
    assert {247, 120, 112, 108} >= set(largest[8:12].ravel().tolist())


def test_padding_lies_around_the_image_and_windows_reach_into_it() -> None:
    image = rng.integers(0, 256, (96, 128)).astype(np.uint8)
    windows = Windows.of(8, padding=4)
    before, largest, *_ = pictures(image, windows, 312, 408)
    np.testing.assert_array_equal(before[12:-12, 12:-12], gray(image, 3, 3))
    assert (before[:12] == (214, 212, 210)).all() and (before[:, -12:] == (214, 212, 210)).all()
    np.testing.assert_array_equal(largest, gray(pool_all(image, windows).pooled["max"], 24, 24))


@pytest.mark.parametrize("seed", range(40))
def test_every_value_lies_at_the_center_of_its_window(seed: int) -> None:
    own = np.random.default_rng(seed)
    image = own.integers(0, 256, (40, 60)).astype(np.uint8)
    image[0, :2] = 0, 255
    pool, stride, dilation = (
        (int(own.integers(1, most)), int(own.integers(1, most))) for most in (8, 9, 4)
    )
    paddings: list[Padding] = ["valid", "same", (pool[0] // 2, pool[1] // 2)]
    windows = Windows.of(pool, stride, paddings[seed % 3], dilation, bool(seed % 2))
    axes = windows.axes(image.shape)
    tops = [min(0, axis.starts[0]) for axis in axes]
    ends = [max(axis.size, axis.span(0, axis.count)[1]) for axis in axes]
    height, width = (end - top for end, top in zip(ends, tops, strict=True))
    scale = 512 // width
    _, largest, *_ = pictures(image, windows, height * scale, width * scale)
    result = pool_all(image, windows).pooled["max"]
    for place in np.ndindex(result.shape):
        y, x = (
            int((sum(axis.span(index, index + 1)) / 2 - top) * scale)
            for axis, index, top in zip(axes, place, tops, strict=True)
        )
        assert (largest[y, x] == result[place]).all(), (windows, place)


def test_adaptive_windows_share_the_image_evenly() -> None:
    image = rng.integers(0, 256, (96, 128)).astype(np.uint8)
    _, largest, *_ = pictures(image, Windows.adaptive((6, 32)), 384, 512)
    result = pool_all(image, Windows.adaptive((6, 32))).pooled["max"]
    np.testing.assert_array_equal(largest, gray(result, 64, 16))
    _, largest, *_ = pictures(image, Windows.adaptive((7, 5)), 384, 512)
    result = pool_all(image, Windows.adaptive((7, 5))).pooled["max"]
    for row, column in np.ndindex(result.shape):
        y, x = int((row + 0.5) * 384 / 7), int((column + 0.5) * 512 / 5)
        assert (largest[y, x] == result[row, column]).all()


@pytest.mark.parametrize(("shape", "least"), [((3, 600), (500, 1800)), ((600, 3), (1200, 500))])
def test_thin_pictures_fill_the_panel(shape: tuple[int, int], least: tuple[int, int]) -> None:
    height, width, _ = drawn(rng.integers(0, 256, shape).astype(np.uint8)).shape
    assert height >= least[0] and width >= least[1]


def test_several_sizes_are_rows_of_one_panel() -> None:
    image = rng.integers(0, 256, (300, 400)).astype(np.uint8)
    results = [pool_all(image, Windows.of(size)) for size in (40, 50)]
    one, other = (panel(image, [result]) for result in results)
    both, below = panel(image, results), 14  # the paper beneath the last row
    assert both.shape == (len(one) + len(other) - below, *one.shape[1:])
    np.testing.assert_array_equal(both[: len(one) - below], one[:-below])
    np.testing.assert_array_equal(both[len(one) - below :], other)


def test_the_close_up_shows_the_row_and_column_that_is_asked_for() -> None:
    image = np.zeros((700, 1000), np.uint8)
    image[:10, :10] = 255
    image[640, 30] = image[641, 30] = 200  # two pixels beside which nothing changes
    result = pool_all(image, TWO)
    for detail, level in ((None, 255), ((641, 31), 200), ((699, 999), 0), ((0, 0), 255)):
        picture = panel(image, [result], detail)[86 + 358 + 14 :, 29 : 29 + 512]
        assert (picture[:380] == level).all(axis=2).any()
    # A pixel of the image is 7 x 7 large.
    picture = panel(image, [result], (641, 31))[86 + 358 + 14 :, 29 : 29 + 512]
    assert (picture == 200).all(axis=2).sum() == 2 * 49
    coarse = pool_all(image, Windows.of(100))
    assert len(panel(image, [coarse], (5, 5))) > len(panel(image, [coarse])) + 300


@pytest.mark.parametrize("detail", [(-1, 0), (0, 4), (4, 0)])
def test_a_close_up_of_what_is_not_there(detail: tuple[int, int]) -> None:
    with pytest.raises(UsageProblem, match="rows are 0 to 3 and columns 0 to 3"):
        panel(LECTURE, [pool_all(LECTURE, TWO)], detail)


def test_small_color_grids_show_their_numbers() -> None:
    image = np.full((3, 4, 3), 90, np.uint8)
    before, *results = pictures(image, Windows.of((1, 2)), 384, 512)
    for picture, side in ((before, 128), *((result, 256) for result in results)):
        block = picture[5:123, 5 : side - 5]
        light = (block > 200).all(axis=(1, 2)) | (block.min(axis=2) > 150).any(axis=1)
        lines = np.flatnonzero(np.diff(light.astype(int)) == 1).size
        assert lines == 3, "red, green and blue below each other"


# Tones


def test_black_and_white() -> None:
    assert tones_of(np.array([[0, 200]], np.uint8)) == Tones(0, 255, False, 255)
    assert tones_of(LECTURE) == Tones(0, 8, True, 255)
    assert tones_of(np.array([[5, 5]], np.uint8)) == Tones(0, 255, False, 255)
    assert tones_of(np.array([[0, 4095]], np.uint16)) == Tones(0, 4095, True, 65535)
    assert tones_of(np.array([[0, 40000]], np.uint16)) == Tones(0, 65535, False, 65535)
    assert tones_of(np.array([[np.nan, -1, 3, np.inf]])) == Tones(-1, 3, True)
    assert tones_of(np.array([[True]])) == Tones(0, 1, False)
    alpha = np.full((1, 2, 4), 100, np.uint8)
    alpha[..., 3] = 255
    assert tones_of(alpha) == tones_of(alpha[..., :3])


def test_colors_on_the_screen() -> None:
    values = np.array([[0.0, 0.5, 1.0, np.nan, np.inf, -np.inf]])
    shown = paint(values, Tones(0, 1, True), 1, 6)[0].tolist()
    assert shown == [[0] * 3, [128] * 3, [255] * 3, list(NAN_COLOR), [255] * 3, [0] * 3]
    clear = np.zeros((12, 24, 4), np.uint8)
    shown = paint(clear, Tones(0, 255, False, 255), 12, 24)
    np.testing.assert_array_equal(shown, np.broadcast_to(checkerboard(12, 24), (12, 24, 3)))
    opaque = np.full((2, 2, 4), 255, np.uint8)
    opaque[..., :3] = (10, 20, 30)
    assert (paint(opaque, Tones(0, 255, False, 255), 8, 8) == (10, 20, 30)).all()


# The command


def test_compare(run: Run, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "lecture.pgm", tmp_path)
    result = run("compare", "lecture.pgm")
    shape = load("lecture_compare.png").shape
    first, table, drawing = result.out.split("\n\n")
    assert first == f"lecture.pgm (4, 4) -> lecture_compare.png {shape}"
    assert table == "windows 2x2, stride 2x2\n" + as_table(measured(LECTURE))
    assert drawing == LECTURE_GRIDS + "\n"
    assert (result.err, result.status) == ("", 0)
    np.testing.assert_array_equal(load("lecture_compare.png"), drawn(LECTURE))


def test_compare_without_box_characters(run_process: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    save("a.png", LECTURE)
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    result = run_process("compare", "a.png")
    assert result.out.isascii()
    assert "| 0 3 | 3 0 |" in result.out


@pytest.mark.parametrize("command", ["max", "compare"])
def test_the_image_may_be_replaced_after_the_run(run: Run, command: str) -> None:
    save("a.png", LECTURE)
    assert run(command, "a.png").status == 0
    files.write("a.png", b"another")


def test_compare_as_json(run: Run) -> None:
    save("a.npy", np.full((3, 3), 2.5))
    result = run("compare", "a.npy", "--json", "--pool-size", 3, "-o", "b.png")
    records = [json.loads(line) for line in result.out.splitlines()]
    assert [record.pop("method") for record in records] == ["input", "max", "min", "avg"]
    assert [record.pop("output_shape") for record in records] == [[3, 3], *[[1, 1]] * 3]
    wanted = {"mean": 2.5, "std": 0.0, "noise": None, "bias": None, "shift": None}
    assert records == [{"pool_size": [3, 3], **wanted}] * 4
    assert load("b.png").dtype == np.uint8


def test_compare_a_large_image_prints_no_grids(run: Run) -> None:
    save("a.png", rng.integers(0, 256, (17, 4, 3)).astype(np.uint8))
    result = run("compare", "a.png", "--gray", "-o", "here/")
    assert len(result.out.splitlines()) == 8
    assert "(17, 4) -> here/a_compare.png" in result.out


@pytest.mark.parametrize(
    ("image", "words", "reason"),
    [
        (LECTURE, ["--pool-size", "5"], "--pool-size 5 does not fit"),
        (LECTURE, ["-o", "panel.xyz"], "'xyz' is not a format"),
        (LECTURE, ["-o", "panel.pgm"], "PGM cannot hold"),
        (np.zeros((2, 2), complex), [], "complex128 values"),
        (np.zeros((2, 0)), [], "empty"),
    ],
)
def test_bad_input_is_one_line(run: Run, image: Array, words: list[str], reason: str) -> None:
    save("a.npy", image)
    result = run("compare", "a.npy", *words)
    status = 2 if "panel.xyz" in words else 1  # what is known before the image is read
    assert (result.status, result.out, result.err.count("\n")) == (status, "", 1)
    assert result.err.startswith("pooltool: a.npy: " if status == 1 else "pooltool: ")
    assert reason in result.err
    assert [path.name for path in Path().iterdir()] == ["a.npy"]


def test_compare_never_overwrites_its_image(run: Run) -> None:
    save("a.png", LECTURE)
    result = run("compare", "a.png", "-o", "./a.png")
    assert (result.status, result.err.count("\n")) == (2, 1)
    np.testing.assert_array_equal(load("a.png"), LECTURE)


def test_several_pool_sizes_are_a_row_of_the_panel_and_a_table_each(run: Run) -> None:
    save("a.png", rng.integers(0, 256, (24, 20), np.uint8))
    one = run("compare", "a.png", "-o", "one.png").out
    both = run("compare", "a.png", "-o", "two.png", "--pool-size", 2, "--pool-size", "4x3").out
    assert one.splitlines()[1:] == both.splitlines()[1:8]
    assert both.splitlines()[9] == "windows 4x3, stride 4x3 (the last 2 columns in no window)"
    assert load("two.png").shape[0] > 1.5 * load("one.png").shape[0]
    words = ["compare", "a.png", "-o", "two.png", "--pool-size", 2, "--pool-size", "4x3", "--json"]
    records = [json.loads(line) for line in run(*words).out.splitlines()]
    assert [(record["pool_size"], record["method"]) for record in records] == [
        (size, method) for size in ([2, 2], [4, 3]) for method in ("input", "max", "min", "avg")
    ]


def test_the_detail_is_where_it_is_asked_for(run: Run) -> None:
    save("a.png", rng.integers(0, 256, (500, 400), np.uint8))
    run("compare", "a.png", "-o", "corner.png", "--detail", "0,0")
    run("compare", "a.png", "-o", "middle.png", "--detail", "250,200")
    assert (load("corner.png") != load("middle.png")).any()
    for detail, told in [("500,0", "--detail 500,0 is outside the image"), ("3", "ROW,COLUMN")]:
        refused = run("compare", "a.png", "--detail", detail)
        assert (refused.status, refused.err.count("\n")) == (2, 1)
        assert told in refused.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--output-size", "9000000x2"], "--output-size 9000000x2 is more than 262144 rows"),
        (["--output-size", "200000x2"], "--output-size 200000x2 makes 200000 rows; use less"),
        (
            ["--pool-size", 9999, "--stride", 1, "--padding", 9998],
            "--padding 9998 makes 10004 rows",
        ),
    ],
)
def test_far_more_results_than_pixels_are_refused_at_once(
    run: Run, words: list[str | int], told: str
) -> None:
    save("a.png", rng.integers(0, 256, (6, 5), np.uint8))
    refused = run("compare", "a.png", *words)
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.startswith(f"pooltool: a.png: {told}")


def test_the_page_is_written_for_html(run: Run, tmp_path: Path) -> None:
    save("a.png", rng.integers(0, 256, (6, 5), np.uint8))
    assert run("compare", "a.png", "-o", "page.html").out.startswith("a.png (6, 5) -> page.html\n")
    assert run("compare", "a.png", "--format", "html").out.startswith(
        "a.png (6, 5) -> a_compare.html\n"
    )
    page = (tmp_path / "page.html").read_bytes()
    assert page == (tmp_path / "a_compare.html").read_bytes()
    assert page.startswith(b"<!doctype html>")
    refused = run("compare", "a.png", "--pool-size", 9, "-o", "large.html")
    assert (refused.status, refused.out) == (1, "")
    assert not (tmp_path / "large.html").exists()


def test_the_page_of_a_photograph_begins_at_8x8_unless_a_setting_is_given(run: Run) -> None:
    save("a.png", np.zeros((300, 260), np.uint8))
    rows: list[tuple[list[str | int], str]] = [
        (["-o", "page.html"], "windows 8x8"),
        (["-o", "page.html", "--pool-size", 2], "windows 2x2"),
        (["-o", "page.html", "--stride", 1], "windows 2x2, stride 1x1"),
        (["-o", "panel.png"], "windows 2x2"),
    ]
    for words, line in rows:
        assert run("compare", "a.png", *words).out.splitlines()[2].startswith(line)
        if "page.html" in words:
            size = int(line[8])
            assert f'"pool_size":[{size},{size}]' in Path("page.html").read_text()


def test_a_page_that_holds_means_says_so(run: Run) -> None:
    save("a.png", np.zeros((2000, 1500), np.uint8))
    result = run("compare", "a.png", "-o", "page.html")
    assert result.err == (
        "pooltool: a.png: warning: the picture is too large for a page: the page shows means of "
        "2x2 pixels, and its figures are of those\n"
    )
    save("b.png", np.zeros((1000, 1500), np.uint8))
    assert run("compare", "b.png", "-o", "page.html").err == ""


def test_lines_are_as_long_as_the_terminal_is_wide(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.png", LECTURE)
    monkeypatch.setenv("COLUMNS", "44")
    lines = run("compare", "a.png").out.splitlines()
    assert max(map(len, lines[1:])) <= 44
    assert sum(line.startswith("method") for line in lines) == 2


def test_where_alpha_varies_the_weighted_average_is_shown_too() -> None:
    image = np.zeros((4, 4, 4), np.uint8)
    image[...] = 0, 255, 0, 0
    image[::2, ::2] = 0, 0, 255, 255
    result = pool_all(image, Windows.of(2))
    assert result.pooled["avg"][0, 0].tolist() == [0, 191.25, 63.75, 63.75]
    assert result.pooled["weighted"][0, 0].tolist() == [0, 0, 255, 63.75]
    rows = measure(image, result)
    assert [row.method for row in rows] == ["input", "max", "min", "avg", "weighted"]
    assert (rows[-1].mean, rows[-1].noise) == (85, None)
    assert "weighted" not in pool_all(image[..., :3], Windows.of(2)).pooled
    image[..., 3] = 255
    assert "weighted" not in pool_all(image, Windows.of(2)).pooled


def test_means_of_alpha_are_as_transparent_as_they_are() -> None:
    image = np.full((1, 2, 4), 255, np.uint8)
    image[0, 0, 3] = 0
    tones = tones_of(image)
    half = paint(np.full((1, 1, 4), 127.5, np.float32), tones, 1, 1)
    clear = paint(image[:, :1], tones, 1, 1)
    assert abs(int(half[0, 0, 0]) - (int(clear[0, 0, 0]) + 127.5) / 2) <= 1


def test_a_name_and_a_format_that_disagree_are_wrong_usage(run: Run) -> None:
    save("a.png", rng.integers(0, 256, (6, 5), np.uint8))
    for words, reason in [
        (["-o", "b.png", "--format", "jpg"], "-o b.png: --format jpg disagrees"),
        (["-o", "b.html", "--format", "png"], "-o b.html: --format png disagrees"),
        (["-o", "b.png", "--format", "html"], "-o b.png: --format html disagrees"),
        (["-o", "b"], "needs an extension"),
        (["-o", "b.gif"], "'gif' is not a format that can be written"),
    ]:
        refused = run("compare", "a.png", *words)
        assert (refused.status, refused.err.count("\n")) == (2, 1)
        assert reason in refused.err
    assert run("compare", "a.png", "-o", "b.jpg", "--format", "jpeg").status == 0
