"""Time pooltool's kernels beside its peers, in copies: the time of `image.copy()`.

    python tests/benchmarks/kernels.py [--smoke] [--all] [--megabytes N] [FILTER]

Prints Markdown: for each kind of work the slowest of its images relative to the goal, and every
peer that can do that work on that image. The best of a row is bold, and a missed goal is marked.
One thread each; all of a row interleaved; medians.
"""

from __future__ import annotations

import argparse
import ctypes
import platform
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from peers import TENSOR_PEERS, Peer, available, tensor_peers

import pooltool

Array = NDArray[Any]
PACKAGES = ("numpy", "opencv-python", "scikit-image", "pillow", "torch", "onnxruntime")


@dataclass(frozen=True)
class Work:
    """One way of pooling one kind of image; `goal` is in copies."""

    method: str
    pool: int
    stride: int
    dtype: str
    channels: int
    goal: float
    result: str | None = None
    variant: str = ""

    @property
    def group(self) -> str:
        """The row of the table that this belongs to: all but the number of channels."""
        window = "global" if self.pool == 0 else f"{self.pool} stride {self.stride}"
        result = f" to {self.result}" if self.result else ""
        return " ".join(f"{self.method} {window} {self.dtype}{result} {self.variant}".split())

    def image(self, megabytes: float) -> Array:
        """A square image of noise of about this size, its sides a multiple of 3 and of 64."""
        dtype = np.dtype(self.dtype)
        side = int((megabytes * 2**20 / dtype.itemsize / self.channels) ** 0.5)
        side = max(192, side // 192 * 192)
        shape = (side, side) if self.channels == 1 else (side, side, self.channels)
        random = np.random.default_rng(0)
        if dtype.kind == "f":
            return random.random(shape, dtype=np.float32)
        return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)

    def view(self, image: Array) -> Array:
        """The image as this variant lays it out."""
        if self.variant == "transposed":
            return image.swapaxes(0, 1)
        return image[3:-5, 7:-9] if self.variant == "sliced" else image

    def run(self, image: Array) -> Array:
        """Pool with pooltool."""
        options: dict[str, Any] = {"dtype": self.result} if self.method == "avg" else {}
        size = {"global": 1, "adaptive 224": 224}.get("global" if not self.pool else self.variant)
        if size:
            size = min(size, *image.shape[:2])
            pool = getattr(pooltool, f"adaptive_{self.method}_pool2d")
            return np.asarray(pool(image, size, **options))
        options |= VARIANTS.get(self.variant, {})
        pool = getattr(pooltool, f"{self.method}_pool2d")
        return np.asarray(pool(image, self.pool, self.stride, **options))


VARIANTS: dict[str, dict[str, Any]] = {
    "padding 1": {"padding": 1},
    "dilation 2": {"dilation": 2},
    "ceil": {"ceil_mode": True},
}
GOALS = [  # method, (pool, stride), goal, dtypes
    *(("max", (k, k), 1.5, "uint8 uint16 float32") for k in (2, 3, 4, 8)),
    *(("max", window, 0.8, "uint8 uint16 float32") for window in ((64, 64), (0, 0))),
    ("min", (2, 2), 1.5, "uint8 uint16 float32"),
    *(
        ("max", window, goal, "uint8 uint16 float32")
        for window, goal in {
            (2, 1): 2, (3, 1): 2.5, (3, 2): 2.5, (5, 1): 3, (7, 2): 3, (16, 4): 3,
            (31, 1): 4.5, (127, 1): 7,
        }.items()
    ),
]  # fmt: skip
AVERAGES = [  # (pool, stride), goal, dtype, result
    *(((k, k), 2.0, kind, kind) for k in (2, 3, 4, 8) for kind in ("uint8", "uint16")),
    ((2, 2), 2.5, "uint8", "float32"),
    ((2, 2), 1.2, "float32", None),
    ((8, 8), 0.6, "float32", None),
    ((31, 1), 13, "float32", None),
    ((3, 1), 5.0, "uint8", "uint8"),
    ((31, 1), 8.0, "uint8", "uint8"),
]


def works() -> Iterator[Work]:
    """Everything that the table has, group by group."""
    for method, (pool, stride), goal, dtypes in GOALS:
        for dtype in dtypes.split():
            for channels in (1, 3, 4):
                yield Work(method, pool, stride, dtype, channels, goal)
    for (pool, stride), goal, dtype, result in AVERAGES:
        for channels in (1, 3, 4):
            yield Work("avg", pool, stride, dtype, channels, goal, result)
    bases = [
        Work("max", 3, 2, "uint8", 3, 0, variant="plain"),
        Work("max", 2, 2, "float32", 1, 0, variant="plain"),
        Work("avg", 2, 2, "uint8", 3, 0, "uint8", variant="plain"),
    ]
    for base in bases:
        yield base
        for variant in (*VARIANTS, "adaptive 224", "transposed", "sliced"):
            yield replace(base, variant=variant)
        yield replace(base, channels=7, variant="7 channels")


