"""What the commands do once their words are understood: plan, run, report."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pooltool import files, images, native
from pooltool.batch import run, workers_for
from pooltool.data_format import DataFormat
from pooltool.errors import (
    ClusterError,
    DisplayError,
    FileError,
    PlanError,
    UsageProblem,
    one_line,
)
from pooltool.files import STREAM
from pooltool.geometry import AnyWindows, Pair
from pooltool.images.formats import format_for
from pooltool.interrupts import Interrupts
from pooltool.job import Settings, pool_file
from pooltool.plan import PAGE, has_many_inputs, panel_path, plan
from pooltool.report import Report, complain, json_line, redirect_to_devnull, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pooltool.compare.measures import Result

    Array = NDArray[Any]


def pool_images(names: tuple[str, ...], settings: Settings) -> int:
    """Plan the run, pool its images, print a line for each; return the exit status."""
    _require_sense(names, settings)
    try:
        os.getcwd()
    except OSError:
        raise FileError("the current directory is gone; change to another one") from None
    streams_out = settings.output == STREAM or (settings.output is None and names == (STREAM,))
    if streams_out:
        _require_no_terminal()
    jobs = plan(names, settings)
    report = Report(settings, len(jobs), err=streams_out)
    if settings.dry_run:
        with report:
            for job in jobs:
                report.add(pool_file(job, settings))
        return report.status
    native.capture()
    with Interrupts() as interrupts, workers_for(settings) as workers, report:
        shows = settings.show
        try:
            for outcome in run(jobs, settings, workers, interrupts, report.say_waiting):
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
        finally:
            files.protect(())
        if interrupts:
            report.ended = "interrupted"
    return report.status


def _require_sense(names: tuple[str, ...], settings: Settings) -> None:
    """Refuse options that do not go together."""
    reads, writes, suffix = STREAM in names, settings.output == STREAM, settings.suffix
    several = has_many_inputs(names, settings)
    refusals = {
        "no image is named; give IMAGES or --files-from": not names and not settings.files_from,
        "-0 says how --files-from is read; give both": settings.null and not settings.files_from,
        "--files-from - takes standard input; give it once":
            settings.files_from.count(STREAM) > 1,
        "--recursive needs -o DIR, where the results are mirrored":
            settings.recursive and settings.output in (None, STREAM),
        "- (standard input) is pooled on its own, without other images": reads and several,
        "-o - takes one image; name a directory for several": writes and several,
        "an empty --suffix needs -o DIR: else each result would have its image's name":
            suffix == "" and settings.output in (None, STREAM),
        "--suffix is a part of a file's name; it holds no /":
            suffix is not None and os.path.basename(f"a{suffix}") != f"a{suffix}",
        "--scheduler pools files, not standard input or output":
            settings.scheduler is not None and (reads or writes),
        "--indices takes one image": settings.indices is not None and several,
        "--indices writes an array; name a file that ends in .npy":
            settings.indices is not None and not settings.indices.lower().endswith(".npy"),
        "--indices writes here; leave out --scheduler":
            settings.scheduler is not None and settings.indices is not None,
        "--show opens windows here; leave out --scheduler":
            settings.scheduler is not None and settings.show,
    }  # fmt: skip
    for text, wrong in refusals.items():
        if wrong:
            raise UsageProblem(text)


def _require_no_terminal() -> None:
    """Refuse to write a picture onto a terminal."""
    if sys.stdout is not None and sys.stdout.isatty():
        raise UsageProblem(
            "a picture would be written onto the terminal; redirect it, > picture.png, or name a "
            "file with -o"
        )


def compare(
    name: str,
    windows: Sequence[AnyWindows],
    *,
    count_include_pad: bool = False,
    gray: bool = False,
    data_format: DataFormat | None = None,
    frame: int | None = None,
    detail: Pair | None = None,
    output: str | None = None,
    format: str | None = None,
    show: bool = False,
    as_json: bool = False,
    quiet: bool = False,
) -> int:
    """Compare max, min and average pooling of an image, under each of the settings in `windows`.

    Writes the panel, or the page to explore, and prints what was found. Averages are not rounded
    into the image's dtype here. Returns the exit status.
    """
    from pooltool.compare.measures import pool_all
    from pooltool.compare.panel import panel

    path, extension = panel_path(name, output, format)
    is_page = extension == PAGE
    if is_page:
        _require_page(windows, detail)
    if path == STREAM:
        _require_no_terminal()
    native.capture()
    try:
        data = files.read(name)
        picture = images.decode(data, gray=gray, frame=frame, data_format=data_format)
        pixels, shape = picture.frames[0], ""
        results = [pool_all(pixels, setting, count_include_pad) for setting in windows]
        drawn = None if is_page and not show else panel(pixels, results, detail)
        if is_page:
            data = _page(name, picture, windows[0], count_include_pad)
        elif drawn is not None:
            shape, written = f" {drawn.shape}", format_for(extension)
            data = images.encode(images.Picture((drawn,), written), written).data
        stream = sys.stderr if path == STREAM else sys.stdout
        lines = [] if as_json or quiet else [f"{name} {pixels.shape} -> {path}{shape}"]
        if as_json or not quiet:
            lines += _table(pixels, results, as_json, getattr(stream, "encoding", ""))
        files.protect(filter(None, [files.identity(name)]))
        with Interrupts(finish=False):  # until here a signal ends it at once, as it is
            files.write(path, data, folder=os.path.dirname(path))
        if not quiet:
            _warn(name, picture, is_page)
        for line in lines:
            say(line, err=path == STREAM)
        is_shown = drawn is None or not show or _show(f"pooltool compare {name}", drawn, complain)
        return 0 if is_shown else 1
    except (UsageProblem, PlanError, OSError):
        raise
    except Exception as error:
        complain(f"{name}: {one_line(error)}")
        return 1


def _require_page(windows: Sequence[AnyWindows], detail: Pair | None) -> None:
    """Refuse options that only the panel follows."""
    if len(windows) > 1:
        raise UsageProblem("a page starts with one --pool-size; give it once, or write a .png")
    if detail is not None:
        raise UsageProblem("--detail belongs to the panel, not to a page; leave it out")


def _warn(name: str, picture: images.Picture, is_page: bool) -> None:
    """Print what was odd in the image, which frame is compared, and what a page cannot show."""
    from pooltool.compare.page import reduction

    for warning in picture.warnings:
        if not warning.startswith("left out"):  # which is no loss of a panel or a page
            complain(f"{name}: warning: {warning}")
    if len(picture.frames) > 1:
        note = f"frame 0 of {len(picture.frames)} is compared; choose another with --frame"
        complain(f"{name}: warning: {note}")
    rows, columns = reduction(picture.frames[0])
    if is_page and (rows, columns) != (1, 1):
        note = f"the page shows means of {rows}x{columns} pixels, and its figures are of those"
        complain(f"{name}: warning: the picture is too large for a page: {note}")


def _table(pixels: Array, results: Sequence[Result], as_json: bool, encoding: str) -> list[str]:
    """Measure the results: the lines of the tables and number grids, or a JSON object a row."""
    from pooltool.compare.measures import measure
    from pooltool.compare.text import as_lines, as_records, can_draw_lines

    lines: list[str] = []
    for result in results:
        measures = measure(pixels, result)
        if as_json:
            lines += map(json_line, as_records(measures, result.windows))
        else:
            ascii_only, width = (
                not can_draw_lines(encoding),
                shutil.get_terminal_size((100, 24)).columns,
            )
            lines += ["", *as_lines(pixels, result, measures, width=width, ascii_only=ascii_only)]
    return lines


def _page(
    name: str, picture: images.Picture, windows: AnyWindows, count_include_pad: bool
) -> bytes:
    """The page to explore, as the bytes of its file."""
    from pooltool.compare.page import page

    count = len(picture.frames)
    text = page(
        picture.frames[0],
        windows,
        title=os.path.basename(name),
        count_include_pad=count_include_pad,
        frame=None if count == 1 else (0, count),
    )
    return text.encode()


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
