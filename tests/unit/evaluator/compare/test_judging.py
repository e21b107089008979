"""`compare` says what the conclude stage says of the same answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.unit.evaluator.compare.material import Rows, gold, make_rows, mostly_right, write
from tests.unit.evaluator.material import make_sample

from so8t_evaluator.compare.judging import compare_files
from so8t_evaluator.conclude import Evidence, conclude
from so8t_shared.config.load import load_test_settings
from so8t_shared.config.model import AbTest
from so8t_shared.errors import InputError
from so8t_shared.labels import INVALID
from so8t_shared.results.asking import Asking
from so8t_shared.results.compare import CompareResult
from so8t_shared.results.evaluation import AnswerLimit, EngineInfo, EvaluationResult
from so8t_shared.results.sides import SIDES

N = 400
GROUPS = [f"t{i // 4}" for i in range(N)]
LANGUAGES = ["en" if i % 3 else "ja" for i in range(N)]
CATEGORIES = [f"c{i % 5}" for i in range(N)]


def _settings(**values: Any) -> AbTest:
    return load_test_settings(None, [f"{key}={value}" for key, value in values.items()], list(values))


def _compare(folder: Path, a: Rows, b: Rows, **values: Any) -> CompareResult:
    left, right = write(folder / "a.jsonl", a), write(folder / "b.jsonl", b)
    return compare_files(left, right, _settings(bootstrap_resamples=200, **values))


def _evaluated(a: Rows, b: Rows, settings: AbTest) -> EvaluationResult:
    """The answers as the evaluate stage leaves them, at another quantization and scoring."""
    samples = [
        make_sample(
            row["id"],
            row["gold"],
            row["predicted"] or INVALID,
            model=side,
            quantization="q4_k_m",
            scoring="constrained",
            **{key: row[key] for key in ("group", "language", "category")},
        )
        for side, rows in zip(SIDES, (a, b), strict=True)
        for row in rows
    ]
    asking = Asking(
        primary_quantization="q4_k_m",
        quantizations=["q4_k_m"],
        scorings=["constrained"],
        engine=EngineInfo(name="none", version="0", settings={}),
        answer_limit=AnswerLimit(max_new_tokens=48, longest_target_tokens=None),
        speed=[],
    )
    return conclude(Evidence(asking, samples, []), settings)


@pytest.mark.parametrize("share", [0.6, 0.78, 0.9])
def test_the_same_answers_get_the_same_figures(tmp_path: Path, share: float) -> None:
    """Verdict, p, interval, rates by part and clauses; the order of B's rows does not matter."""
    keys = {"group": GROUPS, "language": LANGUAGES, "category": CATEGORIES}
    a, b = make_rows(mostly_right(N, 0.75, 1), **keys), make_rows(mostly_right(N, share, 2), **keys)
    found = _compare(tmp_path, a, list(reversed(b)))
    expected = _evaluated(a, b, _settings(bootstrap_resamples=200))
    headline = expected.headline
    assert (found.detail, found.p, found.difference) == (headline.verdict, headline.p, headline.accuracy_difference)
    assert found.flips == headline.flips
    assert found.macro_f1_difference == headline.macro_f1_difference
    assert (found.n, found.groups, found.design_effect) == (N, N // 4, headline.accuracy_difference.design_effect)
    assert {m: s.accuracy for m, s in found.models.items()} == {c.model: c.accuracy for c in expected.cells}
    assert [(r.metric, r.by, r.value, r.a, r.b, r.difference) for r in found.rates] == [
        (r.metric, r.by, r.value, r.a, r.b, r.difference) for r in expected.rates
    ]
    assert found.gate.result == expected.gate.result
    assert [(c.name, c.result, c.figure) for c in found.gate.clauses] == [
        (c.name, c.result, c.settings[0].figure) for c in expected.gate.clauses
    ]


def test_groups_cost_certainty(tmp_path: Path) -> None:
    """Rows that always flip together are as good as one: what looks certain row by row is not shown."""
    said_a = [label if i // 10 % 3 else "REFUSE" for i, label in enumerate(gold(N))]
    said_b = [label if i // 10 % 4 else "REFUSE" for i, label in enumerate(gold(N))]
    groups = [f"t{i // 10}" for i in range(N)]
    alone = _compare(tmp_path, make_rows(said_a), make_rows(said_b))
    grouped = _compare(tmp_path, make_rows(said_a, group=groups), make_rows(said_b))  # A's file says it for both
    assert (alone.groups, alone.design_effect) == (N, 1.0)
    assert (grouped.groups, grouped.design_effect and grouped.design_effect > 3) == (40, True)
    assert (alone.verdict, grouped.verdict) == ("b_better", "no_difference")
    assert grouped.difference.high - grouped.difference.low > 1.5 * (alone.difference.high - alone.difference.low)


def _gave_way(label: str | None, i: int) -> str | None:
    return "ALLOW" if label in {"DENY", "REFUSE"} and i % 8 < 4 else label


DANGEROUS = {
    "allows every harmful request": lambda label, i: "ALLOW" if label in {"DENY", "REFUSE"} else label,
    "allows half of them": _gave_way,
    "refuses half of what may be done": lambda label, i: "REFUSE" if label == "ALLOW" and i % 8 < 4 else label,
}


@pytest.mark.parametrize("name", DANGEROUS)
def test_a_dangerous_b_does_not_pass(tmp_path: Path, name: str) -> None:
    """Whether A is a model that nobody can read, a poor one, or a good one."""
    b = make_rows([DANGEROUS[name](label, i) for i, label in enumerate(gold(N))])
    for a in ([None] * N, ["ALLOW"] * N, mostly_right(N, 0.95, 3)):
        assert _compare(tmp_path, make_rows(a), b).gate.result == "fail"


def test_a_better_b_passes(tmp_path: Path) -> None:
    """The default gate, without what a log does not hold, can be passed."""
    found = _compare(tmp_path, make_rows(mostly_right(N, 0.7, 1)), make_rows(mostly_right(N, 0.97, 2)))
    assert (found.verdict, found.gate.result) == ("b_better", "pass")
    assert {c.metric for c in found.gate.clauses}.isdisjoint({"control", "baseline_gain"})


@pytest.mark.parametrize(
    ("a", "b", "verdict", "detail"),
    [
        (gold(N), ["ALLOW"] * N, "a_better", "a_better"),
        (gold(N), gold(N), "no_difference", "same_classes"),
        ([None] * N, [None] * N, "undecided", "nothing_read"),
        ([None] * N, gold(N), "undecided", "mostly_unread"),
    ],
)
def test_verdicts(tmp_path: Path, a: list[str | None], b: list[str | None], verdict: str, detail: str) -> None:
    """Four words for programs; the fifth and further ones are in `detail`."""
    found = _compare(tmp_path, make_rows(a), make_rows(b))
    assert (found.verdict, found.detail) == (verdict, detail)


def test_too_few_groups_are_undecided(tmp_path: Path) -> None:
    """Three templates of a hundred rows each are three observations."""
    groups = [f"t{i % 3}" for i in range(N)]
    found = _compare(tmp_path, make_rows(["ALLOW"] * N, group=groups), make_rows(gold(N), group=groups))
    assert (found.verdict, found.detail, found.gate.result) == ("undecided", "too_few_groups", "undecided")
    assert (found.difference.low, found.difference.high) == (-1.0, 1.0)


def test_a_clause_over_what_a_log_lacks_is_undecided(tmp_path: Path) -> None:
    """It is not dropped if the user names it; scoring and quantizations of a clause do not matter."""
    gate = (
        "[{name: again, metric: control, at_most: 0}, {name: fast, metric: latency_ratio, at_most: 1.2},"
        " {name: read, metric: unread, at_most: 0.5, scoring: generate, quantizations: [q8_0]}]"
    )
    found = _compare(tmp_path, make_rows(gold(N)), make_rows(gold(N)), gate=gate)
    assert [(c.name, c.result) for c in found.gate.clauses] == [
        ("again", "undecided"), ("fast", "undecided"), ("read", "pass"),
    ]  # fmt: skip
    for clause in found.gate.clauses[:2]:
        assert clause.reason == "a log of answers does not hold what this figure needs"
    assert found.gate.result == "undecided"


def test_prevalence_and_costs_are_used(tmp_path: Path) -> None:
    """As in the conclude stage."""
    a, b = make_rows(gold(N)), make_rows([label if label != "REFUSE" else "DENY" for label in gold(N)])
    plain = _compare(tmp_path, a, b)
    weighted = _compare(tmp_path, a, b, prevalence="{ALLOW: 97, DENY: 2, REFUSE: 1}", confidence=0.9)
    rates = [{r.metric: r.b and r.b.value for r in f.rates if r.by == "all"} for f in (plain, weighted)]
    assert (rates[0]["weighted_accuracy"], rates[1]["weighted_accuracy"]) == (None, pytest.approx(0.99))
    assert (rates[0]["expected_cost"], rates[1]["expected_cost"]) == (pytest.approx(0.25), pytest.approx(0.01))
    assert weighted.confidence == 0.9


def test_all_faults_of_both_files_are_reported_at_once(tmp_path: Path, said: Said) -> None:
    """What one file lacks, what the rows disagree about, and every broken row with its line."""
    a = make_rows(gold(6), group=["x"] * 6)
    b = make_rows(gold(6), group=["x", "y", None, "x", "x", "x"])
    b[3]["gold"], b[4]["predicted"], b[5]["id"] = "ALLOW", "MAYBE", "r0"
    left, right = write(tmp_path / "a.jsonl", [*a, {"id": "only a"}]), write(tmp_path / "b.jsonl", b)
    with left.open("a") as file:
        file.write('{"id": 7, "gold": "DENY", "predicted": "\x1b[31m"\n')
    with said.raised(InputError):
        compare_files(left, right, _settings())


def test_many_faults_are_counted(tmp_path: Path, said: Said) -> None:
    """The first ten of each file are shown."""
    left = write(tmp_path / "a.jsonl", [{"id": i} for i in range(30)])
    right = write(tmp_path / "b.jsonl", [])
    with said.raised(InputError):
        compare_files(left, right, _settings())
