"""The page of `compare`: one file that opens from disk, whose arithmetic is the package's."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import CHROMIUM, Tab, browser
from conftest import SAMPLES, load
from numpy.typing import NDArray

from pooltool.compare.measures import METHODS, Measures, measure, pool_all
from pooltool.compare.page import MOST_BYTES, page, settings_of
from pooltool.compare.text import numerals
from pooltool.errors import WindowError
from pooltool.geometry import Padding, Windows
from pooltool.kernels import Pooling, pool2d

Array = NDArray[Any]
Open = Callable[..., Tab]

ASSETS = resources.files("pooltool.compare.page")
LECTURE = np.array([[0, 3, 3, 0], [2, 7, 6, 8], [0, 1, 7, 6], [1, 3, 5, 6]], np.uint8)
TWO = Windows.of(2)
ENGLISH = "lang=en&theme=light"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    if CHROMIUM is None:
        pytest.skip("the page is tried in Chromium, which is not installed")
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def show(chromium: Tab, tmp_path: Path) -> Iterator[Open]:
    """Open the page of an image; afterwards nothing must have gone wrong or asked the network."""

    def opened(
        image: Array, windows: Windows = TWO, fragment: str = ENGLISH, **options: Any
    ) -> Tab:
        path = tmp_path / "a page.html"
        size = {name: options.pop(name) for name in ("width", "height") if name in options}
        text = page(image, windows, **{"title": "a.png", **options})
        path.write_text(text, encoding="utf-8")
        chromium.open(path, fragment, **size)
        return chromium

    yield opened
    assert chromium.problems == []
    assert all(re.match(r"file:|blob:|about:", url) for url in chromium.requests)


def asset(name: str) -> str:
    return ASSETS.joinpath(name).read_text(encoding="utf-8")


def data_of(text: str) -> dict[str, Any]:
    match = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert match
    data: dict[str, Any] = json.loads(match[1])
    return data


def values_of(text: str) -> bytes:
    return b"".join(map(base64.b64decode, re.findall(r'class="values">(.*?)</script>', text)))


def words(tab: Tab, place: str) -> str:
    """The words in the elements that a CSS selector names."""
    every = f"[...document.querySelectorAll({json.dumps(place)})]"
    text: str = tab.run(f"{every}.map((one) => one.textContent).join('|')")
    return text


def choose(tab: Tab, field: str, value: str | bool) -> None:
    """Write into a field, choose from a list or tick a box; wait for the answer."""
    kind = "checked" if isinstance(value, bool) else "value"
    event = "change" if isinstance(value, bool) or field in ("picture", "preset") else "input"
    tab.run(
        f"$({json.dumps(field)}).focus(); $({json.dumps(field)}).{kind} = {json.dumps(value)}; "
        f"$({json.dumps(field)}).dispatchEvent(new Event('{event}', {{ bubbles: true }}))"
    )
    tab.settle()


def press(tab: Tab, place: str, key: str, code: str = "") -> None:
    given = json.dumps({"key": key, "code": code or key, "bubbles": True, "cancelable": True})
    event = f"new KeyboardEvent('keydown', {given})"
    tab.run(f"document.querySelector({json.dumps(place)}).dispatchEvent({event})")
    tab.settle()


def point(
    tab: Tab, name: str, x: float, y: float, event: str = "pointermove", kind: str = "mouse"
) -> str:
    """Point at a part of a picture, from 0 to 1; what is said then."""
    tab.run(f"""(() => {{
      const box = $("{name}").getBoundingClientRect();
      $("{name}").dispatchEvent(new PointerEvent("{event}", {{ pointerType: "{kind}",
        clientX: box.left + {x} * box.width, clientY: box.top + {y} * box.height }}));
    }})()""")
    tab.settle()
    return words(tab, "#selection")


def shown(tab: Tab) -> dict[str, Array]:
    """The values of the four pictures, (channels, rows, columns)."""
    told = tab.run("""JSON.stringify(Object.fromEntries(NAMES.map((name) => [name, [
      pictures[name].axes.map((axis) => axis.count), pictures[name].planes.map((plane) =>
        Array.from(plane, String))]])))""")
    return {
        name: np.array(planes, np.float64).reshape(len(planes), *shape)
        for name, (shape, planes) in json.loads(told.replace("Infinity", "inf")).items()
    }


def planes_of(values: Array) -> Array:
    """(channels, rows, columns), red first, as the page has them."""
    values = values.reshape(*values.shape[:2], -1)
    if values.shape[2] in (3, 4):
        values = values[..., [2, 1, 0, 3][: values.shape[2]]]
    return np.moveaxis(values, 2, 0).astype(np.float64)


# The arithmetic, in the browser


def random_case(rng: np.random.Generator) -> tuple[Array, Windows, bool]:
    """A small image and settings that may or may not fit it."""
    shape = int(rng.integers(1, 12)), int(rng.integers(1, 12))
    image = rng.integers(0, 256, shape).astype(np.float64)
    if rng.random() < 0.1:
        image.flat[rng.integers(image.size)] = rng.choice([np.nan, np.inf, -np.inf])
    if rng.random() < 0.15:
        return image, Windows.adaptive(_two(rng, 1, 9)), False
    padding: Padding = _two(rng, 0, 4) if rng.random() < 0.7 else "same"
    ceil_mode, counted = (bool(rng.random() < 0.5) for _ in range(2))
    pool_size, stride, dilation = (_two(rng, 1, most) for most in (5, 5, 4))
    return image, Windows.of(pool_size, stride, padding, dilation, ceil_mode), counted


def _two(rng: np.random.Generator, least: int, most: int) -> tuple[int, int]:
    return int(rng.integers(least, most)), int(rng.integers(least, most))


def expected(image: Array, windows: Windows, counted: bool) -> list[list[Any]] | None:
    """[shape, max, min, avg] as the package has them; None where the windows do not fit."""
    try:
        results = [pool2d(image, Pooling(method, windows, counted)) for method in METHODS]
    except WindowError:
        return None
    return [list(results[0].shape), *([repr(v) for v in r.ravel().tolist()] for r in results)]


def test_the_browser_pools_as_the_package_does(chromium: Tab) -> None:
    rng = np.random.default_rng(16)
    cases = [random_case(rng) for _ in range(600)]
    given = [settings_of(windows, counted) for _, windows, counted in cases]
    images = [[list(image.shape), list(map(str, image.ravel()))] for image, _, _ in cases]
    chromium.send("Page.navigate", url="about:blank")
    told = chromium.run(f"""(() => {{ {asset("pool.js")}
    const images = {json.dumps(images)}, given = {json.dumps(given)};
    const numbers = {{ nan: NaN, inf: Infinity, "-inf": -Infinity }};
    return JSON.stringify(images.map(([[height, width], words], i) => {{
      try {{
        const values = words.map((word) => word in numbers ? numbers[word] : Number(word));
        const axes = layOver(height, width, given[i]), by = given[i].count_include_pad;
        const texts = METHODS.map((name) => Array.from(poolBy(name, values, axes, by), String));
        return [axes.map((axis) => axis.count), ...texts];
      }} catch (error) {{
        if (!error.reason) throw error;
        return null;
      }}
    }})); }})()""")
    answers, unfit = json.loads(told), 0
    assert len(answers) == len(cases)
    for case, answer in zip(cases, answers, strict=True):
        wanted = expected(*case)
        unfit += wanted is None
        assert (wanted is None) == (answer is None), case
        if wanted is not None:
            assert answer[0] == wanted[0], case
            for mine, package in zip(answer[1:], wanted[1:], strict=True):
                np.testing.assert_allclose(
                    np.array([float(v) for v in mine]),
                    np.array([float(v) for v in package]),
                    rtol=1e-12,
                    err_msg=str(case),
                )
    assert 50 < unfit < 300


def hash_of(windows: Windows, counted: bool) -> str:
    """The settings as the page's address has them."""
    if windows.output_size is not None:
        return f"output_size={windows.output_size[0]}x{windows.output_size[1]}"
    sizes = {
        name: "{}x{}".format(*getattr(windows, name))
        for name in ("pool_size", "stride", "dilation")
    }
    padding: str = (
        windows.padding
        if isinstance(windows.padding, str)
        else "{}x{}".format(*(sides[0] for sides in windows.padding))
    )
    switches = f"ceil_mode={windows.ceil_mode:d}&count_include_pad={counted:d}"
    return "&".join(f"{k}={v}" for k, v in sizes.items()) + f"&padding={padding}&{switches}"


