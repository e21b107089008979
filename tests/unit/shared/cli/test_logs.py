"""`so8t-ab logs`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.material import progress_of, run_stage

from so8t_shared.config.load import load_config
from so8t_shared.errors import InputError, UpstreamError
from so8t_shared.running.context import StageContext
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.stages import STAGES, stage_named
from so8t_shared.store.local import LocalStore


def _make(ctx: StageContext) -> None:
    ctx.log.debug("details")
    ctx.log.info("96 [red]rows[/] :x:")
    raise ZeroDivisionError("a defect")


@pytest.fixture
def session(config_file: Path, store: LocalStore) -> Session:
    session = open_session(store, load_config(config_file))
    with pytest.raises(ZeroDivisionError):
        run_stage(stage_named("train"), session, store, _make)
    return session


def test_logs(cli: Cli, config_file: Path, session: Session) -> None:
    """Time, attempt, level and text, as it is, and why it ended; debug lines and tracebacks on request."""
    done = cli("logs", "train", "-c", config_file)
    assert done.code == 0
    line, end, remedy = done.out.splitlines()
    assert line.endswith("+00:00 #1 INFO    96 [red]rows[/] :x:")
    assert end.endswith("+00:00 #1 ERROR   Unexpected ZeroDivisionError: a defect")
    assert "logs STAGE --all" in remedy
    everything = cli("logs", "train", "-c", config_file, "--all", "--session", session.session_id).out
    assert "DEBUG   details" in everything
    assert "Traceback" in everything
    assert "ZeroDivisionError: a defect" in everything


def _say_oddly(ctx: StageContext) -> None:
    ctx.log.info("a text\u2028in two lines")
    raise ZeroDivisionError


def test_odd_line_breaks(cli: Cli, config_file: Path, store: LocalStore) -> None:
    """A message with a line break of another kind is shown, not taken for two lines that are cut."""
    session = open_session(store, load_config(config_file))
    with pytest.raises(ZeroDivisionError):
        run_stage(stage_named("train"), session, store, _say_oddly)
    assert r"a text\u2028in two lines" in cli("logs", "train", "-c", config_file).out


def _refuse(ctx: StageContext) -> None:
    raise InputError('The row "x" has no label.', where="rows.jsonl:3", remedy="give it one")


def test_a_stage_that_failed(cli: Cli, config_file: Path, store: LocalStore) -> None:
    """What happened, where, and what to do are in its log, once."""
    session = open_session(store, load_config(config_file))
    with pytest.raises(InputError) as caught:
        run_stage(stage_named("train"), session, store, _refuse)
    StageMarkers(store, session.session_id, "train").fail(caught.value, 1)
    out = cli("logs", "train", "-c", config_file).out
    assert out.splitlines()[0].endswith('#1 ERROR   The row "x" has no label.')
    assert out.splitlines()[1:] == ["  where: rows.jsonl:3", "  to do: give it one"]


def test_a_failure_before_the_work(cli: Cli, config_file: Path, session: Session, store: LocalStore) -> None:
    """An attempt that ended while it waited has no line of its own in the log; its end is shown after the others."""
    StageMarkers(store, session.session_id, "train").fail(InputError("The model is gone.", where="a", remedy="b"), 2)
    lines = cli("logs", "train", "-c", config_file).out.splitlines()
    assert lines[-3].endswith("ERROR   The model is gone.")
    assert lines[-2:] == ["  where: a", "  to do: b"]


def test_a_failure_with_a_secret(
    cli: Cli, config_file: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the log has redacted is not told beside it, and no line is left empty."""
    monkeypatch.setenv("HF_TOKEN", "hf_a-secret-value")

    def leak(ctx: StageContext) -> None:
        raise LookupError("refused: hf_a-secret-value")

    session = open_session(store, load_config(config_file))
    with pytest.raises(LookupError) as caught:
        run_stage(stage_named("train"), session, store, leak)
    markers = StageMarkers(store, session.session_id, "train")
    markers.fail(caught.value, 1)
    assert cli("logs", "train", "-c", config_file).out.count("LookupError: refused: ***\n") == 1
    markers.fail(LookupError("refused again: hf_a-secret-value"), 2)
    out = cli("logs", "train", "-c", config_file).out
    assert "ERROR   LookupError: refused again: ***\n  to do: " in out
    assert "a-secret" not in out


def test_no_log(cli: Cli, config_file: Path, session: Session, store: LocalStore, said: Said) -> None:
    """A stage that wrote none says why, by its state; an unknown one is refused."""

    def ask(name: str) -> None:
        done = cli("logs", name, "-c", config_file)
        assert (done.code, done.out) == (2, "")
        said(done.err, session=session.session_id)

    markers = {stage.name: StageMarkers(store, session.session_id, stage.name) for stage in STAGES}
    ask("report")
    markers["convert-b"].fail(UpstreamError("convert-b needs train.", where="session 1", remedy="run it first"), 1)
    ask("convert-b")
    markers["import"].complete("f" * 64, "c" * 64, reused=True, started="")
    ask("import")
    progress_of(store, session.session_id, "evaluate").tell("waiting", "computed by host-1")
    ask("evaluate")
    ask("nope")


def test_no_session(cli: Cli, config_file: Path, said: Said) -> None:
    """Before the first run there is nothing to show."""
    done = cli("logs", "train", "-c", config_file)
    assert done.code == 2
    said(done.err)


def test_lines_that_are_damaged(cli: Cli, config_file: Path, session: Session, store: LocalStore) -> None:
    """What cannot be read is left out."""
    key = f"sessions/{session.session_id}/train/log.jsonl"
    store.put_bytes(key, b"{cut\n[]\n5\n" + (store.get_bytes(key) or b""))
    done = cli("logs", "train", "-c", config_file)
    assert done.code == 0
    assert len(done.out.splitlines()) == 3
