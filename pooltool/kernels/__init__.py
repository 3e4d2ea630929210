"""The arithmetic of max, min and average pooling on arrays; `pool` is where to begin reading."""

from pooltool.kernels.pool import Pooling, pool2d, pool_axes
from pooltool.kernels.work import Method

__all__ = ["Method", "Pooling", "pool2d", "pool_axes"]
