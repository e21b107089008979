"""Answers with probabilities, drawn at random: a model that errs, and is too sure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from tests.unit.evaluator.material import make_sample

from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample

TOO_SURE = 2.0
"""The temperature that undoes it."""
SKILL = 2.0
"""Distance of the right class's score from the others', in standard deviations."""


def draw_logprobs(gold: NDArray[np.int64], groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Log-probabilities [n, 4] for the classes `gold` [n]; rows of a group share most of their luck."""
    luck = rng.normal(size=(int(groups.max()) + 1, len(LABELS)))[groups]
    own = rng.normal(size=luck.shape)
    logits = 0.9 * luck + np.sqrt(1 - 0.9**2) * own + SKILL * np.eye(len(LABELS))[gold]
    found: NDArray[np.float64] = log_softmax(TOO_SURE * SKILL * logits, axis=1) - 0.01  # something else was possible
    return found


def draw(
    rng: np.random.Generator, *, rows: int = 400, rows_per_group: int = 1, prefix: str = "", **other: Any
) -> list[Sample]:
    """One file's logprob answers, a quarter of each class; rows of a group have the same class."""
    groups = np.arange(rows) // rows_per_group
    gold = groups % len(LABELS)
    found = draw_logprobs(gold, groups, rng)
    return [
        make_sample(
            f"{prefix}{number}",
            LABELS[label],
            LABELS[int(each.argmax())],
            group=f"{prefix}{group}" if rows_per_group > 1 else "",
            logprobs=dict(zip(LABELS, map(float, each), strict=True)),
            scoring="logprob",
            **other,
        )
        for number, (label, group, each) in enumerate(zip(gold, groups, found, strict=True))
    ]
