"""Files on their way: written out of sight, and put in their place at once when they are whole.

Where the system can, such a file has no name before that, and vanishes with its process however
that ends (Linux, open(2): O_TMPFILE). Elsewhere it is a hidden file beside its place.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

_DESCRIPTORS = "/proc/self/fd"
_UNNAMED = getattr(os, "O_TMPFILE", 0) if os.path.isdir(_DESCRIPTORS) else 0
"""The flag for a file without a name, 0 where there are none."""
_names: set[str] = set()
"""Hidden files that have not yet been put in their place."""


def remove_all() -> None:
    """Remove the hidden files of writes under way, when the process is about to end."""
    for name in list(_names):
        _remove(name)


class Temporary:
    """A file that will take the place of `target`, in the same directory; all may raise `OSError`.

    Its permissions are 0666 less the umask, by the kernel: a process cannot ask for its umask
    without setting it.
    """

    def __init__(self, target: str) -> None:
        self._target, self._name = target, ""
        descriptor = self._open_unnamed()
        self.file = os.fdopen(self._open_hidden() if descriptor is None else descriptor, "w+b")

    def place(self) -> None:
        """Put what was written, all of it and on the disk, in its place."""
        self.file.flush()
        os.fsync(self.file.fileno())
        if not self._name:
            with suppress(OSError):  # as there is a file already, which only a rename replaces
                return self._link(self._target)
            self._name_it()
        os.replace(self._name, self._target)
        _names.discard(self._name)
        self._name = ""

    def discard(self) -> None:
        """Leave nothing of what has not been placed; close the file."""
        with suppress(OSError):
            self.file.close()
        if self._name:
            _remove(self._name)

    def _open_unnamed(self) -> int | None:
        """A descriptor; None where the file system has no such files, or refuses any file."""
        if not _UNNAMED:
            return None
        try:
            folder = os.path.dirname(self._target) or os.curdir
            return os.open(folder, _UNNAMED | os.O_RDWR | os.O_CLOEXEC, 0o666)
        except OSError:
            return None

    def _choose_name(self) -> str:
        name = f".pooltool-{os.urandom(8).hex()}.tmp"
        self._name = os.path.join(os.path.dirname(self._target), name)
        _names.add(self._name)
        return self._name

    def _open_hidden(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return os.open(self._choose_name(), flags, 0o666)

    def _name_it(self) -> None:
        """Give the file a hidden name; where one that had none can get none, to a copy of it."""
        with suppress(OSError):
            return self._link(self._choose_name())
        import shutil  # takes milliseconds to load, and is hardly ever needed

        self.file.seek(0)
        with os.fdopen(self._open_hidden(), "wb") as copy:
            shutil.copyfileobj(self.file, copy)
            os.fchmod(copy.fileno(), stat.S_IMODE(os.fstat(self.file.fileno()).st_mode))
            copy.flush()
            os.fsync(copy.fileno())

    def _link(self, name: str) -> None:
        descriptor = self.file.fileno()
        # Of an absolute path the directory is not looked at, but given one, Python calls linkat(2).
        os.link(f"{_DESCRIPTORS}/{descriptor}", name, src_dir_fd=descriptor)


def _remove(name: str) -> None:
    with suppress(OSError):
        os.unlink(name)
    _names.discard(name)
