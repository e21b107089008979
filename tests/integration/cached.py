"""The answers that a workspace's store has cached for later runs."""

from __future__ import annotations

from typing import Any

from tests.integration.workspace import Workspace

from so8t_shared.artifacts.blocks import split, unpack


def cached_answers(workspace: Workspace) -> dict[bytes, dict[str, Any]]:
    """By key; an answer that was measured again differs in its times."""
    segments = sorted((workspace.store / "cache").rglob("*.seg"))
    return {key: entry for path in segments for block in split(path.read_bytes()) for key, entry in unpack(block)}


def forget_answers(workspace: Workspace) -> None:
    """Remove them all."""
    for path in (workspace.store / "cache").rglob("*.seg"):
        path.unlink()
