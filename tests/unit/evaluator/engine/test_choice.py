"""From the configuration to an engine."""

from __future__ import annotations

from typing import Any

from so8t_evaluator.engine.choice import open_engine
from so8t_shared.config.model import Config


def _config(**ab_test: Any) -> Config:
    rest = {
        "model_a": {"base_model": "m"},
        "dataset": {"paths": ["d"]},
        "ollama": {"host": "http://gpu-box.example:11434"},
    }
    return Config.model_validate({**rest, "ab_test": ab_test})


def test_embedded() -> None:
    """The embedded engine gets the configured context and threads."""
    engine = open_engine(_config(num_ctx=777, threads=3))
    assert engine.name == "embedded"
    assert engine.answer_settings["num_ctx"] == 777
    assert engine.speed_settings == {"threads": 3}


def test_ollama() -> None:
    """The Ollama engine gets them too, and measures the server's host; nothing is contacted yet."""
    engine = open_engine(_config(engine="ollama", num_ctx=777, threads=3))
    assert (engine.name, engine.host) == ("ollama", "gpu-box.example")
    assert engine.answer_settings["num_ctx"] == 777
    assert engine.speed_settings == {"threads": 3}
    assert open_engine(_config(engine="ollama")).speed_settings == {"threads": "as the server chooses"}
