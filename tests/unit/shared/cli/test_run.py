"""`so8t-ab run`: what it refuses before anything starts, and how it ends. Whole runs are in tests/integration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.messages import Said
from tests.tiny_models import make_llama
from tests.unit.reporter.builders_upstream import write_folders
from tests.unit.reporter.rendering import read, settings
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.material import listing, run_stage, write
from tests.unit.shared.namespaces import run_read_only

from so8t_reporter.assembly import assemble_results
from so8t_shared.cli import run
from so8t_shared.cli.run import _show_results
from so8t_shared.config.load import load_config
from so8t_shared.errors import GateRefused
from so8t_shared.machine import has_cuda_device
from so8t_shared.results.ab_test import AbTestResults
from so8t_shared.results.gate import Decision, GateResult
from so8t_shared.running.context import StageContext
from so8t_shared.running.export import results_dir
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.stages import stage_named
from so8t_shared.store.local import LocalStore
from so8t_trainer import planned


def _produce(ctx: StageContext) -> None:
    """Files that stand for those which the stages after it read."""
    files = {"chat.json": b"{}", "model_x": b"", "merged/x": b"", "splits/x": b"", "modelfiles/x.Modelfile": b""}
    write(ctx.output_dir, files)


def _sessions(config_file: Path) -> list[Path]:
    return list((config_file.parent / "store").glob("sessions/*/session.json"))


@pytest.fixture
def trainable(config_file: Path) -> Path:
    """A configuration whose model can be trained, on rows of each class."""
    make_llama(config_file.with_name("llama"))
    labels = ("ALLOW", "ESCALATION", "DENY", "REFUSE")
    rows = [json.dumps({"text": f"Request {i}", "label": labels[i % 4]}) for i in range(24)]
    config_file.with_name("rows.jsonl").write_text("\n".join(rows))
    raw = yaml.safe_load(config_file.read_text())
    raw |= {"device": "cpu", "training": {"max_steps": 50, "batch_size": 2, "dtype": "float32"}}
    raw["model_a"] = {"base_model": str(config_file.with_name("llama"))}
    config_file.write_text(yaml.safe_dump(raw))
    return config_file


def test_dry_run(cli: Cli, trainable: Path, store: LocalStore) -> None:
    """The plan, then two steps of the training: time, end and memory; neither session nor results folder."""
    before = listing(trainable.parent)
    done = cli("run", "-c", trainable, "--dry-run")
    assert done.code == 0, done.err
    plan, _, trial = done.out.partition("A step takes ")
    assert "never run in this store" in plan
    assert " s on cpu" in trial
    assert "50 steps take " in trial
    assert ": started now, they end on 20" in trial
    assert "Memory: " in trial
    assert {name: data for name, data in listing(trainable.parent).items() if "digests.sqlite" not in name} == before


def test_a_dry_run_tries_only_what_would_train_here(cli: Cli, trainable: Path, store: LocalStore) -> None:
    """Not a training that is reused, left out or without steps; one that would run elsewhere is named in a note."""
    assert "A step takes" not in cli("run", "-c", trainable, "--dry-run", "--to", "convert-a").out
    assert "A step takes" not in cli("run", "-c", trainable, "--dry-run", "--set", "training.max_steps=0").out
    done = cli("run", "-c", trainable, "--dry-run", "--set", "device=cuda")
    here = has_cuda_device()
    assert (done.code, "A step takes" in done.out, "two steps" in done.err) == (0, here, not here)
    run_stage(stage_named("train"), open_session(store, load_config(trainable)), store, _produce)
    done = cli("run", "-c", trainable, "--dry-run")
    assert (done.code, "A step takes" in done.out, "two steps" in done.err) == (0, False, False)


def test_a_dry_run_finds_what_would_end_the_training(cli: Cli, config_file: Path) -> None:
    """Too few rows, which no quick check finds: the plan, and the exit code that the run would have."""
    done = cli("run", "-c", config_file, "--dry-run")
    assert done.code == 2
    assert "never run in this store" in done.out
    assert "where: dataset.paths\n" in done.err
    assert _sessions(config_file) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--from", "evaluate", "--to", "train"],
        ["--from", "trian"],
        ["--to", "nope"],
        ["--gate", "--to", "evaluate"],
        ["--set", "model_a.base_model=/no/such/model"],
        ["--set", "dataset.paths=[/no/such/rows.jsonl]"],
        ["--set", "dataset.policy.allowed_licenses=[mit]"],
        ["--set", "training.sede=1"],
        ["--set", "output_base_dir=/proc/x"],
        ["--set", "checkpoint_dir=/proc/x"],
        ["--jobs", "-1"],
    ],
    ids=" ".join,
)
def test_refused_at_once(cli: Cli, config_file: Path, arguments: list[str], said: Said) -> None:
    """One message, its exit code, no session, no process."""
    done = cli("run", "-c", config_file, *arguments)
    assert done.code == 2
    said(done.err)
    assert _sessions(config_file) == []


def test_too_little_memory_to_train(
    cli: Cli, config_file: Path, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before any stage starts; not where training is left out, or was done before."""
    rows = [json.dumps({"text": f"Request {i}", "label": ("ALLOW", "DENY")[i % 2]}) for i in range(40)]
    config_file.with_name("rows.jsonl").write_text("\n".join(rows))
    given = [f"model_a.base_model={make_llama(tmp_path / 'llama')}", "device=cpu"]
    monkeypatch.setattr(planned, "free_memory_bytes", lambda: 100 << 20)
    monkeypatch.setattr(run, "_run_stages", lambda *_: None)
    arguments = ["-c", config_file, *(part for value in given for part in ("--set", value))]
    done = cli("run", *arguments)
    assert done.code == 2
    assert "memory" in done.err.splitlines()[0]
    assert "max_length" in done.err.splitlines()[-1]
    assert _sessions(config_file) == []
    assert cli("run", *arguments, "--to", "convert-a").code == 0
    run_stage(stage_named("train"), open_session(store, load_config(config_file, given)), store, _produce)
    assert cli("run", *arguments, "--to", "train").code == 0


