"""Marks in reports that the export replaces."""

from __future__ import annotations

from so8t_shared.results.stamp import CONFIGURATION, CREATED, SESSION, stamped


def test_marks_are_replaced_everywhere() -> None:
    """Each mark becomes its session's value, wherever it stands; nothing else changes."""
    text = f"a {SESSION} b {CREATED} c {CONFIGURATION} d {SESSION} 日本語"
    found = stamped(text.encode(), session_id="s1", created="2026-11-22T22:44:00Z", config_digest="f" * 64)
    assert found.decode() == f"a s1 b 2026-11-22T22:44:00Z c {'f' * 64} d s1 日本語"
