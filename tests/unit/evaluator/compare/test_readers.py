"""Logs that lm-eval, inspect_ai and promptfoo wrote; logs/README.md says how they were made."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from tests.unit.evaluator.compare.logs.rows import LABELS, ROWS
from tests.unit.evaluator.compare.material import LOGS

from so8t_evaluator.compare import objects
from so8t_evaluator.compare.faults import Faults
from so8t_evaluator.compare.log import Log, read_log
from so8t_evaluator.compare.reader import Reader
from so8t_shared.labels import INVALID
from so8t_shared.tables import readers
from so8t_shared.tables.functions import named

A_WROTE = ["ALLOW", "ESCALATION", "ALLOW", INVALID] * 2
B_WROTE = [*LABELS, "ALLOW", INVALID, "DENY", "REFUSE"]
"""What can be read from `rows.answer`: "allow" alone is an answer, a label inside reasoning is none."""

WRITTEN = [
    *(("lm-eval", f"lm_eval_written_{side}.jsonl", said) for side, said in (("a", A_WROTE), ("b", B_WROTE))),
    *(("inspect", f"inspect_{side}.eval", said) for side, said in (("a", A_WROTE), ("b", B_WROTE))),
    ("inspect", "inspect_b.json", B_WROTE[:3]),
    ("promptfoo", "promptfoo_b.json", B_WROTE),
    ("promptfoo", "promptfoo_b.jsonl", B_WROTE),
]


def _read(path: Path, **options: str) -> tuple[Log, Faults]:
    faults = Faults("f")
    return read_log(path, faults, **options), faults  # type: ignore[arg-type]


@pytest.mark.parametrize(("reader", "name", "said"), WRITTEN, ids=[name for _, name, _ in WRITTEN])
def test_written_answers(tmp_path: Path, reader: str, name: str, said: list[str]) -> None:
    """The content alone says which tool wrote a file; ids, classes, groups and languages are where tools keep them."""
    path = tmp_path / "log"
    path.write_bytes((LOGS / name).read_bytes())
    log, faults = _read(path)
    assert faults.first == []
    assert log.reader == reader
    rows = ROWS[: len(said)]
    assert {i: (r.gold, r.predicted, r.group, r.language) for i, r in log.rows.items()} == {
        row["id"]: (row["label"], text, row["group"], row["language"]) for row, text in zip(rows, said, strict=True)
    }
    assert _read(path, reader=reader)[0].rows == log.rows


def test_lm_evals_choices(tmp_path: Path) -> None:
    """The likeliest choice is the answer, and the log-likelihoods are kept; a target may be a choice's number."""
    path = LOGS / "lm_eval_choice_b.jsonl"
    log, faults = _read(path)
    assert faults.first == []
    assert [r.predicted for r in log.rows.values()] == [r.gold for r in log.rows.values()] == LABELS * 2
    assert log.rows["r0"].logprobs == {"ALLOW": -0.25, "ESCALATION": -2.625, "DENY": -2.75, "REFUSE": -2.875}
    assert [r.predicted for r in _read(LOGS / "lm_eval_choice_a.jsonl")[0].rows.values()] == [
        *("ALLOW", "ESCALATION", "ALLOW", "REFUSE") * 2
    ]
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    for entry in entries:
        entry["target"] = str(3 - LABELS.index(entry["target"]))
        for key in ("resps", "filtered_resps"):
            entry[key].reverse()
        entry["arguments"] = dict(zip(entry["arguments"], reversed(entry["arguments"].values()), strict=True))
    turned = tmp_path / "turned.jsonl"
    turned.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    again, faults = _read(turned)
    assert faults.first == []
    assert again.rows == log.rows


def test_inspects_choices_and_epochs() -> None:
    """A letter stands for a choice; answers to the same row are a group."""
    log, faults = _read(LOGS / "inspect_choice.eval")
    assert faults.first == []
    assert set(log.rows) == {f"r{i}" for i in range(4)} | {f"r{i}, epoch 2" for i in range(4)}
    assert {(r.group, r.gold) for r in log.rows.values()} == {(f"r{i}", LABELS[i]) for i in range(4)}
    assert {r.predicted for r in log.rows.values()} == {"ESCALATION"}


def test_fields_reach_into_a_tools_log() -> None:
    """By the names in the tool's own file; the class is read from a text there, too."""
    fields = {"gold": "metadata.language", "predicted": "output.choices.0.message.content"}
    faults = Faults("f")
    read_log(LOGS / "inspect_b.eval", faults, fields=fields)
    assert faults.count == 8
    log = read_log(LOGS / "inspect_b.eval", Faults("f"), fields={"predicted": fields["predicted"]})
    assert [r.predicted for r in log.rows.values()] == B_WROTE


