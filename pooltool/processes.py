"""Other processes of this machine, which do jobs and end with the run, whatever ends it.

They are no `ProcessPoolExecutor`: when one of its processes is killed it ends the others too and
forgets what they did, they outlive a run that is killed, and it starts threads, after which no
process is forked safely.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from pooltool import files, native
from pooltool.interrupts import SIGNALS, Interrupts
from pooltool.job import Job, Outcome, Settings, pool_file

AHEAD = 1000
"""Jobs that may be begun while an earlier one is not told yet."""
PART_JOBS, PART_BYTES = 64, 1 << 18
"""So many jobs are handed over at once, or fewer where their files are larger."""
POLL_SECONDS = 0.05
"""How soon a run notices that it was asked to stop."""
CONTEXT: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
"""To fork a process costs almost nothing once OpenCV is loaded, and is safe before any thread is
started; elsewhere than on Linux system libraries start some.
"""


class Part:
    """Jobs that one process does, and their outcomes once they are there: all of them, or after an
    interrupt the first.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        self.outcomes: list[Outcome] | None = None


class Worker:
    """A process and the part that it does."""

    def __init__(self, settings: Settings, is_stopped: Any) -> None:
        self.connection, there = CONTEXT.Pipe()
        self.at_hand = CONTEXT.RawValue("i", 0)
        words = (there, settings, self.at_hand, is_stopped, files.protected())
        self.process = CONTEXT.Process(target=_serve, args=words, daemon=True)
        self.process.start()
        there.close()
        self.part = Part([])

    def begin(self, part: Part) -> None:
        """Have the jobs of a part done."""
        self.part = part
        with suppress(OSError):  # where it was killed meanwhile, as `receive` will see
            self.connection.send(part.jobs)

    def receive(self) -> None:
        """Wait for the outcomes of the part; there are none where the process was killed."""
        with suppress(EOFError, OSError):
            self.part.outcomes = self.connection.recv()

    def end(self) -> None:
        """Let the process end once its part is done."""
        with suppress(OSError):
            self.connection.send(None)
        self.process.join()

    def reason(self) -> str:
        """Why the process ended."""
        status = self.process.exitcode
        if status >= 0:
            return f"the process that pooled it ended with status {status}"
        name = signal.Signals(-status).name
        why = ", mostly for want of memory" if name == "SIGKILL" else ""
        return f"the process that pooled it was killed by {name}{why}"


def run(
    jobs: Sequence[Job], settings: Settings, interrupts: Interrupts, count: int
) -> Iterator[Outcome]:
    """Do the jobs by so many processes; yield the outcomes as `batch.run` does."""
    # Here, not only in every process: OpenCV waits for ever for its own threads, which a fork
    # leaves behind.
    native.import_cv2().setNumThreads(1)
    is_stopped = CONTEXT.RawValue("b", False)
    parts, begun = _parts(jobs), deque[Part]()
    idle: list[Worker] = []
    busy: dict[Any, Worker] = {}

    def start() -> Worker:
        return Worker(settings, is_stopped)

    try:
        while True:
            while not interrupts and (idle or len(busy) < count):
                ahead = sum(len(part.jobs) for part in begun)
                if ahead >= AHEAD or not (part := next(parts, None)):
                    break
                worker = idle.pop() if idle else start()
                worker.begin(part)
                begun.append(part)
                busy[worker.connection] = worker
            if not begun:
                return
            if begun[0].outcomes is not None or interrupts.is_overdue:
                yield from begun.popleft().outcomes or []
                continue
            for connection in wait(busy, POLL_SECONDS):
                worker = busy.pop(connection)
                worker.receive()
                if worker.part.outcomes is not None:
                    idle.append(worker)
                else:
                    worker.part.outcomes = list(_again(worker, start, interrupts))
            is_stopped.value = bool(interrupts)
    finally:
        is_stopped.value = True
        for worker in () if interrupts.is_overdue else (*idle, *busy.values()):
            worker.end()


def _again(lost: Worker, start: Callable[[], Worker], interrupts: Interrupts) -> Iterator[Outcome]:
    """Do the jobs of a process that was killed, each in a process of its own. One whose process is
    killed twice has failed.
    """
    lost.end()
    for number, job in enumerate(lost.part.jobs):
        for _ in range(1 if number == lost.at_hand.value else 2):
            if interrupts:
                return
            worker, part = start(), Part([job])
            worker.begin(part)
            worker.receive()
            worker.end()
            if part.outcomes is not None:
                yield from part.outcomes
                break
        else:
            yield Outcome(job, "failed", error=f"{worker.reason()}; tried twice, leave it out")


def _parts(jobs: Sequence[Job]) -> Iterator[Part]:
    """The jobs in parts."""
    part: list[Job] = []
    total = 0.0
    for job in jobs:
        size = files.size(job.input)
        if part and (len(part) == PART_JOBS or total + size > PART_BYTES):
            yield Part(part)
            part, total = [], 0
        part.append(job)
        total += size
    yield Part(part)


def _serve(
    connection: Connection,
    settings: Settings,
    at_hand: Any,
    is_stopped: Any,
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
        while jobs := connection.recv():
            outcomes = []
            for number, job in enumerate(jobs):
                if is_stopped.value:
                    break
                at_hand.value = number
                outcomes.append(pool_file(job, settings))
            connection.send(outcomes)


def _end_with_parent() -> None:
    """Wait for the end of the run, even by SIGKILL, and end at once with it."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        files.remove_temporaries()
        os._exit(1)
