"""Asks an Ollama server by the standard library alone, for commands that must start quickly and for plans."""

from __future__ import annotations

import json
from typing import Any

from so8t_shared.errors import ServerError
from so8t_shared.foreign import parse_json

QUICK_S = 10.0


class Missing(Exception):
    """The server does not have what was asked for."""


class Refused(ServerError):
    """The server does not do what was asked for."""


def ask(address: str, path: str, body: dict[str, Any] | None = None, timeout_s: float = QUICK_S) -> dict[str, Any]:
    """Return the JSON object at a path; with `body`, of a POST.

    Raises:
        Missing: the server answers 404.
        Refused: it answers with another error.
        ServerError: it does not answer, or is not Ollama.
    """
    import http.client  # imports ssl, a tenth of the startup time of commands that need no server
    import urllib.error
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - an HttpAddress
        f"{address}{path}", data, {"Content-Type": "application/json"}
    )
    try:
        with opener.open(request, timeout=timeout_s) as response:
            answer = parse_json(response.read())
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(1000).decode("utf-8", "replace").strip()
        if error.code == 404:
            raise Missing from error
        raise Refused(
            f"Ollama refused a request: {said or error.code}", where=f"{address}{path}", remedy="see the server's log"
        ) from error
    except ValueError as error:
        raise not_ollama(address) from error
    except (OSError, http.client.HTTPException) as error:
        raise ServerError(
            f"Ollama does not answer: {getattr(error, 'reason', None) or error}",
            where=f"{address} (ollama.host)",
            remedy="start it with 'ollama serve', or correct ollama.host; then run the same command again",
        ) from error
    if not isinstance(answer, dict):
        raise not_ollama(address)
    return answer


def not_ollama(address: str) -> ServerError:
    """The error for another server than Ollama."""
    return ServerError("The server at this address is not Ollama.", where=address, remedy="correct ollama.host")
