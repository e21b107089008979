"""The token limit of an answer, and whether it is high enough for the answers that model B was trained on."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.config.model import AbTest
from so8t_shared.results.evaluation import AnswerLimit
from so8t_shared.results.training import Targets

_LEAST_TOKENS = 48
_SLACK = 1.25
"""An answer to a new row may be longer than every training target."""


def read_targets(splits: Path) -> Targets | None:
    """Return the facts that train recorded about its targets; None if it recorded none.

    Raises:
        IntegrityError: the file is damaged.
        NewerFormat: a newer program wrote it.
    """
    path = splits / "targets.json"
    return Targets.read(path) if path.exists() else None


def answer_limit(settings: AbTest, targets: Targets | None) -> AnswerLimit:
    """Return `ab_test.max_new_tokens`; if unset, a quarter more than the longest target, at least 48.

    The computed limit is at most half of the context, because the prompt needs room as well.
    """
    longest = targets.longest_tokens if targets else None
    fitting = min(max(_LEAST_TOKENS, int((longest or 0) * _SLACK)), settings.num_ctx // 2)
    limit = fitting if settings.max_new_tokens is None else settings.max_new_tokens
    return AnswerLimit(max_new_tokens=limit, longest_target_tokens=longest)


def warning_of(limit: AnswerLimit) -> str:
    """Describe the problem with a limit; empty if there is none."""
    if not limit.too_short:
        return ""
    return (
        f"model B was trained to give answers of up to {limit.longest_target_tokens} tokens, but answers are cut at"
        f" {limit.max_new_tokens}, and a cut answer counts as INVALID. Raise ab_test.max_new_tokens or leave it unset"
        " (ab_test.num_ctx may have to be raised, too)"
    )
