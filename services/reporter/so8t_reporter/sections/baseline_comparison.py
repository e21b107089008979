"""B against the bag-of-words classifier, row by row."""

from __future__ import annotations

from so8t_reporter.document import Block, Cell
from so8t_reporter.sections.paired import paired_table
from so8t_shared.results.evaluation import EvaluationResult


def baseline_comparison_table(evaluation: EvaluationResult) -> list[Block]:
    """Return a table with one line, in the headline's setting; empty if no baseline was measured."""
    line = evaluation.baseline_comparison
    if line is None:
        return []
    setting = [Cell(evaluation.primary_quantization, "strong"), Cell(evaluation.primary_scoring)]
    return [
        paired_table(
            "B against the baseline, row by row",
            (("Quantization", "Scoring"), ("Baseline right", "B right", "Difference")),
            [(setting, line)],
            alpha=evaluation.alpha,
            note="Gained: only B right; lost: only the baseline right. p: paired test, not adjusted.",
        )
    ]
