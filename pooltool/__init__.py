"""Pool images the way a convolutional network does: max, min, average, median and mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pooltool.errors import OTHER_NAMES, ArrayTypeError, PooltoolError, WindowError

if TYPE_CHECKING:
    from pooltool.pooling import (
        adaptive_avg_pool2d,
        adaptive_max_pool2d,
        adaptive_min_pool2d,
        avg_pool2d,
        max_pool2d,
        median_pool2d,
        min_pool2d,
        mode_pool2d,
    )

__version__ = "0.1.0"
__all__ = [
    "ArrayTypeError",
    "PooltoolError",
    "WindowError",
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "adaptive_min_pool2d",
    "avg_pool2d",
    "max_pool2d",
    "median_pool2d",
    "min_pool2d",
    "mode_pool2d",
]


def __getattr__(name: str) -> Any:
    """Load the pooling functions on first use: `pooltool --help` then never waits for numpy."""
    if name in __all__:
        from pooltool import pooling

        function = globals()[name] = getattr(pooling, name)
        return function
    words = sorted(OTHER_NAMES.get(word, word) for word in name.split("_"))
    meant = [known for known in __all__ if sorted(known.split("_")) == words]
    hint = f"; it is called {meant[0]}" if meant else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return __all__
