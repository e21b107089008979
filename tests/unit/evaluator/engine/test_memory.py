"""Whether models fit into memory."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from tests.unit.evaluator.material import make_file

from so8t_evaluator.engine import memory
from so8t_evaluator.engine.memory import MemoryBudget, free_memory_bytes
from so8t_evaluator.engine.protocol import ModelFile, NoRoomError
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


def test_two_that_do_not_fit(tmp_path: Path, budget: MemoryBudget) -> None:
    """The second is refused, and fits once the first is gone."""
    model = _model(tmp_path, 2 << 30)
    budget.take(model, "a")
    with pytest.raises(NoRoomError, match=r"4\.8 GB, 4\.3 GB are free"):
        budget.take(model, "b")
    budget.give_back("a")
    budget.give_back("a")
    budget.take(model, "b")


def test_one_that_does_not_fit(tmp_path: Path, budget: MemoryBudget) -> None:
    """A model larger than what is free is refused with sizes and a remedy."""
    with pytest.raises(InputError, match=r"needs about 4\.6 GB, 4\.3 GB are free") as caught:
        budget.take(_model(tmp_path, FREE), "a")
    assert "quantisations" in caught.value.remedy


def test_free_memory(tmp_path: Path) -> None:
    """A control group's limit counts where there is one."""
    free = psutil.virtual_memory().available
    (tmp_path / "none").write_text("max\n")
    (tmp_path / "some").write_text("1000\n")
    for name in ("none", "absent"):
        assert free / 2 < free_memory_bytes(tmp_path / name) < free * 2
    assert free_memory_bytes(tmp_path / "some") == 1000
