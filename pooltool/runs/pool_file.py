"""One image of a run: read, decode, pool, encode, write. Runs on any thread or machine."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NamedTuple

from pooltool import files, images
from pooltool.errors import FileError, ImageError, PooltoolError
from pooltool.geometry import AnyAxis, AnyWindows
from pooltool.images import Picture, npy
from pooltool.images.formats import NPY, Format, format_for, require_holds, require_quality
from pooltool.images.npy import ArrayFile
from pooltool.kernels import Method, Pooling, pool2d, pool_axes
from pooltool.pooling import as_image
from pooltool.runs.interrupts import hold
from pooltool.runs.plan import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Bgr = NDArray[np.uint8]

Shape = tuple[int, ...]
Status = Literal["ok", "skipped", "failed", "planned"]
NO_MEMORY = "there is not enough memory for this image; use fewer --jobs or a larger machine"
BAND_BYTES = 1 << 25
"""Bytes read at once of a .npy file that is pooled by bands of rows."""


class Settings(NamedTuple):
    """What is done with every image of a run."""

    method: Method
    windows: AnyWindows
    count_include_pad: bool = False
    gray: bool = False
    frame: int | None = None
    quality: int | None = None
    skip_existing: bool = False
    show: bool = False
    """Draw a preview of each result, to be shown in a window."""
    directory: str = ""
    """Where relative names start; the current directory of whoever planned the run."""


class Outcome(NamedTuple):
    """What became of a job. What does not apply to it is None."""

    job: Job
    status: Status
    input_shape: Shape | None = None
    output_shape: Shape | None = None
    dtype: str | None = None
    frames: int | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    preview: Bgr | None = None
    """The image and its result side by side, where they are to be shown."""


def pool_file(job: Job, settings: Settings) -> Outcome:
    """Do one job; a failure is an outcome too."""
    return _attempt(_pool_file, job, settings)


def foresee(job: Job, settings: Settings) -> Outcome:
    """What is known of a job before its image is decoded: skipped, failed, or else planned."""
    return _attempt(_plan_file, job, settings)


def _attempt(
    work: Callable[[Job, Settings, str, Format], Outcome], job: Job, settings: Settings
) -> Outcome:
    """Do the work unless the job is skipped; tell it the located input and the format to write."""
    exists = settings.skip_existing and os.path.exists(_located(job.output, settings))
    if job.repeated or exists:
        return Outcome(job, "skipped")
    try:
        if job.problem:
            raise PooltoolError(job.problem)
        source = _located(job.input, settings)
        return work(job, settings, source, _target(job, settings, source))
    except PooltoolError as error:
        return Outcome(job, "failed", error=str(error))
    except MemoryError:
        return Outcome(job, "failed", error=NO_MEMORY)


def _target(job: Job, settings: Settings, source: str) -> Format:
    """The format to write. What is no image at all is told so, not which formats there are."""
    files.require_readable(source)
    try:
        target = format_for(job.extension)
    except ImageError:
        images.require_image(files.read_start(source, images.START_BYTES))
        raise
    require_quality(target, settings.quality)
    return target


def _plan_file(job: Job, settings: Settings, source: str, target: Format) -> Outcome:
    with _naming(job):
        folder = job.folder and _located(job.folder, settings)
        files.require_writable(_located(job.output, settings), folder)
    return Outcome(job, "planned")


def _pool_file(job: Job, settings: Settings, source: str, target: Format) -> Outcome:
    whole = settings.gray or settings.frame or settings.show
    if target is NPY and not whole and npy.is_array_file(source):
        return _pool_array_file(job, settings, source)
    picture = images.decode(files.read(source), gray=settings.gray, frame=settings.frame)
    pooled = _pool_picture(picture, settings, target)
    encoded = images.encode(pooled, target, quality=settings.quality)
    with _writing(job, settings) as file:
        file.write(encoded.data)
    done = _done(job, picture.frames, pooled.frames, encoded.warnings)
    return _with_preview(done, picture, settings) if settings.show else done


def _with_preview(done: Outcome, picture: Picture, settings: Settings) -> Outcome:
    from pooltool.compare.panel import side_by_side

    pixels, windows = as_image(picture.frames[0]), settings.windows
    pooled = pool2d(pixels, Pooling(settings.method, windows, settings.count_include_pad))
    return done._replace(preview=side_by_side(pixels, windows, settings.method, pooled))


def _pool_picture(picture: Picture, settings: Settings, target: Format) -> Picture:
    """Pool every frame, once it is known that `target` can hold the results."""
    frames = [as_image(pixels) for pixels in picture.frames]
    for pixels in frames:
        rows, columns = settings.windows.axes(pixels.shape)
        channels = pixels.shape[2] if pixels.ndim == 3 else 1
        size = rows.count, columns.count
        require_holds(target, pixels.dtype, channels, len(frames), *size, maxval=picture.maxval)
    return replace(picture, frames=tuple(pool_pixels(pixels, settings) for pixels in frames))


def _pool_array_file(job: Job, settings: Settings, source: str) -> Outcome:
    """Pool a .npy file by bands of rows, so that it may be larger than memory."""
    with npy.open_array(source) as array:
        rows, columns = settings.windows.axes(array.shape)
        shape = (rows.count, columns.count, *array.shape[2:])
        with _writing(job, settings) as file:
            npy.write_rows(file, shape, array.dtype, _bands(array, settings, rows, columns))
    return Outcome(job, "ok", array.shape, shape, array.dtype.newbyteorder("=").name, 1)


def _bands(
    array: ArrayFile, settings: Settings, rows: AnyAxis, columns: AnyAxis
) -> Iterator[Array]:
    """Pool as many rows at a time as are read in a band of some megabytes."""
    row_bytes = array.dtype.itemsize * math.prod(array.shape[1:])
    step = max(1, BAND_BYTES * rows.count // (array.shape[0] * row_bytes))
    for first in range(0, rows.count, step):
        low, high, part = rows.part(first, min(first + step, rows.count))
        yield _pool_axes(array.rows(low, high), settings, part, columns)


def pool_pixels(pixels: Array, settings: Settings) -> Array:
    """Pool one picture; the result keeps its dtype, so an average is rounded into it."""
    return _pool_axes(pixels, settings, *settings.windows.axes(pixels.shape))


def _pool_axes(pixels: Array, settings: Settings, rows: AnyAxis, columns: AnyAxis) -> Array:
    counted, dtype = settings.count_include_pad, pixels.dtype.newbyteorder("=")
    pooling = Pooling(settings.method, settings.windows, counted, dtype)
    return pool_axes(pixels, pooling, rows, columns)


def _done(
    job: Job, before: tuple[Array, ...], after: tuple[Array, ...], warnings: tuple[str, ...]
) -> Outcome:
    """The outcome of a picture; its shapes are those of its first frame."""
    first, dtype = after[0], after[0].dtype.name
    return Outcome(job, "ok", before[0].shape, first.shape, dtype, len(after), warnings)


@contextmanager
def _writing(job: Job, settings: Settings) -> Iterator[BinaryIO]:
    """Open the job's output, which appears whole or not at all."""
    with _naming(job):
        if job.folder:
            files.make_directory(_located(job.folder, settings))
        with files.replacing(_located(job.output, settings), placing=hold) as file:
            yield file


@contextmanager
def _naming(job: Job) -> Iterator[None]:
    """Name the output in what goes wrong with it."""
    try:
        yield
    except FileError as error:
        raise FileError(f"cannot write {job.output}: {error}") from None


def _located(path: str, settings: Settings) -> str:
    """The path as a worker elsewhere sees it; a stream stays what it is."""
    return path if path == files.STREAM else os.path.join(settings.directory, path)
