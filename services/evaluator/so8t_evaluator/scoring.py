"""The two ways of asking for a class.

generate: the model writes freely, the text inside `<final>` decides; anything else is INVALID.
constrained: a grammar leaves only the four final answers, so that a model which does not know the
format is judged by its choice alone.
"""

from __future__ import annotations

from so8t_evaluator.engine.protocol import Options
from so8t_shared.config.model import AbTest, Scoring
from so8t_shared.labels import LABELS
from so8t_shared.prompts import final_answer, parse_final
from so8t_shared.results import ChatInfo

GRAMMAR = "root ::= " + " | ".join(f'"{final_answer(label)}"' for label in LABELS)
"""GBNF of the four final answers without thinking."""

_FINAL_KEPT = 200

_LONGEST_ANSWER_TOKENS = max(len(final_answer(label)) for label in LABELS) + 1
"""A token has at least one character, and one more ends the answer: no constrained answer is longer."""


def options_for(scoring: Scoring, settings: AbTest, chat: ChatInfo) -> Options:
    """Every sampling option of a request; a constrained answer ends by itself and is never cut."""
    constrained = scoring == "constrained"
    return Options(
        max_tokens=_LONGEST_ANSWER_TOKENS if constrained else settings.max_new_tokens,
        seed=settings.seed,
        stop=tuple(chat.stop_tokens),
        grammar=GRAMMAR if constrained else "",
    )


def read_answer(text: str) -> tuple[str, str]:
    """(class or INVALID, text inside `<final>`, cut to what may be stored)."""
    predicted, final = parse_final(text)
    return predicted, final[:_FINAL_KEPT]
