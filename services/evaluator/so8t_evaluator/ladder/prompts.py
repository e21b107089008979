"""Which rows reach a rung with another prompt, or with other tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from so8t_shared.labels import LABELS
from so8t_shared.ladders.measured import Measured, Tokens
from so8t_shared.results.ladder import OtherTokens, RungRecord
from so8t_shared.results.training import LabeledRow

_CONTEXT_TOKENS = 12
"""Shown before and after the first token that differs."""
_CONTEXT_LETTERS = 80


@dataclass(frozen=True)
class Taken:
    """A rung that was measured."""

    record: RungRecord
    measured: Measured


def other_prompts(before: RungRecord, after: RungRecord) -> list[int]:
    """Return the places of the rows that have another prompt."""
    pairs = zip(before.prompts, after.prompts, strict=True)
    return [number for number, (one, other) in enumerate(pairs) if one and other and one != other]


def other_tokens(before: Taken, after: Taken) -> list[int]:
    """Return the places of the rows with other tokens; where an engine tells only how many, with another number."""
    if not before.measured.prompts:
        return []
    if not after.measured.prompts:
        pairs = zip(before.measured.prompts, after.record.prompt_tokens, strict=False)
        return [number for number, (one, count) in enumerate(pairs) if count and one and len(one) != count]
    found = []
    for number, (one, other) in enumerate(zip(before.measured.prompts, after.measured.prompts, strict=True)):
        answers = [side.measured.answers[len(LABELS) * number : len(LABELS) * (number + 1)] for side in (before, after)]
        if other and (list(one) != list(other) or [*map(list, answers[0])] != [*map(list, answers[1])]):
            found.append(number)
    return found


def example(rows: Sequence[LabeledRow], before: Taken, after: Taken, numbers: Sequence[int]) -> OtherTokens | None:
    """Show the first of these rows around the first difference; None without one."""
    if not numbers:
        return None
    number = numbers[0]
    texts = [side.record.prompts[number] for side in (before, after)]
    alike = _alike(*texts)
    ids = [_whole(side.measured, number) for side in (before, after)] if after.measured.prompts else [[], []]
    place = _alike(*ids) if after.measured.prompts else alike
    letter = max(0, alike - _CONTEXT_LETTERS // 2)
    start, end = max(0, place - _CONTEXT_TOKENS), place + _CONTEXT_TOKENS
    return OtherTokens(
        id=rows[number].id,
        place=place,
        before_text=texts[0][letter : letter + _CONTEXT_LETTERS],
        after_text=texts[1][letter : letter + _CONTEXT_LETTERS],
        before_ids=list(ids[0][start:end]),
        after_ids=list(ids[1][start:end]),
    )


def _whole(measured: Measured, number: int) -> Tokens:
    if not measured.prompts:
        return []
    answers = measured.answers[len(LABELS) * number : len(LABELS) * (number + 1)]
    return [*measured.prompts[number], *(token for answer in answers for token in answer)]


def _alike(one: Sequence[object], other: Sequence[object]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
