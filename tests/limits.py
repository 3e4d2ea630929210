"""What one file takes of time and memory, and how it ends: measured in a process of its own.

A file may take 2 seconds, and 100 MB + 20 times its bytes + 8 times the bytes of its pixels, and
must end with a picture that can be written and read again, or with a `PooltoolError`. Linux only.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import time
import warnings
import zlib
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple

from pooltool import avg_pool2d, images, max_pool2d, median_pool2d, mode_pool2d, native
from pooltool.errors import PooltoolError
from pooltool.images import formats

SECONDS, MEGABYTES, ROOM = 2.0, 100, 3 << 30


class Taken(NamedTuple):
    """What a file took."""

    ending: str
    """"done", "refused", or anything else, which is a finding."""
    words: str
    seconds: float
    memory: int
    """By how many bytes the process grew at most."""
    pixels: int
    """Bytes of all decoded frames; of a file that is refused, how many pixels its header tells."""

    def finding(self, size: int, seconds: float = SECONDS) -> str:
        """What is wrong with it; nothing for a file that behaved."""
        if self.ending not in ("done", "refused"):
            return f"{self.ending}: {self.words}"
        if self.seconds > seconds:
            return f"slow: {self.seconds:.1f} s ({self.ending}: {self.words})"
        if self.memory > (MEGABYTES << 20) + 20 * size + 8 * self.pixels:
            return f"large: {self.memory >> 20} MB ({self.ending}: {self.words})"
        return ""


def taken(files: Sequence[bytes], together: int = 1, limit: int = 0) -> list[Taken]:
    """What each file takes, `together` of them in one child, with another limit of pixels."""
    results = list[Taken]()
    native.import_cv2().setNumThreads(1)  # a child would wait for ever for threads of OpenCV
    while len(results) < len(files):
        results += _measured(files[len(results) : len(results) + together], limit)
    return results


def _measured(files: Sequence[bytes], limit: int) -> Iterator[Taken]:
    """What the files take in one child process, up to the one at which it died."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        try:
            _measure(files, limit, os.fdopen(writer, "w"))
        finally:
            os._exit(9)
    os.close(writer)
    with os.fdopen(reader, "rb", 0) as answers:
        buffer, done = b"", False
        while not done:
            if not select.select([answers], [], [], 10 * SECONDS)[0]:
                os.kill(child, signal.SIGKILL)
                yield Taken("hung", f"no answer after {10 * SECONDS} s", 10 * SECONDS, 0, 0)
                break
            piece = os.read(answers.fileno(), 1 << 16)
            *lines, buffer = (buffer + piece).split(b"\n")
            yield from (Taken(*json.loads(line)) for line in lines if line != b"end")
            done = b"end" in lines
            if not piece and not done:
                status = os.waitpid(child, 0)[1]
                child = 0
                yield Taken("died", f"status {status}", 0, 0, 0)
                break
    if child:
        os.waitpid(child, 0)


def _measure(files: Sequence[bytes], limit: int, answers: IO[str]) -> None:
    if limit:
        os.environ[native.PIXEL_LIMIT] = str(limit)
    warnings.simplefilter("error")
    native.capture()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for data in files:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is what there is now
        before, start = _status("VmRSS"), time.process_time()
        ending, words, pixels = _ending(data, zlib.crc32(data))
        taken = Taken(ending, words[:300], time.process_time() - start,
                      _status("VmHWM") - before, pixels)  # fmt: skip
        print(json.dumps(taken), file=answers, flush=True)
    print("end", file=answers, flush=True)
    os._exit(0)


def _status(name: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{name}:")[1].split()[0]) << 10


def _ending(data: bytes, number: int) -> tuple[str, str, int]:
    """Decode a file in one of several ways, write what comes out and read that."""
    pixels = 0
    settings: dict[str, Any] = ({}, {"labels": True}, {"gray": True}, {"frame": 0})[number % 4]
    try:
        pixels = max(0, sum(map(prod, images.read_header(data)[1].sizes)))
        picture = images.decode(data, **settings)
        pixels = sum(frame.nbytes for frame in picture.frames)
        pool = (max_pool2d, avg_pool2d, median_pool2d, mode_pool2d)[number // 16 % 4]
        pool(picture.frames[0][:64, :64], 3, padding="same")
        own = picture.format if picture.format.written else formats.PNG
        other = (formats.TIFF, formats.PNG, formats.JPEG, formats.WEBP)[number // 4 % 4]
    except (PooltoolError, MemoryError) as error:
        return "refused", str(error), pixels
    except BaseException as error:
        return "raised", f"{type(error).__name__}: {error} {_place(error)}", pixels
    written = list[bytes]()
    for format in dict.fromkeys((own, other)):
        try:
            written.append(images.encode(picture, format).data)
        except PooltoolError:  # the format cannot hold it
            continue
        except BaseException as error:
            return "raised", f"{type(error).__name__}: {error} {_place(error)}", pixels
    try:
        for result in written:
            images.decode(result)
    except BaseException as error:
        return "result unreadable", f"{type(error).__name__}: {error} {_place(error)}", pixels
    return "done", "", pixels


def _place(error: BaseException) -> str:
    """The last line of the package in a traceback."""
    place, trace = "", error.__traceback__
    while trace:
        code = trace.tb_frame.f_code
        if "/pooltool/" in code.co_filename:
            place = f"{Path(code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"at {place}"


def main() -> None:
    """Print what files take, or the rows of the table of hostile files with these names or all."""
    from hostile import FILES

    names = sys.argv[1:] or list(FILES)
    for name in names:
        data = FILES[name]() if name in FILES else Path(name).read_bytes()
        (result,) = taken([data])
        print(
            f"{name}: {len(data)} bytes, {result.seconds:.2f} s, {result.memory >> 20} MB, "
            f"{result.ending} ({result.words}){' FINDING' * bool(result.finding(len(data)))}",
            flush=True,
        )


if __name__ == "__main__":
    main()
