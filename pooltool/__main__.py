"""`python -m pooltool` and the `pooltool` command: what a process needs before its words are read.

Imports of the package stand inside `main`, so that Ctrl-C ends the process at any time.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
import threading
from contextlib import suppress


def main() -> int:
    """Run the command line; end the process with its exit status, or return that."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # without Python's traceback
    gc.set_threshold(100_000)  # loading modules makes many objects and leaves no garbage
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # halves the time numpy takes to load
    for descriptor in range(3):  # else an image would get the number of a stream that is closed
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")  # names need not be text
    from pooltool.cli import main

    status = main()
    if threading.active_count() == 1:
        # Python would now unload numpy and OpenCV, which takes 20 ms of 145.
        with suppress(OSError):
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            os._exit(status)
    return status


if __name__ == "__main__":
    sys.exit(main())
