"""A run on a real Dask cluster of two workers on this machine, one of them killed on the way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, Run, load, save

pytest.importorskip("distributed")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


PYTHON = [sys.executable, "-m", "dask"]


@dataclass(frozen=True)
class Cluster:
    """A scheduler and its workers, each a process group of its own."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def started(*before_workers: Sequence[str]) -> Iterator[Cluster]:
    """A cluster with a worker for each of these commands, which come before Python's."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    scheduler = ["-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", str(port)]
    worker = ["worker", address, "--nthreads", "1"]
    processes = [
        subprocess.Popen(
            [*command, "--no-dashboard"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd="/",
            start_new_session=True,
        )
        for command in (
            [sys.executable, *scheduler],
            *([*(before or PYTHON), *worker] for before in before_workers),
        )
    ]
    wait_for_workers(address, len(before_workers))
    yield Cluster(address, processes[0], processes[1:])
    for process in processes:
        end(process)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster that runs elsewhere than the test, which is in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    with started(PYTHON, PYTHON) as cluster:
        yield cluster


def wait_for_workers(address: str, count: int) -> None:
    script = f"from distributed import Client; Client({address!r}).wait_for_workers({count}, 60)"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=90)


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def begin(
    cluster: Cluster, *, images: int = 200, side: int = 400, script: str = ""
) -> subprocess.Popen[str]:
    """Begin a run of so many square images on the cluster, and wait until some are done."""
    os.mkdir("in")
    save("one.png", np.random.default_rng(2).integers(0, 256, (side, side, 3), np.uint8))
    for index in range(images):
        os.link("one.png", f"in/image{index:03}.png")
    script += "import sys; from pooltool.__main__ import main; sys.exit(main())"
    words = ["max", "-r", "in", "-o", "out", "--scheduler", cluster.address]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    while not os.path.exists("out") or len(os.listdir("out")) < 10:
        assert process.poll() is None
        time.sleep(0.01)
    return process


def test_a_run_survives_a_lost_worker(run: Run, tmp_path: Path, cluster: Cluster) -> None:
    process = begin(cluster, images=120, side=700)
    end(cluster.workers[0])
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert err == "pooltool: 120 done, 0 skipped, 0 failed\n"
    lines = [line.split(" ")[0] for line in out.splitlines()]
    assert lines == [f"in/image{index:03}.png" for index in range(120)]
    here = run("max", "one.png")
    assert here.status == 0
    wanted = Path("one_max.png").read_bytes()
    assert all((tmp_path / "out" / name).read_bytes() == wanted for name in os.listdir("out")[:5])
    failing = run("max", "one.png", "missing.png", "-o", "out2/", "--scheduler", cluster.address)
    assert failing.status == 1
    assert "pooltool: missing.png: no such file or folder; check the name\n" in failing.err
    assert load("out2/one_max.png").shape == (350, 350, 3)


def test_a_lost_scheduler_ends_the_run(cluster: Cluster) -> None:
    process = begin(cluster)
    end(cluster.scheduler)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    done = len(out.splitlines())
    assert err == (
        f"pooltool: the scheduler {cluster.address} went away; "
        "the same command with --skip-existing goes on\n"
        f"pooltool: stopped: {done} done, 0 skipped, 0 failed, {200 - done} left\n"
    )


def test_a_run_does_not_wait_for_ever_for_workers(cluster: Cluster) -> None:
    patience = "from pooltool import cluster; cluster.WORKERLESS_SECONDS = 2;"
    process = begin(cluster, script=patience + "cluster.CHECK_SECONDS = 1;")
    for worker in cluster.workers:
        end(worker)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"the scheduler {cluster.address} has had no worker for 2 seconds; the same" in err
    assert f"pooltool: stopped: {len(out.splitlines())} done, 0 skipped, 0 failed" in err
    assert err.count("\n") == 2


def test_an_interrupt_tells_all_that_the_workers_did(cluster: Cluster) -> None:
    process = begin(cluster)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    time.sleep(1)
    done = len(os.listdir("out"))
    assert 0 < done < 200
    assert len(out.splitlines()) == done
    left = 200 - done
    assert err == f"pooltool: interrupted: {done} done, 0 skipped, 0 failed, {left} left\n"


def test_a_scheduler_that_cannot_be_reached(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pooltool.cluster.CONNECT_SECONDS", 1)
    save("a.png", np.zeros((4, 4), np.uint8))
    began = time.monotonic()
    result = run("max", "a.png", "--scheduler", f"tcp://127.0.0.1:{free_port()}")
    assert time.monotonic() - began < 30
    assert result.status == 2
    assert "cannot use the scheduler tcp://127.0.0.1:" in result.err
    assert result.err.count("\n") == 1
    assert os.listdir() == ["a.png"]


WITHOUT_POOLTOOL = """
import sys
sys.modules["pooltool"] = None
sys.argv = ["dask", *sys.argv[1:], "--no-nanny"]
from dask.__main__ import main
main()
"""


def test_workers_without_pooltool_are_named_at_once(run: Run) -> None:
    save("a.png", np.zeros((4, 4), np.uint8))
    with started(PYTHON, [sys.executable, "-c", WITHOUT_POOLTOOL]) as cluster:
        result = run("max", "a.png", "--scheduler", cluster.address)
    assert result.status == 2
    assert "No module named 'pooltool" in result.err
    assert result.err.endswith(" workers, with pooltool installed for their Python\n")
    assert result.err.count("\n") == 1
    assert os.listdir() == ["a.png"]


@pytest.mark.parametrize("is_old_result_there", [False, True])
def test_a_folder_that_the_workers_do_not_share(
    run: Run, monkeypatch: pytest.MonkeyPatch, is_old_result_there: bool
) -> None:
    """They write into one of their own, which has the same name."""
    mount = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        f"mount -t tmpfs none {os.getcwd()}/out && exec $0 $@",
    ]
    os.mkdir("out")
    if subprocess.run([*mount, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no folder can be mounted here")
    names = [f"{number}.png" for number in range(5)]
    for name in names:
        save(name, np.zeros((4, 4), np.uint8))
    if is_old_result_there:
        run("max", *names, "-o", "out")
        os.utime("out/0_max.png", (1, 1))
    monkeypatch.setattr("pooltool.cluster.SHARED_SECONDS", 0.5)
    with started([*mount, *PYTHON]) as cluster:
        result = run("max", *names, "-o", "out", "--scheduler", cluster.address)
    assert result.status == 1
    assert result.out == ""
    assert result.err.startswith(
        "pooltool: a worker wrote out/0_max.png, but it is not visible here: the workers need "
        "the same folders"
    )
    assert "stopped: 0 done" in result.err
