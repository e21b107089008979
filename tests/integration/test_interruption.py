"""Real signals on the real pipeline: nothing finished is repeated, and the result is the same."""

from __future__ import annotations

import json
import random
import signal
import time
from typing import Any

import pytest
from tests.integration.cached import cached_answers
from tests.integration.workspace import Workspace, kill_when, wait_for_children, without_seconds

KILLED_STAGES = ["convert-a", "train", "convert-b", "import", "evaluate", "conclude", "report"]


def test_killed_in_every_stage_ends_with_the_same_result(workspace: Workspace, finished: Workspace) -> None:
    """SIGKILL once in each stage, then run on: same files as the uninterrupted run, no stage done twice."""
    choose = random.Random(20)
    for stage in KILLED_STAGES:
        _kill_in(workspace, stage, after_s=choose.uniform(0.0, 0.2))
    created = {stage: m["created"] for stage, m in workspace.manifests().items()}
    workspace.run()
    manifests = workspace.manifests()
    assert sorted(manifests) == sorted(KILLED_STAGES)
    assert {stage: manifests[stage]["created"] for stage in created} == created
    _assert_same_result(workspace, finished)


@pytest.mark.parametrize("step", [2, 4])
def test_train_resumes_from_its_newest_checkpoint(workspace: Workspace, finished: Workspace, step: int) -> None:
    """Killed after the checkpoint of step N, training goes on from the newest one and ends with the same weights."""
    process = workspace.start()
    assert kill_when(process, lambda: _newest_checkpoint(workspace) >= step)
    wait_for_children(workspace)
    newest = _newest_checkpoint(workspace)  # the stage may have come a step further before it noticed
    assert newest >= step
    workspace.run("--to", "train")
    _assert_same_training(workspace, finished)
    log = next(workspace.store.glob("sessions/*/train/log.jsonl")).read_text()
    assert f"resuming after step {newest} of 6" in log, log


def test_evaluate_asks_no_row_twice(workspace: Workspace, finished: Workspace) -> None:
    """Killed in the middle of evaluate, the answers so far are kept: they are not measured again."""
    workspace.run("--to", "import")
    process = workspace.start()
    assert kill_when(process, lambda: len(cached_answers(workspace)) >= 1)
    wait_for_children(workspace)
    before = cached_answers(workspace)
    assert before
    workspace.run()
    after = cached_answers(workspace)
    assert {p: after[p] for p in before} == before
    assert len(after) > len(before)
    _assert_same_result(workspace, finished)


def test_sigterm_keeps_the_work_and_exits_75(workspace: Workspace, finished: Workspace) -> None:
    """Asked to stop in train, the run saves a checkpoint, says how to go on, and resumes."""
    process = workspace.start()
    while not any(workspace.store.glob("artifacts/train/*/attempts/*/checkpoints/step-*/manifest.json")):
        assert process.poll() is None, (workspace.root / "run.log").read_text()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 75
    assert "run the same command again" in (workspace.root / "run.log").read_text()
    assert not list(workspace.store.glob("sessions/*/*/failed.json"))
    workspace.run("--to", "train")
    _assert_same_training(workspace, finished)


def _kill_in(workspace: Workspace, stage: str, after_s: float) -> None:
    process = workspace.start()
    entered: list[float] = []

    def ready() -> bool:
        if not entered and _is_running(workspace, stage):
            entered.append(time.monotonic())
        return bool(entered) and time.monotonic() - entered[0] >= after_s

    assert kill_when(process, ready), f"{stage} ended before it was killed:\n{(workspace.root / 'run.log').read_text()}"
    wait_for_children(workspace)


def _is_running(workspace: Workspace, stage: str) -> bool:
    for path in workspace.store.glob(f"sessions/*/{stage}/progress.json"):
        try:
            record = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            continue
        if record["state"] == "running":
            return True
    return False


def _newest_checkpoint(workspace: Workspace) -> int:
    """Its step, or 0 without any."""
    complete = workspace.store.glob("artifacts/train/*/attempts/*/checkpoints/step-*/manifest.json")
    return max((int(path.parent.name.removeprefix("step-")) for path in complete), default=0)


def _files(workspace: Workspace, stage: str) -> dict[str, str]:
    return {f["path"]: f["sha256"] for f in workspace.manifests()[stage]["files"]}


def _assert_same_training(one: Workspace, two: Workspace) -> None:
    names = ("merged/", "gates", "adapter/", "splits/")
    first, second = (
        {path: sha for path, sha in _files(w, "train").items() if path.startswith(names)} for w in (one, two)
    )
    assert first == second
    losses = [
        [json.loads(line)["loss"] for line in _text(w, "train", "metrics.jsonl").splitlines()] for w in (one, two)
    ]
    assert losses[0] == losses[1]


def _assert_same_result(one: Workspace, two: Workspace) -> None:
    _assert_same_training(one, two)
    for stage in ("convert-a", "convert-b"):
        first, second = ({p: s for p, s in _files(w, stage).items() if p.endswith(".gguf")} for w in (one, two))
        assert first == second
    assert _without_timing(one.results_json()) == _without_timing(two.results_json())


def _without_timing(results: dict[str, Any]) -> dict[str, Any]:
    evaluation = results["evaluation"]
    kept = ("cells", "comparisons", "control", "baseline", "gate", "test_set")
    return {key: without_seconds(evaluation[key]) for key in kept}


def _text(workspace: Workspace, stage: str, name: str) -> str:
    [path] = workspace.store.glob(f"artifacts/{stage}/*/attempts/*/output/{name}")
    return path.read_text()
