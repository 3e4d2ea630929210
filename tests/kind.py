"""A kind of file: how to make one, and the right pixels or the words of its refusal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Kind:
    """One row of the table of kinds that `test_kinds` walks."""

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
