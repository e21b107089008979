"""Where prompts are cut."""

from __future__ import annotations

import re

import pytest

from so8t_evaluator.ollama.prefix import Cut, find_cut


def _count(text: str) -> int:
    """Tokens of a made-up tokenizer: control tokens, words with their space, two line breaks, single characters."""
    return len(re.findall(r"<\|\w+\|>| ?\w+|\n\n|.|\n", text))


@pytest.mark.parametrize(
    ("ending", "tail"),
    [
        ("<|end|>\n<|assistant|>\n", "\n"),
        ("<|eot|><|head|>\n\n", "\n\n"),
        ("\nAssistant:", ":"),
        ("\nassistant", "assistant"),
        ("<|end|><|assistant|>", "<|assistant|>"),
    ],
)
def test_tail_is_the_last_token(ending: str, tail: str) -> None:
    """Taking it away takes one token away, from every prompt."""
    cut = find_cut([f"<|user|>\n0{ending}", f"<|user|>\n?{ending}"], _count)
    assert cut == Cut("<|user|>\n", tail)
    prompt = f"<|user|>\nopen the door{ending}"
    assert _count(cut.head(prompt)) == _count(prompt) - 1


def test_no_tail() -> None:
    """A prompt that ends otherwise, and prompts without a common end, have no head; nothing is guessed."""
    assert Cut("a", "\n").head("abc") == ""
    assert find_cut(["abc", "abd"], _count).tail == ""
    assert find_cut([], _count) == Cut("", "")
