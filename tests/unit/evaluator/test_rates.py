"""Rates counted by hand: overall, by part, and for rows in groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from tests.unit.evaluator.material import make_samples, with_logprobs

from so8t_evaluator.outcomes import outcomes_of
from so8t_evaluator.rates import rates_of
from so8t_evaluator.slices import MOST_LINES, OTHER
from so8t_evaluator.stats.paired import paired_interval
from so8t_evaluator.stats.share import share_interval
from so8t_evaluator.stats.tango import score_interval
from so8t_evaluator.stats.wilson import wilson
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.rates import Rate
from so8t_shared.tables import metrics

SETTINGS = AbTest(bootstrap_resamples=100)
GOLD = ["ALLOW"] * 10 + ["ESCALATION"] * 10 + ["DENY"] * 10 + ["REFUSE"] * 10
A = ["ALLOW"] * 40
B = [
    *["ALLOW"] * 6, *["DENY"] * 2, "REFUSE", "INVALID",
    *["ALLOW"] * 3, *["ESCALATION"] * 5, *["DENY"] * 2,
    *["ALLOW"] * 1, *["DENY"] * 8, "REFUSE",
    *["REFUSE"] * 9, "INVALID",
]  # fmt: skip


def _pair(parts: Sequence[dict[str, str]] | None = None) -> list[list[Sample]]:
    """A's and B's answers, with these fields per row."""
    found = [make_samples(GOLD, said, model=side) for side, said in (("a", A), ("b", B))]
    return [
        [s.model_copy(update=part) for s, part in zip(samples, parts or [{}] * len(GOLD), strict=True)]
        for samples in found
    ]


def _rate(rates: Sequence[Rate], metric: str, by: str = "all", value: str = "") -> Rate:
    (found,) = [r for r in rates if (r.metric, r.by, r.value) == (metric, by, value)]
    return found


@pytest.mark.parametrize(
    ("metric", "rows", "a", "b", "unread_b"),
    [
        ("accuracy", 40, 10, 6 + 5 + 8 + 9, 2),
        ("false_allow", 20, 20, 1, 1),
        ("escalation_allowed", 10, 10, 3, 0),
        ("over_refusal", 10, 0, 3, 1),
        ("escalation_rate", 40, 0, 5, 2),
        ("unread", 40, 0, 2, 2),
        ("recall_allow", 10, 10, 6, 1),
        ("recall_escalation", 10, 0, 5, 0),
        ("recall_deny", 10, 0, 8, 0),
        ("recall_refuse", 10, 0, 9, 1),
    ],
)
def test_counted_by_hand(metric: str, rows: int, a: int, b: int, unread_b: int) -> None:
    """Numerator and denominator of each share, with Wilson's interval, and Tango's of the paired difference."""
    rate = _rate(rates_of(*_pair(), SETTINGS), metric)
    for found, hits in ((rate.a, a), (rate.b, b)):
        assert found is not None
        expected = wilson(hits, rows, 0.95)
        assert (found.value, found.low, found.high) == pytest.approx((hits / rows, expected.low, expected.high))
        assert (found.rows, found.groups) == (rows, rows)
    assert rate.difference is not None
    assert rate.difference.value == pytest.approx((b - a) / rows)
    assert (rate.unread_a, rate.unread_b) == (0, unread_b)
    assert (rate.quantization, rate.scoring, rate.gathered) == ("q4_k_m", "generate", 1)


def test_nothing_of_n_has_an_upper_bound() -> None:
    """0 of 20 is not 0 %."""
    samples = make_samples(GOLD, GOLD)
    figure = _rate(rates_of(samples, samples, SETTINGS), "false_allow").b
    assert figure is not None
    assert (figure.value, figure.low) == (0, 0)
    assert figure.high == pytest.approx(0.1611, abs=1e-4)


def test_the_difference_is_paired() -> None:
    """Ten rows that A allows and B does not, with ten the other way around, are no difference, but a wide one."""
    gold = ["DENY"] * 40
    a, b = ["ALLOW"] * 10 + ["DENY"] * 30, ["DENY"] * 30 + ["ALLOW"] * 10
    rate = _rate(rates_of(make_samples(gold, a), make_samples(gold, b), SETTINGS), "false_allow")
    assert rate.difference is not None
    expected = score_interval(10, 10, 40, 0.95)
    assert (rate.difference.value, rate.difference.low) == pytest.approx((0, expected.low))


def test_without_a_row() -> None:
    """A class that no row has leaves its rates undefined, never 0; the others stand."""
    samples = make_samples(["ALLOW"] * 9, ["ALLOW"] * 9)
    rates = rates_of(samples, samples, SETTINGS)
    for metric in ("false_allow", "escalation_allowed", "recall_deny"):
        rate = _rate(rates, metric)
        assert (rate.a, rate.b, rate.difference, rate.unread_b) == (None, None, None, 0)
    assert _rate(rates, "over_refusal").b is not None


def test_by_language_and_category() -> None:
    """Shares of each part add up to the whole; other figures are not cut into parts."""
    parts = [{"language": "ja" if i % 4 == 0 else "en", "category": "xyz"[i % 3]} for i in range(40)]
    rates = rates_of(*_pair(parts), SETTINGS)
    shares = {row.name for row in metrics.OF_ANSWERS if not row.measure}
    assert {r.metric for r in rates if r.by != "all"} == shares
    assert {(r.by, r.value) for r in rates} == {
        ("all", ""), ("language", "en"), ("language", "ja"), *(("category", c) for c in "xyz")
    }  # fmt: skip
    for by in ("language", "category"):
        found = [r for r in rates if (r.metric, r.by) == ("false_allow", by)]
        assert sum(r.b.rows for r in found if r.b) == 20
        assert sum(round(r.b.value * r.b.rows) for r in found if r.b) == 1
    japanese = _rate(rates, "accuracy", "language", "ja")
    assert japanese.b is not None
    assert japanese.b.value == np.mean([g == s for g, s in zip(GOLD[::4], B[::4], strict=True)])


def test_the_smallest_parts_are_gathered() -> None:
    """A category called other is not mixed up with the line that gathers the smallest."""
    parts = [{"category": OTHER if i < 10 else f"{i}"} for i in range(40)]
    found = [r for r in rates_of(*_pair(parts), SETTINGS) if (r.metric, r.by) == ("accuracy", "category")]
    assert len(found) == MOST_LINES
    assert [(r.value, r.gathered) for r in found if r.value == OTHER] == [(OTHER, 1), (OTHER, 12)]


def test_groups() -> None:
    """Rows that share a group are counted as such: the statistics get groups as well as answers."""
    parts = [{"group": str(i // 2)} for i in range(40)]
    a, b = _pair(parts)
    rate = _rate(rates_of(a, b, SETTINGS), "accuracy")
    rows_a, rows_b = outcomes_of(a), outcomes_of(b)
    assert rate.b == share_interval(rows_b.right, rows_b.groups, 0.95)
    assert rate.difference == paired_interval(rows_b.right.astype(np.int8) - rows_a.right, rows_a.groups, 0.95)
    assert rate.b is not None
    assert (rate.b.rows, rate.b.groups) == (40, 20)
    few = _rate(rates_of(*_pair([{"group": str(i // 20)} for i in range(40)]), SETTINGS), "accuracy")
    assert few.b is not None
    assert (few.b.too_few_groups, few.b.low, few.b.high) == (True, 0, 1)


def test_b_like_a() -> None:
    """Equal answers differ by 0, with a width."""
    samples: list[Any] = make_samples(GOLD, B)
    for rate in rates_of(samples, samples, SETTINGS):
        if rate.difference is not None:
            assert rate.a == rate.b
            assert rate.difference.value == 0
            assert rate.difference.low < 0 < rate.difference.high, rate.metric


def test_every_metric_of_answers_is_computed() -> None:
    """In the table's order, each with A, B and their difference; without a prevalence, only its figure is missing."""
    settings = AbTest(bootstrap_resamples=100, prevalence=dict.fromkeys(LABELS, 1.0))
    rates = rates_of(*map(with_logprobs, _pair()), settings)
    assert [r.metric for r in rates] == [row.name for row in metrics.OF_ANSWERS]
    assert all(r.a and r.b and r.difference for r in rates)
    without = [r.metric for r in rates_of(*map(with_logprobs, _pair()), SETTINGS) if not r.b]
    assert without == ["weighted_accuracy"]
