"""Compare every pixel that pooltool decodes with what independent readers decode.

    python tests/compare_readers.py FOLDER

Walks the folder, decodes each file of a known format with pooltool and with Pillow, tifffile,
imagecodecs or NumPy, and prints what differs. What pooltool refuses is listed with its reason
where the other reader opens the file. Exit status 1 if any picture differs.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from pooltool import images
from pooltool.errors import PooltoolError

Array = NDArray[Any]
Frames = list[Array]

LEVELS = {"JPEG": 3, "WebP": 2, "AVIF": 3, "JPEG 2000": 1}
"""By how many levels two right decoders of one lossy picture may differ; 0 for other formats."""
MOST_PIXELS = 1 << 26
"""Larger pictures are left out: some test pictures tell of more than fits into memory."""
MOST_BYTES = 4 << 30
"""Memory that this program may take."""
ImageFile.LOAD_TRUNCATED_IMAGES = False
Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2  # Pillow raises above twice as many
os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(MOST_PIXELS)


def main(folder: str) -> int:
    """Compare all files below the folder; print a line for each that differs, and a count."""
    counts: Counter[str] = Counter()
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            try:
                verdict, words = compare(path.read_bytes())
            except MemoryError:
                verdict, words = "too large", ""
            counts[verdict] += 1
            if verdict in ("differs", "refused", "unconfirmed"):
                print(f"{verdict}: {path}: {words}")
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return 1 if counts["differs"] else 0


def compare(data: bytes) -> tuple[str, str]:
    """A verdict on one file, with its reason."""
    try:
        picture = images.decode(data)
    except PooltoolError as error:
        opened = next((reader for reader, _ in readings(data)), None)
        if opened is None:
            return "refused by all", str(error)
        return "refused", f"{error} ({opened} opens it)"
    ours, name = [as_rgba(swapped(frame)) for frame in picture.frames], picture.format.name
    reasons = []
    for reader, frames in readings(data):
        reason = difference(ours, [as_rgba(frame) for frame in frames], LEVELS.get(name, 0))
        if not reason:
            return "equal", ""
        reasons.append(f"{reader}: {reason}")
    return ("differs", "; ".join(reasons)) if reasons else ("unconfirmed", "no other reader opens")


def difference(ours: Frames, others: Frames, levels: int) -> str:
    """What differs between two lists of frames; nothing if they are alike."""
    if len(ours) != len(others):
        return f"{len(ours)} frames, not {len(others)}"
    for index, (one, other) in enumerate(zip(ours, others, strict=True)):
        if one.shape != other.shape:
            return f"frame {index} has shape {one.shape}, not {other.shape}"
        scale = 255 if one.max(initial=0) <= 1 else 1
        seen = (one[..., 3] > 0) | (other[..., 3] > 0) if one.shape[2] == 4 else np.True_
        apart = np.abs(one - other).max(axis=2) * seen
        worst = float(np.nanmax(apart)) * scale
        if worst > levels + 0.01 or (np.isnan(one) != np.isnan(other)).any():
            return f"frame {index} differs by up to {worst:.3g} levels in {(apart > 0).mean():.1%}"
    return ""


def readings(data: bytes) -> Iterator[tuple[str, Frames]]:
    """What each independent reader that opens the data makes of it: its name and its frames."""
    for reader in (by_tifffile, by_numpy, by_imagecodecs, by_frames, by_pillow):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                frames = reader(data)
            except Exception:  # readers raise whatever they like on what they do not know
                continue
        if frames:
            yield reader.__name__.removeprefix("by_"), frames


def by_tifffile(data: bytes) -> Frames:
    """The pages of a TIFF that are pictures of their own, turned upright."""
    if data[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return []
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        if file.is_imagej and len(file.pages) == 1:
            return list(file.asarray().reshape(-1, *file.pages.first.shape))
        pages = [page.aspage() for page in file.pages]
        return [_tiff_page(page) for page in pages if not page.subfiletype & 5]


def _tiff_page(page: tifffile.TiffPage) -> Array:
    pixels: Array = page.asarray()
    if page.planarconfig == 2 and page.samplesperpixel > 1:
        pixels = np.moveaxis(pixels, 0, -1)
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        table: Array = np.asarray(page.colormap)
        table = table >> 8 if table.max() > 255 else table
        pixels = table.astype(np.uint8)[:, pixels].transpose(1, 2, 0)
    elif page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        top = (1 << page.bitspersample) - 1
        pixels = ~pixels if pixels.dtype == bool else (top - pixels).astype(pixels.dtype)
    elif page.photometric not in (1, 2, 6):
        raise ValueError("colors that this reader does not turn into RGB")
    if page.bitspersample < 8 and pixels.ndim == 2:
        pixels = (pixels.astype(np.uint16) * 255 // ((1 << page.bitspersample) - 1)).astype("u1")
    tag = page.tags.get(274)
    return _turned(pixels, tag.value if tag else 1)


def _turned(pixels: Array, orientation: int) -> Array:
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels


def by_numpy(data: bytes) -> Frames:
    """A .npy file."""
    return [np.load(io.BytesIO(data), allow_pickle=False)] if data[:6] == b"\x93NUMPY" else []


def by_imagecodecs(data: bytes) -> Frames:
    """Still pictures of more than 8 bits, which Pillow cuts to 8."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[24] == 16 and b"acTL" not in data[:200]:
        return [imagecodecs.png_decode(data)]
    if data[4:8] == b"jP  " or data[:4] == b"\xff\x4f\xff\x51":
        return [imagecodecs.jpeg2k_decode(data)]
    if data[:2] == b"#?":
        return [imagecodecs.rgbe_decode(data)]
    return []


