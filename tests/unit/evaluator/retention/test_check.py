"""The look at the neutral prompts before a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from so8t_evaluator.retention.check import check_rows
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError
from so8t_shared.planning.preflight import preflight


def _config(**ab_test: Any) -> Config:
    return Config.model_validate({"model_a": {"base_model": "m"}, "dataset": {"paths": ["d"]}, "ab_test": ab_test})


def test_sound() -> None:
    """There is nothing to say where it is off, and of the shipped set."""
    assert check_rows(_config()) == check_rows(_config(retention="shipped")) == []


def test_elsewhere(tmp_path: Path) -> None:
    """A file on another host is a note."""
    (note,) = check_rows(_config(retention=str(tmp_path / "none.yaml")))
    assert note.startswith("ab_test.retention.rows")


def test_faults_end_a_run_before_it_trains(tmp_path: Path) -> None:
    """The look before a run finds them, with exit code 2."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text("{}\n")
    with pytest.raises(InputError) as raised:
        preflight(_config(retention=str(rows)), ["evaluate"])
    assert raised.value.exit_code == 2
    assert "rows.jsonl" in raised.value.where
