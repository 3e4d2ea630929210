"""Compare the poolings of one image file: read it, measure, draw the panel, write it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pooltool import files, images
from pooltool.compare.measures import Measures, measure, pool_all
from pooltool.compare.panel import Bgr, panel
from pooltool.compare.text import as_grids, as_table, is_small
from pooltool.errors import FileError, PlanError
from pooltool.geometry import AnyWindows
from pooltool.images import formats
from pooltool.images.formats import format_for
from pooltool.kernels import Method
from pooltool.pooling import as_image

SUFFIX = "_compare.png"


@dataclass(frozen=True)
class Comparison:
    """One compared image: what was found, and the panel that was written to `output`."""

    input: str
    output: str
    pixels: NDArray[Any]
    windows: AnyWindows
    pooled: dict[Method, NDArray[Any]]
    measures: list[Measures]
    panel: Bgr
    note: str | None = None
    """What of the file was left out."""

    def as_lines(self, *, ascii_only: bool = False) -> list[str]:
        """What was read and written, the table, and the numbers of a small image."""
        lines = [f"{self.input} {self.pixels.shape} -> {self.output} {self.panel.shape}"]
        lines += ["", *as_table(self.measures).split("\n")]
        if is_small(self.pixels):
            grids = as_grids(self.pixels, self.windows, self.pooled, ascii_only=ascii_only)
            lines += ["", *grids.split("\n")]
        return lines


def compare_image(
    name: str,
    output: str | None,
    windows: AnyWindows,
    *,
    count_include_pad: bool = False,
    gray: bool = False,
    frame: int | None = None,
) -> Comparison:
    """Compare max, min and average pooling of the image file `name` and write the panel.

    Averages are not rounded into the image's dtype here. Parameters are as on the command line;
    the panel goes to `output_path(name, output)`. Raises a `PooltoolError`; nothing is written
    then.
    """
    path = output_path(name, output)
    target = formats.PNG if path == files.STREAM else format_for(path)
    picture = images.decode(files.read(name), gray=gray, frame=frame)
    pixels, count = as_image(picture.frames[0]), len(picture.frames)
    pooled = pool_all(pixels, windows, count_include_pad)
    drawn = panel(pixels, windows, pooled)
    found = measure(pixels, windows, count_include_pad, pooled=pooled)
    _write(path, images.encode(images.Picture((drawn,), target), target).data)
    note = None if count == 1 else f"frame 0 of {count} is compared; choose another with --frame"
    return Comparison(name, path, pixels, windows, pooled, found, drawn, note)


def output_path(name: str, output: str | None) -> str:
    """Where the panel goes: beside the image as `mountain_compare.png`, or where `output` says.

    `output` is a directory if it is one or ends in a slash, else a file; the panel of standard
    input, `-`, goes to standard output. Raises `PlanError` if the
    image itself would be overwritten.
    """
    own_name = ("stdin" if name == files.STREAM else Path(name).stem) + SUFFIX
    if files.STREAM in (output, output or name):
        return files.STREAM
    if output is None:
        path = os.path.join(os.path.dirname(name), own_name)
    elif output.endswith(os.sep) or os.path.isdir(output):
        path = os.path.join(output, own_name)
    else:
        path = output
    if os.path.exists(path) and os.path.exists(name) and os.path.samefile(path, name):
        raise PlanError(f"{path}: would overwrite the image itself; name another place with -o")
    return path


def _write(path: str, data: bytes) -> None:
    try:
        if folder := os.path.dirname(path):
            files.make_directory(folder)
        files.write(path, data)
    except FileError as error:
        raise FileError(f"cannot write {path}: {error}") from None
