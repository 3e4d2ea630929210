"""OpenCV as a guest in this process: how it is imported, and what its codecs say on stderr.

libjpeg, libpng, libtiff and OpenCV write their complaints straight to file descriptor 2, where no
setting stops them, and for some damaged pictures those lines are the only sign. A program calls
`capture` once at start-up: descriptor 2 then leads into a temporary file, and `sys.stderr` to
where descriptor 2 led before. In a library that never calls it, `listening` turns the descriptor
aside only while a decode runs.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import IO, Any

from pooltool.errors import PooltoolError

_STDERR = 2
_lock = Lock()
_captured: IO[bytes] | None = None


class Heard:
    """The lines that native code wrote while it was listened to."""

    def __init__(self) -> None:
        self.lines: list[str] = []


def import_cv2() -> Any:
    """Import OpenCV; raise `PooltoolError` that names what to install when it cannot be loaded."""
    try:
        import cv2
    except ModuleNotFoundError:
        raise PooltoolError("OpenCV is not installed; run: pip install opencv-python") from None
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise PooltoolError(
            f"OpenCV cannot be loaded ({reason}); install the system packages it needs, "
            "on Debian or Ubuntu: apt-get install libgl1 libglib2.0-0"
        ) from None
    return cv2


def capture() -> None:
    """Send all that native code writes to descriptor 2 into a temporary file, from now on."""
    global _captured  # noqa: PLW0603 - descriptor 2 is global, and so is where it leads
    if _captured is None:
        sys.stderr.flush()
        encoding, errors = sys.stderr.encoding, sys.stderr.errors
        sys.stderr = os.fdopen(os.dup(_STDERR), "w", 1, encoding=encoding, errors=errors)
        _captured = _unnamed_file()
        _append_only(_captured)
        os.dup2(_captured.fileno(), _STDERR)


@contextmanager
def listening() -> Iterator[Heard]:
    """Collect what native code says inside; one thread at a time, the others wait."""
    heard = Heard()
    with _lock, _diverted() as file:
        start = os.fstat(file.fileno()).st_size
        try:
            yield heard
        finally:
            size = os.fstat(file.fileno()).st_size
            said = os.pread(file.fileno(), size - start, start)
            heard.lines += [line for line in said.decode("utf-8", "replace").splitlines() if line]
            if _captured is file:
                # A batch of a million noisy pictures is to fill no disk.
                os.ftruncate(file.fileno(), 0)


@contextmanager
def _diverted() -> Iterator[IO[bytes]]:
    """The file that descriptor 2 leads into: for good after `capture`, else only inside."""
    if _captured is not None:
        yield _captured
        return
    with _unnamed_file() as file:
        _append_only(file)
        before = os.dup(_STDERR)
        os.dup2(file.fileno(), _STDERR)
        try:
            yield file
        finally:
            os.dup2(before, _STDERR)
            os.close(before)


def _unnamed_file() -> IO[bytes]:
    """A file without a name: in memory on Linux, which saves what `tempfile` takes to load."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("stderr"), "r+b", buffering=0)
    import tempfile

    return tempfile.TemporaryFile()


def _append_only(file: IO[bytes]) -> None:
    """Write at the end, wherever that is: other threads may write while the file is emptied."""
    flags = fcntl.fcntl(file.fileno(), fcntl.F_GETFL)
    fcntl.fcntl(file.fileno(), fcntl.F_SETFL, flags | os.O_APPEND)
