"""Figures beside the headline that speak against B, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from so8t_reporter.sections.decisions import DANGERS
from so8t_reporter.summary import control_failure
from so8t_shared import formatting as fmt
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.interval import Interval
from so8t_shared.results.paired import QuantizationLoss


def against(evaluation: EvaluationResult) -> list[str]:
    """Return what a reader who sees only the primary setting would miss; empty if there is nothing."""
    return [*_control(evaluation), *_baseline(evaluation), *_losses(evaluation), *_dangers_elsewhere(evaluation)]


def losses(evaluation: EvaluationResult) -> list[QuantizationLoss]:
    """Return B's significant losses by quantization, the greatest first."""
    found = [
        line
        for line in evaluation.quantization_losses
        if line.model == "b" and line.difference < 0 and line.p_adjusted < evaluation.alpha
    ]
    return sorted(found, key=lambda line: line.difference)


def baseline_not_beaten(evaluation: EvaluationResult) -> bool:
    """Whether a classifier that counts words is as good as B, as far as the rows show."""
    line = evaluation.baseline_comparison
    return line is not None and (line.gained <= line.lost or line.p_adjusted >= evaluation.alpha)


def _control(evaluation: EvaluationResult) -> Iterator[str]:
    control = evaluation.control
    if control is not None and control.differing_answers:
        words = control_failure(control)
        yield f"{words[0].upper()}{words[1:]}, so no other figure can be trusted."


def _baseline(evaluation: EvaluationResult) -> Iterator[str]:
    line = evaluation.baseline_comparison
    if line is not None and baseline_not_beaten(evaluation):
        p = fmt.p_equals(line.p_adjusted, evaluation.alpha)
        yield (
            f"B does not beat counting words: B got {line.other_right:,} of {line.n:,} rows right, the word counter"
            f" {line.reference_right:,} ({p})."
        )


def _losses(evaluation: EvaluationResult) -> Iterator[str]:
    for line in losses(evaluation):
        p = fmt.p_equals(line.p_adjusted, evaluation.alpha)
        yield (
            f"Quantization costs B {fmt.points(-line.difference).lstrip('+')} points at {line.quantization} with"
            f" {line.scoring} scoring, against {line.reference} ({p})."
        )


def _dangers_elsewhere(evaluation: EvaluationResult) -> Iterator[str]:
    """For each danger, the setting in which B shows it most, if that is not the one in the table."""
    shown = (evaluation.primary_quantization, evaluation.deciding_scoring)
    for metric, words in DANGERS.items():
        found: dict[tuple[str, str], Interval] = {
            (r.quantization, r.scoring): r.b for r in evaluation.rates if r.metric == metric and r.by == "all" and r.b
        }
        if not found:
            continue
        worst = max(found, key=lambda setting: (found[setting].value, setting == shown))
        if shown in found and found[worst].value > found[shown].value:
            figure = found[worst]
            yield (
                f"{words}: {figure.hits:,} of {figure.rows:,} at {worst[0]} with {worst[1]} scoring, more than in the"
                " table."
            )
