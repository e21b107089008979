"""Two arms, or an arm and A, side by side: which seeds are compared, and how each row differs.

Seeds are paired where both arms have the same: a seed may give both the same order of rows and the same first weights,
and the differences of paired seeds are independent of each other whatever that does. It costs degrees of freedom, but
unpaired seeds would have to be unrelated, which nobody knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from so8t_evaluator.study.answers import MemberAnswers, StudyAnswers, hits
from so8t_shared.labels import LABELS
from so8t_shared.results.study import MODEL_A
from so8t_shared.results.verdicts import mostly_unread
from so8t_shared.tables import metrics


@dataclass(frozen=True)
class Pair:
    """An arm (`left`) against another, or A (`right`)."""

    sides: list[NDArray[np.int8]]
    """Each [seeds, rows of the metric]: differences, or the left's hits and the right's negative ones."""
    read: list[NDArray[np.int8]]
    """The same, 0 where one of both could not be read; empty if the seeds are not paired."""
    seeds: list[int]
    other_seeds: list[int]
    over_seeds: bool
    """Whether a side has seeds."""
    mostly_unread: bool

    @property
    def paired(self) -> bool:
        """Whether each seed is compared with itself."""
        return bool(self.seeds) and self.seeds == self.other_seeds and len(self.sides) == 1

    @property
    def enough(self) -> bool:
        """Whether something can be said: with seeds, that takes two."""
        return bool(self.sides) and (not self.over_seeds or all(len(side) > 1 for side in self.sides))


def pair_of(answers: StudyAnswers, left: str, right: str, metric: metrics.Row) -> Pair:
    """Return two arms side by side; one of them may be A."""
    ours, theirs = _chosen(answers.by_arm.get(left, []), answers.by_arm.get(right, []), against_a=right == MODEL_A)
    places = answers.places(metric)
    seeds, other_seeds = _seeds(ours), _seeds(theirs)
    over_seeds = _seeded(ours) or _seeded(theirs)
    unread = _mostly_unread(ours) or _mostly_unread(theirs)
    if not ours or (right != MODEL_A and not theirs):
        return Pair([], [], seeds, other_seeds, True, unread)
    if right == MODEL_A:
        lines = [(one.b, one.a) for one in ours]
        unread = unread or any(mostly_unread(a.unread, len(a)) for _, a in lines)
    elif _seeded(ours) and _seeded(theirs) and seeds != other_seeds:
        sides = [
            np.array([sign * hits(one.b, metric)[places] for one in arm], np.int8)
            for sign, arm in ((1, ours), (-1, theirs))
        ]
        return Pair(sides, [], seeds, other_seeds, True, unread)
    else:
        many = max(len(ours), len(theirs))
        lines = [(_at(ours, i).b, _at(theirs, i).b) for i in range(many)]
    difference = np.array([(hits(x, metric) - hits(y, metric))[places] for x, y in lines], np.int8)
    both = np.array([((x.said < len(LABELS)) & (y.said < len(LABELS)))[places] for x, y in lines])
    return Pair([difference], [(difference * both).astype(np.int8)], seeds, other_seeds, over_seeds, unread)


def _chosen(
    left: Sequence[MemberAnswers], right: Sequence[MemberAnswers], *, against_a: bool
) -> tuple[Sequence[MemberAnswers], Sequence[MemberAnswers]]:
    """Return the members to compare: with two common seeds, these only; else none is on both sides."""
    common = set(_seeds(left)) & set(_seeds(right))
    if against_a or not (_seeded(left) and _seeded(right)):
        return left, right
    if len(common) > 1:
        return [m for m in left if m.member.seed in common], [m for m in right if m.member.seed in common]
    fewer_right = len(right) < len(left)
    keep_left = [m for m in left if m.member.seed not in common] if fewer_right else left
    return keep_left, right if fewer_right else [m for m in right if m.member.seed not in common]


def _at(arm: Sequence[MemberAnswers], place: int) -> MemberAnswers:
    return arm[place] if _seeded(arm) else arm[0]


def _seeds(arm: Sequence[MemberAnswers]) -> list[int]:
    return [m.member.seed for m in arm if m.member.seed is not None]


def _seeded(arm: Sequence[MemberAnswers]) -> bool:
    return any(m.member.seed is not None for m in arm)


def _mostly_unread(arm: Sequence[MemberAnswers]) -> bool:
    return bool(arm) and mostly_unread(sum(m.b.unread for m in arm), sum(len(m.b) for m in arm))
