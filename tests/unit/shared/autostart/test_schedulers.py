"""Files for systemd and for the Windows Task Scheduler: valid, and with the same words whatever is in the paths."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import xmlschema
from tests.messages import Said
from tests.servers.needed import missing
from tests.unit.shared.autostart.programs import Programs
from tests.unit.shared.autostart.programs import programs as programs

from so8t_shared.autostart.containers import job_in_containers
from so8t_shared.autostart.job import KINDS, Job, job_of
from so8t_shared.autostart.scheduler import own_scheduler, scheduler_named
from so8t_shared.autostart.systemd import Systemd, command_line
from so8t_shared.autostart.windows import NAMESPACE, WindowsTasks
from so8t_shared.containers.settings import for_configuration
from so8t_shared.errors import InputError, UnsupportedSystem

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("task.xsd"))
ON_WINDOWS = {"USERNAME": "me", "USERDOMAIN": "PC"}
IN_WSL = {"WSL_DISTRO_NAME": "Ubuntu 24"}
ODD = ["two words", 'a "quoted" one', "50% %h", "$HOME ${X}", "back\\slash\\", "semi;colon", "日本語", "'", 'a\\"b']
NO_PROGRAM = ('"', "\\", "'")
"""Signs that systemd reads, but refuses in a program's name."""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A run in a folder with blanks and signs that schedulers would read."""
    folder = tmp_path / "my 50% $runs"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "con fig"))
    return job_of(Path("my model.yaml"), ['model_a.description=the "best" one'], {"SO8T__GGUF__PRIMARY": "f16"})


def test_a_job(job: Job, tmp_path: Path) -> None:
    """Overrides of the environment come first, as weaker ones; other overrides or another folder are another job."""
    file = tmp_path / "my 50% $runs" / "my model.yaml"
    words = ["--config", str(file), "--set", "gguf.primary=f16", "--set", 'model_a.description=the "best" one']
    assert list(job.command[4:]) == words
    again = job_of(file, ["gguf.primary=f16", 'model_a.description=the "best" one'], {})
    assert again == job
    assert job_of(file, [], {}).name != job.name
    assert job.name.startswith("so8t-ab-my-model-")
    os.chdir(tmp_path)
    assert job_of(file, ["gguf.primary=f16", 'model_a.description=the "best" one'], {}).name != job.name


def test_a_path_that_no_file_can_hold(said: Said) -> None:
    """A line break would begin another key."""
    with said.raised(InputError):
        job_of(Path("/data/my\nfile.yaml"), [], {})


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone in a folder with a blank, whose compose.yaml reads two variables."""
    folder = tmp_path / "my clone"
    (folder / "configs").mkdir(parents=True)
    (folder / "compose.yaml").write_text("services: {a: {image: '${SO8T_BUCKET:-x}', command: '${SO8T_MEMORY}'}}\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "con fig"))
    for name in [n for n in os.environ if n.startswith(("SO8T_", "COMPOSE_", "DOCKER_")) or n == "ENV_FILE"]:
        monkeypatch.delenv(name)
    return folder


def test_a_job_in_containers(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`up` of this clone with its options; what the shell sets for compose is in it, nothing else of the shell is."""
    monkeypatch.setenv("SO8T_BUCKET", "two words")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "mine")
    monkeypatch.setenv("SO8T_NOTIFY", "json://secret")
    job = job_in_containers(Path("configs/my.yaml"), ["--cpu"])
    words = [str(clone / "configs" / "my.yaml"), "--cpu", "--docker-wait-s", "600"]
    words += ["--var", "COMPOSE_PROJECT_NAME=mine", "--var", "SO8T_BUCKET=two words"]
    assert list(job.command[3:]) == ["up", *words]
    assert (job.kind, job.folder, job.name[:11]) == (KINDS["up"], clone, "so8t-ab-my-")
    assert set(KINDS) == {"run", "up"}


