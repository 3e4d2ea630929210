"""Cut, zeroed and corrupt files are refused with a reason; nothing crashes, hangs or leaks a line.

The environment variable POOLTOOL_FUZZ sets how many damaged files are tried; 2000 by default.
"""

from __future__ import annotations

import faulthandler
import io
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import Array, pil, pil_frames, pixels, png, smooth, swapped, tiff

from pooltool import images, native
from pooltool.errors import DamageError, ImageError, PooltoolError
from pooltool.images import Picture, formats, npy

ROUNDS = int(os.environ.get("POOLTOOL_FUZZ", "2000"))
PHOTO = smooth()
MOVING = [PHOTO, PHOTO[::-1].copy(), PHOTO[:, ::-1].copy()]


def own(name: str, array: Array) -> bytes:
    fmt = formats.format_for(name)
    return images.encode(Picture((array,), fmt), fmt).data


WHOLE = {
    "jpeg": pil(PHOTO, "JPEG", quality=90),
    "jpeg-progressive": pil(PHOTO, "JPEG", progressive=True),
    "jpeg-restart": pil(PHOTO, "JPEG", restart_marker_blocks=4),
    "jpeg-gray": pil(PHOTO[..., 0], "JPEG"),
    "png": pil(PHOTO, "PNG"),
    "png16": own("png", PHOTO.astype(np.uint16) * 257),
    "apng": pil_frames(MOVING, "PNG", duration=100),
    "webp": pil(PHOTO, "WEBP", lossless=True),
    "webp-lossy": pil(PHOTO, "WEBP", quality=80),
    "webp-moving": pil_frames(MOVING, "WEBP", duration=100),
    "gif": pil(PHOTO, "GIF"),
    "gif-moving": pil_frames(MOVING, "GIF", duration=100),
    "avif": pil(PHOTO, "AVIF"),
    "jp2": pil(PHOTO, "JPEG2000"),
    "tiff": tiff(PHOTO, photometric="rgb", rowsperstrip=16),
    "tiff-lzw": pil(PHOTO, "TIFF", compression="tiff_lzw"),
    "tiff-zip": tiff(PHOTO, photometric="rgb", rowsperstrip=16, compression="zlib"),
    "tiff-jpeg": pil(PHOTO, "TIFF", compression="jpeg"),
    "tiff-pages": pil_frames(MOVING, "TIFF", compression="tiff_lzw"),
    "bmp": pil(PHOTO, "BMP"),
    "ppm": pil(PHOTO, "PPM"),
    "pfm": own("pfm", PHOTO.astype(np.float32)),
    "hdr": own("hdr", PHOTO.astype(np.float32) / 255),
    "npy": npy.dumps(PHOTO),
}
STORED = ("tiff", "bmp", "ppm", "pfm", "npy")
"""Formats that store plain numbers: nobody can see that some of them became 0."""
UNSEEN = (*STORED, "webp", "webp-lossy", "webp-moving")
"""WebP codes have no end and no check, and flat areas are coded as long runs of 0."""


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    faulthandler.dump_traceback_later(3600, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_are_accepted(name: str) -> None:
    assert images.decode(WHOLE[name]).frames


@pytest.mark.parametrize("name", WHOLE)
def test_cut_files_are_refused(name: str) -> None:
    whole = WHOLE[name]
    cuts = {
        0,
        1,
        4,
        12,
        30,
        len(whole) - 1,
        len(whole) - 9,
        *range(0, len(whole), len(whole) // 40),
    }
    accepted = [cut for cut in sorted(cuts) if accepts(whole[:cut])]
    # A lossless end that carries no pixel may go: padding, a last tag, the checksum of nothing.
    assert [cut for cut in accepted if differs(whole, whole[:cut])] == []
    assert len(accepted) <= 1


@pytest.mark.parametrize("name", [name for name in WHOLE if name not in UNSEEN])
def test_zero_filled_files_are_refused(name: str) -> None:
    whole = WHOLE[name]
    for kept in (0.05, 0.3, 0.5, 0.8, 0.9):
        at = int(len(whole) * kept)
        assert not accepts(whole[:at] + bytes(len(whole) - at)), kept


@pytest.mark.parametrize("name", ["jpeg", "jpeg-restart", "png", "apng", "tiff-lzw", "tiff-zip"])
def test_holes_are_refused(name: str) -> None:
    whole = WHOLE[name]
    for start in (0.4, 0.55, 0.7):
        at = int(len(whole) * start)
        assert not accepts(whole[:at] + bytes(200) + whole[at + 200 :]), start


def test_fuzz() -> None:
    """Cuts, flips, holes and stray bytes: an error or pixels no decoder complained about."""
    dice, refused = random.Random(20), 0
    for _ in range(ROUNDS):
        name = dice.choice(list(WHOLE))
        data = damaged(WHOLE[name], dice)
        try:
            picture = images.decode(data, gray=dice.random() < 0.1)
        except PooltoolError as error:
            refused += 1
            assert "\n" not in str(error)
            assert 10 < len(str(error)) < 400
            continue
        assert all(frame.size for frame in picture.frames)
        if any("the decoder says" in warning for warning in picture.warnings):
            whole = images.decode(WHOLE[name])  # what is odd is read where no pixel is harmed
            assert all(map(np.array_equal, picture.frames, whole.frames)), name
        else:
            assert complaints(picture.format.name, data) == [], name
        if picture.format.written and refused % 10 == 0 and picture.frames[0].size < 1_000_000:
            with_error(lambda: images.encode(picture, picture.format))  # noqa: B023
    assert refused > ROUNDS // 2


def damaged(data: bytes, dice: random.Random) -> bytes:
    out, at = bytearray(data), dice.randrange(len(data))
    size = dice.choice([1, 16, 200])
    match dice.choice(["cut", "flip", "header", "hole", "zeros", "stray", "twice"]):
        case "cut":
            return bytes(out[:at])
        case "flip":
            out[at] ^= 1 << dice.randrange(8)
        case "header":
            out[min(at, dice.randrange(200))] = dice.choice([0, 1, 0x7F, 0x80, 0xFF])
        case "hole":
            out[at : at + size] = bytes(len(out[at : at + size]))
        case "zeros":
            out[at:] = bytes(len(out) - at)
        case "stray":
            out[at:at] = dice.randbytes(size)
        case "twice":
            del out[at : at + size]
    return bytes(out)


def complaints(name: str, data: bytes) -> list[str]:
    """What the native decoder says that no whole file makes it say, asked without our code."""
    cv2 = native.import_cv2()
    if data.startswith((b"P", b"\x93")):
        return []
    decoder = cv2.imdecodemulti if name == "TIFF" else cv2.imdecode
    buffer = np.frombuffer(data.ljust(32, b"\0"), np.uint8)
    lines = native.captured(decoder, buffer, 7)[1]
    bad = re.compile(r"^(Premature end|Corrupt JPEG|libpng error|\[ERROR:)|JPEGLib: (Corr|Prem)")
    return [line for line in lines if bad.search(line)]


def with_error(call: Callable[[], object]) -> None:
    try:
        call()
    except PooltoolError as error:
        assert "\n" not in str(error)


def accepts(data: bytes) -> bool:
    try:
        images.decode(data)
    except ImageError as error:
        assert "\n" not in str(error)
        return False
    return True


def differs(one: bytes, other: bytes) -> bool:
    pairs = zip(images.decode(one).frames, images.decode(other).frames, strict=True)
    return any(not np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("data", [b"", b"\0", b"hello", b"<svg/>", bytes(5000), b"\xff\xd8", b"BM"])
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"^it is "):
        images.decode(data)


def test_the_decoder_is_quoted() -> None:
    whole = WHOLE["jpeg"]
    at = len(whole) // 2
    with pytest.raises(ImageError, match="Corrupt JPEG data"):
        images.decode(whole[:at] + bytes(100) + whole[at + 100 :])
    with pytest.raises(ImageError, match="checksum of its PNG chunk IDAT"):
        images.decode(WHOLE["png"][:-30] + b"x" * 14 + WHOLE["png"][-16:])


# Sizes


def jpeg_of(height: int, width: int) -> bytes:
    data = bytearray(WHOLE["jpeg"])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def png_of(height: int, width: int, body: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


LARGE = {
    "jpeg": jpeg_of(60000, 60000),
    "png": png_of(40000, 40000, b""),
    "gif": b"GIF89a" + struct.pack("<HH", 60000, 60000) + WHOLE["gif"][10:],
    "pgm": b"P5 50000 50000 255\n" + bytes(100),
    "pgm-text": b"P2 50000 50000 255\n1 2 3",
    "pfm": b"Pf\n50000 50000\n-1\n" + bytes(100),
    "bmp": WHOLE["bmp"][:18] + struct.pack("<ii", 50000, -50000) + WHOLE["bmp"][26:],
    "hdr": WHOLE["hdr"].replace(b"-Y 96 +X 80", b"-Y 60000 +X 60000"),
}


@pytest.mark.parametrize("name", LARGE)
def test_lying_headers_take_no_memory(name: str) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match=r"limit of 1073741824|fewer pixels|can hold"):
        images.decode(LARGE[name])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_lie_below_the_limit_takes_no_memory_either() -> None:
    with pytest.raises(ImageError, match=r"20000 x 20000 pixels, more than its data can hold"):
        images.decode(jpeg_of(20000, 20000))


def test_flat_pictures_are_no_lie() -> None:
    flat = np.full((3000, 3000), 200, np.uint8)
    for name in ("JPEG", "PNG", "WEBP", "GIF"):
        assert images.decode(pil(flat, name)).frames[0].shape[:2] == flat.shape
    for settings in ({"lossless": True, "method": 0}, {"quality": 100, "method": 2}):
        assert images.decode(pil(flat, "WEBP", **settings)).frames[0].shape[:2] == flat.shape


def test_the_limit_can_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "pooltool.images.codec.limit", native.limit.__wrapped__
    )  # it looks once only
    monkeypatch.setenv(native.PIXEL_LIMIT, "7679")
    for name in ("png", "jpeg", "webp", "gif", "avif", "jp2", "tiff", "bmp", "ppm", "pfm", "hdr"):
        with pytest.raises(ImageError, match=rf"(\d+) pixels.* {native.PIXEL_LIMIT}=(7680|23040)"):
            images.decode(WHOLE[name])
    assert images.decode(WHOLE["npy"])
    monkeypatch.setenv(native.PIXEL_LIMIT, "7680")
    assert images.decode(WHOLE["png"])
    with pytest.raises(ImageError, match="23040 pixels"):
        images.decode(WHOLE["gif-moving"])
    assert images.decode(WHOLE["tiff-pages"], frame=1)


def test_the_limit_counts_channels_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "pooltool.images.codec.limit", native.limit.__wrapped__
    )  # it looks once only
    monkeypatch.setenv(native.PIXEL_LIMIT, "100")
    bands = {"planarconfig": "contig", "photometric": "minisblack"}
    few, deep = tiff(np.zeros((10, 10, 4), np.uint8), **bands), np.zeros((10, 10, 5), np.float64)
    assert images.decode(few)
    for data in (tiff(deep, **bands), tiff(np.zeros((10, 10, 5), np.uint8), **bands)):
        with pytest.raises(ImageError, match=r"pixels of 4 bytes, more than the limit of 100;"):
            images.decode(data)
    images.decode(pil(np.zeros((10, 10, 4), np.uint8), "PNG"))
    for name, dtype in (("PNG", "uint16"), ("PFM", "float32"), ("PPM", "uint16")):
        format = getattr(formats, name)
        data = images.encode(Picture((np.zeros((10, 10, 3), dtype),), format), format).data
        with pytest.raises(ImageError, match=r"IMAGE_PIXELS=(150|300)"):
            images.decode(data)


