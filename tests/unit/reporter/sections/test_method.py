"""Notes on the method."""

from __future__ import annotations

import re

import pytest

from so8t_reporter.sections.method import NOTES
from so8t_shared.tables import scorings


@pytest.mark.parametrize(("title", "text"), NOTES)
def test_three_plain_sentences(title: str, text: str) -> None:
    """Each note is three sentences, none of them long; that on scorings has one for each and one more."""
    sentences = re.split(r"(?<=\.)\s+", text)
    assert len(sentences) == (len(scorings.ROWS) + 1 if title == "Scoring" else 3), title
    assert all(sentence.endswith(".") and len(sentence.split()) <= 36 for sentence in sentences)
