"""Installing the packages that all clones on a machine share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[3] / "tools" / "install.py"


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    """No package at all: making the environment takes long enough."""
    file = tmp_path / "requirements.lock"
    file.touch()
    return file


def test_two_clones_at_once(tmp_path: Path, requirements: Path) -> None:
    """Neither deletes what the other is installing; both end well, and the packages are there once."""
    folder = tmp_path / "cache" / "packages"
    command = [sys.executable, str(PROGRAM), str(folder), str(requirements)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [(process.communicate(timeout=120)[1], process.returncode) for process in both]
    assert ends == [("", 0)] * 2
    assert (folder / "complete").exists()
    made = (folder / "pyvenv.cfg").stat().st_mtime_ns
    subprocess.run(command, check=True)
    assert (folder / "pyvenv.cfg").stat().st_mtime_ns == made


def test_an_unfinished_installation_is_made_anew(tmp_path: Path, requirements: Path) -> None:
    """What a killed installation left is not taken for complete."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "half").touch()
    subprocess.run([sys.executable, str(PROGRAM), str(folder), str(requirements)], check=True)
    assert not (folder / "half").exists()
    assert (folder / "complete").exists()
