"""The answers of other files in an unpacked evidence bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.evaluator.alternatives.material import GOLD, compared, file_answers
from tests.unit.evaluator.material import make_row

from so8t_evaluator.alternatives.evidence import compared_otherwise
from so8t_shared.config.model import Config
from so8t_shared.json_files import write_json, write_lines
from so8t_shared.results.registry import ImportedModel, Registry

COMPARED, ANSWERS = "evaluate/alternatives.json", "evaluate/alternatives.jsonl"


def _config(*alternatives: str) -> Config:
    return Config.model_validate(
        {
            "model_a": {"base_model": "m"},
            "dataset": {"paths": ["d"]},
            "gguf": {"quantizations": ["q4_k_m"], "alternatives": list(alternatives)},
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files that count."""
    for name in ("evaluate", "import", "train/splits"):
        (tmp_path / name).mkdir(parents=True)
    write_json(tmp_path / COMPARED, compared())
    write_lines(tmp_path / ANSWERS, file_answers({"primary": GOLD, "imatrix": GOLD, "q5_k_m": GOLD}))
    rows = [make_row(str(place), gold, group=f"g{place}") for place, gold in enumerate(GOLD)]
    write_lines(tmp_path / "train/splits/validation.jsonl", rows)
    model = ImportedModel(
        **{"model": "b", "quantization": "q4_k_m", "name": "m", "stage": "convert-b", "file": "m.gguf"},
        sha256="0" * 64,
        size_bytes=1,
        modelfile="M",
    )
    write_json(tmp_path / "import/registry.json", Registry(engine="embedded", models=[model]))
    return tmp_path


def _faults(folder: Path, *alternatives: str) -> list[str]:
    return [fault.where for fault in compared_otherwise(folder, _config(*alternatives))]


def test_as_it_was(folder: Path) -> None:
    """No fault where all files were asked all rows; one where none were to be compared, or others."""
    assert _faults(folder, "imatrix", "q5_k_m") == []
    assert _faults(folder) == [COMPARED]
    assert _faults(folder, "q5_k_m", "imatrix") == [COMPARED]
    (folder / ANSWERS).unlink()
    assert _faults(folder, "imatrix", "q5_k_m") == [COMPARED]


def _another_primary(folder: Path) -> None:
    _edit(folder / COMPARED, lambda lines: lines[0]["files"][0].update(sha256="f" * 64))


def _a_row_less(folder: Path) -> None:
    _edit(folder / ANSWERS, lambda lines: lines.pop())


def _another_class(folder: Path) -> None:
    _edit(folder / ANSWERS, lambda lines: lines[0].update(predicted="REFUSE"))


def _of_another_file(folder: Path) -> None:
    _edit(folder / ANSWERS, lambda lines: lines[0].update(quantization="f16"))


def _edit(path: Path, change: Callable[[list[Any]], object]) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.suffix == ".jsonl" else []
    lines = lines or [json.loads(path.read_text())]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("forge", [_another_primary, _a_row_less, _another_class, _of_another_file])
def test_a_forgery_is_found(folder: Path, forge: Callable[[Path], None]) -> None:
    """Another file, a row less, a class that the probabilities do not say, an answer of another file."""
    forge(folder)
    assert len(_faults(folder, "imatrix", "q5_k_m")) == 1
