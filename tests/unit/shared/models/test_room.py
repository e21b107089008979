"""Answer length and context, from what the rows need."""

from __future__ import annotations

import pytest
from tests.messages import Said

from so8t_shared.config.model import AbTest
from so8t_shared.errors import ConfigError
from so8t_shared.models.room import answer_tokens, context_tokens, demand_room


@pytest.mark.parametrize(
    ("settings", "prompt", "answer", "expected"),
    [
        ({}, 100, 11, (48, 2048)),
        ({}, 1900, 400, (500, 2560)),
        ({}, 0, None, (48, 2048)),
        ({"max_new_tokens": 600}, 1900, 400, (600, 2560)),
        ({"num_ctx": 512}, 1900, 400, (256, 512)),
        ({"num_ctx": 8192}, 1900, 400, (500, 8192)),
    ],
)
def test_room(settings: dict[str, int], prompt: int, answer: int | None, expected: tuple[int, int]) -> None:
    """What is configured stands; the rest fits the longest prompt and a quarter more than the longest answer."""
    test = AbTest(**settings)
    assert (answer_tokens(test, answer), context_tokens(test, prompt, answer)) == expected


@pytest.mark.parametrize(
    ("settings", "prompt"),
    [
        ({"num_ctx": 512}, 512),
        ({"num_ctx": 512, "max_new_tokens": 64}, 449),
        ({"num_ctx": 64, "max_new_tokens": 64}, 1),
    ],
)
def test_no_room_for_a_row(settings: dict[str, int], prompt: int, said: Said) -> None:
    """Refused with the figure; one token less fits, and what is computed always does."""
    with said.raised(ConfigError):
        demand_room(AbTest(**settings), prompt)
    demand_room(AbTest(**settings), prompt - 1)
    demand_room(AbTest(**{**settings, "num_ctx": None}), prompt)
