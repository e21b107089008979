"""Worker processes are fed when free, and their faults come out as errors."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from tests.messages import Said

from so8t_converter.worker_pool import WorkerPool
from so8t_shared.errors import So8tError

WORKER = """
import json, os, sys
for line in sys.stdin:
    job = json.loads(line)
    if job["do"] == "die":
        os.kill(os.getpid(), 9)
    if job["do"] == "interrupt":
        os.kill(os.getpid(), 2)
        job["do"] = "work"
    answers = {"work": {}, "fail": {"error": "bad job"}, "full": {"error": "No space left", "errno": 28}}
    print(json.dumps(answers[job["do"]]), flush=True)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "toy_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "toy_worker"


@pytest.mark.parametrize("processes", [1, 3])
def test_every_job_is_done_once(module: str, processes: int) -> None:
    """All jobs are answered, whatever the number of processes."""
    with WorkerPool(module, [], processes) as pool:
        assert sorted(pool.answers([{"do": "work"}] * 20)) == list(range(20))


def test_no_jobs(module: str) -> None:
    """Nothing to do is done at once."""
    with WorkerPool(module, [], 1) as pool:
        assert list(pool.answers([])) == []


def test_ctrl_c_is_for_the_parent(module: str) -> None:
    """A terminal sends SIGINT to the workers as well: only the parent decides when they end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with WorkerPool(module, [], 1) as pool:
        assert list(pool.answers([{"do": "interrupt"}, {"do": "work"}])) == [0, 1]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_refused_job(module: str, said: Said) -> None:
    """An error answer ends the work with its message."""
    with said.raised(So8tError), WorkerPool(module, [], 2) as pool:
        list(pool.answers([{"do": "work"}, {"do": "fail"}, {"do": "work"}]))


def test_full_disk(module: str, said: Said) -> None:
    """An answer with an errno becomes that OSError, which the stage runner knows."""
    with said.raised(OSError) as raised, WorkerPool(module, [], 1) as pool:
        list(pool.answers([{"do": "full"}]))
    assert raised.value.errno == 28


def test_the_cause_is_told_though_another_worker_waits_for_its_job(module: str) -> None:
    """Ending a worker to which a job was half sent fails as well, and must not hide why all are ended."""
    pool = WorkerPool(module, [], 2)
    stdin = pool._processes[1].stdin
    assert stdin is not None
    stdin.write(b"half a job")
    with pytest.raises(ZeroDivisionError), pool:
        raise ZeroDivisionError


def test_killed_worker(module: str, said: Said) -> None:
    """A worker killed by someone else is noticed, not waited for."""
    with said.raised(So8tError), WorkerPool(module, [], 1) as pool:
        list(pool.answers([{"do": "die"}, {"do": "work"}]))


def test_this_interpreter(module: str) -> None:
    """Workers run in the interpreter of the parent."""
    with WorkerPool(module, [], 1) as pool:
        assert pool._processes[0].args[0] == sys.executable  # type: ignore[index]
