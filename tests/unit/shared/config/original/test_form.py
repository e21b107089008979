"""A file of the original form: every key is in the table, and all faults are told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.shared.config.conftest import Refused, keys_of, load
from tests.unit.shared.config.original.conftest import ALONE, TRAIN

from so8t_shared.config.load import read_config
from so8t_shared.config.original.form import is_original

AUTHORS = Path(__file__).resolve().parents[6] / "shared" / "original"


def _dotted(text: str) -> list[str]:
    return [
        f"{section}.{key}" if isinstance(value, dict) else section
        for section, value in yaml.safe_load(text).items()
        for key in (value if isinstance(value, dict) else [""])
    ]


def test_the_training_file_of_a_pipeline(pipeline: Path) -> None:
    """Each key in its order, mapped or with a reason; what the pipeline's file gives wins."""
    loaded = read_config(pipeline, environ={})
    assert loaded.original is not None
    assert [line.key for line in loaded.original.lines] == _dotted(TRAIN)
    assert all(bool(line.becomes) != bool(line.why) for line in loaded.original.lines)
    training = loaded.config.training
    assert (training.epochs, training.batch_size, training.gradient_accumulation_steps) == (3.0, 1, 16)
    assert (training.learning_rate, training.weight_decay, training.warmup_ratio) == (2e-4, 0.01, 0.1)
    assert (training.lora.r, training.lora.alpha, training.lora.dropout) == (64, 128, 0.05)
    assert (training.lora.target_modules, training.use_qlora, training.max_length) == (None, True, 2048)
    assert (training.checkpoint_every_steps, training.gradient_checkpointing) == (500, True)
    assert (loaded.config.device, loaded.config.base_of_b.base_model) == ("cuda", "models/base")
    assert loaded.config.dataset.paths == ["E:/work/rows"]


def test_a_training_file_alone(alone: Path) -> None:
    """It is a configuration: model A is its model, and B is A retrained."""
    loaded = read_config(alone, environ={})
    assert loaded.original is not None
    assert [line.key for line in loaded.original.lines] == _dotted(ALONE)
    config = loaded.config
    assert (config.model_a.base_model, config.model_b) == ("C:/models/base", None)
    assert config.training.pet.lambdas == (0.02, 0.06, 0.2)
    assert config.training.pet.boundaries == (0.1, 0.5)
    assert (config.training.use_full_finetuning, config.training.lora.r) == (False, 32)
    assert (config.output_base_dir, config.ollama.model_b_name) == ("E:/work/out", "small_card")


def test_overrides_win_over_an_original_file(alone: Path, pipeline: Path) -> None:
    """--set and the environment name present keys."""
    assert load(alone, "training.epochs=5", SO8T__TRAINING__LORA__R="4").training.epochs == 5
    assert load(alone, SO8T__TRAINING__LORA__R="4").training.lora.r == 4
    assert load(pipeline, "training.epochs=5").training.epochs == 5


@pytest.mark.parametrize(
    ("text", "original"),
    [
        ("{}", False),
        ("{learning_rate: 1.0e-4, lora: {r: 8}, so8t: {enabled: true}}", False),
        ("{training: {learning_rate: 1.0e-4}}", False),
        ("{training: {num_train_epochs: 1}}", True),
        ("{num_train_epochs: 1}", True),
        ("{so8t: {layer_indices: [1]}}", True),
        ("{qlora: {r: 8}}", True),
        ("{training: {learning_rate: 1.0e-4}, device: cpu}", True),
        ("{training: {num_train_epochs: 1}, gguf: {}}", False),
    ],
)
def test_which_form_a_file_has(text: str, original: bool) -> None:
    """A section or key that only the original has makes the difference."""
    assert is_original(yaml.safe_load(text)) is original


def test_all_faults_at_once(pipeline: Path, refused: Refused) -> None:
    """Unknown keys with what was meant, and wrong values with the key of the file, in one error."""
    wrong: dict[str, Any] = {
        "model": {"base_modle": "x"},
        "quora": {"r": 8},
        "training": {"num_train_epoch": 3, "lora_alpha": 8, "save_steps": 0, "my_own": 1, "bf16": "perhaps"},
        "pet": {"exploration_ratio": 0.9},
        "data": 5,
    }
    (pipeline.parent / "train.yaml").write_text(yaml.safe_dump(wrong))
    error = refused(pipeline)
    assert set(keys_of(error)) == {
        "model.base_modle",
        "quora",
        "training.num_train_epoch",
        "training.lora_alpha",
        "training.my_own",
        "training.bf16",
        "pet.exploration_ratio",
        "data",
        "training.checkpoint_every_steps",
    }


def test_an_original_name_in_the_configuration(tmp_path: Path, pipeline: Path, refused: Refused) -> None:
    """The fault says the present name, or why there is none."""
    text = pipeline.read_text(encoding="utf-8").replace("use_qlora: true", "num_train_epochs: 3\n  logging_steps: 1")
    pipeline.write_text(text, encoding="utf-8")
    assert keys_of(refused(pipeline)) == ["training.num_train_epochs", "training.logging_steps"]


def test_a_token_is_not_shown(alone: Path) -> None:
    """Keys that hold a secret are named without it."""
    alone.write_text(ALONE.replace("save_metrics: true", "hub_token: hf_abcdef"), encoding="utf-8")
    loaded = read_config(alone, environ={})
    assert loaded.original is not None
    assert "hf_abcdef" not in str(loaded.original.lines)


@pytest.mark.skipif(not AUTHORS.is_dir(), reason="the author's own files are not here")
def test_the_authors_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """They load as they are."""
    monkeypatch.chdir(AUTHORS)
    for path in AUTHORS.glob("*.yaml"):
        assert read_config(path, environ={}).original is not None
