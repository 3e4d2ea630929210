"""One image of a run: read, decode, pool, encode, write. Runs on any thread or machine."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from pooltool import files, images
from pooltool.data_format import DataFormat, row_axis
from pooltool.errors import ImageError, PooltoolError, one_line
from pooltool.geometry import Axis
from pooltool.images import Picture, npy
from pooltool.images.formats import (
    NPY,
    Format,
    format_for,
    require_holds,
    require_quality,
    written_for,
)
from pooltool.kernels import Pooling, pool_axes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

Shape = tuple[int, ...]
Layout = tuple[Pooling, Axis, Axis]
"""How frames of one kind are pooled: the dtype of the result and the windows."""
Status = Literal["ok", "skipped", "failed", "planned"]
PART_BYTES = 1 << 24
"""Bytes of a .npy file that are mapped at once."""


class Settings(NamedTuple):
    """What a run does with its images; each field is named as its option.

    A named tuple, as a dataclass takes three times as long to define, at every start.
    """

    pooling: Pooling
    alpha_weighted: bool = False
    """Only avg: weight colors by their opacity."""
    data_format: DataFormat | None = None
    """Axis order of a .npy array; None for channels_last, with a warning if it looks otherwise."""
    indices: str | None = None
    """Only max and min: the .npy file for the position of each value."""
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
    """Extension of the format to write, with or without its dot; may be an unknown one. None for
    the format of the image: that of standard input, which has no name."""
    folder: str = ""
    """Directory to make for the output if it is missing."""
    problem: str = ""
    """Why the image cannot be read, if that is known already."""
    repeated: bool = False
    """True if an earlier job of the run reads the same image and writes the same result."""


class Outcome(NamedTuple):
    """The result of a job. What does not apply to it is None; shapes are those of frame 0."""

    job: Job
    status: Status
    input_shape: Shape | None = None
    output_shape: Shape | None = None
    dtype: np.dtype[Any] | None = None
    frames: int | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    preview: NDArray[np.uint8] | None = None
    """The image and its result side by side, if they are to be shown."""


def pool_file(job: Job, settings: Settings) -> Outcome:
    """Do one job, or in a dry run check it; a failure is an outcome too."""
    try:
        outputs = [job.output] if settings.indices is None else [job.output, settings.indices]
        if job.repeated or (settings.skip_existing and all(map(files.is_done, outputs))):
            return Outcome(job, "skipped")
        if job.problem:
            raise PooltoolError(job.problem)
        try:
            format = None if job.format is None else format_for(job.format)
        except ImageError:
            images.read_header(files.read(job.input))  # report first if it cannot be read
            raise
        if settings.dry_run:
            if format is not None:
                require_quality(format, settings.quality)
            files.require_readable(job.input)
            for output in outputs:
                files.require_writable(output, job.folder)
            return Outcome(job, "planned")
        is_picture = settings.gray or settings.frame is not None or settings.show
        is_picture = is_picture or settings.alpha_weighted
        if format is NPY and not is_picture and npy.is_array_file(job.input):
            with npy.open_array(job.input) as array:
                return _pool_array(job, settings, array)
        data = files.read(job.input)
        format = format or written_for(images.read_header(data)[1].format)
        if format is NPY and not is_picture and npy.is_array(data):
            return _pool_array(job, settings, npy.loaded(data))
        return _pool_picture(job, settings, format, data)
    except BrokenPipeError:  # which concerns all jobs
        raise
    except Exception as error:
        return Outcome(job, "failed", error=one_line(error))


def _pool_picture(job: Job, settings: Settings, format: Format, data: bytes) -> Outcome:
    """Decode a picture, pool every frame and write them, with the positions of the extremes if they
    are asked for.
    """
    picture = images.decode(
        data,
        gray=settings.gray,
        frame=settings.frame,
        format=format,
        data_format=settings.data_format,
        labels=settings.pooling.method == "mode",
    )
    frames, count, maxval = picture.frames, len(picture.frames), picture.maxval
    layouts = [  # all of them first, so that no picture is pooled which the format cannot hold
        _layout(settings.pooling, format, picture.color_shape(pixels), pixels.dtype, count, maxval)
        for pixels in frames
    ]
    pooled = tuple(
        _pool_frame(pixels, picture, settings.alpha_weighted, layout)
        for pixels, layout in zip(frames, layouts, strict=True)
    )
    _, rows, columns = layouts[0]
    reduction, data_format = (rows.reduction, columns.reduction), settings.data_format
    result = picture._replace(frames=pooled, reduction=reduction, data_format=data_format)
    encoded = images.encode(result, format, quality=settings.quality)
    preview = None
    if settings.show:
        from pooltool.compare.panel import side_by_side

        shown, shown_result = images.colored(picture).frames[0], images.colored(result).frames[0]
        pooling = settings.pooling
        preview = side_by_side(shown, pooling.windows, pooling.method, shown_result)
    if settings.indices is not None:
        from pooltool.kernels.indices import indices2d

        places = tuple(
            indices2d(pixels, values, *axes)
            for pixels, values, (_, *axes) in zip(frames, pooled, layouts, strict=True)
        )
        encoded_places = npy.encode(Picture(places, NPY, data_format=data_format), NPY, None)
        files.write(settings.indices, encoded_places.data)
    files.write(job.output, encoded.data, folder=job.folder)
    shape, dtype = pooled[0].shape, pooled[0].dtype
    return Outcome(job, "ok", frames[0].shape, shape, dtype, count, encoded.warnings, None, preview)


@lru_cache(maxsize=64)
def _layout(
    pooling: Pooling,
    format: Format,
    shape: Shape,
    dtype: np.dtype[Any],
    count: int,
    maxval: int | None,
) -> Layout:
    """How one of `count` frames of a kind is pooled; raise `ImageError` if `format` cannot hold
    the result.

    Averages are rounded to the image's dtype unless another one is asked for. Most images of a
    data set are of one kind, and this takes as long as pooling a small one.
    """
    rows, columns = pooling.windows.axes(shape)
    channels = shape[2] if len(shape) == 3 else 1
    result_dtype = pooling.dtype or dtype.newbyteorder("=")
    require_holds(format, result_dtype, channels, count, rows.count, columns.count, maxval=maxval)
    return replace(pooling, dtype=result_dtype), rows, columns


def _pool_frame(pixels: Array, picture: Picture, alpha_weighted: bool, layout: Layout) -> Array:
    """Pool one frame: channel by channel, unless its channels are colors that belong together."""
    if alpha_weighted:
        if picture.bands or pixels.shape[2:] != (4,):
            raise ImageError("it has no alpha to weigh by; leave out --alpha-weighted")
        if not picture.premultiplied:  # else its colors are already weighted
            from pooltool.kernels.alpha import alpha_weighted as pool_weighted

            return pool_weighted(pixels, layout[0])
    are_colors = pixels.ndim == 3 and not picture.bands and picture.format is not NPY
    if layout[0].method == "mode" and are_colors:
        from pooltool.kernels.colors import pool_colors

        order = (2, 1, 0, 3)[: pixels.shape[2]] if pixels.shape[2] > 2 else (0, 1)
        return pool_colors(pixels, *layout, order)
    return pool_axes(pixels, *layout)


def _pool_array(job: Job, settings: Settings, array: npy.ArrayFile) -> Outcome:
    """Pool a .npy file into another by parts, so that it may be larger than memory."""
    data_format: DataFormat = settings.data_format or "channels_last"
    shape, dtype = array.shape, array.dtype
    result_dtype = settings.pooling.dtype or dtype.newbyteorder("=")
    pooling = replace(settings.pooling, dtype=result_dtype)
    rows, columns = pooling.windows.axes(shape, data_format)
    axis = row_axis(len(shape), data_format)
    result_shape = (*shape[:axis], rows.count, columns.count, *shape[axis + 2 :])
    with ExitStack() as outputs:
        places = None
        if settings.indices is not None:
            from pooltool.kernels.indices import indices2d

            places = outputs.enter_context(files.replacing(settings.indices))
            npy.write_header(places, result_shape, np.dtype(np.int64))
        file = outputs.enter_context(files.replacing(job.output, folder=job.folder))
        npy.write_header(file, result_shape, result_dtype)
        for pixels, part_rows, top in _parts(array, rows, axis):
            data_format = "channels_first" if pixels.ndim == 3 else "channels_last"
            values = pool_axes(pixels, pooling, part_rows, columns, data_format=data_format)
            npy.write_part(file, values)
            if places:
                indices = indices2d(pixels, values, part_rows, columns, data_format=data_format)
                npy.write_part(places, indices + top * columns.size)
    warnings = npy.layout_warnings(shape, settings.data_format)
    return Outcome(job, "ok", shape, result_shape, result_dtype, 1, warnings)


def _parts(array: npy.ArrayFile, rows: Axis, axis: int) -> Iterator[tuple[Array, Axis, int]]:
    """Cut an array, in memory order, into parts of about `PART_BYTES`: (planes, rows, columns) or
    (planes, rows, columns, channels), the windows over its rows, and the first of them.

    Windows that share most of their pixels stay together.
    """
    shape = array.shape
    row = math.prod(shape[axis + 1 :])
    planes, plane_bytes = math.prod(shape[:axis]), rows.size * row * array.dtype.itemsize
    step = max(1, PART_BYTES // plane_bytes)
    windows = max(-(-rows.extent // rows.stride), PART_BYTES * rows.count // plane_bytes)
    for plane in range(0, planes, step):
        for first in range(0, rows.count, windows):
            top, bottom, part_rows = 0, rows.size, rows
            if windows < rows.count:
                top, bottom, part_rows = rows.part(first, min(first + windows, rows.count))
            part_shape = (min(step, planes - plane), bottom - top, *shape[axis + 1 :])
            yield array.part((plane * rows.size + top) * row, part_shape), part_rows, top
