"""The Ollama engine: an Ollama server that receives rendered prompts with every option explicit.

Flash attention must be off in the server (OLLAMA_FLASH_ATTENTION=0). Only then do answers not depend on
earlier questions or the number of threads, and agree with the embedded engine's. The API does not report
this setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from so8t_engines.ollama.generation import BATCH_TOKENS, TOP_LOGPROBS
from so8t_engines.ollama.model import OllamaModel
from so8t_engines.ollama.server import OllamaServer
from so8t_engines.ollama.shared import SharedModel
from so8t_engines.protocol import LoadedModel, ModelFile, NoRoomError, Settings
from so8t_shared.errors import InputError, ServerError
from so8t_shared.host import host_name

_THIS_HOST = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104 - only compared, never bound


def _is_unique(name: str) -> bool:
    """Whether a name or address identifies the same machine everywhere, unlike one on a local network."""
    try:
        return ip_address(name).is_global
    except ValueError:
        return "." in name and not name.endswith(".internal")


class OllamaEngine:
    """Models on an Ollama server, or on several that share the questions."""

    name = "ollama"

    def __init__(
        self,
        server: OllamaServer,
        *others: OllamaServer,
        num_ctx: int,
        threads: int | None = None,
        host_name: str | None = None,
    ) -> None:
        """`host_name` overrides the first host's name, derived from its address."""
        self._sites = [Site(server, host_name), *(Site(other) for other in others)]
        self._num_ctx = num_ctx
        self._threads = threads

    @cached_property
    def version(self) -> str:
        """Version of the servers.

        Raises:
            ServerError: none responds.
            InputError: they have different versions.
        """
        found = {site.server.address: site.server.version() for site in self._alive()}
        if len(set(found.values())) > 1:
            raise InputError(
                f"The Ollama servers have different versions, {', '.join(sorted(set(found.values())))}.",
                where=", ".join(found),
                remedy="install the same version on all of ollama.hosts: answers may depend on it",
            )
        return next(iter(found.values()))

    @property
    def host(self) -> str:
        """Hosts of the servers; unique for each machine."""
        return ", ".join(dict.fromkeys(site.host for site in self._sites))

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

    def load(self, model: ModelFile, warm_up: Sequence[str]) -> LoadedModel:
        """Have the servers load the model, uploading it first if necessary; see `Engine.load`."""
        with ExitStack() as stack:
            loaded: list[LoadedModel] = []
            for site in self._alive():
                with _tolerated(site, self._sites):
                    loaded.append(stack.enter_context(site.load(model, self._runner(model), warm_up)))
            stack.pop_all()
        return loaded[0] if len(loaded) == 1 else SharedModel(loaded)

    def _alive(self) -> list[Site]:
        """Return the sites whose server responds; one that did not is not tried again."""
        for site in self._sites:
            with _tolerated(site, self._sites):
                if not site.gone:
                    site.server.version()
        return [site for site in self._sites if not site.gone]

    def _runner(self, model: ModelFile) -> dict[str, Any]:
        context = {"num_ctx": min(self._num_ctx, model.context_length), "num_batch": BATCH_TOKENS}
        return {**context, "num_thread": self._threads} if self._threads else context


class Site:
    """One server and the models that we have open there."""

    def __init__(self, server: OllamaServer, host: str | None = None) -> None:
        self.server = server
        self.gone = False
        self._host = host
        self._open: list[OllamaModel] = []

    @property
    def host(self) -> str:
        """Host of the server."""
        name = urlsplit(self.server.address).hostname or ""
        if self._host or name in _THIS_HOST:
            return self._host or host_name()
        return name if _is_unique(name) else f"{name} (asked from {host_name()})"

    def load(self, model: ModelFile, runner: dict[str, Any], warm_up: Sequence[str]) -> OllamaModel:
        """Have the server load the model."""
        loaded = OllamaModel(self.server, model, runner, warm_up, self.host)
        self._open.append(loaded)
        loaded.on_close = lambda: self._forget(loaded)
        try:
            self._check_room()
        except BaseException:
            loaded.close()
            raise
        return loaded

    def _check_room(self) -> None:
        """Raise if the server unloaded one of our models to make room for another."""
        loaded = self.server.patiently(lambda: self.server.get("/api/ps")).get("models", [])
        there = {entry.get("digest") for entry in loaded}
        if any(model.digest not in there for model in self._open):
            raise NoRoomError(
                "Ollama does not keep both models in memory.",
                where=self.server.address,
                remedy="raise OLLAMA_MAX_LOADED_MODELS if it is 1, or free memory on that host",
            )

    def _forget(self, model: OllamaModel) -> None:
        if model in self._open:
            self._open.remove(model)


@contextmanager
def _tolerated(site: Site, sites: Sequence[Site]) -> Iterator[None]:
    """Go on without a server that does not respond, unless it is the last one."""
    try:
        yield
    except ServerError:
        site.gone = True
        if all(one.gone for one in sites):
            raise
