"""AUROC and average precision, against scikit-learn, DeLong's variance pair by pair, and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import average_precision_score, roc_auc_score
from tests.ranked_rows import Ranked

from so8t_evaluator.stats.ranking import AUPRC, AUROC, Ranking, auroc, average_precision, ranking_intervals

SITUATIONS = {
    "60": Ranked(60),
    "300": Ranked(300),
    "300, well apart": Ranked(300, apart=(2.5, 3.0)),
    "300 in groups of 3": Ranked(300, 3, 0.3),
    "300 in groups of 10": Ranked(300, 10, 0.3),
    "60 in mixed groups of 3": Ranked(60, 3, 0.3, mixed=True),
    "300 in mixed groups of 3": Ranked(300, 3, 0.3, mixed=True),
}
SETS = 500


@pytest.mark.parametrize("ranking", [AUROC, AUPRC], ids=["auroc", "average precision"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_covers_the_truth(situation: str, ranking: Ranking) -> None:
    """At least 93.5%, less Monte Carlo error, of the 95% intervals hold the true figures and their difference."""
    rows, rng = SITUATIONS[situation], np.random.default_rng(11)
    truth = rows.auroc() if ranking is AUROC else rows.average_precision()
    held = np.zeros(3)
    for _ in range(SETS):
        scores, harmful = rows.draw(rng)
        singles, difference = ranking_intervals(ranking, scores, harmful, rows.groups, 0.95)
        assert difference is not None
        pairs = zip([*singles, difference], [*truth, truth[1] - truth[0]], strict=True)
        held += [i.low <= value <= i.high for i, value in pairs]
    assert (held / SETS > 0.935 - 0.024).all(), held / SETS  # 2.2 standard errors


@pytest.mark.parametrize("digits", [1, 6])
def test_agrees_with_scikit_learn(digits: int) -> None:
    """The same figures, with and without ties."""
    (scores, _), harmful = Ranked(200).draw(np.random.default_rng(2))
    scores, ones = np.round(scores, digits), np.ones(200)
    assert auroc(scores, harmful, ones)[0] == pytest.approx(roc_auc_score(harmful, scores), abs=1e-12)
    found = average_precision(scores, harmful, ones)[0]
    assert found == pytest.approx(average_precision_score(harmful, scores), abs=1e-12)


@pytest.mark.parametrize("figure", [auroc, average_precision])
def test_influence_is_the_derivative(figure: type) -> None:
    """A little more weight on a row moves the figure by its influence."""
    (scores, _), harmful = Ranked(40).draw(np.random.default_rng(3))
    value, influence = figure(np.round(scores, 1), harmful, np.ones(40))
    for row in range(40):
        more = np.ones(40)
        more[row] += 1e-6
        moved = figure(np.round(scores, 1), harmful, more)[0] - value
        assert moved / 1e-6 * 40 == pytest.approx(influence[row], abs=1e-4)


def test_many_rows_agree_with_delong() -> None:
    """The width is that of DeLong's variance, and of a difference that of his covariances, computed pair by pair."""
    (a, b), harmful = Ranked(1500).draw(np.random.default_rng(4))
    (found, _), difference = ranking_intervals(AUROC, (a, b), harmful, np.arange(1500), 0.95)
    assert difference is not None
    wins = [(s[harmful][:, None] > s[~harmful][None, :]).astype(float) for s in (a, b)]

    def width(won: np.ndarray) -> float:
        parts = [won.mean(axis=axis) for axis in (1, 0)]
        return 2 * 1.96 * float(np.sqrt(sum(part.var(ddof=1) / len(part) for part in parts)))

    assert found.high - found.low == pytest.approx(width(wins[0]), rel=0.02)
    assert difference.high - difference.low == pytest.approx(width(wins[1] - wins[0]), rel=0.02)


def test_perfect_separation_leaves_a_width() -> None:
    """Wilson's interval of nearly as many rows as the smaller class has; of two such models, no zero width either."""
    harmful = np.arange(60) < 40
    scores = harmful.astype(float)
    (found, _), difference = ranking_intervals(AUROC, (scores, scores), harmful, np.arange(60), 0.95)
    z2 = float(t.ppf(0.975, 50)) ** 2
    assert (found.value, found.high) == (1, 1)
    assert 1 - z2 / (16 + z2) < found.low < 1 - z2 / (32 + z2)
    assert difference is not None
    assert difference.low < -0.05
    assert difference.high > 0.05


@pytest.mark.parametrize("ranking", [AUROC, AUPRC])
def test_groups_widen(ranking: Ranking) -> None:
    """Ten copies of each row tell about as much as the rows themselves."""
    scores, harmful = Ranked(90).draw(np.random.default_rng(5))
    alone = ranking_intervals(ranking, scores, harmful, np.arange(90), 0.95)
    copies = tuple(np.repeat(s, 10) for s in scores)
    copied = ranking_intervals(ranking, copies, np.repeat(harmful, 10), np.repeat(np.arange(90), 10), 0.95)
    for once, often in zip([*alone[0], alone[1]], [*copied[0], copied[1]], strict=True):
        assert once is not None
        assert often is not None
        assert often.groups == 90
        assert often.high - often.low == pytest.approx(once.high - once.low, rel=0.02)


@pytest.mark.parametrize("ranking", [AUROC, AUPRC])
def test_too_few(ranking: Ranking) -> None:
    """Five harmful rows, or harmless rows from five groups: the widest interval."""
    few = np.arange(60) < 5
    for harmful, groups in ((few, np.arange(60)), (np.arange(60) >= 20, np.arange(60) // 4)):
        singles, difference = ranking_intervals(ranking, (np.arange(60.0), -np.arange(60.0)), harmful, groups, 0.95)
        assert [(i.low, i.high, i.too_few_groups) for i in singles] == [(0, 1, True)] * 2
        assert difference is not None
        assert (difference.low, difference.high, difference.too_few_groups) == (-1, 1, True)
