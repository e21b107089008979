"""What the service needs of an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from so8t_shared.classes import Likelihoods
from so8t_shared.labels import LABELS
from so8t_shared.models.prompts import final_answer

CHOICES = tuple(final_answer(label) for label in LABELS)
"""What the labels' probabilities are those of."""


class EngineAway(Exception):
    """The engine does not answer, refused, or broke off; it says nothing about why, for that may hold a prompt."""


class TooLong(Exception):
    """Request and answer do not fit the model's context."""


@dataclass(frozen=True)
class Sampling:
    """How the model is to write."""

    max_tokens: int
    temperature: float
    top_p: float


@dataclass(frozen=True)
class Written:
    """A model's whole answer; nothing of it may leave but by `letting_out`."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    cut: bool
    """Whether the token limit ended it."""
    steps: Sequence[Mapping[str, Any]] = ()
    """Its tokens with their log-probabilities, {"token", "logprob"}; empty if they were not asked for."""


class ServedModel(Protocol):
    """A model that is loaded and can be asked."""

    async def write(self, prompt: str, sampling: Sampling) -> Written:
        """Have the model answer.

        Raises:
            EngineAway: the engine does not answer.
            TooLong: it does not fit.
        """

    def sure(self, written: Written, tag: int) -> tuple[str, float] | None:
        """Return the label in the `<final>` at place `tag` and its probability, among all that could follow there.

        None if the answer does not tell, so that `likelihoods` has to be asked for. No request is made.
        """

    async def likelihoods(self, prompt: str, written: Written, tag: int) -> Likelihoods | None:
        """Return the labels' log-probabilities where the `<final>` at place `tag` of the answer begins.

        None if the engine does not tell. Raises as `write`.
        """

    async def check(self) -> bool:
        """Whether the engine answers and still has exactly this model."""

    async def close(self) -> None:
        """Unload the model; nobody asks any more."""

    async def release(self) -> None:
        """Let go of the model, which another `ServedModel` of the same engine still serves."""
