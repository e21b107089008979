"""Turns answers into evaluation.json: counts, comparisons and decisions. No model is asked here."""

from __future__ import annotations

from collections.abc import Sequence

from so8t_evaluator.asking import as_side
from so8t_evaluator.baseline import WordCounts
from so8t_evaluator.comparison import adjust, compare, make_quality
from so8t_evaluator.gate import gate_result
from so8t_evaluator.grid import Asked
from so8t_evaluator.paired import by_setting
from so8t_evaluator.quantization_loss import quantization_losses
from so8t_evaluator.rows import describe
from so8t_evaluator.slices import slices_of
from so8t_shared.config.model import AbTest, Gguf
from so8t_shared.results.answers import Sample
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import AnswerLimit, EvaluationResult
from so8t_shared.results.sides import SIDES
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.scorings import freely_written


def evaluate(
    asked: Asked, rows: Sequence[LabeledRow], words: WordCounts | None, limit: AnswerLimit, gguf: Gguf, settings: AbTest
) -> EvaluationResult:
    """Evaluate the answers to `rows`.

    `words` is the bag-of-words result on the same rows; `limit` is the token limit of an answer. The
    first scoring at the primary quantization decides; Holm adjusts over the whole grid.
    """
    answers = by_setting(asked.samples)
    primary, scoring = gguf.primary_quantization, settings.scoring[0]
    grid = [(quantization, scoring) for quantization in gguf.quantizations for scoring in settings.scoring]
    tests = [
        compare(f"B vs A, {q}, {s}", answers["a", q, s], answers["b", q, s], settings, family=len(grid))
        for q, s in grid
    ]
    comparisons = adjust(tests, settings.alpha)
    headline = comparisons[grid.index((primary, scoring))]
    control = _control(answers["a", primary, scoring], asked.again, settings)
    return EvaluationResult(
        confidence=settings.confidence,
        alpha=settings.alpha,
        primary_quantization=primary,
        primary_scoring=scoring,
        test_set=describe(rows),
        engine=asked.engine,
        answer_limit=limit if freely_written(settings.scoring) else None,
        cells=[make_quality(answers[side, q, s], settings.confidence) for side in SIDES for q, s in grid],
        speed=list(asked.speed),
        comparisons=comparisons,
        control=control,
        baseline=words.baseline if words else None,
        baseline_comparison=words.against(answers["b", primary, scoring]) if words else None,
        gate=gate_result(comparisons, headline, control, settings.gate),
        slices=slices_of(rows, asked.samples, primary, scoring),
        quantization_losses=quantization_losses(asked.samples),
    )


def _control(first: Sequence[Sample], again: Sequence[Sample], settings: AbTest) -> Comparison | None:
    if not again:
        return None
    name = f"A vs A, {again[0].quantization}, {again[0].scoring}"
    return compare(name, first, [as_side(sample, "b") for sample in again], settings)
