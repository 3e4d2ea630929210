"""One image of a run: read, decode, pool, encode, write. Runs on any thread or machine."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from pooltool import files, images
from pooltool.errors import FileError, ImageError, PooltoolError
from pooltool.images import Picture, npy
from pooltool.images.formats import NPY, Format, format_for, require_holds, require_quality
from pooltool.kernels import Pooling, pool2d, pool_axes
from pooltool.pooling import as_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]

Shape = tuple[int, ...]
Status = Literal["ok", "skipped", "failed", "planned"]
NO_MEMORY = "there is not enough memory for this image; use fewer --jobs or a larger machine"
BAND_BYTES = 1 << 25
"""Bytes read at once of a .npy file that is pooled by bands of rows."""


@dataclass(frozen=True)
class Settings:
    """What a run does with its images, each field named as its option."""

    pooling: Pooling
    gray: bool = False
    frame: int | None = None
    recursive: bool = False
    files_from: tuple[str, ...] = ()
    null: bool = False
    output: str | None = None
    format: str | None = None
    quality: int | None = None
    skip_existing: bool = False
    dry_run: bool = False
    jobs: int | None = None
    scheduler: str | None = None
    show: bool = False
    as_json: bool = False
    quiet: bool = False
    progress: bool | None = None
    directory: str = ""
    """Where relative names start, for a worker that is elsewhere."""


@dataclass(frozen=True)
class Job:
    """One image to read and the file its result goes to, both as the user would name them."""

    input: str
    output: str
    format: str
    """Names the format to write, with or without its dot; may be one that is not known."""
    folder: str = ""
    """Directory to make for the output when it is missing."""
    problem: str = ""
    """Why the image cannot be read, where that is known already."""
    repeated: bool = False
    """True when an earlier job of the run reads the same image and writes the same result."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a job. What does not apply to it is None; shapes are of the first frame."""

    job: Job
    status: Status
    input_shape: Shape | None = None
    output_shape: Shape | None = None
    dtype: str | None = None
    frames: int | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    preview: NDArray[np.uint8] | None = None
    """The image and its result side by side, where they are to be shown."""


def pool_file(job: Job, settings: Settings) -> Outcome:
    """Do one job, or in a dry run tell what would become of it; a failure is an outcome too."""
    try:
        return _pool_file(job, settings)
    except PooltoolError as error:
        return Outcome(job, "failed", error=str(error))
    except MemoryError:
        return Outcome(job, "failed", error=NO_MEMORY)


def _pool_file(job: Job, settings: Settings) -> Outcome:
    source = located(job.input, settings.directory)
    output = located(job.output, settings.directory)
    if job.repeated or (settings.skip_existing and files.is_done(output)):
        return Outcome(job, "skipped")
    if job.problem:
        raise PooltoolError(job.problem)
    format = _format_to_write(job, source)
    require_quality(format, settings.quality)
    if settings.dry_run:
        files.require_readable(source)
        with _naming(job.output):
            files.require_writable(output, job.folder)
        return Outcome(job, "planned")
    by_bands = not (settings.gray or settings.frame or settings.show)
    if by_bands and format is NPY and npy.is_array_file(source):
        return _pool_array_file(job, settings, source)
    picture = images.decode(files.read(source), gray=settings.gray, frame=settings.frame)
    pooled = pool_picture(picture, settings.pooling, format)
    encoded = images.encode(pooled, format, quality=settings.quality)
    with writing(job.output, job.folder, settings.directory) as file:
        file.write(encoded.data)
    before, after = picture.frames[0], pooled.frames[0]
    return Outcome(
        job,
        "ok",
        input_shape=before.shape,
        output_shape=after.shape,
        dtype=after.dtype.name,
        frames=len(pooled.frames),
        warnings=encoded.warnings,
        preview=_preview(before, settings.pooling) if settings.show else None,
    )


def _format_to_write(job: Job, source: str) -> Format:
    """The format; what is no image at all is told so, not which formats there are."""
    try:
        return format_for(job.format)
    except ImageError:
        images.require_image(files.read_start(source, images.START_BYTES))
        raise


def pool_picture(picture: Picture, pooling: Pooling, format: Format) -> Picture:
    """Pool every frame, once it is known that `format` can hold the results."""
    frames = [as_image(pixels) for pixels in picture.frames]
    for pixels in frames:
        rows, columns = pooling.windows.axes(pixels.shape)
        channels = pixels.shape[2] if pixels.ndim == 3 else 1
        size = rows.count, columns.count
        require_holds(format, pixels.dtype, channels, len(frames), *size, maxval=picture.maxval)
    pooled = tuple(pool2d(pixels, _into(pixels.dtype, pooling)) for pixels in frames)
    rows, columns = pooling.windows.axes(frames[0].shape)
    return replace(picture, frames=pooled, reduction=(rows.reduction, columns.reduction))


def _into(dtype: np.dtype[Any], pooling: Pooling) -> Pooling:
    """The pooling whose results keep the image's dtype: averages are rounded into it."""
    return replace(pooling, dtype=dtype.newbyteorder("="))


def _preview(pixels: Array, pooling: Pooling) -> NDArray[np.uint8]:
    from pooltool.compare.panel import side_by_side

    image = as_image(pixels)
    return side_by_side(image, pooling.windows, pooling.method, pool2d(image, pooling))


def _pool_array_file(job: Job, settings: Settings, source: str) -> Outcome:
    """Pool a .npy file by bands of rows, so that it may be larger than memory."""
    with npy.open_array(source) as array:
        rows, columns = settings.pooling.windows.axes(array.shape)
        shape = (rows.count, columns.count, *array.shape[2:])
        pooling = _into(array.dtype, settings.pooling)
        row_bytes = array.dtype.itemsize * math.prod(array.shape[1:])
        step = max(1, BAND_BYTES * rows.count // (array.shape[0] * row_bytes))

        def bands() -> Iterator[Array]:
            for first in range(0, rows.count, step):
                low, high, part = rows.part(first, min(first + step, rows.count))
                yield pool_axes(array.rows(low, high), pooling, part, columns)

        with writing(job.output, job.folder, settings.directory) as file:
            npy.write_rows(file, shape, array.dtype, bands())
        return Outcome(job, "ok", array.shape, shape, array.dtype.newbyteorder("=").name, 1)


@contextmanager
def writing(path: str, folder: str = "", directory: str = "") -> Iterator[BinaryIO]:
    """Open an output, which appears whole or not at all; what goes wrong with it names it.

    `folder` is made if it is missing; relative names start in `directory`.
    """
    with _naming(path):
        if folder:
            files.make_directory(located(folder, directory))
        with files.replacing(located(path, directory)) as file:
            yield file


@contextmanager
def _naming(path: str) -> Iterator[None]:
    try:
        yield
    except FileError as error:
        raise FileError(f"cannot write {path}: {error}") from None


def located(path: str, directory: str) -> str:
    """The path as a worker elsewhere sees it; a stream stays what it is."""
    return path if path == files.STREAM else os.path.join(directory, path)
