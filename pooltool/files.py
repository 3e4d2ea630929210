"""Bytes on disk and in pipes: read with a reason when that fails, written whole or not at all."""

from __future__ import annotations

import errno
import math
import os
import re
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from itertools import count
from typing import BinaryIO, TextIO

from pooltool.errors import FileError

STREAM = "-"
STREAM_LIMIT = 1 << 30
"""Most bytes read from what has no size of its own: a pipe, a terminal, /dev/zero."""

_REASONS = {
    "ENOENT": "no such file or folder; check the name",
    "EACCES": "permission denied; check the permissions of the file and its folder",
    "EPERM": "not permitted; check the permissions of the file and its folder",
    "EEXIST": "a file of that name is in the way; write elsewhere",
    "EISDIR": "it is a directory; name a file",
    "ENOTDIR": "a part of its path is not a directory; check the name",
    "ENOSPC": "no space left on the disk; free some or write elsewhere",
    "EDQUOT": "the disk quota is used up; free some space or write elsewhere",
    "EFBIG": "the file grows larger than allowed here; write elsewhere",
    "EROFS": "the file system is read-only; write elsewhere",
    "ENAMETOOLONG": "its name is too long; use a shorter one",
    "ELOOP": "its symbolic links run in a circle; check where they lead",
    "EMFILE": "too many files are open; use fewer --jobs",
    "ENXIO": "it is a socket or device that cannot be read; name a file",
    "EIO": "the disk or device reports an error; check it",
}
Identity = tuple[int, int]
_inputs: set[Identity] = set()
"""What a run reads and so does not replace."""
_temporaries: set[str] = set()
"""Hidden files that have not yet taken their place."""
_creating = threading.RLock()
_RUN, _numbers = os.urandom(8).hex(), count()
"""With the process id, what makes each name unlike all others, of other machines too."""


def read(path: str, *, limit: int = STREAM_LIMIT) -> bytes:
    """Read all of a file, a FIFO or, for `-`, standard input; raise `FileError`.

    `limit` is the most bytes taken from what is not a regular file.
    """
    try:
        if path == STREAM:
            return _read_stream(_standard(sys.stdin, "input"), limit)
        with open(path, "rb", buffering=0) as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read()
            return _read_stream(file, limit)
    except (OSError, ValueError, FileError) as error:
        raise _in_words(error, path) from None


def _read_stream(file: BinaryIO | FileIO, limit: int) -> bytes:
    pieces, total = [], 0
    while piece := file.read(1 << 20):
        pieces.append(piece)
        total += len(piece)
        if total > limit:
            raise FileError(f"it holds more than {limit} bytes; save it to a file first")
    return b"".join(pieces)


def is_special(path: str) -> bool:
    """True for a pipe, a socket or a device, which are no files on a disk."""
    return size(path) == math.inf and not os.path.isdir(path)


def identity(path: str) -> tuple[Identity | None, bool]:
    """The device and inode of the file or folder that `path` leads to, whatever its name; and True
    where that is its only name, no hard link.

    None where there is none, and for pipes and devices. Some file systems do not number their
    files: all have the inode 0.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None, False
    if not status.st_ino or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return None, False
    return (status.st_dev, status.st_ino), status.st_nlink == 1


def protect(identities: Iterable[Identity]) -> None:
    """Let these files not be replaced any more, and no others."""
    _inputs.clear()
    _inputs.update(identities)


def protected() -> tuple[Identity, ...]:
    """What `protect` was given."""
    return tuple(_inputs)


def size(path: str) -> float:
    """Bytes of a file; 0 where there is none, infinite for what has no size of its own."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return math.inf if path == STREAM else 0
    return status.st_size if stat.S_ISREG(status.st_mode) else math.inf


def is_done(path: str) -> bool:
    """True when `path` exists and is not empty: a power cut can leave an empty file."""
    try:
        return os.stat(path).st_size > 0
    except OSError:
        return False


def require_readable(path: str) -> None:
    """Raise `FileError` unless there is such a file, which may be read; leave it unopened."""
    with reasons(path):
        if path != STREAM and not os.access(path, os.R_OK):
            os.stat(path)
            raise PermissionError(errno.EACCES, "unreadable")


def require_directory(path: str) -> None:
    """Raise `FileError` where `path` is no directory and cannot become one; make nothing."""
    with reasons(path):
        folder = path.rstrip(os.sep)
        while folder and not os.path.lexists(folder):
            folder = os.path.dirname(folder)
        if folder and not os.path.isdir(folder):
            known = folder == path.rstrip(os.sep)
            raise OSError(errno.EEXIST if known else errno.ENOTDIR, "no directory")


def require_writable(path: str, folder: str = "") -> None:
    """Raise `FileError` where it is plain that `path` cannot be written; write nothing.

    `folder` is what will be made for it: then its first parent that exists is looked at.
    """
    with reasons(path, f"cannot write {path}: "):
        if path == STREAM:
            return
        if os.path.islink(path):
            path, folder = os.path.realpath(path), ""
        parent = folder.rstrip(os.sep) or os.path.dirname(path)
        while folder and parent and not os.path.lexists(parent):
            parent = os.path.dirname(parent)
        before = _status(path)
        if before is not None and stat.S_ISDIR(before.st_mode):
            raise OSError(errno.EISDIR, "a directory")
        place = path if before is not None else parent or os.curdir
        os.stat(place)
        if not os.access(place, os.W_OK):
            raise OSError(errno.EACCES, "read-only")


