"""Safeguards of the answer: a naive baseline and the A/A control."""

from __future__ import annotations

from so8t_reporter.document import Block, Cell, Column, Paragraph, Section, Table
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.baseline_comparison import baseline_comparison_table
from so8t_reporter.sections.quality import comparison_columns, comparison_row, reach_of
from so8t_reporter.summary import control_failure
from so8t_shared import formatting as fmt
from so8t_shared.results.evaluation import Baseline, EvaluationResult


def checks_section(inputs: ReportInputs) -> Section:
    """Baseline and control; says so if one was not run."""
    evaluation = inputs.evaluation
    return Section(
        "checks",
        "Baseline and control",
        [
            *_baseline(evaluation.baseline),
            *baseline_comparison_table(evaluation),
            *_control(evaluation),
            *_merged(evaluation),
        ],
    )


def _merged(evaluation: EvaluationResult) -> list[Block]:
    """Say which log-probabilities stand after other tokens than training's."""
    found = [c for c in evaluation.cells if c.merged]
    if not found:
        return []
    counted = ", ".join(f"{c.merged:,} of {c.n:,} of {c.model.upper()} at {c.quantization}" for c in found)
    return [
        Paragraph(
            f"Ollama joined prompt and answer to other tokens than those of training ({counted}, {found[0].scoring}"
            " scoring), so their log-probabilities may differ from what the model learned. The embedded engine keeps"
            " them apart, and so does a chat template that ends with a control token.",
            "bad",
        )
    ]


def _baseline(baseline: Baseline | None) -> list[Block]:
    if baseline is None:
        return [Paragraph("No bag-of-words baseline was measured.", "muted")]
    table = Table(
        "A classifier that only counts words",
        [
            Column("Classifier", numeric=False),
            *(Column(name) for name in ("Trained on", "Tested on", "Accuracy", "Macro-F1")),
        ],
        [
            [
                Cell(baseline.name),
                Cell(fmt.count(baseline.n_train)),
                Cell(fmt.count(baseline.n_test)),
                Cell(fmt.percent_interval(baseline.accuracy), interval=baseline.accuracy),
                Cell(fmt.share(baseline.macro_f1, baseline.n_test)),
            ]
        ],
        note="How well word counts alone do on the same split. If they do well, the test measures vocabulary rather"
        " than understanding.",
    )
    return [table]


def _control(evaluation: EvaluationResult) -> list[Block]:
    control, confidence = evaluation.control, evaluation.confidence
    if control is None:
        return [Paragraph("No A/A control was run.", "muted")]
    fine = not control.differing_answers
    words = (
        "Asked again in reversed order, A gave byte-identical answers to all rows, as it must."
        if fine
        else f"This run cannot be trusted, and the gate does not pass: {control_failure(control)}."
    )
    table = Table(
        "A against A",
        comparison_columns(confidence),
        [comparison_row(control, evaluation.alpha, reach_of([control.accuracy_difference]))],
        note=f"Both columns are model A, asked twice; p is not adjusted.{_reused(evaluation)}",
    )
    return [table, Paragraph(words, "good" if fine else "bad")]


def _reused(evaluation: EvaluationResult) -> str:
    """Say how much of the second asking was done by an earlier run."""
    control, reused = evaluation.control, evaluation.control_reused
    if control is None or not reused:
        return ""
    return (
        f" {reused:,} of the {control.n:,} answers of the second asking {fmt.plural(reused, 'is', 'are')} reused from"
        " an earlier run on the same host, with the same file, engine and settings."
    )
