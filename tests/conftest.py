"""Shared by the tests: running the command as a user does, in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from pooltool import cli

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "sample_images"
signal.signal(signal.SIGINT, signal.default_int_handler)
"""Tests interrupt runs; those would ignore it where the tests themselves run in the background."""


@dataclass(frozen=True)
class Result:
    """What a run of pooltool left behind."""

    status: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `pooltool WORDS` here, in the test's folder, with streams of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pooltool.native.capture", lambda: None)  # descriptor 2 is the tests'

    def pooltool(*words: object, input: str = "") -> Result:
        with CliRunner().isolation(input) as (out, err, _):
            try:
                status = cli.main([str(word) for word in words])
            except SystemExit as end:
                status = int(end.code or 0)
            return Result(status, out.getvalue().decode(), err.getvalue().decode())

    return pooltool


@pytest.fixture
def run_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `pooltool WORDS` in a process of its own, in the test's folder: for what concerns
    descriptors, signals, names that are no text, start-up, or what native code prints.
    """
    monkeypatch.chdir(tmp_path)

    def pooltool(*words: object, **options: Any) -> Result:
        command = [sys.executable, "-m", "pooltool", *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False, **options
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return pooltool


def load(path: str | Path) -> NDArray[Any]:
    """Decode a file with every bit and channel it has."""
    if str(path).endswith(".npy"):
        array: NDArray[Any] = np.load(path, allow_pickle=False)
        return array
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None, f"{path} cannot be decoded"
    return pixels


def save(path: str | Path, pixels: NDArray[Any], *parameters: int) -> None:
    """Encode pixels as the name's extension says."""
    if str(path).endswith(".npy"):
        np.save(path, pixels)
        return
    done, data = cv2.imencode(Path(path).suffix, pixels, parameters)
    assert done
    Path(path).write_bytes(data.tobytes())
