"""Jobs done by the workers of a Dask cluster, which see the same files under the same names."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from pooltool.errors import ClusterError, UsageProblem, one_line
from pooltool.interrupts import Interrupts
from pooltool.job import Job, Outcome, Settings, pool_file

POLL_SECONDS = 0.05
CONNECT_SECONDS = 5
CHECK_SECONDS = 5
WORKERLESS_SECONDS = 60
"""How long a run waits for a worker to return when the cluster has none."""
SHARED_SECONDS = 10
"""How long a result may take to appear here: network disks cache the contents of folders."""
DASK_LOGGERS = (
    "distributed", "distributed.client", "tornado.application", "concurrent.futures", "asyncio"
)  # fmt: skip
"""Silenced: outcomes and errors say the same."""


def run(jobs: Sequence[Job], settings: Settings, interrupts: Interrupts) -> Iterator[Outcome]:
    """Do the jobs by the workers of the scheduler; yield the outcomes as `batch.run` does.

    Dask repeats the jobs of a worker that stopped. Raises
    `UsageProblem` when the scheduler cannot be reached within a few seconds, has no worker, or one
    that cannot do the jobs.
    """
    cluster = Cluster(str(settings.scheduler))
    rest, begun = iter(jobs), deque[tuple[Job, Any]]()
    try:
        # One job that is done and one that waits, for each thread of the cluster.
        ahead = 2 * sum(cluster.client.nthreads().values())
        while True:
            while not interrupts and len(begun) < ahead and (job := next(rest, None)):
                words = (pool_from, os.getcwd(), job, settings)
                begun.append((job, cluster.client.submit(*words, pure=False, retries=2)))
            if not begun:
                return
            outcome = cluster.outcome(*begun.popleft(), interrupts)
            if outcome:
                yield outcome
    finally:
        cluster.close()


class Cluster:
    """A connection to the scheduler at `address`."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._looked = self._seen = time.monotonic()
        try:
            import dask

            dask.config.set({"logging": dict.fromkeys(DASK_LOGGERS, "critical")})
            from distributed import Client
        except ImportError:
            raise UsageProblem(
                "--scheduler needs Dask; install pooltool with it: pip install '.[dask]'"
            ) from None
        try:
            self.client: Any = Client(address, timeout=CONNECT_SECONDS)
            self.client.wait_for_workers(1, CONNECT_SECONDS)
            self.client.run(exec, "import pooltool.job, cv2")
        except Exception as error:
            self.close()
            reason = " ".join(str(error).split())
            raise UsageProblem(
                f"cannot use the scheduler {address}: {reason}; check that it runs and has "
                "workers, with pooltool installed for their Python"
            ) from None

    def close(self) -> None:
        """End the connection, if it is still there."""
        with suppress(Exception):
            self.client.close(timeout=CONNECT_SECONDS)

    def _require_alive(self) -> None:
        """Raise `ClusterError` when no worker is left: Dask itself would wait forever."""
        if self.client.status != "running":
            raise self._gone("went away")
        now = time.monotonic()
        if now - self._looked < CHECK_SECONDS:
            return
        self._looked = now
        try:
            if self.client.sync(self.client.scheduler.ncores, callback_timeout=CONNECT_SECONDS):
                self._seen = now
        except Exception:
            raise self._gone("does not answer any more") from None
        if now - self._seen > WORKERLESS_SECONDS:
            raise self._gone(f"has had no worker for {WORKERLESS_SECONDS} seconds")

    def outcome(self, job: Job, future: Any, interrupts: Interrupts) -> Outcome | None:
        """Wait for the outcome of a job: a failure where it killed its workers, None where an
        interrupted run gives it up.
        """
        result = None
        while result is None:
            try:
                result = future.result(POLL_SECONDS)
            except (CancelledError, Exception) as error:
                if future.status == "error":
                    return Outcome(job, "failed", error=one_line(error))
                if interrupts.is_overdue:
                    return None
                if future.cancelled():
                    raise self._gone("went away") from None
                self._require_alive()
        outcome, written = result
        until = time.monotonic() + SHARED_SECONDS
        while written and written != _written(job.output):
            if time.monotonic() > until:
                raise ClusterError(
                    f"a worker wrote {job.output}, but it is not visible here: the workers need "
                    "the same folders as this machine, under the same names"
                )
            time.sleep(POLL_SECONDS)
            with suppress(OSError):
                os.listdir(os.path.dirname(job.output) or os.curdir)  # refresh its cache
        return Outcome(*outcome)

    def _gone(self, reason: str) -> ClusterError:
        advice = "the same command with --skip-existing goes on"
        return ClusterError(f"the scheduler {self._address} {reason}; {advice}")


def pool_from(
    directory: str, job: Job, settings: Settings
) -> tuple[Outcome, tuple[int, int] | None]:
    """Do a job whose names start in `directory`: a worker's own may be another. Return with the
    outcome what was written.
    """
    source, output, folder = (
        name and os.path.join(directory, name) for name in (job.input, job.output, job.folder)
    )
    outcome = pool_file(job._replace(input=source, output=output, folder=folder), settings)
    return outcome._replace(job=job), _written(output) if outcome.status == "ok" else None


def _written(path: str) -> tuple[int, int] | None:
    """The size of a file and when it was written, in seconds."""
    with suppress(OSError):
        status = os.stat(path)
        return status.st_size, int(status.st_mtime)
    return None
