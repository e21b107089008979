"""`GET /health`, `/ready` and `/metrics`: for whoever runs the service."""

from __future__ import annotations

from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from so8t_gateway.apis.api import Api, Body, reply
from so8t_gateway.service import Service


class State(Body):
    """Whether the service works."""

    status: str


async def health(service: Service, body: Any, request: Request) -> Response:  # noqa: ARG001 - one form for all
    """Say that the process lives."""
    return reply(State(status="ok"))


async def ready(service: Service, body: Any, request: Request) -> Response:  # noqa: ARG001 - one form for all
    """Say whether a request would be answered: a model is loaded, its engine answers, and no stop was asked for."""
    fault = await service.decider.fault()
    return reply(State(status=fault or "ready"), status=503 if fault else 200)


async def metrics(service: Service, body: Any, request: Request) -> Response:  # noqa: ARG001 - one form for all
    """Show the counters."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _to_everyone(service: Service) -> bool:  # noqa: ARG001 - one form for all
    """What starts and balances services has no token; it learns nothing but that this one works."""
    return True


APIS = (
    Api("/health", "Whether the process lives.", health, answer=State, is_open=_to_everyone),
    Api("/ready", "Whether requests are answered.", ready, answer=State, statuses=(200, 503), is_open=_to_everyone),
    Api(
        "/metrics",
        "Counters for Prometheus.",
        metrics,
        media_types=("text/plain",),
        is_open=lambda service: service.bounds.open_metrics,
    ),
)
