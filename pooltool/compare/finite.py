"""The finite values of an array, looked at a band of rows at a time to save memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BAND = 1 << 20
"""Values of one band."""


def finite_bands(values: Array) -> Iterator[Array]:
    """The values that are neither NaN nor infinite, band by band; a band may have none."""
    rows = max(1, BAND * len(values) // values.size)
    for top in range(0, len(values), rows):
        band = values[top : top + rows]
        yield band[np.isfinite(band)] if values.dtype.kind == "f" else band


def finite_range(values: Array) -> tuple[float, float] | None:
    """Smallest and largest finite value; None where there is none."""
    ends = [(band.min(), band.max()) for band in finite_bands(values) if band.size]
    if not ends:
        return None
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))
