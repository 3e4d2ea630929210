"""What a run will do before it does it: which images are read and where each result goes."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

from pooltool import files
from pooltool.errors import FileError, UsageProblem
from pooltool.files import STREAM
from pooltool.images.formats import FORMATS, WRITTEN_AS, format_for, require_quality
from pooltool.images.others import PACKAGES, is_installed
from pooltool.job import Job, Settings

NOT_A_FILE = "it is not a regular file; leave it out, or name it itself to read from it"
IMAGE_EXTENSIONS = {name for format in FORMATS for name in format.extensions} | WRITTEN_AS.keys()
PAGE = "html"
"""The extension of the page that `compare` writes."""

Place = tuple[Any, Any]
"""What identifies a file: its device and inode, or its folder and name if it does not exist yet."""


class Name(NamedTuple):
    """An image that was asked for."""

    path: str
    below: str = ""
    """Folders between the directory that was named and the image; empty outside --recursive."""
    problem: str = ""
    """Why it cannot be read, if that is known already."""


def plan(images: tuple[str, ...], settings: Settings) -> tuple[list[Job], list[str]]:
    """The jobs of a run, in order, and warnings about what is left out of it; raise `UsageProblem`
    if a job would overwrite an input or the result of another.

    `mountain.jpg` becomes `mountain_max.jpg`, beside the image or in the directory of the output.
    """
    directory = _directory_of(images, settings)
    lists = (names_in(source, null=settings.null) for source in settings.files_from)
    needed: list[str] = []
    jobs = [
        _job(name, settings, directory)
        for paths in (images, *lists)
        for path in paths
        for name in expand(path, recursive=settings.recursive, results=directory, needed=needed)
    ]
    warnings = []
    if needed:
        packages = " ".join(sorted(set(needed)))
        warnings.append(f"left out {len(needed)} files; to read them: pip install {packages}")
    if len(images) == len(jobs) == 2 and settings.output is None and not os.path.exists(images[1]):
        remedy = f"check the name, or to write there: -o {shlex.quote(images[1])}"
        jobs[1] = jobs[1]._replace(problem=f"no such file or folder; {remedy}")
    if settings.indices is not None and jobs:
        _require_folder("--indices", settings.indices)
        _without_loss([jobs[0]._replace(output=settings.indices)])
        if os.path.realpath(settings.indices) == os.path.realpath(jobs[0].output):
            raise UsageProblem(f"--indices {settings.indices} is the result; name another file")
    return _without_loss(jobs), warnings


def has_many_inputs(images: tuple[str, ...], settings: Settings) -> bool:
    """True if more than one image may come."""
    return len(images) > 1 or bool(settings.files_from) or settings.recursive


def _directory_of(images: tuple[str, ...], settings: Settings) -> str | None:
    """The output if it is a directory: it is one, ends in a slash, or is for many images.

    Refuse an output that cannot be what is asked of it, and a format that cannot be written, or
    not with these options.
    """
    output, directory, extension = settings.output, None, settings.format
    if output is not None and output != STREAM:
        if _is_directory(output) or has_many_inputs(images, settings):
            directory = output
            _require_directory(output)
        else:
            extension = _require_file(output, extension)
            if settings.suffix is not None:
                raise UsageProblem(f"-o {output} is the whole name; leave out --suffix")
    if extension is not None:
        require_quality(format_for(extension), settings.quality)
    return directory


def _is_directory(output: str) -> bool:
    """True for what is a directory, or can only become one."""
    return os.path.isdir(output) or not os.path.basename(output)


def _require_directory(output: str) -> None:
    """Refuse a directory that is none and cannot become one, or has the name of an image."""
    folder = output.rstrip(os.sep)
    if _extension(folder) in IMAGE_EXTENSIONS and not _is_directory(output):
        raise UsageProblem(f"-o {output}: there are several images; name a directory")
    while folder and not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if folder and not os.path.isdir(folder):
        raise UsageProblem(f"-o {output}: {folder} is not a directory; name another one")


def _require_file(output: str, format: str | None) -> str:
    """The format of an output file, or else its extension; refuse one of no or another format than
    the one asked for, or without a folder.
    """
    extension = _extension(output)
    if not extension and format is None:
        raise UsageProblem(
            f"-o {output}: a file's name needs an extension for its format, such as .png; "
            "a directory's ends in /"
        )
    is_known = extension == PAGE or extension in IMAGE_EXTENSIONS
    if format is not None and is_known and _writer(extension) is not _writer(format):
        raise UsageProblem(f"-o {output} and --format {format} disagree; leave out --format")
    _require_folder("-o", output)
    return format or extension


def _writer(extension: str) -> object:
    """`PAGE`, or the format to write by an extension; raise `ImageError` if there is none."""
    return PAGE if extension.lstrip(".").lower() == PAGE else format_for(extension)


def _require_folder(option: str, output: str) -> None:
    """Refuse a file whose folder does not exist."""
    folder = os.path.dirname(output)
    if folder and not os.path.isdir(folder):
        raise UsageProblem(f"{option} {output}: there is no folder {folder}; make it first")


def names_in(source: str, *, null: bool = False) -> Iterator[str]:
    """The names in a list, one a line or NUL-terminated; empty ones are skipped."""
    try:
        data = files.read(source)
    except FileError as error:
        raise FileError(f"--files-from {source}: {error}") from None
    data = data.removeprefix(b"\xef\xbb\xbf")  # with which some editors begin a text
    for record in data.split(b"\0" if null else b"\n"):
        if b"\0" in record or (null and record.endswith(b"\n") and not os.path.lexists(record)):
            remedy = "leave out -0" if null else "add -0"
            raise UsageProblem(
                f"--files-from {source}: names must end with line breaks (-0: with NUL); {remedy}"
            )
        if name := record if null else record.removesuffix(b"\r"):
            yield os.fsdecode(name)


def expand(path: str, *, recursive: bool, results: str | None, needed: list[str]) -> Iterator[Name]:
    """The image itself, or with `recursive` those below a directory, which are recognized by their
    extension: in the order of their names, hidden ones too.

    `results`, where the results go, is skipped, and so is what macOS writes beside a file as
    `._name`. For an image that is left out, the package that would read it is added to `needed`.
    Links to directories are not followed. A directory that cannot be listed is a problem, and so is
    a pipe or a device, which may never end.
    """
    if path == STREAM or not os.path.isdir(path):
        yield Name(path)
        return
    if not recursive:
        yield Name(path, problem="is a directory; add --recursive to pool the images below it")
        return
    missing = {
        extension: PACKAGES[format.module]
        for format in FORMATS
        if format.module and not is_installed(format.module)
        for extension in format.extensions
    }
    skipped = os.path.realpath(results) if results else ""
    errors: list[OSError] = []
    for folder, folders, entries in os.walk(path, onerror=errors.append):
        below = folder.removeprefix(path).lstrip(os.sep)
        if below and os.path.realpath(folder) == skipped:
            folders.clear()
            continue
        folders.sort()
        for entry in sorted(entries):
            image, extension = os.path.join(folder, entry), _extension(entry)
            if extension not in IMAGE_EXTENSIONS or entry.startswith("._"):
                continue
            if extension in missing:
                needed.append(missing[extension])
            else:
                is_special = not os.path.isfile(image) and os.path.exists(image)
                yield Name(image, below, NOT_A_FILE if is_special else "")
    for error in errors:
        yield Name(error.filename, problem=f"cannot be read: {files.reason(error)}")


def _job(name: Name, settings: Settings, directory: str | None) -> Job:
    """The job that pools the image `name`."""
    path, output, format = name.path, settings.output, settings.format
    if path == STREAM and directory is not None:
        raise UsageProblem(f"-o {directory} is a directory; name a file for standard input")
    beside, base = os.path.split(path)
    stem, extension = os.path.splitext(base)
    if format is not None:
        extension = f".{format.lstrip('.')}"
    elif output is not None and output != STREAM and directory is None:
        extension = os.path.splitext(output)[1]
    elif _extension(base) in WRITTEN_AS:
        extension = f".{WRITTEN_AS[_extension(base)]}"
    if directory is None and (path == STREAM or output is not None):
        return Job(path, output or STREAM, extension or None, problem=name.problem)
    suffix = f"_{settings.pooling.method}" if settings.suffix is None else settings.suffix
    folder = "" if directory is None else os.path.join(directory, name.below)
    result = os.path.join(folder or beside, f"{stem}{suffix}{extension}")
    return Job(path, result, extension, folder, name.problem)


def _without_loss(jobs: list[Job]) -> list[Job]:
    """The jobs, images that are named again marked so; raise `UsageProblem` if a file would be
    lost: two inputs would write one output, or an output is one of the inputs.

    Files that exist are compared as files: two names may lead to one without a link, by a folder
    that is mounted twice or a disk that ignores case.
    """
    folders: dict[str, Place | str] = {}
    sources = [files.identity(job.input) or _place(job.input, folders) for job in jobs]
    read = dict(zip(sources, jobs, strict=True))
    files.protect(read)
    written: dict[Place, Place] = {}
    checked = []
    for job, source in zip(jobs, sources, strict=True):
        place = _place(job.output, folders)
        overwritten = read.get(files.identity(job.output) or place)
        if job.output == STREAM:
            pass
        elif overwritten is not None and overwritten.input != STREAM:
            raise UsageProblem(
                f"{job.output}: the result of {job.input} would overwrite the image "
                f"{overwritten.input}; leave out earlier results, or write to another folder with "
                "-o DIR"
            )
        elif place not in written:
            written[place] = source
        elif written[place] == source:
            job = job._replace(repeated=True)
        else:
            raise UsageProblem(
                f"{job.output}: {read[written[place]].input} and {job.input} would both be written "
                "there; pool one of them in a run of its own, with another -o DIR"
            )
        checked.append(job)
    return checked


def _place(path: str, folders: dict[str, Place | str]) -> Place:
    """The folder and the name of a file, through any links; `folders` remembers the folders."""
    if os.path.islink(path):
        path = os.path.realpath(path)
    folder, name = os.path.split(path)
    if folder not in folders:
        real = os.path.realpath(folder)
        folders[folder] = files.identity(real) or real
    return folders[folder], name


def panel_path(image: str, output: str | None, format: str | None) -> tuple[str, str]:
    """Where `compare` writes, and the extension of what it writes: the panel, or `html` for a page.

    That is `mountain_compare.png` beside the image or in `output` if that is a directory, else the
    file `output`; for standard input it is standard output. Raises `UsageProblem` if the image
    itself would be overwritten.
    """
    extension = (format or "png").lstrip(".").lower()
    if (output or image) == STREAM:
        return STREAM, extension
    if output is None or _is_directory(output):
        folder, name = os.path.split(image)
        stem = "stdin" if image == STREAM else os.path.splitext(name)[0]
        path = os.path.join(output or folder, f"{stem}_compare.{extension}")
    else:
        path, extension = output, _require_file(output, format).lstrip(".").lower()
    _writer(extension)
    if (source := files.identity(image)) and source == files.identity(path):
        raise UsageProblem(f"{path}: would overwrite the image itself; name another place with -o")
    return path, extension


def _extension(path: str) -> str:
    """The extension in lower case, without its dot."""
    return os.path.splitext(path)[1][1:].lower()
