"""What the axes of an array are: planes, rows, columns and channels, by Keras' names."""

from __future__ import annotations

from typing import Literal, cast

from pooltool.errors import ArrayShapeError, WindowError

DataFormat = Literal["channels_last", "channels_first"]

_AXES = {
    "channels_last": "(H, W), (H, W, C) or (N, H, W, C)",
    "channels_first": "(H, W), (C, H, W) or (N, C, H, W)",
}
_OTHER_NAMES = {
    "nchw": "channels_first", "chw": "channels_first", "first": "channels_first",
    "nhwc": "channels_last", "hwc": "channels_last", "last": "channels_last",
}  # fmt: skip
"""What the two are called elsewhere."""


def require_axes(shape: tuple[int, ...], data_format: object) -> DataFormat:
    """The data format, if arrays of `shape` may have it; else raise `ArrayShapeError`, or
    `WindowError` where it has another name than the two.
    """
    if data_format not in tuple(_AXES):
        word = str(data_format).lower().replace("channels", "").strip("_- ")
        meant = _OTHER_NAMES.get(word)
        hint = f"; it is called {meant!r} here" if meant else ""
        raise WindowError(
            f"data_format={data_format!r} is not 'channels_last' or 'channels_first'{hint} "
            f"(image shape {shape})"
        )
    known = cast(DataFormat, data_format)
    if len(shape) not in (2, 3, 4):
        raise ArrayShapeError(
            f"image has shape {shape}; data_format={known!r} takes {_AXES[known]}"
        )
    return known


def row_axis(ndim: int, data_format: DataFormat) -> int:
    """The axis of rows of an array; that of the columns is the next.

    channels_last: (H, W), (H, W, C), (N, H, W, C); channels_first: (H, W), (C, H, W), (N, C, H, W).
    """
    return ndim - 2 if data_format == "channels_first" else max(0, ndim - 3)


def looks_channels_first(shape: tuple[int, ...]) -> bool:
    """True for a shape whose axis before the last two is small and whose last one is not: at most
    4, or far smaller than both others.
    """
    if len(shape) < 3:
        return False
    small = max(4, sorted(shape[-3:])[1] // 8)
    return shape[-3] <= small < shape[-1]


def likelier(shape: tuple[int, ...], data_format: DataFormat) -> DataFormat | None:
    """The other data format, where the shape looks like it."""
    if data_format == "channels_last" and looks_channels_first(shape):
        return "channels_first"
    if data_format == "channels_first" and looks_channels_first(shape[-3:][::-1]):
        return "channels_last"
    return None
