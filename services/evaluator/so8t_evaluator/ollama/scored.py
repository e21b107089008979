"""Log-probabilities of the four answers through Ollama, which shows the likeliest tokens by text only.

The tokens of the answers come from the model file by llama.cpp's tokenizer (`engine.tokens`). A text cannot be
sent as tokens, so prompt and answer are one text; where sentencepiece would begin the answer with a space, it is
sent with one. `Answers.apart` tells whether that gives the tokens of training; where it does not, such as after a
template that ends with a space or a bracket, each answer is marked as merged and the report counts them.

No request shows a token beyond the likeliest ones, and nothing that leaves the prompt as it is makes Ollama choose
one. Such a label has no figure but an upper bound, that of the least likely token shown, and is named as such.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from so8t_evaluator.engine.likelihood import split
from so8t_evaluator.engine.tokens import pieces_of

_SEPARATORS = ("", " ")


@dataclass(frozen=True)
class Answers:
    """The texts of the answers' tokens."""

    separator: str
    """A space between a prompt and its answer, if that gives the tokens of training."""
    before: str
    """What all answers begin with, without the last token that all share."""
    shared: str
    """That token."""
    scored: tuple[tuple[str, ...], ...]
    """For each answer the tokens that are scored."""
    apart: bool
    """Whether prompt and answer have the same tokens as one text and as two."""


@dataclass(frozen=True)
class Likely:
    """The likeliest next tokens by text, and whether they had to be asked for twice."""

    logprobs: dict[str, float]
    second_look: bool = False


@dataclass(frozen=True)
class Sums:
    """Each answer's log-probability, and whether it is only an upper bound."""

    logprobs: tuple[float, ...]
    bounds: tuple[bool, ...]
    second_look: bool

    @property
    def best(self) -> int | None:
        """The likeliest answer; None if a bound leaves it open."""
        best = max(range(len(self.logprobs)), key=lambda number: (self.logprobs[number], not self.bounds[number]))
        return None if self.bounds[best] else best


def answers_of(model: Path, choices: Sequence[str], prompt: str) -> Answers:
    """Return the tokens of `choices` after prompts that end as this one."""
    joined = [f"{prompt}{separator}{choices[0]}" for separator in _SEPARATORS]
    whole, *found = pieces_of(model, [prompt, *choices, *joined])
    pieces, together = found[: len(choices)], found[len(choices) :]
    wanted = [*whole, *pieces[0]]
    fitting = [number for number, tokens in enumerate(together) if tokens == wanted]
    given, scored = split([[token for token, _ in one] for one in pieces])
    texts = [[text for _, text in one] for one in pieces]
    ends = [len(given) + len(label) for label in scored]
    return Answers(
        separator=_SEPARATORS[fitting[0] if fitting else 0],
        before="".join(texts[0][: len(given)][:-1]).removeprefix(" "),  # the separator, or left to the tokenizer
        shared="".join(texts[0][: len(given)][-1:]),
        scored=tuple(tuple(one[len(given) : end]) for one, end in zip(texts, ends, strict=True)),
        apart=bool(fitting),
    )


def score(answers: Answers, after: Callable[[str], Likely]) -> Sums:
    """Return the log-probability of each answer; `after` returns what follows the opening and some of its tokens."""
    first = after("")
    sums, bounds = [], []
    for answer in answers.scored:
        total, bound = 0.0, False
        for place, piece in enumerate(answer):
            likely = first if place == 0 else after("".join(answer[:place]))
            total += likely.logprobs.get(piece, min(likely.logprobs.values()))
            bound = piece not in likely.logprobs
            if bound:
                break
        sums.append(total)
        bounds.append(bound)
    return Sums(tuple(sums), tuple(bounds), first.second_look)
