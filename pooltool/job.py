"""One image of a run: read, decode, pool, encode, write. Runs on any thread or machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from pooltool import files, images
from pooltool.data_format import DataFormat, row_axis
from pooltool.errors import ClusterError, ImageError, PooltoolError, one_line
from pooltool.geometry import AnyAxis
from pooltool.images import Picture, npy
from pooltool.images.formats import (
    NPY,
    Format,
    format_for,
    require_holds,
    require_quality,
    written_for,
)
from pooltool.kernels import Pooling, indices2d, pool2d, pool_axes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

Shape = tuple[int, ...]
Status = Literal["ok", "skipped", "failed", "planned"]
NO_ALPHA = "it has no alpha to weigh by; leave out --alpha-weighted"
PART_BYTES = 1 << 24
"""Bytes mapped at once of a .npy file that is pooled by parts."""


class Settings(NamedTuple):
    """What a run does with its images, each field named as its option.

    Named tuples take a third of the time of dataclasses to define, which each start waits for.
    """

    pooling: Pooling
    alpha_weighted: bool = False
    """Of avg only: colours weigh as much as they are opaque."""
    data_format: DataFormat | None = None
    """How a .npy array lies; None for channels_last, with a warning where it looks otherwise."""
    indices: str | None = None
    """Of max and min only: the file to write in which pixel each value lies."""
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
    format: str | None
    """Extension of the format to write, with or without its dot; may be one that is not known.
    None for the image's own format: that of standard input, which has no name."""
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
    dtype: np.dtype[Any] | None = None
    frames: int | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    preview: NDArray[np.uint8] | None = None
    """The image and its result side by side, where they are to be shown."""


def pool_file(job: Job, settings: Settings) -> Outcome:
    """Do one job, or in a dry run tell what would become of it; a failure is an outcome too."""
    try:
        outputs = [job.output, *([settings.indices] if settings.indices is not None else [])]
        if job.repeated or (settings.skip_existing and all(map(files.is_done, outputs))):
            return Outcome(job, "skipped")
        if job.problem:
            raise PooltoolError(job.problem)
        try:
            format = None if job.format is None else format_for(job.format)
        except ImageError:  # of what is not read at all, that is told
            images.read_header(files.read(job.input))
            raise
        if format is not None:
            require_quality(format, settings.quality)
        if settings.dry_run:
            files.require_readable(job.input)
            for output in outputs:
                files.require_writable(output, job.folder)
            return Outcome(job, "planned")
        whole = settings.gray or settings.frame is not None or settings.show
        if format is NPY and not whole and npy.is_array_file(job.input):
            return _pool_array(job, settings)
        return _pool_picture(job, settings, format)
    except (PooltoolError, MemoryError) as error:
        return Outcome(job, "failed", error=one_line(error))


def attempt(do: Callable[[Job, Settings], Outcome], job: Job, settings: Settings) -> Outcome:
    """What becomes of a job that `do` does: an error that nobody foresaw fails its image only."""
    try:
        return do(job, settings)
    except (BrokenPipeError, ClusterError):  # which concern all jobs
        raise
    except Exception as error:
        return Outcome(job, "failed", error=one_line(error))


def _pool_picture(job: Job, settings: Settings, format: Format | None) -> Outcome:
    """Read a picture, pool every frame and write them, with where the extremes lie if asked;
    `format` None is the format of the picture.
    """
    data = files.read(job.input)
    if format is None:
        format = written_for(images.read_header(data)[1].format)
    picture = images.decode(
        data,
        gray=settings.gray,
        frame=settings.frame,
        format=format,
        data_format=settings.data_format,
        labels=settings.pooling.method == "mode",
    )
    frames, count = picture.frames, len(picture.frames)
    before = frames[0]
    laid = [
        _laid(settings.pooling, format, shape, pixels.dtype, count, picture.maxval)
        for pixels, shape in zip(frames, map(picture.color_shape, frames), strict=True)
    ]
    pooled = [
        _pool_frame(pixels, picture, settings, *each)
        for pixels, each in zip(frames, laid, strict=True)
    ]
    _, rows, columns = laid[0]
    reduction = rows.reduction, columns.reduction
    result = picture._replace(frames=tuple(pooled), reduction=reduction)
    encoded = images.encode(result, format, quality=settings.quality)
    data = encoded.data
    if format is NPY:
        data = _as_asked(data, before, settings)
    preview = None
    if settings.show:
        from pooltool.compare.panel import side_by_side

        windows, method = settings.pooling.windows, settings.pooling.method
        shown = images.colored(picture).frames[0]
        preview = side_by_side(shown, windows, method, pool2d(shown, settings.pooling))
    if settings.indices is not None:
        files.write(settings.indices, _indices(frames, pooled, settings))
    files.write(job.output, data, folder=job.folder)
    shape, dtype = pooled[0].shape, pooled[0].dtype
    return Outcome(job, "ok", before.shape, shape, dtype, count, encoded.warnings, preview=preview)


