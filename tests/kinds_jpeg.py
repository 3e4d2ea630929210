"""Kinds of JPEG, PNG (with APNG) and WebP files, and EXIF with a fault."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
from kind import Kind
from PIL import Image
from samples import Array, opened, pil, pil_frames, png_chunk, smooth

PHOTO = smooth((64, 90))
GRAY = PHOTO[..., 1]
JPEG = pil(PHOTO, "JPEG", quality=90)
_CUT = r"it is (truncated|damaged).*copy or save it again$"


def frames_of(data: bytes, mode: str) -> Callable[[], list[Array]]:
    """All frames by Pillow, in a mode of its own."""

    def read() -> list[Array]:
        with Image.open(io.BytesIO(data)) as image:
            count, frames = getattr(image, "n_frames", 1), []
            for index in range(count):
                image.seek(index)
                frames.append(np.array(image.convert(mode)))
            return frames

    return read


def kind(
    name: str, data: bytes, right: Sequence[Array] | str, *warnings: str, levels: int = 0
) -> Kind:
    """A kind with its pixels, or the mode in which Pillow is to read them."""
    frames = frames_of(data, right) if isinstance(right, str) else lambda: right
    return Kind(name, lambda: data, frames, warnings=warnings, levels=levels)


def refused(name: str, data: bytes, words: str) -> Kind:
    return Kind(name, lambda: data, refusal=words)


# JPEG


def jpeg(array: Array, **settings: Any) -> bytes:
    """Encode by imagecodecs."""
    return bytes(imagecodecs.jpeg_encode(array, **settings))


def patched(data: bytes, marker: bytes, offset: int, new: bytes) -> bytes:
    """The data with bytes replaced that many bytes behind the first of a marker."""
    at = data.index(marker) + offset
    return data[:at] + new + data[at + len(new) :]


def segment(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def before(marker: bytes, added: bytes) -> bytes:
    """The photo as a JPEG with bytes added before the first of a marker."""
    at = JPEG.index(marker)
    return JPEG[:at] + added + JPEG[at:]


def hole(data: bytes, size: int = 200, place: float = 0.6) -> bytes:
    """Zeros in the middle of the coded pixels."""
    at = int(len(data) * place)
    return data[:at] + bytes(size) + data[at + size :]


def odd(words: str) -> str:
    return f"^read, though the decoder says: {words}$"


def cmyk() -> bytes:
    file = io.BytesIO()
    planes = np.dstack([PHOTO, GRAY[::-1]])
    Image.fromarray(planes, "CMYK").save(file, "JPEG", quality=95)
    return file.getvalue()


SOS_AT_0 = patched(JPEG, b"\xff\xda", 12, b"\0")
EXTRANEOUS = r"Corrupt JPEG data: {} extraneous bytes before marker {}"
LOSSLESS = jpeg(PHOTO, lossless=True)
NOTE = segment(0xFE, b"by hand")


def jpegs() -> Iterator[Kind]:
    """What the coding of a JPEG may be, and what of its headers may be odd."""
    yield kind("jpeg-baseline-gray", pil(GRAY, "JPEG"), "L", levels=1)
    yield kind("jpeg-progressive-gray", pil(GRAY, "JPEG", progressive=True), "L", levels=1)
    for sampling, progressive in itertools.product(("4:4:4", "4:2:2", "4:2:0", "4:1:1"), (0, 1)):
        data = pil(PHOTO, "JPEG", subsampling=sampling, progressive=bool(progressive))
        yield kind(f"jpeg-{sampling}-{progressive}", data, "RGB", levels=2)
    data = jpeg(PHOTO, subsampling="440")
    yield kind("jpeg-4:4:0", data, "RGB", levels=2)
    yield kind("jpeg-restart", pil(PHOTO, "JPEG", restart_marker_rows=1), "RGB", levels=2)
    data = jpeg(PHOTO, level=95, colorspace="rgb", outcolorspace="rgb")
    yield kind("jpeg-rgb", data, "RGB", levels=1)
    yield kind("jpeg-extended", patched(JPEG, b"\xff\xc0", 1, b"\xc1"), "RGB", levels=2)
    yield kind("jpeg-cmyk", cmyk(), "RGB", levels=3)
    yield kind("jpeg-ycck", patched(cmyk(), b"Adobe", 11, b"\2"), "RGB", levels=3)
    yield kind("jpeg-lossless", LOSSLESS, [PHOTO])
    yield kind("jpeg-lossless-gray", bytes(imagecodecs.ljpeg_encode(GRAY)), [GRAY])
    deep = jpeg(PHOTO.astype(np.uint16) * 16, bitspersample=12)
    for name, marker, data in (
        ("12-bits", "0xc1", deep),
        ("arithmetic", "0xc9", patched(JPEG, b"\xff\xc0", 1, b"\xc9")),
        ("hierarchical", "0xc5", patched(JPEG, b"\xff\xc0", 1, b"\xc5")),
        ("two-components", "0xc0", patched(JPEG, b"\xff\xc0", 9, b"\2")),
    ):
        words = rf"a JPEG of a rare kind \(frame {marker}, .*, which is not read; .* djpeg in.jpg >"
        yield refused(f"jpeg-{name}", data, words)
    yield refused("jpeg-dnl", patched(JPEG, b"\xff\xc0", 5, b"\0\0"), "damaged: .* without pixels")

    yield kind("jpeg-spectrum", SOS_AT_0, "RGB", odd("Invalid SOS .*"), levels=2)
    yield refused("jpeg-spectrum-hole", hole(SOS_AT_0), "damaged: Corrupt JPEG data")
    for name, junk, at, count in (
        ("hello", NOTE + b"hello", b"\xff\xdb", 5),
        ("ff00", b"\xff\0\0\2", b"\xff\xe0", 4),
        ("restart", b"\xff\xd3", b"\xff\xe0", 0),  # of which the decoder says nothing
    ):
        data = before(at, junk)
        told = (odd(EXTRANEOUS.format(count, f"{at[1]:#x}")),) if count else ()
        yield kind(f"jpeg-junk-{name}", data, "RGB", *told, levels=2)
        yield refused(f"jpeg-junk-{name}-hole", hole(data), "damaged: Corrupt JPEG data")
    yield kind("jpeg-fill-bytes", before(b"\xff\xdb", b"\xff\xff\xff"), "RGB", levels=2)
    table = before(b"\xff\xc0", b"junk")
    yield refused("jpeg-junk-behind-a-table", table, "damaged: .*4 extraneous bytes before .*0xc0")
    for count in (1, 9, 300):
        told = (odd(EXTRANEOUS.format(r"\d+", "0xd9")),) if count > 8 else ()
        data = JPEG[:-2] + bytes(count) + JPEG[-2:]
        yield kind(f"jpeg-{count}-zeros-before-the-end", data, "RGB", *told, levels=2)
    for name, tail in (("text", b"some words!"), ("zeros", bytes(300))):
        data = hole(JPEG)[:-2] + tail + JPEG[-2:]
        yield refused(f"jpeg-hole-and-{name}", data, "damaged: Corrupt JPEG data")
    data = JPEG[:-2] + b"some words!" + JPEG[-2:]
    yield refused("jpeg-words-before-the-end", data, "damaged: .*extraneous bytes before .*0xd9")
    data = JPEG[:-302] + bytes(300) + JPEG[-2:]
    yield refused("jpeg-zeros-for-the-end", data, "damaged: ")
    yield kind("jpeg-more", JPEG + b"film", "RGB", "^left out: data after the end", levels=2)
    yield refused("jpeg-cut", JPEG[: len(JPEG) // 2], _CUT)


# EXIF


def exif(*entries: tuple[int, int, int, int], order: str = ">", rest: bytes = b"") -> bytes:
    """A block of one directory; the fields' values as they are written."""
    table = struct.pack(order + "H", len(entries))
    for tag, type_, count, value in entries:
        number = value << 16 if order == ">" and (type_, count) == (3, 1) else value
        table += struct.pack(order + "HHII", tag, type_, count, number)
    head = b"MM\0*\0\0\0\x08" if order == ">" else b"II*\0\x08\0\0\0"
    return head + table + bytes(4) + rest


