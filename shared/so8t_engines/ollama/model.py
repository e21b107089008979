"""A model loaded on an Ollama server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from so8t_engines.likelihood import shared_start
from so8t_engines.ollama.choices import likeliest
from so8t_engines.ollama.generation import TOP_LOGPROBS, Reply, gather, generation, sampling
from so8t_engines.ollama.models import OllamaModels
from so8t_engines.ollama.runner import load_alone
from so8t_engines.ollama.scored import Answers, Likely, answers_of, likely_of, score
from so8t_engines.ollama.server import MissingError, OllamaServer, UnreachableError
from so8t_engines.ollama.slot import Slot
from so8t_engines.prompt_cache import shared_length
from so8t_engines.protocol import (
    Completion,
    EngineError,
    LoadedModel,
    ModelFile,
    Options,
    Outcome,
    PromptTooLongError,
    Question,
)
from so8t_shared.errors import InputError, So8tError

_ONE_TOKEN = Options(max_tokens=1, seed=0)
_ANY_TEXT = {"type": "string"}

_AT_ONCE = 32
_AT_ONCE_S = 5.0
"""After this many answers, or this many seconds, ask the server whether the cache was ours alone."""


class OllamaModel(LoadedModel):
    """A named model on the server; its file must not change after loading."""

    def __init__(
        self, server: OllamaServer, model: ModelFile, runner: dict[str, Any], warm_up: Sequence[str], host: str = ""
    ) -> None:
        """`runner` holds the options whose change would make the server reload the model."""
        self._server = server
        self._model = model
        self._runner = runner
        self._host = host
        self._at_once = _AT_ONCE
        self._doubtful = False
        self._begins = True
        self._answers: Answers | None = None
        self.on_close: Callable[[], None] = lambda: None
        self.digest, _ = OllamaModels(server).ensure(model)
        self._slot = self._new_slot("")
        server.patiently(partial(load_alone, server, model.name, self.digest, self._load))
        self._added = server.patiently(self._added_tokens)
        bare = [self._bare(prompt) for prompt in warm_up]
        prefix = bare[0][: shared_length(bare)] if bare else ""
        self._slot = self._new_slot(prefix)
        server.patiently(self._place)

    def complete_many(self, questions: Sequence[Question]) -> Iterator[Outcome]:
        """Ask one by one, as many as were answered from an undisturbed cache; see `LoadedModel.complete_many`."""
        left = [Question(self._bare(question.prompt), question.options) for question in questions]
        self._slot.doubt()
        while left:
            answers = self._server.patiently(partial(self._attempt, left))
            yield from answers
            left = left[len(answers) :]

    def close(self) -> None:
        """Have the server unload the model; a stopped server has already done so."""
        try:
            self._server.post("/api/generate", {"model": self._model.name, "keep_alive": 0})
        except (MissingError, UnreachableError, So8tError):
            pass
        finally:
            self.on_close()

    def _new_slot(self, prefix: str) -> Slot:
        model = self._model
        return Slot(self._server, model.name, prefix, model.eos_token, self._evaluate, ours=model.served is None)

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

    def _place(self) -> None:
        """Compute the prefix before anything is measured."""
        self._slot.begin(self.digest)
        self._slot.undisturbed(self.digest)

    def _attempt(self, questions: Sequence[Question]) -> list[Outcome]:
        """Answer some of the questions; upload the model again if the server lost it."""
        try:
            if self._doubtful:
                self._renew()
            return self._answer_some(questions)
        except MissingError:
            self._renew()
            return self._answer_some(questions)
        except UnreachableError:
            self._doubtful = True
            self._slot.forget()
            raise

    def _answer_some(self, questions: Sequence[Question]) -> list[Outcome]:
        self._slot.begin(self.digest)
        until = time.monotonic() + _AT_ONCE_S
        answers: list[Outcome] = []
        for question in questions[: self._at_once]:
            answers.append(self._answer(question))
            if time.monotonic() > until:
                break
        listed = self._server.patiently(lambda: self._slot.undisturbed(self.digest))  # does not ask a row again
        self._at_once = max(1, self._at_once // 4) if listed is None else _AT_ONCE
        if listed is None:
            raise UnreachableError("its model was reloaded, or another program asked it")
        return [
            replace(one, peak_memory_bytes=listed.size, gpu_memory_bytes=listed.size_vram, host=self._host)
            if isinstance(one, Completion)
            else one
            for one in answers
        ]

    def _answer(self, question: Question) -> Outcome:
        try:
            return self._complete(question.prompt, question.options)
        except PromptTooLongError as error:
            return error if error.prompt_tokens else PromptTooLongError(self._context + 1)  # it does not say how long

    def _renew(self) -> None:
        """Restore the model after a server restart or the loss of the model."""
        self._slot.forget()
        self._server.check_version()
        self.digest, _ = OllamaModels(self._server).ensure(self._model)
        self._doubtful = False

    def _complete(self, prompt: str, options: Options) -> Completion:
        if options.score:
            return self._score(prompt, options)
        answer = self._choose(prompt, options) if options.choices else self._write(prompt, options)
        return Completion(
            text=answer.text,
            prompt_tokens=self._checked(answer.prompt_tokens, prompt, options),
            completion_tokens=answer.completion_tokens,
            latency_ms=answer.latency_ms,
            ttft_ms=answer.ttft_ms,
            peak_memory_bytes=None,
            cut=answer.cut and not options.choices,
            decode_ms=answer.decode_ms,
        )

    def _write(self, prompt: str, options: Options) -> Reply:
        """Have the model write after the prompt, which is computed right after the prefix.

        A stream costs processor time for each token, so it is used only where nothing else tells tokens and times.
        """
        for streamed in (False, True):
            self._slot.rewind(prompt)
            answer = self._ask(prompt, options, stream=streamed)
            self._slot.asked(prompt, answer, answer.text)
            if not answer.went_round:
                break
        return answer

    def _choose(self, prompt: str, options: Options) -> Reply:
        """Return the choice that begins with the likeliest token; empty if no choice matches a likely token."""
        start = shared_start(options.choices)
        tokens, before_ms = self._slot.hold(prompt, start)
        answer, _ = self._look(prompt + start, replace(options, max_tokens=1))
        return replace(
            answer,
            text=likeliest(options.choices, answer.logprobs),
            prompt_tokens=tokens,
            latency_ms=before_ms + answer.latency_ms,
            ttft_ms=None if answer.ttft_ms is None else before_ms + answer.ttft_ms,
        )

    def _score(self, prompt: str, options: Options) -> Completion:
        """Score the choices; see `so8t_engines.ollama.scored`."""
        answers = self._answers_after(prompt, options.choices)
        thought, text, before_ms = Reply("", None, 0, 0.0, None, None), answers.separator, 0.0
        started = time.perf_counter()
        if options.think:
            thought = self._write(prompt, replace(options, stop=(*options.stop, shared_start(options.choices))))
            text = thought.text if thought.text.strip() else text
            tokens = thought.prompt_tokens
            self._slot.follow(f"{text}{answers.before}{answers.shared}")
        else:
            tokens, before_ms = self._slot.hold(prompt, f"{text}{answers.before}{answers.shared}")
            started = time.perf_counter()
        counted = self._checked(tokens, prompt, options)

        def after(written: str, tokens: int, listed: bool) -> list[Likely]:
            opening = f"{prompt}{text}{answers.before}{answers.shared}"
            reply, again = self._look(opening + written, replace(options, max_tokens=tokens), listed=listed)
            return [likely_of(step, again) for step in reply.steps]

        sums = score(answers, after, ahead=self._begins)
        self._begins = sums.begun
        return Completion(
            text=f"{text.removeprefix(' ')}{'' if sums.best is None else options.choices[sums.best]}",
            prompt_tokens=counted,
            completion_tokens=thought.completion_tokens,
            latency_ms=before_ms + (time.perf_counter() - started) * 1e3,
            ttft_ms=None,
            peak_memory_bytes=None,
            cut=thought.cut,
            logprobs=sums.logprobs,
            bounds=sums.bounds,
            likely=sums.likely,
            second_look=sums.second_look,
            merged=not answers.apart,
        )

    def _checked(self, tokens: int | None, prompt: str, options: Options) -> int:
        """Return the length of the prompt; `tokens` if that is known.

        Raises:
            PromptTooLongError: it leaves no room for the longest answer.
        """
        if tokens is None:  # the server's repetition guard ended the answer
            self._slot.forget()
            tokens = self._count(prompt)
        if tokens + options.max_tokens > self._context:
            raise PromptTooLongError(tokens)
        return tokens

    def _look(self, text: str, options: Options, *, listed: bool = True) -> tuple[Reply, bool]:
        """Return what the model goes on with and, if `listed`, what else may follow; and whether it took two requests.

        Where the model would end, the reply lists what may follow in any case.
        """
        likely = {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        free = replace(options, stop=())
        answer = self._ask(text, free, **(likely if listed else {"logprobs": True}))
        ended = not answer.steps
        if ended:  # a token that ends the answer has none; a format forbids that token and changes no logprob
            again = self._ask(text, replace(free, max_tokens=1), **likely, format=_ANY_TEXT)
            answer = replace(again, latency_ms=answer.latency_ms + again.latency_ms, ttft_ms=answer.ttft_ms)
        if not answer.steps:
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
        reply = gather(self._server.stream("/api/generate", body), streamed=body["stream"])
        self._slot.saw(reply)
        return reply

    def _evaluate(self, text: str, **other: Any) -> Reply:
        return self._ask(text, _ONE_TOKEN, **other)

    def _bare(self, prompt: str) -> str:
        """Return the prompt without the beginning that the server adds.

        Raises:
            InputError: the server adds tokens that the prompt does not begin with, and the model is not its own.
        """
        bos = self._model.bos_token
        known = self._added == 1 and bos and prompt.startswith(bos)
        if self._added and not known and not self._model.served:
            raise InputError(
                "Ollama adds tokens to the prompt that are not in the model's chat template.",
                where=f"{self._model.name} at {self._server.address}",
                remedy="convert the model again: add_bos_token or add_eos_token of the GGUF file is on",
            )
        return prompt.removeprefix(bos) if self._added else prompt

    def _count(self, text: str) -> int:
        return self._evaluate(text).prompt_tokens or 0

    def _added_tokens(self) -> int:
        """Count the tokens that the server adds to every text, using a single control token."""
        return self._count(self._model.eos_token) - 1 if self._model.eos_token else 0

    @property
    def _context(self) -> int:
        return int(self._runner["num_ctx"])
