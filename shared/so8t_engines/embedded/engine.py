"""The embedded engine: llama.cpp in a separate process per loaded model.

With one process per model, peak memory is that of one model, both models of a quantization can take
turns, and a crash of llama.cpp is one clear error instead of the end of the run.

These settings make an answer depend only on model, prompt and options (measured with F16, Q8_0 and
Q4_K_M): a prompt cache in one fixed state (see `prompt_cache`), one slot, no cache besides the slot's,
and flash attention off. With flash attention, llama.cpp splits a context of 512 tokens or more across
its threads, so answers would depend on the number of free cores: by 0.5 to 0.8 in log-probability after 480 tokens or
more, two or three threads against one. Doing without costs at most 4 % of the processor time (SmolLM2-135M, Q4_K_M).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from importlib import metadata
from typing import Any, BinaryIO

from so8t_engines.embedded.devices import gpus
from so8t_engines.embedded.memory import MemoryBudget
from so8t_engines.likelihood import shared_start
from so8t_engines.protocol import (
    Completion,
    EngineError,
    LoadedModel,
    ModelFile,
    Options,
    Outcome,
    PromptTooLongError,
    Question,
    Settings,
)
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError
from so8t_shared.host import host_name
from so8t_shared.json_files import Channel
from so8t_shared.processes import signal_name
from so8t_shared.processor import free_cores
from so8t_shared.redaction import environment_without_secrets

_BATCH = 512
_CLOSING_S = 5.0
_LOGGING_S = 1.0
"""The longest wait for what llama.cpp still has to say."""
_TAIL_LINES = 4


def open_embedded(config: Config, on_wait: Callable[[str], None]) -> EmbeddedEngine:  # noqa: ARG001 - never waits
    """Return the engine with the configured settings; it uses the GPUs that llama.cpp finds, unless `device` is cpu."""
    found = [] if config.device == "cpu" else gpus()
    return EmbeddedEngine(num_ctx=config.ab_test.context, threads=config.ab_test.threads, gpus=found)


class EmbeddedEngine:
    """llama.cpp through xllamacpp."""

    name = "embedded"

    def __init__(self, *, num_ctx: int, threads: int | None = None, gpus: Sequence[str] = ()) -> None:
        """With `gpus`, which are named with the answers, all layers are computed there."""
        self._num_ctx = num_ctx
        self._gpus = gpus
        self._threads = threads
        self._memory = MemoryBudget()
        self.version = metadata.version("xllamacpp")
        self.host = host_name()

    @property
    def answer_settings(self) -> Settings:
        """Settings that can change an answer."""
        return {
            "num_ctx": self._num_ctx,
            "flash_attention": False,
            "batch_tokens": _BATCH,
            "slots": 1,
            "gpu": ", ".join(self._gpus) or "none",
            "prompt_cache": "shared prefix, then the prompt at once",
        }

    @property
    def speed_settings(self) -> Settings:
        """Settings that only change timings."""
        return {"threads": self.threads}

    @cached_property
    def threads(self) -> int:
        """Threads per model; free cores are counted on first use."""
        return self._threads or free_cores()

    def load(self, model: ModelFile, warm_up: Sequence[str]) -> EmbeddedModel:
        """Start a worker and load the model in it; see `Engine.load`."""
        context = min(self._num_ctx, model.context_length)
        settings = {"context": context, "threads": self.threads, "batch": _BATCH, "gpu": bool(self._gpus)}
        return EmbeddedModel(model, settings, warm_up, self._memory)


class EmbeddedModel(LoadedModel):
    """A worker process with one model."""

    def __init__(
        self, model: ModelFile, settings: dict[str, int | bool], warm_up: Sequence[str], memory: MemoryBudget
    ) -> None:
        """`settings` are llama.cpp's; see `Llama`."""
        memory.take(model, self)
        self._memory = memory
        self._model = model
        self._errors: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._process, self._channel = _start(self._errors)
        try:
            self._load({**settings, "warm_up": list(warm_up)})
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Process ID of the worker."""
        return self._process.pid

    def complete_many(self, questions: Sequence[Question]) -> Iterator[Outcome]:
        """Ask one by one; see `LoadedModel.complete_many`."""
        for question in questions:
            yield self._outcome(_as_message(question.prompt, question.options))

    def score_after(self, prompt: str, thought: str, options: Options) -> Outcome:
        """Score the choices after what the model has written in an earlier answer to the prompt."""
        message = _as_message(prompt, options)
        return self._outcome({"score": {**message["score"], "thought": thought}})

    def measure(self, prompt: str, answers: Sequence[str], correct: int, likely: int) -> dict[str, Any] | None:
        """Tell what a ladder compares; None if prompt and answer exceed the context.

        `likely` next tokens are shown. Returns prompt and answers as token IDs, the answers' `logprobs`, `ids`, `texts`
        and `likely` log-probabilities of the next tokens after the answers' shared start, and `end`, that of the last
        token of the answer number `correct`, with `ends_turn`: whether this token ends an answer.

        Raises:
            EngineError: the engine died.
        """
        asked = {"prompt": prompt, "answers": list(answers), "correct": correct, "likely": likely}
        answer = self._checked({"measure": asked})
        return None if "too_long" in answer else answer["ok"]

    def follow(self, prompt: str, text: str, likely: int) -> dict[str, Any] | None:
        """Tell how likely each token of a text is after a prompt and the tokens before it; None if they do not fit.

        Returns [n] `tokens` and their natural-log probabilities, `logprobs`; and [n, `likely`] `ids` and `likely`
        log-probabilities of the likeliest tokens in each one's place.

        Raises:
            EngineError: the engine died.
        """
        answer = self._checked({"follow": {"prompt": prompt, "text": text, "likely": likely}})
        return None if "too_long" in answer else answer["ok"]

    def hear(self, text: str, ends: Sequence[int], likely: int) -> dict[str, Any] | None:
        """Tell what the tokenizer makes of a text, and what follows its beginnings; None if it exceeds the context.

        Returns `tokens`, and `back`, the text that they stand for; and for the beginning up to each of `ends`
        [ends, `likely`] `ids` and `likely`, natural-log probabilities of the likeliest next tokens.

        Raises:
            EngineError: the engine died.
        """
        answer = self._checked({"hear": {"text": text, "ends": list(ends), "likely": likely}})
        return None if "too_long" in answer else answer["ok"]

    def _outcome(self, message: dict[str, Any]) -> Outcome:
        answer = self._checked(message)
        too_long = answer.get("too_long")
        return Completion(**answer["ok"]) if too_long is None else PromptTooLongError(too_long)

    def _checked(self, message: dict[str, Any]) -> dict[str, Any]:
        answer = self._ask(message)
        if "error" in answer:
            raise EngineError(
                f"llama.cpp rejected a request: {answer['error']}",
                where=self._model.name,
                remedy="run the same command again; the answers so far are kept",
            )
        return answer

    def close(self) -> None:
        """End the worker."""
        self._memory.give_back(self)
        self._channel.close()
        try:
            self._process.wait(_CLOSING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _load(self, wanted: dict[str, Any]) -> None:
        answer = self._ask({"load": {"path": str(self._model.path), **wanted}})
        if "error" in answer:
            raise InputError(
                f"llama.cpp cannot load the model: {answer['error']}{self._last_words()}",
                where=str(self._model.path),
                remedy="convert the model again; if that does not help, its architecture is not supported",
            )

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            self._channel.send(message)
            answer = self._channel.receive()
        except BrokenPipeError:
            answer = None
        if answer is None:
            raise self._death()
        return answer

    def _death(self) -> EngineError:
        try:
            code = self._process.wait(_CLOSING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        by = signal_name(code)
        how = f"signal {-code}, {by}" if by else f"exit code {code}"
        memory = "check that the model fits in memory, then " if by == "SIGKILL" else ""
        return EngineError(
            f"The process that ran llama.cpp ended unexpectedly ({how}){self._last_words()}",
            where=f"{self._model.name}, {self._model.path.name}",
            remedy=f"{memory}run the same command again; the answers so far are kept",
        )

    def _last_words(self) -> str:
        before, deadline = -1, time.monotonic() + _LOGGING_S
        while (size := os.fstat(self._errors.fileno()).st_size) != before and time.monotonic() < deadline:
            before = size
            time.sleep(_LOGGING_S / 10)  # a thread of its own writes llama.cpp's log, perhaps after the answer
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", errors="replace").strip().splitlines()[-_TAIL_LINES:]
        return "".join(f"\n    {line}" for line in lines)


def _start(errors: BinaryIO) -> tuple[subprocess.Popen[bytes], Channel]:
    to_read, to_write = os.pipe(), os.pipe()
    theirs = (to_read[0], to_write[1])
    module = "so8t_engines.embedded.worker"
    # A waiting OpenMP thread must sleep: spinning makes a token up to a hundred times slower as soon as
    # anything else runs on one of the cores, such as the other model's worker.
    environment = {"OMP_WAIT_POLICY": "passive", **environment_without_secrets()}
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, theirs), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            pass_fds=theirs,
            env=environment,
        )
    finally:
        for number in theirs:
            os.close(number)
    return process, Channel.on(to_write[0], to_read[1])


def _as_message(prompt: str, options: Options) -> dict[str, Any]:
    """Return the worker's message, with the options under the names that llama.cpp's server uses."""
    body: dict[str, Any] = asdict(options)
    choices, scored, think = (body.pop(name) for name in ("choices", "score", "think"))
    body["stop"] = list(options.stop)
    if not options.grammar:
        del body["grammar"]
    if not scored:
        return {"complete": {"prompt": prompt, "options": body}}
    think_until = shared_start(choices) if think else ""
    return {"score": {"prompt": prompt, "choices": list(choices), "think_until": think_until, "options": body}}
