"""One Ollama server: requests that outlive a restart, and errors that a person can act on.

The `ollama` package does the talking. Two of its gaps are filled here: its `generate` cannot say
`truncate` and `shift`, without which the server cuts a long prompt in silence; and only some of its
calls turn a broken connection into an error of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
import ollama

from so8t_evaluator.engine.protocol import EngineError, PromptTooLongError
from so8t_shared.errors import InputError, IntegrityError, ServerError, So8tError, StorageError

_CONNECT_S = 5.0
_READ_S = 900.0
"""Longest silence: loading a model from a slow disk, or evaluating a long prompt on a processor."""

_FIRST_PAUSE_S = 0.2
_LAST_PAUSE_S = 5.0

_PASSING = {408, 429, 499, 502, 503, 504}
_RUNNER_GONE = ("runner has unexpectedly stopped", "error was encountered while running the model")
"""What a server says that is being stopped, or whose child process died; it starts another one when asked again."""

_UNASKABLE = (ollama.RequestError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict)

OnWait = Callable[[str], None]
"""Told while the server does not answer; may raise to end the waiting."""

T = TypeVar("T")


class MissingError(Exception):
    """The server does not have this model or blob."""


class UnreachableError(Exception):
    """Nobody answers, or the answer broke off; a later try may succeed."""


class OllamaServer:
    """Requests to one server; each is tried again for `retry_s` seconds while nobody answers."""

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
            ServerError: nobody answers, or somebody else does.
        """
        self._first_version = self.patiently(self._version)
        return self._first_version

    def check_version(self) -> None:
        """Notice that another version was started meanwhile, whose answers may differ.

        Raises:
            EngineError: it is another one than `version` has said.
        """
        if self._first_version not in {"", now := self._version()}:
            raise EngineError(
                f"Ollama {self._first_version} was replaced by {now} during the run.",
                where=self.address,
                remedy="run the same command again; answers of both versions are kept apart",
            )

    def patiently(self, action: Callable[[], T]) -> T:
        """Do `action`, again and again while the server cannot be reached.

        Raises:
            ServerError: it could not be reached for `retry_s` seconds after an attempt had failed.
        """
        deadline: float | None = None
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return action()
            except UnreachableError as error:
                # From the first failure: an upload or an answer that ran for minutes may still be tried again.
                deadline = deadline or time.monotonic() + self._retry_s
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise self._gone(error) from error
                self._pause(min(pause_s, left_s))
            pause_s = min(2 * pause_s, _LAST_PAUSE_S)

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object at a path."""
        return self._answer("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON object that answers a request."""
        return self._answer("POST", path, json=body)

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The JSON objects that answer a request, as they come."""
        with _translated(self.address):
            yield from self._client.lines(path, body)

    def has_blob(self, sha256: str) -> bool:
        """Whether the server has a file of that digest."""
        try:
            with _translated(self.address):
                self._client.raw("HEAD", _blob(sha256))
        except MissingError:
            return False
        return True

    def send_blob(self, sha256: str, content: Iterable[bytes]) -> None:
        """Upload a file; the server compares its digest."""
        with _translated(self.address):
            self._client.raw("POST", _blob(sha256), content=content)

    def _version(self) -> str:
        try:
            version = self.get("/api/version").get("version")
        except (MissingError, So8tError, ValueError):
            version = None
        if not isinstance(version, str):
            raise ServerError(
                "What answers there is not an Ollama server.", where=self.address, remedy="correct ollama.host"
            )
        return version

    def _answer(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        with _translated(self.address):
            answer: dict[str, Any] = self._client.raw(method, path, **content).json()
            return answer

    def _gone(self, error: UnreachableError) -> ServerError:
        return ServerError(
            f"Ollama does not answer: {error}",
            where=f"{self.address} (ollama.host), tried for {self._retry_s:g} s",
            remedy="start it with 'ollama serve', or correct ollama.host; then run the same command again",
        )

    def _pause(self, seconds: float) -> None:
        self.on_wait(f"waiting for Ollama at {self.address}")
        time.sleep(seconds)


class _Client(ollama.Client):
    """The package's client with the requests that its own methods cannot make."""

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
    """Turns what the package and its HTTP library raise into this project's errors."""
    try:
        yield
    except Exception as error:
        translated = translate(error, address)
        if translated is None:
            raise
        raise translated from error


def translate(error: Exception, address: str) -> Exception | None:
    """What stands for an error of the `ollama` package, of httpx or of JSON; None for anything else."""
    if isinstance(error, ollama.ResponseError):
        return _refusal(error.error, error.status_code, address)
    if isinstance(error, ConnectionError | httpx.TransportError):
        return UnreachableError(_reason(error))
    if isinstance(error, _UNASKABLE):
        return ServerError(
            f"Ollama cannot be asked: {error}", where=address, remedy="correct ollama.host, or report this"
        )
    if isinstance(error, ValueError):  # an answer that is no JSON
        return ServerError("What answers there is not an Ollama server.", where=address, remedy="correct ollama.host")
    return None


def _refusal(text: str, status: int, address: str) -> Exception:
    """The error for a request that the server refused, by its status and its words."""
    said = text.strip() or f"status {status}"
    if "exceeds the context length" in said:
        return PromptTooLongError(0)
    if status == 404:
        return MissingError(said)
    if status in _PASSING or any(words in said for words in _RUNNER_GONE):
        return UnreachableError(said)
    if "digest mismatch" in said:
        return IntegrityError(f"The upload arrived altered: {said}", where=address, remedy="run the same command again")
    if "no space left" in said:
        return StorageError("Ollama's disk is full.", where=address, remedy="free some space there, then run again")
    if "memory" in said:
        return InputError(
            f"Ollama has not enough memory for the model: {said}",
            where=address,
            remedy="end other programs on that host, lower ab_test.num_ctx, or test smaller quantizations",
        )
    if status in {401, 403}:
        return ServerError(f"Ollama refuses access: {said}", where=address, remedy="correct ollama.host")
    return EngineError(
        f"Ollama refused a request: {said}", where=address, remedy="see the server's log; then run the command again"
    )


def _reason(error: Exception) -> str:
    """An error in a few words; httpx leaves some messages empty."""
    return str(error.__cause__ or error) or type(error).__name__
