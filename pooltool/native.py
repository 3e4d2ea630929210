"""OpenCV as a guest in this process: how it is imported, and what its codecs print.

libjpeg, libpng, libtiff and OpenCV write their complaints straight to file descriptor 2, where no
setting stops them, and for some damaged pictures those lines are the only sign. A program calls
`capture` once at start-up: descriptor 2 then leads into a temporary file, and `sys.stderr` to
where descriptor 2 led before. In a library that never calls it, `captured` redirects the
descriptor only while a decode runs.

The descriptor is one for all threads. Decoders that run at once see each other's lines; no output
proves that nothing was printed. Only a picture that may be damaged is decoded again, exclusively.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Condition, Lock
from typing import IO, Any

from pooltool.errors import PooltoolError

_STDERR = 2
_file: IO[bytes] | None = None
"""Where descriptor 2 leads after `capture`."""
_gate, _changed = Lock(), Condition()
"""Who is exclusive holds the gate, through which all others come; a change of `_sharing`."""
_sharing = 0
"""Threads that capture together."""


PIXEL_LIMIT = "OPENCV_IO_MAX_IMAGE_PIXELS"
LIMITS = {
    PIXEL_LIMIT: 1 << 30,
    "OPENCV_IO_MAX_IMAGE_WIDTH": 1 << 20,
    "OPENCV_IO_MAX_IMAGE_HEIGHT": 1 << 20,
}
"""Environment variables in which OpenCV looks for a number, any other text ends the process, and
its limits without them."""


def limit(variable: str) -> int:
    """The number in one of OpenCV's variables, or its default; raise `PooltoolError` for others."""
    text = os.environ.get(variable)
    if text is None:
        return LIMITS[variable]
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
    if not hasattr(cv2, "imdecode"):  # what uninstalling one of its two packages leaves
        raise PooltoolError("OpenCV is broken; run: pip install --force-reinstall opencv-python")
    return cv2


def capture() -> None:
    """Send all that native code writes to descriptor 2 into a temporary file, from now on."""
    global _file  # noqa: PLW0603 - descriptor 2 is global, and so is where it leads
    if _file is None:
        sys.stderr.flush()
        encoding, errors = sys.stderr.encoding, sys.stderr.errors
        sys.stderr = os.fdopen(os.dup(_STDERR), "w", 1, encoding=encoding, errors=errors)
        _file = _unnamed_file()
        os.dup2(_file.fileno(), _STDERR)


@contextmanager
def captured(*, exclusive: bool = False) -> Iterator[list[str]]:
    """Give a list that holds, when the block ends, the lines that native code printed meanwhile.

    They may be of other threads that do the same, unless it is `exclusive`: then the others wait.
    It always is before `capture`, and where a file cannot be read beside its one position.
    """
    global _sharing  # noqa: PLW0603 - how many threads are between the two ends of this function
    lines: list[str] = []
    file = _file
    if exclusive or file is None or not hasattr(os, "pread"):
        with _gate:
            with _changed:
                _changed.wait_for(lambda: not _sharing)
            with _redirected(lines):
                yield lines
        return
    with _gate, _changed:
        start = os.fstat(file.fileno()).st_size
        if start and not _sharing:
            _empty(file)
            start = 0
        _sharing += 1
    try:
        yield lines
    finally:
        lines += _lines(file, start)
        with _changed:
            _sharing -= 1
            _changed.notify_all()


@contextmanager
def _redirected(lines: list[str]) -> Iterator[None]:
    """Gather what is printed into the file that descriptor 2 leads to, or into one for now."""
    before = None
    file = _file
    if file is None:
        file, before = _unnamed_file(), os.dup(_STDERR)
        os.dup2(file.fileno(), _STDERR)
    _empty(file)
    try:
        yield
    finally:
        lines += _lines(file, 0)
        _empty(file)
        if before is not None:
            os.dup2(before, _STDERR)
            os.close(before)
            file.close()


def _unnamed_file() -> IO[bytes]:
    """A file without a name: in memory on Linux, which saves what `tempfile` takes to load."""
    if sys.platform == "linux" and hasattr(os, "memfd_create"):
        import fcntl

        number = os.memfd_create("stderr")
        # Threads that write at once would overwrite each other's lines: it has no lock of position.
        fcntl.fcntl(number, fcntl.F_SETFL, os.O_APPEND)
        return os.fdopen(number, "r+b", buffering=0)
    import tempfile

    return tempfile.TemporaryFile(buffering=0)


def _empty(file: IO[bytes]) -> None:
    """Forget what was printed: a million noisy pictures are to fill no disk.

    Descriptor 2 is a duplicate and shares the position, so it goes back to the start as well.
    """
    file.seek(0)
    file.truncate()


def _lines(file: IO[bytes], start: int) -> list[str]:
    """The lines behind a position. Decoders that are not captured may be printing: where it can
    be, descriptor 2 stays where it is."""
    size = os.fstat(file.fileno()).st_size - start
    if size <= 0:
        return []
    if hasattr(os, "pread"):
        text = os.pread(file.fileno(), size, start)
    else:
        file.seek(start)
        text = file.read()
    return [line for line in text.decode("utf-8", "replace").splitlines() if line]
