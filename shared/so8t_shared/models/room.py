"""How many tokens an answer may have, and the context that prompt and answer need, from the rows that were encoded."""

from __future__ import annotations

from so8t_shared.config.model import LEAST_CONTEXT, AbTest
from so8t_shared.errors import ConfigError

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


def demand_room(settings: AbTest, longest_prompt: int) -> None:
    """Check that a configured context has room for the longest prompt that will be asked, and for its answer.

    A row that does not fit is not asked at all; one whose answer is longer than ab_test.max_new_tokens is cut.

    Raises:
        ConfigError: it has not.
    """
    least = longest_prompt + (settings.max_new_tokens or 1)
    if settings.num_ctx is None or least <= settings.num_ctx:
        return
    answer = f"ab_test.max_new_tokens = {settings.max_new_tokens}" if settings.max_new_tokens else "a token"
    raise ConfigError(
        f"A context of {settings.num_ctx} tokens has no room for the longest prompt, {longest_prompt}, and {answer}.",
        where="ab_test.num_ctx",
        remedy=f"set it to {-(-least // _STEP) * _STEP} or more, or take it out: then it is computed",
    )


def context_tokens(settings: AbTest, longest_prompt: int, longest_answer: int | None) -> int:
    """Return `ab_test.num_ctx`; if unset, what the longest prompt and an answer need, at least 2048."""
    if settings.num_ctx is not None:
        return settings.num_ctx
    needed = longest_prompt + answer_tokens(settings, longest_answer)
    return max(LEAST_CONTEXT, -(-needed // _STEP) * _STEP)
