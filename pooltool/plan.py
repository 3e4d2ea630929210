"""What a run will do before it does it: which images are read and where each result goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from pooltool import files
from pooltool.errors import FileError, PlanError, UsageProblem
from pooltool.files import STREAM
from pooltool.images.formats import FORMATS, format_for, require_quality
from pooltool.job import Job, Settings

NOT_A_FILE = "it is a pipe, a socket or a device; leave it out, or name it itself to read from it"
IMAGE_SUFFIXES = frozenset(f".{name}" for known in FORMATS for name in known.extensions)
PAGE = "html"
"""The extension of the page that `compare` writes."""
UTF8_MARK = b"\xef\xbb\xbf"
"""What some editors begin a text with."""


class Name(NamedTuple):
    """An image that was asked for."""

    path: str
    below: str = ""
    """Folders between the directory that was named and the image; empty outside --recursive."""
    problem: str = ""
    """Why it cannot be read, where that is known already."""


def plan(images: tuple[str, ...], settings: Settings) -> list[Job]:
    """The jobs of a run, in order; raise `PlanError` if one would overwrite an input or a result.

    `mountain.jpg` becomes `mountain_max.jpg`, beside the image or in the directory of the output.
    """
    directory = _directory(images, settings)
    _require_writable(settings, directory)
    listed = (names_in(source, null=settings.null) for source in settings.files_from)
    jobs = [
        _job(name, settings, directory)
        for paths in (images, *listed)
        for path in paths
        for name in expand(path, recursive=settings.recursive, results=directory)
    ]
    return _without_loss(jobs)


def takes_several(images: tuple[str, ...], settings: Settings) -> bool:
    """True where more than one image may come."""
    return len(images) > 1 or bool(settings.files_from) or settings.recursive


def _directory(images: tuple[str, ...], settings: Settings) -> str | None:
    """The output where it is a directory: it is one, ends in a slash, or takes several images."""
    output = settings.output
    if output is None or output == STREAM:
        return None
    if takes_several(images, settings) or not os.path.basename(output) or os.path.isdir(output):
        return output
    return None


def _require_writable(settings: Settings, directory: str | None) -> None:
    """Refuse a format that is known already and cannot be written, or not so."""
    format, output = settings.format, settings.output
    if format is None and output not in (None, STREAM, directory):
        assert output is not None
        format = _suffix(output)
        if not format:
            raise PlanError(
                f"-o {output}: a file's name needs an extension, such as .png, that tells the "
                "format; a directory's ends in /"
            )
    if format is not None:
        require_quality(format_for(format), settings.quality)


def names_in(source: str, *, null: bool = False) -> Iterator[str]:
    """The names in a list, one a line or NUL-terminated; empty ones are passed over."""
    separator = b"\0" if null else b"\n"
    try:
        with files.reading(source) as file:
            for number, record in enumerate(_records(file, separator)):
                if not null:
                    record = record.removeprefix(b"" if number else UTF8_MARK).removesuffix(b"\r")
                if b"\0" in record:
                    problem = "it holds NUL; add -0 if names end with it"
                    raise UsageProblem(f"--files-from {source}: {problem}")
                if null and record.endswith(b"\n") and not os.path.lexists(record):
                    problem = "its names end with line breaks; leave out -0"
                    raise UsageProblem(f"--files-from {source}: {problem}")
                if record:
                    yield os.fsdecode(record)
    except FileError as error:
        raise FileError(f"--files-from {source}: {error}") from None


def _records(file: BinaryIO, separator: bytes) -> Iterator[bytes]:
    """Read what `separator` ends, however long the file is."""
    rest = b""
    while block := file.read(1 << 16):
        *records, rest = (rest + block).split(separator)
        yield from records
    if rest:
        yield rest


def expand(path: str, *, recursive: bool, results: str | None) -> Iterator[Name]:
    """The image itself, or those below a directory: told by their extension, in the order of
    their names, hidden ones too.

    Without `recursive` a directory is a problem of its own. `results`, where the results go, is
    left out; links to directories are not followed. A directory that cannot be listed is a
    problem, and so is a pipe or a device: it may never end.
    """
    if path == STREAM or not os.path.isdir(path):
        yield Name(path)
        return
    if not recursive:
        yield Name(path, problem="is a directory; add --recursive to pool the images below it")
        return
    left_out = os.path.realpath(results) if results else ""
    unreadable: list[OSError] = []
    for folder, folders, names in os.walk(path, onerror=unreadable.append):
        yield from _unreadable(unreadable)
        folders[:] = sorted(f for f in folders if _real(os.path.join(folder, f)) != left_out)
        below = os.path.relpath(folder, path)
        for name in sorted(names):
            if _suffix(name).lower() in IMAGE_SUFFIXES:
                image = os.path.join(folder, name)
                problem = NOT_A_FILE if files.is_special(image) else ""
                yield Name(image, "" if below == os.curdir else below, problem)
    yield from _unreadable(unreadable)


def _unreadable(errors: list[OSError]) -> Iterator[Name]:
    """Directories that could not be listed, each once."""
    while errors:
        error = errors.pop()
        yield Name(str(error.filename), problem=f"cannot be read: {files.reason(error)}")


def _job(name: Name, settings: Settings, directory: str | None) -> Job:
    """The job that pools the image `name`."""
    output, format = settings.output, settings.format
    if name.path == STREAM:
        if directory is not None:
            raise PlanError(f"-o {directory} is a directory; name a file for standard input")
        named = None if output in (None, STREAM) else _suffix(str(output))
        return Job(STREAM, output or STREAM, format or named or ".png")
    beside, base = os.path.split(name.path)
    stem, suffix = os.path.splitext(base)
    if format is not None:
        suffix = f".{format.lstrip('.')}"
    if output is not None and directory is None:
        known = format or (suffix if output == STREAM else _suffix(output))
        return Job(name.path, output, known, problem=name.problem)
    folder = "" if directory is None else os.path.join(directory, name.below)
    path = os.path.join(folder or beside, f"{stem}_{settings.pooling.method}{suffix}")
    return Job(name.path, path, suffix, folder, name.problem)


def _without_loss(jobs: list[Job]) -> list[Job]:
    """The jobs, images that are named again marked so; raise `PlanError` if a file would be lost.

    Two inputs would write one output, or an output is one of the inputs.
    """
    read = {_real(job.input): job.input for job in jobs if job.input != STREAM}
    written: dict[str, str] = {}
    checked = []
    for job in jobs:
        path = _real(job.output)
        if job.output == STREAM:
            pass
        elif path in read:
            raise PlanError(
                f"{job.output}: the result of {job.input} would overwrite the image "
                f"{read[path]}; leave that out, or name another place with -o"
            )
        elif path not in written:
            written[path] = job.input
        elif _real(written[path]) == _real(job.input):
            job = replace(job, repeated=True)
        else:
            raise PlanError(
                f"{job.output}: {written[path]} and {job.input} would both be written there; "
                "pool their common folder with --recursive, or each into its own -o DIR"
            )
        checked.append(job)
    return checked


def panel_path(image: str, output: str | None, format: str | None) -> tuple[str, str]:
    """Where `compare` writes, and the extension that tells what: the panel, or for `html` a page.

    That is beside the image as `mountain_compare.png`, or `output`, which is a directory if it is
    one or ends in a slash, else a file. Of standard input it is standard output. Raises
    `PlanError` if the image itself would be overwritten.
    """
    extension = (format or "png").lstrip(".").lower()
    if STREAM in (output, output or image):
        return STREAM, extension
    folder, name = os.path.split(image)
    own_name = "stdin" if image == STREAM else os.path.splitext(name)[0]
    if output is None:
        path = os.path.join(folder, f"{own_name}_compare.{extension}")
    elif not os.path.basename(output) or os.path.isdir(output):
        path = os.path.join(output, f"{own_name}_compare.{extension}")
    else:
        path, extension = output, format or _suffix(output).lstrip(".").lower()
    if os.path.exists(path) and os.path.exists(image) and os.path.samefile(path, image):
        raise PlanError(f"{path}: would overwrite the image itself; name another place with -o")
    return path, extension


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1]


def _real(path: str) -> str:
    """The file that `path` leads to, whatever links are on the way."""
    if os.path.islink(path):
        return os.path.realpath(path)
    folder, name = os.path.split(path)
    return os.path.join(_real_folder(os.getcwd(), folder), name)


@lru_cache(maxsize=1024)
def _real_folder(current: str, folder: str) -> str:
    return os.path.realpath(os.path.join(current, folder))