# Native lines


QUIET = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pooltool import PooltoolError, images, native
native.capture()
native.capture()
def reason(name):
    try: images.decode(Path(name).read_bytes())
    except PooltoolError as error: return str(error)
    return "fine"
with ThreadPoolExecutor(8) as pool:
    for line in pool.map(reason, sys.argv[1:]): print(line)
print("to the user", file=sys.stderr)
"""


NOWHERE_ELSE = """
import os, sys
for name in ("pread", "preadv", "memfd_create"):
    if hasattr(os, name): delattr(os, name)
sys.modules["fcntl"] = None
"""


@pytest.mark.parametrize("before", ["", NOWHERE_ELSE], ids=["here", "what-all-systems-have"])
def test_no_native_line_reaches_the_user_and_threads_are_told_apart(
    tmp_path: Path, before: str
) -> None:
    half = len(WHOLE["jpeg"]) // 2
    broken = WHOLE["jpeg"][:half] + bytes(90) + WHOLE["jpeg"][half + 90 :]
    packed = WHOLE["tiff-zip"][:9000] + bytes(90) + WHOLE["tiff-zip"][9090:]
    warns = png(8, 2, [bytes(6)], 2, (b"iCCP", b"x\0\0" + zlib.compress(b"nonsense" * 20)))
    kinds = {"good.jpg": WHOLE["jpeg"], "bad.jpg": broken, "bad.tif": packed, "warns.png": warns,
             "good.tif": WHOLE["tiff-lzw"]}  # fmt: skip
    for name, data in kinds.items():
        (tmp_path / name).write_bytes(data)
    names = [name for _ in range(40) for name in kinds]
    command = [sys.executable, "-c", before + QUIET, *[str(tmp_path / name) for name in names]]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stderr == "to the user\n"
    for name, line in zip(names, done.stdout.splitlines(), strict=True):
        assert ("fine" in line) == ("bad" not in name), (name, line)
        assert ("Corrupt JPEG" in line) == (name == "bad.jpg")


TAKING_TURNS = """
import os
from threading import Thread
from pooltool import native
native.capture()
failed = []
def say(word):
    os.write(2, word + b" began\\n")
    os.write(2, word + b" ended\\n")