def _pool_frame(
    pixels: Array,
    picture: Picture,
    settings: Settings,
    pooling: Pooling,
    rows: AnyAxis,
    columns: AnyAxis,
) -> Array:
    """Pool one frame: its channels one by one, unless they are colours that belong together."""
    if settings.alpha_weighted:
        if picture.bands or pixels.shape[2:] != (4,):
            raise ImageError(NO_ALPHA)
        if not picture.premultiplied:  # else its colours are weighted already
            from pooltool.kernels.alpha import alpha_weighted

            return alpha_weighted(pixels, pooling)
    are_colors = pixels.ndim == 3 and not picture.bands and picture.format is not NPY
    if pooling.method == "mode" and are_colors:
        from pooltool.kernels.colors import pool_colors

        order = (2, 1, 0, 3)[: pixels.shape[2]] if pixels.shape[2] > 2 else (0, 1)
        return pool_colors(pixels, pooling, rows, columns, order)
    return pool_axes(pixels, pooling, rows, columns)


def _indices(frames: Sequence[Array], pooled: Sequence[Array], settings: Settings) -> bytes:
    """Where the values of each frame lie, as a .npy file."""
    windows = settings.pooling.windows
    places = tuple(
        indices2d(pixels, values, *windows.axes(pixels.shape))
        for pixels, values in zip(frames, pooled, strict=True)
    )
    return _as_asked(images.encode(Picture(places, NPY), NPY).data, places[0], settings)


def _as_asked(data: bytes, first: Array, settings: Settings) -> bytes:
    """A .npy file with its channels first where that is asked for."""
    channels_first = settings.data_format == "channels_first" and first.ndim == 3
    return npy.with_channels_first(data) if channels_first else data


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
    it takes as long as pooling them. Averages are rounded into the image's dtype, unless another
    one is asked for.
    """
    rows, columns = pooling.windows.axes(shape)
    channels = shape[2] if len(shape) == 3 else 1
    into = pooling.dtype or dtype.newbyteorder("=")
    require_holds(format, into, channels, frames, rows.count, columns.count, maxval=maxval)
    return replace(pooling, dtype=into), rows, columns


def _pool_array(job: Job, settings: Settings) -> Outcome:
    """Pool a .npy file into another by parts, so that it may be larger than memory."""
    with npy.open_array(job.input) as array, ExitStack() as outputs:
        data_format: DataFormat = settings.data_format or "channels_last"
        shape, dtype, order, _ = array.layout
        warnings = npy.layout_warnings(shape, settings.data_format)
        result_dtype = settings.pooling.dtype or dtype.newbyteorder("=")
        pooling = replace(settings.pooling, dtype=result_dtype)
        axis = row_axis(len(shape), data_format)
        rows, columns = pooling.windows.axes(shape, data_format)
        result_shape = (*shape[:axis], rows.count, columns.count, *shape[axis + 2 :])
        places = None
        if settings.indices is not None:
            places = outputs.enter_context(files.replacing(settings.indices))
            npy.write_header(places, result_shape, np.dtype(np.int64), order)
        file = outputs.enter_context(files.replacing(job.output, folder=job.folder))
        npy.write_header(file, result_shape, result_dtype, order)
        if settings.alpha_weighted:
            npy.write_part(file, _alpha_weighted(array, pooling, data_format), order)
            return Outcome(job, "ok", shape, result_shape, result_dtype, 1, warnings)
        for part in _parts(array.layout, rows, columns, axis):
            top, bottom, part_rows = rows.part(part[axis].start, part[axis].stop)
            left, right, part_columns = columns.part(part[axis + 1].start, part[axis + 1].stop)
            part[axis : axis + 2] = slice(top, bottom), slice(left, right)
            pixels = array.part(part)
            windows = part_rows, part_columns
            values = pool_axes(pixels, pooling, *windows, data_format=data_format)
            npy.write_part(file, values, order)
            if places:
                found = indices2d(pixels, values, *windows, data_format=data_format)
                width, part_width = shape[axis + 1], right - left
                found += found // part_width * (width - part_width) + (top * width + left)
                npy.write_part(places, found, order)
        return Outcome(job, "ok", shape, result_shape, result_dtype, 1, warnings)


def _parts(
    layout: npy.ArrayLayout, rows: AnyAxis, columns: AnyAxis, axis: int
) -> Iterator[list[slice]]:
    """Cut a result, in memory order, into parts that are made of about `PART_BYTES` of the array.

    Windows that share most of their pixels stay together, and so do channels that lie side by side.
    """
    counts = [*layout.shape[:axis], rows.count, columns.count, *layout.shape[axis + 2 :]]
    steps, part_bytes = list(counts), math.prod(layout.shape) * layout.dtype.itemsize
    for index in layout.axes:
        least, windows = 1, {axis: rows, axis + 1: columns}.get(index)
        if windows:
            least = -(-windows.extent // windows.stride)
        part_bytes //= counts[index]
        steps[index] = min(counts[index], max(least, PART_BYTES // max(1, part_bytes)))
        if windows or steps[index] > 1:
            break
    firsts = [range(0, count, step) for count, step in zip(counts, steps, strict=True)]
    ordered = product(*(firsts[index] for index in layout.axes))
    for places in ordered:
        part = [slice(0)] * len(counts)
        for index, first in zip(layout.axes, places, strict=True):
            part[index] = slice(first, min(first + steps[index], counts[index]))
        yield part


def _alpha_weighted(array: npy.ArrayFile, pooling: Pooling, data_format: DataFormat) -> Array:
    """The pooled array, all in memory."""
    shape = array.layout.shape
    if data_format != "channels_last" or len(shape) < 3 or shape[-1] != 4:
        raise ImageError(NO_ALPHA)
    from pooltool.kernels.alpha import alpha_weighted

    return alpha_weighted(array.part([slice(0, size) for size in shape]), pooling)
