"""The arithmetic of pooling on arrays; `pool` is where to begin reading."""

from pooltool.kernels.pool import Method, Pooling, pool2d, pool_axes

__all__ = ["Method", "Pooling", "pool2d", "pool_axes"]
