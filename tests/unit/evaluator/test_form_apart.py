"""Form apart from decisions, where some answers cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.evaluator.compare.material import gold, make_rows, write
from tests.unit.evaluator.judged import GOLD, judged
from tests.unit.evaluator.material import make_samples

from so8t_evaluator.compare.judging import compare_files
from so8t_evaluator.comparison import adjust, compare
from so8t_shared.config.model import AbTest
from so8t_shared.labels import INVALID, LABELS
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.interval import Interval

SETTINGS = AbTest(bootstrap_resamples=100)
ROWS = len(GOLD)


def _unread(said: list[str], share: float) -> list[str]:
    """The first answers cannot be read."""
    return [INVALID] * round(share * len(said)) + said[round(share * len(said)) :]


def _wrong(rows: range) -> list[str]:
    """All right but for some rows."""
    return [LABELS[(LABELS.index(g) + 1) % 4] if i in rows else g for i, g in enumerate(GOLD)]


def _compared(a: list[str], b: list[str]) -> Comparison:
    return compare("B vs A", make_samples(GOLD, a), make_samples(GOLD, b, model="b"), SETTINGS)


def test_form_alone() -> None:
    """A is right whenever it can be read, which is 55% of the time: B gains form, and no decision."""
    found = _compared(_unread(GOLD, 0.45), GOLD)
    assert (found.p < 0.001, found.verdict) == (True, "form_only")
    assert found.read_from_both is not None
    assert (found.read_from_both.n, found.read_from_both.both_right, found.read_from_both.p_value) == (
        round(0.55 * ROWS),
        round(0.55 * ROWS),
        1.0,
    )
    assert found.read_from_both.parts(found.accuracy_difference.value, ROWS) == pytest.approx((0.45, 0.0))


def test_both() -> None:
    """40 decisions gained among the rows that could be read, beside the form."""
    found = _compared(_unread(_wrong(range(ROWS - 40, ROWS)), 0.45), GOLD)
    assert found.verdict == "b_better"
    assert found.read_from_both is not None
    assert (found.read_from_both.only_a_right, found.read_from_both.only_b_right) == (0, 40)
    assert found.read_from_both.parts(found.accuracy_difference.value, ROWS) == pytest.approx((0.45, 40 / ROWS))


def test_worse_decisions_in_a_better_form() -> None:
    """B loses 40 decisions and gains more by its form: it is not called better."""
    found = _compared(_unread(GOLD, 0.45), _wrong(range(ROWS - 40, ROWS)))
    assert (found.accuracy_difference.value > 0, found.p < 0.05, found.verdict) == (True, True, "form_only")
    assert found.read_from_both is not None
    assert found.read_from_both.p_value < 0.001


def test_all_read() -> None:
    """Nothing to tell apart."""
    assert _compared(GOLD, GOLD).read_from_both is None


def test_no_row_read_from_both() -> None:
    """Each model was read where the other was not."""
    half = ROWS // 2
    found = _compared(_unread(GOLD, 0.5), GOLD[:half] + [INVALID] * half)
    assert found.read_from_both is not None
    assert (found.read_from_both.n, found.read_from_both.difference, found.read_from_both.p_value) == (0, None, 1.0)


def test_the_family() -> None:
    """A difference in decisions has to be shown in all rows and in those read from both, at the adjusted level."""
    strong = _compared(_wrong(range(40)), GOLD)
    weak = _compared(_unread(_wrong(range(ROWS - 6, ROWS)), 0.45), GOLD)  # p = 0.03 on the rows read from both
    assert (weak.verdict, weak.read_from_both and weak.read_from_both.p_value) == ("b_better", pytest.approx(0.03125))
    first, *others = adjust([strong, weak, weak], 0, SETTINGS.alpha)
    assert first.verdict == "b_better"
    assert [(c.verdict, c.read_from_both and c.read_from_both.p_adjusted) for c in others] == [
        ("form_only", pytest.approx(0.0625))
    ] * 2


def test_the_gate() -> None:
    """A gain of form alone does not pass the clause that B is better."""
    clause = {"name": "better", "metric": "accuracy", "better": True}
    assert judged([clause], _unread(GOLD, 0.45), GOLD).result == "undecided"
    assert judged([clause], _unread(_wrong(range(ROWS - 40, ROWS)), 0.45), GOLD).result == "pass"


def test_logs(tmp_path: Path) -> None:
    """`compare` is undecided, and holds the figures."""
    said = gold(100)
    a = write(tmp_path / "a.jsonl", make_rows([None] * 45 + said[45:]))
    found = compare_files(a, write(tmp_path / "b.jsonl", make_rows(said)), SETTINGS)
    assert (found.verdict, found.detail, found.read_from_both and found.read_from_both.n) == (
        "undecided",
        "form_only",
        55,
    )


def test_false_alarms() -> None:
    """Equal decisions, and an A that cannot be read in 45%: B is called better in about 5% of tests at most."""
    rng, gold_codes = np.random.default_rng(3), np.arange(100) % 4
    labels, called = np.array([*LABELS, INVALID]), 0
    for _ in range(150):
        said = [np.where(rng.random(100) < 0.7, gold_codes, (gold_codes + 1) % 4) for _ in "ab"]
        said[0] = np.where(rng.random(100) < 0.45, 4, said[0])
        a, b = (make_samples(labels[gold_codes].tolist(), labels[s].tolist()) for s in said)
        found = compare("B vs A", a, b, SETTINGS, macro_f1_difference=Interval(value=0, low=0, high=0))
        called += found.verdict in {"b_better", "a_better"}
        assert found.verdict in {"b_better", "a_better", "form_only", "mostly_unread", "no_difference", "tie"}
    assert called <= 9
