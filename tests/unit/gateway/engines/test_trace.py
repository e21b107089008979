"""Labels' log-probabilities from one greedy answer."""

from __future__ import annotations

import math
from typing import Any

import pytest

from so8t_gateway.engines.trace import likelihoods, written_label

LABELS = (("AL", "LOW"), ("ESC", "AL", "ATION"), ("D", "ENY"), ("REFUSE",))


def step(token: str, **shares: float) -> dict[str, Any]:
    """A token, with the shares of the likeliest ones."""
    top = [{"token": name, "logprob": math.log(share)} for name, share in shares.items()]
    return {"token": token, "logprob": math.log(shares[token]), "top_logprobs": top}


def test_the_written_label_is_exact_and_others_are_bounded() -> None:
    """Of another label its first token is known, or it is no likelier than the least likely one shown."""
    found = likelihoods([step("AL", AL=0.7, D=0.1, REFUSE=0.15), step("LOW", LOW=0.9, SO=0.05)], LABELS)
    assert found
    shares = [math.exp(each) for each in found.logprobs]
    assert shares == pytest.approx([0.63, 0.1, 0.1, 0.15])
    assert found.bounds == (False, True, True, False)


def test_an_answer_that_ends_too_early() -> None:
    """A label whose last token was not seen is only bounded."""
    found = likelihoods([step("AL", AL=0.7, D=0.2)], LABELS)
    assert found
    assert found.bounds == (True, True, True, True)


def test_no_token() -> None:
    """An answer that ends at once tells nothing."""
    assert likelihoods([], LABELS) is None


def told(*tokens: str) -> list[dict[str, Any]]:
    """An answer's tokens, each with half of all probability."""
    return [{"token": token, "logprob": math.log(0.5)} for token in tokens]


@pytest.mark.parametrize(
    ("tokens", "found"),
    [
        (("<think>", "so</think>", "<final>", "AL", "LOW", "</final>"), (0, 0.25)),
        (("<think>so</think><final>", "REFUSE", "</final>"), (3, 0.5)),
        (("<think>so</think><final>AL", "LOW", "</final>"), None),
        (("<think>so</think><final>", "ALL", "OW", "</final>"), None),
        (("<think>so</think><final>", "AL"), None),
        (("<think>no</think><final>", "AL", "LOW"), None),
        ((), None),
    ],
)
def test_the_label_that_was_written(tokens: tuple[str, ...], found: tuple[int, float] | None) -> None:
    """Only a label in the tokens of training, right after the text, has a known probability."""
    written = written_label(told(*tokens), "<think>so</think><final>", LABELS)
    assert (written and (written[0], math.exp(written[1]))) == (found and pytest.approx(found))