def by_frames(data: bytes) -> Frames:
    """The frames of an APNG, each decoded as a still, composed here by floating point.

    Pillow blends alpha as a color, and what it restores depends on which frames were loaded.
    """
    if data[:8] != b"\x89PNG\r\n\x1a\n" or b"acTL" not in data:
        return []
    chunks, at = [], 8
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        chunks.append((name, data[at + 8 : at + 8 + size]))
        at += 12 + size
    names = [name for name, _ in chunks]
    if names.count(b"acTL") != 1 or names.index(b"acTL") > names.index(b"IDAT"):
        return []
    head = [(name, body) for name, body in chunks if name in (b"IHDR", b"PLTE", b"tRNS")]
    numbers = [body[:4] for name, body in chunks if name in (b"fcTL", b"fdAT")]
    if numbers != [number.to_bytes(4, "big") for number in range(len(numbers))]:
        return []
    controls: list[tuple[bytes, list[bytes]]] = []
    for name, body in chunks:
        if name == b"fcTL":
            controls.append((body, []))
        elif controls and name in (b"IDAT", b"fdAT"):
            controls[-1][1].append(body[4 * (name == b"fdAT") :])
    count = int.from_bytes(chunks[names.index(b"acTL")][1][:4], "big")
    if not 0 < count <= len(controls):
        return []
    top = 65535 if head[0][1][8] == 16 else 255
    canvas = np.zeros((*struct.unpack(">II", head[0][1][:8])[::-1], 4))
    shown = []
    for control, pieces in controls[:count]:
        width, height, left, above, _, _, dispose, blend = struct.unpack(">4x4IHHBB", control)
        parts = [(name, control[4:12] * (name == b"IHDR") + body[8 * (name == b"IHDR") :])
                 for name, body in head]  # fmt: skip
        still = data[:8]
        for name, body in (*parts, (b"IDAT", b"".join(pieces)), (b"IEND", b"")):
            still += struct.pack(">I", len(body)) + name + body
            still += struct.pack(">I", zlib.crc32(name + body))
        pixels = as_rgba((by_imagecodecs(still) or by_pillow(still))[0])
        area = canvas[above : above + height, left : left + width]
        before, alpha = area.copy(), pixels[..., 3:] / top
        if blend:
            under = area[..., 3:] / top * (1 - alpha)
            total = alpha + under
            colors = pixels[..., :3] * alpha + area[..., :3] * under
            pixels[..., 3:] = np.rint(total * top)
            pixels[..., :3] = np.rint(colors / np.where(total, total, 1))
        area[:] = pixels
        shown.append(canvas.astype(np.uint16 if top > 255 else np.uint8))
        if dispose:
            area[:] = 0 if dispose == 1 else before
    return shown


def by_pillow(data: bytes) -> Frames:
    """All frames, turned upright as EXIF says: Pillow alone turns by XMP."""
    with Image.open(io.BytesIO(data)) as image:
        image.info.pop("xmp", None)
        image.info.pop("XML:com.adobe.xmp", None)
        frames = []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            frame = image.copy()
            frame.info.update(image.info)
            if index == 0 and image.format in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
                frame = ImageOps.exif_transpose(image) or frame
            if frame.mode in ("P", "PA", "LA", "La"):
                clear = "transparency" in frame.info or frame.mode != "P"
                frame = frame.convert("RGBA" if clear else "RGB")
            elif frame.mode in ("CMYK", "YCbCr", "LAB"):
                frame = frame.convert("RGB")
            elif "transparency" in frame.info and frame.mode in ("L", "RGB"):
                frame = frame.convert("RGBA")
            deep = frame.mode == "I" and image.format == "PPM"
            frames.append(np.asarray(frame, np.uint16) if deep else np.asarray(frame))
        if image.info.get("default_image"):  # of an APNG, which shows it only to other readers
            return frames[1:]
        return frames[:1] if image.format == "MPO" else frames


def swapped(pixels: Array) -> Array:
    """From OpenCV's order of channels to red first."""
    if pixels.ndim == 3 and pixels.shape[2] in (3, 4):
        return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    return pixels


def as_rgba(pixels: Array) -> Array:
    """Gray, gray with alpha, RGB and RGBA as float64 RGBA; other channels as they are."""
    kind = pixels.dtype
    values = pixels.astype(np.float64)
    if kind.kind == "b":
        values, kind = values * 255, np.dtype(np.uint8)
    if values.ndim == 2:
        values = values[..., None]
    top = float(np.iinfo(kind).max) if kind.kind in "iu" else 1.0
    if values.shape[2] in (1, 2):
        alpha = values[..., 1:] if values.shape[2] == 2 else np.full_like(values, top)
        return np.concatenate([values[..., :1].repeat(3, axis=2), alpha], axis=2)
    if values.shape[2] == 3:
        return np.concatenate([values, np.full_like(values[..., :1], top)], axis=2)
    return values


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with suppress(ImportError):  # some test pictures make readers take all the memory there is
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    sys.exit(main(sys.argv[1]))
