"""The pooling functions that pooltool offers to Python programs; what all of them share is said in
`max_pool2d`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Protocol, TypeVar, cast, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from pooltool.errors import OTHER_NAMES, ArrayTypeError, WindowError
from pooltool.geometry import DataFormat, OutputSize, Padding, Size, Windows, is_integer
from pooltool.kernels import Pooling, pool2d
from pooltool.kernels.means import checked_dtype, is_real

Array = NDArray[Any]
P = ParamSpec("P")
R = TypeVar("R")

LAYOUTS = {
    "channels_last": "(H, W), (H, W, C) or (N, H, W, C)",
    "channels_first": "(H, W), (C, H, W) or (N, C, H, W)",
}


def _public(function: Callable[P, R]) -> Callable[P, R]:
    """Add to errors the image's shape, and what an argument of other libraries is called here."""

    @wraps(function)
    def call(*args: P.args, **named: P.kwargs) -> R:
        try:
            return function(*args, **named)
        except (WindowError, ArrayTypeError) as error:
            image: Any = args[0] if args else named["image"]
            with suppress(TypeError, ValueError, RuntimeError):  # of what is no array
                if shape := np.shape(image):
                    error.ending = f" (image shape {tuple(shape)})"
            raise
        except TypeError as error:
            parameters = function.__annotations__
            if "positional argument" in str(error) and len(args) > 1:
                words = "arguments behind the first ones need their names, such as padding=1"
                raise TypeError(f"{error}; {words}") from None
            unknown = next((name for name in named if f"argument {name!r}" in str(error)), "")
            known = OTHER_NAMES.get(unknown, "")
            if "output_size" in parameters and unknown in ("size", "output", "output_shape"):
                known = "output_size"
            if known not in parameters:
                raise
            raise TypeError(f"{error}; it is called {known!r} here") from None

    return call


if TYPE_CHECKING:

    class _Extreme(Protocol[P]):
        """A function that returns a tuple where indices are asked for, else an array."""

        @overload  # the first that fits is taken
        def __call__(  # type: ignore[overload-overlap]
            self, image: ArrayLike, *args: Any, return_indices: Literal[True], **settings: Any
        ) -> tuple[Array, NDArray[np.int64]]: ...
        @overload
        def __call__(self, *args: P.args, **settings: P.kwargs) -> Array: ...


def _extreme(function: Callable[P, Any]) -> _Extreme[P]:
    return cast("_Extreme[P]", _public(function))


