"""Small pictures for the file tests, made by programs other than OpenCV where they can."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]


def pixels(dtype: str, channels: int, size: tuple[int, int] = (40, 50), seed: int = 1) -> Array:
    """Random values over the whole range of the dtype, (H, W) or (H, W, C)."""
    rng = np.random.default_rng(seed)
    shape = size if channels == 1 else (*size, channels)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def smooth(size: tuple[int, int] = (96, 80)) -> Array:
    """A colored picture with some noise, as a photograph has it."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    planes = (columns * 3 + rows, rows * columns // 9, np.hypot(columns - 40, rows - 40) * 5)
    noise = np.random.default_rng(5).integers(-9, 9, (*size, 3))
    return np.clip(np.stack(planes, -1) % 256 + noise, 0, 255).astype(np.uint8)


def swapped(array: Array) -> Array:
    """Red and blue exchanged: between OpenCV's order of channels and everybody else's."""
    if array.ndim == 2 or array.shape[2] not in (3, 4):
        return array
    return array[..., [2, 1, 0, 3][: array.shape[2]]]


def pil(array: Array, fmt: str, **settings: Any) -> bytes:
    """Encode by Pillow an array in RGB order."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, fmt, **settings)
    return file.getvalue()


def pil_frames(arrays: list[Array], fmt: str, **settings: Any) -> bytes:
    """Encode an animation or pages by Pillow."""
    file = io.BytesIO()
    first, *others = [Image.fromarray(array) for array in arrays]
    first.save(file, fmt, save_all=True, append_images=others, **settings)
    return file.getvalue()


def tiff(array: Array, **settings: Any) -> bytes:
    """Encode by tifffile."""
    file = io.BytesIO()
    tifffile.imwrite(file, array, **settings)
    return file.getvalue()


def png(
    bits: int, color: int, rows: list[bytes], width: int, *chunks: tuple[bytes, bytes]
) -> bytes:
    """A PNG file from its raw parts."""
    header = struct.pack(">IIBBBBB", width, len(rows), bits, color, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


def png_chunk(name: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def opened(data: bytes, frame: int = 0) -> Array:
    """Decode by Pillow, in RGB order."""
    with Image.open(io.BytesIO(data)) as image:
        image.seek(frame)
        return np.array(image)
