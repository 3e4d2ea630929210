"""The arithmetic of pooling on arrays; `pool` is where to begin reading."""

from pooltool.kernels.pool import Method, Pooling, indices2d, pool2d, pool_axes

__all__ = ["Method", "Pooling", "indices2d", "pool2d", "pool_axes"]
