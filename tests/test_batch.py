"""Many images in one run, as a shell script calls it."""

from __future__ import annotations

import json
import os
import re
import signal
import string
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, Run, load, save

from pooltool import commands, max_pool2d, processes
from pooltool.commands import run as run_batch
from pooltool.geometry import Windows
from pooltool.interrupts import Interrupts
from pooltool.job import Job, Outcome, Settings
from pooltool.kernels import Pooling
from pooltool.report import Report, say

rng = np.random.default_rng(5)
SETTINGS = Settings(Pooling("max", Windows.of()))
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
POOLTOOL = [sys.executable, "-m", "pooltool"]
needs_fork = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux")
KEYS = [
    "input", "output", "method", "status", "input_shape", "output_shape", "dtype", "pool_size",
    "stride", "padding", "dilation", "frames", "warnings", "error",
]  # fmt: skip


def make_images(count: int, size: int = 8) -> list[str]:
    names = [f"image{index:03}.png" for index in range(count)]
    for name in names:
        save(name, rng.integers(0, 256, (size, size + 2, 3), np.uint8))
    return names


def test_lines_come_in_the_order_of_the_names(run: Run) -> None:
    names = make_images(30)
    names.insert(7, "missing.png")
    save("image000.png", np.zeros((1500, 1500), np.uint8))  # the first takes longest
    result = run("max", *names, "-j", "4")
    lines = [line.split()[0] for line in result.out.splitlines()]
    assert lines == [name for name in names if name != "missing.png"]
    assert result.err == (
        "pooltool: missing.png: no such file or folder; check the name\n"
        "pooltool: 30 done, 0 skipped, 1 failed\n"
    )
    assert result.status == 1


def test_jobs_change_nothing_but_time(run: Run, tmp_path: Path) -> None:
    names = make_images(12, 30)
    for jobs in (1, 2, 5):
        run("max", *names, "-j", jobs, "-o", f"out{jobs}/")
    for name in sorted(os.listdir("out1")):
        assert len({(tmp_path / f"out{jobs}" / name).read_bytes() for jobs in (1, 2, 5)}) == 1
    np.testing.assert_array_equal(load("out5/image003_max.png"), max_pool2d(load("image003.png")))


def test_names_from_a_list(run_process: Run, tmp_path: Path) -> None:
    make_images(3)
    odd = os.fsdecode(b"caf\xe9.png")
    os.rename("image002.png", odd)
    (tmp_path / "list").write_bytes(b"image000.png\n\nimage001.png\r\nmissing.png\ncaf\xe9.png")
    result = run_process("max", "--files-from", "list", errors="surrogateescape")
    assert result.status == 1
    assert [line.split(" ")[0] for line in result.out.splitlines()] == [
        "image000.png",
        "image001.png",
        odd,
    ]
    assert load("image001_max.png").shape == (4, 5, 3)
    assert os.path.exists(os.fsdecode(b"caf\xe9_max.png"))


def test_nul_separated_names_from_standard_input(run: Run) -> None:
    make_images(1)
    os.rename("image000.png", "two\nlines.png")
    result = run("max", "-0", "--files-from", "-", input="two\nlines.png\0")
    assert (result.status, result.err) == (0, "")
    assert load("two\nlines_max.png").shape == (4, 5, 3)


def test_names_from_two_lists_and_the_command_line(run: Run, tmp_path: Path) -> None:
    make_images(3)
    (tmp_path / "one").write_bytes(b"\xef\xbb\xbfimage001.png\r\n")  # as editors on Windows begin
    words = ["--files-from", "one", "image000.png", "--files-from", "-"]
    result = run("max", *words, input="image002.png")
    assert result.err == "pooltool: 3 done, 0 skipped, 0 failed\n"
    assert [line[:8] for line in result.out.splitlines()] == ["image000", "image001", "image002"]
    shown = run("max", os.fsdecode(b"\xef\xbb\xbfgone.png")).err
    assert shown.startswith("pooltool: \\ufeffgone.png: ")


def test_where_there_is_no_image_it_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in/empty").mkdir(parents=True)
    (tmp_path / "in/notes.txt").touch()
    (tmp_path / "list").write_text("\n")
    for words, warning in {
        ("--files-from", "-"): "--files-from -: there is no name in it",
        ("--files-from", "list"): "--files-from list: there is no name in it",
        ("-r", "in", "-o", "out"): "in: there is no image below it (files of other kinds: 1)",
        ("-r", "in/empty", "-o", "out"): "in/empty: there is no image below it",
    }.items():
        result = run("max", *words)
        assert (result.status, result.out) == (0, "")
        assert result.err == (
            f"pooltool: warning: {warning}\npooltool: 0 done, 0 skipped, 0 failed\n"
        )
    make_images(1)
    more = run("max", "-r", "image000.png", "in", "-o", "out").err
    assert more.splitlines()[0].startswith("pooltool: warning: in: there is no image below it")


def test_a_pattern_in_quotes(run: Run) -> None:
    make_images(1)
    result = run("max", "*.png", "image*.jpg", "image000.png")
    assert result.status == 1
    assert [line.partition("; ")[0] for line in result.err.splitlines()] == [
        "pooltool: *.png: no such file",
        "pooltool: image*.jpg: no such file",
        "pooltool: 1 done, 0 skipped, 2 failed",
    ]
    assert "the shell replaces * outside quotes, where it finds files" in result.err
    os.rename("image000.png", "*.png")
    assert run("max", "*.png").out == "*.png (8, 10, 3) -> *_max.png (4, 5, 3)\n"


