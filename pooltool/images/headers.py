"""Checks of headers and names for warnings, shared by the formats."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from pooltool.errors import DamageError
from pooltool.images.formats import listed
from pooltool.images.picture import Sizes

MALFORMED = (struct.error, LookupError, ValueError)
"""Exceptions that a broken header can raise while it is parsed."""
_MAX_FRAMES = 1 << 20


def left_out(names: Iterable[str], why: str = "") -> tuple[str, ...]:
    """The one warning that names what is not in the result; none where nothing is missing."""
    names = tuple(names)
    return (f"left out{why}: {listed(names)}",) if names else ()


def repeated(size: tuple[int, int], count: int) -> Sizes:
    """The sizes of the frames of an animation."""
    if not 0 < count <= _MAX_FRAMES:
        raise DamageError(f"it is damaged: its header declares {count} frames")
    return (size,) * count


def require_plausible(height: int, width: int, least: int, most: int) -> None:
    """Refuse a header whose size cannot be right, before memory is taken for its pixels.

    Its pixels take at least `least` of what the file's data can hold, at most `most`.
    """
    if least > most:
        raise DamageError(
            f"it is truncated or damaged: its header declares {height} x {width} pixels, "
            "more than its data can hold"
        )


def profile_kind(profile: bytes) -> str | None:
    """The color space of an ICC profile; None when it is not a profile."""
    return {b"GRAY": "gray", b"RGB ": "RGB", b"CMYK": "CMYK", b"Lab ": "Lab"}.get(profile[16:20])
