"""Columns of the `datasets` package that hold a class as a number: its name decides, in Parquet and from the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest
from tests.messages import Said

from so8t_shared.errors import InputError
from so8t_trainer.data.class_labels import with_class_names
from so8t_trainer.data.formats import read_head
from so8t_trainer.data.hub import read_hub
from so8t_trainer.data.read import read_source
from so8t_trainer.data.rows import parse_row

ALPHABETICAL = ["ALLOW", "DENY", "ESCALATION", "REFUSE"]
ORDER = ["REFUSE", "DENY", "ESCALATION", "ALLOW"]


def _data_set(folder: Path, **columns: Any) -> Path:
    """A Parquet file as `datasets` writes it, its column `label` encoded with the classes in alphabetical order."""
    table = datasets.Dataset.from_dict({"text": [f"please {name}" for name in ORDER], "label": ORDER, **columns})
    path = folder / "rows.parquet"
    table.class_encode_column("label").to_parquet(str(path))
    return path


def _labels(rows: list[Any]) -> list[str]:
    return [parse_row(record, where).label for record, where in rows]


def test_a_parquet_files_numbers_are_named(tmp_path: Path) -> None:
    """DENY stays DENY, although its number in the file is the id of ESCALATION; so does the file's first row."""
    path = _data_set(tmp_path)
    assert [row.label for row in read_source(str(path)).rows] == ORDER
    assert _labels(list(read_head(path))) == ORDER[:1]


def test_a_hub_data_sets_numbers_are_named(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a file; `load_dataset` reads a local folder as it reads the Hub."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    _data_set(tmp_path)
    assert _labels(list(read_hub(str(tmp_path)))) == ORDER


def test_a_number_that_names_no_class(tmp_path: Path, said: Said) -> None:
    """-1, with which `datasets` marks a missing class, is a missing label; one past the names is no id of ours."""
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["ALLOW", "DENY"])}
    )
    path = tmp_path / "rows.parquet"
    datasets.Dataset.from_dict({"text": ["a"], "label": [-1]}, features=features).to_parquet(str(path))
    with said.raised(InputError, where=f"{path}, row 1"):
        read_source(str(path))
    assert with_class_names({"label": 3}, features.to_dict()) == {"label": "class 3 of 2"}


def test_structs_and_other_columns() -> None:
    """A class inside a struct is named; other numbers, -1 among them, and columns without a type stay."""
    names = {"_type": "ClassLabel", "names": ALPHABETICAL}
    features = {"quadruple_classification": {"four_class_label": names}, "group": {"_type": "Value", "dtype": "int64"}}
    record = {"quadruple_classification": {"four_class_label": 1, "task": "t"}, "group": -1, "other": 2}
    expected = {"quadruple_classification": {"four_class_label": "DENY", "task": "t"}, "group": -1, "other": 2}
    assert with_class_names(record, features) == expected


@pytest.mark.parametrize("metadata", [b"no JSON", b'{"info": null}', b'{"info": {"features": [1]}}'])
def test_foreign_metadata_is_no_matter(tmp_path: Path, metadata: bytes) -> None:
    """A file whose schema says something else under that key is read as it is."""
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist([{"text": "a", "label": 2}]).replace_schema_metadata({b"huggingface": metadata})
    parquet.write_table(table, tmp_path / "rows.parquet")
    assert [row.label for row in read_source(str(tmp_path / "rows.parquet")).rows] == ["DENY"]