def test_a_gate_that_cannot_pass(cli: Cli, config_file: Path, said: Said) -> None:
    """Said before any work starts; the run is not stopped by it."""
    labels = ("ALLOW", "ESCALATION", "DENY", "REFUSE")
    rows = [json.dumps({"text": f"Request {i}", "label": labels[i % 4]}) for i in range(84)]
    config_file.with_name("rows.jsonl").write_text("\n".join(rows))
    done = cli("run", "-c", config_file)  # ends in convert-a, whose model has no weights
    warnings = [line for line in done.err.splitlines() if line.startswith("warning: ")]
    said("\n".join(warnings))
    assert done.err.index("warning: ") < done.err.index("session ")


def test_starting_in_the_middle(cli: Cli, config_file: Path, said: Said) -> None:
    """Stages that were left out must have been completed: exit code 3 and the first one's name."""
    done = cli("run", "-c", config_file, "--from", "convert-b")
    assert done.code == 3
    said(done.err)


def test_the_inputs_of_stages_that_are_left_out(
    cli: Cli, config_file: Path, store: LocalStore, finished: Session, said: Said
) -> None:
    """A model that was deleted once it was converted is not asked for by the stages after it."""
    for name in ("convert-a", "train", "convert-b", "import"):
        run_stage(stage_named(name), finished, store, _produce)
    shutil.rmtree(config_file.parent / "model")
    done = cli("run", "-c", config_file, "--from", "import", "--to", "import")
    assert done.code == 0, done.err
    done = cli("run", "-c", config_file, "--from", "import", "--to", "import", "--dry-run")
    assert (done.code, done.out.split()[4:6]) == (0, ["import", "reuse"])
    done = cli("run", "-c", config_file, "--from", "train")
    assert done.code == 2
    said(done.err)


