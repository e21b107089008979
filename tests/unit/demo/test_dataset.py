"""The demo's data set: what the report's claims about it rest on."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from so8t_demo.dataset import ROWS_FILE, make_rows, write_dataset
from so8t_demo.english import ENGLISH
from so8t_demo.japanese import JAPANESE
from so8t_demo.sentences import Language
from so8t_evaluator.baseline import bag_of_words
from so8t_shared.config.model import Dataset
from so8t_shared.labels import LABELS
from so8t_shared.results.training import LabeledRow
from so8t_trainer.data.prepare import prepare_data

ROWS = make_rows(17)


def rows_of(split: str) -> list[dict[str, Any]]:
    """Rows of one side."""
    return [row for row in ROWS if row["split"] == split]


def as_test_rows(split: str) -> list[LabeledRow]:
    """The same as the evaluator sees them."""
    return [
        LabeledRow(id=str(i), text=row["text"], label=row["quadruple_classification"]["four_class_label"])
        for i, row in enumerate(rows_of(split))
    ]


def test_the_same_seed_gives_the_same_rows() -> None:
    """Rows depend on the seed alone."""
    assert make_rows(17) == ROWS
    assert make_rows(18) != ROWS


@pytest.mark.parametrize("split", ["train", "test"])
def test_classes_and_languages_are_balanced(split: str) -> None:
    """Every class has as many rows as the others in each language, and no text occurs twice."""
    counts = Counter((row["language"], row["quadruple_classification"]["four_class_label"]) for row in rows_of(split))
    for language in ("en", "ja"):
        assert len({counts[language, label] for label in LABELS}) == 1
        assert counts[language, "ALLOW"] > 0
    texts = [row["text"] for row in rows_of(split)]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("language", [ENGLISH, JAPANESE], ids=lambda language: language.code)
def test_test_words_never_occur_in_training(language: Language) -> None:
    """No template, person, thing, action or reason of the test side is used on the training side."""
    train, test = language.train, language.test
    for name in ("people", "things", "actions", "frames"):
        assert not set(getattr(train, name)) & set(getattr(test, name)), name
    for one, other in product(train.reasons.values(), test.reasons.values()):
        assert not set(one) & set(other)
    text = "\n".join(row["text"].lower() for row in rows_of("train") if row["language"] == language.code)
    words = [*(person.name for person in test.people), *test.things]
    for word in words:
        found = word in text if language.code == "ja" else re.search(rf"\b{re.escape(word)}\b", text)
        assert not found, word


def test_classes_share_their_requests() -> None:
    """Without its reason a request says nothing about the class: every class uses all people, things, actions."""
    for language in (ENGLISH, JAPANESE):
        for name in ("things", "actions"):
            for word in getattr(language.train, name):
                labels = {
                    row["quadruple_classification"]["four_class_label"]
                    for row in rows_of("train")
                    if word in row["text"] and row["language"] == language.code
                }
                assert labels == set(LABELS), word


def test_a_bag_of_words_stays_below_80_percent() -> None:
    """Counting words, trained on the training side, is right on fewer than 80% of the test side, but beats chance."""
    words = bag_of_words(as_test_rows("train"), as_test_rows("test"), 0.95)
    assert words is not None
    assert 0.35 < words.baseline.accuracy.value < 0.8


def test_the_trainer_takes_every_row_as_it_is(tmp_path: Path) -> None:
    """License, policy and split leave out no row, and the sides are those that the rows name.

    The validation rows come from those marked train.
    """
    write_dataset(tmp_path / "data")
    prepared = prepare_data(Dataset(paths=[str(tmp_path / "data" / ROWS_FILE)]), None, logging.getLogger("test"))
    assert sum(prepared.report.excluded.values()) == 0
    assert prepared.validation
    assert {row.text for row in [*prepared.train, *prepared.validation]} == {row["text"] for row in rows_of("train")}
    assert {row.text for row in prepared.test} == {row["text"] for row in rows_of("test")}


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    """The second call finds the folder complete; a damaged file is noticed and written anew."""
    first = write_dataset(tmp_path / "data")
    assert first.changed
    rows = (tmp_path / "data" / ROWS_FILE).read_text(encoding="utf-8")
    assert [json.loads(line) for line in rows.splitlines()] == ROWS
    assert not write_dataset(tmp_path / "data").changed
    (tmp_path / "data" / ROWS_FILE).write_text("damaged")
    assert write_dataset(tmp_path / "data").changed
    assert (tmp_path / "data" / ROWS_FILE).read_text(encoding="utf-8") == rows
