"""What a run will do before it does it: which images are read and where each result goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from pooltool import files
from pooltool.errors import FileError, PlanError, UsageProblem
from pooltool.files import STREAM
from pooltool.images.formats import FORMATS, WRITTEN_AS, Format, format_for, require_quality
from pooltool.job import Job, Settings

NOT_A_FILE = "it is a pipe, a socket or a device; leave it out, or name it itself to read from it"
IMAGE_EXTENSIONS = frozenset(
    f".{name}" for names in (WRITTEN_AS, *(known.extensions for known in FORMATS)) for name in names
)
PAGE = "html"
"""The extension of the page that `compare` writes."""
UTF8_MARK = b"\xef\xbb\xbf"
"""What some editors begin a text with."""


Place = tuple[Any, Any]
"""What tells a file from others: its device and inode, or its folder and name where it is not
there yet."""


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
    directory = _destination(images, settings)
    listed = (names_in(source, null=settings.null) for source in settings.files_from)
    jobs = [
        _job(name, settings, directory)
        for paths in (images, *listed)
        for path in paths
        for name in expand(path, recursive=settings.recursive, results=directory)
    ]
    if settings.indices is None or not jobs:
        return _without_loss(jobs, settings)
    _require_folder(settings.indices, "--indices")
    *checked, places = _without_loss([*jobs, jobs[0]._replace(output=settings.indices)], settings)
    if places.repeated:
        raise PlanError(f"--indices {settings.indices}: the result goes there; name another file")
    return checked


def takes_several(images: tuple[str, ...], settings: Settings) -> bool:
    """True where more than one image may come."""
    return len(images) > 1 or bool(settings.files_from) or settings.recursive


def _destination(images: tuple[str, ...], settings: Settings) -> str | None:
    """The output where it is a directory: it is one, ends in a slash, or takes several images.

    Refuse one that cannot be what is asked of it, and a format that is known already and cannot
    be written, or not so.
    """
    output, format = settings.output, settings.format
    if format is not None:
        require_quality(format_for(format), settings.quality)
    if output is None or output == STREAM:
        return None
    several, extension = takes_several(images, settings), _extension(output)
    if os.path.isdir(output) or not os.path.basename(output) or several:
        if extension.lower() in IMAGE_EXTENSIONS and not os.path.isdir(output):
            name = "" if os.path.lexists(output) else f", {output}/"
            raise PlanError(
                f"-o {output} ends in {extension} but several images come: name a directory{name}"
            )
        _require_directory(output, output)
        return output
    if settings.suffix is not None:
        raise PlanError(f"-o {output} is the whole name; leave out --suffix, or name a directory")
    if not extension and format is None:
        raise PlanError(
            f"-o {output}: a file's name needs an extension, such as .png, that tells the "
            "format; a directory's ends in /"
        )
    if format is None:
        require_quality(format_for(extension), settings.quality)
    else:
        _require_agreement(output, format)
    _require_folder(output)
    return None


def _require_agreement(output: str, format: str) -> None:
    """Refuse a file's name that tells another format than the one asked for."""
    extension = _extension(output).lower()
    known = extension == f".{PAGE}" or extension in IMAGE_EXTENSIONS
    if known and _kind(extension) is not _kind(format):
        raise PlanError(f"-o {output} and --format {format} disagree; leave out --format")


def _kind(extension: str) -> Format | str:
    """`PAGE`, or the format to write by an extension; raise `ImageError` if there is none."""
    return PAGE if extension.lstrip(".").lower() == PAGE else format_for(extension)


def _require_folder(output: str, option: str = "-o") -> None:
    """Refuse a file whose folder is not there."""
    folder = os.path.dirname(output)
    _require_directory(output, folder)
    if folder and not os.path.isdir(folder):
        other = f", or write -o {folder}/, which makes it" if option == "-o" else ""
        raise PlanError(f"{option} {output}: there is no folder {folder}; make it{other}")


def _require_directory(output: str, folder: str) -> None:
    """Refuse a folder that is no directory and cannot become one."""
    try:
        files.require_directory(folder)
    except FileError as error:
        raise PlanError(f"-o {output}: {error}") from None


def names_in(source: str, *, null: bool = False) -> Iterator[str]:
    """The names in a list, one a line or NUL-terminated; empty ones are passed over."""
    try:
        data = files.read(source)
    except FileError as error:
        raise FileError(f"--files-from {source}: {error}") from None
    records = data.split(b"\0") if null else data.removeprefix(UTF8_MARK).split(b"\n")
    for record in records:
        if b"\0" in record:
            problem = "it holds NUL; add -0 if names end with it"
            raise UsageProblem(f"--files-from {source}: {problem}")
        if null and record.endswith(b"\n") and not os.path.lexists(record):
            problem = "its names end with line breaks; leave out -0"
            raise UsageProblem(f"--files-from {source}: {problem}")
        name = record if null else record.removesuffix(b"\r")
        if name:
            yield os.fsdecode(name)


