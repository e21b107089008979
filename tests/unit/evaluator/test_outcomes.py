"""Answers as arrays."""

from __future__ import annotations

import numpy as np
from tests.unit.evaluator.material import make_samples

from so8t_evaluator.outcomes import Answers, outcomes_of
from so8t_shared.labels import LABELS

GOLD = ["ALLOW", "ESCALATION", "DENY", "REFUSE", "DENY"]
SAID = ["ALLOW", "DENY", "INVALID", "REFUSE", "DENY"]
LOGPROBS = {"REFUSE": -4.0, "ALLOW": -1.0, "DENY": -3.0, "ESCALATION": -2.0}


def test_classes() -> None:
    """Classes are places in LABELS, an unread answer is 4, and right is where both agree."""
    rows = outcomes_of(make_samples(GOLD, SAID))
    assert (rows.gold.tolist(), rows.said.tolist()) == ([0, 1, 2, 3, 2], [0, 2, 4, 3, 2])
    assert rows.right.tolist() == [True, False, False, True, True]
    assert (len(rows), rows.unread, rows.logprobs) == (5, 1, None)


def test_groups() -> None:
    """Rows of one group share a number; a row without a group stands alone."""
    groups = ["x", "", "x", "y", ""]
    samples = [s.model_copy(update={"group": g}) for s, g in zip(make_samples(GOLD, SAID), groups, strict=True)]
    found = outcomes_of(samples).groups.tolist()
    assert found[0] == found[2]
    assert len(set(found)) == 4


def test_logprobs() -> None:
    """In label order whatever the order of the keys; a row without them is unknown, and without any there are none."""
    samples = [s.model_copy(update={"logprobs": LOGPROBS}) for s in make_samples(GOLD, SAID)]
    rows = outcomes_of(samples)
    assert rows.logprobs is not None
    assert rows.logprobs.tolist() == [[LOGPROBS[label] for label in LABELS]] * 5
    chosen = rows.among(np.array([True, False, False, False, True]))
    assert chosen.logprobs is not None
    assert (len(chosen), chosen.logprobs.shape) == (2, (2, 4))
    partly = outcomes_of([*samples[1:], samples[0].model_copy(update={"logprobs": None})]).logprobs
    assert partly is not None
    assert np.isnan(partly).all(axis=1).tolist() == [False] * 4 + [True]
    assert outcomes_of(make_samples(GOLD, SAID)).logprobs is None


def test_built_once() -> None:
    """All figures of one setting share one set of arrays."""
    answers = Answers(make_samples(GOLD, SAID))
    assert outcomes_of(answers) is outcomes_of(answers)


def test_no_rows() -> None:
    """Nothing is nothing, and no error."""
    rows = outcomes_of([])
    assert (len(rows), rows.unread, rows.logprobs) == (0, 0, None)
