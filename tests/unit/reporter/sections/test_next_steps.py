"""What speaks against B beside the headline, and what the figures suggest to do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.unit.reporter.builders import Evaluation, Scenario, ended_after
from tests.unit.reporter.builders_upstream import training_points

from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.against import against
from so8t_reporter.sections.next_steps import loss_fall, next_steps
from so8t_shared.results.evaluation import AnswerLimit, EvaluationResult
from so8t_shared.results.paired import QuantizationLoss
from so8t_shared.results.training import TrainingPoint

ONE = {"quantizations": ("q8_0",), "scorings": ("generate",)}


def losses(*values: float) -> list[TrainingPoint]:
    point = training_points(1)[0]
    return [point.model_copy(update={"step": i, "loss": value}) for i, value in enumerate(values, 1)]


def steps_for(inputs: ReportInputs, evaluation: EvaluationResult, **changed: object) -> str:
    return "\n".join(next_steps(ReportInputs(**(vars(inputs) | {"evaluation": evaluation} | changed))))


def test_loss_that_falls() -> None:
    """A steady fall is seen in nine steps, with its share over the last half."""
    found = loss_fall(losses(*(3.0 * 0.8**i for i in range(9))))
    assert found is not None
    assert found[0] == 4
    assert found[1] == pytest.approx(1 - 0.8**2)


@pytest.mark.parametrize(
    "values",
    [
        (),
        (3.0, 2.0, 1.0),
        (2.0,) * 12,
        tuple(1 + 0.0001 * (12 - i) for i in range(12)),
        tuple(math.exp(-i) for i in range(6)) + (0.01,) * 12,
        (1.0, 2.0) * 6,
        tuple(float(i) for i in range(12)),
    ],
    ids=["none", "too few", "flat", "hardly", "settled", "jumping", "rising"],
)
def test_loss_that_does_not(values: tuple[float, ...]) -> None:
    """No advice from too few steps, noise, a settled or a rising loss."""
    assert loss_fall(losses(*values)) is None


def test_noise_seldom_looks_like_a_fall() -> None:
    """A loss without a trend is called falling in about 5% of runs at most."""
    rng = np.random.default_rng(3)
    runs = [loss_fall(losses(*np.exp(rng.normal(0, 0.5, 20)))) for _ in range(1000)]
    assert sum(run is not None for run in runs) <= 60


def test_trained_too_short(inputs: ReportInputs) -> None:
    """The number of steps and the fall are named; without any step, that is said instead."""
    points = losses(*(3.0 * 0.8**i for i in range(9)))
    training = inputs.training.model_copy(update={"steps": 9})
    found = steps_for(inputs, inputs.evaluation, points=points, training=training)
    assert "B was trained for 9 steps and its loss still falls, by 36% over the last 4" in found
    none = inputs.training.model_copy(update={"steps": 0})
    assert "no optimizer step was taken" in steps_for(inputs, inputs.evaluation, points=[], training=none)


@pytest.mark.parametrize(
    ("last", "weights", "rise"),
    [(1.2, 60, True), (0.93, 60, False), (0.9, 60, False), (1.2, 42, False)],
    ids=["risen", "hardly", "flat", "the best is kept"],
)
def test_validation_that_has_risen(inputs: ReportInputs, last: float, weights: int, rise: bool) -> None:
    """Says since which step, and to train less instead of longer; not where B has the best step's weights."""
    training = inputs.training
    assert training.last_validation is not None
    end = training.last_validation.model_copy(update={"decision_loss": last})
    changed = training.model_copy(update={"last_validation": end, "weights_step": weights})
    points = losses(*(3.0 * 0.8**i for i in range(9)))
    found = steps_for(inputs, inputs.evaluation, training=changed, points=points)
    assert ("validation loss has risen since step 42, by 33%" in found) == rise
    assert ("still falls" in found) != rise


@pytest.mark.parametrize(("loss", "chance"), [(1.4, True), (1.33, True), (1.2, False)])
def test_a_decision_at_chance(inputs: ReportInputs, loss: float, chance: bool) -> None:
    """A form that was learned without the class is told, whatever the training loss."""
    training = inputs.training
    assert training.last_validation is not None
    end = training.last_validation.model_copy(update={"decision_loss": loss})
    found = steps_for(inputs, inputs.evaluation, training=training.model_copy(update={"last_validation": end}))
    assert ("1.39 is chance" in found) == chance


def test_dangers_to_read(inputs: ReportInputs) -> None:
    """The number of dangerous answers is that of the table, and the reader is sent to the explorer."""
    asked = [s for s in inputs.samples if (s.model, s.quantization, s.scoring) == ("b", "q4_k_m", "constrained")]
    n = sum(s.gold != "ALLOW" and s.predicted == "ALLOW" for s in asked)
    assert n > 1
    assert f"Read the {n} requests that B wrongly allowed" in steps_for(inputs, inputs.evaluation)


