"""How many tokens an answer may have, and whether that is enough for what model B was trained to say."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.config.model import AbTest
from so8t_shared.results.evaluation import AnswerLimit
from so8t_shared.results.training import Targets

_LEAST_TOKENS = 48
_SLACK = 1.25
"""An answer to a new row may be longer than every one that was trained on."""


def read_targets(splits: Path) -> Targets | None:
    """What train says of its targets; None where it says nothing.

    Raises:
        IntegrityError: the file is damaged.
        NewerFormat: a newer program wrote it.
    """
    path = splits / "targets.json"
    return Targets.read(path) if path.exists() else None


def answer_limit(settings: AbTest, targets: Targets | None) -> AnswerLimit:
    """`ab_test.max_new_tokens`, or where it is not set a quarter more than the longest target, 48 at least.

    What is chosen here is never more than half of the context: the prompt needs room as well.
    """
    longest = targets.longest_tokens if targets else None
    fitting = min(max(_LEAST_TOKENS, int((longest or 0) * _SLACK)), settings.num_ctx // 2)
    limit = fitting if settings.max_new_tokens is None else settings.max_new_tokens
    return AnswerLimit(max_new_tokens=limit, longest_target_tokens=longest)


def warning_of(limit: AnswerLimit) -> str:
    """What is wrong with a limit, or nothing."""
    if not limit.too_short:
        return ""
    return (
        f"model B was trained to give answers of up to {limit.longest_target_tokens} tokens, and answers are cut at"
        f" {limit.max_new_tokens}: a cut one counts as INVALID. Raise ab_test.max_new_tokens, or leave it out"
        " (then ab_test.num_ctx may have to be raised)"
    )
