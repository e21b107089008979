"""tools/clone_venv.py, on small real environments."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from tools.clone_venv import clone

SCRIPT = """#!{python}
import small
print(small.WHERE)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An environment with one module and one command."""
    folder = tmp_path / "source"
    venv.create(folder)
    (_packages(folder) / "small.py").write_text("WHERE = __file__\n")
    command = folder / "bin" / "small"
    command.write_text(SCRIPT.format(python=folder / "bin" / "python"))
    command.chmod(0o755)
    return folder


def _packages(folder: Path) -> Path:
    return folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def _output(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_clone_needs_its_source_no_more(source: Path, tmp_path: Path) -> None:
    """Commands run with the clone's own interpreter and modules, also when the source is gone."""
    target = tmp_path / "clone"
    target.mkdir()
    (target / "old").touch()
    clone(source, target)
    assert not (target / "old").exists()
    assert (_packages(target) / "small.py").samefile(_packages(source) / "small.py")
    source.rename(tmp_path / "elsewhere")
    assert _output(target / "bin" / "small") == str(_packages(target) / "small.py")
    assert _output(target / "bin" / "python", "-c", "import sys; print(sys.prefix)") == str(target)


def test_where_no_hard_links_are_possible(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another disk the files are copied."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    clone(source, tmp_path / "clone")
    assert not (_packages(tmp_path / "clone") / "small.py").samefile(_packages(source) / "small.py")
    assert _output(tmp_path / "clone" / "bin" / "small").startswith(str(tmp_path / "clone"))
