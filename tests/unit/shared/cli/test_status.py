"""`so8t-ab status`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.material import progress_of

from so8t_shared.cli.common import local_time
from so8t_shared.config.load import load_config
from so8t_shared.errors import InputError
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.stages import STAGES
from so8t_shared.store.local import LocalStore


@pytest.fixture
def session(config_file: Path, store: LocalStore) -> Session:
    return open_session(store, load_config(config_file))


def _rows(out: str) -> dict[str, str]:
    names = {stage.name for stage in STAGES}
    return {line.split()[0]: line for line in out.splitlines() if line.split() and line.split()[0] in names}


def test_without_a_session(cli: Cli, config_file: Path, said: Said) -> None:
    """Exit code 2 and how to start; looking makes none."""
    done = cli("status", "-c", config_file)
    assert done.code == 2
    said(done.err)
    assert not list((config_file.parent / "store").glob("sessions/*"))


def test_every_state(cli: Cli, config_file: Path, store: LocalStore, session: Session) -> None:
    """Done, reused, failed, running, interrupted and not started, a row each."""
    markers = {stage.name: StageMarkers(store, session.session_id, stage.name) for stage in STAGES}
    markers["convert-a"].complete("f" * 64, "c" * 64, reused=False, started="")
    markers["train"].complete("e" * 64, "c" * 64, reused=True, started="")
    progress_of(store, session.session_id, "convert-b").update(1, 1, "q8_0")
    progress_of(store, session.session_id, "import").tell("interrupted")
    markers["evaluate"].fail(InputError("The [red]model[/] is cut.", remedy="fetch it"), 2)
    done = cli("status", "-c", config_file)
    assert done.code == 0
    assert session.session_id in done.out
    rows = _rows(done.out)
    assert {name: row.split()[1] for name, row in rows.items()} == {
        "convert-a": "done",
        "train": "reused",
        "convert-b": "running",
        "import": "interrupted",
        "evaluate": "failed",
        "conclude": "not",
        "report": "not",
    }
    assert "1/1" in rows["convert-b"]
    assert "[red]model[/]" in " ".join(done.out.split()) or "[red]mod" in done.out


def test_eighty_columns(cli: Cli, config_file: Path, store: LocalStore, session: Session) -> None:
    """Times and fingerprints are whole where a terminal has no more, beside long hosts, counts and messages."""
    finished = StageMarkers(store, session.session_id, "convert-a")
    finished.complete("f" * 64, "c" * 64, reused=False, started="")
    begun = StageMarkers(store, session.session_id, "train")
    reporter = progress_of(store, session.session_id, "train")
    reporter.update(1234, 56789, "loss 7.107, 1.2 s a step and a few words more")
    reporter.tell("interrupted")
    marker, work = finished.completed(), begun.progress()
    assert marker is not None
    assert work is not None
    begun.write_progress(work.model_copy(update={"host": "a.gpu.example.org"}))
    rows = _rows(cli("status", "-c", config_file).out)
    assert f"{local_time(marker.finished)}  {'f' * 12}" in rows["convert-a"]
    assert " 1234/56789 " in rows["train"]
    assert local_time(work.time) in rows["train"]
    assert max(map(len, rows.values())) <= 80


def test_a_failure_elsewhere(cli: Cli, config_file: Path, store: LocalStore, session: Session) -> None:
    """What one host has done or does is shown first, and beside it that another one failed."""
    for name in ("convert-a", "train"):
        markers = StageMarkers(store, session.session_id, name)
        progress_of(store, session.session_id, name).update(2, 5, "loss 1.0")
        record = markers.progress()
        assert record is not None
        markers.write_progress(record.model_copy(update={"host": "gpu-box"}))
        markers.fail(InputError("cut"), 1)
    StageMarkers(store, session.session_id, "convert-a").complete("f" * 64, "c" * 64, reused=False, started="")
    StageMarkers(store, session.session_id, "convert-a").fail(InputError("cut"), 1)
    out = cli("status", "-c", config_file).out
    assert {name: row.split()[1] for name, row in _rows(out).items() if name in {"convert-a", "train"}} == {
        "convert-a": "done",
        "train": "running",
    }
    assert out.count("failed") == 2


def test_another_session(cli: Cli, config_file: Path, store: LocalStore, session: Session) -> None:
    """--session chooses among the names that --all lists."""
    newer = open_session(store, session.config, new=True)
    assert newer.session_id in cli("status", "-c", config_file).out
    assert session.session_id in cli("status", "-c", config_file, "--session", session.session_id).out


def test_all_sessions(cli: Cli, config_file: Path, store: LocalStore, session: Session) -> None:
    """Oldest first, each with its time, what it compares, and how far it is; also where none is this file's."""
    other = load_config(config_file, ["ollama.model_b_name=b-longer", "ollama.model_a_name=plain"])
    newer = open_session(store, other)
    failed = open_session(store, load_config(config_file, ["training.seed=1"]))
    for stage in STAGES:
        StageMarkers(store, newer.session_id, stage.name).complete("f" * 64, "c" * 64, reused=True, started="")
    StageMarkers(store, failed.session_id, "train").fail(InputError("The data is cut."), 1)
    done = cli("status", "-c", config_file, "--all", "--set", "training.seed=99")
    assert done.code == 0
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in done.out.splitlines()[1:] if line[0] != " "}
    assert list(rows) == [session.session_id, newer.session_id, failed.session_id]
    assert rows[session.session_id].startswith(local_time(session.created))
    assert rows[session.session_id].endswith("0 of 7 stages done")
    assert rows[newer.session_id].endswith("plain, b-longer finished")
    assert rows[failed.session_id].endswith("failed: train")


@pytest.mark.parametrize("name", ["nope", "../x"])
def test_an_unknown_session(cli: Cli, config_file: Path, session: Session, name: str, said: Said) -> None:
    """A name that is no session's is refused with those that are, not shown as a session that did nothing."""
    done = cli("status", "-c", config_file, "--session", name)
    assert done.code == 2
    assert session.session_id in done.err
    said(done.err, session=session.session_id)


def test_model_b(cli: Cli, config_file: Path, store: LocalStore, session: Session) -> None:
    """Once B is converted and imported, the table is followed by how to use it; not for another configuration."""
    line = f"Model B: so8t-ab export {session.session_id} -c CONFIG --model b --quantization q4_k_m --to FOLDER\n"
    for stage in ("convert-b", "import"):
        assert "Model B" not in cli("status", "-c", config_file).out
        StageMarkers(store, session.session_id, stage).complete("f" * 64, "c" * 64, reused=False, started="")
    assert cli("status", "-c", config_file).out.endswith(line)
    assert cli("status", "-c", config_file, "--session", session.session_id).out.endswith(line)
    other = cli("status", "-c", config_file, "--set", "training.seed=5", "--session", session.session_id)
    assert (other.code, "Model B" in other.out) == (0, False)
