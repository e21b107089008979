"""Cuts a prompt so that the server computes it in the same pieces whatever it was asked before.

Ollama always reuses the part of a prompt that is in its cache, and other batch sizes give slightly different
numbers (see `so8t_evaluator.engine.prompt_cache`, which uses the same pieces). It accepts text, not tokens:

    the prefix that all prompts share, then a control token     always first, so that no row's text is reused
    the prompt without its last token (its head)                evaluated in one request
    the prompt                                                  its last token alone, then the answer

The prefix is followed by a row's text, which never begins with a control token, so everything after the
prefix is recomputed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from so8t_evaluator.engine.prompt_cache import shared_length

_LONGEST_TOKEN = 24

Count = Callable[[str], int]
"""Returns the number of tokens in a text."""


@dataclass(frozen=True)
class Cut:
    """The cut position in one model's prompts."""

    prefix: str
    tail: str
    """Text of the last token of every prompt; empty if unknown."""

    def head(self, prompt: str) -> str:
        """Return the prompt without its last token; empty if that is unknown."""
        return prompt.removesuffix(self.tail) if self.tail and prompt.endswith(self.tail) else ""


def find_cut(prompts: Sequence[str], count: Count) -> Cut:
    """Return the cut for prompts that differ where rows differ."""
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
