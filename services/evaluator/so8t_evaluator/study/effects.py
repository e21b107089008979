"""The effect of each configuration key on which arms differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from so8t_evaluator.stats.seeds import over_seeds
from so8t_evaluator.study.answers import StudyAnswers
from so8t_shared.results.study import Effect
from so8t_shared.studies.member import StudyArm, StudyTask

Change = tuple[tuple[str, str, str], ...]
"""(key, value before, value after), by key; an empty value is the base configuration's."""
ArmPair = tuple[str, str]


def effects_of(answers: StudyAnswers, task: StudyTask) -> list[Effect]:
    """Return the effect of each key that was changed alone, and of the keys that never were.

    Arms that differ in one key only show its effect; several such pairs (a factorial) give the main effect, their mean.
    """
    arms = [arm for arm in task.arms if not arm.external and arm.name in answers.by_arm]
    changes: dict[Change, list[ArmPair]] = {}
    for before, after in combinations(arms, 2):
        if change := _change(before, after):
            changes.setdefault(change, []).append((before.name, after.name))
    alone = {change[0][0] for change in changes if len(change) == 1}
    shown = {c: pairs for c, pairs in changes.items() if len(c) == 1 or not alone.issuperset(key for key, *_ in c)}
    return [_effect(answers, task, change, pairs) for change, pairs in sorted(shown.items())]


def _change(before: StudyArm, after: StudyArm) -> Change:
    keys = sorted({*before.overrides, *after.overrides})
    values = [(key, before.overrides.get(key, ""), after.overrides.get(key, "")) for key in keys]
    return tuple(value for value in values if value[1] != value[2])


def _effect(answers: StudyAnswers, task: StudyTask, change: Change, pairs: Sequence[ArmPair]) -> Effect:
    right = {name: _right_by_seed(answers, name) for pair in pairs for name in pair}
    seeds = sorted(set.intersection(*(set(found) for found in right.values())))
    kind = "together" if len(change) > 1 else "main" if len(pairs) > 1 else "pairwise"
    result = None
    if len(seeds) > 1:
        differences = [[right[after][seed] - right[before][seed] for seed in seeds] for before, after in pairs]
        result = over_seeds(
            [np.mean(differences, axis=0)],
            answers.groups,
            task.settings.confidence,
            task.settings.test,
            unit=len(pairs),
        )
    return Effect(
        keys=[key for key, *_ in change],
        before=[before for _, before, _ in change],
        after=[after for *_, after in change],
        pairs=list(pairs),
        kind=kind,
        seeds=seeds,
        difference=result.interval if result else None,
        p_value=result.p if result else None,
    )


def _right_by_seed(answers: StudyAnswers, arm: str) -> Mapping[int, np.ndarray]:
    return {m.member.seed: m.b.right.astype(np.int8) for m in answers.by_arm[arm] if m.member.seed is not None}
