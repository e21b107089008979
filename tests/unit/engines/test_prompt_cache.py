"""The prompt cache is computed in the same pieces whatever came before."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from tests.messages import Said

from so8t_engines.prompt_cache import PromptCache, shared_length

PREFIX = [5, 6, 7, 8]


class Slot:
    """What llama.cpp's slot does, with the requests that computed each token's keys and values."""

    def __init__(self, *, forgets: bool = False) -> None:
        self.tokens: list[int] = []
        self.pieces: list[tuple[int, int]] = []
        self.forgets = forgets

    def evaluate(self, tokens: Sequence[int], use_cache: bool) -> int:
        assert tokens, "llama.cpp refuses an empty prompt"
        shared = shared_length([self.tokens, tokens]) if use_cache and not self.forgets else 0
        cached = min(shared, len(tokens) - 1)
        self.pieces = self.pieces[:cached] + [(cached, len(tokens))] * (len(tokens) - cached)
        self.tokens = list(tokens)
        return cached

    def ask(self, cache: PromptCache, prompt: list[int], generated: Sequence[int] = (3, 3)) -> list[tuple[int, int]]:
        """How the prompt's tokens came to be when its answer begins."""
        cache.rewind(prompt)
        self.evaluate(prompt, cache.usable)
        cache.asked(prompt)
        pieces = list(self.pieces)
        self.tokens += generated
        self.pieces += [(0, 0)] * len(generated)
        return [piece for place, piece in enumerate(pieces) if place >= len(PREFIX) or prompt[place] == PREFIX[place]]


def _canonical(prompt: list[int]) -> list[tuple[int, int]]:
    slot = Slot()
    return slot.ask(PromptCache(PREFIX, slot.evaluate), prompt)


small = st.lists(st.integers(0, 2), min_size=1, max_size=6)
rows = st.one_of(
    small.map(lambda rest: [*PREFIX, *rest]),
    st.tuples(st.integers(1, 3), small).map(lambda pair: [*PREFIX[: pair[0]], 9, *pair[1]]),
    st.integers(1, 4).map(lambda size: PREFIX[:size]),
)


@given(st.lists(rows, max_size=8), st.lists(st.integers(0, 3), max_size=3))
def test_history_leaves_no_trace(prompts: list[list[int]], generated: list[int]) -> None:
    """After any history, each prompt's tokens were computed in the same pieces as in a fresh slot."""
    slot = Slot()
    cache = PromptCache(PREFIX, slot.evaluate)
    for prompt in prompts:
        assert slot.ask(cache, prompt, generated) == _canonical(prompt)
        assert slot.ask(cache, prompt, generated) == _canonical(prompt)  # again


@given(small, st.lists(st.integers(0, 3), max_size=3), st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_what_is_scored_follows_the_prompt(rest: list[int], generated: list[int], following: list[int]) -> None:
    """After an answer, what is scored is computed in one piece, and nothing else is but one token."""
    slot = Slot()
    cache = PromptCache(PREFIX, slot.evaluate)
    prompt = [*PREFIX, *rest]
    assert not cache.holds(prompt)
    before = slot.ask(cache, prompt, generated)
    assert cache.holds(prompt)
    cache.drop_answer(prompt, following)
    slot.evaluate([*prompt, *following], True)
    assert slot.pieces[-len(following) :] == [(len(prompt), len(prompt) + len(following))] * len(following)
    assert slot.pieces[: len(prompt)] == before


def test_model_without_a_rewindable_cache() -> None:
    """Where the prefix cannot be kept, the cache says so and leaves the slot alone."""
    slot = Slot(forgets=True)
    cache = PromptCache(PREFIX, slot.evaluate)
    assert not cache.usable
    before = list(slot.pieces)
    cache.rewind([*PREFIX, 1])
    assert slot.pieces == before
    cache.asked([*PREFIX, 1])
    assert not cache.holds([*PREFIX, 1])


def test_unexpected_cache_is_an_error(said: Said) -> None:
    """If the engine forgets later, that is an error, not a silently different answer."""
    slot = Slot()
    cache = PromptCache(PREFIX, slot.evaluate)
    slot.ask(cache, [*PREFIX, 1, 2])
    slot.forgets = True
    with said.raised(RuntimeError):
        cache.rewind([*PREFIX, 1])


def test_shared_length() -> None:
    """The common beginning of any number of sequences; of none it is 0."""
    assert shared_length([[1, 2, 3], [1, 2, 4], [1, 2]]) == 2
    assert shared_length([[1], []]) == 0
    assert shared_length([]) == 0
