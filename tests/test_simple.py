"""What HDR files hold, by writing them and reading them back, and how frames of GIF are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import kinds_simple as kinds
import numpy as np
import pytest
from conftest import Run
from samples import Array, swapped

from pooltool import images
from pooltool.errors import DamageError, ImageError
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


class GifFrame(NamedTuple):
    indices: Array
    left: int
    top: int
    disposal: int
    clear: int
    """The index that stands for transparent; none of them where it is 9."""

    def packed(self, *, with_table: bool) -> bytes:
        image = kinds.gif_image(self.indices, self.left, self.top)
        if with_table:
            image = image[:9] + bytes([image[9] | 0x82]) + kinds.TABLE.tobytes() + image[10:]
        clear = None if self.clear == 9 else self.clear
        return kinds.control(self.disposal, 5, clear) + image


def drawn(frames: Sequence[GifFrame], size: tuple[int, int]) -> list[Array]:
    """The indices that browsers show of each frame, -1 for transparent."""
    canvas, shown = np.full(size, -1), []
    for frame in frames:
        before, (height, width) = canvas.copy(), frame.indices.shape
        area = canvas[frame.top : frame.top + height, frame.left : frame.left + width]
        solid = frame.indices != frame.clear
        area[solid] = frame.indices[solid]
        shown.append(canvas.copy())
        if frame.disposal == 2:
            area[...] = -1
        elif frame.disposal == 3:
            canvas = before
    return shown


def some_frames(dice: np.random.Generator) -> tuple[list[GifFrame], tuple[int, int]]:
    """Two to four frames inside of a small canvas, the first of which may cover all of it."""
    size, frames = (int(dice.integers(2, 7)), int(dice.integers(2, 7))), []
    for number in range(dice.integers(2, 5)):
        top, left = (int(dice.integers(0, side)) for side in size)
        if not number and dice.random() < 0.7:
            top = left = 0
        sides = size[0] - top, size[1] - left
        if number:
            sides = int(dice.integers(1, sides[0] + 1)), int(dice.integers(1, sides[1] + 1))
        clear = int(dice.choice([9, *range(6)]))
        indices = dice.integers(0, 6, sides)
        frames.append(GifFrame(indices, left, top, int(dice.integers(0, 4)), clear))
    return frames, size


@pytest.mark.parametrize("tables", ["one", "each", "no shared one"])
def test_frames_of_gif_are_drawn_as_browsers_do_it(tables: str) -> None:
    dice = np.random.default_rng(17)
    for _ in range(100):
        frames, size = some_frames(dice)
        parts = [frame.packed(with_table=tables != "one") for frame in frames]
        data = kinds.gif_of(*parts, size=size)
        if tables == "no shared one":
            data = data[:10] + b"\x70\0\0" + data[13 + kinds.TABLE.nbytes :]
        picture = images.decode(data)
        for pixels, wanted in zip(picture.frames, drawn(frames, size), strict=True):
            right = kinds.colored(wanted)
            if pixels.shape[2] == 3:
                assert (right[..., 3] == 255).all()
                right = right[..., :3]
            np.testing.assert_array_equal(swapped(pixels), right)
        assert picture.durations == (50,) * len(frames)


def test_a_gif_of_one_frame_is_no_animation() -> None:
    picture = images.decode(kinds.gif_of(kinds.control(), kinds.gif_image(kinds.A)))
    assert b"acTL" not in images.encode(picture, formats.PNG).data
    moving = kinds.gif_of(*[kinds.control(), kinds.gif_image(kinds.A)] * 3)
    assert images.decode(moving).durations == (50, 50, 50)
    one = images.decode(moving, frame=1)
    assert b"acTL" not in images.encode(one, formats.PNG).data


def test_what_pillow_says_of_a_file_names_no_address() -> None:
    with pytest.raises(
        ImageError, match=r"a kind of PSD that is not read \(cannot .*\)"
    ) as refused:
        images.decode(b"8BPS\0\1" + bytes(60))
    assert "0x" not in str(refused.value)


def test_more_frames_than_the_size_of_a_file_makes_likely_are_refused() -> None:
    small, large = b"P5 1 1 255\n\0", b"P5 50 20 255\n" + bytes(1000)
    assert len(images.decode(small * 5000).frames) == 5000
    assert len(images.decode(large * 6000).frames) == 6000
    with pytest.raises(DamageError, match="its 72000 bytes are too few for 6000 frames"):
        images.decode(small * 6000)
