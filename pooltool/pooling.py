"""The pooling functions that pooltool offers to Python programs.

All of them take `image` as anything `numpy.asarray` takes, (H, W) or (H, W, C), of a real dtype:
bool, integers of 8 to 64 bits, float16, float32, float64. It is never modified. The result is a
new C-contiguous array of the same rank in the machine's byte order. Sizes are in pixels, an int
or (height, width).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from pooltool.errors import ArrayShapeError, ArrayTypeError
from pooltool.geometry import AdaptiveWindows, NamingShape, Padding, Size, Windows
from pooltool.kernels import Method, Pooling, pool2d

Array = NDArray[Any]


def max_pool2d(
    image: ArrayLike,
    pool_size: Size = 2,
    stride: Size | None = None,
    *,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Array:
    """Take the largest value of each window.

    Parameters
    ----------
    image
        (H, W) or (H, W, C), any real dtype. Channels are pooled independently.
    pool_size
        Window height and width in pixels.
    stride
        Pixels from one window to the next; the pool size when None, as in Keras and PyTorch.
    padding
        "valid" (none), "same" (output is ceil(size / stride), the odd pixel goes to the bottom and
        right, as in Keras on TensorFlow), an int, (height, width), or ((top, bottom), (left,
        right)) pixels. Padding never takes part in a max.
    dilation
        Pixels from one value of a window to its next.
    ceil_mode
        Keep the last, partial window unless it would start in the padding (PyTorch, ONNX).

    Returns
    -------
    (H', W') or (H', W', C) of the image's dtype, where each size is
    floor((size + padding - dilation * (pool_size - 1) - 1) / stride) + 1, or its ceil. A NaN in
    a window gives NaN; a zero is +0.0.

    Raises
    ------
    WindowError
        A setting that is not a positive integer or pair, does not fit the image, or leaves a
        window without a pixel. Also a ValueError.
    ArrayShapeError
        An image that is neither 2-D nor 3-D, or is empty. Also a ValueError.
    ArrayTypeError
        A complex, object, text or other dtype that is not real. Also a TypeError.

    Examples
    --------
    >>> max_pool2d([[0, 3, 3, 0], [2, 7, 6, 8], [0, 1, 7, 6], [1, 3, 5, 6]])
    array([[7, 8],
           [3, 7]])
    >>> max_pool2d(np.zeros((700, 1024, 3), np.uint8)).shape
    (350, 512, 3)
    """
    return _windowed("max", image, pool_size, stride, padding, dilation, ceil_mode)


def min_pool2d(
    image: ArrayLike,
    pool_size: Size = 2,
    stride: Size | None = None,
    *,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Array:
    """Take the smallest value of each window. All else is as in `max_pool2d`.

    >>> min_pool2d([[0, 3, 3, 0], [2, 7, 6, 8], [0, 1, 7, 6], [1, 3, 5, 6]])
    array([[0, 0],
           [0, 5]])
    """
    return _windowed("min", image, pool_size, stride, padding, dilation, ceil_mode)


def avg_pool2d(
    image: ArrayLike,
    pool_size: Size = 2,
    stride: Size | None = None,
    *,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = False,
    dtype: DTypeLike | None = None,
) -> Array:
    """Take the arithmetic mean of each window. Windows are as in `max_pool2d`.

    Parameters
    ----------
    count_include_pad
        Count padding as zeros in the mean (PyTorch, ONNX). What `ceil_mode` adds beyond the
        padding never counts.
    dtype
        Dtype of the result. None: float32 for bool and integers up to 16 bits, float64 for wider
        integers, the image's own for floats. Into an integer dtype the mean is rounded half to
        even and saturates at the dtype's range; bool counts as the integers 0 and 1.

    Returns
    -------
    (H', W') or (H', W', C) of `dtype`. The mean of integers is exact before its one rounding; that
    of float32 is within 1e-6, of float64 within 1e-12 of the largest magnitude in the window. NaN
    and infinity touch only the windows that hold them.

    Raises
    ------
    WindowError, ArrayShapeError, ArrayTypeError
        As `max_pool2d`; ArrayTypeError also for a `dtype` that is not real, and for a NaN that
        would have to become an integer.

    Examples
    --------
    >>> avg_pool2d([[0, 3, 3, 0], [2, 7, 6, 8], [0, 1, 7, 6], [1, 3, 5, 6]])
    array([[3.  , 4.25],
           [1.25, 6.  ]])
    >>> avg_pool2d(np.array([[1, 2], [2, 2]], np.uint8), dtype=np.uint8)
    array([[2]], dtype=uint8)
    """
    wanted = _result_dtype(dtype)
    return _windowed(
        "avg", image, pool_size, stride, padding, dilation, ceil_mode, count_include_pad, wanted
    )


def adaptive_max_pool2d(image: ArrayLike, output_size: Size) -> Array:
    """Take the largest value of each of the windows that `output_size` calls for.

    Window i of n over `size` pixels covers floor(i * size / n) to ceil((i + 1) * size / n), the
    rule of PyTorch's adaptive pooling; `output_size=1` is global pooling. It may be larger than
    the image. Dtype and errors are as in `max_pool2d`.

    >>> adaptive_max_pool2d([[1, 2, 3, 4, 5]], (1, 3))
    array([[2, 4, 5]])
    """
    return _adaptive("max", image, output_size)


def adaptive_min_pool2d(image: ArrayLike, output_size: Size) -> Array:
    """Take the smallest value of each window; windows are as in `adaptive_max_pool2d`.

    >>> adaptive_min_pool2d([[1, 2, 3, 4, 5]], (1, 3))
    array([[1, 2, 4]])
    """
    return _adaptive("min", image, output_size)


def adaptive_avg_pool2d(
    image: ArrayLike, output_size: Size, *, dtype: DTypeLike | None = None
) -> Array:
    """Take the mean of each window; windows are as in `adaptive_max_pool2d`, dtypes and accuracy
    as in `avg_pool2d`.

    >>> adaptive_avg_pool2d([[1, 2, 3, 4, 5]], (1, 3))
    array([[1.5, 3. , 4.5]])
    """
    return _adaptive("avg", image, output_size, _result_dtype(dtype))


def _windowed(
    method: Method,
    image: ArrayLike,
    pool_size: Size,
    stride: Size | None,
    padding: Padding,
    dilation: Size,
    ceil_mode: bool,
    count_include_pad: bool = False,
    dtype: np.dtype[Any] | None = None,
) -> Array:
    array = as_image(image)
    with NamingShape(array.shape):
        windows = Windows.of(pool_size, stride, padding, dilation, ceil_mode)
    return pool2d(array, Pooling(method, windows, count_include_pad, dtype))


def _adaptive(
    method: Method, image: ArrayLike, output_size: Size, dtype: np.dtype[Any] | None = None
) -> Array:
    array = as_image(image)
    with NamingShape(array.shape):
        windows = AdaptiveWindows.of(output_size)
    return pool2d(array, Pooling(method, windows, dtype=dtype))


def as_image(image: ArrayLike) -> Array:
    """View `image` as an array that can be pooled; raise `ArrayShapeError` or `ArrayTypeError`."""
    try:
        array = np.asarray(image)
    except ValueError as error:
        raise ArrayShapeError(f"image is not an array: {error}") from None
    if array.ndim not in (2, 3):
        raise ArrayShapeError(
            f"image has shape {array.shape}; pooling takes (height, width) or "
            "(height, width, channels)"
        )
    if not array.size:
        raise ArrayShapeError(f"image is empty: its shape is {array.shape}")
    if not _is_real(array.dtype):
        raise ArrayTypeError(
            f"image has dtype {array.dtype} (image shape {array.shape}); pooling takes bool, "
            "integers of 8 to 64 bits, float16, float32 and float64"
        )
    return array


def _result_dtype(dtype: DTypeLike | None) -> np.dtype[Any] | None:
    if dtype is None:
        return None
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        raise ArrayTypeError(f"dtype={dtype!r} is not a dtype") from None
    if not _is_real(wanted):
        raise ArrayTypeError(f"dtype={wanted} cannot hold an average; use an integer or float")
    return wanted.newbyteorder("=")


def _is_real(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "buif" and dtype.itemsize <= 8
