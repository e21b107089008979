"""The points of a reliability diagram, in the bins of the expected calibration error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from so8t_evaluator.measures_probability import top_of, with_probabilities
from so8t_evaluator.outcomes import outcomes_of
from so8t_evaluator.stats.calibration import bins_of
from so8t_evaluator.stats.share import share_interval
from so8t_shared.results.answers import Sample
from so8t_shared.results.reliability import Reliability, ReliabilityBin


def reliability_of(answers: Sequence[Sequence[Sample]], confidence: float) -> list[Reliability]:
    """Return the bins of each model's answers with probabilities, in one setting."""
    return [_bins(samples, confidence) for samples in answers if outcomes_of(samples).logprobs is not None]


def _bins(samples: Sequence[Sample], confidence: float) -> Reliability:
    (rows,) = with_probabilities(outcomes_of(samples))
    sure, right = top_of(rows)
    bins = bins_of(sure)
    return Reliability(
        model=samples[0].model,
        bins=[
            ReliabilityBin(
                rows=int(chosen.sum()),
                confidence=float(sure[chosen].mean()),
                right=share_interval(right[chosen], rows.groups[chosen], confidence),
            )
            for chosen in (bins == place for place in np.unique(bins))
        ],
    )
