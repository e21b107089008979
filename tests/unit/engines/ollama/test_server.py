"""Errors of the client library become this project's; a server that is away is waited for."""

from __future__ import annotations

import http.server
import inspect
import json
import threading
import time
from collections.abc import Iterator

import httpx
import ollama
import pytest
from tests.messages import Said

from so8t_engines.ollama.server import MissingError, OllamaServer, UnreachableError, translate
from so8t_engines.protocol import EngineError, PromptTooLongError
from so8t_shared.errors import InputError, IntegrityError, Interrupted, ServerError, StorageError

NOBODY = "http://127.0.0.1:9"


def _exceptions(module: object) -> list[type[Exception]]:
    found = [thing for _, thing in inspect.getmembers(module, inspect.isclass) if issubclass(thing, Exception)]
    assert found
    return found


def _made(kind: type[Exception]) -> Exception:
    if issubclass(kind, httpx.HTTPStatusError):
        request = httpx.Request("GET", NOBODY)
        return kind("x", request=request, response=httpx.Response(500, request=request))
    try:
        return kind("x")
    except TypeError:
        return kind()


@pytest.mark.parametrize("kind", [*_exceptions(ollama), *_exceptions(httpx), ConnectionError, json.JSONDecodeError])
def test_every_exception_of_the_libraries_has_a_meaning(kind: type[Exception]) -> None:
    """None gets through as something that nobody expects."""
    error = json.JSONDecodeError("x", "", 0) if kind is json.JSONDecodeError else _made(kind)
    assert isinstance(translate(error, NOBODY), UnreachableError | ServerError | EngineError)


def test_other_exceptions_are_left_alone() -> None:
    """A defect of our own keeps its traceback, and an interruption its exit code."""
    for error in (KeyError("x"), Interrupted("stop")):
        assert translate(error, NOBODY) is None


@pytest.mark.parametrize(
    ("text", "status", "expected"),
    [
        ("the input length exceeds the context length", 400, PromptTooLongError),
        ("model 'x' not found", 404, MissingError),
        ("server busy, please try again. maximum pending requests exceeded", 503, UnreachableError),
        ("model runner has unexpectedly stopped, this may be due to resource limitations", 500, UnreachableError),
        ("digest mismatch, expected a, got b", 400, IntegrityError),
        ("write /models/blobs: no space left on device", 500, StorageError),
        ("model requires more system memory (9.1 GiB) than is available (7.0 GiB)", 500, InputError),
        ("forbidden", 403, ServerError),
        ("unable to load model: /models/blobs/sha256-0", 500, EngineError),
    ],
)
def test_refusals(text: str, status: int, expected: type[Exception], said: Said) -> None:
    """The server's words decide what an error means; and they are part of the message."""
    error = translate(ollama.ResponseError(json.dumps({"error": text}), status), NOBODY)
    assert type(error) is expected
    said(error)


def test_nobody_there(said: Said) -> None:
    """Exit code 4 after the configured time, with the address and what to do; meanwhile the caller is notified."""
    told = list[str]()
    server = OllamaServer(NOBODY, retry_s=1.0, on_wait=told.append)
    with said.raised(ServerError) as caught:
        server.version()
    assert caught.value.exit_code == 4
    assert NOBODY in caught.value.where
    assert len(told) >= 2
    assert NOBODY in told[0]


def test_waiting_can_be_ended() -> None:
    """What the caller raises when it is notified ends the waiting at once."""

    def stop(message: str) -> None:
        raise Interrupted("stop")

    with pytest.raises(Interrupted):
        OllamaServer(NOBODY, retry_s=600, on_wait=stop).version()


def test_waits_until_it_is_back() -> None:
    """An action is done again until it succeeds; what else it raises is not tried again."""
    server, calls = OllamaServer(NOBODY, retry_s=600), list[int]()

    def action() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise UnreachableError("away")
        return "here"

    def broken() -> str:
        calls.append(1)
        raise MissingError("no such model")

    assert server.patiently(action) == "here"
    assert len(calls) == 3
    with pytest.raises(MissingError):
        server.patiently(broken)
    assert len(calls) == 4


def test_a_long_action_is_tried_again() -> None:
    """The time for which nobody answers is what is limited, not the time that an action took before it broke off."""
    server, calls = OllamaServer(NOBODY, retry_s=0.3), list[int]()

    def action() -> str:
        calls.append(1)
        if len(calls) == 1:
            time.sleep(0.4)
            raise UnreachableError("broke off")
        return "here"

    assert server.patiently(action) == "here"
    assert len(calls) == 2


class _Other(http.server.BaseHTTPRequestHandler):
    """A web server that is not Ollama."""

    def do_GET(self) -> None:
        found = {"/json": b'{"hello": 1}'}.get(self.path.replace("/api/version", self.server.path))  # type: ignore[attr-defined]
        self.send_response(200 if self.server.path != "/missing" else 404)  # type: ignore[attr-defined]
        self.end_headers()
        self.wfile.write(found or b"<html>a web page</html>")

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture(params=["/json", "/page", "/missing"])
def other(request: pytest.FixtureRequest) -> Iterator[str]:
    """Its address."""
    server = http.server.HTTPServer(("127.0.0.1", 0), _Other)
    server.path = request.param  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_another_server(other: str, said: Said) -> None:
    """An address at which something else answers is refused at once, not waited for."""
    with said.raised(ServerError):
        OllamaServer(other, retry_s=600).version()
