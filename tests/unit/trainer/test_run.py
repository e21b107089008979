"""The whole stage without a store: from a configuration to the folder that is committed."""

from __future__ import annotations

import json
import re
import shutil
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file
from tests.unit.trainer.material import FakeControl
from tests.unit.trainer.runs import config_of
from tokenizers import Tokenizer

from so8t_shared.errors import ConfigError, Interrupted
from so8t_shared.models.prompts import final_answer
from so8t_shared.results.training import TENSORBOARD, DataReport, LabeledRow, Targets, TrainingPoint, TrainingResult
from so8t_trainer import run
from so8t_trainer.encode import load_encoder
from so8t_trainer.model import Trainee, load_trainee
from so8t_trainer.run import train_model

ALWAYS = {"splits/train.jsonl", "splits/test.jsonl", "data_report.json", "training_config.yaml", "metrics.jsonl"}
ALWAYS |= {"training.json", "splits/targets.json", "splits/validation.jsonl", TENSORBOARD}
ADAPTER = {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"}


def _files(folder: Path) -> set[str]:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    events = {name for name in names if re.fullmatch(rf"{TENSORBOARD}events\.out\.tfevents\.[^/]+", name)}
    return names - events | ({TENSORBOARD} if events else set())


@pytest.mark.parametrize(
    ("values", "extra"),
    [
        ({}, ADAPTER | {"gates.safetensors"}),
        ({"use_qlora": True, "so8t": {"enabled": False}}, ADAPTER),
        ({"use_full_finetuning": True}, {"gates.safetensors"}),
    ],
    ids=["lora", "qlora without gates", "full"],
)
def test_exactly_the_promised_files_come_out(
    llama: Path, rows: Path, tmp_path: Path, values: dict[str, object], extra: set[str]
) -> None:
    """Nothing is missing and nothing else is left; every record loads as what it claims to be."""
    control = FakeControl(tmp_path)
    result = train_model(config_of(llama, rows, **values), control)
    out = control.output_dir
    merged = {f"merged/{path.name}" for path in llama.iterdir()}
    assert _files(out) == ALWAYS | extra | merged
    assert TrainingResult.model_validate_json((out / "training.json").read_bytes()) == result
    report = DataReport.model_validate_json((out / "data_report.json").read_bytes())
    for side, counts in (("train", report.train), ("validation", report.validation), ("test", report.test)):
        lines = (out / "splits" / f"{side}.jsonl").read_text(encoding="utf-8").splitlines()
        assert len([LabeledRow.model_validate_json(line) for line in lines]) == sum(counts.values())
    points = [TrainingPoint.model_validate_json(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [point.step for point in points] == [1, 2, 3]
    assert (result.steps, result.rows_seen, result.rows) == (3, 12, sum(report.train.values()))
    assert (result.first_loss, result.final_loss) == (points[0].loss, points[-1].loss)


def test_the_longest_target_is_told(llama: Path, rows: Path, tmp_path: Path) -> None:
    """In tokens of the model's own tokenizer, with the end of the turn: what an answer may need."""
    control = FakeControl(tmp_path)
    train_model(config_of(llama, rows, max_steps=0), control)
    splits = control.output_dir / "splits"
    told = Targets.model_validate_json((splits / "targets.json").read_bytes())
    lines = (splits / "train.jsonl").read_text(encoding="utf-8").splitlines()
    taught = [LabeledRow.model_validate_json(line) for line in lines]
    tokenizer = Tokenizer.from_file(str(llama / "tokenizer.json"))
    answers = [f"{final_answer(row.label, row.thinking)}<|im_end|>" for row in taught]
    assert told.longest_tokens == max(len(tokenizer.encode(text, add_special_tokens=False).ids) for text in answers)
    assert told.thinking == any(row.thinking for row in taught)
    chat = load_encoder(llama).chat
    held = [LabeledRow.read_lines(splits / f"{side}.jsonl") for side in ("train", "validation", "test")]
    prompts = [chat.prompt(row.text) for rows in held for row in rows]
    assert told.longest_prompt_tokens == max(len(tokenizer.encode(p, add_special_tokens=False).ids) for p in prompts)


def test_the_result_tells_how_the_gates_ended(llama: Path, rows: Path, tmp_path: Path) -> None:
    """Orthogonal to rounding, determinant 1, and turned by a positive angle."""
    control = FakeControl(tmp_path)
    result = train_model(config_of(llama, rows), control)
    assert result.method == "lora"
    assert result.gates == 2
    assert result.orthogonality_error < 1e-12
    assert result.determinant_min == pytest.approx(1, abs=1e-12)
    assert result.determinant_max == pytest.approx(1, abs=1e-12)
    assert 0 < result.rotation_angle_max < 0.2
    with safe_open(control.output_dir / "gates.safetensors", framework="pt") as file:
        assert file.metadata()["rotation"] == "exp"
        assert sorted(file.keys()) == [f"model.layers.{layer}.self_attn.so8t_gate" for layer in range(2)]
        assert file.get_tensor("model.layers.0.self_attn.so8t_gate").shape == (256 // 8, 28)


def test_the_resolved_settings_are_written_down(llama: Path, rows: Path, tmp_path: Path) -> None:
    """Defaults and automatic choices included, without this machine's paths."""
    control = FakeControl(tmp_path)
    train_model(config_of(llama, rows, max_steps=0), control)
    settings = yaml.safe_load((control.output_dir / "training_config.yaml").read_text())
    assert settings["dtype"] == "float32"
    assert settings["warmup_ratio"] == 0.05
    assert settings["lora"]["target_modules"] == sorted(
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    )
    assert settings["pet"]["lambdas"] == [0.01, 0.05, 0.1]
    written = "".join(path.read_text() for path in control.output_dir.glob("adapter/*.json"))
    assert str(llama.parent) not in written


def test_no_steps_give_the_base_itself(llama: Path, rows: Path, tmp_path: Path) -> None:
    """The A/A control: every tensor of the merged model equals the base's."""
    control = FakeControl(tmp_path)
    result = train_model(config_of(llama, rows, max_steps=0), control)
    found, base = (load_file(folder / "model.safetensors") for folder in (control.output_dir / "merged", llama))
    assert found.keys() == base.keys()
    assert all(torch.equal(found[name], base[name]) for name in base)
    assert (result.first_loss, result.final_loss, result.seconds) == (None, None, 0)
    assert (control.output_dir / "metrics.jsonl").read_text() == ""


def test_a_stop_after_the_last_step_still_resumes(llama: Path, rows: Path, tmp_path: Path) -> None:
    """Interrupted between training and merging, the second call only merges."""
    config = config_of(llama, rows)
    with pytest.raises(Interrupted):
        train_model(config, FakeControl(tmp_path, stop_after=3))
    control = FakeControl(tmp_path)
    train_model(config, control)
    assert "merging" in control.messages
    assert not any(message.startswith("loss") for message in control.messages)
    assert json.loads((control.output_dir / "training.json").read_text())["steps"] == 3


@dataclass
class _Watcher(FakeControl):
    """Asks, as soon as merging has begun, which of `watched` are still in memory."""

    watched: list[weakref.ref[object]] = field(default_factory=list)
    alive: list[object] | None = None

    def progress(self, done: int, total: int, message: str = "") -> None:
        super().progress(done, total, message)
        if message == "merging" and self.alive is None:
            self.alive = [found for ref in self.watched if (found := ref()) is not None]


@pytest.mark.parametrize("values", [{}, {"use_full_finetuning": True}], ids=["lora", "full"])
def test_the_trained_model_is_gone_before_it_is_merged(
    llama: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, object]
) -> None:
    """Merging never needs the memory of the model beside its own; of a LoRA's model no weight is left."""
    control = _Watcher(tmp_path)

    def load(*arguments: Any) -> Trainee:
        trainee = load_trainee(*arguments)
        things = [trainee, trainee.causal_lm]
        if trainee.adapter is not None:  # in full fine-tuning the weights themselves are what is merged
            things += trainee.causal_lm.parameters()
        control.watched += [weakref.ref(thing) for thing in things]
        return trainee

    monkeypatch.setattr(run, "load_trainee", load)
    train_model(config_of(llama, rows, **values), control)
    assert len(control.watched) >= 2
    assert control.alive == []


def test_a_stop_while_merging(llama: Path, rows: Path, tmp_path: Path) -> None:
    """It is obeyed after the tensor in work; the second call merges all, and the files are those of one go."""
    config = config_of(llama, rows)
    stopped = FakeControl(tmp_path / "stopped", stop_after=5)
    with pytest.raises(Interrupted):
        train_model(config, stopped)
    assert stopped.messages[3:] == ["merging"] * 2
    shutil.rmtree(stopped.output_dir)
    again, whole = FakeControl(tmp_path / "stopped"), FakeControl(tmp_path / "whole")
    for control in (again, whole):
        train_model(config, control)
    for name in ("merged/model.safetensors", "gates.safetensors", "adapter/adapter_model.safetensors"):
        assert (again.output_dir / name).read_bytes() == (whole.output_dir / name).read_bytes()


def test_a_missing_tracker_is_told_before_the_data_is_read(llama: Path, tmp_path: Path) -> None:
    """Even before a path that does not exist."""
    with pytest.raises(ConfigError) as error:
        train_model(config_of(llama, tmp_path / "none.jsonl", report_to="wandb"), FakeControl(tmp_path))
    assert error.value.where == "training.report_to"
