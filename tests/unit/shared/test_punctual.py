"""Clients that are slow on purpose."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.unit.shared.punctual_server import serving

RECEIVE_S = 0.4
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"


async def _answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{len(await request.body())} bytes")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a real uvicorn that waits for requests as the service does."""
    with serving([Route("/", _answer, methods=["POST"])], RECEIVE_S) as found:
        yield found


def _ends_in_time(port: int, *pieces: bytes, every_s: float = 0.1) -> bool:
    """Whether the server hangs up in time on a client that sends these pieces again and again."""
    started = time.monotonic()
    with closing(socket.create_connection(("127.0.0.1", port))) as client:
        client.settimeout(every_s)
        for piece in (*pieces[:-1], *[pieces[-1]] * 100):
            try:
                client.sendall(piece)
                if client.recv(1000) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    return RECEIVE_S * 0.9 < time.monotonic() - started < RECEIVE_S + 1.5


def test_slow_clients_are_hung_up_on(port: int) -> None:
    """One that says nothing, one that never ends its headers, and one that never ends its body."""
    assert _ends_in_time(port, b"")
    assert _ends_in_time(port, b"POST / HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n")
    assert _ends_in_time(port, HEAD + b"\r\n", b"")
    assert _ends_in_time(port, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n")


def test_the_second_request_of_a_connection_must_be_on_time_too(port: int) -> None:
    """An answered request buys no time for the next one."""
    assert _ends_in_time(port, HEAD + b"\r\n0123456789", b"POST / HT")


def test_punctual_clients_are_served(port: int) -> None:
    """In pieces, one after the other on one connection, and after a pause of a kept connection."""
    with closing(socket.create_connection(("127.0.0.1", port))) as client:
        for pause_s in (0.0, 0.05, RECEIVE_S * 2):
            time.sleep(pause_s)
            for piece in (HEAD, b"\r\n", b"01234", b"56789"):
                client.sendall(piece)
                time.sleep(0.02)
            assert client.recv(1000).endswith(b"10 bytes")