def table_of(tab: Tab) -> list[list[str]]:
    """Mean and standard deviation under the four pictures."""
    cells = words(tab, "figure .mean dd, figure .std dd").replace("−", "-").split("|")
    return [cells[i : i + 2] for i in range(0, 8, 2)]


@pytest.mark.parametrize("seed", range(4))
def test_pictures_and_figures_are_those_of_the_package(show: Open, seed: int) -> None:
    """200 random settings, through the address: every value, and the table's means as printed."""
    own = np.random.default_rng(seed)
    images: list[Array] = [
        own.integers(0, 256, (9, 13, 3)).astype(np.uint8),
        own.integers(0, 65536, (12, 7)).astype(np.uint16),
        own.normal(size=(10, 11)).astype(np.float32),
        np.where(own.random((8, 9)) < 0.05, np.nan, own.normal(0, 1e-3, (8, 9))),
    ]
    image = images[seed]
    tab, fitted = show(image, Windows.of(1)), 0
    for _ in range(50):
        _, windows, counted = random_case(own)
        tab.run(f"location.hash = {json.dumps(f'{ENGLISH}&{hash_of(windows, counted)}')}")
        tab.run("new Promise((resolve) => setTimeout(resolve, 0))")
        tab.settle()
        try:
            result = pool_all(image, windows, counted)
        except WindowError:
            assert words(tab, "#problem") != "", windows
            continue
        fitted += 1
        assert words(tab, "#problem") == "", windows
        values = shown(tab)
        np.testing.assert_array_equal(values["input"], planes_of(image))
        for method in METHODS:
            np.testing.assert_allclose(
                values[method],
                planes_of(result.pooled[method]),
                rtol=2e-7,
                atol=1e-6 * np.nanmax(np.abs(image)) if seed == 2 else 0,  # as float32 is promised
                err_msg=str(windows),
            )
        rows = measure(image, result)
        for column, kind in enumerate(("mean", "std")):
            printed = numerals([getattr(row, kind) for row in rows], keep_zeros=True)
            assert [cells[column] for cells in table_of(tab)] == [
                "–" if cell == "-" else cell for cell in printed
            ], windows
    assert fitted > 20


def ratios_of(tab: Tab, rows: list[Measures]) -> list[tuple[list[float | None], Measures]]:
    told = tab.run(
        "NAMES.map((name) => ['noise', 'bias', 'shift'].map((key) => state.figures[name][key]))"
    )
    return list(zip(told, rows, strict=True))


