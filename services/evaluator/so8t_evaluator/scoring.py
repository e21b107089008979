"""The two ways of asking for a class.

generate: the model writes freely and the text inside `<final>` decides; anything else is INVALID.
constrained: only the four final answers can be chosen, so a model that does not know the format is
judged only by its choice. The embedded engine uses a grammar. Ollama has none: there the prompt ends
with the start of the answer, `<final>`, and the likeliest next token that begins one of the four
decides. If no such token is among the 20 likeliest, the answer is INVALID.
"""

from __future__ import annotations

from so8t_evaluator.engine.protocol import Options
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.models.prompts import final_answer
from so8t_shared.results.conversion import ChatInfo
from so8t_shared.tables.scorings import BY_NAME, Scoring

CHOICES = tuple(final_answer(label) for label in LABELS)
"""The four final answers without thinking."""

GRAMMAR = 'root ::= " "? (' + " | ".join(f'"{choice}"' for choice in CHOICES) + ")"
"""The same as GBNF. The space is for sentencepiece, where an answer's first token is "▁<": without it, the model is
forced onto a token that begins no answer in its training."""

READING_VERSION = 3
"""Incremented when answers are read (`models.reading`) or timed differently. Reasoning is not stored, so the row has to
be asked again."""

_LONGEST_ANSWER_TOKENS = 1 + max(map(len, CHOICES)) + 1
"""Upper bound: each token has at least one character, including the space, and one more token ends the answer."""


def options_for(scoring: Scoring, settings: AbTest, chat: ChatInfo) -> Options:
    """Return every sampling option of a request; a constrained answer ends by itself and is never cut."""
    constrained = not BY_NAME[scoring].writes_freely
    limit = _LONGEST_ANSWER_TOKENS if constrained else settings.max_new_tokens
    if limit is None:
        raise ValueError("max_new_tokens must be decided before anything is asked, see answer_limit")
    return Options(
        max_tokens=limit,
        seed=settings.seed,
        stop=tuple(chat.stop_tokens),
        grammar=GRAMMAR if constrained else "",
        choices=CHOICES if constrained else (),
    )
