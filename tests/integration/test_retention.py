"""`ab_test.retention` through the whole pipeline, after a run without it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from tests.integration.workspace import Workspace, message_of

from so8t_shared.results.retention import RETAINED
from so8t_shared.retention.items import FEWEST

QUANTIZATIONS = ["f16", "q8_0", "q4_k_m"]
REUSED = ["convert-a", "train", "convert-b", "import"]


def _write_items(path: Path) -> Path:
    items = [{"prompt": f"Repeat {i}.", "reference": f"{i}"} for i in range(FEWEST - 1)]
    items.append({"prompt": "犬は?", "reference": "犬"})
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return path


def test_what_b_still_knows(finished_copy: Workspace) -> None:
    """Nothing is trained again; result, gate, report and bundle have it; another margin scores nothing anew."""
    workspace, rows = finished_copy, _write_items(finished_copy.root / "items.jsonl")
    assert not list(workspace.store.rglob("retention.jsonl"))
    workspace.edit(ab_test={"retention": "items.jsonl"})
    done = workspace.run()
    assert [line.split()[0] for line in done.stderr.splitlines() if "reused" in line] == REUSED
    (scored,) = workspace.store.rglob("retention.jsonl")
    before = scored.stat().st_mtime_ns
    evaluation = workspace.results_json()["evaluation"]
    found = evaluation["retention"]
    assert [each["quantization"] for each in found["files"]] == QUANTIZATIONS
    assert found["items"] == FEWEST
    assert all(each["verdict"] in RETAINED and each["divergence"] for each in found["files"])
    clause = evaluation["gate"]["clauses"][-1]
    assert (clause["metric"], clause["required"]) == ("retention", True)
    *_, report = sorted(workspace.results.glob("ab_test_results/*/report.md"))
    assert "What B still knows" in report.read_text()
    workspace.edit(ab_test={"retention": {"rows": "items.jsonl", "margin": 50.0}})
    workspace.run()
    assert [path.stat().st_mtime_ns for path in workspace.store.rglob("retention.jsonl")] == [before]
    wide = workspace.results_json()["evaluation"]["gate"]["clauses"][-1]
    assert wide["result"] == "pass"
    _is_proven_without_texts(workspace)
    rows.write_text("{}\n")
    assert "items.jsonl" in message_of(workspace.cli("run", "-c", "config.yaml"), 2)


def _is_proven_without_texts(workspace: Workspace) -> None:
    made = workspace.cli("bundle", "-c", "config.yaml", "-o", "bare.zip", "--without-texts")
    assert made.returncode == 0, made.stderr
    assert "evaluate/retention.jsonl.gz" in zipfile.ZipFile(workspace.root / "bare.zip").namelist()
    done = workspace.cli("verify", "bare.zip")
    assert done.returncode == 0, done.stdout + done.stderr
