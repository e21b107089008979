"""Parts of the service that are made elsewhere: who may ask, and what is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request

from so8t_gateway.outcome import Outcome
from so8t_gateway.prompts import Query


@dataclass(frozen=True)
class AskOptions:
    """What a client may choose, within the configured limits; None for the default."""

    max_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    scores: bool = False
    """Whether the probability of every class is wanted, not only of the one that is decided on."""


class Decider(Protocol):
    """Decides on requests, one by one."""

    async def decide(self, query: Query, options: AskOptions) -> Outcome:
        """Ask the model; in any doubt the outcome is ESCALATION. Raises nothing that holds words of the model."""

    @property
    def model_name(self) -> str:
        """Name of the served model; empty if there is none."""

    async def fault(self) -> str:
        """Why requests are not answered now: a row of `reasons`, or empty."""


class Refused(Exception):
    """A request that is not served; the client hears the status and when to come back, nothing else."""

    def __init__(self, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.retry_after_s = retry_after_s


class TooMany(Exception):
    """A request for more decisions than its client may ever ask for at once."""

    def __init__(self, most: int) -> None:
        super().__init__(f"at most {most}")
        self.most = most


class Client(Protocol):
    """Whoever sent an admitted request."""

    @property
    def name(self) -> str:
        """Name of its token; empty where none is needed."""

    def spend(self, decisions: int) -> None:
        """Count what the request asks for; the first decision was counted when it was let in.

        Raises:
            Refused: so many are too often; nothing more is counted.
            TooMany: they always will be.
        """

    def leave(self) -> None:
        """Note that the request is over, whatever became of it; called once."""


class Access(Protocol):
    """Decides who may ask, how often and how much; its limits are its own."""

    async def admit(self, request: Request) -> Client:
        """Let a request in, before its body is read.

        Raises:
            Refused: it has no valid token, or asks too much or too often.
        """


class Auditor(Protocol):
    """Records each answer before it leaves."""

    def record(self, outcome: Outcome, user_id: str) -> None:
        """Write one line, durably; called from worker threads, from several at once.

        An answer whose record fails does not leave: whatever is raised, the client gets ESCALATION and status 503.
        """

    def record_at_once(self, outcome: Outcome, user_id: str) -> bool:
        """As `record`, from the thread that serves everyone, so only if nothing has to be waited for.

        False if it does; then nothing is written.
        """
