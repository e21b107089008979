"""Stand-ins for programs of systems that no test can start: systemd's user session, and Windows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


class Programs:
    """Scripts that come first on PATH, and note how they were called."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self, name: str, script: str) -> None:
        """A program that does this."""
        path = self._folder / name
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{path}.calls"\n{script}\n')
        path.chmod(0o755)

    def calls(self, name: str) -> list[str]:
        """Arguments of each call so far."""
        path = self._folder / f"{name}.calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def programs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Programs:
    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return Programs(folder)
