"""Samples, rows and an engine that answers from a function, for the tests of the evaluator."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from so8t_engines.protocol import (
    Completion,
    LoadedModel,
    ModelFile,
    NoRoomError,
    Options,
    Outcome,
    PromptTooLongError,
    Question,
    Settings,
)
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.conversion import ChatInfo
from so8t_shared.results.training import LabeledRow

CUT = "\0cut"
"""At the beginning of an answer: it ended at the most tokens that were asked for."""

TOO_LONG = "\0too long"
"""As an answer: the prompt does not fit."""


def make_sample(row_id: str, gold: str, predicted: str, **other: Any) -> Sample:
    """A sample; everything but row and classes has a plausible default."""
    values: dict[str, Any] = {
        "model": "a",
        "quantization": "q4_k_m",
        "scoring": "generate",
        "final": predicted,
        "answer_sha256": "0" * 64,
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "latency_ms": 100.0,
        "ttft_ms": 20.0,
        "decode_ms": 80.0,
        "host": "h",
    }
    return Sample(row_id=row_id, gold=gold, predicted=predicted, **{**values, **other})


def make_samples(gold: Sequence[str], predicted: Sequence[str], **other: Any) -> list[Sample]:
    """One sample a row, rows named by their position."""
    return [make_sample(str(i), g, p, **other) for i, (g, p) in enumerate(zip(gold, predicted, strict=True))]


def with_logprobs(samples: Sequence[Sample]) -> list[Sample]:
    """The same answers with log-probabilities that fit them, a little different from row to row."""
    return [
        s.model_copy(
            update={"logprobs": {label: -0.1 - i / 999 if label == s.predicted else -4 - i / 99 for label in LABELS}}
        )
        for i, s in enumerate(samples)
    ]


def make_row(text: str, label: str, **other: Any) -> LabeledRow:
    """A row whose id is its text."""
    return LabeledRow(id=text, text=text, label=label, **other)


def make_chat(**other: Any) -> ChatInfo:
    """A model without a chat template."""
    values: dict[str, Any] = {
        "architecture": "llama",
        "chat_template": None,
        "bos_token": "",
        "eos_token": "</s>",
        "stop_tokens": ["</s>"],
        "markers": ["</s>"],
        "context_length": 4096,
        "parameters": 1,
        "layers": 1,
        "so8t": {},
    }
    return ChatInfo(**{**values, **other})


Answering = Callable[[str, str], str]
"""(model's name, prompt) -> the whole answer, or TOO_LONG."""


class Killed(Exception):
    """The end of an engine that dies."""


class NotClosed(Exception):
    """A model, the argument, that cannot be closed."""


@dataclass
class ScriptedEngine:
    """An engine whose answers come from a function; it notes what it was asked and what is loaded."""

    answer: Answering
    name: str = "scripted"
    version: str = "1"
    host: str = "h"
    room_for: int = 9
    """Models that fit into memory together."""
    answer_settings: Settings = field(default_factory=dict)
    speed_settings: Settings = field(default_factory=dict)
    dies_after: int | None = None
    asked: list[tuple[str, str, Options]] = field(default_factory=list)
    """Model, prompt and options of every request that was answered."""
    loads: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    cannot_close: set[str] = field(default_factory=set)
    """Models whose closing fails after they were closed."""

    def load(self, model: ModelFile, warm_up: Sequence[str]) -> ScriptedModel:
        """Load a model; the warm-up must be of prompts that differ."""
        assert len(set(warm_up)) >= 2
        if len(self.open) >= self.room_for:
            raise NoRoomError("no room")
        self.loads.append(model.name)
        self.open.append(model.name)
        return ScriptedModel(self, model.name)


@dataclass
class ScriptedModel(LoadedModel):
    """A loaded model of a ScriptedEngine."""

    engine: ScriptedEngine
    name: str

    def complete_many(self, questions: Sequence[Question]) -> Iterator[Outcome]:
        """The function's answers; the k-th request takes k ms and k bytes."""
        for question in questions:
            yield self._outcome(question.prompt, question.options)

    def _outcome(self, prompt: str, options: Options) -> Outcome:
        if len(self.engine.asked) == self.engine.dies_after:
            raise Killed
        self.engine.asked.append((self.name, prompt, options))
        text, number = self.engine.answer(self.name, prompt), len(self.engine.asked)
        if text == TOO_LONG:
            return PromptTooLongError(9999)
        cut, text = text.startswith(CUT), text.removeprefix(CUT)
        logprobs = tuple(-0.5 if choice in text else -9.0 for choice in options.choices) if options.score else None
        return Completion(text, 10, 5, float(number), 0.5, peak_memory_bytes=number, cut=cut, logprobs=logprobs)

    def close(self) -> None:
        """Unload; safe to call twice."""
        if self.name in self.engine.open:
            self.engine.open.remove(self.name)
        if self.name in self.engine.cannot_close:
            raise NotClosed(self.name)


def make_gguf(path: Path, content: str = "", **facts: str | bool) -> Path:
    """A GGUF file without a tensor; facts are keys of its tokenizer, `content` sets it apart from others."""
    pairs: dict[str, str | bool] = {"general.name": content}
    pairs |= {f"tokenizer.ggml.{key}": value for key, value in facts.items()}
    written = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs))
    for key, value in pairs.items():
        written += _gguf_text(key)
        written += struct.pack("<I?", 7, value) if isinstance(value, bool) else struct.pack("<I", 8) + _gguf_text(value)
    path.write_bytes(written)
    return path


def _gguf_text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def make_file(name: str, path: Path = Path("model.gguf")) -> ModelFile:
    """A file that no engine opens, its digest made of the name."""
    return ModelFile(name, path, name.ljust(64, "0"), 4096)
