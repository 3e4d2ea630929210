"""Where jobs run: in this thread, on threads of this machine, or on a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from pooltool.errors import ClusterError

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Result = TypeVar("Result")
CONNECT_SECONDS = 5
DASK_LOGGERS = ("distributed", "distributed.client")
"""Silenced: what a job's worker did is told by its outcome."""
AHEAD = 4
"""Jobs in hand for each worker, so that none waits for the next while results are in order."""


class Finished(Generic[Result]):
    """A future whose call has been made, so that nobody needs to wait for it."""

    def __init__(self, result: Result | None, error: BaseException | None) -> None:
        self._result, self._error = result, error

    def cancel(self) -> bool:
        """Too late."""
        return False

    cancelled = cancel

    def exception(self) -> BaseException | None:
        """What the call raised, if it did."""
        return self._error

    def result(self) -> Any:
        """What the call returned."""
        return self._result


class Inline:
    """An executor that makes each call where it is submitted: for a single image.

    Threads, and what Python loads for them, would cost more than pooling a small picture.
    """

    def submit(self, call: Callable[..., Result], /, *args: Any) -> Finished[Result]:
        """Make the call and return its finished future."""
        try:
            return Finished(call(*args), None)
        except Exception as error:
            return Finished(None, error)


AnyExecutor: TypeAlias = "Executor | Inline"
AnyFuture: TypeAlias = "Future[Result] | Finished[Result]"


def settled(future: AnyFuture[Any], seconds: float) -> bool:
    """Wait for `future` up to so many seconds; True when it is done."""
    if isinstance(future, Finished):
        return True
    from concurrent.futures import wait

    return bool(wait([future], seconds).done)


@contextmanager
def local(workers: int) -> Iterator[tuple[AnyExecutor, int]]:
    """Threads of this machine, and how many jobs to keep in hand."""
    if workers == 1:
        yield Inline(), 1
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as executor:
        yield executor, AHEAD * workers


@contextmanager
def cluster(address: str) -> Iterator[tuple[AnyExecutor, int]]:
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
