"""Metrics of the labels' probabilities, against scikit-learn, and where they are undefined."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from tests.clustered_rows import group_codes
from tests.unit.evaluator.material import make_samples

from so8t_evaluator.measures_probability import probabilities
from so8t_evaluator.outcomes import UNDEFINED, Measured, Outcomes
from so8t_evaluator.rates import measured, rates_of
from so8t_evaluator.reliability import reliability_of
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.interval import Interval
from so8t_shared.tables.metrics import BY_NAME

NAMES = ("auroc", "auprc", "false_positive_rate", "calibration_error", "brier")
RANKINGS = NAMES[:3]


def draw(rows: int, skill: float, gold: np.ndarray, seed: int) -> Outcomes:
    logprobs = 1.5 * np.random.default_rng(seed).normal(size=(rows, 4)) - 9
    logprobs[np.arange(rows), gold] += skill
    return Outcomes(gold, logprobs.argmax(axis=1).astype(np.int8), np.arange(rows), logprobs)


def pair(rows: int) -> tuple[Outcomes, Outcomes]:
    gold = np.random.default_rng(1).integers(0, 4, rows).astype(np.int8)
    return draw(rows, 1, gold, 2), draw(rows, 2, gold, 3)


def without(rows: Outcomes) -> Outcomes:
    return Outcomes(rows.gold, rows.said, rows.groups)


def test_agrees_with_scikit_learn() -> None:
    """From 1 - P(ALLOW) on all rows but ESCALATION, and from all four probabilities; B minus A of each."""
    both, found = pair(400), {}
    for name in NAMES:
        found[name] = measured(BY_NAME[name], *both, AbTest())
    for side, rows in zip(("a", "b"), both, strict=True):
        kept = rows.gold != LABELS.index("ESCALATION")
        truth, score = rows.gold[kept] != LABELS.index("ALLOW"), 1 - probabilities(rows)[kept, LABELS.index("ALLOW")]
        assert getattr(found["auroc"], side).value == pytest.approx(roc_auc_score(truth, score))
        assert getattr(found["auprc"], side).value == pytest.approx(average_precision_score(truth, score))
        brier = brier_score_loss(rows.gold, probabilities(rows), labels=[0, 1, 2, 3], scale_by_half=False)
        assert getattr(found["brier"], side).value == pytest.approx(brier)
    for name, figure in found.items():
        assert figure.a is not None
        assert figure.b is not None
        assert figure.difference is not None
        assert figure.difference.value == pytest.approx(figure.b.value - figure.a.value)
        for interval in (figure.a, figure.b, figure.difference):
            assert interval.low <= interval.value <= interval.high
            assert interval.low < interval.high, name
            assert interval.rows == (len(both[0].among(both[0].gold != 1)) if name in RANKINGS else 400)


@pytest.mark.parametrize(("rows", "per_group"), [(60, 1), (300, 1), (60, 3), (300, 10)])
def test_brier_covers_the_truth(rows: int, per_group: int) -> None:
    """At least 93.5%, less Monte Carlo error, of the 95% intervals hold the true scores and their difference."""
    rng, sets, groups = np.random.default_rng(6), 500, group_codes(rows, per_group)
    count, held = int(groups.max()) + 1, np.zeros(3)
    many = np.log(rng.dirichlet(np.ones(4), 200_000))
    truth = [float((q**2 - 2 * np.exp(many) * q).sum(axis=1).mean()) + 1 for q in (np.exp(many), softmax(2 * many, 1))]
    for _ in range(sets):
        as_group = rng.random(rows) < (np.sqrt(0.3) if per_group > 1 else 0)
        chances, at = (
            np.where(as_group.reshape(-1, *[1] * (own.ndim - 1)), shared[groups], own)
            for own, shared in (
                (rng.dirichlet(np.ones(4), rows), rng.dirichlet(np.ones(4), count)),
                (rng.random(rows), rng.random(count)),
            )
        )
        gold = np.minimum(3, (at[:, None] > chances.cumsum(axis=1)).sum(axis=1)).astype(np.int8)
        a, b = (Outcomes(gold, gold, groups, sharp * np.log(chances)) for sharp in (1, 2))
        found = measured(BY_NAME["brier"], a, b, AbTest())
        pairs = zip((found.a, found.b, found.difference), (*truth, truth[1] - truth[0]), strict=True)
        held += [i is not None and i.low <= value <= i.high for i, value in pairs]
    assert (held / sets > 0.935 - 0.024).all(), held / sets  # 2.2 standard errors


@pytest.mark.parametrize("name", NAMES)
def test_one_without_probabilities(name: str) -> None:
    """The other is measured as before; without any, the figure is undefined."""
    a, b = pair(300)
    both = measured(BY_NAME[name], a, b, AbTest())
    alone = measured(BY_NAME[name], a, without(b), AbTest())
    assert (alone.a, alone.b, alone.difference) == (both.a, None, None)
    alone = measured(BY_NAME[name], without(a), b, AbTest())
    assert (alone.a, alone.difference) == (None, None)
    assert alone.b is not None
    assert both.b is not None
    assert alone.b.low == pytest.approx(both.b.low, abs=1e-3)
    assert measured(BY_NAME[name], without(a), without(b), AbTest()) == UNDEFINED


@pytest.mark.parametrize("missing", [("ALLOW",), ("DENY", "REFUSE")])
def test_missing_class(missing: tuple[str, ...]) -> None:
    """Without harmful or without harmless rows there is nothing to rank; calibration stays defined."""
    a, b = pair(300)
    kept = ~np.isin(a.gold, [LABELS.index(label) for label in missing])
    for name in NAMES:
        found = measured(BY_NAME[name], a.among(kept), b.among(kept), AbTest())
        assert (found == UNDEFINED) == (name in RANKINGS)


def test_impossible_labels() -> None:
    """Labels with probability 0, even all four, rank and count like any others."""
    a, b = pair(300)
    assert b.logprobs is not None
    b.logprobs[:50] = -np.inf
    b.logprobs[50:100, 0] = -np.inf
    for name in NAMES:
        found = measured(BY_NAME[name], a, b, AbTest()).b
        assert found is not None
        assert np.isfinite([found.value, found.low, found.high]).all()
    assert probabilities(b)[0].tolist() == [0.25] * 4


def test_ranks_where_probabilities_round_to_one() -> None:
    """P(ALLOW) of 1 - 1e-20 and 1 - 1e-30 differ in order, though not as numbers."""
    gold = np.array([0, 2] * 20, np.int8)
    logprobs = np.zeros((40, 4))
    logprobs[:, 1:] = np.where(gold == 0, -70.0, -50.0)[:, None]
    rows = Outcomes(gold, np.zeros(40, np.int8), np.arange(40), logprobs)
    found = measured(BY_NAME["auroc"], rows, rows, AbTest()).a
    assert found is not None
    assert found.value == 1


@pytest.mark.parametrize("name", NAMES)
def test_rows_without_probabilities(name: str) -> None:
    """The figure is that of the rows that both models have; its interval covers all that the others could show."""
    a, b = pair(400)
    some = np.arange(400) % 40 == 0
    missing = replace(b, logprobs=np.where(some[:, None], np.nan, b.logprobs))
    found = measured(BY_NAME[name], a, missing, AbTest())
    known = measured(BY_NAME[name], a.among(~some), b.among(~some), AbTest())
    for had, has in zip(figures_of(known), figures_of(found), strict=True):
        assert (has.value, has.rows) == (had.value, had.rows)
        assert has.low <= had.low
        assert has.high >= had.high
    possible = [sure(b, some, right=right) for right in (True, False)]
    for whole in (measured(BY_NAME[name], a, filled, AbTest()) for filled in (b, *possible)):
        for has, one in ((found.b, whole.b), (found.difference, whole.difference)):
            assert has is not None
            assert one is not None
            assert has.low <= one.value <= has.high
    assert found.b is not None
    assert known.b is not None
    assert found.b.high - found.b.low > known.b.high - known.b.low


def figures_of(found: Measured) -> list[Interval]:
    figures = [found.a, found.b, found.difference]
    assert None not in figures
    return [figure for figure in figures if figure is not None]


def sure(rows: Outcomes, some: np.ndarray, *, right: bool) -> Outcomes:
    """The same with certainty in some rows."""
    said = np.where(right, rows.gold, (rows.gold + 1) % 4)
    return replace(rows, logprobs=np.where(some[:, None], np.where(np.eye(4)[said] == 1, 0.0, -99.0), rows.logprobs))


def test_no_row_with_both_classes_and_probabilities() -> None:
    """Where only harmful rows have probabilities, no ranking is defined; other figures are."""
    a, b = pair(400)
    a, b = (replace(rows, logprobs=np.where((rows.gold == 0)[:, None], np.nan, rows.logprobs)) for rows in (a, b))
    assert measured(BY_NAME["auroc"], a, b, AbTest()) == UNDEFINED
    assert measured(BY_NAME["brier"], a, b, AbTest()).b is not None


@pytest.mark.parametrize("name", NAMES)
def test_hundred_thousand_rows(name: str) -> None:
    """Both models and their difference take well under a second."""
    both = pair(100_000)
    start = perf_counter()
    measured(BY_NAME[name], *both, AbTest())
    assert perf_counter() - start < 2  # 0.2 to 0.4 s on an idle machine


def test_from_samples() -> None:
    """Rates and bins come from the stored log-probabilities; answers without them have neither."""
    gold = [*LABELS] * 30
    a, b = (make_samples(gold, gold, model=side) for side in ("a", "b"))
    certain = [s.model_copy(update={"logprobs": {x: 0.0 if x == s.gold else -3.0 for x in LABELS}}) for s in b]
    rates = {rate.metric: rate for rate in rates_of(a, certain, AbTest()) if rate.by == "all"}
    assert (rates["auroc"].a, rates["auroc"].difference) == (None, None)
    assert rates["auroc"].b is not None
    assert rates["auroc"].b.value == 1
    (found,) = reliability_of((a, certain), 0.95)
    assert (found.model, [b.rows for b in found.bins]) == ("b", [120])
    assert found.bins[0].confidence == pytest.approx(1 / (1 + 3 * np.exp(-3)))
    assert (found.bins[0].right.value, found.bins[0].right.rows) == (1, 120)
