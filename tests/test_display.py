"""The window: without a display one clear line, with one (Xvfb) a window that opens and closes."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import ROOT, SAMPLES, Run, load
from numpy.typing import NDArray

from pooltool.display import reduced

needs_xvfb = pytest.mark.skipif(
    not (shutil.which("Xvfb") and shutil.which("xdotool") and shutil.which("import")),
    reason="needs Xvfb, xdotool and ImageMagick (apt-get install xvfb xdotool imagemagick)",
)
COMMANDS = ["max", "min", "avg", "compare"]
PATIENCE = 30.0
"""Seconds to wait for a window to come or go."""


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("display", [None, "", ":97", "nonsense"])
def test_without_a_display(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, display: str | None
) -> None:
    shutil.copy(SAMPLES / "lecture.pgm", tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    if display is not None:
        monkeypatch.setenv("DISPLAY", display)
    result = run(command, "lecture.pgm", "--show")
    assert result.status == 1
    assert result.err.startswith("pooltool: ") and result.err.count("\n") == 1
    assert "display" in result.err and "--show" in result.err
    assert result.out.startswith("lecture.pgm (4, 4) -> ")
    suffix = "png" if command == "compare" else "pgm"
    assert load(f"lecture_{command}.{suffix}").size


def test_without_tk(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(SAMPLES / "lecture.pgm", tmp_path)
    monkeypatch.setitem(sys.modules, "tkinter", None)
    result = run("max", "lecture.pgm", "--show")
    assert (result.status, result.err.count("\n")) == (1, 1)
    assert "install" in result.err and "python3-tk" in result.err


@pytest.mark.parametrize(
    ("screen", "size"),
    [
        ((4000, 4000), (800, 2000)),
        ((1000, 4000), (360, 900)),
        ((4000, 400), (360, 900)),
    ],
)
def test_a_picture_fits_the_screen(screen: tuple[int, int], size: tuple[int, int]) -> None:
    assert reduced(np.zeros((800, 2000, 3), np.uint8), screen).shape == (*size, 3)


@dataclass
class Desktop:
    """A virtual screen, and the pooltool that is run on it."""

    display: str
    folder: Path
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "DISPLAY": self.display, "PYTHONPATH": str(ROOT)}

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "pooltool", *words]
        pipe = subprocess.PIPE
        self.running.append(
            subprocess.Popen(
                command, env=self.environment, cwd=self.folder, stdout=pipe, stderr=pipe, text=True
            )
        )
        return self.running[-1]

    def xdotool(self, *words: str) -> list[str]:
        done = subprocess.run(
            ["xdotool", *words], env=self.environment, capture_output=True, text=True, check=False
        )
        return done.stdout.split()

    def window(self, title: str) -> str:
        """The id of the window with this title, once it is there."""
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            if found := self.xdotool("search", "--onlyvisible", "--name", f"^{title}$"):
                time.sleep(0.5)  # for its first picture
                return found[0]
            time.sleep(0.1)
        raise AssertionError(f"no window {title!r}: {self.running[-1].poll()}")

    def press(self, window: str, key: str) -> None:
        self.xdotool("windowfocus", window)
        self.xdotool("key", key)


def ended(process: subprocess.Popen[str], close: Callable[[], None]) -> tuple[int, str, str]:
    """Close its window as a user does, again if it came too early; status, stdout and stderr."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        close()
        with suppress(subprocess.TimeoutExpired):
            out, err = process.communicate(timeout=3)
            return process.returncode, out, err
    raise AssertionError("the window does not close")


class Sent(ctypes.Structure):
    """libxcb's cookie for a request."""

    _fields_ = (("sequence", ctypes.c_uint),)


def ask_to_close(display: str, window: str) -> None:
    """Send a window what its close button makes the window manager send: WM_DELETE_WINDOW."""
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_intern_atom.restype = Sent
    xcb.xcb_intern_atom_reply.restype = ctypes.POINTER(ctypes.c_uint32)
    server = ctypes.c_void_p(xcb.xcb_connect(display.encode(), None))
    atoms = [
        xcb.xcb_intern_atom_reply(server, xcb.xcb_intern_atom(server, 0, len(name), name), None)[2]
        for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")
    ]
    client_message = struct.pack("=BBHII5I", 33, 32, 0, int(window), *atoms, 0, 0, 0, 0)
    xcb.xcb_send_event(server, 0, ctypes.c_uint32(int(window)), 0, client_message)
    xcb.xcb_flush(server)
    xcb.xcb_disconnect(server)


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    shutil.copy(SAMPLES / "lecture.pgm", tmp_path)
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with open(read) as numbers:
            desktop = Desktop(f":{numbers.readline().strip()}", tmp_path)
        yield desktop
        for process in desktop.running:
            if process.poll() is None:
                process.kill()
            process.communicate()
        server.terminate()


@needs_xvfb
@pytest.mark.parametrize("command", COMMANDS)
def test_a_window_closes_on_a_key(desktop: Desktop, command: str) -> None:
    process = desktop.start(command, "lecture.pgm", "--show")
    window = desktop.window(f"pooltool {command} lecture.pgm")
    assert process.poll() is None
    status, out, err = ended(process, lambda: desktop.press(window, "space"))
    assert (status, err) == (0, "")
    assert out.startswith("lecture.pgm (4, 4) -> ")


@needs_xvfb
def test_a_window_closes_by_its_button(desktop: Desktop) -> None:
    process = desktop.start("compare", "lecture.pgm", "--show")
    window = desktop.window("pooltool compare lecture.pgm")
    status, _, err = ended(process, lambda: ask_to_close(desktop.display, window))
    assert (status, err) == (0, "")


@needs_xvfb
def test_ctrl_c_works_while_the_window_is_open(desktop: Desktop) -> None:
    process = desktop.start("max", "lecture.pgm", "--show")
    desktop.window("pooltool max lecture.pgm")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in err


def screenshot(desktop: Desktop, window: str, width: int) -> NDArray[Any]:
    """A picture of the window, once it has taken its width and had time to be painted."""
    shot = desktop.folder / "shot.png"
    end = time.monotonic() + PATIENCE
    while True:
        time.sleep(0.5)
        command = ["import", "-window", window, str(shot)]
        subprocess.run(command, env=desktop.environment, check=True)
        seen = load(shot)[..., :3]
        if abs(seen.shape[1] - width) <= 2:
            return seen
        assert time.monotonic() < end, f"the window is {seen.shape[1]} wide, not {width}"


@needs_xvfb
def test_the_window_shows_the_panel(desktop: Desktop) -> None:
    process = desktop.start("compare", "lecture.pgm", "--show")
    window = desktop.window("pooltool compare lecture.pgm")
    panel = reduced(load(desktop.folder / "lecture_compare.png"), (1280, 800))
    seen = screenshot(desktop, window, panel.shape[1])
    ended(process, lambda: desktop.press(window, "q"))
    small = [cv2.resize(picture, (200, 60)) for picture in (panel, seen)]
    assert np.abs(small[0].astype(int) - small[1]).mean() < 4
