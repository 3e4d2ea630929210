"""The README: what it shows is run, and what it lists is what there is."""

from __future__ import annotations

import doctest
import re
import shutil
from pathlib import Path

import click
import pytest
from conftest import ROOT, Run

from pooltool.cli import cli

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_first_two_blocks_are_one_line_each() -> None:
    install, test = blocks("sh")[:2]
    assert install.count("\n") == test.count("\n") == 1
    assert install.rstrip().endswith("pooltool max sample_images/mountain.jpg")
    assert test.rstrip().endswith("python -m pytest")
    assert "pip install pooltool" not in README


def test_the_main_job_prints_what_the_readme_shows(run: Run, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sample_images", tmp_path / "sample_images")
    words = blocks("sh")[0].split("&& pooltool ")[1].split()
    assert run(*words).out in README


def test_python_examples() -> None:
    examples = "".join(blocks("python"))
    test = doctest.DocTestParser().get_doctest(examples, {}, "README", "README.md", 0)
    assert len(test.examples) >= 5
    assert doctest.DocTestRunner().run(test).failed == 0


@pytest.mark.parametrize("command", ["max", "min", "avg"])
def test_every_option_is_listed(command: str) -> None:
    for parameter in cli.commands[command].params:
        if isinstance(parameter, click.Option):
            for name in parameter.opts:
                assert re.search(rf"^\|[^|]*`?{re.escape(name)}\b", README, re.MULTILINE), name


def test_every_listed_option_exists() -> None:
    known = {
        name
        for command in cli.commands.values()
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    listed = set(
        re.findall(r"(?<![\w-])--[a-z][a-z-]*", "".join(re.findall(r"^\|.*", README, re.M)))
    )
    assert listed <= known
