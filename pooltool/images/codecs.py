"""Encoded bytes <-> frames and metadata: the only user of OpenCV's codecs.

A picture is decoded the way it is seen: turned upright, its depth, gray or color and alpha kept.
What a decoder complains about is refused, in the decoder's own words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pooltool import native
from pooltool.errors import DamageError, ImageError
from pooltool.images import animation, containers, formats, metadata, netpbm, npy, tiff
from pooltool.images.animation import Timing
from pooltool.images.containers import Facts
from pooltool.images.formats import Format, require_holds, require_quality
from pooltool.images.metadata import Metadata

Array = NDArray[Any]

DEFAULT_LIMIT = 1 << 30


class Picture(NamedTuple):
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
    """What of the file could not be kept."""


class Encoded(NamedTuple):
    """A whole file in memory, and what of the picture it could not hold."""

    data: bytes
    warnings: tuple[str, ...] = ()


def decode(data: bytes, *, gray: bool = False, frame: int | None = None) -> Picture:
    """Decode a file's bytes, whatever its name; `frame` counts from 0.

    Raise `ImageError` with the reason when they are no picture, damaged, too large, or of a kind
    that would come out wrong.
    """
    facts = containers.inspect(data)
    if facts.format is formats.NPY:
        array = npy.loads(data)
        facts = facts._replace(sizes=(array.shape[:2],))
        _require_frame(facts, frame)
        picture = Picture((array,), formats.NPY)
    else:
        _require_frame(facts, frame)
        _require_pixels(facts, frame)
        picture = _decoded(data, facts, frame)
    return _grayed(picture) if gray else picture


def encode(picture: Picture, fmt: Format, *, quality: int | None = None) -> Encoded:
    """Encode a picture; raise `ImageError`, naming formats that can, when `fmt` cannot hold it."""
    require_quality(fmt, quality)
    for frame in picture.frames:
        channels = 1 if frame.ndim == 2 else frame.shape[2]
        height, width = frame.shape[:2]
        count, maxval = len(picture.frames), picture.maxval
        require_holds(fmt, frame.dtype, channels, count, height, width, maxval=maxval)
    _require_one_kind(picture, fmt)
    frames = [np.ascontiguousarray(f, f.dtype.newbyteorder("=")) for f in picture.frames]
    height, width = frames[0].shape[:2]
    picture = picture._replace(
        frames=tuple(frames),
        metadata=metadata.upright(picture.metadata, height, width),
    )
    data, warnings = _ENCODERS[fmt.name](picture, fmt, quality)
    data, unwritten = metadata.put(data, fmt, picture.metadata)
    return Encoded(data, (*picture.warnings, *_lost(picture, fmt), *warnings, *unwritten))


# Decoding


def _decoded(data: bytes, facts: Facts, frame: int | None) -> Picture:
    picture = _read(data, facts, frame)
    found, warnings = metadata.read(data, facts.format)
    if facts.cmyk and found.icc:
        picture = _warned(picture, "the ICC profile was left out: the CMYK picture is RGB now")
        found = found._replace(icc=None)
    turn = facts.orientation
    if facts.format.name in _TURNED_BY_EXIF:
        turn = metadata.orientation(found.exif)
    frames = tuple(_turned(pixels, turn) for pixels in picture.frames)
    return picture._replace(frames=frames, metadata=found, warnings=(*picture.warnings, *warnings))


_TURNED_BY_EXIF = ("JPEG", "PNG", "WebP", "JPEG 2000")
"""TIFF is turned by its decoder; AVIF is turned by its own boxes, its EXIF orientation is void."""


def _read(data: bytes, facts: Facts, frame: int | None) -> Picture:
    fmt = facts.format
    if fmt is formats.TIFF:
        frames = _read_tiff(data, facts, frame)
        return Picture(frames, fmt, premultiplied=facts.premultiplied)
    if netpbm.matches(data):
        return _read_netpbm(data, fmt, frame)
    if facts.animated and len(facts.sizes) > 1:
        return _read_animation(data, facts, frame)
    pixels = _run(fmt, lambda: _cv2().imdecode(_buffer(data), _FLAGS))
    if facts.transparent is not None and pixels.ndim == 2:
        pixels = _with_transparency(pixels, facts.transparent)
    if facts.opaque and pixels.ndim == 3:
        pixels = np.ascontiguousarray(pixels[..., :3])
    return Picture((pixels,), fmt, maxval=facts.maxval)


_FLAGS = 1 | 2 | 4 | 128
"""IMREAD_COLOR, ANYDEPTH, ANYCOLOR and IGNORE_ORIENTATION: `_turned` has the one rule."""


def _read_tiff(data: bytes, facts: Facts, frame: int | None) -> tuple[Array, ...]:
    cv2, count = _cv2(), len(facts.sizes)
    first, last = (0, count) if frame is None else (frame, frame + 1)
    buffer = _buffer(tiff.with_kept_alpha(data))

    def attempt() -> Any:
        done, pages = cv2.imdecodemulti(buffer, _FLAGS, range=(first, last))
        return pages if done else None

    pages = _run(facts.format, attempt)
    if len(pages) != last - first:
        raise DamageError(f"it is damaged: only {len(pages)} of {last - first} pages can be read")
    inverted = facts.inverted[first:last]
    return tuple(
        np.invert(page) if turn else page for page, turn in zip(pages, inverted, strict=True)
    )


def _read_netpbm(data: bytes, fmt: Format, frame: int | None) -> Picture:
    headers = netpbm.headers(data)
    wanted = headers if frame is None else headers[frame : frame + 1]
    frames = tuple(netpbm.read(data, header) for header in wanted)
    levels = {netpbm.brightness(header) for header in wanted}
    if len(levels) > 1:
        raise ImageError("its pictures have different maximum values; choose one with --frame")
    return Picture(frames, fmt, maxval=levels.pop(), text=wanted[0].text)


def _read_animation(data: bytes, facts: Facts, frame: int | None) -> Picture:
    def attempt() -> Any:
        done, read = _cv2().imdecodeanimation(_buffer(data))
        return read if done else None

    read = _run(facts.format, attempt)
    frames, durations = tuple(read.frames), tuple(int(time) for time in np.ravel(read.durations))
    if len(frames) != len(facts.sizes) or len(durations) != len(frames):
        raise DamageError(
            f"it is damaged: only {len(frames)} of {len(facts.sizes)} frames can be read"
        )
    if facts.transparent is not None and frames[0].ndim == 2:
        frames = tuple(_with_transparency(pixels, facts.transparent) for pixels in frames)
    if frame is not None:
        return Picture((frames[frame],), facts.format, maxval=facts.maxval)
    return Picture(frames, facts.format, durations, int(read.loop_count), maxval=facts.maxval)


def _run(fmt: Format, attempt: Callable[[], Any]) -> Any:
    """Run a decoder; raise `ImageError` in its own words when it fails or complains.

    Decoders of other threads may complain at the same time: then it runs again, alone.
    """
    pattern = _COMPLAINTS.get(fmt.name)
    with native.overhearing() if pattern else nullcontext(native.Heard()) as overheard:
        result, _ = _tried(attempt)
    if result is not None and not re.search(_SUSPICIOUS, " ".join(overheard.lines)):
        return result
    with native.listening() as heard:
        result, reason = _tried(attempt)
    complaints = [line for line in heard.lines if pattern and re.search(pattern, line)]
    if result is None or complaints:
        errors = [line for line in heard.lines if re.search(r"^> |error", line, re.IGNORECASE)]
        told = map(_words, [*complaints, *errors, reason or ""])
        words = next(filter(None, told), f"the {fmt.name} decoder gives no reason")
        raise DamageError(f"it is damaged or not supported: {words}")
    return result


_COMPLAINTS = {
    "JPEG": (r"Premature end of JPEG|Corrupt JPEG data|Inconsistent progression|Invalid SOS param"),
    "TIFF": (r"TIFF_Error|error: .*TIFF|JPEGLib: (Premature|Corrupt)"),
    "JPEG 2000": (r"(ERROR:|WARN:).*(OpenJPEG2000|jpeg2000)(?!.*color space)"),
}
"""What decoders say about damage that they do not treat as failure."""
_SUSPICIOUS = r"(?i)premature|corrupt|inconsistent|invalid|error|jpeg2000"
"""Words of all those, however the lines of several threads are mixed."""


def _tried(attempt: Callable[[], Any]) -> tuple[Any, str | None]:
    """What a decoder returned, or the text of its exception."""
    try:
        return attempt(), None
    except (_cv2().error, MemoryError) as error:
        return None, str(error) or "not enough memory"


def _words(line: str) -> str:
    """A native line without its time stamps, paths and source code."""
    line = re.sub(r"^\[.*?\]\s+global \S+ \S+ ", "", " ".join(line.split()))
    line = re.sub(r"^.*?error: \(-?\d+:[^)]*\) ", "", line)
    return re.sub(r"\s*in function .*$", "", line).strip(" >:")[:200]


def _turned(pixels: Array, orientation: int) -> Array:
    """Turn pixels upright by EXIF orientation (tag 0x0112 of Exif 2.3)."""
    transpose, down, right = _TURNS[orientation]
    turned = pixels.swapaxes(0, 1) if transpose else pixels
    return np.ascontiguousarray(turned[:: -1 if down else 1, :: -1 if right else 1])


_TURNS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
"""Transpose; then flip top to bottom; then flip left to right."""


def _with_transparency(pixels: Array, level: int) -> Array:
    """Spread a gray picture over four channels, see-through where it has the level."""
    full = np.iinfo(pixels.dtype).max
    alpha = np.where(pixels == level, 0, full).astype(pixels.dtype)
    return np.dstack([pixels, pixels, pixels, alpha])


def _grayed(picture: Picture) -> Picture:
    """Weigh the colors as OpenCV's cvtColor does (ITU-R BT.601) and leave alpha out."""
    gray = tuple(_gray(pixels) for pixels in picture.frames)
    if any(_is_see_through(pixels) for pixels in picture.frames):
        picture = _warned(picture, "its transparency was left out: --gray keeps no alpha")
    changed = any(pixels.ndim == 3 for pixels in picture.frames)
    picture = picture._replace(frames=gray, premultiplied=False)
    if changed and picture.metadata.icc:
        picture = _warned(picture, "the ICC profile was left out: it is not for gray")
        return picture._replace(metadata=picture.metadata._replace(icc=None))
    return picture


