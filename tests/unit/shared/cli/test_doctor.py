"""`so8t-ab doctor`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.shared.cli.conftest import Cli

from so8t_shared.cli import doctor
from so8t_shared.machine import Finding, examine


def test_this_machine(cli: Cli, tmp_path: Path) -> None:
    """Every part that was looked at is shown; the exit code says whether the demo can run."""
    findings = examine(str(tmp_path))
    done = cli("doctor", "--folder", tmp_path / "not" / "yet")
    assert [finding.part for finding in findings if finding.part not in done.out] == []
    assert done.code == (2 if any(finding.state == "bad" for finding in findings) else 0)


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("missing", 0), ("bad", 2)])
def test_exit_code(cli: Cli, monkeypatch: pytest.MonkeyPatch, state: str, code: int) -> None:
    """Only what the demo needs makes it fail; what it takes is shown."""
    finding = Finding("some part", state, "found [this]", "install [that]")  # type: ignore[arg-type]
    monkeypatch.setattr(doctor, "examine", lambda folder: [finding])
    done = cli("doctor")
    assert done.code == code
    assert "found [this]" in done.out
    assert "install [that]" in done.out
