"""Bytes on disk: read completely, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from pooltool.errors import FileError

STREAM = "-"
"""The name that stands for standard input and output."""


def read(path: str) -> bytes:
    """Return all bytes of the file; raise `FileError` with the reason and what to do."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FileError(_read_problem(error)) from None
    if not data:
        raise FileError("the file is empty")
    return data


def write(path: str, data: bytes) -> None:
    """Put `data` at `path`: the old file stays until the whole new one is on disk."""
    try:
        with _replacing(path) as file:
            file.write(data)
    except OSError as error:
        raise FileError(reason(error)) from None


def make_directory(path: str) -> None:
    """Make the directory and its parents unless they are there."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make its directory: {reason(error)}") from None


@contextlib.contextmanager
def _replacing(path: str) -> Iterator[BinaryIO]:
    """Yield a temporary file that takes the place of `path` once the block ends well."""
    target = Path(path).resolve()
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:64]}.", dir=target.parent)
    try:
        with open(handle, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), _permissions(target))
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _permissions(target: Path) -> int:
    """Those of the file to be replaced, or what the umask leaves of a new one."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except OSError:
        mask = os.umask(0o022)
        os.umask(mask)
        return 0o666 & ~mask


def _read_problem(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file; check the name"
    if isinstance(error, IsADirectoryError):
        return "is a directory; name the images in it"
    return f"cannot be read: {reason(error)}"


def reason(error: OSError) -> str:
    """The system's own words for the error."""
    return (error.strerror or str(error)).lower()


def split_records(file: IO[bytes], separator: bytes) -> Iterator[bytes]:
    """Read what `separator` ends, however long the file is."""
    rest = b""
    while block := file.read(1 << 16):
        *records, rest = (rest + block).split(separator)
        yield from records
    if rest:
        yield rest


def remove_temporaries() -> None:
    """Delete the temporary files of writes under way: the process is about to end."""
