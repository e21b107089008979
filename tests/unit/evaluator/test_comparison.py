"""Cells, B against A, the family of tests, and the gate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.messages import Said
from tests.unit.evaluator.material import make_sample, make_samples

from so8t_evaluator.comparison import adjust, compare, make_quality
from so8t_evaluator.stats.confusion import COLUMNS
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.comparison import Comparison

SETTINGS = AbTest(bootstrap_resamples=100)
GOLD = list(LABELS) * 10


def _against(gold: Sequence[str], a: Sequence[str], b: Sequence[str], settings: AbTest = SETTINGS) -> Comparison:
    return compare("B vs A", make_samples(gold, a), make_samples(gold, b, model="b"), settings)


def _wrong(gold: Sequence[str], *, rows: range) -> list[str]:
    """All right but for some rows, which are unreadable."""
    return ["INVALID" if i in rows else g for i, g in enumerate(gold)]


def _answers(rng: np.random.Generator, gold: Sequence[str], skill: float) -> list[str]:
    return [g if rng.random() < skill else str(rng.choice(COLUMNS)) for g in gold]


def test_why_answers_are_invalid() -> None:
    """Rows that did not fit and answers that were cut are counted apart; a cut answer with a class is a valid one."""
    plain, class_then_cut = make_sample("0", "DENY", "INVALID"), make_sample("1", "DENY", "DENY", cut=True)
    cut, long = make_sample("2", "DENY", "INVALID", cut=True), make_sample("3", "DENY", "INVALID", over_long=True)
    quality = make_quality([plain, class_then_cut, cut, long], 0.95)
    assert (quality.invalid, quality.over_long, quality.cut, quality.rescued) == (3, 1, 1, 0)
    rescued = [make_sample("0", "DENY", "INVALID", lenient=label) for label in ("DENY", "ALLOW", "INVALID")]
    assert make_quality(rescued, 0.95).rescued == 2


def test_cell() -> None:
    """Counts, shares and the table agree with the samples; INVALID is counted and wrong."""
    samples: list[Sample] = make_samples(GOLD, _wrong(GOLD, rows=range(6)), quantization="q8_0", scoring="constrained")
    quality = make_quality(samples, 0.95)
    assert (quality.model, quality.quantization, quality.scoring) == ("a", "q8_0", "constrained")
    assert (quality.n, quality.invalid, quality.accuracy.value) == (40, 6, 34 / 40)
    assert sum(map(sum, quality.confusion)) == 40
    assert [row[-1] for row in quality.confusion] == [2, 2, 1, 1]


def test_different_rows_are_refused(said: Said) -> None:
    """Another order, another row or no row is no paired test."""
    samples = make_samples(GOLD, GOLD)
    for other in (samples[::-1], samples[1:]):
        with said.raised(ValueError):
            compare("x", samples, other, SETTINGS)
    with said.raised(ValueError):
        compare("x", [], [], SETTINGS)


def test_counts_are_consistent() -> None:
    """The four counts make up all rows, the accuracies and the difference follow, flips are rows that differ."""
    rng = np.random.default_rng(0)
    a, b = _answers(rng, GOLD, 0.5), _answers(rng, GOLD, 0.7)
    found = _against(GOLD, a, b)
    assert found.both_right + found.only_a_right + found.only_b_right + found.both_wrong == found.n == 40
    assert found.accuracy_a == sum(g == x for g, x in zip(GOLD, a, strict=True)) / 40
    assert found.accuracy_b == sum(g == y for g, y in zip(GOLD, b, strict=True)) / 40
    assert found.accuracy_difference.value == pytest.approx(found.accuracy_b - found.accuracy_a)
    assert sum(flip.count for flip in found.flips) == sum(x != y for x, y in zip(a, b, strict=True))
    assert sum(f.count for f in found.flips if f.gold == f.a) == found.only_a_right
    assert sum(f.count for f in found.flips if f.gold == f.b) == found.only_b_right
    assert all(flip.a != flip.b for flip in found.flips)


def test_against_itself() -> None:
    """The same classes on every row, with p = 1 and nothing detectable."""
    found = _against(GOLD, GOLD, GOLD)
    assert (found.verdict, found.mcnemar_p, found.minimum_detectable_effect) == ("same_classes", 1.0, None)


def test_nothing_read() -> None:
    """Answers without a single class are no agreement; one readable answer makes it one, or a difference."""
    unreadable = ["INVALID"] * len(GOLD)
    found = _against(GOLD, unreadable, unreadable)
    assert (found.answered, found.verdict) == (0, "nothing_read")
    assert adjust([found], 0.05)[0].verdict == "nothing_read"
    once = ["ALLOW", *unreadable[1:]]
    assert (_against(GOLD, once, once).answered, _against(GOLD, once, once).verdict) == (1, "same_classes")
    assert _against(GOLD, unreadable, GOLD).answered == len(GOLD)


def test_the_interval_is_that_of_the_gate() -> None:
    """Accuracy's interval is the one that the gate decides on, also where both were right on the same rows: 40 rows
    without a changed one do not show that B is less than 5 points below A."""
    rng = np.random.default_rng(0)
    for b in (GOLD, _answers(rng, GOLD, 0.7)):
        found = _against(GOLD, GOLD, b)
        assert found.accuracy_difference == found.accuracy_check.difference
    same = _against(GOLD, GOLD, GOLD)
    assert not same.accuracy_check.non_inferior
    assert same.accuracy_difference.low < -same.accuracy_check.margin


def test_what_can_be_found_follows_the_family() -> None:
    """As one of six tests, more rows and a larger difference are needed than alone."""
    a, b = (
        make_samples(GOLD, _wrong(GOLD, rows=range(14))),
        make_samples(GOLD, _wrong(GOLD, rows=range(8, 16)), model="b"),
    )
    alone, of_six = compare("B vs A", a, b, SETTINGS), compare("B vs A", a, b, SETTINGS, family=6)
    assert (alone.one_sided_rows_needed, of_six.one_sided_rows_needed) == (6, 8)
    assert alone.minimum_detectable_effect is not None
    assert (
        of_six.minimum_detectable_effect is None or of_six.minimum_detectable_effect > alone.minimum_detectable_effect
    )
    assert alone.rows_to_find is not None
    assert of_six.rows_to_find is not None
    assert 40 < alone.rows_to_find < of_six.rows_to_find


def test_swapping_sides_swaps_the_verdict() -> None:
    """Twelve answers that only one side gets right make that side better."""
    some = _wrong(GOLD, rows=range(12))
    assert _against(GOLD, some, GOLD).verdict == "b_better"
    assert _against(GOLD, GOLD, some).verdict == "a_better"


def test_verdict_after_adjust_uses_holm() -> None:
    """Six against none (p = 0.031) is significant alone, but not as one of two (0.0625)."""
    alone = _against(GOLD, _wrong(GOLD, rows=range(6)), GOLD)
    assert (alone.verdict, alone.mcnemar_p_holm) == ("b_better", None)
    [only] = adjust([alone], 0.05)
    assert (only.verdict, only.mcnemar_p_holm) == ("b_better", pytest.approx(2 / 64))
    first, second = adjust([alone, _against(GOLD, GOLD, GOLD)], 0.05)
    assert (first.verdict, first.mcnemar_p_holm) == ("no_difference", pytest.approx(4 / 64))
    assert second.verdict == "same_classes"
    assert first.mcnemar_p == alone.mcnemar_p


def test_no_false_alarms() -> None:
    """Of two equally good models, at most 5% are called different, also over a family of three."""
    rng = np.random.default_rng(5)
    families, alone, familywise = 250, 0, 0
    for _ in range(families):
        family = [_against(GOLD, _answers(rng, GOLD, 0.6), _answers(rng, GOLD, 0.6)) for _ in range(3)]
        alarms = _alarms(family)
        alone += alarms
        if alarms:  # adjusting raises every p, so it makes no new alarm
            familywise += _alarms(adjust(family, 0.05)) > 0
    assert alone / (3 * families) <= 0.05 + 0.024  # three standard errors
    assert familywise / families <= 0.05 + 0.042


def _alarms(family: Sequence[Comparison]) -> int:
    return sum(c.verdict in ("a_better", "b_better") for c in family)


def test_finds_what_is_there() -> None:
    """A model that is right three times out of ten more often is found most of the time."""
    rng, gold = np.random.default_rng(6), GOLD * 3
    verdicts = [_against(gold, _answers(rng, gold, 0.4), _answers(rng, gold, 0.8)).verdict for _ in range(50)]
    assert verdicts.count("b_better") >= 45


def test_recall_checks() -> None:
    """Recalls on the two guarded classes over their own rows, and whether B's may be lower by more than the margin."""
    gold = GOLD * 8
    worse = ["ALLOW" if g == "REFUSE" and i < 160 else g for i, g in enumerate(gold)]
    found = _against(gold, gold, worse)
    deny, refuse = found.recall_checks
    assert (deny.label, deny.rows, deny.recall_a, deny.recall_b, deny.non_inferior) == ("DENY", 80, 1.0, 1.0, True)
    assert (refuse.label, refuse.recall_a, refuse.recall_b, refuse.non_inferior) == ("REFUSE", 1.0, 0.5, False)
    assert (refuse.gained, refuse.lost) == (0, 40)
    assert refuse.difference is not None
    assert refuse.difference.low <= -0.5 <= refuse.difference.high
    accuracy = found.accuracy_check
    assert (accuracy.rows, accuracy.gained, accuracy.lost, accuracy.non_inferior) == (320, 0, 40, False)


def test_answers_that_differ_are_counted() -> None:
    """By the digest of the whole answer: two kinds of nonsense differ in no class and are not the same answer."""
    a = make_samples(GOLD, ["INVALID"] * 40)
    b = [s.model_copy(update={"model": "b", "answer_sha256": f"{i % 4}".rjust(64, "0")}) for i, s in enumerate(a)]
    found = compare("B vs A", a, b, SETTINGS)
    assert (found.verdict, found.differing_answers) == ("nothing_read", 30)
