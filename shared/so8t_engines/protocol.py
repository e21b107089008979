"""The interface between the evaluator and an engine; nothing outside this package knows which engine runs.

An engine's answer must depend only on the model, the prompt and the options: not on earlier questions,
their order, what else is asked with it, or the number of free cores. Then a stored answer can replace a new one, and
any selection of questions can be asked together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from so8t_shared.errors import So8tError

Settings = dict[str, str | int | float | bool]


class EngineError(So8tError):
    """The engine died or gave an invalid answer; the same command may succeed later."""

    retryable = True


class PromptTooLongError(Exception):
    """The prompt plus the maximum answer exceeds the context; nothing was asked and nothing was cut."""

    def __init__(self, prompt_tokens: int) -> None:
        super().__init__(f"{prompt_tokens} tokens")
        self.prompt_tokens = prompt_tokens


class NoRoomError(So8tError):
    """There is no memory left for this model beside those already loaded; it may fit alone."""

    retryable = True


@dataclass(frozen=True)
class Recipe:
    """Settings that a server stores with a named model in addition to the weights; the rest of a Modelfile."""

    template: str = ""
    """Chat format in Go's template syntax."""
    system: str = ""
    stop: tuple[str, ...] = ()
    parameters: Mapping[str, float] = field(default_factory=dict)
    """Defaults for people who chat with the model; the test sends every option explicitly."""


@dataclass(frozen=True)
class Served:
    """A model that a server had before: it is asked as it is, never uploaded."""

    digest: str
    """Under which the server must list it."""
    size_bytes: int


@dataclass(frozen=True)
class ModelFile:
    """A GGUF file on this machine, or a model that a server had before."""

    name: str
    """For messages, for example 'borea-phi35-so8t-base:q4_k_m'."""
    path: Path
    """Of a model that a server had, a file with its vocabulary alone."""
    sha256: str
    """Of a model that a server had, its digest there."""
    context_length: int
    """The model's maximum context in tokens; an engine's context is never larger."""
    recipe: Recipe = field(default_factory=Recipe)
    bos_token: str = ""
    eos_token: str = ""
    served: Served | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of the model."""
        return self.served.size_bytes if self.served else self.path.stat().st_size


@dataclass(frozen=True)
class Options:
    """Every sampling option; none is left to an engine's defaults, which differ."""

    max_tokens: int
    seed: int
    stop: tuple[str, ...] = ()
    grammar: str = ""
    """GBNF that the answer must follow; empty for none."""
    choices: tuple[str, ...] = ()
    """The answers that the grammar allows, for an engine without grammars; or the answers to score."""
    score: bool = False
    """Give the log-probabilities of `choices` instead of writing; the likeliest is the answer."""
    think: bool = False
    """Before scoring, write up to where all choices begin (`<final>`) or up to `max_tokens`."""
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
class Question:
    """One rendered prompt; control tokens are recognized and nothing is prepended."""

    prompt: str
    options: Options


@dataclass(frozen=True)
class Completion:
    """One answer with its timings and memory."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    """Generated tokens, including the one that ended the answer."""
    latency_ms: float
    """From request to last token, with the prefix shared by all prompts already in the engine's cache."""
    ttft_ms: float | None
    """From request to first token, under the same condition; None if unknown."""
    peak_memory_bytes: int | None
    """Peak resident memory of the model's process since it was loaded, or the memory that a server reports."""
    gpu_memory_bytes: int | None = None
    """The part of a server's figure that is on a GPU."""
    cut: bool = False
    """Whether `Options.max_tokens`, not the model, ended the answer."""
    decode_ms: float | None = None
    """Time for the tokens after the first, on the same clock as the other times."""
    logprobs: Sequence[float] | None = None
    """With `Options.score`, the natural-log probability of each choice, in their order: log-softmax over the whole
    vocabulary, summed over the tokens by which the choices differ (see `engine.likelihood`), not renormalized."""
    bounds: Sequence[bool] | None = None
    """For each choice, whether its figure is only an upper bound, because the engine does not show it; None if none is.
    If that leaves the likeliest open, `text` holds no choice."""
    likely: Mapping[str, float] | None = None
    """With `Options.score`, the log-probability of the likeliest tokens where the choices begin to differ, by their
    texts, from an engine that shows those alone."""
    second_look: bool = False
    """Whether a choice was not among the likeliest tokens and had to be asked for by itself."""
    merged: bool = False
    """Whether the engine took prompt and choice for one text with other tokens than training's, which keeps them apart.
    The choice is then scored after tokens that the model was not trained on."""
    host: str = ""
    """Host that answered, if an engine has several."""


Outcome = Completion | PromptTooLongError
"""What became of a question."""


class LoadedModel(Protocol):
    """A model that is ready to answer; a context manager that unloads it."""

    def complete_many(self, questions: Sequence[Question]) -> Iterator[Outcome]:
        """Yield the answer to each question in their order, each as soon as it is final.

        The answer is a PromptTooLongError if prompt tokens + options.max_tokens exceed the context. Questions with the
        same prompt should follow each other, the freely written answer first: then the prompt is computed once. Prompts
        that go on alike after the shared prefix should not (see `rows.apart`).

        Raises:
            EngineError: the engine died.
            ServerError: a server no longer responds.
        """

    def complete(self, prompt: str, options: Options) -> Completion:
        """Ask one question.

        Raises:
            PromptTooLongError: prompt tokens + options.max_tokens exceed the context.
            EngineError, ServerError: as `complete_many`.
        """
        (answer,) = self.complete_many([Question(prompt, options)])
        if isinstance(answer, PromptTooLongError):
            raise answer
        return answer

    def close(self) -> None:
        """Unload; safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Engine(Protocol):
    """A way to run GGUF files."""

    name: str

    @property
    def version(self) -> str:
        """Version of the software that computes the answers; part of a stored answer's key."""

    @property
    def host(self) -> str:
        """Host on which speed is measured."""

    @property
    def answer_settings(self) -> Settings:
        """Settings that can change an answer; part of a stored answer's key."""

    @property
    def speed_settings(self) -> Settings:
        """Settings that only change timings; shown in the report."""

    def load(self, model: ModelFile, warm_up: Sequence[str]) -> LoadedModel:
        """Load a model and warm it up; the warm-up is not part of any measurement.

        `warm_up` holds two or more rendered prompts that differ where rows differ, so their common prefix
        is the one that all rows share.

        Raises:
            InputError: the file cannot be loaded.
            NoRoomError: there is no memory for it beside the models already loaded.
            EngineError: the engine died.
            ServerError: a server cannot be reached.
        """
