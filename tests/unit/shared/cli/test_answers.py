"""`so8t-ab answers`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.shared.cli.conftest import Cli, Done
from tests.unit.shared.material import commit, manifest_of

from so8t_shared.config.load import load_config
from so8t_shared.results.answers import Sample
from so8t_shared.results.training import LabeledRow, RowTurn
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.store.local import LocalStore

HOSTILE = "one\x1b[2J\x07\u202e\n[red]two[/]"


def _sample(model: str, row_id: str, predicted: str, **other: Any) -> Sample:
    values = {"quantization": "q8_0", "scoring": "generate", "gold": "REFUSE", "final": "", "text": f"{model} {row_id}"}
    cost = {"answer_sha256": "0" * 64, "prompt_tokens": 1, "completion_tokens": 1, "latency_ms": 1.0, "ttft_ms": None}
    return Sample(model=model, row_id=row_id, predicted=predicted, host="h", **{**values, **cost, **other})


SAMPLES = [
    _sample("a", "r1", "REFUSE"),
    _sample("b", "r1", "ALLOW"),
    _sample("a", "r2", "INVALID", lenient="REFUSE", text=HOSTILE),
    _sample("b", "r2", "REFUSE", text=""),
    _sample("a", "r3", "ALLOW", gold="ALLOW"),
    _sample("b", "r3", "DENY", gold="ALLOW", quantization="q8_0"),
    _sample("a", "r1", "DENY", quantization="f16", scoring="constrained"),
    _sample("b", "r1", "REFUSE", quantization="f16", scoring="constrained"),
]


TURNS = [
    RowTurn(role="system", content=f"You guard\n{HOSTILE}"),
    RowTurn(role="user", content="Hello"),
    RowTurn(role="assistant", content="<think-task>SECRET</think-task>Hi."),
    RowTurn(role="assistant", content="<think>SECRET"),
]


@pytest.fixture
def session(config_file: Path, store: LocalStore, tmp_path: Path) -> Session:
    """A session whose train and evaluate are done."""
    session = open_session(store, load_config(config_file))
    rows = [LabeledRow(id=f"r{i}", text=f"request {i}", label="REFUSE") for i in (1, 2)]
    rows.append(LabeledRow(id="r3", text="Open it.", label="ALLOW", turns=TURNS))
    files: dict[str, dict[str, list[Any]]] = {
        "evaluate": {"samples.jsonl": SAMPLES},
        "train": {"splits/test.jsonl": rows},
    }
    for stage, written in files.items():
        lines = {
            name: b"".join(each.model_dump_json().encode() + b"\n" for each in all_) for name, all_ in written.items()
        }
        artifact = commit(store, tmp_path / stage, lines, stage=stage)
        digest = manifest_of(artifact).content_digest()
        markers = StageMarkers(store, session.session_id, stage)
        markers.complete(artifact.fingerprint, digest, reused=False, started="2026-01-01T00:00:00+00:00")
    return session


def _rows(done: Done) -> list[str]:
    assert done.code == 0, done.err
    return [line for line in done.out.splitlines() if not line.startswith(" ")]


def test_answers(cli: Cli, config_file: Path, session: Session) -> None:
    """Row, setting, correct class, both classes; then the request and what each wrote."""
    done = cli("answers", "-c", config_file, "--limit", 1)
    assert done.out.splitlines() == [
        "r1  q8_0 generate  correct: REFUSE  A: REFUSE  B: ALLOW",
        "  request:  request 1",
        "  A wrote:  a r1",
        "  B wrote:  b r1",
    ]
    assert "1 of 4 rows" in done.err
    assert len(_rows(cli("answers", session.session_id, "-c", config_file))) == 4


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ("--wrong", ["r1", "r2", "r3", "r1"]),
        ("--wrong --model b", ["r1", "r3"]),
        ("--wrong --model B --gold refuse", ["r1"]),
        ("--model b --gold REFUSE --predicted ALLOW", ["r1"]),
        ("--predicted INVALID", ["r2"]),
        ("--unread", ["r2"]),
        ("--unread --model b", []),
        ("--quantization F16", ["r1"]),
        ("--scoring generate", ["r1", "r2", "r3"]),
        ("--limit 2", ["r1", "r2"]),
        ("--limit 0", ["r1", "r2", "r3", "r1"]),
    ],
)
def test_choosing(cli: Cli, config_file: Path, session: Session, options: str, rows: list[str]) -> None:
    """Options choose rows by class, setting and what a model, or either, said."""
    assert [line.split()[0] for line in _rows(cli("answers", "-c", config_file, *options.split()))] == rows
    found = cli("answers", "-c", config_file, "--json", *options.split()).out.splitlines()
    assert [json.loads(line)["row_id"] for line in found] == rows


@pytest.mark.parametrize(
    "options", ["--model c", "--gold INVALID", "--predicted MAYBE", "--quantization q9", "--scoring x"]
)
def test_unknown_names(cli: Cli, config_file: Path, session: Session, options: str) -> None:
    """A name that no row can have is refused, with the known ones."""
    done = cli("answers", "-c", config_file, *options.split())
    assert done.code == 2
    assert "use one of" in done.err


def test_nothing_controls_the_terminal(cli: Cli, config_file: Path, session: Session) -> None:
    """What a model wrote is shown as text: no control character, no markup, no direction mark, each line its own."""
    done = cli("answers", "-c", config_file, "--unread")
    assert "A: INVALID (leniently REFUSE)" in done.out
    assert done.out.splitlines()[2:] == [
        r"  A wrote:  one\x1b[2J\x07\u202e",
        r"            [red]two[/]",
        "  B wrote:  (nothing kept)",
    ]
    line = cli("answers", "-c", config_file, "--unread", "--json").out
    assert line.isascii()
    assert json.loads(line)["a"]["text"] == HOSTILE
    assert json.loads(line)["request"] == "request 2"


def test_turns_before_the_request(cli: Cli, config_file: Path, session: Session) -> None:
    """Each turn under its role, its lines indented; nothing of them controls the terminal, and no thinking is shown."""
    done = cli("answers", "-c", config_file, "--gold", "ALLOW")
    assert done.out.splitlines()[1:-2] == [
        "  system:   You guard",
        r"            one\x1b[2J\x07\u202e",
        "            [red]two[/]",
        "  user:     Hello",
        "  assistant: Hi.",
        "  assistant: (nothing outside its thinking)",
        "  request:  Open it.",
    ]
    line = json.loads(cli("answers", "-c", config_file, "--gold", "ALLOW", "--json").out)
    assert line["turns"][0] == {"role": "system", "content": f"You guard\n{HOSTILE}"}
    assert [turn["content"] for turn in line["turns"][1:]] == ["Hello", "Hi.", ""]
    other = json.loads(cli("answers", "-c", config_file, "--quantization", "f16", "--json").out)
    assert (other["request"], other["turns"]) == ("request 1", [])


def test_before_the_end(cli: Cli, config_file: Path, store: LocalStore) -> None:
    """Without a session, or before evaluate has finished, it says so and what to do."""
    done = cli("answers", "-c", config_file)
    assert (done.code, done.out) == (2, "")
    open_session(store, load_config(config_file))
    done = cli("answers", "-c", config_file)
    assert done.code == 2
    assert "evaluate has not finished" in done.err
    assert cli("answers", "nowhere", "-c", config_file).code == 2
