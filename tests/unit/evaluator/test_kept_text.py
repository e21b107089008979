"""What is kept of a model's words."""

from __future__ import annotations

import pytest

from so8t_evaluator.kept_text import hash_of, kept_final, kept_text

KEY = "AKIAQYLPMN5HFIQR7XYA"


def test_text_is_redacted_and_cut() -> None:
    """Short text is kept as it is; personal data is not; a long text ends with a mark within 2,000 characters."""
    assert kept_text("So <final>DENY</final>") == "So <final>DENY</final>"
    assert kept_text("Call 090-1234-5678") == "Call [redacted: phone number]"
    shown = kept_text("word " * 1_000)
    assert (len(shown), shown[-11:], shown[:5]) == (2_000, " [cut here]", "word ")
    assert kept_text("x" * 2_000) == "x" * 2_000
    assert kept_final("y" * 300) == "y" * 200


@pytest.mark.parametrize("length", [2_000, 8_000])
@pytest.mark.parametrize("before", range(0, 30, 3))
def test_no_half_secret_is_left(length: int, before: int) -> None:
    """A key across the place where the text is cut leaves nothing of itself, whatever was redacted before it."""
    for filler in ("x ", "090-1234-5678 "):
        begin = (filler * length)[: length - before]
        shown = kept_text(f"{begin} {KEY} and more " + "z " * 8_000)
        assert KEY[:8] not in shown
        assert len(shown) <= 2_000


def test_any_text() -> None:
    """A lone surrogate, which no file can hold, is replaced; the whole has a digest too."""
    assert kept_text("a\ud800b") == "a\ufffdb"
    assert len(hash_of("\ud800")) == 64
