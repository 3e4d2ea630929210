"""Times pooltool as whole processes and prints ratios: python tests/benchmarks/commands.py

Five questions: what pooling one picture costs beside a bare script that only decodes and encodes
it, how many photographs and how many small pictures a second a folder takes beside that script and
other programs, what one more small picture costs where no disk hides it, and what a shell loop
costs that starts a program for each picture. Commands take
turns, and medians of the turns are compared, so that a busy machine does not matter much. Programs
that are not installed are left out with a note.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    data = numpy.fromfile(os.path.join(sys.argv[1], name), numpy.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_ANYCOLOR)
    small = numpy.ascontiguousarray(pixels[::2, ::2])
    done, data = cv2.imencode(os.path.splitext(name)[1], small)
    with open(os.path.join(sys.argv[2], name), "wb") as file:
        file.write(data)
with ThreadPoolExecutor(2) as executor:
    list(executor.map(one, sorted(os.listdir(sys.argv[1]))))
"""

BARE_LOOP = """
import os, sys
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import click, cv2, numpy
cv2.setNumThreads(1)
for name in sorted(os.listdir(sys.argv[1])):
    pixels = cv2.imread(os.path.join(sys.argv[1], name), cv2.IMREAD_ANYCOLOR)
    small = numpy.ascontiguousarray(pixels[::2, ::2])
    cv2.imwrite(os.path.join(sys.argv[2], name), small)
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


def compare(
    commands: dict[str, list[str]], rounds: int, target: Path | None = None
) -> dict[str, Cost]:
    """Run the commands in turn, `rounds` times after one warm-up; give each one's medians.

    Each finds the folder `target` empty: to replace files costs more than to make them, and some
    programs replace what others overwrite.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            cost = measure(command)
            if turn:
                costs[name].append(cost)
            if target is not None:
                target.rename(target.with_name(f"{target.name}-{name}-{turn}"))
                target.mkdir()
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


# Each halves the pictures by averaging, `each` of them in a process where it can take several;
# JPEGs get quality 95, the one that OpenCV writes.
PEERS: dict[str, tuple[str, Callable[[str, str, int], list[str]]]] = {
    "GraphicsMagick": ("gm", lambda source, target, each: shell(
        f"cd {source} && ls | xargs -P2 -n {each} gm mogrify -output-directory {target} "
        f"-scale 50% -quality 95"
    )),
    "ImageMagick": ("mogrify", lambda source, target, each: shell(
        f"cd {source} && ls | MAGICK_THREAD_LIMIT=1 xargs -P2 -n {each} mogrify -path {target} "
        f"-scale 50% -quality 95"
    )),
    "libvips": ("vips", lambda source, target, each: shell(
        f"cd {source} && ls | VIPS_CONCURRENCY=1 xargs -P2 -I% vips shrink % {target}/%[Q=95] 2 2"
    )),
    "GDAL": ("gdal_translate", lambda source, target, each: shell(
        f"cd {source} && ls | xargs -P2 -I@ "
        f"gdal_translate -q -of JPEG -r average -co QUALITY=95 -outsize 50% 50% @ {target}/@"
    )),
}  # fmt: skip
SMALL_PEERS: dict[str, tuple[str, Callable[[str, str, int], list[str]]]] = {
    "GraphicsMagick": PEERS["GraphicsMagick"],
    "ImageMagick": PEERS["ImageMagick"],
    "libvips": ("vipsthumbnail", lambda source, target, each: shell(
        f"cd {source} && ls | VIPS_CONCURRENCY=1 xargs -P2 -n {each} vipsthumbnail -s 32 "
        f"-o {target}/%s.$(ls | head -n 1 | cut -d. -f2)"
    )),
}  # fmt: skip
"""Those that take many pictures in one process."""
LOOPED = {
    "GraphicsMagick": ("gm", 'gm convert "$f" -scale 50% "{target}/$f"'),
    "ImageMagick": ("convert", 'convert "$f" -scale 50% "{target}/$f"'),
    "libvips": ("vips", 'vips shrink "$f" "{target}/$f" 2 2'),
}
"""What a shell loop runs for each picture `$f`."""


def installed(programs: dict[str, tuple[str, Any]]) -> dict[str, Any]:
    """Those of the programs that are there, with what they run; a note for each other one."""
    for name, (program, _) in programs.items():
        if not shutil.which(program):
            print(f"{name} is left out: {program} is not installed", file=sys.stderr)
    return {name: run for name, (program, run) in programs.items() if shutil.which(program)}


def print_folder(title: str, costs: dict[str, Cost], count: int) -> None:
    """Print pictures a second and processor time, each also as a ratio to the bare loop's."""
    bare = costs["bare decode and encode"]
    print(f"\n| {title} | a second | of the bare loop | processor time | of the bare loop |")
    print("|---|---|---|---|---|")
    for name, cost in sorted(costs.items(), key=lambda item: item[1].wall):
        print(
            f"| {name} | {count / cost.wall:.0f} | {bare.wall / cost.wall:.2f} | "
            f"{1000 * cost.cpu / count:.2f} ms | {cost.cpu / bare.cpu:.2f} |"
        )


def photographs(folder: Path, rounds: int, count: int, height: int, width: int) -> None:
    """A folder of the same large JPEG, two at once."""
    source, target = folder / "in", folder / "out"
    source.mkdir()
    target.mkdir()
    write_picture(source / "picture000.jpg", height, width)
    for index in range(1, count):
        shutil.copy(source / "picture000.jpg", source / f"picture{index:03}.jpg")
    words = ["max", "-q", "-j2", "-r", str(source), "-o", str(target)]
    commands = {
        "bare decode and encode": [sys.executable, "-c", BARE_MANY, str(source), str(target)],
        "pooltool max": [*POOLTOOL, *words],
    }
    commands |= {name: run(str(source), str(target), 30) for name, run in installed(PEERS).items()}
    title = f"{count} JPEGs {height}x{width}, two at once"
    print_folder(title, compare(commands, rounds, target), count)


