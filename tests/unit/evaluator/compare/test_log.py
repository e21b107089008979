"""How a file of answers is read."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t_evaluator.compare import objects
from so8t_evaluator.compare.faults import Faults
from so8t_evaluator.compare.log import Log, read_log
from so8t_shared.escapes import visible
from so8t_shared.labels import INVALID, LABELS, canonical_label

LOGPROBS = {"ALLOW": -0.1, "escalate": -2, "DENY": -3.5, "REFUSE": -4.0}
ROW = {"id": "r", "gold": "DENY", "predicted": "REFUSE"}


def _read(path: Path, content: bytes | str, **options: Any) -> tuple[Log, list[str]]:
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    faults = Faults("f")
    return read_log(path, faults, **options), faults.first


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_a_row_with_all_keys(path: Path) -> None:
    """Names in any case, ids as numbers, an alias; the probabilities in the order of the labels."""
    row = {**ROW, "id": 7, "predicted": "escalate", "group": 3, "language": "ja", "category": "x", "logprobs": LOGPROBS}
    log, faults = _read(path, json.dumps({**row, "more": [1]}))
    assert faults == []
    found = log.rows["7"]
    assert found[1:6] == ("DENY", "ESCALATION", "3", "ja", "x")
    assert found.logprobs == {"ALLOW": -0.1, "ESCALATION": -2.0, "DENY": -3.5, "REFUSE": -4.0}
    assert (log.reader, len(log.sha256)) == ("plain", 64)


@pytest.mark.parametrize("unread", [None, "INVALID"])
def test_an_unread_answer(path: Path, unread: str | None) -> None:
    """It is an answer without a class, which is not the same as none."""
    assert _read(path, json.dumps({**ROW, "predicted": unread}))[0].rows["r"].predicted == INVALID


@pytest.mark.parametrize("form", ["\ufeff{}\r\n\r\n", "\n {} \n", "{}"])
def test_forms_of_lines(path: Path, form: str) -> None:
    """A byte order mark, blank lines, the line ends of Windows, no line end at all."""
    assert list(_read(path, form.replace("{}", json.dumps(ROW)))[0].rows) == ["r"]


@pytest.mark.parametrize(
    "changed",
    [
        {"id": None},
        {"id": ""},
        {"id": True},
        {"id": 1.5},
        {"id": "\ud800"},
        {"gold": None},
        {"gold": "INVALID"},
        {"gold": ["DENY"]},
        {"predicted": ""},
        {"predicted": "MAYBE\x1b[2J"},
        {"predicted": True},
        {"predicted": {}},
        {"group": 1.5},
        {"language": []},
        {"logprobs": {"ALLOW": -1}},
        {"logprobs": {**LOGPROBS, "ESCALATION": -1}},
        {"logprobs": [1, 2, 3, 4]},
        {"logprobs": 5},
        {"logprobs": {**LOGPROBS, "DENY": None}},
        {"logprobs": {**LOGPROBS, "DENY": True}},
        {"logprobs": {**LOGPROBS, "DENY": float("nan")}},
        {"logprobs": {**LOGPROBS, "DENY": float("-inf")}},
        {"logprobs": {**LOGPROBS, "DENY": 10**400}},
        {"logprobs": {"ALLOW": 0.7, "ESCALATION": 0.2, "DENY": 0.1, "REFUSE": 0}},
    ],
    ids=lambda changed: json.dumps(changed)[:50],
)
def test_a_wrong_value_is_a_fault(path: Path, changed: dict[str, Any]) -> None:
    """With its line and key, and nothing that a terminal would obey."""
    log, faults = _read(path, json.dumps({**ROW, "id": "first"}) + "\n" + json.dumps({**ROW, **changed}))
    assert list(log.rows) == ["first"]
    (fault,) = faults
    assert fault.startswith(f"f, line 2: {next(iter(changed))} ")
    assert fault.isprintable()


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[1]",
        b"null",
        b'"text"',
        b"\xff\xfe{\x00",
        b'{"id": "r", "gold": "DENY", "predicted": "DENY", "predicted": "ALLOW"}',
        b"[" * 100_000,
        b"1" * 5000,
    ],
    ids=range(8),
)
def test_a_line_that_is_no_object_is_a_fault(path: Path, line: bytes) -> None:
    """The lines around it are read, and a key that is given twice does not decide by its place."""
    row = json.dumps(ROW).encode()
    log, faults = _read(path, row + b"\n" + line + b"\n" + row.replace(b'"r"', b'"s"'))
    assert list(log.rows) == ["r", "s"]
    (fault,) = faults
    assert fault.startswith("f, line 2: ")
    assert fault.isprintable()


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_file_is_a_fault(path: Path, content: str) -> None:
    """Nothing was compared is not the same as no difference."""
    assert len(_read(path, content)[1]) == 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """One that is missing, and a folder."""
    for path in (tmp_path / "none\x1b[2J", tmp_path):
        faults = Faults("f")
        read_log(path, faults)
        assert faults.count == 1
        assert faults.first[0].isprintable()


def test_a_pipe(path: Path) -> None:
    """Such as <(jq ...) in a shell."""
    os.mkfifo(path)
    thread = threading.Thread(target=lambda: path.write_text(json.dumps(ROW)))
    thread.start()
    faults = Faults("f")
    assert list(read_log(path, faults).rows) == ["r"]
    thread.join()


def test_a_line_without_end_is_not_taken_into_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading stops there, and says so."""
    monkeypatch.setattr(objects, "MOST_BYTES_OF_ONE", 1 << 20)
    log, faults = _read(path, json.dumps(ROW) + "\n" + "[" * (2 << 20) + "\n" + json.dumps({**ROW, "id": "s"}))
    assert list(log.rows) == ["r"]
    assert len(faults) == 1


