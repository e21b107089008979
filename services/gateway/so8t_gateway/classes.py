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
    """Of the class among the four; too low rather than too high where little is known of the others."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    """Why there is no class: a row of `reasons`."""


def decide_by_majority(label: str, probability: float, min_confidence: float) -> Decision | None:
    """Return the class that is more likely than all else together, if it is likely enough; None leaves it open.

    `probability` is that of the whole label among all texts, so the label's share of the four is at least as large.
    """
    return Decision(label, probability) if probability > _LEAST_MASS and probability >= min_confidence else None


def decide(likelihoods: Likelihoods | None, policy: QuantizationPolicy | None, min_confidence: float) -> Decision:
    """Return the likeliest class if it is likely enough, by the policy's threshold or else `min_confidence`."""
    if likelihoods is None or sum(map(math.exp, likelihoods.logprobs)) < _LEAST_MASS:
        return Decision(reason="class_unknown")
    scaled = [logprob / (policy.temperature if policy else 1.0) for logprob in likelihoods.logprobs]
    weights = [math.exp(each - max(scaled)) for each in scaled]
    shares = [weight / sum(weights) for weight in weights]
    best = max(range(len(LABELS)), key=lambda number: (shares[number], not likelihoods.bounds[number]))
    if likelihoods.bounds[best]:
        return Decision(reason="class_unknown")
    label, probabilities = LABELS[best], dict(zip(LABELS, shares, strict=True))
    least = policy.thresholds[label] if policy else min_confidence
    if not shares[best] >= least:
        return Decision(probabilities=probabilities, reason="low_confidence")
    return Decision(label, shares[best], probabilities)
