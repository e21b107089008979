"""Commands that messages and docs tell a person to type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.unit.shared.small_service import ROOT
from typer.main import get_command

from so8t_shared.cli.main import app

_QUOTED = re.compile(r"['`]so8t-ab ([^'`\n{]+)['`]")
_IN_DOCS = re.compile(r"(?:^|[`\s(/])so8t-ab ([a-z][^`#|&\n]*)", re.MULTILINE)


def _told() -> Iterator[tuple[Path, str]]:
    for folder in ("shared", "services", "demo", "deploy"):
        for path in (ROOT / folder).rglob("*.py"):
            yield from ((path, found) for found in _QUOTED.findall(path.read_text("utf-8")))
    for path in (*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")):
        yield from ((path, found) for found in _IN_DOCS.findall(path.read_text("utf-8")))


def _fault(words: list[str]) -> str:
    """What of a command line does not exist."""
    command: Any = get_command(app)
    while (below := getattr(command, "commands", None)) and words and not words[0].startswith("-"):
        if words[0] not in below:
            return words[0]
        command, words = below[words[0]], words[1:]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"-h", "--help"}
    return next((word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word) and word not in known), "")


def test_every_command_that_is_told_exists() -> None:
    """Whoever follows a message or the docs meets no unknown command or option."""
    told = list(_told())
    assert len(told) > 50
    wrong = [f"{path.relative_to(ROOT)}: {line}" for path, line in told if _fault(re.split(r"[\s,.;:)]+", line))]
    assert wrong == []


def test_a_command_that_does_not_exist_is_found() -> None:
    """The check above would see it."""
    assert _fault(["gc"]) == "gc"
    assert _fault(["artifacts", "gc", "--no-such"]) == "--no-such"
    assert _fault(["artifacts", "gc"]) == ""
