"""From the configuration to an engine."""

from __future__ import annotations

from collections.abc import Callable

from so8t_evaluator.engine.protocol import Engine
from so8t_shared.config.model import Config
from so8t_shared.tables import engines
from so8t_shared.tables.functions import named


def open_engine(config: Config, on_wait: Callable[[str], None] = lambda message: None) -> Engine:
    """The engine that `ab_test.engine` names, with its settings; nothing is loaded yet.

    `on_wait` is told while a server does not answer, and may raise to end the waiting.
    """
    engine: Engine = named(engines.BY_NAME[config.ab_test.engine].open)(config, on_wait)
    return engine
