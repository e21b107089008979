"""The two ways of asking for a class.

generate: the model writes freely, the text inside `<final>` decides; anything else is INVALID.
constrained: only the four final answers can be chosen, so that a model which does not know the format
is judged by its choice alone. The embedded engine does it by a grammar. Ollama has none: there the
answer begun with `<final>` is the prompt's end, and the likeliest next token that begins one of the
four decides; where none is among the 20 likeliest, the answer is INVALID.
"""

from __future__ import annotations

from so8t_evaluator.engine.protocol import Options
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.models.prompts import final_answer, parse_final
from so8t_shared.results.conversion import ChatInfo
from so8t_shared.tables.scorings import BY_NAME, Scoring

CHOICES = tuple(final_answer(label) for label in LABELS)
"""The four final answers without thinking."""

GRAMMAR = 'root ::= " "? (' + " | ".join(f'"{choice}"' for choice in CHOICES) + ")"
"""The same as GBNF. The space is that of sentencepiece, whose first token of an answer is "▁<": without it, such a
model is forced onto a token with which no answer that it was taught begins."""

READING_VERSION = 2
"""Raised when an answer is read otherwise than before (`parse_final`, `read_answer`), or timed otherwise: what was
found is kept and the answer is not, so a row has to be asked again."""

_FINAL_KEPT = 200

_LONGEST_ANSWER_TOKENS = 1 + max(map(len, CHOICES)) + 1
"""A token has at least one character, the space included, and one more ends the answer: none is longer."""


def options_for(scoring: Scoring, settings: AbTest, chat: ChatInfo) -> Options:
    """Every sampling option of a request; a constrained answer ends by itself and is never cut."""
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


def read_answer(text: str) -> tuple[str, str]:
    """(class or INVALID, text inside `<final>`, cut to what may be stored)."""
    predicted, final = parse_final(text)
    return predicted, final[:_FINAL_KEPT]
