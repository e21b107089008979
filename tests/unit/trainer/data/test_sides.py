"""Files and Hub splits named test stay held out."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import datasets
import pytest
from tests.unit.trainer.data.test_split import _sentence

from so8t_shared.config.model import Dataset, Source
from so8t_shared.labels import LABELS
from so8t_trainer.data.hub import read_hub
from so8t_trainer.data.prepare import PreparedData, prepare_data
from so8t_trainer.data.rows import parse_row
from so8t_trainer.data.sides import is_named_test, sides, with_side

SOURCE = Source(license="mit", provenance="made for the test")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test", True),
        ("Test.jsonl", True),
        ("test-00000-of-00001.parquet", True),
        ("rows_test.csv", True),
        ("data/test/rows.jsonl", True),
        ("train.jsonl", False),
        ("contest.jsonl", False),
        ("tests.jsonl", False),
        ("latest-rows.jsonl", False),
    ],
)
def test_test_is_a_word_of_the_name(name: str, expected: bool) -> None:
    """As the `datasets` package finds it in the names of files."""
    assert is_named_test(name) is expected


def test_two_sides_or_none() -> None:
    """What is not named test is trained on where something is; names that are all alike tell nothing."""
    assert sides(["a.jsonl", "test.jsonl", "train.jsonl"]) == ["train", "test", "train"]
    assert sides(["test-1.jsonl", "test-2.jsonl"]) == [None, None]
    assert sides(["train.jsonl", "validation.jsonl"]) == [None, None]


def test_a_row_itself_comes_first() -> None:
    """A side that the row names is kept, an empty one is filled; what is no object is left to who parses it."""
    assert with_side({"text": "a", "split": "train"}, "test") == {"text": "a", "split": "train"}
    assert with_side({"text": "a", "split": None}, "test") == {"text": "a", "split": "test"}
    assert with_side({"text": "a"}, None) == {"text": "a"}
    assert with_side("text", "test") == "text"


def _write(path: Path, numbers: range) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"text": _sentence(i), "label": LABELS[i % 4]} for i in numbers]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _prepared(*paths: Path) -> PreparedData:
    dataset = Dataset(paths=[str(path) for path in paths], source=SOURCE)
    return prepare_data(dataset, None, logging.getLogger("test"))


def test_a_folders_test_file_is_its_test_set(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also beside a second source that says nothing of sides; the log counts both."""
    _write(tmp_path / "a" / "train.jsonl", range(40))
    _write(tmp_path / "a" / "test.jsonl", range(40, 52))
    _write(tmp_path / "b.jsonl", range(100, 120))
    held_out = {_sentence(i) for i in range(40, 52)}
    assert {row.text for row in _prepared(tmp_path / "a").test} == held_out
    with caplog.at_level(logging.INFO):
        both = _prepared(tmp_path / "a", tmp_path / "b.jsonl")
    assert {row.text for row in both.test} == held_out
    assert len(both.train) == 60
    assert "; 12 marked test" in caplog.text
    assert "20 rows have no split" in caplog.text


def test_a_hub_data_sets_test_split_is_its_test_set(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third split does not change that; `load_dataset` reads a local folder as it reads the Hub."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    for number, name in enumerate(("train", "validation", "test")):
        rows = datasets.Dataset.from_dict({"text": [_sentence(number)], "label": ["DENY"]})
        rows.to_parquet(str(tmp_path / f"{name}-00000-of-00001.parquet"))
    found = {row.text: row.split for record, where in read_hub(str(tmp_path)) if (row := parse_row(record, where))}
    assert found == {_sentence(0): "train", _sentence(1): "train", _sentence(2): "test"}
