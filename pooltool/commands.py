"""What the commands do once their words are understood: plan, run, report."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pooltool import files, images, native
from pooltool.batch import Interrupts, run, workers_for
from pooltool.errors import (
    ClusterError,
    DisplayError,
    FileError,
    PlanError,
    PooltoolError,
    UsageProblem,
)
from pooltool.files import STREAM
from pooltool.geometry import AnyWindows
from pooltool.images.formats import PNG, format_for
from pooltool.job import Settings, pool_file, writing
from pooltool.plan import panel_path, plan, takes_several
from pooltool.pooling import as_image
from pooltool.report import Report, complain, json_line, redirect_to_devnull, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pooltool.compare.measures import Measures
    from pooltool.kernels import Method

    Array = NDArray[Any]


def pool_images(names: tuple[str, ...], settings: Settings) -> int:
    """Plan the run, pool its images, print a line for each; return the exit status."""
    _collect_garbage()
    _require_sense(names, settings)
    directory = _current_directory()
    jobs = plan(names, settings)
    streams_out = settings.output == STREAM or (settings.output is None and names == (STREAM,))
    report = Report(settings, len(jobs), err=streams_out)
    if settings.dry_run:
        with report:
            for job in jobs:
                report.add(pool_file(job, settings))
        return report.status
    native.capture()
    if settings.scheduler is not None:
        settings = replace(settings, directory=directory)
    with Interrupts() as interrupts, workers_for(settings) as workers, report:
        shows = settings.show
        try:
            for outcome in run(jobs, settings, workers, interrupts):
                report.add(outcome)
                if outcome.preview is not None and shows and not interrupts:
                    title = f"pooltool {settings.pooling.method} {outcome.job.input}"
                    shows = _show(title, outcome.preview, report.fail, lambda: bool(interrupts))
        except ClusterError as error:
            report.fail(str(error))
            report.ended = "stopped"
        except OSError:
            if not interrupts:
                raise
            redirect_to_devnull(sys.stdout)  # with the terminal that has gone
        if interrupts:
            report.ended = "interrupted"
    return report.status


def _collect_garbage() -> None:
    """Collect garbage from now on, but never look through the modules: they stay to the end.

    `__main__` leaves it alone until they are loaded. Both together save 10 ms of 150.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _require_sense(names: tuple[str, ...], settings: Settings) -> None:
    """Refuse options that do not go together."""
    reads, writes = STREAM in names, settings.output == STREAM
    several = takes_several(names, settings)
    refusals = {
        "no image is named; give IMAGES or --files-from": not names and not settings.files_from,
        "-0 says how --files-from is read; give both": settings.null and not settings.files_from,
        "--files-from - takes standard input; give it once":
            settings.files_from.count(STREAM) > 1,
        "--recursive needs -o DIR, where the results are mirrored":
            settings.recursive and settings.output in (None, STREAM),
        "- (standard input) is pooled on its own, without other images": reads and several,
        "-o - takes one image; name a directory for several": writes and several,
        "--scheduler pools files, not standard input or output":
            settings.scheduler is not None and (reads or writes),
        "--show opens windows here; leave out --scheduler":
            settings.scheduler is not None and settings.show,
    }  # fmt: skip
    for text, wrong in refusals.items():
        if wrong:
            raise UsageProblem(text)


def _current_directory() -> str:
    """Where relative names start; refuse to work where that has been removed."""
    try:
        return os.getcwd()
    except OSError:
        raise FileError("the current directory is gone; change to another one") from None


def compare(
    name: str,
    windows: AnyWindows,
    *,
    count_include_pad: bool = False,
    gray: bool = False,
    frame: int | None = None,
    output: str | None = None,
    show: bool = False,
    as_json: bool = False,
) -> int:
    """Compare max, min and average pooling of an image, write the panel, print what was found.

    Averages are not rounded into the image's dtype here. Returns the exit status.
    """
    from pooltool.compare.measures import measure, pool_all
    from pooltool.compare.panel import panel
    from pooltool.compare.text import as_records

    _collect_garbage()
    native.capture()
    try:
        with Interrupts(finish=False):
            path = panel_path(name, output)
            format = PNG if path == STREAM else format_for(path)
            picture = images.decode(files.read(name), gray=gray, frame=frame)
            pixels, count = as_image(picture.frames[0]), len(picture.frames)
            pooled = pool_all(pixels, windows, count_include_pad)
            drawn = panel(pixels, windows, pooled)
            found = measure(pixels, windows, count_include_pad, pooled=pooled)
            encoded = images.encode(images.Picture((drawn,), format), format)
            with writing(path, os.path.dirname(path)) as file:
                file.write(encoded.data)
            if count > 1:
                note = f"frame 0 of {count} is compared; choose another with --frame"
                complain(f"{name}: warning: {note}")
            if as_json:
                lines = [json_line(record) for record in as_records(found)]
            else:
                lines = [f"{name} {pixels.shape} -> {path} {drawn.shape}", ""]
                lines += _as_text(pixels, windows, pooled, found, err=path == STREAM)
            for line in lines:
                say(line, err=path == STREAM)
            return 0 if not show or _show(f"pooltool compare {name}", drawn, complain) else 1
    except (UsageProblem, PlanError):
        raise
    except PooltoolError as error:
        complain(f"{name}: {error}")
        return 1


def _as_text(
    pixels: Array,
    windows: AnyWindows,
    pooled: dict[Method, Array],
    found: list[Measures],
    *,
    err: bool,
) -> list[str]:
    """The table of measures and, of a small image, all its numbers; drawn as the stream can."""
    from pooltool.compare.text import as_grids, as_table, can_draw_lines, is_small

    text = as_table(found)
    if is_small(pixels):
        encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None)
        ascii_only = not can_draw_lines(encoding or "ascii")
        text += "\n\n" + as_grids(pixels, windows, pooled, ascii_only=ascii_only)
    return text.split("\n")


def _show(
    title: str,
    picture: NDArray[np.uint8],
    fail: Callable[[str], None],
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Open a window until it is closed or `stop()`; where there is no display, `fail`."""
    from pooltool import display

    try:
        display.show(title, picture, stop=stop)
        return True
    except DisplayError as error:
        fail(str(error))
        return False