def compare(work: Work, megabytes: float, repeats: int, peers: bool) -> dict[str, float]:
    """Median times in copies of pooltool and, if asked, of the peers; all taken in turns.

    A peer that would take longer than `SLOW` seconds is timed on a small image only, whose rows
    are as cheap for it, and scaled: hours are not spent on finding that it is slow.
    """
    base = work.image(megabytes)
    image = work.view(base)
    runs: dict[str, Callable[[], Any]] = {"copy": base.copy, "pooltool": lambda: work.run(image)}
    scaled: dict[str, float] = {}
    for peer, small in prepared(work, work.image(0.5)) if peers else ():
        seconds = _seconds(small) * image.size / work.image(0.5).size
        if seconds > SLOW:
            scaled[peer.name] = seconds
        else:
            runs |= {p.name: run for p, run in prepared(work, image) if p is peer}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        base.copy()  # after a slow peer, memory that the system has taken back comes slowly
        for name, run in runs.items():
            times[name].append(_seconds(run))
    medians = {name: median(taken[1:]) for name, taken in times.items()} | scaled
    return {name: seconds / medians["copy"] for name, seconds in medians.items()}


SLOW = 1.5


def always_take_fresh_memory() -> None:
    """Fix glibc's thresholds at the values to which a process raises them by itself with the first
    large array that it frees: larger arrays are memory from the system, in every row of the table.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, 1 << 25)
        mallopt(M_TRIM_THRESHOLD, 1 << 26)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of malloc.h."""


def prepared(work: Work, image: Array) -> Iterator[tuple[Peer, Callable[[], Any]]]:
    """The peers that can do this work, ready to run."""
    if work.variant or not work.pool:
        return
    for peer in available():
        run = peer(work.method, work.pool, work.stride, image, work.result)
        if run is not None:
            yield peer, run


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def check(work: Work) -> None:
    """Raise AssertionError where a peer's result is not pooltool's: it would be other work."""
    image = work.view(work.image(0.05))
    ours = work.run(image)
    for peer, run in prepared(work, image):
        theirs = np.asarray(run()).reshape(-1)
        message = f"{peer.name} does not do {work}"
        assert theirs.size == ours.size, message
        off = 1.01 if ours.dtype.kind in "ui" and work.method == "avg" else 1e-3
        difference = np.abs(theirs.astype(float) - peer.order(ours).reshape(-1))
        assert difference.max() <= off, message


def table(chosen: list[Work], megabytes: float, repeats: int, every: bool) -> None:
    """Print the rows: of each group the one that is slowest with pooltool, or all."""
    names = [peer.name for peer in available()]
    print("| work | goal | pooltool |", " | ".join(names), "|")
    print("|---" * (3 + len(names)) + "|")
    groups: dict[str, list[Work]] = {}
    for work in chosen:
        groups.setdefault(work.group, []).append(work)
    for members in groups.values():
        if not every and len(members) > 1:
            alone = [compare(work, megabytes, repeats, False)["pooltool"] for work in members]
            members = [members[alone.index(max(alone))]]
        for work in members:
            copies = compare(work, megabytes, repeats, True)
            ours = copies["pooltool"]
            best = min(copies[name] for name in ("pooltool", *names) if name in copies)
            cells = [
                (f"**{copies[name]:.2f}**" if copies[name] == best else f"{copies[name]:.2f}")
                if name in copies
                else "-"
                for name in ("pooltool", *names)
            ]
            goal = f"{work.goal:g}" if work.goal else "-"
            goal += " missed" if work.goal and ours > work.goal else ""
            line = f"| {work.group} x{work.channels} | {goal} |"
            print(line, " | ".join(cells), "|", flush=True)


TENSORS = [  # method, pool, stride, padding, shape (N, C, H, W); pool 0 is adaptive, to 1
    ("max", 2, 2, 0, (32, 64, 56, 56)),
    ("avg", 2, 2, 0, (32, 64, 56, 56)),
    ("max", 3, 2, 1, (8, 64, 112, 112)),
    ("avg", 3, 2, 1, (8, 64, 112, 112)),
    ("avg", 0, 0, 0, (32, 512, 7, 7)),
]