def test_recursive(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    save("in/a.png", np.zeros((4, 4), np.uint8))
    save("in/deep/a.png", np.zeros((6, 4), np.uint8))
    (tmp_path / "in/._a.png").write_text("what macOS writes beside a file")
    (tmp_path / "in/notes.txt").write_text("not an image")
    assert run("max", "-r", "in", "-o", "in/out").out == (
        "in/a.png (4, 4) -> in/out/a_max.png (2, 2)\n"
        "in/deep/a.png (6, 4) -> in/out/deep/a_max.png (3, 2)\n"
    )
    again = run("max", "-r", "in", "-o", "in/out", "--skip-existing")
    assert again.err == "pooltool: 0 done, 2 skipped, 0 failed\n"
    refused = run("max", "in", "-o", "out/")
    assert refused.status == 1
    assert "in: it is a directory; add --recursive" in refused.err


def test_dry_run_writes_nothing(run: Run, tmp_path: Path) -> None:
    make_images(2)
    result = run("max", "image000.png", "image001.png", "-o", "out/", "--dry-run")
    assert result.out == (
        "image000.png -> out/image000_max.png\nimage001.png -> out/image001_max.png\n"
    )
    assert (result.status, result.err) == (0, "pooltool: 2 planned, 0 skipped, 0 failed\n")
    assert sorted(os.listdir()) == ["image000.png", "image001.png"]
    record = json.loads(run("max", "image000.png", "--dry-run", "--json").out)
    assert record["status"] == "planned"
    assert list(record) == KEYS


def test_dry_run_reads_no_image(run_process: Run) -> None:
    """Not even one of an unknown extension: nobody writes into this pipe, so it would wait."""
    for name in ("a.png", "a.xyz", "bare"):
        os.mkfifo(name)
    result = run_process("max", "a.png", "a.xyz", "bare", "gone.xyz", "--dry-run", timeout=60)
    assert (result.status, result.out) == (1, "a.png -> a_max.png\n")
    assert [line.split(";")[0] for line in result.err.splitlines()[:-1]] == [
        "pooltool: a.xyz: 'xyz' is not a format that can be written",
        "pooltool: bare: the name has no extension",
        "pooltool: gone.xyz: no such file or folder",
    ]


def test_dry_run_tells_what_will_be_skipped_and_what_will_fail(run: Run, tmp_path: Path) -> None:
    make_images(2)
    (tmp_path / "image000_max.png").write_bytes(b"done")
    (tmp_path / "there").mkdir()
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "image.xyz").write_bytes((tmp_path / "image000.png").read_bytes())
    words = ["image000.png", "image001.png", "gone.png", "there", "notes.txt", "image.xyz"]
    result = run("max", *words, "--skip-existing", "--dry-run")
    assert result.status == 1
    assert result.out == (
        "image000.png -> image000_max.png skipped: it exists\nimage001.png -> image001_max.png\n"
    )
    *failures, count = result.err.splitlines()
    assert f"{count}\n" == "pooltool: 1 planned, 1 skipped, 4 failed\n"
    assert [line.split(";")[0] for line in failures] == [
        "pooltool: gone.png: no such file or folder",
        "pooltool: there: it is a directory",
        "pooltool: notes.txt: 'txt' is not a format that can be written",
        "pooltool: image.xyz: 'xyz' is not a format that can be written",
    ]
    told = run("max", *words, "--skip-existing", "--dry-run", "--json").out.splitlines()
    assert [json.loads(line)["status"] for line in told] == [
        "skipped",
        "planned",
        *["failed"] * 4,
    ]
    met = run("max", *words, "--skip-existing").err.splitlines()[:-1]
    assert met.pop(2).startswith(
        "pooltool: notes.txt: it is not an image"
    )  # which only reading tells
    assert met == [*failures[:2], *failures[3:]]


def test_an_image_that_is_named_twice_is_pooled_once(run: Run, tmp_path: Path) -> None:
    make_images(2)
    os.symlink(".", "here")
    words = ["image000.png", "image001.png", "./image000.png", "here/image000.png", "image000.png"]
    result = run("max", *words, "-j", "2")
    assert result.status == 0
    assert result.out.splitlines()[2:] == [
        "./image000.png -> ./image000_max.png skipped: it is named twice",
        "here/image000.png -> here/image000_max.png skipped: it is named twice",
        "image000.png -> image000_max.png skipped: it is named twice",
    ]
    assert result.err == "pooltool: 2 done, 3 skipped, 0 failed\n"
    assert load("image000_max.png").shape == (4, 5, 3)


@pytest.mark.parametrize("output", ["closed", "links"])
def test_dry_run_foresees_what_cannot_be_written(run: Run, tmp_path: Path, output: str) -> None:
    make_images(2)
    (tmp_path / "closed/image000_max.png").mkdir(parents=True)
    (tmp_path / "closed/image001_max.png").mkdir()
    (tmp_path / "links").mkdir()
    for name in ("image000", "image001"):
        os.symlink(f"/no/{name}.png", f"links/{name}_max.png")
    words = ["image000.png", "image001.png", "-o", output]
    foreseen = run("max", *words, "--dry-run")
    assert (foreseen.status, foreseen.out) == (1, "")
    assert foreseen.err.startswith(f"pooltool: image000.png: cannot write {output}")
    assert foreseen.err.splitlines()[:2] == run("max", *words).err.splitlines()[:2]


