"""What a run will do before it does it: which images are read and where each result goes."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pooltool import files
from pooltool.errors import FileError, UsageProblem
from pooltool.files import STREAM
from pooltool.images.formats import FORMATS, WRITTEN_AS, Format, format_for, require_quality
from pooltool.images.others import PACKAGES, is_installed
from pooltool.job import Job, Settings

NOT_A_FILE = "it is not a regular file; leave it out, or name it itself to read from it"
RESULTS = {f".{name}": f".{result}" for name, result in WRITTEN_AS.items()}
EXTENSIONS = {f".{name}" for format in FORMATS for name in format.extensions} | RESULTS.keys()
COMPARE, PAGE = "compare", ".html"
"""The command that writes a picture of its own, `.png` if nothing else is asked for, or a page."""

Place = tuple[Any, Any]
"""What identifies a file: its device and inode, or its folder and name if it does not exist yet."""


class Target(NamedTuple):
    """Where the results of a run go, as its options say; beside the images if nowhere else."""

    file: str | None
    directory: str
    extension: str
    """That of every result, with its dot, or "" for that of the image."""
    suffix: str


def plan(
    images: Sequence[str], settings: Settings, command: str = ""
) -> tuple[list[Job], list[str]]:
    """The jobs of a run, in order, and warnings about what is left out of it; raise `UsageProblem`
    where options cannot be combined, and if a job would overwrite an input or the result of
    another.

    `mountain.jpg` becomes `mountain_max.jpg`, beside the image or in the directory of the output.
    """
    command = command or settings.pooling.method
    names, warnings = list(images), list[str]()
    for source in settings.files_from:
        listed = list(names_in(source, null=settings.null))
        names += listed
        if not listed:
            warnings.append(f"--files-from {source}: there is no name in it")
    _require_sense(names, settings)
    has_many = len(names) > 1 or bool(settings.files_from) or settings.recursive
    target = _target(settings, command, has_many)
    jobs: list[Job] = []
    for path in names:
        if settings.recursive and path != STREAM and os.path.isdir(path):
            jobs += [_job(target, *image) for image in below(path, target.directory, warnings)]
        else:
            jobs.append(_job(target, path, target.directory))
    sources = [files.identity(job.input) for job in jobs]
    for number, job in enumerate(jobs):
        if sources[number] is None and not job.problem:
            jobs[number] = job._replace(problem=_problem(job.input, names, settings))
    if jobs and jobs[0].output == STREAM and sys.stdout is not None and sys.stdout.isatty():
        raise UsageProblem(
            "the image would be written to the terminal; redirect it with > image.png, or name a "
            "file with -o"
        )
    if settings.indices is None:
        return _without_loss(jobs, sources), warnings
    jobs.append(jobs[0]._replace(output=settings.indices))
    job, places = _without_loss(jobs, sources * 2)
    if places.repeated:
        raise UsageProblem(f"--indices {settings.indices} is the result; name another file")
    return [job], warnings


def _require_sense(names: Sequence[str], settings: Settings) -> None:
    """Refuse options that cannot be combined."""
    output, suffix, indices = settings.output, settings.suffix, settings.indices
    reads, writes, has_output = STREAM in names, output == STREAM, output not in (None, STREAM)
    are_many = len(names) > 1 or settings.recursive
    refusals = {
        "an image's name is empty; check the variable that it comes from": "" in names,
        "the name after -o is empty; check the variable that it comes from": output == "",
        "no image is named; give IMAGES or --files-from": not names and not settings.files_from,
        "-0 is for the names in --files-from; give both": settings.null and not settings.files_from,
        "--recursive needs -o DIR, where the results are mirrored":
            settings.recursive and not has_output,
        "- (standard input) cannot be combined with other images": reads and are_many,
        "-o - takes one image; name a directory for several": writes and are_many,
        "an empty --suffix needs -o DIR, or each result would have the name of its image":
            suffix == "" and not has_output,
        "--suffix is part of a file name and cannot contain /":
            suffix is not None and os.path.basename(f"a{suffix}") != f"a{suffix}",
        "--indices takes one image and the name of a .npy file":
            indices is not None and (are_many or not indices.lower().endswith(".npy")),
        f"--indices {indices}: its folder does not exist; make it first":
            indices is not None and not os.path.isdir(os.path.dirname(indices) or os.curdir),
        "--scheduler is for files; leave out -, --indices and --show":
            settings.scheduler is not None and (reads or writes or bool(indices) or settings.show),
    }  # fmt: skip
    for text, is_wrong in refusals.items():
        if is_wrong:
            raise UsageProblem(text)


def _target(settings: Settings, command: str, has_many: bool) -> Target:
    """Where the results go. The output is a directory if it is one, ends in a slash, or is for many
    images.

    Refuse an output that cannot be what is asked of it, and a format that cannot be written, or
    not with these options.
    """
    output, refusals = settings.output, dict[str, bool]()
    asked = "" if settings.format is None else f".{settings.format.lstrip('.')}"
    file, directory, extension = output, "", ".png" if command == COMPARE else ""
    if output is not None and output != STREAM:
        folder, name = os.path.split(output)
        own = os.path.splitext(name)[1]
        is_image = own.lower() in EXTENSIONS
        if has_many or os.path.isdir(output) or not name:
            file, directory = None, os.path.join(output, "")
            parent = output.rstrip(os.sep)
            while parent and not os.path.lexists(parent):
                parent = os.path.dirname(parent)
            refusals = {
                "there are several images; name a directory":
                    is_image and not os.path.isdir(output),
                f"{parent} is not a directory; name another one":
                    parent != "" and not os.path.isdir(parent),
            }  # fmt: skip
        else:
            extension = own
            refusals = {
                "a file's name needs an extension for its format, such as .png; a directory's ends "
                "in /": not own and not asked,
                f"--format {settings.format} disagrees with this name; change one of them":
                    asked != "" and (is_image or own.lower() == PAGE)
                    and _written(own, command) is not _written(asked, command),
                f"there is no folder {folder}; make it first":
                    folder != "" and not os.path.isdir(folder),
                "it is the whole name; leave out --suffix": settings.suffix is not None,
            }  # fmt: skip
    for text, is_wrong in refusals.items():
        if is_wrong:
            raise UsageProblem(f"-o {output}: {text}")
    extension = asked or extension
    written = _written(extension, command) if extension else None
    if written is not None and settings.quality is not None:
        require_quality(written, settings.quality)
    suffix = f"_{command}" if settings.suffix is None else settings.suffix
    return Target(file, directory, extension, suffix)


def _written(extension: str, command: str) -> Format | None:
    """The format to write by an extension, None for a page; raise `ImageError` if there is none."""
    return None if (command, extension.lower()) == (COMPARE, PAGE) else format_for(extension)


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


def _problem(path: str, names: Sequence[str], settings: Settings) -> str:
    """Why what is no file cannot be read, where the remedy is in the command line."""
    if path == STREAM or os.path.isfile(path):
        return ""
    target = ""
    if names[1:] and path == names[-1] and not (settings.output or settings.files_from):
        target = f", or to write there: -o {shlex.quote(path)}"
    if os.path.isdir(path):
        return f"it is a directory; add --recursive to pool the images below it{target}"
    if os.path.lexists(path):
        return NOT_A_FILE if os.path.exists(path) and path not in names else ""
    if "*" in path:
        return "no such file; the shell replaces * outside quotes, where it finds files"
    if target and len(names) == 2:
        return f"no such file or folder; check the name{target}"
    return ""


def below(path: str, results: str, warnings: list[str]) -> list[tuple[str, str, str]]:
    """The images in a directory and below it, which are recognized by their extension, in the order
    of their names, hidden ones too: each with the folder of its result, which is mirrored below
    `results`, and why it cannot be read.

    `results` itself is skipped, and so is what macOS writes beside a file as `._name`. What is left
    out is added to the warnings. Links to directories are not followed. A directory that cannot be
    listed is a problem, and so is a pipe or a device, which may never end.
    """
    needed = {
        f".{extension}": PACKAGES[format.module]
        for format in FORMATS
        if format.module and not is_installed(format.module)
        for extension in format.extensions
    }
    skipped = os.path.realpath(results)
    images, errors, left_out, others = list[tuple[str, str, str]](), list[OSError](), list[str](), 0
    for folder, folders, entries in os.walk(path, onerror=errors.append):
        between = folder.removeprefix(path).lstrip(os.sep)
        if between and os.path.realpath(folder) == skipped:
            folders.clear()
            continue
        folders.sort()
        inside, mirrored = os.path.join(folder, ""), os.path.join(results, between, "")
        for entry in sorted(entries):
            extension = os.path.splitext(entry)[1].lower()
            if extension not in EXTENSIONS or entry.startswith("._"):
                others += 1
            elif extension in needed:
                left_out.append(needed[extension])
            else:
                images.append((inside + entry, mirrored, ""))
    if left_out:
        packages = " ".join(sorted(set(left_out)))
        advice = f"to read them: pip install {packages}"
        warnings.append(f"{path}: left out {len(left_out)} files; {advice}")
    elif not images and not errors:
        more = f" (files of other kinds: {others})" if others else ""
        warnings.append(f"{path}: there is no image below it{more}")
    return images + [(e.filename, results, f"cannot be read: {files.reason(e)}") for e in errors]


def _job(target: Target, path: str, folder: str, problem: str = "") -> Job:
    """The job that pools the image `path` into the folder, which ends in a separator, or beside the
    image where that is "".
    """
    stem, extension = os.path.splitext("stdin" if path == STREAM else os.path.basename(path))
    extension = target.extension or RESULTS.get(extension.lower(), extension)
    if target.file is not None or (path == STREAM and not folder):
        return Job(path, target.file or STREAM, extension or None, problem=problem)
    if path == STREAM and not extension:
        raise UsageProblem(f"-o {folder} is a directory; name a file for standard input")
    place = folder or os.path.join(os.path.dirname(path), "")
    return Job(path, f"{place}{stem}{target.suffix}{extension}", extension, folder, problem)


def _without_loss(jobs: list[Job], sources: list[files.Identity | None]) -> list[Job]:
    """The jobs, images that are named again marked so; raise `UsageProblem` if a file would be
    lost: two inputs would write one output, or an output is one of the inputs.

    Files that exist are compared as files: two names may lead to one without a link, by a folder
    that is mounted twice or a disk that ignores case.
    """
    fold = str if sys.platform == "linux" else _folded
    folders: dict[str, Place | str] = {}

    def place(path: str) -> tuple[Place, Place]:
        """The folder and name of a file, through any links; and which file it is, or else that."""
        existing = None
        if os.path.lexists(path):
            path = os.path.realpath(path) if os.path.islink(path) else path
            existing = files.identity(path)
        name = os.path.basename(path)
        folder = path.removesuffix(name)
        if folder not in folders:
            real = files.identity(folder or os.curdir, stat.S_ISDIR)
            folders[folder] = real or fold(os.path.realpath(folder))
        folder_and_name = folders[folder], fold(name)
        return folder_and_name, existing or folder_and_name

    inputs = [source or place(job.input)[0] for job, source in zip(jobs, sources, strict=True)]
    read = dict(zip(inputs, jobs, strict=True))
    files.protect(filter(None, sources))
    written: dict[Place, Place] = {}
    checked = []
    for job, source in zip(jobs, inputs, strict=True):
        target, existing = place(job.output)
        overwritten = read.get(existing)
        if overwritten and STREAM not in (job.output, overwritten.input):
            raise UsageProblem(
                f"{job.output}: the result of {job.input} would overwrite the image "
                f"{overwritten.input}; write elsewhere with -o, or leave out earlier results"
            )
        if target in written:
            if written[target] != source:
                raise UsageProblem(
                    f"{job.output}: {read[written[target]].input} and {job.input} would both be "
                    "written there; pool one of them in a run of its own, with another -o DIR"
                )
            job = job._replace(repeated=True)
        written[target] = source
        checked.append(job)
    return checked


def _folded(name: str) -> str:
    """The name as macOS and Windows compare it: without case, and accents encoded in one way."""
    import unicodedata

    return unicodedata.normalize("NFC", name).casefold()
