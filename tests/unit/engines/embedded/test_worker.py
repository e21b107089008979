"""The worker process, spoken to directly."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from so8t_engines.embedded.engine import _start as start_worker
from so8t_shared.json_files import Channel


def _start(parent: int) -> tuple[subprocess.Popen[bytes], Channel]:
    to_read, to_write = os.pipe(), os.pipe()
    theirs = (to_read[0], to_write[1])
    command = [sys.executable, "-m", "so8t_engines.embedded.worker", *map(str, theirs), str(parent)]
    process = subprocess.Popen(command, pass_fds=theirs, stdin=subprocess.DEVNULL)
    for number in theirs:
        os.close(number)
    return process, Channel.on(to_write[0], to_read[1])


def test_question_before_a_model() -> None:
    """A question before any model is loaded is answered with an error, and the worker lives on."""
    process, channel = _start(os.getpid())
    for _ in range(2):
        channel.send({"complete": {"prompt": "a", "options": {}}})
        assert channel.receive() == {"error": "no model is loaded"}
    channel.close()
    assert process.wait(30) == 0


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the system does not show a process's environment")
def test_a_worker_is_near_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A foreign model file that takes over the worker finds no credential in its environment."""
    monkeypatch.setenv("SO8T_AUDIT_KEY", "5e" * 32)
    with (tmp_path / "errors").open("wb") as errors:
        process, channel = start_worker(errors)
    place, deadline = Path(f"/proc/{process.pid}/environ"), time.monotonic() + 30
    while not (environ := place.read_text()) and time.monotonic() < deadline:  # it has just replaced its program
        time.sleep(0.01)
    channel.close()
    assert process.wait(30) == 0
    assert "OMP_WAIT_POLICY=" in environ
    assert "SO8T_AUDIT_KEY" not in environ


def test_orphan() -> None:
    """A worker whose parent died before it could ask the kernel to watch ends at once."""
    process, channel = _start(parent=1 if os.getppid() != 1 else 2)
    assert channel.receive() is None
    assert process.wait(30) == 1
    channel.close()
