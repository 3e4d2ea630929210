"""Where jobs run: in this thread, on threads of this machine, or on a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from pooltool.errors import ClusterError

Result = TypeVar("Result")
CONNECT_SECONDS = 5
DASK_LOGGERS = ("distributed", "distributed.client")
"""Silenced: what a job's worker did is told by its outcome."""
AHEAD = 4
"""Jobs in hand for each worker, so that none waits for the next while results are in order."""


class Inline(Executor):
    """Runs each job at once, where it is submitted: for a single image."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Run the call and return its finished future."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def local(workers: int) -> Iterator[tuple[Executor, int]]:
    """Threads of this machine, and how many jobs to keep in hand."""
    if workers == 1:
        yield Inline(), 1
        return
    with ThreadPoolExecutor(workers) as executor:
        yield executor, AHEAD * workers


@contextmanager
def cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """The workers of the Dask scheduler at `address`, and how many jobs to keep in hand.

    Jobs of a worker that is lost go to another. Raises `ClusterError` when the scheduler cannot
    be reached within a few seconds, or has no worker.
    """
    client = _connect(address)
    try:
        threads = sum(client.nthreads().values())
        if not threads:
            raise ClusterError(
                f"the scheduler {address} has no worker; start one with `dask worker`"
            )
        yield client.get_executor(pure=False, retries=2), AHEAD * threads
    finally:
        client.close()


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


def cores() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
