"""`python -m pooltool` and the `pooltool` command."""

from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    """Run the command line; return its exit status.

    Until a run begins, which has a handler of its own, Ctrl-C has nothing to clear away or tell:
    it ends the process without the traceback that Python would print.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda number, _: os._exit(128 + number))
    from pooltool.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
