"""Where jobs run: in this thread, on threads of this machine, or on a Dask cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, NoReturn, TypeAlias, TypeVar

from pooltool.errors import ClusterError

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Result = TypeVar("Result")
CONNECT_SECONDS = 5
CHECK_SECONDS = 5
WORKERLESS_SECONDS = 60
"""How long a run waits for a worker to come back when the cluster has lost the last one."""
DASK_LOGGERS = (
    "distributed", "distributed.client", "tornado.application", "concurrent.futures", "asyncio"
)  # fmt: skip
"""Silenced: what a job's worker did is told by its outcome, a cluster that is gone by an error."""
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


class Workers(NamedTuple):
    """Those who do the jobs of a run."""

    executor: AnyExecutor
    ahead: int
    """Jobs to keep in hand."""
    remote: bool = False
    """True when a job that is cancelled may be done all the same, and its outcome may get lost."""
    require_alive: Callable[[], None] = lambda: None
    """Raises `ClusterError` once there is nobody left to do a job."""


@contextmanager
def local(workers: int) -> Iterator[Workers]:
    """Threads of this machine."""
    if workers == 1:
        yield Workers(Inline(), 1)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as executor:
        yield Workers(executor, AHEAD * workers)


@contextmanager
def cluster(address: str) -> Iterator[Workers]:
    """The workers of the Dask scheduler at `address`.

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
        executor = client.get_executor(pure=False, retries=2)
        watch = _Watch(client, address)
        yield Workers(executor, AHEAD * threads, remote=True, require_alive=watch)
    finally:
        with suppress(Exception):  # a scheduler that is gone cannot be taken leave of
            client.close(timeout=CONNECT_SECONDS)


class _Watch:
    """Looks now and then whether a cluster still has a scheduler and workers."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address
        self._looked = self._seen = time.monotonic()

    def __call__(self) -> None:
        """Raise `ClusterError` when the scheduler is gone, or every worker for too long."""
        if self._client.status != "running":
            self._give_up("went away")
        now = time.monotonic()
        if now - self._looked < CHECK_SECONDS:
            return
        self._looked = now
        try:
            threads = self._client.sync(
                self._client.scheduler.ncores, callback_timeout=CONNECT_SECONDS
            )
        except Exception:
            self._give_up("does not answer any more")
        if threads:
            self._seen = now
        elif now - self._seen > WORKERLESS_SECONDS:
            self._give_up(f"has had no worker for {WORKERLESS_SECONDS} seconds")

    def _give_up(self, reason: str) -> NoReturn:
        raise ClusterError(
            f"the scheduler {self._address} {reason}; the same command with --skip-existing goes on"
        )


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
