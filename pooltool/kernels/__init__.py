"""The arithmetic of pooling on arrays; `pool` is where to begin reading."""

from pooltool.kernels.alpha import alpha_weighted
from pooltool.kernels.colours import Colours
from pooltool.kernels.pool import Method, Pooling, indices2d, pool2d, pool_axes

__all__ = ["Colours", "Method", "Pooling", "alpha_weighted", "indices2d", "pool2d", "pool_axes"]
