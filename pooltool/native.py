"""OpenCV as a guest in this process: how it is imported, and what its codecs say on stderr.

libjpeg, libpng, libtiff and OpenCV write their complaints straight to file descriptor 2, where no
setting stops them, and for some damaged pictures those lines are the only sign. A program calls
`capture` once at start-up: descriptor 2 then leads into a temporary file, and `sys.stderr` to
where descriptor 2 led before. In a library that never calls it, `listening` turns the descriptor
aside only while a decode runs.

The descriptor is one for all threads. So that they can decode at the same time, they overhear
each other; only a picture that may be damaged is decoded again while the others wait.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Condition
from typing import IO, Any

from pooltool.errors import PooltoolError

_STDERR = 2
_captured: IO[bytes] | None = None


class Heard:
    """The lines that native code wrote while it was listened to."""

    def __init__(self) -> None:
        self.lines: list[str] = []


class _Turns:
    """Listeners side by side, or one alone: who would be alone waits for the others to be gone,
    and no other begins before.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._together = 0
        self._waiting = 0
        self._alone = False

    @contextmanager
    def beside_others(self, when_last: Callable[[], None]) -> Iterator[None]:
        """Take part; the last to leave calls `when_last` while nobody else listens."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and not self._waiting)
            self._together += 1
        try:
            yield
        finally:
            with self._changed:
                self._together -= 1
                if not self._together:
                    when_last()
                    self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Listen while nobody else does."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not self._alone and not self._together)
            finally:  # an interrupt is no reason to keep the others waiting
                self._waiting -= 1
                self._changed.notify_all()
            self._alone = True
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()


_turns = _Turns()


PIXEL_LIMIT = "OPENCV_IO_MAX_IMAGE_PIXELS"
LIMITS = (PIXEL_LIMIT, "OPENCV_IO_MAX_IMAGE_WIDTH", "OPENCV_IO_MAX_IMAGE_HEIGHT")
"""Environment variables in which OpenCV looks for a number; any other text ends the process."""


def limit(variable: str) -> int | None:
    """The number in one of OpenCV's variables, None when it is not set; raise `PooltoolError`."""
    text = os.environ.get(variable)
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)(KB|Kb|kb|MB|Mb|mb)?", text, re.ASCII)
    if not found:
        raise PooltoolError(f"the environment variable {variable} is {text!r}; set it to a number")
    return int(found[1]) * {"": 1, "kb": 1 << 10, "mb": 1 << 20}[(found[2] or "").lower()]


@cache
def import_cv2() -> Any:
    """Import OpenCV; raise `PooltoolError` that names what to mend when it cannot be loaded."""
    for variable in LIMITS:
        limit(variable)
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
    with _turns.alone(), _diverted() as file:
        try:
            with _collecting(file, heard):
                yield heard
        finally:
            os.ftruncate(file.fileno(), 0)  # a million noisy pictures are to fill no disk


@contextmanager
def overhearing() -> Iterator[Heard]:
    """Collect what native code says meanwhile, here or in other threads that do the same.

    Silence is for sure; who said a line that is heard, is not. Before `capture`, as `listening`.
    """
    if _captured is None:
        with listening() as heard:
            yield heard
        return
    heard, file = Heard(), _captured
    with _turns.beside_others(lambda: os.ftruncate(file.fileno(), 0)), _collecting(file, heard):
        yield heard


@contextmanager
def _collecting(file: IO[bytes], heard: Heard) -> Iterator[None]:
    """Add the lines that the file grows by inside."""
    start = os.fstat(file.fileno()).st_size
    try:
        yield
    finally:
        size = os.fstat(file.fileno()).st_size
        said = os.pread(file.fileno(), size - start, start)
        heard.lines += [line for line in said.decode("utf-8", "replace").splitlines() if line]


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
