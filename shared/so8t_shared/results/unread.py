"""Texts about unparsed answers: an accuracy of 0 may be only a matter of format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from so8t_shared import formatting as fmt
from so8t_shared.results.comparison import ReadRows
from so8t_shared.results.evaluation import AnswerLimit, EvaluationResult, Quality
from so8t_shared.results.sides import SIDES


def unread_answers(qualities: Sequence[Quality], limit: AnswerLimit | None) -> str:
    """Such as "60 of A's 60 answers (56 cut at 12 tokens)"; empty if a class could be read from every answer.

    `qualities` belong to one model. Several give a range: "57 to 60 of A's 60 answers".
    """
    unread = [quality for quality in qualities if quality.invalid]
    if not unread:
        return ""
    count = _span(quality.invalid for quality in unread)
    return f"{count} of {unread[0].model.upper()}'s {unread[0].n:,} answers{why_unread(unread, limit)}"


def why_unread(qualities: Sequence[Quality], limit: AnswerLimit | None = None) -> str:
    """What is known of them, such as " (56 cut, 2 over-long, 1 readable leniently)"; names `limit` if given."""
    at = f" at {limit.max_new_tokens:,} tokens" if limit else ""
    causes = (
        ([quality.cut for quality in qualities], f"cut{at}"),
        ([quality.over_long for quality in qualities], "over-long"),
        ([quality.rescued for quality in qualities], "readable leniently"),
    )
    told = [f"{_span(counts)} {name}" for counts, name in causes if any(counts)]
    return f" ({', '.join(told)})" if told else ""


def form_apart(read: ReadRows, difference: float, n: int, alpha: float) -> str:
    """How much of a difference in accuracy on n rows is form, and how much decisions.

    Such as "of this, form +38.0 points, decisions +2.0: on the 33 rows read from both, B got 30 right, A 28, p = 0.62".
    """
    form, decisions = map(fmt.points, read.parts(difference, n))
    rows = f"{read.n:,} {fmt.plural(read.n, 'row', 'rows')} read from both"
    right = f"B got {read.both_right + read.only_b_right:,} right, A {read.both_right + read.only_a_right:,}"
    p = fmt.p_equals(read.p_value, alpha)
    return f"of this, form {form} points, decisions {decisions}: on the {rows}, {right}, {p}"


def unread_lines(evaluation: EvaluationResult) -> list[str]:
    """One line per model with unparsed answers, over all settings in which they occur."""
    sides = ([quality for quality in evaluation.cells if quality.model == side] for side in SIDES)
    found = (unread_answers(qualities, evaluation.answer_limit) for qualities in sides)
    return [f"no class read from {words}" for words in found if words]


def _span(counts: Iterable[int]) -> str:
    least, most = min(found := list(counts)), max(found)
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"
