"""How tests compare messages with those that are stored, in a folder of this test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests import messages

TESTS = """
import pytest

@pytest.mark.parametrize("name", ["a", "b"])
def test_it(said, tmp_path, name):
    said(f"No file {name}\\n  where: {tmp_path}/x, 127.0.0.1:4711, {'0f' * 32}\\n  to do: make it")
    said("http://127.0.0.1:53239 answered after 3 s", seconds=3)

def test_error(said):
    with said.raised(ValueError):
        raise ValueError("one line")

def test_none():
    pass
"""
STORED = """\
tests/test_x.py::test_error:
  - one line

tests/test_x.py::test_it[a]:
  - |-
    No file a
      where: <tmp>/x, 127.0.0.1:<port>, <hash>
      to do: make it
  - http://127.0.0.1:<port> answered after <seconds> s

tests/test_x.py::test_it[b]:
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three tests, whose messages are stored."""
    tests = tmp_path / "tests"
    tests.mkdir()
    shutil.copy(messages.__file__, tests)
    (tests / "conftest.py").write_text('pytest_plugins = ["tests.messages"]\n')
    (tests / "test_x.py").write_text(TESTS)
    assert _run(tmp_path, "--update-messages") == 0
    return tmp_path


def _run(folder: Path, *arguments: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "xdist", f"--rootdir={folder}", *arguments]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=60, check=False).returncode


def _edit(folder: Path, old: str, new: str, name: str = "messages.yaml") -> None:
    path = folder / "tests" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("workers", ["0", "2"])
def test_update_writes_what_was_heard(folder: Path, workers: str) -> None:
    """Whatever differs from run to run has a name; workers or none, the file is the same."""
    path = folder / "tests" / "messages.yaml"
    text = path.read_text()
    assert STORED in text
    assert _run(folder, "-n", workers) == 0
    path.unlink()
    assert _run(folder, "-n", workers, "--update-messages") == 0
    assert path.read_text() == text


def test_other_words_fail(folder: Path) -> None:
    """In a message, and one message too few or too many."""
    _edit(folder, "make it", "create it")
    assert _run(folder) == 1
    _edit(folder, "create it", "make it")
    _edit(folder, "- one line", "- one line\n  - two")
    assert _run(folder) == 1
    _edit(folder, "- one line\n  - two", "- one line")
    _edit(folder, 'said("http://127.0.0.1:53239 answered after 3 s", seconds=3)', "pass", "test_x.py")
    assert _run(folder) == 1


def test_a_test_that_hears_nothing_any_more(folder: Path) -> None:
    """Its block is as stale as one of a test that is gone."""
    heard = 'def test_error(said):\n    with said.raised(ValueError):\n        raise ValueError("one line")\n'
    _edit(folder, heard, "def test_error():\n    pass\n", "test_x.py")
    assert _run(folder) == 1


@pytest.mark.parametrize(
    ("tests", "file"), [("test_it", "test_x"), ("test_gone", "test_x"), ("test_gone", "test_gone")]
)
def test_a_block_without_a_test_fails(folder: Path, tests: str, file: str) -> None:
    """But not where tests are left out on purpose; an update removes it."""
    _edit(folder, "tests/test_x.py::test_error:", f"tests/{file}.py::{tests}:\n  - x\ntests/test_x.py::test_error:")
    assert _run(folder) == 1
    assert (_run(folder, "-k", "test_error") == 0) is (file == "test_x")
    assert _run(folder, "--update-messages") == 0
    assert _run(folder) == 0


def test_a_failed_test_keeps_its_block(folder: Path) -> None:
    """So does one that was not chosen."""
    text = (folder / "tests" / "messages.yaml").read_text()
    _edit(folder, 'ValueError("one line")', "KeyError", "test_x.py")
    assert _run(folder, "--update-messages") == 1
    assert _run(folder, "--update-messages", "tests/test_x.py::test_none") == 0
    assert (folder / "tests" / "messages.yaml").read_text() == text
