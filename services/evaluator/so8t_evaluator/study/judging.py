"""Judges a study: each file's own verdict, each method over its seeds, and the arms against each other."""

from __future__ import annotations

from collections.abc import Sequence

from so8t_evaluator.stats.groups import grouped
from so8t_evaluator.stats.ranks import rank_sets
from so8t_evaluator.stats.share import share_interval
from so8t_evaluator.study.answers import MEASURED, StudyAnswers, hits, read_answers
from so8t_evaluator.study.arms import arms_of, costs_of, file_of
from so8t_evaluator.study.contrasts import contrasts_of
from so8t_evaluator.study.effects import effects_of
from so8t_shared.collector import without_collector
from so8t_shared.results.interval import Interval
from so8t_shared.results.study import MODEL_A, ArmResult, Contrast, Rank, StudyResult
from so8t_shared.studies.member import StudyTask
from so8t_shared.tables import metrics


def conclude_study(task: StudyTask) -> StudyResult:
    """Judge a study from its members' files; no model is asked.

    Raises:
        InputError: no member is complete, members were asked different rows, or a family names an unknown arm.
        IntegrityError: a file is missing or damaged.
        NewerFormat: a newer program wrote it.
    """
    with without_collector():
        answers = read_answers(task)
        return _judged(answers, task)


def _judged(answers: StudyAnswers, task: StudyTask) -> StudyResult:
    arms, contrasts = arms_of(answers, task), contrasts_of(answers, task)
    rates_a = {m.name: _rate_of_a(answers, m, task.settings.confidence) for m in MEASURED}
    accuracy_a = rates_a.pop("accuracy")
    assert accuracy_a is not None  # every row counts
    return StudyResult(
        name=task.name,
        confidence=task.settings.confidence,
        alpha=task.settings.alpha,
        test=task.settings.test,
        quantization=task.primary,
        scoring=task.settings.scoring[0],
        reference=task.reference,
        rows=len(answers.groups),
        groups=grouped(answers.groups).count,
        accuracy_a=accuracy_a,
        dangers_a=rates_a,
        arms=arms,
        files=[file_of(one) for arm in arms for one in answers.by_arm.get(arm.name, [])],
        contrasts=contrasts,
        effects=effects_of(answers, task),
        costs=costs_of(arms, contrasts),
        ranks=_ranks(arms, accuracy_a.value, contrasts, task.settings.alpha),
    )


def _rate_of_a(answers: StudyAnswers, metric: metrics.Row, confidence: float) -> Interval | None:
    places, a = answers.places(metric), answers.members[0].a
    if not places.any():
        return None
    return share_interval(hits(a, metric)[places] > 0, answers.groups[places], confidence)


def _ranks(arms: Sequence[ArmResult], accuracy_a: float, contrasts: Sequence[Contrast], alpha: float) -> list[Rank]:
    values = {MODEL_A: accuracy_a, **{arm.name: arm.accuracy for arm in arms if arm.accuracy is not None}}
    tests: dict[tuple[str, str], tuple[float, float]] = {}
    for c in contrasts:
        if c.metric == "accuracy" and c.difference and c.p_value is not None and (c.other, c.arm) not in tests:
            tests[c.arm, c.other] = c.difference.value, c.p_value
    sets = rank_sets(list(values), tests, alpha)
    ranks = [Rank(name=name, value=value, first=sets[name][0], last=sets[name][1]) for name, value in values.items()]
    return sorted(ranks, key=lambda r: (r.first, r.last, -r.value))
