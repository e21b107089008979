"""Keys that an original file leaves out are named where the default here is another one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from so8t_shared.config.load import read_config
from so8t_shared.config.original.keys import ROWS
from so8t_shared.config.original.left_out import DEFAULTS, NO_VALUE_HERE, Default
from so8t_shared.config.original.row import NoEffectError, OriginalFile, Row

_ELSEWHERE = {
    "training.validate_every_steps": "no default: it follows from eval_strategy",
    "training.keep_best": "both are off",
    "device": "both choose by what is there",
}
"""Present keys of fields that need no row."""
_IN_WORDS = {
    "training.max_steps": None,  # -1 means: all epochs
    "training.dtype": "float32",  # neither bf16 nor fp16
    "training.gradient_checkpointing": False,  # None since version 5
}
"""Defaults that the row of the original key does not translate."""


def _fields(kind: Any) -> dict[str, Any]:
    return {field.name: field.default for field in dataclasses.fields(kind)}


def _libraries() -> list[tuple[Row, Any]]:
    import peft
    import transformers

    fields = {"training": _fields(transformers.TrainingArguments), "qlora": _fields(peft.LoraConfig)}
    split = [(row, *row.key.partition(".")[::2]) for row in ROWS if row.becomes]
    return [(row, fields[part][name]) for row, part, name in split if name in fields.get(part, {})]


def test_the_table_has_the_libraries_defaults() -> None:
    """Every field of the installed versions that becomes a key has its default in the table, as a value of the key."""
    table = {row.key: row for row in DEFAULTS}
    assert len(table) == len(DEFAULTS)
    found = _libraries()
    assert {row.becomes for row, _ in found} - set(_ELSEWHERE) == set(table)
    translated = {key for row, default in found if (key := _compared(row, default, table))}
    assert translated == {key for key, row in table.items() if row.value is not NO_VALUE_HERE}


def _compared(row: Row, default: Any, table: dict[str, Default]) -> str:
    """The key whose value in the table is the translated default; '' if there is nothing to translate."""
    if row.becomes in _ELSEWHERE or (default is None and row.becomes not in _IN_WORDS):
        return ""
    try:
        value = _IN_WORDS[row.becomes] if default is None else row.value(OriginalFile({row.key: default}), row.key)
    except NoEffectError:
        value = _IN_WORDS[row.becomes]
    assert value == table[row.becomes].value, row.key
    return row.becomes


def _left_out(folder: Path, text: str, *overrides: str) -> dict[str, str]:
    file = folder / "train.yaml"
    file.write_text(f"model: {{base_model: x}}\ndata: {{train_data: [y.jsonl]}}\n{text}")
    lines = read_config(file, overrides, environ={}).left_out()
    if not lines:
        return {}
    [line] = lines
    assert line.startswith(f"left out of {file}, so ours: ")
    named = [part.split(" ", 1) for part in line.partition("so ours: ")[2].removesuffix(")").split("), ")]
    return {key: rest.replace("(", "") for key, rest in named}


def test_what_differs_is_named(tmp_path: Path) -> None:
    """With both values; a default that is the same is not, and one that no key here can say is named in words."""
    found = _left_out(tmp_path, "training: {weight_decay: 0.01}\n")
    assert found["training.adam_beta2"] == "0.95 transformers: 0.999"
    assert found["training.learning_rate"] == "0.0002 transformers: 5e-05"
    assert found["training.checkpoints_kept"] == "5 transformers: all"
    assert found["training.lora.alpha"] == "16 peft: 8"
    assert not {"training.weight_decay", "training.seed", "training.adam_beta1", "training.batch_size"} & set(found)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("training: {adam_beta2: 0.95}", "training.adam_beta2"),
        ("training: {max_steps: 5}", "training.epochs"),
        ("training: {warmup_ratio: 0}", "training.warmup_ratio"),
        ("training: {fp16: true}", "training.dtype"),
        ("quantization: {use_bf16: true}", "training.dtype"),
        ("training: {evaluation_strategy: steps}", "dataset.validation_fraction"),
        ("training: {eval_steps: 5}", "dataset.validation_fraction"),
        ("qlora: {enabled: false}", "training.lora.alpha"),
        ("training: {lora: {alpha: 16}}", "training.lora.alpha"),
    ],
)
def test_what_the_file_says_is_not_named(text: str, key: str, tmp_path: Path) -> None:
    """Whatever it says, in the original's words or in ours."""
    assert key in _left_out(tmp_path, "training: {weight_decay: 0.01}\n")
    assert key not in _left_out(tmp_path, text)


def test_what_wins_over_the_file_is_not_named(tmp_path: Path, pipeline: Path) -> None:
    """An override, and the configuration that names the file; an empty value says nothing."""
    text = "training: {weight_decay: 0.01, adam_beta2: }\n"
    assert "training.adam_beta2" in _left_out(tmp_path, text)
    assert "training.adam_beta2" not in _left_out(tmp_path, text, "training.adam_beta2=0.95")
    train = pipeline.with_name("train.yaml")
    raw = yaml.safe_load(train.read_text("utf-8"))
    assert read_config(pipeline, environ={}).left_out() == []
    for name in ("adam_beta2", "learning_rate"):
        del raw["training"][name]
    train.write_text(yaml.safe_dump(raw), "utf-8")
    pipeline.write_text(pipeline.read_text("utf-8").replace("training:", "training:\n  learning_rate: 2.0e-4"), "utf-8")
    [line] = read_config(pipeline, environ={}).left_out()
    assert line.endswith("so ours: training.adam_beta2 0.95 (transformers: 0.999)")
