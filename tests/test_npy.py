"""The .npy reader and writer: by rows, within little memory, and nothing but images of numbers."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run

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
        assert opened.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
        for rows in (slice(0, shape[0]), slice(0, 1), slice(shape[0] - 1, shape[0])):
            part = opened.part(rows.start * array[0].size, array[rows].shape)
            assert not part.flags.writeable
            np.testing.assert_array_equal(part, array[rows])
    loaded = npy.loaded(Path(path).read_bytes())
    np.testing.assert_array_equal(loaded.part(0, shape), array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_versions(tmp_path: Path, version: tuple[int, int]) -> None:
    path = saved(tmp_path / "a.npy", sample((3, 4), "u1"), version)
    with npy.open_array(path) as opened:
        assert opened.shape == (3, 4)


def with_header(text: str, numbers: bytes, version: int = 1) -> bytes:
    """A .npy file with a header of one's own."""
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + numbers


def test_a_header_of_python_2() -> None:
    text = "{'descr': '|u1', 'fortran_order': False, 'shape': (2L, 3L), }"
    array = npy.loaded(with_header(text, bytes(range(6)))).part(0, (2, 3))
    np.testing.assert_array_equal(array, np.arange(6).reshape(2, 3))


@pytest.mark.parametrize("dtype", DTYPES)
def test_writing_is_read_by_numpy(dtype: str) -> None:
    array = sample((11, 6, 2), dtype)
    file = io.BytesIO()
    file.write(npy.head_of(array.shape, array.dtype))
    for part in np.split(array, [4, 8]):
        file.write(npy.bytes_of(part))
    for data in (file.getvalue(), npy.dumps(array)):
        loaded = np.load(io.BytesIO(data))
        np.testing.assert_array_equal(loaded, array)
        assert loaded.dtype == array.dtype.newbyteorder("=")


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros(5), "not empty as"),
        (np.zeros((1, 2, 3, 4, 5)), "not empty as"),
        (np.zeros(()), "not empty as"),
        (np.zeros((0, 4)), "empty"),
        (np.zeros((2, 2), complex), "complex128"),
        (np.array([[{}, []]], object), "object values"),
        (np.array([["a"]]), "U1"),
        (np.zeros((2, 2), "f8,u1"), "save real numbers"),
        (np.zeros((2, 2), [("long" * 9000, "f8"), ("names", "f8")]), "save real numbers"),
        (np.zeros((2, 2), [(f"field{i}", "f8") for i in range(900)]), "save real numbers"),
        (np.zeros((2, 2), "M8[s]"), "datetime"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, array: Any, reason: str) -> None:
    path = saved(tmp_path / "a.npy", array)
    with pytest.raises(ImageError, match=reason) as raised, npy.open_array(path):
        pass
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200


def test_cut_files_are_refused(tmp_path: Path) -> None:
    whole = npy.dumps(sample((5, 6), "u1"))
    for size in range(len(whole)):
        path = tmp_path / "cut.npy"
        path.write_bytes(whole[:size])
        with pytest.raises(ImageError), npy.open_array(str(path)):
            pass


def test_a_second_array_is_not_lost_in_silence() -> None:
    with pytest.raises(ImageError, match="more than one array"):
        npy.loaded(npy.dumps(sample((5, 6), "u1")) * 2)


@pytest.mark.parametrize(
    "shape",
    [
        "(-1, 5)",
        "(1e9, 5)",
        "(True, 5)",
        "[5, 5]",
        "(10**30, 5)",
        f"(0x{'f' * 5000}, 5)",
        f"({'9' * 5000}, 5)",
        f"({'5, ' * 9000})",
        "5",
        "(os.system('true'), 5)",
    ],
    ids=lambda shape: shape[:20],
)
def test_lying_headers(shape: str) -> None:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}\n"
    with pytest.raises(ImageError, match=r"^.{1,250}$"):
        npy.loaded(with_header(text, bytes(25), 2))


def test_huge_header_is_refused_before_it_is_read() -> None:
    with pytest.raises(ImageError, match="header"):
        npy.loaded(b"\x93NUMPY\x02\x00" + b"\xff" * 4 + b" " * 100)


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npy", np.zeros((1000, 1000), np.uint8))
    with npy.open_array(path) as opened:
        os.truncate(path, 5000)
        with pytest.raises(ImageError, match="shorter"):
            opened.part(0, (1000, 1000))


@pytest.mark.parametrize(
    ("code", "words"),
    [("ENOMEM", "a.npy: there is not enough memory"), ("ENODEV", "a.npy: it cannot be mapped")],
)
def test_an_array_that_cannot_be_mapped(
    run: Run, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    saved(Path("a.npy"), np.zeros((4, 4)))

    def fails(*_: object) -> None:
        raise OSError(getattr(errno, code), "cannot be mapped")

    monkeypatch.setattr(np, "memmap", fails)
    result = run("max", "a.npy")
    assert result.status == 1
    assert result.err.startswith(f"pooltool: {words}")
    assert os.listdir() == ["a.npy"]


def test_missing_file_has_a_reason() -> None:
    with pytest.raises(FileError, match="no such file"), npy.open_array("/nowhere/a.npy"):
        pass


def test_telling_arrays_from_other_files(tmp_path: Path) -> None:
    assert npy.is_array_file(saved(tmp_path / "a.npy", np.zeros((2, 2))))
    files.write(str(tmp_path / "b.npy"), b"P5 1 1 255\n\0")
    assert not npy.is_array_file(str(tmp_path / "b.npy"))
    assert not npy.is_array_file(str(tmp_path))
    assert not npy.is_array_file("no\0name")
