"""Bytes on disk and in pipes: read with a reason when that fails, written whole or not at all."""

from __future__ import annotations

import errno
import math
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from typing import BinaryIO, TextIO

from pooltool.errors import FileError

STREAM = "-"
STREAM_LIMIT = 1 << 30
"""Most bytes read from what has no size of its own: a pipe, a terminal, /dev/zero."""

_PIECE_BYTES = 1 << 24
"""Read at once. What a file has less is given back, which takes less time than to ask its size."""

_REASONS = {
    "ENOENT": "no such file or folder; check the name",
    "EACCES": "permission denied; check the permissions of the file and its folder",
    "EEXIST": "a file of that name is in the way; write elsewhere",
    "EISDIR": "it is a directory; name a file",
    "ENOTDIR": "part of its path is not a directory; check the name",
    "ENAMETOOLONG": "the name is too long; shorten it, or name the result with -o",
    "ENOSPC": "no space left on the disk; free some or write elsewhere",
    "EPIPE": "its reader stopped before the end; let it read everything",
}
_EXISTING = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
"""How files are opened: by their descriptors, which takes half as long as a file of Python."""
Piece = bytes | memoryview
Identity = tuple[int, int]
_inputs: set[Identity] = set()
"""What a run reads and so does not replace."""
_temporaries: set[str] = set()
"""Hidden files that have not yet taken their place."""
_creating = threading.RLock()
_RUN, _numbers = os.urandom(8).hex(), count()
"""With the process id, what makes each name unlike all others, of other machines too."""


def read(path: str) -> bytes:
    """Read all of a file, a FIFO or, for `-`, standard input; raise `FileError`."""
    try:
        if path == STREAM:
            read = _standard(sys.stdin, "input").read
            return _read_all(read(_PIECE_BYTES), read)
        descriptor = os.open(path, _EXISTING)
        try:
            first = os.read(descriptor, _PIECE_BYTES)
            if len(first) == _PIECE_BYTES and size(path) < math.inf:
                os.lseek(descriptor, 0, os.SEEK_SET)
                with open(descriptor, "rb", buffering=0, closefd=False) as file:
                    return file.readall()  # into one piece of memory
            return _read_all(first, partial(os.read, descriptor))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise FileError(reason(error, path)) from None


def _read_all(first: bytes, read: Callable[[int], bytes]) -> bytes:
    pieces, total = [first], len(first)
    while piece := read(_PIECE_BYTES):
        pieces.append(piece)
        total += len(piece)
        if total > STREAM_LIMIT:
            raise FileError(f"it has more than {STREAM_LIMIT} bytes; save it to a file first")
    return b"".join(pieces)


def identity(path: str, is_kind: Callable[[int], bool] = stat.S_ISREG) -> Identity | None:
    """The device and inode of the regular file that `path` leads to, whatever its name, or of what
    else `is_kind`; None where there is none.

    Some file systems do not number their files: all have the inode 0, for which this is None too.
    """
    status = _status(path)
    if status is None or not is_kind(status.st_mode) or not status.st_ino:
        return None
    return status.st_dev, status.st_ino


def protect(identities: Iterable[Identity]) -> None:
    """Let these files not be replaced any more, and no others."""
    _inputs.clear()
    _inputs.update(identities)


def protected() -> tuple[Identity, ...]:
    """What `protect` was given."""
    return tuple(_inputs)


def size(path: str) -> float:
    """Bytes of a file; 0 where there is none, infinite for what has no size of its own."""
    if path == STREAM:
        return math.inf
    status = _status(path)
    if status is None:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else math.inf


def is_done(path: str) -> bool:
    """True for a file that is not empty: a power cut can leave an empty one."""
    return 0 < size(path) < math.inf


def _status(path: str) -> os.stat_result | None:
    """What the system knows of a file; None where there is none, and for `-`, a stream."""
    try:
        return None if path == STREAM else os.stat(path)
    except OSError:
        return None


def require_readable(path: str) -> None:
    """Raise `FileError` unless there is such a file, which may be read; leave it unopened."""
    with reasons(path):
        if path != STREAM and not os.access(path, os.R_OK):
            os.stat(path)
            raise OSError(errno.EACCES, "unreadable")


def require_writable(path: str, folder: str = "") -> None:
    """Raise `FileError` where it is plain that `path` cannot be written; write nothing.

    `folder` is what will be made for it: then its first parent that exists is looked at.
    """
    with reasons(path, f"cannot write {path}: "):
        if path == STREAM:
            return
        if os.path.isdir(path):
            raise OSError(errno.EISDIR, "a directory")
        place, is_link = os.path.realpath(path), os.path.islink(path)
        if not os.path.exists(place):
            place = os.path.dirname(place)
        while folder and not is_link and not os.path.exists(place):
            place = os.path.dirname(place)
        os.stat(place)
        if not os.access(place, os.W_OK):
            raise OSError(errno.EACCES, "read-only")


