"""The ways of asking for a class.

generate: the model writes freely and the text inside `<final>` decides; anything else is INVALID.
constrained: only the four final answers can be chosen, so a model that does not know the format is
judged only by its choice. The embedded engine uses a grammar. Ollama has none: there the prompt ends
with the start of the answer, `<final>`, and the likeliest next token that begins one of the four
decides. If no such token is among the 20 likeliest, the answer is INVALID.
logprob: nothing is written. The prompt is followed by `<final>`, and the likeliest of the four labels is
the class. Prompt and answer are tokenized apart and each answer as a whole, as in training. So the tokens
are those that the model was trained on, also where an answer begins with sentencepiece's space ("▁<") or
a token spans the end of `<final>` and the start of a label. A label's log-probability is summed over the
tokens by which the four answers differ; `</final>` is form and does not count. A model that was trained
to think first writes its thinking, and the labels are scored after it. Where it ends or is cut without
`<final>`, that is appended all the same: the decision stands, and `cut` says that the thinking did not end.
"""

from __future__ import annotations

from collections.abc import Sequence

from so8t_engines.protocol import Completion, Options
from so8t_shared.config.model import AbTest
from so8t_shared.labels import INVALID, LABELS
from so8t_shared.models.prompts import final_answer
from so8t_shared.results.conversion import ChatInfo
from so8t_shared.tables.scorings import BY_NAME, Scoring

CHOICES = tuple(final_answer(label) for label in LABELS)
"""The four final answers without thinking."""

GRAMMAR = 'root ::= " "? (' + " | ".join(f'"{choice}"' for choice in CHOICES) + ")"
"""The same as GBNF. The space is for sentencepiece, where an answer's first token is "▁<": without it, the model is
forced onto a token that begins no answer in its training."""

READING_VERSION = 5
"""Incremented when answers are read (`models.reading`) or timed differently. Reasoning is not stored, so the row has to
be asked again."""

_LONGEST_ANSWER_TOKENS = 1 + max(map(len, CHOICES)) + 1
"""Upper bound: each token has at least one character, including the space, and one more token ends the answer."""


def options_for(scoring: Scoring, settings: AbTest, chat: ChatInfo, *, thinks: bool = False) -> Options:
    """Return every sampling option of a request; `thinks` if the model was trained to think before its label.

    A constrained answer ends by itself and is never cut.
    """
    row = BY_NAME[scoring]
    think = row.scored and thinks
    limit = settings.max_new_tokens if row.writes_freely or think else _LONGEST_ANSWER_TOKENS
    if limit is None:
        raise ValueError("max_new_tokens must be decided before anything is asked, see answer_limit")
    return Options(
        max_tokens=limit,
        seed=settings.seed,
        stop=tuple(chat.stop_tokens),
        grammar="" if row.writes_freely or row.scored else GRAMMAR,
        choices=() if row.writes_freely else CHOICES,
        score=row.scored,
        think=think,
    )


def by_label(logprobs: Sequence[float] | None) -> dict[str, float] | None:
    """Return the log-probability of each label, given the log-probabilities of `CHOICES`."""
    return None if logprobs is None else dict(zip(LABELS, logprobs, strict=True))


def likeliest_label(completion: Completion) -> str:
    """Return the class with the highest log-probability; INVALID if that is only an upper bound."""
    logprobs, bounds = completion.logprobs or (), completion.bounds or (False,) * len(LABELS)
    best = max(range(len(logprobs)), key=logprobs.__getitem__)
    return INVALID if bounds[best] else LABELS[best]
