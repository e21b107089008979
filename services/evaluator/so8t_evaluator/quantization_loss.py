"""The cost of quantization: each model's answers at every quantization against its most precise one."""

from __future__ import annotations

from collections.abc import Mapping

from so8t_evaluator.outcomes import Answers
from so8t_evaluator.paired import Setting, adjusted, marks_of, pair
from so8t_evaluator.stats.paired import Kind
from so8t_shared.results.paired import QuantizationLoss
from so8t_shared.tables import scorings
from so8t_shared.tables.quantizations import ORDER


def quantization_losses(answers: Mapping[Setting, Answers], test: Kind) -> list[QuantizationLoss]:
    """Return a line per model, scoring and non-reference quantization, in this order; p is Holm-adjusted over all."""
    marks = {setting: marks_of(given) for setting, given in answers.items()}
    asked = {quantization for _, quantization, _ in marks}
    reference, *others = [quantization for quantization in ORDER if quantization in asked]
    families = {(side, scoring) for side, _, scoring in marks}
    return adjusted(
        [
            pair(
                QuantizationLoss,
                marks[side, reference, scoring],
                marks[side, other, scoring],
                test,
                model=side,
                scoring=scoring,
                reference=reference,
                quantization=other,
            )
            for side, scoring in sorted(families, key=lambda family: (family[0], scorings.ORDER.index(family[1])))
            for other in others
        ]
    )
