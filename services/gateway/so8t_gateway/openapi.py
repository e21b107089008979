"""The OpenAPI page, from the table of routes and the models of their bodies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from so8t_gateway.apis.api import Api, ErrorBody
from so8t_shared.distribution import version

_REF = "#/components/schemas/{model}"
_OTHER: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}
"""Schemas of answers that are not JSON; a stream of events has none, for a page cannot tell its order."""

_REFUSALS = {
    400: "The body is not of this form, or asks for too much.",
    401: "No valid token.",
    403: "Without tokens, only requests to this host by its own name are answered.",
    413: "The body or the request is too long.",
    415: "The body is not JSON.",
    429: "Too many requests; see Retry-After.",
    500: "An unexpected error. Treat it as ESCALATION.",
    503: "No decision can be made now; see Retry-After. Treat it as ESCALATION.",
}

_NOT_ADMITTED = (401, 403, 429, 503)


def openapi(apis: Sequence[Api], is_open: Callable[[Api], bool] = lambda api: False) -> dict[str, Any]:
    """Return the page as a JSON object; `is_open` tells which routes answer everyone."""
    models = _models(apis)
    _, schemas = models_json_schema([(model, _mode(model, apis)) for model in models], ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {"title": "SO8T-AB /think", "version": version()},
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "paths": {api.path: {api.method.lower(): _operation(api, is_open=is_open(api))} for api in apis},
    }


def _models(apis: Sequence[Api]) -> list[type[BaseModel]]:
    named = [model for api in apis for model in (api.body, api.answer) if model]
    return list(dict.fromkeys([*named, ErrorBody]))


def _mode(model: type[BaseModel], apis: Sequence[Api]) -> JsonSchemaMode:
    return "validation" if any(api.body is model for api in apis) else "serialization"


def _operation(api: Api, *, is_open: bool) -> dict[str, Any]:
    refused = [*_REFUSALS] if api.body else [] if is_open else [*_NOT_ADMITTED]
    operation: dict[str, Any] = {"summary": api.summary, "responses": _responses(api, refused)}
    if api.body:
        operation["requestBody"] = {"required": True, "content": {"application/json": _schema(api.body)}}
    if not is_open:
        operation["security"] = [{}, {"token": []}]
    return operation


def _responses(api: Api, refused: Sequence[int]) -> dict[str, Any]:
    answers = {media: _schema(api.answer) if "json" in media else _OTHER.get(media, {}) for media in api.media_types}
    found: dict[int, Any] = {status: {"description": _meaning(status), "content": answers} for status in api.statuses}
    refusal = {"application/json": _schema(ErrorBody)}
    for status in refused:
        found.setdefault(status, {"description": _REFUSALS[status], "content": refusal})
    return {str(status): found[status] for status in sorted(found)}


def _meaning(status: int) -> str:
    return "The answer." if status == 200 else _REFUSALS[status]


def _schema(model: type[BaseModel] | None) -> dict[str, Any]:
    return {"schema": {"$ref": _REF.format(model=model.__name__)}} if model else {}