@_extreme
def max_pool2d(
    image: ArrayLike,
    pool_size: Size = 2,
    stride: Size | None = None,
    *,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
    data_format: DataFormat = "channels_last",
    return_indices: bool = False,
    skip_nan: bool = False,
) -> Any:
    """Take the largest value of each window.

    Parameters
    ----------
    image
        Anything `numpy.asarray` takes of a real dtype (bool, integers of 8 to 64 bits, float16,
        float32, float64) and 2 to 4 axes, in the order that `data_format` names. Channels are
        pooled independently, and the image is never modified.
    pool_size
        Window height and width in pixels.
    stride
        Pixels from one window to the next; the pool size when None, as in Keras and PyTorch.
    padding
        "valid" (none), "same" (output is ceil(size / stride), the odd pixel goes to the bottom and
        right, as in Keras on TensorFlow), an int, (height, width), or ((top, bottom), (left,
        right)) pixels. Padding is never a result.
    dilation
        Pixels from one value of a window to its next.
    ceil_mode
        Keep the last, partial window unless it would start in the padding (PyTorch, ONNX).
    data_format
        "channels_last": (H, W), (H, W, C), (N, H, W, C). "channels_first": (H, W), (C, H, W),
        (N, C, H, W). The same pixels give the same bits in either.
    return_indices
        Return (values, indices).
    skip_nan
        Ignore NaN; a window that holds only NaN gives NaN. Integers have no NaN.

    Returns
    -------
    A new C-contiguous array with the image's axes, number of channels and dtype (in native byte
    order). It has floor((size + padding - dilation * (pool_size - 1) - 1) / stride) + 1 rows and
    columns; with `ceil_mode`, ceil instead of floor. A window that holds NaN gives NaN; a zero is
    +0.0. With `return_indices`, a tuple of that array and the position of each value in its plane,
    as in PyTorch: row * W + column without padding, int64. Of several equal values it is the first
    in reading order, and so it is of several NaN (PyTorch: the last).

    Raises
    ------
    WindowError
        A setting that is not a positive integer or pair, does not fit the image, or leaves a
        window without a pixel of it; a `data_format` of another name; an image of another number of
        axes, an empty one, or ragged lists. Also a ValueError.
    ArrayTypeError
        A dtype that is not real, a masked array, or what is no array. Also a TypeError.
    PooltoolError
        A result that is larger than memory.

    Examples
    --------
    >>> max_pool2d([[0, 3, 3, 0], [2, 7, 6, 8], [0, 1, 7, 6], [1, 3, 5, 6]])
    array([[7, 8],
           [3, 7]])
    >>> max_pool2d(np.zeros((700, 1024, 3), np.uint8)).shape
    (350, 512, 3)

    Each value goes back to its place, and the rest is 0, as in PyTorch's `max_unpool2d`:

    >>> values, indices = max_pool2d([[0, 3, 3, 0], [2, 7, 6, 8]], return_indices=True)
    >>> unpooled = np.zeros((2, 4), values.dtype)
    >>> np.put_along_axis(unpooled.reshape(-1), indices.reshape(-1), values.reshape(-1), 0)
    >>> unpooled
    array([[0, 0, 0, 0],
           [0, 7, 0, 8]])
    """
    windows = Windows.of(pool_size, stride, padding, dilation, ceil_mode)
    return _extremes(image, data_format, Pooling("max", windows, skip_nan=skip_nan), return_indices)


@_extreme
def min_pool2d(
    image: ArrayLike,
    pool_size: Size = 2,
    stride: Size | None = None,
    *,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
    data_format: DataFormat = "channels_last",
    return_indices: bool = False,
    skip_nan: bool = False,
) -> Any:
    """Take the smallest value of each window. Parameters, result and errors are as in `max_pool2d`.

    >>> min_pool2d([[0, 3, 3, 0], [2, 7, 6, 8], [0, 1, 7, 6], [1, 3, 5, 6]])
    array([[0, 0],
           [0, 5]])
    >>> min_pool2d(np.zeros((700, 1024), np.uint16), (1, 9)).shape
    (700, 113)
    """
    windows = Windows.of(pool_size, stride, padding, dilation, ceil_mode)
    return _extremes(image, data_format, Pooling("min", windows, skip_nan=skip_nan), return_indices)


@_public
def avg_pool2d(
    image: ArrayLike,
    pool_size: Size = 2,
    stride: Size | None = None,
    *,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = False,
    divisor_override: int | None = None,
    dtype: DTypeLike | None = None,
    data_format: DataFormat = "channels_last",
    skip_nan: bool = False,
) -> Array:
    """Take the arithmetic mean of each window. Windows are as in `max_pool2d`.

    Parameters
    ----------
    count_include_pad
        Count the padding as zeros in the mean (PyTorch, ONNX). Pixels that `ceil_mode` adds beyond
        the padding never count.
    divisor_override
        Divide the sums by this number instead of the number of pixels (PyTorch).
    dtype
        Dtype of the result. None: float32 for bool and integers up to 16 bits, float64 for wider
        integers, the image's own for floats. Into an integer dtype the mean is rounded half to
        even and saturates at the dtype's range; bool counts as the integers 0 and 1.

    Returns
    -------
    As `max_pool2d`, of `dtype`. The mean of integers is exact before its one rounding; that
    of float32 is within 1e-6, of float64 within 1e-12 of the largest magnitude in the window. NaN
    and infinity touch only the windows that hold them.

    Raises
    ------
    WindowError, ArrayTypeError
        As `max_pool2d`; ArrayTypeError also for a `dtype` that is not real, and for a NaN that
        would have to become an integer.

    Examples
    --------
    >>> avg_pool2d([[0, 3, 3, 0], [2, 7, 6, 8], [0, 1, 7, 6], [1, 3, 5, 6]])
    array([[3.  , 4.25],
           [1.25, 6.  ]])
    >>> avg_pool2d(np.array([[1, 2], [2, 2]], np.uint8), dtype=np.uint8)
    array([[2]], dtype=uint8)
    >>> avg_pool2d(np.zeros((700, 1024, 3), np.uint8), 3, stride=2).shape
    (349, 511, 3)
    """
    windows = Windows.of(pool_size, stride, padding, dilation, ceil_mode)
    divisor = _divisor(divisor_override)
    return _pool(
        image,
        data_format,
        Pooling("avg", windows, count_include_pad, checked_dtype(dtype), divisor, skip_nan),
    )


