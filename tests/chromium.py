"""A headless Chromium that opens files, presses keys and tells what it did, through its DevTools pipe."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import servers

_PATIENCE_S = 60


class Page:
    """One tab; `faults` are console errors and violations, `requests` every address that it asked for."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._ids = itertools.count(1)
        self._unread = b""
        self._session = ""
        self.faults: list[str] = []
        self.requests: list[str] = []
        self._loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; everything that happens meanwhile is noted."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def open(self, path: Path) -> None:
        """Open a file and wait until it has loaded."""
        self._loaded = False
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not self._loaded:
            self._receive()

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression, which is exempt from the page's policy."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys one after the other, by the names that events give them."""
        for key in keys:
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            code = {"Enter": 13, "ArrowDown": 40, "ArrowUp": 38, "ArrowLeft": 37, "ArrowRight": 39, "Tab": 9}.get(
                key, 0
            )
            shown: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code}
            self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **shown)
            self.call("Input.dispatchKeyEvent", type="keyUp", **shown)

    def resize(self, width: int, *, dark: bool = False, height: int = 900) -> None:
        """Show the page on a screen of that width."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def shoot(self, path: Path) -> None:
        """Save a picture of the whole page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            part = os.read(self._from, 1 << 20)
            assert part, "Chromium has ended"
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.faults.append(json.dumps(params["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.faults.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.faults.append(json.dumps(params["args"]))


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """Start Chromium with an empty profile, and end it afterward.

    Without it the test is skipped, on CI's machine too: 'make servers' installs it only where apt can, and says so.
    """
    command = servers.chromium_binary()
    if command is None:
        pytest.skip("CANNOT BE TESTED HERE: Chromium is not installed")
    down, up = os.pipe(), os.pipe()  # the browser reads 3 and writes 4
    flags = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run"
    script = f'exec "$0" {flags} --remote-debugging-pipe --user-data-dir="$1" 3<&{down[0]} 4>&{up[1]}'
    process = subprocess.Popen(
        ["bash", "-c", script, str(command), str(profile)], pass_fds=(down[0], up[1]), stderr=subprocess.DEVNULL
    )
    os.close(down[0])
    os.close(up[1])
    try:
        yield Page(down[1], up[0])
    finally:
        with suppress(OSError):
            os.close(down[1])
        _end(process)
        os.close(up[0])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    until = time.monotonic() + _PATIENCE_S
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    if process.poll() is None:
        process.kill()
        process.wait()
