"""A headless Chromium that tests drive: the DevTools protocol over a pair of pipes."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-extensions", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--lang=en-US", "--remote-debugging-pipe", "--hide-scrollbars",
]  # fmt: skip
PATIENCE = 60
"""Seconds to wait for an answer."""
PIPES = 'exec "${@:3}" 3<&"$1" 4>&"$2"'
"""Bash that starts a program with two descriptors as 3 and 4, where Chromium looks for them."""


class Tab:
    """A page in the browser: what it did wrong and asked for is kept from its first line on."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._last, self._rest, self._session = 0, b"", ""
        self.problems: list[str] = []
        """Errors, uncaught or written on the console."""
        self.requests: list[str] = []
        """What was asked for, the page itself included."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command; return its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._answers], [], [], PATIENCE)[0], "the browser hangs"
            data = os.read(self._answers, 1 << 20)
            assert data, "the browser has ended"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        self._note(answer.get("method", ""), answer.get("params", {}))
        return answer

    def _note(self, event: str, details: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(details["exceptionDetails"])[:800])
        elif event == "Log.entryAdded" and details["entry"]["level"] == "error":
            self.problems.append(str(details["entry"]))
        elif event == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning"):
            self.problems.append(json.dumps(details["args"])[:800])
        elif event == "Network.requestWillBeSent":
            self.requests.append(details["request"]["url"])

    def open(self, path: Path, fragment: str = "", width: int = 1280, height: int = 900) -> None:
        """Load a file and wait until the page is at rest."""
        self.resize(width, height)
        self.send("Page.navigate", url="about:blank")
        self.problems.clear()
        self.requests.clear()
        self.send("Page.navigate", url=f"{path.as_uri()}#{fragment}")
        self.settle()

    def resize(self, width: int, height: int) -> None:
        """Give the window this size, in CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def run(self, script: str) -> Any:
        """Evaluate an expression or a promise; return its value, which JSON can hold."""
        result = self.send(
            "Runtime.evaluate",
            expression=script, awaitPromise=True, returnByValue=True, userGesture=True,
        )  # fmt: skip
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def settle(self) -> None:
        """Wait until nothing is computed or drawn any more."""
        ready = "document.readyState === 'complete' && window.isAtRest && isAtRest()"
        self.run(
            "new Promise((resolve) => { const look = () => "
            f"({ready} ? resolve() : setTimeout(look, 10)); look(); }})"
        )

    def picture(self, *, full: bool = True) -> bytes:
        """A PNG of the page."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=full, format="png")
        return base64.b64decode(shot["data"])


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """Start Chromium with an empty profile; end it afterwards."""
    (read_commands, commands), (answers, write_answers) = os.pipe(), os.pipe()
    # Above 9, so that neither is 3 or 4 already.
    given = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (read_commands, write_answers)]
    command = ["bash", "-c", PIPES, "bash", *map(str, given), str(CHROMIUM), *OPTIONS]
    process = subprocess.Popen(
        [*command, f"--user-data-dir={profile}"], pass_fds=given,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for descriptor in (read_commands, write_answers, *given):
        os.close(descriptor)
    try:
        yield Tab(commands, answers)
    finally:
        os.write(commands, json.dumps({"id": 1 << 30, "method": "Browser.close"}).encode() + b"\0")
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(commands)
        os.close(answers)
