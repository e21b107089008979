"""Errors to exit codes, one message each; and a program that starts lightly."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.small_service import ROOT

from so8t_shared import errors
from so8t_shared.cli import plan
from so8t_shared.cli.main import app
from so8t_shared.distribution import version
from so8t_shared.endings import exit_code_of, text_of

HEAVY = ["torch", "transformers", "matplotlib", "sklearn", "xllamacpp", "scipy", "datasets", "peft", "pyarrow", "gguf"]
SERVICES = ["so8t_converter", "so8t_trainer", "so8t_evaluator", "so8t_reporter"]
COMMAND = [sys.executable, "-m", "so8t_shared.cli"]


def _run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# Starting


def test_the_program_is_light() -> None:
    """Neither the command line nor a run's child imports a heavy library or a service."""
    code = (
        "import sys, so8t_shared.cli.main, so8t_shared.running.child; "
        f"print([m for m in {HEAVY + SERVICES} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_pickle_anywhere() -> None:
    """Nothing is read or written that could run code: no pickle, and trust_remote_code is never turned on."""
    offenders = []
    for path in [*(ROOT / "shared").rglob("*.py"), *(ROOT / "services").rglob("*.py"), *(ROOT / "demo").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        if re.search(r"^\s*(import|from) (pickle|joblib|dill|shelve|marshal)\b", text, re.MULTILINE) or re.search(
            r"torch\.load\(|trust_remote_code\s*=\s*True", text
        ):
            offenders.append(str(path.relative_to(ROOT)))
    assert offenders == []


# Help and usage


def test_help_names_every_command(cli: Cli) -> None:
    """`--help`, `-h` and no argument at all show what there is; exit codes are part of it."""
    done = cli("--help")
    assert done.code == 0
    commands = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    assert commands == {
        "run",
        "plan",
        "status",
        "study",
        "k8s",
        "logs",
        "answers",
        "audit",
        "think",
        "ui",
        "stage",
        "export",
        "bundle",
        "verify",
        "convert",
        "gguf",
        "compare",
        "ladder",
        "data",
        "doctor",
        "config",
        "artifacts",
        "notify",
        "watch",
        "autostart",
        "demo",
        "init",
        "secrets",
        "images",
        "up",
        "down",
    }
    assert [name for name in commands if str(name) not in done.out] == []
    for code in {kind.exit_code for kind in ERRORS.values() if issubclass(kind, errors.So8tError)}:
        assert f" {code} " in " ".join(done.out.split())
    assert cli("-h").out == done.out
    assert "Usage: so8t-ab" in cli().out + cli().err


@pytest.mark.parametrize("group", [[], ["config"], ["data"], ["artifacts"], ["gguf"], ["notify"], ["autostart"]])
def test_summaries_fit_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch, group: list[str]) -> None:
    """With 80 columns no command's sentence is cut off."""
    monkeypatch.setenv("COLUMNS", "80")
    done = cli(*group, "--help")
    assert done.code == 0
    assert "..." not in done.out.partition("Commands:")[2]


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run"],
        ["run", "--nonsense"],
        ["plan", "-c"],
        ["config"],
        ["config", "nonsense"],
        ["stage", "train"],
        ["stage", "train", "-c", "x", "--nonsense"],
        ["stage", "train", "-c", "x", "--wait-s", "-1"],
        ["artifacts", "gc", "--keep", "0", "-c", "x"],
    ],
    ids=" ".join,
)
def test_wrong_usage(cli: Cli, arguments: list[str], said: Said) -> None:
    """What cannot be understood ends with 2 and a hint, without a traceback."""
    done = cli(*arguments)
    assert done.code == 2
    assert "Usage" in done.out + done.err
    said(done.err)


