"""The cost of quantization for each model, on the same rows."""

from __future__ import annotations

from so8t_reporter.document import Block, Cell
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.paired import EXPLORATORY, paired_table
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.paired import QuantizationLoss


def quantization_loss_table(inputs: ReportInputs) -> list[Block]:
    """Compare each model's quantizations with its most precise one; empty if there is only one."""
    evaluation = inputs.evaluation
    losses = [line for line in evaluation.quantization_losses if _decided(evaluation, line)]
    if not losses:
        return []
    reference = losses[0].reference
    return [
        paired_table(
            f"Loss by quantization, against {reference}",
            (("Model", "Scoring", "Quantization"), (f"Right at {reference}", "Right here", "Difference")),
            [
                ([Cell(line.model.upper(), line.model), Cell(line.scoring), Cell(line.quantization, "strong")], line)
                for line in losses
            ],
            alpha=evaluation.alpha,
            note=f"Each model against itself, on the same rows. Gained: right here, wrong at {reference}; lost: the"
            f" reverse. {EXPLORATORY} A large p does not prove that nothing was lost.",
        )
    ]


def _decided(evaluation: EvaluationResult, line: QuantizationLoss) -> bool:
    """Whether most answers could be read at both quantizations; otherwise no decisions were compared."""
    both = (line.reference, line.quantization)
    return not any(
        cell.mostly_unread
        for cell in evaluation.cells
        if (cell.model, cell.scoring) == (line.model, line.scoring) and cell.quantization in both
    )
