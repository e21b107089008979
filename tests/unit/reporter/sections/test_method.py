"""Notes on the method."""

from __future__ import annotations

import re

import pytest
from tests.unit.reporter.builders import Evaluation, Scenario, ended_after

from so8t_reporter.document import Notes
from so8t_reporter.sections.method import NOTES, method_section
from so8t_reporter.summary import summary_sentence
from so8t_shared.tables import scorings


@pytest.mark.parametrize(("title", "text"), NOTES)
def test_three_plain_sentences(title: str, text: str) -> None:
    """Each note is three sentences, none of them long; that on scorings has one for each and one more."""
    sentences = re.split(r"(?<=\.)\s+", text)
    assert len(sentences) == (len(scorings.ROWS) + 1 if title == "Scoring" else 3), title
    assert all(sentence.endswith(".") and len(sentence.split()) <= 36 for sentence in sentences)


@pytest.mark.parametrize(("rows", "told"), [(48, "only describe"), (144, "99% intervals")])
def test_where_the_asking_ended(rows: int, told: str) -> None:
    """The summary says how many rows were saved, and the method which figures hold after it."""
    evaluation = Evaluation(Scenario(quantizations=("q4_k_m",), scorings=("generate",))).result()
    found = ended_after(rows, 144, *(["safe"] if rows < 144 else []))
    ended = evaluation.model_copy(update={"until_decided": found, "confidence": 0.99})
    assert found.ending in summary_sentence(ended)
    assert found.ending not in summary_sentence(evaluation)
    assert ("48 of 144 rows; 96 rows saved" in found.ending, "'safe'" in found.ending) == (rows < 144, rows < 144)
    (notes,) = method_section(ended).blocks
    assert isinstance(notes, Notes)
    title, text = notes.items[-1]
    assert title == "Asked until decided"
    assert found.evidence in text
    assert told in text
    (plain,) = method_section(evaluation).blocks
    assert plain == Notes(list(NOTES))
