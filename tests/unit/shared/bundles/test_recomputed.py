"""Comparing values."""

from __future__ import annotations

from typing import Any

import pytest

from so8t_shared.bundles.recomputed import differences, values_in

SAME: list[tuple[Any, Any]] = [(1, 1), (0.1 + 0.2, 0.3), (1.0, 1), (None, None), ({"a": [1]}, {"a": [1]}), (0.0, 1e-13)]
OTHER: list[tuple[Any, Any, str]] = [
    ({"a": {"b": [1, 2.5]}}, {"a": {"b": [1, 2.500001]}}, "a.b[1]"),
    ({"a": 1}, {"a": True}, "a"),
    ({"a": 0}, {"a": None}, "a"),
    ({"a": 1}, {}, "a"),
    ({}, {"b": "x"}, "b"),
    ([1], [1, 2], "all of it"),
    ({"a": "pass"}, {"a": "fail"}, "a"),
    ({"a": float("nan")}, {"a": 0.5}, "a"),
    ({"a": 1}, {"a": 2}, "a"),
]


@pytest.mark.parametrize(("recorded", "computed"), SAME)
def test_the_same(recorded: Any, computed: Any) -> None:
    """Only the last bits of a computed number may differ."""
    assert list(differences(recorded, computed, "x.json")) == []


@pytest.mark.parametrize(("recorded", "computed", "place"), OTHER)
def test_another(recorded: Any, computed: Any, place: str) -> None:
    """The file and the place are named."""
    assert [fault.where for fault in differences(recorded, computed, "x.json")] == [f"x.json: {place}"]


def test_values_are_counted() -> None:
    """Numbers, words, flags and nulls, at any depth."""
    assert values_in({"a": [1, 2, {"b": None}], "c": "x", "d": []}) == 4
