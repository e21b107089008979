"""One of a few answers by its first token."""

from __future__ import annotations

from typing import Any

import pytest
from tests.messages import Said

from so8t_engines.ollama.choices import likeliest
from so8t_evaluator.scoring import CHOICES
from so8t_shared.errors import InputError


def _likely(*tokens: str) -> list[dict[str, Any]]:
    """Tokens in falling likelihood."""
    return [{"token": token, "logprob": -1.0 - rank} for rank, token in enumerate(tokens)]


@pytest.mark.parametrize("token", ["D", "DE", "DEN", "DENY", "DENY</", "DENY</final>"])
def test_any_beginning_counts(token: str) -> None:
    """However a tokenizer cuts a label, its first token stands for it."""
    assert likeliest(CHOICES, _likely(token)) == "<final>DENY</final>"


@pytest.mark.parametrize("token", ["", " DENY", "deny", "DENYX", "X", "<|im_end|>", "\n"])
def test_what_a_grammar_would_not_allow_does_not_count(token: str) -> None:
    """Other tokens are passed over, however likely; with no other there is no answer."""
    assert likeliest(CHOICES, _likely(token, "REF", "ALL")) == "<final>REFUSE</final>"
    assert likeliest(CHOICES, _likely(token)) == ""


def test_likelihood_decides_not_order() -> None:
    """The list need not be sorted, and a label's likeliest token is what counts."""
    mixed = [*_likely("E", "ALLOW")[::-1], {"token": "A", "logprob": -0.5}]
    assert likeliest(CHOICES, mixed) == "<final>ALLOW</final>"


def test_nothing_likely() -> None:
    """No token, no answer."""
    assert likeliest(CHOICES, []) == ""


def test_labels_that_begin_alike(said: Said) -> None:
    """A token that fits two answers is refused, not guessed."""
    with said.raised(InputError):
        likeliest(("<RED>", "<REST>", "<BLUE>"), _likely("RE", "B"))
