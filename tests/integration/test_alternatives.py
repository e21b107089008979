"""`gguf.alternatives` through the whole pipeline, after a run without it."""

from __future__ import annotations

import json
import zipfile

import gguf
from tests.integration.workspace import Workspace, kill_when

from so8t_shared.results.training import LabeledRow


def test_whether_a_matrix_or_q5_k_m_helps(finished_copy: Workspace) -> None:
    """B's files are made and asked validation rows alone; nothing is trained again; report and bundle have it.

    Killed after the files that one pass makes, it makes only the other.
    """
    work = finished_copy
    work.edit(gguf={"alternatives": ["imatrix", "q5_k_m"]})
    kept = "artifacts/convert-b/*/attempts/*/checkpoints/q5_k_m/manifest.json"
    assert kill_when(work.start("run", "-c", "config.yaml"), lambda: any(work.store.glob(kept)))
    assert not list(work.store.glob("artifacts/convert-b/*/attempts/*/output/imatrix/*"))
    done = work.run()
    assert "q5_k_m, kept from an earlier attempt" in done.stdout + done.stderr
    assert [line.split()[0] for line in done.stderr.splitlines() if "reused" in line] == ["convert-a", "train"]
    [apart] = work.store.glob("artifacts/convert-b/*/attempts/*/output/imatrix/model_b_q4_k_m.gguf")
    assert gguf.GGUFReader(apart).fields["quantize.imatrix.dataset"].contents() == "train.jsonl"
    assert list(work.store.glob("artifacts/convert-b/*/attempts/*/output/model_b_q5_k_m.gguf"))
    [asked] = work.store.rglob("alternatives.jsonl")
    answers = [json.loads(line) for line in asked.read_text().splitlines()]
    [split] = work.store.glob("artifacts/train/*/attempts/*/output/splits/validation.jsonl")
    rows = [row.id for row in LabeledRow.read_lines(split)]
    assert [answer["row_id"] for answer in answers] == rows * 3
    found = work.results_json()["evaluation"]["alternatives"]
    assert [(line["name"], line["quantization"], line["n"]) for line in found["lines"]] == [
        ("imatrix", "q4_k_m", len(rows)),
        ("q5_k_m", "q5_k_m", len(rows)),
    ]
    *_, report = sorted(work.results.glob("ab_test_results/*/report.md"))
    assert "Would another file of B help?" in report.read_text()
    documents = [json.loads(path.read_text()) for path in work.store.rglob("verify_b.json")]
    assert max(([file["file"] for file in each["files"]] for each in documents), key=len) == [
        *(f"model_b_{name}.gguf" for name in ("f16", "q8_0", "q4_k_m")),
        *("imatrix/model_b_q4_k_m.gguf", "model_b_q5_k_m.gguf"),
    ]
    assert "q4_k_m with imatrix" in report.read_text().split("Next tokens against", 1)[1]
    assert not list(work.results.rglob("*q5_k_m*"))
    made = work.cli("bundle", "-c", "config.yaml", "-o", "bare.zip", "--without-texts")
    assert made.returncode == 0, made.stderr
    assert "evaluate/alternatives.jsonl.gz" in zipfile.ZipFile(work.root / "bare.zip").namelist()
    verified = work.cli("verify", "bare.zip")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    before = work.snapshot()
    work.run()
    assert {k for k in work.snapshot() if k.startswith("store/artifacts")} == {
        k for k in before if k.startswith("store/artifacts")
    }
