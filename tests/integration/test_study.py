"""A study: what its models share is computed once, through kills and failures."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.study_work import work_of
from tests.integration.workspace import Workspace, kill_when, message_of

SEEDS = [1, 2]
ARMS: list[dict[str, Any]] = [{"name": "lora", "set": {"training.so8t.enabled": False}}, {"name": "so8t"}]
MEMBERS = len(SEEDS) * len(ARMS)


@pytest.fixture
def study(workspace: Workspace) -> Workspace:
    """A workspace with a study of two arms and two seeds, as quick as it can be: libraries to import take the time."""
    workspace.edit(
        training={"max_steps": 1, "report_to": []},
        gguf={"quantizations": ["F16"]},
        ab_test={"scoring": ["logprob"], "speed_samples": 1},
    )
    _write(workspace, "study.yaml")
    return workspace


def _write(workspace: Workspace, file: str, **keys: Any) -> None:
    raw = {"name": "tiny", "base": "config.yaml", "seeds": SEEDS, "arms": ARMS, "reference": "lora", **keys}
    (workspace.root / file).write_text(yaml.safe_dump(raw))


def test_what_models_share_is_computed_once(study: Workspace) -> None:
    """Killed after its second model, a study resumes: each model is trained once, and nothing else is computed twice.

    A is converted once, the rows are prepared once, A is asked once and once again for the control.
    """
    assert kill_when(study.start("study", "-c", "study.yaml"), lambda: work_of(study.store).committed["report"] == 2)
    done = study.cli("study", "-c", "study.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    work = work_of(study.store)
    assert work.committed == {stage: 1 if stage == "convert-a" else MEMBERS for stage in work.committed}
    assert (work.prepared, work.took_over >= MEMBERS - 1) == (1, True)
    asked = work.asked_a
    assert len(asked) == len(set(asked))
    assert work.asked_b == MEMBERS * len(asked)
    assert work.control == asked
    assert work.control_answers == MEMBERS * len(asked)
    reports = [json.loads(file.read_text()) for file in study.results.glob("ab_test_results/*/ab_test_results.json")]
    assert Counter(each["evaluation"]["control_reused"] for each in reports) == {0: 1, len(asked): MEMBERS - 1}

    before = study.snapshot()
    again = study.cli("study", "-c", "study.yaml")
    assert again.returncode == 0, again.stderr
    judged = {path for path in study.snapshot() if "studies" in Path(path).parts}
    assert {name: stat for name, stat in study.snapshot().items() if name not in judged} == {
        name: stat for name, stat in before.items() if name not in judged
    }
    assert f"{MEMBERS} of {MEMBERS} models finished" in study.cli("study", "status", "-c", "study.yaml").stdout
    assert "0 stages run" in study.cli("study", "plan", "-c", "study.yaml").stdout
    result = json.loads((study.results / "studies" / "tiny" / "study_results.json").read_text())
    assert [arm["seeds"] for arm in result["arms"]] == [SEEDS, SEEDS]
    assert (study.results / "studies" / "tiny" / "study.html").is_file()

    broken = {"name": "broken", "set": {"training.max_length": 16}}
    _write(study, "failing.yaml", reference="", seeds=[1], arms=[broken, ARMS[1]], set={"visualization.dpi": 40})
    failed = study.cli("study", "-c", "failing.yaml")
    assert "1 of 2 models failed" in message_of(failed, 2)
    assert "so8t, seed 1" in failed.stderr
    assert work_of(study.store).committed == {**work.committed, "report": MEMBERS + 1}
