"""How many cores an engine takes."""

from __future__ import annotations

from pathlib import Path

from so8t_evaluator.engine.processors import allowed_cores, free_cores


def test_within_what_is_allowed(tmp_path: Path) -> None:
    """At least one core, at most those that this process may use."""
    assert 1 <= free_cores(tmp_path / "no limit") <= len(allowed_cores())


def test_container_limit(tmp_path: Path) -> None:
    """A control group's quota counts; a fraction of a core still means one thread."""
    limit = tmp_path / "cpu.max"
    limit.write_text("50000 100000\n")
    assert free_cores(limit) == 1
    limit.write_text("max 100000\n")
    assert 1 <= free_cores(limit) <= len(allowed_cores())
