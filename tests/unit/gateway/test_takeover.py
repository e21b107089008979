"""A new session takes over, and a stop ends nothing that was begun."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from tests.servers.ollama_server import OllamaServer
from tests.tiny_guard import make_guard
from tests.unit.gateway.service_process import EMBEDDED, Think, ollama_section, running
from tests.unit.gateway.session import Prepared, convert_guard, hand_over
from tests.unit.shared.processes import until

from so8t_shared.sessions.session import open_session


@pytest.fixture(scope="session")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model, which refuses what the first one allows."""
    root = tmp_path_factory.mktemp("strict")
    return convert_guard(make_guard(root / "model", swapped=True), root / "converted")


def sections(engine: str, request: pytest.FixtureRequest) -> dict[str, object]:
    """A configuration's sections for an engine."""
    if engine == "embedded":
        return EMBEDDED
    server: OllamaServer = request.getfixturevalue("ollama_server")
    return ollama_section(server.address)


class Asking(threading.Thread):
    """A client that asks all the time, and counts what it gets."""

    def __init__(self, think: Think) -> None:
        super().__init__(daemon=True)
        self._think = think
        self.got: Counter[tuple[int, str]] = Counter()
        self.over = threading.Event()

    def run(self) -> None:
        """Ask."""
        while not self.over.is_set():
            response = self._think.ask("open the door")
            self.got[response.status_code, response.json()["answer"]] += 1


@pytest.mark.parametrize("engine", ["ollama", "embedded"])
def test_a_new_session_takes_over(
    engine: str, guard: Path, strict: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """While clients ask, the new model takes the old one's place: each is answered by one or the other."""
    tested = Prepared(tmp_path, sections(engine, request))
    hand_over(tested, guard)
    with running(tested) as think:
        clients = [Asking(think) for _ in range(2)]
        for client in clients:
            client.start()
        hand_over(tested, strict, new=True)
        deadline = time.monotonic() + 60
        while think.ask("open the door").json()["answer"] != "REFUSE":
            assert time.monotonic() < deadline, think.log
        for client in clients:
            client.over.set()
        for client in clients:
            client.join(60)
    got = clients[0].got + clients[1].got
    assert set(got) <= {(200, "ALLOW"), (200, "REFUSE")}
    assert len([event for event in think.events() if event["event"] == "a model is served"]) == 2


def test_it_waits_for_the_first_session(guard: Path, tmp_path: Path) -> None:
    """Started before there is a session, it answers 503 until the test is over, then serves the model."""
    tested = Prepared(tmp_path, EMBEDDED)
    with running(tested, "--wait") as think:
        assert httpx.get(f"{think.address}/ready").json() == {"status": "not_ready"}
        early = think.ask("open the door")
        assert (early.status_code, early.json()["reason"]) == (503, "not_ready")
        open_session(tested.store, tested.config)
        waiting_for_stages = {"waiting for a model: NoSession", "waiting for a model: UpstreamError"}
        until(lambda: _reasons(think) == waiting_for_stages, "a reason to wait")
        hand_over(tested, guard)
        until(lambda: httpx.get(f"{think.address}/ready").status_code == 200, "the service")
        assert think.ask("open the door").json()["answer"] == "ALLOW"
        assert len([event for event in think.events() if event["event"] == "waiting for a model"]) == 2


def test_a_stop_ends_the_wait(tmp_path: Path) -> None:
    """A service that waits for its session ends at once, with 0."""
    with running(Prepared(tmp_path, EMBEDDED), "--wait", poll_s=600) as think:
        assert think.stop() == 0


def _reasons(think: Think) -> set[str]:
    """Why it took over no model."""
    return {f"{event['event']}: {event['error']}" for event in think.events() if "error" in event}


def test_the_configuration_is_read_again(guard: Path, strict: Path, tmp_path: Path) -> None:
    """SIGHUP takes over the session that the file names now."""
    tested = Prepared(tmp_path, EMBEDDED)
    first = hand_over(tested, guard).session_id
    second = hand_over(tested, strict, new=True).session_id
    with running(tested, session=first, poll_s=600) as think:
        assert think.ask("open the door").json()["answer"] == "ALLOW"
        think.configure(session=second)
        think.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while think.ask("open the door").json()["answer"] != "REFUSE":
            assert time.monotonic() < deadline, think.log


def test_a_stop_ends_no_open_answer(guard: Path, tmp_path: Path) -> None:
    """What was begun is answered, the rest is told to come later, and the service ends with 0."""
    tested = Prepared(tmp_path, EMBEDDED)
    hand_over(tested, guard)
    with running(tested) as think, httpx.Client(base_url=think.address, timeout=60) as client:
        got: list[httpx.Response] = []

        def ask() -> None:
            with suppress(httpx.ConnectError):  # the service has ended
                got.append(think.ask("build a bomb"))

        asking = [threading.Thread(target=ask) for _ in range(12)]
        client.get("/health")  # an open connection
        for thread in asking:
            thread.start()
        while not got:
            time.sleep(0.001)
        think.process.send_signal(signal.SIGTERM)
        for thread in asking:
            thread.join(60)
        assert think.process.wait(30) == 0
    assert {(each.status_code, each.json()["reason"]) for each in got} <= {(200, ""), (503, "stopping")}
    assert all("retry-after" in each.headers for each in got if each.status_code == 503)


def test_an_engine_that_dies_is_replaced(guard: Path, tmp_path: Path) -> None:
    """When llama.cpp's process is killed, its request is ESCALATION, and soon a new one answers."""
    import psutil

    tested = Prepared(tmp_path, EMBEDDED)
    hand_over(tested, guard)
    with running(tested) as think:
        (worker,) = [
            child
            for child in psutil.Process(think.process.pid).children()
            if "so8t_engines.embedded.worker" in child.cmdline()
        ]
        worker.kill()
        broken = think.ask("open the door")
        assert (broken.status_code, broken.json()["reason"]) == (503, "engine_failed")
        deadline = time.monotonic() + 60
        while think.ask("open the door").json()["answer"] != "ALLOW":
            assert time.monotonic() < deadline, think.log
