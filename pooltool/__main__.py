"""`python -m pooltool` and the `pooltool` command."""

import sys

from pooltool.cli import main

if __name__ == "__main__":
    sys.exit(main())