def test_a_recorded_error_is_no_answer(tmp_path: Path) -> None:
    """A request that failed says nothing of the model."""
    found = json.loads((LOGS / "inspect_b.json").read_text())
    found["samples"][1]["error"] = {"message": "timeout"}
    (tmp_path / "log").write_text(json.dumps(found))
    assert _read(tmp_path / "log")[1].first == ["f, sample 2: inspect_ai recorded an error instead of an answer"]
    del found["samples"][1]["error"], found["samples"][1]["output"]
    (tmp_path / "log").write_text(json.dumps(found))
    assert _read(tmp_path / "log")[1].first == ["f, sample 2: inspect_ai recorded no completion for it"]
    found = json.loads((LOGS / "promptfoo_b.json").read_text())
    del found["results"]["results"][3]["response"]
    (tmp_path / "log").write_text(json.dumps(found))
    assert _read(tmp_path / "log")[1].first == ["f, result 4: promptfoo recorded no output for it"]
    (tmp_path / "log").write_text(json.dumps({"doc_id": 1, "resps": [], "target": "DENY"}))
    assert _read(tmp_path / "log")[1].first == ["f, line 1: lm-eval recorded no response for it"]


def test_two_models_in_one_promptfoo_file_are_refused(tmp_path: Path) -> None:
    """Neither is chosen in silence."""
    found = json.loads((LOGS / "promptfoo_b.json").read_text())
    found["results"]["results"][0]["provider"]["id"] = "other"
    (tmp_path / "log").write_text(json.dumps(found))
    assert _read(tmp_path / "log")[1].count == 1


def _archive(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


SAMPLE = {"id": "r", "epoch": 1, "target": "DENY", "output": {"completion": "<final>DENY</final>"}}


def test_archives_of_other_versions(tmp_path: Path) -> None:
    """Deflated members, as older versions wrote them, and a long text that is stored apart."""
    stored = {**SAMPLE, "output": {"completion": "attachment://x"}, "attachments": {"x": "<final>ALLOW</final>"}}
    path = _archive(tmp_path / "log", {"header.json": b"{", "samples/r.json": json.dumps(stored).encode()})
    log, faults = _read(path)
    assert faults.first == []
    assert log.rows["r"].predicted == "ALLOW"


def test_hostile_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb is not unpacked, a name that climbs writes nothing, damage is a fault."""
    monkeypatch.setattr(objects, "MOST_BYTES_OF_ONE", 1 << 20)
    sample = json.dumps(SAMPLE).encode()
    folder = tmp_path / "inner"
    folder.mkdir()
    bomb = b" " * (2 << 20)
    path = _archive(folder / "log", {"samples/../../../escaped.json": sample, "samples/bomb.json": bomb})
    log, faults = _read(path)
    assert list(log.rows) == ["r"]
    assert faults.first == ["f, samples/bomb.json: larger than 1 MiB"]
    assert [file.name for file in tmp_path.rglob("*")] == ["inner", "log"]


@pytest.mark.parametrize("name", ["inspect_b.eval", "inspect_choice.eval"])
def test_damaged_archives(tmp_path: Path, name: str) -> None:
    """Cut or changed anywhere: a fault, never a traceback."""
    whole, path = (LOGS / name).read_bytes(), tmp_path / "log"
    for place in range(4, len(whole), 397):
        for broken in (whole[:place], whole[:place] + b"\xff\x00\xff" + whole[place + 3 :]):
            path.write_bytes(broken)
            log, faults = _read(path)
            assert faults.count or log.rows


def test_the_table_is_complete() -> None:
    """Each row names a reader, one row needs no signs, the signs of the others are their own, and the page has them."""
    page = (Path(__file__).parents[4] / "docs" / "compare.md").read_text("utf-8")
    assert all(f"| `{row.name}`: " in page for row in readers.ROWS if row.signs)
    assert all(isinstance(named(row.reader), Reader) for row in readers.ROWS)
    signs = [sign for row in readers.ROWS for sign in row.signs]
    assert len(set(signs)) == len(signs)
    assert [row.name for row in readers.ROWS if not row.signs] == ["plain"]
    assert not any(sign <= set(readers.KEYS) for sign in signs)
    assert readers.recognized(frozenset()).name == "plain"
