"""Opens the configured engine."""

from __future__ import annotations

from collections.abc import Callable

from so8t_engines.protocol import Engine
from so8t_shared.config.model import Config
from so8t_shared.tables import engines, executions
from so8t_shared.tables.functions import named


def open_engine(config: Config, on_wait: Callable[[str], None] = lambda message: None, *, session: str = "") -> Engine:
    """Return the engine named by `ab_test.engine`, with its settings; no model is loaded yet.

    Where the execution of a session can share the rows among several hosts, the engine stands for all of them.
    `on_wait` is called while a server does not respond, and may raise to stop waiting.
    """
    engine = open_own_engine(config, on_wait)
    share = named(executions.BY_NAME[config.execution.kind].share) if session else None
    return share(config, session, engine, on_wait) if share else engine


def open_own_engine(config: Config, on_wait: Callable[[str], None] = lambda message: None) -> Engine:
    """Return the engine that answers for this host alone."""
    engine: Engine = named(engines.BY_NAME[config.ab_test.engine].open)(config, on_wait)
    return engine
