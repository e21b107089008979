"""Leaving out texts."""

from __future__ import annotations

import json

import pytest

from so8t_shared.bundles.texts import has_texts, texts_in, without_texts

ANSWER = {"row_id": "1", "final": "DENY", "text": "No.", "predicted": "DENY"}
ROW = {"id": "1", "text": "A", "label": "DENY", "turns": [{"role": "user", "content": "B"}], "thinking": {"task": "C"}}


@pytest.mark.parametrize(
    ("name", "line"),
    [("evaluate/samples.jsonl", ANSWER), ("evaluate/control.jsonl", ANSWER), ("train/splits/test.jsonl", ROW)],
)
def test_only_texts_are_left_out(name: str, line: dict[str, object]) -> None:
    """Keys stay, so that the file is still read as what it is."""
    data = (json.dumps(line) + "\n").encode() * 2
    left = without_texts(name, data)
    assert left is not None
    assert (texts_in(name, data), texts_in(name, left)) == (2, 0)
    first = json.loads(left.splitlines()[0])
    assert first.keys() == line.keys()
    assert {key: first[key] for key in ("row_id", "predicted", "id", "label") if key in line} == {
        key: line[key] for key in ("row_id", "predicted", "id", "label") if key in line
    }


def test_files_that_nobody_knows() -> None:
    """Unknown lines may have texts, so they stay out; documents and measurements have none."""
    assert without_texts("evaluate/other.jsonl", b"{}\n") is None
    assert has_texts("evaluate/other.jsonl")
    assert without_texts("evaluate/ladder.json", b"{}") is None
    assert has_texts("evaluate/ladder.json")
    assert without_texts("train/metrics.jsonl", b"{}\n") == b"{}\n"
    assert without_texts("conclude/evaluation.json", b"{}") == b"{}"
