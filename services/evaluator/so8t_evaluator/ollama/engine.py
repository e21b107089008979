"""The Ollama engine: an Ollama server that receives rendered prompts with every option explicit.

Flash attention must be off in the server (OLLAMA_FLASH_ATTENTION=0). Only then do answers not depend on
earlier questions or the number of threads, and agree with the embedded engine's. The API does not report
this setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from so8t_evaluator.engine.protocol import ModelFile, NoRoomError, Settings
from so8t_evaluator.ollama.generation import BATCH_TOKENS, TOP_LOGPROBS
from so8t_evaluator.ollama.model import OllamaModel
from so8t_evaluator.ollama.server import OllamaServer
from so8t_shared.host import host_name

_THIS_HOST = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104 - only compared, never bound


def _is_unique(name: str) -> bool:
    """Whether a name or address identifies the same machine everywhere, unlike one on a local network."""
    try:
        return ip_address(name).is_global
    except ValueError:
        return "." in name and not name.endswith(".internal")


class OllamaEngine:
    """Models on an Ollama server."""

    name = "ollama"

    def __init__(
        self, server: OllamaServer, *, num_ctx: int, threads: int | None = None, host_name: str | None = None
    ) -> None:
        """`host_name` overrides the host name derived from the address."""
        self._server = server
        self._host_name = host_name
        self._num_ctx = num_ctx
        self._threads = threads
        self._open: list[OllamaModel] = []

    @cached_property
    def version(self) -> str:
        """Version of the server."""
        return self._server.version()

    @property
    def host(self) -> str:
        """Host of the server; unique for each machine."""
        name = urlsplit(self._server.address).hostname or ""
        if self._host_name or name in _THIS_HOST:
            return self._host_name or host_name()
        return name if _is_unique(name) else f"{name} (asked from {host_name()})"

    @property
    def answer_settings(self) -> Settings:
        """Settings that can change an answer."""
        return {
            "num_ctx": self._num_ctx,
            "batch_tokens": BATCH_TOKENS,
            "prompt_cache": "shared prefix, then the prompt at once",
            "constrained": f"first token, of the {TOP_LOGPROBS} likeliest",
        }

    @property
    def speed_settings(self) -> Settings:
        """Settings that only change timings."""
        return {"threads": self._threads or "chosen by the server"}

    def load(self, model: ModelFile, warm_up: Sequence[str]) -> OllamaModel:
        """Have the server load the model, uploading it first if necessary; see `Engine.load`."""
        loaded = OllamaModel(self._server, model, self._runner(model), warm_up)
        self._open.append(loaded)
        loaded.on_close = lambda: self._forget(loaded)
        try:
            self._check_room()
        except BaseException:
            loaded.close()
            raise
        return loaded

    def _runner(self, model: ModelFile) -> dict[str, Any]:
        context = {"num_ctx": min(self._num_ctx, model.context_length), "num_batch": BATCH_TOKENS}
        return {**context, "num_thread": self._threads} if self._threads else context

    def _check_room(self) -> None:
        """Raise if the server unloaded one of our models to make room for another."""
        loaded = self._server.patiently(lambda: self._server.get("/api/ps")).get("models", [])
        there = {entry.get("digest") for entry in loaded}
        if any(model.digest not in there for model in self._open):
            raise NoRoomError(
                "Ollama does not keep both models in memory.",
                where=self._server.address,
                remedy="raise OLLAMA_MAX_LOADED_MODELS if it is 1, or free memory on that host",
            )

    def _forget(self, model: OllamaModel) -> None:
        if model in self._open:
            self._open.remove(model)
