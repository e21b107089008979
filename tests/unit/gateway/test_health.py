"""The container's health check, against small servers; `test_tls` asks the real service."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from so8t_gateway.health import is_ready


class _Answer(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/ready" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """A server that answers /ready with `_Answer.status`."""
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False)])
def test_plain_http(port: int, status: int, ready: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service is ready once it says so."""
    monkeypatch.setattr(_Answer, "status", status)
    assert is_ready(port) == ready


def test_nobody_listens() -> None:
    """Before the service has its port, it is not ready."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert not is_ready(taken.getsockname()[1])
