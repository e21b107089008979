"""KL divergence of two next-token distributions, of which only the likeliest tokens are known.

Tokens that both know are bins of their own, all others are one bin together. Merging bins never raises the divergence
(data processing inequality; Cover & Thomas, Elements of Information Theory, 2.8), so the result is a lower bound,
exact where both know every token.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from so8t_shared.results.verification import Divergence

Token = TypeVar("Token", bound=Hashable)

LIKELY = 8192
"""Next tokens that are compared one by one. llama.cpp takes half a second for all 50,000 of a position; the others hold
less than 0.1 % of the probability."""
_ROUNDING = 1e-6
"""Of a sum of probabilities in float32: less is as good as nothing."""


def divergence(before: Mapping[Token, float], after: Mapping[Token, float]) -> float:
    """Return KL(before || after) in nats; each maps tokens to natural-log probabilities."""
    shared = before.keys() & after.keys()
    inside = math.fsum(math.exp(before[token]) * (before[token] - after[token]) for token in shared)
    p, q = (max(_ROUNDING, 1 - math.fsum(math.exp(side[token]) for token in shared)) for side in (before, after))
    return max(0.0, inside + p * math.log(p / q))


def over_positions(values: Sequence[float], changed_top: int) -> Divergence:
    """Return figures of the divergences at positions; at `changed_top` of them the likeliest token changed."""
    every = [*values, *values] if len(values) == 1 else values
    return Divergence(
        mean=statistics.fmean(values),
        median=statistics.median(values),
        p99=statistics.quantiles(every, n=100, method="inclusive")[98],
        largest=max(values),
        changed_top=changed_top / len(values),
    )
