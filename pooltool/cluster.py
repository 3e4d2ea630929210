"""Jobs done by the workers of a Dask cluster, which see the same files under the same names."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any

from pooltool.errors import ClusterError
from pooltool.job import Job, Outcome, Settings, pool_file

CONNECT_SECONDS = 5
CHECK_SECONDS = 5
WORKERLESS_SECONDS = 60
"""How long a run waits for a worker to come back when the cluster has lost the last one."""
DASK_LOGGERS = (
    "distributed", "distributed.client", "tornado.application", "concurrent.futures", "asyncio"
)  # fmt: skip
"""Silenced: what a job's worker did is told by its outcome, a cluster that is gone by an error."""


class Cluster:
    """The workers of the Dask scheduler at `address`.

    Dask gives a job of a lost worker, or one whose outcome was lost, to another. Raises
    `ClusterError` when the scheduler cannot be reached within a few seconds, or has no worker.
    """

    def __init__(self, address: str) -> None:
        self._address, self._directory, self._client = address, os.getcwd(), _connect(address)
        self._looked = self._seen = time.monotonic()
        self.threads = sum(self._client.nthreads().values())
        """Jobs that the cluster does at the same time."""
        if not self.threads:
            self.close()
            raise ClusterError(
                f"the scheduler {address} has no worker; start one with `dask worker`"
            )

    def pool_file(self, job: Job, settings: Settings) -> Outcome:
        """Do a job there and wait for its outcome."""
        words, future = (self._directory, job, settings), None
        try:
            future = self._client.submit(pool_from, *words, pure=False, retries=2)
            outcome: Outcome = future.result()
            return outcome
        except BaseException:  # of which Dask's CancelledError is one
            if future is not None and future.status == "error":
                raise  # what the job itself raised, or that it killed its workers
            raise self._gone("went away") from None

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

    def close(self) -> None:
        """Take leave of the scheduler, if it is still there."""
        with suppress(Exception):
            self._client.close(timeout=CONNECT_SECONDS)

    def _gone(self, reason: str) -> ClusterError:
        advice = "the same command with --skip-existing goes on"
        return ClusterError(f"the scheduler {self._address} {reason}; {advice}")


def pool_from(directory: str, job: Job, settings: Settings) -> Outcome:
    """Do a job whose names start in `directory`: a worker's own may be another."""
    source, output, folder = (
        name and os.path.join(directory, name) for name in (job.input, job.output, job.folder)
    )
    there = job._replace(input=source, output=output, folder=folder)
    return pool_file(there, settings)._replace(job=job)


def _connect(address: str) -> Any:
    try:
        import dask

        dask.config.set({"logging": dict.fromkeys(DASK_LOGGERS, "critical")})
        from distributed import Client
    except ImportError:
        raise ClusterError(
            "--scheduler needs Dask; install pooltool with it: pip install '.[dask]'"
        ) from None
    try:
        return Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ClusterError(
            f"cannot reach the scheduler {address}: {reason}; check that it runs"
        ) from None
