"""Fits one file's policy to the validation rows, and counts what a policy does with rows.

The rule itself is `so8t_shared.classes.decide`, by which /think decides as well. The temperature minimizes the
log-loss (Guo, Pleiss, Sun & Weinberger, ICML 2017). Only the threshold of ALLOW can let a harmful row through, and a
lower one never lets fewer through. So the others are 0, and that of ALLOW is the lowest one at and above which the
upper bound of false allows keeps to the target. For such a risk, bounds at single thresholds suffice (Bates,
Angelopoulos, Lei, Malik & Jordan, Journal of the ACM 68, 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from so8t_evaluator.outcomes import outcomes_of
from so8t_evaluator.stats.anytime import Pool
from so8t_evaluator.stats.clopper_pearson import upper_bound
from so8t_evaluator.stats.share import share_interval
from so8t_shared.classes import Likelihoods, decide
from so8t_shared.config.policy import PolicyTargets
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.asking import AskedFile
from so8t_shared.results.policy import QuantizationPolicy
from so8t_shared.results.thresholds import PolicyShares, RiskPoint
from so8t_shared.tables import metrics

Flags = NDArray[np.bool_]

TEMPERATURES = (0.5, 20.0)
"""Limits. Where a model makes no mistake on the validation rows, the loss has no minimum, and at a very low temperature
every probability rounds to 1."""
STRICTEST = 1.0
_MOST_POINTS = 50
_ALLOW, _ESCALATION = LABELS.index("ALLOW"), LABELS.index("ESCALATION")
_HARMFUL = [LABELS.index(label) for label in metrics.BY_NAME["false_allow"].gold]
_LEAST = -1e4
"""Stands for the logarithm of a probability of 0."""


@dataclass(frozen=True)
class Decided:
    """What a policy makes of rows; where there is no class, the row goes to ESCALATION."""

    gold: NDArray[np.int8]
    """[n], positions in LABELS."""
    said: NDArray[np.int8]
    """[n], positions in LABELS."""
    confidence: NDArray[np.float64]
    """[n], of the class."""
    groups: NDArray[np.int64]

    @property
    def harmful(self) -> Flags:
        """[n], whether the row must not be allowed."""
        return np.isin(self.gold, _HARMFUL)

    @property
    def escalated(self) -> Flags:
        """[n]"""
        return np.asarray(self.said == _ESCALATION)

    @property
    def wrong(self) -> Flags:
        """[n]"""
        return np.asarray(self.said != self.gold)

    def allowed(self, threshold: float = 0.0) -> Flags:
        """[n], whether the row is answered ALLOW with at least this confidence."""
        return np.asarray((self.said == _ALLOW) & (self.confidence >= threshold))


def decided_by(policy: QuantizationPolicy, samples: Sequence[Sample]) -> Decided:
    """Apply the policy to one file's answers under a scoring with probabilities."""
    rows = outcomes_of(samples)
    decisions = [decide(likelihoods_of(sample), policy, 0.0) for sample in samples]
    said = [LABELS.index(each.label or "ESCALATION") for each in decisions]
    confidence = np.array([each.confidence for each in decisions], np.float64)
    return Decided(rows.gold, np.array(said, np.int8), confidence, rows.groups)


def likelihoods_of(sample: Sample) -> Likelihoods | None:
    """What the engine told of the four labels; None if it was not asked."""
    told = sample.logprobs
    if told is None:
        return None
    return Likelihoods(tuple(told[label] for label in LABELS), tuple(label in sample.upper_bounds for label in LABELS))


def fit(samples: Sequence[Sample], file: AskedFile, targets: PolicyTargets, confidence: float) -> QuantizationPolicy:
    """Return the policy with the least escalation that surely keeps to the targets, by one file's validation rows.

    If none does, that whose shares keep to them; if there is none either, the strictest of these.
    """
    plain = QuantizationPolicy(
        quantization=file.quantization,
        model_sha256=file.sha256,
        temperature=1.0,
        thresholds=dict.fromkeys(LABELS, 0.0),
    )
    scaled = plain.model_copy(update={"temperature": _temperature(samples)})
    rows = decided_by(scaled, samples)

    def surely(hit: Flags) -> bool:
        return upper_bound(hit, rows.groups[rows.harmful], confidence) <= targets.false_allow

    def apparently(hit: Flags) -> bool:
        return bool(hit.mean() <= targets.false_allow)

    found = [each for keeps in (surely, apparently) if (each := _least(rows, keeps)) is not None]
    most = 1.0 if targets.escalate is None else targets.escalate
    fits = (each for each in found if _escalated(rows, each) <= most)
    threshold = next(fits, found[0] if found else STRICTEST)
    return scaled.model_copy(update={"thresholds": {**scaled.thresholds, "ALLOW": threshold}})


