"""Images through pipes and special files, several frames, and what happens without OpenCV."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, SAMPLES, Run, load, save
from PIL import Image

from pooltool import avg_pool2d, max_pool2d

COMMAND = f"{sys.executable} -m pooltool"


@pytest.fixture(autouse=True)
def samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    shutil.copy(SAMPLES / "badge.png", "a.png")


def shell(script: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(script, shell=True, capture_output=True, check=False, timeout=60)


def test_a_pipe_of_two() -> None:
    done = shell(f"cat a.png | {COMMAND} max - | {COMMAND} avg - -o b.png")
    assert done.returncode == 0
    assert done.stdout == b"- (75, 101, 4) -> b.png (37, 50, 4)\n"
    assert done.stderr == b"- (151, 203, 4) -> - (75, 101, 4)\n"
    wanted = avg_pool2d(max_pool2d(load("a.png")), dtype=np.uint8)
    np.testing.assert_array_equal(load("b.png"), wanted)


@pytest.mark.parametrize(
    ("words", "start"),
    [
        ("-", b"\x89PNG"),
        ("- --format webp", b"RIFF"),
        ("- --format tiff -o -", b"II*\0"),
        ("a.png -o -", b"\x89PNG"),
        ("a.png -o /dev/stdout", b"\x89PNG"),  # where the text would follow the image
    ],
)
def test_only_the_image_goes_to_standard_output(words: str, start: bytes) -> None:
    done = shell(f"{COMMAND} max {words} < a.png")
    assert done.returncode == 0
    assert done.stdout.startswith(start)
    assert done.stderr.endswith(b" -> - (75, 101, 4)\n")
    assert shell(f"{COMMAND} max -q {words} < a.png").stderr == b""
    told = shell(f"{COMMAND} max --json {words} < a.png").stderr
    assert json.loads(told)["output"] == "-"


@pytest.mark.parametrize(
    ("words", "input"),
    [
        ("max /dev/stdout", "a.png"),
        ("compare /dev/stdout", "a.png"),
        ("max --files-from /dev/stdout", "list"),
    ],
)
def test_only_as_an_output_standard_output_is_a_dash(words: str, input: str) -> None:
    Path("list").write_text("a.png\n")
    done = shell(f"{COMMAND} {words} < {input} > taken")
    assert os.path.getsize("taken") == 0
    assert b"/dev/stdout: " in done.stderr
    assert not os.path.exists("a_max.png")


def test_failures_leave_standard_output_empty() -> None:
    for words, reason in {
        "- < /dev/null": b"pooltool: -: it is empty; save it again",
        "- --pool-size 999 < a.png": b"pooltool: -: --pool-size 999 does not fit",
        "- --format jpg < a.png": b"pooltool: -: JPEG cannot hold 4 channels",
    }.items():
        done = shell(f"{COMMAND} max {words}")
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.startswith(reason)
        assert done.stderr.count(b"\n") == 1


def test_a_file_of_the_name_of_a_stream_is_neither_read_nor_kept() -> None:
    Path("-").write_bytes(b"old")
    for words in ("max - < a.png", "max a.png -o - --skip-existing"):
        assert shell(f"{COMMAND} {words}").stdout.startswith(b"\x89PNG")
    assert Path("-").read_bytes() == b"old"
    for words in ("max -", "compare -"):
        done = shell(f"{COMMAND} {words} -o ./- --format png < a.png")
        assert (done.returncode, done.stderr) == (0, b"")
        assert Path("-").read_bytes().startswith(b"\x89PNG")
        Path("-").write_bytes(b"old")


@pytest.mark.parametrize(
    "words", ["max a.png -o -", "max -", "max --files-from list", "compare a.png -o -"]
)
def test_no_picture_is_written_onto_a_terminal(words: str) -> None:
    Path("list").write_text("-\n")
    parent, child = os.openpty()
    with open("a.png") as picture:
        done = subprocess.run(
            f"{COMMAND} {words}", shell=True, check=False, stdin=picture, stdout=child,
            stderr=subprocess.PIPE,
        )  # fmt: skip
    os.close(child)
    os.close(parent)
    assert done.returncode == 2
    assert b"the image would be written to the terminal; redirect it" in done.stderr


def test_a_reader_that_goes_away() -> None:
    done = shell(f"{COMMAND} max - < a.png | true; echo ${{PIPESTATUS}}")
    assert b"Traceback" not in done.stderr
    assert b"Error" not in done.stderr


@pytest.mark.parametrize(
    ("words", "name", "done"),
    [
        ("max big.bmp a.png -j 1 -o out/", "out/big_max.bmp", "a.png (151, 203, 4) -> out/a_"),
        ("max big.bmp a.png -j 2 -o out/", "out/big_max.bmp", "a.png (151, 203, 4) -> out/a_"),
        ("max big.npy a.png -o out/", "out/big_max.npy", "a.png (151, 203, 4) -> out/a_"),
        ("max big.npy -o b.npy --indices fifo.npy", "fifo.npy", ""),
        ("max big.bmp -o b.bmp --indices fifo.npy", "fifo.npy", ""),
        ("compare a.png -o fifo.bmp", "fifo.bmp", ""),
    ],
)
def test_a_fifo_whose_reader_goes_away_is_one_line(words: str, name: str, done: str) -> None:
    """And the other images go on."""
    os.mkdir("out")
    os.mkfifo(name)
    for big in ("big.bmp", "big.npy"):
        save(big, np.zeros((2000, 1500, 3), np.uint8))
    ended = shell(f"(exec 3< {name}; head -c 1 <&3 > /dev/null) & {COMMAND} {words}")
    assert ended.returncode == 1
    assert ended.stdout.decode().startswith(done)
    lines = [line for line in ended.stderr.splitlines() if not line.startswith(b"pooltool: 1 done")]
    assert len(lines) == 1, lines
    reason = f"cannot write {name}: its reader stopped before the end; let it read everything"
    assert lines[0].endswith(reason.encode())


@pytest.mark.parametrize("words", ["a.npy -o -", "a.npy -o - --indices b.npy", "a.bmp -o -"])
def test_no_line_tells_that_the_reader_of_standard_output_went_away(words: str) -> None:
    for name in ("a.npy", "a.bmp"):
        save(name, np.zeros((2000, 1500, 3), np.uint8))
    done = shell(f"bash -c '{COMMAND} max {words} | head -c 1; exit $PIPESTATUS'")
    assert (done.returncode, len(done.stdout), done.stderr) == (1, 1, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "words", ["max a.png", "max - < a.png", "max a.png --json", "compare a.png"]
)
def test_a_full_standard_output(words: str) -> None:
    done = shell(f"{COMMAND} {words} > /dev/full")
    assert done.returncode == 1
    assert done.stderr.lower().count(b"no space left on") == 1
    assert done.stderr.count(b"\n") == 1
    name = b"-: cannot write -" if words.startswith("max -") else b"standard output"
    assert done.stderr.startswith(b"pooltool: %s: " % name)


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["max a.npy -o -", "compare a.npy -q --format html -o -"])
def test_standard_output_that_takes_a_part(words: str, unbuffered: str) -> None:
    np.save("a.npy", np.random.default_rng(1).integers(0, 256, (1000, 1000)).astype(np.uint8))
    done = shell(f"ulimit -f 40; PYTHONUNBUFFERED={unbuffered} {COMMAND} {words} > taken")
    assert os.stat("taken").st_size <= 40 * 1024
    assert done.returncode == 1
    assert (
        done.stderr == b"pooltool: a.npy: cannot write -: File too large; check the file and "
        b"its disk\n"
    )


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        ("max a.png >&-", 0, b""),
        ("max a.png 2>&-", 0, b""),
        ("max a.png b.png <&- >&- 2>&-", 1, b""),
        ("max - <&-", 1, b"pooltool: -: standard input is closed"),
        ("max - < a.png >&-", 1, b"pooltool: -: cannot write -: standard output is closed"),
        ("max --files-from - <&-", 2, b"pooltool: --files-from -: standard input is closed"),
        ("compare a.png >&-", 0, b""),
        ("compare a.png -o - >&-", 1, b"pooltool: a.png: cannot write -: standard output is"),
    ],
)
def test_closed_standard_streams(words: str, status: int, reason: bytes) -> None:
    done = shell(f"{COMMAND} {words}")
    assert done.returncode == status
    assert done.stderr.startswith(reason)
    assert done.stderr.count(b"\n") == bool(reason)
    if words.startswith("max a.png"):
        assert load("a_max.png").shape == (75, 101, 4)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_standard_error_stops_nothing() -> None:
    done = shell(f"{COMMAND} max missing.png a.png -j 1 2> /dev/full")
    assert done.returncode == 1
    assert done.stdout == b"a.png (151, 203, 4) -> a_max.png (75, 101, 4)\n"
    assert shell(f"{COMMAND} max a.png a.png 2> /dev/full").returncode == 0


def test_a_directory_that_is_gone() -> None:
    done = shell(f"a=$PWD; mkdir gone; cd gone; rmdir ../gone; {COMMAND} max $a/a.png a.png -j 1")
    assert done.stdout.endswith(b"/a_max.png (75, 101, 4)\n")
    assert done.stderr.startswith(b"pooltool: a.png: no such file or folder; check the name")
    for words in ("max -r $a -o out", "max -r $a -o out >&-", "max $a/a.png -o out/"):
        done = shell(f"a=$PWD; mkdir gone; cd gone; rmdir ../gone; {COMMAND} {words}")
        reason = b"the current directory no longer exists; change to another one"
        assert (done.returncode, done.stderr) == (1, b"pooltool: " + reason + b"\n")


def test_fifos_and_descriptors() -> None:
    os.mkfifo("fifo")
    done = shell(
        f"cat a.png > fifo & {COMMAND} max fifo -o b.png && "
        f"{COMMAND} max /dev/stdin -o c.png < a.png"
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(load("b.png"), load("c.png"))


def test_all_pages_or_one(run: Run) -> None:
    pages = [np.full((6 + n, 8), 50 * n, np.uint8) for n in range(3)]
    images = [Image.fromarray(page) for page in pages]
    images[0].save("pages.tif", save_all=True, append_images=images[1:])
    assert run("max", "pages.tif").out == "pages.tif (6, 8) -> pages_max.tif (3, 4) x 3 frames\n"
    with Image.open("pages_max.tif") as written:
        assert written.n_frames == 3  # type: ignore[attr-defined]
        for n in range(3):
            written.seek(n)
            np.testing.assert_array_equal(np.asarray(written), max_pool2d(pages[n]))
    assert run("max", "pages.tif", "--frame", "2", "-o", "third.png").status == 0
    np.testing.assert_array_equal(load("third.png"), max_pool2d(pages[2]))
    refused = run("max", "pages.tif", "-o", "all.jpg")
    assert refused.status == 1
    assert "JPEG cannot hold 3 frames; use png, tif" in refused.err
    assert "it has no frame 3; it has frames 0 to 2" in run("max", "pages.tif", "--frame", "3").err
    assert json.loads(run("max", "pages.tif", "--json").out)["frames"] == 3
    compared = run("compare", "pages.tif")
    assert "frame 0 of 3 is compared; choose another with --frame" in compared.err


def test_an_upright_picture_and_its_metadata(run: Run) -> None:
    picture = Image.new("RGB", (40, 20), (200, 30, 30))
    exif = picture.getexif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    picture.save("turned.jpg", exif=exif)
    assert run("max", "turned.jpg").out == "turned.jpg (40, 20, 3) -> turned_max.jpg (20, 10, 3)\n"
    with Image.open("turned_max.jpg") as written:
        assert written.size == (10, 20)
        assert written.getexif()[0x0112] == 1
        assert written.getexif()[0x010F] == "A camera"
    warned = run("max", "turned.jpg", "-o", "turned.bmp")
    assert warned.status == 0
    assert "pooltool: turned.jpg: warning: " in warned.err
    assert "EXIF" in warned.err


def test_a_damaged_picture_is_one_line_with_the_decoders_words(run: Run) -> None:
    save("whole.jpg", np.random.default_rng(1).integers(0, 256, (90, 90, 3), np.uint8))
    data = Path("whole.jpg").read_bytes()
    Path("holes.jpg").write_bytes(data[:4000] + bytes(300) + data[4300:])
    Path("cut.jpg").write_bytes(data[:-900])
    result = run("max", "holes.jpg", "cut.jpg")
    assert (result.status, result.out) == (1, "")
    assert result.err.count("\n") == 3
    assert "pooltool: holes.jpg: it is damaged: Corrupt JPEG data" in result.err
    assert "pooltool: cut.jpg: it is" in result.err


def test_quality(run: Run) -> None:
    save("a.jpg", np.random.default_rng(1).integers(0, 256, (90, 90, 3), np.uint8))
    for quality in (10, 90):
        run("max", "a.jpg", "--quality", quality, "-o", f"q{quality}.jpg")
    assert os.path.getsize("q10.jpg") * 2 < os.path.getsize("q90.jpg")
    refused = run("max", "a.jpg", "--quality", "50", "--format", "png")
    assert refused.status == 2
    assert "PNG has no quality" in refused.err


TIGHT = """
import resource, sys
from pooltool.__main__ import main
import cv2, numpy.random, pooltool.commands, pooltool.compare.panel
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + int(sys.argv.pop(1)) * 2**20,) * 2)
sys.exit(main())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and RLIMIT_AS")
@pytest.mark.parametrize("command", ["max", "compare"])
@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "tif", "jp2", "avif", "bmp", "npy"])
def test_a_picture_that_is_larger_than_memory(tmp_path: Path, extension: str, command: str) -> None:
    """Is not called damaged, whatever of decoding and pooling gets no memory."""
    if extension == "npy" and command == "max":
        pytest.skip("is pooled by parts")
    save(tmp_path / f"a.{extension}", np.zeros((4000, 3000, 3), np.uint8))
    for room in (30, 55):  # MB; the pixels take 36
        if (extension, room) == ("jp2", 55):
            continue  # the C library ends the process when a thread has no room for its own data
        done = subprocess.run(
            [sys.executable, "-c", TIGHT, str(room), command, f"a.{extension}", "-o", "b.png"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (
            1,
            f"pooltool: a.{extension}: there is not enough memory for this image; "
            "use fewer --jobs or a larger machine\n",
        )


def test_opencv_without_its_modules(run_process: Run, tmp_path: Path) -> None:
    """An empty folder is what uninstalling one of two packages leaves."""
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").touch()
    for command in ("max", "compare"):
        result = run_process(command, "a.png")
        assert result.status in (1, 2)
        assert result.err.endswith(
            "OpenCV is broken; run: pip install --force-reinstall opencv-python\n"
        )
        assert result.err.count("\n") == 1


def test_without_opencv(run_process: Run, tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open')\n")
    result = run_process("max", "a.png")
    assert result.status == 2
    assert "apt-get install libgl1 libglib2.0-0" in result.err
    assert result.err.count("\n") == 1
