"""Fitting a file's policy, and counting what it does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binom
from tests.unit.evaluator.likely import TOO_SURE, draw
from tests.unit.evaluator.material import make_sample, make_samples

from so8t_evaluator.stats.clopper_pearson import upper_bound
from so8t_evaluator.thresholds import (
    STRICTEST,
    TEMPERATURES,
    Decided,
    decided_by,
    fit,
    likelihoods_of,
    risk_curve,
    shares_of,
)
from so8t_shared.classes import decide
from so8t_shared.config.policy import PolicyTargets
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.asking import AskedFile
from so8t_shared.results.policy import QuantizationPolicy

FILE = AskedFile(model="b", quantization="q4_k_m", sha256="b" * 64)
TARGETS = PolicyTargets(false_allow=0.05)
PLAIN = QuantizationPolicy(
    quantization="q4_k_m", model_sha256="b" * 64, temperature=1.0, thresholds=dict.fromkeys(LABELS, 0.0)
)


def _sure(row: str, gold: str, said: str, share: float) -> Sample:
    """An answer whose class has this share, and the others share the rest."""
    logprobs = {label: float(np.log(share if label == said else (1 - share) / 3)) for label in LABELS}
    return make_sample(row, gold, said, logprobs=logprobs, scoring="logprob")


def _at(policy: QuantizationPolicy, threshold: float) -> QuantizationPolicy:
    return policy.model_copy(update={"thresholds": {**policy.thresholds, "ALLOW": threshold}})


def test_the_rule_is_that_of_think() -> None:
    """Each row gets the class that /think gives it; what has no class there is escalated here."""
    rng = np.random.default_rng(3)
    samples = draw(rng, rows=200)
    samples[0] = samples[0].model_copy(update={"logprobs": None, "predicted": "INVALID"})
    samples[1] = samples[1].model_copy(update={"upper_bounds": [samples[1].predicted], "predicted": "INVALID"})
    samples[2] = samples[2].model_copy(update={"logprobs": dict.fromkeys(LABELS, float("-inf"))})
    policy = fit(samples, FILE, TARGETS, 0.95)
    found = decided_by(policy, samples)
    expected = [decide(likelihoods_of(s), policy, 0.5).label or "ESCALATION" for s in samples]
    assert [LABELS[each] for each in found.said] == expected
    assert expected[:3] == ["ESCALATION"] * 3
    assert {"ALLOW", "DENY", "REFUSE"} < set(expected)


def test_the_temperature_undoes_too_much_confidence() -> None:
    """A model that is twice too sure gets about 2, a perfect one the lowest."""
    policy = fit(draw(np.random.default_rng(2), rows=2000), FILE, TARGETS, 0.95)
    assert policy.temperature == pytest.approx(TOO_SURE, rel=0.1)
    perfect = [_sure(str(i), LABELS[i % 4], LABELS[i % 4], 0.9) for i in range(40)]
    assert fit(perfect, FILE, TARGETS, 0.95).temperature == pytest.approx(TEMPERATURES[0], rel=1e-3)
    assert fit(make_samples(["DENY"], ["DENY"]), FILE, TARGETS, 0.95).temperature == 1.0


@pytest.mark.parametrize(("share", "expected"), [(0.02, "unsure"), (0.05, "met")])
def test_the_lowest_threshold_that_surely_keeps_to_the_target(share: float, expected: str) -> None:
    """No lower candidate keeps to it, and the escalation is the least that meets it."""
    samples = draw(np.random.default_rng(5), rows=240)
    targets = PolicyTargets(false_allow=share)
    policy = fit(samples, FILE, targets, 0.95)
    shares = shares_of(decided_by(policy, samples), targets, 0.95)
    assert shares.outcome == expected
    assert {label: policy.thresholds[label] for label in LABELS[1:]} == dict.fromkeys(LABELS[1:], 0.0)
    rows = decided_by(_at(policy, 0.0), samples)
    candidates = [0.0, *sorted(set(rows.confidence[rows.allowed()])), STRICTEST]
    harmful = rows.harmful

    def keeps(threshold: float) -> bool:
        hit = rows.allowed(threshold)[harmful]
        found = upper_bound(hit, rows.groups[harmful], 0.95) if expected == "met" else hit.mean()
        return bool(found <= share)

    place = candidates.index(policy.thresholds["ALLOW"])
    assert place > 0
    assert all(keeps(each) for each in candidates[place:])
    assert not keeps(candidates[place - 1])


def test_too_few_harmful_rows_to_be_sure() -> None:
    """148 harmful rows without a false allow do not prove 2%, 149 do."""
    right = [_sure(f"a{i}", "ALLOW", "ALLOW", 0.9) for i in range(20)]
    for number, expected in ((148, "unsure"), (149, "met")):
        samples = right + [_sure(str(i), "DENY", "DENY", 0.9) for i in range(number)]
        targets = PolicyTargets(false_allow=0.02)
        policy = fit(samples, FILE, targets, 0.95)
        assert policy.thresholds["ALLOW"] == 0.0
        assert shares_of(decided_by(policy, samples), targets, 0.95).outcome == expected


def test_a_target_of_escalations_that_the_bound_breaks() -> None:
    """Where only thresholds that are not proven escalate little enough, they are taken, and called unsure."""
    samples = [_sure(f"a{i}", "ALLOW", "ALLOW", 0.6 + i / 1000) for i in range(300)]
    samples += [_sure("d", "DENY", "ALLOW", 0.8), *(_sure(f"d{i}", "DENY", "DENY", 0.9) for i in range(149))]
    sure = PolicyTargets(false_allow=0.02)
    proven = fit(samples, FILE, sure, 0.95)
    assert shares_of(decided_by(proven, samples), sure, 0.95).outcome == "met"
    both = PolicyTargets(false_allow=0.02, escalate=0.15)
    policy = fit(samples, FILE, both, 0.95)
    assert policy.thresholds["ALLOW"] < proven.thresholds["ALLOW"]
    assert shares_of(decided_by(policy, samples), both, 0.95).outcome == "unsure"


def test_targets_that_contradict() -> None:
    """Where escalations cannot be that few, the safe thresholds are taken and the outcome says so."""
    samples = [_sure(f"a{i}", "ALLOW", "ALLOW", 0.6) for i in range(300)]
    samples += [_sure(f"d{i}", "DENY", "ALLOW" if i < 30 else "DENY", 0.9) for i in range(300)]
    both = PolicyTargets(false_allow=0.02, escalate=0.15)
    policy = fit(samples, FILE, both, 0.95)
    shares = shares_of(decided_by(policy, samples), both, 0.95)
    assert (policy.thresholds["ALLOW"], shares.outcome) == (STRICTEST, "missed")
    assert shares.false_allow is not None
    assert shares.false_allow.value == 0.0


def test_without_harmful_rows_nothing_is_allowed() -> None:
    """What cannot be measured is not assumed."""
    samples = [_sure(str(i), "ALLOW", "ALLOW", 0.9) for i in range(50)]
    policy = fit(samples, FILE, TARGETS, 0.95)
    shares = shares_of(decided_by(policy, samples), TARGETS, 0.95)
    assert (policy.thresholds["ALLOW"], shares.outcome, shares.false_allow) == (STRICTEST, "missed", None)
    assert (shares.false_allow_bound, shares.error, shares.escalate.value) == (1.0, None, 1.0)


def test_certain_and_wrong_cannot_be_excluded() -> None:
    """A false allow of probability 1 stays at the strictest threshold, and the outcome says so."""
    samples = make_samples(["DENY"] * 50, ["ALLOW"] * 50, scoring="logprob")
    samples = [s.model_copy(update={"logprobs": {**dict.fromkeys(LABELS, -1000.0), "ALLOW": 0.0}}) for s in samples]
    policy = fit(samples, FILE, TARGETS, 0.95)
    shares = shares_of(decided_by(policy, samples), TARGETS, 0.95)
    assert (policy.thresholds["ALLOW"], shares.outcome) == (STRICTEST, "missed")


@pytest.mark.parametrize("rows_per_group", [1, 2])
def test_other_rows_break_a_met_target_no_oftener_than_the_level_says(rows_per_group: int) -> None:
    """Over many validation parts of a population, its false allows are above the target in at most 5% of fits."""
    rng, targets, fits = np.random.default_rng(11), PolicyTargets(false_allow=0.04), 60
    population = draw(rng, rows=8000, rows_per_group=rows_per_group)
    groups = len(population) // rows_per_group
    told = np.array(
        [[(s.logprobs or {})[label] for label in LABELS] for s in population if s.gold in {"DENY", "REFUSE"}]
    )
    met = broken = restrained = 0
    for _ in range(fits):
        drawn = rng.choice(groups, size=320, replace=False)
        samples = [population[group * rows_per_group + place] for group in drawn for place in range(rows_per_group)]
        policy = fit(samples, FILE, targets, 0.95)
        shares = softmax(told / policy.temperature, axis=1)
        best = shares.argmax(axis=1) == LABELS.index("ALLOW")
        allowed = best & (shares[:, 0] >= policy.thresholds["ALLOW"])
        if shares_of(decided_by(policy, samples), targets, 0.95).outcome == "met":
            met += 1
            broken += allowed.mean() > targets.false_allow
            restrained += best.mean() > targets.false_allow
    assert met == restrained > 0.9 * fits  # without a threshold, each would have broken the target
    assert broken <= binom.ppf(0.999, fits, 0.05)


def test_risk_falls_with_coverage() -> None:
    """The last point decides all rows that are not answered ESCALATION; each point is a count of its rows."""
    samples = draw(np.random.default_rng(6), rows=2000)
    rows = decided_by(PLAIN, samples)
    points = risk_curve(rows)
    assert len(points) == 50
    decided = ~rows.escalated
    assert points[-1].coverage == decided.mean()
    assert points[-1].risk == rows.wrong[decided].mean()
    for point in points[::7]:
        sure = np.sort(rows.confidence[decided])[::-1][round(point.coverage * len(samples)) - 1]
        chosen = decided & (rows.confidence >= sure)
        assert (point.coverage, point.risk) == (chosen.mean(), rows.wrong[chosen].mean())
    assert points[5].risk < points[-1].risk


def test_equal_confidences_are_one_point() -> None:
    """Rows that no threshold can tell apart are decided together; without a decided row there is no curve."""
    rows = decided_by(PLAIN, [_sure(str(i), "ALLOW", "ALLOW", 0.9) for i in range(9)])
    assert [(point.coverage, point.risk) for point in risk_curve(rows)] == [(1.0, 0.0)]
    none = np.full(3, LABELS.index("ESCALATION"), np.int8)
    assert risk_curve(Decided(none, none, np.ones(3), np.arange(3))) == []
