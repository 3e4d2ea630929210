"""What `compare` does once its words are understood."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pooltool import files, images, native
from pooltool.errors import UsageProblem, one_line
from pooltool.files import STREAM
from pooltool.geometry import Pair, Windows
from pooltool.images.formats import format_for
from pooltool.interrupts import Interrupts
from pooltool.job import Job, Settings
from pooltool.plan import COMPARE, PAGE, plan
from pooltool.report import complain, say

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pooltool.compare.measures import Result

    Array = NDArray[Any]

PHOTOGRAPH = 256
"""Rows and columns from which on 2x2 windows change nothing on a page that can be seen."""


def compare(
    name: str, windows: Sequence[Windows], settings: Settings, detail: Pair | None = None
) -> int:
    """Compare max, min and average pooling of an image under each of the windows, or under some
    that suit the image if there are none; return the exit status.
    """
    (job,), _ = plan([name], settings, COMPARE)
    is_page = (job.format or "").lower() == PAGE
    if is_page and (len(windows) > 1 or detail is not None):
        raise UsageProblem("a page takes one --pool-size and no --detail; write a .png for them")
    native.capture()
    try:
        _compare(job, windows, settings, detail, is_page=is_page)
        return 0
    except (UsageProblem, OSError):
        raise
    except Exception as error:
        complain(f"{name}: {one_line(error)}")
        return 1


def _compare(
    job: Job, windows: Sequence[Windows], settings: Settings, detail: Pair | None, *, is_page: bool
) -> None:
    """Write the panel or the page to explore, and print the figures.

    Averages are not rounded to the image's dtype here.
    """
    from pooltool.compare.measures import pool_all
    from pooltool.compare.page import page
    from pooltool.compare.panel import panel

    name, to_stderr = job.input, job.output == STREAM
    count_include_pad = settings.pooling.count_include_pad
    picture = images.decode(
        files.read(name), gray=settings.gray, frame=settings.frame, data_format=settings.data_format
    )
    pixels, count, shape = picture.frames[0], len(picture.frames), ""
    is_photograph = is_page and min(pixels.shape[:2]) >= PHOTOGRAPH
    windows = windows or [Windows.of(8 if is_photograph else 2)]
    results = [pool_all(pixels, each, count_include_pad) for each in windows]
    if not is_page or settings.show:
        drawn = panel(pixels, results, detail)
    if is_page:
        data = page(
            pixels,
            windows[0],
            title=os.path.basename(name),
            count_include_pad=count_include_pad,
            frame=None if count == 1 else (0, count),
        ).encode()
    else:
        shape, format = f" {drawn.shape}", format_for(job.format or "")
        data = images.encode(images.Picture((drawn,), format), format).data
    is_silent = settings.quiet and not settings.as_json
    lines = [] if is_silent else _lines(pixels, results, settings.as_json, err=to_stderr)
    if lines and not settings.as_json:
        lines.insert(0, f"{name} {pixels.shape} -> {job.output}{shape}")
    with Interrupts():  # until here a signal ends it at once, as it is
        files.write(job.output, data, folder=job.folder)
    for warning in [] if settings.quiet else _warnings(picture, is_page):
        complain(f"{name}: warning: {warning}")
    for line in lines:
        say(line, err=to_stderr)
    if settings.show:
        from pooltool import display

        display.show(f"pooltool compare {name}", drawn)


def _warnings(picture: images.Picture, is_page: bool) -> list[str]:
    """Warnings about the image, the frame that is compared, and what a page cannot show."""
    from pooltool.compare.page import reduction

    # What would be left out of a file of the same format is no loss of a panel or a page.
    warnings = [text for text in picture.warnings if not text.startswith("left out")]
    if len(picture.frames) > 1:
        count = len(picture.frames)
        warnings.append(f"frame 0 of {count} is compared; choose another with --frame")
    rows, columns = reduction(picture.frames[0])
    if is_page and (rows, columns) != (1, 1):
        warnings.append(
            f"the picture is too large for a page: the page shows means of {rows}x{columns} "
            "pixels, and its figures are of those"
        )
    return warnings


def _lines(pixels: Array, results: Sequence[Result], as_json: bool, *, err: bool) -> list[str]:
    """The tables and number grids as the terminal can show them, or a JSON object a row."""
    import json
    from shutil import get_terminal_size

    from pooltool.compare.measures import measure
    from pooltool.compare.text import as_lines, as_records

    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "ascii"
    width = get_terminal_size((100, 24)).columns
    lines: list[str] = []
    for result in results:
        figures = measure(pixels, result)
        if as_json:
            lines += map(json.dumps, as_records(figures, result.windows))
        else:
            lines += ["", *as_lines(pixels, result, figures, width=width, encoding=encoding)]
    return lines
