"""Jobs done by the workers of a Dask cluster, which see the same files under the same names."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, NamedTuple

from pooltool.errors import ClusterError, UsageProblem, one_line
from pooltool.job import Job, Outcome, Settings, pool_file

CONNECT_SECONDS = 5
CHECK_SECONDS = 5
WORKERLESS_SECONDS = 60
"""How long a run waits for a worker to come back when the cluster has lost the last one."""
SHARED_SECONDS = 10
"""How long a result may take to appear here: network disks remember what a folder held."""
DASK_LOGGERS = (
    "distributed", "distributed.client", "tornado.application", "concurrent.futures", "asyncio"
)  # fmt: skip
"""Silenced: what a job's worker did is told by its outcome, a cluster that is gone by an error."""


class Done(NamedTuple):
    """What a worker did with a job, and the file that it wrote: its size and time, in seconds."""

    outcome: Outcome
    written: tuple[int, int] | None


class Cluster:
    """The workers of the Dask scheduler at `address`, as `Workers` of a run.

    Dask gives a job of a lost worker, or one whose outcome was lost, to another. Raises
    `UsageProblem` when the scheduler cannot be reached within a few seconds, has no worker, or one
    that cannot do the jobs.
    """

    together = 1

    def __init__(self, address: str, settings: Settings) -> None:
        self._address, self._settings, self._directory = address, settings, os.getcwd()
        self._client = _connect(address)
        self._looked = self._seen = time.monotonic()
        # One job that is done and one that waits, for each thread of the cluster.
        self.ahead = 2 * sum(self._client.nthreads().values())
        self._executor = self._client.get_executor(pure=False, retries=2)

    def __enter__(self) -> Cluster:
        tried = self._client.run(exec, "import pooltool.job, cv2", on_error="return")
        problem = "" if self.ahead else "has no worker; start one with `dask worker`"
        for worker, error in tried.items():
            if error is not None:
                advice = "install pooltool for its Python"
                problem = f"has a worker, {worker}, that cannot pool ({error}); {advice}"
        if problem:
            self.__exit__()
            raise UsageProblem(f"the scheduler {self._address} {problem}")
        return self

    def __exit__(self, *_: object) -> None:
        """Take leave of the scheduler, if it is still there."""
        with suppress(Exception):
            self._client.close(timeout=CONNECT_SECONDS)

    def submit(self, jobs: Sequence[Job]) -> Part:
        """Have jobs done there."""
        return Part(
            self._executor.submit(pool_from, self._directory, jobs, self._settings), self._directory
        )

    def after(self, error: Exception, jobs: Sequence[Job]) -> Iterable[Outcome]:
        """A failure where the jobs killed their workers; raise `ClusterError` for all else."""
        if isinstance(error, CancelledError | ClusterError):
            raise error if isinstance(error, ClusterError) else self._gone("went away") from None
        return [Outcome(job, "failed", error=one_line(error)) for job in jobs]

    def require_alive(self) -> None:
        """Raise `ClusterError` once nobody is left to do a job: Dask itself waits for ever."""
        if self._client.status != "running":
            raise self._gone("went away")
        now = time.monotonic()
        if now - self._looked < CHECK_SECONDS:
            return
        self._looked = now
        scheduler = self._client.scheduler
        try:
            if self._client.sync(scheduler.ncores, callback_timeout=CONNECT_SECONDS):
                self._seen = now
        except Exception:
            raise self._gone("does not answer any more") from None
        if now - self._seen > WORKERLESS_SECONDS:
            raise self._gone(f"has had no worker for {WORKERLESS_SECONDS} seconds")

    def _gone(self, reason: str) -> ClusterError:
        advice = "the same command with --skip-existing goes on"
        return ClusterError(f"the scheduler {self._address} {reason}; {advice}")


class Part:
    """Jobs that the cluster does."""

    def __init__(self, future: Future[list[Done]], directory: str) -> None:
        self._future, self._directory = future, directory

    def result(self, timeout: float | None = None) -> list[Outcome]:
        """The outcomes; raise `ClusterError` where a result is not here that a worker wrote."""
        done = self._future.result(timeout)
        until = time.monotonic() + SHARED_SECONDS
        for outcome, written in done:
            output = outcome.job.output
            while written and written != _written(os.path.join(self._directory, output)):
                if time.monotonic() > until:
                    raise ClusterError(
                        f"a worker wrote {output}, but here it is not to be seen: the workers need "
                        "the same folders as this machine, under the same names"
                    )
                time.sleep(0.1)
                with suppress(OSError):
                    os.listdir(os.path.dirname(output) or os.curdir)  # look at the disk again
        return [outcome for outcome, _ in done]


def pool_from(directory: str, jobs: Sequence[Job], settings: Settings) -> list[Done]:
    """Do jobs whose names start in `directory`: a worker's own may be another."""
    done = []
    for job in jobs:
        source, output, folder = (
            name and os.path.join(directory, name) for name in (job.input, job.output, job.folder)
        )
        there = job._replace(input=source, output=output, folder=folder)
        outcome = pool_file(there, settings)._replace(job=job)
        done.append(Done(outcome, _written(output) if outcome.status == "ok" else None))
    return done


def _written(path: str) -> tuple[int, int] | None:
    """The size of a file and when it was written, in seconds; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, int(status.st_mtime)


def _connect(address: str) -> Any:
    try:
        import dask

        dask.config.set({"logging": dict.fromkeys(DASK_LOGGERS, "critical")})
        from distributed import Client
    except ImportError:
        raise UsageProblem(
            "--scheduler needs Dask; install pooltool with it: pip install '.[dask]'"
        ) from None
    try:
        return Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UsageProblem(
            f"cannot reach the scheduler {address}: {reason}; check that it runs"
        ) from None
