"""The Makefile's targets that delete, and the one that measures: in a folder of the test's own, never here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
RUNS = ("demo-run/store/x", "demo-run/results/report.html", "runs/my-model/store/x", "results/x", "checkpoints/x")
MADE = ("demo-run/model/config.json", "demo-run/data/rows.jsonl", ".venv/x", ".mypy_cache/x", ".pytest_cache/x")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that looks like a clone after the demo and a run of the user's own."""
    for name in (*RUNS, *MADE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def _make(folder: Path, target: str, answer: str = "", *options: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "-f", str(ROOT / "Makefile"), *options, target],
        cwd=folder,
        env=inherited,
        input=answer,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _left(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_clean_keeps_every_run(clone: Path) -> None:
    """What can be made again without a run goes; stores, results and checkpoints stay."""
    assert _make(clone, "clean").returncode == 0
    assert _left(clone) == set(RUNS)


@pytest.mark.parametrize("answer", ["", "no\n", "y\n", "\n"])
def test_runs_are_deleted_after_a_yes_only(clone: Path, answer: str) -> None:
    """Anything but yes, and a closed input too, deletes nothing and says so by its exit code."""
    done = _make(clone, "clean-runs", answer)
    assert done.returncode != 0
    assert "Nothing was deleted." in done.stdout
    assert _left(clone) == {*RUNS, *MADE}


def test_runs_are_deleted_after_a_yes(clone: Path) -> None:
    """The folders are named with their sizes before the question."""
    done = _make(clone, "clean-runs", "yes\n")
    assert done.returncode == 0
    assert [line.split()[1] for line in done.stdout.splitlines()[:4]] == ["demo-run", "runs", "results", "checkpoints"]
    assert not [name for name in _left(clone) if name.startswith(("demo-run", "runs", "results", "checkpoints"))]


def test_no_runs(tmp_path: Path) -> None:
    """Where nothing is, there is no question."""
    done = _make(tmp_path, "clean-runs")
    assert (done.returncode, done.stdout) == (0, "Nothing to delete: no demo-run, runs, results or checkpoints here.\n")


@pytest.mark.parametrize(("first", "code"), [("pass", 0), ("raise SystemExit(1)", 2)])
def test_a_missed_goal_does_not_end_the_bench(tmp_path: Path, first: str, code: int) -> None:
    """All scripts run, and the last line names the ones that missed their goal."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "a.py").write_text(first)
    (tmp_path / "bench" / "b.py").write_text("print(6 * 7)")
    done = _make(tmp_path, "bench", "", "--assume-old=demo")
    assert done.returncode == code
    assert "42" in done.stdout
    assert ("bench/a.py" in done.stdout.splitlines()[-1]) == bool(code)
