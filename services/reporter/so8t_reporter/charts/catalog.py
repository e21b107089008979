"""The list of pictures in a report, with the alternative text for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure

from so8t_reporter.charts import (
    confusion,
    flips,
    metrics_comparison,
    reliability,
    risk_coverage,
    tradeoff,
    training_curve,
)
from so8t_reporter.charts.lookup import is_headline, quality_of
from so8t_reporter.charts.style import Theme
from so8t_reporter.inputs import Names, ReportInputs
from so8t_reporter.summary import headline_with_figures
from so8t_shared import formatting as fmt
from so8t_shared.results.evaluation import EvaluationResult, Quality
from so8t_shared.results.sides import SIDES
from so8t_shared.results.thresholds import PolicyResult
from so8t_shared.results.training import TrainingResult
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring


@dataclass(frozen=True)
class Chart:
    """A picture to draw."""

    name: str
    """File name without its extension."""
    title: str
    caption: str
    alt: str
    draw: Callable[[ReportInputs, Names, Theme], Figure]


def charts_of(inputs: ReportInputs) -> list[Chart]:
    """Return the pictures of a report; the training curve takes an optimizer step, and reliability probabilities."""
    evaluation = inputs.evaluation
    charts = [_comparison(evaluation), *(_confusion(evaluation, s) for s in evaluation.scorings)]
    charts += [_flips(evaluation), _tradeoff()]
    if evaluation.reliability:
        charts.append(_reliability(evaluation))
    if evaluation.policy:
        charts.append(_risk_coverage(evaluation.policy, evaluation.primary_quantization))
    if inputs.training and inputs.points:
        charts.append(_training(inputs.training))
    return charts


def _comparison(evaluation: EvaluationResult) -> Chart:
    return Chart(
        "metrics_comparison",
        "A and B at every quantization",
        "The quantization in bold is the one that ships. In the last panel, color means significant after"
        " Holm's correction; the intervals are not adjusted, so a gray one may exclude 0. A setting in which nothing"
        " could be compared has no point.",
        "Accuracy, macro-F1 and latency of A and B, and the improvement of B over A."
        f" {headline_with_figures(evaluation)}.",
        metrics_comparison.draw,
    )


def _confusion(evaluation: EvaluationResult, scoring: Scoring) -> Chart:
    qualities = {side: quality_of(evaluation, side, evaluation.primary_quantization, scoring) for side in SIDES}
    said = [f"{side.upper()} {_share_right(quality)}" for side, quality in qualities.items()]
    return Chart(
        f"confusion_{scoring}",
        f"Confusion matrices, {scoring} scoring",
        "Correct answers lie on the diagonal. INVALID counts answers from which no class could be read.",
        f"Confusion matrices of A and B with {scoring} scoring: {', '.join(said)}.",
        partial(confusion.draw, scoring=scoring),
    )


def _share_right(quality: Quality | None) -> str:
    if quality and quality.mostly_unread:
        return f"read from {quality.n - quality.invalid:,} of {quality.n:,} answers"
    return f"{fmt.percent(quality.accuracy.value if quality else None)} right"


def _flips(evaluation: EvaluationResult) -> Chart:
    c = evaluation.headline
    return Chart(
        "flips",
        "What B gained and lost",
        "Only these rows decide the test: rows that both models get right, or both get wrong, say nothing about which"
        " is better.",
        f"Rows by class on which only one model is right: B {c.only_b_right:,}, A {c.only_a_right:,}.",
        flips.draw,
    )


def _tradeoff() -> Chart:
    return Chart(
        "quantization_tradeoff",
        "Accuracy against file size and latency",
        "Points further left cost less; points further up answer better.",
        "Accuracy of A and B at each quantization against file size and against median latency.",
        tradeoff.draw,
    )


def _reliability(evaluation: EvaluationResult) -> Chart:
    error = next((r for r in evaluation.rates if is_headline(r, evaluation) and r.metric == "calibration_error"), None)
    errors = [f"{s.upper()} {fmt.percent(f.value)}" for s, f in (("a", error.a), ("b", error.b)) if f] if error else []
    return Chart(
        "reliability",
        "Is a model right as often as it is sure?",
        "On the line, it is. Below it the model is too sure, above it not sure enough; a larger point has more rows.",
        "Share of right answers of A and B against the probability of the likeliest class; expected calibration error:"
        f" {', '.join(errors) or fmt.UNDEFINED}.",
        reliability.draw,
    )


def _risk_coverage(policy: PolicyResult, quantization: Quantization) -> Chart:
    tests = {side: policy.of(side, quantization).test for side in SIDES}
    wrong = {side: fmt.percent(test.error.value if test.error else None) for side, test in tests.items()}
    said = [
        f"{side.upper()} decides {fmt.percent(1 - test.escalate.value)}, {wrong[side]} wrong"
        for side, test in tests.items()
    ]
    return Chart(
        "risk_coverage",
        "How many errors does deciding more rows cost?",
        "All other rows are escalated. The curve has one threshold for all classes, the fitted policy one for each, so"
        " its point can lie beside the curve.",
        f"Share of wrong answers of A and B against the share of decided test rows; with the fitted thresholds"
        f" {'; '.join(said)}.",
        risk_coverage.draw,
    )


def _training(training: TrainingResult) -> Chart:
    first, last = (
        "undefined" if loss is None else f"{loss:.3g}" for loss in (training.first_loss, training.final_loss)
    )
    checked = training.last_validation
    return Chart(
        "training_curve",
        "Training curve",
        "The smoothed line is a centered moving average over a tenth of the steps; dotted lines mark the best"
        " validation and where the weight λ of the PET penalty changes. The decision loss is that of the label's tokens"
        " alone: at chance, B knows the form of the answer, not the class. Validation rows are neither trained on nor"
        " tested.",
        f"Loss over {training.steps:,} optimizer steps, from {first} to {last}, with learning rate and PET penalty"
        + (f"; validation loss {checked.loss:.3g} at the end." if checked else "."),
        training_curve.draw,
    )
