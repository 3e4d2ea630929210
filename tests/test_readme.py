"""The README: what it shows is run, and what it lists is what there is."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from conftest import ROOT, SAMPLES, load

from pooltool.cli import cli

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which `pooltool` is the one under test."""
    script = tmp_path / "bin" / "pooltool"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pooltool "$@"\n')
    script.chmod(0o755)
    path = f"{script.parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}


def test_the_first_two_blocks_are_one_line_each() -> None:
    install, test = blocks("sh")[:2]
    assert install.count("\n") == test.count("\n") == 1
    assert install.rstrip().endswith("pooltool max sample_images/mountain.jpg")
    assert test.rstrip().endswith("python -m pytest")
    assert not re.search(r"pip install \S*pooltool", README)


def test_it_is_short() -> None:
    assert len(README.split()) <= 2000
    assert max(map(len, README.splitlines())) <= 120


def test_the_main_job(shell: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(SAMPLES, tmp_path / "sample_images")
    command = blocks("sh")[0].split(" && ")[-1]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path, env=shell)
    assert load(tmp_path / "sample_images" / "mountain_max.jpg").shape == (350, 512, 3)


def test_transcripts(shell: dict[str, str], tmp_path: Path) -> None:
    """Every `$ command` of the README prints what stands below it."""
    folder = shutil.copytree(SAMPLES, tmp_path / "sample_images")
    shown = 0
    for command, printed in re.findall(
        r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks("console")), re.M
    ):
        done = subprocess.run(
            command, shell=True, text=True, check=False, cwd=folder, env=shell,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert sorted(done.stdout.splitlines()) == sorted(printed.splitlines()), command
        shown += 1
    assert shown >= 5


def test_recipes(shell: dict[str, str], tmp_path: Path) -> None:
    """The shell recipes run as they stand, in a folder with a tree of photos."""
    if not shutil.which("jq"):
        pytest.skip("jq is not installed")
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    shutil.copy(SAMPLES / "badge.png", tmp_path / "photos" / "a.png")
    shutil.copy(SAMPLES / "depth16.png", tmp_path / "photos" / "deep" / "two words.png")
    shutil.copy(SAMPLES / "mountain.jpg", tmp_path / "photos" / "deep" / "c.jpg")
    (recipes,) = blocks("bash")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", recipes],
        cwd=tmp_path, env=shell, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pooled" / "deep" / "c_max.jpg").exists()
    assert load(tmp_path / "averages" / "two words_avg.png").shape == (120, 159)
    assert load(tmp_path / "tiny.png").shape == (18, 25, 4)
    assert "shapes/a_max.png\t75\n" in done.stdout


def complete(shell: dict[str, str], kind: str, *words: str) -> str:
    """What click tells the shell of the README's completion for `words`, the last half typed."""
    asked = {
        "_POOLTOOL_COMPLETE": f"{kind}_complete",
        "COMP_WORDS": " ".join(["pooltool", *words]),
        "COMP_CWORD": words[-1] if kind == "fish" else str(len(words)),
    }
    done = subprocess.run(
        ["pooltool"], env={**shell, **asked}, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_shell_completion(shell: dict[str, str], kind: str) -> None:
    assert f"{kind}_source" in README
    (name,) = set(re.findall(r"_\w+(?==bash_source)", README))
    done = subprocess.run(
        ["pooltool"],
        env={**shell, name: f"{kind}_source"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_pooltool_completion" in done.stdout
    assert "file" in complete(shell, kind, "max", ""), "the shell completes names of files"
    assert "float32" in complete(shell, kind, "avg", "--dtype", "float")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["max", "--format", ""], ["png", "jpg", "tif", "webp", "avif", "jp2", "bmp", "npy"]),
        (["max", "--format", "p"], ["png", "pgm", "ppm", "pnm", "pbm", "pfm"]),
        (["compare", "--format", "h"], ["html", "hdr"]),
        (["min", "--padding", ""], ["valid", "same"]),
        (["compare", "--padding", "s"], ["same"]),
        (["avg", "--dtype", "f"], ["float16", "float32", "float64"]),
        (["compare", "--data-format", ""], ["channels_last", "channels_first"]),
    ],
)
def test_completion_offers_the_values_of_options(
    shell: dict[str, str], words: list[str], wanted: list[str]
) -> None:
    offered = complete(shell, "bash", *words).split()
    assert {f"plain,{value}" for value in wanted} <= set(offered)
    assert all(line.startswith(f"plain,{words[-1]}") for line in offered)


def test_python_examples() -> None:
    examples = "".join(blocks("python"))
    test = doctest.DocTestParser().get_doctest(examples, {}, "README", "README.md", 0)
    assert len(test.examples) >= 5
    assert doctest.DocTestRunner().run(test).failed == 0


@pytest.mark.parametrize("command", ["max", "min", "avg", "median", "mode", "compare"])
def test_every_option_is_listed(command: str) -> None:
    for parameter in cli.commands[command].params:
        if isinstance(parameter, click.Option):
            for name in (*parameter.opts, *parameter.secondary_opts):
                assert re.search(rf"^\|.*`?(?<![\w-]){re.escape(name)}\b", README, re.M), name


def test_every_listed_option_exists() -> None:
    known = {"--help"} | {
        name
        for command in cli.commands.values()
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    table = "".join(re.findall(r"^\|.*", README, re.M))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", table)) <= known


def test_no_link_leads_nowhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
