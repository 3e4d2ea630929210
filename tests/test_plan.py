"""Where results go, and the runs that are refused because something would be lost."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from pooltool import PlanError
from pooltool.runs.plan import Job, Name, Plan, Target, expand


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()


def jobs_of(names: Iterable[Name], target: Target) -> list[Job]:
    with Plan(names, target) as jobs:
        return list(jobs)


def outputs(target: Target, *paths: str) -> list[str]:
    return [job.output for job in jobs_of(map(Name, paths), target)]


@pytest.mark.parametrize(
    ("output", "extension", "path", "wanted"),
    [
        (None, None, "a.jpg", "a_max.jpg"),
        (None, None, "b/a.jpg", "b/a_max.jpg"),
        (None, "png", "a.jpg", "a_max.png"),
        (None, ".tiff", "a", "a_max.tiff"),
        (None, None, "a.tar.png", "a.tar_max.png"),
        ("c.png", None, "a.jpg", "c.png"),
        ("there", None, "b/a.jpg", "there/a_max.jpg"),
        ("new/", "png", "b/a.jpg", "new/a_max.png"),
        ("-", None, "a.jpg", "-"),
        (None, None, "-", "-"),
        ("c.png", None, "-", "c.png"),
    ],
)
def test_one_image(output: str | None, extension: str | None, path: str, wanted: str) -> None:
    assert outputs(Target("max", output, extension), path) == [wanted]


@pytest.mark.parametrize(
    ("target", "path", "extension"),
    [
        (Target("max"), "a.JPG", ".JPG"),
        (Target("max", "c.png"), "a.jpg", ".png"),
        (Target("max", "c.dat", "png"), "a.jpg", "png"),
        (Target("max", "-"), "a.tif", ".tif"),
        (Target("max"), "-", ".png"),
        (Target("max", extension="webp"), "-", "webp"),
        (Target("max", "c.bmp"), "-", ".bmp"),
    ],
)
def test_the_format_that_is_written(target: Target, path: str, extension: str) -> None:
    (job,) = jobs_of([Name(path)], target)
    assert job.extension == extension


def test_several_images_go_into_a_directory() -> None:
    target = Target("avg", "new", several=True)
    assert outputs(target, "a.jpg", "b/c.png") == ["new/a_avg.jpg", "new/c_avg.png"]


def test_trees_are_mirrored(tmp_path: Path) -> None:
    for name in ("in/b.png", "in/deep/er/a.JPG", "in/deep/notes.txt", "in/out/old_max.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    os.symlink("..", "in/deep/loop")
    names = list(expand(["in"], recursive=True, beside="in/out"))
    assert names == [Name("in/b.png"), Name("in/deep/er/a.JPG", "deep/er")]
    target = Target("max", "in/out", several=True)
    assert jobs_of(names, target) == [
        Job("in/b.png", "in/out/b_max.png", ".png", "in/out/"),
        Job("in/deep/er/a.JPG", "in/out/deep/er/a_max.JPG", ".JPG", "in/out/deep/er"),
    ]


def test_a_directory_without_recursive_is_a_problem_of_its_own() -> None:
    (name,) = expand(["there"], recursive=False, beside=None)
    assert "add --recursive" in name.problem


def test_names_come_back_as_they_were_given() -> None:
    odd = [os.fsdecode(b"caf\xe9.png"), "new\nline.png", " ", "ü.png"]
    with Plan(map(Name, odd), Target("max")) as jobs:
        assert len(jobs) == 4
        assert [job.input for job in jobs] == odd
        assert [job.input for job in jobs] == odd  # and again


@pytest.mark.parametrize(
    ("output", "paths", "problem"),
    [
        ("a.png", ["a.png"], "a.png: the result of a.png would overwrite the image a.png"),
        ("there/../a.png", ["a.png"], "would overwrite the image a.png"),
        ("link.png", ["a.png"], "would overwrite the image a.png"),
        (None, ["a.png", "a_max.png"], "a_max.png: the result of a.png would overwrite"),
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
    with pytest.raises(PlanError, match=problem):
        Plan(map(Name, paths), Target("max", output, several=len(paths) > 1))


def test_what_is_named_twice_is_noted() -> None:
    os.mkdir("b")
    os.symlink("b", "link")
    paths = ["b/a.png", "a.png", "link/a.png", "./a.png", "b/c.png"]
    jobs = jobs_of(map(Name, paths), Target("max"))
    assert [job.input for job in jobs] == paths
    assert [job.repeated for job in jobs] == [False, False, True, True, False]


def test_equal_keys_of_different_files_are_no_collision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pooltool.runs.plan._key", lambda path: path == "-")
    assert outputs(Target("max"), "a.png", "b.png") == ["a_max.png", "b_max.png"]
    with pytest.raises(PlanError):
        outputs(Target("max"), "a.png", "b.png", "a_max.png")


def test_standard_input_has_no_directory() -> None:
    with pytest.raises(PlanError, match="name a file for standard input"):
        Plan([Name("-")], Target("max", "there"))
