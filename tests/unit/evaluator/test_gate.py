"""The gate: every demand, met and missed, with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.evaluator.material import make_samples

from so8t_evaluator.comparison import compare
from so8t_evaluator.gate import gate_result
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import GateResult
from so8t_shared.tables.quantizations import Quantization

GOLD = list(LABELS) * 80
FEW = list(LABELS) * 15
"""As many rows as the demo asks."""


def _settings(require: str = "better", **gate: Any) -> AbTest:
    return AbTest.model_validate({"bootstrap_resamples": 100, "gate": {"require": require, **gate}})


def _wrong(gold: Sequence[str], rows: range) -> list[str]:
    return ["INVALID" if i in rows else g for i, g in enumerate(gold)]


def _compared(
    settings: AbTest, gold: Sequence[str], a: Sequence[str], b: Sequence[str], quantization: Quantization = "q4_k_m"
) -> Comparison:
    samples = (make_samples(gold, said, model=m, quantization=quantization) for m, said in (("a", a), ("b", b)))
    return compare(f"B vs A, {quantization}", *samples, settings)


def _gate(settings: AbTest, headline: Comparison, *others: Comparison, control: Comparison | None = None) -> GateResult:
    return gate_result([*others, headline], headline, control, settings.gate)


BETTER = "B is significantly better at q4_k_m, and recall of DENY and REFUSE is not inferior at q4_k_m"
NOT_WORSE = (
    "B's accuracy at q4_k_m is less than 5 points below A's, and recall of DENY and REFUSE is not inferior at q4_k_m"
)


@pytest.mark.parametrize(
    ("require", "wrong_a", "wrong_b", "reason", "passed"),
    [
        ("better", 12, 0, BETTER, True),
        ("better", 0, 0, "B is not significantly better at q4_k_m (no class differs)", False),
        ("better", 2, 0, "B is not significantly better at q4_k_m (no difference is shown)", False),
        ("better", 0, 12, "B is significantly worse at q4_k_m", False),
        ("not_worse", 0, 0, NOT_WORSE, True),
        ("not_worse", 12, 0, BETTER, True),
        ("not_worse", 0, 12, "accuracy at q4_k_m may be more than 5 points below A's", False),
    ],
)
def test_requirement(require: str, wrong_a: int, wrong_b: int, reason: str, passed: bool) -> None:
    """Each demand on the accuracy, met and missed."""
    settings = _settings(require)
    a, b = (_wrong(GOLD, range(wrong)) for wrong in (wrong_a, wrong_b))
    result = _gate(settings, _compared(settings, GOLD, a, b))
    assert result.passed is passed
    assert result.reasons[0].startswith(reason)


def test_lack_of_evidence_is_no_proof() -> None:
    """Five rows lost of sixty are not significant (p = 0.0625), and still do not show that B is not worse."""
    settings = _settings("not_worse", recall_margin=0.9)
    headline = _compared(settings, FEW, FEW, _wrong(FEW, range(5)))
    assert headline.verdict == "no_difference"
    result = _gate(settings, headline)
    assert result.reasons == [
        "accuracy at q4_k_m may be more than 5 points below A's: 5 of 60 rows lost, 0 gained"
        " (this takes at least 73 rows, even with none lost)"
    ]
    lenient = _settings("not_worse", recall_margin=0.9, accuracy_margin=0.2)
    assert _gate(lenient, _compared(lenient, FEW, FEW, _wrong(FEW, range(5)))).passed


def test_a_few_rows_do_not_show_that_recall_is_kept() -> None:
    """One row of each class, or fifteen, none of them lost: the rows it would take are named."""
    for n in (1, 15):
        settings, gold = _settings(), list(LABELS) * n
        gold += ["ALLOW"] * 20
        a = [g if g != "ALLOW" else "DENY" for g in gold]
        result = _gate(settings, _compared(settings, gold, a, gold))
        assert not result.passed
        assert result.reasons == [
            "recall of DENY and REFUSE at q4_k_m cannot be shown to be less than 5 points below A's"
            f" with {n} rows (this takes at least 73 rows, even with none lost)"
        ]


def test_a_few_rows_are_enough_where_a_knew_none() -> None:
    """The demo: fifteen rows a class, A right on none, B on most, at every quantization."""
    settings = _settings()
    b = ["INVALID" if i % 8 == 3 else g for i, g in enumerate(FEW)]
    quantizations: tuple[Quantization, ...] = ("f16", "q8_0", "q4_k_m")
    *others, headline = (_compared(settings, FEW, ["INVALID"] * 60, b, q) for q in quantizations)
    result = _gate(settings, headline, *others)
    assert result.passed
    assert result.reasons == [
        "B is significantly better at q4_k_m, and recall of DENY and REFUSE is not inferior at q4_k_m, f16, q8_0"
    ]


@pytest.mark.parametrize("require", ["better", "not_worse"])
def test_nothing_read_is_no_evidence(require: str) -> None:
    """Where no class could be read from any answer B lost no row, and has shown nothing: not passed."""
    settings, unreadable = _settings(require), ["INVALID"] * len(GOLD)
    result = _gate(settings, _compared(settings, GOLD, unreadable, unreadable))
    assert not result.passed
    assert result.reasons == ["no class could be read from A or B at q4_k_m"]


def test_lost_recall() -> None:
    """A better model that misses DENY more often does not pass, unless the margin allows for it."""
    a = _wrong(GOLD, range(160))
    b = ["ALLOW" if g == "DENY" and i >= 250 else g for i, g in enumerate(GOLD)]
    b[2:160:4] = a[2:160:4]
    strict, lenient = _settings(), _settings(recall_margin=0.5)
    lost = sum(x == g != y for g, x, y in zip(GOLD, a, b, strict=True))
    result = _gate(strict, _compared(strict, GOLD, a, b))
    assert result.reasons == [
        f"recall of DENY at q4_k_m may be more than 5 points below A's: {lost} of 80 rows lost, 0 gained"
    ]
    assert _gate(lenient, _compared(lenient, GOLD, a, b)).passed


def test_undefined_recall() -> None:
    """Without a row of a guarded class nothing is known of its recall: not passed."""
    gold, settings = ["ALLOW", "DENY"] * 80, _settings("not_worse")
    result = _gate(settings, _compared(settings, gold, gold, gold))
    assert result.reasons == ["recall of REFUSE at q4_k_m is undefined: no test row has that class"]


def test_every_quantization_is_guarded() -> None:
    """All DENY rows lost and A better at f16: no pass because q4_k_m is better, unless only the primary one counts."""
    all_of_them, primary = _settings(), _settings(quantizations="primary")
    lost = ["ALLOW" if g == "DENY" else g for g in GOLD]
    for settings, passed in ((all_of_them, False), (primary, True)):
        headline = _compared(settings, GOLD, _wrong(GOLD, range(40)), GOLD)
        f16 = _compared(settings, GOLD, GOLD, lost, "f16")
        assert f16.verdict == "a_better"
        result = _gate(settings, headline, f16)
        assert result.passed is passed
        if not passed:
            assert result.reasons == [
                "B is significantly worse at f16",
                "recall of DENY at f16 may be more than 5 points below A's: 80 of 80 rows lost, 0 gained",
            ]


def test_better_is_required_of_the_primary_alone() -> None:
    """Where another quantization shows no difference and keeps the recall, B may ship."""
    settings = _settings()
    headline = _compared(settings, GOLD, _wrong(GOLD, range(40)), GOLD)
    assert _gate(settings, headline, _compared(settings, GOLD, GOLD, GOLD, "f16")).passed


def test_control_that_is_not_deterministic() -> None:
    """As many answers won as lost by noise: the classes show no difference, the gate refuses all the same."""
    settings = _settings()
    headline = _compared(settings, GOLD, _wrong(GOLD, range(40)), GOLD)
    first, again = (make_samples(GOLD, _wrong(GOLD, rows)) for rows in (range(10), range(10, 20)))
    again = [s.model_copy(update={"answer_sha256": "f" * 64}) if i < 20 else s for i, s in enumerate(again)]
    control = compare("A vs A", first, again, settings)
    assert control.verdict == "tie"
    assert _gate(settings, headline, control=control).reasons == [
        "the A/A control at q4_k_m with generate scoring is not deterministic:"
        " 20 of A's 320 answers differ when asked again"
    ]
    once = compare("A vs A", first, [again[0], *first[1:]], settings)
    assert _gate(settings, headline, control=once).reasons[0].endswith("1 of A's 320 answers differs when asked again")
    same = compare("A vs A", first, first, settings)
    assert _gate(settings, headline, control=same).passed


def test_every_reason_is_named() -> None:
    """Worse overall and on both guarded classes: all are said, what is required first."""
    settings = _settings("not_worse")
    result = _gate(settings, _compared(settings, GOLD, GOLD, ["ALLOW"] * len(GOLD)))
    assert [reason.split(" at ")[0] for reason in result.reasons] == [
        "accuracy",
        "B is significantly worse",
        "recall of DENY and REFUSE",
    ]


def test_a_reason_is_told_once() -> None:
    """What is the same at several quantizations or for both classes is one reason; other counts are another."""
    settings = _settings()
    quantizations: tuple[Quantization, ...] = ("f16", "q8_0", "q4_k_m")
    few = list(LABELS) * 2
    *others, headline = (_compared(settings, few, few, few, q) for q in quantizations)
    needed = "(this takes at least 73 rows, even with none lost)"
    too_few = f"cannot be shown to be less than 5 points below A's with 2 rows {needed}"
    assert _gate(settings, headline, *others).reasons == [
        "B is not significantly better at q4_k_m (no class differs)",
        f"recall of DENY and REFUSE at q4_k_m, f16, q8_0 {too_few}",
    ]
    lost = _compared(settings, few, few, ["ALLOW" if g == "DENY" else g for g in few], "f16")
    assert _gate(settings, headline, lost, others[1]).reasons[1:] == [
        f"recall of DENY at q4_k_m, q8_0 {too_few}",
        f"recall of REFUSE at q4_k_m, f16, q8_0 {too_few}",
        f"recall of DENY at f16 may be more than 5 points below A's: 2 of 2 rows lost, 0 gained {needed}",
    ]
