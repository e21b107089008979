"""A small evaluation, and a quiet machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.engines.conftest import tiny as tiny
from tests.unit.evaluator.small_evaluation import make_config, make_inputs

from so8t_evaluator.disturbance import ControlLoad
from so8t_evaluator.evaluating import Inputs
from so8t_shared.artifacts.segment_cache import SegmentCache
from so8t_shared.artifacts.shelves import Shelves
from so8t_shared.config.model import Config
from so8t_shared.store.local import LocalStore

_is_disturbed = ControlLoad.is_disturbed


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests run beside these, and no measurement of speed must be lost to them."""
    monkeypatch.setattr(ControlLoad, "is_disturbed", lambda self: False)


@pytest.fixture
def machine_as_it_is(quiet_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other work is noticed."""
    monkeypatch.setattr(ControlLoad, "is_disturbed", _is_disturbed)


@pytest.fixture
def cache(tmp_path: Path) -> SegmentCache:
    """Answers kept in a store, as in a run."""
    return SegmentCache(LocalStore(tmp_path / "store"), "answers", "run")


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    """Answers kept in a store, each model's apart."""
    return Shelves(LocalStore(tmp_path / "store"), "answers", "run")


@pytest.fixture
def config() -> Config:
    """Two quantizations, both scorings, a control, three rows a class."""
    return make_config()


@pytest.fixture
def inputs(config: Config, tmp_path: Path) -> Inputs:
    """What the stages before leave behind; the GGUF files hold nothing, since no engine opens them."""
    return make_inputs(config, tmp_path)
