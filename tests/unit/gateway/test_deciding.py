"""Decisions in this process: every way in which there is none ends as ESCALATION."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gateway.in_process import SURE_OF_ALLOW, Saying, decider_of

from so8t_gateway.deciding import ModelDecider
from so8t_gateway.engines.engine import EngineAway, Sampling, TooLong, Written
from so8t_gateway.outcome import Outcome
from so8t_gateway.prompts import Query
from so8t_gateway.reasons import ROWS
from so8t_gateway.seams import AskOptions
from so8t_shared.classes import Likelihoods, decide_by_majority
from so8t_shared.classes import decide as decide_by_shares
from so8t_shared.errors import InputError
from so8t_shared.labels import LABELS
from so8t_shared.results.policy import QuantizationPolicy

ASK = (Query("may I?"), AskOptions())
ALLOWED = "<think>a secret</think><final>ALLOW</final>"


def likelihoods(*shares: float, bounds: tuple[bool, ...] = (False,) * 4) -> Likelihoods:
    """What an engine tells of shares, ALLOW first."""
    return Likelihoods(tuple(math.log(share) for share in shares), bounds)


def decide(decider: ModelDecider) -> Outcome:
    """One decision."""
    return asyncio.run(decider.decide(*ASK))


def policy(temperature: float = 1.0, **thresholds: float) -> QuantizationPolicy:
    """A policy with a threshold for each class."""
    return QuantizationPolicy(
        quantization="q8_0",
        model_sha256="0" * 64,
        temperature=temperature,
        thresholds={**dict.fromkeys(LABELS, 0.0), **thresholds},
    )


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (EngineAway(), "engine_failed"),
        (TooLong(), "query_too_long"),
        (TimeoutError(), "timeout"),
        (InputError("the template says: a secret"), "turns_refused"),
        (RuntimeError("a secret"), "fault"),
    ],
)
def test_no_answer(fault: Exception, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the engine raises, there is a reason, and nothing of its text anywhere."""
    outcome = decide(decider_of(Saying(fault)))
    assert (outcome.label, outcome.answer, outcome.reason) == ("ESCALATION", "ESCALATION", reason)
    assert outcome.escalated
    assert "secret" not in repr(outcome) + caplog.text


@pytest.mark.parametrize(
    ("told", "label", "reason"),
    [
        (SURE_OF_ALLOW, "ALLOW", ""),
        (None, "ESCALATION", "class_unknown"),
        (likelihoods(0.02, 0.01, 0.01, 0.01), "ESCALATION", "class_unknown"),
        (likelihoods(0.4, 0.3, 0.2, 0.1), "ESCALATION", "low_confidence"),
        (likelihoods(0.9, 0.05, 0.03, 0.02, bounds=(True, False, False, False)), "ESCALATION", "class_unknown"),
        (likelihoods(0.1, 0.1, 0.1, 0.7), "REFUSE", ""),
        (likelihoods(0.49, 0.01, 0.01, 0.01), "ESCALATION", "low_confidence"),
    ],
)
def test_class_by_probability(told: Likelihoods | None, label: str, reason: str) -> None:
    """The likeliest class counts, if it is likely enough and known for certain."""
    outcome = decide(decider_of(Saying(ALLOWED, told)))
    assert (outcome.label, outcome.answer, outcome.reason) == (label, label, reason)
    assert (outcome.confidence > 0) == (reason == "")


def test_confidence_is_not_overstated() -> None:
    """A class of which only a bound is known takes its whole bound."""
    outcome = decide(decider_of(Saying(ALLOWED, likelihoods(0.6, 0.2, 0.1, 0.1, bounds=(False, True, True, True)))))
    assert outcome.confidence == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("told", "rule", "scores", "again", "confidence"),
    [
        (("ALLOW", 0.8), None, False, 0, 0.8),
        (("ALLOW", 0.5), None, False, 1, 0.97),
        (("ALLOW", 0.4), None, False, 0, 0.0),
        (("ALLOW", 0.4), None, True, 1, 0.97),
        (("ALLOW", 0.4), policy(), False, 1, 0.97),
        (("DENY", 0.8), None, False, 1, 0.97),
        (None, None, False, 1, 0.97),
        (("ALLOW", 0.8), None, True, 1, 0.97),
        (("ALLOW", 0.8), policy(), False, 1, 0.97),
    ],
)
def test_asked_again_only_where_the_class_is_open(
    told: tuple[str, float] | None, rule: QuantizationPolicy | None, scores: bool, again: int, confidence: float
) -> None:
    """Above one half a label is the likeliest, below it none is likely enough; a policy and scores need all four."""
    engine = Saying(ALLOWED)
    engine.told_at_once = told
    outcome = asyncio.run(decider_of(engine, policy=rule).decide(ASK[0], AskOptions(scores=scores)))
    assert (outcome.reason, engine.asked_again) == ("" if confidence else "low_confidence", again)
    assert outcome.label == ("ALLOW" if confidence else "ESCALATION")
    assert outcome.confidence == pytest.approx(confidence)


@given(
    shares=st.lists(st.floats(0.001, 1.0), min_size=4, max_size=4),
    rest=st.floats(0.0, 2.0),
    least=st.floats(0.0, 1.0),
)
def test_what_is_decided_at_once_is_what_all_four_say(shares: list[float], rest: float, least: float) -> None:
    """Of any four labels of one token each, the written one, which is the likeliest, decides as their list does."""
    every = [share / (sum(shares) + rest) for share in shares]
    best = max(range(4), key=every.__getitem__)
    at_once = decide_by_majority(LABELS[best], every[best], least)
    if at_once:
        asked = decide_by_shares(likelihoods(*every), None, least)
        assert at_once.label == asked.label
        assert at_once.confidence == pytest.approx(asked.confidence)
        assert bool(at_once.reason) == bool(asked.reason)