@pytest.mark.parametrize(
    ("shape", "windows"),
    [
        ((150, 130, 3), Windows.of(3, 2, 1)),
        ((20, 1900), Windows.of(4)),
        ((30, 1500), Windows.adaptive((7, 900))),
        ((4, 4), TWO),
    ],
)
def test_noise_bias_and_shift_are_those_of_the_package(
    show: Open, shape: tuple[int, ...], windows: Windows
) -> None:
    """Of a large picture both look at the same part of it: its left and right differ."""
    image = np.clip(np.random.default_rng(4).normal(120, 50, shape), 0, 255).astype(np.uint8)
    image[:, shape[1] * 9 // 10 :] = 7
    tab = show(image, windows, f"{ENGLISH}&noise=1&move=1")
    for answer, row in ratios_of(tab, measure(image, pool_all(image, windows))):
        assert answer[0] == pytest.approx(row.noise, rel=1e-4), row.method
        assert answer[1] == pytest.approx(row.bias, rel=1e-4, abs=1e-5), row.method
        assert answer[2] == pytest.approx(row.shift, rel=1e-4), row.method


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", "i4", "u8"])
def test_means_are_rounded_as_the_package_holds_them(show: Open, dtype: str) -> None:
    image = (np.random.default_rng(8).random((6, 6)) * 900 + 1000).astype(dtype)
    if dtype == "u1":
        image = image % 251
    values = shown(show(image, Windows.of(3)))
    mean = pool_all(image, Windows.of(3)).pooled["avg"]
    np.testing.assert_allclose(values["avg"][0], mean.astype(np.float64), rtol=1e-7)


# What a reader can do


def test_a_window_of_the_lecture(show: Open) -> None:
    tab = show(LECTURE, title="lecture.pgm")
    assert tab.run("document.title") == "lecture.pgm"
    assert words(tab, "#about span").split("|") == [
        "lecture.pgm · 4 rows × 4 columns · gray · uint8",
        "Black = 0, white = 8.",
    ]
    assert "it holds rows 0 to 1 and columns 0 to 1" in words(tab, "#selection")
    assert "(0 + 3 + 2 + 7) / 4 = 3" in words(tab, "#channels")
    assert words(tab, "#rows") == "rows⌊(4 − 2) / 2⌋ + 1 = 2nothing is left over"


def test_pointing_holding_and_the_keyboard(show: Open) -> None:
    tab = show(LECTURE)
    assert point(tab, "avg", 0.9, 0.9).startswith("Window in row 1, column 1")
    assert point(tab, "input", 0.3, 0.6).startswith("Pixel in row 2, column 1")
    press(tab, "#input", "ArrowUp")
    assert words(tab, "#selection").startswith("Pixel in row 1, column 1")
    assert "Held; Esc lets go." in point(tab, "max", 0.9, 0.1, "pointerdown")
    assert point(tab, "min", 0.1, 0.9).startswith("Window in row 0, column 1"), "it is held"
    press(tab, "#max", "Escape")
    assert point(tab, "min", 0.1, 0.9).startswith("Window in row 1, column 0")
    choose(tab, "stride", "1")
    assert "is in 4 of 9 windows" in point(tab, "input", 0.4, 0.4)


def test_a_wrong_field_says_why_and_windows_that_do_not_fit_too(show: Open) -> None:
    tab = show(LECTURE)
    choose(tab, "pool_size", "7")
    unfit = "The window does not fit: it takes 7 rows, the picture with its padding has 4"
    assert words(tab, "#problem").startswith(f"{unfit}. ")
    choose(tab, "padding", "1")
    assert "the picture with its padding has 6. " in words(tab, "#problem")
    choose(tab, "padding", "0")
    assert tab.run("$('play').disabled") is True
    choose(tab, "pool_size", "0")
    assert tab.run("$('pool_size').getAttribute('aria-invalid')") == "true"
    assert words(tab, "#pool_size_wrong").startswith("Write a whole number from 1")
    tab.run("$('theme').click()")
    tab.settle()
    assert words(tab, "#pool_size_wrong") != "", "a redraw leaves it, as the field is still wrong"
    choose(tab, "pool_size", "2x3")
    assert words(tab, "#pool_size_wrong") == words(tab, "#problem") == ""
    assert words(tab, "#columns") == "columns⌊(4 − 3) / 3⌋ + 1 = 1left over, in no window: 1"
    choose(tab, "padding", "1")
    assert "⌊(4 + 2 × 1 − 1 × (2 − 1) − 1) / 2⌋ + 1 = 3" in words(tab, "#rows")
    choose(tab, "output_size", "1")
    assert tab.run("SIZES.slice(0, 4).every((key) => $(key).matches(':disabled'))")


def test_another_picture_takes_windows_that_fit_it(show: Open) -> None:
    """The lecture's grid comes with 2x2, by the list and by the buttons; the file with its own."""
    shapes = {0: "2 rows × 2 columns", 1: "1 row × 1 column", 2: "3 rows × 3 columns"}
    image = np.zeros((64, 48), np.uint8)
    for link, shape in shapes.items():
        tab = show(image, Windows.of(8, 4, 2))
        tab.run(f"document.querySelectorAll('.small button')[{link}].click()")
        tab.settle()
        assert words(tab, "#max_size") == shape
        choose(tab, "picture", "file")
        assert tab.run("$('pool_size').value + $('padding').value") == "82"
    choose(tab, "pool_size", "6")
    choose(tab, "picture", "lecture")
    assert words(tab, "#max_size") == "2 rows × 2 columns"
    assert tab.run("location.hash") == "#pool_size=2&stride=&padding=0&picture=lecture"
    tab = show(image, Windows.of(8))
    for size, unfit in (((9, 9), ""), ((5, 9), "The window does not fit: it takes 8 rows")):
        dropped(tab, "small.png", cv2.imencode(".png", np.zeros(size, np.uint8))[1].tobytes())
        assert words(tab, "#problem").startswith(unfit)
        choose(tab, "pool_size", "2")
        assert words(tab, "#problem") == ""
        choose(tab, "pool_size", "8")


@pytest.mark.parametrize("windows", [Windows.of(2), Windows.of(8)])
def test_numbers_stand_only_in_cells_that_hold_them_whole(show: Open, windows: Windows) -> None:
    """Five digits and noise: fewer decimals, the same in all results, none cut at an edge."""
    image = np.random.default_rng(1).integers(10_000, 65_536, (60, 70)).astype(np.uint16)
    for noise in (0, 1):
        tab = show(image, windows, f"{ENGLISH}&noise={noise}")
        written = tab.run("""(() => {
          const found = {};
          for (const name of NAMES) {
            const context = { strokeRect() {} }, [, width] = closeUp.size;
            const own = document.createElement("canvas").getContext("2d"), cut = [];
            context.fillText = (words, x, y) => {
              own.font = context.font;
              const half = own.measureText(words).width / 2;
              cut.push([x - half < 0 || x + half > width, words]);
            };
            drawNumbers(context, name, closeUp);
            found[name] = cut;
          }
          return found;
        })()""")
        assert all(not is_cut for cut in written.values() for is_cut, _ in cut)
        assert all(len(written[name]) > 30 for name in METHODS)
        assert tab.run("document.querySelectorAll('article canvas').length") == 1


def write_cell(tab: Tab, row: int, column: int, value: str) -> None:
    tab.run(f"pick('input', [{row}, {column}], false); placeCell(); $('cell').focus()")
    tab.run(f"$('cell').value = '{value}'; $('cell').dispatchEvent(new Event('input'))")
    tab.settle()


def test_numbers_are_edited_and_the_twin_shows_what_max_does_not_notice(show: Open) -> None:
    tab = show(LECTURE)
    tab.run("document.querySelector('.small button').click()")
    tab.settle()
    assert words(tab, "#changes").startswith(
        "4 of 16 numbers changed, and 0 of 4 maxima, 2 of 4 minima, 4 of 4 means."
    )
    np.testing.assert_array_equal(
        shown(tab)["input"][0], load(SAMPLES / "lecture_noisy.pgm").astype(float)
    )
    choose(tab, "picture", "lecture")
    assert tab.run("$('changes').hidden") is True
    write_cell(tab, 1, 1, "9.5")
    values = shown(tab)
    assert values["input"][0, 1, 1] == values["max"][0, 0, 0] == 9.5
    assert words(tab, "#changes").startswith("1 of 16 numbers changed, and 1 of 4 maxima")
    assert "Held" in words(tab, "#selection"), "the pixel that is edited"
    press(tab, "#cell", "ArrowRight")
    assert tab.run("[$('cell').ariaLabel, $('cell').value]") == ["row 1, column 2", "6"]
    write_cell(tab, 1, 2, "no")
    assert (
        words(tab, "#bad_number") == "no: write a number; for a color one for each channel, "
        "with spaces."
    )
    tab.run("$('restore').click()")
    tab.settle()
    np.testing.assert_array_equal(shown(tab)["input"][0], LECTURE)


def test_the_field_over_a_pixel_is_found_by_mouse_finger_and_keyboard(show: Open) -> None:
    tab = show(LECTURE)
    assert tab.run("$('cell').hidden"), "a window is selected"
    for kind in ("mouse", "touch"):
        point(tab, "input", 0.4, 0.4, "pointerdown", kind)
        tab.run("$('input').click()")
        tab.settle()
        assert tab.run("[document.activeElement.id, $('cell').value]") == ["cell", "7"], kind
        press(tab, "#cell", "Escape")
    over = "document.elementFromPoint(...(({ left, top }) => [left + 9, top + 9])"
    point(tab, "max", 0.1, 0.1)
    press(tab, "#input", "ArrowUp")
    assert tab.run(f"{over}($('cell').getBoundingClientRect())).id") == "cell"


def test_a_cell_of_a_small_color_picture_takes_a_number_a_channel(show: Open) -> None:
    image = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    tab = show(image)
    for text, wanted in (("7 8", [5, 4, 3]), ("200 8 9.5", [200, 8, 9.5])):
        write_cell(tab, 0, 1, text)
        assert shown(tab)["input"][:, 0, 1].tolist() == wanted
    assert words(tab, "#bad_number") == ""


def test_before_and_after(show: Open) -> None:
    image = np.zeros((6, 8), np.uint8)
    image[2, 3] = 200
    tab = show(image, TWO, f"{ENGLISH}&move=1&difference=1")
    # The bright pixel goes from column 3 to 2 and stays in its window.
    changes = "2 of 48 numbers changed, and 0 of 12 maxima, 0 of 12 minima, 0 of 12 means."
    assert words(tab, "#changes").startswith(changes)
    assert "white for 200" in words(tab, "#changes")
    change = tab.run("Array.from(pictures.input.change.planes[0])")
    assert {divmod(i, 8): value for i, value in enumerate(change) if value} == {
        (2, 2): 200,
        (2, 3): -200,
    }
    choose(tab, "move", False)
    assert tab.run("[$('difference').checked, $('difference').disabled]") == [False, True]


def test_results_can_be_predicted_first(show: Open) -> None:
    tab = show(LECTURE, TWO, f"{ENGLISH}&predict=1")
    results = "#channels strong"
    assert words(tab, results) == "?|?|?"
    assert "row" not in words(tab, "#channels p span")
    assert "7" not in words(tab, "#status")
    tab.run("$('reveal').click()")
    tab.settle()
    assert words(tab, results) == "7|0|3"
    press(tab, "#max", "ArrowRight")
    assert words(tab, results) == "?|?|?"


def test_the_live_region_tells_winner_mean_and_new_size(show: Open) -> None:
    tab = show(LECTURE)
    press(tab, "#max", "ArrowRight")
    tab.run("new Promise((resolve) => setTimeout(resolve, 350))")
    told = words(tab, "#status").split("counted from 0): ")[1].split()
    assert " ".join(told).endswith(
        "gray max 8 row 1, column 3 min 0 row 0, column 3 avg 4.25 (3 + 0 + 6 + 8) / 4 = 4.25"
    )
    choose(tab, "stride", "1")
    tab.run("new Promise((resolve) => setTimeout(resolve, 350))")
    assert "of 3 × 3" in words(tab, "#status")


def test_the_window_slides_by_a_key_of_any_keyboard_and_steps(show: Open) -> None:
    tab = show(LECTURE)
    press(tab, "body", "ㅔ", "KeyP")
    assert tab.run("state.timer !== null") is True
    assert words(tab, "#play") == "■ Stop"
    press(tab, "body", "Escape")
    assert tab.run("state.timer") is None
    for button, place in (("next", "row 0, column 1"), ("next", "row 1, column 0"),
                          ("back", "row 0, column 1")):  # fmt: skip
        tab.run(f"state.selected.isHeld || pick('max', [0, 0], false); $('{button}').click()")
        tab.settle()
        assert place in words(tab, "#selection")


def test_a_run_over_a_photograph_is_short(show: Open) -> None:
    tab = show(np.zeros((700, 1024), np.uint8))
    steps = tab.run("""(() => {
      const real = setInterval;
      let wait = 0;
      window.setInterval = (what, time) => { wait = time; return real(() => {}, 1e6); };
      play();
      window.setInterval = real;
      const [rows, columns] = countsOf();
      const steps = Math.ceil(rows * columns / state.leap);
      stop();
      return [steps * wait / 1000, wait];
    })()""")
    assert steps[0] <= 15.1 and steps[1] >= 35


# The address


def test_the_address_holds_every_setting_and_the_selection(show: Open) -> None:
    tab = show(LECTURE)
    for field, value in (("pool_size", "2x1"), ("padding", "1x0"), ("ceil_mode", True),
                         ("predict", True), ("noise", True)):  # fmt: skip
        choose(tab, field, value)
    press(tab, "#max", "ArrowDown")
    tab.run("$('theme').click(); $('language').click(); $('large').click()")
    tab.run("new Promise((resolve) => setTimeout(resolve, 400))")
    keep = """JSON.stringify([FIELDS.map(({ key }) => [key, state[key]]),
      location.hash])"""
    before = tab.run(keep)
    assert ["lang", "ko"] in json.loads(before)[0]
    tab.send("Page.reload")
    tab.run("new Promise((resolve) => setTimeout(resolve, 300))")
    tab.settle()
    assert tab.run(keep) == before
    assert tab.run("$('pool_size').value") == "2x1"


def test_back_undoes_a_setting(show: Open) -> None:
    tab = show(LECTURE)
    choose(tab, "stride", "1")
    choose(tab, "pool_size", "3")
    assert words(tab, "#max_size") == "2 rows × 2 columns"
    for shape in ("3 rows × 3 columns", "2 rows × 2 columns"):
        tab.run("new Promise((done) => { addEventListener('popstate', done, { once: true });"
                " history.back(); })")  # fmt: skip
        tab.settle()
        assert words(tab, "#max_size") == shape
    assert tab.run("$('stride').value") == ""


@pytest.mark.parametrize(
    "fragment",
    [
        "lang=toString&theme=constructor&pool_size=-1&stride=x&padding=&output_size=0x0",
        "selected=input,99999,99999&edits=5:1e999,99:9,-1:3,a:b,3&picture=dropped&noise=2",
        "selected=__proto__,1,1&%zz=1&pool_size=2x2x2&ceil_mode=maybe",
    ],
)
def test_nonsense_in_the_address_does_no_harm(show: Open, fragment: str) -> None:
    tab = show(LECTURE, TWO, fragment)
    np.testing.assert_array_equal(shown(tab)["max"][0], [[7, 8], [3, 7]])
    assert words(tab, "#selection") != ""
    assert tab.run("document.documentElement.lang") in ("en", "ko")


def test_presets(show: Open) -> None:
    tab = show(np.zeros((64, 48), np.uint8))
    shapes = {"resnet": "32 rows × 24 columns", "alexnet": "31 rows × 23 columns",
              "global": "1 row × 1 column", "lecture": "32 rows × 24 columns"}  # fmt: skip
    for preset, shape in shapes.items():
        choose(tab, "preset", preset)
        assert words(tab, "#max_size") == shape
        assert tab.run("$('preset').value") == preset


def test_only_the_newest_question_is_answered(show: Open) -> None:
    image = np.random.default_rng(1).integers(0, 256, (400, 500, 3)).astype(np.uint8)
    tab = show(image)
    answers = tab.run("""(async () => {
      const told = [], first = worker.onmessage;
      worker.onmessage = (event) => { const { id, shown } = event.data;
        told.push([shown ? "pictures" : "figures", id]); first(event); };
      for (let size = 2; size < 30; size++) change({ pool_size: [size, size] });
      while (!isAtRest()) await new Promise((done) => setTimeout(done, 5));
      return [asked, told];
    })()""")
    asked, told = answers
    assert told[-1] == ["figures", asked]
    assert len([kind for kind, _ in told if kind == "pictures"]) <= 3, told
    assert words(tab, "#max_size") == "13 rows × 17 columns"


def test_what_cannot_be_computed_is_said_and_the_page_goes_on(show: Open) -> None:
    tab = show(LECTURE)
    choose(tab, "output_size", "9999")
    assert words(tab, "#problem").startswith("These are more windows than a page can hold.")
    tab.run("change({ output_size: ['no', 'size'] })")
    tab.settle()
    assert words(tab, "#problem").startswith("This browser could not compute that (")
    tab.run("change({ output_size: null })")
    tab.settle()
    assert words(tab, "#problem") == ""


def test_noise_gives_way_to_a_new_setting(show: Open) -> None:
    image = np.random.default_rng(1).integers(0, 256, (700, 900, 3)).astype(np.uint8)
    tab = show(image)
    order = tab.run("""(async () => {
      const told = [], first = worker.onmessage;
      worker.onmessage = (event) => { const { id, shown } = event.data;
        told.push([shown ? "pictures" : "figures", id]); first(event); };
      change({ noise: true });
      const slow = asked;
      while (!told.length) await new Promise((resolve) => setTimeout(resolve, 1));
      change({ pool_size: [4, 4] });
      while (!isAtRest()) await new Promise((done) => setTimeout(done, 5));
      return [told.some(([kind, id]) => kind === "figures" && id === slow), told.at(-1)[0]];
    })()""")
    assert order == [False, "figures"]


# Another picture, and pictures out


def dropped(tab: Tab, name: str, data: bytes) -> None:
    tab.run(f"""(async () => {{
      const bytes = Uint8Array.from(atob("{base64.b64encode(data).decode()}"),
        (one) => one.charCodeAt(0));
      const before = asked;
      openFile(new File([bytes], {json.dumps(name)}));
      while (asked === before && !state.problem) await new Promise((done) => setTimeout(done, 5));
    }})()""")
    tab.settle()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_dropped_picture_is_pooled_as_the_package_does(show: Open, channels: int) -> None:
    image = np.random.default_rng(3).integers(0, 256, (21, 34, channels)).astype(np.uint8)
    if channels == 4:
        image[..., 3] = 255
        image[0, 0, 3] = 0
        image[0, 0, :3] = 0
    image = image[..., 0] if channels == 1 else image
    tab = show(LECTURE)
    dropped(tab, "mine <b>.png", cv2.imencode(".png", image)[1].tobytes())
    values = shown(tab)
    np.testing.assert_array_equal(values["input"], planes_of(image))
    for method, pooled in pool_all(image, TWO).pooled.items():
        if method in METHODS:
            np.testing.assert_allclose(values[method], planes_of(pooled), rtol=1e-6)
    assert words(tab, "#about").startswith("mine <b>.png · 21 rows × 34 columns")
    assert "Read by this browser" in words(tab, "#about")
    choose(tab, "picture", "file")
    np.testing.assert_array_equal(shown(tab)["input"][0], LECTURE)


def test_a_large_dropped_picture_is_made_smaller(show: Open) -> None:
    image = cv2.resize(load(SAMPLES / "mountain.jpg"), (1800, 1300))
    tab = show(LECTURE)
    dropped(tab, "large.png", cv2.imencode(".png", image)[1].tobytes())
    assert words(tab, "#about").startswith("large.png · 1300 rows × 1800 columns")
    height, width, *sizes = tab.run("[info.height, info.width, pictures.input.planes[0].length]")
    assert sizes == [height * width] and 600_000 < height * width < 730_000
    assert height / width == pytest.approx(1300 / 1800, rel=0.01)
    assert tab.run("pictures.input.mean") == pytest.approx(image.mean(), rel=0.01)


def test_what_is_no_picture_is_refused_and_the_page_goes_on(show: Open) -> None:
    tab = show(LECTURE)
    dropped(tab, "words.txt", b"no picture")
    assert words(tab, "#problem").startswith("words.txt is not a picture that this browser can")
    choose(tab, "stride", "1")
    assert words(tab, "#problem") == ""


def test_pictures_are_saved_with_a_pixel_a_value(show: Open) -> None:
    image = np.random.default_rng(3).integers(0, 256, (9, 14, 3)).astype(np.uint8)
    tab = show(image, title="my photo.jpg")
    pooled = pool_all(image, TWO).pooled
    for name, wanted in {"input": image, "max": pooled["max"], "avg": pooled["avg"]}.items():
        file, encoded = tab.run(f"""new Promise((resolve) => {{
          let blob = null;
          URL.createObjectURL = (saved) => {{ blob = saved; return "#"; }};
          HTMLAnchorElement.prototype.click = async function () {{
            const bytes = new Uint8Array(await blob.arrayBuffer());
            resolve([this.download, btoa(String.fromCharCode(...bytes))]);
          }};
          document.querySelector("figure.{name} .save").click();
        }})""")
        assert file == f"my photo_{name}.png"
        saved = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), -1)
        assert saved is not None
        np.testing.assert_array_equal(saved[..., :3], np.rint(wanted).astype(np.uint8))


