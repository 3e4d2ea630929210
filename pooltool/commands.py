"""What the pooling commands do once their words are understood: plan, run, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from pooltool import files, native
from pooltool.errors import PooltoolError, UsageProblem, one_line
from pooltool.interrupts import Interrupts
from pooltool.job import Job, Outcome, Settings, pool_file
from pooltool.plan import plan
from pooltool.report import STDOUT, Report, complain, draw_bar, redirect_to_devnull

EACH_BYTES = 20_000
"""Fixed cost of an image, in bytes of its file: 0.4 ms at 50 MB a second."""
WORTH_BYTES = 1 << 20 if sys.platform == "linux" else 1 << 25
"""Least work for which other processes pay: a fork takes 10 ms, a start elsewhere 300."""


def pool_images(names: tuple[str, ...], settings: Settings) -> int:
    """Plan the run, pool its images, print a line for each; return the exit status."""
    jobs, warnings = plan(names, settings)
    for warning in () if settings.quiet else warnings:
        complain(f"warning: {warning}")
    report = Report(settings, jobs)
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
        except OSError as error:
            draw_bar("")
            if not interrupts.number or error.filename != STDOUT:
                raise
            redirect_to_devnull(sys.stdout)  # the terminal was closed
        report.close("interrupted" if interrupts.number else ended)
    return report.status


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
