"""Precision, recall, F1 and macro-F1, against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_fscore_support

from so8t_evaluator.stats.confusion import COLUMNS, confusion_matrix
from so8t_shared.f1 import macro_f1, per_class
from so8t_shared.labels import LABELS


def _answers(seed: int, absent: tuple[str, ...] = (), n: int = 60) -> tuple[list[str], list[str]]:
    """Random classes and answers, INVALID among the answers, `absent` in neither."""
    rng = np.random.default_rng(seed)
    gold = [str(c) for c in rng.choice([c for c in LABELS if c not in absent], n)]
    said = [str(c) for c in rng.choice([c for c in COLUMNS if c not in absent], n)]
    return gold, said


@pytest.mark.parametrize("absent", [(), ("REFUSE",), ("ALLOW", "DENY")])
@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_as_sklearn(seed: int, absent: tuple[str, ...]) -> None:
    """The mean over the classes that occur; INVALID answers are misses and no class of their own."""
    gold, said = _answers(seed, absent)
    assert "INVALID" in said
    occurring = [c for c in LABELS if c not in absent]
    expected = f1_score(gold, said, labels=occurring, average="macro", zero_division=0)
    assert float(macro_f1(confusion_matrix(gold, said))) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_per_class_as_sklearn(seed: int) -> None:
    """All four numbers of each class."""
    gold, said = _answers(seed)
    expected = zip(*precision_recall_fscore_support(gold, said, labels=list(LABELS)), strict=True)
    found = per_class(confusion_matrix(gold, said))
    for label, (precision, recall, f1, support) in zip(LABELS, expected, strict=True):
        ours = found[label]
        assert (ours.precision, ours.recall, ours.f1) == pytest.approx((precision, recall, f1))
        assert ours.support == support


def test_undefined_is_none() -> None:
    """A class never claimed has no precision, one without a row no recall, one in neither no F1."""
    found = per_class(confusion_matrix(["ALLOW", "DENY"], ["DENY", "REFUSE"]))
    assert (found["ALLOW"].precision, found["ALLOW"].recall, found["ALLOW"].f1) == (None, 0.0, 0.0)
    assert (found["REFUSE"].precision, found["REFUSE"].recall, found["REFUSE"].f1) == (0.0, None, 0.0)
    assert (found["ESCALATION"].precision, found["ESCALATION"].recall, found["ESCALATION"].f1) == (None, None, None)


def test_class_only_claimed_counts() -> None:
    """A class that is predicted without ever being right pulls the mean down."""
    assert float(macro_f1(confusion_matrix(["ALLOW"] * 2, ["ALLOW", "DENY"]))) == pytest.approx((2 / 3 + 0) / 2)


def test_all_invalid() -> None:
    """Nothing but unreadable answers is 0, not undefined."""
    assert float(macro_f1(confusion_matrix(["ALLOW", "DENY"], ["INVALID"] * 2))) == 0.0


def test_no_row() -> None:
    """Without any row there is no mean."""
    assert math.isnan(macro_f1(confusion_matrix([], [])))


def test_batched() -> None:
    """A batch of matrices gives what each gives alone."""
    tables = [confusion_matrix(*_answers(seed)) for seed in range(4)]
    alone = [float(macro_f1(table)) for table in tables]
    assert macro_f1(np.stack(tables)).tolist() == alone
