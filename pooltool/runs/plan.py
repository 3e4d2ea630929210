"""What a run will do before it does it: which images are read and where each result goes.

No result is written here. Many jobs wait in a temporary file, not in memory, so that a run may
have millions; only two small keys a job are kept, to find results that would collide.
"""

from __future__ import annotations

import io
import os
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import IO, NamedTuple

import numpy as np

from pooltool import files
from pooltool.errors import FileError, PlanError
from pooltool.images.formats import FORMATS, format_for, require_quality

STREAM = files.STREAM
SPOOL_BYTES = 1 << 20
"""Jobs beyond this many bytes wait on disk."""
NOT_A_FILE = "it is a pipe, a socket or a device; leave it out, or name it itself to read from it"
IMAGE_SUFFIXES = frozenset(f".{name}" for known in FORMATS for name in known.extensions)


class Name(NamedTuple):
    """An image that was asked for: its path, and the part of it that is mirrored below -o."""

    path: str
    below: str = ""
    """Folders between the directory that was named and the image; empty outside --recursive."""
    problem: str = ""
    """Why it cannot be read, where that is known already."""


class Job(NamedTuple):
    """One image to read and the file its result goes to, both as the user would name them."""

    input: str
    output: str
    extension: str
    """Names the format to write, with or without its dot; may be one that is not known."""
    folder: str = ""
    """Directory to make for the output when it is missing."""
    problem: str = ""
    """Why the image cannot be read, where that is known already."""
    repeated: bool = False
    """True when an earlier job of the run reads the same image and writes the same result."""


class Target:
    """Where results go, as the options say."""

    def __init__(
        self,
        method: str,
        output: str | None = None,
        extension: str | None = None,
        several: bool = False,
    ) -> None:
        """`output` is None to put results beside the images; where `several` images may come it is
        a directory whatever it looks like.
        """
        self.method, self.output, self.extension, self.several = method, output, extension, several

    @cached_property
    def directory(self) -> str | None:
        """`output` where it is a directory: it is one, ends in a slash, or takes several images."""
        if self.output in (None, STREAM):
            return None
        assert self.output is not None
        is_one = self.several or self.output.endswith(os.sep) or os.path.isdir(self.output)
        return self.output if is_one else None

    def job(self, name: Name) -> Job:
        """The job that pools `name`: `mountain.jpg` becomes `mountain_max.jpg`."""
        directory = self.directory
        if name.path == STREAM:
            return self._stream_job(directory)
        beside, base = os.path.split(name.path)
        stem, suffix = os.path.splitext(base)
        if self.extension is not None:
            suffix = f".{self.extension.lstrip('.')}"
        if self.output is not None and directory is None:
            known = self.extension or (suffix if self.output == STREAM else _suffix(self.output))
            return Job(name.path, self.output, known, problem=name.problem)
        folder = "" if directory is None else os.path.join(directory, name.below)
        output = os.path.join(folder or beside, f"{stem}_{self.method}{suffix}")
        return Job(name.path, output, suffix, folder, name.problem)

    def _stream_job(self, directory: str | None) -> Job:
        if directory is not None:
            raise PlanError(f"-o {directory} is a directory; name a file for standard input")
        output = self.output or STREAM
        named = None if output == STREAM else _suffix(output)
        return Job(STREAM, output, self.extension or named or ".png")


def _on_disk(spool: io.BytesIO) -> IO[bytes]:
    import tempfile

    file = tempfile.TemporaryFile(prefix="pooltool-")  # noqa: SIM115
    file.write(spool.getbuffer())
    return file


@contextmanager
def _spooling() -> Iterator[None]:
    """Tell where the jobs wait when they cannot be written there."""
    try:
        yield
    except OSError as error:
        raise FileError(
            f"the list of images cannot be kept among the temporary files ({error.strerror}); "
            "free some space there, or set TMPDIR to another directory"
        ) from None


