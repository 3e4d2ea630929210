"""The .npy format of NumPy: read by rows and written by rows, so that an array may be larger than
memory. Pickled objects are never loaded.

Arrays are (H, W), (H, W, C) or (N, H, W, C) or, with channels first, (C, H, W) or (N, C, H, W).
Colors are red, green, blue (, alpha) in a .npy file, and blue first in a `Picture`. Rows that are
read and written here never become a picture and keep their order.
"""

from __future__ import annotations

import ast
import io
import math
import os
import re
import stat
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO, Literal

import numpy as np

from pooltool import files
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats, opencv
from pooltool.images.formats import Format
from pooltool.images.picture import Array, Encoded, Header, Picture

FORMATS = (formats.NPY,)
START = rb"\x93NUMPY"

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 1 << 16
_BLOCK = 1 << 24
"""Bytes read at once of an array whose columns, not rows, lie together."""


@dataclass(frozen=True, eq=False, repr=False)
class ArrayFile:
    """An array in an open .npy file: its rows on demand."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    """The dtype, in the byte order of the file."""
    fortran: bool
    """True when columns lie together, not rows."""
    start: int
    """Where the numbers begin."""
    file: BinaryIO

    @cached_property
    def whole(self) -> Array:
        """The whole array in memory."""
        order: Literal["C", "F"] = "F" if self.fortran else "C"
        return self._numbers(0, math.prod(self.shape)).reshape(self.shape, order=order)

    def planes(self, axis: int, first: int, last: int, top: int, bottom: int) -> Array:
        """Planes `first` to `last - 1`, of their rows `top` to `bottom - 1`: (planes, rows, ...).

        Rows are the axis `axis`, the axes before it are planes. Of several planes all rows are
        read. No more than that is in memory, unless columns lie together below several planes.
        """
        height, inner = self.shape[axis], self.shape[axis + 1 :]
        lines = math.prod(inner)
        if self.fortran and axis:
            return self.whole.reshape(-1, height, *inner)[first:last, top:bottom]
        if not self.fortran:
            start, stop = (top, bottom) if last - first == 1 else (0, height)
            count = (last - first) * (stop - start) * lines
            numbers = self._numbers((first * height + start) * lines, count)
            planes = numbers.reshape(last - first, stop - start, *inner)
            return planes[:, top - start : bottom - start]
        kept = np.empty((lines, bottom - top), self.dtype)
        step = max(1, _BLOCK // (height * self.dtype.itemsize))
        for at in range(0, lines, step):  # walk through all columns and keep these rows
            block = self._numbers(at * height, min(step, lines - at) * height)
            kept[at : at + step] = block.reshape(-1, height)[:, top:bottom]
        return np.ascontiguousarray(kept.reshape(*inner[::-1], bottom - top).T)[None]

    def _numbers(self, position: int, count: int) -> Array:
        """Read so many numbers from the one at `position` on."""
        self.file.seek(self.start + position * self.dtype.itemsize)
        numbers = np.empty(count, self.dtype)
        room = numbers.view(np.uint8).data
        if self.file.readinto(room) != len(room):  # type: ignore[attr-defined]
            raise DamageError("it is cut: the file became shorter while it was read")
        return numbers


def is_array_file(path: str) -> bool:
    """True for a regular file that begins as .npy: `open_array` can read it by rows."""
    with suppress(OSError, ValueError), open(path, "rb") as file:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and file.read(6) == _MAGIC
    return False


@contextmanager
def open_array(path: str) -> Iterator[ArrayFile]:
    """Open a .npy file to read by rows; raise `FileError` or, for its content, `ImageError`."""
    with files.reasons(), open(path, "rb") as file:
        yield _opened(file, os.fstat(file.fileno()).st_size)


def write(
    file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any], parts: Iterable[Array]
) -> None:
    """Write a .npy file from parts that one after the other make an array of `shape`."""
    native = dtype.newbyteorder("=")
    text = repr({"descr": native.str, "fortran_order": False, "shape": tuple(shape)}).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"  # the numbers begin at a multiple of 64
    file.write(_MAGIC + b"\1\0" + struct.pack("<H", len(text)) + text)
    left = math.prod(shape)
    for part in parts:
        left -= part.size
        if part.dtype != native or left < 0:
            raise ValueError(f"{part.shape} of {part.dtype} is no part of {shape}, {native}")
        file.write(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    if left:
        raise ValueError(f"{left} of the values of {shape} are missing")


def read_header(data: bytes) -> Header:
    """Read the header."""
    shape = _opened(io.BytesIO(data), len(data)).shape
    count, height, width = (shape if len(shape) == 4 else (1, *shape))[:3]
    return Header(formats.NPY, ((height, width),) * count)


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """The array as a picture, blue first; (N, H, W, C) are N frames."""
    array = loads(data)
    frames = array if array.ndim == 4 else array[None]
    chosen = frames if frame is None else frames[frame : frame + 1]
    return Picture(tuple(map(opencv.swapped, chosen)), formats.NPY)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """A picture as an array, red first; of several frames (N, H, W) or (N, H, W, C)."""
    frames = [opencv.swapped(frame) for frame in picture.frames]
    return Encoded(dumps(np.stack(frames) if len(frames) > 1 else frames[0]))


def loads(data: bytes) -> Array:
    """The array in a .npy file's bytes; raise `ImageError` when it is not an image of numbers."""
    return _opened(io.BytesIO(data), len(data)).whole


