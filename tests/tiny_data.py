"""A small four-class data set for tests: easy to learn, with groups, in schema (b)."""

from __future__ import annotations

import json
import random
from pathlib import Path

_VERBS = {
    "ALLOW": ("show me", "open", "print", "read out"),
    "ESCALATION": ("approve", "sign", "authorize", "release"),
    "DENY": ("copy", "forward", "publish", "hand over"),
    "REFUSE": ("destroy", "sabotage", "forge", "poison"),
}
_OBJECTS = ("the calendar", "the invoice", "the minutes", "the map", "the recipe", "the ledger", "the seating plan")
_ENDINGS = ("before noon", "for the committee", "once more", "without delay", "in two copies", "for the archive")


def write_rows(path: Path, *, per_class: int = 24, seed: int = 3) -> Path:
    """Write JSONL rows {text, label, group, language} and the card that declares their license."""
    choose = random.Random(seed)
    rows = []
    for label, verbs in _VERBS.items():
        seen: set[str] = set()
        while len(seen) < per_class:
            number = choose.randrange(1000)
            text = f"{choose.choice(verbs)} {choose.choice(_OBJECTS)} {choose.choice(_ENDINGS)} number {number}"
            if text not in seen:
                seen.add(text)
                rows.append({"text": text, "label": label, "group": f"{label}-{len(seen)}", "language": "en"})
    choose.shuffle(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    card = "license: cc0-1.0\nprovenance: made by the tests of this project\n"
    (path.parent / "dataset_card.yaml").write_text(card, encoding="utf-8")
    return path
