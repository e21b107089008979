"""What the sessions of a study computed, counted from its store."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Work:
    """Counts over all sessions of a store in a folder."""

    committed: Counter[str]
    """Artifacts of each stage."""
    prepared: int
    """Trainings that prepared the rows themselves."""
    took_over: int
    """Trainings that took over rows that another had prepared."""
    asked_a: list[str]
    """Row of each answer that A was asked for, in any session."""
    asked_b: int
    """Answers that the models B were asked for."""
    control: list[str]
    """Row of each answer that A was asked for again."""
    control_answers: int
    """Answers of all controls, including reused ones."""


def work_of(store: Path) -> Work:
    """Count what is in the store's folder."""
    asked = [answer for answer in _answers(store, "samples.jsonl") if not answer["reused"]]
    control = _answers(store, "control.jsonl")
    return Work(
        committed=Counter(path.parts[-3] for path in store.glob("artifacts/*/*/manifest.json")),
        prepared=_logged(store, "training rows {"),
        took_over=_logged(store, "as an earlier training prepared them"),
        asked_a=[answer["row_id"] for answer in asked if answer["model"] == "a"],
        asked_b=sum(answer["model"] == "b" for answer in asked),
        control=[answer["row_id"] for answer in control if not answer["reused"]],
        control_answers=len(control),
    )


def _answers(store: Path, file: str) -> list[dict[str, Any]]:
    files = sorted(store.glob(f"artifacts/evaluate/*/attempts/*/output/{file}"))
    return [json.loads(line) for each in files for line in each.read_text().splitlines()]


def _logged(store: Path, message: str) -> int:
    """Number of attempts at training, in any session, that logged such a message."""
    logs = [file.read_text() for file in store.glob("sessions/*/train/log.jsonl")]
    return sum(message in json.loads(line)["message"] for log in logs for line in log.splitlines())