def expand(path: str, *, recursive: bool, results: str | None) -> Iterator[Name]:
    """The image itself, or those below a directory: told by their extension, in the order of
    their names, hidden ones too.

    Without `recursive` a directory is a problem of its own. `results`, where the results go, is
    left out, and what macOS writes beside a file as `._name`; links to directories are not
    followed. A directory that cannot be listed is a problem, and so is a pipe or a device: it may
    never end.
    """
    if path == STREAM or not os.path.isdir(path):
        yield Name(path)
        return
    if not recursive:
        yield Name(path, problem="is a directory; add --recursive to pool the images below it")
        return
    left_out = os.path.realpath(results) if results else ""
    waiting = [(path, "")]
    while waiting:
        folder, below = waiting.pop()
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            yield Name(folder, problem=f"cannot be read: {files.reason(error)}")
            continue
        folders = []
        for entry in entries:
            linked, name = entry.is_symlink(), entry.name
            if os.path.isdir(entry.path) if linked else entry.is_dir():
                if not linked and os.path.realpath(entry.path) != left_out:
                    folders.append((entry.path, os.path.join(below, name)))
            elif _extension(name).lower() in IMAGE_EXTENSIONS and not name.startswith("._"):
                special = files.is_special(entry.path) if linked else not entry.is_file()
                yield Name(entry.path, below, NOT_A_FILE if special else "")
        waiting += reversed(folders)


def _job(name: Name, settings: Settings, directory: str | None) -> Job:
    """The job that pools the image `name`."""
    output, format = settings.output, settings.format
    if name.path == STREAM:
        if directory is not None:
            raise PlanError(f"-o {directory} is a directory; name a file for standard input")
        named = None if output in (None, STREAM) else _extension(str(output))
        return Job(STREAM, output or STREAM, format or named)
    beside, base = os.path.split(name.path)
    stem, extension = os.path.splitext(base)
    if extension[1:].lower() in WRITTEN_AS:
        extension = f".{WRITTEN_AS[extension[1:].lower()]}"
    if format is not None:
        extension = f".{format.lstrip('.')}"
    if output is not None and directory is None:
        known = format or (extension if output == STREAM else _extension(output))
        return Job(name.path, output, known, problem=name.problem)
    suffix = f"_{settings.pooling.method}" if settings.suffix is None else settings.suffix
    folder = "" if directory is None else os.path.join(directory, name.below)
    path = os.path.join(folder or beside, f"{stem}{suffix}{extension}")
    return Job(name.path, path, extension, folder, name.problem)


def _without_loss(jobs: list[Job], settings: Settings) -> list[Job]:
    """The jobs, images that are named again marked so; raise `PlanError` if a file would be lost.

    Two inputs would write one output, or an output is one of the inputs. Files that exist are
    compared as files: two names may lead to one without a link, by a folder that is mounted twice
    or a disk that ignores case. Those to come are compared by their folder and name.
    """
    folders: dict[str, Place | str] = {}

    def place(path: str) -> Place:
        """The folder and the name that `path` leads to, whatever links are on the way."""
        if os.path.islink(path):
            path = os.path.realpath(path)
        folder, name = os.path.split(path)
        if folder not in folders:
            real = os.path.realpath(folder)
            folders[folder] = files.identity(real) or real
        return folders[folder], name

    sources: list[Place] = [files.identity(job.input) or place(job.input) for job in jobs]
    read = dict(zip(sources, jobs, strict=True))
    files.protect(read)
    written: dict[Place, Place] = {}
    checked = []
    for job, source in zip(jobs, sources, strict=True):
        # Of two results that are hard links, replacing one leaves the other as it is.
        path: Place = files.identity(job.output, most_names=1) or place(job.output)
        overwritten = read.get(files.identity(job.output) or path)
        if job.output == STREAM:
            pass
        elif overwritten is not None and overwritten.input != STREAM:
            raise PlanError(
                f"{job.output}: the result of {job.input} would overwrite the image "
                f"{overwritten.input}; leave that out, or name another place with -o"
            )
        elif path not in written:
            written[path] = source
        elif written[path] == source:
            job = job._replace(repeated=True)
        else:
            other = read[written[path]].input
            raise PlanError(
                f"{job.output}: {other} and {job.input} would both be written there; "
                + _remedy(other, job.input, settings.recursive)
            )
        checked.append(job)
    return checked


def _remedy(first: str, second: str, recursive: bool) -> str:
    """What to do with two images whose results would have one name."""
    if os.path.realpath(os.path.dirname(first)) == os.path.realpath(os.path.dirname(second)):
        if recursive:
            return "rename one of them"
        return f"pool {second} in a run of its own, with another --suffix"
    if recursive:
        return "pool them in two runs, each into its own -o DIR"
    return (
        "pool their common folder with --recursive, or each in a run of its own with another -o DIR"
    )


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
        path = output
        if format:
            _require_agreement(output, format)
        else:
            extension = _extension(output).lstrip(".").lower()
        _require_folder(output)
    _kind(extension)
    if os.path.exists(path) and os.path.exists(image) and os.path.samefile(path, image):
        raise PlanError(f"{path}: would overwrite the image itself; name another place with -o")
    return path, extension


def _extension(path: str) -> str:
    return os.path.splitext(path)[1]
