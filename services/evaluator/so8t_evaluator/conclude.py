"""Turns answers into evaluation.json: counts, comparisons and decisions. No model is asked here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from so8t_evaluator.alternatives.judging import alternatives_of
from so8t_evaluator.asking import as_side
from so8t_evaluator.baseline import WordCounts, words_or_counted
from so8t_evaluator.comparison import adjust, compare, make_quality
from so8t_evaluator.ending import how_to_judge, until_decided_of
from so8t_evaluator.gate import UNJUDGED, judge
from so8t_evaluator.latency_ratio import latency_ratios
from so8t_evaluator.paired import by_setting
from so8t_evaluator.policies import policies_of
from so8t_evaluator.quantization_loss import quantization_losses
from so8t_evaluator.rates import rates_of
from so8t_evaluator.reliability import reliability_of
from so8t_evaluator.retention.judging import retention_of
from so8t_evaluator.rows import select
from so8t_evaluator.slices import describe, slices_of
from so8t_evaluator.testing_plan import plan_rows, plan_test
from so8t_shared.collector import leave_alone
from so8t_shared.config.model import AbTest
from so8t_shared.results.alternatives import ALTERNATIVE_ANSWERS_FILE, ALTERNATIVES_FILE, Compared, FileAnswer
from so8t_shared.results.answers import CONTROL_FILE, SAMPLES_FILE, VALIDATION_FILE, Sample
from so8t_shared.results.asking import ASKING_FILE, Asking
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.interval import Interval
from so8t_shared.results.rates import Rate
from so8t_shared.results.retention import RETENTION_FILE, ScoredReference
from so8t_shared.results.sides import SIDES
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.scorings import freely_written


@dataclass(frozen=True)
class Evidence:
    """All answers to be judged; within one model and setting they are in row order."""

    asking: Asking
    samples: Sequence[Sample]
    again: Sequence[Sample]
    """A's repeated answers in the headline's setting; empty without a control."""
    words: WordCounts | None = None
    """The bag-of-words result on the same rows."""
    available: Sequence[LabeledRow] = ()
    """The rows that might have been asked, where the asking could end early."""
    validation: Sequence[Sample] = ()
    """The answers to the validation rows, with ab_test.policy."""
    references: Sequence[ScoredReference] = ()
    """The reference answers to neutral prompts, with ab_test.retention."""
    compared: Compared | None = None
    """Other files of model B, with gguf.alternatives."""
    file_answers: Sequence[FileAnswer] = ()
    """Their answers to the validation rows."""


def conclude(evidence: Evidence, settings: AbTest) -> EvaluationResult:
    """Judge the answers.

    The first scoring at the primary quantization decides, at the full level; Holm adjusts over the rest of the grid.
    """
    asking, given = evidence.asking, settings
    pool, settings = how_to_judge(asking.stopped, settings)
    answers = by_setting(evidence.samples, in_order=pool is not None)
    primary, scoring = asking.primary_quantization, asking.scorings[0]
    grid = [(quantization, scoring) for quantization in asking.quantizations for scoring in asking.scorings]
    rates = [rates_of(answers["a", q, s], answers["b", q, s], settings, pool) for q, s in grid]
    tests = [
        compare(
            f"B vs A, {q}, {s}",
            answers["a", q, s],
            answers["b", q, s],
            settings,
            macro_f1_difference=known,
            pool=pool,
        )
        for (q, s), known in zip(grid, map(_macro_f1_difference, rates), strict=True)
    ]
    headline = grid.index((primary, scoring))
    comparisons = adjust(tests, headline, settings.alpha)
    a, b = answers["a", primary, scoring], answers["b", primary, scoring]
    result = EvaluationResult(
        confidence=settings.confidence,
        alpha=settings.alpha,
        test=settings.test,
        primary_quantization=primary,
        primary_scoring=scoring,
        test_set=describe(a),
        plan=(
            plan_rows(evidence.available, given)
            if evidence.available
            else plan_test([sample.gold for sample in a], [sample.cluster for sample in a], settings)
        ),
        engine=asking.engine,
        answer_limit=asking.answer_limit if freely_written(asking.scorings) else None,
        cells=[make_quality(answers[side, q, s], settings.confidence, pool) for side in SIDES for q, s in grid],
        speed=asking.speed,
        latency_ratios=latency_ratios(answers, asking, settings.confidence),
        comparisons=comparisons,
        control=_control(a, evidence.again, settings),
        control_reused=sum(sample.reused for sample in evidence.again),
        baseline=evidence.words.baseline if evidence.words else None,
        baseline_comparison=evidence.words.against(b, pool or settings.test) if evidence.words else None,
        rates=[*chain.from_iterable(rates)],
        reliability=reliability_of((a, b), settings.confidence),
        slices=slices_of(a, b, pool or settings.test),
        quantization_losses=quantization_losses(answers, pool or settings.test),
        gate=UNJUDGED,
        until_decided=until_decided_of(asking.stopped, a, b, given) if asking.stopped else None,
        policy=policies_of(asking, evidence.validation, answers, given, settings, pool) if given.policy else None,
        retention=retention_of(evidence.references, given) if evidence.references else None,
        alternatives=alternatives_of(evidence.compared, evidence.file_answers, given) if evidence.compared else None,
    )
    return result.model_copy(update={"gate": judge(result, settings.clauses)})


def conclude_from_files(
    evaluate: Path, splits: Path, settings: AbTest, *, counted: Mapping[str, str] | None = None
) -> EvaluationResult:
    """Judge the answers in the evaluate stage's folder; `splits` is the train stage's, for the bag of words.

    `counted` is what the bag of words said of each tested row where the rows' texts are not there; empty for nothing.

    Raises:
        IntegrityError: a file is missing or damaged.
        NewerFormat: a newer program wrote it.
    """
    samples = Sample.read_lines(evaluate / SAMPLES_FILE)
    asking, test = Asking.read(evaluate / ASKING_FILE), LabeledRow.read_lines(splits / "test.jsonl")
    rows = {row.id: row for row in test}
    tested = [rows[row_id] for row_id in dict.fromkeys(sample.row_id for sample in samples)]
    train, others = LabeledRow.read_lines(splits / "train.jsonl"), (evaluate / ALTERNATIVES_FILE).is_file()
    evidence = Evidence(
        asking=asking,
        samples=samples,
        again=Sample.read_lines(evaluate / CONTROL_FILE),
        words=words_or_counted(train, tested, settings.confidence, counted),
        available=select(test, asking.stopped.available) if asking.stopped else (),
        validation=Sample.read_lines(evaluate / VALIDATION_FILE) if settings.policy else (),
        references=ScoredReference.read_lines(evaluate / RETENTION_FILE) if settings.retention else (),
        compared=Compared.read(evaluate / ALTERNATIVES_FILE) if others else None,
        file_answers=FileAnswer.read_lines(evaluate / ALTERNATIVE_ANSWERS_FILE) if others else (),
    )
    leave_alone()
    return conclude(evidence, settings)


def _macro_f1_difference(rates: Sequence[Rate]) -> Interval | None:
    return next(rate.difference for rate in rates if (rate.metric, rate.by) == ("macro_f1", "all"))


def _control(first: Sequence[Sample], again: Sequence[Sample], settings: AbTest) -> Comparison | None:
    if not again:
        return None
    name = f"A vs A, {again[0].quantization}, {again[0].scoring}"
    return compare(name, first, [as_side(sample, "b") for sample in again], settings)
