"""One model's answers in one setting as arrays: the input of every figure, whatever program gave the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from so8t_evaluator.stats.confusion import COLUMNS
from so8t_evaluator.stats.groups import codes, places
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.interval import Interval

_CODE = {name: code for code, name in enumerate(COLUMNS)}


@dataclass(frozen=True)
class Outcomes:
    """Rows in a fixed order."""

    gold: NDArray[np.int8]
    """[n], positions in LABELS."""
    said: NDArray[np.int8]
    """[n], positions in LABELS, or 4 for an answer without a readable class."""
    groups: NDArray[np.int64]
    """[n], a number for each group of rows that are not independent."""
    logprobs: NDArray[np.float64] | None = None
    """[n, 4], natural-log probabilities of the labels, not normalized over the four; NaN in a row without them.

    None if no row has them.
    """

    def __len__(self) -> int:
        return len(self.gold)

    @property
    def right(self) -> NDArray[np.bool_]:
        """[n], whether the answer is the row's class."""
        right: NDArray[np.bool_] = self.gold == self.said
        return right

    @property
    def unread(self) -> int:
        """Number of answers without a readable class."""
        return int((self.said == len(LABELS)).sum())

    def among(self, chosen: NDArray[np.bool_]) -> Outcomes:
        """Return the chosen rows."""
        logprobs = None if self.logprobs is None else self.logprobs[chosen]
        return Outcomes(self.gold[chosen], self.said[chosen], self.groups[chosen], logprobs)


class Answers(tuple[Sample, ...]):
    """The answers of one model in one setting, in row order; their arrays are built once."""

    @cached_property
    def outcomes(self) -> Outcomes:
        """The same as arrays."""
        return Outcomes(
            gold=np.array([_CODE[s.gold] for s in self], np.int8),
            said=np.array([_CODE[s.predicted] for s in self], np.int8),
            groups=self._groups(),
            logprobs=_logprobs(self),
        )

    def _groups(self) -> NDArray[np.int64]:
        return codes([s.cluster for s in self])


class AnswersInOrder(Answers):
    """Answers in the order of asking; the numbers of their groups are their places in it."""

    def _groups(self) -> NDArray[np.int64]:
        return places([s.cluster for s in self])


def outcomes_of(samples: Sequence[Sample]) -> Outcomes:
    """Return the answers of one model in one setting as arrays, in their order."""
    return (samples if isinstance(samples, Answers) else Answers(samples)).outcomes


def _logprobs(samples: Sequence[Sample]) -> NDArray[np.float64] | None:
    if not any(s.logprobs for s in samples):
        return None
    unknown = (float("nan"),) * len(LABELS)
    return np.array([[p[label] for label in LABELS] if (p := s.logprobs) else unknown for s in samples])


@dataclass(frozen=True)
class Measured:
    """A figure of A and of B on the same rows, and B minus A; None where it is undefined."""

    a: Interval | None
    b: Interval | None
    difference: Interval | None
    usual: tuple[float | None, float | None] = (None, None)
    """A's and B's figure as the field usually computes it, where this is another one."""


UNDEFINED = Measured(None, None, None)

Measure = Callable[[Outcomes, Outcomes, AbTest], Measured]
"""Computes a metric from A's and B's answers to the same rows in the same order."""
