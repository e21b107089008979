"""The four classes and what counts as their names."""

from __future__ import annotations

import pytest

from so8t_shared.labels import INVALID, LABELS, canonical_label


def test_order_is_the_id() -> None:
    """ALLOW 0, ESCALATION 1, DENY 2, REFUSE 3; INVALID is none of them."""
    assert LABELS == ("ALLOW", "ESCALATION", "DENY", "REFUSE")
    assert INVALID not in LABELS


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("ALLOW", "ALLOW"),
        ("deny", "DENY"),
        (" Refuse\n", "REFUSE"),
        ("escalate", "ESCALATION"),
        ("Escalation", "ESCALATION"),
        (0, "ALLOW"),
        (3, "REFUSE"),
        ("1", "ESCALATION"),
        (" 2 ", "DENY"),
    ],
)
def test_what_is_accepted(value: object, label: str) -> None:
    """Names in any case, the alias ESCALATE, ids as numbers or digits."""
    assert canonical_label(value) == label


@pytest.mark.parametrize("value", ["", "ALLOWED", "DENY.", "4", -1, 4, None, True, False, 1.5, [], {}, "INVALID", "00"])
def test_what_is_not(value: object) -> None:
    """Anything else is None: it is for the caller to say what that means."""
    assert canonical_label(value) is None
