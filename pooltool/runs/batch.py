"""Many images in one run: pooled concurrently on an executor, reported in the order of names."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from pooltool.errors import ClusterError
from pooltool.runs.executors import AnyFuture, Workers, settled
from pooltool.runs.interrupts import Interrupts
from pooltool.runs.plan import Job
from pooltool.runs.pool_file import Outcome, Settings, pool_file

POLL_SECONDS = 0.1
"""How soon a run notices that it was asked to stop while it waits for an image."""


class Tally:
    """Counts outcomes; says how the run went and which exit status that is."""

    def __init__(self) -> None:
        self.ok = self.planned = self.skipped = self.failed = 0

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        setattr(self, outcome.status, getattr(self, outcome.status) + 1)

    @property
    def total(self) -> int:
        """Images counted so far."""
        return self.ok + self.planned + self.skipped + self.failed

    @property
    def status(self) -> int:
        """0 when every image was done or skipped, 1 when one failed."""
        return 1 if self.failed else 0

    def __str__(self) -> str:
        begun = f"{self.planned} planned" if self.planned else f"{self.ok} done"
        return f"{begun}, {self.skipped} skipped, {self.failed} failed"


def run(
    jobs: Iterable[Job], settings: Settings, workers: Workers, interrupts: Interrupts
) -> Iterator[Outcome]:
    """Pool every image on the workers, a few of them in hand; yield the outcomes in order.

    One that fails is reported and does not stop the others. After an interrupt nothing more is
    begun; what has begun is finished, unless that takes too long. Raises `ClusterError` when
    there are no workers any more.
    """
    waiting: deque[tuple[Job, AnyFuture[Outcome]]] = deque()
    try:
        for job in jobs:
            if interrupts:
                break
            waiting.append((job, workers.executor.submit(pool_file, job, settings)))
            if len(waiting) >= workers.ahead:
                yield from _finish(*waiting.popleft(), workers, interrupts)
        while waiting:
            yield from _finish(*waiting.popleft(), workers, interrupts)
    finally:
        for _, future in waiting:
            future.cancel()


def _finish(
    job: Job, future: AnyFuture[Outcome], workers: Workers, interrupts: Interrupts
) -> Iterator[Outcome]:
    """Wait for the job's outcome, also when its worker was lost; none if it was dropped."""
    while not settled(future, POLL_SECONDS):
        if interrupts and (workers.cancellable or interrupts.overdue):
            future.cancel()
        if interrupts.overdue:
            return
        workers.require_alive()
    if future.cancelled():
        if not interrupts:
            workers.require_alive()
            raise ClusterError("the cluster dropped an image; run again with --skip-existing")
        return
    error = future.exception()
    if error is None:
        yield future.result()
    elif isinstance(error, BrokenPipeError):
        raise error
    else:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        yield Outcome(job, "failed", error=text)
