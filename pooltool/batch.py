"""Many images in one run: pooled by threads, processes or a Dask cluster, told in order."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from pooltool import files
from pooltool.errors import ClusterError
from pooltool.interrupts import SILENT_SECONDS, Interrupts
from pooltool.job import Job, Outcome, Settings, attempt, pool_file

POLL_SECONDS = 0.05
"""How soon a run tells what is done, and notices that it was asked to stop."""
START_SECONDS = 0.005
"""How long the first job may take before others are begun beside it."""
SHORT_SECONDS = 0.002
"""Jobs of less processor time may go through faster one at a time: threads share one Python, and
waiting for it by turns costs each job some 0.3 ms. They go through faster still by processes."""
LOOKED_AT, TRIED_AGAIN = 16, 1024
"""So many jobs in a row tell how fast they go, and after so many the other way is tried again."""
AHEAD = 1000
"""Jobs that may be begun while an earlier one is not told yet; their outcomes take 1 KB each."""
TOGETHER = 32
"""Short jobs that a process is given at once."""
WORTH_A_PROCESS = 1.0
"""Seconds of short jobs that are left for each process; to start one takes 0.2 seconds."""


class Workers(NamedTuple):
    """Those who do the jobs of a run."""

    threads: int
    """Jobs that are done at the same time, at the most, each awaited by a thread of its own."""
    ahead: int
    """Jobs that may be begun while an earlier one is not told yet."""
    pool_file: Callable[[Job, Settings], Outcome] = pool_file
    require_alive: Callable[[], None] = lambda: None
    """Raises `ClusterError` once there is nobody left to do a job."""
    remote: bool = False
    """True when threads only wait for a cluster, so that the process may end without them."""
    processes: bool = False
    """True when threads may have short jobs done by other processes."""


def run(
    jobs: Sequence[Job],
    settings: Settings,
    workers: Workers,
    interrupts: Interrupts,
    say_waiting: Callable[[Job], None] = lambda job: None,
) -> Generator[Outcome, None, None]:
    """Pool every image on the workers; yield the outcomes in the order of the jobs.

    One that fails is an outcome too and does not stop the others. After an interrupt nothing more
    is begun; what has begun is finished, unless that takes too long, and `say_waiting` is given
    the first job that is awaited. Raises `ClusterError` when there are no workers any more.
    """
    # Not concurrent.futures: to load it takes 5 ms, and pooling a photograph takes 140 in all.
    queue, is_said = _Queue(len(jobs), workers, interrupts), False

    def work() -> None:
        process = None
        while (numbers := queue.begin(here=process is None)) is not None:
            if not numbers:
                from pooltool.processes import Process  # few runs need it

                process = Process(settings, interrupts)
            elif process:
                queue.finish(numbers, process.pool_files([jobs[number] for number in numbers]))
            else:
                began = time.thread_time()
                result: Outcome | BaseException
                try:
                    result = attempt(workers.pool_file, jobs[numbers[0]], settings)
                except (BrokenPipeError, ClusterError) as error:
                    result = error
                queue.finish(numbers, [result], time.thread_time() - began)
        if process:
            process.close()

    try:
        for _ in range(min(workers.threads, len(jobs))):
            threading.Thread(target=work, daemon=workers.remote).start()
        for result in queue.results():
            if isinstance(result, BaseException):
                raise result
            if result is not None:
                yield result
            else:
                workers.require_alive()
                if interrupts.is_older_than(SILENT_SECONDS) and not is_said:
                    say_waiting(jobs[queue.told])
                    is_said = True
    finally:
        queue.close()


class _Queue:
    """Which jobs are begun and what became of them: threads begin and finish, one tells in order.

    So that results that wait to be told take little memory, jobs begin at most `ahead` of it. Short
    jobs are done one at a time here, and by processes.
    """

    def __init__(self, count: int, workers: Workers, interrupts: Interrupts) -> None:
        self._count, self._workers, self._interrupts = count, workers, interrupts
        self._begun = self._running = self._told = self._processes = 0
        self._pace = _Pace(not workers.remote, workers.processes)
        self._results: dict[int, Outcome | BaseException | None] = {}
        self._changed = threading.Condition()

    def begin(self, *, here: bool) -> range | None:
        """The numbers of the next jobs to do, None when there are no more: one, or several short
        ones that are not done `here` but by a process. No number at all where the thread had
        better start a process.
        """
        with self._changed:
            while self._begun < self._count and not self._interrupts:
                short, left = self._pace.one_at_a_time, self._count - self._begun
                room = self._told + self._workers.ahead - self._begun
                in_the_way = here and short and self._running
                if room > 0 and not in_the_way:
                    self._running += here
                    first, most = self._begun, 1 if here or not short else TOGETHER
                    self._begun += min(most, left, room)
                    return range(first, self._begun)
                if in_the_way and self._processes < self._pace.processes:
                    self._processes += 1
                    return range(0)
                self._changed.wait()
            return None

    def finish(
        self,
        numbers: range,
        results: Sequence[Outcome | BaseException],
        worked: float | None = None,
    ) -> None:
        """Note what became of jobs, and the processor time of one that was done here. A process
        that is interrupted does only the first of its jobs.
        """
        with self._changed:
            undone = [None] * (len(numbers) - len(results))
            self._results.update(zip(numbers, [*results, *undone], strict=True))
            if worked is not None:
                self._running -= 1
                if self._pace.note(worked, self._count - self._begun):
                    self._changed.notify_all()
            full = self._begun in (self._count, self._told + self._workers.ahead)
            if self._told in numbers and full:
                self._changed.notify_all()  # else it is told at the next poll: to wake costs 0.1 ms

    def results(self) -> Iterator[Outcome | BaseException | None]:
        """The results in order; None whenever the next one has not come soon, or is given up."""
        given_up, patience = False, START_SECONDS
        while True:
            with self._changed:
                if self._told == (self._begun if self._interrupts else self._count):
                    return
                if self._told not in self._results:
                    self._changed.wait(patience)
                patience, is_there = POLL_SECONDS, self._told in self._results
                result = self._results.pop(self._told, None)
                if is_there or given_up:
                    self._told += 1
                    if self._begun + 1 == self._told + self._workers.ahead:
                        self._changed.notify_all()  # there is room again
                elif self._pace.one_at_a_time and not self._results:  # a long job
                    self._pace.hold()
                    self._changed.notify_all()
                elif self._interrupts.overdue:
                    files.remove_temporaries()  # else one could take its place uncounted
                    given_up = True
            yield result

    @property
    def told(self) -> int:
        """The number of the next job to tell."""
        return min(self._told, self._count - 1)

    def close(self) -> None:
        """Let no thread begin another job."""
        with self._changed:
            self._begun = self._count
            self._changed.notify_all()


class _Pace:
    """Finds out whether jobs go through faster one at a time or together, by trying both ways."""

    def __init__(self, may_alternate: bool, may_start_processes: bool) -> None:
        self.one_at_a_time = may_alternate
        self.processes = 0
        """How many are worth their start."""
        self._may_alternate, self._may_start = may_alternate, may_start_processes
        self._each: dict[bool, float] = {}
        """Seconds a job takes one at a time (True) and together (False), as found last."""
        self._tried = 0
        """Jobs since the other way was tried."""
        self._look_afresh()

    def note(self, worked: float, left: int) -> bool:
        """Take the processor time of a job, and how many are left; True when waiting threads
        should look again what they may begin.
        """
        self._jobs += 1
        self._worked += worked
        if self._jobs < LOOKED_AT or not self._may_alternate:
            return False
        before = self.one_at_a_time, self.processes
        short = self._worked < LOOKED_AT * SHORT_SECONDS
        each = (time.perf_counter() - self._since) / LOOKED_AT
        self._each[self.one_at_a_time] = each
        self._tried += LOOKED_AT
        self._look_afresh()
        if self.one_at_a_time and short and self._may_start:
            self.processes = max(self.processes, int(left * each / WORTH_A_PROCESS))
        if not short or self.processes:
            self.one_at_a_time = short
        elif len(self._each) < 2 or self._tried >= TRIED_AGAIN:
            self.one_at_a_time, self._tried = not self.one_at_a_time, 0
        else:
            self.one_at_a_time = self._each[True] < self._each[False]
        return before != (self.one_at_a_time, self.processes)

    def hold(self) -> None:
        """Let no job wait for one that takes long."""
        self.one_at_a_time = False
        self._look_afresh()

    def _look_afresh(self) -> None:
        self._jobs, self._worked, self._since = 0, 0.0, time.perf_counter()


@contextmanager
def workers_for(settings: Settings) -> Iterator[Workers]:
    """Threads of this machine or, with a scheduler, its cluster."""
    if settings.scheduler is not None:
        from pooltool.cluster import Cluster

        cluster = Cluster(settings.scheduler)
        try:
            # One job that is done and one that waits, for each thread of the cluster.
            yield Workers(
                2 * cluster.threads, AHEAD, cluster.pool_file, cluster.require_alive, remote=True
            )
        finally:
            cluster.close()
    elif settings.show:
        yield Workers(1, 1)  # a preview of megabytes waits until the window before it is closed
    else:
        usable = hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0))
        threads = settings.jobs or usable or os.cpu_count() or 1
        yield Workers(threads, AHEAD, processes=True)
