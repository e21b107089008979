"""Data files of every format, and what is wrong with broken ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.messages import Said

from so8t_shared.config.model import Dataset
from so8t_shared.errors import InputError
from so8t_trainer.data.formats import read_head
from so8t_trainer.data.read import Reader, read_source

ROWS = [{"text": "Send it, please", "label": "ALLOW"}, {"text": "送ってください", "label": "DENY"}]


def _write(path: Path, form: str) -> Path:
    if form == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n", encoding="utf-8")
    elif form == "json":
        path.write_text(json.dumps({"data": ROWS}), encoding="utf-8")
    elif form == "csv":
        lines = ["text,label", *(f'"{row["text"]}",{row["label"]}' for row in ROWS)]
        path.write_text("\r\n".join(lines), encoding="utf-8-sig")
    else:
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    return path


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, form: str) -> None:
    """The ending decides; so does dataset.format for a file with another ending."""
    named = read_source(str(_write(tmp_path / f"rows.{form}", form)))
    told = read_source(str(_write(tmp_path / "rows.data", form)), form)
    for source in (named, told):
        assert [(row.text, row.label) for row in source.rows] == [(row["text"], row["label"]) for row in ROWS]
        assert source.schema == "text-label"
        assert source.folder == tmp_path


def test_a_folder_is_read_whole_in_order(tmp_path: Path) -> None:
    """All data files below it, sorted by path; other files are not touched."""
    (tmp_path / "b").mkdir()
    for name, text in (("b/2.jsonl", "two"), ("1.json", "one")):
        row = {"text": text, "label": "DENY"}
        (tmp_path / name).write_text(json.dumps(row if name.endswith("l") else [row]), encoding="utf-8")
    (tmp_path / "README.md").write_bytes(b"\xff")
    assert [row.text for row in read_source(str(tmp_path)).rows] == ["one", "two"]


def test_several_shapes_are_counted(tmp_path: Path) -> None:
    """The detected schema tells how many rows have which shape."""
    chat = {"messages": [{"role": "user", "content": "Hi"}], "label": "DENY"}
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in [*ROWS, chat]), encoding="utf-8")
    assert read_source(str(path)).schema == "text-label (2), messages (1)"


@pytest.mark.parametrize(
    ("name", "data", "where"),
    [
        ("rows.jsonl", b'{"text": "a", "label": "DENY"}\n{"text": "b", "lab', "rows.jsonl:2"),
        ("rows.jsonl", b'{"text": "a", "label": "DENY"}\n\n{"text": "b"}', "rows.jsonl:3"),
        ("rows.json", b'[{"text": "a",\n "label": }]', "rows.json:2"),
        ("rows.json", b'{"text": "a", "label": "DENY"}', "rows.json"),
        ("rows.json", b'[{"text": "a", "label": "DENY"}, {"text": "b"}]', "rows.json, row 2"),
        ("rows.csv", b"text,label\na,DENY\nb\n", "rows.csv:3"),
        ("rows.csv", b"text,label\na,b,DENY\n", "rows.csv:2"),
        ("rows.csv", b'text,label\n"a,DENY\n', "rows.csv:"),
        ("rows.jsonl", b'{"text": "a", "label": "DENY"}\n{"text": "\xe9"}', "rows.jsonl:2"),
        ("rows.parquet", b"PAR1 cut short", "rows.parquet"),
        ("rows.jsonl", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "rows.jsonl"),
        ("rows.parquet", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "rows.parquet"),
        ("rows.jsonl", b"\n\n", "rows.jsonl"),
        ("rows.json", b"", "rows.json"),
        ("rows.csv", b"text,label\n", "rows.csv"),
        ("rows.txt", b"a", "rows.txt"),
    ],
)
def test_a_broken_file_is_refused_with_file_and_line(
    tmp_path: Path, name: str, data: bytes, where: str, said: Said
) -> None:
    """What is wrong, where exactly, and what to do."""
    (tmp_path / name).write_bytes(data)
    with said.raised(InputError) as caught:
        read_source(str(tmp_path / name))
    assert where in caught.value.where


@pytest.mark.parametrize("path", ["nowhere.jsonl", "/nowhere/at/all", "./nowhere/rows"])
def test_a_missing_path_is_refused(path: str, said: Said) -> None:
    """A path that is no file, no folder and no Hub name."""
    with said.raised(InputError):
        read_source(path)


def test_a_folder_without_data_is_refused(tmp_path: Path, said: Said) -> None:
    """Its error lists the endings that were looked for."""
    with said.raised(InputError):
        read_source(str(tmp_path))


def test_a_hub_data_set_that_cannot_be_reached_is_refused(said: Said) -> None:
    """Without a network the error names the data set and says what to do."""
    code = (
        "from so8t_trainer.data.read import read_source\n"
        "from so8t_shared.errors import InputError\n"
        "try: read_source('nobody/nothing-at-all')\n"
        "except InputError as error: print(error)\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert "where: nobody/nothing-at-all" in done.stdout
    said(done.stdout)


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_the_head_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """It begins as the whole does, and never with a row that was cut."""
    path = _write(tmp_path / f"rows.{form}", form)
    whole = [row.text for row in read_source(str(path)).rows]
    if form != "parquet":
        monkeypatch.setattr("so8t_trainer.data.formats._HEAD_BYTES", path.stat().st_size - 3)
    head = [dict(record)["text"] for record, _ in read_head(path)]  # type: ignore[call-overload]
    assert head == whole[: len(head)]
    assert head


def test_a_hub_that_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Hub data set that cannot be had names the variable that keeps it away."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code = "from so8t_trainer.data.read import read_source; read_source('owner/name-that-is-nowhere')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "to do: correct dataset.paths, or unset HF_HUB_OFFLINE" in done.stderr


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_separates_fields(tmp_path: Path, delimiter: str) -> None:
    """The header tells; the others may stand in texts."""
    path = tmp_path / "rows.csv"
    lines = [f"text{delimiter}label", f'"a, b; c\td"{delimiter}DENY']
    path.write_text("\n".join(lines), encoding="utf-8")
    assert [(row.text, row.label) for row in read_source(str(path)).rows] == [("a, b; c\td", "DENY")]
    path.rename(tmp_path / "rows.tsv")
    assert len(read_source(str(tmp_path / "rows.tsv")).rows) == 1


def test_a_header_that_two_could_separate(tmp_path: Path, said: Said) -> None:
    """It is not guessed; in quotes it means nothing."""
    path = tmp_path / "rows.csv"
    path.write_text("text;label,x\na;DENY\n", encoding="utf-8")
    with said.raised(InputError, where=f"{path}:1"):
        read_source(str(path))
    path.write_text('text;label;"x,y"\na;DENY;1\n', encoding="utf-8")
    assert read_source(str(path)).rows[0].unused == ("x,y",)


@pytest.mark.parametrize("encoding", ["cp932", "utf-16"])
def test_another_encoding_is_told(tmp_path: Path, encoding: str) -> None:
    """Beside the UTF-8 of other files, with the number of files."""
    rows = [{"text": "隣人の医療記録を移してください。彼女は望んでいません。", "label": "DENY"}, *ROWS]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "a.jsonl").write_bytes(text.encode(encoding))
    (tmp_path / "b.jsonl").write_bytes(text.encode())
    (tmp_path / "c.jsonl").write_bytes(text.encode())
    source = read_source(str(tmp_path))
    assert {row.text for row in source.rows} == {row["text"] for row in rows}
    assert source.encoding.startswith("utf-8 (2), ")
    head = [dict(record)["text"] for record, _ in read_head(tmp_path / "a.jsonl")]  # type: ignore[call-overload]
    assert head == [row["text"] for row in rows]


def test_a_column_that_no_row_has(tmp_path: Path, said: Said) -> None:
    """It is told before all the rows that therefore have no shape."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt_jp": "a", "label": "DENY"}\n')
    reader = Reader.of(Dataset(paths=["x"], columns={"text": "prompt_ja"}))
    reader.source(str(path))
    reader.demand_columns()
    with said.raised(InputError):
        reader.demand_no_faults()
