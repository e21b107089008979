"""All routes: the application and the OpenAPI page are made from this table."""

from __future__ import annotations

from so8t_gateway.apis import health, litellm_guardrail, models, moderations, openai_chat, think
from so8t_gateway.apis.api import Api

ROWS: tuple[Api, ...] = (
    think.API,
    openai_chat.API,
    moderations.API,
    litellm_guardrail.API,
    models.API,
    *health.APIS,
)