# For everybody

rng = np.random.default_rng(0)
ODD_IMAGES: dict[str, Array] = {
    "one pixel": np.array([[7]], np.uint8),
    "constant": np.full((20, 30), 5, np.uint8),
    "constant float": np.full((20, 30), 0.5, np.float32),
    "all NaN": np.full((5, 6), np.nan, np.float16),
    "16 bits": rng.integers(0, 1 << 16, (9, 7), np.uint16).astype(">u2"),
    "64 bits": np.array([[1 << 63, 3], [4, 5]], np.uint64),
    "infinite": np.array([[np.inf, 3], [-np.inf, 5]]),
    "seven channels": rng.integers(0, 256, (9, 7, 7)).astype(np.int16),
    "many channels": rng.integers(0, 256, (9, 7, 40)).astype(np.uint8),
    "alpha": rng.integers(0, 256, (9, 7, 4)).astype(np.uint8),
    "mask": rng.random((9, 7)) < 0.5,
    "a strip": rng.integers(0, 256, (1, 9000)).astype(np.uint8),
    "a tall strip": rng.integers(0, 256, (3000, 20)).astype(np.uint8),
}


@pytest.mark.parametrize("image", ODD_IMAGES.values(), ids=ODD_IMAGES)
def test_odd_images_are_shown_without_an_error(show: Open, image: Array) -> None:
    windows = Windows.adaptive((2, 3)) if image.shape[1] == 7 else Windows.of(1)
    tab = show(image, windows, f"{ENGLISH}&noise=1&move=1&difference=1")
    assert words(tab, "#selection").startswith("Window in row ")
    assert tab.run("NAMES.every((name) => pictures[name].bitmap.width > 0)")


