"""The data that formats exchange with other modules, and the checks of headers that they share."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pooltool.errors import DamageError
from pooltool.geometry import DataFormat
from pooltool.images.formats import Format, listed
from pooltool.native import import_cv2

if TYPE_CHECKING:
    from pooltool.images.tags import Directory

Array = NDArray[Any]
Sizes = tuple[tuple[int, int], ...]
MALFORMED = (struct.error, LookupError, ValueError)
"""Exceptions that a broken header can raise while it is parsed."""
_MAX_FRAMES = 1 << 20


class Verbatim(NamedTuple):
    """Parts that are copied as they are, into the formats that have them."""

    formats: tuple[str, ...]
    parts: tuple[tuple[bytes, bytes], ...]
    """Their names and what they hold."""
    names: tuple[str, ...]
    """What other formats lose, in words."""


class Metadata(NamedTuple):
    """What a file says about its picture.

    Each block is in one form whatever the format: EXIF as the fields that were read from it, XMP as
    its XML text, ICC as the profile itself.
    """

    exif: Directory | None = None
    xmp: bytes = b""
    icc: bytes = b""
    resolution: tuple[float, float] | None = None
    """Pixels a meter, down and across."""
    verbatim: Verbatim | None = None

    def blocks(self) -> tuple[bytes, bytes, bytes]:
        """EXIF, XMP and ICC as files hold them; empty where there is none."""
        return self.exif.to_bytes() if self.exif else b"", self.xmp, self.icc


NO_METADATA = Metadata()


class Header(NamedTuple):
    """What a file says before anything is decoded."""

    format: Format
    sizes: Sizes
    """(height, width) of each frame or page, before any turning."""
    metadata: Metadata = NO_METADATA
    left_out: tuple[str, ...] = ()
    """What else is in the file and will not be in the result, in words."""
    orientation: int | None = None
    """How decoded pixels are turned upright, as EXIF numbers it; None: as EXIF says it."""
    is_upright: bool = False
    """True when the module of the format turns pixels itself."""
    animated: bool = False
    indexed: bool = False
    """True when its pixels are indices of a palette."""
    details: Any = None
    """What else the module of the format needs to decode it."""
    labels: bool = False
    """True when the indices are wanted as labels, not the colors."""
    data_format: DataFormat | None = None
    """Axis order of a .npy array, if it was given."""
    gray: bool = False
    """True when only gray is wanted, for decoders that give another gray than their colors do."""
    pixel_bytes: int = 4
    """So many a decoded pixel may take: 4, or more where it is deep or has many channels."""


class Picture(NamedTuple):
    """Decoded frames, (H, W) or (H, W, C) with C as OpenCV orders it, and what came with them."""

    frames: tuple[Array, ...]
    format: Format
    """The format of its file: the one that was read, then the one to be written."""
    durations: tuple[int, ...] | None = None
    """Milliseconds of each frame of an animation."""
    loop: int = 0
    """How often an animation plays; 0: forever."""
    metadata: Metadata = NO_METADATA
    maxval: int | None = None
    """Value of full brightness, where it is less than the dtype's largest."""
    premultiplied: bool = False
    """True when the colors are already multiplied with alpha."""
    bands: bool = False
    """True when its channels are no colors, and none of them is alpha."""
    palette: Array | None = None
    """(K, 4) bytes, the blue, green, red and alpha of each index, where the frames are (H, W)
    indices of colors, as they are for labels. An index beyond it is black."""
    text: bool = False
    """True when it was a netpbm file of decimal text, and is to become one again."""
    warnings: tuple[str, ...] = ()
    """What of the file is not in the picture."""
    reduction: tuple[float, float] = (1, 1)
    """Pixels of the file that one pixel stands for, (down, across): resolution is divided by it."""
    data_format: DataFormat | None = None
    """Axis order of the .npy file that it becomes."""


def channels(pixels: Array) -> int:
    """How many channels (H, W) or (H, W, C) have."""
    return 1 if pixels.ndim == 2 else int(pixels.shape[2])


def colored(picture: Picture) -> Picture:
    """The picture with the colors of its palette in place of the indices."""
    if picture.palette is None:
        return picture
    cv2, count = import_cv2(), 4 if has_alpha(picture.palette) else 3
    levels = np.ascontiguousarray(padded(picture.palette).T[:count])
    frames = (cv2.merge([cv2.LUT(indices, c) for c in levels]) for indices in picture.frames)
    return picture._replace(frames=tuple(frames), palette=None)


def padded(palette: Array) -> Array:
    """The palette with black for all other indices of 8 bits."""
    return np.vstack([palette, np.full((256 - len(palette), 4), (0, 0, 0, 255), np.uint8)])


def has_alpha(palette: Array | None) -> bool:
    """True when a color of the palette is not opaque."""
    return palette is not None and bool((palette[:, 3] < 255).any())


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
