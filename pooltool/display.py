"""A window on the screen, for as long as somebody looks at it. Main thread only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Iterator

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


class _Screens(ctypes.Structure):
    """libxcb's `xcb_screen_iterator_t`; as 16-bit numbers, the screen's size is at 10 and 11."""

    _fields_ = (
        ("screen", ctypes.POINTER(ctypes.c_uint16)),
        ("rem", ctypes.c_int),
        ("index", ctypes.c_int),
    )


def show(
    title: str, picture: NDArray[np.uint8], *, stop: Callable[[], bool] = lambda: False
) -> None:
    """Show a BGR picture in a window until a key is pressed, the window is closed, or `stop()`.

    A picture that is larger than the screen is reduced to fit. Raises `DisplayError` when there
    is no screen to show it on.
    """
    os.environ.setdefault("QT_LOGGING_RULES", "*=false")  # no remarks about fonts and themes
    with _display() as screen:
        try:
            cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
            cv2.imshow(title, reduced(picture, screen))
        except cv2.error as error:
            problem = str(error).strip().splitlines()[0]
            raise DisplayError(f"no window can be opened: {problem}") from None
        with contextlib.suppress(cv2.error):  # raised once the window is closed by its button
            while not stop() and cv2.waitKey(POLL) == NO_KEY:
                if cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) < 1:
                    break
            cv2.destroyAllWindows()
            cv2.waitKey(1)  # Qt takes the window away when it is next given time


@contextlib.contextmanager
def _display() -> Iterator[tuple[int, int] | None]:
    """The width and height of the screen, None if only the window system knows them.

    Raises `DisplayError` when there is none. OpenCV's Qt, on Linux, would end the whole process
    then, so libxcb is asked first. The connection is kept as long as the window: an X server that
    loses its only client may start anew, and turn Qt away meanwhile.
    """
    if not sys.platform.startswith("linux"):
        yield None
        return
    os.environ["QT_QPA_PLATFORM"] = "xcb"  # the one that opencv-python brings
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        raise DisplayError(f"--show needs libxcb (package libxcb1); {REMEDY}") from None
    xcb.xcb_connect.restype = xcb.xcb_get_setup.restype = ctypes.c_void_p
    xcb.xcb_setup_roots_iterator.restype = _Screens
    connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
    try:
        if xcb.xcb_connection_has_error(connection):
            name = os.environ.get("DISPLAY")
            problem = f"the display {name} does not answer" if name else "there is no display"
            raise DisplayError(f"{problem} to open a window on; {REMEDY}")
        setup = ctypes.c_void_p(xcb.xcb_get_setup(connection))
        size = xcb.xcb_setup_roots_iterator(setup).screen
        yield size[10], size[11]
    finally:
        xcb.xcb_disconnect(connection)


def reduced(picture: NDArray[np.uint8], screen: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Reduce the picture, if need be, to what a screen of (width, height) has room for."""
    height, width = picture.shape[:2]
    scale = 1.0 if screen is None else FITS * min(screen[0] / width, screen[1] / height)
    if scale >= 1:
        return picture
    size = max(1, int(width * scale)), max(1, int(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
