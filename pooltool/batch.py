"""Many images in one run: pooled here, by other processes or by a Dask cluster, in order."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from pooltool import files
from pooltool.interrupts import Interrupts
from pooltool.job import Job, Outcome, Settings, pool_file

EACH_BYTES = 20_000
"""Fixed cost of an image, in bytes of its file: 0.4 ms at 50 MB a second."""
WORTH_BYTES = 1 << 20 if sys.platform == "linux" else 1 << 25
"""Least work for which other processes pay: a fork takes 10 ms, a start elsewhere 300."""


def run(jobs: Sequence[Job], settings: Settings, interrupts: Interrupts) -> Iterator[Outcome]:
    """Pool every image; yield the outcomes in the order of the jobs.

    An image that fails is an outcome too and does not stop the others. After an interrupt no new
    image is started. Raises `ClusterError` when no workers are left.
    """
    if settings.scheduler is not None:
        from pooltool import cluster

        yield from cluster.run(jobs, settings, interrupts)
    elif (count := _processes(jobs, settings)) > 1:
        from pooltool import processes  # few runs need it

        yield from processes.run(jobs, settings, interrupts, count)
    else:
        interrupts.watch()
        for job in jobs:
            if interrupts:
                return
            yield pool_file(job, settings)


def _processes(jobs: Sequence[Job], settings: Settings) -> int:
    """Number of processes to use; 1 means this process, where starting others does not pay."""
    usable = hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0))
    count = min(settings.jobs or usable or os.cpu_count() or 1, len(jobs))
    if count < 2 or settings.show:  # a large preview would wait for the window of the one before
        return 1
    first = jobs[: WORTH_BYTES // EACH_BYTES + 1]
    return count if sum(EACH_BYTES + files.size(job.input) for job in first) > WORTH_BYTES else 1
