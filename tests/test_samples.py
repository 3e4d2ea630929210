"""The sample images: what they are, and that the mountain shows what pooling does."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SAMPLES, load

from pooltool import avg_pool2d, max_pool2d


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("mountain.jpg", (700, 1024, 3), "u1"),
        ("lecture.pgm", (4, 4), "u1"),
        ("lecture_noisy.pgm", (4, 4), "u1"),
        ("depth16.png", (241, 319), "u2"),
        ("badge.png", (151, 203, 4), "u1"),
    ],
)
def test_shapes(name: str, shape: tuple[int, ...], dtype: str) -> None:
    pixels = load(SAMPLES / name)
    assert pixels.shape == shape
    assert pixels.dtype == np.dtype(dtype)


def test_the_grids_are_the_lectures_and_can_be_edited() -> None:
    assert (SAMPLES / "lecture.pgm").read_text().startswith("P2\n")
    grid, noisy = load(SAMPLES / "lecture.pgm"), load(SAMPLES / "lecture_noisy.pgm")
    assert grid.tolist() == [[0, 3, 3, 0], [2, 7, 6, 8], [0, 1, 7, 6], [1, 3, 5, 6]]
    assert noisy.tolist() == [[1, 3, 2, 0], [2, 7, 6, 8], [0, 2, 7, 3], [1, 3, 5, 6]]


def test_max_and_average_differ_visibly() -> None:
    mountain = load(SAMPLES / "mountain.jpg")
    assert max_pool2d(mountain, 4).mean() - avg_pool2d(mountain, 4).mean() > 10


def test_size() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 2_000_000