def with_channels_last(data: bytes) -> bytes:
    """The same file with its channels, its axis before rows and columns, as its last axis."""
    array = loads(data)
    return dumps(np.moveaxis(array, -3, -1) if array.ndim > 2 else array)


def with_channels_first(data: bytes) -> bytes:
    """The same file with its channels, its last axis, before rows and columns."""
    return dumps(np.moveaxis(loads(data), -1, -3))


def looks_channels_first(shape: tuple[int, ...]) -> bool:
    """True for a shape whose axis before the last two is small and whose last one is not: at most
    4, or far smaller than both others.
    """
    if len(shape) < 3:
        return False
    small = max(4, sorted(shape[-3:])[1] // 8)
    return shape[-3] <= small < shape[-1]


def layout_warnings(shape: tuple[int, ...], data_format: str | None) -> tuple[str, ...]:
    """A warning where nobody said how the array lies, and its shape looks channels first."""
    if data_format is not None or not looks_channels_first(shape):
        return ()
    return (
        f"its shape {shape} looks like channels first, and it was pooled over its first axes; "
        "if it is, say --data-format channels_first",
    )


def dumps(array: Array) -> bytes:
    """The bytes of a .npy file."""
    file = io.BytesIO()
    write(file, array.shape, array.dtype, [array.astype(array.dtype.newbyteorder("="))])
    return file.getvalue()


def _opened(file: BinaryIO, size: int) -> ArrayFile:
    """Read a header of version 1, 2 or 3 at the start of a file of `size` bytes."""
    data = file.read(_MAX_HEADER + 12)
    if not data.startswith(_MAGIC):
        raise ImageError("it is not a .npy file; save the array with numpy.save")
    version, width = data[6:7], 2 if data[6:7] == b"\1" else 4
    if version not in (b"\1", b"\2", b"\3"):
        raise ImageError("it is a .npy file of an unknown version; save it with numpy.save")
    length = int.from_bytes(data[8 : 8 + width], "little")
    start = 8 + width + length
    if length > _MAX_HEADER or len(data) < start:
        raise DamageError("it is cut or damaged: its .npy header is not complete")
    text = data[8 + width : start].decode("utf-8" if version == b"\3" else "latin-1", "replace")
    try:  # Python 2 wrote sizes as 10L, which is no literal any more
        words = ast.literal_eval(re.sub(r"(\d)L\b", r"\1", text))
        shape, fortran = words["shape"], words["fortran_order"]
        dtype = np.dtype(words["descr"])
    except Exception:
        raise DamageError("it is damaged: its .npy header cannot be understood") from None
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise DamageError("it is damaged: its .npy header tells no shape")
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        kind = "Python objects" if dtype.hasobject else f"{dtype} values"
        raise ImageError(f"it holds {kind}; save real numbers of at most 64 bits")
    if len(shape) not in (2, 3, 4):
        raise ImageError(
            f"its array has shape {shape}; save it as (height, width), (height, width, channels) "
            "or (frames, height, width, channels)"
        )
    if 0 in shape:
        raise ImageError(
            f"its array is empty: its shape is {shape}; save one with rows and columns"
        )
    whole = start + math.prod(shape) * dtype.itemsize
    if size != whole:
        state = "cut" if size < whole else "damaged, or holds more than one array"
        raise DamageError(f"it is {state}: {size} bytes where {whole} belong to {shape} {dtype}")
    return ArrayFile(shape, dtype, bool(fortran), start, file)
