"""The arithmetic of pooling on arrays; `pool` is where to begin reading."""

from pooltool.kernels.colours import Colours
from pooltool.kernels.pool import Method, Pooling, indices2d, pool2d, pool_axes

__all__ = ["Colours", "Method", "Pooling", "indices2d", "pool2d", "pool_axes"]
