"""Where an evaluation ended that could end early: what its figures rest on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from so8t_evaluator.outcomes import AnswersInOrder, outcomes_of
from so8t_evaluator.stats.anytime import Levels, Pool, e_values
from so8t_shared.config.model import AbTest
from so8t_shared.results.answers import Sample
from so8t_shared.results.stopped import Stopped, UntilDecided


def pool_of(stopped: Stopped) -> Pool:
    """Return the pool of rows that the asking drew from."""
    return Pool(stopped.available_groups, stopped.largest_group)


def early(settings: AbTest) -> AbTest:
    """Return the settings at the level of an early end."""
    return settings.model_copy(update={"confidence": Levels.of(settings.confidence).early})


def late(settings: AbTest) -> AbTest:
    """Return the settings at the level of the usual test of all rows, after looks that ended nothing."""
    return settings.model_copy(update={"confidence": Levels.of(settings.confidence).late})


def how_to_judge(stopped: Stopped | None, settings: AbTest) -> tuple[Pool | None, AbTest]:
    """Return the pool if the asking ended early, and the settings at the level that is then left."""
    if stopped is None:
        return None, settings
    return (pool_of(stopped), early(settings)) if stopped.decided else (None, late(settings))


def until_decided_of(stopped: Stopped, a: Sequence[Sample], b: Sequence[Sample], settings: AbTest) -> UntilDecided:
    """Add the evidence of the headline's answers, which are in the order of asking."""
    rows_a, rows_b = (outcomes_of(AnswersInOrder(answers)) for answers in (a, b))
    better, worse = e_values(rows_b.right.astype(np.int8) - rows_a.right, rows_b.groups, pool_of(stopped))
    return UntilDecided(
        **stopped.model_dump(), e_better=better, e_worse=worse, threshold=round(2 / early(settings).alpha, 6)
    )
