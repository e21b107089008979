"""Notes on the method."""

from __future__ import annotations

import re

import pytest

from so8t_reporter.sections.method import NOTES


@pytest.mark.parametrize(("title", "text"), NOTES)
def test_three_plain_sentences(title: str, text: str) -> None:
    """Each note is three sentences, none of them long."""
    sentences = re.split(r"(?<=\.)\s+", text)
    assert len(sentences) == 3, title
    assert all(sentence.endswith(".") and len(sentence.split()) <= 36 for sentence in sentences)
