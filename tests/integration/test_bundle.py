"""Evidence bundles of a session that really ran."""

from __future__ import annotations

from pathlib import Path

from tests.integration.workspace import Workspace


def test_a_real_session_is_proven(finished_copy: Workspace, tmp_path: Path) -> None:
    """Every figure of a real run follows from its answers, signed and without texts; a card is made of it."""
    workspace = finished_copy
    assert workspace.cli("bundle", "key", "-o", "key").returncode == 0
    made = workspace.cli("bundle", "-c", "config.yaml", "-o", "a.zip", "--key", "key")
    assert made.returncode == 0, made.stderr
    bare = workspace.cli("bundle", "-c", "config.yaml", "-o", "b.zip", "--without-texts")
    assert bare.returncode == 0, bare.stderr
    elsewhere = Workspace(tmp_path / "elsewhere")  # nothing of the session but the bundle
    elsewhere.root.mkdir()
    for name in ("a.zip", "b.zip", "key.pub"):
        (workspace.root / name).rename(elsewhere.root / name)
    for arguments in (["a.zip", "--key", "key.pub"], ["b.zip"]):
        done = elsewhere.cli("verify", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    card = elsewhere.cli("bundle", "card", "a.zip", "-o", "card")
    assert card.returncode == 0, card.stderr
    assert (elsewhere.root / "card" / "README.ja.md").stat().st_size > 1000
