"""Log-probabilities of the four answers through Ollama, which shows the likeliest tokens by text only.

The tokens of the answers come from the model file by llama.cpp's tokenizer (`engine.tokens`). A text cannot be
sent as tokens, so prompt and answer are one text; where sentencepiece would begin the answer with a space, it is
sent with one. `Answers.apart` tells whether that gives the tokens of training; where it does not, such as after a
template that ends with a space or a bracket, each answer is marked as merged and the report counts them.

A request shows what may follow a text, and goes on as the model would: where that is an answer, it shows the rest of
its tokens as well. They are computed one at a time, as in requests of their own. The server sorts its whole vocabulary
to show the likeliest tokens, so after a label's beginning it only shows the one that the model goes on with; where
that is not the label's, the likeliest are asked for.

No request shows a token beyond the likeliest ones, and nothing that leaves the prompt as it is makes Ollama choose
one. Such a label has no figure but an upper bound, that of the least likely token shown, and is named as such.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from so8t_engines.likelihood import split
from so8t_engines.tokens import pieces_of

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
    chosen: str = ""
    """The one that the model goes on with; empty if it ends here."""
    listed: bool = True
    """Whether the likeliest are shown, and not only the chosen one."""


After = Callable[[str, int, bool], Sequence[Likely]]
"""Returns what follows the opening and a text, and then what follows each of up to that many tokens less one: the
likeliest tokens if wanted, or only the chosen ones."""


@dataclass(frozen=True)
class Sums:
    """Each answer's log-probability, and whether it is only an upper bound."""

    logprobs: tuple[float, ...]
    bounds: tuple[bool, ...]
    likely: Mapping[str, float]
    """The likeliest tokens where the answers begin to differ, by text."""
    second_look: bool
    begun: bool
    """Whether the model would begin one of the answers."""

    @property
    def best(self) -> int | None:
        """The likeliest answer; None if a bound leaves it open."""
        best = max(range(len(self.logprobs)), key=lambda number: (self.logprobs[number], not self.bounds[number]))
        return None if self.bounds[best] else best


def likely_of(step: Mapping[str, Any], second_look: bool) -> Likely:
    """Return what a server shows of one step, with the list of likeliest tokens or without."""
    listed = step.get("top_logprobs") or []
    return Likely(by_text(listed or [step]), second_look, step["token"], bool(listed))


def by_text(likely: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the log-probability of each text in a server's list; several tokens can have the same text."""
    found: dict[str, float] = {}
    for one in likely:
        found[one["token"]] = max(float(one["logprob"]), found.get(one["token"], -math.inf))
    return found


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


def score(answers: Answers, after: After, *, ahead: bool = True) -> Sums:
    """Return the log-probability of each answer; `ahead` if the model is expected to write one."""
    known: dict[tuple[str, ...], Likely] = {}
    starts = {answer[:place] for answer in answers.scored for place in range(len(answer))}

    def look(written: tuple[str, ...], tokens: int, *, listed: bool) -> Likely:
        place = written
        for likely in after("".join(written), tokens, listed):
            if place not in starts or not likely.logprobs:
                break
            if place not in known or likely.listed:
                known[place] = likely
            place = (*place, likely.chosen)
        return known[written]

    first = look((), max(map(len, answers.scored)) if ahead else 1, listed=True)
    sums, bounds = [], []
    for answer in answers.scored:
        total, bound = 0.0, False
        for place, piece in enumerate(answer):
            likely = known.get(answer[:place]) or look(answer[:place], len(answer) - place, listed=False)
            if piece not in likely.logprobs and not likely.listed:
                likely = look(answer[:place], 1, listed=True)
            total += likely.logprobs.get(piece, min(likely.logprobs.values()))
            bound = piece not in likely.logprobs
            if bound:
                break
        sums.append(total)
        bounds.append(bound)
    begun = (first.chosen,) in {answer[:1] for answer in answers.scored}
    return Sums(tuple(sums), tuple(bounds), first.logprobs, first.second_look, begun)
