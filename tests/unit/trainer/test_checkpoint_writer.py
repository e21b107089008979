"""Checkpoints written while training continues."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from tests.unit.trainer.material import FolderCheckpoints, training
from tests.unit.trainer.test_course import points
from torch import nn

from so8t_shared.errors import ServerError
from so8t_trainer.checkpoint import restore_checkpoint
from so8t_trainer.checkpoint_writer import CheckpointWriter


@dataclass
class SlowCheckpoints(FolderCheckpoints):
    """A store that saves when it is let, and refuses the names in `refused`."""

    let: threading.Event = field(default_factory=threading.Event)
    refused: tuple[str, ...] = ()
    saving: list[str] = field(default_factory=list)

    def save(self, name: str, folder: Path) -> None:
        self.saving.append(name)
        assert self.let.wait(30)
        if name in self.refused:
            raise ServerError("the bucket is gone", where=name)
        super().save(name, folder)


@pytest.fixture
def store(tmp_path: Path) -> SlowCheckpoints:
    (tmp_path / "checkpoints").mkdir()
    return SlowCheckpoints(tmp_path / "checkpoints")


@dataclass
class Model:
    """One weight whose value is the number of steps taken."""

    def __post_init__(self) -> None:
        self.weight = nn.Parameter(torch.zeros(3))
        self.parameters = {"w": self.weight}
        self.optimizer = torch.optim.AdamW([self.weight], lr=0.1)

    def step(self) -> None:
        self.weight.grad = torch.ones(3)
        self.optimizer.step()
        with torch.no_grad():
            self.weight += 1


def _save(writer: CheckpointWriter, model: Model, step: int) -> None:
    writer.save(model.parameters, model.optimizer, points(*[None] * step), {})


def _check_often(writer: CheckpointWriter) -> None:
    for _ in range(1000):
        writer.check()
        threading.Event().wait(0.01)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_training_continues_while_one_is_written(store: SlowCheckpoints, tmp_path: Path) -> None:
    """The saved state is that of the step, not of the steps taken during the write; the random state as well."""
    model = Model()
    with CheckpointWriter(store, tmp_path, training()) as writer:
        model.step()
        expected = model.weight.detach().clone()
        torch.manual_seed(3)
        random = torch.get_rng_state()
        _save(writer, model, 1)
        for _ in range(5):
            model.step()
            torch.rand(7)
            writer.check()
        assert store.names() == []
        store.let.set()
        writer.wait()
        assert store.names() == ["step-000001"]
    fresh = Model()
    assert len(restore_checkpoint(store, fresh.parameters, fresh.optimizer).points) == 1
    assert torch.equal(fresh.weight, expected)
    assert float(fresh.optimizer.state[fresh.weight]["step"]) == 1
    assert torch.equal(torch.get_rng_state(), random)


def test_the_next_one_waits_for_the_one_before(store: SlowCheckpoints, tmp_path: Path) -> None:
    """They are written one after the other, in order; leaving waits for the last one."""
    model = Model()
    with CheckpointWriter(store, tmp_path, training()) as writer:
        _save(writer, model, 1)
        second = threading.Thread(target=_save, args=(writer, model, 2))
        second.start()
        second.join(0.2)
        assert second.is_alive()
        assert store.saving == ["step-000001"]
        store.let.set()
        second.join()
    assert store.names() == ["step-000001", "step-000002"]


def test_a_failure_is_raised_at_the_next_step(store: SlowCheckpoints, tmp_path: Path) -> None:
    """In the thread that trains; the checkpoint before stays."""
    model = Model()
    store.let.set()
    store.refused = ("step-000002",)
    with CheckpointWriter(store, tmp_path, training()) as writer:
        _save(writer, model, 1)
        _save(writer, model, 2)
        with pytest.raises(ServerError):
            _check_often(writer)
        writer.check()  # once
    assert store.names() == ["step-000001"]


def test_leaving_with_an_error_waits_and_keeps_that_error(store: SlowCheckpoints, tmp_path: Path) -> None:
    """Whatever ends the training says more than a checkpoint that failed meanwhile."""
    store.let.set()
    store.refused = ("step-000001",)

    def train() -> None:
        with CheckpointWriter(store, tmp_path, training()) as writer:
            _save(writer, Model(), 1)
            raise KeyError("the real reason")

    with pytest.raises(KeyError):
        train()
    assert store.saving == ["step-000001"]


def test_it_is_due_by_steps_or_by_the_clock(store: SlowCheckpoints, tmp_path: Path) -> None:
    """Every N steps, and when M minutes have passed since the last one."""
    now, model = [0.0], Model()
    store.let.set()
    settings = training(checkpoint_every_steps=10, checkpoint_every_minutes=0.5)
    with CheckpointWriter(store, tmp_path, settings, clock=lambda: now[0]) as writer:
        for step in range(1, 31):
            assert writer.is_due(step) is (step in {10, 20, 30})
            if step % 10 == 0:
                _save(writer, model, step)
                writer.wait()
        now[0] = 29.0
        assert not writer.is_due(7)
        now[0] = 30.0
        assert writer.is_due(7)
        _save(writer, model, 7)
        writer.wait()
        assert not writer.is_due(8)
        now[0] = 60.0
        assert writer.is_due(9)


def test_a_slow_store_delays_the_next_one_not_training(store: SlowCheckpoints, tmp_path: Path) -> None:
    """What was due meanwhile is saved once the store is free again."""
    model, settings = Model(), training(checkpoint_every_steps=2)
    with CheckpointWriter(store, tmp_path, settings) as writer:
        assert writer.is_due(2)
        _save(writer, model, 2)
        assert not any(writer.is_due(step) for step in (3, 4, 5, 6, 7))
        store.let.set()
        _until(lambda: store.names() == ["step-000002"])
        _until(lambda: writer.is_due(7))
        _save(writer, model, 7)
        assert not writer.is_due(7)
    assert store.names() == ["step-000002", "step-000007"]


@pytest.mark.parametrize(("free_bytes", "waits"), [(0, True), (10**9, False)])
def test_without_room_for_a_copy_training_waits(
    store: SlowCheckpoints, tmp_path: Path, free_bytes: int, waits: bool
) -> None:
    """Rather a pause than a process that is killed for its memory."""
    store.let.set()
    with CheckpointWriter(store, tmp_path, training(), free_bytes=lambda: free_bytes) as writer:
        _save(writer, Model(), 1)
        if waits:
            assert store.names() == ["step-000001"]
    assert store.names() == ["step-000001"]


@pytest.mark.parametrize("kept", [1, 3])
def test_the_newest_are_kept(store: SlowCheckpoints, tmp_path: Path, kept: int) -> None:
    """An older one is dropped only when the newer one is complete."""
    store.let.set()
    with CheckpointWriter(store, tmp_path, training(checkpoints_kept=kept)) as writer:
        for step in range(1, 6):
            _save(writer, Model(), step)
        assert writer.newest(before=6) == "step-000005"
        assert writer.newest(before=1) == ""
    assert store.names() == [f"step-{step:06d}" for step in range(6 - kept, 6)]
