"""OpenCV's codecs: run with their messages captured and classified, failures in words.

Some damaged files decode with success, and a line on standard error is the only sign. Each format
says which of its decoder's lines are complaints about the picture: they refuse it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from pooltool import native
from pooltool.errors import OPENCV_NO_MEMORY, DamageError, ImageError
from pooltool.images.formats import Format
from pooltool.images.picture import Array, Header, Picture, channels

_ANY_DEPTH = 2 | 128
"""IMREAD_ANYDEPTH and IGNORE_ORIENTATION: `codec` turns pictures upright. Gray by themselves."""
_ANY_COLOR = _ANY_DEPTH | 1 | 4
"""IMREAD_COLOR and ANYCOLOR as well: gray, color and alpha as they are."""
_NO_MEMORY = r"(?i)memory|failed to alloc|bad_alloc|system limits"
"""Messages of decoders that got no memory."""
_MISSING = r"(?i)unexpected end|read error|bad scanline|corrupt"
"""Messages of decoders when data is missing."""


def decode_still(data: bytes, format: Format, complaints: str = "", *, gray: bool = False) -> Array:
    """Decode the only or first picture, or as `gray` what IMREAD_GRAYSCALE gives in the depth of
    the file. A line of the decoder that `complaints` matches refuses the picture.
    """
    flags = _ANY_DEPTH if gray else _ANY_COLOR
    # OpenCV refuses WebP pictures of one color, which have fewer bytes.
    buffer = np.frombuffer(data.ljust(32, b"\0"), np.uint8)
    decoder = native.import_cv2().imdecode
    pixels: Array
    (pixels, reason), lines = native.captured(_called, decoder, buffer, flags)
    if pixels is None or lines:
        _require_whole(format, complaints, lines, pixels, reason)
    return pixels


def decode_animation(data: bytes, header: Header, chosen: slice) -> Picture:
    """Decode the chosen frames with their timing."""
    buffer = np.frombuffer(data, np.uint8).reshape(1, -1)  # OpenCV 4 takes nothing but a row
    decoder = native.import_cv2().imdecodeanimation
    (read, reason), lines = native.captured(_called, decoder, buffer)
    _require_whole(header.format, "", lines, read, reason)
    frames, durations = tuple(read.frames), tuple(int(time) for time in np.ravel(read.durations))
    count = len(header.sizes)
    if len(frames) != count or len(durations) != count:
        raise DamageError(f"it is damaged: only {len(frames)} of {count} frames can be read")
    return Picture(frames[chosen], header.format, durations[chosen], int(read.loop_count))


def _require_whole(
    format: Format, complaints: str, lines: list[str], result: object, reason: str
) -> None:
    """Raise `ImageError` or, where data is missing, `DamageError` if a decoder has failed, without
    a result and for a reason, or by the lines that it printed.
    """
    missing = [line for line in lines if complaints and re.search(complaints, line)]
    if (missing or result is None) and re.search(_NO_MEMORY, " ".join([*lines, reason])):
        raise MemoryError
    if missing:
        raise DamageError(f"it is damaged: {_words(missing[0])}")
    if result is None:
        errors = [line for line in lines if re.search(r"^> |error", line, re.IGNORECASE)]
        text = next(filter(None, map(_words, [*errors, reason])), "")
        if re.search(_MISSING, text):
            raise DamageError(f"it is truncated or damaged: {text}")
        raise ImageError(unread(format.name, text))


def unread(kind: str, words: str = "") -> str:
    """The message for a kind of file that is not read."""
    return (
        f"it is damaged, or a kind of {kind} that is not read{words and f' ({words})'}; "
        "if another program opens it, convert it to PNG there"
    )


def encoded(format: Format, *words: Any, encoder: str = "imencode") -> bytes:
    """Run one of OpenCV's encoders; `words` are what it takes behind the extension: a picture and
    settings, for example. Raise `ImageError` when it writes nothing.
    """
    function = getattr(native.import_cv2(), encoder)
    result, reason = _called(function, f".{format.extensions[0]}", *words)
    data: bytes = b"" if result is None else result.tobytes()
    if not data:
        text = f": {_words(reason)}" if reason else ""
        raise ImageError(f"the {format.name} encoder failed{text}; use png, tiff or npy")
    return data


def swapped(pixels: Array) -> Array:
    """Red and blue exchanged in pixels of 3 or 4 channels, which OpenCV does several times as fast
    as numpy.
    """
    count, word = channels(pixels), pixels.itemsize
    if count not in (3, 4):
        return pixels
    if word > 2:
        return pixels[..., [2, 1, 0, 3][:count]]
    cv2 = native.import_cv2()
    code = cv2.COLOR_RGB2BGR if count == 3 else cv2.COLOR_RGBA2BGRA
    moved: Array = cv2.cvtColor(np.ascontiguousarray(pixels).view(f"u{word}"), code)
    return moved.view(pixels.dtype)


def _called(function: Callable[..., Any], *words: Any) -> tuple[Any, str]:
    """What a function of OpenCV returns, of (success, result) the result; None and why, if it
    failed.
    """
    try:
        result = function(*words)
    except native.import_cv2().error as error:
        if error.code == OPENCV_NO_MEMORY:
            raise MemoryError from None
        return None, str(error)
    if isinstance(result, tuple):
        result = result[1] if result[0] else None
    return result, ""


def _words(line: str) -> str:
    """A native line without its time stamp, paths and source code."""
    line = re.sub(r"^\[.*?\]\s+global \S+ \S+ ", "", " ".join(line.split()))
    line = re.sub(r"^.*?error: \(-?\d+:[^)]*\) ", "", line)
    return re.sub(r"\s*in function .*$", "", line).strip(" >:")[:200]
