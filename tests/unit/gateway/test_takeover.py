"""A new session takes over, a stop ends nothing that was begun, and only what is verified is served."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from tests.messages import Said
from tests.servers.ollama_server import OllamaServer
from tests.tiny_guard import make_guard
from tests.unit.gateway.service_process import EMBEDDED, Think, ollama_section, running
from tests.unit.gateway.session import QUANTIZATION, Prepared, convert_guard, hand_over

from so8t_gateway.audit.keys import AUDIT_KEY_VARIABLE
from so8t_gateway.serving import demand_protection, listening_socket, serve
from so8t_gateway.session_model import offered, read_session
from so8t_shared.errors import ConfigError, InputError, IntegrityError, ServerError, UpstreamError
from so8t_shared.labels import LABELS
from so8t_shared.results.policy import QuantizationPolicy
from so8t_shared.sessions.markers import StageMarkers
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


def policy_for(sha256: str) -> QuantizationPolicy:
    """A policy that allows only what is certain."""
    thresholds = {**dict.fromkeys(LABELS, 0.0), "ALLOW": 1.0}
    return QuantizationPolicy(quantization=QUANTIZATION, model_sha256=sha256, temperature=1.0, thresholds=thresholds)


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
        _until(lambda: _reasons(think) == waiting_for_stages, think)
        hand_over(tested, guard)
        _until(lambda: httpx.get(f"{think.address}/ready").status_code == 200, think)
        assert think.ask("open the door").json()["answer"] == "ALLOW"
        assert len([event for event in think.events() if event["event"] == "waiting for a model"]) == 2


def test_a_stop_ends_the_wait(tmp_path: Path) -> None:
    """A service that waits for its session ends at once, with 0."""
    with running(Prepared(tmp_path, EMBEDDED), "--wait", poll_s=600) as think:
        assert think.stop() == 0


def _reasons(think: Think) -> set[str]:
    """Why it took over no model."""
    return {f"{event['event']}: {event['error']}" for event in think.events() if "error" in event}


def _until(condition: Callable[[], bool], think: Think) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, think.log
        time.sleep(0.05)


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


def test_a_policy_decides(guard: Path, tmp_path: Path) -> None:
    """The session's policy is read with the model, and its digest is that of the stored file."""
    tested = Prepared(tmp_path, EMBEDDED)
    first = read_session_of(tested, guard)
    hand_over(tested, guard, new=True, policy=policy_for(first))
    found = read_session(tested.store, tested.config)
    assert found.policy
    assert found.policy.thresholds["ALLOW"] == 1.0
    assert len(found.policy_sha256) == 64


def read_session_of(tested: Prepared, converted: Path) -> str:
    """Digest of the model that a session offers."""
    hand_over(tested, converted)
    found = read_session(tested.store, tested.config)
    assert (found.policy, found.policy_sha256) == (None, "")
    return found.file.sha256


def test_a_policy_of_another_model_is_refused(guard: Path, tmp_path: Path, said: Said) -> None:
    """Thresholds that were fitted for other bytes serve nobody."""
    tested = Prepared(tmp_path, EMBEDDED)
    hand_over(tested, guard, policy=policy_for("f" * 64))
    with pytest.raises(IntegrityError) as raised:
        read_session(tested.store, tested.config)
    assert raised.value.exit_code == 5
    said(raised.value)


def test_a_changed_model_is_refused(guard: Path, tmp_path: Path) -> None:
    """A model whose bytes are not the session's is not served."""
    tested = Prepared(tmp_path, EMBEDDED)
    hand_over(tested, guard)
    (stored,) = (tmp_path / "store").rglob(f"model_b_{QUANTIZATION}.gguf")
    data = bytearray(stored.read_bytes())
    data[-1] ^= 1
    stored.chmod(0o600)
    stored.write_bytes(data)
    with pytest.raises(IntegrityError):
        read_session(tested.store, tested.config)


