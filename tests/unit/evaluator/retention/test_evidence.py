"""What B still knows, computed again from an unpacked bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.evaluator.material import make_row
from tests.unit.evaluator.retention.test_judging import KEPT, references
from tests.unit.evaluator.test_policies import QUANTIZATIONS, evidence

from so8t_evaluator.conclude import conclude_from_files
from so8t_evaluator.evidence import recompute
from so8t_shared.config.model import Config
from so8t_shared.json_files import write_json, write_lines

RETENTION = "evaluate/retention.jsonl"


def _config(rows: str = "rows.jsonl") -> Config:
    return Config.model_validate(
        {
            "model_a": {"base_model": "m"},
            "dataset": {"paths": ["d"]},
            "gguf": {"quantizations": QUANTIZATIONS, "primary": "q4_k_m"},
            "ab_test": {"scoring": "logprob", "control": False, "bootstrap_resamples": 100, "retention": rows},
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files that count."""
    given = evidence()
    for name in ("evaluate", "conclude", "train/splits"):
        (tmp_path / name).mkdir(parents=True)
    splits = tmp_path / "train/splits"
    first = [s for s in given.samples if (s.model, s.quantization) == ("a", "f16")]
    write_lines(splits / "train.jsonl", [])
    write_lines(splits / "test.jsonl", [make_row(s.row_id, s.gold) for s in first])
    write_json(tmp_path / "evaluate/asking.json", given.asking.model_copy(update={"files": None}))
    write_lines(tmp_path / "evaluate/control.jsonl", [])
    write_lines(tmp_path / "evaluate/samples.jsonl", given.samples)
    write_lines(tmp_path / RETENTION, [line for name in QUANTIZATIONS for line in references(KEPT, name)])
    found = conclude_from_files(tmp_path / "evaluate", splits, _config().ab_test)
    assert found.retention is not None
    write_json(tmp_path / "conclude/evaluation.json", found)
    return tmp_path


def _faults(folder: Path, rows: str = "rows.jsonl") -> list[str]:
    found = recompute(folder, _config(rows).model_dump(mode="json"), texts=True)
    return [fault.where for fault in found.faults]


def test_the_same_figures(folder: Path) -> None:
    """What conclude wrote is what the scores give."""
    assert _faults(folder) == []


def _better(lines: list[Any]) -> None:
    lines[0]["logprob_b"] += 1


def _without_the_last_item(lines: list[Any]) -> None:
    lines.pop()


def _twice(lines: list[Any]) -> None:
    lines[1] = lines[0]


@pytest.mark.parametrize(
    ("change", "where"),
    [(_better, "conclude/evaluation.json: "), (_without_the_last_item, RETENTION), (_twice, RETENTION)],
)
def test_a_forgery_is_found(folder: Path, change: Callable[[list[Any]], None], where: str) -> None:
    """Better scores, an item left out, and one counted twice are named with their place."""
    path = folder / RETENTION
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = _faults(folder)
    assert found
    assert all(fault.startswith(where) for fault in found)


def test_the_shipped_set_has_a_known_length(folder: Path) -> None:
    """Items left out at every quantization are noticed where the set is known."""
    assert _faults(folder, "shipped") == [RETENTION]
