"""Lines for the user: each is one line that a terminal can show, whatever file names hold."""

from __future__ import annotations

import re

import click


def say(text: str, *, err: bool = False) -> None:
    """Print a line on standard output or, with `err`, on standard error."""
    click.echo(one_line(text), err=err)


def complain(text: str) -> None:
    """Print a line on standard error that begins with the program's name."""
    say(f"pooltool: {text}", err=True)


def one_line(text: str) -> str:
    """The text with its control characters, which names may hold, as escapes such as `\\n`."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda found: ascii(found[0])[1:-1], text)
