"""TIFF pages that only tifffile and imagecodecs read, which the extra `[formats]` brings."""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from pooltool.errors import DamageError, ImageError
from pooltool.images import codec, others
from pooltool.images.picture import Array
from pooltool.images.tiff_pages import COLORS, LAB, Page

_PICTURES = (33003, 33004, 33005, 34712, 34927, 34933, 50001, 50002, 52546)
"""Compressions whose data is a file of its own: JPEG 2000, WebP, PNG, JPEG XL."""


def opened(data: bytes, kind: str) -> Any:
    """A file of tifffile's, which then logs nothing; `kind` says in words what it is opened for."""
    package = others.imported("tifffile", f"a TIFF of {kind}")
    import logging  # takes milliseconds to load

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    return others.attempt("TIFF", lambda: package.TiffFile(io.BytesIO(data)))


def stored(file: Any, index: int, page: Page, blocks: Sequence[memoryview]) -> Array:
    """The samples of a page as they are stored: (H, W, samples)."""
    for block in blocks:
        _require_fitting(page, block)
    array: Array = others.attempt("TIFF", lambda: np.asarray(file.pages[index].asarray()))
    array = array.view(np.uint8) if array.dtype == bool else array  # samples of 1 bit
    # tifffile leaves out axes of length 1, and puts planes first.
    shape = (page.planes, page.height, page.width, page.samples // page.planes)
    if array.size != math.prod(shape):
        raise DamageError("it is damaged: it holds more or less than its TIFF tags say")
    return np.moveaxis(array.reshape(shape), 0, 2).reshape(page.height, page.width, -1)


def in_rgb(page: Page, values: Array, profile: bytes) -> tuple[Array, str]:
    """CMYK and CIELab samples as (H, W, 3) red, green and blue of their depth, with a warning."""
    name, _ = COLORS[page.photometric]
    if values.dtype.kind != "u" or page.bits not in (8, 16):
        raise ImageError(f"{name} colors of {page.bits} bits are not read; convert to RGB")
    what = f"a TIFF with {name} colors"
    if page.photometric != LAB:
        return others.rgb_of_cmyk(values, profile, what)
    codecs, dtype = others.imported("imagecodecs", what), values.dtype.name
    top = (1 << page.bits) - 1
    signed = values[..., 1:].view(f"i{values.itemsize}") / (1 << (page.bits - 8))
    values = np.concatenate([values[..., :1] * (100 / top), signed], axis=2)
    profiles = codecs.cms_profile("lab4"), codecs.cms_profile("srgb")
    settings = {"colorspace": "lab", "outcolorspace": "rgb", "outdtype": dtype}
    transform = partial(codecs.cms_transform, values, *profiles, **settings)
    return others.attempt("TIFF", transform), "its Lab colors became RGB"


def _require_fitting(page: Page, block: memoryview) -> None:
    """Refuse a strip or tile whose data says itself how large it is, where it is larger than the
    page says: imagecodecs would take memory for it.
    """
    height, width = page.rows, page.columns
    if lerc := re.match(rb"Lerc2 (....)", block, re.DOTALL):
        version = int.from_bytes(lerc[1], "little")
        height, width = struct.unpack_from("<2i", block, 14 if version > 2 else 10)
    elif page.compression in _PICTURES:
        data = bytes(block) + b"\xff\xd9"  # the end of JPEG 2000, which some writers leave out
        try:
            height, width = codec.read_header(data)[1].sizes[0]
        except ImageError:
            raise DamageError("it is damaged: a strip or tile begins with no header") from None
    if height > page.rows or width > page.columns:
        raise DamageError("it is damaged: a strip or tile is larger than its TIFF tags say")