def write(path: str, data: bytes, *, folder: str = "") -> None:
    """Write a file whole or not at all, or, for `-`, standard output; raise `FileError`."""
    with replacing(path, folder=folder) as file:
        file.write(data)


@contextmanager
def replacing(path: str, *, folder: str = "") -> Iterator[BinaryIO]:
    """Open a file to write that takes the place of `path` when all has been written.

    Until then it is a hidden file beside its place. When anything is raised inside, it is removed
    and `path` stays as it was. Symbolic links are followed; an old file's owner and permissions
    are kept as far as the system allows. `folder` is made if it is missing. What is not a regular
    file, such as `-` for standard output, a FIFO or /dev/null, is written directly. A closed pipe
    is a `BrokenPipeError`, all else that goes wrong a `FileError`.
    """
    name = ""
    try:
        if path == STREAM:
            stream = _standard(sys.stdout, "output")
            yield stream
            stream.flush()
            return
        place, before = path, _status(path, follow_symlinks=False)
        if before is not None:
            if stat.S_ISLNK(before.st_mode):
                place, before = os.path.realpath(path), _status(path)
            if before is not None and not stat.S_ISREG(before.st_mode):
                with open(path, "wb") as file:
                    yield file
                return
            if before is not None and not os.access(place, os.W_OK):
                raise OSError(errno.EACCES, "read-only")
        own_name = f".pooltool-{_RUN}-{os.getpid()}-{next(_numbers)}.tmp"
        name = os.path.join(os.path.dirname(place), own_name)
        with _create(name, folder) as file:
            if before is not None:
                _keep_access(file.fileno(), before)
            yield file
        if _inputs and identity(place)[0] in _inputs:
            raise FileError("an image that is read here lies there; write elsewhere")
        os.replace(name, place)  # once it is closed: Windows moves no open file
        _temporaries.discard(name)
    except BaseException as error:
        if name:
            with suppress(OSError):
                os.unlink(name)
            _temporaries.discard(name)
        if isinstance(error, OSError | ValueError | FileError):
            raise _in_words(error, path, f"cannot write {path}: ") from None
        raise


def _create(name: str, folder: str) -> BinaryIO:
    """Make a hidden file, and the folder if that is missing, which is seldom."""
    with _creating:
        _temporaries.add(name)
        try:
            return open(name, "xb")
        except FileNotFoundError:
            if not folder:
                raise
            os.makedirs(folder, exist_ok=True)
            return open(name, "xb")


def remove_temporaries() -> None:
    """Remove all hidden files, and let none be made any more: the process is about to end."""
    _creating.acquire(timeout=1)  # a thread may wait for a network disk while it holds this
    for name in list(_temporaries):
        with suppress(OSError):
            os.unlink(name)


def _keep_access(descriptor: int, before: os.stat_result) -> None:
    """Give the new file the owner and permissions of the old one, as far as that is allowed."""
    if hasattr(os, "fchown"):
        with suppress(OSError):
            os.fchown(descriptor, before.st_uid, before.st_gid)
    if hasattr(os, "fchmod"):
        with suppress(OSError):
            os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def _status(path: str, *, follow_symlinks: bool = True) -> os.stat_result | None:
    try:
        return os.stat(path, follow_symlinks=follow_symlinks)
    except FileNotFoundError:
        return None


def _standard(stream: TextIO | None, name: str) -> BinaryIO:
    """The bytes of a standard stream; the program may have been started without it."""
    if stream is None:
        raise FileError(f"standard {name} is closed; name a file, or use a pipe")
    return stream.buffer


def reason(error: OSError, path: str = "") -> str:
    """What went wrong and what to do about it; `path` may be a link that leads nowhere."""
    name = errno.errorcode.get(error.errno or 0, "")
    if name in ("ENOENT", "EEXIST") and path and os.path.islink(path) and not os.path.exists(path):
        return f"it is a link to {os.readlink(path)}, which is not there; mend or remove the link"
    return _REASONS.get(name) or f"{error.strerror or error}; check the file"


@contextmanager
def reasons(path: str = "", prefix: str = "") -> Iterator[None]:
    """Turn what the system reports inside into a `FileError` of one line, with `prefix` before.

    A closed pipe is let through. `path` is what the lines inside are about.
    """
    try:
        yield
    except (OSError, ValueError, FileError) as error:
        raise _in_words(error, path, prefix) from None


def _in_words(error: Exception, path: str, prefix: str = "") -> Exception:
    """A `FileError` that says what the system reported; a closed pipe and the like as they are."""
    if isinstance(error, BrokenPipeError):
        return error
    if isinstance(error, OSError):
        return FileError(prefix + reason(error, path))
    if isinstance(error, FileError):
        return FileError(f"{prefix}{error}")
    if re.search("null (byte|character)", str(error)):
        return FileError(f"{prefix}its name holds a NUL character; check the name")
    return error
