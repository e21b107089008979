"""How B was made."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.reporter.builders_upstream import TRAINING_CONFIG
from tests.unit.reporter.rendering import text_report

from so8t_reporter.document import Code, Facts, Paragraph
from so8t_reporter.inputs import ReportInputs


def facts_of(inputs: ReportInputs) -> dict[str, str]:
    section = next(s for s in text_report(inputs).sections if s.anchor == "training")
    return {name: value for block in section.blocks if isinstance(block, Facts) for name, value in block.items}


def test_facts(inputs: ReportInputs) -> None:
    """Method, size, loss, time with its host, and the gates' health."""
    facts = facts_of(inputs)
    assert facts["Method"] == "LoRA adapter"
    assert facts["Rows"] == "1,280 in the set, 480 seen, counting repetitions"
    assert facts["Parameters trained"] == "2,503,680 of 137,018,688 (1.8%)"
    first, last = inputs.points[0].loss, inputs.points[-1].loss
    assert facts["Loss, first and last step"] == f"{first:.3g}, {last:.3g}"
    assert facts["Time in optimizer steps"] == "2 min 54 s on workbench"
    assert facts["Orthogonality error"].startswith("4.2e-07 ")
    assert facts["Determinant of R"].startswith("0.9999994 to 1.0000005 ")


@pytest.mark.parametrize(
    ("figures", "remarks"),
    [
        ({"orthogonality_error": 0.01, "determinant_min": 0.99, "determinant_max": 1.01}, 0),
        ({"orthogonality_error": 0.0101}, 1),
        ({"orthogonality_error": float("nan")}, 1),
        ({"determinant_min": 0.98}, 1),
        ({"determinant_max": float("nan"), "orthogonality_error": 1.0}, 2),
    ],
)
def test_gates_that_are_no_rotations(inputs: ReportInputs, figures: dict[str, float], remarks: int) -> None:
    """A figure beyond the budget of 0.01 is told before all others."""
    changed = replace(inputs, training=inputs.training.model_copy(update=figures))
    section = next(s for s in text_report(changed).sections if s.anchor == "training")
    assert len([block for block in section.blocks if isinstance(block, Paragraph)]) == remarks


def test_validation(inputs: ReportInputs) -> None:
    """Rows, best and last with chance beside them; whose weights B has, if not the last; none is said as well."""
    facts = facts_of(inputs)
    assert facts["Validation"] == "64 rows, neither trained on nor tested"
    assert facts["Best, after step 42"].startswith("loss 0.3, decision loss 0.9 (chance: 1.39), macro-F1 0.750")
    assert facts["Last"].startswith("loss 0.6, decision loss 0.93")
    assert not {"Ended early", "Weights of B"} & set(facts)
    ended = inputs.training.model_copy(update={"stopped_early": True, "weights_step": 42})
    assert {"Ended early", "Weights of B"} <= set(facts_of(replace(inputs, training=ended)))
    none = inputs.training.model_copy(update={"best_validation": None, "last_validation": None})
    assert facts_of(replace(inputs, training=none))["Validation"] == "none"


def test_configuration_is_shown(inputs: ReportInputs) -> None:
    """The resolved configuration stands there as it is."""
    section = next(s for s in text_report(inputs).sections if s.anchor == "training")
    assert [block.text for block in section.blocks if isinstance(block, Code)] == [TRAINING_CONFIG]


def test_untrained(sparse: ReportInputs) -> None:
    """Zero steps are said clearly, and losses are undefined."""
    section = next(s for s in text_report(sparse).sections if s.anchor == "training")
    (remark,) = [block for block in section.blocks if isinstance(block, Paragraph)]
    assert remark.text.startswith("No optimizer step was taken")
    assert facts_of(sparse)["Loss, first and last step"] == "undefined, undefined"


def test_without_gates(inputs: ReportInputs) -> None:
    """Training without gates shows none of their figures."""
    changed = replace(inputs, training=inputs.training.model_copy(update={"gates": 0, "method": "full"}))
    facts = facts_of(changed)
    assert (facts["SO8T gates"], facts["Method"]) == ("none", "all weights")
    assert "Determinant of R" not in facts
