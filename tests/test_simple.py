"""What HDR and netpbm files hold and keep, by writing them and reading them back."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Run

from pooltool import images
from pooltool.errors import ImageError
from pooltool.images import Picture, formats

TOP = np.nextafter(np.float32(2.0**127), np.float32(0))


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-32, 0.75, 1e9, TOP])
def test_hdr_holds_what_can_be_read_back(value: float) -> None:
    for width in (3, 40):  # flat and run-length lines
        pixels = np.full((5, width, 3), value, np.float32)
        data = images.encode(Picture((pixels,), formats.HDR), formats.HDR).data
        back = images.decode(data).frames[0]
        np.testing.assert_allclose(back, pixels, rtol=1 / 128)


@pytest.mark.parametrize("value", [-1e-30, -1.0, 2.0**127, np.inf, -np.inf, np.nan])
def test_hdr_refuses_what_would_become_another_color(value: float) -> None:
    pixels = np.ones((5, 9, 3), np.float32)
    pixels[2, 3, 1] = value
    with pytest.raises(ImageError, match=r"^HDR cannot hold values .* use pfm, tif or npy$"):
        images.encode(Picture((pixels,), formats.HDR), formats.HDR)
    for format in (formats.PFM, formats.TIFF, formats.NPY):
        data = images.encode(Picture((pixels,), format), format).data
        np.testing.assert_array_equal(images.decode(data).frames[0], pixels)


def test_a_negative_float_never_becomes_a_bright_pixel(run: Run, tmp_path: Path) -> None:
    pixels = np.ones((4, 4, 3), np.float32)
    pixels[:2, :2] = -0.1
    (tmp_path / "a.pfm").write_bytes(cv2.imencode(".pfm", pixels)[1].tobytes())
    done = run("max", "a.pfm", "-o", "a.hdr")
    assert done.status == 1
    assert "use pfm, tif or npy" in done.err
    assert not (tmp_path / "a.hdr").exists()
    assert run("max", "a.pfm", "-o", "b.pfm").status == 0


@pytest.mark.parametrize("name", ["jp2", "bmp", "hdr"])
def test_more_rows_than_opencv_reads_are_told_with_the_remedy(name: str) -> None:
    format = formats.format_for(name)
    width = format.sides[0]
    pixels = np.zeros(((1 << 20) + 1, width, 3), "f4" if name == "hdr" else "u1")
    data = images.encode(Picture((pixels,), format), format).data
    with pytest.raises(ImageError, match=r"1048577 rows.* OPENCV_IO_MAX_IMAGE_HEIGHT=1048577"):
        images.decode(data)