def _gray(pixels: Array) -> Array:
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] == 1:
        return np.ascontiguousarray(pixels[..., 0])
    if pixels.shape[2] not in (3, 4):
        raise ImageError(f"{pixels.shape[2]} channels are not colors; leave out --gray")
    cv2 = _cv2()
    if pixels.dtype in (np.uint8, np.uint16, np.float32):
        result: Array = cv2.cvtColor(np.ascontiguousarray(pixels[..., :3]), cv2.COLOR_BGR2GRAY)
        return result
    if pixels.dtype.kind == "b":
        raise ImageError("bool channels are not colors; leave out --gray")
    weighed = pixels[..., :3].astype(np.float64) @ np.array([0.114, 0.587, 0.299])
    rounded: Array = np.rint(weighed) if pixels.dtype.kind in "iu" else weighed
    return rounded.astype(pixels.dtype)


def _is_see_through(pixels: Array) -> bool:
    """True when a fourth channel says that any pixel is not opaque."""
    if pixels.ndim != 3 or pixels.shape[2] != 4:
        return False
    full = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1
    return bool(np.any(pixels[..., 3] != full))


def _require_frame(facts: Facts, frame: int | None) -> None:
    count = len(facts.sizes)
    if frame is not None and not 0 <= frame < count:
        only = "only one frame" if count == 1 else f"frames 0 to {count - 1}"
        raise ImageError(f"it has no frame {frame}; it holds {only}")