def check(word):
    for _ in range(200):
        lines = native.captured(say, word)[1]
        if lines != [f"{word.decode()} began", f"{word.decode()} ended"]:
            failed.append(lines)
threads = [Thread(target=check, args=(word,)) for word in (b"one", b"two", b"three")]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failed, failed
assert os.fstat(native._file.fileno()).st_size < 30
"""


def test_what_threads_print_is_not_mixed() -> None:
    subprocess.run([sys.executable, "-c", TAKING_TURNS], check=True, timeout=60)


def test_without_capture_descriptor_2_is_given_back(capfd: pytest.CaptureFixture[str]) -> None:
    half = len(WHOLE["jpeg"]) // 2
    assert not accepts(WHOLE["jpeg"][:half] + bytes(90) + WHOLE["jpeg"][half + 90 :])
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_decoding_in_threads_gives_the_same_pixels() -> None:
    wanted = {name: images.decode(data).frames for name, data in WHOLE.items()}
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            found = pool.map(lambda item: (item[0], images.decode(item[1]).frames), WHOLE.items())
            for name, frames in found:
                assert all(np.array_equal(a, b) for a, b in zip(frames, wanted[name], strict=True))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("ImportError('libGL.so.1: cannot open shared object file')", "libgl1 libglib2.0-0"),
        ("ModuleNotFoundError('no cv2')", "pip install opencv-python"),
    ],
)
def test_opencv_that_cannot_be_loaded(fault: str, words: str) -> None:
    code = f"""
