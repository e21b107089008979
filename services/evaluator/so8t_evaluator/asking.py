"""Asking one model one row, or finding that this was asked before.

An answer is kept under the digests of everything that decides it, before the next row is asked: a
kill loses one answer at most, and another run with the same model, prompt and options asks nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from so8t_evaluator.engine.protocol import Engine, LoadedModel, ModelFile, Options, PromptTooLongError
from so8t_evaluator.rows import prompt_for, warm_up_prompts
from so8t_evaluator.scoring import READING_VERSION, options_for, read_answer
from so8t_shared.canonical import digest
from so8t_shared.config.model import AbTest, Quantization, Scoring
from so8t_shared.labels import INVALID
from so8t_shared.results import ChatInfo, Sample, Side, TestRow


class Cache(Protocol):
    """Where answers are kept; a RecordCache does it."""

    def get(self, key: str) -> dict[str, Any] | None: ...
    def put(self, key: str, record: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class Candidate:
    """One model at one quantisation."""

    side: Side
    quantization: Quantization
    file: ModelFile
    chat: ChatInfo


@dataclass
class Respondent:
    """A candidate that can be asked; it is loaded when the first answer is not known yet."""

    candidate: Candidate
    engine: Engine
    settings: AbTest
    cache: Cache
    run: str
    """Names this evaluation (its fingerprint), so that answers of an interrupted attempt do not count as reused."""
    salt: str = ""
    """Sets answers apart that must be asked anew, for the control."""
    peak_memory_bytes: int | None = None
    gpu_memory_bytes: int | None = None
    _loaded: LoadedModel | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def ask(self, row: TestRow, scoring: Scoring) -> Sample:
        """The answer to a row, from memory where it is known.

        Raises:
            NoRoomError: there is no memory for the model beside what is loaded.
            EngineError: the engine died.
            ServerError: a server does not answer.
        """
        prompt = prompt_for(row.text, self.candidate.chat)
        options = options_for(scoring, self.settings, self.candidate.chat)
        key = self._key(prompt, options)
        record = self.cache.get(key)
        if record is None:
            record = {**self._measure(prompt, options), "run": self.run}
            self.cache.put(key, record)
        self.peak_memory_bytes = _larger(self.peak_memory_bytes, record.pop("peak_memory_bytes"))
        self.gpu_memory_bytes = _larger(self.gpu_memory_bytes, record.pop("gpu_memory_bytes"))
        return Sample(
            model=self.candidate.side,
            quantization=self.candidate.quantization,
            scoring=scoring,
            row_id=row.id,
            gold=row.label,
            reused=record["run"] != self.run,
            **record,
        )

    def close(self) -> None:
        """Unload the model, if it was loaded."""
        self._stack.close()
        self._loaded = None

    def _measure(self, prompt: str, options: Options) -> dict[str, Any]:
        if self._loaded is None:
            warm_up = warm_up_prompts(self.candidate.chat)
            self._loaded = self._stack.enter_context(self.engine.load(self.candidate.file, warm_up))
        try:
            answer = self._loaded.complete(prompt, options)
        except PromptTooLongError as error:
            return _over_long(error.prompt_tokens, self.engine.host)
        predicted, final = read_answer(answer.text)
        return {
            "predicted": predicted,
            "final": final,
            "answer_sha256": hashlib.sha256(answer.text.encode("utf-8")).hexdigest(),
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "latency_ms": answer.latency_ms,
            "ttft_ms": answer.ttft_ms,
            "over_long": False,
            "cut": answer.cut,
            "decode_ms": answer.decode_ms,
            "host": self.engine.host,
            "peak_memory_bytes": answer.peak_memory_bytes,
            "gpu_memory_bytes": answer.gpu_memory_bytes,
        }

    def _key(self, prompt: str, options: Options) -> str:
        return digest(
            {
                "model": self.candidate.file.sha256,
                "prompt": hashlib.sha256(prompt.encode("utf-8")).hexdigest(),
                "options": [[name, str(value)] for name, value in sorted(vars(options).items())],
                "engine": [self.engine.name, self.engine.version],
                "settings": [[name, str(value)] for name, value in sorted(self.engine.answer_settings.items())],
                "reading": READING_VERSION,
                "salt": self.salt,
            }
        )


AskedSample = Callable[[Sample], None]


def ask_all(
    respondents: list[Respondent], rows: list[TestRow], scorings: list[Scoring], on_sample: AskedSample
) -> list[Sample]:
    """Every respondent's answer to every row.

    They take turns row by row, and in turns who goes first, so that drift of the machine cancels.
    `generate` is asked first, because it is what is timed: the prompt is not in the cache yet.
    """
    samples = []
    scorings = sorted(scorings, key=lambda scoring: scoring != "generate")
    with ExitStack() as stack:
        for respondent in respondents:
            stack.callback(respondent.close)  # all are closed, also when closing one fails
        for number, row in enumerate(rows):
            for respondent in respondents[:: -1 if number % 2 else 1]:
                for scoring in scorings:  # back to back: the second finds the prompt in the cache
                    sample = respondent.ask(row, scoring)
                    samples.append(sample)
                    on_sample(sample)
    return samples


def as_side(sample: Sample, side: Side) -> Sample:
    """The same sample under another side's name, for comparing a model with itself."""
    return sample.model_copy(update={"model": side})


def _larger(one: int | None, other: int | None) -> int | None:
    return max((value for value in (one, other) if value is not None), default=None)


def _over_long(prompt_tokens: int, host: str) -> dict[str, Any]:
    return {
        "predicted": INVALID,
        "final": "",
        "answer_sha256": hashlib.sha256(b"").hexdigest(),
        "prompt_tokens": prompt_tokens,
        "completion_tokens": 0,
        "latency_ms": 0.0,
        "ttft_ms": None,
        "over_long": True,
        "cut": False,
        "decode_ms": None,
        "host": host,
        "peak_memory_bytes": None,
        "gpu_memory_bytes": None,
    }
