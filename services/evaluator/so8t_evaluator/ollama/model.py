"""A model loaded on an Ollama server."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from so8t_evaluator.engine.likelihood import shared_start
from so8t_evaluator.engine.protocol import Completion, EngineError, ModelFile, Options, PromptTooLongError
from so8t_evaluator.ollama.choices import likeliest
from so8t_evaluator.ollama.generation import TOP_LOGPROBS, Reply, gather, generation, sampling
from so8t_evaluator.ollama.models import OllamaModels
from so8t_evaluator.ollama.prefix import Cut, find_cut
from so8t_evaluator.ollama.scored import Answers, Likely, answers_of, score
from so8t_evaluator.ollama.server import MissingError, OllamaServer, UnreachableError
from so8t_shared.errors import InputError, So8tError

_ONE_TOKEN = Options(max_tokens=1, seed=0)
_ANY_TEXT = {"type": "string"}


class OllamaModel:
    """A named model on the server; its file must not change after loading."""

    def __init__(self, server: OllamaServer, model: ModelFile, runner: dict[str, Any], warm_up: Sequence[str]) -> None:
        """`runner` holds the options whose change would make the server reload the model."""
        self._server = server
        self._model = model
        self._runner = runner
        self._warm_up = warm_up
        self._held = ""
        self._head: Reply | None = None
        self._doubtful = False
        self._answers: Answers | None = None
        self.on_close: Callable[[], None] = lambda: None
        self.digest, _ = OllamaModels(server).ensure(model)
        server.patiently(self._load)
        self._added = server.patiently(self._added_tokens)
        self._cut = server.patiently(self._find_cut)

    def complete(self, prompt: str, options: Options) -> Completion:
        """Ask one prompt; see `LoadedModel.complete`."""
        answer = self._server.patiently(lambda: self._attempt(self._bare(prompt), options))
        size, on_gpu = self._server.patiently(self._memory)  # separate, so that a failure here does not ask a row twice
        return replace(answer, peak_memory_bytes=size, gpu_memory_bytes=on_gpu)

    def close(self) -> None:
        """Have the server unload the model; a stopped server has already done so."""
        try:
            self._server.post("/api/generate", {"model": self._model.name, "keep_alive": 0})
        except (MissingError, UnreachableError, So8tError):
            pass
        finally:
            self.on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load(self) -> None:
        body = generation(self._model.name, "", {**self._runner, **sampling(_ONE_TOKEN)})
        try:
            for _ in self._server.stream("/api/generate", body):
                pass
        except EngineError as error:
            raise InputError(
                f"Ollama cannot load the model: {error.what.removeprefix('Ollama refused a request: ')}",
                where=f"{self._model.name} at {self._server.address}",
                remedy="convert the model again; if that does not help, this Ollama does not support its architecture",
            ) from error

    def _attempt(self, prompt: str, options: Options) -> Completion:
        """Try once; upload the model again if the server lost it."""
        try:
            if self._doubtful:
                self._renew()
            return self._complete(prompt, options)
        except MissingError:
            self._renew()
            return self._complete(prompt, options)
        except UnreachableError:
            self._doubtful = True
            self._held = ""
            raise

    def _renew(self) -> None:
        """Restore the model after a server restart or the loss of the model."""
        self._held = ""
        self._server.check_version()
        self.digest, _ = OllamaModels(self._server).ensure(self._model)
        self._doubtful = False

    def _complete(self, prompt: str, options: Options) -> Completion:
        head = self._place(prompt)
        tokens = None if head is None or head.prompt_tokens is None else head.prompt_tokens + 1
        self._check_room(tokens, options)
        if options.score:
            return self._score(prompt, options, tokens, head)
        answer = self._choose(prompt, options) if options.choices else self._ask(prompt, options)
        counted = answer.prompt_tokens or tokens or self._count(prompt)
        if tokens is None:
            self._check_room(counted, options)
        elif counted != tokens and not options.choices:
            raise EngineError(
                f"Ollama evaluated {counted} tokens of a {tokens}-token prompt.",
                where=f"{self._model.name} at {self._server.address}",
                remedy="report this with the version of Ollama",
            )
        before_ms = head.latency_ms if head else 0.0
        return Completion(
            text=answer.text,
            prompt_tokens=tokens or counted,
            completion_tokens=answer.completion_tokens,
            latency_ms=before_ms + answer.latency_ms,
            ttft_ms=None if answer.ttft_ms is None else before_ms + answer.ttft_ms,
            peak_memory_bytes=None,
            cut=answer.cut and not options.choices,
            decode_ms=answer.decode_ms,
        )

    def _place(self, prompt: str) -> Reply | None:
        """Make the server's cache hold exactly the prompt's head, and nothing from earlier prompts."""
        head = self._cut.head(prompt)
        if head and self._held == head and self._head is not None:
            self._evaluate(head + self._model.eos_token)
            return replace(self._head, latency_ms=0.0)
        self._held = ""
        self._evaluate(self._cut.prefix + self._model.eos_token)
        self._head = self._evaluate(head) if head else None
        self._held = head
        return self._head

    def _choose(self, prompt: str, options: Options) -> Reply:
        """Return the choice that begins with the likeliest token; empty if no choice matches a likely token."""
        answer, _ = self._look(prompt + shared_start(options.choices), options)
        return replace(answer, text=likeliest(options.choices, answer.logprobs))

    def _score(self, prompt: str, options: Options, tokens: int | None, head: Reply | None) -> Completion:
        """Score the choices; see `so8t_evaluator.ollama.scored`."""
        started = time.perf_counter()
        answers = self._answers_after(prompt, options.choices)
        counted = tokens or self._count(prompt)
        self._check_room(counted, options)
        thinking = None
        if options.think:
            thinking = self._ask(prompt, replace(options, stop=(*options.stop, shared_start(options.choices))))
        text = thinking.text if thinking and thinking.text.strip() else answers.separator
        start = f"{prompt}{text}{answers.before}"
        self._evaluate(start)

        def after(written: str) -> Likely:
            reply, again = self._look(f"{start}{answers.shared}{written}", options)
            logprobs: dict[str, float] = {}
            for one in reply.logprobs:  # several tokens can have the same text
                logprobs[one["token"]] = max(float(one["logprob"]), logprobs.get(one["token"], -math.inf))
            return Likely(logprobs, again)

        sums = score(answers, after)
        return Completion(
            text=f"{text.removeprefix(' ')}{'' if sums.best is None else options.choices[sums.best]}",
            prompt_tokens=counted,
            completion_tokens=thinking.completion_tokens if thinking else 0,
            latency_ms=(head.latency_ms if head else 0.0) + (time.perf_counter() - started) * 1e3,
            ttft_ms=None,
            peak_memory_bytes=None,
            cut=thinking is not None and thinking.cut,
            logprobs=sums.logprobs,
            bounds=sums.bounds,
            second_look=sums.second_look,
            merged=not answers.apart,
        )

    def _look(self, text: str, options: Options) -> tuple[Reply, bool]:
        """Return the likeliest tokens after a text, and whether it took two requests."""
        likely = {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        first = replace(options, max_tokens=1, stop=())
        answer = self._ask(text, first, **likely)
        ended = not answer.logprobs
        if ended:  # a token that ends the answer has none; a format forbids that token and changes no logprob
            again = self._ask(text, first, **likely, format=_ANY_TEXT)
            answer = replace(again, latency_ms=answer.latency_ms + again.latency_ms, ttft_ms=answer.ttft_ms)
        if not answer.logprobs:
            raise EngineError(
                "Ollama returned no token probabilities.",
                where=self._server.address,
                remedy="update it to 0.12.11 or newer, or leave constrained and logprob out of ab_test.scoring",
            )
        return answer, ended

    def _answers_after(self, prompt: str, choices: Sequence[str]) -> Answers:
        """Return the tokens of the choices; all prompts of a model end alike."""
        if self._answers is None:
            self._answers = answers_of(self._model.path, choices, prompt)
        return self._answers

    def _ask(self, text: str, options: Options, **other: Any) -> Reply:
        body = generation(self._model.name, text, {**self._runner, **sampling(options)}, **other)
        return gather(self._server.stream("/api/generate", body))

    def _evaluate(self, text: str) -> Reply:
        try:
            return self._ask(text, _ONE_TOKEN)
        except PromptTooLongError as error:
            raise PromptTooLongError(self._context + 1) from error  # the server does not report the length

    def _check_room(self, tokens: int | None, options: Options) -> None:
        if tokens is not None and tokens + options.max_tokens > self._context:
            raise PromptTooLongError(tokens)

    def _bare(self, prompt: str) -> str:
        """Return the prompt without the beginning that the server adds.

        Raises:
            InputError: the server adds tokens that the prompt does not begin with.
        """
        if not self._added:
            return prompt
        bos = self._model.bos_token
        if self._added > 1 or not bos or not prompt.startswith(bos):
            raise InputError(
                "Ollama adds tokens to the prompt that are not in the model's chat template.",
                where=f"{self._model.name} at {self._server.address}",
                remedy="convert the model again: add_bos_token or add_eos_token of the GGUF file is on",
            )
        return prompt.removeprefix(bos)

    def _count(self, text: str) -> int:
        return self._evaluate(text).prompt_tokens or 0

    def _added_tokens(self) -> int:
        """Count the tokens that the server adds to every text, using a single control token."""
        return self._count(self._model.eos_token) - 1 if self._model.eos_token else 0

    def _find_cut(self) -> Cut:
        return find_cut([self._bare(prompt) for prompt in self._warm_up], self._count)

    def _memory(self) -> tuple[int | None, int | None]:
        """Return (bytes that the server reports for the model, bytes of it on a GPU)."""
        there = self._server.get("/api/ps").get("models", [])
        if any(m.get("name") == self._model.name and m.get("digest") != self.digest for m in there):
            raise EngineError(
                "The model of this name on the Ollama server was replaced by another.",
                where=f"{self._model.name} at {self._server.address}",
                remedy="choose other ollama.model_a_name and model_b_name, then run the same command again",
            )
        for loaded in there:
            if loaded.get("digest") == self.digest:
                return loaded.get("size"), loaded.get("size_vram")
        return None, None

    @property
    def _context(self) -> int:
        return int(self._runner["num_ctx"])