@pytest.mark.parametrize(
    ("rule", "label"),
    [
        (policy(ALLOW=0.6), "ALLOW"),
        (policy(ALLOW=0.8), "ESCALATION"),
        (policy(temperature=4.0, ALLOW=0.6), "ESCALATION"),
        (policy(temperature=0.25, ALLOW=0.95), "ALLOW"),
    ],
)
def test_policy(rule: QuantizationPolicy, label: str) -> None:
    """A session's policy decides with its temperature and threshold, and its digest is told."""
    outcome = decide(decider_of(Saying(ALLOWED, likelihoods(0.7, 0.1, 0.1, 0.1)), policy=rule))
    assert outcome.label == label
    assert outcome.policy_sha256 == "1" * 64


def test_a_stricter_written_class_is_not_allowed() -> None:
    """Where the model writes REFUSE and the probabilities say ALLOW, a human decides."""
    assert decide(decider_of(Saying("<final>REFUSE</final>"))).reason == "contradiction"


def test_text_leaves_with_its_class() -> None:
    """Other text inside <final> is the answer, if the class is known."""
    outcome = decide(decider_of(Saying("<think>a secret</think><final>Go ahead.</final>")))
    assert (outcome.answer, outcome.label, outcome.thinking_length) == ("Go ahead.", "ALLOW", 23)


@pytest.mark.parametrize("label", LABELS[1:])
def test_text_leaves_only_if_allowed(label: str) -> None:
    """A client that reads the answer alone must not take a refused request's text for a consent."""
    shares = [0.97 if each == label else 0.01 for each in LABELS]
    outcome = decide(decider_of(Saying("<final>Sure, do this.</final>", likelihoods(*shares))))
    assert (outcome.answer, outcome.label, outcome.reason) == (label, label, "")
    assert outcome.answer_length == len(label)


def test_every_option_is_explicit() -> None:
    """A client's wishes are met up to the model's limit; without any, the answer is the same each time."""
    engine = Saying(ALLOWED)
    decider = decider_of(engine)
    for options in (AskOptions(), AskOptions(10_000, 0.7, 0.9), AskOptions(5)):
        asyncio.run(decider.decide(Query("?"), options))
    assert engine.asked == [Sampling(64, 0.0, 1.0), Sampling(64, 0.7, 0.9), Sampling(5, 0.0, 1.0)]


class Slow(Saying):
    """A model that needs longer than anybody waits."""

    async def write(self, prompt: str, sampling: Sampling) -> Written:
        """Never answer."""
        await asyncio.Event().wait()
        raise AssertionError


def test_time_out() -> None:
    """A decision takes no longer than configured."""
    assert decide(decider_of(Slow(ALLOWED), timeout_s=0.05)).reason == "timeout"


def test_waiting_and_stopping() -> None:
    """One too many is told to come later; those that wait when the stop comes are not begun."""

    async def run() -> list[str]:
        decider = decider_of(Slow(ALLOWED), concurrency=1, queue=1, timeout_s=1.0)
        at_work, waiting = (asyncio.create_task(decider.decide(*ASK)) for _ in range(2))
        await asyncio.sleep(0.05)
        busy = await decider.decide(*ASK)
        stopping = asyncio.create_task(decider.lane.drain())
        await asyncio.sleep(0)
        late = await decider.decide(*ASK)
        await stopping
        return [(await task).reason for task in (at_work, waiting)] + [busy.reason, late.reason]

    at_work, waiting, busy, late = asyncio.run(run())
    assert (at_work, busy, late) == ("timeout", "busy", "stopping")
    assert waiting in {"stopping", "timeout"}


def test_not_ready() -> None:
    """Before a model is loaded nothing is decided."""
    decider = decider_of(Saying(ALLOWED))
    decider.serving = None
    assert decide(decider).reason == "not_ready"


def test_who_asks_whether_it_works_cannot_keep_the_engine_busy() -> None:
    """However many ask at once or soon after each other, the engine is asked once; a second later, again."""
    engine = Counting(ALLOWED)
    decider = decider_of(engine)

    async def ask() -> None:
        assert set(await asyncio.gather(*(decider.fault() for _ in range(50)))) == {""}
        assert await decider.fault() == ""
        assert engine.checks == 1
        await asyncio.sleep(1.1)
        engine.works = False
        assert await decider.fault() == "engine_failed"
        assert engine.checks == 2

    asyncio.run(ask())


class Counting(Saying):
    """Counts how often it is asked whether it works."""

    checks = 0
    works = True

    async def check(self) -> bool:
        """After a moment."""
        self.checks += 1
        await asyncio.sleep(0.05)
        return self.works


def test_the_hash_is_keyed() -> None:
    """The thinking's hash depends on the thinking alone, for one key."""
    one, same, other = (
        decide(decider_of(Saying(text))).thinking_hash
        for text in (ALLOWED, ALLOWED, ALLOWED.replace("secret", "\ud800"))
    )
    assert one == same != other


def test_reasons_are_complete() -> None:
    """Each reason has a name of its own and says what it means."""
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert all(row.meaning and row.status in {200, 500, 503} for row in ROWS)
