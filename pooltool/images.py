"""Encoded bytes <-> pixels, and what each format can hold. The only user of OpenCV's codecs.

Pixels are (H, W) or (H, W, C) arrays, channels in OpenCV's order (BGR, BGRA).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pooltool.errors import ImageError
from pooltool.formats import Format, require_holds

Array = NDArray[Any]

NPY_MAGIC = b"\x93NUMPY"
READ_AS_STORED = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR | cv2.IMREAD_COLOR
"""Keeps depth, gray and alpha, and turns the picture upright by its EXIF orientation."""
READ_GRAY = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_GRAYSCALE


@dataclass(frozen=True)
class Picture:
    """One decoded picture."""

    pixels: Array


def decode(data: bytes, *, gray: bool = False) -> Picture:
    """Read an encoded image of any known format, told by its content.

    `gray` converts colour to its luma, as OpenCV weighs it. Raises `ImageError`.
    """
    if data.startswith(NPY_MAGIC):
        return Picture(_gray_array(_decode_npy(data)) if gray else _decode_npy(data))
    buffer = np.frombuffer(data, np.uint8)
    try:
        pixels = cv2.imdecode(buffer, READ_GRAY if gray else READ_AS_STORED)
    except cv2.error as error:
        raise ImageError(f"cannot be decoded: {_first_line(error)}") from None
    if pixels is None:
        raise ImageError("is not an image that can be read, or is damaged")
    return Picture(pixels)


def encode(picture: Picture, target: Format) -> bytes:
    """Write `picture` in the format; raise `ImageError` naming others when it cannot hold it."""
    pixels = picture.pixels
    require_holds(target, pixels.dtype.name, pixels.shape)
    if target.name == "npy":
        file = io.BytesIO()
        np.save(file, pixels, allow_pickle=False)
        return file.getvalue()
    try:
        done, data = cv2.imencode(target.extensions[0], pixels, _parameters(target))
    except cv2.error as error:
        raise ImageError(f"cannot be written as {target.name}: {_first_line(error)}") from None
    if not done:
        raise ImageError(f"cannot be written as {target.name}; choose another with --format")
    return data.tobytes()


def _parameters(target: Format) -> Sequence[int]:
    """Lossless where the format can be and OpenCV's default is not."""
    if target.name == "jp2":
        return [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    return []


def _decode_npy(data: bytes) -> Array:
    try:
        array: Array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ImageError(f"is not a readable .npy array: {error}") from None
    return array


def _gray_array(array: Array) -> Array:
    if array.ndim == 2:
        return array
    raise ImageError("--gray reads image files; an array of several channels has no known colours")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
