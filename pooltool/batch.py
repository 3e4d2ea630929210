"""Many images in one run: pooled concurrently on an executor, reported in the order of names."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pooltool import files, images
from pooltool.errors import FileError, PooltoolError
from pooltool.executors import AnyExecutor, AnyFuture, settled
from pooltool.formats import format_for
from pooltool.geometry import AnyWindows
from pooltool.kernels import Method, pool2d
from pooltool.plan import Job
from pooltool.pooling import as_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shape = tuple[int, ...]
POLL_SECONDS = 0.1
"""How soon a run notices that it was asked to stop while it waits for an image."""
Status = Literal["ok", "skipped", "failed"]


@dataclass(frozen=True)
class Settings:
    """What is done with every image of a run."""

    method: Method
    windows: AnyWindows
    count_include_pad: bool = False
    gray: bool = False
    skip_existing: bool = False
    directory: str = ""
    """Where relative names start; the current directory of whoever planned the run."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job. What does not apply to it is None."""

    job: Job
    status: Status
    input_shape: Shape | None = None
    output_shape: Shape | None = None
    dtype: str | None = None
    frames: int | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None


@dataclass
class Tally:
    """Counts outcomes; says how the run went and which exit status that is."""

    ok: int = 0
    skipped: int = 0
    failed: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        setattr(self, outcome.status, getattr(self, outcome.status) + 1)

    @property
    def total(self) -> int:
        """Images counted so far."""
        return self.ok + self.skipped + self.failed

    @property
    def status(self) -> int:
        """0 when every image was done or skipped, 1 when one failed."""
        return 1 if self.failed else 0

    def __str__(self) -> str:
        return f"{self.ok} done, {self.skipped} skipped, {self.failed} failed"


def run(
    jobs: Iterable[Job],
    settings: Settings,
    executor: AnyExecutor,
    ahead: int,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """Pool every image on the executor, `ahead` of them in hand; yield the outcomes in order.

    One that fails is reported and does not stop the others. Once `stopped()` is true nothing more
    is begun: what is in hand is finished where it has begun and dropped where it has not.
    """
    waiting: deque[tuple[Job, AnyFuture[Outcome]]] = deque()
    try:
        for job in jobs:
            if stopped():
                break
            waiting.append((job, executor.submit(pool_file, job, settings)))
            if len(waiting) >= ahead:
                yield from _finish(*waiting.popleft(), stopped)
        while waiting:
            yield from _finish(*waiting.popleft(), stopped)
    finally:
        for _, future in waiting:
            future.cancel()


def _finish(job: Job, future: AnyFuture[Outcome], stopped: Callable[[], bool]) -> Iterator[Outcome]:
    """Wait for the job's outcome, also when its worker was lost; none if it was dropped."""
    while not settled(future, POLL_SECONDS):
        if stopped():
            future.cancel()
    if future.cancelled():
        return
    error = future.exception()
    if error is None:
        yield future.result()
    elif isinstance(error, BrokenPipeError):
        raise error
    else:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        yield Outcome(job, "failed", error=text)


def pool_file(job: Job, settings: Settings) -> Outcome:
    """Do one job: read, decode, pool, encode and write. Runs on any thread or machine."""
    if settings.skip_existing and os.path.exists(_located(job.output, settings)):
        return Outcome(job, "skipped")
    try:
        return _pool_file(job, settings)
    except PooltoolError as error:
        return Outcome(job, "failed", error=str(error))
    except MemoryError:
        return Outcome(job, "failed", error="there is not enough memory for this image")


def _pool_file(job: Job, settings: Settings) -> Outcome:
    if job.problem:
        raise PooltoolError(job.problem)
    picture = images.decode(files.read(_located(job.input, settings)), gray=settings.gray)
    target = format_for(job.extension)
    pooled = pool_pixels(as_image(picture.pixels), settings)
    data = images.encode(images.Picture(pooled), target)
    _write(job, settings, data)
    return Outcome(job, "ok", picture.pixels.shape, pooled.shape, pooled.dtype.name, 1)


def _write(job: Job, settings: Settings, data: bytes) -> None:
    try:
        if job.folder:
            files.make_directory(_located(job.folder, settings))
        files.write(_located(job.output, settings), data)
    except FileError as error:
        raise FileError(f"cannot write {job.output}: {error}") from None


def pool_pixels(pixels: NDArray[Any], settings: Settings) -> NDArray[Any]:
    """Pool one picture; the result keeps its dtype, so an average is rounded into it."""
    return pool2d(
        pixels,
        settings.method,
        settings.windows,
        count_include_pad=settings.count_include_pad,
        dtype=np.dtype(pixels.dtype.newbyteorder("=")),
    )


def _located(path: str, settings: Settings) -> str:
    """The path as a worker elsewhere sees it; a stream stays what it is."""
    return path if path == files.STREAM else os.path.join(settings.directory, path)