SIDE = (0x112, 3, 1, 6)
FAULTS = {
    "pointer": (0x8825, 4, 1, 5000),
    "exif-pointer": (0x8769, 4, 1, 5000),
    "pointer-to-itself": (0x8769, 4, 1, 8),
    "count": (0x10F, 2, 1 << 30, 20),
    "text": (0x10F, 2, 20, 5000),
    "fraction": (0x11A, 5, 1, 5000),
}


def turned_by(data: Callable[[bytes], bytes], right: Array, name: str, levels: int) -> list[Kind]:
    """A picture on its side in which one of the tags has a fault."""
    found = []
    for (fault, entry), order in itertools.product(FAULTS.items(), "<>"):
        block = exif(*sorted((SIDE, entry)), order=order)
        found.append(
            kind(f"{name}-exif-{fault}-{'big' if order == '>' else 'little'}", data(block),
                 [np.rot90(right, -1)], "^left out: damaged parts of EXIF$", levels=levels)
        )  # fmt: skip
    return found


def jpeg_with_exif(block: bytes) -> bytes:
    return pil(PHOTO, "JPEG", quality=90, exif=b"Exif\0\0" + block)


def xmp(orientation: int) -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="%d"/></x:xmpmeta>' % orientation
    )


# PNG

PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
          (0, 1, 1, 2))  # fmt: skip
