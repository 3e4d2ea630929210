"""What passes between the formats and everybody else: pictures, metadata and encoded files."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from numpy.typing import NDArray

from pooltool.errors import DamageError
from pooltool.images.formats import Format, listed

Array = NDArray[Any]
Sizes = tuple[tuple[int, int], ...]

MALFORMED = (struct.error, IndexError, ValueError)
"""What walking through a broken header raises where no check of ours comes first."""
_MAX_FRAMES = 1 << 20


class Part(NamedTuple):
    """A segment, chunk or box of a file: its name, what it holds, and where all of it begins."""

    name: bytes
    body: bytes
    at: int = 0


@dataclass(frozen=True)
class Resolution:
    """Pixels a metre, down and across."""

    rows: float
    columns: float
    metric: bool = True
    """False when no unit is told: only the shape of a pixel is known."""

    def reduced(self, reduction: tuple[float, float]) -> Resolution:
        """The same physical size with so many times fewer rows and columns."""
        return Resolution(self.rows / reduction[0], self.columns / reduction[1], self.metric)

    def transposed(self) -> Resolution:
        """Rows and columns exchanged."""
        return Resolution(self.columns, self.rows, self.metric)

    def ratio(self) -> tuple[int, int]:
        """(across, down) as small whole numbers."""
        ratio = Fraction(self.columns / self.rows).limit_denominator(255)
        return max(1, ratio.numerator), ratio.denominator


@dataclass(frozen=True)
class Verbatim:
    """Parts that are copied as they are, into the formats that have them."""

    formats: tuple[str, ...]
    parts: tuple[Part, ...]
    names: tuple[str, ...]
    """What other formats lose, in words."""


@dataclass(frozen=True)
class Metadata:
    """What a file says about its picture; None for what it does not say.

    Each block is in one form whatever the format: EXIF as a TIFF block without the prefix that
    JPEG gives it, XMP as its XML text, ICC as the profile itself.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    icc: bytes | None = None
    resolution: Resolution | None = None
    verbatim: Verbatim | None = None


@dataclass(frozen=True)
class Header:
    """What the walk through a file found before anything is decoded."""

    format: Format
    sizes: Sizes
    """(height, width) of each frame or page, before any turning."""
    metadata: Metadata = Metadata()
    left_out: tuple[str, ...] = ()
    """What else is in the file and will not be in the result, in words."""
    orientation: int = 1
    """How decoded pixels are turned upright, as EXIF numbers it."""
    animated: bool = False


@dataclass(frozen=True, eq=False)
class Picture:
    """Decoded frames, (H, W) or (H, W, C) with C as OpenCV orders it, and what came with them."""

    frames: tuple[Array, ...]
    format: Format
    durations: tuple[int, ...] | None = None
    """Milliseconds of each frame of an animation."""
    loop: int = 0
    """How often an animation plays; 0: for ever."""
    metadata: Metadata = Metadata()
    maxval: int | None = None
    """Value of full brightness, where it is less than the dtype's largest."""
    premultiplied: bool = False
    """True when the colors are already multiplied with alpha."""
    text: bool = False
    """True when it was a netpbm file of decimal text, and is to become one again."""
    warnings: tuple[str, ...] = ()
    """What of the file is not in the picture."""
    reduction: tuple[float, float] = (1, 1)
    """Pixels of the file that one pixel stands for, (down, across): resolution is divided by it."""


class Encoded(NamedTuple):
    """A whole file in memory, and what of the picture it could not hold."""

    data: bytes
    warnings: tuple[str, ...] = ()


def left_out(names: Iterable[str], why: str = "") -> tuple[str, ...]:
    """The one warning that names what is not in the result; none where nothing is missing."""
    names = tuple(names)
    return (f"left out{why}: {listed(names)}",) if names else ()


def repeated(size: tuple[int, int], count: int) -> Sizes:
    """The sizes of the frames of an animation."""
    if not 0 < count <= _MAX_FRAMES:
        raise DamageError(f"it is damaged: its header tells of {count} frames")
    return (size,) * count


def require_plausible(height: int, width: int, least: int, most: int) -> None:
    """Refuse a header that lies about the size, before memory is taken for its pixels.

    Its pixels take at least `least` of what the file's data can hold, at most `most`.
    """
    if least > most:
        raise DamageError(
            f"it is cut or damaged: its header tells of {height} x {width} pixels, "
            "more than its data can hold"
        )


def name_of(raw: bytes) -> str:
    """The printable start of a name in a file."""
    text = raw[:24].partition(b"\0")[0].decode("latin-1")
    return "".join(letter if letter.isprintable() else "?" for letter in text).strip()


def profile_channels(icc: bytes) -> int | None:
    """How many channels an ICC profile is for; None when it is not a profile."""
    return {b"GRAY": 1, b"RGB ": 3, b"CMYK": 4, b"Lab ": 3}.get(icc[16:20])
