"""How many tokens an answer may have, and the context that prompt and answer need, from the rows that were encoded."""

from __future__ import annotations

from so8t_shared.config.model import LEAST_CONTEXT, AbTest

_LEAST_ANSWER = 48
_SLACK = 1.25
"""An answer to a new row may be longer than every training target."""
_STEP = 256


def answer_tokens(settings: AbTest, longest_answer: int | None) -> int:
    """Return `ab_test.max_new_tokens`; if unset, a quarter more than the longest target, at least 48.

    The computed limit is at most half of a configured context, because the prompt needs room as well.
    """
    if settings.max_new_tokens is not None:
        return settings.max_new_tokens
    wanted = max(_LEAST_ANSWER, int((longest_answer or 0) * _SLACK))
    return wanted if settings.num_ctx is None else min(wanted, settings.num_ctx // 2)


def context_tokens(settings: AbTest, longest_prompt: int, longest_answer: int | None) -> int:
    """Return `ab_test.num_ctx`; if unset, what the longest prompt and an answer need, at least 2048."""
    if settings.num_ctx is not None:
        return settings.num_ctx
    needed = longest_prompt + answer_tokens(settings, longest_answer)
    return max(LEAST_CONTEXT, -(-needed // _STEP) * _STEP)
