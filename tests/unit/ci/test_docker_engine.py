"""Starting and ending an engine of one's own; only what does not touch the host's engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import docker_engine


@pytest.fixture
def pid_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an engine would have left its number."""
    path = tmp_path / "dockerd.pid"
    monkeypatch.setattr(docker_engine, "_pid_file", lambda: path)
    return path


def _sleeper(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *arguments])


def test_another_program_with_the_engines_number_is_left_alone(
    pid_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number that outlived its engine may be anybody's by now."""
    with _sleeper(str(pid_file)) as other:
        pid_file.write_text(str(other.pid))
        docker_engine.stop()
        assert other.poll() is None
        other.kill()
    assert "no engine" in capsys.readouterr().out


def test_an_engine_that_is_gone_already_is_no_fault(pid_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file, with a dead process's number, or with no number at all."""
    with _sleeper() as gone:
        gone.kill()
    for text in (None, str(gone.pid), "nonsense"):
        if text is not None:
            pid_file.write_text(text)
        docker_engine.stop()
        assert "no engine" in capsys.readouterr().out


def test_the_engine_itself_is_known_while_it_runs(pid_file: Path) -> None:
    """A process called dockerd with this pid file among its arguments is what `start` started."""
    command = ["/usr/bin/dockerd", "-c", "echo up; read line", "--pidfile", str(pid_file)]
    with subprocess.Popen(command, executable="/bin/sh", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as engine:
        pid_file.write_text(str(engine.pid))
        assert engine.stdout is not None
        assert engine.stdout.readline() == b"up\n"  # Popen returns a moment before the kernel shows the arguments
        assert docker_engine._running_engine(pid_file) == engine.pid
        engine.terminate()
    assert docker_engine._running_engine(pid_file) is None
