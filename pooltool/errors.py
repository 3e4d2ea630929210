"""What can go wrong: every error raised on purpose is a `PooltoolError`."""

from __future__ import annotations

from collections.abc import Callable

NO_MEMORY = "there is not enough memory for this image; use fewer --jobs or a larger machine"
OPENCV_NO_MEMORY = -4
"""The `code` of a `cv2.error` when memory ran out (cv2.Error.StsNoMem)."""

OTHER_NAMES = {
    "mean": "avg", "average": "avg", "maximum": "max", "minimum": "min",
    "kernel_size": "pool_size", "kernel_shape": "pool_size", "kernel": "pool_size",
    "window_shape": "pool_size", "size": "pool_size", "ksize": "pool_size",
    "strides": "stride", "step": "stride", "pad": "padding", "pads": "padding",
    "dilations": "dilation", "dilation_rate": "dilation", "layout": "data_format",
    "channels_first": "data_format", "ceil": "ceil_mode",
    "grayscale": "gray", "grey": "gray", "greyscale": "gray",
    "resume": "skip_existing", "workers": "jobs", "threads": "jobs",
}  # fmt: skip
"""What commands, options and parameters are called elsewhere."""


class PooltoolError(Exception):
    """Base of every error that pooltool raises on purpose; its text is one line.

    `reason` may name settings in braces, and `settings` are their values: "{stride} is too large"
    is "stride=(2, 3) is too large" in Python and "--stride 2x3 is too large" in the shell.
    """

    ending = ""
    """What the text ends with, of one error or of all of a kind."""

    def __init__(self, reason: str = "", **settings: object) -> None:
        super().__init__(reason)
        self.reason, self.settings = reason, settings

    def __str__(self) -> str:
        return self._text(lambda name, value: f"{name}={value!r}")

    def _text(self, formatted: Callable[[str, object], str]) -> str:
        text = self.reason
        if self.settings:  # else braces may be those of a file's name
            settings = {name: formatted(name, _single(v)) for name, v in self.settings.items()}
            text = text.format(**settings)
        return text + self.ending


def _single(value: object) -> object:
    """The value; of a pair of equal ones, which was most likely given as one, just that."""
    while isinstance(value, tuple) and value[0] == value[1]:
        value = value[0]
    return value


def _option(name: str, value: object) -> str:
    """`--pool-size 2x3`; of a padding of ((top, bottom), (left, right)), top and left."""
    if isinstance(value, tuple):
        value = "x".join(str(side[0] if isinstance(side, tuple) else side) for side in value)
    return f"--{name.replace('_', '-')} {value}"


def one_line(error: Exception) -> str:
    """The error as the command line prints it, with settings as options."""
    if isinstance(error, PooltoolError):
        return error._text(_option)
    if isinstance(error, MemoryError) or getattr(error, "code", None) == OPENCV_NO_MEMORY:
        return NO_MEMORY
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


class WindowError(PooltoolError, ValueError):
    """A setting of windows that cannot be used, at all or on an image of this shape."""


class ArrayTypeError(PooltoolError, TypeError):
    """A dtype that cannot be pooled, or a result dtype that cannot hold the average."""


class ImageError(PooltoolError):
    """Content that is not a readable image, or that an image format cannot hold."""


class DamageError(ImageError):
    """An image that is truncated or damaged."""

    ending = "; copy or save it again"


class FileError(PooltoolError):
    """A file or folder that cannot be opened, read or written."""


class UsageProblem(PooltoolError):
    """Options that cannot be combined, or a run that would lose a file."""