def test_pipes_below_a_directory_are_told_not_awaited(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    save("in/a.png", np.zeros((4, 4), np.uint8))
    os.mkfifo("in/b.png")
    result = run("max", "-r", "in", "-o", "out")
    assert result.status == 1
    assert result.out == "in/a.png (4, 4) -> out/a_max.png (2, 2)\n"
    assert result.err.startswith("pooltool: in/b.png: it is not a regular file; leave it out")


IMPATIENT = """
import sys
from pooltool import cli, interrupts
interrupts.GRACE_SECONDS = 1
sys.exit(cli.main())
"""


def test_an_interrupt_waits_for_what_never_ends_but_not_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "b.png")
    for name in ("a.png", "c.png"):
        save(tmp_path / name, np.zeros((4, 4), np.uint8))
    process = subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, "max", "a.png", "b.png", "c.png", "-j", "2"],
        env=ENVIRONMENT, cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with open(tmp_path / "b.png", "wb"):  # it reads that now
        while not (tmp_path / "c_max.png").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert [line.split(" ")[0] for line in out.splitlines()] == ["a.png", "c.png"]
    assert err.splitlines() == [
        "pooltool: interrupted: finishing b.png, for at most 5 seconds; "
        "a second Ctrl-C ends it now",
        "pooltool: interrupted: 2 done, 0 skipped, 0 failed, 1 left",
    ]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("words", ["max", "max --dry-run", "max -q", "max --json", "compare"])
def test_names_that_the_output_cannot_hold(tmp_path: Path, encoding: str, words: str) -> None:
    """Escaped, and the batch goes on."""
    names = ["é.png", "日本.png", "missing-日\u200b.png", os.fsdecode(b"\x80\xff.png")]
    for name in (names[0], names[1], names[3]):
        save(tmp_path / name, np.zeros((4, 4), np.uint8))
    images = names[1:2] if words == "compare" else names
    done = subprocess.run(
        [*POOLTOOL, *words.split(), *images], cwd=tmp_path, capture_output=True, check=False,
        env={**ENVIRONMENT, "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == int(names[2] in images), done.stderr
    errors = "surrogateescape" if encoding == "utf-8" else "strict"
    text = (done.stdout + done.stderr).decode(encoding, errors)
    assert "Traceback" not in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b]", text)
    if words in ("max", "max --dry-run"):
        assert len(done.stdout.splitlines()) == 3
        assert (b"\\u65e5\\u672c.png" in done.stdout) == (encoding != "utf-8")
        assert (b"\x80\xff" if encoding == "utf-8" else b"\\udc80\\udcff") in done.stdout
    written = [name for name in os.listdir(tmp_path) if "_max" in name]
    assert len(written) == (3 if words in ("max", "max -q", "max --json") else 0)


def test_no_name_moves_the_cursor_or_hides_text(capsys: pytest.CaptureFixture[str]) -> None:
    for start in range(0, sys.maxunicode + 1, 4096):
        text = "".join(map(chr, range(start, start + 4096)))
        say(text)
        line = capsys.readouterr().out.removesuffix("\n")
        assert line.isprintable()
        escapes = r"\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}|\\[nrt]"
        assert re.sub(escapes, "", line) == "".join(c for c in text if c.isprintable())


def test_odd_names_stay_on_one_line_and_reach_no_terminal(run: Run) -> None:
    make_images(1)
    os.rename("image000.png", "two\nlines\x1b[31m.png")
    result = run("max", "two\nlines\x1b[31m.png", "gone\r\x07.png")
    assert result.out == (
        "two\\nlines\\x1b[31m.png (8, 10, 3) -> two\\nlines\\x1b[31m_max.png (4, 5, 3)\n"
    )
    assert result.err.splitlines()[0] == (
        "pooltool: gone\\r\\x07.png: no such file or folder; check the name, or to write there: "
        "-o 'gone\\r\\x07.png'"
    )
    compared = run("compare", "two\nlines\x1b[31m.png")
    assert compared.out.startswith("two\\nlines\\x1b[31m.png (8, 10, 3) -> two\\nlines")
    assert "\x1b" not in compared.out


UNPRIVILEGED = [
    "setpriv",
    *(f"--{kind}=-dac_override,-dac_read_search" for kind in ("inh-caps", "bounding-set")),
]
"""Even root may then not read what permissions deny."""


@pytest.mark.parametrize("closed", ["in", "in/b", "in/z/deep"])
def test_directories_that_cannot_be_read_are_told(tmp_path: Path, closed: str) -> None:
    for folder in ("in", "in/b", "in/z/deep"):
        (tmp_path / folder).mkdir(parents=True)
        save(tmp_path / folder / "a.png", np.zeros((4, 4), np.uint8))
    (tmp_path / closed).chmod(0)
    command = [*POOLTOOL, "max", "-r", "in", "-o", "out"]
    if os.geteuid() == 0:
        try:
            subprocess.run([*UNPRIVILEGED, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("root reads everything here")
        command = [*UNPRIVILEGED, *command]
    result = subprocess.run(
        command, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    (tmp_path / closed).chmod(0o755)
    assert result.returncode == 1
    assert f"pooltool: {closed}: cannot be read: permission denied" in result.stderr
    assert len(result.stdout.splitlines()) == {"in": 0, "in/b": 2, "in/z/deep": 2}[closed]


def test_json(run: Run) -> None:
    make_images(1)
    words = ["image000.png", "missing.png", "--json", "--padding", "1x0", "--stride", "2x1"]
    result = run("max", *words)
    good, bad = map(json.loads, result.out.splitlines())
    assert list(good) == list(bad) == KEYS
    assert good == {
        "input": "image000.png", "output": "image000_max.png", "method": "max",
        "status": "ok", "input_shape": [8, 10, 3], "output_shape": [5, 9, 3], "dtype": "uint8",
        "pool_size": [2, 2], "stride": [2, 1], "padding": [1, 0], "dilation": [1, 1],
        "frames": 1, "warnings": [], "error": None,
    }  # fmt: skip
    assert bad["status"] == "failed"
    assert bad["error"].startswith("no such file or folder; check the name")
    assert bad["output_shape"] is None
    assert run("max", *words, "--skip-existing").out.count('"skipped"') == 1
    adaptive = json.loads(run("max", "image000.png", "--json", "--output-size", "3").out)
    assert adaptive["pool_size"] is adaptive["stride"] is adaptive["padding"] is None


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "no image is named; give IMAGES or --files-from"),
        (
            ["--files-from", "nul"],
            "--files-from nul: names must end with line breaks (-0: with NUL); add -0",
        ),
        (["-0", "a.png"], "-0 is for the names in --files-from"),
        (
            ["-0", "--files-from", "lines"],
            "lines: names must end with line breaks (-0: with NUL); leave out -0",
        ),
        (["", "a.png"], "an image's name is empty; check the variable"),
        (["a.png", "-o", ""], "the name after -o is empty; check the variable"),
        (["-r", "there", "-o", ""], "the name after -o is empty"),
        (["-r", "there"], "--recursive needs -o DIR"),
        (["-", "a.png"], "standard input) cannot be combined"),
        (["--files-from", "dash"], "standard input) cannot be combined"),
        (["a.png", "--files-from", "dash"], "standard input) cannot be combined"),
        (["--files-from", "one-dash", "--files-from", "lines"], "standard input) cannot be"),
        (["--files-from", "one-dash", "--scheduler", "tcp://127.0.0.1:1"], "leave out -, "),
        (["--files-from", "one-dash", "-o", "there"], "name a file for standard input"),
        (["a.png", "b.png", "-o", "-"], "-o - takes one image"),
        (["--files-from", "missing"], "--files-from missing: no such file"),
        (["--files-from", "there"], "--files-from there: it is a directory"),
        (["-j", "0", "a.png"], "'--jobs'"),
        (["-", "--scheduler", "tcp://127.0.0.1:1"], "--scheduler is for files; leave out -, "),
    ],
)
def test_wrong_usage(run: Run, tmp_path: Path, words: list[str], reason: str) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "nul").write_bytes(b"a.png\0b.png\0")
    (tmp_path / "lines").write_bytes(b"a.png\nb.png\n")
    (tmp_path / "dash").write_bytes(b"b.png\n-\n")
    (tmp_path / "one-dash").write_bytes(b"-\n")
    save("a.png", np.zeros((4, 4), np.uint8))
    result = run("max", *words)
    assert result.status == 2
    assert reason in result.err
    assert result.err.count("\n") == 1
    assert sorted(os.listdir()) == ["a.png", "dash", "lines", "nul", "one-dash", "there"]