def test_configuration_from_the_environment(cli: Cli, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SO8T_CONFIG stands for -c."""
    monkeypatch.setenv("SO8T_CONFIG", str(config_file))
    assert cli("config", "check").code == 0


# Errors


def _raising(error: BaseException) -> object:
    def make_plan(*_: object) -> None:
        raise error

    return make_plan


ERRORS: dict[str, type[Exception]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
}


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_every_error_has_its_exit_code(cli: Cli, config_file: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each kind ends with its code and prints what, where and what to do, once, whatever is in the text."""
    kind = ERRORS[name]
    error = kind("It [red]broke[/] :x:.", where="/a/very/long/path/" + "x" * 200, remedy="mend [it]")
    monkeypatch.setattr(plan, "make_plan", _raising(error))
    done = cli("plan", "-c", config_file)
    assert done.code == kind.exit_code
    assert done.err == "\n".join(error.lines()) + "\n"
    assert done.out == ""


def test_a_defect(cli: Cli, config_file: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    """An error of the program ends with 1 and says how to see more."""
    monkeypatch.setattr(plan, "make_plan", _raising(ZeroDivisionError("division by zero")))
    done = cli("plan", "-c", config_file)
    assert done.code == 1
    said(done.err)


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 75), (BrokenPipeError(32, "Broken pipe"), 1), (SystemExit(3), 3)]
)
def test_other_ends(
    cli: Cli, config_file: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: Said
) -> None:
    """Ctrl-C is an interruption; a pipe of our own that broke, such as a server's, is an error."""
    monkeypatch.setattr(plan, "make_plan", _raising(error))
    done = cli("plan", "-c", config_file)
    assert done.code == code
    said(done.err)


@pytest.mark.parametrize("position", [0, 1, 3])
@pytest.mark.parametrize("error", [ZeroDivisionError("x"), errors.InputError("x")])
def test_debug_shows_the_traceback(
    cli: Cli, config_file: Path, monkeypatch: pytest.MonkeyPatch, position: int, error: Exception
) -> None:
    """--debug may stand anywhere; the exit code and the message stay."""
    monkeypatch.setattr(plan, "make_plan", _raising(error))
    arguments = ["plan", "-c", str(config_file)]
    arguments.insert(position, "--debug")
    done = cli(*arguments)
    assert done.code == exit_code_of(error)
    assert done.err.startswith("Traceback")
    assert done.err.endswith(text_of(error) + "\n")


def test_as_a_process(config_file: Path, said: Said) -> None:
    """A missing model: exit code 2, one message, no traceback, nothing on standard output, no session."""
    done = _run("plan", "-c", str(config_file), "--set", "model_a.base_model=/no/such/model")
    assert (done.returncode, done.stdout) == (2, "")
    said(done.stderr)
    assert not (config_file.parent / "store" / "sessions").exists()
    debug = _run("plan", "--debug", "-c", str(config_file), "--set", "model_a.base_model=/no/such/model")
    assert "Traceback" in debug.stderr


@pytest.mark.parametrize(
    ("arguments", "first"), [("config schema", "{"), ("run --help", "Usage: so8t-ab run [OPTIONS]"), ("doctor", "part")]
)
def test_a_closed_pipe(arguments: str, first: str) -> None:
    """`so8t-ab config schema | head -1` prints one line and no complaint, and ends well."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m so8t_shared.cli {arguments} | head -1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith(first)
    assert len(done.stdout.splitlines()) == 1
    assert (done.returncode, done.stderr) == (0, "")


def test_signals_of_a_stage_are_its_own(config_file: Path) -> None:
    """`so8t-ab stage NAME` is the stage: SIGTERM reaches it, and its exit code is the command's."""
    process = subprocess.Popen(
        [*COMMAND, "stage", "convert-b", "-c", str(config_file), "--wait-s", "1000"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "waiting for train" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 75
    process.stderr.close()


def test_version(cli: Cli) -> None:
    """One line, for a report of a defect and for scripts."""
    done = cli("--version")
    assert (done.code, done.out, done.err) == (0, f"so8t-ab {version()}\n", "")
