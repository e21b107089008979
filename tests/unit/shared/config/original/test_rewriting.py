"""An imported file means the same as the original one, and keeps its comments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from so8t_shared.config.load import read_config
from so8t_shared.config.original.rewriting import meaning, write_import


def _comments(path: Path) -> list[str]:
    found = [re.search(r"(?:^|\s)#\s*(.*)", line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [match[1].strip() for match in found if match]


def test_a_pipeline_and_its_training_file(pipeline: Path) -> None:
    """One file without training.config; each comment of the pipeline's file is kept, in its order."""
    new = pipeline.with_name("new.yaml")
    write_import(pipeline, new)
    old, again = read_config(pipeline, environ={}), read_config(new, environ={})
    assert again.original is None
    assert meaning(again) == meaning(old)
    kept = _comments(new)
    own = _comments(pipeline)
    assert [comment for comment in kept if comment in own] == own
    for comment in ("the adapter / アダプタ", "rank", "the optimizer", "one row # for 12 GB"):
        assert comment in kept
    raw = yaml.safe_load(new.read_text(encoding="utf-8"))
    assert "config" not in raw["training"]
    assert raw["gguf"] == {"quantizations": ["f16", "q8_0"]}
    text = new.read_text(encoding="utf-8")
    assert text.index("# conversion") > text.index("learning_rate")
    assert old.original is not None
    assert "#   gguf.convert_script: convert.py (" in text
    for line in old.original.lines:
        assert bool(line.becomes) or f"#   {line.key}: " in text
    assert sorted(path.name for path in pipeline.parent.iterdir()) == ["new.yaml", "pipeline.yaml", "train.yaml"]


def test_a_training_file_alone(alone: Path) -> None:
    """It becomes a whole configuration."""
    new = alone.with_name("new.yaml")
    write_import(alone, new)
    assert meaning(read_config(new, environ={})) == meaning(read_config(alone, environ={}))
    assert yaml.safe_load(new.read_text(encoding="utf-8"))["model_a"] == {"base_model": "C:/models/base"}
    assert {"three phases", "first"} <= set(_comments(new))


@pytest.mark.parametrize(
    "training",
    [
        "training:\n  config: train.yaml\n# next\n",
        "training: {config: train.yaml}\n",
        "training:\n  config: train.yaml\n",
    ],
)
def test_where_the_named_file_stood_last(tmp_path: Path, training: str) -> None:
    """Removing its key loses no comment and no section."""
    (tmp_path / "train.yaml").write_text("qlora: {r: 4, lora_alpha: 8}\npet: {lambda_transition: 0.5}\n")
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(f"model_a: {{base_model: m}}\n{training}dataset: {{paths: [d]}}\n")
    write_import(old, new)
    assert meaning(read_config(new, environ={})) == meaning(read_config(old, environ={}))
    assert _comments(new)[: len(_comments(old))] == _comments(old)


def test_a_present_file_is_only_rid_of_what_has_no_effect(tmp_path: Path) -> None:
    """Its keys stay where they are; the one that goes is named."""
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text("model_a: {base_model: m}\ndataset: {paths: [d]}  # rows\ngguf: {convert_script: x}\n")
    write_import(old, new)
    kept, _, named = new.read_text().partition("\n\n")
    assert kept == "model_a: {base_model: m}\ndataset: {paths: [d]}  # rows\ngguf: {}"
    assert "gguf.convert_script: x (" in named
