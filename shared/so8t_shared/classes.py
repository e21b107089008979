"""From the labels' log-probabilities to a class and its confidence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from so8t_shared.labels import LABELS
from so8t_shared.results.policy import QuantizationPolicy

_LEAST_MASS = 0.5
"""Where the labels together are less likely than this, the model was about to write something else, and their shares
of so little say nothing."""
_MAJORITY = 0.5
"""What is likelier is likelier than all else together."""


@dataclass(frozen=True)
class Likelihoods:
    """What the engine tells of the four labels at the place of the decision, in the order of LABELS."""

    logprobs: tuple[float, ...]
    """Natural logarithms; not renormalized."""
    bounds: tuple[bool, ...] = (False,) * len(LABELS)
    """Whether a figure is only an upper bound."""


@dataclass(frozen=True)
class Decision:
    """The class by its probability."""

    label: str = ""
    confidence: float = 0.0
    """Probability of the class: by a policy, among the four; without one, among all texts. Never overstated."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """Of each class among the four, if known."""
    reason: str = ""
    """Why there is no class: a row of `reasons`."""


def decide_by_majority(label: str, probability: float, min_confidence: float) -> Decision | None:
    """Decide by the probability of the whole label that a greedy answer holds, among all texts; None leaves it open.

    Above one half it is the likeliest class. Below `min_confidence`, if that is one half or more, no class is likely
    enough: where another label parts from the written one, its token was no likelier than the one chosen there, and
    two tokens of the same place do not both have more than one half.
    """
    if probability > _MAJORITY and probability >= min_confidence:
        return Decision(label, probability)
    if probability < min_confidence and min_confidence >= _MAJORITY:
        return Decision(reason="low_confidence")
    return None


def decide(likelihoods: Likelihoods | None, policy: QuantizationPolicy | None, min_confidence: float) -> Decision:
    """Return the likeliest class if it is likely enough.

    A policy has a threshold for its share of the four, at the policy's temperature. Without one, its probability among
    all texts must reach `min_confidence`, as in `decide_by_majority`.
    """
    if likelihoods is None or sum(map(math.exp, likelihoods.logprobs)) < _LEAST_MASS:
        return Decision(reason="class_unknown")
    scaled = [logprob / (policy.temperature if policy else 1.0) for logprob in likelihoods.logprobs]
    weights = [math.exp(each - max(scaled)) for each in scaled]
    shares = [weight / sum(weights) for weight in weights]
    best = max(range(len(LABELS)), key=lambda number: (shares[number], not likelihoods.bounds[number]))
    if likelihoods.bounds[best]:
        return Decision(reason="class_unknown")
    label, probabilities = LABELS[best], dict(zip(LABELS, shares, strict=True))
    confidence = shares[best] if policy else math.exp(likelihoods.logprobs[best])
    least = policy.thresholds[label] if policy else min_confidence
    if not confidence >= least:
        return Decision(probabilities=probabilities, reason="low_confidence")
    return Decision(label, confidence, probabilities)