import sys
class Fails:
    def find_spec(self, name, path=None, target=None):
        if name == 'cv2': raise {fault}
sys.meta_path.insert(0, Fails())
from pooltool import PooltoolError
try:
    from pooltool import images
    images.decode(sys.stdin.buffer.read())
except PooltoolError as error: print(error)"""
    done = subprocess.run(
        [sys.executable, "-c", code], input=WHOLE["png"], capture_output=True, check=True
    )
    assert words in done.stdout.decode()
    assert done.stdout.count(b"\n") == 1


def test_samples_are_what_they_seem() -> None:
    with Image.open(io.BytesIO(WHOLE["jpeg-progressive"])) as image:
        assert image.info["progressive"]
    assert images.decode(WHOLE["png"]).frames[0].tolist() == swapped(PHOTO).tolist()
    assert pixels("uint8", 1).shape == (40, 50)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"P5 2 2 0\nabcd", "values up to 0, not 1 to 65535"),
        (b"P5 2 2 70000\nabcdabcd", "values up to 70000, not 1 to 65535"),
        (b"P5 0 2 255\n", "a picture without pixels"),
        (b"P5 2 2 x\nabcd", "a header ends too early"),
    ],
)
def test_netpbm_headers_without_sense(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        images.decode(data)


def test_damage_is_told_with_a_remedy() -> None:
    with pytest.raises(DamageError) as caught:
        images.decode(png(8, 0, [b"abc"], 3)[:-20])
    assert str(caught.value).startswith("it is truncated: ")
    assert str(caught.value).endswith("; copy or save it again")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
