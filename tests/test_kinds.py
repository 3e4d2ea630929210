"""Every kind of file comes out with the right pixels, or is refused by name: with the packages that
a plain install has, and with those of the extra `[formats]`.
"""

from __future__ import annotations

import re

import kinds_iso
import kinds_jpeg
import kinds_pillow
import kinds_simple
import kinds_tiff
import numpy as np
import pytest
from kind import EXTRA, Kind, plain_install
from samples import swapped

from pooltool import images
from pooltool.errors import DamageError, ImageError

KINDS: tuple[Kind, ...] = (
    *kinds_iso.KINDS,
    *kinds_jpeg.KINDS,
    *kinds_pillow.KINDS,
    *kinds_simple.KINDS,
    *kinds_tiff.KINDS,
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kind(kind: Kind) -> None:
    check(kind, kind.data())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kind_in_a_plain_install(kind: Kind) -> None:
    data = kind.data()
    frames = kind.frames and kind.frames()
    with plain_install():
        if kind.needs:
            with pytest.raises(ImageError, match=rf"; .*pip install {kind.needs}$"):
                images.decode(data, frame=kind.frame)
        else:
            check(kind, data, frames)


def check(kind: Kind, data: bytes, frames: object = None) -> None:
    """The file is refused, or decoded, as its row says; `frames` are its right ones if known."""
    if kind.refusal:
        with pytest.raises(ImageError, match=kind.refusal) as refused:
            images.decode(data, frame=kind.frame)
        is_damage = re.search("damaged|truncated|cut", kind.refusal) is not None
        assert isinstance(refused.value, DamageError) == is_damage
        return
    assert kind.frames is not None
    picture = images.decode(data, frame=kind.frame)
    wanted = kind.frames() if frames is None else frames
    assert isinstance(wanted, (list, tuple))
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


def test_a_plain_install_has_none_of_the_extra() -> None:
    with plain_install():
        for name in (*EXTRA, "PIL.Image"):
            with pytest.raises(ImportError):
                __import__(name)
    assert __import__("PIL.Image")
