"""What the service demands before it begins: a session, an address, protection."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.gateway.service_process import EMBEDDED
from tests.unit.gateway.session import Prepared, hand_over

from so8t_gateway.audit.keys import AUDIT_KEY_VARIABLE
from so8t_gateway.serving import demand_protection, listening_socket, serve
from so8t_shared.errors import ConfigError, InputError, ServerError, UpstreamError
from so8t_shared.sessions.session import open_session


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
