"""The first user's configuration, rows and model, from run.sh to the report, as they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.first_user import STEPS, write_drive
from tests.integration.workspace import environment, kill_when
from tests.servers.receivers import Received, http_receiver

from so8t_shared.results.training import DataReport, TrainingPoint

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class _Machine:
    """A drive D: of the user, here a folder, and what this host has in the place of the user's."""

    drive: Path
    variables: dict[str, str]

    def command(self) -> list[str]:
        return ["/bin/sh", str(ROOT / "run.sh"), str(self.drive / "work" / "pipeline.yaml")]

    def metrics(self) -> list[TrainingPoint]:
        [path] = self._in_store("artifacts/train/*/attempts/*/output/metrics.jsonl")
        return TrainingPoint.read_lines(path)

    def report(self) -> DataReport:
        [path] = self._in_store("artifacts/train/*/attempts/*/output/data_report.json")
        return DataReport.read(path)

    def has_checkpoint(self) -> bool:
        return bool(self._in_store("artifacts/train/*/attempts/*/checkpoints/step-*/manifest.json"))

    def _in_store(self, pattern: str) -> list[Path]:
        return list((self.drive / "work" / "checkpoints" / "complete").glob(pattern))


@pytest.fixture
def notified() -> Iterator[Received]:
    """Somebody to tell."""
    with http_receiver() as received:
        yield received


@pytest.fixture
def machine(tmp_path: Path, notified: Received) -> _Machine:
    """Files in their places; no Docker."""
    drive = tmp_path / "D"
    write_drive(drive)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dirname").symlink_to("/usr/bin/dirname")
    variables = {
        "PATH": str(programs),
        "PYTHON": sys.executable,
        "SO8T_INPUTS_ROOT": str(drive),
        "SO8T_NOTIFY": f"json://127.0.0.1:{notified.port}/of-mine",
        "SO8T__DEVICE": "cpu",
    }
    return _Machine(drive, {**environment(), **variables})


@pytest.mark.timeout(900)
def test_from_run_sh_to_the_report(machine: _Machine, notified: Received) -> None:
    """Killed while it trains and started again: report, validation in the curve, all roles, one message each."""
    log = machine.drive / "first.log"
    with log.open("wb") as file:
        first = subprocess.Popen(
            machine.command(), env=machine.variables, stdout=file, stderr=file, start_new_session=True
        )
        killed = kill_when(first, machine.has_checkpoint)
        os.killpg(first.pid, signal.SIGKILL)
    assert killed, log.read_text("utf-8")
    done = subprocess.run(
        machine.command(), env=machine.variables, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [results] = (machine.drive / "work").glob("ab_test_results/*/ab_test_results.json")
    assert (results.parent / "report.html").is_file()
    assert json.loads(results.read_text("utf-8"))["evaluation"]["test_set"]["n"] == 8
    points = machine.metrics()
    assert [point.step for point in points] == list(range(1, STEPS + 1))
    assert [point.step for point in points if point.validation] == [STEPS // 2, STEPS]
    assert set(machine.report().thinking) >= {"task", "safety", "policy", "<think>"}
    titles = [post["title"] for post in notified.posts]
    assert len(titles) == len(set(titles)), titles
    assert any("phi-retrained" in title for title in titles), titles
