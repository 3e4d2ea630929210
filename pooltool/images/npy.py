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
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np

from pooltool import files
from pooltool.errors import DamageError, ImageError
from pooltool.images import formats
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

    def planes(self, axis: int, first: int, last: int, top: int, bottom: int) -> Array:
        """Planes `first` to `last - 1`, of their rows `top` to `bottom - 1`: (planes, rows, ...).

        Rows are the axis `axis`, the axes before it are planes. Of several planes all rows are
        read. No more than that is in memory, unless columns lie together below several planes.
        """
        shape = (math.prod(self.shape[:axis]), *self.shape[axis:])
        if self.fortran and axis:
            return self._whole.reshape(shape)[first:last, top:bottom]
        if self.fortran:
            return self._rows_across(top, bottom)[None]
        start, stop = (top, bottom) if last - first == 1 else (0, shape[1])
        out = np.empty((last - first, stop - start, *shape[2:]), self.dtype)
        self._fill(out, (first * shape[1] + start) * math.prod(shape[2:]))
        return out[:, top - start : bottom - start]

    @cached_property
    def _whole(self) -> Array:
        flat = np.empty(math.prod(self.shape), self.dtype)
        self._fill(flat, 0)
        return flat.reshape(self.shape, order="F")

    def _rows_across(self, first: int, last: int) -> Array:
        """Rows where columns lie together: walk through all of them and keep these rows."""
        height, lines = self.shape[0], math.prod(self.shape[1:])
        kept = np.empty((lines, last - first), self.dtype)
        step = max(1, _BLOCK // (height * self.dtype.itemsize))
        for at in range(0, lines, step):
            block = np.empty((min(step, lines - at), height), self.dtype)
            self._fill(block, at * height)
            kept[at : at + step] = block[:, first:last]
        across = kept.reshape(*self.shape[:0:-1], last - first)
        return np.ascontiguousarray(across.T)

    def _fill(self, out: Array, position: int) -> None:
        """Read as many numbers as there is room for, from the one at `position` on."""
        self.file.seek(self.start + position * self.dtype.itemsize)
        room = out.reshape(-1).view(np.uint8).data
        if self.file.readinto(room) != len(room):  # type: ignore[attr-defined]
            raise DamageError("it is cut: the file became shorter while it was read")


def is_array_file(path: str) -> bool:
    """True for a regular file that begins as .npy: `open_array` can read it by rows."""
    try:
        with open(path, "rb") as file:
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return regular and file.read(len(_MAGIC)) == _MAGIC
    except (OSError, ValueError):
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
    if len(shape) == 4:
        return Header(formats.NPY, ((shape[1], shape[2]),) * shape[0])
    return Header(formats.NPY, ((shape[0], shape[1]),))


def decode(data: bytes, header: Header, frame: int | None) -> Picture:
    """The array as a picture, blue first; (N, H, W, C) are N frames."""
    array = loads(data)
    frames = list(array) if array.ndim == 4 else [array]
    chosen = frames if frame is None else frames[frame : frame + 1]
    return Picture(tuple(map(swapped, chosen)), formats.NPY)


def encode(picture: Picture, format: Format, quality: int | None) -> Encoded:
    """A picture as an array, red first; of several frames (N, H, W) or (N, H, W, C)."""
    frames = [swapped(frame) for frame in picture.frames]
    return Encoded(dumps(np.stack(frames) if len(frames) > 1 else frames[0]))


def loads(data: bytes) -> Array:
    """The array in a .npy file's bytes; raise `ImageError` when it is not an image of numbers."""
    array = _opened(io.BytesIO(data), len(data))
    whole = array.planes(0, 0, 1, 0, array.shape[0])
    return whole.reshape(array.shape)


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

    def is_small(axis: int) -> bool:
        others = [size for index, size in enumerate(shape[-3:]) if index != axis]
        return shape[-3:][axis] <= 4 or 8 * shape[-3:][axis] <= min(others)

    return is_small(0) and not is_small(2)


def dumps(array: Array) -> bytes:
    """The bytes of a .npy file."""
    file = io.BytesIO()
    write(file, array.shape, array.dtype, [array.astype(array.dtype.newbyteorder("="))])
    return file.getvalue()


def swapped(array: Array) -> Array:
    """Red and blue exchanged in an array of 3 or 4 channels."""
    if array.ndim != 3 or array.shape[2] not in (3, 4):
        return array
    return array[..., [2, 1, 0, 3][: array.shape[2]]]


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
    _require_image(shape, dtype)
    whole = start + math.prod(shape) * dtype.itemsize
    if size != whole:
        state = "cut" if size < whole else "damaged, or holds more than one array"
        raise DamageError(f"it is {state}: {size} bytes where {whole} belong to {shape} {dtype}")
    return ArrayFile(shape, dtype, bool(fortran), start, file)


def _require_image(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
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
