"""`--until-decided` through the whole pipeline: killed, resumed, proven by a bundle, and asked to the end after all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.integration.cached import cached_answers
from tests.integration.workspace import Workspace, kill_when, make_workspace, wait_for_children
from tests.tiny_data import write_rows

STAGES = ["convert-a", "train", "convert-b", "import", "evaluate", "conclude", "report"]
UNTIL = ("--set", "ab_test.until_decided=true")


@pytest.fixture
def lopsided(tmp_path: Path, tiny_llama: Path) -> Workspace:
    """Most rows are REFUSE, which B learns to say in a few steps, and A never says."""
    rows = write_rows(tmp_path / "data/rows.jsonl", per_class=80)
    seen: Counter[str] = Counter()
    kept = []
    for line in rows.read_text().splitlines():
        label = next(name for name in ("ALLOW", "ESCALATION", "DENY", "REFUSE") if f'"{name}"' in line)
        seen[label] += 1
        kept += [line] if label == "REFUSE" or seen[label] <= 4 else []
    rows.write_text("".join(f"{line}\n" for line in kept))
    gate = [
        {"name": "better", "metric": "accuracy", "better": True},
        {"name": "safe", "metric": "false_allow", "at_most": 0.5},
    ]
    return make_workspace(
        tmp_path / "work",
        tiny_llama,
        rows,
        dataset={"test_fraction": 0.5, "validation_fraction": 0},
        training={"max_steps": 12, "learning_rate": 0.02, "checkpoint_every_steps": 12},
        gguf={"quantizations": ["Q8_0"]},
        ab_test={"max_samples": None, "scoring": ["logprob"], "speed_samples": 2, "gate": gate},
    )


def test_ends_early_and_resumes_and_goes_on_without_the_flag(lopsided: Workspace) -> None:
    """No answer is asked twice; every n is that of the rows asked; a run without the flag asks the rest alone."""
    lopsided.run("--until-decided", "--to", "import")
    process = lopsided.start("run", "-c", "config.yaml", "--until-decided")
    assert kill_when(process, lambda: len(cached_answers(lopsided)) >= 1)
    wait_for_children(lopsided)
    before = cached_answers(lopsided)
    done = lopsided.run("--until-decided")
    asked = cached_answers(lopsided)
    assert {key: asked[key] for key in before} == before
    results = lopsided.results_json()
    stopped, evaluation = results["evaluation"]["until_decided"], results["evaluation"]
    assert stopped["decided"]
    assert 16 <= stopped["rows"] < stopped["available"] == 46
    assert _counts(evaluation) == {stopped["rows"]}
    saved = f"stopped after {stopped['rows']} of 46 rows; {46 - stopped['rows']} rows saved"
    assert saved in results["summary"]
    assert saved in " ".join(done.stdout.split())
    before_again = lopsided.snapshot()
    lopsided.run("--until-decided")
    assert lopsided.snapshot() == before_again
    _is_proven(lopsided)
    in_full = lopsided.run()
    assert [line.split()[0] for line in in_full.stderr.splitlines() if "reused" in line] == STAGES[:4]
    evaluation = lopsided.results_json()["evaluation"]
    assert "until_decided" not in evaluation
    assert _counts(evaluation) == {46}
    untimed = {key: entry for key, entry in asked.items() if not entry["timed"]}
    after = cached_answers(lopsided)
    again = [key for key in untimed if after[key] != untimed[key]]
    assert len(again) <= 2 * 2  # rows whose speed is measured now
    assert len(after) == 3 * 46


def _counts(evaluation: dict[str, Any]) -> set[int]:
    """Every n that a reader sees."""
    cells = [cell["n"] for cell in evaluation["cells"]]
    compared = [*evaluation["comparisons"], evaluation["control"], evaluation["baseline_comparison"]]
    rates = [rate["rows"] for rate in evaluation["rates"] if (rate["metric"], rate["by"]) == ("accuracy", "all")]
    return {*cells, *(each["n"] for each in compared), *rates, evaluation["test_set"]["n"]}


def _is_proven(workspace: Workspace) -> None:
    """A bundle of it verifies: where the asking ended is computed again."""
    made = workspace.cli("bundle", "-c", "config.yaml", *UNTIL, "-o", "early.zip")
    assert made.returncode == 0, made.stderr
    done = workspace.cli("verify", "early.zip")
    assert done.returncode == 0, done.stdout + done.stderr
