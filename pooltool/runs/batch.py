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
ATTEMPTS = 3
"""How often a job is given to a cluster that fails to tell its outcome."""


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
    yield from _Run(settings, workers, interrupts).outcomes(jobs)


class _Run:
    """Jobs in hand: submitted, waited for, submitted again when the cluster lost their outcome."""

    def __init__(self, settings: Settings, workers: Workers, interrupts: Interrupts) -> None:
        self._settings, self._workers, self._interrupts = settings, workers, interrupts

    def outcomes(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """The outcomes of the jobs, in their order."""
        waiting: deque[tuple[Job, AnyFuture[Outcome]]] = deque()
        try:
            for job in jobs:
                if self._interrupts:
                    break
                waiting.append((job, self._submit(job, self._settings)))
                if len(waiting) >= self._workers.ahead:
                    yield from self._finish(*waiting.popleft())
            while waiting:
                yield from self._finish(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()

    def _submit(self, job: Job, settings: Settings) -> AnyFuture[Outcome]:
        return self._workers.executor.submit(pool_file, job, settings)

    def _finish(self, job: Job, future: AnyFuture[Outcome], attempts: int = 1) -> Iterator[Outcome]:
        """Wait for the job's outcome; none if it was dropped."""
        if not self._settle(future):
            return
        error = future.exception()
        if error is None:
            yield future.result()
        elif isinstance(error, BrokenPipeError):
            raise error
        elif self._workers.remote and attempts < ATTEMPTS and not self._interrupts:
            # What it has written is no reason to pass over it now.
            again = self._submit(job, self._settings._replace(skip_existing=False))
            yield from self._finish(job, again, attempts + 1)
        else:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            yield Outcome(job, "failed", error=text)

    def _settle(self, future: AnyFuture[Outcome]) -> bool:
        """Wait until the future has ended; False when it was dropped by an interrupt."""
        while not settled(future, POLL_SECONDS):
            # A worker elsewhere may do all the same what is cancelled: that is awaited.
            if self._interrupts and (self._interrupts.overdue or not self._workers.remote):
                future.cancel()
            if self._interrupts.overdue:
                return False
            self._workers.require_alive()
        if future.cancelled() and not self._interrupts:
            self._workers.require_alive()
            raise ClusterError("the cluster dropped an image; run again with --skip-existing")
        return not future.cancelled()
