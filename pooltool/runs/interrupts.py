"""What Ctrl-C, SIGTERM and SIGHUP do to a run: it ends early, nothing is left half done."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType, TracebackType
from typing import Any, NoReturn

from pooltool import temporaries
from pooltool.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what `kill` and `timeout` send, and that the terminal has gone."""
SAME_SECONDS = 0.5
"""A signal so soon after the first is the same: `timeout` sends its signal twice, and a script that
a terminal interrupts may pass on what has come already."""
GRACE_SECONDS = 5
"""How long what has begun may take to finish: a pipe may never end, a network disk never answer."""

_held = False


def hold() -> None:
    """Let an interrupt wait from here to `release`: a file takes its place, and is to be told."""
    global _held  # noqa: PLW0603 - signals are global, and so is what they may break off
    _held = True


def release() -> None:
    """Let interrupts break off the work again."""
    global _held  # noqa: PLW0603
    _held = False


class Interrupts:
    """Notes the first of the signals while a run is on; a second one ends it on the spot.

    A context manager. A signal that is ignored, as the shell makes background jobs and `nohup`
    its command do, stays ignored. `at_once` ends the run with the first one: for work in the main
    thread, which is broken off wherever it is not on `hold`, where that of other threads is
    awaited.
    """

    def __init__(self, *, at_once: bool) -> None:
        self.at_once = at_once
        self.number = 0
        self._since = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        temporaries.remove_all()  # of a write whose own clean-up was broken off

    def __bool__(self) -> bool:
        """True once a signal has come."""
        return self.number > 0

    @property
    def overdue(self) -> bool:
        """True when a signal came so long ago that what has not ended is given up."""
        return self.number > 0 and time.monotonic() - self._since > GRACE_SECONDS

    def end(self) -> NoReturn:
        """End the process here and now; only unfinished files are cleared away."""
        temporaries.remove_all()
        os._exit(self.status)

    @property
    def status(self) -> int:
        """The exit status of an interrupted run, 0 when none came."""
        return 128 + self.number if self.number else 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.number:
            self.number, self._since = number, now
            if self.at_once and not _held:
                raise Interrupted(number)
        elif now - self._since > SAME_SECONDS:
            self.end()
