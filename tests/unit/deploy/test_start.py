"""run.sh and deploy/start.py: from a fresh clone, with any Python that is new enough."""

from __future__ import annotations

import argparse
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.messages import Said

ROOT = Path(__file__).resolve().parents[3]


def _run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(folder / "run.sh"), *arguments],
        env={"HOME": os.environ["HOME"], "PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_without_python(said: Said) -> None:
    """One message and exit code 2; the shell's own words do not appear."""
    done = _run(ROOT, PATH="/nowhere")
    assert done.returncode == 2
    said(done.stderr)


def test_any_command_in_the_environment_that_is_there(tmp_path: Path) -> None:
    """What follows -- runs as `so8t-ab` does, with its exit code, and nothing is installed again."""
    clone = tmp_path / "clone"
    (clone / "deploy").mkdir(parents=True)
    for name in ("run.sh", "deploy/start.py", "requirements.lock"):
        (clone / name).write_bytes((ROOT / name).read_bytes())
    made = clone / ".venv-run"
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (made / "bin" / "python").chmod(0o755)
    (made / "lock").write_bytes((ROOT / "requirements.lock").read_bytes())
    done = _run(clone, "--", "status", "-c", "nothing.yaml", PYTHON=sys.executable)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "nothing.yaml" in done.stderr
    assert "installing" not in done.stdout
    assert _run(clone, "--", "--version", PYTHON=sys.executable).returncode == 0


def test_windows_without_docker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: Said
) -> None:
    """Docker Desktop that is not started yet is named at once, before anything is installed."""
    start = runpy.run_path(str(ROOT / "deploy" / "start.py"))
    monkeypatch.setitem(start["_with_python"].__globals__, "WINDOWS", True)
    monkeypatch.setitem(start["_with_python"].__globals__, "WHOLE", tmp_path / "venv")
    assert start["_with_python"](argparse.Namespace(config="my.yaml"), tmp_path / "log") == 4
    said(capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_powershell_and_batch_call_the_same_program() -> None:
    """Both find Python, call deploy/start.py with all arguments, and end with its exit code."""
    powershell = (ROOT / "run.ps1").read_text("utf-8")
    assert "deploy/start.py @args" in powershell
    assert "exit $LASTEXITCODE" in powershell
    batch = (ROOT / "run.bat").read_text("utf-8")
    assert 'run.ps1" %*' in batch
    assert "exit /b %code%" in batch


def test_ctrl_c_reaches_the_command_alone(tmp_path: Path) -> None:
    """What it says while it ends is on the terminal and in the log, and its exit code is the script's."""
    work = (
        "import sys, time\n"
        "try:\n    print('at work', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    time.sleep(0.2)\n    print('kept')\n    sys.exit(75)"
    )
    log = tmp_path / "run.log"
    start = (
        "import pathlib, runpy, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # as on a terminal; background jobs ignore it
        f"start = runpy.run_path({str(ROOT / 'deploy' / 'start.py')!r})\n"
        f"sys.exit(start['_logged']([sys.executable, '-c', {work!r}], pathlib.Path({str(log)!r})))"
    )
    with subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout
        assert process.stdout.readline() == b"at work\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate(timeout=30)[0] == b"kept\n"
    assert process.returncode == 75
    assert log.read_text() == "at work\nkept\n"