def test_rows_that_were_saved(inputs: ReportInputs) -> None:
    """After an early end all rows are asked first; a clause that no row can save is not counted."""
    few = Evaluation(Scenario(**ONE, support=dict.fromkeys(("ALLOW", "ESCALATION", "DENY", "REFUSE"), 12))).result()
    required = [c for c in few.gate.clauses if c.required and any(s.figure for s in c.settings)]
    undecided = [c.name for c in required if c.result == "undecided"]
    assert len(undecided) > 1
    early = few.model_copy(update={"until_decided": ended_after(48, 144, undecided[0])})
    found = steps_for(inputs, early)
    assert f"Ask all rows (without --until-decided): 48 rows leave {len(undecided) - 1} required" in found


def test_more_rows(inputs: ReportInputs) -> None:
    """Few rows leave clauses undecided, and the step counts them; rows that decide everything ask for nothing."""
    few = Scenario(skill_a=0.5, skill_b=0.6, support=dict.fromkeys(("ALLOW", "ESCALATION", "DENY", "REFUSE"), 10))
    evaluation = Evaluation(few).result()
    found = steps_for(inputs, evaluation)
    assert "Test more rows: 40 rows leave " in found
    assert evaluation.plan.rows_for_gate is not None
    assert f"; about {evaluation.plan.rows_for_gate:,} are needed." in found
    assert "Test more rows" not in steps_for(inputs, inputs.evaluation)


def test_format_only(inputs: ReportInputs) -> None:
    """Where free text alone was scored and mostly unread, another scoring is suggested; a low limit is named."""
    evaluation = inputs.evaluation.model_copy(
        update={"answer_limit": AnswerLimit(max_new_tokens=12, longest_target_tokens=30)}
    )
    assert "Raise ab_test.max_new_tokens from 12 to at least 30" in steps_for(inputs, evaluation)
    unread = Evaluation(Scenario(**ONE))
    unread.answers = {key: ["INVALID"] * len(found) for key, found in unread.answers.items()}
    assert "Add a scoring without free text" in steps_for(inputs, unread.result())


def test_baseline_against() -> None:
    """A B that is no better than counting words gets a step with the figures; a better one does not."""
    weak = against(Evaluation(Scenario(skill_a=0.4, skill_b=0.5, **ONE)).result())
    assert any("B does not beat counting words: B got " in line for line in weak)
    assert not any("counting words" in line for line in against(Evaluation(Scenario(**ONE)).result()))


def test_quantization_against(inputs: ReportInputs) -> None:
    """Only significant losses of B count."""
    loss = QuantizationLoss(
        n=320, reference_right=300, other_right=270, gained=2, lost=32, difference=-30 / 320, p_value=0.001,
        p_adjusted=0.004, model="b", scoring="constrained", reference="f16", quantization="q4_k_m",
    )  # fmt: skip
    others = [loss.model_copy(update=change) for change in ({"model": "a"}, {"p_adjusted": 0.2}, {"difference": 0.1})]
    evaluation = inputs.evaluation.model_copy(update={"quantization_losses": [*others, loss]})
    lines = [line for line in against(evaluation) if line.startswith("Quantization")]
    assert lines == ["Quantization costs B 9.4 points at q4_k_m with constrained scoring, against f16 (p = 0.004)."]
    assert "Consider shipping f16 instead of q4_k_m" in steps_for(inputs, evaluation)


def test_danger_elsewhere(inputs: ReportInputs) -> None:
    """A setting with more dangerous answers than the table shows is named."""
    rates = [
        r.model_copy(update={"b": r.b.model_copy(update={"value": 0.5})})
        if r.b and (r.metric, r.quantization, r.scoring, r.by) == ("false_allow", "q8_0", "generate", "all")
        else r
        for r in inputs.evaluation.rates
    ]
    found = against(inputs.evaluation.model_copy(update={"rates": rates}))
    assert "Should be stopped, was allowed: 79 of 158 at q8_0 with generate scoring, more than in the table." in found


def test_control_against(inputs: ReportInputs) -> None:
    """A control that differs comes first: nothing else can be trusted."""
    assert inputs.evaluation.control is not None
    control = inputs.evaluation.control.model_copy(update={"differing_answers": 3})
    evaluation = inputs.evaluation.model_copy(update={"control": control})
    assert against(evaluation)[0].endswith("so no other figure can be trusted.")
    assert next_steps(ReportInputs(**(vars(inputs) | {"evaluation": evaluation})))[0].startswith("Find out why")