def test_fields_name_other_places(path: Path) -> None:
    """The keys of another program's lines, a part of a nested object, an element of a list."""
    line = {"key": "r", "y": {"true": "DENY"}, "out": [{"class": "ALLOW"}], "group": "kept"}
    fields = {"id": "key", "gold": "y.true", "predicted": "out.0.class"}
    log, faults = _read(path, json.dumps(line), fields=fields)
    assert faults == []
    assert log.rows["r"][1:4] == ("DENY", "ALLOW", "kept")
    for key in ("gold", "predicted"):  # a wrong path is no unread answer
        _, faults = _read(path, json.dumps(line), fields={**fields, key: "y.none"})
        assert len(faults) == 1
        assert faults[0].startswith(f"f, line 1: {key} is missing")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"id": TEXT | st.integers(), "gold": st.sampled_from(LABELS), "predicted": st.sampled_from([*LABELS, None])},
        optional={
            "group": TEXT | st.none(),
            "language": TEXT,
            "category": TEXT | st.none(),
            "logprobs": st.none()
            | st.fixed_dictionaries(
                {name: st.floats(max_value=0, allow_nan=False, allow_infinity=False) for name in LABELS}
            ),
        },
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda row: str(row["id"]),
)


@given(ROWS)
def test_valid_rows_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    """Every row that fits the form, whatever its texts hold; what reaches a terminal is printable."""
    path = tmp_path_factory.getbasetemp() / "valid"
    log, faults = _read(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    assert faults == []
    assert [(i, r.gold, r.predicted, r.group, r.logprobs) for i, r in log.rows.items()] == [
        (str(r["id"]), r["gold"], r["predicted"] or INVALID, r.get("group"), r.get("logprobs")) for r in rows
    ]
    texts = [text for row in log.rows.values() for text in (row.language, row.category) if text]
    assert all(visible(text) == text for text in texts)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.sampled_from(LABELS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "gold", "predicted", "group", "doc", "resps", "results"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON | st.binary(max_size=20), max_size=4))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, lines: list[Any]) -> None:
    """Nothing but rows with known classes and printable faults comes out."""
    path = tmp_path_factory.getbasetemp() / "any"
    content = b"\n".join(x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines)
    log, faults = _read(path, content)
    assert all(canonical_label(row.gold) == row.gold for row in log.rows.values())
    assert log.rows or faults
    assert all(visible(fault) == fault for fault in faults)
