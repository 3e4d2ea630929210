"""What the commands do once their words are understood: plan, run, report."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

from pooltool import files, native, report
from pooltool.errors import (
    ClusterError,
    DisplayError,
    FileError,
    PlanError,
    PooltoolError,
    UsageProblem,
)
from pooltool.messages import abandon, complain, say
from pooltool.runs import batch, executors, plan, pool_file
from pooltool.runs.interrupts import Interrupts, hold, release

if TYPE_CHECKING:
    from pooltool.compare.comparison import Comparison
    from pooltool.geometry import AnyWindows

UTF8_MARK = b"\xef\xbb\xbf"
"""What some editors begin a text with."""


class Selection(NamedTuple):
    """Which images a run takes and where their results go, as the options name them."""

    images: tuple[str, ...]
    files_from: tuple[str, ...] = ()
    null: bool = False
    recursive: bool = False
    output: str | None = None
    extension: str | None = None

    @property
    def several(self) -> bool:
        """True where more than one image may come."""
        return len(self.images) > 1 or bool(self.files_from) or self.recursive

    @property
    def streams_out(self) -> bool:
        """True when an image goes to standard output, so that text may not."""
        return self.output == files.STREAM or (
            self.output is None and self.images == (files.STREAM,)
        )

    def check(self) -> None:
        """Refuse options that do not go together."""
        stream = files.STREAM in self.images
        refusals = {
            "no image is named; give IMAGES or --files-from": not self.images
            and not self.files_from,
            "-0 says how --files-from is read; give both": self.null and not self.files_from,
            "--files-from - takes standard input; give it once": self.files_from.count(files.STREAM)
            > 1,
            "--recursive needs -o DIR, where the results are mirrored": self.recursive
            and self.output in (None, files.STREAM),
            "- (standard input) is pooled on its own, without other images": stream
            and self.several,
            "-o - takes one image; name a directory for several": self.output == files.STREAM
            and self.several,
        }
        for text, wrong in refusals.items():
            if wrong:
                raise UsageProblem(text)


class Running(NamedTuple):
    """How a run is carried out and what it prints."""

    jobs: int | None = None
    scheduler: str | None = None
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False
    progress: bool | None = None


def pool_images(settings: pool_file.Settings, selection: Selection, running: Running) -> int:
    """Plan the run, pool its images, print a line for each; return the exit status."""
    _modules_are_loaded()
    directory = _current_directory()
    selection.check()
    if running.scheduler and files.STREAM in (*selection.images, selection.output):
        raise UsageProblem("--scheduler pools files, not standard input or output")
    if running.scheduler and settings.show:
        raise UsageProblem("--show opens windows here; leave out --scheduler")
    target = plan.Target(settings.method, selection.output, selection.extension, selection.several)
    plan.require_writable(target, settings.quality)
    with plan.Plan(_names(selection, target), target) as jobs:
        if running.dry_run:
            return _dry_run(jobs, settings, selection, running)
        return _run(jobs, settings._replace(directory=directory), selection, running)


def _current_directory() -> str:
    """Where relative names start; refuse to work where that has been removed."""
    try:
        return os.getcwd()
    except OSError:
        raise FileError("the current directory is gone; change to another one") from None


def _modules_are_loaded() -> None:
    """Collect garbage again, but never look through what modules made: it stays to the end."""
    gc.freeze()
    gc.enable()


def _names(selection: Selection, target: plan.Target) -> Iterator[plan.Name]:
    listed = (_listed(source, selection.null) for source in selection.files_from)
    for paths in (selection.images, *listed):
        yield from plan.expand(paths, recursive=selection.recursive, beside=target.directory)


def _listed(source: str, null: bool) -> Iterator[str]:
    """The names in a list, one a line or NUL-terminated; empty ones are passed over."""
    separator = b"\0" if null else b"\n"
    try:
        with files.reading(source) as file:
            for number, record in enumerate(files.split_records(file, separator)):
                if not null:
                    record = record.removeprefix(b"" if number else UTF8_MARK).removesuffix(b"\r")
                _require_separator(source, record, null)
                if record:
                    yield os.fsdecode(record)
    except FileError as error:
        raise FileError(f"--files-from {source}: {error}") from None


def _require_separator(source: str, record: bytes, null: bool) -> None:
    """Refuse a list whose names end otherwise than the options say."""
    if b"\0" in record:
        raise UsageProblem(f"--files-from {source}: it holds NUL; add -0 if names end with it")
    if null and record.endswith(b"\n") and not os.path.lexists(record):
        raise UsageProblem(f"--files-from {source}: its names end with line breaks; leave out -0")


def _dry_run(
    jobs: plan.Plan, settings: pool_file.Settings, selection: Selection, running: Running
) -> int:
    """Tell what would be read and written, skipped, or fail as far as names tell that."""
    with _report(len(jobs), settings, selection, running._replace(progress=False)) as printed:
        for job in jobs:
            printed.add(pool_file.foresee(job, settings))
    return printed.tally.status


def _run(
    jobs: plan.Plan, settings: pool_file.Settings, selection: Selection, running: Running
) -> int:
    native.capture()
    most = 1 if settings.show else running.jobs or executors.cores()
    workers = min(most, max(1, len(jobs)))
    interrupts = Interrupts(at_once=workers == 1 and running.scheduler is None)
    printed = _report(len(jobs), settings, selection, running)
    with interrupts, _executor(running.scheduler, workers) as crew:
        with printed:
            outcomes = batch.run(jobs, settings, crew, interrupts)
            status = _work(outcomes, settings, printed, interrupts)
        if interrupts.overdue:
            interrupts.end()
    return interrupts.status or printed.tally.status or status


def _work(
    outcomes: Iterator[pool_file.Outcome],
    settings: pool_file.Settings,
    printed: report.Report,
    interrupts: Interrupts,
) -> int:
    """Print what becomes of each image, show it if that was asked for; return 1 if that fails."""
    status = 0
    try:
        for outcome in outcomes:
            hold()
            printed.add(outcome)
            release()
            if outcome.preview is not None and not status and not interrupts:
                status = _show(f"pooltool {settings.method} {outcome.job.input}", outcome.preview)
    except ClusterError as error:
        printed.stop(str(error))
        status = 1
    except OSError:
        if not interrupts:
            raise
        abandon(sys.stdout)  # with the terminal that has gone
    if interrupts:
        printed.ended = "interrupted"
    return status


def _report(
    total: int, settings: pool_file.Settings, selection: Selection, running: Running
) -> report.Report:
    return report.Report(
        _line(settings, running.as_json),
        total,
        quiet=running.quiet,
        err=selection.streams_out,
        progress=running.progress,
    )


def _show(title: str, picture: Any) -> int:
    """Open a window until it is closed; without a display say so and return 1."""
    from pooltool import display

    try:
        display.show(title, picture)
    except DisplayError as error:
        complain(str(error))
        return 1
    return 0


class Comparing(NamedTuple):
    """What `compare` compares, and how it tells what it found."""

    image: str
    output: str | None = None
    gray: bool = False
    frame: int | None = None
    as_json: bool = False
    show: bool = False


def compare(words: Comparing, windows: AnyWindows, count_include_pad: bool) -> int:
    """Compare the poolings of an image, print what was found; return the exit status."""
    from pooltool.compare.comparison import compare_image

    _modules_are_loaded()
    native.capture()
    try:
        with Interrupts(at_once=True):
            found = compare_image(
                words.image,
                words.output,
                windows,
                count_include_pad=count_include_pad,
                gray=words.gray,
                frame=words.frame,
            )
            _print_comparison(found, words.as_json)
            return _show(f"pooltool compare {words.image}", found.panel) if words.show else 0
    except (UsageProblem, PlanError):
        raise
    except PooltoolError as error:
        complain(f"{words.image}: {error}")
        return 1


def _print_comparison(found: Comparison, as_json: bool) -> None:
    from pooltool.compare.text import as_records, can_draw_lines

    err = found.output == files.STREAM
    if found.note:
        complain(f"{found.input}: warning: {found.note}")
    if as_json:
        lines = [report.as_json(record) for record in as_records(found.measures)]
    else:
        encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None)
        lines = found.as_lines(ascii_only=not can_draw_lines(encoding or "ascii"))
    for line in lines:
        say(line, err=err)


def _executor(scheduler: str | None, workers: int) -> AbstractContextManager[executors.Workers]:
    return executors.local(workers) if scheduler is None else executors.cluster(scheduler)


def _line(settings: pool_file.Settings, as_json: bool) -> Callable[[pool_file.Outcome], str]:
    if as_json:
        return lambda outcome: report.as_json(report.record(outcome, settings))
    return report.as_line
