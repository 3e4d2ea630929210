"""A small file takes neither gigabytes nor minutes, whatever its header tells."""

from __future__ import annotations

import sys
from pathlib import Path

import fuzz_images
import limits
import pytest
from hostile import FILES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measured by /proc")

SECONDS = 15.0
"""Far above what `limits` asks for by hand: machines of all speeds run this."""


@pytest.mark.parametrize("name", FILES)
def test_hostile_files_are_cheap(name: str) -> None:
    data = FILES[name]()
    (taken,) = limits.taken([data])
    assert not taken.finding(len(data), SECONDS)


def test_changed_files_end_as_they_should(tmp_path: Path) -> None:
    assert not fuzz_images.fuzz(1, [100] * 5, tmp_path)
