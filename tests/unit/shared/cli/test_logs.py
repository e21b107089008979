"""`so8t-ab logs`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.material import run_stage

from so8t_shared.config.load import load_config
from so8t_shared.sessions import Session, open_session
from so8t_shared.stage import StageContext
from so8t_shared.stages import stage_named
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
    """Time, attempt, level and text, as it is; debug lines and tracebacks on request."""
    done = cli("logs", "train", "-c", config_file)
    assert done.code == 0
    [line] = done.out.splitlines()
    assert line.endswith("+00:00 #1 INFO    96 [red]rows[/] :x:")
    everything = cli("logs", "train", "-c", config_file, "--all", "--session", session.session_id).out
    assert "DEBUG   details" in everything
    assert "Traceback" in everything
    assert "ZeroDivisionError: a defect" in everything


def test_no_log(cli: Cli, config_file: Path, session: Session) -> None:
    """A stage that wrote none says so; an unknown one is refused."""
    done = cli("logs", "report", "-c", config_file)
    assert done.code == 2
    assert "report has written no log" in done.err
    done = cli("logs", "nope", "-c", config_file)
    assert done.code == 2
    assert "no stage named 'nope'" in done.err


def test_no_session(cli: Cli, config_file: Path) -> None:
    """Before the first run there is nothing to show."""
    done = cli("logs", "train", "-c", config_file)
    assert done.code == 2
    assert "session (none)" in done.err


def test_lines_that_are_damaged(cli: Cli, config_file: Path, session: Session, store: LocalStore) -> None:
    """What cannot be read is left out."""
    key = f"sessions/{session.session_id}/train/log.jsonl"
    store.put_bytes(key, b"{cut\n[]\n5\n" + (store.get_bytes(key) or b""))
    done = cli("logs", "train", "-c", config_file)
    assert done.code == 0
    assert len(done.out.splitlines()) == 1
