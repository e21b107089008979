"""`so8t-ab data check`, from files to exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.messages import Said
from tests.tiny_data import write_rows, write_thinking_rows
from tests.tiny_models import make_llama
from tests.unit.shared.cli.conftest import Cli

from so8t_shared.results.data_check import DataCheck


@pytest.fixture(scope="module")
def thinking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_thinking_rows(tmp_path_factory.mktemp("rows"), encoding="cp932")


def test_what_is_in_the_rows(cli: Cli, thinking: Path) -> None:
    """Every count of the first user's shapes, as one object; good rows exit with 0."""
    done = cli("data", "check", thinking, "--json")
    assert (done.code, done.err) == (0, "")
    found = DataCheck.from_bytes(done.out, "output")
    assert found.rows == sum(found.by_label.values()) == 64
    assert found.by_label == dict.fromkeys(found.by_label, 16)
    assert found.marked == {"test": 16, "train": 40, "validation": 8}
    assert {side: sum(counts.values()) for side, counts in found.sides.items()}["test"] == 16
    assert [file.encoding for file in found.files] == ["cp932 (Shift-JIS)"]
    assert set(found.files[0].shape.replace("(", "").split()) >= {"text-output", "conversations", "quadruple"}
    assert set(found.thinking) == {"task", "safety", "policy", "logic", "ethics", "practical", "creative", "<think>"}
    assert found.with_system == found.with_turns == found.thinking["<think>"]
    assert found.unused["source_id"] == 64
    assert {"拒否 = DENY", "許可 = ALLOW"} <= set(found.label_words)
    assert (found.faults, found.refused, found.notes, found.tokens) == ([], "", [], None)
    assert found.plan is not None
    assert found.plan.rows == 16


def test_the_same_for_people(cli: Cli, thinking: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files listed one by one say their side by their names."""
    monkeypatch.chdir(thinking)
    files = [f"quadruple_thinking_{side}.jsonl" for side in ("train", "val", "test")]
    done = cli("data", "check", *files, "--set", "dataset.encoding=cp932")
    assert (done.code, done.err) == (0, "")
    said(done.out.split("clause of the gate")[0])


def test_reasoning_of_messages(cli: Cli, tmp_path: Path, said: Said) -> None:
    """Fields of vLLM and DeepSeek read as thinking are named, and counted with the other roles."""
    answer = {"role": "assistant", "content": "<final>DENY</final>", "reasoning_content": "It is illegal."}
    rows = [{"messages": [{"role": "user", "content": f"request {n}"}, answer]} for n in range(3)]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = DataCheck.from_bytes(cli("data", "check", file, "--json").out, "output")
    assert (found.reasoning, found.thinking) == ({"messages[].reasoning_content": 3}, {"<think>": 3})
    assert found.unused == {}
    said("\n".join(line for line in cli("data", "check", file).out.splitlines() if "think" in line))


def test_faults(cli: Cli, tmp_path: Path) -> None:
    """All are listed with places and counts, good rows are counted all the same, and the exit code is 2."""
    good = write_rows(tmp_path / "good.jsonl")
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "a", "label": "\\u001b[2J"}\n{"q": 1}\n{"q": 2}\n{')
    done = cli("data", "check", good, bad, tmp_path / "nowhere.jsonl", "--json")
    found = DataCheck.from_bytes(done.out, "output")
    assert (done.code, found.rows) == (2, 96)
    assert [fault.count for fault in found.faults] == [1, 2, 1, 1]
    assert found.faults[1].places == [f"{bad}:2", f"{bad}:3"]
    done = cli("data", "check", good, bad)
    assert done.code == 2
    assert "\x1b" not in done.out


def test_rows_that_a_run_would_refuse(cli: Cli, tmp_path: Path) -> None:
    """A file of one class is no fault of its rows; what a run would say is said."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"text": "row number {i}", "label": "DENY"}}\n' for i in range(20)))
    done = cli("data", "check", path, "--json")
    found = json.loads(done.out)
    assert done.code == 0
    assert found["refused"]
    assert found["sides"] == {}


def test_what_a_run_would_decide_or_ask_for(cli: Cli, tmp_path: Path) -> None:
    """That few rows leave none for validation, and that the license is missing: neither is a fault of the rows."""
    rows = write_rows(tmp_path / "rows.jsonl", per_class=6)
    [few] = DataCheck.from_bytes(cli("data", "check", rows, "--json").out, "output").notes
    assert "dataset.validation_fraction" in few
    rows.with_name("dataset_card.yaml").unlink()
    done = cli("data", "check", rows, "--json")
    assert done.code == 0
    missing, again = DataCheck.from_bytes(done.out, "output").notes
    assert "dataset.source" in missing
    assert again == few


def test_tokens_of_a_model(cli: Cli, thinking: Path, tmp_path: Path) -> None:
    """What the rows need of it: lengths, and the answer and context that the test would allow."""
    model = make_llama(tmp_path / "llama", layers=1, hidden=64, heads=2)
    done = cli("data", "check", thinking, "--model", model, "--set", "training.max_length=300", "--json")
    needs = DataCheck.from_bytes(done.out, "output").tokens
    assert needs is not None
    assert needs.longest_row <= needs.longest_prompt + needs.longest_answer
    assert needs.max_new_tokens == max(48, int(1.25 * needs.longest_answer))
    assert needs.num_ctx == 2048
    assert (needs.max_length, needs.too_long > 0) == (300, needs.longest_row > 300)


def test_a_configuration_and_its_faults(cli: Cli, thinking: Path, tmp_path: Path) -> None:
    """Its keys apply to the given files; a wrong key ends with 2 before anything is read."""
    config = tmp_path / "config.yaml"
    config.write_text("model_a: {base_model: m}\ndataset: {paths: [nowhere], encoding: ascii}\n")
    assert cli("data", "check", thinking, "-c", config, "--json").code == 2
    assert cli("data", "check", thinking, "-c", config, "--set", "dataset.encoding=cp932", "--json").code == 0
    done = cli("data", "check", thinking, "--set", "dataset.encodings=cp932")
    assert done.code == 2
    assert "dataset.encodings" in done.err
