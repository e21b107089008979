"""The tools' own help, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def _tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"tools/{name}.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["generate_docs", "third_party"])
def test_help_explains_and_does_nothing(name: str) -> None:
    """--help prints the usage; what is not known is refused with 2, without a traceback."""
    done = _tool(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")
    wrong = _tool(name, "--nonsense")
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_requirements_of_some_packages() -> None:
    """Those of the packages named; one that is not there is refused."""
    assert _tool("third_party", "shared").stdout.splitlines()
    assert set(_tool("third_party", "shared").stdout.splitlines()) < set(_tool("third_party").stdout.splitlines())
    done = _tool("third_party", "services/nothing")
    assert done.returncode == 2
    assert "there is no package services/nothing" in done.stderr
