"""The tools' own help, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.messages import Said

ROOT = Path(__file__).resolve().parents[3]


def _tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"tools/{name}.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["clone_venv", "generate_docs", "lock"])
def test_help_explains_and_does_nothing(name: str, said: Said) -> None:
    """--help prints the usage; what is not known is refused with 2, without a traceback."""
    done = _tool(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")
    wrong = _tool(name, "--nonsense")
    assert wrong.returncode == 2
    said(wrong.stderr)


def test_lines_of_the_lock_for_some_extras(said: Said) -> None:
    """Those that all the named extras need; an extra that is not there is refused."""
    core, convert, both = (
        {line for line in _tool("lock", "common", *names).stdout.splitlines() if "==" in line}
        for names in (["core"], ["convert"], ["convert", "train"])
    )
    assert core
    assert core < both < convert
    done = _tool("lock", "common", "nothing")
    assert done.returncode == 2
    said(done.stderr)
