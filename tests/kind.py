"""A kind of file: how to make one, and the right pixels or the words of its refusal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from numpy.typing import NDArray

Array = NDArray[Any]

EXTRA = ("PIL", "pillow_heif", "tifffile", "imagecodecs")
"""The modules that the extra `[formats]` brings."""


@dataclass(frozen=True)
class Kind:
    """One row of the table of kinds that `test_kinds` walks, plain and with `[formats]`."""

    name: str
    data: Callable[[], bytes]
    """Makes a file of this kind."""
    frames: Callable[[], Sequence[Array]] | None = None
    """The right pixels of each frame, red first, from an independent reader or by hand."""
    refusal: str = ""
    """What the refusal says, as a regular expression, where the kind is not read."""
    warnings: tuple[str, ...] = ()
    """What each warning says, in order, as regular expressions."""
    levels: int = 0
    """By how much lossy pixels may differ from the independent reader's."""
    frame: int | None = None
    """The `--frame` that is asked for."""
    needs: str = ""
    """What a plain install is told to install for this kind, as `pip install` takes it, before the
    file comes to what the fields above say; empty where a plain install does the same."""


@contextmanager
def plain_install() -> Iterator[None]:
    """Hide the modules of `[formats]`, so that importing them fails."""
    loaded = {name for name in sys.modules if name.partition(".")[0] in EXTRA}
    with pytest.MonkeyPatch.context() as patch:
        for name in loaded | set(EXTRA):
            patch.setitem(sys.modules, name, None)
        yield
