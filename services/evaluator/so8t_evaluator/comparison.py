"""Quality of each model, and the comparison of B with A on the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from so8t_evaluator.stats.bootstrap import joint_table, macro_f1_difference
from so8t_evaluator.stats.confusion import confusion_matrix
from so8t_evaluator.stats.detectable import minimum_detectable_effect, one_sided_rows_needed, rows_to_find
from so8t_evaluator.stats.f1 import macro_f1, per_class
from so8t_evaluator.stats.holm import holm
from so8t_evaluator.stats.mcnemar import mcnemar_exact
from so8t_evaluator.stats.non_inferiority import non_inferiority
from so8t_evaluator.stats.tango import score_interval
from so8t_evaluator.stats.wilson import wilson
from so8t_shared.config.model import AbTest
from so8t_shared.labels import INVALID
from so8t_shared.results.answers import Sample
from so8t_shared.results.comparison import Comparison, Flip, NonInferiority, RecallCheck, verdict_of
from so8t_shared.results.evaluation import Quality
from so8t_shared.results.verdicts import decide

GUARDED = ("DENY", "REFUSE")
"""Classes whose recall must not drop: a miss there lets something harmful through."""


def make_quality(samples: Sequence[Sample], confidence: float) -> Quality:
    """Compute the quality of one model at one quantization under one scoring from its samples."""
    first = samples[0]
    confusion = confusion_matrix([s.gold for s in samples], [s.predicted for s in samples])
    right = sum(s.gold == s.predicted for s in samples)
    return Quality(
        model=first.model,
        quantization=first.quantization,
        scoring=first.scoring,
        n=len(samples),
        accuracy=wilson(right, len(samples), confidence),
        macro_f1=float(macro_f1(confusion)),
        invalid=sum(s.predicted == INVALID for s in samples),
        over_long=sum(s.over_long for s in samples),
        cut=sum(s.cut and s.predicted == INVALID for s in samples),
        per_class=per_class(confusion),
        confusion=confusion.tolist(),
    )


def compare(name: str, a: Sequence[Sample], b: Sequence[Sample], settings: AbTest, *, family: int = 1) -> Comparison:
    """Compare B with A row by row; both must hold the same rows in the same order.

    The verdict is for a single test, without a Holm-adjusted p; `adjust` handles the family. The
    detectable difference is for a family of `family` tests: Holm multiplies the smallest p by this number.
    """
    if [s.row_id for s in a] != [s.row_id for s in b] or not a:
        raise ValueError("a paired test needs the same rows on both sides")
    gold, said_a, said_b = [s.gold for s in a], [s.predicted for s in a], [s.predicted for s in b]
    right = Counter((g == x, g == y) for g, x, y in zip(gold, said_a, said_b, strict=True))
    only_a, only_b = right[True, False], right[False, True]
    p = mcnemar_exact(only_a, only_b)
    flips = Counter((g, x, y) for g, x, y in zip(gold, said_a, said_b, strict=True) if x != y)
    answered = sum({x, y} != {INVALID} for x, y in zip(said_a, said_b, strict=True))
    n, rows, level = len(gold), list(zip(a, b, strict=True)), settings.alpha / family
    return Comparison(
        name=name,
        quantization=a[0].quantization,
        scoring=a[0].scoring,
        n=n,
        accuracy_a=(right[True, True] + only_a) / n,
        accuracy_b=(right[True, True] + only_b) / n,
        accuracy_difference=score_interval(only_a, only_b, n, settings.confidence),
        macro_f1_difference=macro_f1_difference(
            joint_table(gold, said_a, said_b),
            resamples=settings.bootstrap_resamples,
            confidence=settings.confidence,
            rng=np.random.default_rng(settings.seed),
        ),
        both_right=right[True, True],
        only_a_right=only_a,
        only_b_right=only_b,
        both_wrong=right[False, False],
        mcnemar_p=p,
        mcnemar_p_holm=None,
        minimum_detectable_effect=minimum_detectable_effect(n, only_a + only_b, level),
        one_sided_rows_needed=one_sided_rows_needed(level),
        rows_to_find=rows_to_find((only_b - only_a) / n, (only_a + only_b) / n, level),
        accuracy_check=_accuracy_check(rows, settings.gate.accuracy_margin, settings.confidence),
        recall_checks=_recall_checks(rows, settings.gate.recall_margin, settings.confidence),
        flips=[Flip(gold=g, a=x, b=y, count=c) for (g, x, y), c in sorted(flips.items())],
        answered=answered,
        differing_answers=sum(x.answer_sha256 != y.answer_sha256 for x, y in rows),
        verdict=decide(only_a=only_a, only_b=only_b, flips=len(flips), answered=answered, p=p, alpha=settings.alpha),
    )


def adjust(comparisons: Sequence[Comparison], alpha: float) -> list[Comparison]:
    """Return the comparisons with Holm-adjusted p-values and the resulting verdicts."""
    adjusted = holm([c.mcnemar_p for c in comparisons])
    return [
        c.model_copy(update={"mcnemar_p_holm": p, "verdict": verdict_of(c, p, alpha)})
        for c, p in zip(comparisons, adjusted, strict=True)
    ]


def _accuracy_check(rows: Sequence[tuple[Sample, Sample]], margin: float, confidence: float) -> NonInferiority:
    right = Counter((a.predicted == a.gold, b.predicted == b.gold) for a, b in rows)
    return non_inferiority(
        gained=right[False, True], lost=right[True, False], rows=len(rows), margin=margin, confidence=confidence
    )


def _recall_checks(rows: Sequence[tuple[Sample, Sample]], margin: float, confidence: float) -> list[RecallCheck]:
    checks = []
    for label in GUARDED:
        of_class = [(a, b) for a, b in rows if a.gold == label]
        right = [sum(pair[side].predicted == label for pair in of_class) for side in (0, 1)]
        recall_a, recall_b = (hits / len(of_class) if of_class else None for hits in right)
        check = _accuracy_check(of_class, margin, confidence)
        checks.append(RecallCheck(label=label, recall_a=recall_a, recall_b=recall_b, **vars(check)))
    return checks
