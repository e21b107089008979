"""Images built once, and one stack that has run to its end, which most tests look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.compose.engine import PROGRAM, environment, need_docker, run_command
from tests.compose.stack import Stack, make_stack, removed_afterwards


@pytest.fixture(scope="session")
def images() -> None:
    """The images of this tree; a layer that is there already costs nothing."""
    need_docker()
    run_command([*PROGRAM, "images"], environment(), timeout_s=1500)


@pytest.fixture
def stack(images: None, tmp_path: Path, tiny_llama: Path, tiny_rows: Path) -> Iterator[Stack]:
    """A project of which nothing runs yet; gone after the test."""
    with removed_afterwards(make_stack(tmp_path / "stack", tiny_llama, tiny_rows, "own")) as made:
        yield made
