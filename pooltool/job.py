"""One image of a run: read, decode, pool, encode, write. Runs on any thread or machine."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pooltool import files, images
from pooltool.errors import ImageError, PooltoolError, WindowError
from pooltool.geometry import AnyAxis
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


class Settings(NamedTuple):
    """What a run does with its images, each field named as its option.

    Named tuples take a third of the time of dataclasses to define, which each start waits for.
    """

    pooling: Pooling
    gray: bool = False
    frame: int | None = None
    recursive: bool = False
    files_from: tuple[str, ...] = ()
    null: bool = False
    output: str | None = None
    format: str | None = None
    quality: int | None = None
    suffix: str | None = None
    skip_existing: bool = False
    dry_run: bool = False
    jobs: int | None = None
    scheduler: str | None = None
    show: bool = False
    as_json: bool = False
    quiet: bool = False
    progress: bool | None = None


class Job(NamedTuple):
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


class Outcome(NamedTuple):
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
        if job.repeated or (settings.skip_existing and files.is_done(job.output)):
            return Outcome(job, "skipped")
        if job.problem:
            raise PooltoolError(job.problem)
        format = _format_to_write(job)
        require_quality(format, settings.quality)
        if settings.dry_run:
            files.require_readable(job.input)
            files.require_writable(job.output, job.folder)
            return Outcome(job, "planned")
        by_bands = not (settings.gray or settings.frame or settings.show)
        if by_bands and format is NPY and npy.is_array_file(job.input):
            return _pool_array_file(job, settings.pooling)
        data, gray, frame = files.read(job.input), settings.gray, settings.frame
        picture = images.decode(data, gray=gray, frame=frame, format=format)
        pooled = pool_picture(picture, settings.pooling, format)
        encoded = images.encode(pooled, format, quality=settings.quality)
        files.write(job.output, encoded.data, folder=job.folder)
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
    except WindowError as error:
        return Outcome(job, "failed", error=error.in_options())
    except PooltoolError as error:
        return Outcome(job, "failed", error=str(error))
    except MemoryError:
        return Outcome(job, "failed", error=NO_MEMORY)


def _format_to_write(job: Job) -> Format:
    """The format; what is no image at all is told so, not which formats there are."""
    try:
        return format_for(job.format)
    except ImageError:
        images.require_image(files.read_start(job.input, images.START_BYTES))
        raise


def pool_picture(picture: Picture, pooling: Pooling, format: Format) -> Picture:
    """Pool every frame, if `format` can hold the results."""
    frames = [as_image(pixels) for pixels in picture.frames]
    laid = [_laid(pooling, format, f.shape, f.dtype, len(frames), picture.maxval) for f in frames]
    pooled = tuple(pool_axes(pixels, *how) for pixels, how in zip(frames, laid, strict=True))
    _, rows, columns = laid[0]
    return replace(picture, frames=pooled, reduction=(rows.reduction, columns.reduction))


@lru_cache(maxsize=64)
def _laid(
    pooling: Pooling,
    format: Format,
    shape: Shape,
    dtype: np.dtype[Any],
    frames: int,
    maxval: int | None,
) -> tuple[Pooling, AnyAxis, AnyAxis]:
    """What `pool_axes` takes for images of a kind, once it is known that `format` can hold the
    results. It is remembered, as the images of a data set are mostly of one kind: for small ones
    it takes as long as pooling them. Averages are rounded into the image's dtype.
    """
    rows, columns = pooling.windows.axes(shape)
    channels, into = shape[2] if len(shape) == 3 else 1, dtype.newbyteorder("=")
    require_holds(format, into, channels, frames, rows.count, columns.count, maxval=maxval)
    return replace(pooling, dtype=into), rows, columns


def _preview(pixels: Array, pooling: Pooling) -> NDArray[np.uint8]:
    from pooltool.compare.panel import side_by_side

    image = as_image(pixels)
    return side_by_side(image, pooling.windows, pooling.method, pool2d(image, pooling))


def _pool_array_file(job: Job, pooling: Pooling) -> Outcome:
    """Pool a .npy file by bands of rows, so that it may be larger than memory."""
    with npy.open_array(job.input) as array:
        into, rows, columns = _laid(pooling, NPY, array.shape, array.dtype, 1, None)
        row_bytes = array.dtype.itemsize * math.prod(array.shape[1:])
        step = max(1, BAND_BYTES * rows.count // (array.shape[0] * row_bytes))

        def bands() -> Iterator[Array]:
            for first in range(0, rows.count, step):
                low, high, part = rows.part(first, min(first + step, rows.count))
                yield pool_axes(array.rows(low, high), into, part, columns)

        shape = (rows.count, columns.count, *array.shape[2:])
        with files.replacing(job.output, folder=job.folder) as file:
            npy.write_rows(file, shape, array.dtype, bands())
        return Outcome(job, "ok", array.shape, shape, array.dtype.newbyteorder("=").name, 1)
