"""Where results go, and the runs that are refused because something would be lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pooltool.errors import ImageError, UsageProblem
from pooltool.geometry import Windows
from pooltool.job import Job, Settings
from pooltool.kernels import Method, Pooling
from pooltool.plan import COMPARE, plan


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()


def jobs_of(*paths: str, method: Method = "max", **words: Any) -> list[Job]:
    jobs, warnings = plan(paths, Settings(Pooling(method, Windows.of()), **words))
    assert not warnings
    return jobs


def outputs(*paths: str, **words: Any) -> list[str]:
    return [job.output for job in jobs_of(*paths, **words)]


@pytest.mark.parametrize(
    ("output", "format", "path", "wanted"),
    [
        (None, None, "a.jpg", "a_max.jpg"),
        (None, None, "b/a.jpg", "b/a_max.jpg"),
        (None, "png", "a.jpg", "a_max.png"),
        (None, ".tiff", "a", "a_max.tiff"),
        (None, None, "a.tar.png", "a.tar_max.png"),
        (None, None, "a.J2K", "a_max.jp2"),
        (None, None, "a.avifs", "a_max.avif"),
        (None, None, "a.GIF", "a_max.png"),
        (None, "webp", "a.gif", "a_max.webp"),
        (None, "png", "a.jfif", "a_max.png"),
        ("c.png", None, "a.jpg", "c.png"),
        ("there", None, "b/a.jpg", "there/a_max.jpg"),
        ("new/", "png", "b/a.jpg", "new/a_max.png"),
        ("-", None, "a.jpg", "-"),
        (None, None, "-", "-"),
        ("c.png", None, "-", "c.png"),
        ("there", "png", "-", "there/stdin_max.png"),
    ],
)
def test_one_image(output: str | None, format: str | None, path: str, wanted: str) -> None:
    assert outputs(path, output=output, format=format) == [wanted]


@pytest.mark.parametrize(
    ("words", "path", "format"),
    [
        ({}, "a.JPG", ".JPG"),
        ({"output": "c.png"}, "a.jpg", ".png"),
        ({"output": "c.dat", "format": "png"}, "a.jpg", ".png"),
        ({"output": "-"}, "a.tif", ".tif"),
        ({}, "-", None),
        ({"output": "-"}, "-", None),
        ({}, "a.GIF", ".png"),
        ({"format": "webp"}, "-", ".webp"),
        ({"output": "c.bmp"}, "-", ".bmp"),
    ],
)
def test_the_format_that_is_written(words: dict[str, Any], path: str, format: str | None) -> None:
    (job,) = jobs_of(path, **words)
    assert job.format == format


def test_several_images_go_into_a_directory() -> None:
    wanted = ["new/a_avg.jpg", "new/c_avg.png"]
    assert outputs("a.jpg", "b/c.png", method="avg", output="new") == wanted


def test_trees_are_mirrored(tmp_path: Path) -> None:
    for name in ("in/b.png", "in/deep/er/a.JPG", "in/deep/notes.txt", "in/out/old_max.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    os.symlink("..", "in/deep/loop")
    assert jobs_of("in", output="in/out", recursive=True) == [
        Job("in/b.png", "in/out/b_max.png", ".png", "in/out/"),
        Job("in/deep/er/a.JPG", "in/out/deep/er/a_max.JPG", ".JPG", "in/out/deep/er/"),
    ]


@pytest.mark.parametrize("installed", [(), ("PIL",), ("PIL", "pillow_heif", "imagecodecs")])
def test_trees_hold_what_is_installed(
    monkeypatch: pytest.MonkeyPatch, installed: tuple[str, ...]
) -> None:
    monkeypatch.setattr("pooltool.plan.is_installed", lambda module: module in installed)
    for name in ("a.png", "b.heic", "c.HEIC", "d.tga", "e.jxl"):
        Path("there", name).touch()
    settings = Settings(Pooling("max", Windows.of()), recursive=True, output="out")
    jobs, warnings = plan(("there", "named.heic"), settings)
    wanted = {
        0: ["a.png"],
        1: ["a.png", "d.tga"],
        3: ["a.png", "b.heic", "c.HEIC", "d.tga", "e.jxl"],
    }
    names = [os.path.basename(job.input) for job in jobs]
    assert names == [*wanted[len(installed)], "named.heic"]
    assert warnings == {
        0: ["there: left out 4 files; to read them: pip install imagecodecs pillow "
            "pillow-heif"],
        1: ["there: left out 3 files; to read them: pip install imagecodecs pillow-heif"],
        3: [],
    }[len(installed)]  # fmt: skip


def test_a_directory_without_recursive_is_a_problem_of_its_own() -> None:
    assert ["add --recursive" in job.problem for job in jobs_of("a.png", "there")] == [False, True]


def test_names_stay_as_they_were_given() -> None:
    odd = [os.fsdecode(b"caf\xe9.png"), "new\nline.png", " ", "ü.png"]
    assert [job.input for job in jobs_of(*odd)] == odd


@pytest.mark.parametrize(
    ("output", "paths", "problem"),
    [
        ("a.png", ["a.png"], "a.png: the result of a.png would overwrite the image a.png"),
        ("there/../a.png", ["a.png"], "would overwrite the image a.png"),
        ("link.png", ["a.png"], "would overwrite the image a.png"),
        (None, ["a.png", "a_max.png"], "a_max.png: the result of a.png would overwrite"),
        (None, ["a_max.png", "a.png"], "a_max.png: the result of a.png would overwrite"),
        ("out/", ["a.png", "b/a.png"], "out/a_max.png: a.png and b/a.png would both"),
        ("b/", ["a.png", "a.png", "c/a.png"], "b/a_max.png: a.png and c/a.png would both"),
    ],
)
def test_runs_that_would_lose_a_file_are_refused(
    output: str | None, paths: list[str], problem: str
) -> None:
    os.symlink("a.png", "link.png")
    os.mkdir("b")
    os.symlink("b", "link")
    with pytest.raises(UsageProblem, match=problem):
        jobs_of(*paths, output=output)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize(
    ("paths", "words", "problem"),
    [
        (["b/A.png", "c/a.png"], {"output": "out/"}, "out/a_max.png: b/A.png and c/a.png would"),
        (["b/\u00e9.png", "c/e\u0301.png"], {"output": "there"}, "would both be written there"),
        (["in", "more"], {"output": "out", "recursive": True}, "in/B/a.png and more/b/a.png would"),
        (["a.png"], {"output": "x.npy", "indices": "X.npy"}, "--indices X.npy is the result"),
    ],
)
def test_names_that_differ_in_case_are_one_file_where_disks_ignore_it(
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    paths: list[str],
    words: dict[str, Any],
    problem: str,
) -> None:
    for name in ("in/B/a.png", "more/b/a.png"):
        Path(name).parent.mkdir(parents=True)
        Path(name).touch()
    monkeypatch.setattr(sys, "platform", platform)
    if platform == "linux":
        assert not any(job.repeated for job in jobs_of(*paths, **words))
        return
    with pytest.raises(UsageProblem, match=problem):
        jobs_of(*paths, **words)


@pytest.fixture(params=["bind mount", "stub"])
def twice(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`b` is the folder `a` under another name, which no link tells."""
    os.mkdir("a")
    os.mkdir("b")
    Path("a/p.png").write_bytes(b"image")
    Path("a/q_max.png").write_bytes(b"old result")
    if request.param == "bind mount":
        mounted = subprocess.run(["mount", "--bind", "a", "b"], capture_output=True, check=False)
        if mounted.returncode:
            pytest.skip("no folder can be mounted here")
        yield
        subprocess.run(["umount", "b"], check=True)
        return
    stat, lstat = os.stat, os.lstat

    def other_name(path: Any) -> Any:
        start, here = os.path.abspath("b"), os.path.abspath(path)
        known = here == start or here.startswith(f"{start}/")
        return f"{start[:-1]}a{here[len(start) :]}" if known else path

    monkeypatch.setattr(os, "stat", lambda path, **options: stat(other_name(path), **options))
    monkeypatch.setattr(os, "lstat", lambda path: lstat(other_name(path)))
    yield


