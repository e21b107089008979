"""Every comparison of a study: the declared families with Holm's adjustment in each, then all other pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import combinations
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from so8t_evaluator.stats.holm import holm
from so8t_evaluator.stats.paired import paired_interval, paired_p
from so8t_evaluator.stats.seeds import Parts, over_seeds
from so8t_evaluator.study.answers import MEASURED, StudyAnswers
from so8t_evaluator.study.pairs import Pair, pair_of
from so8t_shared.config.model import AbTest
from so8t_shared.errors import InputError
from so8t_shared.results.interval import Interval
from so8t_shared.results.study import MODEL_A, Contrast, Finding, Variance
from so8t_shared.studies.member import StudyTask
from so8t_shared.tables import metrics

ArmPair = tuple[str, str]


@dataclass(frozen=True)
class Tested:
    """A comparison before it is adjusted."""

    pair: Pair
    interval: Interval | None
    p: float | None
    read_p: float | None
    """p that all rows, and those read from both, differ in the same direction; None if all were read."""
    parts: Parts | None


def contrasts_of(answers: StudyAnswers, task: StudyTask) -> list[Contrast]:
    """Return the comparisons: by metric, declared families first, and the remaining pairs as one family without a name.

    Raises:
        InputError: a family names an unknown arm.
    """
    families = [*_families(task).items()]
    found: list[Contrast] = []
    for metric in MEASURED:
        if not answers.places(metric).any():
            continue
        tested = {
            pair: compared(answers, *pair, metric, task.settings)
            for pair in dict.fromkeys(pair for _, pairs in families for pair in pairs)
        }
        for family, pairs in families:
            found += _adjusted(family, {pair: tested[pair] for pair in pairs}, metric, task.settings.alpha)
    return found


def _families(task: StudyTask) -> dict[str, list[ArmPair]]:
    names = [arm.name for arm in task.arms]
    declared = {family: [(left, right) for left, right in pairs] for family, pairs in task.families.items()}
    unknown = sorted({name for pairs in declared.values() for pair in pairs for name in pair} - {*names, MODEL_A})
    wrong = sorted(f for f, pairs in declared.items() if any(left in {right, MODEL_A} for left, right in pairs))
    if unknown or wrong:
        told = [f"unknown arms: {', '.join(map(repr, unknown))}"] if unknown else []
        told += [f"{family!r} compares an arm with itself, or A with an arm" for family in wrong]
        raise InputError(
            f"Families of the study cannot be compared: {'; '.join(told)}.",
            where="families",
            remedy="write pairs of two arms, or of an arm and A",
        )
    done = {frozenset(pair) for pairs in declared.values() for pair in pairs}
    others = [(name, MODEL_A) for name in names] + [(right, left) for left, right in combinations(names, 2)]
    return {**declared, "": [pair for pair in others if frozenset(pair) not in done]}


def compared(answers: StudyAnswers, left: str, right: str, metric: metrics.Row, settings: AbTest) -> Tested:
    """Compare two arms, or an arm and A, in one figure."""
    pair, groups = pair_of(answers, left, right, metric), answers.groups[answers.places(metric)]
    if not pair.enough:
        return Tested(pair, None, None, None, None)
    interval, p, parts = _estimate(pair.sides, groups, settings, over=pair.over_seeds)
    read_p = None
    if metric.name == "accuracy" and pair.read and (pair.read[0] != pair.sides[0]).any():
        read, found_p, _ = _estimate(pair.read, groups, settings, over=pair.over_seeds)
        read_p = max(p, found_p) if read.value * interval.value > 0 else 1.0
    return Tested(pair, interval, p, read_p, parts)


def _estimate(
    sides: Sequence[NDArray[np.int8]], groups: NDArray[np.int64], settings: AbTest, *, over: bool
) -> tuple[Interval, float, Parts | None]:
    if over:
        found = over_seeds(sides, groups, settings.confidence, settings.test)
        return found.interval, found.p, found.parts
    ((difference,),) = sides
    interval = paired_interval(difference, groups, settings.confidence)
    return interval, paired_p(difference, groups, settings.test), None


def _adjusted(family: str, tested: Mapping[ArmPair, Tested], metric: metrics.Row, alpha: float) -> Iterator[Contrast]:
    """Yield a family's comparisons; one that could not be made counts with a p of 1."""
    adjusted = holm([1.0 if t.p is None else t.p for t in tested.values()])
    of_read = holm([1.0 if t.p is None else t.read_p or t.p for t in tested.values()])
    for ((arm, other), t), p, read in zip(tested.items(), adjusted, of_read, strict=True):
        yield Contrast(
            metric=metric.name,
            arm=arm,
            other=other,
            over="seeds" if t.pair.over_seeds else "file",
            family=family,
            seeds=t.pair.seeds,
            other_seeds=t.pair.other_seeds,
            paired=t.pair.paired,
            difference=t.interval,
            by_seed=[float(x) for x in t.pair.sides[0].mean(axis=1)] if len(t.pair.sides) == 1 else [],
            p_value=t.p,
            p_adjusted=None if t.p is None else p,
            finding=_finding(t, metric, p, read, alpha),
            variance=None if t.parts is None else _shares(t.parts),
        )


def _finding(t: Tested, metric: metrics.Row, p: float, read: float, alpha: float) -> Finding:
    if t.interval is None:
        return Finding.TOO_FEW_SEEDS
    if t.pair.mostly_unread:
        return Finding.MOSTLY_UNREAD
    if t.interval.too_few_groups:
        return Finding.TOO_FEW_GROUPS
    if p >= alpha or not t.interval.value:
        return Finding.NO_DIFFERENCE
    if t.read_p is not None and read >= alpha:
        return Finding.FORM_ONLY
    return Finding.BETTER if (t.interval.value > 0) == (metric.better == "higher") else Finding.WORSE


def _shares(parts: Parts) -> Variance:
    values = astuple(parts)
    whole = sum(values) or 1.0
    return Variance(
        **{name: getattr(parts, name) / whole for name in Parts.__dataclass_fields__}, standard_error=sqrt(sum(values))
    )
