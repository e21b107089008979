"""Training by real processes under torchrun, compared with one process. All in float32, on one thread each."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.torch import load_file
from tests.tiny_data import write_rows
from tests.unit.trainer.material import FakeControl

from so8t_shared.config.model import Config
from so8t_shared.errors import Interrupted
from so8t_shared.results.training import TrainingPoint
from so8t_trainer.distributed.job import AGENT
from so8t_trainer.run import train_model

SETTINGS: dict[str, Any] = {
    **{"max_steps": 8, "batch_size": 4, "learning_rate": 2e-3, "dtype": "float32", "max_length": 512},
    **{"checkpoint_every_steps": 2, "validate_every_steps": 4, "validation_rows": 5, "keep_best": True},
    **{"report_to": "none"},
}
LOSS_NOISE, WEIGHT_NOISE = 1e-4, 3e-4
"""Absolute; losses are about 5, and Adam turns a gradient near 0, whose sign is rounding, into a step of up to 2e-3."""


@pytest.fixture(autouse=True)
def _few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl", per_class=40)


@pytest.fixture
def train(llama: Path, rows: Path, tmp_path: Path) -> Callable[..., FakeControl]:
    """Train in the folder `place`, where checkpoints may lie; give the surroundings back."""

    def run(place: str, *, stop_after: int | None = None, observe: Any = None, **values: Any) -> FakeControl:
        raw = {
            "model_a": {"base_model": str(llama)},
            "dataset": {"paths": [str(rows)]},
            "training": {**SETTINGS, **values},
            "device": "cpu",
        }
        control = FakeControl(tmp_path / place, stop_after)
        for old in control.scratch_dir.glob("*"):
            old.rename(tmp_path / f"{place}-{random.random()}")
        train_model(Config.model_validate(raw), control, *([observe] if observe else []))
        return control

    return run


def _points(control: FakeControl) -> list[TrainingPoint]:
    return TrainingPoint.read_lines(control.output_dir / "metrics.jsonl")


def _assert_equal(one: FakeControl, other: FakeControl) -> None:
    """The loss curve, the validations, and the merged weights."""
    expected, found = _points(one), _points(other)
    assert [point.step for point in found] == [point.step for point in expected]
    assert [point.loss for point in found] == pytest.approx([point.loss for point in expected], abs=LOSS_NOISE)
    assert [point.pet for point in found] == pytest.approx([point.pet for point in expected], rel=1e-3)
    validated = [(a.validation, b.validation) for a, b in zip(expected, found, strict=True) if a.validation]
    assert len(validated) == 2
    for a, b in validated:
        assert a is not None
        assert b is not None
        assert (b.rows, b.loss) == (a.rows, pytest.approx(a.loss, abs=LOSS_NOISE))
    weights, others = (load_file(run.output_dir / "merged" / "model.safetensors") for run in (one, other))
    assert weights.keys() == others.keys()
    assert max(float((weights[name].float() - others[name].float()).abs().max()) for name in weights) < WEIGHT_NOISE
    assert _files(one.output_dir) == _files(other.output_dir)


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_training_resumes_with_any_number_of_processes(train: Callable[..., FakeControl]) -> None:
    """LoRA and gates: 2 processes, 3 with split weights, 1, then 2 again, each stopped, have the result of one."""
    alone = train("alone")
    for values in ({"processes": 2}, {"processes": 3, "shard_weights": True}, {"processes": 1}):
        with pytest.raises(Interrupted):
            train("moved", stop_after=1, **values)
    moved = train("moved", processes=2)
    _assert_equal(alone, moved)


def test_a_killed_rank_changes_no_result(train: Callable[..., FakeControl]) -> None:
    """All weights trained and split: kill -9 of any rank at any step; all restart from the newest checkpoint."""
    step, killed = random.randint(1, 6), []

    def kill_one(point: TrainingPoint, steps: int, memory_bytes: int) -> None:
        assert (steps, memory_bytes > 0) == (8, True)
        if point.step == step and not killed:
            ranks = [child for child in psutil.Process().children(recursive=True) if _is_rank(child)]
            assert len(ranks) == 2
            killed.append(random.choice(ranks))
            killed[0].kill()

    alone = train("alone", use_full_finetuning=True)
    together = train("killed", use_full_finetuning=True, processes=2, shard_weights=True, observe=kill_one)
    assert len(killed) == 1, f"step {step}"
    _assert_equal(alone, together)


def test_a_rank_ends_if_its_agent_was_gone_before_it_started() -> None:
    """Importing torch takes seconds; an agent killed meanwhile leaves no rank that waits for others."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    command = [sys.executable, "-m", "so8t_trainer.distributed.worker"]
    alone = {**os.environ, "LOCAL_RANK": "0", AGENT: str(gone.pid)}
    assert subprocess.run(command, env=alone, timeout=60, check=False, capture_output=True).stderr == b""


def _is_rank(process: psutil.Process) -> bool:
    """Whether it is a rank; the agent, which starts ranks, names their module too."""
    command = process.cmdline()
    return "so8t_trainer.distributed.worker" in command and "so8t_trainer.distributed.agent" not in command