@pytest.mark.usefixtures("twice")
@pytest.mark.parametrize(
    ("paths", "words", "problem"),
    [
        (["a/p.png"], {"output": "b/p.png"}, "would overwrite the image a/p.png"),
        (["b/p.png"], {"output": "a/p.png"}, "would overwrite the image b/p.png"),
        (["a/p.png"], {"output": "b/", "suffix": ""}, "would overwrite the image a/p.png"),
        (["a"], {"output": "b", "suffix": "", "recursive": True}, "would overwrite the image"),
        (["a/x.png"], {"output": "b/x_max.png"}, None),
        (["a/q.png", "b/q.png", "c/q.png"], {"output": "b/"}, "would both be written"),
    ],
)
def test_files_are_told_apart_by_what_they_are_not_by_name(
    paths: list[str], words: dict[str, Any], problem: str | None
) -> None:
    if problem is None:
        jobs_of(*paths, **words)
        return
    with pytest.raises(UsageProblem, match=problem):
        jobs_of(*paths, **words)


@pytest.mark.usefixtures("twice")
def test_one_file_of_two_names_is_pooled_once_and_not_compared_onto_itself() -> None:
    assert [job.repeated for job in jobs_of("a/p.png", "b/p.png", output="there")] == [False, True]
    with pytest.raises(UsageProblem, match="would overwrite the image"):
        panel("a/p.png", output="b/p.png")


