"""Loads a session's model into the configured engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from so8t_engines.ollama.generation import BATCH_TOKENS, generation, sampling
from so8t_engines.ollama.models import OllamaModels
from so8t_engines.ollama.scored import answers_of
from so8t_engines.ollama.server import MissingError, OllamaServer, UnreachableError
from so8t_engines.protocol import Options
from so8t_gateway.engines.engine import CHOICES, ServedModel
from so8t_gateway.engines.ollama import Loaded, OllamaServed
from so8t_gateway.prompts import Prompts
from so8t_gateway.session_model import SessionModel
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError

_DIGITS = 12
"""Of a file's digest in its name on the server, so that two sessions' models of one name do not replace each other."""


async def load(config: Config, model: SessionModel) -> ServedModel:
    """Have the configured engine load a model, and verify that it has these bytes.

    Raises:
        InputError: the engine cannot load the file.
        ServerError: a server cannot be reached.
    """
    loaders: dict[str, Callable[[Config, SessionModel], ServedModel]] = {"ollama": _in_ollama, "embedded": _embedded}
    return await asyncio.to_thread(loaders[config.ab_test.engine], config, model)


def concurrency_of(config: Config) -> int:
    """Return how many requests the engine gets at the same time; llama.cpp in a child process takes one."""
    return config.think.concurrency if config.ab_test.engine == "ollama" else 1


def _embedded(config: Config, model: SessionModel) -> ServedModel:
    from so8t_engines.embedded.engine import open_embedded  # llama.cpp takes memory that Ollama's clients do not need
    from so8t_gateway.engines.embedded import EmbeddedServed

    settings = config.ab_test.model_copy(update={"num_ctx": model.num_ctx})
    engine = open_embedded(config.model_copy(update={"ab_test": settings}), lambda message: None)
    loaded = engine.load(model.file, Prompts(model.chat).warm_up())
    return EmbeddedServed(loaded, tuple(model.chat.stop_tokens), config.ab_test.seed)


def _in_ollama(config: Config, model: SessionModel) -> ServedModel:
    server = OllamaServer(config.ollama.host, retry_s=config.ollama.retry_s)
    file = replace(model.file, name=f"{model.file.name}-{model.file.sha256[:_DIGITS]}")
    try:
        digest, _ = OllamaModels(server).ensure(file)
        runner: dict[str, Any] = {"num_ctx": model.num_ctx, "num_batch": BATCH_TOKENS}
        if config.ab_test.threads:
            runner["num_thread"] = config.ab_test.threads
        prompt = Prompts(model.chat).render("?")
        prefix = server.patiently(lambda: _added(server, file.name, runner, model, prompt))
    finally:
        server.close()
    loaded = Loaded(
        address=config.ollama.host,
        name=file.name,
        digest=digest,
        runner=runner,
        stop=tuple(model.chat.stop_tokens),
        seed=config.ab_test.seed,
        prefix=prefix,
        answers=answers_of(file.path, CHOICES, prompt),
    )
    return OllamaServed(loaded, config.think.concurrency)


def _added(server: OllamaServer, name: str, runner: dict[str, Any], model: SessionModel, prompt: str) -> str:
    """Load the model; return the beginning of prompts that the server adds by itself, found with one control token."""
    end, bos = model.chat.eos_token, model.chat.bos_token
    options = {**runner, **sampling(Options(max_tokens=1, seed=0))}
    try:
        told = server.post("/api/generate", generation(name, end or "?", options))
    except MissingError as error:
        raise UnreachableError("its model was deleted") from error
    added = int(told.get("prompt_eval_count") or 1) - 1 if end else 0
    if not added:
        return ""
    if added > 1 or not bos or not prompt.startswith(bos):
        raise InputError(
            "Ollama adds tokens to the prompt that are not in the model's chat template.",
            where=f"{name} at {server.address}",
            remedy="convert the model again: add_bos_token or add_eos_token of the GGUF file is on",
        )
    return bos
