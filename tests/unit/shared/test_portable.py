"""On a system without POSIX's modules, calls and signals, everything can be imported and all but stages runs."""

from __future__ import annotations

import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.small_service import ROOT

import so8t_shared
from so8t_shared.config.load import load_config
from so8t_shared.sessions.session import open_session
from so8t_shared.store.local import LocalStore

_WITHOUT = """
import os, signal, sys
import psutil  # has a layer of its own for each system
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog"):
    sys.modules[name] = None
for name in ("SIGKILL", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGCHLD", "SIGPIPE", "SIGSTOP", "SIGUSR1", "SIGUSR2",
             "pthread_sigmask", "sigwait", "alarm"):
    delattr(signal, name)
for name in ("killpg", "getpgid", "setsid", "fork", "getuid", "geteuid", "pread", "pwrite", "posix_fallocate",
             "sched_getaffinity", "fchmod", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC"):
    delattr(os, name)
"""
"""What Windows does not have, taken away before anything is imported."""

_MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(so8t_shared.__path__, "so8t_shared.")
    if not module.name.endswith("__main__")
)


def _python(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _WITHOUT + code, *arguments],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k not in {"SO8T_CONFIG", "SO8T_SESSION"}} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _so8t_ab(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    code = "from so8t_shared.cli.main import main; sys.exit(main())"
    return _python(code, *(str(argument) for argument in arguments), **variables)


def test_every_module_can_be_imported() -> None:
    """None of them needs at import what only POSIX has."""
    assert len(_MODULES) > 50
    code = """
import importlib
failed = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed[name] = repr(error)
print(failed)
"""
    done = _python(code, *_MODULES)
    assert (done.returncode, done.stdout.strip()) == (0, "{}"), done.stderr


def test_help() -> None:
    """The program explains itself."""
    done = _so8t_ab("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: so8t-ab" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["config", "check"], "is a valid configuration"),
        (["plan"], "convert-a"),
        (["status"], "convert-a"),
        (["run", "--dry-run", "--to", "convert-a"], "convert-a"),
        (["artifacts", "ls"], "session"),
    ],
)
def test_what_starts_no_stage_runs(config_file: Path, arguments: list[str], words: str) -> None:
    """With a local store that another system has filled."""
    open_session(LocalStore(config_file.parent / "store"), load_config(config_file))
    here = subprocess.run(
        [sys.executable, "-m", "so8t_shared.cli", *arguments, "-c", str(config_file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    done = _so8t_ab(*arguments, "-c", config_file)
    assert (done.returncode, done.stdout, done.stderr) == (0, here.stdout, here.stderr)
    assert words in done.stdout


def test_a_dry_run_does_not_train(config_file: Path, said: Said) -> None:
    """The plan is shown, and a note says why no step was tried."""
    done = _so8t_ab("run", "--dry-run", "-c", config_file)
    assert (done.returncode, "convert-a" in done.stdout) == (0, True)
    said("\n".join(line for line in done.stderr.splitlines() if "two steps" in line))


def test_autostart_in_containers_is_for_every_system(
    config_file: Path, tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs no stage here; one that does names it."""
    for name in [name for name in os.environ if name.startswith("SO8T_")]:
        monkeypatch.delenv(name)  # install names each one that it does not keep
    (tmp_path / "bin").mkdir()
    for name in ("schtasks.exe", "whoami.exe"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\necho pc\\\\me\n")
        (tmp_path / "bin" / name).chmod(0o755)
    places = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    install = ["autostart", "install", "--scheduler", "windows"]
    done = _so8t_ab(*install, "--containers", "--gpu-optional", **places)
    assert (done.returncode, done.stdout.startswith("installed: ")) == (0, True), done.stderr
    said(done.stderr)
    [task] = (tmp_path / "home").rglob("*.xml")
    assert "so8t_shared.cli up --gpu-optional --docker-wait-s 600" in task.read_text("utf-16")
    done = _so8t_ab(*install, "-c", config_file, **places)
    assert done.returncode == 2
    said(done.stderr)


@pytest.mark.parametrize("arguments", [["run"], ["stage", "train"]])
def test_what_starts_a_stage_names_where_it_runs(config_file: Path, arguments: list[str], said: Said) -> None:
    """One message with exit code 2, and nothing is written."""
    done = _so8t_ab(*arguments, "-c", config_file)
    assert (done.returncode, done.stdout) == (2, "")
    said(done.stderr)
    assert not (config_file.parent / "store" / "sessions").exists()


def test_one_module_knows_what_only_some_systems_have() -> None:
    """The others ask `processes`; only /proc/cpuinfo, whose absence means nothing, is read elsewhere."""
    only_some = re.compile(
        r"^\s*(?:import|from) (?:fcntl|resource|pwd|grp|termios|msvcrt)\b"
        r"|\b(?:killpg|pthread_sigmask|prctl|O_DIRECTORY|getuid|geteuid|setsid|os\.fork)\b"
        r"|\bsignal\.SIG(?!TERM\b|INT\b|_IGN\b|_DFL\b)\w+|\"/proc/(?!cpuinfo)",
        re.MULTILINE,
    )
    paths = [path for part in ("shared", "services", "demo") for path in (ROOT / part).rglob("so8t_*/**/*.py")]
    assert len(paths) > 100
    assert {path.name for path in paths if only_some.search(path.read_text("utf-8"))} == {"processes.py"}


def test_patterns_that_every_python_3_11_reads() -> None:
    """No possessive repetition of a group: Python before 3.11.5 goes on behind a try that failed (gh-106052).

    A single character may have one. An answer's `<think>` was not recognized, so its thinking would have been shown.
    """
    of_group = re.compile(r"\)(?:[?*+]|\{[\d,]+\})\+")
    sources = [p for name in ("shared", "services", "demo", "tools", "deploy") for p in (ROOT / name).rglob("*.py")]
    code = {p: [line for line in p.read_text("utf-8").splitlines() if of_group.search(line)] for p in sources}
    assert len(sources) > 100
    assert {p.name: lines for p, lines in code.items() if lines} == {}