def test_read_only_results(config_file: Path) -> None:
    """Results that could not be written are refused before the work."""
    (config_file.parent / "results").mkdir()
    printed = run_read_only(
        config_file.parent / "results",
        f"""
        from so8t_shared.cli.main import main
        print(main(["run", "-c", {str(config_file)!r}]))
        """,
    )
    assert printed == "2\n"
    assert _sessions(config_file) == []


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> AbTestResults:
    return assemble_results(read(write_folders(tmp_path_factory.mktemp("upstream"))), settings())


@pytest.fixture
def finished(config_file: Path, store: LocalStore) -> Session:
    return open_session(store, load_config(config_file))


def _write(session: Session, results: AbTestResults, gate: GateResult) -> None:
    evaluation = results.evaluation.model_copy(update={"gate": gate})
    folder = results_dir(session)
    folder.mkdir(parents=True)
    (folder / "ab_test_results.json").write_text(
        results.model_copy(update={"evaluation": evaluation}).model_dump_json(), encoding="utf-8"
    )


def _gate(results: AbTestResults, *reasons: str, passed: bool) -> GateResult:
    """The first clauses of the gate, for these reasons."""
    result = Decision.PASS if passed else Decision.FAIL
    clauses = results.evaluation.gate.clauses
    changed = [
        c.model_copy(update={"result": result, "reason": reason}) for c, reason in zip(clauses, reasons, strict=False)
    ]
    return GateResult(result=result, clauses=changed)


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("passed", [False, True])
def test_the_end(
    finished: Session, results: AbTestResults, capsys: pytest.CaptureFixture[str], asked: bool, passed: bool
) -> None:
    """Table, sentence and the report's place; with --gate a refusal is exit code 10 with its reasons."""
    _write(finished, results, _gate(results, "recall on DENY fell", "not significant", passed=passed))
    if asked and not passed:
        with pytest.raises(GateRefused) as caught:
            _show_results(finished, gate=asked)
        assert caught.value.exit_code == 10
        assert caught.value.where.splitlines() == [
            "ab_test.gate",
            "    - B is better (fail): recall on DENY fell",
            "    - B is not worse anywhere (fail): not significant",
        ]
    else:
        _show_results(finished, gate=asked)
    out = capsys.readouterr().out
    assert " ".join(results.summary.split()) in " ".join(out.split())
    assert f"Report: {results_dir(finished) / 'report.html'}\n" in out
    assert json.loads((results_dir(finished) / "ab_test_results.json").read_text())["evaluation"]["gate"]


@pytest.mark.parametrize("closed", ["stdout", "stderr", "both"])
@pytest.mark.parametrize(("passed", "code"), [(False, 10), (True, 0)])
def test_the_gate_does_not_depend_on_a_reader(
    config_file: Path, finished: Session, results: AbTestResults, passed: bool, code: int, closed: str
) -> None:
    """`run --gate | head -n 1`: whoever has stopped reading changes nothing about the verdict."""
    _write(finished, results, _gate(results, "recall on DENY fell", passed=passed))
    reader, writer = os.pipe()
    os.close(reader)
    program = (
        "import sys; from so8t_shared.cli import main, run; run._run_stages = lambda *_: run.err.print('a line');"
        f"sys.exit(main.main(['run', '-c', {str(config_file)!r}, '--gate']))"
    )
    streams = {name: writer if closed in {name, "both"} else subprocess.PIPE for name in ("stdout", "stderr")}
    done = subprocess.run([sys.executable, "-c", program], **streams, text=True, timeout=60, check=False)  # type: ignore[call-overload]
    os.close(writer)
    assert done.returncode == code, done
    if closed == "stdout":
        assert ("does not let model B ship" in done.stderr) is not passed
