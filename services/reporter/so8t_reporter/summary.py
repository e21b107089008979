"""The one-sentence answer, derived only from the numbers.

A difference is claimed only if the paired test is significant; `so8t_shared.formatting` does
all rounding.
"""

from __future__ import annotations

from so8t_reporter.agreement import listed, other_quantizations, other_scorings
from so8t_reporter.charts.lookup import quality_of
from so8t_shared import formatting as fmt
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.sides import SIDES
from so8t_shared.results.unread import form_apart, unread_answers
from so8t_shared.results.verdicts import WORDS, Verdict


def headline(evaluation: EvaluationResult) -> str:
    """Return the answer in a few words, for titles."""
    return WORDS[evaluation.headline.verdict].title


def headline_with_figures(evaluation: EvaluationResult) -> str:
    """Return a title such as "B is better than A at q4_k_m: +45.6 points, p < 0.001"."""
    c = evaluation.headline
    title = f"{headline(evaluation)} at {c.quantization}"
    if not c.verdict.compared:
        return title
    return f"{title}: {fmt.points(c.accuracy_difference.value)} points, {fmt.p_equals(c.p, evaluation.alpha)}"


def summary_sentence(evaluation: EvaluationResult) -> str:
    """Return the answer in one sentence: verdict, accuracies, difference with interval, p value and n.

    Then where the asking ended, how much of the difference is form, the number of answers from which no class could be
    read, and the findings of the other scorings, the other quantizations and the A/A control.
    """
    clauses = (
        _main_clause(evaluation),
        _ending(evaluation),
        _form(evaluation),
        _unread(evaluation),
        *other_scorings(evaluation),
        other_quantizations(evaluation),
        _control(evaluation),
    )
    return "; ".join(clause for clause in clauses if clause) + "."


def _main_clause(evaluation: EvaluationResult) -> str:
    c = evaluation.headline
    title = WORDS[c.verdict].title
    setting = f"at {c.quantization} with {c.scoring} scoring"
    right = f"{c.both_right + c.only_b_right:,} of {c.n:,} test rows right"
    difference = f"B minus A {figures(c, evaluation)}"
    if c.verdict == Verdict.NOTHING_READ:
        return f"{title} {setting}"
    if not c.verdict.compared:
        return f"{title} {setting}: B got {right}, A {c.both_right + c.only_a_right:,}"
    if c.verdict == Verdict.SAME_CLASSES:
        n = c.differing_answers
        worded = f", {n:,} {fmt.plural(n, 'answer is', 'answers are')} worded differently" if n else ""
        return f"{title} {setting}: both got {right} ({fmt.percent(c.accuracy_b, c.n)}){worded}, {difference}"
    if c.verdict == Verdict.TIE:
        moved = f"{c.only_b_right:,} gained and as many lost" if c.only_b_right else "none gained or lost"
        return f"{title} {setting}: both got {right}, {moved}, {difference}"
    words = (
        f"{title} {setting}: B got {right} ({fmt.percent(c.accuracy_b)}), A"
        f" {c.both_right + c.only_a_right:,} ({fmt.percent(c.accuracy_a)}), {difference}"
    )
    return f"{words}; {evaluation.plan.reach}" if c.verdict == Verdict.NO_DIFFERENCE else words


def _ending(evaluation: EvaluationResult) -> str:
    return evaluation.until_decided.ending if evaluation.until_decided else ""


def _form(evaluation: EvaluationResult) -> str:
    c = evaluation.headline
    if c.read_from_both is None or not c.verdict.compared:
        return ""
    return form_apart(c.read_from_both, c.accuracy_difference.value, c.n, evaluation.alpha)


def _unread(evaluation: EvaluationResult) -> str:
    """The number of answers from which no class could be read; an unread answer is not the same as a wrong class."""
    c = evaluation.headline
    qualities = [quality_of(evaluation, side, c.quantization, c.scoring) for side in SIDES]
    told = [unread_answers([quality], evaluation.answer_limit) for quality in qualities if quality is not None]
    return f"no class could be read from {listed(found)}" if (found := [words for words in told if words]) else ""


def figures(comparison: Comparison, evaluation: EvaluationResult) -> str:
    """Return difference, interval and p value: "+4.8 points (95% CI +1.2 to +8.5), p = 0.012"."""
    d = comparison.accuracy_difference
    p = fmt.p_equals(comparison.p, evaluation.alpha)
    return (
        f"{fmt.points(d.value)} points ({100 * evaluation.confidence:g}% CI {fmt.points(d.low)} to"
        f" {fmt.points(d.high)}), {p}"
    )


def _control(evaluation: EvaluationResult) -> str:
    control = evaluation.control
    if control is None:
        return "no A/A control was run"
    if not control.differing_answers:
        return f"{_control_at(control)} shows no difference"
    return f"but {control_failure(control)}, so the measurement itself is in doubt"


def _control_at(control: Comparison) -> str:
    return f"the A/A control at {control.quantization} with {control.scoring} scoring"


def control_failure(control: Comparison) -> str:
    """Say how many answers model A changed when asked again."""
    n, changed = control.differing_answers, sum(flip.count for flip in control.flips)
    return (
        f"{_control_at(control)} is not deterministic: {n:,} of A's {control.n:,} answers"
        f" {fmt.plural(n, 'differs', 'differ')} when asked again, {changed:,} of them in class"
    )
