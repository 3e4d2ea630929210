"""One image of a run: read, decode, pool, encode, write. Runs on any thread or machine."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from pooltool import files
from pooltool.errors import ImageError, PooltoolError, one_line
from pooltool.geometry import Axis, DataFormat, row_axis
from pooltool.images import Picture, colored, decode, encode, read_header, without_resolution
from pooltool.images.formats import NPY, PNG, Format, format_for, require_quality
from pooltool.kernels import Pooling, pool_axes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pooltool.images.npy import ArrayFile

    Array = NDArray[Any]

Shape = tuple[int, ...]
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
        except ImageError:  # report first if the image cannot be read
            files.require_readable(job.input)
            if not settings.dry_run:
                read_header(files.read(job.input))
            raise
        if settings.dry_run:
            if format is not None and settings.quality is not None:
                require_quality(format, settings.quality)
            files.require_readable(job.input)
            for output in outputs:
                files.require_writable(output, job.folder)
            return Outcome(job, "planned")
        is_picture = settings.gray or settings.frame is not None or settings.show
        may_be_array = format in (None, NPY) and not (is_picture or settings.alpha_weighted)
        if may_be_array:
            from pooltool.images import npy

            if job.input != files.STREAM and npy.is_array_file(job.input):
                with npy.open_array(job.input) as array:
                    return _pool_array(job, settings, array)
        data = files.read(job.input)
        if may_be_array and data.startswith(npy.MAGIC):
            return _pool_array(job, settings, npy.loaded(data))
        if format is None:
            own = read_header(data)[1].format
            format = own if own.written else PNG
        return _pool_picture(job, settings, format, data)
    except BrokenPipeError:  # of standard output, which concerns all jobs
        raise
    except Exception as error:
        return Outcome(job, "failed", error=one_line(error))


def _pool_picture(job: Job, settings: Settings, format: Format, data: bytes) -> Outcome:
    """Decode a picture, pool every frame and write them, with the positions of the extremes if they
    are asked for.
    """
    pooling, data_format = settings.pooling, settings.data_format
    picture = decode(
        data,
        gray=settings.gray,
        frame=settings.frame,
        format=format,
        data_format=data_format,
        labels=pooling.method == "mode",
    )
    frames, pooled, scales = picture.frames, [], []
    for pixels in frames:
        rows, columns = pooling.windows.axes(pixels.shape)
        pooled.append(_pool_frame(pixels, rows, columns, picture, settings))
        scales.append((rows.reduction, columns.reduction))
    result = picture._replace(frames=tuple(pooled), reduction=scales[0], data_format=data_format)
    if len(set(scales)) > 1:
        result = without_resolution(result)
    encoded = encode(result, format, quality=settings.quality)
    preview = None
    if settings.show:
        from pooltool.compare.measures import Result
        from pooltool.compare.panel import panel

        shown, shown_result = colored(picture).frames[0], colored(result).frames[0]
        preview = panel(shown, [Result(pooling.windows, {pooling.method: shown_result})])
    if settings.indices is not None:
        from pooltool.images import npy
        from pooltool.kernels.ranks import indices2d

        places = tuple(
            indices2d(pixels, values, *pooling.windows.axes(pixels.shape))
            for pixels, values in zip(frames, pooled, strict=True)
        )
        encoded_places = npy.encode(Picture(places, NPY, data_format=data_format), None)
        files.write(settings.indices, encoded_places.data)
    files.write(job.output, encoded.data, folder=job.folder)
    shape, dtype, count = pooled[0].shape, pooled[0].dtype, len(frames)
    return Outcome(job, "ok", frames[0].shape, shape, dtype, count, encoded.warnings, None, preview)


def _pool_frame(
    pixels: Array, rows: Axis, columns: Axis, picture: Picture, settings: Settings
) -> Array:
    """Pool one frame: channel by channel, unless its channels are colors that belong together.

    Averages are rounded to the image's dtype unless another one is asked for.
    """
    pooling = settings.pooling
    if pooling.method == "avg" and pooling.dtype is None:
        pooling = pooling._replace(dtype=pixels.dtype.newbyteorder("="))
    if settings.alpha_weighted:
        if picture.bands or pixels.shape[2:] != (4,):
            raise ImageError("it has no alpha to weigh by; leave out --alpha-weighted")
        if not picture.premultiplied:  # else its colors are already weighted
            from pooltool.kernels.alpha import alpha_weighted

            return alpha_weighted(pixels, pooling)
    are_colors = pixels.ndim == 3 and not picture.bands and picture.format is not NPY
    if pooling.method == "mode" and are_colors:
        from pooltool.kernels.colors import pool_colors

        order = (2, 1, 0, 3)[: pixels.shape[2]] if pixels.shape[2] > 2 else (0, 1)
        return pool_colors(pixels, pooling, rows, columns, order)
    return pool_axes(pixels, pooling, rows, columns)


def _pool_array(job: Job, settings: Settings, array: ArrayFile) -> Outcome:
    """Pool a .npy file into another by parts, so that it may be larger than memory."""
    from pooltool.images import npy

    data_format: DataFormat = settings.data_format or "channels_last"
    shape, dtype = array.shape, array.dtype
    result_dtype = settings.pooling.dtype or dtype.newbyteorder("=")
    pooling = settings.pooling._replace(dtype=result_dtype)
    rows, columns = pooling.windows.axes(shape, data_format)
    axis = row_axis(len(shape), data_format)
    result_shape = (*shape[:axis], rows.count, columns.count, *shape[axis + 2 :])

    def pieces(dtype: np.dtype[Any], *, indices: bool = False) -> Iterator[bytes | memoryview]:
        """The result as the file holds it, or where its values lie."""
        yield npy.head_of(result_shape, dtype)
        for pixels, part_rows, top in _parts(array, rows, axis):
            order: DataFormat = "channels_first" if pixels.ndim == 3 else "channels_last"
            values = pool_axes(pixels, pooling, part_rows, columns, data_format=order)
            if indices:
                from pooltool.kernels.ranks import indices2d

                values = indices2d(pixels, values, part_rows, columns, data_format=order)
                values += top * columns.size
            yield npy.bytes_of(values)

    if settings.indices is not None:
        files.write(settings.indices, pieces(np.dtype(np.int64), indices=True))
    files.write(job.output, pieces(result_dtype), folder=job.folder)
    warnings = npy.layout_warnings(shape, settings.data_format)
    return Outcome(job, "ok", shape, result_shape, result_dtype, 1, warnings)


def _parts(array: ArrayFile, rows: Axis, axis: int) -> Iterator[tuple[Array, Axis, int]]:
    """Cut an array, in memory order, into parts of about `PART_BYTES`: (planes, rows, columns) or
    (planes, rows, columns, channels), the windows over its rows, and which row of its planes is
    the first of these.

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