def _require_pixels(facts: Facts, frame: int | None) -> None:
    sizes = facts.sizes
    if frame is not None and not facts.animated:
        sizes = sizes[frame : frame + 1]
    if not all(height > 0 and width > 0 for height, width in sizes):
        raise DamageError("it is damaged: its header tells of a picture without pixels")
    total, limit = sum(height * width for height, width in sizes), pixel_limit()
    if total > limit:
        raise ImageError(
            f"its header tells of {total} pixels, more than the limit of {limit}; "
            f"if that is right, set the environment variable {native.PIXEL_LIMIT}={total}"
        )


def pixel_limit() -> int:
    """The most pixels a file may hold: OpenCV's default, or what its own variable says."""
    limit = native.limit(native.PIXEL_LIMIT)
    return DEFAULT_LIMIT if limit is None else limit


# Encoding


def _encode_still(picture: Picture, fmt: Format, quality: int | None) -> tuple[bytes, list[str]]:
    settings = _SETTINGS[fmt.name](quality) if fmt.name in _SETTINGS else []
    return _imencode(fmt, picture.frames[0], settings), []


def _encode_png(picture: Picture, fmt: Format, _: int | None) -> tuple[bytes, list[str]]:
    stills = [_imencode(fmt, frame, []) for frame in picture.frames]
    timing = _timing(picture)
    return (animation.apng(stills, timing) if timing else stills[0]), []


