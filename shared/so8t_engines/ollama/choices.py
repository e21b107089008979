"""Picks one of a few answers by the likelihood of its first token; a substitute for grammars, which Ollama lacks.

Ollama's `format` is no substitute: its output always begins with a quotation mark or a brace, and that
alone changes a model's answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from so8t_engines.likelihood import shared_start
from so8t_shared.errors import InputError


def likeliest(choices: Sequence[str], likely: Sequence[dict[str, Any]]) -> str:
    """Return the choice whose continuation begins with the likeliest matching token; "" if no token matches.

    `likely` holds tokens after the shared start, {"token", "logprob"}.

    Raises:
        InputError: a token matches several choices and cannot distinguish them.
    """
    start = len(shared_start(choices))
    for entry in sorted(likely, key=lambda entry: -float(entry["logprob"])):
        fitting = [choice for choice in choices if entry["token"] and choice[start:].startswith(entry["token"])]
        if len(fitting) > 1:
            raise InputError(
                f"The answers {' and '.join(fitting)} begin with the same token {entry['token']!r}.",
                where="ab_test.scoring constrained, on Ollama",
                remedy="leave constrained out of ab_test.scoring, or use ab_test.engine embedded",
            )
        if fitting:
            return fitting[0]
    return ""
