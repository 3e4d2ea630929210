"""What a run does when it is asked to stop: Ctrl-C, `kill`, a terminal that is closed."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from threading import Thread
from typing import Any, NoReturn

from pooltool import files

SIGNALS = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]
"""Sent by Ctrl-C, by `kill` and `timeout`, and when the terminal is closed."""
GRACE_SECONDS = 5
"""Time to finish the images at hand: a pipe may never end, a network disk never answer."""
SILENT_SECONDS = 0.3
"""If an image takes longer to finish, the run says so."""
SAME_SECONDS: dict[int, float] = {signal.SIGINT: 0.02}
"""Two signals within this time (0.5 if not listed) count as one: `timeout` sends its signal to the
command and to its group, and a closed terminal causes two. Only Ctrl-C is pressed twice by hand."""


class Interrupts:
    """Notes the first of the signals while a run is on, and ends the process at the run's end.

    One that is ignored, as the shell makes background jobs and `nohup` its command do, stays
    ignored. A second signal ends the process on the spot, and so does the end of `GRACE_SECONDS`.
    """

    number = 0
    """The signal that has come, if any."""
    is_overdue = False
    """True when the time to finish is over."""

    def __init__(
        self,
        say_waiting: Callable[[], None] = lambda: None,
        give_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._say_waiting, self._give_up = say_waiting, give_up
        self._since = 0.0
        self._before: dict[int, Any] = {}
        self._watcher: Thread | None = None

    def __enter__(self) -> Interrupts:
        for number in SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._watcher:
            os.close(signal.set_wakeup_fd(-1))
            self._watcher.join()
        if self.number:
            end(self.number)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def watch(self) -> None:
        """Have a thread note the signals from now on: Python's own handlers wait for OpenCV."""
        reader, writer = os.pipe()
        if sys.platform != "win32":
            os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        self._watcher = Thread(target=self._watch, args=[reader], daemon=True)
        self._watcher.start()

    def _watch(self, reader: int) -> None:
        with open(reader, "rb", buffering=0) as numbers:
            while number := numbers.read(1):
                self._note(number[0])

    def _handle(self, number: int, frame: object) -> None:
        self.number = self.number or number
        if not self._watcher:
            self._note(number)

    def _note(self, number: int) -> None:
        now = time.monotonic()
        if not self._since:
            self.number, self._since = number, now
            Thread(target=self._lose_patience, daemon=True).start()
        elif now - self._since > SAME_SECONDS.get(number, 0.5):
            end(number)

    def _lose_patience(self) -> None:
        time.sleep(SILENT_SECONDS)
        self._say_waiting()
        time.sleep(GRACE_SECONDS - SILENT_SECONDS)
        self.is_overdue = True
        time.sleep(SILENT_SECONDS)  # for the run to end by itself, where it can
        self._give_up()
        end(self.number)


def end(number: int) -> NoReturn:
    """End the process by a signal, so that shells stop their loops, without temporary files. On
    Windows it ends with the exit status that shells report for the signal elsewhere.
    """
    files.remove_temporaries()
    if os.name == "posix":
        from ctypes import pythonapi

        pythonapi.PyOS_setsig(number, None)  # `signal.signal`, which is for the main thread only
        signal.raise_signal(number)
    os._exit(128 + number)