def _encode_webp(picture: Picture, fmt: Format, quality: int | None) -> tuple[bytes, list[str]]:
    settings = _webp_settings(quality)
    frames = [_spread(frame) for frame in picture.frames]
    stills = [_imencode(fmt, frame, settings) for frame in frames]
    timing, alpha = _timing(picture), frames[0].shape[2] == 4
    return (animation.webp(stills, timing, alpha) if timing else stills[0]), []


def _encode_avif(picture: Picture, fmt: Format, quality: int | None) -> tuple[bytes, list[str]]:
    cv2, timing = _cv2(), _timing(picture)
    settings = [cv2.IMWRITE_AVIF_DEPTH, formats.AVIF_DEPTHS.get(picture.maxval or 0, 8)]
    settings += [] if quality is None else [cv2.IMWRITE_AVIF_QUALITY, quality]
    if timing:
        moving = cv2.Animation()
        moving.frames, moving.durations = list(picture.frames), np.array(timing.durations)
        data = _encoded(fmt, lambda: cv2.imencodeanimation(".avif", moving, settings))
        names = picture.metadata.names()
        lost = [f"{name.upper()} metadata was left out of the AVIF animation" for name in names]
        endless = [] if timing.loop == 0 else ["AVIF plays for ever: the loop count was left out"]
        return data, lost + endless
    found, kinds = picture.metadata, (cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_XMP,
                                      cv2.IMAGE_METADATA_ICCP)  # fmt: skip
    blocks = [(k, b) for k, b in zip(kinds, (found.exif, found.xmp, found.icc), strict=True) if b]
    arrays = [np.frombuffer(block, np.uint8) for _, block in blocks]
    call = (".avif", picture.frames[0], [kind for kind, _ in blocks], arrays, settings)
    return _encoded(fmt, lambda: cv2.imencodeWithMetadata(*call)), []


def _encode_npy(picture: Picture, _: Format, __: int | None) -> tuple[bytes, list[str]]:
    return npy.dumps(picture.frames[0]), []


def _encode_tiff(picture: Picture, fmt: Format, _: int | None) -> tuple[bytes, list[str]]:
    frames = list(picture.frames)
    data = _encoded(fmt, lambda: _cv2().imencodemulti(".tif", frames))
    return metadata.mark_alpha(data, picture.premultiplied), []


def _encode_netpbm(picture: Picture, fmt: Format, _: int | None) -> tuple[bytes, list[str]]:
    maxval, text = picture.maxval, picture.text and len(picture.frames) == 1
    parts = (netpbm.write(frame, fmt, maxval, text) for frame in picture.frames)
    return b"".join(parts), []


