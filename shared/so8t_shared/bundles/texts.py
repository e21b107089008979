"""What remains of rows and answers in a bundle without texts."""

from __future__ import annotations

import json
from typing import Any

from so8t_shared.results.alternatives import ALTERNATIVE_ANSWERS_FILE
from so8t_shared.results.answers import CONTROL_FILE, SAMPLES_FILE, VALIDATION_FILE
from so8t_shared.results.ladder import LADDER_FILE
from so8t_shared.results.retention import RETENTION_FILE

_ANSWERS: dict[str, Any] = {"final": "", "text": ""}
_ROWS: dict[str, Any] = {"text": "", "turns": [], "thinking": {}}
_TEXTS = {
    f"evaluate/{SAMPLES_FILE}": _ANSWERS,
    f"evaluate/{CONTROL_FILE}": _ANSWERS,
    f"evaluate/{VALIDATION_FILE}": _ANSWERS,
    f"evaluate/{ALTERNATIVE_ANSWERS_FILE}": _ANSWERS,
    f"evaluate/{RETENTION_FILE}": {"prompt": "", "reference": ""},
    **{f"train/splits/{part}.jsonl": _ROWS for part in ("train", "validation", "test")},
}
"""File to its keys that hold texts, with what takes their place."""
_PROMPTS = frozenset({f"evaluate/{LADDER_FILE}"})
"""Documents that show parts of prompts."""
_MEASUREMENTS = frozenset({"train/metrics.jsonl"})


def has_texts(name: str) -> bool:
    """Whether a file has texts, or may have some: any lines that are not known."""
    return name in _PROMPTS or (name.endswith(".jsonl") and name not in _MEASUREMENTS)


def without_texts(name: str, data: bytes) -> bytes | None:
    """The file without texts, as it is if it has none; None if it is not known which of its values are texts."""
    if not has_texts(name):
        return data
    if name not in _TEXTS:
        return None
    lines = (json.loads(line) for line in data.splitlines() if line.strip())
    left = ({**line, **{key: empty for key, empty in _TEXTS[name].items() if key in line}} for line in lines)
    return "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in left).encode()


def texts_in(name: str, data: bytes) -> int:
    """Number of lines that have a text all the same.

    Raises:
        ValueError: a line is no object.
    """
    lines = (json.loads(line) for line in data.splitlines() if line.strip())
    return sum(any(line.get(key) for key in _TEXTS.get(name, {})) for line in lines)
