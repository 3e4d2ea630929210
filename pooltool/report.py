"""What a run prints: lines, warnings, failures, a bar, the closing count, the status.

Each line is one that a terminal can show, whatever file names hold.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, TextIO

from pooltool.files import STREAM
from pooltool.interrupts import GRACE_SECONDS

if TYPE_CHECKING:
    from pooltool.job import Job, Outcome, Settings

BAR_AFTER_SECONDS = 1.0
BAR_EVERY_SECONDS = 0.1
EQUAL_WARNINGS = 5
"""A warning is printed this often, with the names of its images; the rest is counted."""
STDOUT = "standard output"
"""The `filename` of an `OSError` of writing it."""
_is_bar_drawn = False
"""Whether the last line on the terminal is a bar, which the next text replaces."""


def say(text: str, *, err: bool = False, start: str = "", end: str = "\n") -> None:
    """Print a line on standard output or, with `err`, on standard error.

    What a terminal cannot show, as names may hold, is printed as escapes such as `\\n`; bytes that
    are no UTF-8 are printed as they are. Standard output raises `OSError` when it takes no more;
    the work goes on when standard error does.
    """
    if _is_bar_drawn:
        draw_bar("")
    stream = sys.stderr if err else sys.stdout
    if stream is None:  # the program was started without it
        return
    if not (text.isascii() and text.isprintable()):
        keeps_bytes = (stream.encoding, stream.errors) == ("utf-8", "surrogateescape")
        text = "".join(
            c if c.isprintable() or (keeps_bytes and "\udc80" <= c <= "\udcff") else ascii(c)[1:-1]
            for c in text
        )
        if not keeps_bytes:
            text = text.encode(stream.encoding, "backslashreplace").decode(stream.encoding)
    try:
        stream.write(f"{start}{text}{end}")
        stream.flush()
    except OSError as error:
        if not err:
            error.filename = STDOUT
            raise
        redirect_to_devnull(stream)


def draw_bar(text: str) -> None:
    """Draw a bar on the last line of the terminal over what was drawn before, or clear that."""
    global _is_bar_drawn  # noqa: PLW0603 - there is one terminal
    if text or _is_bar_drawn:
        _is_bar_drawn = False
        text = text[: shutil.get_terminal_size().columns - 1]
        say(text, err=True, start="\r\x1b[K", end="")
        _is_bar_drawn = bool(text)


def complain(text: str) -> None:
    """Print a line on standard error that begins with the program's name."""
    say(f"pooltool: {text}", err=True)


def redirect_to_devnull(stream: TextIO) -> None:
    """Redirect a stream that takes no more, so that the flush at exit cannot fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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


def as_json(outcome: Outcome, settings: Settings) -> str:
    """A JSON object of one line; null for what does not apply, as sizes of adaptive windows."""
    import json

    windows = settings.pooling.windows
    sizes = {} if windows.output_size else windows._asdict()
    padding = sizes.get("padding")
    if isinstance(padding, tuple):  # top and bottom are alike on the command line, left and right
        padding = [side[0] for side in padding]
    fields = {
        "input": outcome.job.input,
        "output": outcome.job.output,
        "method": settings.pooling.method,
        "status": outcome.status,
        "input_shape": outcome.input_shape,
        "output_shape": outcome.output_shape,
        "dtype": None if outcome.dtype is None else outcome.dtype.name,
        "pool_size": sizes.get("pool_size"),
        "stride": sizes.get("stride"),
        "padding": padding,
        "dilation": sizes.get("dilation"),
        "frames": outcome.frames,
        "warnings": outcome.warnings,
        "error": outcome.error,
    }
    return json.dumps(fields)


class Report:
    """Prints outcomes as they come and counts them; a batch closes with its count.

    The bar appears on a terminal only: at once with `--progress`, never without, and after a
    second where neither is given.
    """

    def __init__(self, settings: Settings, jobs: Sequence[Job]) -> None:
        self.status = 0
        """The exit status: 1 when an image failed, or something else did."""
        self._settings, self._jobs = settings, jobs
        self._total = total = len(jobs)
        self._counts: Counter[str] = Counter()
        self._warnings: Counter[str] = Counter()
        self._started = time.monotonic()
        progress = settings.progress
        is_wanted = total > 1 and not settings.quiet if progress is None else progress
        wait = BAR_AFTER_SECONDS if progress is None else 0
        is_terminal = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._draw_from = self._started + wait if is_wanted and is_terminal else math.inf

    def close(self, ended: str = "") -> None:
        """Print the count of a batch; `ended` is a word for how it ended before all was done."""
        if _is_bar_drawn:
            draw_bar("")
        if self._settings.quiet:
            return
        for warning, times in self._warnings.items():
            if times > EQUAL_WARNINGS:
                complain(f"... and {times - EQUAL_WARNINGS} more: warning: {warning}")
        counts, is_dry = self._counts, self._settings.dry_run
        line = f"{counts['planned']} planned" if is_dry else f"{counts['ok']} done"
        line += f", {counts['skipped']} skipped, {counts['failed']} failed"
        if ended:
            line = f"{ended}: {line}, {self._total - counts.total()} left"
        if is_dry or self._total != 1:
            complain(line)

    def add(self, outcome: Outcome) -> None:
        """Count an outcome and print it."""
        self._counts[outcome.status] += 1
        settings, name = self._settings, outcome.job.input
        line = "" if settings.quiet else as_line(outcome)
        if settings.as_json:
            line = as_json(outcome, settings)
        if not settings.quiet:
            self._warnings.update(outcome.warnings)
            for warning in outcome.warnings:
                if self._warnings[warning] <= EQUAL_WARNINGS:
                    complain(f"{name}: warning: {warning}")
        if outcome.error is not None:
            self.fail(f"{name}: {outcome.error}")
        if line:
            say(line, err=outcome.job.output == STREAM)
        now = time.monotonic()
        if now >= self._draw_from:
            self._draw_bar(self._counts.total(), now - self._started)
            self._draw_from = now + BAR_EVERY_SECONDS

    def fail(self, reason: str) -> None:
        """Say what went wrong; the exit status is 1 then."""
        complain(reason)
        self.status = 1

    def say_waiting(self) -> None:
        """Say what an interrupted run waits for."""
        if not self._settings.quiet and self._counts.total() < self._total:
            name = self._jobs[self._counts.total()].input
            complain(
                f"interrupted: finishing {name}, for at most {GRACE_SECONDS} seconds; "
                "a second Ctrl-C ends it now"
            )

    def _draw_bar(self, done: int, seconds: float) -> None:
        """Draw images done, how many a second, and the time left, over what was drawn before."""
        pace = seconds / done
        speed = f"{pace:.1f} s/image" if pace > 1 else f"{1 / pace:.0f} images/s"
        left = timedelta(seconds=round(pace * (self._total - done)))
        draw_bar(f"{speed} [{'#' * (30 * done // self._total):-<30}] {done}/{self._total} {left}")
