"""Confusion matrices, against scikit-learn."""

from __future__ import annotations

import pytest
from sklearn.metrics import confusion_matrix as theirs

from so8t_evaluator.stats.confusion import COLUMNS, confusion_matrix

GOLD = ["ALLOW", "ALLOW", "DENY", "REFUSE", "REFUSE", "ESCALATION"]
SAID = ["ALLOW", "DENY", "INVALID", "REFUSE", "ALLOW", "INVALID"]


def test_agrees_with_sklearn() -> None:
    """Rows in label order, INVALID as the last column, and no row for it."""
    found = confusion_matrix(GOLD, SAID)
    assert found.shape == (4, 5)
    assert found.tolist() == theirs(GOLD, SAID, labels=list(COLUMNS))[:4].tolist()


def test_lengths_differ() -> None:
    """An answer too few is an error, not a shorter table."""
    with pytest.raises(ValueError, match="zip"):  # Python's own words: sklearn's ValueErrors would say others
        confusion_matrix(["ALLOW", "DENY"], ["ALLOW"])
