"""How the other scorings and quantizations compare with the headline, one clause per finding."""

from __future__ import annotations

from collections.abc import Sequence

from so8t_shared import formatting as fmt
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.verdicts import WORDS, Verdict


def other_scorings(evaluation: EvaluationResult) -> list[str]:
    """Return one clause per other scoring at the primary quantization."""
    primary = evaluation.headline
    return [
        _scoring_clause(c, primary.verdict)
        for c in evaluation.comparisons
        if c.quantization == primary.quantization and c.scoring != primary.scoring
    ]


def other_quantizations(evaluation: EvaluationResult) -> str:
    """Return one clause on the other quantizations under the primary scoring; empty if there are none.

    Quantizations with the same finding are named together, the ones that agree with the headline first.
    """
    primary = evaluation.headline
    like = "nor is a difference shown" if primary.verdict.undecided else "the same holds"
    said: dict[str, list[str]] = {like: []}
    for c in evaluation.comparisons:
        if c.scoring == primary.scoring and c.quantization != primary.quantization:
            words = like if _alike(c.verdict, primary.verdict) else WORDS[c.verdict].clause
            place = c.quantization if words == "the same holds" else f"{c.quantization}{_points(c)}"
            said.setdefault(words, []).append(place)
    first, *others = [f"{words} at {listed(places)}" if places else "" for words, places in said.items()]
    return ", but ".join(clause for clause in (first, ", and ".join(others)) if clause)


def listed(words: Sequence[str]) -> str:
    """Join words into a list such as "f16, q8_0 and q4_k_m"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _alike(verdict: Verdict, expected: Verdict) -> bool:
    """Whether the verdicts are equal, or neither shows a difference."""
    return verdict == expected or (verdict.undecided and expected.undecided)


def _scoring_clause(c: Comparison, expected: Verdict) -> str:
    name, clause = f"{c.scoring} scoring", WORDS[c.verdict].clause
    form = Verdict.FORM_ONLY in {c.verdict, expected}
    if form or not (c.verdict.compared and expected.compared):  # agreement has no meaning
        return f"with {name} {clause}{_points_and_form(c)}"
    if c.verdict == expected:
        return f"{name} agrees{_points_and_form(c)}"
    if _alike(c.verdict, expected):
        return f"{name} shows no difference either{_points_and_form(c)}"
    return f"{name} disagrees: {clause}{_points_and_form(c)}"


def _points(c: Comparison, form: str = "") -> str:
    """The difference in parentheses, if anything was compared."""
    return f" ({fmt.points(c.accuracy_difference.value)} points{form})" if c.verdict.compared else ""


def _points_and_form(c: Comparison) -> str:
    """The same, and how much of it is form."""
    read = c.read_from_both
    form = f", of which form {fmt.points(read.parts(c.accuracy_difference.value, c.n)[0])}" if read else ""
    return _points(c, form)
