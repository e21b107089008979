"""The cost of quantization for each model, on the same rows."""

from __future__ import annotations

from so8t_reporter.document import Block, Cell
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.paired import EXPLORATORY, paired_table


def quantization_loss_table(inputs: ReportInputs) -> list[Block]:
    """Compare each model's quantizations with its most precise one; empty if there is only one."""
    evaluation = inputs.evaluation
    losses = evaluation.quantization_losses
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