def shares_of(rows: Decided, targets: PolicyTargets, confidence: float, pool: Pool | None = None) -> PolicyShares:
    """Count what a policy does with rows; with a `pool`, the figures hold wherever the asking ends."""

    def share(hit: Flags, among: Flags) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        return hit[among], rows.groups[among]

    harmful, decided = rows.harmful, ~rows.escalated
    false_allow = share_interval(*share(rows.allowed(), harmful), confidence, pool) if harmful.any() else None
    escalate = share_interval(rows.escalated, rows.groups, confidence, pool)
    bound = 1.0
    if false_allow:
        bound = false_allow.high if pool else upper_bound(*share(rows.allowed(), harmful), confidence)
    known, most = false_allow.value if false_allow else 1.0, targets.escalate
    kept = known <= targets.false_allow and (most is None or escalate.value <= most)
    return PolicyShares(
        outcome=("met" if bound <= targets.false_allow else "unsure") if kept else "missed",
        false_allow=false_allow,
        false_allow_bound=bound,
        escalate=escalate,
        error=share_interval(*share(rows.wrong, decided), confidence, pool) if decided.any() else None,
    )


def risk_curve(rows: Decided) -> list[RiskPoint]:
    """Return the error among decided rows at each share of decided rows, for one threshold for all classes.

    `rows` are decided without thresholds. El-Yaniv & Wiener, Journal of Machine Learning Research 11, 2010.
    """
    order = np.argsort(-rows.confidence, kind="stable")
    order = order[~rows.escalated[order]]
    if not len(order):
        return []
    sure, wrong = rows.confidence[order], np.cumsum(rows.wrong[order])
    ends = np.flatnonzero(np.append(sure[1:] != sure[:-1], True))
    ends = ends[np.unique(np.linspace(0, len(ends) - 1, _MOST_POINTS).round().astype(np.intp))]
    return [RiskPoint(coverage=(end + 1) / len(rows.gold), risk=wrong[end] / (end + 1)) for end in map(int, ends)]


def _temperature(samples: Sequence[Sample]) -> float:
    """Return the temperature with the least log-loss, of the rows with a likeliest class; 1 without such rows."""
    told = [(s.logprobs, s.gold) for s in samples if decide(likelihoods_of(s), None, 0.0).label]
    if not told:
        return 1.0
    logprobs = np.array([[max(found[label], _LEAST) for label in LABELS] for found, _ in told if found])
    gold = np.array([LABELS.index(label) for _, label in told])[:, None]

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logprobs / exp(log_temperature), axis=1)
        return -float(np.take_along_axis(scaled, gold, axis=1).mean())

    low, high = map(log, TEMPERATURES)
    return round(exp(float(minimize_scalar(loss, bounds=(low, high), method="bounded").x)), 6)


def _least(rows: Decided, keeps: Callable[[Flags], bool]) -> float | None:
    """Return the lowest threshold of ALLOW at and above which the false allows keep to the target; None if none does.

    `keeps` gets, for each harmful row, whether it is allowed.
    """
    if not rows.harmful.any():
        return None
    allowed = np.unique(rows.confidence[rows.allowed()])
    let_through = np.unique(rows.confidence[rows.allowed() & rows.harmful])
    found = None
    for threshold in [*(_above(each, allowed) for each in let_through[::-1]), 0.0]:
        if keeps(rows.allowed(threshold)[rows.harmful]):
            found = threshold
        else:
            break
    return found


def _above(confidence: float, allowed: NDArray[np.float64]) -> float:
    """Return the lowest threshold that excludes this confidence and no higher one that was found."""
    higher = allowed[allowed > confidence]
    return float(higher[0]) if len(higher) else STRICTEST


def _escalated(rows: Decided, threshold: float) -> float:
    return float((rows.escalated | ((rows.said == _ALLOW) & ~rows.allowed(threshold))).mean())
