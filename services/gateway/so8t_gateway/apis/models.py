"""`GET /v1/models`: the served model, in OpenAI's form."""

from __future__ import annotations

from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from so8t_gateway.apis.api import Api, Body, reply
from so8t_gateway.service import Service


class ModelEntry(Body):
    """One model."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "so8t-ab"


class ModelList(Body):
    """All models: one, or none yet."""

    object: Literal["list"] = "list"
    data: list[ModelEntry]


async def list_models(service: Service, body: Any, request: Request) -> Response:  # noqa: ARG001 - one form for all
    """Name the served model."""
    name = service.decider.model_name
    return reply(ModelList(data=[ModelEntry(id=name)] if name else []))


API = Api("/v1/models", "The served model.", list_models, answer=ModelList)
