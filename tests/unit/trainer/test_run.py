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
from tests.messages import Said
from tests.tiny_data import write_rows, write_thinking_rows
from tests.unit.trainer.material import FakeControl
from tokenizers import Tokenizer

from so8t_shared.config.model import AbTest, Config
from so8t_shared.errors import ConfigError, InputError, Interrupted
from so8t_shared.labels import LABELS
from so8t_shared.models.prompts import final_answer
from so8t_shared.results.training import TENSORBOARD, DataReport, LabeledRow, Targets, TrainingPoint, TrainingResult
from so8t_trainer import run
from so8t_trainer.encode import load_encoder
from so8t_trainer.model import Trainee, load_trainee
from so8t_trainer.run import train_model

SETTINGS = {"max_steps": 3, "batch_size": 4, "learning_rate": 2e-3, "dtype": "float32", "max_length": 512}
ALWAYS = {"splits/train.jsonl", "splits/test.jsonl", "data_report.json", "training_config.yaml", "metrics.jsonl"}
ALWAYS |= {"training.json", "splits/targets.json", "splits/validation.jsonl", TENSORBOARD}
ADAPTER = {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"}


def _config(model: Path, rows: Path, **training: object) -> Config:
    return Config.model_validate(
        {
            "model_a": {"base_model": str(model)},
            "dataset": {"paths": [str(rows)]},
            "training": {**SETTINGS, **training},
            "device": "cpu",
        }
    )


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl", per_class=10)


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
    result = train_model(_config(llama, rows, **values), control)
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
    train_model(_config(llama, rows, max_steps=0), control)
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
    result = train_model(_config(llama, rows), control)
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
    train_model(_config(llama, rows, max_steps=0), control)
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
    result = train_model(_config(llama, rows, max_steps=0), control)
    found, base = (load_file(folder / "model.safetensors") for folder in (control.output_dir / "merged", llama))
    assert found.keys() == base.keys()
    assert all(torch.equal(found[name], base[name]) for name in base)
    assert (result.first_loss, result.final_loss, result.seconds) == (None, None, 0)
    assert (control.output_dir / "metrics.jsonl").read_text() == ""


def test_a_stop_after_the_last_step_still_resumes(llama: Path, rows: Path, tmp_path: Path) -> None:
    """Interrupted between training and merging, the second call only merges."""
    config = _config(llama, rows)
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
    train_model(_config(llama, rows, **values), control)
    assert len(control.watched) >= 2
    assert control.alive == []


def test_a_stop_while_merging(llama: Path, rows: Path, tmp_path: Path) -> None:
    """It is obeyed after the tensor in work; the second call merges all, and the files are those of one go."""
    config = _config(llama, rows)
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


def test_rows_that_are_too_long_are_dropped_and_counted(llama: Path, rows: Path, tmp_path: Path, said: Said) -> None:
    """In the report; when none is left, an error says which setting to raise."""
    long = tmp_path / "data" / "rows.jsonl"
    write_rows(long, per_class=10)
    more = {"text": "please " * 300, "label": "ALLOW", "group": "long", "language": "en"}
    long.write_text(long.read_text() + json.dumps(more) + "\n")
    control = FakeControl(tmp_path)
    train_model(_config(llama, long, max_steps=0), control)
    report = json.loads((control.output_dir / "data_report.json").read_text())
    assert report["excluded"] == {"longer than 512 tokens": 1}
    with said.raised(InputError, where="training.max_length"):
        train_model(_config(llama, rows, max_length=16), FakeControl(tmp_path / "none"))


def test_validation_is_in_the_result(llama: Path, tmp_path: Path) -> None:
    """Rows that are neither trained on nor tested, the best and the last step, and whose weights are merged."""
    many = write_rows(tmp_path / "data" / "rows.jsonl", per_class=30)
    control = FakeControl(tmp_path)
    values = {"validation_rows": 6, "validate_every_steps": 1, "report_to": [], "early_stopping": {}}
    result = train_model(_config(llama, many, **values), control)
    out = control.output_dir
    sides = {side: LabeledRow.read_lines(out / f"splits/{side}.jsonl") for side in ("train", "validation", "test")}
    ids = [{row.id for row in side} for side in sides.values()]
    assert sum(map(len, ids)) == len(set.union(*ids)) == 120
    assert DataReport.read(out / "data_report.json").validation == _by_label(sides["validation"])
    points = TrainingPoint.read_lines(out / "metrics.jsonl")
    assert result.validation_rows == 6 < len(sides["validation"])
    assert [point.validation.rows for point in points if point.validation] == [6] * 3
    assert result.best_step == result.weights_step == min(points, key=lambda p: p.validation.decision_loss).step
    assert result.last_validation == points[-1].validation
    assert result.best_validation == points[result.best_step - 1].validation
    assert not (out / TENSORBOARD).exists()
    assert all("validation" in message for message in control.messages if message.startswith("loss"))


def _by_label(rows: list[LabeledRow]) -> dict[str, int]:
    return {label: sum(row.label == label for row in rows) for label in LABELS}


@pytest.mark.parametrize("values", [{"keep_best": True}, {"early_stopping": {}}])
def test_a_best_step_needs_validation_rows(
    llama: Path, rows: Path, tmp_path: Path, said: Said, values: dict[str, object]
) -> None:
    """With too few rows to keep some back, it is refused before training; without the key, training goes on."""
    control = FakeControl(tmp_path)
    with said.raised(ConfigError, where=f"training.{next(iter(values))}"):
        train_model(_config(llama, rows, **values), control)
    assert not any(message.startswith("loss") for message in control.messages)


def test_a_missing_tracker_is_told_before_the_data_is_read(llama: Path, tmp_path: Path) -> None:
    """Even before a path that does not exist."""
    with pytest.raises(ConfigError) as error:
        train_model(_config(llama, tmp_path / "none.jsonl", report_to="wandb"), FakeControl(tmp_path))
    assert error.value.where == "training.report_to"


def test_the_first_users_rows(llama: Path, tmp_path: Path) -> None:
    """Japanese rows that think, in five shapes and Shift-JIS, with turns before: all of it is trained on."""
    folder = write_thinking_rows(tmp_path / "rows", encoding="cp932")
    control = FakeControl(tmp_path)
    weights = {"thinking": 0.5, "label": 3, "classes": "balanced"}
    result = train_model(_config(llama, folder, max_steps=1, max_length=900, loss_weights=weights), control)
    splits = control.output_dir / "splits"
    sides = {side: LabeledRow.read_lines(splits / f"{side}.jsonl") for side in ("train", "validation", "test")}
    assert {side: len(rows) for side, rows in sides.items()} == {"train": 40, "validation": 8, "test": 16}
    assert result.rows == 40
    report = DataReport.read(control.output_dir / "data_report.json")
    assert report.excluded == {}
    assert sum(report.validation.values()) == 8
    assert report.sources[str(folder)]["encoding"] == "cp932 (Shift-JIS)"
    assert set(report.thinking) == {"task", "safety", "policy", "logic", "ethics", "practical", "creative", "<think>"}
    assert report.with_turns == sum(bool(row.turns) for rows in sides.values() for row in rows) > 0
    told = Targets.read(splits / "targets.json")
    encoder = load_encoder(llama)
    assert told.longest_tokens == max(len(encoder.encode(row).completion) for row in sides["train"])
    [turned] = [row for row in sides["test"] if row.turns][:1]
    prompt = encoder.chat.prompt(turned.text, turned.before)
    assert all(content in prompt for _, content in turned.before)
    assert told.longest_prompt_tokens >= len(encoder.encode(turned).prompt)


def test_a_context_too_small_for_a_tested_row(llama: Path, tmp_path: Path) -> None:
    """An ab_test.num_ctx with which rows could not be asked is refused before training, with the figure."""
    config = _config(llama, write_rows(tmp_path / "rows.jsonl", per_class=4), max_steps=0)
    small = config.model_copy(update={"ab_test": AbTest(num_ctx=64, max_new_tokens=60)})
    with pytest.raises(ConfigError) as caught:
        train_model(small, FakeControl(tmp_path))
    assert caught.value.where == "ab_test.num_ctx"
    assert "set it to 256 or more" in caught.value.remedy


def test_rows_that_need_a_longer_context(llama: Path, tmp_path: Path, said: Said) -> None:
    """Refused with the figures before training, where the model has no such context."""
    model = Path(shutil.copytree(llama, tmp_path / "model"))
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 64}))
    with said.raised(InputError):
        train_model(
            _config(model, write_rows(tmp_path / "rows.jsonl", per_class=4), max_steps=0), FakeControl(tmp_path)
        )
