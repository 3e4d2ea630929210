"""Every kind of file comes out with the right pixels, or is refused by name."""

from __future__ import annotations

import re

import kinds_iso
import kinds_jpeg
import kinds_simple
import kinds_tiff
import numpy as np
import pytest
from kind import Kind
from samples import swapped

from pooltool import images
from pooltool.errors import DamageError, ImageError

KINDS: tuple[Kind, ...] = (
    *kinds_iso.KINDS,
    *kinds_jpeg.KINDS,
    *kinds_simple.KINDS,
    *kinds_tiff.KINDS,
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kind(kind: Kind) -> None:
    if kind.refusal:
        with pytest.raises(ImageError, match=kind.refusal) as refused:
            images.decode(kind.data(), frame=kind.frame)
        damaged = "damaged" in kind.refusal or "cut" in kind.refusal
        assert isinstance(refused.value, DamageError) == damaged
        return
    assert kind.frames is not None
    picture = images.decode(kind.data(), frame=kind.frame)
    wanted = kind.frames()
    assert len(picture.frames) == len(wanted)
    for got, right in zip(picture.frames, wanted, strict=True):
        assert got.dtype == right.dtype
        assert got.shape == right.shape
        apart = np.abs(swapped(got).astype(np.float64) - right.astype(np.float64))
        assert np.nanmax(apart) <= kind.levels
    assert len(picture.warnings) == len(kind.warnings), picture.warnings
    for pattern, warning in zip(kind.warnings, picture.warnings, strict=True):
        assert re.search(pattern, warning)


def test_kinds_have_names_of_their_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