def test_an_untested_model_is_not_served(guard: Path, tmp_path: Path, said: Said) -> None:
    """Until the test's conclusion is there, a session offers nothing."""
    tested = Prepared(tmp_path, EMBEDDED)
    session = hand_over(tested, guard)
    assert offered(tested.store, tested.config)
    StageMarkers(tested.store, session.session_id, "conclude").clear_completed()
    with pytest.raises(UpstreamError) as raised:
        offered(tested.store, tested.config)
    assert raised.value.exit_code == 3
    said(raised.value)


def test_no_session(tmp_path: Path, said: Said) -> None:
    """Without a session there is nothing to serve."""
    tested = Prepared(tmp_path, EMBEDDED)
    with pytest.raises(InputError) as raised:
        serve(lambda: tested.config)
    assert raised.value.exit_code == 2
    said(raised.value)
    open_session(tested.store, tested.config)
    with pytest.raises(UpstreamError):
        serve(lambda: tested.config)


def test_a_service_that_cannot_start_begins_no_audit_log(
    guard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong session or a port that is taken leaves no lines, no key, and no anchors in the store."""
    monkeypatch.delenv(AUDIT_KEY_VARIABLE, raising=False)
    audit = {"folder": str(tmp_path / "audit"), "key_file": str(tmp_path / "audit.key")}
    tested = Prepared(tmp_path, {**EMBEDDED, "think": {"audit": audit, "port": 0}})
    session_id = hand_over(tested, guard).session_id
    with listening_socket(tested.config) as taken:
        for think in ({"session": "nosuch"}, {"session": session_id, "port": taken.getsockname()[1]}):
            config = Prepared(tmp_path, {**EMBEDDED, "think": {"audit": audit, **think}}).config
            with pytest.raises((InputError, ServerError)):
                serve(lambda config=config: config)  # type: ignore[misc]
    assert not (tmp_path / "audit").exists()
    assert not (tmp_path / "audit.key").exists()
    assert list(tested.store.list("audit")) == []


def test_a_quantization_that_was_not_made(guard: Path, tmp_path: Path, said: Said) -> None:
    """Exit code 2, and those that the session has."""
    tested = Prepared(tmp_path, EMBEDDED)
    session = hand_over(tested, guard)
    other = Prepared(tmp_path, {**EMBEDDED, "think": {"quantization": "q5_k_m", "session": session.session_id}})
    with said.raised(InputError, where=f"session {session.session_id}") as raised:
        read_session(tested.store, other.config)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_host_needs_no_protection(host: str, tmp_path: Path) -> None:
    """Only programs of this host can ask."""
    demand_protection(Prepared(tmp_path, {"think": {"host": host}}).config)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gateway"])
def test_others_need_protection(host: str, tmp_path: Path, said: Said) -> None:
    """An address that others reach needs tokens; TLS alone lets anyone ask."""
    with pytest.raises(ConfigError) as raised:
        demand_protection(Prepared(tmp_path, {"think": {"host": host}}).config)
    assert raised.value.exit_code == 2
    if host == "0.0.0.0":
        said(raised.value)
    with_tls = {"host": host, "tls_cert": "c.pem", "tls_key": "k.pem"}
    with pytest.raises(ConfigError):
        demand_protection(Prepared(tmp_path, {"think": with_tls}).config)
    demand_protection(Prepared(tmp_path, {"think": {**with_tls, "tokens_file": "tokens.json"}}).config)


def test_connections_send_at_once(tmp_path: Path) -> None:
    """No answer waits for the acknowledgment of its head: the connections that are accepted have no Nagle delay."""
    config = Prepared(tmp_path, {"think": {"port": 0}}).config
    with listening_socket(config) as listening, socket.create_connection(listening.getsockname()[:2]):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_is_taken(tmp_path: Path, said: Said) -> None:
    """Another service at the same address is a server's error."""
    config = Prepared(tmp_path, {"think": {"port": 0}}).config
    with listening_socket(config) as listening:
        taken = Prepared(tmp_path, {"think": {"port": listening.getsockname()[1]}}).config
        with said.raised(ServerError) as raised, listening_socket(taken):
            pass
    assert raised.value.exit_code == 4
