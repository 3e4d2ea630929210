"""Many images in one run: pooled here, by other processes or by a Dask cluster, told in order.

Whoever does the jobs is used as an executor of `concurrent.futures` is: `submit` gives a future for
some of them. It is no `ThreadPoolExecutor`, as small images only wait for each other's GIL there,
and no `ProcessPoolExecutor`: when one of its processes is killed it ends the others too and forgets
what they did, they outlive a run that is killed, and it starts threads, after which no process is
forked safely.
"""

from __future__ import annotations

import math
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from pooltool import files
from pooltool.interrupts import Interrupts
from pooltool.job import Job, Outcome, Settings, pool_file

if TYPE_CHECKING:
    from concurrent.futures import Future

POLL_SECONDS = 0.05
"""How soon a run notices that it was asked to stop."""
LONG_BYTES = 1 << 19
"""A larger file may take long: it is pooled in a thread, so that this one answers to signals."""
TOGETHER_BYTES = 1 << 18
"""Files that are handed over at once are no larger; one that is goes alone."""
EACH_BYTES = 20_000
"""What an image costs beside its bytes, in bytes: 0.4 ms where 50 MB are pooled a second."""
WORTH_BYTES = 1 << 20 if sys.platform == "linux" else 1 << 25
"""So much is worth other processes: to fork them takes 10 ms, elsewhere they start in 300."""


class Awaited(Protocol):
    """Jobs that somebody does, as a future of `concurrent.futures`."""

    def result(self, timeout: float) -> list[Outcome]:
        """Their outcomes, in order; raise `TimeoutError` when they have not come by then."""


class Workers(Protocol):
    """Those who do the jobs of a run."""

    ahead: int
    """Jobs that may be begun while an earlier one is not told yet."""
    together: int
    """Jobs that are handed over at once, at the most."""

    def submit(self, jobs: Sequence[Job], /) -> Awaited:
        """Have jobs done, one after the other; after an interrupt maybe not all of them."""

    def after(self, error: Exception, jobs: Sequence[Job]) -> Iterable[Outcome]:
        """What becomes of jobs whose future raised this, unless it concerns the whole run."""

    def require_alive(self) -> None:
        """Raise `ClusterError` once there is nobody left to do a job."""


def run(jobs: Sequence[Job], settings: Settings, interrupts: Interrupts) -> Iterator[Outcome]:
    """Pool every image; yield the outcomes in the order of the jobs.

    One that fails is an outcome too and does not stop the others. After an interrupt nothing more
    is begun; what has begun is finished, unless that takes too long. Raises `ClusterError` when
    there are no workers any more.
    """
    if settings.scheduler is not None:
        from pooltool.cluster import Cluster

        with Cluster(settings.scheduler, settings) as cluster:
            yield from _in_order(jobs, cluster, interrupts)
    elif (count := _processes(jobs, settings)) > 1:
        from pooltool.processes import Processes  # few runs need it

        with Processes(count, settings, interrupts) as processes:
            yield from _in_order(jobs, processes, interrupts)
    else:
        for job in jobs:
            if interrupts:
                return
            if _may_take_long(job, alone=len(jobs) == 1):
                yield from _in_order([job], InThread(settings), interrupts)
            else:
                yield pool_file(job, settings)


def _processes(jobs: Sequence[Job], settings: Settings) -> int:
    """How many processes do the jobs; 1 for this one, where others are not worth their start."""
    usable = hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0))
    count = min(settings.jobs or usable or os.cpu_count() or 1, len(jobs))
    if count < 2 or settings.show:  # a preview of megabytes waits for the window before it
        return 1
    first = jobs[: WORTH_BYTES // EACH_BYTES + 1]
    return count if sum(EACH_BYTES + files.size(job.input) for job in first) > WORTH_BYTES else 1


def _may_take_long(job: Job, *, alone: bool) -> bool:
    if files.size(job.input) > LONG_BYTES:
        return True
    return alone and files.size(job.output) == math.inf


class InThread:
    """A thread for one job."""

    ahead = together = 1

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def submit(self, jobs: Sequence[Job]) -> Future[list[Outcome]]:
        """Start the thread."""
        from concurrent.futures import Future
        from threading import Thread

        future: Future[list[Outcome]] = Future()

        def work() -> None:
            try:
                future.set_result([pool_file(job, self._settings) for job in jobs])
            except Exception as error:
                future.set_exception(error)

        Thread(target=work, daemon=True).start()
        return future

    def after(self, error: Exception, jobs: Sequence[Job]) -> Iterable[Outcome]:
        """Raise what concerns the whole run; all else is an outcome already."""
        raise error

    def require_alive(self) -> None:
        """It is."""


def _in_order(jobs: Sequence[Job], workers: Workers, interrupts: Interrupts) -> Iterator[Outcome]:
    """Hand the jobs over in parts; yield their outcomes in order, as they come."""
    parts = _parts(jobs, workers.together)
    begun: deque[tuple[Sequence[Job], Awaited]] = deque()
    count = 0
    while True:
        while not interrupts and count < workers.ahead and (part := next(parts, None)):
            begun.append((part, workers.submit(part)))
            count += len(part)
        if not begun:
            return
        part, future = begun.popleft()
        count -= len(part)
        yield from _awaited(part, future, workers, interrupts)


def _parts(jobs: Sequence[Job], together: int) -> Iterator[Sequence[Job]]:
    """The jobs in parts of so many, or of fewer where the files are large."""
    part: list[Job] = []
    total = 0.0
    for job in jobs:
        size = files.size(job.input)
        if part and (len(part) == together or total + size > TOGETHER_BYTES):
            yield part
            part, total = [], 0
        part.append(job)
        total += size
    if part:
        yield part


def _awaited(
    jobs: Sequence[Job], future: Awaited, workers: Workers, interrupts: Interrupts
) -> Iterable[Outcome]:
    """The outcomes of jobs; none of those that an interrupt keeps from being begun or finished."""
    from concurrent.futures import CancelledError, TimeoutError

    while True:
        try:
            return future.result(0 if interrupts.overdue else POLL_SECONDS)
        except TimeoutError:
            workers.require_alive()
            interrupts.say_waiting(jobs[0].input)
            if interrupts.overdue:
                files.remove_temporaries()  # else a thread could put one in its place untold
                return []
        except (CancelledError, Exception) as error:
            if interrupts and isinstance(error, CancelledError):
                return []
            return workers.after(error, jobs)
