"""The one-sentence answer, made from the numbers and from nothing else.

A difference is only claimed where the exact McNemar test is significant; all rounding is done by
`so8t_shared.formatting`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from so8t_shared import formatting as fmt
from so8t_shared.errors import IntegrityError
from so8t_shared.results import Comparison, EvaluationResult, Verdict

Claim = Literal["b_better", "a_better", "no_difference", "tie", "identical"]
"""A verdict, with a difference of exactly 0 told apart as a tie."""

_HEADLINES: dict[Claim, str] = {
    "b_better": "B is better than A",
    "a_better": "A is better than B",
    "no_difference": "No difference between A and B is shown",
    "tie": "A and B tie",
    "identical": "A and B gave identical answers",
}


def claim_of(comparison: Comparison, alpha: float) -> Claim:
    """What may be said about a comparison.

    Raises:
        IntegrityError: the recorded verdict claims a difference that its own counts and p value do
            not support.
    """
    gained = comparison.only_b_right - comparison.only_a_right
    favoured: Verdict | None = "b_better" if gained > 0 else "a_better" if gained < 0 else None
    if comparison.verdict in {"a_better", "b_better"}:
        if comparison.verdict != favoured or adjusted_p(comparison) >= alpha:
            raise IntegrityError(
                f"The verdict {comparison.verdict} is not supported by its own figures"
                f" (p = {adjusted_p(comparison):g}, {comparison.only_b_right} rows gained,"
                f" {comparison.only_a_right} lost).",
                where=f"evaluation.json, {comparison.name}",
                remedy="run the evaluate stage again with the same version of SO8T-AB",
            )
        return comparison.verdict
    if comparison.verdict == "identical" and not comparison.flips:
        return "identical"
    return "tie" if favoured is None else "no_difference"


def headline(evaluation: EvaluationResult) -> str:
    """The answer in a few words, for titles."""
    return _HEADLINES[claim_of(evaluation.headline, _alpha(evaluation))]


def headline_with_figures(evaluation: EvaluationResult) -> str:
    """Such as "B is better than A at q4_k_m: +45.6 points, p < 0.001"."""
    c = evaluation.headline
    p = fmt.p_equals(adjusted_p(c), _alpha(evaluation))
    return f"{headline(evaluation)} at {c.quantization}: {fmt.points(c.accuracy_difference.value)} points, {p}"


def adjusted_p(comparison: Comparison) -> float:
    """The p value that decides: adjusted for the family of comparisons where there is one."""
    return comparison.mcnemar_p if comparison.mcnemar_p_holm is None else comparison.mcnemar_p_holm


def summary_sentence(evaluation: EvaluationResult) -> str:
    """The answer in one sentence: verdict, accuracies, difference with interval, p value and n.

    It ends with what the other scoring, the other quantisations and the A/A control say.
    """
    clauses = [_main_clause(evaluation), *_other_scorings(evaluation)]
    clauses += [clause for clause in (_other_quantizations(evaluation), _control(evaluation)) if clause]
    return "; ".join(clauses) + "."


def _main_clause(evaluation: EvaluationResult) -> str:
    c = evaluation.headline
    claim = claim_of(c, _alpha(evaluation))
    setting = f"at {c.quantization} with {c.scoring} scoring"
    right = f"{c.both_right + c.only_b_right:,} of {c.n:,} test rows right"
    difference = f"B minus A {figures(c, evaluation)}"
    if claim == "identical":
        share = fmt.percent(c.accuracy_b, c.n)
        return f"{_HEADLINES[claim]} to all {c.n:,} test rows {setting}: {share} right, {difference}"
    if claim == "tie":
        moved = f"{c.only_b_right:,} gained and as many lost"
        return f"{_HEADLINES[claim]} {setting}: both got {right}, {moved}, {difference}"
    words = (
        f"{_HEADLINES[claim]} {setting}: B got {right} ({fmt.percent(c.accuracy_b)}), A"
        f" {c.both_right + c.only_a_right:,} ({fmt.percent(c.accuracy_a)}), {difference}"
    )
    if claim == "no_difference" and c.minimum_detectable_effect is not None:
        words += (
            f"; with this many rows a true difference must be about {100 * c.minimum_detectable_effect:.1f} points"
            " to be found four times out of five"
        )
    return words


def figures(comparison: Comparison, evaluation: EvaluationResult) -> str:
    """Difference, interval and p value: "+4.8 points (95 % CI +1.2 to +8.5), exact McNemar p = 0.012"."""
    d = comparison.accuracy_difference
    alpha = _alpha(evaluation)
    p = fmt.p_equals(adjusted_p(comparison), alpha)
    adjusted = "" if comparison.mcnemar_p_holm is None else " (Holm-adjusted)"
    return (
        f"{fmt.points(d.value)} points ({100 * evaluation.confidence:g} % CI {fmt.points(d.low)} to"
        f" {fmt.points(d.high)}), exact McNemar {p}{adjusted}"
    )


def _other_scorings(evaluation: EvaluationResult) -> list[str]:
    primary = evaluation.headline
    others = [
        c for c in evaluation.comparisons if c.quantization == primary.quantization and c.scoring != primary.scoring
    ]
    return [f"{c.scoring} scoring {_agreement(c, evaluation)}" for c in others]


def _agreement(other: Comparison, evaluation: EvaluationResult) -> str:
    alpha = _alpha(evaluation)
    claim = claim_of(other, alpha)
    difference = f"{fmt.points(other.accuracy_difference.value)} points"
    if _direction(claim) == _direction(claim_of(evaluation.headline, alpha)):
        return f"agrees ({difference})"
    return f"does not agree: there {_said(claim)} ({difference})"


def _other_quantizations(evaluation: EvaluationResult) -> str:
    primary = evaluation.headline
    alpha = _alpha(evaluation)
    others = [
        c for c in evaluation.comparisons if c.scoring == primary.scoring and c.quantization != primary.quantization
    ]
    expected = _direction(claim_of(primary, alpha))
    agreeing = [c.quantization for c in others if _direction(claim_of(c, alpha)) == expected]
    parts = [f"the same holds at {_listed(agreeing)}"] if agreeing else []
    parts += [
        f"at {c.quantization} {_said(claim_of(c, alpha))} ({fmt.points(c.accuracy_difference.value)} points)"
        for c in others
        if c.quantization not in agreeing
    ]
    return ", but ".join(parts)


def _control(evaluation: EvaluationResult) -> str:
    if evaluation.control is None:
        return "no A/A control was run"
    claim = claim_of(evaluation.control, _alpha(evaluation))
    if _direction(claim) == 0:
        return "the A/A control shows no difference"
    return (
        f"but the A/A control shows a difference ({figures(evaluation.control, evaluation)}),"
        " so the measurement itself is in doubt"
    )


def _direction(claim: Claim) -> int:
    return {"b_better": 1, "a_better": -1}.get(claim, 0)


def _said(claim: Claim) -> str:
    return {"b_better": "B is better", "a_better": "A is better"}.get(claim, "no difference is shown")


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _alpha(evaluation: EvaluationResult) -> float:
    return 1 - evaluation.confidence
