"""Whether a training will have the memory that it needs, before a run starts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.unit.shared.material import make_config, make_inputs
from tests.unit.trainer.test_trial import ROWS

from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError
from so8t_trainer import planned
from so8t_trainer.planned import demand_memory, planned_memory

HUGE = 1 << 24
"""An intermediate width with which no row fits on any host."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a data set of a few short rows."""
    (make_inputs(tmp_path) / "rows.jsonl").write_text(ROWS)
    return tmp_path


def _config(root: Path, llama: Path, *, wide: int | None = None, **sections: Any) -> Config:
    """A training on the CPU; with `wide`, of a model that its config.json calls that wide."""
    base = shutil.copytree(llama, root / "base", dirs_exist_ok=True)
    if wide:
        (base / "config.json").write_text(
            json.dumps({**json.loads((llama / "config.json").read_text()), "intermediate_size": wide})
        )
    given = {"model_a": {"base_model": str(base)}, "device": "cpu", "training": {"dtype": "float32"}}
    return make_config(root, **{**given, **sections})


def test_what_fits_is_not_refused(root: Path, llama: Path) -> None:
    """A tiny model."""
    assert demand_memory(_config(root, llama)) == []


def test_what_certainly_does_not_fit_is_refused(root: Path, llama: Path) -> None:
    """The error has the figures of the rows that will be trained on, and what to set."""
    config = _config(root, llama, wide=HUGE)
    with pytest.raises(ConfigError) as caught:
        demand_memory(config)
    assert "training." in caught.value.remedy
    assert "a row of" in caught.value.where


def test_an_unknown_base_or_device_is_not_refused(root: Path, llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base on another host, a GPU that is not here, and one of several GPUs: another host may run the stage."""
    assert demand_memory(make_config(root, model_a={"base_model": "/no/such"})) == []
    there = _config(root, llama, wide=HUGE, device="cuda")
    monkeypatch.setattr(planned, "gpus_memory_bytes", list)
    assert demand_memory(there) == []
    assert "on a GPU" in (planned_memory(there) or "")
    for gpus, refused in (([(8 << 30, 8 << 30)], True), ([(8 << 30, 8 << 30)] * 2, False)):
        monkeypatch.setattr(planned, "gpus_memory_bytes", lambda gpus=gpus: gpus)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        assert _refused(there) is refused
    monkeypatch.setattr(planned, "gpus_memory_bytes", lambda: [(8 << 30, 8 << 30)])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert not _refused(there)


def test_long_rows_that_are_tested_alone_do_not_count(root: Path, llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of the test split may be longer than training could hold."""
    long = {"text": "word " * 400, "label": "DENY", "split": "test"}
    (root / "rows.jsonl").write_text(ROWS + json.dumps(long) + "\n")
    config = _config(root, llama, training={"dtype": "float32", "gradient_checkpointing": False, "batch_size": 1})
    free = _between(config, monkeypatch)
    monkeypatch.setattr(planned, "free_memory_bytes", lambda: free)
    assert "would not start" in (planned_memory(config) or "")
    assert not _refused(config)


def test_rows_elsewhere_count_as_short_as_possible(root: Path, llama: Path) -> None:
    """A model that does not fit with rows of one token is refused; else nothing is certain."""
    elsewhere = {"dataset": {"paths": ["owner/name"]}}
    assert not _refused(_config(root, llama, **elsewhere))
    assert _refused(_config(root, llama, wide=HUGE, **elsewhere))


def _between(config: Config, monkeypatch: pytest.MonkeyPatch) -> int:
    """Memory that suffices for the trained rows, and not for the longest one."""
    base = Path(config.base_of_b.base_model)
    found = [
        planned._fit(planned.Subject.of(base, rows), config, planned.Room("cpu", 1 << 60, 1 << 60)).needed.total
        for rows in (planned._training_rows(config, base), planned._rows(config, base))
    ]
    assert found[0] < found[1] * 0.95
    return round((found[0] + found[1]) / 2 / 0.97)


def _refused(config: Config) -> bool:
    try:
        demand_memory(config)
    except ConfigError:
        return True
    return False