def tensor_table(repeats: int) -> None:
    """Print what a network's tensors cost, in milliseconds, in either layout."""
    columns = ["pooltool first", "pooltool last", *TENSOR_PEERS]
    print("\n| float32 tensors, milliseconds |", " | ".join(columns), "|")
    print("|---" * (1 + len(columns)) + "|")
    for method, pool, stride, padding, shape in TENSORS:
        tensor = np.random.default_rng(0).random(shape, dtype=np.float32)
        last = np.ascontiguousarray(tensor.transpose(0, 2, 3, 1))

        def ours(image: Array, data_format: str, method: str = method, pool: int = pool,
                 stride: int = stride, padding: int = padding) -> Array:  # fmt: skip
            options: dict[str, Any] = {"data_format": data_format}
            if not pool:
                return np.asarray(
                    getattr(pooltool, f"adaptive_{method}_pool2d")(image, 1, **options)
                )
            options |= {"padding": padding}
            options |= {"count_include_pad": True} if method == "avg" else {}
            return np.asarray(getattr(pooltool, f"{method}_pool2d")(image, pool, stride, **options))

        runs: dict[str, Callable[[], Any]] = {
            "pooltool first": partial(ours, tensor, "channels_first"),
            "pooltool last": partial(ours, last, "channels_last"),
            **tensor_peers(method, pool, stride, padding, tensor),
        }
        for name, run in runs.items():
            difference = np.abs(
                np.asarray(run()).reshape(-1)
                - (
                    runs[
                        "pooltool last" if name == "pooltool last" else "pooltool first"
                    ]().reshape(-1)
                )
            )
            assert difference.max() <= 1e-5, name
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(repeats + 1):
            for name, run in runs.items():
                times[name].append(_seconds(run))
        cells = [f"{median(times[c][1:]) * 1e3:.2f}" if c in times else "-" for c in columns]
        window = f"{pool} stride {stride} padding {padding}" if pool else "to 1"
        print(f"| {method} {window} of {shape} |", " | ".join(cells), "|", flush=True)


def small_table(repeats: int) -> None:
    """Print what a call costs on small images, in microseconds."""
    peers = [peer for peer in available() if peer.name in ("scikit-image", "torch NCHW")]
    print("\n| small images, microseconds | pooltool |", " | ".join(p.name for p in peers), "|")
    print("|---" * (2 + len(peers)) + "|")
    for method in ("max", "avg"):
        work = Work(method, 2, 2, "float32", 1, 0)
        for side in (8, 16, 32, 64):
            image = np.random.default_rng(0).random((side, side), dtype=np.float32)
            runs: list[Callable[[], Any]] = [partial(work.run, image)]
            runs += [run for peer, run in prepared(work, image) if peer in peers]
            cells = [f"{_microseconds(run, repeats):.0f}" for run in runs]
            print(f"| {method} 2 stride 2, {side}x{side} float32 |", " | ".join(cells), "|")


def _microseconds(run: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(200 * repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return median(times) * 1e6


def memory_table(megabytes: float) -> None:
    """Print the memory taken beyond input and output, each in a process of its own."""
    print("\n| memory beyond input and output, MB | numpy (tracemalloc) | process (peak RSS) |")
    print("|---|---|---|")
    for index, work in enumerate(MEMORY):
        command = [sys.executable, __file__, "--memory-of", str(index)]
        command += ["--megabytes", str(megabytes)]
        line = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        print(f"| {work.group} x{work.channels} |", " | ".join(line.split()), "|", flush=True)


MEMORY = [
    Work("max", 2, 2, "uint8", 1, 0),
    Work("max", 31, 1, "float32", 3, 0),
    Work("max", 127, 1, "float32", 4, 0),
    Work("max", 3, 2, "uint8", 3, 0, variant="padding 1"),
    Work("max", 2, 2, "uint8", 3, 0, variant="transposed"),
    Work("avg", 2, 2, "uint8", 3, 0, "uint8", variant="plain"),
    Work("avg", 31, 1, "uint8", 1, 0, "uint8"),
    Work("avg", 2, 2, "uint8", 1, 0, "float32"),
    Work("avg", 0, 0, "uint8", 1, 0, "uint8"),
    Work("avg", 0, 0, "float32", 1, 0),
]


def memory_of(work: Work, megabytes: float) -> None:
    """Print the peak beyond input and output: as numpy allocates it, as the system gives it."""
    image = work.view(work.image(megabytes))
    pooltool.max_pool2d(np.zeros((64, 64), np.uint8))  # what is imported stays
    tracemalloc.start()
    before = _forget_peak()
    out = work.run(image)
    grown = _peak() - before - out.nbytes
    traced = tracemalloc.get_traced_memory()[1] - out.nbytes
    print(f"{traced / 2**20:.1f} {grown / 2**20:.1f}")


def _forget_peak() -> int:
    """Make Linux measure the peak of this process's memory anew; return what it takes now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    """Most bytes that this process has had in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) * 1024


def machine() -> str:
    """The processor and the versions that the numbers belong to."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            print(f"{package} is not installed: left out", file=sys.stderr)
    return f"{cpu}; Python {platform.python_version()}; {', '.join(found)}; one thread"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS)
    parser.add_argument("filter", nargs="?", default="", help="only work whose name holds this")
    parser.add_argument("--megabytes", type=float, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--all", action="store_true", help="print every number of channels")
    parser.add_argument("--smoke", action="store_true", help="once, tiny, and check the results")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    always_take_fresh_memory()
    if options.memory_of is not None:
        memory_of(MEMORY[options.memory_of], options.megabytes)
        return
    print(machine() + "\n")
    megabytes, repeats = (0.05, 1) if options.smoke else (options.megabytes, options.repeats)
    chosen = [work for work in works() if options.filter in work.group]
    if options.smoke:
        for work in chosen:
            check(work)
    table(chosen, megabytes, repeats, options.all)
    if not options.filter:
        tensor_table(repeats)
        small_table(repeats)
        memory_table(megabytes)


if __name__ == "__main__":
    main()
