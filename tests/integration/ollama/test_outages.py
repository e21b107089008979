"""An Ollama server that is away, in the middle of a run or from its beginning."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.cached import cached_answers
from tests.integration.ollama.conftest import samples
from tests.integration.workspace import Workspace, message_of
from tests.messages import Said
from tests.servers.ollama_server import OllamaServer


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_stopped_in_the_middle_of_evaluate(
    fresh: Workspace, server: OllamaServer, finished_on_ollama: Workspace, how: str
) -> None:
    """Killed or stopped, away for a while, started again: the same run goes on, no answered row is asked twice."""
    process = fresh.start()
    _wait_for(lambda: len(cached_answers(fresh)) >= 12, process, fresh)
    getattr(server, how)()
    answered = cached_answers(fresh)
    assert _is_waiting(fresh, process), "the run did not say that it waits for Ollama"
    server.start()
    assert process.wait(timeout=300) == 0, (fresh.root / "run.log").read_text()
    after = cached_answers(fresh)
    assert {p: after[p] for p in answered} == answered
    assert _without_times(samples(fresh, "ollama")) == _without_times(samples(finished_on_ollama, "ollama"))


def test_not_running(fresh: Workspace, server: OllamaServer, said: Said) -> None:
    """Not running: after a while exit 4 with address and remedy; once it runs, the same command goes on."""
    server.stop()
    fresh.edit(ollama={"retry_s": 2})
    done = fresh.cli("run", "-c", "config.yaml")
    message = message_of(done, 4)
    assert server.address in message
    said(message, cause=_cause(message))
    server.start()
    fresh.run("--to", "import")


def test_gone_for_good_in_evaluate(fresh: Workspace, server: OllamaServer) -> None:
    """Killed and not started again: exit 4; later the same command asks only the rest."""
    fresh.edit(ollama={"retry_s": 2})
    process = fresh.start()
    _wait_for(lambda: len(cached_answers(fresh)) >= 12, process, fresh)
    server.kill()
    assert process.wait(timeout=120) == 4, (fresh.root / "run.log").read_text()
    answered = cached_answers(fresh)
    server.start()
    fresh.run()
    after = cached_answers(fresh)
    assert {p: after[p] for p in answered} == answered
    assert len(after) > len(answered)


def test_asked_to_stop_while_it_waits(fresh: Workspace, server: OllamaServer) -> None:
    """SIGTERM while Ollama is away ends the run at once, resumable, not after the whole patience."""
    process = fresh.start()
    _wait_for(lambda: len(cached_answers(fresh)) >= 6, process, fresh)
    server.kill()
    assert _is_waiting(fresh, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 75, (fresh.root / "run.log").read_text()


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9", "http://no-such-host.invalid:11434"], ids=["nobody listens", "unknown name"]
)
def test_wrong_address(fresh: Workspace, address: str, said: Said) -> None:
    """An address where nobody answers, or that does not exist: exit 4 and the key to correct."""
    fresh.edit(ollama={"host": address, "retry_s": 1})
    done = fresh.cli("run", "-c", "config.yaml")
    message = message_of(done, 4)
    assert address in message
    said(message, cause=_cause(message))


def _cause(message: str) -> str:
    """What the operating system says: its words differ from machine to machine."""
    [cause] = re.findall(r"does not answer: (.*)", message)
    return str(cause)


def _without_times(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    timed = {"latency_ms", "ttft_ms", "decode_ms", "timed", "disturbed", "reused", "run", "host"}
    return [{key: value for key, value in sample.items() if key not in timed} for sample in samples]


def _wait_for(ready: Callable[[], bool], process: subprocess.Popen[bytes], workspace: Workspace) -> None:
    deadline = time.monotonic() + 240
    while not ready():
        assert process.poll() is None, (workspace.root / "run.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_waiting(workspace: Workspace, process: subprocess.Popen[bytes]) -> bool:
    """Whether its progress says so, within a while."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        for path in workspace.store.glob("sessions/*/evaluate/progress.json"):
            if "waiting for Ollama" in path.read_text():
                return True
        time.sleep(0.05)
    return False
