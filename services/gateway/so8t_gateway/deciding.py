"""Decides on one request: prompt, engine, letting out, class; in any doubt ESCALATION."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from secrets import token_hex
from time import monotonic
from typing import Any

from so8t_gateway.engines.engine import EngineAway, Sampling, ServedModel, TooLong, Written
from so8t_gateway.lane import Full, Lane, Stopping
from so8t_gateway.letting_out import Letting, let_out
from so8t_gateway.outcome import Outcome
from so8t_gateway.prompts import Prompts, Query
from so8t_gateway.seams import AskOptions
from so8t_gateway.session_model import SessionModel
from so8t_shared.classes import Decision, decide, decide_by_majority
from so8t_shared.errors import InputError

ESCALATION = "ESCALATION"
_ALLOW = "ALLOW"
_CHECKED_S = 1.0

_FAILURES: Mapping[type[BaseException], str] = {
    TimeoutError: "timeout",
    EngineAway: "engine_failed",
    TooLong: "query_too_long",
    Full: "busy",
    Stopping: "stopping",
    InputError: "turns_refused",
}

log = logging.getLogger("so8t.think")


class Serving:
    """The model that answers, until another takes over."""

    def __init__(self, model: SessionModel, engine: ServedModel) -> None:
        self.model = model
        self.engine = engine
        self.prompts = Prompts(model.chat)
        self._checked: tuple[float, asyncio.Task[bool]] | None = None
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @contextmanager
    def use(self) -> Iterator[None]:
        """Keep the model loaded within the block."""
        self._users += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def works(self) -> bool:
        """Whether the engine answers; it is asked at most once a second, for anyone may ask for this."""
        if self._checked is None or monotonic() - self._checked[0] > _CHECKED_S:
            self._checked = (monotonic(), asyncio.ensure_future(self.engine.check()))
        return await asyncio.shield(self._checked[1])

    async def close(self, *, unload: bool = True) -> None:
        """Unload the model once nobody uses it; not if another `Serving` has the same one."""
        await self._unused.wait()
        await (self.engine.close() if unload else self.engine.release())


@dataclass(frozen=True)
class Limits:
    """What holds for every request."""

    timeout_s: float
    min_confidence: float


class ModelDecider:
    """See `Decider`."""

    def __init__(self, limits: Limits, lane: Lane, hash_thinking: Callable[[str], str]) -> None:
        self.limits = limits
        self.lane = lane
        self.serving: Serving | None = None
        """Replaced as a whole when a new session is taken over; a request stays with the one it began with."""
        self._hash = hash_thinking

    async def decide(self, query: Query, options: AskOptions) -> Outcome:
        """Ask the model, see `Decider.decide`."""
        serving = self.serving
        blank = _blank(query, serving)
        if serving is None:
            return replace(blank, reason="not_ready")
        with serving.use():
            return await self._decide(serving, query, options, blank)

    async def _decide(self, serving: Serving, query: Query, options: AskOptions, blank: Outcome) -> Outcome:
        try:
            async with asyncio.timeout(self.limits.timeout_s), self.lane.turn():
                return await self._ask(serving, query, options, blank)
        except tuple(_FAILURES) as error:
            return replace(blank, reason=next(_FAILURES[kind] for kind in type(error).__mro__ if kind in _FAILURES))
        except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold the model's words
            log.error("a request failed", extra={"request_id": blank.request_id, "error": type(error).__name__})
            return replace(blank, reason="fault")

    @property
    def model_name(self) -> str:
        """See `Decider.model_name`."""
        return self.serving.model.file.name if self.serving else ""

    async def fault(self) -> str:
        """See `Decider.fault`."""
        if self.serving is None:
            return "not_ready"
        if self.lane.stopping:
            return "stopping"
        return "" if await self.serving.works() else "engine_failed"

    async def _ask(self, serving: Serving, query: Query, options: AskOptions, blank: Outcome) -> Outcome:
        most = serving.model.max_new_tokens
        sampling = Sampling(
            max_tokens=min(options.max_new_tokens or most, most),
            temperature=options.temperature or 0.0,
            top_p=1.0 if options.top_p is None else options.top_p,
        )
        prompt = await serving.prompts.rendered(query)
        written = await serving.engine.write(prompt, sampling)
        letting = let_out(written.text, cut=written.cut)
        decision = None if options.scores else self._by_majority(serving, written, letting)
        if not decision:
            told = None if letting.reason else await serving.engine.likelihoods(prompt, written, letting.tag)
            decision = decide(told, serving.model.policy, self.limits.min_confidence)
        return self._outcome(blank, written, letting, decision)

    def _by_majority(self, serving: Serving, written: Written, letting: Letting) -> Decision | None:
        """Decide without another request; a policy needs the probabilities of all classes."""
        if letting.reason or not letting.label or serving.model.policy:
            return None
        label, probability = serving.engine.sure(written, letting.tag) or ("", 0.0)
        return decide_by_majority(label, probability, self.limits.min_confidence) if label == letting.label else None

    def _outcome(self, blank: Outcome, written: Written, letting: Letting, decision: Decision) -> Outcome:
        reason = letting.reason or decision.reason
        if not reason and letting.label and letting.label != decision.label == _ALLOW:
            reason = "contradiction"
        said: dict[str, Any] = {"reason": reason}
        if not reason:
            answer = letting.text if letting.text and decision.label == _ALLOW else decision.label
            said = {
                "answer": answer,
                "answer_length": len(answer),
                "label": decision.label,
                "confidence": decision.confidence,
                "escalated": decision.label == ESCALATION,
            }
        return replace(
            blank,
            thinking_hash=self._hash(letting.thinking) if letting.thinking else "",
            thinking_length=len(letting.thinking),
            prompt_tokens=written.prompt_tokens,
            completion_tokens=written.completion_tokens,
            finish="length" if written.cut else "stop",
            probabilities=decision.probabilities,
            **said,
        )


def _blank(query: Query, serving: Serving | None) -> Outcome:
    """The outcome of a request of which nothing is known; nothing of the model's is in it."""
    model = serving.model if serving else None
    return Outcome(
        request_id=token_hex(16),
        answer=ESCALATION,
        label=ESCALATION,
        confidence=0.0,
        escalated=True,
        reason="",
        thinking_hash="",
        thinking_length=0,
        answer_length=len(ESCALATION),
        query_length=query.length,
        prompt_tokens=0,
        completion_tokens=0,
        model=model.file.name if model else "",
        model_sha256=model.file.sha256 if model else "",
        policy_sha256=model.policy_sha256 if model else "",
        finish="",
    )
