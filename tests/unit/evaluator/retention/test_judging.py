"""The verdict on scored references, and what the gate makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.evaluator.judged import ENGINE
from tests.unit.evaluator.material import make_samples

from so8t_evaluator.conclude import Evidence, conclude
from so8t_evaluator.retention.judging import retention_of
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.asking import Asking
from so8t_shared.results.evaluation import AnswerLimit, EvaluationResult
from so8t_shared.results.gate import Decision
from so8t_shared.results.retention import ScoredReference
from so8t_shared.tables.quantizations import Quantization

MARGIN = 0.1
KEPT, OPEN, LOST = 0.02, 0.1, 0.5
"""Mean losses in nats per token."""


def references(loss: float, quantization: Quantization = "q4_k_m", items: int = 40) -> list[ScoredReference]:
    """Items that lose about that much, of two tokens each."""
    return [
        ScoredReference(
            quantization=quantization,
            item=number + 1,
            kind="facts" if number % 2 else "code",
            language="en",
            prompt=f"{number}?",
            reference="x",
            tokens_a=2,
            tokens_b=2,
            logprob_a=-1.0,
            logprob_b=-1.0 - 2 * (loss + (0.05 if number % 4 < 2 else -0.05)),
            kl=[0.0, 0.5],
            kl_lower_bound=True,
            changed_top=1,
        )
        for number in range(items)
    ]


def settings(**retention: Any) -> AbTest:
    """One clause besides that of the section."""
    gate = [{"name": "read", "metric": "unread", "at_most": 0.9}]
    return AbTest.model_validate(
        {"bootstrap_resamples": 100, "gate": gate, "retention": {"margin": MARGIN, **retention}}
    )


def concluded(found: Sequence[ScoredReference], test: AbTest) -> EvaluationResult:
    """An evaluation with right answers at two quantizations, q4_k_m the primary one."""
    gold = list(LABELS) * 10
    samples = [
        sample
        for quantization in ("f16", "q4_k_m")
        for side in "ab"
        for sample in make_samples(gold, gold, model=side, quantization=quantization, scoring="generate")
    ]
    asking = Asking(
        primary_quantization="q4_k_m",
        quantizations=["f16", "q4_k_m"],
        scorings=["generate"],
        engine=ENGINE,
        answer_limit=AnswerLimit(max_new_tokens=48, longest_target_tokens=None),
        speed=[],
    )
    return conclude(Evidence(asking, samples, [], references=found), test)


@pytest.mark.parametrize(
    ("loss", "verdict", "decision"),
    [(KEPT, "kept", Decision.PASS), (OPEN, "undecided", Decision.UNDECIDED), (LOST, "lost", Decision.FAIL)],
)
def test_three_states(loss: float, verdict: str, decision: Decision) -> None:
    """All above the margin, around it, all below it; only the first one passes, and a required clause decides."""
    result = concluded([*references(LOST, "f16"), *references(loss)], settings())
    assert result.retention is not None
    file = result.retention.of("q4_k_m")
    assert file is not None
    assert (file.verdict, file.difference.value) == (verdict, pytest.approx(-loss))
    clause = result.gate.clauses[-1]
    assert (clause.metric, clause.result, result.gate.result) == ("retention", decision, decision)
    assert [(each.quantization, each.figure) for each in clause.settings] == [("q4_k_m", file.difference)]
    assert result.plan.clauses[-1].name == clause.name
    assert len(result.retention.warnings()) == (1 if verdict == "kept" else 2)


def test_not_required() -> None:
    """It is reported, and the gate passes without it."""
    result = concluded(references(LOST), settings(required=False))
    assert (result.gate.clauses[-1].result, result.gate.result) == (Decision.FAIL, Decision.PASS)


def test_off() -> None:
    """Without the section there is neither a clause nor a key; a clause of one's own is undecided."""
    own = {"name": "own", "metric": "retention", "margin": 0.1}
    result = concluded([], AbTest.model_validate({"bootstrap_resamples": 100, "gate": [own]}))
    assert '"retention":' not in result.model_dump_json()
    assert [clause.result for clause in result.gate.clauses] == [Decision.UNDECIDED]
    with pytest.raises(ValueError, match="not set"):
        retention_of(references(KEPT), AbTest())


def test_figures() -> None:
    """Items count alike however long they are; B's tokens are counted as A's; parts are means over their items."""
    short, long = references(0.0, items=2)
    long = long.model_copy(update={"tokens_a": 4, "tokens_b": 8, "logprob_b": -3.0, "kl": None})
    result = retention_of([short, long], settings())
    (file,) = result.files
    assert (result.items, result.tokens, file.divergence) == (2, 6, None)
    assert (file.a, file.b) == (pytest.approx((-0.5 - 0.25) / 2), pytest.approx((short.b - 0.75) / 2))
    assert [(part.by, part.value, part.items) for part in file.parts] == [
        ("kind", "code", 1),
        ("kind", "facts", 1),
        ("language", "en", 2),
    ]
    assert file.parts[1].b == pytest.approx(-0.75)
    assert [each.item for each in file.lost_most] == [2, 1]


def test_divergence() -> None:
    """Over the tokens of all references."""
    (file,) = retention_of(references(KEPT), settings()).files
    assert file.divergence is not None
    assert (file.divergence.mean, file.divergence.largest, file.divergence.changed_top) == (0.25, 0.5, 0.5)
