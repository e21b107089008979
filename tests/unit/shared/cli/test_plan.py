"""`so8t-ab plan`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.material import listing, run_stage, write

from so8t_shared.config.load import load_config
from so8t_shared.running.context import StageContext
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import STAGES, stage_named
from so8t_shared.store.local import LocalStore


def _make(ctx: StageContext) -> None:
    write(ctx.output_dir, {"chat.json": b"{}"})


def test_plan(cli: Cli, config_file: Path, store: LocalStore) -> None:
    """One line a stage with what would be done and why; a changed key is shown; nothing is written."""
    run_stage(stage_named("train"), open_session(store, load_config(config_file)), store, _make)
    before = listing(Path(store.location))
    done = cli("plan", "-c", config_file, "--set", "training.seed=7")
    assert done.code == 0
    stages, _, disks = done.out.partition("\n\n")
    lines = {line.split()[0]: line for line in stages.splitlines() if not line.startswith(" ")}
    assert disks.startswith("large files of")
    assert [name for name in lines if name != "stage"] == [stage.name for stage in STAGES]
    assert "changed: training.seed: 42 -> 7" in " ".join(done.out.split())
    assert lines["convert-a"].split()[1] == lines["train"].split()[1] == "run"
    assert "never run in this store" in " ".join(done.out.split())
    stages = cli("plan", "-c", config_file).out.partition("\n\n")[0]
    again = {line.split()[0]: line.split()[1] for line in stages.splitlines() if line[0] != " "}
    assert again["train"] == "reuse"
    assert listing(Path(store.location)) == before


def test_a_missing_model(cli: Cli, config_file: Path, said: Said) -> None:
    """Exit code 2, one message, no traceback."""
    done = cli("plan", "-c", config_file, "--set", "model_a.base_model=/no/such/model")
    assert done.code == 2
    assert done.out == ""
    said(done.err)


def test_the_inputs_are_looked_at(cli: Cli, config_file: Path, said: Said) -> None:
    """The plan, then what would end the run hours later, exit code 2; what is only doubtful is a note."""
    done = cli("plan", "-c", config_file, "--set", "dataset.policy.allowed_licenses=[mit]")
    assert done.code == 2
    said(done.err)
    assert "never run in this store" in " ".join(done.out.split())
    doubtful = ["--set", "dataset.paths=[owner/name]", "--set", "ab_test.engine=ollama"]
    done = cli("plan", "-c", config_file, *doubtful, "--set", "ollama.host=http://127.0.0.1:9")
    assert done.code == 0
    notes = done.err.splitlines()
    assert sum("note: training needs about " in note for note in notes) == 1  # figures of this host
    said("\n".join(note for note in notes if "training needs" not in note))


def test_what_is_reused_is_not_looked_at(cli: Cli, config_file: Path, store: LocalStore) -> None:
    """Training that is done needs its data no more, whatever one would say of it today."""
    arguments = ["--set", "dataset.policy.allowed_licenses=[mit]"]
    session = open_session(store, load_config(config_file, arguments[1::2]))
    run_stage(stage_named("train"), session, store, _make)
    assert cli("plan", "-c", config_file, *arguments).code == 0


def test_the_demo_without_its_inputs(
    cli: Cli, config_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: Said
) -> None:
    """In a fresh clone: the command that makes them."""
    monkeypatch.chdir(tmp_path)
    for override in ("model_a.base_model=demo-run/model", "dataset.paths=[demo-run/data/rows.jsonl]"):
        done = cli("plan", "-c", config_file, "--set", override)
        assert done.code == 2
        said(done.err)


def test_what_the_test_can_find(cli: Cli, config_file: Path, said: Said) -> None:
    """One's own 84 rows: what each clause of the gate needs, what there is, and why it cannot pass; exit code 0."""
    labels = ("ALLOW", "ESCALATION", "DENY", "REFUSE")
    rows = [json.dumps({"text": f"Request {i}", "label": labels[i % 4]}) for i in range(84)]
    config_file.with_name("rows.jsonl").write_text("\n".join(rows))
    for command in (("plan",), ("config", "check")):
        done = cli(*command, "-c", config_file)
        assert done.code == 0
        table = done.out[done.out.index("clause of the gate") - 1 :]
        assert max(map(len, table.splitlines()[:-1])) <= 80
        said(table)
