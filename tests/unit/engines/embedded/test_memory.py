"""Whether models fit into memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.evaluator.material import make_file

from so8t_engines.embedded import memory
from so8t_engines.embedded.memory import MemoryBudget
from so8t_engines.protocol import ModelFile, NoRoomError
from so8t_shared.errors import InputError

FREE = 4 << 30


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> MemoryBudget:
    """On a host with 4 GiB free, which no loaded model makes less."""
    monkeypatch.setattr(memory, "free_memory_bytes", lambda: FREE)
    return MemoryBudget()


def _model(folder: Path, size: int) -> ModelFile:
    path = folder / f"{size}.gguf"
    with path.open("wb") as file:
        file.truncate(size)  # takes no room on the disk
    return make_file("m:q", path)


def test_two_that_fit(tmp_path: Path, budget: MemoryBudget) -> None:
    """Together below what is free."""
    for owner in "ab":
        budget.take(_model(tmp_path, 1 << 30), owner)


def test_two_that_do_not_fit(tmp_path: Path, budget: MemoryBudget, said: Said) -> None:
    """The second is refused, and fits once the first is gone."""
    model = _model(tmp_path, 2 << 30)
    budget.take(model, "a")
    with said.raised(NoRoomError):
        budget.take(model, "b")
    budget.give_back("a")
    budget.give_back("a")
    budget.take(model, "b")


def test_one_that_does_not_fit(tmp_path: Path, budget: MemoryBudget, said: Said) -> None:
    """A model larger than what is free is refused with sizes and a remedy."""
    with said.raised(InputError):
        budget.take(_model(tmp_path, FREE), "a")
