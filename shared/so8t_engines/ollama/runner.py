"""A runner on an Ollama server that serves one model alone."""

from __future__ import annotations

import time
from collections.abc import Callable

from so8t_engines.ollama.server import OllamaServer

_TRIES = 20
_WAIT_S = 0.1


def load_alone(server: OllamaServer, name: str, digest: str, load: Callable[[], None]) -> None:
    """Load a model by `load`, in a runner of its own.

    A server has one runner for a file. Where the file is loaded under another name with another recipe, the server lets
    both share it, with one cache, and lists only the other. That one is unloaded then; it is loaded again when somebody
    asks it.
    """
    for _ in range(_TRIES):
        load()
        if any(entry.get("digest") == digest for entry in server.get("/api/ps").get("models", [])):
            return
        server.post("/api/generate", {"model": name, "keep_alive": 0})
        time.sleep(_WAIT_S)  # the server unloads it after its answer
