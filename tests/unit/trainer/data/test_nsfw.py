"""Marks for NSFW rows are understood, or refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.messages import Said

from so8t_shared.errors import InputError
from so8t_trainer.data.rows import parse_row


def _row(mark: Any) -> dict[str, Any]:
    return {"text": "Hi", "label": "DENY", "nsfw_label": mark}


@pytest.mark.parametrize(
    "mark", [None, "", " SFW ", "safe", "Clean", "neutral", "non-nsfw", "not_nsfw", 0, 0.0, "0.0", False, float("nan")]
)
def test_marks_that_say_safe(mark: Any) -> None:
    """Words, numbers and a value that is missing."""
    assert parse_row(_row(mark), "here").nsfw is False


@pytest.mark.parametrize("mark", ["nsfw", "NSFW_soft", "unsafe", "yes", "porn", 1, 1.0, "1.0", True])
def test_marks_that_say_nsfw(mark: Any) -> None:
    """Words and numbers."""
    assert parse_row(_row(mark), "here").nsfw is True


@pytest.mark.parametrize("mark", ["suspicious", 2, 0.37])
def test_any_other_mark_is_refused(mark: Any, said: Said) -> None:
    """A guess would cost rows or safety; the error says where the row stands."""
    with said.raised(InputError, where="rows.jsonl:7"):
        parse_row(_row(mark), "rows.jsonl:7")
