"""The gate on answers that are written out: what conclude makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.unit.evaluator.material import make_samples, with_logprobs

from so8t_evaluator.baseline import WordCounts
from so8t_evaluator.conclude import Evidence, conclude
from so8t_evaluator.paired import Marks
from so8t_evaluator.stats.groups import codes
from so8t_evaluator.stats.wilson import wilson
from so8t_shared.config.gate import Clause
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.asking import Asking
from so8t_shared.results.evaluation import AnswerLimit, Baseline, EngineInfo
from so8t_shared.results.gate import ClauseResult, GateResult

GOLD = list(LABELS) * 80
FEW = list(LABELS) * 15
"""As many rows as the first demo asked."""
HEADLINE = ("q4_k_m", "generate")
ENGINE = EngineInfo(name="none", version="0", settings={})

Setting = tuple[str, str]


def said(gold: Sequence[str], *, label: str, answer: str, rows: int) -> list[str]:
    """All right but for the first rows of a class."""
    left, found = rows, []
    for g in gold:
        found.append(answer if g == label and left > 0 else g)
        left -= g == label
    return found


def unreadable(gold: Sequence[str], rows: int) -> list[str]:
    """All right but for the first rows."""
    return ["INVALID"] * rows + list(gold[rows:])


def judged(
    gate: Sequence[Clause | dict[str, Any]],
    a: Sequence[str],
    b: Sequence[str],
    *,
    gold: Sequence[str] = GOLD,
    others: Mapping[Setting, tuple[Sequence[str], Sequence[str]]] | None = None,
    again: Sequence[str] | None = None,
    words: Sequence[str] | None = None,
    rows_per_group: int = 1,
    slices: Sequence[Mapping[str, str]] | None = None,
    logprobs: bool = False,
    **settings: Any,
) -> GateResult:
    """The gate on A's and B's answers at q4_k_m with generate scoring, and on those in `others`.

    `again` are the digests of A's answers to the same rows; `words` is what counting words says.
    """
    test = AbTest.model_validate({"bootstrap_resamples": 100, "gate": list(gate), **settings})
    groups = [str(i // rows_per_group) for i in range(len(gold))]
    grid = {HEADLINE: (a, b), **(others or {})}
    samples = [
        sample.model_copy(update={"group": group, **part})
        for (quantization, scoring), answers in grid.items()
        for side, answered in zip("ab", answers, strict=True)
        for sample, group, part in zip(
            make_samples(gold, answered, model=side, quantization=quantization, scoring=scoring),
            groups,
            slices or [{}] * len(gold),
            strict=True,
        )
    ]
    samples = with_logprobs(samples) if logprobs else samples
    first = samples[: len(gold)]
    repeated = [s.model_copy(update={"answer_sha256": x}) for s, x in zip(first, again or (), strict=again is not None)]
    asking = Asking(
        primary_quantization="q4_k_m",
        quantizations=[*dict.fromkeys(q for q, _ in grid)],
        scorings=[*dict.fromkeys(s for _, s in grid)],
        engine=ENGINE,
        answer_limit=AnswerLimit(max_new_tokens=48, longest_target_tokens=None),
        speed=[],
    )
    counted = _word_counts(gold, words, groups) if words else None
    return conclude(Evidence(asking, samples, repeated, counted), test).gate


def _word_counts(gold: Sequence[str], words: Sequence[str], groups: Sequence[str]) -> WordCounts:
    marks = Marks([str(i) for i in range(len(gold))], codes(gold) == codes(words), codes(groups))
    accuracy = wilson(int(marks.right.sum()), len(gold), 0.95)
    return WordCounts(Baseline(name="words", n_train=9, n_test=len(gold), accuracy=accuracy, macro_f1=0.5), marks)


def one(clause: dict[str, Any], a: Sequence[str], b: Sequence[str], **other: Any) -> ClauseResult:
    """The only clause of a gate; what it says is what the gate says."""
    result = judged([{"name": "it", **clause}], a, b, **other)
    assert result.result == result.clauses[0].result
    return result.clauses[0]


ALL_ALLOW = ["ALLOW"] * len(GOLD)


def allowed(rows: int) -> list[str]:
    """All right but for these many DENY rows that were let through."""
    return said(GOLD, label="DENY", answer="ALLOW", rows=rows)
