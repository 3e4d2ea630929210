"""What a run tells its user: a line an image, failures, a progress bar and the closing count."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from pooltool.errors import Interrupted
from pooltool.geometry import AnyWindows, Windows
from pooltool.messages import complain, say, unheard
from pooltool.runs.batch import Tally
from pooltool.runs.pool_file import Outcome, Settings

BAR_AFTER_SECONDS = 1.0
_CLEAR_LINE, _SHOW_CURSOR = "\r\x1b[K", "\x1b[?25h"
_CUT_LINES, _WRAP_LINES = "\x1b[?7l", "\x1b[?7h"
"""What a terminal does with a line that is longer than it is wide (DEC private mode 7)."""


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
    """The same as the fields of a JSON object; what does not apply is None."""
    job, planned = outcome.job, outcome.status == "planned"
    return {
        "input": job.input,
        "output": job.output,
        "method": settings.method,
        **_window_fields(settings.windows),
        "status": None if planned else outcome.status,
        "input_shape": outcome.input_shape,
        "output_shape": outcome.output_shape,
        "dtype": outcome.dtype,
        "frames": outcome.frames,
        "error": outcome.error,
    }


def _window_fields(windows: AnyWindows) -> dict[str, Any]:
    """Sizes as (height, width); None for adaptive windows, which have none of their own."""
    if not isinstance(windows, Windows):
        return dict.fromkeys(("pool_size", "stride", "padding", "dilation"))
    padding = windows.padding
    return {
        "pool_size": windows.pool_size,
        "stride": windows.stride,
        # The command line pads top and bottom alike, and left and right.
        "padding": padding if isinstance(padding, str) else tuple(side[0] for side in padding),
        "dilation": windows.dilation,
    }


def as_json(fields: dict[str, Any]) -> str:
    """One line of JSON."""
    import json

    return json.dumps(fields)


class Report:
    """Prints outcomes as they come, in a context: a batch closes with its count."""

    def __init__(
        self,
        line: Callable[[Outcome], str],
        total: int,
        *,
        quiet: bool = False,
        err: bool = False,
        progress: bool | None = None,
    ) -> None:
        """Print `line(outcome)` on stdout, or on stderr with `err` when images go to stdout.

        The bar appears on a terminal only: at once with `progress`, never without, and after a
        second where it is None.
        """
        self.tally = Tally()
        self.ended: str | None = None
        """A word for how the run ended before all was done."""
        self._line, self._total, self._quiet, self._err = line, total, quiet, err
        self._started = time.monotonic()
        self._bar: Any = None
        wanted = total > 1 and not quiet if progress is None else progress
        wait = BAR_AFTER_SECONDS if progress is None else 0
        able = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._bar_from = self._started + wait if wanted and able else math.inf

    def __enter__(self) -> Report:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._clear_bar()
        if kind is Interrupted:
            self.ended = "interrupted"
        if self._quiet or self._total == 1 or kind not in (None, Interrupted):
            return
        left = self._total - self.tally.total
        complain(f"{self.ended}: {self.tally}, {left} left" if self.ended else str(self.tally))

    def add(self, outcome: Outcome) -> None:
        """Count an outcome and print it."""
        self.tally.add(outcome)
        self._clear_bar()
        name = outcome.job.input
        if not self._quiet:
            for warning in outcome.warnings:
                complain(f"{name}: warning: {warning}")
        if outcome.error is not None:
            complain(f"{name}: {outcome.error}")
        if not self._quiet and (line := self._line(outcome)):
            say(line, err=self._err)
        self._show_bar()

    def stop(self, reason: str) -> None:
        """Say why the run ends before all is done."""
        self._clear_bar()
        complain(reason)
        self.ended = "stopped"

    def _show_bar(self) -> None:
        """Draw the bar: images done, how many a second, and the time left."""
        now = time.monotonic()
        if now < self._bar_from:
            return
        if self._bar is None:
            self._bar = click.progressbar(length=self._total, file=sys.stderr, show_pos=True)
            self._bar.start = time.time() - (now - self._started)  # the bar's clock
        done = self.tally.total
        self._bar.label = f"{done / (now - self._started):.0f} images/s"
        with unheard():
            click.echo(_CUT_LINES, nl=False, err=True)
            self._bar.update(done - self._bar.pos)
            # The bar hides the cursor, and may be the last word.
            click.echo(_WRAP_LINES + _SHOW_CURSOR, nl=False, err=True)

    def _clear_bar(self) -> None:
        if self._bar is not None:
            with unheard():
                click.echo(_CLEAR_LINE, nl=False, err=True)
