"""Files are read with a reason when that fails, and written whole or not at all."""

from __future__ import annotations

import errno
import math
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pooltool import files
from pooltool.errors import FileError

ROOT = os.geteuid() == 0
ODD_NAME = os.fsdecode(b"na\xefve \xff\n.png")


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A real file system of 256 KB."""
    folder = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this user may not mount a small tmpfs")
    yield folder
    subprocess.run(["umount", folder], check=True)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("name", ["a.png", "with space", "é", ODD_NAME, "-"])
def test_round_trip(tmp_path: Path, name: str) -> None:
    path = f"{tmp_path}/{name}"
    files.write(path, b"one")
    files.write(path, b"two")
    assert files.read(path) == b"two"
    assert names(tmp_path) == [name]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing", "no such file"),
        ("missing/a", "no such file"),
        (".", "directory"),
        ("file/a", "not a directory"),
        ("n" * 300, "too long; shorten it"),
        ("loop", "symbolic links"),
    ],
)
def test_reasons_for_not_reading_or_writing(tmp_path: Path, path: str, reason: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(FileError, match=reason) as raised:
        files.read(f"{tmp_path}/{path}")
    assert ";" in str(raised.value)
    assert str(tmp_path) not in str(raised.value)
    if path != "missing":
        with pytest.raises(FileError, match=reason):
            files.write(f"{tmp_path}/{path}", b"x")
    assert names(tmp_path) == ["file", "loop"]


@pytest.mark.usefixtures("umask")
def test_new_files_obey_the_umask(tmp_path: Path) -> None:
    files.write(f"{tmp_path}/new", b"x" * 100_000)
    assert mode(tmp_path / "new") == 0o640
    files.write(f"{tmp_path}/new", b"y" * 200_000)
    assert mode(tmp_path / "new") == 0o640
    assert names(tmp_path) == ["new"]


@pytest.mark.usefixtures("umask")
def test_permissions_of_a_replaced_file_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"old")
    path.chmod(0o604)
    files.write(str(path), b"new")
    assert (mode(path), path.read_bytes()) == (0o604, b"new")


def test_symbolic_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "target"
    target.write_bytes(b"old")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "dangling").symlink_to("far/fresh")
    files.write(f"{tmp_path}/link", b"new")
    files.write(f"{tmp_path}/dangling", b"fresh")
    assert target.read_bytes() == b"new"
    assert (tmp_path / "far" / "fresh").read_bytes() == b"fresh"
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "dangling").is_symlink()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def pieces() -> Iterator[bytes]:
        yield b"half"
        assert len(names(tmp_path)) == 2
        raise error

    with pytest.raises(error):
        files.write(str(path), pieces())
    assert names(tmp_path) == ["a"]
    assert path.read_bytes() == b"old"


def test_special_files_are_written_directly(tmp_path: Path) -> None:
    files.write("/dev/null", b"x")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with pytest.raises(FileError, match="no space"):
        files.write("/dev/full", b"x" * 100_000)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(files.read(str(fifo))))
    reader.start()
    files.write(str(fifo), b"through" * 50_000)
    reader.join()
    assert got == [b"through" * 50_000]
    assert fifo.is_fifo()


def test_endless_files_hit_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "STREAM_LIMIT", 5_000_000)
    with pytest.raises(FileError, match="more than 5000000 bytes"):
        files.read("/dev/zero")
    assert files.read("/dev/null") == b""


def python(code: str, *words: object) -> subprocess.Popen[bytes]:
    """Run code that finds `files` and `sys` imported in a process of its own."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", f"from pooltool import files; import sys\n{code}"]
    return subprocess.Popen([*command, *map(str, words)], stdin=pipe, stdout=pipe, stderr=pipe)


def test_standard_streams() -> None:
    for name in ("-", "/dev/stdin"):
        with python(f"files.write('-', files.read('{name}')[::-1])") as process:
            out, err = process.communicate(b"abc" * 100_000)
        assert (out, err, process.returncode) == (b"cba" * 100_000, b"", 0)
    with python("files.write('/dev/stdout', b'x' * 200_000)") as process:
        assert process.communicate()[0] == b"x" * 200_000


