"""What is wrong with keys and values: every fault at once, each with its key, what is wanted and what was found."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.unit.shared.config.conftest import MINIMAL, Refused, keys_of, write


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("modle_a: {}", "modle_a"),
        ("training: {learning_rat: 1}", "training.learning_rat"),
        ("training: {lora: {rank: 4}}", "training.lora.rank"),
        ("training: {lora: {alpa: 4}}", "training.lora.alpa"),
        ("dpi: 99", "dpi"),
        ("training: {dpi: 99}", "training.dpi"),
        ("ab_test: {gate: [{name: x, metric: accuracy, beter: true}]}", "ab_test.gate.0.beter"),
        ("gguf: {quantisations: [f16]}", "gguf.quantisations"),
        ("'gguf[0]': x", "gguf[0]"),
        ("1: x", "1"),
    ],
)
def test_unknown_keys(tmp_path: Path, text: str, key: str, refused: Refused) -> None:
    """A misspelled or misplaced key is refused with the key that was meant, at any depth."""
    error = refused(write(tmp_path, f"{MINIMAL}{text}\n"))
    assert keys_of(error) == [key]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("training: {max_steps: many}", "training.max_steps"),
        ("training: {max_steps: 2.5}", "training.max_steps"),
        ("think: {session: 20260131_235959}", "think.session"),
        ("training: {max_steps: -1}", "training.max_steps"),
        ("training: {learning_rate: .nan}", "training.learning_rate"),
        ("training: {learning_rate: .inf}", "training.learning_rate"),
        ("training: {use_qlora: perhaps}", "training.use_qlora"),
        ("training: [1]", "training"),
        ("training: yes", "training"),
        ("gguf: {quantizations: [q3_k_m]}", "gguf.quantizations.0"),
        ("gguf: {quantizations: []}", "gguf.quantizations"),
        ("gguf: {quantizations: [F16, f16]}", "gguf.quantizations"),
        ("gguf: {quantizations: [f16], primary: q8_0}", "gguf"),
        ("device: tpu", "device"),
        ("visualization: {dpi: 5}", "visualization.dpi"),
        ("visualization: {plot_format: bmp}", "visualization.plot_format"),
        ("visualization: {output_dir: ..}", "visualization.output_dir"),
        ("visualization: {output_dir: /}", "visualization.output_dir"),
        ("ollama: {model_a_name: 'Name:tag'}", "ollama.model_a_name"),
        ("dataset: {paths: []}", "dataset.paths"),
        ("dataset: {paths: [d], test_fraction: 1.0}", "dataset.test_fraction"),
        ("ab_test: {scoring: [generate, generate]}", "ab_test.scoring"),
        ("session_id_format: 5", "session_id_format"),
        ("training: {loss_weights: {classes: {ALLOW: 0}}}", "training.loss_weights.classes.ALLOW"),
        ("model_a: {description: x}", "model_a.base_model"),
    ],
)
def test_wrong_values(tmp_path: Path, text: str, key: str, refused: Refused) -> None:
    """A wrong type or value is reported with its key, what is wanted and what was found."""
    raw = {**yaml.safe_load(MINIMAL), **yaml.safe_load(text)}
    error = refused(write(tmp_path, yaml.safe_dump(raw)))
    assert keys_of(error) == [key]


def test_all_faults_at_once(tmp_path: Path, refused: Refused) -> None:
    """One message lists every fault, a line each, and says how many."""
    error = refused(
        write(
            tmp_path,
            "training: {max_steps: x, learning_rat: 1}\ngguf: {quantizations: [q9]}\nvisualization: {dpi: y}\n",
        )
    )
    assert set(keys_of(error)) == {
        "model_a",
        "dataset",
        "training.max_steps",
        "training.learning_rat",
        "gguf.quantizations.0",
        "visualization.dpi",
    }
    assert str(tmp_path / "config.yaml") in error.where


def test_long_values_are_cut(tmp_path: Path, refused: Refused) -> None:
    """A whole file pasted as a value does not fill the screen."""
    error = refused(write(tmp_path, f"{MINIMAL}device: {'x' * 5000}\n"))
    assert len(error.where) < 500


@pytest.mark.parametrize("text", ["{}", "", "# only a comment\n", "---\n", "null\n"])
def test_an_empty_file(tmp_path: Path, text: str, refused: Refused) -> None:
    """An empty configuration is reported as the two sections that are missing."""
    error = refused(write(tmp_path, text))
    assert keys_of(error) == ["model_a", "dataset"]


def test_the_source_of_a_fault(file: Path, refused: Refused) -> None:
    """A fault names its source: the file, a variable or an override; several are listed, each with its own."""
    assert refused(file, "training.sede=1").where.startswith("--set training.sede\n    - training.sede: ")
    assert refused(file, SO8T__DEVICE="gpu").where.startswith("SO8T__DEVICE\n")
    both = refused(file, "training.use_qlora=true", "training.use_full_finetuning=true").where
    assert both.startswith("--set training.use_full_finetuning\n")
    assert refused(file, "gguf.quantizations=[q9]").where.startswith("--set gguf.quantizations\n")
    file.write_text(f"{MINIMAL}visualization: {{dpi: y}}\n")
    mixed = refused(file, "device=gpu").where.splitlines()
    assert set(mixed[0].split(", ")) == {str(file), "--set device"}
    assert [line for line in mixed if "given by --set device" in line] == [mixed[1]]
    assert "given by" not in mixed[2]


@pytest.mark.parametrize("override", ["gguf.quantizations=[q4_km]", "device=cudo", "gguf.primary=F61", "device=zzz"])
def test_a_mistyped_choice(file: Path, override: str, refused: Refused) -> None:
    """The closest of the allowed words is suggested; for a word that is like none of them, none."""
    refused(file, override)
