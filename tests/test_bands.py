"""A .npy file is pooled by parts, so that it may be larger than memory."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from conftest import ROOT, load

from pooltool import avg_pool2d, job, max_pool2d
from pooltool.geometry import DataFormat, Windows
from pooltool.images import npy
from pooltool.job import Job, Settings, pool_file
from pooltool.kernels import Method, Pooling, pool2d
from pooltool.kernels.ranks import indices2d

WINDOWS: list[Windows] = [
    Windows.of(2),
    Windows.of(3, 2, ceil_mode=True),
    Windows.of(5, 1, "same"),
    Windows.of((4, 3), (3, 1), (2, 1), 2, True),
    Windows.of(2, 7),
    Windows.adaptive((7, 5)),
    Windows.adaptive((50, 3)),
    Windows.adaptive(1),
]


SHAPES: dict[DataFormat, list[tuple[int, ...]]] = {
    "channels_last": [(41, 23), (41, 23, 2), (3, 41, 23, 2)],
    "channels_first": [(2, 41, 23), (3, 2, 41, 23)],
}


@pytest.mark.parametrize("windows", WINDOWS, ids=str)
@pytest.mark.parametrize("method", ["max", "min", "avg"])
@pytest.mark.parametrize("layout", ["C", "F", ">"])
@pytest.mark.parametrize("data_format", SHAPES)
def test_parts_do_not_show(
    windows: Windows,
    method: Method,
    layout: str,
    data_format: DataFormat,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pooling = Pooling(method, windows, count_include_pad=True)
    indices = None if method == "avg" else str(tmp_path / "i.npy")
    settings = Settings(pooling, data_format=data_format, indices=indices)
    arrays = Job(str(tmp_path / "a.npy"), str(tmp_path / "b.npy"), "npy")
    for shape in SHAPES[data_format]:
        image = np.random.default_rng(4).standard_normal(shape).astype(np.float32)
        stored = {"C": image, "F": np.asfortranarray(image), ">": image.astype(">f4")}[layout]
        np.save(tmp_path / "a.npy", stored)
        wanted = pool2d(image, pooling, data_format=data_format)
        for part_bytes in (1, 1000, 1 << 20):
            monkeypatch.setattr(job, "PART_BYTES", part_bytes)
            outcome = pool_file(arrays, settings)
            assert (outcome.status, outcome.error) == ("ok", None)
            assert outcome.output_shape == wanted.shape
            assert load(tmp_path / "b.npy").tobytes() == wanted.tobytes()
            if indices:
                axes = windows.axes(shape, data_format)
                places = indices2d(image, wanted, *axes, data_format=data_format)
                np.testing.assert_array_equal(load(indices), places)


@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("data_format", SHAPES)
def test_an_array_from_a_pipe_is_pooled_as_a_file_is(
    layout: Literal["C", "F"],
    data_format: DataFormat,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outputs = str(tmp_path / "b.npy"), str(tmp_path / "i.npy")
    for shape in [*SHAPES[data_format], (1, 2, 6, 4)]:
        image = np.random.default_rng(4).integers(0, 9, shape).astype(np.int16)
        np.save(tmp_path / "a.npy", np.asarray(image, order=layout))
        data = (tmp_path / "a.npy").read_bytes()
        monkeypatch.setattr("pooltool.files.read", lambda path, data=data: data)
        settings = Settings(
            Pooling("max", Windows.of(2)), data_format=data_format, indices=outputs[1]
        )
        results = []
        for name in ("-", str(tmp_path / "a.npy")):
            outcome = pool_file(Job(name, outputs[0], None), settings)
            assert (outcome.error, outcome.input_shape) == (None, shape)
            results.append([Path(output).read_bytes() for output in outputs])
        assert results[0] == results[1]


@pytest.mark.parametrize("data_format", SHAPES)
def test_parts_are_small(data_format: DataFormat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "PART_BYTES", 700)
    for shape in SHAPES[data_format]:
        axis = len(shape) - 2 if data_format == "channels_first" else max(0, len(shape) - 3)
        rows, _ = Windows.of(2).axes(shape, data_format)
        array = npy.ArrayFile(bytes(math.prod(shape)), shape, np.dtype("u1"), 0)
        parts = [pixels.nbytes for pixels, _, _ in job._parts(array, rows, axis)]
        assert max(parts) <= 700
        assert sum(parts) == math.prod(shape) // 41 * 40  # the last row is in no window


def test_memory_stays_small(tmp_path: Path) -> None:
    """A sparse array of 1 GB is pooled in much less; so would be one of any size."""
    rows, columns = 32768, 32768
    array = np.lib.format.open_memmap(
        tmp_path / "large.npy", mode="w+", dtype=np.uint8, shape=(rows, columns)
    )
    array[12345, 6789], array[-1, -1] = 200, 100
    del array
    program = (
        "import sys; from pooltool.cli import main; status = main();"
        "print(open('/proc/self/status').read()); sys.exit(status)"
    )
    words = ["max", "large.npy", "--pool-size", "64", "-q"]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    peak = re.search(r"VmHWM:\s*(\d+) kB", done.stdout)
    assert peak
    assert int(peak[1]) <= 200_000
    result = load(tmp_path / "large_max.npy")
    assert result.shape == (512, 512)
    assert (result[12345 // 64, 6789 // 64], result[-1, -1], result.sum()) == (200, 100, 300)


def test_a_cut_array_leaves_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((100, 100)))
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data[:-5])
    arrays = Job(str(tmp_path / "a.npy"), str(tmp_path / "b.npy"), "npy")
    outcome = pool_file(arrays, Settings(Pooling("max", Windows.of(2))))
    assert outcome.status == "failed"
    assert "it is truncated" in str(outcome.error)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_averages_by_parts_are_rounded_into_the_dtype(tmp_path: Path) -> None:
    image = np.random.default_rng(4).integers(0, 256, (9, 8), np.uint8)
    np.save(tmp_path / "a.npy", image)
    arrays = Job(str(tmp_path / "a.npy"), str(tmp_path / "b.npy"), "npy")
    pool_file(arrays, Settings(Pooling("avg", Windows.of(2))))
    np.testing.assert_array_equal(load(tmp_path / "b.npy"), avg_pool2d(image, dtype=np.uint8))
    pool_file(arrays, Settings(Pooling("max", Windows.of(3))))
    np.testing.assert_array_equal(load(tmp_path / "b.npy"), max_pool2d(image, 3))
