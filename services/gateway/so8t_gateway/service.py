"""What stands behind every interface: decide, record, count; then the answer may leave."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field, replace

from so8t_gateway.metrics import Metrics
from so8t_gateway.outcome import Outcome
from so8t_gateway.prompts import Query
from so8t_gateway.seams import Access, AskOptions, Auditor, Decider

ESCALATION = "ESCALATION"

log = logging.getLogger("so8t.think")


@dataclass(frozen=True)
class Bounds:
    """What a request may ask for."""

    max_query_chars: int = 20_000
    max_temperature: float = 1.0
    open_metrics: bool = False

    @property
    def body_bytes(self) -> int:
        """Most bytes of a body: JSON may need twelve for a character, and other fields need some."""
        return 12 * self.max_query_chars + (64 << 10)


@dataclass
class Service:
    """Everything that the application works with."""

    decider: Decider
    auditor: Auditor | None = None
    access: Access | None = None
    bounds: Bounds = Bounds()
    metrics: Metrics = field(default_factory=Metrics)

    async def decide(self, query: Query, options: AskOptions, *, user_id: str, api: str) -> Outcome:
        """Return what became of a request, once it is recorded."""
        started = time.perf_counter()
        outcome = await self.decider.decide(query, options)
        outcome = await self._recorded(outcome, user_id)
        seconds = time.perf_counter() - started
        self.metrics.count(api, outcome, seconds)
        facts = {"api": api, "label": outcome.label, "reason": outcome.reason, "ms": round(seconds * 1e3, 1)}
        log.info("answered", extra={"request_id": outcome.request_id, **facts})
        return outcome

    async def _recorded(self, outcome: Outcome, user_id: str) -> Outcome:
        """The outcome; without a record, no answer of the model's leaves."""
        if self.auditor is None:
            return outcome
        try:
            if not self.auditor.record_at_once(outcome, user_id):
                await asyncio.to_thread(self.auditor.record, outcome, user_id)
        except Exception as error:  # noqa: BLE001 - whatever hinders the record
            kind = type(error).__name__
            log.error("an answer was not recorded", extra={"request_id": outcome.request_id, "error": kind})
            return withheld(outcome, "not_audited")
        return outcome


def withheld(outcome: Outcome, reason: str) -> Outcome:
    """Return the outcome as ESCALATION for a reason, without anything that the model said."""
    return replace(
        outcome,
        answer=ESCALATION,
        answer_length=len(ESCALATION),
        label=ESCALATION,
        confidence=0.0,
        escalated=True,
        reason=reason,
        probabilities={},
    )