def test_a_closed_pipe_is_a_broken_pipe() -> None:
    code = """
try: files.write('-', b'x' * 1_000_000)
except BrokenPipeError: sys.stderr.write('broken'); sys.stderr.flush(); import os; os._exit(7)"""
    command = [sys.executable, "-c", f"from pooltool import files; import sys\n{code}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"broken", 7)


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_no_permission(tmp_path: Path) -> None:
    (tmp_path / "read-only").write_bytes(b"old")
    (tmp_path / "read-only").chmod(0o444)
    (tmp_path / "secret").write_bytes(b"old")
    (tmp_path / "secret").chmod(0)
    with pytest.raises(FileError, match="permission denied"):
        files.write(f"{tmp_path}/read-only", b"new")
    with pytest.raises(FileError, match="permission denied"):
        files.read(f"{tmp_path}/secret")
    tmp_path.chmod(0o555)
    with pytest.raises(FileError, match="permission denied"):
        files.write(f"{tmp_path}/new", b"new")
    tmp_path.chmod(0o755)
    assert (tmp_path / "read-only").read_bytes() == b"old"


@pytest.mark.skipif(not ROOT, reason="only root may become somebody else")
def test_no_permission_as_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "read-only").write_bytes(b"old")
    (tmp_path / "read-only").chmod(0o444)
    os.chown(tmp_path / "read-only", 65534, 65534)
    (tmp_path / "secret").write_bytes(b"old")
    (tmp_path / "secret").chmod(0)
    (tmp_path / "open").mkdir()
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    code = """
import os
os.setuid(65534)
for call in ((files.write, 'read-only', b'new'), (files.read, 'secret'), (files.write, 'x', b'')):
    try: call[0](sys.argv[1] + '/' + call[1], *call[2:]); print('done')
    except files.FileError as error: print(error)"""
    command = [
        sys.executable,
        "-c",
        f"from pooltool import files; import sys\n{code}",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stdout.count("permission denied") == 3
    assert (tmp_path / "read-only").read_bytes() == b"old"
    assert names(tmp_path) == ["open", "read-only", "secret"]


def test_a_full_disk_leaves_the_old_file(small_disk: Path) -> None:
    path = small_disk / "picture.png"
    files.write(str(path), b"old")
    with pytest.raises(FileError, match="no space left"):
        files.write(str(path), b"x" * 1_000_000)
    assert names(small_disk) == ["picture.png"]
    assert path.read_bytes() == b"old"


def test_a_read_only_file_system_leaves_the_old_file(small_disk: Path) -> None:
    path = small_disk / "picture.png"
    files.write(str(path), b"old")
    remount = ["mount", "-o", "remount,{}", small_disk]
    subprocess.run([str(word).format("ro") for word in remount], check=True)
    try:
        with pytest.raises(FileError, match=r"(?i)read-only|permission denied"):
            files.write(str(path), b"new")
    finally:
        subprocess.run([str(word).format("rw") for word in remount], check=True)
    assert path.read_bytes() == b"old"


def test_a_file_size_limit_leaves_the_old_file(tmp_path: Path) -> None:
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "files.write(sys.argv[1] + '/a', b'old'); files.write(sys.argv[1] + '/a', b'x' * 5000)"
    )
    with python(code, tmp_path) as process:
        assert b": File too large" in process.communicate()[1]
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("wait", [0.0, 0.01, 0.05, 0.1, 0.15])
def test_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path, wait: float) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0" * 3_000_000)
    code = """
print('ready', flush=True)
while True:
    for digit in b'123': files.write(sys.argv[1], bytes([digit]) * 3_000_000)"""
    command = [sys.executable, "-c", f"from pooltool import files; import sys\n{code}", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        time.sleep(wait)
        process.kill()
    content = path.read_bytes()
    assert len(content) == 3_000_000
    assert len(set(content)) == 1


HALF_WRITTEN = """
import signal, sys, time
from pooltool import files
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
def pieces():
    yield b'half'; print('ready', flush=True); time.sleep(30)
files.write(sys.argv[1], pieces())"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("old", [b"old", None])
def test_a_signal_leaves_no_temporary_file(
    tmp_path: Path, number: signal.Signals, old: bytes | None
) -> None:
    path = tmp_path / "a"
    if old is not None:
        path.write_bytes(old)
    before = names(tmp_path)
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HALF_WRITTEN, str(path)]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe) as process:
        assert process.stdout
        process.stdout.readline()
        assert len(names(tmp_path)) == len(before) + 1
        process.send_signal(number)
        process.communicate()
    assert process.returncode != 0
    assert names(tmp_path) == before
    assert old is None or path.read_bytes() == old


def test_no_temporary_file_is_left_or_made_once_all_are_removed(tmp_path: Path) -> None:
    """Threads go on writing while the process is about to end."""
    code = """
import threading, time
def work(name):
    while True: files.write(f'{sys.argv[1]}/{name}', b'x' * 100_000)
for name in 'abcd': threading.Thread(target=work, args=(name,), daemon=True).start()
time.sleep(0.2)
files.remove_temporaries()
time.sleep(0.2)
import os; os._exit(0)"""
    for _ in range(3):
        with python(code, tmp_path) as process:
            process.communicate()
        assert names(tmp_path) == ["a", "b", "c", "d"]
        assert {path.stat().st_size for path in tmp_path.iterdir()} == {100_000}


def test_a_large_file_is_in_memory_once(tmp_path: Path) -> None:
    size = 50 << 20
    with open(tmp_path / "large", "wb") as file:
        file.truncate(size)
    tracemalloc.start()
    data = files.read(str(tmp_path / "large"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data) == size
    assert peak < 1.5 * size


@pytest.mark.parametrize("link", [os.symlink, os.link, os.rename])
def test_an_input_that_comes_to_lie_at_the_output_is_not_replaced(
    tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    source, output = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(b"image")
    known = files.identity(str(source))
    assert known
    files.protect([known])

    def pieces() -> Iterator[bytes]:
        yield b"result"
        link(source, output)
        yield b"s"

    try:
        with pytest.raises(FileError, match="is one of the input images; write elsewhere"):
            files.write(str(output), pieces())
        assert output.read_bytes() == b"image"
        assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
    finally:
        files.protect([])
    files.write(str(output), b"result")


def test_an_empty_file_or_a_directory_is_not_done(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "full").write_bytes(b"x")
    done = [files.is_done(f"{tmp_path}/{name}") for name in ("empty", "full", "missing", "")]
    assert done == [False, True, False, False]


def test_a_file_of_the_name_of_a_stream_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-").write_bytes(b"x")
    assert (files.identity("-"), files.size("-"), files.is_done("-")) == (None, math.inf, False)
    assert (files.size("./-"), files.is_done("./-")) == (1, True)
    assert files.identity("./-") == files.identity(f"{tmp_path}/-") is not None


def test_unknown_errors_keep_the_words_of_the_system() -> None:
    with pytest.raises(FileError, match="Bad file descriptor"), files.reasons():
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
