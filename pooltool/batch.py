"""Many images in one run: plan where each goes, check the plan, pool them, yield the outcomes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pooltool import files, images
from pooltool.errors import PlanError, PooltoolError
from pooltool.formats import format_for
from pooltool.geometry import AnyWindows
from pooltool.kernels import Method, pool2d
from pooltool.pooling import as_image

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Settings:
    """What is done with every image of a run."""

    method: Method
    windows: AnyWindows
    count_include_pad: bool = False
    gray: bool = False


@dataclass(frozen=True)
class Job:
    """One image to read and the file its result goes to, both as the user would name them."""

    input: str
    output: str
    extension: str
    """Names the format to write, with or without its dot; may be one that is not known."""
    folder: str | None = None
    """Directory to make for the output when it is missing."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job; the shapes are None and `error` is set when it failed."""

    job: Job
    status: Literal["ok", "failed"]
    input_shape: Shape | None = None
    output_shape: Shape | None = None
    error: str | None = None


def plan(
    names: Iterable[str], method: Method, output: str | None, extension: str | None
) -> list[Job]:
    """Decide where each image's result goes; raise `PlanError` if that would lose a file.

    `output` is a file for one image; it is a directory if it is one, ends in a slash, or there
    are several images. Without it results go beside the images, as `mountain_max.jpg`.
    """
    inputs = list(names)
    if output is None or len(inputs) > 1 or output.endswith(os.sep) or Path(output).is_dir():
        jobs = [_named_after(name, method, output, extension) for name in inputs]
    else:
        target = format_for(extension or Path(output).suffix)
        jobs = [Job(name, output, target.name) for name in inputs]
    _require_no_loss(jobs)
    return jobs


def run(jobs: Iterable[Job], settings: Settings) -> Iterator[Outcome]:
    """Pool every image; one that fails is reported and does not stop the others."""
    for job in jobs:
        try:
            yield _pool_file(job, settings)
        except PooltoolError as error:
            yield Outcome(job, "failed", error=str(error))
        except MemoryError:
            yield Outcome(job, "failed", error="there is not enough memory for this image")


def _pool_file(job: Job, settings: Settings) -> Outcome:
    picture = images.decode(files.read(job.input), gray=settings.gray)
    target = format_for(job.extension)
    pooled = pool_pixels(as_image(picture.pixels), settings)
    data = images.encode(images.Picture(pooled), target)
    if job.folder is not None:
        files.make_directory(job.folder)
    files.write(job.output, data)
    return Outcome(job, "ok", picture.pixels.shape, pooled.shape)


def pool_pixels(pixels: NDArray[Any], settings: Settings) -> NDArray[Any]:
    """Pool one picture; the result keeps its dtype, so an average is rounded into it."""
    return pool2d(
        pixels,
        settings.method,
        settings.windows,
        count_include_pad=settings.count_include_pad,
        dtype=np.dtype(pixels.dtype.newbyteorder("=")),
    )


def _named_after(name: str, method: Method, folder: str | None, extension: str | None) -> Job:
    """Name the result after its image: `mountain.jpg` becomes `mountain_max.jpg`."""
    path = Path(name)
    suffix = path.suffix if extension is None else f".{extension.lstrip('.')}"
    place = os.path.dirname(name) if folder is None else folder
    return Job(name, os.path.join(place, f"{path.stem}_{method}{suffix}"), suffix, folder)


def _require_no_loss(jobs: list[Job]) -> None:
    """Refuse a plan that would overwrite one of its inputs or write one output twice."""
    inputs = {_identity(job.input): job.input for job in jobs}
    outputs: dict[object, Job] = {}
    for job in jobs:
        key = _identity(job.output)
        if key in inputs:
            raise PlanError(
                f"{job.output}: the result of {job.input} would overwrite the image "
                f"{inputs[key]}; name another place with -o"
            )
        if key in outputs:
            raise PlanError(
                f"{job.output}: {outputs[key].input} and {job.input} would both be written "
                "there; pool them in separate runs or directories"
            )
        outputs[key] = job


def _identity(path: str) -> object:
    """Equal for two names of one file, whatever links lead to it."""
    try:
        status = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino
