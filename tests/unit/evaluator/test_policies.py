"""The policies of all files: fitted on validation rows, tested on test rows, and lent to other quantizations."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from tests.unit.evaluator.judged import ENGINE
from tests.unit.evaluator.likely import draw

from so8t_evaluator.conclude import Evidence, conclude
from so8t_evaluator.paired import by_setting
from so8t_evaluator.policies import policies_of
from so8t_evaluator.thresholds import decided_by
from so8t_shared.config.model import AbTest
from so8t_shared.results.asking import AskedFile, Asking
from so8t_shared.results.evaluation import AnswerLimit, EvaluationResult
from so8t_shared.results.sides import SIDES
from so8t_shared.tables.quantizations import Quantization

QUANTIZATIONS: list[Quantization] = ["q4_k_m", "f16"]
TARGETS = {"false_allow": 0.05, "escalate": 0.9}


@cache
def evidence() -> Evidence:
    """Random answers of both models at two quantizations, to validation and test rows."""
    rng = np.random.default_rng(4)
    grid = [(side, quantization) for quantization in QUANTIZATIONS for side in SIDES]
    asking = Asking(
        primary_quantization="q4_k_m",
        quantizations=QUANTIZATIONS,
        scorings=["logprob"],
        engine=ENGINE,
        answer_limit=AnswerLimit(max_new_tokens=48, longest_target_tokens=None),
        speed=[],
        files=[
            AskedFile(model=side, quantization=quantization, sha256=f"{number:064x}")
            for number, (side, quantization) in enumerate(grid)
        ],
    )
    test, validation = (
        [s for side, quantization in grid for s in draw(rng, prefix=part, model=side, quantization=quantization)]
        for part in ("t", "v")
    )
    return Evidence(asking, test, [], validation=validation)


@cache
def result() -> EvaluationResult:
    """What is concluded from them."""
    return conclude(evidence(), AbTest.model_validate({"bootstrap_resamples": 100, "policy": TARGETS}))


def test_shares_are_counts_of_the_rows() -> None:
    """On validation and test rows, each share is what counting the policy's decisions gives."""
    found = result().policy
    assert found is not None
    assert [(each.model, each.quantization) for each in found.fitted] == [
        (side, quantization) for quantization in QUANTIZATIONS for side in SIDES
    ]
    for samples, part in ((evidence().validation, "validation"), (evidence().samples, "test")):
        given = by_setting(samples)
        for each in found.fitted:
            rows, shares = decided_by(each, given[each.model, each.quantization, "logprob"]), getattr(each, part)
            harmful = rows.harmful
            assert harmful.sum() == 200
            assert shares.false_allow.value == rows.allowed()[harmful].mean()
            assert shares.escalate.value == rows.escalated.mean()
            assert shares.error.value == rows.wrong[~rows.escalated].mean()
            assert shares.false_allow.low < shares.false_allow.value < shares.false_allow_bound < 0.1
    assert {each.validation.outcome for each in found.fitted} == {"met"}


def test_the_most_precise_policy_at_other_quantizations() -> None:
    """Its temperature and thresholds decide the other file's answers; at itself there is nothing to compare."""
    found = result().policy
    assert found is not None
    assert found.most_precise == "f16"
    given = by_setting(evidence().samples)
    for side in SIDES:
        assert found.of(side, "f16").most_precise is None
        lent = found.of(side, "q4_k_m").most_precise
        assert lent is not None
        rows = decided_by(found.of(side, "f16"), given[side, "q4_k_m", "logprob"])
        assert lent.escalate.value == rows.escalated.mean()
        assert lent != found.of(side, "q4_k_m").test


def test_the_curve_passes_no_threshold() -> None:
    """It ends where every row that is not answered ESCALATION is decided, at more than the policy decides."""
    found = result().policy
    assert found is not None
    for each in found.fitted:
        assert each.curve[-1].coverage > 1 - each.test.escalate.value
        coverage = [point.coverage for point in each.curve]
        assert coverage == sorted(coverage)


def test_served() -> None:
    """policy.json has model B's policies alone, each with the digest of its file."""
    found = result().policy
    assert found is not None
    served = found.served()
    for quantization in QUANTIZATIONS:
        fitted = found.of("b", quantization)
        policy = served.of(fitted.model_sha256)
        assert policy is not None
        assert policy.model_dump() == fitted.model_dump(include=set(policy.model_dump()))
    assert served.of(found.of("a", "f16").model_sha256) is None


def test_each_outcome_is_said() -> None:
    """Lines name the file and both outcomes."""
    found = result().policy
    assert found is not None
    lines = found.lines()
    assert [line.partition(":")[0] for line, _ in lines] == [
        f"policy, {each.model.upper()} {each.quantization}" for each in found.fitted
    ]
    assert [outcome for _, outcome in lines] == [each.validation.outcome for each in found.fitted]


def test_read_again() -> None:
    """The result survives its JSON, thresholds to the last digit."""
    again = EvaluationResult.from_bytes(result().to_bytes(), "evaluation.json")
    assert again.policy == result().policy


def test_without_targets() -> None:
    """Nobody asks for policies that are not configured."""
    with pytest.raises(ValueError, match="policy"):
        policies_of(evidence().asking, [], {}, AbTest(), AbTest())
