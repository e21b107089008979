"""The web application: one service behind the routes of every interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from starlette.applications import Starlette

from so8t_gateway.outcome import Outcome
from so8t_gateway.seams import Access, Auditor


@dataclass(frozen=True)
class AskOptions:
    """What a client may choose, within the configured limits; None for the default."""

    max_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None


class Decider(Protocol):
    """Decides on requests, one by one."""

    async def decide(self, query: str, options: AskOptions) -> Outcome:
        """Ask the model; in any doubt the outcome is ESCALATION. Raises nothing that holds words of the model."""


@dataclass(frozen=True)
class Service:
    """Everything that the application works with."""

    decider: Decider
    auditor: Auditor | None = None
    access: Access | None = None

    async def decide(self, query: str, options: AskOptions) -> Outcome:
        """See `Decider.decide`."""
        return await self.decider.decide(query, options)


def create_app(service: Service) -> Starlette:
    """Return the application."""
    app = Starlette()
    app.state.service = service
    return app
