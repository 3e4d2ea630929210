"""What the pooling commands do once their words are understood: plan, run, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from pooltool import files, native
from pooltool.errors import FileError, PooltoolError, UsageProblem, one_line
from pooltool.files import STREAM
from pooltool.interrupts import Interrupts
from pooltool.job import Job, Outcome, Settings, pool_file
from pooltool.plan import has_many_inputs, plan
from pooltool.report import Report, complain, redirect_to_devnull, require_no_terminal

EACH_BYTES = 20_000
"""Fixed cost of an image, in bytes of its file: 0.4 ms at 50 MB a second."""
WORTH_BYTES = 1 << 20 if sys.platform == "linux" else 1 << 25
"""Least work for which other processes pay: a fork takes 10 ms, a start elsewhere 300."""


def pool_images(names: tuple[str, ...], settings: Settings) -> int:
    """Plan the run, pool its images, print a line for each; return the exit status."""
    _require_sense(names, settings)
    streams_out = settings.output == STREAM or (settings.output is None and names == (STREAM,))
    if streams_out:
        require_no_terminal()
    jobs, warnings = plan(names, settings)
    for warning in () if settings.quiet else warnings:
        complain(f"warning: {warning}")
    report = Report(settings, jobs, err=streams_out)
    native.capture()
    with Interrupts(report.say_waiting, lambda: report.close("interrupted")) as interrupts:
        ended = ""
        try:
            for outcome in run(jobs, settings, interrupts):
                report.add(outcome)
                if outcome.preview is not None and not interrupts.number:
                    from pooltool import display

                    title = f"pooltool {settings.pooling.method} {outcome.job.input}"
                    display.show(title, outcome.preview, lambda: interrupts.number > 0)
        except UsageProblem:
            raise
        except PooltoolError as error:
            report.fail(one_line(error))
            ended = "stopped"
        except OSError:
            if not interrupts.number:
                raise
            redirect_to_devnull(sys.stdout)  # the terminal was closed
        finally:
            files.protect(())
            report.clear_bar()
        report.close("interrupted" if interrupts.number else ended)
    return report.status


def _require_sense(names: tuple[str, ...], settings: Settings) -> None:
    """Refuse options that cannot be combined, and a current directory that was removed."""
    try:
        os.getcwd()
    except OSError:
        raise FileError("the current directory no longer exists; change to another one") from None
    output, suffix, indices = settings.output, settings.suffix, settings.indices
    reads, writes, has_directory = STREAM in names, output == STREAM, output not in (None, STREAM)
    has_many = has_many_inputs(names, settings)
    refusals = {
        "no image is named; give IMAGES or --files-from": not names and not settings.files_from,
        "-0 is for the names in --files-from; give both": settings.null and not settings.files_from,
        "--recursive needs -o DIR, where the results are mirrored":
            settings.recursive and not has_directory,
        "- (standard input) cannot be combined with other images": reads and has_many,
        "-o - takes one image; name a directory for several": writes and has_many,
        "an empty --suffix needs -o DIR, or each result would have the name of its image":
            suffix == "" and not has_directory,
        "--suffix is part of a file name and cannot contain /":
            suffix is not None and os.path.basename(f"a{suffix}") != f"a{suffix}",
        "--indices takes one image and the name of a .npy file":
            indices is not None and (has_many or not indices.lower().endswith(".npy")),
        "--scheduler is for files; leave out -, --indices and --show":
            settings.scheduler is not None and (reads or writes or bool(indices) or settings.show),
    }  # fmt: skip
    for text, is_wrong in refusals.items():
        if is_wrong:
            raise UsageProblem(text)


def run(jobs: Sequence[Job], settings: Settings, interrupts: Interrupts) -> Iterator[Outcome]:
    """Pool every image here, by other processes or by a Dask cluster; yield the outcomes in the
    order of the jobs.

    An image that fails is an outcome too and does not stop the others. After an interrupt no new
    image is started. Raises `UsageProblem` when a cluster cannot be reached, and `PooltoolError`
    when it is gone.
    """
    if settings.scheduler is not None and not settings.dry_run:
        from pooltool import cluster

        yield from cluster.run(jobs, settings, interrupts)
    elif (count := _processes(jobs, settings)) > 1:
        from pooltool import processes  # few runs need it

        yield from processes.run(jobs, settings, interrupts, count)
    else:
        interrupts.watch()
        for job in jobs:
            if interrupts.number:
                return
            yield pool_file(job, settings)


def _processes(jobs: Sequence[Job], settings: Settings) -> int:
    """Number of processes to use; 1 means this process, where starting others does not pay."""
    usable = hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0))
    count = min(settings.jobs or usable or os.cpu_count() or 1, len(jobs))
    # A large preview would wait for the window of the one before.
    if count < 2 or settings.show or settings.dry_run:
        return 1
    first = jobs[: WORTH_BYTES // EACH_BYTES + 1]
    return count if sum(EACH_BYTES + files.size(job.input) for job in first) > WORTH_BYTES else 1
