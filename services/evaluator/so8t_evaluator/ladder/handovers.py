"""What a hand-over may change: measured on the model itself, by doing to it what the hand-over does at least.

merge   Sums in another order, in fp32: float noise.
serve   The same file in another program: as for F16 or, where weights are quantized, for 8 bits, to which each program
        rounds what it multiplies them with.
file    The model before it with its weights rounded likewise (`so8t_trainer.ladder.rounding`).

A difference of log-probabilities counts as explained up to FACTOR times that, and the KL divergence, which grows with
the square of it, up to its square. Correct conversions needed 1 to 2. Single next tokens are not judged by their
divergence, whose largest value over many rows says little; a row that alone is broken shows in its labels.
"""

from __future__ import annotations

from so8t_shared.results.ladder import Difference

FACTOR = 4.0
FLOAT_LOGPROB = 2e-3
"""Nats; of sums in fp32 in another order, summed over a label's tokens."""
FLOAT_KL = 1e-5
_FLOAT = Difference(logprob_mean=0.0, logprob_max=0.0, end_mean=0.0, kl_mean=0.0, kl_max=0.0, flipped=0)


def beyond(found: Difference, explained: Difference | None) -> list[str]:
    """Return a clause for each figure that the hand-over does not explain; none without a measured explanation."""
    if explained is None:
        return []
    clauses = []
    for name, what, factor, floor in (
        ("logprob_mean", "labels differ by {:.3g} nats on average", FACTOR, FLOAT_LOGPROB),
        ("logprob_max", "a label differs by {:.3g} nats", FACTOR, 5 * FLOAT_LOGPROB),
        ("end_mean", "the end of the turn differs by {:.3g} nats on average", FACTOR, FLOAT_LOGPROB),
        ("kl_mean", "next tokens diverge by {:.3g} nats on average", FACTOR**2, FLOAT_KL),
    ):
        value, control = getattr(found, name), getattr(explained, name)
        if value is not None and control is not None and value > factor * control + floor:
            clauses.append(f"{what.format(value)}, where {control:.2g} is explained")
    return clauses


def explained_by_noise() -> Difference:
    """Return what float noise explains beyond its floor: nothing."""
    return _FLOAT