class Plan:
    """The jobs of a run, in order, checked so that none would lose a file. A context manager."""

    def __init__(self, names: Iterable[Name], target: Target) -> None:
        """Plan a job a name; raise `PlanError` if one would overwrite an input or a result."""
        self._spool: IO[bytes] = io.BytesIO()
        self._inputs, self._outputs = array("q"), array("q")
        self._repeated: set[int] = set()
        try:
            for name in names:
                self._add(target.job(name))
            with _spooling():
                self._spool.flush()
            self._require_no_loss()
        except BaseException:
            self._spool.close()
            raise

    def __len__(self) -> int:
        return len(self._inputs)

    def __enter__(self) -> Plan:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def __iter__(self) -> Iterator[Job]:
        """Read the jobs back, in order."""
        self._spool.seek(0)
        fields = (os.fsdecode(field) for field in files.split_records(self._spool, b"\0"))
        jobs = zip(*[fields] * 5, strict=True)
        for number, (source, output, extension, folder, problem) in enumerate(jobs):
            repeated = number in self._repeated
            yield Job(source, output, extension, folder, problem, repeated)

    def _add(self, job: Job) -> None:
        texts = (job.input, job.output, job.extension, job.folder, job.problem)
        with _spooling():
            self._spool.write(os.fsencode("\0".join((*texts, ""))))
            if isinstance(self._spool, io.BytesIO) and self._spool.tell() > SPOOL_BYTES:
                self._spool = _on_disk(self._spool)
        self._inputs.append(_key(job.input))
        self._outputs.append(_key(job.output))

    def _require_no_loss(self) -> None:
        """Refuse a plan that would overwrite one of its inputs or write one output twice."""
        if not self:
            return
        outputs = np.sort(np.frombuffer(self._outputs, np.int64))
        twice = outputs[1:][outputs[1:] == outputs[:-1]]
        inputs = np.frombuffer(self._inputs, np.int64)
        places = np.searchsorted(outputs, inputs).clip(max=max(0, len(outputs) - 1))
        inputs = inputs[outputs[places] == inputs]
        suspects = {*twice.tolist(), *inputs.tolist()} - {_key(STREAM)}
        if suspects:
            self._compare(suspects)

    def _compare(self, suspects: set[int]) -> None:
        """Keys only hint at a collision: compare the paths behind them.

        Refuse what would be lost, naming the images; note those that are named again.
        """
        read = {_real(job.input): job.input for job in self if _key(job.input) in suspects}
        written: dict[str, str] = {}
        for number, job in enumerate(self):
            if _key(job.output) not in suspects:
                continue
            path = _real(job.output)
            if path in read:
                raise PlanError(
                    f"{job.output}: the result of {job.input} would overwrite the image "
                    f"{read[path]}; leave that out, or name another place with -o"
                )
            if path not in written:
                written[path] = job.input
            elif _real(written[path]) == _real(job.input):
                self._repeated.add(number)
            else:
                raise PlanError(
                    f"{job.output}: {written[path]} and {job.input} would both be written there; "
                    "pool their common folder with --recursive, or each into its own -o DIR"
                )


def expand(paths: Iterable[str], *, recursive: bool, beside: str | None) -> Iterator[Name]:
    """Name every image: the paths themselves, and what lies below those that are directories.

    Without `recursive` a directory is a problem of its own. `beside` is the directory of the
    results, which is left out where it lies below one that is walked.
    """
    for path in paths:
        if path == STREAM or not os.path.isdir(path):
            yield Name(path)
        elif recursive:
            yield from _walk(path, os.path.realpath(beside) if beside else "")
        else:
            yield Name(path, problem="is a directory; add --recursive to pool the images below it")


def _walk(top: str, results: str) -> Iterator[Name]:
    """Images below `top`, told by their extension, in the order of their names, hidden ones too;
    links to directories are not followed. A directory that cannot be listed is a problem, and so
    is a pipe or a device: it may never end.
    """
    unreadable: list[OSError] = []
    for folder, folders, names in os.walk(top, onerror=unreadable.append):
        yield from _unreadable(unreadable)
        folders[:] = sorted(f for f in folders if _real(os.path.join(folder, f)) != results)
        below = os.path.relpath(folder, top)
        for name in sorted(names):
            if _suffix(name).lower() in IMAGE_SUFFIXES:
                path = os.path.join(folder, name)
                problem = NOT_A_FILE if files.is_special(path) else ""
                yield Name(path, "" if below == os.curdir else below, problem)
    yield from _unreadable(unreadable)


def _unreadable(errors: list[OSError]) -> Iterator[Name]:
    """Directories that could not be listed, each once."""
    while errors:
        error = errors.pop()
        yield Name(str(error.filename), problem=f"cannot be read: {files.reason(error)}")


def require_writable(target: Target, quality: int | None) -> None:
    """Refuse a result whose format is known already and cannot be written, or not so."""
    extension = target.extension
    if extension is None and target.directory is None and target.output not in (None, STREAM):
        extension = _suffix(str(target.output))
        if not extension:
            raise PlanError(
                f"-o {target.output}: a file's name needs an extension, such as .png, that tells "
                "the format; a directory's ends in /"
            )
    if extension is not None:
        require_quality(format_for(extension), quality)


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1]


def _key(path: str) -> int:
    """Equal for equal files, and nearly always different for different ones."""
    return hash(_real(path))


def _real(path: str) -> str:
    """The file that `path` leads to, whatever links are on the way."""
    if os.path.islink(path):
        return os.path.realpath(path)
    folder, name = os.path.split(path)
    return os.path.join(_real_folder(os.getcwd(), folder), name)


@lru_cache(maxsize=1024)
def _real_folder(current: str, folder: str) -> str:
    return os.path.realpath(os.path.join(current, folder))
