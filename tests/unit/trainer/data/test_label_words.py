"""Words, names and numbers for the classes."""

from __future__ import annotations

import pytest

from so8t_shared.labels import LABELS
from so8t_trainer.data.label_words import LabelWords, folded


@pytest.mark.parametrize(
    ("value", "label", "number"),
    [
        ("deny", "DENY", False),
        ("ESCALATE", "ESCALATION", False),
        ("ＤＥＮＹ", "DENY", False),
        (2, "DENY", True),
        ("2", "DENY", True),
        ("1.0", "ESCALATION", True),
        (3.0, "REFUSE", True),
        ("０", "ALLOW", True),
        ("拒否", "DENY", False),
        ("許可", "ALLOW", False),
        ("拒絶", "REFUSE", False),
        ("エスカレーション", "ESCALATION", False),
    ],
)
def test_what_a_value_means(value: object, label: str, number: bool) -> None:
    """Names in any case and width, ids in any spelling, and the common words."""
    found = LabelWords().meaning(value)
    assert found is not None
    assert (found.label, found.number) == (label, number)
    assert bool(found.word) == (not number and str(value).upper() not in {*LABELS, "ESCALATE", "ＤＥＮＹ"})


@pytest.mark.parametrize("value", [True, "1.5", 4, "4.0", "maybe", "DENY ALLOW", "-1", ""])
def test_what_means_nothing(value: object) -> None:
    """Anything else is no class; a truth value is not a number here."""
    assert LabelWords().meaning(value) is None


def test_the_data_sets_own_words_come_first() -> None:
    """Also before names and ids, for a set that numbers its classes in another order."""
    words = LabelWords({folded("危険"): "REFUSE", folded("1"): "DENY", folded("拒否"): "REFUSE"})
    found = [words.meaning(value) for value in ("危険", 1, "拒否")]
    assert [meaning.label for meaning in found if meaning] == ["REFUSE", "DENY", "REFUSE"]


def test_an_answer_may_be_dressed() -> None:
    """Punctuation and markdown around the label are no part of it; a sentence is no label."""
    words = LabelWords()
    found = [words.answer(text) for text in ("**DENY**", "DENY.", "「拒否」。", " refuse\n")]
    assert [meaning.label for meaning in found if meaning] == ["DENY", "DENY", "DENY", "REFUSE"]
    assert words.answer("I would DENY this") is None
