"""Opens the configured engine."""

from __future__ import annotations

from collections.abc import Callable

from so8t_engines.protocol import Engine
from so8t_shared.config.model import Config
from so8t_shared.tables import engines
from so8t_shared.tables.functions import named


def open_engine(config: Config, on_wait: Callable[[str], None] = lambda message: None) -> Engine:
    """Return the engine named by `ab_test.engine`, with its settings; no model is loaded yet.

    `on_wait` is called while a server does not respond, and may raise to stop waiting.
    """
    engine: Engine = named(engines.BY_NAME[config.ab_test.engine].open)(config, on_wait)
    return engine
