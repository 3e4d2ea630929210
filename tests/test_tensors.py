"""Tensors, labels, indices and alpha on the command line."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from conftest import Run, load, save
from numpy.typing import NDArray
from PIL import Image

from pooltool import avg_pool2d, max_pool2d, median_pool2d

Array = NDArray[Any]
rng = np.random.default_rng(14)
TENSOR = rng.standard_normal((3, 4, 11, 14)).astype(np.float32)
"""(N, C, H, W)"""


@pytest.mark.parametrize("band_bytes", [1, 200, 5000, 1 << 25])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("padding", [[], ["--stride", 2, "--padding", 1]])
@pytest.mark.parametrize(("first", "shape"), [(True, 4), (False, 4), (True, 3), (False, 3)])
def test_arrays_of_every_layout_are_pooled_plane_by_plane(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    band_bytes: int,
    order: Any,
    padding: list[Any],
    first: bool,
    shape: int,
) -> None:
    monkeypatch.setattr("pooltool.job.PART_BYTES", band_bytes)
    array = TENSOR if shape == 4 else TENSOR[1]
    if not first:
        array = np.moveaxis(array, -3, -1)
    save("a.npy", np.asarray(array, order=order))
    layout = "channels_first" if first else "channels_last"
    # Of 11 rows, all lie in windows with the padding; without it the last two lie in none.
    words = ["--pool-size", 3, *padding]
    for method in ("max", "avg", "median"):
        assert run(method, "a.npy", "--data-format", layout, *words).err == ""
        rows = slice(-2, None) if first else slice(-3, -1)
        got = np.load(f"a_{method}.npy")
        height, width = got.shape[rows]
        functions = {"max": max_pool2d, "avg": avg_pool2d, "median": median_pool2d}
        function: Any = functions[method]
        planes = got if first else np.moveaxis(got, -1, -3)
        wanted = TENSOR.reshape(-1, 11, 14) if shape == 4 else TENSOR[1]
        settings = {"stride": 2, "padding": 1} if padding else {}
        for plane, pixels in zip(planes.reshape(-1, height, width), wanted, strict=True):
            np.testing.assert_array_equal(plane, function(pixels, 3, **settings))


def test_a_shape_that_looks_like_channels_first_is_told(run: Run) -> None:
    for shape, told in [((3, 20, 30), True), ((2, 3, 20, 30), True), ((20, 30, 3), False),
                        ((3, 20, 4), False), ((20, 30), False), ((5, 64, 64), True)]:  # fmt: skip
        save("a.npy", np.zeros(shape, np.uint8))
        assert ("use --data-format channels_first" in run("max", "a.npy").err) == told
        assert run("max", "a.npy", "--data-format", "channels_last").err == ""


def test_frames_become_an_array_and_an_array_frames(run: Run) -> None:
    frames = rng.integers(0, 256, (3, 8, 10, 3), np.uint8)
    tifffile.imwrite("pages.tif", frames, photometric="rgb")
    run("max", "pages.tif", "-o", "pages.npy")
    np.testing.assert_array_equal(np.load("pages.npy"), [max_pool2d(frame) for frame in frames])
    run("max", "--pool-size", 1, "pages.npy", "--data-format", "channels_last", "-o", "back.tif")
    np.testing.assert_array_equal(tifffile.imread("back.tif"), np.load("pages.npy"))
    save("first.npy", np.moveaxis(frames, -1, 1))
    run("max", "first.npy", "--data-format", "channels_first", "-o", "a.png", "--frame", 1)
    np.testing.assert_array_equal(load("a.png")[..., ::-1], max_pool2d(frames[1]))
    run("max", "first.npy", "--data-format", "channels_first", "-o", "b.npy", "--frame", 1)
    np.testing.assert_array_equal(np.load("b.npy"), np.moveaxis(max_pool2d(frames[1]), -1, 0))
    words = ["-o", "c.npy", "--data-format", "channels_first", "--indices", "i.npy"]
    run("max", "pages.tif", *words)
    np.testing.assert_array_equal(np.load("c.npy"), np.moveaxis(np.load("pages.npy"), -1, 1))
    assert np.load("i.npy").shape == np.load("c.npy").shape
    run("max", "first.npy", "--data-format", "channels_first", "-o", "moving.png")
    with Image.open("moving.png") as moving:
        assert getattr(moving, "n_frames", 1) == 3


def test_where_each_value_lies(run: Run) -> None:
    pixels = rng.integers(0, 9, (8, 10, 3), np.uint8)
    Image.fromarray(pixels).save("a.png")
    for words in (["max", "a.png", "-o", "b.png"], ["max", "a.npy"]):
        save("a.npy", pixels)
        assert run(*words, "--indices", "where.npy").status == 0
        where = np.load("where.npy")
        assert where.dtype == np.int64
        for row, column, channel in product(range(4), range(5), range(3)):
            window = pixels[2 * row : 2 * row + 2, 2 * column : 2 * column + 2, channel]
            best = np.unravel_index(window.argmax(), (2, 2))
            place = (2 * row + best[0]) * 10 + 2 * column + best[1]
            assert where[row, column, channel] == place
    for words, reason in [
        (["a.png", "--indices", "where.txt"], "and the name of a .npy file"),
        (["a.png", "a.npy", "-o", "d/", "--indices", "w.npy"], "takes one image"),
        (["a.npy", "--indices", "a.npy", "-o", "b.npy"], "would overwrite the image a.npy"),
        (["a.png", "--indices", "b.npy", "-o", "b.npy"], "--indices b.npy is the result"),
    ]:
        refused = run("max", *words)
        assert (refused.status, refused.err.count("\n")) == (2, 1)
        assert reason in refused.err


def test_labels_stay_labels(run: Run) -> None:
    palette = rng.integers(0, 256, (7, 3), np.uint8)
    labels = rng.integers(0, 7, (21, 16))
    image = Image.fromarray(labels.astype(np.uint8), "P")
    image.putpalette(palette.tobytes())
    image.save("palette.png")
    Image.fromarray(palette[labels]).save("rgb.png")
    for name in ("palette.png", "rgb.png"):
        run("mode", name, "--pool-size", "3x2", "-o", "mode.png")
        got = load("mode.png")[..., ::-1]
        for row, column in product(range(7), range(8)):
            window = palette[labels][3 * row : 3 * row + 3, 2 * column : 2 * column + 2]
            colors, counts = np.unique(window.reshape(-1, 3), axis=0, return_counts=True)
            most = colors[counts == counts.max()].tolist()
            assert got[row, column].tolist() in most


def test_alpha_weighs_colors(run: Run) -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[...] = 0, 255, 0, 0
    pixels[0, 0] = 255, 0, 0, 255
    for name in ("a.png", "a.npy"):
        Image.fromarray(pixels).save("a.png")
        save("a.npy", pixels)
        out = f"out{Path(name).suffix}"

        def result(out: str = out) -> list[int]:
            pooled = load(out)[0, 0]
            order = [2, 1, 0, 3] if out == "out.png" else [0, 1, 2, 3]
            return [int(pooled[index]) for index in order]

        run("avg", name, "-o", out)
        assert result() == [64, 191, 0, 64]
        run("avg", name, "-o", out, "--alpha-weighted")
        assert result() == [255, 0, 0, 64]
    Image.fromarray(pixels[..., :3]).save("opaque.png")
    refused = run("avg", "opaque.png", "--alpha-weighted")
    assert (refused.status, refused.err) == (
        1, "pooltool: opaque.png: it has no alpha to weigh by; leave out --alpha-weighted\n"
    )  # fmt: skip


def test_means_that_are_not_rounded(run: Run) -> None:
    pixels = rng.integers(0, 256, (9, 12), np.uint8)
    save("a.png", pixels)
    for out in ("a.npy", "a.tif", "a.pfm"):
        assert run("avg", "a.png", "--dtype", "float32", "-o", out).status == 0
    np.testing.assert_array_equal(np.load("a.npy"), avg_pool2d(pixels))
    np.testing.assert_array_equal(tifffile.imread("a.tif"), avg_pool2d(pixels))
    save("b.npy", pixels)
    run("avg", "b.npy", "--dtype", "float64")
    np.testing.assert_array_equal(np.load("b_avg.npy"), avg_pool2d(pixels, dtype="float64"))
    refused = run("avg", "a.png", "--dtype", "float32", "-o", "b.png")
    assert "PNG cannot hold float32 values; use tif, pfm or npy" in refused.err
    refused = run("avg", "a.png", "--dtype", "complex64")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "--dtype complex64 cannot hold an average" in refused.err
    assert run("max", "a.png", "--dtype", "float32").status == 2


def test_nan_that_is_skipped(run: Run) -> None:
    save("a.npy", np.array([[1, np.nan, np.nan, np.nan], [3, 2, np.nan, np.nan]]))
    for method, value in (("max", 3), ("min", 1), ("avg", 2), ("median", 2)):
        run(method, "a.npy")
        assert np.isnan(np.load(f"a_{method}.npy")).all()
        run(method, "a.npy", "--skip-nan")
        np.testing.assert_array_equal(np.load(f"a_{method}.npy"), [[value, np.nan]])


def test_indices_are_an_output_like_the_result(run: Run, tmp_path: Path) -> None:
    save("a.png", rng.integers(0, 9, (4, 4), np.uint8))
    refused = run("max", "a.png", "-o", "b.png", "--indices", "no/i.npy")
    assert (refused.status, (tmp_path / "b.png").exists()) == (2, False)
    assert refused.err == "pooltool: --indices no/i.npy: its folder does not exist; make it first\n"
    run("max", "a.png", "-o", "b.png")
    words = ["max", "a.png", "-o", "b.png", "--indices", "i.npy", "--skip-existing"]
    assert "skipped" not in run(*words).out
    assert np.load("i.npy").shape == (2, 2)
    assert "skipped: it exists" in run(*words).out


def test_a_write_error_names_its_own_file(run: Run, tmp_path: Path) -> None:
    save("a.npy", rng.integers(0, 9, (4, 4), np.uint8))
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "result.npy").symlink_to("nowhere/result.npy")
    for words, name in (
        ("b.npy --indices folder.npy", "folder.npy"),
        ("b.npy --indices folder.npy --skip-existing", "folder.npy"),
        ("result.npy --indices i.npy", "result.npy"),
    ):
        told = run("max", "a.npy", "-o", *words.split()).err
        assert (told.count("\n"), told.count("cannot write"), name in told) == (1, 1, True), told


def test_errors_speak_of_options(run: Run) -> None:
    save("a.npy", np.full((4, 4), np.nan))
    told = run("avg", "a.npy", "--dtype", "uint8").err
    assert told.startswith("pooltool: a.npy: --dtype uint8: the average of a window is NaN")
    told = run("max", "a.npy", "--output-size", "999999999").err
    assert "--output-size 999999999 is more than" in told
