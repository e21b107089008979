"""`so8t-ab autostart`, and the run that removes what it installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.autostart.programs import Programs
from tests.unit.shared.autostart.programs import programs as programs
from tests.unit.shared.cli.conftest import Cli

from so8t_shared.autostart.job import job_of
from so8t_shared.autostart.systemd import Systemd
from so8t_shared.cli.run import _end_autostart
from so8t_shared.config.load import load_config
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import STAGES
from so8t_shared.store.local import LocalStore


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith("SO8T_") or name == "WSL_DISTRO_NAME"]:
        monkeypatch.delenv(name)


@pytest.fixture
def systemd(programs: Programs) -> Programs:
    """A user session of systemd that takes everything."""
    programs.make("systemctl", "echo enabled; echo inactive")
    programs.make("loginctl", "echo yes")
    return programs


def test_print(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    """It shows the file and writes nothing."""
    done = cli("autostart", "install", "-c", config_file, "--print", "--scheduler", "systemd")
    assert (done.code, done.out) == (0, Systemd().text(job_of(config_file, [])))
    assert cli("autostart", "install", "-c", config_file, "--print", "--scheduler", "windows").out.startswith("<?xml")
    assert not (tmp_path / "home").exists()


def test_install_status_remove(
    cli: Cli, config_file: Path, systemd: Programs, store: LocalStore, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    """Where it is and what is left to do, whether it is there, and gone again; each works twice."""
    monkeypatch.setenv("SO8T_NOTIFY", "json://127.0.0.1:9")
    open_session(store, load_config(config_file))
    job = job_of(config_file, [])
    for command in ("status", "install", "install", "status", "remove", "remove"):
        done = cli("autostart", command, "-c", config_file)
        assert done.code == 0
        said(done.out + done.err, name=job.name)
    assert not Systemd().file(job).exists()


def test_nothing_to_resume(cli: Cli, config_file: Path, systemd: Programs, store: LocalStore, said: Said) -> None:
    """A session that is done is refused; so are a configuration with faults and an unknown scheduler."""
    session = open_session(store, load_config(config_file))
    for stage in STAGES:
        markers = StageMarkers(store, session.session_id, stage.name)
        markers.complete("f" * 64, "c" * 64, reused=False, started="")
    done = cli("autostart", "install", "-c", config_file)
    assert done.code == 2
    said(done.err)
    assert cli("autostart", "install", "-c", config_file.parent / "none.yaml").code == 2
    assert cli("autostart", "status", "-c", config_file, "--scheduler", "cron").code == 2
    assert systemd.calls("systemctl") == []


def test_the_command_resumes_this_session(
    cli: Cli, config_file: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started with nothing but its command and folder, as a scheduler does: the same configuration and session."""
    monkeypatch.setenv("SO8T__TRAINING__SEED", "77")
    open_session(store, load_config(config_file, ["training.seed=77", "training.max_steps=3"]))
    job = job_of(config_file, ["training.max_steps=3"])
    environ = {"PATH": os.defpath, "HOME": str(config_file.parent)}
    shown = [*job.command[:3], "status", *job.command[4:]]
    done = subprocess.run(shown, cwd=job.folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert job.command[1:4] == ("-m", "so8t_shared.cli", "run")


def test_a_finished_run_removes_it(config_file: Path, systemd: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    """Its own, not that of other overrides; where the scheduler refuses, one note and no failure."""
    job, other = job_of(config_file, []), job_of(config_file, ["training.seed=1"])
    for each in (job, other):
        Systemd().install(each)
    _end_autostart(config_file, [])
    assert not Systemd().file(job).exists()
    assert Systemd().file(other).exists()
    systemd.make("systemctl", "echo 'Access denied' >&2; exit 1")
    _end_autostart(config_file, ["training.seed=1"])
    assert capsys.readouterr().err.count("note: autostart stays installed") == 1
