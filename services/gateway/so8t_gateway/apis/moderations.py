"""`POST /v1/moderations`: OpenAI's form, with this project's classes as categories."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from so8t_gateway.apis.api import Api, Body, failure, query_of, reply
from so8t_gateway.outcome import Outcome
from so8t_gateway.seams import AskOptions
from so8t_gateway.service import Service
from so8t_shared.labels import LABELS

_FLAGS = tuple(label for label in LABELS if label != "ALLOW")


class TextInput(Body):
    """A text among several inputs."""

    type: Literal["text"]
    text: str = Field(min_length=1)


class ModerationRequest(Body):
    """Texts to decide on."""

    input: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=32)]
        | Annotated[list[TextInput], Field(min_length=1, max_length=32)]
    )
    model: str = Field("", description="Ignored: one model is served.")
    user: str | None = Field(None, max_length=1_000, description="Who asks; recorded only as a keyed hash.")

    @property
    def texts(self) -> list[str]:
        """The texts."""
        given = [self.input] if isinstance(self.input, str) else self.input
        return [each if isinstance(each, str) else each.text for each in given]

    @property
    def decisions(self) -> int:
        """See `Body`: one per text."""
        return len(self.texts)


class ModerationResult(Body):
    """The decision on one text."""

    flagged: bool = Field(description="Whether it is anything but ALLOW.")
    categories: dict[str, bool]
    category_scores: dict[str, float] = Field(description="Probabilities among the four; 0 where they are not known.")
    category_applied_input_types: dict[str, list[str]]
    safety_label: str
    reason: str


class ModerationAnswer(Body):
    """The decisions, in the order of the texts."""

    id: str
    model: str
    results: list[ModerationResult]


async def moderate(service: Service, body: ModerationRequest, request: Request) -> Response:  # noqa: ARG001 - one form
    """Decide on each text, one after the other."""
    queries = [query_of(service, text) for text in body.texts]
    outcomes = [
        await service.decide(query, AskOptions(scores=True), user_id=body.user or "", api="moderations")
        for query in queries
    ]
    if failed := next(filter(None, map(failure, outcomes)), None):
        return failed
    last = outcomes[-1]
    return reply(
        ModerationAnswer(id=f"modr-{last.request_id}", model=last.model, results=[*map(_result, outcomes)]), last
    )


def _result(outcome: Outcome) -> ModerationResult:
    return ModerationResult(
        flagged=outcome.label != "ALLOW",
        categories={label.lower(): label == outcome.label for label in _FLAGS},
        category_scores={label.lower(): outcome.probabilities.get(label, 0.0) for label in _FLAGS},
        category_applied_input_types={label.lower(): ["text"] for label in _FLAGS},
        safety_label=outcome.label,
        reason=outcome.reason,
    )


API = Api(
    "/v1/moderations",
    "Decide on texts, in OpenAI's form.",
    moderate,
    body=ModerationRequest,
    answer=ModerationAnswer,
)
