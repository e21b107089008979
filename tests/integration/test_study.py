"""A study: what its models share is computed once, through kills and failures."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.workspace import PIPELINE, Workspace, environment, kill_when, message_of

SEEDS = [1, 2, 3]
ARMS: list[dict[str, Any]] = [{"name": "lora", "set": {"training.so8t.enabled": False}}, {"name": "so8t"}]


@pytest.fixture
def study(workspace: Workspace) -> Workspace:
    """A workspace with a study of two arms and three seeds, as quick as it can be."""
    workspace.edit(
        training={"max_steps": 2, "checkpoint_every_steps": 1},
        gguf={"quantizations": ["F16"]},
        ab_test={"scoring": ["logprob"], "speed_samples": 1},
    )
    _write(workspace, "study.yaml")
    return workspace


def _write(workspace: Workspace, file: str, **keys: Any) -> None:
    raw = {"name": "tiny", "base": "config.yaml", "seeds": SEEDS, "arms": ARMS, "reference": "lora", **keys}
    (workspace.root / file).write_text(yaml.safe_dump(raw))


def _made(workspace: Workspace) -> Counter[str]:
    """Number of committed artifacts of each stage."""
    return Counter(path.parts[-3] for path in workspace.store.glob("artifacts/*/*/manifest.json"))


def _answers_of(workspace: Workspace, side: str, file: str = "samples.jsonl") -> list[dict[str, Any]]:
    files = sorted(workspace.store.glob(f"artifacts/evaluate/*/attempts/*/output/{file}"))
    lines = [json.loads(line) for each in files for line in each.read_text().splitlines()]
    return [line for line in lines if line["model"] == side]


def test_what_models_share_is_computed_once(study: Workspace) -> None:
    """Killed after its second model, a study resumes; A is converted once and asked once, each model trained once."""
    killed = subprocess.Popen(
        [*PIPELINE, "study", "-c", "study.yaml"],
        cwd=study.root,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert kill_when(killed, lambda: _made(study)["report"] == 2)
    done = study.cli("study", "-c", "study.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    made = _made(study)
    assert made == {stage: 1 if stage == "convert-a" else len(ARMS) * len(SEEDS) for stage in made}
    asked = [answer for answer in _answers_of(study, "a") if not answer["reused"]]
    assert len(asked) == len({answer["row_id"] for answer in asked})
    assert len([answer for answer in _answers_of(study, "b") if not answer["reused"]]) == 6 * len(asked)
    control = _answers_of(study, "a", "control.jsonl")
    again = [answer for answer in control if not answer["reused"]]
    assert [answer["row_id"] for answer in again] == [answer["row_id"] for answer in asked]
    assert len(control) == 6 * len(again)
    reports = [json.loads(file.read_text()) for file in study.results.glob("ab_test_results/*/ab_test_results.json")]
    assert Counter(each["evaluation"]["control_reused"] for each in reports) == {0: 1, len(again): 5}

    before = study.snapshot()
    again = study.cli("study", "-c", "study.yaml")
    assert again.returncode == 0, again.stderr
    judged = {path for path in study.snapshot() if "studies" in Path(path).parts}
    assert {name: stat for name, stat in study.snapshot().items() if name not in judged} == {
        name: stat for name, stat in before.items() if name not in judged
    }
    assert "6 of 6 models finished" in study.cli("study", "status", "-c", "study.yaml").stdout
    assert "0 stages run" in study.cli("study", "plan", "-c", "study.yaml").stdout
    result = json.loads((study.results / "studies" / "tiny" / "study_results.json").read_text())
    assert [arm["seeds"] for arm in result["arms"]] == [SEEDS, SEEDS]
    assert (study.results / "studies" / "tiny" / "study.html").is_file()

    _write(
        study,
        "failing.yaml",
        name="failing",
        reference="",
        seeds=[1],
        arms=[{"name": "broken", "set": {"training.max_length": 16}}, ARMS[1]],
    )
    failed = study.cli("study", "-c", "failing.yaml")
    assert "1 of 2 models failed" in message_of(failed, 2)
    assert "so8t, seed 1" in failed.stderr
    assert _made(study)["train"] == made["train"]
