"""The page of `compare`: one file that opens from disk, whose arithmetic is the package's."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, SAMPLES, load
from numpy.typing import NDArray

from pooltool.compare.measures import METHODS, measure, pool_all
from pooltool.compare.page import MOST_BYTES, page, settings_of
from pooltool.errors import WindowError
from pooltool.geometry import AdaptiveWindows, AnyWindows, Padding, Windows
from pooltool.kernels import Pooling, pool2d

Array = NDArray[Any]
Browse = Callable[..., str]

ASSETS = resources.files("pooltool.compare.page")
LECTURE = np.array([[0, 3, 3, 0], [2, 7, 6, 8], [0, 1, 7, 6], [1, 3, 5, 6]], np.uint8)
TWO = Windows.of(2)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-extensions", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--lang=en-US",
]  # fmt: skip


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """Open a page in a real browser; return the document after all that its scripts did."""
    if CHROMIUM is None:
        pytest.skip("the page is tried in Chromium, which is not installed")

    def opened(text: str, *more: str, fragment: str = "lang=en&theme=light") -> str:
        path = tmp_path / "a page.html"
        path.write_text(text, encoding="utf-8")
        place = [f"--user-data-dir={tmp_path / 'profile'}", f"{path.as_uri()}#{fragment}"]
        options = ["--virtual-time-budget=2000", "--window-size=1280,900", "--dump-dom", *place]
        command = [CHROMIUM, *QUIET, *more, *options]
        done = subprocess.run(command, capture_output=True, timeout=60, check=True)
        return done.stdout.decode()

    return opened


def asset(name: str) -> str:
    return ASSETS.joinpath(name).read_text(encoding="utf-8")


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def acting(text: str, script: str) -> str:
    """The page with a script at its end, and with a place that holds what went wrong."""
    listen = (
        "<script>addEventListener('error', (e) => document.title = `ERROR ${e.message}`)</script>"
    )
    act = f"<script>{script}</script></body>"
    return text.replace("<head>", f"<head>{listen}", 1).replace("</body>", act)


def written(document: str, element: str) -> str:
    """The words inside the element of this id."""
    found = re.search(rf'<(\w+)[^>]* id="{element}"[^>]*>(.*?)</\1>', document, re.DOTALL)
    assert found, element
    return html.unescape(re.sub(r"<[^>]+>", " ", found[2]))


# The arithmetic, in the browser


def random_case(rng: np.random.Generator) -> tuple[Array, AnyWindows, bool]:
    """A small image and settings that may or may not fit it."""
    shape = int(rng.integers(1, 12)), int(rng.integers(1, 12))
    image = rng.integers(0, 256, shape).astype(np.float64)
    if rng.random() < 0.1:
        image.flat[rng.integers(image.size)] = rng.choice([np.nan, np.inf, -np.inf])
    if rng.random() < 0.15:
        return image, AdaptiveWindows.of(_two(rng, 1, 9)), False
    padding: Padding = (_two(rng, 0, 4), _two(rng, 0, 4)) if rng.random() < 0.7 else "same"
    ceil_mode, counted = (bool(rng.random() < 0.5) for _ in range(2))
    pool_size, stride, dilation = (_two(rng, 1, most) for most in (5, 5, 4))
    return image, Windows.of(pool_size, stride, padding, dilation, ceil_mode), counted


def _two(rng: np.random.Generator, least: int, most: int) -> tuple[int, int]:
    return int(rng.integers(least, most)), int(rng.integers(least, most))


def expected(image: Array, windows: AnyWindows, counted: bool) -> list[list[Any]] | None:
    """[shape, max, min, avg] as the package has them; None where the windows do not fit."""
    try:
        results = [pool2d(image, Pooling(method, windows, counted)) for method in METHODS]
    except WindowError:
        return None
    return [list(results[0].shape), *([repr(v) for v in r.ravel().tolist()] for r in results)]


def test_the_browser_pools_as_the_package_does(browse: Browse) -> None:
    rng = np.random.default_rng(16)
    cases = [random_case(rng) for _ in range(600)]
    given = [settings_of(windows, counted) for _, windows, counted in cases]
    images = [[list(image.shape), list(map(str, image.ravel()))] for image, _, _ in cases]
    script = (
        asset("pool.js")
        + f"""
    const images = {json.dumps(images)}, given = {json.dumps(given)};
    const numbers = {{ nan: NaN, inf: Infinity, "-inf": -Infinity }};
    const found = images.map(([[height, width], words], i) => {{
      try {{
        const values = words.map((word) => word in numbers ? numbers[word] : Number(word));
        const done = pool(values, height, width, given[i]);
        const texts = ["max", "min", "avg"].map((name) => Array.from(done[name], String));
        return [[done.rows.count, done.columns.count], ...texts];
      }} catch (error) {{
        if (!error.reason) throw error;
        return null;
      }}
    }});
    document.body.textContent = JSON.stringify(found);
    """
    )
    document = browse(f"<!doctype html><body><script>{script}</script></body>")
    found = json.loads(re.sub(r".*<body>(.*)</body>.*", r"\1", document, flags=re.DOTALL))
    assert len(found) == len(cases)
    unfit = 0
    for case, answer in zip(cases, found, strict=True):
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


def test_the_browser_measures_as_the_package_does(browse: Browse) -> None:
    rng = np.random.default_rng(4)
    image = np.clip(rng.normal(120, 50, (150, 130, 3)), 0, 255).astype(np.uint8)
    windows = Windows.of(3, 2, 1)
    script = """
    const planes = colours(ORIGINAL), { settings } = state;
    const noise = measureNoise(planes, ...SHAPE, settings, DATA.noise);
    const shift = measureShift(planes, ...SHAPE, settings);
    const figures = (name) => [noise[name].noise, noise[name].bias, shift[name].shift];
    document.title = JSON.stringify(NAMES.map(figures));
    """
    document = browse(acting(page(image, windows, title=""), script))
    found = json.loads(html.unescape(written_title(document)))
    package = measure(image, pool_all(image, windows))
    for answer, row in zip(found, package, strict=True):
        assert answer[:2] == pytest.approx([row.noise, row.bias], abs=0.02), row.method
        assert answer[2] == pytest.approx(row.shift, rel=1e-4), row.method


def written_title(document: str) -> str:
    found = re.search(r"<title>(.*?)</title>", document, re.DOTALL)
    assert found
    return found[1]


# The page, in the browser


def test_a_window_of_the_lecture(browse: Browse) -> None:
    document = browse(acting(page(LECTURE, TWO, title="lecture.pgm"), ""))
    assert written_title(document) == "lecture.pgm"
    assert "lecture.pgm · 4 rows × 4 columns · gray · uint8" in written(document, "about")
    assert "it holds rows 0 to 1 and columns 0 to 1" in written(document, "selection")
    assert "(0 + 3 + 2 + 7) / 4 = 3" in document
    assert "⌊(4 + 2 × 0 − 1 × (2 − 1) − 1) / 2⌋ + 1 = 2" in written(document, "rows")


def test_what_a_reader_can_do(browse: Browse) -> None:
    script = """
    const told = [], tell = () => told.push($("selection").textContent);
    const point = (name, x, y, type = "pointermove") => {
      const box = $(name).getBoundingClientRect();
      const at = { clientX: box.left + x * box.width, clientY: box.top + y * box.height };
      $(name).dispatchEvent(new PointerEvent(type, { ...at, pointerType: "mouse" }));
      renderNow(); tell();
    };
    const key = (name, key) => {
      $(name).dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      renderNow(); tell();
    };
    point("avg", 0.9, 0.9); // window 1, 1
    point("input", 0.3, 0.6); // pixel 2, 1
    key("input", "ArrowUp"); // pixel 1, 1
    point("max", 0.9, 0.1, "pointerdown"); // held: window 0, 1
    point("min", 0.1, 0.9); // is held
    key("max", "Escape");
    point("min", 0.1, 0.9); // window 1, 0
    $("stride").value = "1"; $("stride").oninput(); // nine windows
    point("input", 0.4, 0.4); // pixel 1, 1 is in four
    $("pool_size").value = "7"; $("pool_size").oninput();
    told.push($("problem").textContent);
    $("pool_size").value = "0"; $("pool_size").oninput();
    told.push($("pool_size").getAttribute("aria-invalid"));
    $("pool_size").value = "2x3"; $("pool_size").oninput();
    told.push($("rows").textContent + $("columns").textContent);
    $("language").click();
    told.push(document.documentElement.lang);
    document.title = JSON.stringify(told);
    """
    document = browse(acting(page(LECTURE, TWO, title=""), script))
    told = json.loads(html.unescape(written_title(document)))
    wanted = [
        "Window in row 1, column 1", "Pixel in row 2, column 1", "Pixel in row 1, column 1",
        "Window in row 0, column 1", "Window in row 0, column 1", "Window in row 0, column 1",
        "Window in row 1, column 0", "Pixel in row 1, column 1 (counted from 0) is in 4 of 9",
        "The window does not fit: it takes 7 rows, the picture has 4", "true",
        "rows⌊(4 + 2 × 0 − 1 × (2 − 1) − 1) / 1⌋ + 1 = 3"
        "columns⌊(4 + 2 × 0 − 1 × (3 − 1) − 1) / 1⌋ + 1 = 2",
        "ko",
    ]  # fmt: skip
    assert len(told) == len(wanted)
    for words, start in zip(told, wanted, strict=True):
        assert words.startswith(start)


def test_after_a_problem_the_notes_are_those_of_the_picture(browse: Browse) -> None:
    script = """
    const before = $("notes").textContent;
    for (const size of ["100", "2"]) { $("pool_size").value = size; $("pool_size").oninput(); }
    document.title = before === $("notes").textContent;
    """
    document = browse(acting(page(np.zeros((8, 16), np.uint8), TWO, title=""), script))
    assert written_title(document) == "true"


def test_nothing_moves_for_a_reader_who_asked_for_less_motion(browse: Browse) -> None:
    script = """
    const knob = (pseudo) => getComputedStyle($("noise").nextElementSibling, pseudo);
    document.title = [knob(null), knob("::after")].map((style) => style.transitionDuration);
    """
    text = acting(page(LECTURE, TWO, title=""), script)
    assert written_title(browse(text)) == "0.15s,0.15s"
    assert written_title(browse(text, "--force-prefers-reduced-motion")) == "0s,0s"


rng = np.random.default_rng(0)
ODD_IMAGES: dict[str, Array] = {
    "one pixel": np.array([[7]], np.uint8),
    "constant": np.full((20, 30), 5, np.uint8),
    "constant float": np.full((20, 30), 0.5, np.float32),
    "all NaN": np.full((5, 6), np.nan, np.float16),
    "16 bits": rng.integers(0, 1 << 16, (9, 7), np.uint16).astype(">u2"),
    "64 bits": np.array([[1 << 63, 3], [4, 5]], np.uint64),
    "seven channels": rng.integers(0, 256, (9, 7, 7)).astype(np.int16),
    "many channels": rng.integers(0, 256, (9, 7, 40)).astype(np.uint8),
    "alpha": rng.integers(0, 256, (9, 7, 4)).astype(np.uint8),
    "mask": rng.random((9, 7)) < 0.5,
    "a strip": rng.integers(0, 256, (1, 9000)).astype(np.uint8),
}


def test_odd_images_are_shown_without_an_error(browse: Browse) -> None:
    one, few = Windows.of(1), AdaptiveWindows.of((2, 3))
    tell = """
    Object.assign(state, { noise: true, move: true });
    refresh();
    parent.document.title += `|${document.title}: ${$("selection").textContent}`;
    """
    pages = [
        acting(page(image, few if image.shape[1] == 7 else one, title=name), tell)
        for name, image in ODD_IMAGES.items()
    ]
    frames = "".join(f'<iframe srcdoc="{html.escape(text)}"></iframe>' for text in pages)
    title = html.unescape(written_title(browse(f"<!doctype html><title>done</title>{frames}")))
    done, *shown = title.split("|")
    assert done == "done"
    assert sorted(words.partition(":")[0] for words in shown) == sorted(ODD_IMAGES)
    assert all(": Window in row " in words for words in shown), shown


# The text of the page


def test_names_cannot_break_out_of_the_page(browse: Browse) -> None:
    name = "a'\"&</title></script><script>document.title = 1</script>{{data}}<!--.png"
    text = page(LECTURE, TWO, title=name)
    assert text.count("<script") == text.count("</script>") == 3
    document = browse(acting(text, "document.title = `${document.title === DATA.title}`"))
    assert written_title(document) == "true"
    assert name in written(document, "about")


def test_a_name_that_is_not_utf_8() -> None:
    assert "b\N{REPLACEMENT CHARACTER}.png" in page(LECTURE, TWO, title="b\udcff.png")


def test_values_travel_as_they_are() -> None:
    image = rng.integers(0, 1 << 16, (5, 6, 4), np.uint16).astype(">u2")
    data = data_of(page(image, TWO, title=""))
    assert (data["numbers"], data["dtype"]) == ("u2", "uint16")
    assert data["channels"] == ["red", "green", "blue", "alpha"]
    planes = np.frombuffer(base64.b64decode(data["values"]), "<u2").reshape(4, 5, 6)
    assert np.array_equal(planes, np.moveaxis(image[..., [2, 1, 0, 3]], 2, 0))


@pytest.mark.parametrize(
    ("shape", "dtype", "shown"),
    [
        ((700, 1024, 3), "u1", (700, 1024)),
        ((3000, 4000, 3), "u1", (600, 800)),
        ((3000, 4000), "u2", (750, 1000)),
        ((7, 30001), "u1", (1, 3751)),
        ((1001, 1500), "f8", (334, 500)),
    ],
)
def test_a_large_picture_is_reduced_to_a_page_below_3_mb(
    shape: tuple[int, ...], dtype: str, shown: tuple[int, int]
) -> None:
    text = page(np.zeros(shape, dtype), Windows.of(1), title="x" * 250)
    assert len(text.encode()) < 3_000_000
    data = data_of(text)
    assert (data["height"], data["width"]) == shown
    assert (data["file"]["height"], data["file"]["width"]) == shape[:2]


def test_a_full_page_is_below_3_mb() -> None:
    assert len(page(np.zeros((1, 1), "u1"), Windows.of(1), title="")) + MOST_BYTES * 4 / 3 < 3e6


def test_a_page_says_that_its_picture_is_reduced(browse: Browse) -> None:
    image = np.arange(90_000, dtype=np.uint32).reshape(10, 9000).astype(np.uint8)
    document = browse(acting(page(image, TWO, title="", frame=(2, 5)), ""))
    about = written(document, "about")
    assert "10 rows × 9000 columns" in about
    assert "each pixel here is the mean of 3 × 3 pixels of the file" in about
    assert "The file holds 5 frames; frame 2, counted from 0, is shown." in about


def test_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(WindowError, match="does not fit"):
        page(LECTURE, Windows.of(5), title="")


def test_both_languages_say_the_same() -> None:
    english, korean = (json.loads(asset("texts.json"))[language] for language in ("en", "ko"))
    assert list(english) == list(korean)
    for key, words in english.items():
        places = [sorted(re.findall(r"\{\w+\}", text)) for text in (words, korean[key])]
        assert places[0] == places[1], key


def test_every_text_that_the_page_asks_for_is_there() -> None:
    texts = json.loads(asset("texts.json"))["en"]
    used = set(re.findall(r'\btext\("(\w+)"', asset("words.js") + asset("page.js")))
    used |= set(re.findall(r'data-text="(\w+)"', asset("page.html")))
    assert len(used) > 30
    assert used <= set(texts)


def test_the_page_asks_nothing_of_the_network() -> None:
    text = page(LECTURE, TWO, title="")
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|\bfetch\(|XMLHttpRequest|\bimport\b|@import|url\(", text)


def test_the_files_of_the_page_are_packaged() -> None:
    line = re.search(r'"pooltool.compare.page" = (\[.*\])', (ROOT / "pyproject.toml").read_text())
    assert line
    patterns = json.loads(line[1])
    files = [item.name for item in ASSETS.iterdir() if not item.name.startswith("__")]
    assert len(files) >= 5
    assert all(any(fnmatch(name, pattern) for pattern in patterns) for name in files)


def test_a_photo_of_the_samples_keeps_every_pixel() -> None:
    image = load(SAMPLES / "mountain.jpg")
    text = page(image, Windows.of(8), title="mountain.jpg")
    assert len(text.encode()) < 3_000_000
    assert (data_of(text)["height"], data_of(text)["width"]) == image.shape[:2]
