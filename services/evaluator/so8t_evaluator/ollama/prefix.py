"""How a prompt is cut so that the server computes it in the same pieces whatever it was asked before.

Ollama always reuses what its cache shares with a prompt, and batches of another size give slightly other
numbers (see `so8t_evaluator.engine.prompt_cache`, whose pieces these are). It takes text, not tokens:

    the prefix that all prompts share, then a control token     always first, so that no row's text is reused
    the prompt without its last token (its head)                evaluated in one go
    the prompt                                                  its last token alone, then the answer

A control token cannot be the next one of a prompt, whose texts have been made free of them, so what
follows the piece is computed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from so8t_evaluator.engine.prompt_cache import shared_length

_LONGEST_TOKEN = 24

Count = Callable[[str], int]
"""Tokens of a text."""


@dataclass(frozen=True)
class Cut:
    """Where prompts of one model are cut."""

    prefix: str
    tail: str
    """Text of the last token of every prompt; empty where that is not known."""

    def head(self, prompt: str) -> str:
        """The prompt without its last token, empty where that is not known."""
        return prompt.removesuffix(self.tail) if self.tail and prompt.endswith(self.tail) else ""


def find_cut(prompts: Sequence[str], count: Count) -> Cut:
    """The cut for prompts that differ where rows differ."""
    if not prompts:
        return Cut("", "")
    return Cut(prompts[0][: shared_length(prompts)], _tail(prompts, count))


def _tail(prompts: Sequence[str], count: Count) -> str:
    ending = prompts[0][len(prompts[0]) - shared_length([prompt[::-1] for prompt in prompts]) :]
    whole = [count(prompt) for prompt in prompts]
    for size in range(1, min(len(ending), _LONGEST_TOKEN) + 1):
        if all(count(prompt[:-size]) == n - 1 for prompt, n in zip(prompts, whole, strict=True)):
            return ending[-size:]
    return ""
