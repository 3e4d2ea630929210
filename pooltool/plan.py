"""What a run will do before it does it: which images are read and where each result goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from pooltool import files
from pooltool.errors import FileError, PlanError, UsageProblem, quoted
from pooltool.files import STREAM
from pooltool.images.formats import FORMATS, WRITTEN_AS, Format, format_for, listed, require_quality
from pooltool.images.others import PACKAGES, is_installed
from pooltool.job import Job, Settings

NOT_A_FILE = "it is a pipe, a socket or a device; leave it out, or name it itself to read from it"
IMAGE_EXTENSIONS = frozenset(
    f".{name}"
    for names in (WRITTEN_AS, *(format.extensions for format in FORMATS))
    for name in names
)
PAGE = "html"
"""The extension of the page that `compare` writes."""
UTF8_MARK = b"\xef\xbb\xbf"
"""Byte order mark that some editors write before a text."""

Place = tuple[Any, Any]
"""What identifies a file: its device and inode, or its folder and name if it does not exist yet."""


class Name(NamedTuple):
    """An image that was asked for."""

    path: str
    below: str = ""
    """Folders between the directory that was named and the image; empty outside --recursive."""
    problem: str = ""
    """Why it cannot be read, if that is known already."""
    needs: str = ""
    """The missing module that would read it, if it was not named itself: it is left out."""


def plan(images: tuple[str, ...], settings: Settings) -> tuple[list[Job], list[str]]:
    """The jobs of a run, in order, and warnings about what is left out of it; raise `PlanError` if
    a job would overwrite an input or a result.

    `mountain.jpg` becomes `mountain_max.jpg`, beside the image or in the directory of the output.
    """
    directory = _directory_of(images, settings)
    lists = (names_in(source, null=settings.null) for source in settings.files_from)
    names = [
        name
        for paths in (images, *lists)
        for path in paths
        for name in expand(path, recursive=settings.recursive, results=directory)
    ]
    jobs = [_job(name, settings, directory) for name in names if not name.needs]
    warnings = []
    if left_out := [name for name in names if name.needs]:
        extensions = listed(_extension(name.path)[1:] for name in left_out)
        packages = " ".join(sorted({PACKAGES[name.needs] for name in left_out}))
        warnings.append(
            f"left out {len(left_out)} files ({extensions}); to read them: pip install {packages}"
        )
    if len(images) == len(jobs) == 2 and settings.output is None and not os.path.exists(images[1]):
        problem = "no such file or folder; check the name, or to write there: -o "
        problem += quoted(images[1])
        jobs[1] = jobs[1]._replace(problem=problem)
    if settings.indices is None or not jobs:
        return _without_loss(jobs, settings), warnings
    _require_folder(settings.indices, "--indices")
    *checked, places = _without_loss([*jobs, jobs[0]._replace(output=settings.indices)], settings)
    if places.repeated:
        raise PlanError(f"--indices {settings.indices}: the result goes there; name another file")
    return checked, warnings


def has_many_inputs(images: tuple[str, ...], settings: Settings) -> bool:
    """True if more than one image may come."""
    return len(images) > 1 or bool(settings.files_from) or settings.recursive


def _directory_of(images: tuple[str, ...], settings: Settings) -> str | None:
    """The output if it is a directory: it is one, ends in a slash, or is for many images.

    Refuse an output that cannot be what is asked of it, and a format that cannot be written, or
    not with these options.
    """
    output, format = settings.output, settings.format
    if format is not None:
        require_quality(format_for(format), settings.quality)
    if output is None or output == STREAM:
        return None
    extension, has_many = _extension(output), has_many_inputs(images, settings)
    if not _is_directory(output) and not has_many:
        _require_file_name(output, format)
        if settings.suffix is not None:
            raise PlanError(
                f"-o {output} is the whole name; leave out --suffix, or name a directory"
            )
        if format is None:
            require_quality(format_for(extension), settings.quality)
        return None
    if extension in IMAGE_EXTENSIONS and not os.path.isdir(output):
        name = "" if os.path.lexists(output) else f", {output}/"
        raise PlanError(
            f"-o {output} ends in {extension} but there are several images: name a directory{name}"
        )
    _require_directory(output, output)
    return output


def _is_directory(output: str) -> bool:
    """True for what is a directory, or can only become one."""
    return os.path.isdir(output) or not os.path.basename(output)


def _require_file_name(output: str, format: str | None) -> None:
    """Refuse an output file of no or another format than the one asked for, or without a folder."""
    extension = _extension(output)
    if not extension and format is None:
        raise PlanError(
            f"-o {output}: a file's name needs an extension for its format, such as .png; "
            "a directory's ends in /"
        )
    is_known = extension == f".{PAGE}" or extension in IMAGE_EXTENSIONS
    if format is not None and is_known and _kind(extension) is not _kind(format):
        raise PlanError(f"-o {output} and --format {format} disagree; leave out --format")
    _require_folder(output)


def _kind(extension: str) -> Format | str:
    """`PAGE`, or the format to write by an extension; raise `ImageError` if there is none."""
    return PAGE if extension.lstrip(".").lower() == PAGE else format_for(extension)


def _require_folder(output: str, option: str = "-o") -> None:
    """Refuse a file whose folder does not exist."""
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
    """The names in a list, one a line or NUL-terminated; empty ones are skipped."""
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
    """The image itself, or with `recursive` those below a directory, which are recognized by their
    extension: in the order of their names, hidden ones too.

    `results`, where the results go, is skipped, and so is what macOS writes beside a file as
    `._name`. Links to directories are not followed. A directory that cannot be listed is a problem,
    and so is a pipe or a device, which may never end.
    """
    if path == STREAM or not os.path.isdir(path):
        yield Name(path)
        return
    if not recursive:
        yield Name(path, problem="is a directory; add --recursive to pool the images below it")
        return
    missing = {
        f".{extension}": format.module
        for format in FORMATS
        if format.module and not is_installed(format.module)
        for extension in format.extensions
    }
    skipped = os.path.realpath(results) if results else ""
    waiting = [(path, "")]
    while waiting:
        folder, below = waiting.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield Name(folder, problem=f"cannot be read: {files.reason(error)}")
            continue
        folders = []
        for entry in entries:
            is_link, name = entry.is_symlink(), entry.name
            if os.path.isdir(entry.path) if is_link else entry.is_dir():
                if not is_link and os.path.realpath(entry.path) != skipped:
                    folders.append((entry.path, os.path.join(below, name)))
            elif _extension(name) in IMAGE_EXTENSIONS and not name.startswith("._"):
                is_special = files.is_special(entry.path) if is_link else not entry.is_file()
                problem = NOT_A_FILE if is_special else ""
                yield Name(entry.path, below, problem, missing.get(_extension(name), ""))
        waiting += reversed(folders)


def _job(name: Name, settings: Settings, directory: str | None) -> Job:
    """The job that pools the image `name`."""
    output, format = settings.output, settings.format
    if name.path == STREAM:
        if directory is not None:
            raise PlanError(f"-o {directory} is a directory; name a file for standard input")
        extension = None if output in (None, STREAM) else _extension(str(output))
        return Job(STREAM, output or STREAM, format or extension)
    beside, base = os.path.split(name.path)
    stem, extension = os.path.splitext(base)
    if extension[1:].lower() in WRITTEN_AS:
        extension = f".{WRITTEN_AS[extension[1:].lower()]}"
    if format is not None:
        extension = f".{format.lstrip('.')}"
    if output is not None and directory is None:
        extension = extension if output == STREAM else format or _extension(output)
        return Job(name.path, output, extension, problem=name.problem)
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
    sources = [_place(job.input, folders)[0] for job in jobs]
    read = dict(zip(sources, jobs, strict=True))
    files.protect(read)
    written: dict[Place, Place] = {}
    checked, collisions = [], []
    for job, source in zip(jobs, sources, strict=True):
        file, path = _place(job.output, folders)
        overwritten = read.get(file)
        if job.output == STREAM:
            pass
        elif overwritten is not None and overwritten.input != STREAM:
            other, remedy = overwritten.input, "write to another place with -o"
            if other != job.input:
                remedy = "leave out earlier results, or write to another folder with -o DIR"
            raise PlanError(
                f"{job.output}: the result of {job.input} would overwrite the image {other}; "
                + remedy
            )
        elif path not in written:
            written[path] = source
        elif written[path] == source:
            job = job._replace(repeated=True)
        else:
            collisions.append((job.output, read[written[path]].input, job.input))
        checked.append(job)
    if collisions:
        output, first, second = collisions[0]
        remedy = _remedy(first, second, settings.recursive)
        more = f" ({len(collisions)} such pairs)" if len(collisions) > 1 else ""
        raise PlanError(
            f"{output}: {first} and {second} would both be written there{more}; {remedy}"
        )
    return checked


def _place(path: str, folders: dict[str, Place | str]) -> tuple[Place, Place]:
    """What tells the file that `path` leads to from others, through any links; and its place, which
    is that or, where it has several names (hard links), its folder and name: replacing one of them
    leaves the others as they are. `folders` remembers the folders.
    """
    file, has_one_name = files.identity(path)
    if file and has_one_name:
        return file, file
    if file is None and os.path.islink(path):
        path = os.path.realpath(path)
    folder, name = os.path.split(path)
    if folder not in folders:
        real = os.path.realpath(folder)
        folders[folder] = files.identity(real)[0] or real
    place = folders[folder], name
    return file or place, place


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
    """Where `compare` writes, and the extension of what it writes: the panel, or `html` for a page.

    That is `mountain_compare.png` beside the image or in `output` if that is a directory, else the
    file `output`; for standard input it is standard output. Raises `PlanError` if the image itself
    would be overwritten.
    """
    extension = (format or "png").lstrip(".").lower()
    if STREAM in (output, output or image):
        return STREAM, extension
    folder, name = os.path.split(image)
    if output is None or _is_directory(output):
        stem = "stdin" if image == STREAM else os.path.splitext(name)[0]
        path = os.path.join(output or folder, f"{stem}_compare.{extension}")
    else:
        path = output
        _require_file_name(output, format)
        if not format:
            extension = _extension(output)[1:]
    _kind(extension)
    if os.path.exists(path) and os.path.exists(image) and os.path.samefile(path, image):
        raise PlanError(f"{path}: would overwrite the image itself; name another place with -o")
    return path, extension


def _extension(path: str) -> str:
    """The extension in lower case, with its dot."""
    return os.path.splitext(path)[1].lower()
