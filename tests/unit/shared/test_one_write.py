"""Heads and bodies of answers, as a client receives them."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import h11
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.unit.shared.punctual_server import serving

from so8t_shared.one_write import OneWrite

_SEEN = threading.Event()
"""Set when the client has the head of a stream."""


async def _whole(request: Request) -> PlainTextResponse:
    return PlainTextResponse("all of it")


async def _stream(request: Request) -> StreamingResponse:
    async def pieces() -> AsyncIterator[str]:
        yield "seen" if _SEEN.wait(10) else "held back"

    return StreamingResponse(pieces())


async def _empty(request: Request) -> Response:
    return Response(status_code=204)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a real uvicorn, as the services run it."""
    routes = [Route("/whole", _whole), Route("/stream", _stream), Route("/empty", _empty)]
    with serving(routes, 20) as found:
        yield found


def _ask(client: socket.socket, method: str, path: str) -> bytes:
    """What the first look finds of an answer."""
    client.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client.recv(10_000)


@pytest.mark.parametrize(("method", "end"), [("GET", b"\r\n\r\nall of it"), ("HEAD", b"\r\n\r\n")])
def test_an_answer_is_one_piece(port: int, method: str, end: bytes) -> None:
    """Its client wakes up once per answer, also for the next ones of the connection."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as client:
        for _ in range(20):
            piece = _ask(client, method, "/whole")
            assert piece.startswith(b"HTTP/1.1 200 OK\r\n")
            assert piece.endswith(end)


def test_the_head_of_a_stream_is_not_held_back(port: int) -> None:
    """Its client knows that it will be answered before the first piece is there."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as client:
        piece = _ask(client, "GET", "/stream")
        assert piece.endswith(b"\r\n\r\n")
        _SEEN.set()
        assert b"seen" in client.recv(10_000)


def test_an_answer_without_a_body_is_sent(port: int) -> None:
    """Neither a length nor a body: nothing follows the head."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as client:
        assert _ask(client, "GET", "/empty").startswith(b"HTTP/1.1 204 No Content\r\n")


def test_nothing_is_lost_or_sent_twice() -> None:
    """Over many events, a client reads what h11's own connection would have sent."""
    server, client = OneWrite(h11.SERVER), h11.Connection(h11.CLIENT)
    for _ in range(2):
        server.receive_data(client.send(h11.Request(method="GET", target="/", headers=[("host", "x")])))
        client.send(h11.EndOfMessage())
        assert isinstance(server.next_event(), h11.Request)
        assert isinstance(server.next_event(), h11.EndOfMessage)
        events = [
            h11.InformationalResponse(status_code=100, headers=[]),
            h11.Response(status_code=200, headers=[("content-length", "6")]),
            *(h11.Data(piece) for piece in (b"abc", b"def")),
            h11.EndOfMessage(),
        ]
        sent = [server.send(event) for event in events]
        assert [bool(each) for each in sent] == [True, False, True, True, False]
        client.receive_data(b"".join(each or b"" for each in sent))
        assert isinstance(client.next_event(), h11.InformationalResponse)
        assert isinstance(client.next_event(), h11.Response)
        body = b""
        while isinstance(event := client.next_event(), h11.Data):
            body += event.data
        assert body == b"abcdef"
        assert isinstance(event, h11.EndOfMessage)
        server.start_next_cycle()
        client.start_next_cycle()
    assert server.send(h11.ConnectionClosed()) is None
