"""Files of answers for the tests of `compare`."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from so8t_shared.labels import LABELS

LOGS = Path(__file__).parent / "logs"
"""What other tools wrote, see its README."""

Rows = list[dict[str, Any]]


def make_rows(said: list[str | None], **keys: list[Any]) -> Rows:
    """Rows whose classes take turns; `keys` has a value per row."""
    rows: Rows = [{"id": f"r{i}", "gold": LABELS[i % 4], "predicted": p} for i, p in enumerate(said)]
    for key, values in keys.items():
        for row, value in zip(rows, values, strict=True):
            row[key] = value
    return rows


def gold(n: int) -> list[str | None]:
    """The right answers."""
    return [LABELS[i % 4] for i in range(n)]


def mostly_right(n: int, share: float, seed: int) -> list[str | None]:
    """Answers, about `share` of them right; the rest is anything."""
    chosen = random.Random(seed)
    others: list[str | None] = [*LABELS, None]
    return [label if chosen.random() < share else chosen.choice(others) for label in gold(n)]


def write(path: Path, rows: Rows) -> Path:
    """Write one object per line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
