"""`POST /v1/chat/completions`: OpenAI's form, also streamed.

A stream begins only once the decision stands, so its first byte is already certain.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from pydantic import Field
from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response

from so8t_gateway.apis.api import Api, BadRequest, Body, Tokens, failure, options_of, query_of, reply
from so8t_gateway.outcome import Outcome
from so8t_gateway.service import Service

_SAID_BY = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


class TextPart(Body):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class Message(Body):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    @property
    def text(self) -> str:
        """What it says."""
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)


class StreamOptions(Body):
    """What a stream tells beside the answer."""

    include_usage: bool = False


class ChatRequest(Body):
    """A conversation; its last message, the user's, is decided on."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=1_000)]
    model: str = Field("", description="Ignored: one model is served.")
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    n: Literal[1] | None = Field(None, description="One answer per request.")
    user: str | None = Field(None, max_length=1_000, description="Who asks; recorded only as a keyed hash.")


class Said(Body):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(Body):
    """The only choice."""

    index: int = 0
    message: Said
    finish_reason: Literal["stop", "content_filter"] = Field(
        description="content_filter if it is ESCALATION although the model did not say so."
    )
    logprobs: None = None


class Usage(Body):
    """Tokens computed."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Safety(Body):
    """The decision, beyond OpenAI's form."""

    label: str
    confidence: float
    escalated: bool
    reason: str
    internal_reasoning_hash: str
    policy: str


class ChatAnswer(Body):
    """The decision as a completion."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    safety: Safety


async def complete(service: Service, body: ChatRequest, request: Request) -> Response:  # noqa: ARG001 - one form for all
    """Decide on a conversation."""
    *turns, (asked_by, text) = _turns(body.messages)
    if asked_by != "user":
        raise BadRequest("messages: the last one must be the user's", param="messages")
    query = query_of(service, text, turns)
    options = options_of(service, body.max_completion_tokens or body.max_tokens, body.temperature, body.top_p)
    outcome = await service.decide(query, options, user_id=body.user or "", api="chat")
    if failed := failure(outcome):
        return failed
    answer = _answer(outcome)
    if not body.stream:
        return reply(answer, outcome)
    wants_usage = body.stream_options is not None and body.stream_options.include_usage
    return EventSourceResponse(_pieces(answer, wants_usage=wants_usage), headers={"x-request-id": outcome.request_id})


def _turns(messages: list[Message]) -> list[tuple[str, str]]:
    """(role, text) of each turn; what systems and developers say comes first, together, as the templates want it."""
    said = [(_SAID_BY[message.role], message.text) for message in messages]
    system = "\n\n".join(text for role, text in said if role == "system")
    return [*([("system", system)] if system else []), *(turn for turn in said if turn[0] != "system")] or [("", "")]


def _answer(outcome: Outcome) -> ChatAnswer:
    total = outcome.prompt_tokens + outcome.completion_tokens
    reason: Literal["stop", "content_filter"] = "content_filter" if outcome.reason else "stop"
    return ChatAnswer(
        id=f"chatcmpl-{outcome.request_id}",
        created=int(time.time()),
        model=outcome.model,
        choices=[Choice(message=Said(content=outcome.answer), finish_reason=reason)],
        usage=Usage(
            prompt_tokens=outcome.prompt_tokens, completion_tokens=outcome.completion_tokens, total_tokens=total
        ),
        safety=Safety(
            label=outcome.label,
            confidence=outcome.confidence,
            escalated=outcome.escalated,
            reason=outcome.reason,
            internal_reasoning_hash=outcome.thinking_hash,
            policy=outcome.policy_sha256,
        ),
    )


async def _pieces(answer: ChatAnswer, *, wants_usage: bool) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of a stream: role, answer, finish, usage if wanted, end."""
    (choice,) = answer.choices
    deltas: list[tuple[dict[str, str], str | None]] = [
        ({"role": "assistant", "content": ""}, None),
        ({"content": choice.message.content}, None),
        ({}, choice.finish_reason),
    ]
    for delta, finish in deltas:
        safety = {"safety": answer.safety.model_dump()} if finish else {}
        yield _event(answer, [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}], **safety)
    if wants_usage:
        yield _event(answer, [], usage=answer.usage.model_dump())
    yield {"data": "[DONE]"}


def _event(answer: ChatAnswer, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    facts = {"id": answer.id, "object": "chat.completion.chunk", "created": answer.created, "model": answer.model}
    return {"data": json.dumps({**facts, "choices": choices, **more}, ensure_ascii=False)}


API = Api(
    "/v1/chat/completions",
    "Decide on a conversation, in OpenAI's form.",
    complete,
    body=ChatRequest,
    answer=ChatAnswer,
    media_types=("application/json", "text/event-stream"),
)
