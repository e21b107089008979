"""Fitted thresholds, computed again from an unpacked bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.evaluator.material import make_row
from tests.unit.evaluator.test_policies import QUANTIZATIONS, TARGETS, evidence

from so8t_evaluator.conclude import conclude_from_files
from so8t_evaluator.evidence import recompute
from so8t_shared.config.model import Config
from so8t_shared.json_files import write_json, write_lines
from so8t_shared.results.conversion import CONVERTED_BY
from so8t_shared.results.registry import ImportedModel, Registry

VALIDATION, POLICY = "evaluate/validation.jsonl", "conclude/policy.json"
CONFIG = Config.model_validate(
    {
        "model_a": {"base_model": "m"},
        "dataset": {"paths": ["d"]},
        "gguf": {"quantizations": QUANTIZATIONS, "primary": "q4_k_m"},
        "ab_test": {"scoring": "logprob", "control": False, "bootstrap_resamples": 100, "policy": TARGETS},
    }
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files that count."""
    given = evidence()
    for name in ("evaluate", "conclude", "import", "train/splits"):
        (tmp_path / name).mkdir(parents=True)
    splits = tmp_path / "train/splits"
    write_lines(splits / "train.jsonl", [])
    write_json(tmp_path / "evaluate/asking.json", given.asking)
    write_lines(tmp_path / "evaluate/control.jsonl", [])
    for part, samples, file in (("test", given.samples, "samples"), ("validation", given.validation, "validation")):
        first = [s for s in samples if (s.model, s.quantization) == ("a", "f16")]
        write_lines(splits / f"{part}.jsonl", [make_row(s.row_id, s.gold) for s in first])
        write_lines(tmp_path / f"evaluate/{file}.jsonl", samples)
    models = [
        ImportedModel(
            **file.model_dump(), name="m", stage=CONVERTED_BY[file.model], file="m.gguf", size_bytes=1, modelfile="M"
        )
        for file in given.asking.files or ()
    ]
    write_json(tmp_path / "import/registry.json", Registry(engine="embedded", models=models))
    found = conclude_from_files(tmp_path / "evaluate", splits, CONFIG.ab_test)
    assert found.policy is not None
    write_json(tmp_path / "conclude/evaluation.json", found)
    write_json(tmp_path / POLICY, found.policy.served())
    return tmp_path


def _faults(folder: Path) -> list[str]:
    found = recompute(folder, CONFIG.model_dump(mode="json"), texts=True)
    return [fault.where for fault in found.faults]


def _edited(path: Path, change: Callable[[Any], None]) -> None:
    """Change the document, or the first line."""
    first, *lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    found = json.loads(first)
    change(found)
    path.write_text("\n".join([json.dumps(found), *lines]) + "\n")


def test_the_same_thresholds(folder: Path) -> None:
    """What conclude wrote is what the answers give."""
    assert _faults(folder) == []


def _lower(policy: Any) -> None:
    policy["quantizations"][0]["thresholds"]["ALLOW"] -= 0.1


def _surer(sample: Any) -> None:
    sample["logprobs"][sample["predicted"]] += 0.5


FORGERIES: dict[str, tuple[str, Callable[[Any], None], str]] = {
    "a lower threshold": (POLICY, _lower, f"{POLICY}: quantizations[0].thresholds.ALLOW"),
    "another file": (POLICY, lambda p: p["quantizations"][0].update(model_sha256="f" * 64), f"{POLICY}: quantizations"),
    "another class": (VALIDATION, lambda s: s.update(gold="REFUSE"), f"{VALIDATION}: "),
    "another answer": (VALIDATION, lambda s: s.update(predicted="INVALID"), f"{VALIDATION}: "),
    "a surer answer": (VALIDATION, _surer, "conclude/evaluation.json: policy"),
    "another row": (VALIDATION, lambda s: s.update(row_id="other"), VALIDATION),
    "another model": (VALIDATION, lambda s: s.update(quantization="q8_0"), VALIDATION),
    "files": ("evaluate/asking.json", lambda a: a["files"][0].update(sha256="f" * 64), "evaluate/asking.json: files"),
}


@pytest.mark.parametrize("forgery", list(FORGERIES))
def test_a_forgery_is_found(folder: Path, forgery: str) -> None:
    """Each edit of the answers that thresholds were fitted to, or of the thresholds, is named with its place."""
    file, change, where = FORGERIES[forgery]
    _edited(folder / file, change)
    found = _faults(folder)
    assert found
    assert all(fault.startswith(where) for fault in found)
