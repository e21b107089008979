"""`POST /beta/litellm_basic_guardrail_api`: the call of LiteLLM's generic guardrail.

It is answered with status 200 even where no decision can be made: LiteLLM may be configured to let everything pass that
a guardrail does not answer, but it never passes what is BLOCKED.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from so8t_gateway.apis.api import Api, Body, query_of, reply
from so8t_gateway.outcome import Outcome
from so8t_gateway.reasons import BY_NAME
from so8t_gateway.seams import AskOptions
from so8t_gateway.service import Service


class Metadata(Body):
    """Who asked the proxy."""

    user_api_key_end_user_id: str | None = None
    user_api_key_user_id: str | None = None


class GuardrailRequest(Body):
    """What the proxy is about to send to a model, or has got from it."""

    input_type: Literal["request", "response"]
    request_data: Metadata = Metadata()
    texts: Annotated[list[str], Field(max_length=64)] | None = None
    images: list[str] | None = Field(None, description="Cannot be judged, so anything with images is blocked.")
    tool_calls: Annotated[list[dict[str, Any]], Field(max_length=64)] | None = None
    structured_messages: list[dict[str, Any]] | None = Field(
        None,
        description="The conversation behind the texts; any audio or file in it cannot be judged, so it is blocked.",
    )

    @property
    def everything(self) -> list[str]:
        """Texts to decide on, calls of tools among them; a call in OpenAI's old form is only in its message.

        LiteLLM copies the messages' texts to `texts`; if that is empty, the messages are read.
        """
        texts = [*filter(str.strip, self.texts or ())] or [
            text for message in self.structured_messages or () for text in _texts(message.get("content"))
        ]
        old = [message["function_call"] for message in self.structured_messages or () if message.get("function_call")]
        calls = [json.dumps(call, ensure_ascii=False, sort_keys=True) for call in (*(self.tool_calls or ()), *old)]
        return [*filter(str.strip, [*texts, *calls])]

    @property
    def decisions(self) -> int:
        """See `Body`: one per text, unless all is blocked unread."""
        return len(self.everything) if self.is_text else 1

    @property
    def is_text(self) -> bool:
        """Whether all of it can be judged; LiteLLM leaves a content empty if it does not know the form of a part."""
        contents = [message.get("content") for message in self.structured_messages or ()]
        return not self.images and all(map(_is_text, contents))

    @property
    def user_id(self) -> str:
        """Who asked."""
        return self.request_data.user_api_key_end_user_id or self.request_data.user_api_key_user_id or ""


def _texts(content: Any) -> list[str]:
    """Texts of a content that `_is_text`."""
    return [part["text"] for part in content] if isinstance(content, list) else [content] if content else []


def _is_text(content: Any) -> bool:
    if isinstance(content, list):
        return bool(content) and all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content)
    return content is None or isinstance(content, str)


class GuardrailAnswer(Body):
    """Whether it may pass, unchanged."""

    action: Literal["NONE", "BLOCKED"]
    blocked_reason: str | None = None


async def guard(service: Service, body: GuardrailRequest, request: Request) -> Response:  # noqa: ARG001 - one form
    """Decide on every text and tool call; the first that is not ALLOW blocks all."""
    if not body.is_text:
        return reply(GuardrailAnswer(action="BLOCKED", blocked_reason="ESCALATION: only text can be judged"))
    for text in body.everything:
        query = query_of(service, text)
        outcome = await service.decide(query, AskOptions(), user_id=body.user_id, api="litellm")
        if outcome.label != "ALLOW":
            return reply(GuardrailAnswer(action="BLOCKED", blocked_reason=_why(outcome)), outcome)
    return reply(GuardrailAnswer(action="NONE"))


def _why(outcome: Outcome) -> str:
    return f"{outcome.label}: {BY_NAME[outcome.reason].meaning}" if outcome.reason else outcome.label


def _unavailable() -> Response:
    return reply(GuardrailAnswer(action="BLOCKED", blocked_reason=f"ESCALATION: {BY_NAME['busy'].meaning}"))


API = Api(
    "/beta/litellm_basic_guardrail_api",
    "Decide on what passes a LiteLLM proxy.",
    guard,
    body=GuardrailRequest,
    answer=GuardrailAnswer,
    unavailable=_unavailable,
)
