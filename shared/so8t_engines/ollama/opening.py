"""Entry points for Ollama in the table of engines: open a server from the configuration, upload models to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from logging import Logger
from pathlib import Path
from urllib.parse import urlsplit

from so8t_engines.ollama.engine import OllamaEngine
from so8t_engines.ollama.models import OllamaModels, OnUpload
from so8t_engines.ollama.server import OllamaServer, OnWait
from so8t_engines.protocol import ModelFile
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError, ServerError
from so8t_shared.machine import ollama_version
from so8t_shared.results.registry import Registry
from so8t_shared.running.context import StageContext

_ANSWER_S = 1.0
_THIS_HOST = {"127.0.0.1", "::1", "localhost"}
_OF_THE_SERVICE = Path("/usr/share/ollama/.ollama/models")
"""Where the installer's system service keeps models."""


def open_ollama(config: Config, on_wait: OnWait = lambda message: None) -> OllamaEngine:
    """Return the engine with its settings, without contacting the server."""
    settings, name = config.ab_test, config.ollama.host_name
    servers = _servers(config, on_wait)
    return OllamaEngine(*servers, num_ctx=settings.context, threads=settings.threads, host_name=name)


def check(config: Config) -> list[str]:
    """Return a note for each server that does not respond."""
    keys = {config.ollama.host: "ollama.host", **dict.fromkeys(config.ollama.hosts, "ollama.hosts")}
    return [
        f"no Ollama server answers at {host} ({key}); the stages import and evaluate will need it"
        for host, key in keys.items()
        if ollama_version(host, _ANSWER_S) is None
    ]


def models_folder(config: Config) -> Path | None:
    """Return the server's folder of models; None if it is on another host or in a place that is not known."""
    if urlsplit(config.ollama.host).hostname not in _THIS_HOST:
        return None
    if named := os.environ.get("OLLAMA_MODELS"):
        return Path(named)
    return next((path for path in (Path.home() / ".ollama" / "models", _OF_THE_SERVICE) if path.is_dir()), None)


def put_on_server(ctx: StageContext, registry: Registry, files: Mapping[str, ModelFile]) -> Registry:
    """Upload the models to the configured servers, with progress; see `give_to_all`."""

    def wait(message: str) -> None:
        ctx.say(message)
        ctx.check_interrupted()

    def upload(sent: int, total: int) -> None:
        ctx.progress(sent, total, "uploading to Ollama")
        ctx.check_interrupted()

    if ctx.config.served_b and "logprob" in ctx.config.ab_test.scoring:
        check_vocabularies(files.values())
    return give_to_all(registry, files, _servers(ctx.config, wait), upload, ctx.log)


def check_vocabularies(files: Iterable[ModelFile]) -> None:
    """Check now that llama.cpp knows the tokenizers of models that the server had, by which labels are scored.

    Raises:
        InputError: it does not.
    """
    from so8t_engines.tokens import pieces_of  # loads llama.cpp

    for file in files:
        try:
            if file.served:
                pieces_of(file.path, ["<final>"])
        except InputError as error:
            raise InputError(
                f"logprob scoring needs the model's tokens, but {error.what}",
                where=file.name,
                remedy="leave logprob out of ab_test.scoring, or test the model's GGUF file (model_b.gguf)",
            ) from error


def give_to_all(
    registry: Registry,
    files: Mapping[str, ModelFile],
    servers: Sequence[OllamaServer],
    on_upload: OnUpload,
    log: Logger,
) -> Registry:
    """Upload every model to every server, see `give`; return the registry with the first one's digests.

    Another that does not respond is left out: it gets the models when it is asked.

    Raises:
        InputError: a server cannot read a file.
        ServerError: the first server cannot be reached.
    """
    first, *others = servers
    given = give(registry, files, first, on_upload, log.info)
    for server in others:
        try:
            give(registry, files, server, on_upload, log.info)
        except ServerError as error:
            log.warning("import goes on without %s: %s", server.address, error.what)
    return given


def give(
    registry: Registry,
    files: Mapping[str, ModelFile],
    server: OllamaServer,
    on_upload: OnUpload,
    say: Callable[[str], None],
) -> Registry:
    """Upload every model under all its names; return the registry with the server's digests.

    `files` is keyed by name. Unchanged models are left alone.

    Raises:
        InputError: the server cannot read a file.
        ServerError: the server cannot be reached.
    """
    version, models = server.version(), OllamaModels(server, on_upload)
    imported = []
    for model in registry.models:
        digest = ""
        for name in (model.name, *(f"{alias}:latest" for alias in model.aliases)):
            digest, changed = models.ensure(files[model.name], name)
            say(f"{name}: {'created in Ollama' if changed else 'already in Ollama'}, {digest[:12]}")
        imported.append(model.model_copy(update={"server_digest": digest}))
    return registry.model_copy(update={"models": imported, "server_version": version})


def _servers(config: Config, on_wait: OnWait) -> list[OllamaServer]:
    addresses = dict.fromkeys([config.ollama.host, *config.ollama.hosts])
    return [OllamaServer(address, retry_s=config.ollama.retry_s, on_wait=on_wait) for address in addresses]
