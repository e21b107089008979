"""Values that are not taken as they are."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest

from so8t_shared.config.original.keys import BY_KEY, ROWS
from so8t_shared.config.original.row import NoEffectError, OriginalFile


def value(key: str, values: dict[str, Any], root: Path | None = None) -> Any:
    """The present value of one key of a file; NoEffectError's message in brackets if it has none."""
    try:
        return BY_KEY[key].value(OriginalFile(values, str(root) if root else None), key)
    except NoEffectError:
        return "no effect"


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        ("device", {"device": "cuda:0"}, "cuda"),
        ("data.train_data", {"data.train_data": "a.jsonl"}, ["a.jsonl"]),
        ("data.val_data", {"data.train_data": "a.jsonl", "data.val_data": "b.jsonl"}, "no effect"),
        ("data.val_data", {"data.val_data": "val.jsonl"}, "no effect"),
        ("training.optim", {"training.optim": "paged_adamw_8bit"}, "paged_adamw_8bit"),
        ("training.optim", {"training.optim": "adamw_bnb_8bit"}, "adamw_8bit"),
        ("training.optim", {"training.optim": "adamw_torch"}, "adamw"),
        ("training.save_steps", {"training.save_steps": 0.1}, "no effect"),
        ("training.save_total_limit", {"training.save_total_limit": 5}, 5),
        ("training.report_to", {"training.report_to": []}, []),
        ("training.report_to", {"training.report_to": "none"}, []),
        ("training.report_to", {"training.report_to": "wandb"}, ["wandb"]),
        ("training.report_to", {"training.report_to": "all"}, "no effect"),
        ("qlora.enabled", {"qlora.enabled": False}, True),
        ("qlora.target_modules", {"qlora.target_modules": ["q_proj"]}, ["q_proj"]),
        ("qlora.target_modules", {"qlora.target_modules": "all-linear"}, None),
        ("training.max_steps", {"training.max_steps": -1}, "no effect"),
        ("training.max_steps", {"training.max_steps": 7}, 7),
        ("training.lr_scheduler_type", {"training.lr_scheduler_type": "constant_with_warmup"}, "constant"),
        ("training.max_grad_norm", {"training.max_grad_norm": 0}, 1e9),
        ("training.use_cpu", {"training.use_cpu": True}, "cpu"),
        ("training.use_cpu", {"training.use_cpu": False}, "no effect"),
        ("pipeline.model_name", {"pipeline.model_name": "out\\My_Model"}, "my_model"),
    ],
)
def test_values(key: str, values: dict[str, Any], expected: Any) -> None:
    """One key by itself."""
    assert value(key, values) == expected


@pytest.mark.parametrize(
    ("values", "steps", "fraction"),
    [
        ({"evaluation_strategy": "steps", "eval_steps": 500}, 500, "no effect"),
        ({"eval_strategy": "no", "eval_steps": 500}, "no effect", 0.0),
        ({"evaluation_strategy": False, "eval_steps": 500}, "no effect", 0.0),
        ({"evaluation_strategy": "epoch", "eval_steps": 500}, "no effect", "no effect"),
        ({"eval_strategy": "steps", "eval_steps": 0.1}, "no effect", "no effect"),
    ],
)
def test_validation(values: dict[str, Any], steps: Any, fraction: Any) -> None:
    """Off means that no rows are kept back for it; YAML reads an unquoted no as false."""
    named = {f"training.{name}": given for name, given in values.items()}
    assert value("training.eval_steps", named) == steps
    assert value(next(iter(named)), named) == fraction


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"load_in_8bit": True, "load_in_4bit": False}, [8, "no effect"]),
        ({"load_in_8bit": False, "load_in_4bit": True}, ["no effect", 4]),
        ({"load_in_8bit": False, "load_in_4bit": False}, [16, 16]),
    ],
)
def test_bits_of_the_base(values: dict[str, bool], expected: list[Any]) -> None:
    """The switch that is on decides; both off is the compute type, unless the pipeline's file says use_qlora."""
    named = {f"quantization.{name}": given for name, given in values.items()}
    assert [value(key, named) for key in named] == expected
    qlora = OriginalFile(named, None, {"training": {"use_qlora": True}})
    if expected == [16, 16]:
        with pytest.raises(NoEffectError):
            BY_KEY["quantization.load_in_8bit"].value(qlora, "quantization.load_in_8bit")


@pytest.mark.parametrize("given", [5, -1, 0.5, True, "x", "", [], [[1]], {}, {"a": 1}, float("nan"), "**", "/*"])
def test_no_value_ends_the_program(given: Any, tmp_path: Path) -> None:
    """Whatever stands in a file is translated, has no effect, or is a fault of its key."""
    for row in ROWS:
        if row.becomes:
            values = {"data.train_data_dir": str(tmp_path), "data.train_data_pattern": given, row.key: given}
            with contextlib.suppress(ValueError, NoEffectError):
                row.value(OriginalFile(values), row.key)


