"""The same work as other libraries do it. A peer prepares its input first, untimed.

Each peer takes (method, pool, stride, image, result) and gives a function to time, or None for
work that it cannot do.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Run = Callable[[], Any]
Prepare = Callable[[str, int, int, Array, "str | None"], "Run | None"]


class Peer:
    """A library, as a column of the table."""

    def __init__(self, name: str, module: str, planar: bool, prepare: Prepare) -> None:
        self.name, self.module, self.planar, self._prepare = name, module, planar, prepare

    def __call__(
        self, method: str, pool: int, stride: int, image: Array, result: str | None
    ) -> Run | None:
        if result is not None and np.dtype(result) != image.dtype:
            return None
        return self._prepare(method, pool, stride, image, result)

    def order(self, pooled: Array) -> Array:
        """Put pooltool's result into the order of this peer's axes."""
        if self.planar and pooled.ndim == 3:
            return np.moveaxis(pooled, 2, 0)
        return pooled


def _dilate(method: str, pool: int, stride: int, image: Array, _: str | None) -> Run | None:
    if method == "avg" or (image.ndim == 3 and image.shape[2] > 4):
        return None
    filtered = cv2.dilate if method == "max" else cv2.erode
    kernel = np.ones((pool, pool), np.uint8)
    height, width = ((size - pool) // stride + 1 for size in image.shape[:2])
    return lambda: np.ascontiguousarray(
        filtered(image, kernel, anchor=(0, 0))[::stride, ::stride][:height, :width]
    )


def _blur(method: str, pool: int, stride: int, image: Array, _: str | None) -> Run | None:
    if method != "avg":
        return None
    height, width = ((size - pool) // stride + 1 for size in image.shape[:2])
    return lambda: np.ascontiguousarray(
        cv2.blur(image, (pool, pool), anchor=(0, 0))[::stride, ::stride][:height, :width]
    )


def _resize(method: str, pool: int, stride: int, image: Array, _: str | None) -> Run | None:
    if method != "avg" or pool != stride or any(size % pool for size in image.shape[:2]):
        return None
    height, width = (size // pool for size in image.shape[:2])
    return lambda: cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _block_reduce(method: str, pool: int, stride: int, image: Array, _: str | None) -> Run | None:
    if pool != stride or any(size % pool for size in image.shape[:2]):
        return None
    from skimage.measure import block_reduce

    reduce: Any = block_reduce
    combine = {"max": np.max, "min": np.min, "avg": np.mean}[method]
    block = (pool, pool) if image.ndim == 2 else (pool, pool, 1)
    return lambda: reduce(image, block, combine)


def _pillow(method: str, pool: int, stride: int, image: Array, _: str | None) -> Run | None:
    fits = image.dtype == np.uint8 or (image.ndim == 2 and image.dtype == np.float32)
    if method != "avg" or pool != stride or not fits or any(s % pool for s in image.shape[:2]):
        return None
    from PIL import Image

    mode = {"float32": "F"}.get(
        image.dtype.name, {1: "L", 3: "RGB", 4: "CMYK"}[np.atleast_3d(image).shape[2]]
    )
    # CMYK, since a fourth channel of the name alpha would be multiplied into the others.
    picture = Image.frombytes(mode, image.shape[1::-1], image.tobytes())
    return lambda: picture.reduce(pool)


def _torch(method: str, pool: int, stride: int, image: Array, *, last: bool) -> Run | None:
    import torch

    torch.set_num_threads(1)
    if method == "min" or image.dtype == np.uint16 or (method == "avg" and image.dtype == np.uint8):
        return None
    planes = np.ascontiguousarray(np.moveaxis(np.atleast_3d(image), 2, 0))[None]
    tensor = torch.from_numpy(planes)
    if last:
        if image.ndim == 2 or image.dtype == np.uint8:  # torch refuses more than 127 bytes so
            return None
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    function = torch.nn.functional.max_pool2d if method == "max" else torch.nn.functional.avg_pool2d
    return lambda: function(tensor, pool, stride)


def _torch_planar(m: str, pool: int, stride: int, image: Array, _: str | None) -> Run | None:
    return _torch(m, pool, stride, image, last=False)


def _torch_last(m: str, pool: int, stride: int, image: Array, _: str | None) -> Run | None:
    return _torch(m, pool, stride, image, last=True)


def _onnx(method: str, pool: int, stride: int, image: Array, _: str | None) -> Run | None:
    kinds = {"max": ("float32", "uint8"), "avg": ("float32",)}.get(method, ())
    if image.dtype.name not in kinds:
        return None
    session = _onnx_session(method, pool, stride, 0, image.dtype.name)
    planes = np.ascontiguousarray(np.moveaxis(np.atleast_3d(image), 2, 0))[None]
    return lambda: session.run(None, {"x": planes})[0]


@cache
def _onnx_session(method: str, pool: int, stride: int, padding: int, dtype: str) -> Any:
    import onnxruntime
    from onnx import TensorProto, helper

    kind = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}[dtype]
    operator = {"max": "MaxPool", "avg": "AveragePool"}[method]
    options: dict[str, Any] = {
        "kernel_shape": [pool] * 2,
        "strides": [stride] * 2,
        "pads": [padding] * 4,
    }
    if not pool:
        operator, options = f"Global{operator}", {}
    elif method == "avg":
        options |= {"count_include_pad": 1}
    node = helper.make_node(operator, ["x"], ["y"], **options)
    ends = [helper.make_tensor_value_info(name, kind, [None] * 4) for name in "xy"]
    graph = helper.make_graph([node], "pool", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)
    threads = onnxruntime.SessionOptions()
    threads.intra_op_num_threads = threads.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), threads)


TENSOR_PEERS = "torch NCHW", "torch channels last", "onnxruntime"


def tensor_peers(
    method: str, pool: int, stride: int, padding: int, tensor: Array
) -> dict[str, Run]:
    """What pools (N, C, H, W) float32 as a network does, padding counted; pool 0 is adaptive."""
    found: dict[str, Run] = {}
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(1)
        functions = torch.nn.functional
        planar = torch.from_numpy(tensor)
        layouts = planar, planar.contiguous(memory_format=torch.channels_last)
        for name, laid in zip(TENSOR_PEERS, layouts, strict=False):
            if pool:
                function = getattr(functions, f"{method}_pool2d")
                found[name] = partial(function, laid, pool, stride, padding)
            else:
                found[name] = partial(getattr(functions, f"adaptive_{method}_pool2d"), laid, 1)
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
        session = _onnx_session(method, pool, stride, padding, "float32")
        found["onnxruntime"] = lambda: session.run(None, {"x": tensor})[0]
    return found


PEERS = [
    Peer("cv2.dilate/erode", "cv2", False, _dilate),
    Peer("cv2.blur", "cv2", False, _blur),
    Peer("cv2.resize area", "cv2", False, _resize),
    Peer("scikit-image", "skimage", False, _block_reduce),
    Peer("Pillow reduce", "PIL", False, _pillow),
    Peer("torch NCHW", "torch", True, _torch_planar),
    Peer("torch channels last", "torch", True, _torch_last),
    Peer("onnxruntime", "onnxruntime", True, _onnx),
]


@cache
def available() -> list[Peer]:
    """The peers whose libraries are installed."""
    found = [peer for peer in PEERS if importlib.util.find_spec(peer.module)]
    for peer in PEERS:
        if peer not in found:
            print(f"{peer.name}: not installed, left out", file=sys.stderr)
    return found