def write_pieces(source: Path, count: int, extension: str, side: int, gray: bool) -> None:
    """A folder of square pieces of the sample mountain."""
    source.mkdir()
    mountain = cv2.imdecode(np.fromfile(SAMPLE, np.uint8), 0 if gray else 1)
    assert mountain is not None
    random = np.random.default_rng(1)
    for index in range(count):
        row, column = (int(random.integers(size - side)) for size in mountain.shape[:2])
        piece = mountain[row : row + side, column : column + side]
        data = cv2.imencode(extension, piece)[1]
        (source / f"picture{index:05}{extension}").write_bytes(data.tobytes())


def small_pictures(
    folder: Path, rounds: int, count: int, extension: str, side: int, gray: bool
) -> None:
    """A folder of small pictures, two at once."""
    source, target = folder / f"small{side}{extension}", folder / f"small-out{side}{extension}"
    target.mkdir()
    write_pieces(source, count, extension, side, gray)
    words = ["max", "-r", str(source), "-o", str(target), "--suffix", ""]
    commands = {
        "bare decode and encode": [sys.executable, "-c", BARE_MANY, str(source), str(target)],
        "pooltool max": [*POOLTOOL, *words, "-q", "-j2"],
    }
    peers = installed(SMALL_PEERS)
    commands |= {name: run(str(source), str(target), 500) for name, run in peers.items()}
    costs = compare(commands, rounds, target)
    measure(commands["pooltool max"])
    done = {
        "pooltool max --dry-run": [*POOLTOOL, *words, "--dry-run"],
        "pooltool max --skip-existing": [*POOLTOOL, *words, "--skip-existing"],
    }
    kind = f"{count} {'gray ' if gray else ''}{extension[1:].upper()}s {side}x{side}"
    print_folder(f"{kind}, two at once", costs | compare(done, rounds), count)


def one_more_picture(rounds: int, count: int, goals: dict[str, float]) -> None:
    """What one more small picture costs in processor time, in memory (/dev/shm): many less one.

    The shortest of the rounds counts, as all else only makes them longer.
    """
    print("\n| one more of 64x64, processor time | pooltool | bare loop | ratio | goal |")
    print("|---|---|---|---|---|")
    for extension, goal in goals.items():
        with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
            folder = Path(name)
            write_pieces(folder / "many", count, extension, 64, False)
            write_pieces(folder / "one", 1, extension, 64, False)
            seconds: dict[tuple[str, str], float] = {}
            for _ in range(rounds):
                for source in ("many", "one"):
                    words = ["max", "-q", "-j1", "-r", str(folder / source), "-o"]
                    for program, command in {
                        "pooltool": [*POOLTOOL, *words, str(folder / "out")],
                        "bare": [sys.executable, "-c", BARE_LOOP, str(folder / source),
                                 str(folder / "out")],
                    }.items():  # fmt: skip
                        (folder / "out").mkdir()
                        cost = measure(command).cpu
                        shutil.rmtree(folder / "out")
                        before = seconds.get((program, source), cost)
                        seconds[program, source] = min(cost, before)
            own, bare = (
                1e6 * (seconds[program, "many"] - seconds[program, "one"]) / max(1, count - 1)
                for program in ("pooltool", "bare")
            )
            ratio = own / bare if bare > 0 else 0
            row = f"{extension[1:].upper()} | {own:.0f} us | {bare:.0f} us | {ratio:.2f} | {goal}"
            print(f"| {row} |")


def shell_loop(folder: Path, rounds: int, count: int) -> None:
    """A shell loop that starts a program a picture."""
    source, target = folder / "loop", folder / "loop-out"
    source.mkdir()
    target.mkdir()
    for index in range(count):
        shutil.copy(SAMPLE, source / f"picture{index:03}.jpg")
    pooltool = " ".join(map(shlex.quote, POOLTOOL))
    bare = f"{sys.executable} -c {shlex.quote(BARE_ONE)}"
    lines = {
        "bare decode and encode": f'{bare} "$f" "{target}/$f"',
        "pooltool max": f'{pooltool} max -q "$f" -o "{target}/"',
    }
    lines |= {name: line.format(target=target) for name, line in installed(LOOPED).items()}
    commands = {
        name: shell(f"cd {source} && for f in *; do {line}; done") for name, line in lines.items()
    }
    title = f"a loop over {count} times {SAMPLE.name}, a process each"
    print_folder(title, compare(commands, rounds, target), count)


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
        folder, rounds, few = Path(name), 1 if smoke else 5, 4 if smoke else 0
        one_picture(folder, 1 if smoke else 9, *((60, 80) if smoke else (3000, 4000)))
        photographs(folder, rounds, few or 60, *((60, 80) if smoke else (1155, 1732)))
        small_pictures(folder, rounds, few or 20_000, ".png", 64, False)
        small_pictures(folder, rounds, few or 5_000, ".jpg", 64, False)
        small_pictures(folder, rounds, few or 5_000, ".png", 28, True)
        if Path("/dev/shm").is_dir():
            one_more_picture(rounds, few or 4_000, {".png": 1.45, ".jpg": 1.9})
        shell_loop(folder, rounds, few or 20)


if __name__ == "__main__":
    main()
