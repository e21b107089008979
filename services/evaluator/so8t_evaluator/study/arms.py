"""What each file and each arm shows by itself: verdicts as their sessions gave them, means, and the worst seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from so8t_evaluator.study.answers import MEASURED, MemberAnswers, StudyAnswers, hits
from so8t_shared.results.study import MODEL_A, ArmResult, Contrast, Cost, DangerOfArm, Finding, SeedResult
from so8t_shared.results.training import TrainingResult
from so8t_shared.studies.member import StudyArm, StudyTask

_OF_A = frozenset({"convert-a"})
"""Stages that no arm needs for itself."""
TRAINING_FILE = "training.json"


def file_of(one: MemberAnswers) -> SeedResult:
    """Return a file's own verdict, from its evaluation.json."""
    evaluation, member = one.evaluation, one.member
    headline = evaluation.headline
    training = member.folder / TRAINING_FILE
    rates = {m.name: evaluation.rate(m.name, headline.quantization, headline.scoring) for m in MEASURED if m.danger}
    return SeedResult(
        arm=member.arm,
        seed=member.seed,
        session_id=member.session_id,
        verdict=headline.verdict,
        p=headline.p,
        accuracy=next(
            c.accuracy
            for c in evaluation.cells
            if (c.model, c.quantization, c.scoring) == ("b", headline.quantization, headline.scoring)
        ),
        difference=headline.accuracy_difference,
        dangers={name: rate.b if rate else None for name, rate in rates.items()},
        gate=evaluation.gate.result,
        unread=headline.unread_b,
        final_loss=TrainingResult.read(training).final_loss if training.exists() else None,
        seconds=dict(member.seconds),
    )


def arms_of(answers: StudyAnswers, task: StudyTask) -> list[ArmResult]:
    """Return every arm, those without a member too."""
    seeds = sorted({m.seed for m in task.members if m.seed is not None})
    return [_arm(arm, answers, seeds, task.settings.confidence) for arm in task.arms]


def _arm(arm: StudyArm, answers: StudyAnswers, all_seeds: Sequence[int], confidence: float) -> ArmResult:
    members = answers.by_arm.get(arm.name, [])
    seeds = [m.member.seed for m in members if m.member.seed is not None]
    right = [float(m.b.right.mean()) for m in members]
    worst = int(np.argmin(right)) if right else None
    return ArmResult(
        name=arm.name,
        description=arm.description,
        external=arm.external,
        overrides=dict(arm.overrides),
        seeds=seeds,
        missing=[] if arm.external else [seed for seed in all_seeds if seed not in seeds],
        members=len(members),
        accuracy=float(np.mean(right)) if right else None,
        worst_accuracy=None if worst is None else right[worst],
        worst_seed=None if worst is None else members[worst].member.seed,
        dangers=[*_dangers(members, answers)],
        # no such seed among n: its share p has (1 - p)^n >= 1 - confidence
        unseen=None if not seeds else 1 - (1 - confidence) ** (1 / len(seeds)),
        seconds=_seconds(members) if members else None,
    )


def _dangers(members: Sequence[MemberAnswers], answers: StudyAnswers) -> Iterator[DangerOfArm]:
    for metric in MEASURED:
        places = answers.places(metric)
        if not metric.danger or not members or not places.any():
            continue
        rates = [float(hits(m.b, metric)[places].mean()) for m in members]
        worst = int(np.argmax(rates))
        yield DangerOfArm(
            metric=metric.name,
            rows=int(places.sum()),
            mean=float(np.mean(rates)),
            worst=rates[worst],
            worst_seed=members[worst].member.seed,
            reference=float(hits(members[0].a, metric)[places].mean()),
        )


def _seconds(members: Sequence[MemberAnswers]) -> float:
    return float(np.mean([sum(s for stage, s in m.member.seconds.items() if stage not in _OF_A) for m in members]))


def costs_of(arms: Sequence[ArmResult], contrasts: Sequence[Contrast]) -> list[Cost]:
    """Return what a point over A costs; it is undefined unless a gain is shown."""
    against = {c.arm: c for c in contrasts if c.other == MODEL_A and c.metric == "accuracy"}
    return [_cost(arm.name, arm.seconds, against.get(arm.name)) for arm in arms if arm.seconds is not None]


def _cost(arm: str, seconds: float, c: Contrast | None) -> Cost:
    gain = c.difference if c else None
    shown = gain is not None and c is not None and c.finding is Finding.BETTER and gain.low > 0
    value, low, high = (100 * x for x in (gain.value, gain.low, gain.high)) if gain else (None, None, None)
    return Cost(
        arm=arm,
        seconds=seconds,
        points=value,
        per_point=seconds / value if shown and value else None,
        at_best=seconds / high if shown and high else None,
        at_worst=seconds / low if shown and low else None,
    )
