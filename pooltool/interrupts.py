"""What a run does when it is asked to stop: Ctrl-C, `kill`, a terminal that goes away."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from pooltool import files

SIGNALS = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]
"""Ctrl-C, what `kill` and `timeout` send, and that the terminal has gone."""
GRACE_SECONDS = 5
"""How long what has begun may take to finish: a pipe may never end, a network disk never answer."""
SILENT_SECONDS = 0.3
"""What takes longer to finish is named, with what ends it now."""
SAME_SECONDS: dict[int, float] = {signal.SIGINT: 0.02}
"""Of two signals that come so soon after each other, the second is the first again; 0.5 where it
is not said. `timeout` sends its signal to the command and to its group, and when a terminal goes
away the kernel and the shell tell it; but fingers do press Ctrl-C twice."""


class Interrupts:
    """Notes the first of the signals while a run is on, and ends the process at the run's end.

    One that is ignored, as the shell makes background jobs and `nohup` its command do, stays
    ignored. The handler only notes the first: `run` looks for it. A second one ends the process on
    the spot, and with `finish=False` the first does.
    """

    def __init__(
        self, say_waiting: Callable[[str], None] | None = None, *, finish: bool = True
    ) -> None:
        self._say = say_waiting
        self._finish, self._number, self._since = finish, 0, 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._number:
            end(self._number)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        """True once a signal has come."""
        return self._number > 0

    @property
    def overdue(self) -> bool:
        """True when a signal came so long ago that what has not ended is given up."""
        return self._number > 0 and time.monotonic() - self._since > GRACE_SECONDS

    def say_waiting(self, name: str) -> None:
        """Say once that `name` is awaited, where that takes a while."""
        if self._number and self._say and time.monotonic() - self._since > SILENT_SECONDS:
            self._say(name)
            self._say = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self._finish or (self._number and now - self._since > SAME_SECONDS.get(number, 0.5)):
            end(number)
        if not self._number:
            self._number, self._since = number, now


def end(number: int) -> NoReturn:
    """End the process by a signal, so that shells know and stop their loops; leave nothing half
    done. Windows has no such end: there it is the exit status that shells give it elsewhere.
    """
    files.remove_temporaries()
    if os.name == "posix":
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    os._exit(128 + number)
