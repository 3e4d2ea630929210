"""What can go wrong, as types. Every error raised on purpose is a `PooltoolError`.

PooltoolError
 ├── WindowError       a size, stride, padding, dilation or data format that cannot be used
 │                    (ValueError)
 ├── ArrayShapeError   an array of other axes than data_format says, or empty     (ValueError)
 ├── ArrayTypeError    a dtype that cannot be pooled or asked for                (TypeError)
 ├── ImageError        a file's content that cannot be read, or not be held by a format
 │    └── DamageError  content that is truncated or damaged
 ├── FileError         a file that cannot be opened, read or written
 ├── UsageProblem      options that do not go together
 ├── PlanError         a run that would lose a file, refused before it starts
 ├── ClusterError      a Dask cluster that cannot be reached or went away
 └── DisplayError      a window that cannot be opened
"""

from __future__ import annotations

from typing import NamedTuple

NO_MEMORY = "there is not enough memory for this image; use fewer --jobs or a larger machine"
OPENCV_NO_MEMORY = -4
"""The `code` of a `cv2.error` when memory ran out (cv2.Error.StsNoMem)."""
LONGEST = 300
"""Characters of the longest reason that is printed."""

OTHER_NAMES = {
    "mean": "avg", "average": "avg", "maximum": "max", "minimum": "min",
    "kernel_size": "pool_size", "kernel_shape": "pool_size", "kernel": "pool_size",
    "window_shape": "pool_size", "size": "pool_size", "ksize": "pool_size",
    "strides": "stride", "step": "stride", "pad": "padding", "pads": "padding",
    "dilations": "dilation", "dilation_rate": "dilation", "layout": "data_format",
}  # fmt: skip
"""What commands, options and parameters are called elsewhere."""


class PooltoolError(Exception):
    """Base of every error that pooltool raises on purpose; its text is one line.

    `reason` may name settings in braces, and `settings` are their values: of "{stride} is more
    than {padding:same} allows" Python reads "stride=(2, 3) is more than padding='same' allows" and
    the command line "--stride 2x3 is more than --padding same allows".
    """

    remedy = ""
    """What to do about every error of a kind."""

    def __init__(self, reason: str = "", **settings: object) -> None:
        super().__init__(reason)
        self.reason, self.settings = reason, settings

    def __str__(self) -> str:
        return self._text(are_options=False)

    def in_options(self) -> str:
        """The text as the command line says it: `--pool-size 2x3`, not `pool_size=(2, 3)`."""
        return self._text(are_options=True)

    def _text(self, *, are_options: bool) -> str:
        text = self.reason
        if self.settings:  # else braces may be those of a file's name
            items = self.settings.items()
            text = text.format(**{name: _Setting(name, v, are_options) for name, v in items})
        return text + self.remedy


class _Setting(NamedTuple):
    """A setting as Python or the command line says it; `{padding:same}` shows another value."""

    name: str
    value: object
    is_option: bool

    def __format__(self, other: str) -> str:
        value = other or self.value
        while isinstance(value, tuple) and value[0] == value[1]:  # most likely given as one
            value = value[0]
        if not self.is_option:
            return f"{self.name}={value!r}" if isinstance(value, str) else f"{self.name}={value}"
        if isinstance(value, tuple):  # of ((top, bottom), (left, right)) top and left
            value = "x".join(str(side[0] if isinstance(side, tuple) else side) for side in value)
        return f"--{self.name.replace('_', '-')} {value}"


def one_line(error: Exception) -> str:
    """Why an image failed, in one line, whatever was raised."""
    if isinstance(error, PooltoolError):
        text = error.in_options()
        names_files = isinstance(error, FileError | PlanError | UsageProblem)
        return text if names_files else shortened(text)
    has_no_room = isinstance(error, ImportError) and "map segment" in str(error)
    out_of_memory = getattr(error, "code", None) == OPENCV_NO_MEMORY
    if isinstance(error, MemoryError) or out_of_memory or has_no_room:
        return NO_MEMORY
    return shortened(" ".join(f"{type(error).__name__}: {error}".split()))


def shortened(text: str) -> str:
    """The text; of a very long one the start, and the end, where the remedy stands."""
    if len(text) <= LONGEST:
        return text
    start, end = text[: LONGEST // 2], text[-LONGEST // 3 :]
    return f"{start} ... {len(text) - len(start) - len(end):,} more characters ... {end}"


def quoted(name: str) -> str:
    """The name as a shell reads it."""
    import shlex

    return shlex.quote(name)


class WindowError(PooltoolError, ValueError):
    """A size, stride, padding, dilation or data format that cannot be used, at all or here."""


class ArrayShapeError(PooltoolError, ValueError):
    """An array of another number of axes than `data_format` takes, or that holds no element."""


class ArrayTypeError(PooltoolError, TypeError):
    """A dtype that cannot be pooled, or a result dtype that cannot hold the average."""


class ImageError(PooltoolError):
    """Content that is not a readable image, or that an image format cannot hold."""


class DamageError(ImageError):
    """An image that is truncated or damaged."""

    remedy = "; copy or save it again"


class FileError(PooltoolError):
    """A file or folder that cannot be opened, read or written."""


class UsageProblem(PooltoolError):
    """Options that do not go together, or that a run as a whole cannot follow."""


class PlanError(PooltoolError):
    """A run that would overwrite an input or write one output twice."""


class ClusterError(PooltoolError):
    """A Dask cluster that cannot be reached or used."""


class DisplayError(PooltoolError):
    """A window that cannot be opened, as there is no screen."""