def test_the_same_session_in_containers_is_the_same_job(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by the command, by .env or by the variables that `up` itself sets; options do not count."""
    job = job_in_containers(Path("configs/my.yaml"), ["--cpu"])
    (clone / ".env").write_text("SO8T_CONFIG=configs/my.yaml\n")
    assert job_in_containers(None).name == job.name
    (clone / ".env").write_text("COMPOSE_PROJECT_NAME=other\n")
    assert job_in_containers(Path("configs/my.yaml")).name != job.name
    (clone / ".env").unlink()
    assert job_in_containers(None).name != job.name  # the demo
    elsewhere = clone.parent / "my.yaml"
    elsewhere.write_text("")
    outside = job_in_containers(elsewhere)
    for name, value in for_configuration(elsewhere).items():
        monkeypatch.setenv(name, value)
    assert job_in_containers(None).name == outside.name != job.name
    assert job_in_containers(None).name != job_of(elsewhere, [], {}).name


@pytest.mark.parametrize("environ", [IN_WSL, ON_WINDOWS, {}], ids=["wsl", "windows", "other"])
def test_a_job_in_containers_can_be_scheduled(
    environ: dict[str, str], clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its task is valid by the schema and has its words; systemd finds no fault in its unit."""
    monkeypatch.setenv("SO8T_MEMORY", '4g "x" 100%')
    job = job_in_containers(Path("configs/my.yaml"))
    SCHEMA.validate(WindowsTasks(environ).text(job).partition("\n")[2])
    assert _action(environ, job)["Arguments"].endswith(subprocess.list2cmdline(job.command[1:]))
    unit = tmp_path / f"{job.name}.service"
    unit.write_text(Systemd().text(job), encoding="utf-8")
    assert _verify(unit, tmp_path) == ""


# systemd


def _verify(unit: Path, tmp_path: Path) -> str:
    """What systemd says about a unit; empty if it is fine."""
    if not shutil.which("systemd-analyze"):
        missing("systemd-analyze is not here")
    (tmp_path / "run").mkdir(exist_ok=True)
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "run"), "SYSTEMD_LOG_LEVEL": "warning"}
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", unit], env=environ, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else done.stderr


def test_systemd_takes_the_unit(job: Job, tmp_path: Path) -> None:
    """Its own check finds no fault, and it does find a key that is none."""
    unit = tmp_path / f"{job.name}.service"
    unit.write_text(Systemd().text(job), encoding="utf-8")
    assert _verify(unit, tmp_path) == ""
    unit.write_text(Systemd().text(job).replace("RestartSec", "RestartSec2"), encoding="utf-8")
    assert "RestartSec2" in _verify(unit, tmp_path)


@pytest.mark.parametrize("name", ODD)
def test_systemd_reads_each_word_as_it_is(name: str, job: Job, tmp_path: Path) -> None:
    """systemd looks for the program and names it, so the check shows how it reads a word."""
    program = tmp_path / "bin" / name
    program.parent.mkdir()
    unit = tmp_path / "x.service"
    line = command_line([str(program), name])
    unit.write_text(Systemd().text(job).replace(command_line(job.command), line), encoding="utf-8")
    assert str(program) in _verify(unit, tmp_path)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert (_verify(unit, tmp_path) == "") is not any(sign in name for sign in NO_PROGRAM)


def test_a_dollar_in_an_argument_is_doubled() -> None:
    """systemd replaces variables in arguments, and not in the program's name."""
    assert command_line(["/a$b", "c$d"]) == '"/a$b" "c$$d"'


def test_systemd_is_told(job: Job, programs: Programs) -> None:
    """Install: the file, then reload and enable. Remove: the other way around. Twice is as once."""
    programs.make("systemctl", "echo enabled; echo inactive")
    programs.make("loginctl", "echo no")
    systemd = Systemd()
    for _ in range(2):
        notes = systemd.install(job)
    file = systemd.file(job)
    assert file.read_text("utf-8") == systemd.text(job)
    assert "enable-linger" in notes[-1]
    assert systemd.state(job) == "enabled, inactive"
    systemd.remove(job)
    assert not file.exists()
    name = file.name
    once = ["--user daemon-reload", f"--user enable {name}"]
    show = f"--user show -p UnitFileState,ActiveState --value {name}"
    assert programs.calls("systemctl") == [*once, *once, show, f"--user disable {name}", "--user daemon-reload"]


