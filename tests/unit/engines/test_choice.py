"""From the configuration to an engine."""

from __future__ import annotations

from typing import Any

import pytest

from so8t_engines.choice import open_engine
from so8t_shared.config.model import Config
from so8t_shared.tables import engines
from so8t_shared.tables.functions import named


def _config(**ab_test: Any) -> Config:
    rest = {
        "model_a": {"base_model": "m"},
        "dataset": {"paths": ["d"]},
        "ollama": {"host": "http://gpu-box.example:11434"},
    }
    return Config.model_validate({**rest, "ab_test": ab_test})


@pytest.mark.parametrize("name", engines.BY_NAME)
def test_every_engine_opens(name: str) -> None:
    """It gets the configured context and threads; nothing is contacted yet."""
    engine = open_engine(_config(engine=name, num_ctx=777, threads=3))
    assert engine.name == name
    assert engine.answer_settings["num_ctx"] == 777
    assert engine.speed_settings == {"threads": 3}


@pytest.mark.parametrize("row", engines.ROWS, ids=lambda row: row.name)
def test_every_function_of_the_table_is_there(row: engines.Row) -> None:
    """What a row names can be imported; the configuration describes the row."""
    assert all(callable(named(target)) for target in (row.open, row.prepare, row.check) if target)
    assert f"{row.name}: {row.summary}" in str(type(_config().ab_test).model_fields["engine"].description)


def test_ollama_measures_the_servers_host() -> None:
    """Its speed is that of the server, whose threads it leaves to the server unless told."""
    engine = open_engine(_config(engine="ollama"))
    assert engine.host == "gpu-box.example"
    assert engine.speed_settings == {"threads": "chosen by the server"}
