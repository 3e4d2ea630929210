"""What a run tells its user: a line an image, failures, a bar, the closing count, the status.

Each line is one that a terminal can show, whatever file names hold.
"""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from pooltool.job import Outcome, Settings

BAR_AFTER_SECONDS = 1.0
_CLEAR_LINE, _SHOW_CURSOR = "\r\x1b[K", "\x1b[?25h"
_CUT_LINES, _WRAP_LINES = "\x1b[?7l", "\x1b[?7h"
"""What a terminal does with a line that is longer than it is wide (DEC private mode 7)."""
_UNSEEN = "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
"""Controls of terminals, line breaks, what turns the direction of text, and byte order marks."""


def say(text: str, *, err: bool = False) -> None:
    """Print a line on standard output or, with `err`, on standard error.

    Controls in it, which names may hold, are shown as escapes such as `\\n`. Standard output
    raises `OSError` when it takes no more; the work goes on when standard error does.
    """
    if not text.isprintable():
        text = re.sub(_UNSEEN, lambda found: ascii(found[0])[1:-1], text)
    if err:
        with _unless_closed():
            click.echo(text, err=True)
    else:
        click.echo(text)


def complain(text: str) -> None:
    """Print a line on standard error that begins with the program's name."""
    say(f"pooltool: {text}", err=True)


@contextmanager
def _unless_closed() -> Iterator[None]:
    try:
        yield
    except OSError:
        redirect_to_devnull(sys.stderr)


def redirect_to_devnull(stream: TextIO) -> None:
    """Redirect a stream that takes no more, so that the flush at exit cannot fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def json_line(fields: dict[str, Any]) -> str:
    """One line of JSON."""
    import json

    return json.dumps(fields)


def as_line(outcome: Outcome) -> str:
    """`mountain.jpg (700, 1024, 3) -> mountain_max.jpg (350, 512, 3)`; nothing for a failure."""
    job = outcome.job
    if outcome.status == "failed":
        return ""
    if outcome.status == "planned":
        return f"{job.input} -> {job.output}"
    if outcome.status == "skipped":
        reason = "it is named twice" if job.repeated else "it exists"
        return f"{job.input} -> {job.output} skipped: {reason}"
    frames = f" x {outcome.frames} frames" if outcome.frames and outcome.frames > 1 else ""
    return f"{job.input} {outcome.input_shape} -> {job.output} {outcome.output_shape}{frames}"


def record(outcome: Outcome, settings: Settings) -> dict[str, Any]:
    """The same as the fields of a JSON object; what does not apply is None.

    Adaptive windows have no size of their own.
    """
    from pooltool.geometry import Windows

    windows, padding = settings.pooling.windows, None
    sized = windows if isinstance(windows, Windows) else None
    if sized:  # the command line pads top and bottom alike, and left and right
        named = isinstance(sized.padding, str)
        padding = sized.padding if named else tuple(side[0] for side in sized.padding)
    return {
        "input": outcome.job.input,
        "output": outcome.job.output,
        "method": settings.pooling.method,
        "status": outcome.status,
        "input_shape": outcome.input_shape,
        "output_shape": outcome.output_shape,
        "dtype": outcome.dtype,
        "pool_size": sized and sized.pool_size,
        "stride": sized and sized.stride,
        "padding": padding,
        "dilation": sized and sized.dilation,
        "frames": outcome.frames,
        "warnings": outcome.warnings,
        "error": outcome.error,
    }


class Report:
    """Prints outcomes as they come and counts them, in a context: a batch closes with its count.

    The bar appears on a terminal only: at once with `--progress`, never without, and after a
    second where neither is given.
    """

    def __init__(self, settings: Settings, total: int, *, err: bool = False) -> None:
        """Print on stdout, or on stderr with `err` when images go to stdout."""
        self.status = 0
        """The exit status: 1 when an image failed, or something else did."""
        self.ended = ""
        """A word for how the run ended before all was done."""
        self._settings, self._total, self._err = settings, total, err
        self._counts: Counter[str] = Counter()
        self._started = time.monotonic()
        self._bar: Any = None
        progress = False if settings.dry_run else settings.progress
        wanted = total > 1 and not settings.quiet if progress is None else progress
        wait = BAR_AFTER_SECONDS if progress is None else 0
        able = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._bar_from = self._started + wait if wanted and able else math.inf

    def __enter__(self) -> Report:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._clear_bar()
        if self._settings.quiet or self._total == 1 or kind is not None:
            return
        ok, planned = self._counts["ok"], self._counts["planned"]
        line = f"{planned} planned" if planned else f"{ok} done"
        line += f", {self._counts['skipped']} skipped, {self._counts['failed']} failed"
        left = self._total - self._counts.total()
        complain(f"{self.ended}: {line}, {left} left" if self.ended else line)

    def add(self, outcome: Outcome) -> None:
        """Count an outcome and print it."""
        self._counts[outcome.status] += 1
        self._clear_bar()
        quiet, name = self._settings.quiet, outcome.job.input
        if not quiet:
            for warning in outcome.warnings:
                complain(f"{name}: warning: {warning}")
        if outcome.error is not None:
            self.fail(f"{name}: {outcome.error}")
        if not quiet and self._settings.as_json:
            say(json_line(record(outcome, self._settings)), err=self._err)
        elif not quiet and (line := as_line(outcome)):
            say(line, err=self._err)
        if time.monotonic() >= self._bar_from:
            self._draw_bar()

    def fail(self, reason: str) -> None:
        """Say what went wrong; the exit status is 1 then."""
        self._clear_bar()
        complain(reason)
        self.status = 1

    def _draw_bar(self) -> None:
        """Draw the bar: images done, how many a second, and the time left."""
        elapsed = time.monotonic() - self._started
        if self._bar is None:
            self._bar = click.progressbar(length=self._total, file=sys.stderr, show_pos=True)
            self._bar.start = time.time() - elapsed  # the bar's clock
        done = self._counts.total()
        self._bar.label = f"{done / elapsed:.0f} images/s"
        with _unless_closed():
            click.echo(_CUT_LINES, nl=False, err=True)
            self._bar.update(done - self._bar.pos)
            # The bar hides the cursor, and may be the last word.
            click.echo(_WRAP_LINES + _SHOW_CURSOR, nl=False, err=True)

    def _clear_bar(self) -> None:
        if self._bar is not None:
            with _unless_closed():
                click.echo(_CLEAR_LINE, nl=False, err=True)
