"""Test rows and the prompts that ask for their class."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter

from so8t_shared.labels import LABELS
from so8t_shared.models.prompts import PLAIN_TEMPLATE, build_messages, render_chat
from so8t_shared.results.conversion import ChatInfo
from so8t_shared.results.training import LabeledRow

PROBES = ("0", "?")
"""Two requests with nothing in common, so their prompts share only what all prompts of a model share."""


def select(rows: Sequence[LabeledRow], limit: int | None) -> list[LabeledRow]:
    """Select at most `limit` rows, balanced over the classes as far as possible, in a fixed order.

    The selection within a class depends only on row ids, so a larger limit adds rows and removes none.
    """
    queues = {label: sorted((r for r in rows if r.label == label), key=_shuffled) for label in LABELS}
    chosen: list[LabeledRow] = []
    for turn in range(max((len(queue) for queue in queues.values()), default=0)):
        chosen += [queue[turn] for queue in queues.values() if turn < len(queue)]
    return chosen[:limit]


def apart(rows: Sequence[LabeledRow], after: LabeledRow | None = None) -> list[LabeledRow]:
    """Return the rows in an order in which neighbors begin differently, as far as possible, and else in their own.

    `after` is the row asked before them. Between two prompts that go on alike after the shared prefix, an engine needs
    a request more.
    """
    left, ordered, last = list(rows), list[LabeledRow](), _first_byte(after) if after else b""
    counts = Counter(map(_first_byte, left))
    while left:
        often, count = max(counts.items(), key=itemgetter(1))
        must = often != last and 2 * count > len(left)  # later there would be too few others between its rows
        fits = (i for i, row in enumerate(left) if (_first_byte(row) == often if must else _first_byte(row) != last))
        row = left.pop(next(fits, 0))
        ordered.append(row)
        last = _first_byte(row)
        counts[last] -= 1
    return ordered


def prompt_for(text: str, chat: ChatInfo, turns: Sequence[tuple[str, str]] = ()) -> str:
    """Return the prompt for a request in the model's own chat template, with control tokens neutralized.

    `turns` are (role, content) before it.
    """
    return render_chat(
        chat.chat_template or PLAIN_TEMPLATE,
        build_messages(text, chat.markers, turns),
        bos_token=chat.bos_token,
        eos_token=chat.eos_token,
    )


def warm_up_prompts(chat: ChatInfo) -> list[str]:
    """Return prompts for warming up an engine; they do not depend on the test rows."""
    return [prompt_for(text, chat) for text in PROBES]


def _shuffled(row: LabeledRow) -> str:
    return hashlib.sha256(row.id.encode()).hexdigest()


def _first_byte(row: LabeledRow) -> bytes:
    return row.text[:1].encode()[:1]
