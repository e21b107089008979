"""Test rows, and the prompts that ask for their class."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from so8t_shared.labels import LABELS
from so8t_shared.models.prompts import PLAIN_TEMPLATE, build_messages, render_chat
from so8t_shared.results.conversion import ChatInfo
from so8t_shared.results.evaluation import TestSet
from so8t_shared.results.training import LabeledRow

_PROBES = ("0", "?")
"""Two requests with nothing in common: their prompts share what all prompts of a model share."""


def select(rows: Sequence[LabeledRow], limit: int | None) -> list[LabeledRow]:
    """At most `limit` rows, as balanced over the classes as they allow, in a fixed order.

    Which rows of a class are taken depends on their ids alone, so a larger limit adds rows and
    takes none away.
    """
    queues = {label: sorted((r for r in rows if r.label == label), key=_shuffled) for label in LABELS}
    chosen: list[LabeledRow] = []
    for turn in range(max((len(queue) for queue in queues.values()), default=0)):
        chosen += [queue[turn] for queue in queues.values() if turn < len(queue)]
    return chosen[:limit]


def describe(rows: Sequence[LabeledRow]) -> TestSet:
    """Counts of the rows by class and language."""
    languages = sorted({row.language for row in rows})
    return TestSet(
        n=len(rows),
        by_label={label: sum(row.label == label for row in rows) for label in LABELS},
        by_language={language: sum(row.language == language for row in rows) for language in languages},
    )


def prompt_for(text: str, chat: ChatInfo) -> str:
    """What the model is given for a request: its own chat template, control tokens made harmless."""
    return render_chat(
        chat.chat_template or PLAIN_TEMPLATE,
        build_messages(text, chat.markers),
        bos_token=chat.bos_token,
        eos_token=chat.eos_token,
    )


def warm_up_prompts(chat: ChatInfo) -> list[str]:
    """Prompts to warm an engine up with; they do not depend on which rows are tested."""
    return [prompt_for(text, chat) for text in _PROBES]


def _shuffled(row: LabeledRow) -> str:
    return hashlib.sha256(row.id.encode()).hexdigest()
