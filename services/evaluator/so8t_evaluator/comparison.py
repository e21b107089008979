"""Quality of each model, and the comparison of B with A on the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from so8t_evaluator.measures import macro_f1_gain
from so8t_evaluator.outcomes import Outcomes, outcomes_of
from so8t_evaluator.stats.anytime import Pool
from so8t_evaluator.stats.confusion import COLUMNS, confusion_matrix
from so8t_evaluator.stats.holm import headline_then_holm
from so8t_evaluator.stats.paired import paired_interval, paired_p
from so8t_evaluator.stats.share import share_interval
from so8t_shared.config.model import AbTest
from so8t_shared.f1 import macro_f1, per_class
from so8t_shared.labels import INVALID, LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.comparison import Comparison, Flip, ReadRows, verdict_of
from so8t_shared.results.evaluation import Quality
from so8t_shared.results.interval import Interval
from so8t_shared.results.verdicts import Verdict


def make_quality(samples: Sequence[Sample], confidence: float, pool: Pool | None = None) -> Quality:
    """Compute the quality of one model in one setting from its answers."""
    first, rows = samples[0], outcomes_of(samples)
    confusion = confusion_matrix([s.gold for s in samples], [s.predicted for s in samples])
    return Quality(
        model=first.model,
        quantization=first.quantization,
        scoring=first.scoring,
        n=len(samples),
        accuracy=share_interval(rows.right, rows.groups, confidence, pool),
        macro_f1=float(macro_f1(confusion)),
        invalid=sum(s.predicted == INVALID for s in samples),
        over_long=sum(s.over_long for s in samples),
        cut=sum(s.cut and s.predicted == INVALID for s in samples),
        rescued=sum(s.predicted == INVALID != s.lenient for s in samples),
        merged=sum(s.merged for s in samples),
        seconds=_seconds_by_class(samples),
        per_class=per_class(confusion),
        confusion=confusion.tolist(),
    )


def _seconds_by_class(samples: Sequence[Sample]) -> dict[str, float]:
    found = dict.fromkeys(LABELS, 0.0)
    for sample in samples:
        found[sample.gold] += sample.latency_ms / 1000
    return found


def compare(
    name: str,
    a: Sequence[Sample],
    b: Sequence[Sample],
    settings: AbTest,
    *,
    macro_f1_difference: Interval | None = None,
    pool: Pool | None = None,
) -> Comparison:
    """Compare B with A row by row; both must hold the same rows in the same order.

    `macro_f1_difference` is the difference where it is known: computing it takes seconds. The verdict is for a single
    test, without an adjusted p; `adjust` handles the family. With a `pool`, p and the interval of accuracies hold
    wherever the asking ends.
    """
    if [s.row_id for s in a] != [s.row_id for s in b] or not a:
        raise ValueError("a paired test needs the same rows on both sides")
    rows_a, rows_b = outcomes_of(a), outcomes_of(b)
    difference = rows_b.right.astype(np.int8) - rows_a.right
    only_a, only_b = int((difference < 0).sum()), int((difference > 0).sum())
    both_right, n = int((rows_a.right & rows_b.right).sum()), len(a)
    p = paired_p(difference, rows_a.groups, pool or settings.test)
    found = Comparison(
        name=name,
        quantization=a[0].quantization,
        scoring=a[0].scoring,
        n=n,
        accuracy_a=(both_right + only_a) / n,
        accuracy_b=(both_right + only_b) / n,
        accuracy_difference=paired_interval(difference, rows_a.groups, settings.confidence, pool),
        macro_f1_difference=macro_f1_difference or macro_f1_gain(rows_a, rows_b, settings),
        both_right=both_right,
        only_a_right=only_a,
        only_b_right=only_b,
        both_wrong=n - both_right - only_a - only_b,
        unread_a=rows_a.unread,
        unread_b=rows_b.unread,
        read_from_both=_read_rows(rows_a, rows_b, settings, pool),
        p_value=p,
        p_adjusted=None,
        flips=_flips(rows_a, rows_b),
        differing_answers=sum(x.answer_sha256 != y.answer_sha256 for x, y in zip(a, b, strict=True)),
        seconds=sum(s.latency_ms for s in (*a, *b)) / 1000,
        verdict=Verdict.NO_DIFFERENCE,
    )
    return found.model_copy(update={"verdict": verdict_of(found, p, settings.alpha)})


def adjust(comparisons: Sequence[Comparison], headline: int, alpha: float) -> list[Comparison]:
    """Return the comparisons with adjusted p-values and the resulting verdicts.

    The headline was chosen before the run and is tested first, at the full level; the others only follow if it is
    significant, with Holm's correction among themselves.
    """
    adjusted = headline_then_holm([c.p_value for c in comparisons], headline)
    both = [max(c.p_value, c.read_from_both.p_value) if c.read_from_both else c.p_value for c in comparisons]
    of_read = headline_then_holm(both, headline)
    return [_with_p(c, p, read, alpha) for c, p, read in zip(comparisons, adjusted, of_read, strict=True)]


def _with_p(c: Comparison, p: float, of_read: float, alpha: float) -> Comparison:
    read = c.read_from_both and c.read_from_both.model_copy(update={"p_adjusted": of_read})
    found = c.model_copy(update={"p_adjusted": p, "read_from_both": read})
    return found.model_copy(update={"verdict": verdict_of(found, p, alpha)})


def _read_rows(a: Outcomes, b: Outcomes, settings: AbTest, pool: Pool | None) -> ReadRows | None:
    """Compare the decisions alone, apart from the form."""
    read = (a.said != len(LABELS)) & (b.said != len(LABELS))
    if read.all():
        return None
    a, b = a.among(read), b.among(read)
    difference = b.right.astype(np.int8) - a.right
    return ReadRows(
        n=len(a),
        both_right=int((a.right & b.right).sum()),
        only_a_right=int((difference < 0).sum()),
        only_b_right=int((difference > 0).sum()),
        difference=paired_interval(difference, a.groups, settings.confidence, pool) if len(a) else None,
        p_value=paired_p(difference, a.groups, pool or settings.test) if len(a) else 1.0,
    )


def _flips(a: Outcomes, b: Outcomes) -> list[Flip]:
    changed = a.said != b.said
    counted = Counter(zip(a.gold[changed].tolist(), a.said[changed].tolist(), b.said[changed].tolist(), strict=True))
    named = sorted((LABELS[g], COLUMNS[x], COLUMNS[y], count) for (g, x, y), count in counted.items())
    return [Flip(gold=g, a=x, b=y, count=count) for g, x, y, count in named]
