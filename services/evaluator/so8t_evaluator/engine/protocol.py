"""What the evaluator asks of an engine; nothing outside this package knows which engine runs.

An engine's answer must depend on the model, the prompt and the options alone: not on what was asked
before, in which order, or on how many cores are free. Then a stored answer can stand for a new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from so8t_shared.errors import So8tError

Settings = dict[str, str | int | float | bool]


class EngineError(So8tError):
    """The engine died or answered what it may not; the same command may succeed later."""

    retryable = True


class PromptTooLongError(Exception):
    """The prompt and the room for its answer exceed the context; nothing was asked, nothing was cut."""

    def __init__(self, prompt_tokens: int) -> None:
        super().__init__(f"{prompt_tokens} tokens")
        self.prompt_tokens = prompt_tokens


class NoRoomError(So8tError):
    """There is no memory left for this model beside those that are loaded; alone it may fit."""

    retryable = True


@dataclass(frozen=True)
class Recipe:
    """What a server that keeps models by name is told beside the weights; the rest of a Modelfile."""

    template: str = ""
    """Chat format in Go's template syntax."""
    system: str = ""
    stop: tuple[str, ...] = ()
    parameters: Mapping[str, float] = field(default_factory=dict)
    """Defaults for people who talk to the model; the test sends every option itself."""


@dataclass(frozen=True)
class ModelFile:
    """A GGUF file on this machine."""

    name: str
    """For messages, for example 'borea-phi35-so8t-base:q4_k_m'."""
    path: Path
    sha256: str
    context_length: int
    """Tokens that the model was made for; an engine's context is never larger."""
    recipe: Recipe = field(default_factory=Recipe)
    bos_token: str = ""
    eos_token: str = ""


@dataclass(frozen=True)
class Options:
    """Every sampling option, none left to an engine's defaults (they differ between engines)."""

    max_tokens: int
    seed: int
    stop: tuple[str, ...] = ()
    grammar: str = ""
    """GBNF that the answer must follow; empty for none."""
    choices: tuple[str, ...] = ()
    """What the grammar leaves, for an engine without grammars: the answer must be one of these."""
    temperature: float = 0.0
    top_k: int = 1
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0


@dataclass(frozen=True)
class Completion:
    """One answer and what it took."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    """Generated tokens, the one that ended the answer included."""
    latency_ms: float
    """Request to last token, the prefix that all prompts share being in the engine's cache already."""
    ttft_ms: float | None
    """Request to first token, likewise; None where it is not known."""
    peak_memory_bytes: int | None
    """Peak resident memory of the process that holds the model, since it was loaded; or what a server says it takes."""
    gpu_memory_bytes: int | None = None
    """The part of a server's figure that lies on a GPU."""
    cut: bool = False
    """Whether the answer was ended by `Options.max_tokens` and not by the model."""
    decode_ms: float | None = None
    """Time for the tokens after the first, on the same clock as the others."""


class LoadedModel(Protocol):
    """A model that is ready to answer; a context manager that unloads it."""

    def complete(self, prompt: str, options: Options) -> Completion:
        """Ask one rendered prompt, control tokens recognized, nothing added in front.

        Raises:
            PromptTooLongError: prompt tokens + options.max_tokens exceed the context.
            EngineError: the engine died.
            ServerError: a server does not answer any more.
        """

    def close(self) -> None:
        """Unload; safe to call twice."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Engine(Protocol):
    """A way to run GGUF files."""

    name: str

    @property
    def version(self) -> str:
        """Version of what computes the answers; part of a stored answer's key."""

    @property
    def host(self) -> str:
        """Host whose speed is measured."""

    @property
    def answer_settings(self) -> Settings:
        """Settings that can change an answer; part of a stored answer's key."""

    @property
    def speed_settings(self) -> Settings:
        """Settings that change timings only; shown in the report."""

    def load(self, model: ModelFile, warm_up: Sequence[str]) -> LoadedModel:
        """Load a model and warm it up; the warm-up is no part of any measurement.

        `warm_up` are two or more rendered prompts that differ where rows differ, so that what they
        share is what all rows share.

        Raises:
            InputError: the file cannot be loaded.
            NoRoomError: there is no memory for it beside the models that are loaded already.
            EngineError: the engine died.
            ServerError: a server cannot be reached.
        """
