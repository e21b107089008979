"""Images built once, and one stack that has run to its end, which most tests look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.compose.engine import PROGRAM, environment, need_docker, run_command
from tests.compose.stack import Stack, make_stack, removed_afterwards


@pytest.fixture(scope="session")
def images() -> None:
    """The images of this tree, the one for ladders included; a layer that is there already costs nothing."""
    need_docker()
    run_command([*PROGRAM, "images"], environment() | {"SO8T_EVALUATOR": "climber"}, timeout_s=1500)


@pytest.fixture(scope="session")
def finished(
    images: None, tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path, tiny_rows: Path
) -> Iterator[tuple[Stack, str]]:
    """A stack after one uninterrupted run, beside /think and the dashboard, and what `make up` printed.

    All profiles are started by one command, then `make up` waits for the report. Tests leave its session as it is.
    """
    stack = make_stack(tmp_path_factory.mktemp("full") / "stack", tiny_llama, tiny_rows, "full")
    with removed_afterwards(stack):
        stack.compose("--profile", "full", "--profile", "think", "--profile", "ui", "up", "--detach")
        yield stack, stack.up().stdout


@pytest.fixture
def stack(images: None, tmp_path: Path, tiny_llama: Path, tiny_rows: Path) -> Iterator[Stack]:
    """A project of which nothing runs yet; gone after the test."""
    with removed_afterwards(make_stack(tmp_path / "stack", tiny_llama, tiny_rows, "own")) as made:
        yield made
