"""The labels' log-probabilities from an answer's tokens, and from the likeliest alternatives to those after `<final>`.

A greedy answer shows the alternatives at each of its tokens, so of the label that it holds all tokens are known. Of
every other label the first token is, or it is less likely than those shown. Either is an upper bound of that label's
probability, since the rest of its tokens can only lower it. So the share of the likeliest label is never overstated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from so8t_engines.ollama.scored import by_text
from so8t_shared.classes import Likelihoods


def likelihoods(steps: Sequence[Mapping[str, Any]], labels: Sequence[Sequence[str]]) -> Likelihoods | None:
    """Return the log-probabilities of `labels`, given as the texts of their tokens; None if there is no token at all.

    A step is one token, {"token", "logprob", "top_logprobs"}.
    """
    if not steps:
        return None
    found = [_of_label(steps, label) for label in labels]
    return Likelihoods(tuple(total for total, _ in found), tuple(bound for _, bound in found))


def written_label(
    steps: Sequence[Mapping[str, Any]], before: str, labels: Sequence[Sequence[str]]
) -> tuple[int, float] | None:
    """Return which label an answer's tokens are after those of the text `before`, and its log-probability.

    None if that text does not end with a token, or no label's own tokens follow.
    """
    said, place = "", 0
    while place < len(steps) and len(said) < len(before):
        said += steps[place]["token"]
        place += 1
    if said != before:
        return None
    for which, label in enumerate(labels):
        own = steps[place : place + len(label)]
        if [step["token"] for step in own] == list(label):
            return which, sum(step["logprob"] for step in own)
    return None


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