WIDTHS = [390, 768, 1280, 1920]


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("large", [0, 1])
def test_nothing_is_cut_off_or_sticks_out(
    show: Open, width: int, language: str, large: int
) -> None:
    image = load(SAMPLES / "mountain.jpg")[::4, ::4]
    fragment = f"lang={language}&theme=light&large={large}&noise=1&move=1"
    tab = show(image, TWO, fragment, width=width, height=1000)
    assert tab.run("document.documentElement.scrollWidth") <= width
    cut = tab.run("""[...document.querySelectorAll("h1, h2, h3, button, .shape, dd, dt, td, th")]
      .filter((one) => one.offsetParent && one.scrollWidth > one.clientWidth + 1
        && getComputedStyle(one).display !== "inline").map((one) => one.outerHTML.slice(0, 80))""")
    assert cut == []
    top = tab.run("$('pictures').getBoundingClientRect().top")
    assert top < {390: 900, 768: 560, 1280: 420, 1920: 330}[width] * (1.4 if large else 1)


def test_at_1920_pixels_the_toolbar_is_one_row_and_the_width_is_used(show: Open) -> None:
    tab = show(load(SAMPLES / "mountain.jpg"), Windows.of(8), width=1920, height=1000)
    assert tab.run("$('toolbar').offsetHeight") < 75
    assert tab.run("$('pictures').offsetWidth") > 1800
    assert tab.run("$('input').getBoundingClientRect().bottom") < 1000


