"""The conformance suite in the hands of the author of another store, outside of this project's tests."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from so8t_shared.store import testing

_STORE = """
from pathlib import Path
import pytest
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.suite import StoreSuite

class MyStore(LocalStore):
    def __init__(self, root): super().__init__(Path(root))
    def get_bytes(self, key): return super().get_bytes(key) or None  # what is empty seems to be absent
"""


def test_used_as_its_text_says(tmp_path: Path) -> None:
    """The lines of the package's docstring run as they are; the suite finds the fault, and pytest explains it."""
    example = textwrap.dedent((testing.__doc__ or "").split("\n\n")[1])
    (tmp_path / "test_mine.py").write_text(_STORE + example)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "bytes_come_back", tmp_path]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert "collected 46 items / 43 deselected / 3 selected" in done.stdout  # through the subclass alone
    assert "assert None == b''" in done.stdout
    assert "1 failed, 2 passed" in done.stdout
