"""The command line, run as a user runs it; every output is decoded and compared."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import ROOT, SAMPLES, Run, load, save
from numpy.typing import NDArray

from pooltool import adaptive_max_pool2d, avg_pool2d, max_pool2d, min_pool2d, native

Array = NDArray[Any]
rng = np.random.default_rng(11)


def test_the_main_job(run: Run, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "mountain.jpg", tmp_path)
    result = run("max", "mountain.jpg")
    assert result.out == "mountain.jpg (700, 1024, 3) -> mountain_max.jpg (350, 512, 3)\n"
    assert (result.err, result.status) == ("", 0)
    pooled = max_pool2d(load("mountain.jpg")).astype(int)
    assert np.abs(load("mountain_max.jpg") - pooled).mean() < 2.5  # JPEG loses a little


@pytest.mark.parametrize(
    ("method", "function"), [("max", max_pool2d), ("min", min_pool2d), ("avg", avg_pool2d)]
)
def test_lossless_results_are_exact(run: Run, method: str, function: Callable[..., Array]) -> None:
    image = rng.integers(0, 65536, (17, 24, 3)).astype(np.uint16)
    save("a.png", image)
    assert run(method, "a.png", "--pool-size", "3x2", "--stride", "2", "--padding", "1").status == 0
    rounding: dict[str, Any] = {"dtype": np.uint16} if method == "avg" else {}
    wanted = function(image, (3, 2), 2, padding=1, **rounding)
    np.testing.assert_array_equal(load(f"a_{method}.png"), wanted)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], max_pool2d),
        (["--pool-size", "3"], lambda x: max_pool2d(x, 3)),
        (["--pool-size", "2x3", "--stride", "1X2"], lambda x: max_pool2d(x, (2, 3), (1, 2))),
        (["--padding", "same", "--stride", "1"], lambda x: max_pool2d(x, 2, 1, padding="same")),
        (["--padding", "SAME", "--stride", "1"], lambda x: max_pool2d(x, 2, 1, padding="same")),
        (["--padding", "1x0"], lambda x: max_pool2d(x, padding=(1, 0))),
        (["--padding", "0"], max_pool2d),
        (["--dilation", "2"], lambda x: max_pool2d(x, dilation=2)),
        (["--ceil-mode"], lambda x: max_pool2d(x, ceil_mode=True)),
        (["--output-size", "4x3"], lambda x: adaptive_max_pool2d(x, (4, 3))),
    ],
)
def test_window_options(run: Run, words: list[str], wanted: Callable[[Array], Array]) -> None:
    image = rng.integers(0, 256, (11, 9), np.uint8)
    save("a.png", image)
    assert run("max", "a.png", *words).status == 0
    np.testing.assert_array_equal(load("a_max.png"), wanted(image))


def test_count_include_pad(run: Run) -> None:
    save("a.npy", np.full((4, 4), 8.0))
    run("avg", "a.npy", "--padding", "1", "--count-include-pad")
    assert load("a_avg.npy")[0].tolist() == [2, 4, 2]
    run("avg", "a.npy", "--padding", "1")
    assert load("a_avg.npy")[0].tolist() == [8, 8, 8]


FORMATS = [
    (".png", "u1", (9, 8)), (".png", "u1", (9, 8, 3)), (".png", "u1", (9, 8, 4)),
    (".png", "u2", (9, 8)), (".png", "u2", (9, 8, 3)), (".png", "u2", (9, 8, 4)),
    (".tif", "u1", (9, 8, 3)), (".tiff", "u2", (9, 8)), (".tif", "f4", (9, 8, 3)),
    (".tif", "f8", (9, 8)), (".bmp", "u1", (9, 8, 3)), (".bmp", "u1", (9, 8)),
    (".bmp", "u1", (9, 8, 4)),
    (".pgm", "u1", (9, 8)), (".pgm", "u2", (9, 8)), (".ppm", "u2", (9, 8, 3)),
    (".webp", "u1", (9, 8, 3)), (".jp2", "u1", (90, 80, 3)), (".pfm", "f4", (9, 8, 3)),
    (".npy", "i8", (9, 8, 7)), (".npy", "?", (9, 8)), (".npy", "f2", (9, 8, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "dtype", "shape"), FORMATS)
def test_depth_and_channels_are_kept(
    run: Run, suffix: str, dtype: str, shape: tuple[int, ...]
) -> None:
    image = (rng.random(shape) * 255).astype(dtype)
    if suffix == ".webp":
        save(f"a{suffix}", image, 64, 101)  # lossless
    elif suffix == ".jp2":
        save(f"a{suffix}", image, 272, 1000)
    else:
        save(f"a{suffix}", image)
    result = run("max", f"a{suffix}")
    assert (result.err, result.status) == ("", 0)
    np.testing.assert_array_equal(load(f"a_max{suffix}"), max_pool2d(image))
    assert load(f"a_max{suffix}").dtype == image.dtype


def test_averages_are_rounded_into_the_dtype(run: Run) -> None:
    save("a.png", np.array([[0, 1, 1, 2], [1, 0, 2, 1]], np.uint8))  # means 0.5 and 1.5
    run("avg", "a.png")
    assert load("a_avg.png").tolist() == [[0, 2]]


def test_gray(run: Run) -> None:
    save("a.png", np.full((4, 6, 3), (0, 0, 255), np.uint8))  # red
    assert run("max", "a.png", "--gray").out == "a.png (4, 6) -> a_max.png (2, 3)\n"
    assert (load("a_max.png") == 76).all()


def test_gray_tells_what_becomes_of_transparency(run: Run) -> None:
    pixels = np.full((4, 6, 4), 255, np.uint8)
    save("opaque.png", pixels)
    pixels[0, 0, 3] = 254
    save("a.png", pixels)
    assert run("max", "opaque.png", "--gray").err == ""
    warned = run("max", "a.png", "--gray")
    assert warned.status == 0
    assert warned.err == (
        "pooltool: a.png: warning: its transparency was left out: --gray keeps no alpha\n"
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("abc", "OPENCV_IO_MAX_IMAGE_PIXELS is 'abc'; set it to a number"),
        ("", "OPENCV_IO_MAX_IMAGE_PIXELS is ''; set it to a number"),
        ("23", "more than the limit of 23"),
        ("24", ""),
        ("1KB", "OPENCV_IO_MAX_IMAGE_PIXELS is '1KB'; set it to a number"),
    ],
)
def test_the_limit_of_pixels(
    run: Run, monkeypatch: pytest.MonkeyPatch, value: str, reason: str
) -> None:
    save("a.png", np.zeros((4, 6), np.uint8))
    monkeypatch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", value)
    monkeypatch.setattr("pooltool.images.codec.limit", native.limit.__wrapped__)  # not kept
    result = run("max", "a.png")
    assert reason in result.err
    assert result.err.count("\n") == bool(reason)
    assert (result.status == 0) == (not reason)


def test_output_names(run: Run, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "lecture.pgm", tmp_path)
    shutil.copy(SAMPLES / "badge.png", tmp_path)
    (tmp_path / "there").mkdir()
    for words, output in {
        ("lecture.pgm", "-o", "small.png"): "small.png",
        ("lecture.pgm", "-o", "there"): "there/lecture_max.pgm",
        ("lecture.pgm", "-o", "new/deep/"): "new/deep/lecture_max.pgm",
        ("lecture.pgm", "--format", "tiff"): "lecture_max.tiff",
        ("lecture.pgm", "--format", ".PNG", "-o", "there"): "there/lecture_max.PNG",
        ("lecture.pgm", "--format", "png", "-o", "strange.dat"): "strange.dat",
        ("./lecture.pgm",): "./lecture_max.pgm",
    }.items():
        result = run("max", *words)
        assert result.err == ""
        assert result.out.endswith(f"-> {output} (2, 2)\n")
        assert load(output).tolist() == [[7, 8], [3, 7]]
    several = run("avg", "lecture.pgm", "badge.png", "-o", "many")
    assert several.out == (
        "lecture.pgm (4, 4) -> many/lecture_avg.pgm (2, 2)\n"
        "badge.png (151, 203, 4) -> many/badge_avg.png (75, 101, 4)\n"
    )
    assert several.err == "pooltool: 2 done, 0 skipped, 0 failed\n"


def gifs(*names: str, frames: int = 1) -> Array:
    """Write GIFs of gray noise with a comment; return their pixels, (frames, 6, 8)."""
    pixels = rng.integers(0, 256, (frames, 6, 8), np.uint8)
    ramp = bytes(level for level in range(256) for _ in range(3))
    data = b"GIF89a\x08\0\x06\0\xf7\0\0" + ramp + b"!\xfe\2hi\0"
    for frame in pixels:
        codes = "".join(f"{int(value):09b}"[::-1] + f"{256:09b}"[::-1] for value in frame.flat)
        codes = f"{256:09b}"[::-1] + codes[:-9] + f"{257:09b}"[::-1]
        codes += "0" * (-len(codes) % 8)
        packed = bytes(int(codes[at : at + 8][::-1], 2) for at in range(0, len(codes), 8))
        data += b"!\xf9\4\0\x0a\0\0\0,\0\0\0\0\x08\0\x06\0\0\x08"
        data += bytes([len(packed)]) + packed + b"\0"
    for name in names:
        Path(name).write_bytes(data + b";")
    return pixels


def test_a_gif_becomes_a_png(run: Run) -> None:
    os.makedirs("in/deep")
    still = gifs("in/a.gif", "in/deep/b.GIF")[0]
    moving = gifs("in/c.gif", frames=3)
    result = run("max", "-r", "in", "-o", "out")
    assert result.status == 0
    assert "in/c.gif (6, 8, 3) -> out/c_max.png (3, 4, 3) x 3 frames\n" in result.out
    for name in ("out/a_max.png", "out/deep/b_max.png"):
        np.testing.assert_array_equal(load(name)[..., 0], max_pool2d(still))
    done, animation = cv2.imdecodeanimation(np.fromfile("out/c_max.png", np.uint8).reshape(1, -1))
    assert done
    assert list(animation.durations) == [100] * 3
    pooled = max_pool2d(moving[..., None])
    np.testing.assert_array_equal([frame[..., :1] for frame in animation.frames], pooled)
    assert run("max", "in/a.gif").out == "in/a.gif (6, 8, 3) -> in/a_max.png (3, 4, 3)\n"
    assert run("max", "in/a.gif", "--format", "webp").out.endswith("in/a_max.webp (3, 4, 3)\n")
    refused = run("max", "in/a.gif", "-o", "b.gif")
    assert (refused.status, refused.out) == (2, "")
    assert "'gif' is not a format that can be written" in refused.err


def test_equal_warnings_are_counted(run: Run) -> None:
    names = [f"{number}.gif" for number in range(9)]
    gifs(*names)
    result = run("max", *names, "missing.png", "-o", "out")
    lines = [line for line in result.err.splitlines() if "its palette" not in line]
    warnings = [f"pooltool: {name}: warning: left out: comment" for name in names[:5]]
    assert lines[:5] == warnings
    assert lines[5].startswith("pooltool: missing.png: no such file")
    assert lines[6:] == [
        "pooltool: ... and 4 more: warning: left out: comment",
        "pooltool: 9 done, 0 skipped, 1 failed",
    ]
    objects = map(json.loads, run("max", *names, "-o", "out", "--json").out.splitlines())
    assert ["left out: comment" in fields["warnings"] for fields in objects] == [True] * 9


def test_a_data_set_keeps_its_names(run: Run) -> None:
    os.makedirs("in/deep")
    for name in ("in/a.png", "in/deep/b.png"):
        save(name, np.zeros((4, 6), np.uint8))
    same = run("max", "-r", "in", "-o", "out", "--suffix", "")
    assert same.out == (
        "in/a.png (4, 6) -> out/a.png (2, 3)\nin/deep/b.png (4, 6) -> out/deep/b.png (2, 3)\n"
    )
    assert load("in/a.png").shape == (4, 6)
    assert load("out/deep/b.png").shape == (2, 3)
    named = run("avg", "in/a.png", "--suffix", "-half", "--format", "webp")
    assert named.out == "in/a.png (4, 6) -> in/a-half.webp (2, 3)\n"
    refused = run("max", "-r", "in", "-o", "in", "--suffix", "")
    assert (refused.status, refused.out) == (2, "")
    assert "would overwrite the image in/a-half.webp" in refused.err


def test_two_images_of_one_name_get_advice_that_works(run: Run) -> None:
    image = np.zeros((40, 64), np.uint8)
    for folder in ("p", "q/deep"):
        os.makedirs(folder)
        save(f"{folder}/a.png", image)
    save("p/a.bmp", image)
    words = ["--format", "png"]
    for named in (
        ["p/a.png", "p/a.bmp"],
        ["p/a.png", "q/deep/a.png", "-o", "n"],
        ["-r", "p", "-o", "n"],
    ):
        refused = run("max", *named, *words)
        assert refused.status == 2
        assert "would both be written there; pool one of them in a run of its own" in refused.err
        assert refused.err.endswith("with another -o DIR\n")
    assert run("max", "p/a.bmp", *words, "-o", "other/").status == 0
    assert run("max", "p/a.png", *words).status == 0
    assert load("other/a_max.png").shape == load("p/a_max.png").shape == (20, 32)


@pytest.mark.parametrize(
    "name", ["a.png", "a.jpg", "a.tif", "a.webp", "a.bmp", "a.pgm", "a.npy", "a.jp2", "a.avif"]
)
def test_the_result_of_standard_input_has_its_format(run_process: Run, name: str) -> None:
    save(name, rng.integers(0, 256, (64, 80), np.uint8))
    run_process("max", name, "-o", f"named{Path(name).suffix}")
    assert pipe(name) == Path(f"named{Path(name).suffix}").read_bytes()


def test_what_is_only_read_becomes_png_through_a_pipe(run: Run) -> None:
    gifs("a.gif")
    run("max", "a.gif")
    assert pipe("a.gif") == Path("a_max.png").read_bytes()


def pipe(name: str) -> bytes:
    """What `pooltool max - < NAME` writes."""
    with open(name, "rb") as file:
        done = subprocess.run(
            [sys.executable, "-m", "pooltool", "max", "-"],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=file, stdout=subprocess.PIPE,
            check=True,
        )  # fmt: skip
    return done.stdout


CHANNELS_FIRST = "looks like channels first, and it was pooled over its first axes"


@pytest.mark.parametrize(
    "words",
    [
        ["max", "a.npy"],
        ["max", "a.npy", "-o", "a.tif"],
        ["max", "a.npy", "--frame", "0"],
        ["compare", "a.npy"],
        ["compare", "a.npy", "-o", "a.html"],
    ],
)
@pytest.mark.parametrize("shape", [(3, 28, 30), (2, 3, 28, 30), (6, 40, 50)])
def test_channels_first_are_noticed(run: Run, words: list[str], shape: tuple[int, ...]) -> None:
    save("a.npy", rng.random(shape, np.float32))
    words = [*words, "--pool-size", "1x2"]
    assert run(*words).err.count(CHANNELS_FIRST) == 1
    for data_format in ("channels_first", "channels_last"):
        assert CHANNELS_FIRST not in run(*words, "--data-format", data_format).err


def test_compare_takes_the_data_format(run: Run) -> None:
    image = rng.random((28, 30, 3), np.float32)
    save("last.npy", image)
    save("first.npy", np.moveaxis(image, -1, 0))
    first = run("compare", "first.npy", "--data-format", "channels_first")
    assert first.out == run("compare", "last.npy").out.replace("last", "first")
    np.testing.assert_array_equal(load("first_compare.png"), load("last_compare.png"))


def test_compare_is_quiet(run: Run) -> None:
    save("a.png", np.zeros((4, 4), np.uint8))
    for words, lines in {("-q",): 0, ("--quiet", "--json"): 4}.items():
        result = run("compare", "a.png", *words)
        assert (result.status, result.err, result.out.count("\n")) == (0, "", lines)
        assert load("a_compare.png").ndim == 3
    assert run("compare", "-q", "missing.png").err.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["-o", "a.html"], ["--format", "html"], ["-o-", "--format=html"]]
)
def test_a_page_takes_one_setting(run: Run, tmp_path: Path, words: list[str]) -> None:
    save("a.png", np.zeros((4, 4), np.uint8))
    for more, reason in {
        ("--pool-size", 2, "--pool-size", 3): "a page takes one --pool-size and no --detail",
        ("--detail", "1,1"): "a page takes one --pool-size and no --detail",
    }.items():
        refused = run("compare", "a.png", *words, *more)
        assert (refused.status, refused.out) == (2, "")
        assert reason in refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    "format", ["x/../../y.png", "/tmp/y.png", "../png", "a.png", "", ".", "p/"]
)
def test_a_format_is_an_extension(run: Run, tmp_path: Path, format: str) -> None:
    (tmp_path / "x").mkdir()
    save("a.png", np.zeros((4, 4), np.uint8))
    for words in (["max"], ["max", "--dry-run"], ["compare"]):
        refused = run(*words, "a.png", "--format", format, "-o", "x/")
        assert (refused.status, refused.out) == (2, "")
        assert "'--format'" in refused.err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.png", "x"]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--pool-size", "9x5"], "--pool-size 9x5 does not fit: a window takes 9 rows"),
        (["--pool-size", "9x5"], "the image has 4 and --padding valid; use a smaller pool size or "
                                 "same padding (image shape (4, 6))\n"),
        (["--pool-size", "3", "--dilation", "2x9"], "--pool-size 3, --dilation 2x9 does not fit"),
        (["--padding", "2x0"], "--padding 2x0 leaves a window without a row of the image "
                               "(--pool-size 2, --dilation 1); use less padding"),
    ],
)  # fmt: skip
def test_errors_speak_of_options(run: Run, words: list[str], shown: str) -> None:
    save("a.png", np.zeros((4, 6), np.uint8))
    for command in ("max", "compare"):
        failed = run(command, "a.png", *words)
        assert (failed.status, failed.out) == (1, "")
        assert shown in failed.err


def test_quiet_says_nothing_but_errors(run: Run) -> None:
    save("a.png", np.zeros((4, 4), np.uint8))
    result = run("max", "-q", "a.png", "missing.png")
    assert result.out == ""
    assert result.err == (
        "pooltool: missing.png: no such file or folder; check the name, or to write there: "
        "-o missing.png\n"
    )
    assert load("a_max.png").shape == (2, 2)
    assert run("max", "-q", "a.png", "missing.png", "--json").out.count("\n") == 2


def make_bad_inputs(folder: Path) -> None:
    save("good.png", np.zeros((4, 4), np.uint8))
    save("deep.png", np.zeros((4, 4), np.uint16))
    save("float.tif", np.zeros((4, 4), np.float32))
    save("tiny.png", np.zeros((1, 1), np.uint8))
    np.save("flat.npy", np.zeros(5))
    np.save("complex.npy", np.zeros((4, 4), complex))
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("this is not an image\n")
    (folder / "folder").mkdir()
    os.symlink("gone/x.png", "dangling.png")
    (folder / "bare").write_bytes((folder / "good.png").read_bytes())
    (folder / "raw.cr2").write_bytes(b"II*\0\x10\0\0\0CR\2\0" + bytes(20))


@pytest.mark.parametrize("command", ["max", "compare"])
def test_a_damaged_image_is_told_with_its_remedy(run: Run, tmp_path: Path, command: str) -> None:
    (tmp_path / "half.jpg").write_bytes((SAMPLES / "mountain.jpg").read_bytes()[:100_000])
    result = run(command, "half.jpg")
    assert result.status == 1
    assert result.err.startswith("pooltool: half.jpg: it is ")
    assert result.err.endswith("; copy or save it again\n")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["missing.jpg"], "missing.jpg: no such file or folder; check the name"),
        (["folder"], "folder: it is a directory; add --recursive to pool"),
        (["empty.png"], "empty.png: it is empty"),
        (["text.png"], "text.png: it is not an image in a format that pooltool reads"),
        (["tiny.png"], "tiny.png: --pool-size 2 does not fit: a window takes 2 rows, the image"),
        (
            ["deep.png", "--padding", "2"],
            "deep.png: --padding 2 leaves a window without a row of the image (--",
        ),
        (
            ["flat.npy"],
            "flat.npy: its array has shape (5,); save one that is not empty as (height, width)",
        ),
        (["complex.npy"], "complex.npy: it holds complex128 values"),
        (["bare"], "bare: the name has no extension; choose a format"),
        (["raw.cr2"], "raw.cr2: it is a camera's raw picture, which is not read; develop it"),
        (["deep.png", "--format", "jpg"], "deep.png: JPEG cannot hold uint16 values"),
        (["float.tif", "--format", "jpg"], "float.tif: JPEG cannot hold float32 values"),
        (["dangling.png"], "dangling.png: it is a link to gone/x.png, which does not exist; fix"),
    ],
)
def test_a_failed_image_is_one_line_and_the_others_go_on(
    run: Run, tmp_path: Path, words: list[str], reason: str
) -> None:
    make_bad_inputs(tmp_path)
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    result = run("max", *words)
    assert result.status == 1
    assert result.out == ""
    assert result.err.startswith(f"pooltool: {reason}")
    assert result.err.count("\n") == 1
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    if words[1:] in ([], ["--format", "jpg"]):
        result = run("max", *words, "good.png")
        assert result.status == 1
        assert "good.png (4, 4) -> good_max." in result.out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--pool-size", "0"], "'--pool-size': '0' is not a whole number from 1 to 999999999"),
        (["--pool-size", "9999999999"], "'--pool-size': '9999999999' is not a whole number from 1"),
        (["--pool-size", "-1"], "'--pool-size': '-1' is not"),
        (["--pool-size", "2.5"], "'--pool-size': '2.5' is not"),
        (["--pool-size", "2x"], "'--pool-size': '2x' is not"),
        (["--pool-size", "2x3x4"], "'--pool-size': '2x3x4' is not"),
        (["--pool-size", ""], "'--pool-size': '' is not"),
        (["--stride", "0"], "'--stride': '0' is not"),
        (["--padding", "full"], "for example valid, same, 2 or 2x3"),
        (["--dilation", "0"], "'--dilation': '0' is not"),
        (["--output-size", "0"], "'--output-size': '0' is not"),
        (["--output-size", "2", "--stride", "2"], "--stride and --output-size cannot be combined"),
        (["--format", "docx"], "'docx' is not a format that can be written; choose from png"),
        (["-o", "a.docx"], "'docx' is not a format that can be written; choose"),
        (["-o", "none/deep/x.png"], "x.png: there is no folder none/deep; make it first"),
        (["-o", "link.png/"], "-o link.png/: link.png is not a directory; name another one"),
        (["-o", "link.png/deep/"], "-o link.png/deep/: link.png is not a directory"),
        (
            ["-o", "two.png", "--format", "tiff"],
            "-o two.png: --format tiff disagrees with this name; change",
        ),
        (["link.png", "-o", "one.png"], "-o one.png: there are several images; name a directory"),
        (["link.png", "-o", "link.png"], "-o link.png: there are several images; name a directory"),
        (["-r", "sub", "-o", "link.png"], "-o link.png: there are several images"),
        (["--suffix", ""], "an empty --suffix needs -o DIR"),
        (["--suffix", "", "-o", "."], "the result of good.png would overwrite the image good.png"),
        (["--suffix", "/x"], "--suffix is part of a file name and cannot contain /"),
        (
            ["--suffix", "_x", "-o", "one.png"],
            "-o one.png: it is the whole name; leave out --suffix",
        ),
        (["--kernel_size", "3"], "No such option '--kernel_size'; it is called --pool-size here."),
        (["--greyscale"], "No such option '--greyscale'; it is called --gray here."),
        (["--threads=2"], "No such option '--threads'; it is called --jobs here."),
        (["--strides", "3"], "No such option '--strides'; it is called --stride here."),
        (["--pool_size", "3"], "No such option '--pool_size'; it is called --pool-size here."),
        (["-o", "noextension"], "-o noextension: a file's name needs an extension"),
        (["-o", "good.png"], "good.png: the result of good.png would overwrite the image good.png"),
        (["-o", "link.png"], "link.png: the result of good.png would overwrite"),
        (["sub/good.png", "-o", "out/"], "good.png and sub/good.png would both be written there"),
        (["--resume"], "No such option '--resume'; it is called --skip-existing here."),
        (["-p", "3"], "No such option '-p'; in full it is --pool-size or --padding or --progress"),
        (["--wrong"], "No such option"),
        (["--count-include-pad"], "No such option"),
    ],
)
def test_wrong_usage_is_one_line_and_writes_nothing(
    run: Run, tmp_path: Path, words: list[str], reason: str
) -> None:
    save("good.png", np.zeros((4, 4), np.uint8))
    (tmp_path / "sub").mkdir()
    save("sub/good.png", np.zeros((4, 4), np.uint8))
    os.symlink("good.png", "link.png")
    before = sorted(tmp_path.rglob("*"))
    result = run("max", "good.png", *words)
    assert result.status == 2
    assert result.out == ""
    assert result.err.startswith("pooltool: ")
    assert reason in result.err
    assert result.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_two_ways_to_one_output_are_refused(run: Run, tmp_path: Path) -> None:
    """An input that is the would-be output of another is never overwritten."""
    save("a.png", np.zeros((4, 4), np.uint8))
    save("a_max.png", np.ones((4, 4), np.uint8))
    result = run("max", "a.png", "a_max.png")
    assert result.status == 2
    assert (load("a_max.png") == 1).all()
    assert run("max", "a.png").status == 0  # but an old output is replaced
    assert load("a_max.png").shape == (2, 2)


def test_no_arguments(run: Run) -> None:
    nothing = run()
    assert nothing.status == 2
    assert "Usage: pooltool" in nothing.err
    assert run("max").status == 2
    assert "'zoom'" in run("zoom").err
    assert "No such command 'mean'; it is called 'avg' here." in run("mean", "a.png").err


def test_first_mistakes_get_the_answer(run: Run) -> None:
    save("a.png", np.zeros((4, 4), np.uint8))
    save("-x.png", np.zeros((4, 4), np.uint8))
    for words, answer in {
        ("a.png",): "name a method first: pooltool max a.png",
        ("two words.jpg",): "name a method first: pooltool max 'two words.jpg'",
        ("./-x.png", "--pool-size", "3"): "name a method first: pooltool max ./-x.png",
        ("Mean", "a.png"): "No such command 'Mean'; it is called 'avg' here.",
        ("max", "a.png", "--version"): "'--version'; --version is an option of pooltool. (see `poo",
        ("max", "a.png", "--pool-sise=3"): "--pool-size",
        ("max", "a.png", "-o"): "requires an argument. (see `pooltool max --help`)",
        ("max", "a.png", "--ceil-mode=1"): "does not take a value. (see `pooltool max --help`)",
        ("max", "a.png", "-j", "many"): "'many' is not a whole number from 1 to 999999999 (see",
        ("max", "a.jpg", "--quality", "101"): "'101' is not a whole number from 0 to 100 (see",
        ("compare",): "compare takes one image; name it (see",
        ("max", "-x.png"): "if it is a file: -- -x.png",
        ("compare", "-y.jpg"): "if it is a file: -- -y.jpg",
        ("max", "a.png", "--kernel=2.5"): "it is called --pool-size here",
        ("compare", "a.png", "b.png"): "compare takes one image; to write there: -o b.png",
        ("compare", "a.png", "-q", "a.png"): "compare takes one image; run it once for each",
    }.items():
        refused = run(*words)
        assert (refused.status, refused.out) == (2, "")
        assert answer in refused.err
        assert refused.err.count("\n") == 1
    assert run("max", "--", "-x.png").out == "-x.png (4, 4) -> -x_max.png (2, 2)\n"
    assert run("MAX", "a.png").out == "a.png (4, 4) -> a_max.png (2, 2)\n"
    assert run("Compare", "a.png", "-q").status == 0


def test_a_second_name_that_is_not_there_may_be_an_output(run: Run) -> None:
    save("a.png", np.zeros((4, 4), np.uint8))
    result = run("max", "a.png", "two words.png")
    assert (result.status, load("a_max.png").shape) == (1, (2, 2))
    assert result.err.splitlines()[0].endswith("or to write there: -o 'two words.png'")
    os.mkdir("there")
    advice = "it is a directory; add --recursive to pool the images below it"
    assert f"{advice}, or to write there: -o there\n" in run("max", "a.png", "a.png", "there").err
    for words in (["there", "a.png"], ["a.png", "there", "-o", "out"]):
        assert f"{advice}\n" in run("max", *words).err
    for words in (["missing.png"], ["a.png", "b.png", "missing.png"], ["missing.png", "a.png"]):
        assert "to write there" not in run("max", *words).err
    assert "to write there" not in run("max", "a.png", "missing.png", "-o", "out").err


def test_results_of_an_earlier_run_are_not_pooled_again(run: Run) -> None:
    save("a.png", np.zeros((4, 4), np.uint8))
    assert run("max", "a.png").status == 0
    refused = run("max", "a.png", "a_max.png")
    assert refused.status == 2
    assert refused.err.endswith("write elsewhere with -o, or leave out earlier results\n")
    assert run("max", "a.png", "a_max.png", "-o", "out").status == 0


def test_a_dtype_that_holds_no_mean(run: Run) -> None:
    save("a.png", np.zeros((4, 4), np.uint8))
    refused = run("avg", "a.png", "--dtype", "nonsense")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert refused.err == "pooltool: --dtype nonsense is not a numpy dtype such as float32\n"


def test_each_command_says_what_padding_is_to_it(run: Run) -> None:
    for command in ("max", "min", "median", "mode", "avg", "compare"):
        text = " ".join(run(command, "--help").out.split())
        takes_part_in_means = "takes part only in a mean with --count-include-pad" in text
        assert takes_part_in_means == (command in ("avg", "compare"))
        assert takes_part_in_means != ("which never takes part in a result" in text)


def test_an_option_in_the_wrong_place_is_sent_to_the_right_one(run: Run) -> None:
    assert "--stride is an option of max," in run("--stride", "2", "max").err
    assert (
        "'--data-format'; --data-format is an option of max,"
        in run("--data-format", "x", "avg").err
    )
    assert "--indices is an option of max, min." in run("avg", "--indices", "i.npy", "a.png").err
    assert "is an option of" not in run("avg", "--ksize", "2", "a.png").err
    assert "--alpha-weighted is an option of avg." in run("max", "--alpha-weighted", "a.png").err
    assert "'-j'; -j is an option of max, avg" in run("compare", "a.png", "-j", "2").err
    assert "--skip-existing is an option of max," in run("compare", "--skip-existing", "a.png").err


def test_help_and_version_import_neither_numpy_nor_cv2(run_process: Run, tmp_path: Path) -> None:
    for module in ("numpy", "cv2"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('imported')\n")
    for words in (["--help"], ["max", "--help"], ["--version"]):
        result = run_process(*words)  # `python -m` puts the folder with the decoys first
        assert (result.status, result.err) == (0, "")
    assert run_process("--version").out == "pooltool 0.1.0\n"
    assert run_process("max", "a.png").err.strip() == "imported"


def test_permissions_follow_the_umask_and_the_old_file(run_process: Run, tmp_path: Path) -> None:
    save("a.png", np.zeros((4, 4), np.uint8))
    run_process("max", "a.png", umask=0o027)
    assert (tmp_path / "a_max.png").stat().st_mode & 0o777 == 0o640
    (tmp_path / "a_max.png").chmod(0o604)
    run_process("max", "a.png")
    assert (tmp_path / "a_max.png").stat().st_mode & 0o777 == 0o604
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a_max.png"]