@_public
def median_pool2d(
    image: ArrayLike,
    pool_size: Size = 2,
    stride: Size | None = None,
    *,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
    data_format: DataFormat = "channels_last",
    skip_nan: bool = False,
) -> Array:
    """Take the median of each window; of an even number of values the lower of the two in the
    middle, so that labels stay labels and the dtype is kept. The rest is as in `max_pool2d`.

    >>> median_pool2d([[0, 3, 3, 0], [2, 7, 6, 8], [0, 1, 7, 6], [1, 3, 5, 6]])
    array([[2, 3],
           [1, 6]])
    >>> median_pool2d(np.zeros((700, 1024, 3)), 3, stride=1, padding="same").shape
    (700, 1024, 3)
    """
    windows = Windows.of(pool_size, stride, padding, dilation, ceil_mode)
    return _pool(image, data_format, Pooling("median", windows, skip_nan=skip_nan))


@_public
def mode_pool2d(
    image: ArrayLike,
    pool_size: Size = 2,
    stride: Size | None = None,
    *,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
    data_format: DataFormat = "channels_last",
) -> Array:
    """Take the most frequent value of each window, and of several the smallest: for images of
    labels. Channels are pooled independently. The rest is as in `max_pool2d`.

    >>> mode_pool2d([[0, 3, 3, 0], [2, 7, 6, 8], [0, 1, 7, 6], [1, 3, 5, 6]])
    array([[0, 0],
           [1, 6]])
    >>> mode_pool2d(np.zeros((8, 64, 64), np.uint8), data_format="channels_first").shape
    (8, 32, 32)
    """
    windows = Windows.of(pool_size, stride, padding, dilation, ceil_mode)
    return _pool(image, data_format, Pooling("mode", windows))


@_extreme
def adaptive_max_pool2d(
    image: ArrayLike,
    output_size: OutputSize,
    *,
    data_format: DataFormat = "channels_last",
    return_indices: bool = False,
    skip_nan: bool = False,
) -> Any:
    """Take the largest value of each of the windows that `output_size` calls for.

    Window i of n over `size` pixels covers floor(i * size / n) to ceil((i + 1) * size / n), the
    rule of PyTorch's adaptive pooling; `output_size=1` is global pooling. It may be larger than
    the image, and None in a pair means as many as the image has. The rest is as in `max_pool2d`.

    >>> adaptive_max_pool2d([[1, 2, 3, 4, 5]], (1, 3))
    array([[2, 4, 5]])
    >>> adaptive_max_pool2d(np.zeros((700, 1024, 3)), 224).shape
    (224, 224, 3)
    """
    windows = Windows.adaptive(output_size)
    return _extremes(image, data_format, Pooling("max", windows, skip_nan=skip_nan), return_indices)


@_extreme
def adaptive_min_pool2d(
    image: ArrayLike,
    output_size: OutputSize,
    *,
    data_format: DataFormat = "channels_last",
    return_indices: bool = False,
    skip_nan: bool = False,
) -> Any:
    """Take the smallest value of each window; windows are as in `adaptive_max_pool2d`.

    >>> adaptive_min_pool2d([[1, 2, 3, 4, 5]], (None, 3))
    array([[1, 2, 4]])
    >>> adaptive_min_pool2d(np.zeros((32, 700, 1024, 3)), (None, 224)).shape
    (32, 700, 224, 3)
    """
    windows = Windows.adaptive(output_size)
    return _extremes(image, data_format, Pooling("min", windows, skip_nan=skip_nan), return_indices)


