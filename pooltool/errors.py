"""What can go wrong, as types. Every error raised on purpose is a `PooltoolError`.

PooltoolError
 ├── WindowError       a size, stride, padding or dilation that cannot be used   (ValueError)
 ├── ArrayShapeError   an array of other axes than data_format says, or empty     (ValueError)
 ├── ArrayTypeError    a dtype that cannot be pooled or asked for                (TypeError)
 ├── ImageError        a file's content that cannot be read, or not be held by a format
 │    └── DamageError  content that is cut or damaged
 ├── FileError         a file that cannot be opened, read or written
 ├── UsageProblem      options that do not go together
 ├── PlanError         a run that would lose a file, refused before it starts
 ├── ClusterError      a Dask cluster that cannot be reached or went away
 └── DisplayError      a window that cannot be opened
"""

from __future__ import annotations

import re

OTHER_NAMES = {
    "mean": "avg", "average": "avg", "maximum": "max", "minimum": "min",
    "kernel_size": "pool_size", "kernel_shape": "pool_size", "kernel": "pool_size",
    "window_shape": "pool_size", "size": "pool_size", "ksize": "pool_size",
    "strides": "stride", "step": "stride", "pad": "padding", "pads": "padding",
    "dilations": "dilation", "dilation_rate": "dilation", "layout": "data_format",
}  # fmt: skip
"""What commands, options and parameters are called elsewhere."""


class PooltoolError(Exception):
    """Base of every error that pooltool raises on purpose; its text is one line."""

    def in_options(self) -> str:
        """The text as the command line says it: `--pool-size 2x3`, not `pool_size=(2, 3)`."""
        return str(self)


class WindowError(PooltoolError, ValueError):
    """A size, stride, padding or dilation that cannot be used, at all or on this image."""

    def in_options(self) -> str:
        """As that of every error."""
        return re.sub(r"\b([a-z_]+)[= ]('[a-z]+'|[0-9]+\b|\([0-9(), ]+\))", _in_options, str(self))


def _in_options(found: re.Match[str]) -> str:
    name, value = found[1], found[2]
    if name not in ("pool_size", "stride", "padding", "dilation", "output_size"):
        return found[0]
    parts = re.findall(r"\w+", value)  # of ((top, bottom), (left, right)): top and left
    return f"--{name.replace('_', '-')} {'x'.join(parts[:: max(1, len(parts) // 2)])}"


class ArrayShapeError(PooltoolError, ValueError):
    """An array of another number of axes than `data_format` takes, or that holds no element."""


class ArrayTypeError(PooltoolError, TypeError):
    """A dtype that cannot be pooled, or a result dtype that cannot hold the average."""

    def in_options(self) -> str:
        """As that of every error."""
        return re.sub(r"\bdtype=(\w+)", r"--dtype \1", str(self))


class ImageError(PooltoolError):
    """Content that is not a readable image, or that an image format cannot hold."""


class DamageError(ImageError):
    """An image that is cut or damaged."""

    def __str__(self) -> str:
        return f"{super().__str__()}; copy or save it again"


class FileError(PooltoolError):
    """A file or folder that cannot be opened, read or written."""


class UsageProblem(PooltoolError):
    """Options that do not go together, or that a run as a whole cannot follow."""


class PlanError(PooltoolError):
    """A run that would overwrite an input or write one output twice."""


class ClusterError(PooltoolError):
    """A Dask cluster that cannot be reached or used."""


class DisplayError(PooltoolError):
    """A window that cannot be opened, for want of a screen."""
