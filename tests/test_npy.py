"""The .npy reader and writer: by rows, within little memory, and nothing but images of numbers."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pooltool import files
from pooltool.errors import FileError, ImageError
from pooltool.images import npy

DTYPES = ("bool", "u1", "<u2", ">u2", "<i4", ">i8", "<u8", "<f2", ">f4", "<f8")
SHAPES = ((7, 5), (7, 5, 3), (1, 9), (9, 1, 2), (300, 41))


def sample(shape: tuple[int, ...], dtype: str) -> Any:
    values = np.random.default_rng(3).integers(0, 100, shape)
    return (values > 50 if dtype == "bool" else values).astype(dtype)


def saved(path: Path, array: Any, version: tuple[int, int] | None = None) -> str:
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version, allow_pickle=True)
    return str(path)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_are_those_of_numpy(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, order: Any
) -> None:
    array = np.asarray(sample(shape, dtype), order=order)
    path = saved(tmp_path / "a.npy", array)
    with npy.open_array(path) as opened:
        assert opened.shape == shape
        assert opened.dtype == array.dtype
        for first, last in ((0, shape[0]), (0, 1), (shape[0] - 1, shape[0]), (0, 0)):
            rows = opened.planes(0, 0, 1, first, last)[0]
            assert rows.flags.c_contiguous
            np.testing.assert_array_equal(rows, array[first:last])
    np.testing.assert_array_equal(npy.loads(Path(path).read_bytes()), array)


def test_columns_in_several_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npy, "_BLOCK", 100)
    array = np.asfortranarray(sample((13, 37, 3), "<u2"))
    with npy.open_array(saved(tmp_path / "a.npy", array)) as opened:
        np.testing.assert_array_equal(opened.planes(0, 0, 1, 4, 11)[0], array[4:11])


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions(tmp_path: Path, version: tuple[int, int]) -> None:
    path = saved(tmp_path / "a.npy", sample((3, 4), "u1"), version)
    with npy.open_array(path) as opened:
        assert opened.shape == (3, 4)


def test_header_of_python_2() -> None:
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (2L, 3L), }\n"
    data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(6)
    assert npy.loads(data).shape == (2, 3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_writing_is_read_by_numpy(dtype: str) -> None:
    array = sample((11, 6, 2), dtype)
    file = io.BytesIO()
    native = array.astype(array.dtype.newbyteorder("="))
    npy.write(file, array.shape, array.dtype, (native[at : at + 4] for at in (0, 4, 8)))
    for data in (file.getvalue(), npy.dumps(array)):
        loaded = np.load(io.BytesIO(data))
        np.testing.assert_array_equal(loaded, array)
        assert loaded.dtype == native.dtype


@pytest.mark.parametrize("rows", [4, 6])
def test_bands_must_make_up_the_array(rows: int) -> None:
    with pytest.raises(ValueError, match=r"no part|missing"):
        npy.write(io.BytesIO(), (5, 2), np.dtype("u1"), [np.zeros((rows, 2), np.uint8)])


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros(5), "save it as"),
        (np.zeros((1, 2, 3, 4, 5)), "save it as"),
        (np.zeros(()), "save it as"),
        (np.zeros((0, 4)), "empty"),
        (np.zeros((2, 2), complex), "complex128"),
        (np.array([[{}, []]], object), "Python objects"),
        (np.array([["a"]]), "U1"),
        (np.zeros((2, 2), "f8,u1"), "save real numbers"),
        (np.zeros((2, 2), "M8[s]"), "datetime"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, array: Any, reason: str) -> None:
    path = saved(tmp_path / "a.npy", array)
    with pytest.raises(ImageError, match=reason) as raised, npy.open_array(path):
        pass
    assert "\n" not in str(raised.value)


def test_cut_files_are_refused(tmp_path: Path) -> None:
    whole = npy.dumps(sample((5, 6), "u1"))
    for size in range(len(whole)):
        path = tmp_path / "cut.npy"
        path.write_bytes(whole[:size])
        with pytest.raises(ImageError), npy.open_array(str(path)):
            pass


def test_a_second_array_is_not_lost_in_silence() -> None:
    with pytest.raises(ImageError, match="more than one array"):
        npy.loads(npy.dumps(sample((5, 6), "u1")) * 2)


@pytest.mark.parametrize("shape", ["(-1, 5)", "(1e9, 5)", "(True, 5)", "[5, 5]", "(10**30, 5)"])
def test_lying_headers(shape: str) -> None:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(25)
    with pytest.raises(ImageError):
        npy.loads(data)


def test_huge_header_is_refused_before_it_is_read() -> None:
    with pytest.raises(ImageError, match="header"):
        npy.loads(b"\x93NUMPY\x02\x00" + b"\xff" * 4 + b" " * 100)


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npy", np.zeros((1000, 1000), np.uint8))
    with npy.open_array(path) as opened:
        os.truncate(path, 5000)
        with pytest.raises(ImageError, match="shorter"):
            opened.planes(0, 0, 1, 0, 1000)[0]


def test_missing_file_has_a_reason() -> None:
    with pytest.raises(FileError, match="no such file"), npy.open_array("/nowhere/a.npy"):
        pass


def test_telling_arrays_from_other_files(tmp_path: Path) -> None:
    assert npy.is_array_file(saved(tmp_path / "a.npy", np.zeros((2, 2))))
    files.write(str(tmp_path / "b.npy"), b"P5 1 1 255\n\0")
    assert not npy.is_array_file(str(tmp_path / "b.npy"))
    assert not npy.is_array_file(str(tmp_path))
    assert not npy.is_array_file("no\0name")


MEMORY = """
import sys
import numpy as np
from pooltool import files
from pooltool.images import npy
with npy.open_array(sys.argv[1]) as source, files.replacing(sys.argv[2]) as out:
    bands = (source.planes(0, 0, 1, at, at + 64)[0] for at in range(0, source.shape[0], 64))
    npy.write(out, source.shape, source.dtype, bands)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("fortran", [False, True])
def test_a_large_array_takes_little_memory(tmp_path: Path, fortran: bool) -> None:
    shape = (256, 1 << 20) if fortran else (1 << 13, 1 << 15)
    path, out = tmp_path / "large.npy", tmp_path / "out.npy"
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": fortran, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 256 * (1 << 20))
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, path, out], capture_output=True, check=True, text=True
    )
    assert int(done.stdout) < 200_000 + (64 << 10 if fortran else 0)
    assert out.stat().st_size > 256 << 20