@_public
def adaptive_avg_pool2d(
    image: ArrayLike,
    output_size: OutputSize,
    *,
    dtype: DTypeLike | None = None,
    data_format: DataFormat = "channels_last",
    skip_nan: bool = False,
) -> Array:
    """Take the mean of each window; windows are as in `adaptive_max_pool2d`, dtypes and accuracy
    as in `avg_pool2d`.

    >>> adaptive_avg_pool2d([[1, 2, 3, 4, 5]], (1, 3))
    array([[1.5, 3. , 4.5]])
    >>> adaptive_avg_pool2d(np.zeros((32, 512, 7, 7)), 1, data_format="channels_first").shape
    (32, 512, 1, 1)
    """
    windows, into = Windows.adaptive(output_size), checked_dtype(dtype)
    return _pool(image, data_format, Pooling("avg", windows, dtype=into, skip_nan=skip_nan))


def _pool(image: ArrayLike, data_format: DataFormat, pooling: Pooling) -> Array:
    return pool2d(_as_image(image, data_format), pooling, data_format=data_format)


def _extremes(
    image: ArrayLike, data_format: DataFormat, pooling: Pooling, return_indices: bool
) -> Array | tuple[Array, NDArray[np.int64]]:
    array = _as_image(image, data_format)
    values = pool2d(array, pooling, data_format=data_format)
    if not return_indices:
        return values
    from pooltool.kernels.ranks import indices2d

    axes = pooling.windows.axes(array.shape, data_format)
    return values, indices2d(array, values, *axes, data_format=data_format)


def _as_image(image: ArrayLike, data_format: DataFormat) -> Array:
    """View `image` as an array that can be pooled; raise `WindowError` or `ArrayTypeError`."""
    array = image if type(image) is np.ndarray else _as_array(image)
    if data_format not in tuple(LAYOUTS):
        name = f"data_format={data_format!r}"
        raise WindowError(f"{name} is not 'channels_last' (NHWC) or 'channels_first' (NCHW)")
    if array.ndim not in (2, 3, 4):
        layouts = f"data_format={data_format!r} takes {LAYOUTS[data_format]}"
        raise WindowError(f"image has {array.ndim} axes; {layouts}")
    if not array.size:
        raise WindowError("image is empty")
    if not is_real(array.dtype):
        raise ArrayTypeError(
            f"image has dtype {array.dtype}; pooling takes bool, integers of 8 to 64 bits, "
            "float16, float32 and float64; convert it with astype"
        )
    return array


def _as_array(image: object) -> Array:
    if isinstance(image, (str, bytes, os.PathLike)):
        raise ArrayTypeError(
            f"image is {image!r}, not an array; read it first, for example with cv2.imread"
        )
    if image is None:
        raise ArrayTypeError("image is None; cv2.imread gives that for a file it cannot read")
    masked = sys.modules.get("numpy.ma")  # which takes 12 ms to load, and loads where one is made
    if masked and isinstance(image, masked.MaskedArray):
        raise ArrayTypeError(
            "image is a masked array, whose mask pooling would ignore; use image.filled(value), or "
            "filled(nan) and skip_nan=True"
        )
    try:
        return np.asarray(image)
    except ValueError as error:
        raise WindowError(f"image is not an array: {error}") from None
    except (TypeError, RuntimeError) as error:  # tensors on a device, with a gradient, of bfloat16
        reason = str(error).partition("\n")[0]
        advice = "; use image.float()" if "bfloat16" in reason.lower() else ""
        raise ArrayTypeError(f"image cannot be read as a numpy array: {reason}{advice}") from None


def _divisor(divisor: int | None) -> int | None:
    if divisor is None:
        return None
    if is_integer(divisor) and 0 < divisor < 2**63:
        return int(divisor)
    raise WindowError(f"divisor_override={divisor!r} is not a positive integer of 64 bits")