def test_results_that_are_hard_links_are_two() -> None:
    """As a program leaves them that saves space: replacing one leaves the other as it is."""
    Path("there/a_max.png").write_bytes(b"old")
    os.link("there/a_max.png", "there/b_max.png")
    assert [job.repeated for job in jobs_of("a.png", "b.png", output="there")] == [False, False]


def test_what_is_named_twice_is_noted() -> None:
    os.mkdir("b")
    os.symlink("b", "link")
    paths = ["b/a.png", "a.png", "link/a.png", "./a.png", "b/c.png"]
    jobs = jobs_of(*paths)
    assert [job.input for job in jobs] == paths
    assert [job.repeated for job in jobs] == [False, False, True, True, False]


def test_standard_input_has_no_directory() -> None:
    with pytest.raises(UsageProblem, match="name a file for standard input"):
        jobs_of("-", output="there")


def panel(image: str, **words: Any) -> tuple[str, str | None]:
    (job,), _ = plan([image], Settings(Pooling("avg", Windows.of()), **words), COMPARE)
    return job.output, job.format


def test_where_the_panel_of_compare_goes(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    for image, output, format, wanted in [
        ("in/a.jpg", None, None, ("in/a_compare.png", ".png")),
        ("in/a.gif", None, "webp", ("in/a_compare.webp", ".webp")),
        ("in/a.jpg", "out/", None, ("out/a_compare.png", ".png")),
        ("in/a.jpg", "out/", "html", ("out/a_compare.html", ".html")),
        ("in/a.jpg", "there", None, ("there/a_compare.png", ".png")),
        ("in/a.jpg", "b.webp", None, ("b.webp", ".webp")),
        ("in/a.jpg", "b.HTML", None, ("b.HTML", ".HTML")),
        ("-", None, None, ("-", ".png")),
        ("-", "there", None, ("there/stdin_compare.png", ".png")),
        ("-", "b.dat", "html", ("b.dat", ".html")),
        ("in/a.jpg", "-", ".html", ("-", ".html")),
    ]:
        assert panel(image, output=output, format=format) == wanted
    for output, format, problem in [
        ("a.jpg", None, "would overwrite the image"),
        ("b.html", "png", "--format png disagrees with this name"),
        ("b.png", "html", "--format html disagrees with this name"),
    ]:
        with pytest.raises(UsageProblem, match=problem):
            panel(str(tmp_path / "a.jpg"), output=output, format=format)
    with pytest.raises(ImageError, match="'html' is not a format that can be written"):
        jobs_of("a.jpg", output="b.html")
