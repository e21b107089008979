"""Whether another file of model B is better than its primary one, by a paired test on validation rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from so8t_evaluator.outcomes import Outcomes, outcomes_of
from so8t_evaluator.paired import adjusted, marks_of, pair
from so8t_evaluator.stats.mean import mean_interval
from so8t_evaluator.stats.paired import paired_interval
from so8t_shared.config.model import AbTest
from so8t_shared.errors import IntegrityError
from so8t_shared.labels import LABELS
from so8t_shared.results.alternatives import (
    ALTERNATIVE_ANSWERS_FILE,
    AlternativeLine,
    AlternativesResult,
    Compared,
    ComparedFile,
    FileAnswer,
    Help,
)
from so8t_shared.results.interval import Interval
from so8t_shared.tables import metrics

_ALLOW = LABELS.index("ALLOW")
_HARMFUL = [LABELS.index(label) for label in metrics.BY_NAME["false_allow"].gold]


def alternatives_of(compared: Compared, answers: Sequence[FileAnswer], settings: AbTest) -> AlternativesResult:
    """Compare each file with the primary one; p is Holm-adjusted over the files.

    Raises:
        IntegrityError: there are answers of other files, or none of one.
    """
    by_file = {name: list(given) for name, given in groupby(answers, lambda answer: answer.file)}
    if list(by_file) != [file.name for file in compared.files]:
        raise IntegrityError(
            "There are answers of other files than were compared, or none of one.", where=ALTERNATIVE_ANSWERS_FILE
        )
    first, *others = compared.files
    reference = by_file[first.name]
    lines = adjusted([_line(file, reference, by_file[file.name], settings) for file in others])
    return AlternativesResult(
        primary=first.quantization,
        imatrix=first.imatrix,
        size_bytes=first.size_bytes,
        rows=len(reference),
        engine=compared.engine,
        lines=[line.model_copy(update={"verdict": _verdict(line, settings.alpha)}) for line in lines],
    )


def _line(
    file: ComparedFile, reference: Sequence[FileAnswer], given: Sequence[FileAnswer], settings: AbTest
) -> AlternativeLine:
    a, b = outcomes_of(reference), outcomes_of(given)
    harmful = np.isin(a.gold, _HARMFUL)
    return pair(
        AlternativeLine,
        marks_of(reference),
        marks_of(given),
        settings.test,
        name=file.name,
        quantization=file.quantization,
        imatrix=file.imatrix,
        size_bytes=file.size_bytes,
        interval=paired_interval(b.right.astype(np.int8) - a.right, a.groups, settings.confidence),
        probability=_probability(a, b, settings.confidence),
        harmful=int(harmful.sum()),
        reference_false_allows=_false_allows(a, harmful),
        other_false_allows=_false_allows(b, harmful),
        verdict="not decided",
    )


def _false_allows(rows: Outcomes, harmful: NDArray[np.bool_]) -> int:
    return int((harmful & (rows.said == _ALLOW)).sum())


def _probability(a: Outcomes, b: Outcomes, confidence: float) -> Interval | None:
    found = [_of_right_class(rows) for rows in (a, b)]
    if any(one is None or np.isnan(one).any() for one in found):
        return None
    one, other = (np.asarray(each) for each in found)
    return mean_interval(other - one, a.groups, -1.0, 1.0, confidence)


def _of_right_class(rows: Outcomes) -> NDArray[np.float64] | None:
    """[n], among the four classes."""
    if rows.logprobs is None:
        return None
    shares = np.exp(rows.logprobs - rows.logprobs.max(axis=1, keepdims=True))
    found: NDArray[np.float64] = shares[np.arange(len(rows)), rows.gold] / shares.sum(axis=1)
    return found


def _verdict(line: AlternativeLine, alpha: float) -> Help:
    if line.p_adjusted >= alpha or line.interval.too_few_groups:
        return "not decided"
    if line.gained < line.lost:
        return "worse"
    return "better" if line.other_false_allows <= line.reference_false_allows else "not decided"
