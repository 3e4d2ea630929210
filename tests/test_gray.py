"""`--gray` gives the pixels of `cv2.imread(name, cv2.IMREAD_GRAYSCALE)`, as lectures read them."""

from __future__ import annotations

import io
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import SAMPLES, Run
from PIL import Image
from samples import Array, pil, pixels, png_chunk, smooth, tiff

from pooltool import images
from pooltool.images import Picture, formats

PHOTO = smooth((37, 46))
ALPHA = np.dstack([PHOTO, PHOTO[::-1, :, 0]])
DEEP = pixels("uint16", 3)
GAMMA = png_chunk(b"gAMA", struct.pack(">I", 45455))
ORIENTATIONS = range(1, 9)


def pool2d_max(image: Array, height: int, width: int) -> Array:
    """The largest pixel of each window, one window after the other."""
    rows, columns = image.shape[0] // height, image.shape[1] // width
    pooled = np.zeros((rows, columns), image.dtype)
    for row in range(rows):
        for column in range(columns):
            window = image[row * height : (row + 1) * height, column * width : (column + 1) * width]
            pooled[row, column] = window.max()
    return pooled


def pool2d_mean(image: Array, height: int, width: int) -> Array:
    """The mean of each window, one window after the other."""
    rows, columns = image.shape[0] // height, image.shape[1] // width
    pooled = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            window = image[row * height : (row + 1) * height, column * width : (column + 1) * width]
            pooled[row, column] = window.mean()
    return pooled


def test_the_lecture_and_the_command_give_the_same_pixels(run: Run, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "mountain.jpg", tmp_path)
    image = cv2.imread(str(tmp_path / "mountain.jpg"), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    window = ("--gray", "--pool-size", "4x3")
    assert run("max", *window, "mountain.jpg", "-o", "max.png").status == 0
    largest = cv2.imread(str(tmp_path / "max.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(largest, pool2d_max(image, 4, 3))
    means = pool2d_mean(image, 4, 3)
    assert run("avg", *window, "mountain.jpg", "-o", "avg.png").status == 0
    rounded = cv2.imread(str(tmp_path / "avg.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(rounded, np.rint(means))
    exact = (*window, "--dtype", "float64", "mountain.jpg", "-o", "avg.npy")
    assert run("avg", *exact).status == 0
    np.testing.assert_allclose(np.load(tmp_path / "avg.npy"), means, rtol=1e-12)


def turned(format: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return pil(PHOTO, format, exif=exif)


def own(format: formats.Format, array: Array) -> bytes:
    return images.encode(Picture((array,), format), format).data


def cmyk() -> bytes:
    file = io.BytesIO()
    Image.fromarray(PHOTO).convert("CMYK").save(file, "JPEG")
    return file.getvalue()


def palette(format: str, **settings: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PHOTO).convert("P", palette=Image.Palette.ADAPTIVE).save(
        file, format, **settings
    )
    return file.getvalue()


def with_gamma() -> bytes:
    data = pil(ALPHA, "PNG")
    return data[:33] + GAMMA + data[33:]


KINDS: dict[str, Callable[[], bytes]] = {
    **{
        f"{format} orientation {number}": lambda format=format, number=number: turned(  # type: ignore[misc]
            format, number
        )
        for format in ("JPEG", "PNG", "WEBP", "TIFF")
        for number in ORIENTATIONS
    },
    "JPEG 4:4:4": lambda: pil(PHOTO, "JPEG", subsampling=0),
    "JPEG progressive": lambda: pil(PHOTO, "JPEG", progressive=True),
    "JPEG CMYK": cmyk,
    "JPEG gray": lambda: pil(PHOTO[..., 0], "JPEG"),
    "PNG alpha": lambda: pil(ALPHA, "PNG"),
    "PNG gamma and alpha": with_gamma,
    "PNG palette": lambda: palette("PNG"),
    "PNG transparent index": lambda: palette("PNG", transparency=3),
    "PNG 16 bits": lambda: own(formats.PNG, DEEP),
    "WebP alpha": lambda: pil(ALPHA, "WEBP", lossless=True),
    "TIFF 16 bits": lambda: tiff(DEEP, photometric="rgb"),
    "TIFF LZW": lambda: pil(PHOTO, "TIFF", compression="tiff_lzw"),
    "TIFF palette": lambda: palette("TIFF"),
    "BMP": lambda: pil(PHOTO, "BMP"),
    "BMP palette": lambda: palette("BMP"),
    "GIF": lambda: palette("GIF"),
    "AVIF": lambda: pil(PHOTO, "AVIF"),
    "AVIF alpha": lambda: pil(ALPHA, "AVIF"),
    "JPEG 2000": lambda: own(formats.JP2, PHOTO),
    "JPEG 2000 16 bits": lambda: own(formats.JP2, DEEP),
    "PPM": lambda: pil(PHOTO, "PPM"),
    "PPM 16 bits": lambda: own(formats.PPM, DEEP),
    "HDR": lambda: own(formats.HDR, PHOTO.astype(np.float32)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_gray_is_what_opencv_gives(kind: str) -> None:
    data = KINDS[kind]()
    gray = images.decode(data, gray=True).frames[0]
    # Values of 16 bits and floats are not cut to 8 bits: IMREAD_ANYDEPTH.
    depth = cv2.IMREAD_GRAYSCALE if gray.dtype == np.uint8 else cv2.IMREAD_ANYDEPTH
    wanted = cv2.imdecode(np.frombuffer(data, np.uint8), depth)
    assert wanted is not None
    assert gray.dtype == wanted.dtype
    np.testing.assert_array_equal(gray, wanted)


def test_gray_of_lossless_jpeg_has_the_weights_of_cvtcolor() -> None:
    """OpenCV reads the colors of such a file and no gray."""
    import imagecodecs

    data = bytes(imagecodecs.jpeg8_encode(PHOTO, lossless=True))
    wanted = cv2.cvtColor(np.ascontiguousarray(PHOTO), cv2.COLOR_RGB2GRAY)
    np.testing.assert_array_equal(images.decode(data, gray=True).frames[0], wanted)


def test_transparency_that_gray_leaves_out_is_told() -> None:
    for data in (pil(ALPHA, "PNG"), KINDS["PNG transparent index"]()):
        warnings = images.decode(data, gray=True).warnings
        assert warnings == ("its transparency was left out: --gray keeps no alpha",)
    opaque = np.dstack([PHOTO, np.full(PHOTO.shape[:2], 255, np.uint8)])
    assert images.decode(pil(opaque, "PNG"), gray=True).warnings == ()
