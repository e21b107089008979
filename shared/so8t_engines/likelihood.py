"""Log-probabilities of a few answers after a prompt, from requests that each look at one next token.

All answers are token IDs, each tokenized whole as in training. What all of them begin with (`<final>`) is given
with the prompt, and what all of them end with (`</final>`) is not scored, so an answer's log-probability is the
sum over the tokens by which it differs. Where a token joins a label with the text around it, that token counts
as the label's.

All labels in one batch, as branches of one prompt, would save a fifth of the processor time. llama.cpp's server has no
request for that, and calling its C functions in the wheel means to know structs that change from build to build.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from so8t_engines.prompt_cache import shared_length


class NextToken(Protocol):
    """What follows some tokens."""

    def __call__(self, tokens: Sequence[int], wanted: int, *, likeliest: bool = False) -> Mapping[int, float]:
        """Evaluate the tokens that are not cached, in one piece, but at least the last.

        Returns:
            Log-softmax over the whole vocabulary, by token ID, of the `wanted` token and, if asked for, of the
            likeliest ones.
        """


@dataclass(frozen=True)
class Scores:
    """The answers' log-probabilities, in their order."""

    logprobs: tuple[float, ...]
    second_look: bool
    """Whether a first token was not among the likeliest and was asked for again."""


def shared_start(choices: Sequence[str]) -> str:
    """Return the text that all choices begin with."""
    return choices[0][: shared_length(choices)]


def split(answers: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Return (tokens that all answers begin with, the tokens of each that are scored)."""
    given = shared_length(answers)
    ends = [answer[given:][::-1] for answer in answers]
    same = min(shared_length(ends), min(map(len, ends)) - 1)
    return list(answers[0][:given]), [list(end[same:][::-1]) for end in ends]


def score(start: Sequence[int], answers: Sequence[Sequence[int]], next_token: NextToken) -> Scores:
    """Return the log-probability of each of `answers` after `start`, whose last token is not cached.

    One request evaluates that token and shows the first tokens; each further token of an answer takes one request
    that evaluates one token. A first token beyond the likeliest is asked for by ID. That evaluates the last token of
    `start` once more, alone as before, so the figure belongs to the same distribution.
    """
    likely = next_token(start, answers[0][0], likeliest=True)
    missing = {answer[0] for answer in answers} - set(likely)
    first = {**likely, **{token: next_token(start, token)[token] for token in sorted(missing)}}
    sums = []
    for answer in answers:
        rest = range(1, len(answer))
        further = [next_token([*start, *answer[:place]], answer[place])[answer[place]] for place in rest]
        sums.append(first[answer[0]] + sum(further))
    return Scores(tuple(sums), bool(missing))
