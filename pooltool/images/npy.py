"""The .npy format of NumPy: read by rows and written by rows, so that an array may be larger than
memory. Pickled objects are never loaded.
"""

from __future__ import annotations

import ast
import math
import os
import re
import stat
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pooltool import files
from pooltool.errors import DamageError, ImageError

Array = NDArray[Any]

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 1 << 16
_BLOCK = 1 << 24
"""Bytes read at once of an array whose columns, not rows, lie together."""


class Header(NamedTuple):
    """What the header of a .npy file says of its array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int
    """Where the numbers begin."""

    @property
    def size(self) -> int:
        """Bytes of the numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


class ArrayFile(NamedTuple):
    """An array in an open .npy file: its shape and dtype, and its rows on demand."""

    header: Header
    descriptor: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, C)."""
        return self.header.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype, in the byte order of the file."""
        return self.header.dtype

    def rows(self, first: int, last: int) -> Array:
        """Rows `first` to `last - 1` as a new array; no more than these rows are in memory."""
        if self.header.fortran:
            return self._rows_across(first, last)
        out = np.empty((last - first, *self.shape[1:]), self.dtype)
        row = self.header.size // self.shape[0]
        self._fill(out, first * row)
        return out

    def _rows_across(self, first: int, last: int) -> Array:
        """The same where columns lie together: walk through all of them, keep these rows."""
        height, lines = self.shape[0], math.prod(self.shape[1:])
        kept = np.empty((lines, last - first), self.dtype)
        step = max(1, _BLOCK // (height * self.dtype.itemsize))
        for at in range(0, lines, step):
            block = np.empty((min(step, lines - at), height), self.dtype)
            self._fill(block, at * height * self.dtype.itemsize)
            kept[at : at + step] = block[:, first:last]
        across = kept.reshape(*self.shape[:0:-1], last - first)
        return np.ascontiguousarray(across.T)

    def _fill(self, out: Array, offset: int) -> None:
        view = out.reshape(-1).view(np.uint8).data
        position, done = self.header.start + offset, 0
        while done < len(view):
            count = os.preadv(self.descriptor, [view[done:]], position + done)
            if not count:
                raise DamageError("it is cut: the file became shorter while it was read")
            done += count


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
        start = file.read(_MAX_HEADER + 12)
        header = _header(start, os.fstat(file.fileno()).st_size)
        yield ArrayFile(header, file.fileno())


def write_rows(
    file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any], bands: Iterable[Array]
) -> None:
    """Write a .npy file from bands of rows that together make an array of `shape`."""
    native = dtype.newbyteorder("=")
    _write_header(file, shape, native)
    rows = 0
    for band in bands:
        rows += band.shape[0]
        if band.shape[1:] != shape[1:] or band.dtype != native or rows > shape[0]:
            raise ValueError(f"a band {band.shape} of {band.dtype} is no part of {shape}, {native}")
        file.write(np.ascontiguousarray(band).reshape(-1).view(np.uint8).data)
    if rows != shape[0]:
        raise ValueError(f"the bands hold {rows} rows of {shape[0]}")


def loads(data: bytes) -> Array:
    """The array in a .npy file's bytes; raise `ImageError` when it is not an image of numbers."""
    header = _header(data, len(data))
    flat = np.frombuffer(data, header.dtype, math.prod(header.shape), header.start)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def dumps(array: Array) -> bytes:
    """The bytes of a .npy file."""
    native = array.astype(array.dtype.newbyteorder("="), order="C", copy=False)
    return _packed_header(native.shape, native.dtype) + native.tobytes()


def _write_header(file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    file.write(_packed_header(shape, dtype))


def _packed_header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """A header of version 1.0, padded so that the numbers begin at a multiple of 64."""
    text = repr({"descr": dtype.str, "fortran_order": False, "shape": tuple(shape)}).encode()
    padding = -(len(text) + 11) % 64
    text += b" " * padding + b"\n"
    return _MAGIC + b"\1\0" + struct.pack("<H", len(text)) + text


def _header(data: bytes, size: int) -> Header:
    """Read a header of version 1, 2 or 3 at the start of a file of `size` bytes."""
    told, start = _header_text(data)
    # Python 2 wrote sizes as 10L, which is no literal any more.
    text = re.sub(r"(\d)L\b", r"\1", told)
    try:
        words = ast.literal_eval(text)
        shape, fortran = words["shape"], words["fortran_order"]
        dtype = np.dtype(words["descr"])
    except Exception:
        raise DamageError("it is damaged: its .npy header cannot be understood") from None
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise DamageError("it is damaged: its .npy header tells no shape")
    header = Header(shape, dtype, bool(fortran), start)
    _require_image(header)
    if size != start + header.size:
        state = "cut" if size < start + header.size else "damaged, or holds more than one array"
        raise DamageError(
            f"it is {state}: {size} bytes where {start + header.size} belong to {shape} {dtype}"
        )
    return header


def _header_text(data: bytes) -> tuple[str, int]:
    """The text of the header, and where it ends."""
    if not data.startswith(_MAGIC):
        raise ImageError("it is not a .npy file; save the array with numpy.save")
    version, width = data[6:7], 2 if data[6:7] == b"\1" else 4
    if version not in (b"\1", b"\2", b"\3"):
        raise ImageError("it is a .npy file of an unknown version; save it with numpy.save")
    length = int.from_bytes(data[8 : 8 + width], "little")
    if length > _MAX_HEADER or len(data) < 8 + width + length:
        raise DamageError("it is cut or damaged: its .npy header is not complete")
    text = data[8 + width : 8 + width + length]
    return text.decode("utf-8" if version == b"\3" else "latin-1", "replace"), 8 + width + length


def _require_image(header: Header) -> None:
    """Raise `ImageError` unless the array is one that can be pooled."""
    dtype, shape = header.dtype, header.shape
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        kind = "Python objects" if dtype.hasobject else f"{dtype} values"
        raise ImageError(f"it holds {kind}; save real numbers of at most 64 bits")
    if len(shape) not in (2, 3):
        raise ImageError(
            f"its array has shape {shape}; save it as (height, width) or (height, width, channels)"
        )
    if 0 in shape:
        raise ImageError(
            f"its array is empty: its shape is {shape}; save one with rows and columns"
        )
