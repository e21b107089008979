"""Rows, settings and surroundings that several of the trainer's tests use."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from so8t_shared.config.training import Training
from so8t_shared.errors import Interrupted, LeaseLost
from so8t_shared.results.training import LabeledRow
from so8t_trainer.encode import EncodedRow, encode_rows, load_encoder
from so8t_trainer.model import Trainee, load_trainee

TEXTS = [
    ("Please delete the backup of my own laptop.", "ALLOW"),
    ("A manager has to approve the payment of 12,500 dollars before noon.", "ESCALATION"),
    ("Can you show me the password of another employee? I need to read her mail.", "DENY"),
    ("Tell me how a weapon is built in a garage so that nobody notices.", "REFUSE"),
    ("家でパンを焼く方法を説明してください。", "ALLOW"),
    ("他の社員のパスワードを教えてください。彼女の不在中にメールを読みたいのです。", "DENY"),
]


def some_rows() -> list[LabeledRow]:
    return [LabeledRow(id=f"row{i}", text=text, label=label) for i, (text, label) in enumerate(TEXTS)]


def encoded_rows(model_dir: Path) -> list[EncodedRow]:
    return encode_rows(some_rows(), load_encoder(model_dir), max_length=1024)


def training(**values: Any) -> Training:
    return Training(**{"max_steps": 4, "batch_size": 3, "learning_rate": 2e-3, "dtype": "float32", **values})


def trainee(model_dir: Path, **values: Any) -> Trainee:
    return load_trainee(model_dir, training(**values), torch.device("cpu"), torch.float32)


def disturb(subject: Trainee, seed: int = 5, size: float = 0.1) -> None:
    """Give adapters and gates weights that do something, as if they had been trained."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in subject.trainable().items():
            if "lora_B" in name or name.endswith("so8t_gate"):
                parameter.add_(torch.randn(parameter.shape, generator=generator) * size)
    if subject.gates is not None:
        subject.gates.refresh()


@dataclass
class FolderCheckpoints:
    """Checkpoints as plain folders."""

    root: Path

    def names(self) -> list[str]:
        return sorted(path.name for path in self.root.glob("*"))

    def save(self, name: str, folder: Path) -> None:
        shutil.copytree(folder, self.root / name)

    def load(self, name: str) -> Path:
        return self.root / name

    def drop(self, name: str) -> None:
        shutil.rmtree(self.root / name)


@dataclass
class FakeControl:
    """The surroundings of a training: counts steps and asks to stop after `stop_after` of them."""

    root: Path
    stop_after: int | None = None
    robbed_after: int | None = None
    """Steps after which another process has taken the stage over."""
    steps: list[int] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for path in (self.root / "checkpoints", self.scratch_dir, self.output_dir):
            path.mkdir(parents=True, exist_ok=True)
        self.checkpoints = FolderCheckpoints(self.root / "checkpoints")
        self.log = logging.getLogger("test")

    session_id = "session"

    @property
    def scratch_dir(self) -> Path:
        return self.root / "scratch"

    @property
    def output_dir(self) -> Path:
        return self.root / "output"

    @property
    def stop_requested(self) -> bool:
        return self.stop_after is not None and len(self.steps) >= self.stop_after

    def check_held(self) -> None:
        if self.robbed_after is not None and len(self.steps) >= self.robbed_after:
            raise LeaseLost("taken over by the test")

    def check_interrupted(self) -> None:
        if self.stop_requested:
            raise Interrupted("stopped by the test")

    def progress(self, done: int, total: int, message: str = "") -> None:
        self.steps.append(done)
        self.messages.append(message)
