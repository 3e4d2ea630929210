"""Other processes of this machine, which do jobs and end with the run, whatever ends it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any

from pooltool import files, native
from pooltool.interrupts import SIGNALS, Interrupts
from pooltool.job import Job, Outcome, Settings, pool_file

TURN_SECONDS = 0.05
"""How often a process looks whether it is to stop."""
CONTEXT: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
"""To fork a process costs almost nothing once OpenCV is loaded, and is safe before any thread is
started; elsewhere than on Linux system libraries start some.
"""


class ProcessLost(Exception):
    """A process that ended before it had done its jobs, the one of this number at hand."""

    def __init__(self, reason: str, number: int) -> None:
        super().__init__(reason)
        self.number = number


class Part(Future[list[Outcome]]):
    """Jobs for a process, and what became of them."""

    def __init__(self, jobs: Sequence[Job], processes: Processes) -> None:
        super().__init__()
        self.jobs, self._processes = jobs, processes

    def result(self, timeout: float | None = None) -> list[Outcome]:
        """The outcomes, in order; those of jobs that were not begun after an interrupt miss."""
        if not self.done():
            self._processes.look(timeout)
        return super().result(0)


class Worker:
    """One process and the part that it does."""

    def __init__(self, settings: Settings) -> None:
        self.connection, there = CONTEXT.Pipe()
        self.at_hand = CONTEXT.RawValue("i", 0)
        words = (there, settings, self.at_hand, files.protected())
        self.process = CONTEXT.Process(target=_serve, args=words, daemon=True)
        self.process.start()
        there.close()
        self.part: Part | None = None


class Processes:
    """Does parts by so many processes, which are started when there is work for them."""

    ahead, together = 1000, 64

    def __init__(self, count: int, settings: Settings, interrupts: Interrupts) -> None:
        self._count, self._settings, self._interrupts = count, settings, interrupts
        self._waiting: deque[Part] = deque()
        self._workers: list[Worker] = []
        self._is_stopped = False
        # Here, not only in every process: OpenCV waits for ever for its own threads, which a fork
        # leaves behind.
        native.import_cv2().setNumThreads(1)

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        """Let all processes end with the image at hand."""
        self._stop()
        if not self._interrupts.overdue:  # else they end with this process
            for worker in self._workers:
                worker.process.join()

    def submit(self, jobs: Sequence[Job]) -> Part:
        """Have jobs done, one after the other."""
        part = Part(jobs, self)
        self._waiting.append(part)
        self._hand_out()
        return part

    def after(self, error: Exception, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Do the jobs of a process that was killed, each in a process of its own. One whose
        process is killed twice has failed.
        """
        if not isinstance(error, ProcessLost):
            raise error
        for number, job in enumerate(jobs):
            yield from self._do_alone(job, tries=1 if number == error.number else 2)

    def _do_alone(self, job: Job, tries: int) -> list[Outcome]:
        with Processes(1, self._settings, self._interrupts) as alone:
            part = alone.submit([job])
            while not (part.done() or self._interrupts.overdue):
                alone.look(TURN_SECONDS)
            try:
                return part.result(0) if part.done() else []
            except CancelledError:
                return []
            except ProcessLost as error:
                if tries > 1:
                    return self._do_alone(job, tries - 1)
                return [Outcome(job, "failed", error=f"{error}; tried twice, leave it out")]

    def require_alive(self) -> None:
        """Processes that were killed are replaced."""

    def look(self, seconds: float | None) -> None:
        """Receive what has been done, waiting so long for it, and hand out more."""
        if self._interrupts:
            self._stop()
        busy = {worker.connection: worker for worker in self._workers if worker.part}
        for connection in wait(busy, seconds):
            worker = busy[connection]
            part, worker.part = worker.part, None
            if part:
                self._receive(worker, part)
        self._hand_out()

    def _receive(self, worker: Worker, part: Part) -> None:
        """Take what a process has done, and give it more at once; or see that it was killed."""
        outcomes: list[Outcome] | ProcessLost
        try:
            outcomes = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join()
            self._workers.remove(worker)
            reason = _reason(worker.process.exitcode)
            outcomes = ProcessLost(reason, worker.at_hand.value)
        self._hand_out()
        if isinstance(outcomes, ProcessLost):
            part.set_exception(outcomes)
        else:
            part.set_result(outcomes)

    def _hand_out(self) -> None:
        """Give every process that has nothing to do a part; start one where there is none."""
        while self._waiting and not self._interrupts:
            worker = next((worker for worker in self._workers if not worker.part), None)
            if worker is None:
                if len(self._workers) == self._count:
                    return
                worker = Worker(self._settings)
                self._workers.append(worker)
            try:
                worker.connection.send(self._waiting[0].jobs)
            except OSError:  # it was killed while it waited
                self._workers.remove(worker)
            else:
                worker.part = self._waiting.popleft()

    def _stop(self) -> None:
        """Let no other image be begun."""
        while self._waiting:
            self._waiting.popleft().cancel()
        for worker in () if self._is_stopped else self._workers:
            with suppress(OSError):
                worker.connection.send(None)
        self._is_stopped = True


def _reason(status: int) -> str:
    """Why a process ended."""
    if status >= 0:
        return f"the process that pooled it ended with status {status}"
    name = signal.Signals(-status).name
    why = ", mostly for want of memory" if name == "SIGKILL" else ""
    return f"the process that pooled it was killed by {name}{why}"


def _serve(
    connection: Connection,
    settings: Settings,
    at_hand: Any,
    protected: tuple[files.Identity, ...],
) -> None:
    """Do the jobs that come, until there are no more. A signal is for those who send them."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    files.protect(protected)
    native.capture()
    native.import_cv2().setNumThreads(1)
    with suppress(EOFError, OSError):  # the run has ended
        while (jobs := connection.recv()) is not None:
            outcomes, looked = list[Outcome](), monotonic()
            for at_hand.value, job in enumerate(jobs):
                outcomes.append(pool_file(job, settings))
                if monotonic() - looked > TURN_SECONDS:
                    if connection.poll():  # there are no more
                        break
                    looked = monotonic()
            connection.send(outcomes)


def _end_with_parent() -> None:
    """Wait for the end of the run, even by SIGKILL, and end at once with it."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        files.remove_temporaries()
        os._exit(1)
