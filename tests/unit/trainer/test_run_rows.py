"""What the whole stage does with the rows: splits, validation, contexts that are too small."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.messages import Said
from tests.tiny_data import write_rows, write_thinking_rows
from tests.unit.trainer.material import FakeControl
from tests.unit.trainer.runs import config_of

from so8t_shared.config.model import AbTest
from so8t_shared.errors import ConfigError, InputError
from so8t_shared.labels import LABELS
from so8t_shared.results.training import TENSORBOARD, DataReport, LabeledRow, Targets, TrainingPoint
from so8t_trainer.encode import load_encoder
from so8t_trainer.run import train_model


def test_rows_that_are_too_long_are_dropped_and_counted(llama: Path, rows: Path, tmp_path: Path, said: Said) -> None:
    """In the report; when none is left, an error says which setting to raise."""
    long = tmp_path / "data" / "rows.jsonl"
    write_rows(long, per_class=10)
    more = {"text": "please " * 300, "label": "ALLOW", "group": "long", "language": "en"}
    long.write_text(long.read_text() + json.dumps(more) + "\n")
    control = FakeControl(tmp_path)
    train_model(config_of(llama, long, max_steps=0), control)
    report = json.loads((control.output_dir / "data_report.json").read_text())
    assert report["excluded"] == {"longer than 512 tokens": 1}
    with said.raised(InputError, where="training.max_length"):
        train_model(config_of(llama, rows, max_length=16), FakeControl(tmp_path / "none"))


def test_thresholds_need_validation_rows(llama: Path, tmp_path: Path, said: Said) -> None:
    """Where ab_test.policy could not be fitted, that is said before the training, not hours later."""
    rows = write_rows(tmp_path / "data" / "rows.jsonl", per_class=10)
    config = config_of(llama, rows)
    dataset = config.dataset.model_copy(update={"validation_fraction": 0.0})
    policy = AbTest.model_validate({"policy": {"false_allow": 0.02}})
    control = FakeControl(tmp_path)
    with said.raised(InputError) as raised:
        train_model(config.model_copy(update={"dataset": dataset, "ab_test": policy}), control)
    assert raised.value.exit_code == 2
    assert not control.messages or not any("loss" in message for message in control.messages)


def test_validation_is_in_the_result(llama: Path, tmp_path: Path) -> None:
    """Rows that are neither trained on nor tested, the best and the last step, and whose weights are merged."""
    many = write_rows(tmp_path / "data" / "rows.jsonl", per_class=30)
    control = FakeControl(tmp_path)
    values = {"validation_rows": 6, "validate_every_steps": 1, "report_to": [], "early_stopping": {}}
    result = train_model(config_of(llama, many, **values), control)
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
        train_model(config_of(llama, rows, **values), control)
    assert not any(message.startswith("loss") for message in control.messages)


def test_the_first_users_rows(llama: Path, tmp_path: Path) -> None:
    """Japanese rows that think, in five shapes and Shift-JIS, with turns before: all of it is trained on."""
    folder = write_thinking_rows(tmp_path / "rows", encoding="cp932")
    control = FakeControl(tmp_path)
    weights = {"thinking": 0.5, "label": 3, "classes": "balanced"}
    result = train_model(config_of(llama, folder, max_steps=1, max_length=900, loss_weights=weights), control)
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
    config = config_of(llama, write_rows(tmp_path / "rows.jsonl", per_class=4), max_steps=0)
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
            config_of(model, write_rows(tmp_path / "rows.jsonl", per_class=4), max_steps=0), FakeControl(tmp_path)
        )


def test_prepared_rows_make_the_same_files(llama: Path, tmp_path: Path) -> None:
    """Rows that an earlier training prepared make the same files, byte for byte, without the data; damaged ones not."""
    data = write_thinking_rows(tmp_path / "data")
    extra = [
        {"text": "please " * 900, "label": "ALLOW"},
        {"text": "Fetch\u2028the 鍵\u0085of \ud83d\udd11.", "label": "DENY", "category": "doors", "language": "en"},
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Open the safe!"}],
         "label": "REFUSE"},
    ]  # fmt: skip
    (data / "extra_train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in extra))
    weights = {"thinking": 0.2, "classes": {"DENY": 2.0}}
    config = config_of(llama, data, max_steps=1, max_length=900, report_to=[], loss_weights=weights)
    first, second, third = (FakeControl(tmp_path / name) for name in ("first", "second", "third"))
    train_model(config, first)
    assert DataReport.read(first.output_dir / "data_report.json").excluded == {"longer than 900 tokens": 1}
    shutil.move(data, tmp_path / "away")
    train_model(config, second, prepared=first.output_dir)
    assert _bytes_below(second.output_dir) == _bytes_below(first.output_dir)
    shutil.move(tmp_path / "away", data)
    (second.output_dir / "splits" / "train.jsonl").write_text("{}\n")
    train_model(config, third, prepared=second.output_dir)
    assert _bytes_below(third.output_dir) == _bytes_below(first.output_dir)


def _bytes_below(folder: Path) -> dict[str, bytes]:
    """Every file's bytes, but for the two that hold times."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if path.name not in {"metrics.jsonl", "training.json"}
    }
