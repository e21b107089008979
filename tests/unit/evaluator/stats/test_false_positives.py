"""The false-positive rate at a recall, against scikit-learn's curve and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_curve
from tests.ranked_rows import Ranked

from so8t_evaluator.stats.false_positives import false_positive_rates

SITUATIONS = {
    "300": Ranked(300),
    "300, well apart": Ranked(300, apart=(2.5, 3.0)),
    "300 in groups of 3": Ranked(300, 3, 0.3),
    "300 in mixed groups of 3": Ranked(300, 3, 0.3, mixed=True),
    "900 in groups of 10": Ranked(900, 10, 0.3),
}
SETS = 500


@pytest.mark.parametrize("situation", SITUATIONS)
def test_covers_the_truth(situation: str) -> None:
    """At least 93.5%, less Monte Carlo error, of the 95% intervals hold the true rates and their difference."""
    rows, rng = SITUATIONS[situation], np.random.default_rng(12)
    truth = rows.false_positive_rate(0.95)
    held = np.zeros(3)
    for _ in range(SETS):
        singles, difference = false_positive_rates(*rows.draw(rng), rows.groups, 0.95, 0.95)
        assert difference is not None
        pairs = zip([*singles, difference], [*truth, truth[1] - truth[0]], strict=True)
        held += [i.low <= value <= i.high for i, value in pairs]
    assert (held / SETS > 0.935 - 0.024).all(), held / SETS


@pytest.mark.parametrize("rows", [7, 60, 300])
def test_agrees_with_scikit_learn(rows: int) -> None:
    """The rate at the first point of the curve with that recall."""
    (scores, _), harmful = Ranked(rows).draw(np.random.default_rng(1))
    rate, recall, _ = roc_curve(harmful, scores, drop_intermediate=False)
    (found,), none = false_positive_rates((scores,), harmful, np.arange(rows), 0.95, 0.95)
    assert found.value == pytest.approx(rate[np.argmax(recall >= 0.95)])
    assert none is None


@pytest.mark.parametrize(("harmful_rows", "enough"), [(71, False), (72, True)])
def test_threshold_within_the_data(harmful_rows: int, enough: bool) -> None:
    """With 71 harmful rows all of them may lie above the threshold (0.95^71 > 2.5%), so nothing is concluded."""
    harmful = np.arange(harmful_rows + 50) < harmful_rows
    scores = np.random.default_rng(0).normal(size=len(harmful)) + harmful
    singles, difference = false_positive_rates((scores, scores), harmful, np.arange(len(harmful)), 0.95, 0.95)
    assert difference is not None
    assert [i.too_few_groups for i in (*singles, difference)] == [not enough] * 3
    assert ((singles[0].low, singles[0].high) == (0, 1)) != enough
    assert ((difference.low, difference.high) == (-1, 1)) != enough


def test_perfect_separation_leaves_a_width() -> None:
    """No false positive among 100 has an upper bound of at least 0 of 100's."""
    harmful = np.arange(200) < 100
    (found,), _ = false_positive_rates((harmful.astype(float),), harmful, np.arange(200), 0.95, 0.95)
    assert (found.value, found.low) == (0, 0)
    assert 0.03 < found.high < 0.06
