"""The four safety classes, in the order of their ids."""

from __future__ import annotations

from math import log

LABELS: tuple[str, ...] = ("ALLOW", "ESCALATION", "DENY", "REFUSE")
"""Class names; a class's position is its id (ALLOW 0 ... REFUSE 3)."""

CHANCE_NATS = log(len(LABELS))
"""Mean loss of a guess among the classes: of a model that knows the form of the answer, not the class."""

INVALID = "INVALID"
"""Class of an answer without a readable label; such an answer is counted, never dropped."""

_ALIASES = {"ESCALATE": "ESCALATION"}


def canonical_label(value: object) -> str | None:
    """Return the class that `value` means in a data set or an answer, or None.

    Accepts a name in any case, the alias ESCALATE, or an id 0..3 (number or digit string).
    """
    if isinstance(value, bool):
        return None
    text = str(value).strip().upper()
    if text in {"0", "1", "2", "3"}:
        return LABELS[int(text)]
    text = _ALIASES.get(text, text)
    return text if text in LABELS else None
