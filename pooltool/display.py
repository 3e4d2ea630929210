"""A window on the screen, for as long as somebody looks at it. Main thread only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pooltool.errors import DisplayError

FITS = 0.9
"""Part of the screen's width and height that a window may take."""
POLL = 50
"""Milliseconds between two looks at the window; Ctrl-C waits no longer than this."""
NO_KEY = -1
REMEDY = "run it in a desktop session, through `ssh -X` or under `xvfb-run`, or leave out --show"


class _Screen(ctypes.Structure):
    """The first fields of libxcb's `xcb_screen_t`."""

    _fields_ = (
        ("root", ctypes.c_uint32),
        ("default_colormap", ctypes.c_uint32),
        ("white_pixel", ctypes.c_uint32),
        ("black_pixel", ctypes.c_uint32),
        ("current_input_masks", ctypes.c_uint32),
        ("width_in_pixels", ctypes.c_uint16),
        ("height_in_pixels", ctypes.c_uint16),
    )


class _Screens(ctypes.Structure):
    """libxcb's `xcb_screen_iterator_t`."""

    _fields_ = (
        ("data", ctypes.POINTER(_Screen)),
        ("rem", ctypes.c_int),
        ("index", ctypes.c_int),
    )


def show(title: str, picture: NDArray[np.uint8]) -> None:
    """Show a BGR picture in a window until a key is pressed or the window is closed.

    A picture that is larger than the screen is reduced to fit. Raises `DisplayError` when there
    is no screen to show it on.
    """
    with _quiet(), _display() as screen:
        try:
            cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
            cv2.imshow(title, reduced(picture, screen))
            _wait(title)
        except cv2.error as error:
            raise DisplayError(f"no window can be opened: {_first_line(error)}") from None
        finally:
            _close()


@contextlib.contextmanager
def _display() -> Iterator[tuple[int, int] | None]:
    """The width and height of the screen, None if only the window system knows them.

    Raises `DisplayError` when there is none. OpenCV's Qt would end the whole process then, so
    that has to be known before it is asked for anything. The connection is kept as long as the
    window: an X server that loses its only client may start anew, and turn Qt away meanwhile.
    """
    if not sys.platform.startswith("linux"):
        yield None
        return
    os.environ["QT_QPA_PLATFORM"] = "xcb"  # the one that opencv-python brings
    try:
        library = ctypes.CDLL("libxcb.so.1")
    except OSError:
        raise DisplayError(f"--show needs libxcb (package libxcb1); {REMEDY}") from None
    library.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(library.xcb_connect(None, None))
    try:
        if library.xcb_connection_has_error(connection):
            name = os.environ.get("DISPLAY")
            problem = f"the display {name} does not answer" if name else "there is no display"
            raise DisplayError(f"{problem} to open a window on; {REMEDY}")
        yield _screen_size(library, connection)
    finally:
        library.xcb_disconnect(connection)


def reduced(picture: NDArray[np.uint8], screen: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Reduce the picture, if need be, to what a screen of (width, height) has room for."""
    if screen is None:
        return picture
    height, width = picture.shape[:2]
    scale = min(1.0, FITS * screen[0] / width, FITS * screen[1] / height)
    if scale == 1:
        return picture
    size = max(1, int(width * scale)), max(1, int(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _screen_size(library: Any, connection: ctypes.c_void_p) -> tuple[int, int]:
    """Width and height, in pixels, of the first screen of the connected X server."""
    library.xcb_get_setup.restype = ctypes.c_void_p
    library.xcb_setup_roots_iterator.restype = _Screens
    setup = ctypes.c_void_p(library.xcb_get_setup(connection))
    screen = library.xcb_setup_roots_iterator(setup).data.contents
    return screen.width_in_pixels, screen.height_in_pixels


def _wait(title: str) -> None:
    """Return when a key is pressed in the window or it is no longer there."""
    while cv2.waitKey(POLL) == NO_KEY and _is_open(title):
        pass


def _is_open(title: str) -> bool:
    """Once the last window is closed OpenCV no longer answers but raises."""
    try:
        return cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1
    except cv2.error:
        return False


def _close() -> None:
    """Take the window away; Qt does so when it is next given time."""
    with contextlib.suppress(cv2.error):
        cv2.destroyAllWindows()
        cv2.waitKey(1)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Qt's remarks about fonts and themes off stderr."""
    before = os.environ.get("QT_LOGGING_RULES")
    os.environ["QT_LOGGING_RULES"] = "*=false"
    try:
        yield
    finally:
        if before is None:
            del os.environ["QT_LOGGING_RULES"]
        else:
            os.environ["QT_LOGGING_RULES"] = before


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