def test_without_systemd(job: Job, programs: Programs, said: Said) -> None:
    """An error says so, and no file stays that would seem installed."""
    programs.make("systemctl", "echo 'Failed to connect to bus' >&2; exit 1")
    with said.raised(UnsupportedSystem):
        Systemd().install(job)
    assert not Systemd().file(job).exists()


# Windows


@pytest.mark.parametrize("environ", [IN_WSL, ON_WINDOWS, {}], ids=["wsl", "windows", "other"])
def test_the_task_is_valid(environ: dict[str, str], job: Job) -> None:
    """By the schema, which refuses what it should: another order in the trigger, a wrong duration, an unknown key."""
    text = WindowsTasks(environ).text(job)
    assert text.startswith('<?xml version="1.0" encoding="UTF-16"?>')
    body = text.partition("\n")[2]
    SCHEMA.validate(body)
    delay, enabled = "<Delay>PT1M</Delay>", "<Enabled>true</Enabled>"
    swapped = body.replace(enabled, "").replace(delay, delay + enabled)
    for wrong in (
        swapped,
        body.replace("PT0S", "0"),
        body.replace("<Exec>", "<Exec><Shell/>"),
        body.replace("1.2", "x"),
    ):
        assert wrong != body
        assert not SCHEMA.is_valid(wrong)


def _action(environ: dict[str, str], job: Job) -> dict[str, str]:
    found = SCHEMA.to_dict(WindowsTasks(environ).text(job).partition("\n")[2])
    assert isinstance(found, dict)
    [action] = found["Actions"]["Exec"]
    return dict(action)


def test_the_task_does_what_run_does(job: Job) -> None:
    """On Windows in the folder itself; from WSL in the distribution, without a shell in between."""
    action = _action(ON_WINDOWS, job)
    assert (action["Command"], action["WorkingDirectory"]) == (job.command[0], str(job.folder))
    assert action["Arguments"] == subprocess.list2cmdline(job.command[1:])
    action = _action(IN_WSL, job)
    assert (action["Command"], "WorkingDirectory" in action) == ("wsl.exe", False)
    begin = f'--distribution "Ubuntu 24" --cd "{job.folder}" --exec '
    assert action["Arguments"] == begin + subprocess.list2cmdline(job.command)


def test_the_user_of_the_task(job: Job, programs: Programs) -> None:
    """Only the own user may be named without an administrator; WSL asks Windows for the name."""
    assert "<UserId>PC\\me</UserId>" in WindowsTasks(ON_WINDOWS).text(job)
    assert "UserId" not in WindowsTasks({}).text(job)
    programs.make("whoami.exe", "printf 'pc\\\\you\\r\\n'")
    assert WindowsTasks(IN_WSL).text(job).count("<UserId>pc\\you</UserId>") == 2


def test_windows_is_told(job: Job, programs: Programs) -> None:
    """From WSL: the XML in UTF-16 by its Windows path; removed by its name."""
    programs.make("schtasks.exe", "exit 0")
    programs.make("wslpath", "echo 'W:\\x.xml'")
    tasks = WindowsTasks(IN_WSL)
    tasks.install(job)
    file = tasks.file(job)
    assert file.read_bytes().decode("utf-16") == tasks.text(job)
    assert tasks.state(job) == "enabled"
    tasks.remove(job)
    assert not file.exists()
    name = job.name
    assert programs.calls("schtasks.exe") == [
        f"/Create /F /TN {name} /XML W:\\x.xml",
        f"/Query /TN {name}",
        f"/Delete /F /TN {name}",
    ]
    programs.make("schtasks.exe", "echo 'ERROR: Access is denied.' >&2; exit 1")
    with pytest.raises(UnsupportedSystem, match="Access is denied"):
        tasks.install(job)
    assert not file.exists()


def test_which_scheduler() -> None:
    """WSL counts as Windows; a system without a known one says what to do."""
    assert own_scheduler({}, "linux") == "systemd"
    assert own_scheduler(IN_WSL, "linux") == own_scheduler({}, "win32") == "windows"
    with pytest.raises(UnsupportedSystem):
        own_scheduler({}, "darwin")
    assert isinstance(scheduler_named("systemd"), Systemd)
    assert isinstance(scheduler_named("windows"), WindowsTasks)
    assert NAMESPACE in SCHEMA.maps.namespaces
