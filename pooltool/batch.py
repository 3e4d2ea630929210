"""Many images in one run: pooled here, by other processes or by a Dask cluster, told in order."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from pooltool import files
from pooltool.interrupts import Interrupts
from pooltool.job import Job, Outcome, Settings, pool_file

EACH_BYTES = 20_000
"""What an image costs beside its bytes, in bytes: 0.4 ms where 50 MB are pooled a second."""
WORTH_BYTES = 1 << 20 if sys.platform == "linux" else 1 << 25
"""So much is worth other processes: to fork them takes 10 ms, elsewhere they start in 300."""


def run(jobs: Sequence[Job], settings: Settings, interrupts: Interrupts) -> Iterator[Outcome]:
    """Pool every image; yield the outcomes in the order of the jobs.

    One that fails is an outcome too and does not stop the others. After an interrupt nothing more
    is begun. Raises `ClusterError` when there are no workers any more.
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
    """How many processes do the jobs; 1 for this one, where others are not worth their start."""
    usable = hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0))
    count = min(settings.jobs or usable or os.cpu_count() or 1, len(jobs))
    if count < 2 or settings.show:  # a preview of megabytes waits for the window before it
        return 1
    first = jobs[: WORTH_BYTES // EACH_BYTES + 1]
    return count if sum(EACH_BYTES + files.size(job.input) for job in first) > WORTH_BYTES else 1
