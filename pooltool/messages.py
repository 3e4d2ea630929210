"""Lines for the user: each is one line that a terminal can show, whatever file names hold."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TextIO

import click

_UNSEEN = "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
"""Controls of terminals, line breaks, what turns the direction of text, and byte order marks."""


def say(text: str, *, err: bool = False) -> None:
    """Print a line on standard output or, with `err`, on standard error.

    Standard output raises `OSError` when it takes no more.
    """
    with unheard() if err else nullcontext():
        click.echo(one_line(text), err=err)


@contextmanager
def unheard() -> Iterator[None]:
    """Go on with the work when standard error takes no more of what is printed there inside."""
    try:
        yield
    except OSError:
        abandon(sys.stderr)


def abandon(stream: TextIO) -> None:
    """Lead a stream that takes no more into nothing: else the exit of the program fails too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def complain(text: str) -> None:
    """Print a line on standard error that begins with the program's name."""
    say(f"pooltool: {text}", err=True)


def one_line(text: str) -> str:
    """The text with the controls in it, which names may hold, as escapes such as `\n`."""
    if text.isprintable():
        return text
    return re.sub(_UNSEEN, lambda found: ascii(found[0])[1:-1], text)
