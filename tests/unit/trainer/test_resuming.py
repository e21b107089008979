"""A training that is stopped, robbed or short of memory goes on to the same bits."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.unit.shared.processes import until
from tests.unit.trainer.loops import short_training, validation_of, weights_of, without_seconds
from tests.unit.trainer.material import FakeControl, encoded_rows, trainee, training

from so8t_shared.errors import ConfigError, IntegrityError, Interrupted, LeaseLost, NewerFormat, So8tError
from so8t_shared.results.training import TrainingPoint
from so8t_trainer.checkpoint_writer import CheckpointWriter
from so8t_trainer.course import best_step
from so8t_trainer.loop import run_training
from so8t_trainer.model import Trainee
from so8t_trainer.shortage import explained_shortage, fit_rows
from so8t_trainer.validation import validate


@pytest.fixture
def _writes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each checkpoint is written before the next could be due, which a busy machine does not promise."""
    is_due = CheckpointWriter.is_due

    def once_written(writer: CheckpointWriter, step: int) -> bool:
        writer.wait()
        return is_due(writer, step)

    monkeypatch.setattr(CheckpointWriter, "is_due", once_written)


def test_a_stopped_training_resumes_to_the_same_bits(llama: Path, tmp_path: Path) -> None:
    """Stopped after step 3 and called again, dropout included, it ends with the weights of an uninterrupted one."""
    values = {"max_steps": 7, "lora": {"dropout": 0.2}, "checkpoint_every_steps": 2, "lr_scheduler": "cosine"}
    whole, expected = short_training(llama, FakeControl(tmp_path / "whole"), **values)

    with pytest.raises(Interrupted):
        short_training(llama, FakeControl(tmp_path / "parts", stop_after=3), **values)
    torch.manual_seed(99)
    control = FakeControl(tmp_path / "parts")
    resumed, points = short_training(llama, control, **values)

    assert control.steps == [4, 5, 6, 7]
    assert without_seconds(points) == without_seconds(expected)
    for name, weight in weights_of(whole).items():
        assert torch.equal(weight, resumed.trainable()[name]), name


def test_a_robbed_training_saves_nothing(llama: Path, tmp_path: Path) -> None:
    """Once another process has the stage, the loop ends at that step, due for a checkpoint or not, and saves none."""
    for after in (2, 3):
        control = FakeControl(tmp_path / str(after), robbed_after=after)
        with pytest.raises(LeaseLost):
            short_training(llama, control, max_steps=6, checkpoint_every_steps=2)
        assert control.steps == list(range(1, after + 1))
        assert control.checkpoints.names() == (["step-000002"] if after == 3 else [])


def test_full_finetuning_resumes_to_the_same_bits(llama: Path, tmp_path: Path) -> None:
    """All weights and both Adam moments are in the checkpoint."""
    values = {"max_steps": 4, "use_full_finetuning": True, "learning_rate": 1e-3}
    whole, _ = short_training(llama, FakeControl(tmp_path / "whole"), **values)
    with pytest.raises(Interrupted):
        short_training(llama, FakeControl(tmp_path / "parts", stop_after=2), **values)
    resumed, _ = short_training(llama, FakeControl(tmp_path / "parts"), **values)
    for name, weight in weights_of(whole).items():
        assert torch.equal(weight, resumed.trainable()[name]), name


@pytest.mark.usefixtures("_writes_at_once")
def test_the_newest_checkpoints_are_kept(llama: Path, tmp_path: Path) -> None:
    """One every checkpoint_every_steps and one at the end; no file needs unpickling."""
    control = FakeControl(tmp_path)
    short_training(llama, control, max_steps=7, checkpoint_every_steps=2, checkpoints_kept=3)
    assert control.checkpoints.names() == ["step-000004", "step-000006", "step-000007"]
    files = sorted(path.name for path in control.checkpoints.load("step-000007").iterdir())
    assert files == [
        "metrics.jsonl",
        "optimizer.safetensors",
        "random.safetensors",
        "state.json",
        "weights.safetensors",
    ]


@pytest.mark.usefixtures("_writes_at_once")
def test_a_checkpoint_is_due_by_the_clock(llama: Path, tmp_path: Path) -> None:
    """With steps far apart, minutes decide."""
    control = FakeControl(tmp_path)
    short_training(llama, control, max_steps=3, checkpoint_every_steps=1000, checkpoint_every_minutes=1e-6)
    assert control.checkpoints.names() == ["step-000001", "step-000002", "step-000003"]


