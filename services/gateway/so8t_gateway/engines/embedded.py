"""A model in llama.cpp on this host, in a process of its own, asked from a worker thread, one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from so8t_engines.embedded.engine import EmbeddedModel
from so8t_engines.protocol import Completion, EngineError, Options, Outcome, PromptTooLongError, Question
from so8t_gateway.engines.engine import CHOICES, EngineAway, Sampling, TooLong, Written
from so8t_shared.classes import Likelihoods
from so8t_shared.labels import LABELS

_LONGEST_CHOICE_TOKENS = max(map(len, CHOICES)) + 1

T = TypeVar("T")


class EmbeddedServed:
    """See `ServedModel`."""

    def __init__(self, model: EmbeddedModel, stop: tuple[str, ...], seed: int) -> None:
        self._model = model
        self._stop = stop
        self._seed = seed
        self._thread = ThreadPoolExecutor(1, "engine")
        self._dead = False

    async def write(self, prompt: str, sampling: Sampling) -> Written:
        """Have the model answer freely."""
        greedy = sampling.temperature == 0
        options = Options(
            max_tokens=sampling.max_tokens,
            seed=self._seed,
            stop=self._stop,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=1 if greedy else 0,
        )
        answer = await self._ask(lambda: next(iter(self._model.complete_many([Question(prompt, options)]))))
        return Written(answer.text, answer.prompt_tokens, answer.completion_tokens, answer.cut)

    def sure(self, written: Written, tag: int) -> tuple[str, float] | None:  # noqa: ARG002 - the protocol's
        """Nothing: an answer has no probabilities, and scoring the labels after it costs little here."""
        return None

    async def likelihoods(self, prompt: str, written: Written, tag: int) -> Likelihoods | None:
        """Score the labels after the prompt and what the model wrote before its decision."""
        options = Options(_LONGEST_CHOICE_TOKENS, self._seed, choices=CHOICES, score=True)
        thought = written.text[:tag].removeprefix(" ")  # sentencepiece's space is no part of a text
        answer = await self._ask(lambda: self._model.score_after(prompt, thought, options))
        if answer.logprobs is None:
            return None
        return Likelihoods(tuple(answer.logprobs), tuple(answer.bounds or (False,) * len(LABELS)))

    async def check(self) -> bool:
        """Whether llama.cpp's process lives; it holds the file that was verified when it was loaded."""
        return not self._dead

    async def close(self) -> None:
        """End llama.cpp's process."""
        await self._in_thread(self._model.close)
        self._thread.shutdown(wait=False)

    async def release(self) -> None:
        """End llama.cpp's process; another one serves the file."""
        await self.close()

    async def _ask(self, question: Callable[[], Outcome]) -> Completion:
        return await self._in_thread(lambda: self._answer(question))

    def _answer(self, question: Callable[[], Outcome]) -> Completion:
        try:
            answer = question()
        except (EngineError, OSError, ValueError):
            self._dead = True
            raise EngineAway from None
        if isinstance(answer, PromptTooLongError):
            raise TooLong
        return answer

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
