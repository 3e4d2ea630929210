"""The arithmetic of pooling on arrays; `pool` is where to begin reading."""

from pooltool.kernels.pool import pool2d, pool_axes
from pooltool.kernels.tiles import Method, Pooling

__all__ = ["Method", "Pooling", "pool2d", "pool_axes"]
