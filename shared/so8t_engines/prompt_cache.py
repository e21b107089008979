"""Keeps llama.cpp's prompt cache in one known state, so that answers do not depend on history.

llama.cpp uses different kernels for a batch of one token, and for the last tokens of a batch whose size
is not a multiple of four. An F16 or Q4_K_M model therefore gives different log probabilities (by up to
0.2) depending on how much of the prompt was cached. So every prompt is computed in the same pieces,
whatever came before it:

    the shared prefix                     once, when the model is loaded
    the rest of the prompt                at once, with the answer's first token
    `<final>`                             right after the prompt, where answers are scored

Scoring a prompt that has just been answered reuses the first two pieces. Only where the next prompt goes on like the
one before does a request of one token come between, to make llama.cpp forget it.

Several rows in one batch would save a tenth of the processor time (SmolLM2-135M, Q4_K_M, one thread: 8 to 16 slots),
take twice the memory, and make an answer depend on the rows beside it.
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
        """What the slot begins with; empty if unknown."""
        self._asked = False
        """Whether that is a prompt, computed right after the prefix."""
        self.usable = self._try_out()
        """False if the model cannot rewind to its prefix; then every prompt is recomputed in full."""

    def holds(self, prompt: Sequence[int]) -> bool:
        """Whether the slot begins with the prompt, computed right after the prefix."""
        return self.usable and self._asked and self._held == list(prompt)

    def rewind(self, prompt: Sequence[int]) -> None:
        """Make the slot share exactly the prefix with `prompt`, whose rest is asked next; call before timing starts."""
        if not self.usable:
            return
        size = len(self._prefix)
        if len(self._held) <= size or self._held[:size] != self._prefix:
            self._fill(prompt)
        elif shared_length([self._held, prompt]) > size:
            self._expect(self._send([*self._prefix, _other_than(prompt[size])]), size)
        self._held, self._asked = [], False

    def asked(self, prompt: Sequence[int]) -> None:
        """Note that the whole prompt was asked, after `rewind`."""
        self._held, self._asked = list(prompt), True

    def forget(self) -> None:
        """Note that the slot is going to hold something else."""
        self._held, self._asked = [], False

    def drop_answer(self, prompt: Sequence[int], following: Sequence[int]) -> None:
        """Where the slot holds the prompt, drop what it holds after it, so that `following` is computed at once."""
        if following:
            self._expect(self._evaluate([*prompt, _other_than(following[0])], True), len(prompt))

    def _fill(self, prompt: Sequence[int]) -> None:
        size = len(self._prefix)
        following = prompt[size] if len(prompt) > size else 0
        self._send([*self._prefix, _other_than(following)], use_cache=False)

    def _send(self, tokens: list[int], *, use_cache: bool = True) -> int:
        self._held, self._asked = tokens, False
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
