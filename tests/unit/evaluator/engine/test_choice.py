"""From the configuration to an engine."""

from __future__ import annotations

from so8t_evaluator.engine.choice import open_engine
from so8t_shared.config.model import AbTest


def test_embedded() -> None:
    """The embedded engine gets the configured context and threads."""
    engine = open_engine(AbTest(num_ctx=777, threads=3))
    assert engine.name == "embedded"
    assert engine.answer_settings["num_ctx"] == 777
    assert engine.speed_settings == {"threads": 3}
