"""The .npy format of NumPy: mapped into memory part by part and written part by part, so that an
array may be larger than memory. Pickled objects are never loaded.

Arrays are (H, W), (H, W, C) or (N, H, W, C) or, with channels first, (C, H, W) or (N, C, H, W).
Colors are red, green, blue (, alpha) in a .npy file, and blue first in a `Picture`. Parts that are
read and written here never become a picture and keep their order.
"""

from __future__ import annotations

import errno
import io
import math
import os
import stat
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from pooltool import files
from pooltool.errors import DamageError, ImageError
from pooltool.geometry import looks_channels_first
from pooltool.images import formats, opencv
from pooltool.images.picture import Array, Encoded, Header, Picture, repeated

MAGIC = b"\x93NUMPY"
"""How a .npy file begins."""
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""What reads the header of a version; numbers are never written as version 3."""
_MAX_HEADER = 1 << 16
_MAX_AXIS = 1 << 48
"""More rows, columns or channels than any file holds."""


class ArrayFile(NamedTuple):
    """An array in an open .npy file, or the bytes of one, of which parts are read on demand."""

    file: BinaryIO | bytes
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    """The dtype, in the byte order of the file."""
    start: int
    """Where the numbers begin, in bytes. Neighbors along the last axis are adjacent."""

    def part(self, first: int, shape: tuple[int, ...]) -> Array:
        """Numbers from the one of number `first` on, as a read-only view.

        It is mapped into memory: what is not looked at is not read, and all of it is given back
        with the view. Raise `DamageError` when the file has become shorter, `ImageError` or
        `MemoryError` when it cannot be mapped: no `OSError`, which would be one of writing.
        """
        start = self.start + first * self.dtype.itemsize
        if isinstance(self.file, bytes):
            return np.ndarray(shape, self.dtype, self.file, start)
        try:
            return np.asarray(np.memmap(self.file, self.dtype, "r", start, shape))
        except ValueError:
            words = "it is truncated: the file became shorter while it was read"
            raise DamageError(words) from None
        except OSError as error:
            if error.errno == errno.ENOMEM:
                raise MemoryError from None
            words = f"it cannot be mapped into memory: {files.reason(error)}"
            raise ImageError(words) from None


def is_array_file(path: str) -> bool:
    """True for a regular file that begins as .npy: `open_array` can map it."""
    with suppress(OSError, ValueError), open(path, "rb") as file:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and file.read(6) == MAGIC
    return False


@contextmanager
def open_array(path: str) -> Iterator[ArrayFile]:
    """Open a .npy file to read by parts; raise `FileError` or, for its content, `ImageError`."""
    with files.reasons(), open(path, "rb") as file:
        yield loaded(file.read(_MAX_HEADER), file)


def loaded(data: bytes, file: BinaryIO | None = None) -> ArrayFile:
    """The array in the bytes of a file, or in an open one that begins with them; raise `ImageError`
    when it is not an image of numbers.
    """
    head, size = io.BytesIO(data), os.fstat(file.fileno()).st_size if file else len(data)
    try:
        with warnings.catch_warnings():  # numpy warns of sizes that Python 2 wrote, as 10L
            warnings.simplefilter("ignore")
            read = _HEADERS[np.lib.format.read_magic(head)]
            shape, is_fortran, dtype = read(head, max_header_size=_MAX_HEADER)
        if any(type(side) is not int or not 0 <= side <= _MAX_AXIS for side in shape):
            raise ValueError
    except Exception:
        raise DamageError("it is truncated or damaged: its .npy header cannot be read") from None
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        kind = str(dtype)[:60]
        raise ImageError(f"it holds {kind} values; save real numbers of at most 64 bits")
    if len(shape) not in (2, 3, 4) or 0 in shape:
        raise ImageError(
            f"its array has shape {str(shape)[:60]}; save one that is not empty as (height, "
            "width), (height, width, channels) or (frames, height, width, channels)"
        )
    start = head.tell()
    whole = start + math.prod(shape) * dtype.itemsize
    if size != whole:
        state = "truncated" if size < whole else "damaged, or holds more than one array"
        raise DamageError(f"it is {state}: {size} bytes where {whole} belong to {shape} {dtype}")
    if is_fortran:
        numbers = data[start:] + (file.read() if file else b"")
        return ArrayFile(np.ndarray(shape, dtype, numbers, order="F").tobytes(), shape, dtype, 0)
    return ArrayFile(file or data, shape, dtype, start)


def head_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """The header of a .npy file of numbers in this machine's byte order; its parts follow."""
    native = dtype.newbyteorder("=")
    text = repr({"descr": native.str, "fortran_order": False, "shape": tuple(shape)})
    text += " " * (-(len(text) + 11) % 64) + "\n"  # the numbers begin at a multiple of 64
    return MAGIC + b"\1\0" + struct.pack("<H", len(text)) + text.encode()


def bytes_of(part: Array) -> memoryview:
    """The numbers of a part as the file holds them."""
    native = np.ascontiguousarray(part, part.dtype.newbyteorder("="))
    return native.reshape(-1).view(np.uint8).data


def read_header(data: bytes) -> Header:
    """Read the header."""
    array = loaded(data)
    count, height, width = (array.shape if len(array.shape) == 4 else (1, *array.shape))[:3]
    return Header(formats.NPY, repeated((height, width), count), details=array)


def decode(data: bytes, header: Header, chosen: slice) -> Picture:
    """The array as a picture, blue first; (N, H, W, C) are N frames."""
    details: ArrayFile = header.details
    array, data_format = details.part(0, details.shape), header.data_format
    warnings = layout_warnings(array.shape, data_format)
    if data_format == "channels_first" and array.ndim > 2:
        array = np.moveaxis(array, -3, -1)
    frames = array if array.ndim == 4 else array[None]
    return Picture(tuple(map(opencv.swapped, frames[chosen])), formats.NPY, warnings=warnings)


def encode(picture: Picture, quality: int | None) -> Encoded:
    """A picture as an array, red first, of the axes that `picture.data_format` names."""
    frames = [opencv.swapped(frame) for frame in picture.frames]
    if picture.data_format == "channels_first" and frames[0].ndim == 3:
        frames = [np.moveaxis(frame, 2, 0) for frame in frames]
    return Encoded(dumps(np.stack(frames) if len(frames) > 1 else frames[0]))


def dumps(array: Array) -> bytes:
    """The bytes of a .npy file."""
    return head_of(array.shape, array.dtype) + bytes_of(array)


def layout_warnings(shape: tuple[int, ...], data_format: str | None) -> tuple[str, ...]:
    """A warning if no data format was given and the shape looks channels first."""
    if data_format is not None or not looks_channels_first(shape):
        return ()
    return (
        f"its shape {shape} looks like channels first, and it was pooled over its first axes; "
        "if so, use --data-format channels_first",
    )
