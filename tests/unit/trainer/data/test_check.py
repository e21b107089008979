"""The look at the data before a run: what would fail in training is reported at once, and what is doubtful is noted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said

from so8t_shared.config.model import Config
from so8t_shared.errors import InputError
from so8t_trainer.data import check
from so8t_trainer.data.check import check_data
from so8t_trainer.data.expected import expected_test_rows

GOOD = [{"text": "Lend me a pen.", "label": "ALLOW"}, {"text": "Lend me her diary.", "label": "DENY"}]
SOURCE = {"license": "mit", "provenance": "a test"}


def _config(*paths: object, source: dict[str, str] | None = SOURCE, test_data: object = None, **dataset: Any) -> Config:
    return Config.model_validate(
        {
            "model_a": {"base_model": "m"},
            "dataset": {"paths": [str(path) for path in paths], "source": source, **dataset},
            "ab_test": {"test_data": test_data and str(test_data)},
        }
    )


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _hub_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def test_good_data_needs_no_word(tmp_path: Path) -> None:
    """A file or a folder, with a source in the configuration or a card beside it."""
    rows = _write(tmp_path / "rows.jsonl", GOOD)
    (tmp_path / "dataset_card.yaml").write_text("license: mit\nprovenance: a card\n")
    assert check_data(_config(rows, test_data=rows)) == []
    assert check_data(_config(tmp_path, source=None)) == []


@pytest.mark.parametrize(
    "row",
    [
        {"text": "x", "label": "MAYBE"},
        {"question": "x", "answer": "ALLOW"},
        {"text": "", "label": "ALLOW"},
    ],
    ids=json.dumps,
)
def test_a_row_that_cannot_be_used(tmp_path: Path, row: dict[str, Any], said: Said) -> None:
    """It is named with its line wherever it stands in a small file, and so is one of the test rows."""
    rows = _write(tmp_path / "rows.jsonl", [*GOOD, row])
    with said.raised(InputError, where=f"{rows}:3"):
        check_data(_config(rows))
    with said.raised(InputError, where=f"{rows}:3"):
        check_data(_config(_write(tmp_path / "good.jsonl", GOOD), test_data=rows))


def test_a_license(tmp_path: Path, said: Said) -> None:
    """None declared, and one that is not allowed."""
    rows = _write(tmp_path / "rows.jsonl", GOOD)
    with said.raised(InputError):
        check_data(_config(rows, source=None))
    with said.raised(InputError):
        check_data(_config(rows, source={**SOURCE, "license": "cc-by-nc-4.0"}))
    with said.raised(InputError) as caught:
        check_data(_config("owner/name", source=None))
    assert "treated as a Hub name" in caught.value.where


def test_nothing_to_tell_apart(tmp_path: Path, said: Said) -> None:
    """A file without rows, and one class in all sources together."""
    with said.raised(InputError):
        check_data(_config(_write(tmp_path / "empty.jsonl", [])))
    one, other = (_write(tmp_path / f"{i}.jsonl", [row]) for i, row in enumerate(GOOD))
    with said.raised(InputError):
        check_data(_config(one, one))
    assert check_data(_config(one, other)) == []


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "json"])
def test_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, said: Said) -> None:
    """Of it only the first row is looked at; a JSON list is one value, so none."""
    monkeypatch.setattr(check, "_WHOLE_UP_TO_BYTES", 10)
    bad: dict[str, Any] = {"text": "x", "label": "MAYBE"}
    rows = [bad, *GOOD]
    path = tmp_path / f"rows.{form}"
    if form == "csv":
        path.write_text("text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in rows))
    elif form == "parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        path.write_text(json.dumps(rows) if form == "json" else "".join(json.dumps(row) + "\n" for row in rows))
    if form == "json":
        assert check_data(_config(path)) == []
        return
    with said.raised(InputError) as caught:
        check_data(_config(path))
    assert str(path) in caught.value.where
    assert check_data(_config(_write(tmp_path / "good.jsonl", [GOOD[0], bad]))) == []


def test_a_hub_name_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path of that shape may be a typing error; so says the note, and that the Hub is off where it is."""
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "demo-run" / "data" / "rows.jsonl", GOOD)
    [note] = check_data(_config("owner/name"))
    assert note == "dataset.paths[0] = owner/name is not a file or folder here, so it is treated as a Hub name"
    [note] = check_data(_config("demo-run/dta"))
    assert note.endswith("treated as a Hub name (there is a folder demo-run: is 'dta' mistyped?)")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    [note] = check_data(_config("owner/name"))
    assert note.endswith("; HF_HUB_OFFLINE is set, so it must already have been downloaded")


def test_a_test_file_among_the_training_rows_is_no_news(tmp_path: Path) -> None:
    """Its name says what it is for, beside other files as in a folder."""
    rows = _write(tmp_path / "train.jsonl", GOOD)
    held_out = _write(tmp_path / "test.jsonl", GOOD)
    assert check_data(_config(rows, held_out)) == check_data(_config(tmp_path)) == []
    assert check_data(_config(rows, test_data=held_out)) == []


def test_what_is_elsewhere_is_noted(tmp_path: Path) -> None:
    """A configuration may be for another host."""
    rows = _write(tmp_path / "rows.jsonl", GOOD)
    gone = tmp_path / "gone.jsonl"
    assert check_data(_config(gone, source=None)) == [f"dataset.paths[0] = {gone} does not exist on this host"]
    assert check_data(_config(rows, test_data=gone)) == [f"ab_test.test_data = {gone} does not exist on this host"]


def test_it_is_light(tmp_path: Path) -> None:
    """Looking at JSON and CSV imports no heavy library."""
    rows = _write(tmp_path / "rows.jsonl", GOOD)
    code = (
        "import sys; from so8t_shared.config.model import Config; from so8t_trainer.data.check import check_data;"
        f"check_data(Config.model_validate_json({_config(rows).model_dump_json()!r}));"
        "print([m for m in ('torch', 'transformers', 'datasets', 'pyarrow', 'numpy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_expected_test_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test rows of small sources; unknown if one is large or not on this host."""
    rows, tests = _write(tmp_path / "rows.jsonl", GOOD), _write(tmp_path / "tests.jsonl", GOOD[:1])
    assert [row.text for row in expected_test_rows(_config(rows, test_data=tests)) or []] == ["Lend me a pen."]
    assert expected_test_rows(_config(rows, "/no/such", test_data=tests)) is None
    assert expected_test_rows(_config(rows, test_data="/no/such")) is None
    monkeypatch.setattr(check, "_WHOLE_UP_TO_BYTES", 10)
    assert expected_test_rows(_config(rows, test_data=tests)) is None