_ENCODERS: dict[str, Callable[[Picture, Format, int | None], tuple[bytes, list[str]]]] = {
    "PNG": _encode_png,
    "WebP": _encode_webp,
    "AVIF": _encode_avif,
    "TIFF": _encode_tiff,
    "NPY": _encode_npy,
    **{fmt.name: _encode_netpbm for fmt in (*formats.NETPBM, formats.PFM)},
    **{fmt.name: _encode_still for fmt in (formats.JPEG, formats.BMP, formats.JP2, formats.HDR)},
}


def _jpeg_settings(quality: int | None) -> list[int]:
    return [] if quality is None else [_cv2().IMWRITE_JPEG_QUALITY, quality]


def _webp_settings(quality: int | None) -> list[int]:
    """Lossless unless a quality is asked for, the colors under full transparency included."""
    cv2 = _cv2()
    if quality is None:
        return [cv2.IMWRITE_WEBP_LOSSLESS_MODE, cv2.IMWRITE_WEBP_LOSSLESS_PRESERVE_COLOR]
    return [cv2.IMWRITE_WEBP_QUALITY, max(1, quality)]


def _jp2_settings(_: int | None) -> list[int]:
    return [_cv2().IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]


_SETTINGS = {"JPEG": _jpeg_settings, "JPEG 2000": _jp2_settings}


def _imencode(fmt: Format, pixels: Array, settings: Sequence[int]) -> bytes:
    extension = "." + fmt.extensions[0]
    return _encoded(fmt, lambda: _cv2().imencode(extension, pixels, list(settings)))


def _encoded(fmt: Format, attempt: Callable[[], Any]) -> bytes:
    """Run an encoder; raise `ImageError` when it writes nothing."""
    result, reason = _tried(attempt)
    data: bytes = result[1].tobytes() if result is not None and result[0] else b""
    if not data:
        told = f": {_words(reason)}" if reason else ""
        raise ImageError(f"the {fmt.name} encoder failed{told}; use png, tiff or npy")
    return data


def _timing(picture: Picture) -> Timing | None:
    """The timing of several frames; pages that have none are shown for a second each."""
    count = len(picture.frames)
    if count == 1:
        return None
    return Timing(picture.durations or (1000,) * count, picture.loop)


def _spread(pixels: Array) -> Array:
    """Gray as three equal channels, for a format that knows only color."""
    if pixels.ndim == 3 and pixels.shape[2] > 1:
        return pixels
    return np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)


def _require_one_kind(picture: Picture, fmt: Format) -> None:
    """Frames of an animation share size and kind; only TIFF holds premultiplied colors."""
    kinds = {(frame.shape, frame.dtype) for frame in picture.frames}
    if fmt.timed and len(kinds) > 1:
        raise ImageError(f"{fmt.name} cannot hold frames of different sizes or kinds; use tiff")
    if picture.premultiplied and fmt not in (formats.TIFF, formats.NPY):
        raise ImageError(f"{fmt.name} cannot hold colors premultiplied with alpha; use tiff or npy")


def _lost(picture: Picture, fmt: Format) -> list[str]:
    """Warnings for what is in the picture and has no place in the format."""
    lost = []
    if picture.durations and len(picture.frames) > 1 and not fmt.timed:
        lost.append(f"{fmt.name} cannot hold durations: the animation became pages")
    if picture.maxval and fmt not in (*formats.NETPBM, formats.AVIF, formats.NPY):
        lost.append(f"values were kept as they are, 0 to {picture.maxval}: it may look dark")
    return lost


def _warned(picture: Picture, text: str) -> Picture:
    return picture._replace(warnings=(*picture.warnings, text))


def _buffer(data: bytes) -> Array:
    """The bytes as OpenCV takes them; it refuses WebP pictures of one color, below 32 bytes."""
    return np.frombuffer(data.ljust(32, b"\0"), np.uint8)


def _cv2() -> Any:
    return native.import_cv2()