"""First column and row, and steps, of Adam7."""


def packed(samples: Array, bits: int) -> bytes:
    """Rows of samples without a filter."""
    out = b""
    for row in samples:
        if bits == 16:
            out += b"\0" + row.astype(">u2").tobytes()
        else:
            digits = np.unpackbits(row.astype(np.uint8).reshape(-1, 1), axis=1)[:, 8 - bits :]
            out += b"\0" + np.packbits(digits).tobytes()
    return out


def png(
    samples: Array, bits: int, color: int, *chunks: tuple[bytes, bytes], interlaced: bool = False
) -> bytes:
    """A PNG of raw samples (H, W, C) or (H, W)."""
    height, width = samples.shape[:2]
    pieces = [samples]
    if interlaced:
        pieces = [samples[row::down, column::across] for column, row, across, down in PASSES]
    raw = b"".join(packed(piece, bits) for piece in pieces if piece.size)
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlaced)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


def stills() -> Iterator[Kind]:
    """Every color type and depth, interlaced or not, with a transparent color or not."""
    dice = np.random.default_rng(13)
    depths = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    kinds = [(color, bits) for color, all_bits in depths.items() for bits in all_bits]
    for (color, bits), interlaced, clear in itertools.product(kinds, (False, True), (False, True)):
        if clear and color > 3:
            continue
        top, channels = (1 << bits) - 1, {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
        full, dtype = (65535, np.uint16) if bits == 16 else (255, np.uint8)
        samples = dice.integers(0, top + 1, (11, 13, channels))
        levels: Array = (samples * full // top).astype(dtype)
        gray = levels[..., 0]
        right: Array
        chunks: list[tuple[bytes, bytes]] = []
        if color == 3:
            table = dice.integers(0, 256, (top + 1, 4)).astype(np.uint8)
            table[-1, 3] = 255  # the table of alpha may be shorter
            right = table[samples[..., 0]][..., : 4 if clear else 3]
            chunks = [(b"PLTE", table[:, :3].tobytes()), (b"tRNS", table[:-1, 3].tobytes())]
            chunks = chunks if clear else chunks[:1]
        elif clear:
            chosen = samples[3, 4]
            alpha = np.where((samples == chosen).all(axis=2), 0, full).astype(dtype)
            right = np.dstack([gray, gray, gray, alpha] if color == 0 else [levels, alpha])
            chunks = [(b"tRNS", chosen.astype(">u2").tobytes())]
        else:
            right = {0: gray, 4: levels[..., [0, 0, 0, -1]]}.get(color, levels)
        name = f"png-{color}-{bits}{'-interlaced' * interlaced}{'-clear' * clear}"
        data = png(samples, bits, color, *chunks, interlaced=interlaced)
        yield kind(name, data, [right])


def faults() -> Iterator[Kind]:
    """Data that is odd, and data that is wrong though its checksum is right."""
    rows = packed(GRAY[..., None], 8)
    head = png(GRAY[..., None], 8, 0)[:33]

    def of(body: bytes) -> bytes:
        return head + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")

    whole = zlib.compress(rows)
    yield kind("png-more-data", of(whole + b"more"), [GRAY])
    yield refused(
        "png-wrong-sum", of(whole[:-1] + bytes([whole[-1] ^ 1])), "damaged: .*incorrect data check"
    )
    yield refused(
        "png-short-data", of(zlib.compress(rows[:-99])), "damaged: .*Not enough image data"
    )
    yield refused("png-no-kind", png(GRAY[..., None], 8, 0).replace(
        head[12:], png_chunk(b"IHDR", struct.pack(">IIBBBBB", 90, 64, 4, 2, 0, 0, 0))[4:]
    ), "damaged: no PNG has color type 2 with 4 bits")  # fmt: skip


# APNG

Step = tuple[Array, tuple[int, int], int, int]
"""RGBA or other samples, (top, left), how it is disposed of, and how it is blended."""


def apng(
    steps: Sequence[Step], color: int, bits: int = 8, *, default: Array | None = None,
    chunks: Sequence[tuple[bytes, bytes]] = (), count: int | None = None, split: int = 1,
) -> bytes:  # fmt: skip
    """An animation of raw samples, with or without a picture that is no frame of it."""
    canvas = steps[0][0] if default is None else default
    height, width = canvas.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    control = struct.pack(">II", len(steps) if count is None else count, 0)
    parts = [(b"IHDR", header), *chunks, (b"acTL", control)]
    if default is not None:
        parts.append((b"IDAT", zlib.compress(packed(default, bits))))
    number = itertools.count()
    for index, (samples, (top, left), dispose, blend) in enumerate(steps):
        size = (samples.shape[1], samples.shape[0], left, top)
        place = struct.pack(">IIIIIHHBB", next(number), *size, 1, 10, dispose, blend)
        parts.append((b"fcTL", place))
        body = zlib.compress(packed(samples, bits))
        if index == 0 and default is None:
            parts.append((b"IDAT", body))
            continue
        length = -(-len(body) // split)
        for at in range(0, len(body), length):
            piece = struct.pack(">I", next(number)) + body[at : at + length]
            parts.append((b"fdAT", piece))
    parts.append((b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


def composed(steps: Sequence[Step], shape: tuple[int, ...], top: int) -> list[Array]:
    """The frames of an animation of RGBA samples, pixel by pixel, as APNG 1.0 tells it."""
    canvas, shown = np.zeros((*shape, 4), np.int64), []
    for samples, (row, column), dispose, blend in steps:
        kept = canvas.copy()
        for (y, x), _ in np.ndenumerate(samples[..., 0]):
            *front, alpha = (int(value) for value in samples[y, x])
            *back, under = (int(value) for value in canvas[row + y, column + x])
            if not blend or alpha == top:
                canvas[row + y, column + x] = samples[y, x]
            elif alpha:
                weight = under / top * (top - alpha)
                mixed = [(one * alpha + two * weight) / (alpha + weight)
                         for one, two in zip(front, back, strict=True)]  # fmt: skip
                canvas[row + y, column + x] = np.rint([*mixed, alpha + weight])
        shown.append(canvas.astype(np.uint16 if top > 255 else np.uint8))
        area = np.s_[row : row + samples.shape[0], column : column + samples.shape[1]]
        if dispose == 1:
            canvas[area] = 0
        elif dispose == 2:
            canvas = kept
    return shown


HIDDEN = r"^left out: the picture for programs without animation$"
NO_ANIMATION = r"^left out: an animation whose header \(acTL\) is missing or not valid$"


def animations() -> Iterator[Kind]:
    """How frames are placed, disposed of and blended, and headers that do not tell the truth."""
    dice = np.random.default_rng(31)
    for bits, blend, dispose in itertools.product((8, 16), (0, 1), (0, 1, 2)):
        top = (1 << bits) - 1
        first = dice.integers(0, top + 1, (9, 14, 4))
        second, third = dice.integers(0, top + 1, (5, 6, 4)), dice.integers(0, top + 1, (7, 3, 4))
        second[::2, ::2, 3], third[::2, :, 3] = top, 0
        steps: list[Step] = [
            (first, (0, 0), 0, blend), (second, (2, 3), dispose, blend), (third, (1, 4), 0, blend),
        ]  # fmt: skip
        right = composed(steps, (9, 14), top)
        name = f"apng-{bits}-blend-{blend}-dispose-{dispose}"
        yield kind(name, apng(steps, 6, bits), right, levels=1)
        data = apng(steps, 6, bits, default=first[::-1], split=3)
        yield kind(name + "-hidden", data, right, HIDDEN, levels=1)
    gray = [dice.integers(0, 256, (9, 14, 1)) for _ in range(2)]
    flat = [frame[..., 0].astype(np.uint8) for frame in gray]
    plain: list[Step] = [(frame, (0, 0), 0, 1) for frame in gray]
    yield kind("apng-gray", apng(plain, 0), flat)
    corner: list[Step] = [plain[0], (gray[1][:4, :5], (5, 9), 0, 1)]
    both = flat[0].copy()
    both[5:, 9:] = flat[1][:4, :5]
    yield kind("apng-gray-corner", apng(corner, 0), [flat[0], both])
    clear: list[Step] = [(gray[0], (0, 0), 1, 0), (gray[1][:4, :5], (5, 9), 0, 0)]
    right = [
        np.dstack([flat[0]] * 3 + [np.full((9, 14), 255, np.uint8)]),
        np.zeros((9, 14, 4), "u1"),
    ]
    right[1][5:, 9:] = np.dstack([flat[1][:4, :5]] * 3 + [np.full((4, 5), 255, np.uint8)])
    yield kind("apng-gray-cleared", apng(clear, 0), right)
    data = apng([(gray[0], (0, 0), 1, 0), *clear[1:], plain[1]], 0)
    yield replace(kind("apng-one-frame-that-covers-all", data, flat[1:]), frame=2)
    table = dice.integers(0, 256, (2, 3)).astype(np.uint8)
    bit = [frame & 1 for frame in gray]
    colors = (b"PLTE", table.tobytes())
    steps = [(frame, (0, 0), 0, 0) for frame in bit]
    right = [table[frame[..., 0]] for frame in bit]
    yield kind("apng-palette", apng(steps, 3, 1, chunks=[colors]), right)
    for bits, color in ((8, 0), (2, 0), (8, 2)):  # a transparent level or color
        top, count = (1 << bits) - 1, 1 if color == 0 else 3
        parts = [dice.integers(0, 2, (*shape, count)) for shape in ((9, 14), (4, 5))]
        key = (b"tRNS", b"\0\1" * count)
        for blend in (0, 1):
            steps = [(parts[0], (0, 0), 0, blend), (parts[1], (5, 9), 1, blend)]
            alphas = [np.where((part == 1).all(axis=2), 0, 255) for part in parts]
            grown = [np.dstack([*[part * 255 // top] * (3 // count), alpha])
                     for part, alpha in zip(parts, alphas, strict=True)]  # fmt: skip
            places: list[Step] = [(grown[0], (0, 0), 0, blend), (grown[1], (5, 9), 1, blend)]
            data = apng(steps, color, bits, chunks=[key])
            right = composed(places, (9, 14), 255)
            yield kind(f"apng-{color}-{bits}-clear-{blend}", data, right)
    half = np.hstack([table, [[255], [128]]])
    data = apng(
        [(frame, (0, 0), 0, 1) for frame in bit], 3, 1, chunks=[colors, (b"tRNS", b"\xff\x80")]
    )
    right = composed([(half[frame[..., 0]], (0, 0), 0, 1) for frame in bit], (9, 14), 255)
    yield kind("apng-palette-clear", data, right, levels=1)

    one = apng(plain[:1], 0, default=gray[1])
    yield kind("apng-one-hidden", one, [flat[0]], HIDDEN)
    for count in (1, 3, 1 << 31):
        words = "damaged: its header gives another number of frames"
        yield refused(f"apng-{count}", apng(plain, 0, count=count), words)
    data = apng(plain, 0, count=0, default=gray[0])
    yield kind("apng-0", data, [flat[0]], NO_ANIMATION)
    control = png_chunk(b"acTL", struct.pack(">II", 1, 0))
    yield kind("apng-no-header", one.replace(control, b""), [flat[1]], NO_ANIMATION)
    yield kind("apng-two-headers", one.replace(control, control * 2), [flat[0]], HIDDEN)
    start = one.index(b"fcTL") - 4
    late = one.replace(control, b"")
    late = late[: start - len(control)] + control + late[start - len(control) :]
    yield kind("apng-late-header", late, [flat[1]], NO_ANIMATION)
    data = apng(plain, 0, split=2)
    at = data.index(b"fdAT") - 4
    piece = data[at : at + 12 + int.from_bytes(data[at : at + 4], "big")]
    for name, pieces in (("gap", b""), ("twice", piece * 2)):
        broken = data.replace(piece, pieces)
        yield refused(
            f"apng-{name}", broken, "damaged: chunks of its animation are missing or twice"
        )
    beyond = apng([plain[0], (gray[1], (1, 0), 0, 0)], 0)
    yield refused("apng-beyond", beyond, "damaged: a frame of its animation is outside the picture")


# WebP


def webps() -> Iterator[Kind]:
    """Lossy and lossless, with alpha, and animations as Pillow writes them."""
    alpha = np.dstack([PHOTO, np.where(GRAY > 99, 255, GRAY)]).astype(np.uint8)
    settings: dict[str, dict[str, Any]] = {
        "lossy": {"quality": 80}, "lossless": {"lossless": True},
        "mixed": {"allow_mixed": True, "minimize_size": True},
    }  # fmt: skip
    for (name, words), (mode, still) in itertools.product(
        settings.items(), {"RGB": PHOTO, "RGBA": alpha}.items()
    ):
        if name != "mixed":
            yield kind(f"webp-{name}-{mode}", pil(still, "WEBP", **words), mode, levels=1)
        moving = pil_frames([still, still[::-1], still[:, ::-1]], "WEBP", duration=50, **words)
        yield kind(f"webp-moving-{name}-{mode}", moving, mode, levels=1)
    tiny = pil(np.zeros((16, 16), np.uint8), "WEBP")
    at = tiny.index(b"\x9d\x01\x2a") + 3
    lie = tiny[:at] + struct.pack("<HH", 16383, 16383) + tiny[at + 4 :]
    yield refused("webp-lie", lie, "truncated or damaged: .*more than its data can hold")


_UPRIGHT = opened(JPEG)
KINDS = (
    *jpegs(),
    *turned_by(jpeg_with_exif, _UPRIGHT, "jpeg", 2),
    *turned_by(lambda block: pil(PHOTO, "WEBP", lossless=True, exif=block), PHOTO, "webp", 0),
    *turned_by(lambda block: png(PHOTO, 8, 2, (b"eXIf", block)), PHOTO, "png", 0),
    kind(
        "jpeg-turned-by-xmp-alone", pil(PHOTO, "JPEG", quality=90, xmp=xmp(3)), [_UPRIGHT], levels=2
    ),
    *stills(),
    *faults(),
    *animations(),
    *webps(),
)
