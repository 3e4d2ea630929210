"""Times pooltool as whole processes and prints ratios: python tests/benchmarks/commands.py

Two questions: what pooling one picture costs beside a bare script that only decodes and encodes
it, and how many pictures a second a folder takes beside that script and other programs. Commands
take turns, and medians of the turns are compared, so that a busy machine does not matter much.
Programs that are not installed are left out with a note.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SAMPLE = Path(__file__).resolve().parents[2] / "sample_images" / "mountain.jpg"
POOLTOOL = [
    sys.executable,
    "-c",
    "import sys; from pooltool.__main__ import main; sys.exit(main())",
]
"""What the installed `pooltool` script runs, in the interpreter that runs this."""
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""Modules are compiled once, not at every start, as they are where a program is installed."""

BARE_ONE = """
import os, sys
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import click, cv2, numpy
pixels = cv2.imdecode(numpy.fromfile(sys.argv[1], numpy.uint8), cv2.IMREAD_COLOR)
small = numpy.ascontiguousarray(pixels[::2, ::2])
done, data = cv2.imencode(".jpg", small)
open(sys.argv[2], "wb").write(data)
"""
BARE_MANY = """
import os, sys
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
from concurrent.futures import ThreadPoolExecutor
import click, cv2, numpy
cv2.setNumThreads(1)
def one(name):
    pixels = cv2.imdecode(numpy.fromfile(os.path.join(sys.argv[1], name), numpy.uint8), 1)
    small = numpy.ascontiguousarray(pixels[::2, ::2])
    done, data = cv2.imencode(".jpg", small)
    open(os.path.join(sys.argv[2], name), "wb").write(data)
with ThreadPoolExecutor(2) as executor:
    list(executor.map(one, sorted(os.listdir(sys.argv[1]))))
"""


@dataclass(frozen=True)
class Cost:
    """Seconds that one run of a command took, children included."""

    wall: float
    cpu: float


def measure(command: list[str]) -> Cost:
    """Run a command that must succeed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    quiet = subprocess.DEVNULL
    subprocess.run(command, check=True, stdout=quiet, stderr=quiet, env=ENVIRONMENT)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu)


def compare(commands: dict[str, list[str]], rounds: int) -> dict[str, Cost]:
    """Run the commands in turn, `rounds` times after one warm-up; give each one's medians."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            cost = measure(command)
            if turn:
                costs[name].append(cost)
    return {
        name: Cost(
            statistics.median(c.wall for c in taken), statistics.median(c.cpu for c in taken)
        )
        for name, taken in costs.items()
    }


def write_picture(path: Path, height: int, width: int) -> None:
    """The sample mountain, enlarged to `height` by `width` pixels, as a JPEG."""
    mountain = cv2.imdecode(np.fromfile(SAMPLE, np.uint8), cv2.IMREAD_COLOR)
    assert mountain is not None
    large = cv2.resize(mountain, (width, height), interpolation=cv2.INTER_CUBIC)
    path.write_bytes(cv2.imencode(".jpg", large)[1].tobytes())


def one_picture(folder: Path, rounds: int, height: int, width: int) -> None:
    """Print the processor time of one picture as a ratio to the bare script's."""
    write_picture(folder / "large.jpg", height, width)
    shutil.copy(SAMPLE, folder / "mountain.jpg")
    print("\n| one picture, processor time | pooltool / bare script | goal |\n|---|---|---|")
    for name in ("mountain.jpg", "large.jpg"):
        picture, result = str(folder / name), str(folder / "result.jpg")
        costs = compare(
            {
                "pooltool": [*POOLTOOL, "max", "-q", picture, "-o", result],
                "bare": [sys.executable, "-c", BARE_ONE, picture, result],
            },
            rounds,
        )
        ratio = costs["pooltool"].cpu / costs["bare"].cpu
        print(f"| {name} {shape(picture)} | {ratio:.2f} | 1.15 |")
    helps = compare(
        {
            "pooltool": [*POOLTOOL, "--help"],
            "click": [sys.executable, "-c", "import click"],
        },
        rounds * 3,
    )
    print(f"| `--help` / `import click` | {helps['pooltool'].cpu / helps['click'].cpu:.2f} | 1.3 |")


def shape(picture: str) -> tuple[int, ...]:
    """Rows, columns and channels of a picture file."""
    pixels = cv2.imdecode(np.fromfile(picture, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return tuple(pixels.shape)


def shell(script: str) -> list[str]:
    """A shell command line as a command."""
    return ["sh", "-c", script]


# Each halves the pictures by averaging, as JPEGs of quality 95, the one that OpenCV writes.
PEERS: dict[str, tuple[str, Callable[[str, str], list[str]]]] = {
    "GraphicsMagick": ("gm", lambda source, target: shell(
        f"cd {source} && ls | xargs -P2 -n 30 gm mogrify -output-directory {target} -scale 50% "
        f"-quality 95"
    )),
    "ImageMagick": ("mogrify", lambda source, target: shell(
        f"cd {source} && ls | MAGICK_THREAD_LIMIT=1 xargs -P2 -n 30 "
        f"mogrify -path {target} -scale 50% "
        f"-quality 95"
    )),
    "libvips": ("vips", lambda source, target: shell(
        f"cd {source} && ls | VIPS_CONCURRENCY=1 xargs -P2 -I% vips shrink % {target}/%[Q=95] 2 2"
    )),
    "GDAL": ("gdal_translate", lambda source, target: shell(
        f"cd {source} && ls | xargs -P2 -I@ "
        f"gdal_translate -q -of JPEG -r average -co QUALITY=95 -outsize 50% 50% @ {target}/@"
    )),
}  # fmt: skip


def folder_of_pictures(folder: Path, rounds: int, count: int, height: int, width: int) -> None:
    """Print pictures a second as a ratio to the bare loop on two threads."""
    source, target = folder / "in", folder / "out"
    source.mkdir()
    target.mkdir()
    write_picture(source / "picture000.jpg", height, width)
    for index in range(1, count):
        shutil.copy(source / "picture000.jpg", source / f"picture{index:03}.jpg")
    commands = {
        "bare decode and encode": [sys.executable, "-c", BARE_MANY, str(source), str(target)],
        "pooltool max": [*POOLTOOL, "max", "-q", "-j2", "-r", str(source), "-o", str(target)],
    }
    for name, (program, command) in PEERS.items():
        if shutil.which(program):
            commands[name] = command(str(source), str(target))
        else:
            print(f"{name} is left out: {program} is not installed", file=sys.stderr)
    costs = compare(commands, rounds)
    bare = costs["bare decode and encode"].wall
    print(
        f"\n| {count} JPEGs {height}x{width}, two at once | pictures a second | of the bare loop |"
    )
    print("|---|---|---|")
    for name, cost in sorted(costs.items(), key=lambda item: item[1].wall):
        print(f"| {name} | {count / cost.wall:.1f} | {bare / cost.wall:.2f} |")


def processor() -> str:
    """The name of this machine's processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="everything once, on tiny pictures")
    smoke = parser.parse_args().smoke
    print(
        f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"numpy {np.__version__}, OpenCV {cv2.__version__}"
    )
    with tempfile.TemporaryDirectory() as name:
        if smoke:
            one_picture(Path(name), 1, 60, 80)
            folder_of_pictures(Path(name), 1, 4, 60, 80)
        else:
            one_picture(Path(name), 9, 3000, 4000)
            folder_of_pictures(Path(name), 5, 60, 1155, 1732)


if __name__ == "__main__":
    main()
