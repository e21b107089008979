"""Cells, B against A, the family of tests, and the gate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.messages import Said
from tests.unit.evaluator.material import make_sample, make_samples

from so8t_evaluator.comparison import adjust, compare, make_quality
from so8t_evaluator.stages import outcome
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


def _mistaken(gold: Sequence[str], *, rows: range) -> list[str]:
    """All right but for some rows, which get another class."""
    return [LABELS[LABELS.index(g) - 1] if i in rows else g for i, g in enumerate(gold)]


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
    """The same classes on every row with p = 1."""
    found = _against(GOLD, GOLD, GOLD)
    assert (found.verdict, found.p_value) == ("same_classes", 1.0)


def test_nothing_read() -> None:
    """Answers without a single class are no agreement."""
    unreadable = ["INVALID"] * len(GOLD)
    found = _against(GOLD, unreadable, unreadable)
    assert (found.unread_a, found.unread_b, found.verdict) == (40, 40, "nothing_read")
    assert adjust([found], 0, 0.05)[0].verdict == "nothing_read"


def test_mostly_unread() -> None:
    """Where most answers of one model cannot be read there is nothing to compare; where half of them can, there is."""
    most, half = _wrong(GOLD, rows=range(21)), _wrong(GOLD, rows=range(20))
    for a, b in ((most, GOLD), (GOLD, most), (most, most)):
        assert _against(GOLD, a, b).verdict == "mostly_unread"
    assert _against(GOLD, half, GOLD).verdict == "form_only"
    assert _against(GOLD, half, half).verdict == "same_classes"


def test_nothing_right() -> None:
    """Two models that are wrong on every row do not tie at zero: there was nothing to compare."""
    a, b = (["DENY" if g == other else other for g in GOLD] for other in ("ALLOW", "REFUSE"))
    assert _against(GOLD, a, b).verdict == "nothing_right"
    assert _against(GOLD, a, a).verdict == "nothing_right"
    assert _against(GOLD, a, ["ALLOW", *b[1:]]).verdict == "no_difference"


def test_groups() -> None:
    """Six rows that only B got right are a difference if each stands alone, and none if they are one group."""
    gold, some = GOLD * 2, _mistaken(GOLD * 2, rows=range(6))
    a, b = make_samples(gold, some), make_samples(gold, gold, model="b")
    assert compare("x", a, b, SETTINGS).verdict == "b_better"
    by_row = {size: [{"group": str(i // size)} for i in range(len(gold))] for size in (6, 20)}
    for size, verdict in ((6, "no_difference"), (20, "too_few_groups")):
        grouped = [[s.model_copy(update=g) for s, g in zip(x, by_row[size], strict=True)] for x in (a, b)]
        found = compare("x", *grouped, SETTINGS)
        assert (found.verdict, found.p_value) == (verdict, 1.0)
        assert (found.accuracy_difference.rows, found.accuracy_difference.groups) == (80, -(-80 // size))
    assert found.accuracy_difference.too_few_groups
    assert (found.accuracy_difference.low, found.accuracy_difference.high) == (-1, 1)


def test_few_rows_still_leave_a_width() -> None:
    """40 rows without a changed one do not show that B is less than 5 points below A."""
    assert _against(GOLD, GOLD, GOLD).accuracy_difference.low < -0.05


def test_swapping_sides_swaps_the_verdict() -> None:
    """Twelve answers that only one side gets right make that side better."""
    some = _mistaken(GOLD, rows=range(12))
    assert _against(GOLD, some, GOLD).verdict == "b_better"
    assert _against(GOLD, GOLD, some).verdict == "a_better"


def test_the_headline_comes_first() -> None:
    """Six against none (p = 0.031) is significant as the headline, wherever it stands, but not as one of two others."""
    same, six = _against(GOLD, GOLD, GOLD), _against(GOLD, _mistaken(GOLD, rows=range(6)), GOLD)
    nine = _against(GOLD, _mistaken(GOLD, rows=range(9)), GOLD)
    assert (six.verdict, six.p_adjusted) == ("b_better", None)
    for family, headline, p in (
        ([six], 0, [2 / 64]),
        ([same, six, nine], 1, [1, 2 / 64, 2 / 64]),
        ([same, six, nine], 2, [1, 4 / 64, 2 / 512]),
        ([same, six, nine], 0, [1, 1, 1]),  # the headline shows nothing, so nothing else counts
    ):
        adjusted = adjust(family, headline, 0.05)
        assert [c.p_adjusted for c in adjusted] == pytest.approx(p)
        expected = ["b_better" if x < 0.05 else "no_difference" for x in p]
        assert [c.verdict for c in adjusted if c.flips] == [v for v, c in zip(expected, family, strict=True) if c.flips]
        assert [c.p_value for c in adjusted] == [c.p_value for c in family]


def test_no_false_alarms() -> None:
    """Of two equally good models, at most 5% are called different, also over a family of three."""
    rng = np.random.default_rng(5)
    families, alone, familywise = 250, 0, 0
    for _ in range(families):
        family = [_against(GOLD, _answers(rng, GOLD, 0.6), _answers(rng, GOLD, 0.6)) for _ in range(3)]
        alarms = _alarms(family)
        alone += alarms
        if alarms:  # adjusting lowers no p, so it makes no new alarm
            familywise += _alarms(adjust(family, 0, 0.05)) > 0
    assert alone / (3 * families) <= 0.05 + 0.024  # three standard errors
    assert familywise / families <= 0.05 + 0.042


def _alarms(family: Sequence[Comparison]) -> int:
    return sum(c.verdict in ("a_better", "b_better") for c in family)


def test_finds_what_is_there() -> None:
    """A model that is right three times out of ten more often is found most of the time."""
    rng, gold = np.random.default_rng(6), GOLD * 3
    verdicts = [_against(gold, _answers(rng, gold, 0.4), _answers(rng, gold, 0.8)).verdict for _ in range(50)]
    assert verdicts.count("b_better") >= 45


def test_answers_that_differ_are_counted() -> None:
    """By the digest of the whole answer: two kinds of nonsense differ in no class and are not the same answer."""
    a = make_samples(GOLD, ["INVALID"] * 40)
    b = [s.model_copy(update={"model": "b", "answer_sha256": f"{i % 4}".rjust(64, "0")}) for i, s in enumerate(a)]
    found = compare("B vs A", a, b, SETTINGS)
    assert (found.verdict, found.differing_answers) == ("nothing_read", 30)


def test_the_log_has_no_accuracy_of_answers_that_cannot_be_read(said: Said) -> None:
    """One line for each comparison; what was not compared has counts alone."""
    said(outcome(_against(GOLD, ["INVALID"] * 40, GOLD)))
    said(outcome(_against(GOLD, ["ALLOW"] * 40, GOLD)))
