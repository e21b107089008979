"""An Ollama server: requests that survive a restart, and errors that a person can act on.

This module fills two gaps in the `ollama` package: its `generate` does not support `truncate` and
`shift`, without which the server silently truncates a long prompt; and only some of its calls convert a
broken connection into one of the package's errors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
import ollama

from so8t_engines.protocol import EngineError, PromptTooLongError
from so8t_shared.errors import InputError, IntegrityError, ServerError, So8tError, StorageError

_CONNECT_S = 5.0
_READ_S = 900.0
"""Longest silence: loading a model from a slow disk, or evaluating a long prompt on a CPU."""

_FIRST_PAUSE_S = 0.2
_LAST_PAUSE_S = 5.0

_PASSING = {408, 429, 499, 502, 503, 504}
_RUNNER_GONE = ("runner has unexpectedly stopped", "error was encountered while running the model")
"""Messages of a server that is stopping or whose child process died; it starts a new one on the next request."""

_UNASKABLE = (ollama.RequestError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict)

OnWait = Callable[[str], None]
"""Called while the server does not respond; may raise to stop waiting."""

T = TypeVar("T")


class MissingError(Exception):
    """The server does not have this model or blob."""


class UnreachableError(Exception):
    """The server does not respond, or its response was interrupted; a retry may succeed."""


class OllamaServer:
    """Requests to one server; each is retried for up to `retry_s` seconds while the server does not respond."""

    def __init__(self, address: str, *, retry_s: float, on_wait: OnWait = lambda message: None) -> None:
        self.address = address
        self.on_wait = on_wait
        self._retry_s = retry_s
        self._first_version = ""
        timeout = httpx.Timeout(_READ_S, connect=_CONNECT_S)
        self._client = _Client(host=address, timeout=timeout, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.end()

    def version(self) -> str:
        """Version of the server.

        Raises:
            ServerError: nothing responds, or something other than Ollama does.
        """
        self._first_version = self.patiently(self._version)
        return self._first_version

    def check_version(self) -> None:
        """Check that the server still runs the same version, since another version's answers may differ.

        Raises:
            EngineError: the version is not the one that `version` returned.
        """
        if self._first_version not in {"", now := self._version()}:
            raise EngineError(
                f"Ollama {self._first_version} was replaced by {now} during the run.",
                where=self.address,
                remedy="run the same command again; answers from the two versions are kept apart",
            )

    def patiently(self, action: Callable[[], T]) -> T:
        """Perform `action`, retrying while the server cannot be reached.

        Raises:
            ServerError: it stayed unreachable for `retry_s` seconds after the first failure.
        """
        deadline: float | None = None
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return action()
            except UnreachableError as error:
                # Counted from the first failure, so that an upload or answer that ran for minutes can be retried.
                deadline = deadline or time.monotonic() + self._retry_s
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise self._gone(error) from error
                self._pause(min(pause_s, left_s))
            pause_s = min(2 * pause_s, _LAST_PAUSE_S)

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON object at a path."""
        return self._answer("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON response to a request."""
        return self._answer("POST", path, json=body)

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the JSON objects of a response as they arrive."""
        with _translated(self.address):
            yield from self._client.lines(path, body)

    def has_blob(self, sha256: str) -> bool:
        """Whether the server has a file with this digest."""
        try:
            with _translated(self.address):
                self._client.raw("HEAD", _blob(sha256))
        except MissingError:
            return False
        return True

    def send_blob(self, sha256: str, content: Iterable[bytes]) -> None:
        """Upload a file; the server verifies its digest."""
        with _translated(self.address):
            self._client.raw("POST", _blob(sha256), content=content)

    def _version(self) -> str:
        try:
            version = self.get("/api/version").get("version")
        except (MissingError, So8tError, ValueError):
            version = None
        if not isinstance(version, str):
            raise ServerError(
                "The server at this address is not Ollama.", where=self.address, remedy="correct ollama.host"
            )
        return version

    def _answer(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        with _translated(self.address):
            answer: dict[str, Any] = self._client.raw(method, path, **content).json()
            return answer

    def _gone(self, error: UnreachableError) -> ServerError:
        return ServerError(
            f"Ollama does not answer: {error}",
            where=f"{self.address} (ollama.host), retried for {self._retry_s:g} s",
            remedy="start it with 'ollama serve', or correct ollama.host; then run the same command again",
        )

    def _pause(self, seconds: float) -> None:
        self.on_wait(f"waiting for Ollama at {self.address}")
        time.sleep(seconds)


class _Client(ollama.Client):
    """The package's client plus the requests that its own methods cannot make."""

    def raw(self, method: str, path: str, **content: Any) -> httpx.Response:
        response: httpx.Response = self._request_raw(method, path, **content)  # type: ignore[no-untyped-call]
        return response

    def end(self) -> None:
        self.close()  # type: ignore[no-untyped-call]

    def lines(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from self._request(dict, "POST", path, json=body, stream=True)


def _blob(sha256: str) -> str:
    return f"/api/blobs/sha256:{sha256}"


@contextmanager
def _translated(address: str) -> Iterator[None]:
    """Translate exceptions of the package and its HTTP library into this project's errors."""
    try:
        yield
    except Exception as error:
        translated = translate(error, address)
        if translated is None:
            raise
        raise translated from error


def translate(error: Exception, address: str) -> Exception | None:
    """Translate an error of the `ollama` package, httpx or JSON; None for any other."""
    if isinstance(error, ollama.ResponseError):
        return _refusal(error.error, error.status_code, address)
    if isinstance(error, ConnectionError | httpx.TransportError):
        return UnreachableError(_reason(error))
    if isinstance(error, _UNASKABLE):
        return ServerError(
            f"The request to Ollama failed: {error}", where=address, remedy="correct ollama.host, or report this"
        )
    if isinstance(error, ValueError):  # the response is not JSON
        return ServerError("The server at this address is not Ollama.", where=address, remedy="correct ollama.host")
    return None


def _refusal(text: str, status: int, address: str) -> Exception:
    """Return the error for a rejected request, by its status and message."""
    said = text.strip() or f"status {status}"
    if "exceeds the context length" in said:
        return PromptTooLongError(0)
    if status == 404:
        return MissingError(said)
    if status in _PASSING or any(words in said for words in _RUNNER_GONE):
        return UnreachableError(said)
    if "digest mismatch" in said:
        return IntegrityError(f"The upload was corrupted: {said}", where=address, remedy="run the same command again")
    if "no space left" in said:
        return StorageError("Ollama's disk is full.", where=address, remedy="free some space there, then run again")
    if "memory" in said:
        return InputError(
            f"Ollama does not have enough memory for the model: {said}",
            where=address,
            remedy="close other programs on that host, lower ab_test.num_ctx, or test smaller quantizations",
        )
    if status in {401, 403}:
        return ServerError(f"Ollama denied access: {said}", where=address, remedy="correct ollama.host")
    return EngineError(
        f"Ollama refused a request: {said}", where=address, remedy="see the server's log; then run the command again"
    )


def _reason(error: Exception) -> str:
    """Return a short description of an error; httpx leaves some messages empty."""
    return str(error.__cause__ or error) or type(error).__name__
