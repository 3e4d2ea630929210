"""Short jobs on several processors: other Pythons, since the threads of one wait for each other."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

from pooltool import native
from pooltool.interrupts import SIGNALS, Interrupts
from pooltool.job import Job, Outcome, Settings, attempt, pool_file

TURN_SECONDS = 0.05
"""How long a process works before it tells what it has done."""


class Process:
    """Another Python that does jobs one after the other. It ends when its connection is closed."""

    def __init__(self, settings: Settings, interrupts: Interrupts) -> None:
        self._settings, self._interrupts = settings, interrupts
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, settings), daemon=True)
        self._process.start()
        there.close()
        with suppress(EOFError, OSError):
            self._connection.recv()  # it is ready; until then it is given no jobs

    def pool_files(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Have jobs done there; after an interrupt, fewer of them. Without the process, here."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(jobs) and not self._interrupts:
            left = jobs[len(outcomes) :]
            try:
                self._connection.send(left)
                outcomes += self._connection.recv()
            except (EOFError, OSError):
                outcomes.append(attempt(pool_file, left[0], self._settings))
        return outcomes

    def close(self) -> None:
        """Let it end."""
        self._connection.close()
        self._process.join()


def _serve(connection: Connection, settings: Settings) -> None:
    """Do the jobs that come, until there are no more. A signal is for those who send them."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    native.capture()
    with suppress(EOFError, OSError):  # the connection is closed
        connection.send("ready")
        while True:
            jobs: Sequence[Job] = connection.recv()
            outcomes, until = [], time.monotonic() + TURN_SECONDS
            for job in jobs:
                outcomes.append(attempt(pool_file, job, settings))
                if time.monotonic() > until:
                    break
            connection.send(outcomes)
