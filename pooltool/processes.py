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
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from multiprocessing.connection import Connection, wait
from typing import Any

from pooltool import files, native
from pooltool.errors import PooltoolError
from pooltool.interrupts import SIGNALS, Interrupts
from pooltool.job import Job, Outcome, Settings, pool_file

AHEAD = 1000
"""Jobs that may be started before an earlier one is reported."""
PART_JOBS, PART_BYTES = 64, 1 << 18
"""A part of the jobs holds so many, or fewer where their files are larger, but at least one."""
SPARE_PIPES = 6
"""A process is started only where so many could be opened: it inherits the pipes of all before it,
and needs files of its own.
"""
POLL_SECONDS = 0.05
"""Interval in which a run checks for interrupts."""
CONTEXT: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
"""To fork a process costs almost nothing once OpenCV is loaded, and is safe before any thread is
started; elsewhere than on Linux system libraries start some.
"""


class Worker:
    """A process and the part of the jobs that it does.

    Raises `PooltoolError` where the system starts no more processes or opens no more pipes.
    """

    def __init__(self, jobs: Sequence[Job], settings: Settings) -> None:
        self.jobs, self.part = jobs, range(0)
        try:
            spare = [CONTEXT.Pipe() for _ in range(SPARE_PIPES)]
            del spare  # which closes them
            self.connection, there = CONTEXT.Pipe()
            words = (there, jobs, settings, files.protected())
            self.process = CONTEXT.Process(target=_serve, args=words, daemon=True)
            self.process.start()
        except OSError as error:
            reason = f"no process can be started: {error.strerror}; use fewer --jobs"
            raise PooltoolError(reason) from None
        there.close()

    def begin(self, part: range) -> None:
        """Have the jobs of these numbers done."""
        self.part = part
        with suppress(OSError):  # it was killed, which `receive` notices
            self.connection.send(part)

    def receive(self) -> list[Outcome] | None:
        """Wait for the outcomes of the part, or after `stop` of the first jobs in it; None where
        the process was killed.
        """
        with suppress(EOFError, OSError):
            numbers_and_fields = zip(self.part, self.connection.recv(), strict=False)
            return [Outcome(self.jobs[number], *fields) for number, fields in numbers_and_fields]
        return None

    def stop(self) -> None:
        """Let the process end once the job at hand is done."""
        with suppress(OSError):
            self.connection.send(None)

    def end(self) -> str:
        """Stop the process and wait until it has ended; return why it did."""
        self.stop()
        self.process.join()
        status = self.process.exitcode
        name = f"status {status}" if status >= 0 else f"signal {-status}"
        with suppress(ValueError):  # it is no signal, or one for real time, which has no name
            name = signal.Signals(-status).name
        return name + ", probably because memory ran out" * (name == "SIGKILL")


def run(
    jobs: Sequence[Job], settings: Settings, interrupts: Interrupts, count: int
) -> Iterator[Outcome]:
    """Do the jobs by so many processes; yield the outcomes as `commands.run` does."""
    # Here too: OpenCV waits forever for threads of its own, which a fork does not copy.
    native.import_cv2().setNumThreads(1)
    parts, begun = _parts(jobs), deque[range]()
    done: dict[range, list[Outcome]] = {}
    idle, busy = list[Worker](), dict[Any, Worker]()
    try:
        while True:
            while not interrupts.number and (idle or len(busy) < count):
                is_far_ahead = begun and begun[-1].stop - begun[0].start >= AHEAD
                if is_far_ahead or not (part := next(parts, None)):
                    break
                try:
                    worker = idle.pop() if idle else Worker(jobs, settings)
                except PooltoolError:
                    if not begun:
                        raise
                    count, parts = max(1, len(busy)), chain([part], parts)
                    break
                worker.begin(part)
                begun.append(part)
                busy[worker.connection] = worker
            if not begun:
                return
            if begun[0] in done or interrupts.is_overdue:
                yield from done.pop(begun.popleft(), ())
                continue
            for connection in wait(busy, POLL_SECONDS):
                worker = busy.pop(connection)
                outcomes = worker.receive()
                if outcomes is None:
                    outcomes = list(_again(worker, settings, interrupts))
                else:
                    idle.append(worker)
                done[worker.part] = outcomes
            for worker in busy.values() if interrupts.number else ():
                worker.stop()
    finally:
        for worker in busy.values():
            worker.stop()
        for worker in () if interrupts.is_overdue else (*idle, *busy.values()):
            worker.end()


def _again(lost: Worker, settings: Settings, interrupts: Interrupts) -> Iterator[Outcome]:
    """Do the jobs of a process that was killed, each in a process of its own. One that has ended
    two processes in which it was alone has failed.
    """
    lost.end()
    for number in lost.part:
        for _ in range(1 if len(lost.part) == 1 else 2):
            if interrupts.number:
                return
            worker = Worker(lost.jobs, settings)
            worker.begin(range(number, number + 1))
            outcomes, reason = worker.receive(), worker.end()
            if outcomes is not None:
                yield from outcomes
                break
        else:
            error = f"its process ended ({reason}); tried twice alone; leave it out"
            yield Outcome(lost.jobs[number], "failed", error=error)


def _parts(jobs: Sequence[Job]) -> Iterator[range]:
    first, total = 0, 0.0
    for number, job in enumerate(jobs):
        size = files.size(job.input)
        if number > first and (number - first == PART_JOBS or total + size > PART_BYTES):
            yield range(first, number)
            first, total = number, 0
        total += size
    yield range(first, len(jobs))


def _serve(
    connection: Connection,
    jobs: Sequence[Job],
    settings: Settings,
    protected: tuple[files.Identity, ...],
) -> None:
    """Do the jobs that arrive, until there are no more. Only the parent handles signals."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    with suppress(RuntimeError):  # the system starts no more threads
        threading.Thread(target=_end_with_parent, daemon=True).start()
    files.protect(protected)
    native.capture()
    native.import_cv2().setNumThreads(1)
    with suppress(EOFError, OSError):  # the run has ended
        while part := connection.recv():
            outcomes = []
            for number in part:
                if connection.poll():  # it is to stop
                    break
                # Without its job, which is known there: named tuples take 20 us each to be sent.
                outcomes.append(pool_file(jobs[number], settings)[1:])
            connection.send(outcomes)


def _end_with_parent() -> None:
    """Wait for the end of the run, even by SIGKILL, and end at once with it."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        files.remove_temporaries()
        os._exit(1)
