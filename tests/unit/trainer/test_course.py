"""What the validations decide, as pure functions of the points."""

from __future__ import annotations

import pytest
from tests.unit.trainer.material import training

from so8t_shared.results.training import TrainingPoint, Validation
from so8t_trainer.course import best_step, is_over, weights_step


def points(*losses: float | None, f1: tuple[float, ...] = ()) -> list[TrainingPoint]:
    """One step per loss; None is a step without a validation."""
    common = {
        "loss": 1.0,
        "pet": 0.0,
        "pet_lambda": 0.0,
        "learning_rate": 1.0,
        "grad_norm": 1.0,
        "tokens": 9,
        "seconds": 1.0,
    }
    found = []
    for step, loss in enumerate(losses, 1):
        validation = None
        if loss is not None:
            score = f1[step - 1] if f1 else 0.5
            validation = Validation(rows=8, loss=loss, decision_loss=loss, accuracy=0.5, macro_f1=score, seconds=1.0)
        found.append(TrainingPoint(step=step, validation=validation, **common))
    return found


def test_the_best_step_has_the_lowest_decision_loss_or_the_highest_f1() -> None:
    """The first of equal ones; steps without a validation are never the best."""
    course = points(3.0, None, 1.0, 2.0, 1.0, f1=(0.2, 0, 0.3, 0.9, 0.1))
    assert best_step(course, training()) == 3
    assert best_step(course, training(early_stopping={"metric": "macro_f1"})) == 4
    assert best_step(points(None, None), training()) is None
    assert best_step([], training()) is None


@pytest.mark.parametrize(
    ("losses", "stopping", "over"),
    [
        ((3.0, 2.0, 2.5, 2.4), {"patience": 2}, True),
        ((3.0, 2.0, 2.5, None, None), {"patience": 2}, False),
        ((3.0, 2.0, 2.5, 1.9), {"patience": 2}, False),
        ((3.0, 2.9, 2.8), {"patience": 2, "min_delta": 0.5}, True),
        ((3.0, 2.7, 2.4), {"patience": 2, "min_delta": 0.5}, False),
        ((1.0, 2.0, 3.0), None, False),
        ((), {"patience": 1}, False),
    ],
)
def test_early_stopping(losses: tuple[float | None, ...], stopping: dict[str, object] | None, over: bool) -> None:
    """Counts validations without an improvement by at least min_delta over the last one that improved."""
    assert is_over(points(*losses), training(early_stopping=stopping)) == over


@pytest.mark.parametrize(
    ("values", "step"),
    [({}, 4), ({"keep_best": True}, 2), ({"early_stopping": {}}, 2), ({"early_stopping": {}, "keep_best": False}, 4)],
)
def test_whose_weights_are_the_result(values: dict[str, object], step: int) -> None:
    """The last step's, unless the best is kept, which early stopping implies."""
    assert weights_step(points(3.0, 1.0, None, 2.0), training(**values)) == step
    assert weights_step(points(None, None, None, None), training(**values)) == 4
    assert weights_step([], training(**values)) is None
