"""From the configuration to an engine."""

from __future__ import annotations

from so8t_evaluator.engine.embedded import EmbeddedEngine
from so8t_evaluator.engine.protocol import Engine
from so8t_shared.config.model import AbTest


def open_engine(ab_test: AbTest) -> Engine:
    """The engine that `ab_test.engine` names, with its settings; nothing is loaded yet."""
    engines = {"embedded": EmbeddedEngine}
    return engines[ab_test.engine](num_ctx=ab_test.num_ctx, threads=ab_test.threads)