def write(path: str, data: bytes | Iterator[Piece], *, folder: str = "") -> None:
    """Write a file whole or not at all, at once or as its pieces come; raise `FileError`.

    Until all is written it is a hidden file beside its place. When anything is raised, that is
    removed and `path` stays as it was. Symbolic links are followed; an old file's owner and
    permissions are kept as far as the system allows. `folder` is made if it is missing. What is not
    a regular file, such as `-` for standard output, a FIFO or /dev/null, is written directly. If
    nobody reads standard output any more, that is a `BrokenPipeError`.
    """
    pieces = (data,) if isinstance(data, bytes) else data
    try:
        if path == STREAM:
            stream = _standard(sys.stdout, "output")
            _write_all(stream.write, pieces)
            stream.flush()
            return
        place, before = path, None
        try:
            before = os.lstat(path)
            if stat.S_ISLNK(before.st_mode):
                place, before = os.path.realpath(path), None
                before = os.stat(path)
        except FileNotFoundError:
            pass
        if before is None or stat.S_ISREG(before.st_mode):
            _replace(place, before, pieces, folder)
            return
        with open(path, "wb", buffering=0) as file:
            _write_all(file.write, pieces)
    except (OSError, FileError) as error:
        if path == STREAM and isinstance(error, BrokenPipeError):
            raise
        words = reason(error, path) if isinstance(error, OSError) else error
        raise FileError(f"cannot write {path}: {words}") from None


def _replace(
    place: str, before: os.stat_result | None, pieces: Iterable[Piece], folder: str
) -> None:
    """Write a hidden file and let it take the place of the old one, if there is one."""
    if before is not None and not os.access(place, os.W_OK):
        raise OSError(errno.EACCES, "read-only")
    folder_and_separator = place.removesuffix(os.path.basename(place))
    name = f"{folder_and_separator}.pooltool-{_RUN}-{os.getpid()}-{next(_numbers)}.tmp"
    try:
        descriptor = _create(name, folder)
        try:
            if before is not None and sys.platform != "win32":
                with suppress(OSError, AttributeError):  # not every system has them
                    os.fchown(descriptor, before.st_uid, before.st_gid)
                with suppress(OSError, AttributeError):
                    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
            _write_all(partial(os.write, descriptor), pieces)
        finally:
            os.close(descriptor)
        if _inputs and identity(place) in _inputs:  # it may have come there meanwhile
            raise FileError("it is one of the input images; write elsewhere")
        os.replace(name, place)  # once it is closed: Windows moves no open file
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    finally:
        _temporaries.discard(name)


def _create(name: str, folder: str) -> int:
    """Make a hidden file, and the folder if that is missing; return its descriptor."""
    with _creating:
        _temporaries.add(name)
        try:
            return os.open(name, _NEW, 0o666)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
            return os.open(name, _NEW, 0o666)


def _write_all(write: Callable[[memoryview], int], pieces: Iterable[Piece]) -> None:
    """Write all pieces; the system may take only a part of one at once."""
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[write(rest) :]


def remove_temporaries() -> None:
    """Remove all hidden files, and let none be made any more: the process is about to end."""
    _creating.acquire(timeout=1)  # a thread may wait for a network disk while it holds this
    for name in list(_temporaries):
        with suppress(OSError):
            os.unlink(name)


def _standard(stream: TextIO | None, name: str) -> BinaryIO:
    """The bytes of a standard stream; the program may have been started without it."""
    if stream is None:
        raise FileError(f"standard {name} is closed; name a file, or use a pipe")
    return stream.buffer


def reason(error: OSError, path: str = "") -> str:
    """What went wrong and what to do about it; `path` may be a link that leads nowhere."""
    name = errno.errorcode.get(error.errno or 0, "")
    if name in ("ENOENT", "EEXIST") and path and os.path.islink(path) and not os.path.exists(path):
        return f"it is a link to {os.readlink(path)}, which does not exist; fix or remove the link"
    return _REASONS.get(name) or f"{error.strerror or error}; check the file and its disk"


@contextmanager
def reasons(path: str = "", prefix: str = "") -> Iterator[None]:
    """Turn what the system reports of `path` inside into a `FileError`, with `prefix` before; let a
    closed standard output through.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FileError(prefix + reason(error, path)) from None