def test_a_finished_training_is_not_trained_further(llama: Path, tmp_path: Path) -> None:
    """Called again (killed while merging, say), it restores the last step."""
    first, points = short_training(llama, FakeControl(tmp_path), max_steps=3)
    control = FakeControl(tmp_path)
    second, again = short_training(llama, control, max_steps=3)
    assert control.steps == []
    assert again == points
    for name, weight in weights_of(first).items():
        assert torch.equal(weight, second.trainable()[name])


@pytest.mark.parametrize(("state", "error"), [('{"schema": 2}', NewerFormat), ('{"schema": 0}', IntegrityError)])
def test_a_checkpoint_of_another_version(llama: Path, tmp_path: Path, state: str, error: type[So8tError]) -> None:
    """A newer program's is distinguished from a damaged one."""
    control = FakeControl(tmp_path)
    short_training(llama, control, max_steps=1)
    (control.checkpoints.load("step-000001") / "state.json").write_text(state)
    with pytest.raises(error):
        short_training(llama, FakeControl(tmp_path), max_steps=1)


def test_the_best_weights_are_the_result_and_survive_a_kill(llama: Path, tmp_path: Path) -> None:
    """Validation rows with other labels than those learned: the best step comes early, in one go or resumed."""
    values = {"max_steps": 16, "batch_size": 6, "learning_rate": 1e-2, "keep_best": True}
    values |= {"checkpoint_every_steps": 1, "validate_every_steps": 1}
    held_out = [replace(row, gold=(row.gold + 1) % 4) for row in validation_of(llama)]

    def run(name: str, **fake: int) -> tuple[Trainee, list[TrainingPoint]]:
        subject = trainee(llama, **values)
        control = FakeControl(tmp_path / name, **fake)
        return subject, run_training(subject, encoded_rows(llama), training(**values), control, held_out)

    whole, points = run("whole")
    best = best_step(points, training(**values))
    assert best is not None
    assert 1 < best < 15
    with pytest.raises(Interrupted):
        run("parts", stop_after=best)  # the checkpoint's weights are the best
    with pytest.raises(Interrupted):
        run("parts", stop_after=1)  # it has both
    resumed, again = run("parts")
    assert [p.loss for p in again] == [p.loss for p in points]
    assert [p.validation.decision_loss for p in again if p.validation] == [
        p.validation.decision_loss for p in points if p.validation
    ]
    for name, weight in weights_of(whole).items():
        assert torch.equal(weight, resumed.trainable()[name]), name
    found = validate(resumed, held_out)
    kept = points[best - 1].validation
    assert kept is not None
    assert found.decision_loss == pytest.approx(kept.decision_loss, rel=1e-6)


@pytest.mark.usefixtures("_writes_at_once")
def test_a_run_that_ended_for_lack_of_memory_resumes_with_smaller_passes(llama: Path, tmp_path: Path) -> None:
    """The error says what to lower and which checkpoint is kept; it is used although passes and batches changed."""
    values = {"max_steps": 4, "batch_size": 6, "checkpoint_every_steps": 1}
    whole, expected = short_training(llama, FakeControl(tmp_path / "whole"), **values)

    class Short(FakeControl):
        def progress(self, done: int, total: int, message: str = "") -> None:
            super().progress(done, total, message)
            if done == 3:
                until(lambda: "step-000002" in self.checkpoints.names(), "a checkpoint, written in the background")
                torch.empty(1 << 50)

    control, cpu = Short(tmp_path / "parts"), torch.device("cpu")
    fit = fit_rows(llama, encoded_rows(llama), training(**values), cpu, torch.float32)
    with pytest.raises(ConfigError) as caught, explained_shortage(fit, cpu, control.checkpoints):
        short_training(llama, control, **values)
    assert "checkpoint step-000002 is kept, and the next run resumes from it" in caught.value.remedy
    assert re.search(r"training.gradient_checkpointing: true \(needs [\d.]+ [MG]B\)", caught.value.remedy)
    assert re.search(r"training.max_tokens_per_pass: \d+ \(needs [\d.]+ [MG]B\)", caught.value.remedy)

    changed = {**values, "batch_size": 2, "gradient_accumulation_steps": 3, "gradient_checkpointing": True}
    control = FakeControl(tmp_path / "parts")
    resumed, points = short_training(llama, control, **changed, max_tokens_per_pass=80)
    assert control.steps == [3, 4]
    assert without_seconds(points[:2]) == without_seconds(expected[:2])
    for name, weight in weights_of(whole).items():
        torch.testing.assert_close(weight, resumed.trainable()[name], rtol=0, atol=1e-3, msg=name)
