"""Files and Hub splits named test stay held out."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import datasets
import pytest
from tests.unit.trainer.data.rows_to_split import sentence

from so8t_shared.config.model import Config, Dataset, Source
from so8t_shared.labels import LABELS
from so8t_shared.splits import side_of, sides
from so8t_shared.stages import BY_NAME
from so8t_trainer.data.hub import read_hub
from so8t_trainer.data.prepare import PreparedData, prepare_data
from so8t_trainer.data.rows import parse_row
from so8t_trainer.data.sides import with_side

SOURCE = Source(license="mit", provenance="made for the test")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test", "test"),
        ("Test.jsonl", "test"),
        ("test-00000-of-00001.parquet", "test"),
        ("rows_test.csv", "test"),
        ("data/test/rows.jsonl", "test"),
        ("val.jsonl", "validation"),
        ("four_class_val.jsonl", "validation"),
        ("dev/rows.json", "validation"),
        ("valid-1.csv", "validation"),
        ("train.jsonl", "train"),
        ("train/test.jsonl", "test"),
        ("contest.jsonl", None),
        ("tests.jsonl", None),
        ("latest-rows.jsonl", None),
        ("values.jsonl", None),
        ("invalid.jsonl", None),
    ],
)
def test_a_side_is_a_word_of_the_name(name: str, expected: str | None) -> None:
    """As the `datasets` package finds it in the names of files."""
    assert side_of(name) == expected


def test_sides_or_none() -> None:
    """What is not named is trained on where something is named test; names that are all alike tell nothing.

    Without a test, what is not validation stays free, so that a test can be held out from it.
    """
    assert sides(["a.jsonl", "test.jsonl", "train.jsonl"]) == ["train", "test", "train"]
    assert sides(["train.jsonl", "val.jsonl", "test.jsonl"]) == ["train", "validation", "test"]
    assert sides(["test-1.jsonl", "test-2.jsonl"]) == [None, None]
    assert sides(["a_train.jsonl", "a_val.jsonl"]) == [None, "validation"]


def test_a_row_itself_comes_first() -> None:
    """A side that the row names is kept, an empty one is filled; what is no object is left to who parses it."""
    assert with_side({"text": "a", "split": "train"}, "test") == {"text": "a", "split": "train"}
    assert with_side({"text": "a", "split": None}, "test") == {"text": "a", "split": "test"}
    assert with_side({"text": "a"}, None) == {"text": "a"}
    assert with_side("text", "test") == "text"


def _write(path: Path, numbers: range) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"text": sentence(i), "label": LABELS[i % 4]} for i in numbers]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _prepared(*paths: Path) -> PreparedData:
    dataset = Dataset(paths=[str(path) for path in paths], source=SOURCE)
    return prepare_data(dataset, None, logging.getLogger("test"))


def test_a_folders_test_file_is_its_test_set(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also beside a second source that says nothing of sides; the log counts both."""
    _write(tmp_path / "a" / "train.jsonl", range(40))
    _write(tmp_path / "a" / "test.jsonl", range(40, 52))
    _write(tmp_path / "b.jsonl", range(100, 120))
    held_out = {sentence(i) for i in range(40, 52)}
    assert {row.text for row in _prepared(tmp_path / "a").test} == held_out
    with caplog.at_level(logging.INFO):
        both = _prepared(tmp_path / "a", tmp_path / "b.jsonl")
    assert {row.text for row in both.test} == held_out
    assert len(both.train) + len(both.validation) == 60
    assert {row.text for row in both.validation}.isdisjoint(held_out)
    assert "; 12 marked test" in caplog.text
    assert "20 rows have no split" in caplog.text


def test_a_hub_data_sets_test_split_is_its_test_set(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside it, the validation split is what it says; `load_dataset` reads a local folder as it reads the Hub."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    for number, name in enumerate(("train", "validation", "test")):
        rows = datasets.Dataset.from_dict({"text": [sentence(number)], "label": ["DENY"]})
        rows.to_parquet(str(tmp_path / f"{name}-00000-of-00001.parquet"))
    found = {row.text: row.split for record, where in read_hub(str(tmp_path)) if (row := parse_row(record, where))}
    assert found == {sentence(0): "train", sentence(1): "validation", sentence(2): "test"}


def test_files_beside_each_other_say_their_side(tmp_path: Path) -> None:
    """Listed one by one as in a folder; and the run depends on it, so the fingerprint of the input has it."""
    names = ("four_class_train.jsonl", "four_class_val.jsonl", "four_class_test.jsonl")
    for start, name in zip((0, 100, 200), names, strict=True):
        _write(tmp_path / name, range(start, start + 12))
    listed = [tmp_path / name for name in names]
    for data in (_prepared(*listed), _prepared(tmp_path)):
        assert {row.text for row in data.validation} == {sentence(i) for i in range(100, 112)}
        assert {row.text for row in data.test} == {sentence(i) for i in range(200, 212)}
        assert data.report.validation == dict.fromkeys(LABELS, 3)
    config = Config.model_validate({"model_a": {"base_model": "m"}, "dataset": {"paths": [*map(str, listed)]}})
    inputs = [item.name for item in BY_NAME["train"].inputs(config)]
    assert inputs[1:] == ["dataset.paths[0] (train)", "dataset.paths[1] (validation)", "dataset.paths[2] (test)"]
