"""The token limit of an answer, and whether it is high enough for the answers that model B was trained on."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.config.model import AbTest, Config
from so8t_shared.models.room import answer_tokens, context_tokens
from so8t_shared.results.evaluation import AnswerLimit
from so8t_shared.results.training import Targets


def read_targets(splits: Path) -> Targets | None:
    """Return the facts that train recorded about its targets; None if it recorded none.

    Raises:
        IntegrityError: the file is damaged.
        NewerFormat: a newer program wrote it.
    """
    path = splits / "targets.json"
    return Targets.read(path) if path.exists() else None


def answer_limit(settings: AbTest, targets: Targets | None) -> AnswerLimit:
    """Return the limit, see `answer_tokens`, beside the longest target."""
    longest = targets.longest_tokens if targets else None
    return AnswerLimit(max_new_tokens=answer_tokens(settings, longest), longest_target_tokens=longest)


def with_room(config: Config, splits: Path) -> Config:
    """Return the configuration with `ab_test.max_new_tokens` and `ab_test.num_ctx` set to what the rows need.

    Raises:
        IntegrityError: the facts that train recorded are damaged.
        NewerFormat: a newer program wrote them.
    """
    settings, targets = config.ab_test, read_targets(splits)
    longest = targets.longest_tokens if targets else None
    room = {
        "max_new_tokens": answer_tokens(settings, longest),
        "num_ctx": context_tokens(settings, targets.longest_prompt_tokens if targets else 0, longest),
    }
    return config.model_copy(update={"ab_test": settings.model_copy(update=room)})


def warning_of(limit: AnswerLimit) -> str:
    """Describe the problem with a limit; empty if there is none."""
    if not limit.too_short:
        return ""
    return (
        f"model B was trained to give answers of up to {limit.longest_target_tokens} tokens, but answers are cut at"
        f" {limit.max_new_tokens}, and a cut answer counts as INVALID. Raise ab_test.max_new_tokens or leave it unset"
        " (ab_test.num_ctx may have to be raised, too)"
    )
