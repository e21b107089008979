"""What people may see of a conversation before the request: its system prompt and earlier turns, not their thinking."""

from __future__ import annotations

from collections.abc import Sequence

from so8t_shared.models.reading import read_answer

TURN_LENGTH = 2_000
"""Most characters of a turn."""
MOST_TURNS = 12
"""Most turns of a conversation; the first one and the last ones are kept."""


def shown_turns(turns: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return role and text of the turns before a request, both cut to what people read.

    Of the assistant's turns only what stands outside their thinking is left, which may be nothing. An empty role counts
    the turns that are not shown. The data policy has already excluded rows whose turns it forbids.
    """
    if len(turns) <= MOST_TURNS:
        return [_shown(role, text) for role, text in turns]
    left_out = len(turns) - MOST_TURNS + 1
    kept = [turns[0], ("", f"({left_out} turns are not shown)"), *turns[1 + left_out :]]
    return [_shown(role, text) for role, text in kept]


def _shown(role: str, text: str) -> tuple[str, str]:
    said = read_answer(text).text.strip() if role == "assistant" else text
    more = len(said) - TURN_LENGTH
    return role, said if more <= 0 else f"{said[:TURN_LENGTH]}… ({more:,} more characters)"
