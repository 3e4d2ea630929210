"""A window on the screen, open until a key is pressed. Main thread only.

It uses Tk, which comes with Python: OpenCV's own window ends the whole process where there is no
display, does not know the size of the screen, and is missing from the headless builds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from pooltool.errors import PooltoolError

FITS = 0.9
"""Part of the screen's width and height that a window may take."""
POLL = 0.03
"""Seconds between two checks of the window; Ctrl-C waits no longer than this."""


def show(title: str, picture: NDArray[np.uint8], stop: Callable[[], bool] = lambda: False) -> None:
    """Show a BGR picture in a window until a key is pressed, the window is closed, or `stop()`.

    A picture that is larger than the screen is reduced to fit. Raises `PooltoolError` when there
    is no screen to show it on, or this Python came without Tk.
    """
    try:
        import tkinter

        window = tkinter.Tk()
    except Exception as error:  # ImportError, or TclError of what is not there
        raise PooltoolError(
            f"no window can be opened ({error}); --show needs a display, such as a desktop session "
            "or `ssh -X`, and Python's Tk (on Debian or Ubuntu: apt install python3-tk)"
        ) from None
    try:
        window.title(title.encode("utf-8", "replace").decode())
        shown = reduced(picture, (window.winfo_screenwidth(), window.winfo_screenheight()))
        header = b"P6 %d %d 255\n" % (shown.shape[1], shown.shape[0])
        image = tkinter.PhotoImage(master=window, data=header + shown[..., ::-1].tobytes())
        tkinter.Label(window, image=image, borderwidth=0).pack()
        ends: list[object] = []
        window.bind("<Key>", ends.append)
        window.protocol("WM_DELETE_WINDOW", lambda: ends.append("closed"))
        while not (ends or stop()):
            window.update()
            time.sleep(POLL)
    finally:
        window.destroy()


def reduced(picture: NDArray[np.uint8], screen: tuple[int, int]) -> NDArray[np.uint8]:
    """Reduce the picture, if need be, to what a screen of (width, height) has room for."""
    height, width = picture.shape[:2]
    scale = FITS * min(screen[0] / width, screen[1] / height)
    if scale >= 1:
        return picture
    size = max(1, int(width * scale)), max(1, int(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
