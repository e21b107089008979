"""The policy of each model at each quantization: fitted on the validation rows, then tested on the test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from so8t_evaluator.outcomes import Answers
from so8t_evaluator.paired import Setting, by_setting
from so8t_evaluator.stats.anytime import Pool
from so8t_evaluator.thresholds import decided_by, fit, risk_curve, shares_of
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.asking import Asking
from so8t_shared.results.policy import QuantizationPolicy
from so8t_shared.results.sides import Side
from so8t_shared.results.thresholds import FittedPolicy, PolicyResult
from so8t_shared.tables.quantizations import ORDER, Quantization
from so8t_shared.tables.scorings import scored


def policies_of(
    asking: Asking,
    validation: Sequence[Sample],
    tested: Mapping[Setting, Answers],
    settings: AbTest,
    of_test: AbTest,
    pool: Pool | None = None,
) -> PolicyResult:
    """Fit to the targets of `settings`, at its level; the level on test rows is that of `of_test`.

    With a `pool`, the test ended early, and its figures hold all the same.
    """
    targets, confidence = settings.policy, settings.confidence
    if targets is None:
        raise ValueError("ab_test.policy is not set")
    scoring, given = scored(asking.scorings)[0], by_setting(validation)
    most_precise = next(quantization for quantization in ORDER if quantization in asking.quantizations)
    policies: dict[tuple[Side, Quantization], QuantizationPolicy] = {
        (file.model, file.quantization): fit(given[file.model, file.quantization, scoring], file, targets, confidence)
        for file in asking.files or ()
    }

    def fitted(model: Side, quantization: Quantization, policy: QuantizationPolicy) -> FittedPolicy:
        asked, test = given[model, quantization, scoring], tested[model, quantization, scoring]

        def on_test(of: QuantizationPolicy) -> dict[str, object]:
            return shares_of(decided_by(of, test), targets, of_test.confidence, pool).model_dump()

        return FittedPolicy.model_validate(
            {
                **policy.model_dump(),
                "model": model,
                "validation": shares_of(decided_by(policy, asked), targets, confidence).model_dump(),
                "test": on_test(policy),
                "most_precise": None if quantization == most_precise else on_test(policies[model, most_precise]),
                "curve": [point.model_dump() for point in risk_curve(decided_by(without_thresholds(policy), test))],
            }
        )

    return PolicyResult(
        false_allow=targets.false_allow,
        escalate=targets.escalate,
        validation_rows=len({sample.row_id for sample in validation}),
        most_precise=most_precise,
        fitted=[fitted(*key, policy) for key, policy in policies.items()],
    )


def without_thresholds(policy: QuantizationPolicy) -> QuantizationPolicy:
    """The same temperature, and the likeliest class decides."""
    return policy.model_copy(update={"thresholds": dict.fromkeys(LABELS, 0.0)})