@pytest.mark.parametrize(
    ("values", "ratio", "steps"),
    [
        ({"warmup_ratio": 0.1, "warmup_steps": 0}, 0.1, "no effect"),
        ({"warmup_ratio": 0.1, "warmup_steps": 5, "max_steps": 20}, "no effect", 0.25),
        ({"warmup_ratio": 0.1, "warmup_steps": 0.2}, 0.2, "no effect"),
        ({"warmup_ratio": 0.1, "warmup_steps": 0, "lr_scheduler_type": "constant"}, 0.0, 0.0),
    ],
)
def test_warmup(values: dict[str, Any], ratio: Any, steps: Any) -> None:
    """As transformers does: steps come before the ratio, a share may be in either, `constant` has no warm-up."""
    values = {f"training.{name}": given for name, given in values.items()}
    assert value("training.warmup_ratio", values) == ratio
    assert value("training.warmup_steps", values) == steps


def test_warmup_steps_of_an_unknown_number_of_steps() -> None:
    """A share cannot be computed, and is not guessed."""
    with pytest.raises(ValueError, match="warmup_ratio"):
        value("training.warmup_steps", {"training.warmup_steps": 5})


def test_pet() -> None:
    """Three weights are one key; the shares of the phases are their ends; off is all 0."""
    shares = {"pet.exploration_ratio": 0.1, "pet.transition_ratio": 0.2, "pet.stabilization_ratio": 0.7}
    assert value("pet.exploration_ratio", shares) == [0.1, 0.3]
    assert value("pet.lambda_transition", {"pet.lambda_transition": 0.5}) == [0.01, 0.5, 0.1]
    off = {"pet.enabled": False, "pet.lambda_transition": 0.5}
    assert value("pet.enabled", off) == value("pet.lambda_transition", off) == [0.0, 0.0, 0.0]
    assert value("pet.enabled", {"pet.enabled": True}) == "no effect"
    with pytest.raises(ValueError, match="add up"):
        value("pet.exploration_ratio", {"pet.exploration_ratio": 0.9})


@pytest.mark.parametrize(
    ("values", "deciding"),
    [
        ({"training.bf16": True, "training.fp16": False, "model.torch_dtype": "float32"}, "training.bf16"),
        ({"training.bf16": False, "model.torch_dtype": "torch.float32"}, "model.torch_dtype"),
        ({"quantization.use_bf16": True, "model.dtype": "auto"}, "quantization.use_bf16"),
        ({"training.bf16": False}, None),
    ],
)
def test_one_key_decides_the_type(values: dict[str, Any], deciding: str | None) -> None:
    """A switch that is on comes before the checkpoint's type; the others have no effect."""
    found = {key: value(key, values) for key in values}
    assert {key for key, result in found.items() if result != "no effect"} == ({deciding} if deciding else set())


@pytest.mark.parametrize(
    "values",
    [
        {"training.bf16": True, "training.fp16": True},
        {"training.bf16": "perhaps"},
        {"model.torch_dtype": "int3"},
        {"training.max_grad_norm": "much"},
        {"training.optim": "adafactor"},
        {"quantization.load_in_8bit": True, "quantization.load_in_4bit": True},
        {"data.train_data": 5},
        {"training.report_to": 5},
    ],
)
def test_values_that_cannot_be_understood(values: dict[str, Any]) -> None:
    """They are faults."""
    with pytest.raises(ValueError):  # noqa: PT011 - the file's fault names the key
        value(next(iter(values)), values)


def test_the_newest_matching_file_is_trained_on(tmp_path: Path) -> None:
    """By its time, as the original's scripts choose; else the fallback, else the folder."""
    values = {
        "data.train_data_dir": "D:\\rows",
        "data.train_data_pattern": "four_*.jsonl",
        "data.fallback_train_data": "D:/plain.jsonl",
    }
    key, fallback = "data.train_data_dir", "data.fallback_train_data"
    assert value(key, values, tmp_path) == ["D:\\rows"]
    assert value(fallback, values, tmp_path) == "no effect"
    (tmp_path / "plain.jsonl").touch()
    assert value(key, values, tmp_path) == value(fallback, values, tmp_path) == ["D:/plain.jsonl"]
    (tmp_path / "rows").mkdir()
    assert value(key, values, tmp_path) == ["D:\\rows"]
    for name, when in (("four_b", 10), ("four_a", 20), ("other", 30)):
        (tmp_path / "rows" / f"{name}.jsonl").touch()
        os.utime(tmp_path / "rows" / f"{name}.jsonl", (when, when))
    assert value(key, values, tmp_path) == ["D:\\rows/four_a.jsonl"]
    assert value(fallback, values, tmp_path) == ["D:\\rows/four_a.jsonl"]
    assert value(key, {**values, "data.train_data": ["x"]}, tmp_path) == "no effect"
