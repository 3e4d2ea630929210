"""Jobs done by the workers of a Dask cluster, which see the same files under the same names."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from pooltool.errors import PooltoolError, UsageProblem, one_line
from pooltool.interrupts import Interrupts
from pooltool.job import Job, Outcome, Settings, pool_file

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
    """Do the jobs by the workers of the scheduler; yield the outcomes as `commands.run` does.

    Dask repeats the jobs of a worker that stopped. Raises `UsageProblem` when the scheduler cannot
    be reached within a few seconds, has no worker, or one that cannot do the jobs.
    """
    address = str(settings.scheduler)
    client = _connected(address)
    rest, begun = iter(jobs), deque[tuple[Job, Any]]()
    try:
        # One job that is done and one that waits, for each thread of the cluster.
        ahead = 2 * sum(client.nthreads().values())
        while True:
            while not interrupts.number and len(begun) < ahead and (job := next(rest, None)):
                future = client.submit(pool_there, _absolute(job), settings, pure=False, retries=2)
                begun.append((job, future))
            if not begun:
                return
            yield _outcome(address, client, *begun.popleft())
    finally:
        _close(client)


def _connected(address: str) -> Any:
    """A client of the scheduler, all of whose workers can do jobs; else raise `UsageProblem`."""
    client = None
    try:
        import dask

        dask.config.set({"logging": dict.fromkeys(DASK_LOGGERS, "critical")})
        from distributed import Client

        client = Client(address, timeout=CONNECT_SECONDS)
        client.wait_for_workers(1, CONNECT_SECONDS)
        client.run(exec, "import pooltool.job, cv2")
        return client
    except Exception as error:
        _close(client)
        reason = " ".join(str(error).split())
        raise UsageProblem(
            f"cannot use the scheduler {address}: {reason}; check that Dask is installed here "
            "(pip install '.[dask]') and that the scheduler runs and has workers, with pooltool "
            "installed for their Python"
        ) from None


def _close(client: Any) -> None:
    """End the connection, if there is one."""
    with suppress(Exception):
        client.close(timeout=CONNECT_SECONDS)


def _outcome(address: str, client: Any, job: Job, future: Any) -> Outcome:
    """Wait for the outcome of a job: a failure where it killed its workers. Raise `PooltoolError`
    when no worker is left: Dask itself would wait forever.
    """
    seen = time.monotonic()
    while True:
        try:
            fields, written = future.result(CHECK_SECONDS)
            break
        except Exception as error:  # that of a timeout too, which depends on the version of Python
            if future.status == "error":
                return Outcome(job, "failed", error=one_line(error))
        reason = "went away"
        with suppress(Exception):
            if not future.cancelled():
                if client.sync(client.scheduler.ncores, callback_timeout=CHECK_SECONDS):
                    seen = time.monotonic()
                is_alone = time.monotonic() - seen > WORKERLESS_SECONDS
                reason = f"has had no worker for {WORKERLESS_SECONDS} seconds" if is_alone else ""
        if reason:
            advice = "the same command with --skip-existing goes on"
            raise PooltoolError(f"the scheduler {address} {reason}; {advice}")
    until = time.monotonic() + SHARED_SECONDS
    while written and written != _written(job.output):
        if time.monotonic() > until:
            raise PooltoolError(
                f"a worker wrote {job.output}, but it is not visible here: the workers need "
                "the same folders as this machine, under the same names"
            )
        time.sleep(0.05)
        with suppress(OSError):
            os.listdir(os.path.dirname(job.output) or os.curdir)  # refresh its cache
    return Outcome(job, *fields)


def _absolute(job: Job) -> Job:
    """The job with names that start at the root: the workers have other current directories."""
    paths = (job.input, job.output, job.folder)
    source, output, folder = (path and os.path.join(os.getcwd(), path) for path in paths)
    return job._replace(input=source, output=output, folder=folder)


def pool_there(job: Job, settings: Settings) -> tuple[Any, tuple[int, int] | None]:
    """Do a job; return the fields of its outcome but the job, and what was written."""
    outcome = pool_file(job, settings)
    return outcome[1:], _written(job.output) if outcome.status == "ok" else None


def _written(path: str) -> tuple[int, int] | None:
    """The size of a file and when it was written, in seconds."""
    with suppress(OSError):
        status = os.stat(path)
        return status.st_size, int(status.st_mtime)
    return None
