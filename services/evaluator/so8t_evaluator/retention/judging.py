"""Whether B kept what A knows: the difference in log-likelihood of the references, against a margin."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import chain, groupby

import numpy as np

from so8t_engines.divergence import over_positions
from so8t_evaluator.gate import bounded
from so8t_evaluator.stats.skewed_mean import skewed_mean_interval
from so8t_shared.config.gate import Clause
from so8t_shared.config.model import AbTest
from so8t_shared.results.gate import Decision
from so8t_shared.results.retention import (
    FileRetention,
    LostItem,
    Retained,
    RetainedPart,
    RetentionResult,
    ScoredReference,
)
from so8t_shared.results.verification import Divergence

_LOST_MOST = 5
_VERDICTS: dict[Decision, Retained] = {Decision.PASS: "kept", Decision.FAIL: "lost", Decision.UNDECIDED: "undecided"}


def retention_of(references: Sequence[ScoredReference], settings: AbTest) -> RetentionResult:
    """Judge the references, which are in the order of the quantizations.

    Raises:
        ValueError: `ab_test.retention` is not set, or a quantization has fewer than two references.
    """
    if settings.retention is None:
        raise ValueError("ab_test.retention is not set")
    clause = settings.retention.clause
    by_file = [list(found) for _, found in groupby(references, lambda each: each.quantization)]
    return RetentionResult(
        items=len(by_file[0]),
        tokens=sum(each.tokens_a for each in by_file[0]),
        margin=settings.retention.margin,
        lower_bound=any(each.kl_lower_bound for each in references),
        files=[_file(found, clause, settings.confidence) for found in by_file],
    )


def _file(found: Sequence[ScoredReference], clause: Clause, confidence: float) -> FileRetention:
    difference = skewed_mean_interval(np.array([each.b - each.a for each in found]), confidence)
    lost = sorted((each for each in found if each.b < each.a), key=lambda each: each.b - each.a)
    return FileRetention(
        quantization=found[0].quantization,
        verdict=_VERDICTS[bounded(clause, difference)[0]],
        a=statistics.fmean(each.a for each in found),
        b=statistics.fmean(each.b for each in found),
        difference=difference,
        divergence=_divergence(found),
        parts=list(_parts(found)),
        lost_most=[
            LostItem(item=each.item, kind=each.kind, language=each.language, a=each.a, b=each.b)
            for each in lost[:_LOST_MOST]
        ],
    )


def _divergence(found: Sequence[ScoredReference]) -> Divergence | None:
    """Return None where one reference cannot be compared token by token: the others would be a selection."""
    known = [each.kl for each in found if each.kl is not None]
    if len(known) < len(found):
        return None
    return over_positions([*chain.from_iterable(known)], sum(each.changed_top for each in found))


def _parts(found: Sequence[ScoredReference]) -> Iterator[RetainedPart]:
    of_kind = {kind: [each for each in found if each.kind == kind] for kind in dict.fromkeys(e.kind for e in found)}
    languages = dict.fromkeys(each.language for each in found)
    of_language = {language: [each for each in found if each.language == language] for language in languages}
    for value, items in of_kind.items():
        yield RetainedPart(by="kind", value=value, **_means(items))
    for value, items in of_language.items():
        yield RetainedPart(by="language", value=value, **_means(items))


def _means(items: Sequence[ScoredReference]) -> dict[str, float]:
    return {
        "items": len(items),
        "a": statistics.fmean(each.a for each in items),
        "b": statistics.fmean(each.b for each in items),
    }
