"""From files to the two sides of the split, with a report about all that was left out."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.trainer.data.rows_to_split import sentence

from so8t_shared.config.model import DataPolicy, Dataset, Source
from so8t_shared.errors import InputError, Interrupted
from so8t_shared.labels import LABELS
from so8t_trainer.data.prepare import prepare_data

LOG = logging.getLogger("test")
SOURCE = Source(license="mit", provenance="made for the test")


def _file(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def _rows(start: int, count: int) -> list[dict[str, object]]:
    numbers = range(start, start + count)
    return [{"text": sentence(i), "label": LABELS[i % 4], "language": ("en", "ja")[i % 2]} for i in numbers]


def test_the_report_accounts_for_every_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Read = train + validation + test + duplicates + excluded; the dropped text is neither kept nor logged."""
    secret = {"text": "Call 090-1234-5678 at once", "label": "DENY"}
    rows = [*_rows(0, 40), _rows(0, 1)[0], secret]
    path = _file(tmp_path / "rows.jsonl", rows)
    with caplog.at_level(logging.INFO):
        dataset = Dataset(paths=[path], source=SOURCE, test_fraction=0.2, validation_fraction=0.25)
        data = prepare_data(dataset, None, LOG)
    report = data.report
    assert report.rows_read == 42
    assert report.excluded == {"personal data: phone number": 1}
    assert report.duplicates == 1
    assert report.train == dict.fromkeys(LABELS, 6)
    assert report.validation == dict.fromkeys(LABELS, 2)
    assert report.test == dict.fromkeys(LABELS, 2)
    assert report.by_language == {"en": 20, "ja": 20}
    assert report.sources[path] == {
        "schema": "text-label",
        "license": "mit",
        "provenance": "made for the test",
        "rows": "42",
        "encoding": "utf-8",
    }
    assert "42 rows of shape text-label; utf-8" in caplog.text
    assert "left out: 1 rows (personal data: phone number)" in caplog.text
    assert "090-1234" not in caplog.text + report.model_dump_json()


def test_validation_rows_are_counted(tmp_path: Path) -> None:
    """Beside training and test rows; rows left out later do not touch them."""
    data = prepare_data(Dataset(paths=[_file(tmp_path / "rows.jsonl", _rows(0, 200))], source=SOURCE), None, LOG)
    report = data.report
    assert sum(report.validation.values()) == len(data.validation) == 16
    assert sum(report.by_language.values()) == 200 == len(data.train) + len(data.validation) + len(data.test)
    data.keep_train(data.train[:5], "a reason")
    assert sum(data.report.by_language.values()) == 5 + len(data.validation) + len(data.test)
    assert data.report.validation == report.validation


def test_given_test_data_is_the_test_set_and_needs_no_license(tmp_path: Path) -> None:
    """It is filtered like the rest, but not trained on."""
    train = _file(tmp_path / "train.jsonl", _rows(0, 20))
    test = _file(tmp_path / "test.jsonl", [*_rows(100, 8), {"text": "a@example.com", "label": "DENY"}])
    data = prepare_data(Dataset(paths=[train], source=SOURCE), test, LOG)
    assert len(data.test) == 8
    assert len(data.train) == 20
    assert data.report.rows_read == 29
    assert data.report.excluded == {"personal data: e-mail address": 1}
    assert data.report.sources[test]["license"] == "not trained on"


def test_several_sources_each_need_a_license(tmp_path: Path, said: Said) -> None:
    """One path with a card and one without: the second is named."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    for folder in (good, bad):
        folder.mkdir()
        _file(folder / "rows.jsonl", _rows(0, 8))
    (good / "dataset_card.yaml").write_text("license: mit\nprovenance: x\n", encoding="utf-8")
    with said.raised(InputError, where=str(bad)):
        prepare_data(Dataset(paths=[str(good), str(bad)]), None, LOG)


def test_a_data_set_of_one_class_is_refused(tmp_path: Path, said: Said) -> None:
    """Before anything else is done with it."""
    path = _file(tmp_path / "rows.jsonl", [{"text": sentence(i), "label": "DENY"} for i in range(5)])
    with said.raised(InputError):
        prepare_data(Dataset(paths=[path], source=SOURCE), None, LOG)


def test_many_rows_are_reported_on_and_can_be_stopped(tmp_path: Path) -> None:
    """The policy, hashing and comparing tell how far they are; what the listener raises ends them."""
    path = _file(
        tmp_path / "rows.jsonl", [{"text": f"Row {i} {sentence(i)}", "label": LABELS[i % 4]} for i in range(401)]
    )
    dataset = Dataset(
        paths=[path], source=SOURCE, policy=DataPolicy(exclude_personal_data=False, exclude_secrets=False)
    )
    seen = []

    def listen(done: int, total: int, message: str) -> None:
        seen.append((done, total, message))
        if message == "comparing rows":
            raise Interrupted("stopped by the test")

    with pytest.raises(Interrupted):
        prepare_data(dataset, None, LOG, listen)
    twice = [(done, 401, message) for message in ("applying the policy", "hashing rows") for done in (200, 400)]
    assert seen == [*twice, (0, 401, "comparing rows")]


def test_a_class_that_the_policy_empties_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The run goes on with the others, but not in silence."""
    rows = [{**row, "nsfw_label": "nsfw"} for row in _rows(0, 40)]
    path = _file(tmp_path / "rows.jsonl", rows)
    with caplog.at_level(logging.WARNING):
        data = prepare_data(Dataset(paths=[path], source=SOURCE), None, LOG)
    assert data.report.train["ALLOW"] == 0
    [warning] = [record.getMessage() for record in caplog.records]
    assert warning.startswith("no row of class ALLOW is left to train on, although the data has some")


def test_dropping_long_rows_is_counted(tmp_path: Path) -> None:
    """keep_train corrects every number that depends on the training rows."""
    path = _file(tmp_path / "rows.jsonl", _rows(0, 40))
    data = prepare_data(Dataset(paths=[path], source=SOURCE, validation_fraction=0.2), None, LOG)
    before = len(data.train)
    data.keep_train(data.train[:-3], "longer than 5 tokens")
    assert data.report.excluded == {"longer than 5 tokens": 3}
    assert sum(data.report.train.values()) == before - 3
    counts: dict[str, int] = defaultdict(int)
    assert data.validation
    for row in [*data.train, *data.validation, *data.test]:
        counts[row.language] += 1
    assert data.report.by_language == counts
