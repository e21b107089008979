"""`so8t-ab autostart`, and the run that removes what it installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.messages import ROOT, Said
from tests.servers.needed import missing
from tests.unit.shared.autostart.programs import Programs
from tests.unit.shared.autostart.programs import programs as programs
from tests.unit.shared.cli.conftest import Cli

from so8t_shared.autostart.containers import job_in_containers
from so8t_shared.autostart.job import job_of
from so8t_shared.autostart.systemd import Systemd
from so8t_shared.cli.common import end_autostart
from so8t_shared.cli.run import _end_autostart
from so8t_shared.config.load import load_config
from so8t_shared.containers.engine import Engine
from so8t_shared.containers.settings import for_configuration
from so8t_shared.errors import ServerError
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import STAGES
from so8t_shared.store.local import LocalStore


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    ours = ("SO8T_", "COMPOSE_", "DOCKER_")
    for name in [n for n in os.environ if n.startswith(ours) or n in {"WSL_DISTRO_NAME", "CPU", "ENV_FILE"}]:
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


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's compose files in a folder of their own, with a configuration."""
    folder = tmp_path / "clone"
    (folder / "configs").mkdir(parents=True)
    for name in ("compose.yaml", "compose.cpu.yaml", "Dockerfile"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "configs" / "my.yaml").write_text("")
    monkeypatch.chdir(folder)
    return folder


def test_in_containers(cli: Cli, clone: Path, systemd: Programs, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    """Installed with the options of `up`, shown, and removed by the same session's name, with other options."""
    monkeypatch.setenv("SO8T_BUCKET", "mine")
    job = job_in_containers(Path("configs/my.yaml"), ["--cpu", "--timeout-s", "60"])
    of_this = ["-c", "configs/my.yaml", "--containers"]
    options = ["--cpu", "--timeout-s", "60"]
    shown = cli("autostart", "install", *of_this, *options, "--print", "--scheduler", "systemd")
    assert (shown.code, shown.out) == (0, Systemd().text(job))
    assert '"SO8T_BUCKET=mine"' in shown.out
    for command, more in (("install", options), ("status", []), ("remove", [])):
        done = cli("autostart", command, *of_this, *more)
        assert done.code == 0
        said(done.out + done.err, name=job.name)
    assert not Systemd().file(job).exists()


def test_options_that_do_not_fit(
    cli: Cli, clone: Path, config_file: Path, systemd: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of `up` without containers, an override with them, no or a missing configuration, no clone: 2."""
    for wrong in (
        ["-c", config_file, "--cpu"],
        ["-c", config_file, "--timeout-s", "172800"],
        ["--containers", "--set", "training.seed=1"],
        ["--containers", "-c", "configs/none.yaml"],
        [],
    ):
        assert cli("autostart", "install", *wrong).code == 2
    monkeypatch.setenv("SO8T_CONFIG", "demo.yaml")  # inside the containers, not in this folder
    assert cli("autostart", "install", "--containers").code == 0
    monkeypatch.chdir(config_file.parent)
    assert cli("autostart", "install", "--containers").code == 2


def test_the_job_in_containers_runs_without_an_environment(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started as a scheduler does, it reads its variables, waits for Docker, and ends with 4 if it never answers."""
    docker = shutil.which("docker")
    if docker is None:
        missing("docker is not here")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{clone}/docker.sock")
    job = job_in_containers(Path("configs/my.yaml"), ["--gpu-optional"])
    command = [word.replace("600", "0.2") for word in job.command]
    environ = {"PATH": f"{Path(docker).parent}:{os.defpath}", "HOME": str(clone)}
    done = subprocess.run(command, cwd=job.folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    assert "docker info" in done.stderr


def test_waiting_for_docker(programs: Programs) -> None:
    """An engine that comes later, and a command that appears only with it, as in WSL; not for longer than asked."""
    folder = Path(shutil.which("true") or "").parent
    programs.make("docker", f'[ "$({folder}/wc -l < "$0.calls")" -ge 3 ]')
    Engine().wait(60)
    assert programs.calls("docker") == ["info"] * 3
    programs.make("docker", "exit 1")
    with pytest.raises(ServerError):
        Engine().wait(0.1)


def test_a_finished_up_removes_it(
    clone: Path, systemd: Programs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The variables that `up CONFIG` sets lead to the job's name."""
    job, other = job_in_containers(Path("configs/my.yaml"), ["--cpu"]), job_in_containers(None)
    for each in (job, other):
        Systemd().install(each)
    for name, value in for_configuration(Path("configs/my.yaml")).items():
        monkeypatch.setenv(name, value)
    end_autostart(lambda: job_in_containers(None))
    assert (Systemd().file(job).exists(), Systemd().file(other).exists()) == (False, True)
    assert capsys.readouterr().err == ""