def test_print_is_dark_on_white_without_buttons(show: Open) -> None:
    tab = show(LECTURE, TWO, "lang=en&theme=dark&noise=1")
    tab.send("Emulation.setEmulatedMedia", media="print")
    try:
        tab.run("dispatchEvent(new Event('beforeprint'))")
        style = "getComputedStyle(document.body)"
        assert tab.run(f"[{style}.color, {style}.backgroundColor]") == [
            "rgb(0, 0, 0)",
            "rgb(255, 255, 255)",
        ]
        assert (
            tab.run("[...document.querySelectorAll('button')].some((one) => one.offsetParent)")
            is False
        )
        assert tab.run("$('noise').offsetParent !== null"), "what is switched on is printed"
        assert tab.run("$('predict').offsetParent === null")
        assert tab.run("$('input').getContext('2d').getImageData(1, 1, 1, 1).data[3]") == 255
        assert len(tab.send("Page.printToPDF", printBackground=True)["data"]) > 20_000
    finally:
        tab.run("dispatchEvent(new Event('afterprint'))")
        tab.send("Emulation.setEmulatedMedia", media="")
    assert tab.run("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("image", ["lecture", "photograph"])
@pytest.mark.parametrize("width", [800, 1280])
def test_print_has_all_pictures_on_its_first_page_and_nothing_over_the_close_up(
    show: Open, language: str, image: str, width: int
) -> None:
    pixels = LECTURE if image == "lecture" else load(SAMPLES / "mountain.jpg")
    tab = show(pixels, TWO, f"lang={language}&theme=light", width=width)
    tab.send("Emulation.setEmulatedMedia", media="print")
    try:
        tab.run("dispatchEvent(new Event('beforeprint'))")
        # As a browser prints: the paper's width comes after the drawing. Letter, margins of 0.4 in.
        tab.run("onresize = null")
        tab.resize(739, 979)
        assert tab.run("$('pictures').getBoundingClientRect().bottom") < 979
        assert tab.run("getComputedStyle($('pictures')).breakInside") == "auto"
        covered = tab.run("""(() => {
          const boxOf = (one) => one.getBoundingClientRect(), lines = boxOf($("lines"));
          return [...document.querySelectorAll("#closeup :is(h2, h3), canvas:not(#lines)")]
            .map(boxOf).filter(({ top, bottom, left, right, width }) => width && lines.width
              && top < lines.bottom && bottom > lines.top
              && left < lines.right && right > lines.left).length;
        })()""")
        assert covered == 0
        tops = "NAMES.map((name) => $(`${name}_part`).getBoundingClientRect().top)"
        assert len(set(tab.run(tops))) == 1, "the close-up is one row"
    finally:
        tab.send("Emulation.setEmulatedMedia", media="")


def test_that_numbers_can_be_edited_is_said_where_they_can(show: Open) -> None:
    tab = show(LECTURE)
    seen = "Boolean($('editing').offsetParent)"
    assert words(tab, "#editing") == "Click a number of the image to change it."
    assert tab.run(seen)
    choose(tab, "noise", True)
    assert not tab.run(seen)
    assert not show(np.zeros((17, 17), np.uint8)).run(seen)


def test_switches_are_seen_in_forced_colors(show: Open) -> None:
    tab = show(LECTURE)
    tab.send("Emulation.setEmulatedMedia", features=[{"name": "forced-colors", "value": "active"}])
    try:
        box = tab.run(
            "(({ width, height }) => [width, height])($('noise').getBoundingClientRect())"
        )
        assert min(box) >= 16
        assert tab.run("getComputedStyle($('noise')).opacity") == "1"
        assert tab.run("getComputedStyle($('noise')).appearance") in ("auto", "checkbox")
    finally:
        tab.send("Emulation.setEmulatedMedia", features=[])


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("image", ["lecture", "photograph"])
def test_axe_finds_nothing(show: Open, language: str, theme: str, image: str) -> None:
    axe = pytest.importorskip("axe_core_python")
    pixels = LECTURE if image == "lecture" else load(SAMPLES / "mountain.jpg")
    tab = show(pixels, TWO, f"lang={language}&theme={theme}&noise=1")
    tab.run("$('more').open = true")
    tab.run(resources.files(axe).joinpath("axe.min.js").read_text() + "; 0")
    told = tab.run(
        "axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations.map((one) =>"
        " [one.id, one.nodes.slice(0, 3).map((node) => node.html.slice(0, 120))]))"
    )
    assert told == []


def test_every_name_for_readers_who_listen_is_translated(show: Open) -> None:
    names = """[...document.querySelectorAll("[aria-label]")].map((one) =>
      one.getAttribute("aria-label")).filter((words) => !/[가-힣]/.test(words))"""
    assert show(LECTURE, TWO, "lang=ko").run(names) == []


def test_another_language_is_not_computed(show: Open) -> None:
    tab = show(LECTURE)
    before = tab.run("asked")
    tab.run("$('language').click()")
    tab.settle()
    assert tab.run("[asked, document.documentElement.lang]") == [before, "ko"]
    assert words(tab, "h1") == "윈도우 단위로 보는 풀링"


# The text of the page


def test_names_cannot_break_out_of_the_page(show: Open) -> None:
    name = "a'\"&</title></script><script>document.title = 1</script>{{data}}<!--.png"
    text = page(LECTURE, TWO, title=name)
    assert text.count("<script") == text.count("</script>") == 5
    tab = show(LECTURE, title=name)
    assert tab.run("document.title") == name
    assert name in words(tab, "#about")


def test_a_name_that_is_not_utf_8() -> None:
    assert "b\N{REPLACEMENT CHARACTER}.png" in page(LECTURE, TWO, title="b\udcff.png")


def test_values_travel_as_they_are() -> None:
    image = rng.integers(0, 1 << 16, (5, 6, 4), np.uint16).astype(">u2")
    text = page(image, TWO, title="")
    data = data_of(text)["info"]
    assert (data["numbers"], data["dtype"]) == ("u2", "uint16")
    assert data["channels"] == ["red", "green", "blue", "alpha"]
    planes = np.frombuffer(values_of(text), "<u2").reshape(4, 5, 6)
    assert np.array_equal(planes, np.moveaxis(image[..., [2, 1, 0, 3]], 2, 0))


@pytest.mark.parametrize(
    ("shape", "dtype", "size"),
    [
        ((700, 1024, 3), "u1", (700, 1024)),
        ((3000, 4000, 3), "u1", (600, 800)),
        ((3000, 4000), "u2", (750, 1000)),
        ((7, 30001), "u1", (1, 3751)),
        ((1001, 1500), "f8", (334, 500)),
    ],
)
def test_a_large_picture_is_reduced_to_a_page_below_3_mb(
    shape: tuple[int, ...], dtype: str, size: tuple[int, int]
) -> None:
    text = page(np.zeros(shape, dtype), Windows.of(1), title="x" * 250)
    assert len(text.encode()) < 3_000_000
    data = data_of(text)["info"]
    assert (data["height"], data["width"]) == size
    assert (data["file"]["height"], data["file"]["width"]) == shape[:2]


def test_a_full_page_is_below_3_mb() -> None:
    assert len(page(np.zeros((1, 1), "u1"), Windows.of(1), title="")) + MOST_BYTES * 4 / 3 < 3e6


def test_a_page_says_that_its_picture_is_reduced(show: Open) -> None:
    image = np.arange(90_000, dtype=np.uint32).reshape(10, 9000).astype(np.uint8)
    about = words(show(image, frame=(2, 5)), "#about")
    assert "10 rows × 9000 columns" in about
    assert "each pixel here is the mean of 3 × 3 pixels of the file" in about
    assert "The file holds 5 frames; frame 2, counted from 0, is shown." in about


def test_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(WindowError, match="does not fit"):
        page(LECTURE, Windows.of(5), title="")


def test_both_languages_say_the_same() -> None:
    for key, (english, korean) in json.loads(asset("texts.json")).items():
        places = [set(re.findall(r"\{\w+\}", text)) for text in (english, korean)]
        assert places[0] == places[1], key


def test_every_text_is_there_and_used() -> None:
    texts = json.loads(asset("texts.json"))
    scripts = "".join(asset(item.name) for item in ASSETS.iterdir() if item.name.endswith(".js"))
    used = set(re.findall(r'\btext\("(\w+)"', scripts))
    used |= set(re.findall(r'data-(?:text|label)="(\w+)"', scripts + asset("page.html")))
    assert len(used) > 40
    assert used <= set(texts)
    quoted = set(re.findall(r'"(\w+)"', scripts)) | used
    built = r"(preset|formula|lesson|why)_\w+|\w+_switch|\w+_text"
    spelled = set(re.findall(r"\b(\w+):", scripts))
    unused = {key for key in texts if key not in quoted | spelled and not re.fullmatch(built, key)}
    assert unused == set()


def test_the_page_asks_nothing_of_the_network() -> None:
    text = page(LECTURE, TWO, title="")
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|\bfetch\(|XMLHttpRequest|\bimport\b|@import|url\(", text)


def test_a_photo_of_the_samples_keeps_every_pixel() -> None:
    image = load(SAMPLES / "mountain.jpg")
    text = page(image, Windows.of(8), title="mountain.jpg")
    assert len(text.encode()) < 3_000_000
    data = data_of(text)["info"]
    assert (data["height"], data["width"]) == image.shape[:2]
