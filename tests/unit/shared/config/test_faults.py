"""What is wrong with keys and values: every fault at once, each with its key, what is wanted and what was found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tests.unit.shared.config.conftest import MINIMAL, refused, write


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle_a: {}", "modle_a: unknown key; did you mean 'model_a'?"),
        ("training: {learning_rat: 1}", "training.learning_rat: unknown key; did you mean 'learning_rate'?"),
        (
            "training: {lora: {rank: 4}}",
            "training.lora.rank: unknown key; known here: r, alpha, dropout, target_modules",
        ),
        ("training: {lora: {alpa: 4}}", "training.lora.alpa: unknown key; did you mean 'alpha'?"),
        ("dpi: 99", "dpi: unknown key; it belongs at visualization.dpi"),
        ("training: {dpi: 99}", "training.dpi: unknown key; it belongs at visualization.dpi"),
        (
            "ab_test: {gate: {recal_margin: 0.1}}",
            "ab_test.gate.recal_margin: unknown key; did you mean 'recall_margin'?",
        ),
        ("gguf: {quantisations: [f16]}", "gguf.quantisations: unknown key; did you mean 'quantizations'?"),
        ("1: x", "1: "),
    ],
)
def test_unknown_keys(tmp_path: Path, text: str, message: str) -> None:
    """A misspelled or misplaced key is refused with the key that was meant, at any depth."""
    error = refused(write(tmp_path, f"{MINIMAL}{text}\n"))
    assert f"- {message}" in error.where
    assert error.what == "The configuration has a fault."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training: {max_steps: many}", ["training.max_steps", "'many'"]),
        ("training: {max_steps: 2.5}", ["training.max_steps", "2.5"]),
        ("training: {max_steps: -1}", ["training.max_steps", "greater than or equal to 0", "-1"]),
        ("training: {learning_rate: .nan}", ["training.learning_rate", "nan"]),
        ("training: {learning_rate: .inf}", ["training.learning_rate", "inf"]),
        ("training: {use_qlora: perhaps}", ["training.use_qlora", "'perhaps'"]),
        ("training: [1]", ["training: a section is needed here", "[1]"]),
        ("training: yes", ["training: a section is needed here", "True"]),
        ("gguf: {quantizations: [q3_k_m]}", ["gguf.quantizations.0", "'f16'", "'q3_k_m'"]),
        ("gguf: {quantizations: []}", ["gguf.quantizations", "at least 1"]),
        ("gguf: {quantizations: [F16, f16]}", ["gguf.quantizations", "twice"]),
        ("gguf: {quantizations: [f16], primary: q8_0}", ["primary is q8_0", "not among quantizations"]),
        ("device: tpu", ["device", "'auto', 'cpu' or 'cuda'", "'tpu'"]),
        ("visualization: {dpi: 5}", ["visualization.dpi", "30"]),
        ("visualization: {plot_format: bmp}", ["visualization.plot_format", "'bmp'"]),
        ("visualization: {output_dir: ..}", ["visualization.output_dir", "name of a folder"]),
        ("visualization: {output_dir: /}", ["visualization.output_dir", "name of a folder"]),
        ("ollama: {model_a_name: 'Name:tag'}", ["ollama.model_a_name", "without a tag"]),
        ("dataset: {paths: []}", ["dataset.paths", "at least 1"]),
        ("dataset: {paths: [d], test_fraction: 1.0}", ["dataset.test_fraction", "less than 1"]),
        ("ab_test: {scoring: [generate, generate]}", ["ab_test.scoring", "twice"]),
        ("session_id_format: 5", ["session_id_format", "string", "5"]),
        ("model_a: {description: x}", ["model_a.base_model: this key is required", "Folder of a Hugging Face"]),
    ],
)
def test_wrong_values(tmp_path: Path, text: str, words: list[str]) -> None:
    """A wrong type or value is told with its key, what is wanted and what was found."""
    raw = {**yaml.safe_load(MINIMAL), **yaml.safe_load(text)}
    error = refused(write(tmp_path, yaml.safe_dump(raw)))
    assert [word for word in words if word not in error.where] == []


def test_all_faults_at_once(tmp_path: Path) -> None:
    """One message lists every fault, a line each, and says how many."""
    error = refused(
        write(
            tmp_path,
            "training: {max_steps: x, learning_rat: 1}\ngguf: {quantizations: [q9]}\nvisualization: {dpi: y}\n",
        )
    )
    faults = re.findall(r"^    - (.*?):", error.where, re.MULTILINE)
    assert set(faults) == {
        "model_a",
        "dataset",
        "training.max_steps",
        "training.learning_rat",
        "gguf.quantizations.0",
        "visualization.dpi",
    }
    assert error.what == "The configuration has 6 faults."
    assert "config schema" in error.remedy
    assert str(tmp_path / "config.yaml") in error.where


def test_long_values_are_cut(tmp_path: Path) -> None:
    """A whole file pasted as a value does not fill the screen."""
    error = refused(write(tmp_path, f"{MINIMAL}device: {'x' * 5000}\n"))
    assert len(error.where) < 500


@pytest.mark.parametrize("text", ["{}", "", "# only a comment\n", "---\n", "null\n"])
def test_an_empty_file(tmp_path: Path, text: str) -> None:
    """Nothing is told as the two sections that are missing."""
    error = refused(write(tmp_path, text))
    assert "model_a: this key is required" in error.where
    assert "dataset: this key is required" in error.where


def test_the_source_of_a_fault(file: Path) -> None:
    """A fault says by what it was given: the file, a variable, an override; several are told apart, fault by fault."""
    assert refused(file, "training.sede=1").where.startswith("--set training.sede\n    - training.sede: unknown key")
    assert refused(file, SO8T__DEVICE="gpu").where.startswith("SO8T__DEVICE\n")
    both = refused(file, "training.use_qlora=true", "training.use_full_finetuning=true").where
    assert both.startswith("--set training.use_full_finetuning\n")
    assert "training: use_qlora and use_full_finetuning exclude each other; set one of them to false" in both
    assert "found" not in both
    assert refused(file, "gguf.quantizations=[q9]").where.startswith("--set gguf.quantizations\n")
    file.write_text(f"{MINIMAL}visualization: {{dpi: y}}\n")
    mixed = refused(file, "device=gpu").where.splitlines()
    assert set(mixed[0].split(", ")) == {str(file), "--set device"}
    assert [line for line in mixed if "given by --set device" in line] == [mixed[1]]
    assert "given by" not in mixed[2]


@pytest.mark.parametrize(
    ("override", "close"),
    [("gguf.quantizations=[q4_km]", "q4_k_m"), ("device=cudo", "cuda"), ("gguf.primary=F61", "f16")],
)
def test_a_mistyped_choice(file: Path, override: str, close: str) -> None:
    """The closest of the allowed words is suggested; for a word that is like none of them, none."""
    assert f"; did you mean {close!r}?" in refused(file, override).where
    assert "did you mean" not in refused(file, "device=zzz").where
