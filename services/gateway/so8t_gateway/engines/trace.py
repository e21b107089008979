"""The labels' log-probabilities from the tokens of one answer and their likeliest alternatives.

One answer shows the alternatives at each of its tokens, so of the label that was written all tokens are known. Of every
other label the first token is, or it is less likely than those shown. Either is an upper bound of that label's
probability, since the rest of its tokens can only lower it. So the share of the written label is never overstated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from so8t_engines.ollama.scored import Answers, by_text
from so8t_gateway.classes import Likelihoods


def likelihoods(steps: Sequence[Mapping[str, Any]], answers: Answers, text: str, tag: int) -> Likelihoods | None:
    """Return the labels' log-probabilities after the `<final>` at place `tag` of `text`.

    None if the answer's tokens do not begin there as in training.
    """
    opening = f"{answers.before}{answers.shared}".removeprefix(" ")
    start = _step_at(steps, len(_bytes(text[:tag] + opening))) if text.startswith(opening, tag) else None
    if start is None:
        return None
    found = [_of_label(steps[start:], label) for label in answers.scored]
    return Likelihoods(tuple(total for total, _ in found), tuple(bound for _, bound in found))


def _of_label(steps: Sequence[Mapping[str, Any]], label: Sequence[str]) -> tuple[float, bool]:
    """Log-probability of a label, and whether it is only an upper bound."""
    total = 0.0
    for number, (step, piece) in enumerate(zip(steps, label, strict=False), start=1):
        likely = by_text([*(step.get("top_logprobs") or ()), step])
        if piece not in likely:
            return total + min(likely.values()), True
        total += likely[piece]
        if step["token"] != piece:
            return total, number < len(label)
    return total, len(steps) < len(label)


def _step_at(steps: Sequence[Mapping[str, Any]], wanted: int) -> int | None:
    """Number of the step that begins after so many bytes; None if none begins exactly there."""
    place = 0
    for number, step in enumerate(steps):
        if place >= wanted:
            return number if place == wanted else None
        place += len(step["bytes"]) if step.get("bytes") else len(_bytes(step["token"]))
    return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
