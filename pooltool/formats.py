"""What each image format can hold: the one table that decides whether a picture fits a file."""

from __future__ import annotations

from dataclasses import dataclass

from pooltool.errors import ImageError

EIGHT = ("uint8",)
EIGHT_OR_SIXTEEN = ("uint8", "uint16")
TIFF_DTYPES = (
    "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64",
)  # fmt: skip
UNBOUNDED = 2**31 - 1


@dataclass(frozen=True)
class Format:
    """A file format: how it is named, and the dtypes, channels and sides (pixels) it can hold."""

    name: str
    extensions: tuple[str, ...]
    dtypes: tuple[str, ...]
    channels: tuple[int, ...]
    longest_side: int = UNBOUNDED

    def holds(self, dtype: str, shape: tuple[int, ...]) -> bool:
        """True when pixels of this dtype and shape can be written without loss of either."""
        if self.name == "npy":
            return True
        channels = shape[2] if len(shape) == 3 else 1
        fits = max(shape[:2]) <= self.longest_side
        return dtype in self.dtypes and channels in self.channels and fits


FORMATS = (
    Format("jpeg", (".jpg", ".jpeg", ".jpe"), EIGHT, (1, 3), 65_500),
    Format("png", (".png",), EIGHT_OR_SIXTEEN, (1, 3, 4)),
    Format("webp", (".webp",), EIGHT, (1, 3, 4), 16_383),
    Format("tiff", (".tif", ".tiff"), TIFF_DTYPES, (1, 3, 4)),
    Format("bmp", (".bmp", ".dib"), EIGHT, (1, 3, 4)),
    Format("jp2", (".jp2",), EIGHT_OR_SIXTEEN, (1, 3, 4)),
    Format("pgm", (".pgm",), EIGHT_OR_SIXTEEN, (1,)),
    Format("ppm", (".ppm",), EIGHT_OR_SIXTEEN, (3,)),
    Format("pnm", (".pnm",), EIGHT_OR_SIXTEEN, (1, 3)),
    Format("pfm", (".pfm",), ("float32",), (1, 3)),
    Format("hdr", (".hdr",), ("float32",), (3,)),
    Format("npy", (".npy",), (), ()),
)


def format_for(extension: str) -> Format:
    """The format of a name's extension, with or without its dot, in any case."""
    wanted = extension.lower().lstrip(".")
    for candidate in FORMATS:
        if wanted == candidate.name or f".{wanted}" in candidate.extensions:
            return candidate
    known = ", ".join(candidate.extensions[0][1:] for candidate in FORMATS)
    problem = (
        f"{extension!r} is not a format that can be written"
        if extension
        else ("the name has no extension that says which format to write")
    )
    raise ImageError(f"{problem}; choose one with --format: {known}")


def require_holds(target: Format, dtype: str, shape: tuple[int, ...]) -> None:
    """Raise `ImageError`, naming formats that can, unless `target` can hold such pixels."""
    if not target.holds(dtype, shape):
        able = ", ".join(other.name for other in FORMATS if other.holds(dtype, shape))
        raise ImageError(f"{target.name} cannot hold {dtype} pixels of shape {shape}; use {able}")
