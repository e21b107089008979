"""B against A by language and category."""

from __future__ import annotations

from tests.unit.evaluator.material import make_row, make_sample

from so8t_evaluator.slices import MOST_LINES, OTHER, describe, slices_of
from so8t_shared.results.answers import Sample
from so8t_shared.results.training import LabeledRow


def _rows(languages: list[str], categories: list[str] | None = None) -> list[LabeledRow]:
    named = zip(languages, categories or [""] * len(languages), strict=True)
    return [
        make_row(str(i), "DENY", language=language, category=category) for i, (language, category) in enumerate(named)
    ]


def _samples(rows: list[LabeledRow], right: list[bool]) -> list[Sample]:
    """One model's answers in one setting."""
    said = ["DENY" if mark else "ALLOW" for mark in right]
    return [
        make_sample(row.id, row.label, answer, language=row.language, category=row.category)
        for row, answer in zip(rows, said, strict=True)
    ]


def test_describe() -> None:
    """Counts by class, absent ones too, and by language."""
    rows = [
        make_sample(str(i), gold, "ALLOW", language=language)
        for i, (gold, language) in enumerate([("DENY", "ja"), ("DENY", "en"), ("ALLOW", "unknown")])
    ]
    found = describe(rows)
    assert found.n == 3
    assert found.by_label == {"ALLOW": 1, "ESCALATION": 0, "DENY": 2, "REFUSE": 0}
    assert found.by_language == {"en": 1, "ja": 1, "unknown": 1}


def test_counts() -> None:
    """Each value has its rows, both models' right answers, gained and lost; Holm stays within the table."""
    rows = _rows(["ja"] * 8 + ["en"] * 4, ["x", "y"] * 6)
    a, b = [False] * 7 + [True] * 5, [True] * 7 + [False, True, True, False, True]
    found = slices_of(_samples(rows, a), _samples(rows, b), "exact")
    counted = [(s.by, s.value, s.n, s.reference_right, s.other_right, s.gained, s.lost) for s in found]
    assert counted == [
        ("language", "ja", 8, 1, 7, 7, 1),
        ("language", "en", 4, 4, 3, 0, 1),
        ("category", "x", 6, 2, 5, 4, 1),
        ("category", "y", 6, 3, 5, 3, 1),
    ]
    japanese = found[0]
    assert japanese.p_value == 2 * 9 / 2**8
    assert japanese.p_adjusted == 2 * japanese.p_value
    assert japanese.difference == 6 / 8


def test_one_value_is_no_table() -> None:
    """Where all rows share a language and none has a category, there is nothing to slice."""
    rows = _rows(["en"] * 3)
    assert slices_of(_samples(rows, [True] * 3), _samples(rows, [True] * 3), "exact") == []


def test_smallest_are_gathered() -> None:
    """Beyond 20 lines the smallest values share the last one; no row is left out, no value named other is mixed up."""
    names = [OTHER] * 3 + [f"topic {i:02d}" for i in range(30) for _ in range(2)]
    rows = _rows(["en"] * len(names), names)
    found = slices_of(_samples(rows, [True] * len(rows)), _samples(rows, [False] * len(rows)), "exact")
    assert len(found) == MOST_LINES == 20
    assert (found[0].value, found[0].n, found[0].gathered) == (OTHER, 3, 1)
    assert (found[-1].value, found[-1].n, found[-1].gathered) == (OTHER, 2 * 12, 12)
    assert sum(s.n for s in found) == len(rows)
    assert sum(s.gathered for s in found) == 31


def test_exactly_twenty_stand_alone() -> None:
    """Twenty values need no gathering."""
    rows = _rows(["en"] * 20, [f"{i:02d}" for i in range(20)])
    found = slices_of(_samples(rows, [True] * 20), _samples(rows, [True] * 20), "exact")
    assert [(s.value, s.gathered) for s in found] == [(f"{i:02d}", 1) for i in range(20)]
