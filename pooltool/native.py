"""How OpenCV is imported, and how the messages of its codecs are captured.

libjpeg, libpng, libtiff and OpenCV write their complaints straight to file descriptor 2, where no
setting stops them, and for some damaged pictures those lines are the only sign. A program calls
`capture` once at start-up: descriptor 2 then leads into a temporary file, and `sys.stderr` to
where descriptor 2 led before. In a library that never calls it, `captured` redirects the
descriptor only while a decode runs. The descriptor is one for all threads, so decoders take turns:
pictures are decoded at once by other processes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import IO, Any, TypeVar

from pooltool.errors import PooltoolError

T = TypeVar("T")
_STDERR = 2
_file: IO[bytes] | None = None
"""Where descriptor 2 leads after `capture`."""
_lock = Lock()
"""Held while a decoder runs."""

PIXEL_LIMIT = "OPENCV_IO_MAX_IMAGE_PIXELS"
LIMITS = {
    PIXEL_LIMIT: 1 << 30,
    "OPENCV_IO_MAX_IMAGE_WIDTH": 1 << 20,
    "OPENCV_IO_MAX_IMAGE_HEIGHT": 1 << 20,
}
"""Environment variables in which OpenCV looks for a number, any other text ends the process, and
its limits without them."""


@cache
def limit(variable: str) -> int:
    """The number in one of OpenCV's variables, or its default; raise `PooltoolError` for others.
    Like OpenCV, it is read once.
    """
    text = os.environ.get(variable)
    if text is None:
        return LIMITS[variable]
    if not (text.isascii() and text.isdigit()):
        raise PooltoolError(f"the environment variable {variable} is {text!r}; set it to a number")
    return int(text)


@cache
def import_cv2() -> Any:
    """Import OpenCV; raise `PooltoolError` with a remedy when it cannot be loaded."""
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
    import numpy as np

    # The C library of Linux keeps freed memory for what comes next up to the size of the largest
    # block that was freed, at most 32 MB; else every photograph waits for new pages of zeros, 5 to
    # 10 % longer.
    np.empty((32 << 20) - (1 << 16), np.uint8)
    return cv2


def capture() -> None:
    """Send all that native code writes to descriptor 2 into a temporary file, from now on. A
    process that is forked calls it again, for a file of its own.
    """
    global _file  # noqa: PLW0603 - descriptor 2 is global, and so is where it leads
    if _file is None:
        sys.stderr.flush()
        encoding, errors = sys.stderr.encoding, sys.stderr.errors
        sys.stderr = os.fdopen(os.dup(_STDERR), "w", 1, encoding=encoding, errors=errors)
    _file = _unnamed_file()
    os.dup2(_file.fileno(), _STDERR)


def captured(action: Callable[..., T], *words: Any) -> tuple[T, list[str]]:
    """What an action returns, and the lines that native code prints meanwhile."""
    lines = []
    with _lock:
        file, before = _file, None
        if file is None:
            file, before = _unnamed_file(), os.dup(_STDERR)
            os.dup2(file.fileno(), _STDERR)
        if file.tell():  # descriptor 2 is a duplicate and shares the position
            file.seek(0)
            file.truncate()  # else many warnings could fill the disk
        try:
            result = action(*words)
            if file.tell():
                file.seek(0)
                text = file.read().decode("utf-8", "replace")
                lines = [line for line in text.splitlines() if line]
        finally:
            if before is not None:
                os.dup2(before, _STDERR)
                os.close(before)
                file.close()
    return result, lines


def _unnamed_file() -> IO[bytes]:
    """A file without a name: in memory on Linux, which saves what `tempfile` takes to load."""
    if sys.platform == "linux" and hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("stderr"), "r+b", buffering=0)
    import tempfile

    return tempfile.TemporaryFile(buffering=0)
