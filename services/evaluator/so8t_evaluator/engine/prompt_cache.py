"""Keeps llama.cpp's prompt cache in one known state, so that answers do not depend on history.

llama.cpp uses different kernels for a batch of one token, and for the last tokens of a batch whose size
is not a multiple of four. An F16 or Q4_K_M model therefore gives different log probabilities (by up to
0.2) depending on how much of the prompt was cached. So every prompt is computed in the same pieces,
whatever came before it:

    the shared prefix                     once, when the model is loaded
    the row without its last token        in one request, right after the prefix
    the last token                        alone, with the answer; or with `<final>` where answers are scored

A second question with the same prompt (the other scoring) reuses the first two pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import takewhile

Evaluate = Callable[[Sequence[int], bool], int]
"""Evaluates tokens with or without the cache; returns how many were cached."""


class PromptCache:
    """The tokens whose keys and values the engine holds, in its only slot."""

    def __init__(self, prefix: Sequence[int], evaluate: Evaluate) -> None:
        self._prefix = list(prefix)
        self._evaluate = evaluate
        self._held: list[int] = []
        self._asked: list[int] = []
        self._written_on = False
        self.usable = self._try_out()
        """False if the model cannot rewind to its prefix; then every prompt is recomputed in full."""

    def rewind(self, prompt: Sequence[int]) -> None:
        """Rewind the cache so that it shares exactly the prefix with `prompt`; call before timing starts."""
        self._written_on = True
        if not self.usable or self._holds(prompt):
            return
        size = len(self._prefix)
        if len(self._held) <= size or self._held[:size] != self._prefix:
            self._fill(prompt)
        elif shared_length([self._asked, prompt]) > size:
            self._expect(self._send([*self._prefix, _other_than(prompt[size])]), size)

    def prefill(self, prompt: Sequence[int]) -> None:
        """Evaluate all but the last token of `prompt`, unless the cache already holds them."""
        if not self.usable or self._holds(prompt):
            return
        head = list(prompt[:-1])
        if head:
            cached = self._send(head)
            self._expect(cached, min(shared_length([self._prefix, head]), len(head) - 1))
        self._held = head
        self._asked = list(prompt)
        self._written_on = False

    def drop_answer(self, prompt: Sequence[int]) -> None:
        """After `prefill`, drop what an earlier answer to the same prompt left behind it."""
        if self.usable and self._written_on:
            self._expect(self._evaluate([*prompt[:-1], _other_than(prompt[-1])], True), len(prompt) - 1)

    def _holds(self, prompt: Sequence[int]) -> bool:
        return self._held == list(prompt[:-1])

    def _fill(self, prompt: Sequence[int]) -> None:
        size = len(self._prefix)
        following = prompt[size] if len(prompt) > size else 0
        self._send([*self._prefix, _other_than(following)], use_cache=False)

    def _send(self, tokens: list[int], *, use_cache: bool = True) -> int:
        self._held = self._asked = tokens
        return self._evaluate(tokens, use_cache)

    def _try_out(self) -> bool:
        if not self._prefix:
            return True
        self._fill([])
        return self._send([*self._prefix, _other_than(self._held[-1])]) == len(self._prefix)

    def _expect(self, cached: int, wanted: int) -> None:
        if cached != wanted:
            raise RuntimeError(f"llama.cpp found {cached} tokens in its prompt cache, expected {wanted}")


def shared_length(sequences: Sequence[Sequence[Hashable]]) -> int:
    """Return the number of leading tokens that all sequences share."""
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*sequences, strict=False)))


def _other_than(token: int) -> int:
    return 0 if token != 0 else 1
