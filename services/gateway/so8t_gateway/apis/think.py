"""`POST /think`: the original pipeline's request and answer."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from so8t_gateway.apis.api import RETRY_AFTER_S, Api, Body, Tokens, options_of, query_of, reply
from so8t_gateway.reasons import status_of
from so8t_gateway.service import Service


class ThinkRequest(Body):
    """A request to decide on."""

    user_id: str = Field("", max_length=1_000, description="Who asks; recorded only as a keyed hash.")
    query: str = Field(min_length=1, description="The request.")
    max_new_tokens: Tokens | None = Field(None, description="Most tokens of the answer, within the service's limit.")
    temperature: float | None = Field(
        None, ge=0, le=2, description="0, the default, gives the same answer each time; within the service's limit."
    )
    top_p: float | None = Field(None, gt=0, le=1)


class ThinkAnswer(Body):
    """The decision."""

    answer: str = Field(description="What stood in <final>; for a bare class, its name.")
    safety_label: str = Field(description="ALLOW, ESCALATION, DENY or REFUSE.")
    safety_conf: float = Field(
        description="Probability of the class: by a policy, among the four; without one, among all that the model could"
        " write. 0 for ESCALATION with a reason."
    )
    escalated: bool = Field(description="Whether a human must decide.")
    internal_reasoning_hash: str = Field(description="Keyed hash of the thinking, which never leaves.")
    model: str
    policy: str = Field(description="Digest of the policy; empty without one.")
    reason: str = Field(description="Why it is ESCALATION although the model did not say so; else empty.")
    request_id: str


async def think(service: Service, body: ThinkRequest, request: Request) -> Response:  # noqa: ARG001 - one form for all
    """Decide on one request."""
    query = query_of(service, body.query)
    options = options_of(service, body.max_new_tokens, body.temperature, body.top_p)
    outcome = await service.decide(query, options, user_id=body.user_id, api="think")
    answer = ThinkAnswer(
        answer=outcome.answer,
        safety_label=outcome.label,
        safety_conf=outcome.confidence,
        escalated=outcome.escalated,
        internal_reasoning_hash=outcome.thinking_hash,
        model=outcome.model,
        policy=outcome.policy_sha256,
        reason=outcome.reason,
        request_id=outcome.request_id,
    )
    response = reply(answer, outcome, status_of(outcome.reason))
    if response.status_code == 503:
        response.headers["retry-after"] = str(RETRY_AFTER_S)
    return response


API = Api(
    "/think",
    "Decide on a request.",
    think,
    body=ThinkRequest,
    answer=ThinkAnswer,
    statuses=(200, 500, 503),
)
