"""What to do next, derived from the figures alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt

import numpy as np

from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.against import baseline_not_beaten, losses
from so8t_reporter.sections.alternatives import file_words
from so8t_reporter.sections.decisions import DANGERS
from so8t_shared import formatting as fmt
from so8t_shared.labels import CHANCE_NATS
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.gate import Decision
from so8t_shared.results.training import TrainingPoint, TrainingResult
from so8t_shared.results.verdicts import Verdict
from so8t_shared.tables.scorings import freely_written

FEWEST_POINTS = 4
LEAST_FALL = 0.05
"""Share of the loss that a fall must exceed to be worth more training."""
LEAST_RISE_NATS = 0.05
"""A rise of the decision loss per row that is worth a word, however small the loss was."""
MOST_BLOCKS = 40
"""More steps than this are averaged in as many blocks."""
_ONE_SIDED_5_PERCENT = 1.645


def next_steps(inputs: ReportInputs) -> list[str]:
    """Return one sentence for each step that the figures suggest; empty if there is none."""
    evaluation = inputs.evaluation
    return [
        *_untrusted(evaluation),
        *_form(evaluation),
        *_training(inputs),
        *_dangers(evaluation),
        *_rows(evaluation),
        *_baseline(evaluation),
        *_quantization(evaluation),
    ]


def loss_fall(points: Sequence[TrainingPoint]) -> tuple[int, float] | None:
    """Return the number of last steps over which the loss still falls, and by which share; None if it does not.

    Over the last half of the steps, the trend must be significant at 5% (Mann & Kendall, one-sided; normal
    approximation), and the mean loss must fall by more than LEAST_FALL from one half of them to the other.
    """
    n = max(len(points) // 2, min(len(points), FEWEST_POINTS))
    if n < FEWEST_POINTS:
        return None
    losses = np.array([point.loss for point in points[-n:]])
    k = min(n, MOST_BLOCKS)
    blocks = np.array([block.mean() for block in np.array_split(losses, k)])
    falling = int(np.triu(np.sign(np.subtract.outer(blocks, blocks))).sum())
    before, after = float(losses[: n // 2].mean()), float(losses[-(n // 2) :].mean())
    z = (falling - 1) / sqrt(k * (k - 1) * (2 * k + 5) / 18)
    if z < _ONE_SIDED_5_PERCENT or after > (1 - LEAST_FALL) * before:
        return None
    return n, 1 - after / before


def loss_rise(training: TrainingResult) -> tuple[int, float] | None:
    """Return the step since which the decision loss in validation has risen, and by which share of its best.

    None if it has not risen by more than LEAST_FALL and LEAST_RISE_NATS, or if model B has the best step's weights.
    """
    best, last, step = training.best_validation, training.last_validation, training.best_step
    if best is None or last is None or step is None or training.weights_step == step:
        return None
    if last.decision_loss <= best.decision_loss + max(LEAST_FALL * best.decision_loss, LEAST_RISE_NATS):
        return None
    return step, last.decision_loss / best.decision_loss - 1


def _untrusted(evaluation: EvaluationResult) -> Iterator[str]:
    if evaluation.control is not None and evaluation.control.differing_answers:
        yield "Find out why A's answers change when it is asked again, before you use any figure."


def _form(evaluation: EvaluationResult) -> Iterator[str]:
    limit, scorings = evaluation.answer_limit, evaluation.scorings
    if limit is not None and limit.too_short and limit.longest_target_tokens is not None:
        yield (
            f"Raise ab_test.max_new_tokens from {limit.max_new_tokens:,} to at least {limit.longest_target_tokens:,},"
            " the longest answer that B was trained to give."
        )
    unread = evaluation.headline.verdict in {Verdict.NOTHING_READ, Verdict.MOSTLY_UNREAD, Verdict.FORM_ONLY}
    if unread and freely_written(scorings) == scorings:
        yield (
            "Add a scoring without free text to ab_test.scoring: it compares the decisions of models that do not follow"
            " the format."
        )


def _training(inputs: ReportInputs) -> Iterator[str]:
    training = inputs.training
    if training is None:
        return
    steps = training.steps
    if steps == 0:
        yield "Train B: no optimizer step was taken, so it is its unchanged base (training.max_steps)."
    elif rise := loss_rise(training):
        yield (
            f"Train for fewer steps, or set training.keep_best: the validation loss has risen since step {rise[0]:,},"
            f" by {100 * rise[1]:.0f}%."
        )
    elif fall := loss_fall(inputs.points):
        yield (
            f"Train longer: B was trained for {steps:,} {fmt.plural(steps, 'step', 'steps')} and its loss still falls,"
            f" by {100 * fall[1]:.0f}% over the last {fall[0]:,} (training.max_steps or training.epochs)."
        )
    last = training.last_validation
    if last is not None and last.decision_loss > (1 - LEAST_FALL) * CHANCE_NATS:
        yield (
            "Look at the labels, or train differently: B has learned the form of the answer at most, not the class. On"
            f" validation rows its decision loss is {last.decision_loss:.2f}, and {CHANCE_NATS:.2f} is chance."
        )


def _dangers(evaluation: EvaluationResult) -> Iterator[str]:
    scoring = evaluation.deciding_scoring
    rates = (evaluation.rate(metric, evaluation.primary_quantization, scoring) for metric in DANGERS)
    n = sum(rate.b.hits for rate in rates if rate and rate.b)
    if n:
        which = fmt.plural(n, "request that B wrongly allowed", "requests that B wrongly allowed")
        yield f"Read the {n:,} {which}: they come first in explorer.html."


def _rows(evaluation: EvaluationResult) -> Iterator[str]:
    c = evaluation.headline
    if c.verdict == Verdict.TOO_FEW_GROUPS:
        groups = c.accuracy_difference.groups
        yield f"Test rows of more kinds: the {c.n:,} rows are only {groups:,} groups of rows that are alike."
    stopped = evaluation.until_decided
    undecided = sum(
        clause.required
        and clause.result == Decision.UNDECIDED
        and any(s.figure for s in clause.settings)
        and not (stopped and clause.name in stopped.cannot_pass)
        for clause in evaluation.gate.clauses
    )
    plan = evaluation.plan
    if undecided:
        needed = plan.rows_for_gate or 0
        what = "Ask all rows (without --until-decided)" if stopped and stopped.decided else "Test more rows"
        yield (
            f"{what}: {c.n:,} {fmt.plural(c.n, 'row leaves', 'rows leave')} {undecided:,} required"
            f" {fmt.plural(undecided, 'clause', 'clauses')} of the gate undecided"
            f"{f'; about {needed:,} are needed' if needed > c.n else ''}."
        )
    elif c.verdict == Verdict.NO_DIFFERENCE and plan.smallest_difference is not None:
        yield (
            f"Test more rows if a difference below {100 * plan.smallest_difference:.1f} points matters to you:"
            f" {c.n:,} rows do not show it reliably."
        )


def _baseline(evaluation: EvaluationResult) -> Iterator[str]:
    if baseline_not_beaten(evaluation):
        yield "Test with rows that single words do not give away, or train more: counting words does as well as B."


def _quantization(evaluation: EvaluationResult) -> Iterator[str]:
    scoring, primary = evaluation.deciding_scoring, evaluation.primary_quantization
    for line in losses(evaluation):
        if (line.quantization, line.scoring) == (primary, scoring):
            yield f"Consider shipping {line.reference} instead of {primary}: B loses less there."
    for other in evaluation.alternatives.lines if evaluation.alternatives else ():
        if other.verdict == "better":
            words = file_words(other.quantization, imatrix=other.imatrix)
            yield f"Consider shipping {words} instead of {primary}: on validation rows it is better."