def test_no_bar_in_a_pipe(run: Run) -> None:
    names = make_images(5)
    assert run("max", *names, "--progress").err == "pooltool: 5 done, 0 skipped, 0 failed\n"


def bar_of(names: list[str], *words: str, term: str = "xterm") -> str:
    """What a run shows on a terminal."""
    parent, child = os.openpty()
    subprocess.run(
        [*POOLTOOL, "max", *names, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": term},
        stdout=subprocess.DEVNULL, stderr=child, check=True,
    )  # fmt: skip
    os.close(child)
    shown = os.read(parent, 1 << 16).decode()
    os.close(parent)
    return shown


def test_a_bar_on_a_terminal(run: Run) -> None:
    names = make_images(5)
    bar = bar_of(names, "--progress")
    assert re.search(r"(images/s|s/image) \[#+-*\] \d/5 0:00:\d\d", bar)
    assert bar.count("\n") == 1, "each bar is drawn over the last one"
    count = "pooltool: 5 done, 0 skipped, 0 failed\r\n"
    assert bar_of(names, "--no-progress") == count
    assert bar_of(names, "--progress", term="dumb") == count


def test_the_bar_tells_the_time_left(tmp_path: Path) -> None:
    names = ["a.png", "slow.png", "c.png", "d.png"]
    for name in ("a.png", "c.png", "d.png"):
        save(tmp_path / name, np.zeros((4, 4), np.uint8))
    os.mkfifo(tmp_path / "slow.png")
    parent, child = os.openpty()
    process = subprocess.Popen(
        [*POOLTOOL, "max", *names, "-j", "1", "--progress"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}, cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=child,
    )  # fmt: skip
    with open(tmp_path / "slow.png", "wb") as slow:
        time.sleep(2.5)
        slow.write((tmp_path / "a.png").read_bytes())
    assert process.wait(timeout=30) == 0
    os.close(child)
    bar = os.read(parent, 1 << 16).decode()
    os.close(parent)
    assert re.search(r"1\.\d s/image \[#{15}-{15}\] 2/4 0:00:0\d", bar), bar


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with enough large images for a run to be interrupted."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    save("one.png", rng.integers(0, 256, (700, 700, 3), np.uint8))
    for index in range(200):
        os.link("one.png", f"in/image{index:03}.png")
    yield tmp_path


@pytest.mark.parametrize(
    ("number", "jobs"),
    [
        (signal.SIGINT, "1"),
        (signal.SIGINT, "2"),
        (signal.SIGTERM, "2"),
        (signal.SIGHUP, "2"),
        (signal.SIGKILL, "2"),
    ],
)
def test_interrupted_runs_leave_whole_files_and_can_be_resumed(
    many: Path, number: signal.Signals, jobs: str
) -> None:
    command = [*POOLTOOL, "max", "-r", "in", "-o", "out", "-j", jobs]
    process = subprocess.Popen(
        [*command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True
    )
    while not (many / "out").exists() or len(os.listdir("out")) < 5:
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == -number  # it dies of the signal, so that shells know
    whole = [name for name in os.listdir("out") if not name.startswith(".")]
    assert 0 < len(whole) < 200
    for name in whole:
        assert load(f"out/{name}").shape == (350, 350, 3)
    if number != signal.SIGKILL:  # which leaves no time to clean up
        assert len(whole) == len(os.listdir("out")), "a temporary file was left"
        assert len(out.splitlines()) == len(whole)
        left = 200 - len(whole)
        assert err == (
            f"pooltool: interrupted: {len(whole)} done, 0 skipped, 0 failed, {left} left\n"
        )
    rest = subprocess.run(
        [*command, "--skip-existing"], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert rest.returncode == 0
    assert f"{200 - len(whole)} done, {len(whole)} skipped, 0 failed" in rest.stderr


INTERRUPTED_AT_A_BAD_TIME = """
import os, signal, sys
import pooltool.job
from pooltool import cli
from pooltool.report import Report

def interrupting(call, after):
    signals = [signal.{number}] * 2  # as `timeout` does: they count as one

    def interrupt():
        while signals:
            os.kill(os.getpid(), signals.pop())

    def interrupted(*arguments, **options):
        if not after:
            interrupt()
        result = call(*arguments, **options)
        if after:
            interrupt()
        return result
    return interrupted

{owner}.{name} = interrupting({owner}.{name}, {after})
sys.exit(cli.main())
"""


def interrupted(
    owner: str, name: str, after: bool, *words: str, number: str = "SIGTERM"
) -> tuple[str, str, int]:
    """What a run prints and returns that is interrupted before or after a call of `owner.name`."""
    script = INTERRUPTED_AT_A_BAD_TIME.format(owner=owner, name=name, after=after, number=number)
    result = subprocess.run(
        [sys.executable, "-c", script, *words],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return result.stdout, result.stderr, result.returncode


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("owner", "name"), [("os", "replace"), ("Report", "add")])
@pytest.mark.parametrize(("jobs", "number"), [("1", "SIGTERM"), ("2", "SIGTERM"), ("2", "SIGINT")])
def test_what_was_written_is_told_whenever_an_interrupt_comes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: str,
    name: str,
    after: bool,
    jobs: str,
    number: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    names = make_images(9)
    words = ["max", *names, "-o", "out", "-j", jobs]
    out, err, status = interrupted(owner, name, after, *words, number=number)
    written = sorted(f"out/{name}" for name in os.listdir("out"))
    assert status == -signal.Signals[number]
    assert [line.split(" -> ")[1].split()[0] for line in out.splitlines()] == written
    done, left = len(written), 9 - len(written)
    assert err == f"pooltool: interrupted: {done} done, 0 skipped, 0 failed, {left} left\n"
    assert written


def test_what_was_skipped_is_told_whenever_an_interrupt_comes(run: Run) -> None:
    names = make_images(9)
    run("max", *names, "-o", "out")
    words = ["max", *names, "-o", "out", "-j", "1", "--skip-existing"]
    out, err, status = interrupted("pooltool.job.files", "is_done", True, *words)
    told = len(out.splitlines())
    assert out.startswith("image000.png -> out/image000_max.png skipped: it exists\n")
    assert err == f"pooltool: interrupted: 0 done, {told} skipped, 0 failed, {9 - told} left\n"
    assert status == -signal.SIGTERM


IN_A_TERMINAL_THAT_GOES_AWAY = """
import os, pty, sys
os.environ["TERM"] = "xterm"
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.executable, [sys.executable, "-m", "pooltool", *sys.argv[1:]])
for _ in range(5):
    os.read(terminal, 100)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("bar", ["--progress", "--no-progress"])
def test_a_terminal_that_goes_away(many: Path, bar: str) -> None:
    words = ["max", "-r", "in", "-o", "out", bar]
    done = subprocess.run(
        [sys.executable, "-c", IN_A_TERMINAL_THAT_GOES_AWAY, *words],
        env=ENVIRONMENT, check=True, capture_output=True,
    )  # fmt: skip
    assert int(done.stdout) == -signal.SIGHUP
    written = os.listdir("out")
    assert 0 < len(written) < 200
    assert all(load(f"out/{name}").shape == (350, 350, 3) for name in written)


@pytest.mark.parametrize("wait", [0.1, 1.5])
def test_a_second_ctrl_c_ends_a_run_at_once(tmp_path: Path, wait: float) -> None:
    """The first waits for what is in hand: here for a FIFO that nobody writes to."""
    os.mkfifo(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    process = subprocess.Popen(
        [*POOLTOOL, "max", "a.png", "b.png", "-j", "2"],
        env=ENVIRONMENT, cwd=tmp_path, stderr=subprocess.PIPE,
    )  # fmt: skip
    with open(tmp_path / "a.png", "wb"), open(tmp_path / "b.png", "wb"):  # it reads them now
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=wait)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=3)
    assert process.returncode == -signal.SIGINT
    said = b"finishing a.png, for at most 5 seconds; a second Ctrl-C ends it now\n"
    assert err == (b"pooltool: interrupted: " + said if wait > 1 else b"")
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.png"]


INSIDE_OPENCV = """
import sys
import numpy as np
from pooltool import interrupts, native
from pooltool.__main__ import main
interrupts.GRACE_SECONDS = 1
cv2 = native.import_cv2()
plain = cv2.imdecode

def imdecode(*words):
    open("begun", "w").close()
    cv2.setNumThreads(1)
    cv2.bilateralFilter(np.zeros((4000, 4000), np.uint8), 61, 50, 50)  # takes much longer
    return plain(*words)

cv2.imdecode = imdecode
sys.exit(main())
"""


@pytest.mark.parametrize("numbers", [["SIGTERM"], ["SIGINT", "SIGINT"]])
def test_signals_end_a_run_while_opencv_works(tmp_path: Path, numbers: list[str]) -> None:
    """Python's own handlers would wait for it to return."""
    save(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    process = subprocess.Popen(
        [sys.executable, "-c", INSIDE_OPENCV, "max", "-q", "a.png"], env=ENVIRONMENT, cwd=tmp_path
    )
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    for number in numbers:
        time.sleep(0.2)
        process.send_signal(signal.Signals[number])
    assert process.wait(timeout=5) == -signal.Signals[numbers[0]]
    assert sorted(os.listdir(tmp_path)) == ["a.png", "begun"]


def test_an_interrupted_comparison_leaves_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    process = subprocess.Popen(
        [*POOLTOOL, "compare", "a.png"], env=ENVIRONMENT, cwd=tmp_path, stderr=subprocess.PIPE
    )
    with open(tmp_path / "a.png", "wb"):
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (-signal.SIGTERM, b"")
    assert os.listdir(tmp_path) == ["a.png"]


def test_ctrl_c_stops_the_loop_of_a_shell(tmp_path: Path) -> None:
    """bash goes on after a command that caught the signal, even if its status is 130."""
    os.mkfifo(tmp_path / "a.png")
    loop = 'for n in 1 2; do "$0" -m pooltool max a.png; echo "next"; done; echo "end"'
    process = subprocess.Popen(
        ["bash", "-c", loop, sys.executable], env=ENVIRONMENT, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True,
    )  # fmt: skip
    with open(tmp_path / "a.png", "wb"):
        os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (-signal.SIGINT, "")
    assert "Traceback" not in err


def test_an_interrupt_before_the_run_begins_is_no_traceback(tmp_path: Path) -> None:
    script = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from pooltool.__main__ import main
sys.exit(main())
"""
    result = subprocess.run(
        [sys.executable, "-c", script, "--help"], env=ENVIRONMENT, capture_output=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (-signal.SIGINT, b"", b"")


def test_ignored_signals_stay_ignored(many: Path) -> None:
    """As under nohup, or in the background of a script."""
    process = subprocess.Popen(
        ["sh", "-c", 'trap "" HUP INT; exec "$0" -m pooltool max -q -r in -o out', sys.executable],
        env=ENVIRONMENT,
    )
    while not (many / "out").exists() or len(os.listdir("out")) < 5:
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    assert len(os.listdir("out")) == 200


def test_a_closed_pipe_ends_quietly(run: Run, tmp_path: Path) -> None:
    names = make_images(50)
    command = [*POOLTOOL, "max", *names]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, env=ENVIRONMENT, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 1


def test_only_a_few_jobs_are_begun_before_they_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first takes as long as nobody writes into its pipe."""
    names = [tmp_path / f"{number}.png" for number in range(30)]
    os.mkfifo(names[0])
    for name in names[1:]:
        save(name, np.zeros((4, 4), np.uint8))
    out = tmp_path / "out"
    jobs = [Job(str(name), str(out / name.name), "png", str(out)) for name in names]
    monkeypatch.setattr("pooltool.processes.AHEAD", 8)
    monkeypatch.setattr("pooltool.processes.PART_JOBS", 3)
    with ThreadPoolExecutor(1) as executor:
        outcomes = executor.submit(list, processes.run(jobs, SETTINGS, Interrupts(), 2))
        while not out.exists() or len(os.listdir(out)) < 6:
            time.sleep(0.01)
        time.sleep(0.5)
        assert len(os.listdir(out)) < 8 + 3
        names[0].write_bytes(names[1].read_bytes())
        assert [outcome.job for outcome in outcomes.result(30)] == jobs


@pytest.fixture
def small(tmp_path: Path) -> list[Job]:
    """Jobs for many small pictures, one of them no picture."""
    jobs = []
    for number in range(200):
        save(tmp_path / f"{number}.png", rng.integers(0, 256, (8, 8), np.uint8))
        jobs.append(
            Job(str(tmp_path / f"{number}.png"), str(tmp_path / f"{number}_max.png"), "png")
        )
    (tmp_path / "7.png").write_text("no picture")
    return jobs


def test_processes_say_what_one_process_says(small: list[Job]) -> None:
    with Interrupts() as interrupts:
        here = list(run_batch(small, SETTINGS._replace(jobs=1), interrupts))
    results = [Path(job.output).read_bytes() for job in small if "/7_max" not in job.output]
    for job in small:
        Path(job.output).unlink(missing_ok=True)
    assert list(run_batch(small, SETTINGS._replace(jobs=3), Interrupts())) == here
    assert [outcome.status for outcome in here].count("failed") == 1
    assert results == [Path(j.output).read_bytes() for j in small if "/7_max" not in j.output]


@pytest.mark.parametrize(
    ("images", "size", "jobs", "wanted"),
    [(1, 10**8, None, 1), (9, 100, None, 1), (9999, 100, 3, 3), (9, 10**7, 3, 3), (2, 10**8, 3, 2),
     (400, 100, 1, 1), (2, None, 2, 2)],
)  # fmt: skip
def test_how_many_processes_a_run_is_worth(
    tmp_path: Path, images: int, size: int | None, jobs: int | None, wanted: int
) -> None:
    path = tmp_path / "a"
    if size is None:
        os.mkfifo(path)  # which may never end
    else:
        with path.open("wb") as file:
            file.truncate(size)
    named = [Job(str(path), "", "png")] * images
    assert commands._processes(named, SETTINGS._replace(jobs=jobs)) == wanted
    assert commands._processes(named, SETTINGS._replace(jobs=jobs, show=True)) == 1


def test_one_image_is_pooled_without_threads_processes_or_what_they_need(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.zeros((40, 50, 3), np.uint8))
    script = """
import sys, threading
from pooltool import job
plain = job.files.write
def write(*words, **options):
    assert threading.active_count() == 2  # the other one waits for signals
    assert threading.current_thread() is threading.main_thread()
    assert not {"concurrent.futures", "multiprocessing"} & set(sys.modules)
    plain(*words, **options)
job.files.write = write
from pooltool.__main__ import main
sys.exit(main())
"""
    for words in (["a.png"], ["a.png", "a.png"], ["a.png", "-o", "b.png", "-j", "2"]):
        done = subprocess.run(
            [sys.executable, "-c", script, "max", *words], env=ENVIRONMENT, cwd=tmp_path,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, "failed" in done.stderr and "1 failed" in done.stderr) == (
            0,
            False,
        )


HOSTILE = """
import os, signal, sys
from pooltool import processes
plain, run = processes.pool_file, os.getpid()

def pool_file(job, settings):
    name, times = os.path.basename(job.input), {times}
    if name.startswith("bad"):
        assert os.getpid() != run, "a hostile picture is never done by the run itself"
        with open(name + ".killed", "a") as file:
            file.write("x")
        if os.path.getsize(name + ".killed") <= times:
            os.kill(os.getpid(), signal.SIGKILL)
    return plain(job, settings)

processes.pool_file = pool_file
from pooltool.__main__ import main
sys.exit(main())
"""


@needs_fork
@pytest.mark.parametrize("times", [1, 9])
def test_a_picture_that_kills_its_process_ends_no_batch(tmp_path: Path, times: int) -> None:
    names = [
        f"{name}{number:03}.png"
        for number in range(60)
        for name in ("good", "bad")[: 1 + (number % 30 == 9)]
    ]
    for name in names:
        save(tmp_path / name, rng.integers(0, 256, (8, 8), np.uint8))
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE.format(times=times), "max", *names, "-j", "2"],
        env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    failed = 2 if times > 1 else 0
    assert done.returncode == (1 if failed else 0)
    wanted = [name for name in names if not failed or name.startswith("good")]
    assert [line.split(" ")[0] for line in done.stdout.splitlines()] == wanted
    assert done.stderr.splitlines() == [
        *(
            f"pooltool: bad{number}.png: its process ended (SIGKILL, probably because memory ran "
            "out); tried twice alone; leave it out"
            for number in ("009", "039")[:failed]
        ),
        f"pooltool: {len(names) - failed} done, 0 skipped, {failed} failed",
    ]
    tries = [(tmp_path / f"bad{number}.png.killed").read_text() for number in ("009", "039")]
    assert tries == ["xxx" if failed else "xx", "xx"]  # the first was also begun with all others
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


@needs_fork
def test_a_process_that_is_killed_while_it_waits_is_replaced(
    small: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = processes.Worker.begin

    def begin_late(worker: processes.Worker, part: range) -> None:
        if part.start == 64:
            worker.process.kill()
            worker.process.join()
        begin(worker, part)

    monkeypatch.setattr(processes.Worker, "begin", begin_late)
    outcomes = processes.run(small, SETTINGS, Interrupts(), 1)
    assert [outcome.job for outcome in outcomes] == small


NO_FORK = """
import errno, os, sys
fork, left = os.fork, list(range({left}))

def fork_few():
    if not left:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    left.pop()
    return fork()

os.fork = fork_few
from pooltool.__main__ import main
sys.exit(main())
"""


@needs_fork
@pytest.mark.parametrize(
    ("limit", "left", "reason"),
    [
        (40, 99, ""),
        (16, 99, "Too many open files"),
        (99, 2, ""),
        (99, 0, "Resource temporarily unavailable"),
    ],
)
def test_a_run_goes_on_with_as_many_processes_as_can_be_started(
    run: Run, tmp_path: Path, limit: int, left: int, reason: str
) -> None:
    names = make_images(12, 200)
    done = subprocess.run(
        ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "", sys.executable, "-c",
         NO_FORK.format(left=left), "max", *names, "-j", "12"],
        env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if reason:
        assert done.stderr == (
            f"pooltool: no process can be started: {reason}; use fewer --jobs\n"
            "pooltool: stopped: 0 done, 0 skipped, 0 failed, 12 left\n"
        )
    else:
        assert done.stderr == "pooltool: 12 done, 0 skipped, 0 failed\n"
    assert (done.returncode, len(done.stdout.splitlines())) == ((1, 0) if reason else (0, 12))


@needs_fork
@pytest.mark.parametrize(
    ("number", "reason"),
    [(9, "SIGKILL, probably because memory ran out"), (10, "SIGUSR1"), (40, "signal 40")],
)
def test_why_a_process_ended(small: list[Job], number: int, reason: str) -> None:
    worker = processes.Worker(small, SETTINGS)
    os.kill(worker.process.pid, number)
    assert worker.end() == reason


WITHOUT_SHARED_MEMORY = """
import multiprocessing.heap, os, signal, sys
from pooltool import report
multiprocessing.heap.Arena._dir_candidates = []  # as on macOS: its files are in TMPDIR
add = report.Report.add

def add_and_interrupt(*words):
    add(*words)
    if {is_interrupted}:
        os.kill(os.getpid(), signal.SIGTERM)

report.Report.add = add_and_interrupt
from pooltool.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("is_interrupted", [False, True])
def test_processes_leave_no_temporary_folders(
    run: Run, tmp_path: Path, is_interrupted: bool
) -> None:
    names = make_images(12, 200)
    (tmp_path / "tmp").mkdir()
    script = WITHOUT_SHARED_MEMORY.format(is_interrupted=is_interrupted)
    done = subprocess.run(
        [sys.executable, "-c", script, "max", *names, "-j", "2"],
        env={**ENVIRONMENT, "TMPDIR": str(tmp_path / "tmp")}, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == (-signal.SIGTERM if is_interrupted else 0)
    assert os.listdir(tmp_path / "tmp") == []


@needs_fork
@pytest.mark.parametrize("numbers", [["SIGKILL"], ["SIGTERM", "SIGTERM"], ["SIGINT", "SIGINT"]])
def test_processes_end_with_the_run(tmp_path: Path, numbers: list[str]) -> None:
    """At once, also when it is killed: each process reads from a pipe that nobody writes to."""
    pipes = [tmp_path / "a.png", tmp_path / "b.png"]
    for pipe in pipes:
        os.mkfifo(pipe)
    process = subprocess.Popen(
        [*POOLTOOL, "max", "-q", "a.png", "b.png", "-o", "out/", "-j", "2"],
        env=ENVIRONMENT, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with pipes[0].open("wb"), pipes[1].open("wb"):  # they read them now
        for number in numbers:
            process.send_signal(signal.Signals[number])
            time.sleep(0.6)
        process.communicate(timeout=3)  # the processes hold the other ends of its pipes
    assert process.returncode == -signal.Signals[numbers[0]]
    assert not (tmp_path / "out").exists()


def test_the_closing_line_and_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    job = Job("", "", "")
    report = Report(SETTINGS, [job] * 5)
    for outcome in (Outcome(job, "ok"), Outcome(job, "ok"), Outcome(job, "skipped")):
        report.add(outcome)
    assert report.status == 0
    report.add(Outcome(job, "failed", error="bad"))
    assert report.status == 1
    report.close("stopped")
    assert capsys.readouterr().err.splitlines()[-1] == (
        "pooltool: stopped: 2 done, 1 skipped, 1 failed, 1 left"
    )


def test_warnings_are_told_as_lines_and_in_json(run: Run) -> None:
    clear = np.zeros((4, 4, 4), np.uint8)
    save("a.png", clear)
    save("b.png", clear[..., :3])
    result = run("max", "a.png", "b.png", "--gray", "--json")
    warned, silent = (json.loads(line)["warnings"] for line in result.out.splitlines())
    assert warned == ["its transparency was left out: --gray keeps no alpha"]
    assert silent == []
    assert f"pooltool: a.png: warning: {warned[0]}\n" in result.err


def test_a_line_is_never_very_long(run: Run) -> None:
    """Many chunks, each of another name, and an error that quotes what a file holds."""
    save("a.png", np.zeros((4, 4), np.uint8))
    data, letters = Path("a.png").read_bytes(), string.ascii_lowercase
    names = ["".join(letters).encode() for letters in product("abcdefgh", "abcd", "ABCD", letters)]
    chunks = b"".join(bytes(4) + name + zlib.crc32(name).to_bytes(4, "big") for name in names)
    Path("a.png").write_bytes(data[:-12] + chunks + data[-12:])
    fields = [(f"field{number}", "u1") for number in range(3000)]
    np.save("b.npy", np.zeros((2, 2), fields))
    result = run("max", "a.png", "b.npy")
    assert result.status == 1
    lines = result.err.splitlines()
    assert all(len(line) < 360 for line in lines)
    assert re.search(r"PNG chunk aaAa, PNG chunk aaAb, .* and 3,\d\d\d more$", lines[0]), lines[0]
    (warning,) = json.loads(run("max", "a.png", "--json").out)["warnings"]
    assert lines[0] == f"pooltool: a.png: warning: {warning}"


def test_an_empty_output_is_done_again(run: Run, tmp_path: Path) -> None:
    """A power cut can leave one."""
    names = make_images(2)
    (tmp_path / "image000_max.png").touch()
    (tmp_path / "image001_max.png").write_bytes(b"full")
    result = run("max", *names, "--skip-existing")
    assert result.err == "pooltool: 1 done, 1 skipped, 0 failed\n"
    assert load("image000_max.png").shape == (4, 5, 3)
    assert (tmp_path / "image001_max.png").read_bytes() == b"full"


ELSEWHERE = """
import os, signal, sys
sys.modules["fcntl"] = sys.modules["resource"] = None
for module, names in {
    os: ["fchown", "fchmod", "sched_getaffinity", "preadv", "memfd_create", "O_CLOEXEC",
         "O_TMPFILE", "geteuid"],
    signal: ["SIGHUP"],
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
import numpy, pooltool
assert pooltool.max_pool2d(numpy.eye(4)).shape == (2, 2)
from pooltool.__main__ import main
sys.exit(main())
"""


def test_nothing_that_only_some_systems_have_is_needed(run: Run, tmp_path: Path) -> None:
    names = make_images(3)
    np.save("array.npy", rng.random((9, 8)))
    words = ["max", *names, "array.npy", "-o", "out"]
    for command in (words, words, ["compare", "image000.png"]):  # also over old files
        done = subprocess.run(
            [sys.executable, "-c", ELSEWHERE, *command],
            env=ENVIRONMENT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(load("out/image001_max.png"), max_pool2d(load("image001.png")))
    np.testing.assert_array_equal(load("out/array_max.npy"), max_pool2d(load("array.npy")))
    assert load("image000_compare.png").ndim == 3
