"""The label of a picture with a palette is its index: `mode` keeps indices, palette and
transparency where the output can hold them, and all other commands pool its colors.
"""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from conftest import Run
from numpy.typing import NDArray
from PIL import Image
from samples import png, png_chunk

Array = NDArray[Any]


def labels(count: int, size: tuple[int, int] = (13, 10)) -> Array:
    """Indices below `count`, in patches, so that windows have a majority and also ties."""
    rng = np.random.default_rng(count)
    return rng.integers(0, count, (size[0], size[1]), np.uint8)


def colors(count: int) -> Array:
    """A palette, red first, in which every other color is that of its neighbor."""
    return np.random.default_rng(7).integers(0, 256, (count, 3), np.uint8)[np.arange(count) // 2]


def most_frequent(indices: Array) -> Array:
    """The mode of 2x2 windows, the smallest of several, by a count of every window."""
    rows, columns = indices.shape[0] // 2, indices.shape[1] // 2
    out = np.zeros((rows, columns), indices.dtype)
    for row in range(rows):
        for column in range(columns):
            window = indices[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            out[row, column] = np.bincount(window.ravel()).argmax()
    return out


def packed(row: Array, bits: int) -> bytes:
    """A row of indices as PNG, BMP and TIFF lay them: the first one in the highest bits."""
    digits = np.unpackbits(row[:, None], axis=1)[:, 8 - bits :]
    return np.packbits(digits.ravel()).tobytes()


def palette_image(indices: Array, table: Array) -> Image.Image:
    image = Image.fromarray(indices, "P")
    image.putpalette(table.tobytes())
    return image


def by_pillow(fmt: str, count: int = 256, **settings: Any) -> bytes:
    file = io.BytesIO()
    palette_image(labels(count), colors(count)).save(file, fmt, **settings)
    return file.getvalue()


def png_of(bits: int, *chunks: tuple[bytes, bytes]) -> bytes:
    rows = [packed(row, bits) for row in labels(1 << bits)]
    return png(bits, 3, rows, 10, (b"PLTE", colors(1 << bits).tobytes()), *chunks)


def interlaced(bits: int) -> bytes:
    """A PNG in the seven passes of Adam7."""
    indices, body = labels(1 << bits), b""
    for passed in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2),
                   (0, 1, 2, 2), (1, 0, 2, 1)):  # fmt: skip
        top, left, down, across = passed
        for row in indices[top::down, left::across]:
            body += b"\0" + packed(row, bits)
    height, width = indices.shape
    header = struct.pack(">IIBBBBB", width, height, bits, 3, 0, 0, 1)
    parts = ((b"IHDR", header), (b"PLTE", colors(1 << bits).tobytes()),
             (b"IDAT", zlib.compress(body)), (b"IEND", b""))  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


def tiff_of(bits: int, **settings: Any) -> bytes:
    """A TIFF of `bits` an index; tifffile packs only whole bytes, so Pillow's rows are packed."""
    file, indices = io.BytesIO(), labels(1 << bits)
    table = colors(1 << bits).T.astype(np.uint16) * 257
    rows = np.array([list(packed(row, bits)) for row in indices], np.uint8)
    tags = [(320, 3, table.size, table.ravel().tolist(), True)]
    # A gray picture of so many bytes a row, whose size, bits and meaning are mended below.
    tifffile.imwrite(file, rows, metadata=None, software=False, extratags=tags, **settings)
    data = bytearray(file.getvalue())
    at = struct.unpack_from("<I", data, 4)[0]
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from("<H", data, at)[0], 12):
        tag = struct.unpack_from("<H", data, entry)[0]
        number = {256: indices.shape[1], 258: bits, 262: 3}.get(tag)
        if number is not None:
            struct.pack_into("<HII", data, entry + 2, 3, 1, number)
    return bytes(data)


