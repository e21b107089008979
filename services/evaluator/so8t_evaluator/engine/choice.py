"""From the configuration to an engine."""

from __future__ import annotations

from so8t_evaluator.engine.embedded import EmbeddedEngine
from so8t_evaluator.engine.protocol import Engine
from so8t_evaluator.ollama.engine import OllamaEngine
from so8t_evaluator.ollama.server import OllamaServer, OnWait
from so8t_shared.config.model import Config


def open_engine(config: Config, on_wait: OnWait = lambda message: None) -> Engine:
    """The engine that `ab_test.engine` names, with its settings; nothing is loaded yet.

    `on_wait` is told while a server does not answer, and may raise to end the waiting.
    """
    settings = config.ab_test
    if settings.engine == "ollama":
        server = open_server(config, on_wait)
        name = config.ollama.host_name
        return OllamaEngine(server, num_ctx=settings.num_ctx, threads=settings.threads, host_name=name)
    return EmbeddedEngine(num_ctx=settings.num_ctx, threads=settings.threads)


def open_server(config: Config, on_wait: OnWait = lambda message: None) -> OllamaServer:
    """The configured Ollama server; nothing is asked yet."""
    return OllamaServer(config.ollama.host, retry_s=config.ollama.retry_s, on_wait=on_wait)
