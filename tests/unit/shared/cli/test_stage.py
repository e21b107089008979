"""`so8t-ab stage NAME`: the same process as the container's. Its signals are in test_main.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.small_service import ROOT


def _stage(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "so8t_shared.cli", "stage", *arguments],
        cwd=ROOT,
        env={**os.environ, "SO8T_CONFIG": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_unknown_stage(cli: Cli, said: Said) -> None:
    """Exit code 2 and the six names."""
    done = cli("stage", "trian", "-c", "x")
    assert done.code == 2
    said(done.err)


def test_help_has_the_stages_options(cli: Cli) -> None:
    """The same before and after the stage's name."""
    done = cli("stage", "train", "--help")
    assert done.code == 0
    assert done.out == cli("stage", "--help").out
    for option in ("--config", "--set", "--session", "--wait-s", "SO8T_WAIT_S"):
        assert option in done.out


def test_options_reach_the_stage(config_file: Path, said: Said) -> None:
    """Overrides, the session's name and the waiting are the stage's."""
    done = _stage("train", "-c", str(config_file), "--set", "training.sede=1")
    assert done.returncode == 2
    said(done.stderr)
    done = _stage("convert-b", "--wait-s", "0.1", "-c", str(config_file), "--session", "nope")
    assert done.returncode == 2
    said(done.stderr)


def test_exit_code_and_message_are_the_stages(config_file: Path) -> None:
    """A stage whose upstream is missing: 3, and its message alone."""
    done = _stage("convert-b", "-c", str(config_file))
    assert done.returncode == 3
    assert "\nconvert-b needs train, which this session has not completed.\n  where: " in done.stderr
    assert done.stderr.count("convert-b needs train") == 1


@pytest.mark.parametrize("position", ["before", "after"])
def test_debug_reaches_the_stage(config_file: Path, position: str) -> None:
    """--debug shows the stage's traceback wherever it stands."""
    arguments = ["convert-b", "-c", str(config_file)]
    arguments.insert(0 if position == "before" else 3, "--debug")
    done = _stage(*arguments)
    assert done.returncode == 3
    assert "Traceback" in done.stderr