def bmp_of(bits: int, used: int) -> bytes:
    """A BMP of `bits` an index with `used` colors in its table."""
    indices, table = labels(min(used, 1 << bits)), np.zeros((used, 4), np.uint8)
    table[:, 2::-1] = colors(used)
    rows = [packed(row, bits) for row in indices[::-1]]
    body = b"".join(row.ljust(-(-len(row) // 4) * 4, b"\0") for row in rows)
    start = 54 + 4 * used
    height, width = indices.shape
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, len(body), 0, 0, used, 0)
    return (
        struct.pack("<2sIII", b"BM", start + len(body), 0, start) + header + table.tobytes() + body
    )


def gif_of(count: int, *control: bytes) -> bytes:
    """A GIF with a table of 256 colors; its codes are reset before the table of codes grows."""
    indices, bits = labels(count), ""
    for at, index in enumerate(indices.ravel().tolist()):
        bits = ("" if at % 100 else f"{256:09b}").join((f"{index:09b}", bits))
    bits = f"{257:09b}" + bits
    codes = int(bits, 2).to_bytes(-(-len(bits) // 8), "little")
    height, width = indices.shape
    sides = struct.pack("<HH", width, height)
    blocks = b"".join(bytes([len(codes[at : at + 255])]) + codes[at : at + 255]
                      for at in range(0, len(codes), 255))  # fmt: skip
    table = colors(count).tobytes().ljust(768, b"\0")
    image = b",\0\0\0\0" + sides + b"\0\x08" + blocks + b"\0;"
    return b"GIF89a" + sides + b"\xf7\0\0" + table + b"".join(control) + image


CLEAR = bytes((255, 0, 128))
FILES: dict[str, tuple[Callable[[], bytes], int]] = {
    "png-1": (lambda: png_of(1), 2),
    "png-2": (lambda: png_of(2), 4),
    "png-4": (lambda: png_of(4), 16),
    "png-8": (lambda: png_of(8), 256),
    "png-few-colors": (lambda: by_pillow("PNG", 5, bits=8), 5),
    "png-interlaced-1": (lambda: interlaced(1), 2),
    "png-interlaced-8": (lambda: interlaced(8), 256),
    "tiff-1": (lambda: tiff_of(1), 2),
    "tiff-4": (lambda: tiff_of(4), 16),
    "tiff-8": (lambda: tiff_of(8), 256),
    "tiff-8-deflate": (lambda: tiff_of(8, compression="zlib", predictor=True), 256),
    "tiff-8-lzw": (lambda: by_pillow("TIFF", compression="tiff_lzw"), 256),
    "tiff-8-big": (lambda: tiff_of(8, byteorder="<", bigtiff=False, rowsperstrip=3), 256),
    "bmp-1": (lambda: bmp_of(1, 2), 2),
    "bmp-4": (lambda: bmp_of(4, 16), 16),
    "bmp-8": (lambda: bmp_of(8, 256), 256),
    "bmp-8-few-colors": (lambda: bmp_of(8, 9), 9),
    "gif": (lambda: gif_of(256), 256),
    "gif-few-colors": (lambda: gif_of(6), 6),
}


def opened(path: Path) -> tuple[Array, Array]:
    """The indices and the palette, red first, of a file, read by Pillow."""
    with Image.open(path) as image:
        assert image.mode == "P", image.mode
        palette = image.getpalette("RGB")
        assert palette is not None
        return np.array(image), np.array(palette, np.uint8).reshape(-1, 3)


@pytest.mark.parametrize("output", ("png", "tif", "bmp"))
@pytest.mark.parametrize("name", FILES)
def test_mode_keeps_indices_and_palette(name: str, output: str, run: Run, tmp_path: Path) -> None:
    make, count = FILES[name]
    (tmp_path / "in").write_bytes(make())
    done = run("mode", "in", "-o", f"out.{output}")
    assert (done.status, "palette" in done.err) == (0, False)
    indices, palette = opened(tmp_path / f"out.{output}")
    assert (indices == most_frequent(labels(count))).all()
    assert (palette[:count] == colors(count)).all()
    assert not palette[count:].any()


@pytest.mark.parametrize("name", FILES)
def test_npy_gets_the_indices(name: str, run: Run, tmp_path: Path) -> None:
    make, count = FILES[name]
    (tmp_path / "in").write_bytes(make())
    done = run("mode", "in", "-o", "out.npy")
    assert "left out, as NPY cannot hold it: palette" in done.err
    array = np.load(tmp_path / "out.npy")
    assert array.dtype == np.uint8
    assert (array == most_frequent(labels(count))).all()


@pytest.mark.parametrize("output", ("jpg", "webp", "ppm", "avif", "jp2"))
def test_other_formats_get_the_colors_of_the_labels(output: str, run: Run, tmp_path: Path) -> None:
    indices = labels(256, (80, 90))
    palette_image(indices, colors(256)).save(tmp_path / "in.png")
    done = run("mode", "in.png", "-o", f"out.{output}", "--json")
    assert "its palette became colors, as " in done.out
    assert "cannot hold one" in done.out
    run("mode", "in.png", "-o", "labels.npy")
    wanted = colors(256)[np.load(tmp_path / "labels.npy")]
    with Image.open(tmp_path / f"out.{output}") as image:
        found = np.array(image.convert("RGB"))
    assert found.shape == wanted.shape
    if output in ("webp", "ppm", "jp2"):  # the others are lossy
        assert (found == wanted).all()


@pytest.mark.parametrize("command", ("max", "min", "avg", "median"))
@pytest.mark.parametrize(("output", "is_named"), (("png", True), ("tif", True), ("bmp", True),
                         ("webp", False), ("npy", False)))  # fmt: skip
def test_other_commands_pool_colors_and_say_so(
    command: str, output: str, is_named: bool, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "in.png").write_bytes(png_of(8))
    done = run(command, "in.png", "-o", f"out.{output}")
    assert done.status == 0
    assert ("its palette became colors" in done.err) == is_named
    assert "(13, 10, 3)" in done.out


def test_two_indices_of_one_color_do_not_merge(run: Run, tmp_path: Path) -> None:
    indices = np.array([[3, 3, 1], [3, 1, 2], [1, 2, 2]], np.uint8)  # 1 and 2 are of one color
    table = np.array([[0, 0, 0], [9, 9, 9], [9, 9, 9], [200, 0, 0]], np.uint8)
    palette_image(indices, table).save(tmp_path / "in.png")
    run("mode", "in.png", "--pool-size", 3, "-o", "out.png")
    assert opened(tmp_path / "out.png")[0].tolist() == [[1]]


def test_transparency_stays_in_png_and_is_named_elsewhere(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(png_of(4, (b"tRNS", CLEAR)))
    assert run("mode", "in.png", "-o", "out.png").err == ""
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["transparency"] == CLEAR
        assert image.mode == "P"
    for output in ("tif", "bmp"):
        done = run("mode", "in.png", "-o", f"out.{output}")
        assert "transparency of the palette" in done.err
        assert (opened(tmp_path / f"out.{output}")[0] == most_frequent(labels(16))).all()
    run("mode", "in.png", "-o", "out.webp")
    with Image.open(tmp_path / "out.webp") as image:
        assert (np.array(image)[..., 3] == 0).sum() == (most_frequent(labels(16)) == 1).sum()


def test_transparent_index_of_a_gif(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.gif").write_bytes(gif_of(16, b"!\xf9\4\1\0\0\3\0"))
    run("mode", "in.gif", "-o", "out.png")
    with Image.open(tmp_path / "out.png") as image:
        assert (np.array(image) == most_frequent(labels(16))).all()
        alpha = np.array(image.convert("RGBA"))[..., 3]
        assert ((alpha == 0) == (np.array(image) == 3)).all()


def test_orientation_turns_indices(run: Run, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "in.png").write_bytes(by_pillow("PNG", 16, exif=exif))
    assert run("mode", "in.png", "-o", "out.png").status == 0
    assert (opened(tmp_path / "out.png")[0] == most_frequent(np.rot90(labels(16), -1))).all()


def test_gray_and_standard_streams(run_process: Run, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(png_of(8))
    run_process("mode", "in.png", "--gray", "-o", "gray.png")
    with Image.open(tmp_path / "gray.png") as image:
        assert image.mode == "L"
    with open(tmp_path / "in.png", "rb") as file, open(tmp_path / "out.png", "wb") as out:
        command = [sys.executable, "-m", "pooltool", "mode", "-"]
        subprocess.run(command, stdin=file, stdout=out, check=True, stderr=subprocess.PIPE)
    assert (opened(tmp_path / "out.png")[0] == most_frequent(labels(256))).all()


PAGE = labels(256, (90, 90))


def paged(*tables: Array | None) -> bytes:
    """A TIFF with a page of the same indices for each palette, or gray for None."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for table in tables:
            words: dict[str, Any] = {"photometric": "minisblack"}
            if table is not None:
                words = {"photometric": "palette", "colormap": table.T.astype(np.uint16) * 257}
            writer.write(PAGE, metadata=None, **words)
    return file.getvalue()


def test_pages_of_one_palette_keep_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.tif").write_bytes(paged(colors(256), colors(256)))
    for output in ("tif", "png", "npy"):
        assert run("mode", "in.tif", "-o", f"out.{output}").status == 0
    assert np.load(tmp_path / "out.npy").shape == (2, 45, 45)
    for output in ("tif", "png"):
        with Image.open(tmp_path / f"out.{output}") as image:
            for frame in (0, 1):
                image.seek(frame)
                found = np.array(image.convert("RGB"))
                assert (found == colors(256)[most_frequent(PAGE)]).all()


@pytest.mark.parametrize("second", (colors(256)[::-1], None), ids=("other", "gray"))
def test_pages_of_other_palettes_become_colors(
    second: Array | None, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "in.tif").write_bytes(paged(colors(256), second))
    done = run("mode", "in.tif", "-o", "out.tif")
    assert (done.status, "its palette became colors" in done.err) == (0, True)
    done = run("mode", "in.tif", "--frame", 0, "-o", "one.tif")
    assert (done.status, done.err) == (0, "")
    assert (opened(tmp_path / "one.tif")[0] == most_frequent(PAGE)).all()


@pytest.mark.parametrize("fmt", ("GIF", "PNG"))
def test_animations_become_colors(fmt: str, run: Run, tmp_path: Path) -> None:
    first = palette_image(labels(16), colors(16))
    others = [palette_image(15 - labels(16), colors(16))]
    first.save(tmp_path / "in", fmt, save_all=True, append_images=others, duration=50)
    done = run("mode", "in", "-o", "out.png")
    assert (done.status, done.err) == (
        0, "pooltool: in: warning: its palette became colors\n")  # fmt: skip
    with Image.open(tmp_path / "out.png") as image:
        assert (image.mode, image.n_frames) == ("RGB", 2)  # type: ignore[attr-defined]


def test_gif_whose_frame_leaves_some_canvas_becomes_colors(run: Run, tmp_path: Path) -> None:
    data = bytearray(gif_of(16))
    struct.pack_into("<HH", data, 6, 20, 20)
    (tmp_path / "in.gif").write_bytes(data)
    done = run("mode", "in.gif", "-o", "out.png")
    assert "its palette became colors" in done.err
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (10, 10)


@pytest.mark.parametrize("mode", ("L", "1"))
def test_gray_bmp_stays_gray(mode: str, run: Run, tmp_path: Path) -> None:
    Image.fromarray(labels(256)).convert(mode).save(tmp_path / "in.bmp")
    for command in ("mode", "max"):
        done = run(command, "in.bmp", "-o", "out.png")
        assert (done.status, done.err) == (0, "")
        with Image.open(tmp_path / "out.png") as image:
            assert image.mode == "L"


def test_indices_beyond_the_palette_stay_in_png(run: Run, tmp_path: Path) -> None:
    rows = [bytes((0, 255, 255, 1)), bytes((1, 255, 0, 1))]  # 255: where nothing is labeled
    data = png(8, 3, rows, 4, (b"PLTE", bytes(range(6))))
    (tmp_path / "in.png").write_bytes(data)
    assert run("mode", "in.png", "-o", "out.png").status == 0
    assert run("mode", "in.png", "-o", "out.tif").status == 0
    assert opened(tmp_path / "out.png")[0].tolist() == [[255, 1]]
    assert opened(tmp_path / "out.tif")[0].tolist() == [[255, 1]]


BAD = {
    "no palette": png(8, 3, [bytes(2)] * 2, 2),
    "behind the picture": png(8, 3, [bytes(2)] * 2, 2)[:-12]
    + png_chunk(b"PLTE", bytes(6))
    + png_chunk(b"IEND", b""),
    "7 bytes": png(8, 3, [bytes(2)] * 2, 2, (b"PLTE", bytes(7))),
    "257 colors": png(8, 3, [bytes(2)] * 2, 2, (b"PLTE", bytes(257 * 3))),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("command", ("mode", "max"))
def test_damaged_palettes_are_refused(name: str, command: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(BAD[name])
    done = run(command, "in.png", "-o", "out.png")
    assert done.status == 1
    assert "damaged" in done.err
