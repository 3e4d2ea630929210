"""Many images in one run: pooled by threads or by a Dask cluster, told in the order of names."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from pooltool import files
from pooltool.errors import ClusterError
from pooltool.job import Job, Outcome, Settings, pool_file

SIGNALS = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]
"""Ctrl-C, what `kill` and `timeout` send, and that the terminal has gone."""
POLL_SECONDS = 0.05
"""How soon a run tells what is done, and notices that it was asked to stop."""
START_SECONDS = 0.005
"""How long the first job may take before others are begun beside it."""
SHORT_SECONDS = 0.0005
"""Jobs that are shorter go through faster one at a time: threads share one Python, and waiting for
it by turns costs each job some 0.3 ms, which is more than a second processor gains."""
LOOKED_AT = 16
"""So many jobs in a row tell how long they take."""
AHEAD = 1000
"""Jobs that may be begun while an earlier one is not told yet; their outcomes take 1 KB each."""
GRACE_SECONDS = 5
"""How long what has begun may take to finish: a pipe may never end, a network disk never answer."""
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

    def __init__(self, *, finish: bool = True) -> None:
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


class Workers(NamedTuple):
    """Those who do the jobs of a run."""

    threads: int
    """Jobs that are done at the same time, each awaited by a thread of its own."""
    ahead: int
    """Jobs that may be begun while an earlier one is not told yet."""
    pool_file: Callable[[Job, Settings], Outcome] = pool_file
    require_alive: Callable[[], None] = lambda: None
    """Raises `ClusterError` once there is nobody left to do a job."""
    remote: bool = False
    """True when threads only wait for a cluster, so that the process may end without them."""


def run(
    jobs: Sequence[Job], settings: Settings, workers: Workers, interrupts: Interrupts
) -> Generator[Outcome, None, None]:
    """Pool every image on the workers; yield the outcomes in the order of the jobs.

    One that fails is an outcome too and does not stop the others. After an interrupt nothing more
    is begun; what has begun is finished, unless that takes too long. Raises `ClusterError` when
    there are no workers any more.
    """
    # Not concurrent.futures: to load it takes 5 ms, and pooling a photograph takes 140 in all.
    queue = _Queue(len(jobs), workers, interrupts)

    def work() -> None:
        while (number := queue.begin()) is not None:
            job, began, worked = jobs[number], time.perf_counter(), time.thread_time()
            result: Outcome | BaseException
            try:
                result = workers.pool_file(job, settings)
            except (BrokenPipeError, ClusterError) as error:  # which concerns all jobs
                result = error
            except Exception as error:  # what nobody foresaw fails its image only
                text = " ".join(f"{type(error).__name__}: {error}".split())
                result = Outcome(job, "failed", error=text)
            seconds, worked = time.perf_counter() - began, time.thread_time() - worked
            queue.finish(number, result, seconds, worked)

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
    finally:
        queue.close()


class _Queue:
    """Which jobs are begun and what became of them: threads begin and finish, one tells in order.

    So that results that wait to be told take little memory, jobs begin at most `ahead` of it. Short
    jobs are done one at a time.
    """

    def __init__(self, count: int, workers: Workers, interrupts: Interrupts) -> None:
        self._count, self._ahead, self._interrupts = count, workers.ahead, interrupts
        self._begun = self._running = self._told = 0
        self._pace = _Pace(one_at_a_time=not workers.remote)
        self._results: dict[int, Outcome | BaseException] = {}
        self._changed = threading.Condition()

    def begin(self) -> int | None:
        """The number of the next job to do; None when there is none any more."""
        with self._changed:
            while self._begun < self._count and not self._interrupts:
                has_room = self._begun < self._told + self._ahead
                if has_room and not (self._running and self._pace.one_at_a_time):
                    self._running += 1
                    self._begun += 1
                    return self._begun - 1
                self._changed.wait()
            return None

    def finish(
        self, number: int, result: Outcome | BaseException, seconds: float, worked: float
    ) -> None:
        """Note what became of a job, how long it took, and the processor time of that."""
        with self._changed:
            self._running -= 1
            self._results[number] = result
            if self._pace.note(seconds, worked):
                self._changed.notify_all()
            if number == self._told and self._begun in (self._count, self._told + self._ahead):
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
                result, patience = self._results.pop(self._told, None), POLL_SECONDS
                if result is not None or given_up:
                    self._told += 1
                    if self._begun + 1 == self._told + self._ahead:
                        self._changed.notify_all()  # there is room again
                elif self._pace.one_at_a_time:  # a long job
                    self._pace.one_at_a_time = False
                    self._changed.notify_all()
                elif self._interrupts.overdue:
                    files.remove_temporaries()  # else one could take its place uncounted
                    given_up = True
            yield result

    def close(self) -> None:
        """Let no thread begin another job."""
        with self._changed:
            self._begun = self._count
            self._changed.notify_all()


class _Pace:
    """Tells from the jobs that were done if more of them go through one at a time."""

    def __init__(self, *, one_at_a_time: bool) -> None:
        self.one_at_a_time, self._waits = one_at_a_time, not one_at_a_time
        self._jobs, self._seconds, self._worked = 0, 0.0, 0.0

    def note(self, seconds: float, worked: float) -> bool:
        """Take how long a job took, and its processor time; True when more may begin now."""
        self._jobs += 1
        self._seconds += seconds
        self._worked += worked
        if self._jobs < LOOKED_AT:
            return False
        begins = self.one_at_a_time and self._seconds >= LOOKED_AT * SHORT_SECONDS
        if begins:
            self.one_at_a_time = False
            self._waits = self._worked < self._seconds / 2  # for a disk: together that is shorter
        elif self._worked < LOOKED_AT * SHORT_SECONDS * 1.5:  # what waiting by turns takes included
            self.one_at_a_time = not self._waits
        self._jobs, self._seconds, self._worked = 0, 0.0, 0.0
        return begins


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
        yield Workers(settings.jobs or usable or os.cpu_count() or 1, AHEAD)
