"""The whole pipeline as a user runs it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import gguf
import pytest
from tests.integration.workspace import Workspace, make_workspace, message_of

from so8t_shared.labels import LABELS

STAGES = ["convert-a", "train", "convert-b", "import", "evaluate", "conclude", "report"]


def test_run_leaves_exactly_the_promised_files(finished: Workspace) -> None:
    """The report lies where the original pipeline put it, with nothing beside what is documented."""
    [folder] = (finished.results / "ab_test_results").iterdir()
    assert re.fullmatch(r"complete_so8t_ab_test_\d{8}_\d{6}", folder.name)
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert {"report.md", "report.html", "ab_test_results.json", "answers.csv", "junit.xml"} <= names
    assert "visualizations/metrics_comparison.png" in names
    models = {n.removeprefix("models/") for n in names if n.startswith("models/")}
    quantizations = ("f16", "q8_0", "q4_k_m")
    assert models == {f for q in quantizations for f in (f"model_b_{q}.gguf", f"tiny-retrained.{q}.Modelfile")}
    [events] = (n for n in names if n.startswith("training/"))
    assert events.startswith("training/tensorboard/events.out.tfevents.")
    extra = {n for n in names if not n.startswith(("visualizations/", "models/", "training/"))}
    assert extra == {
        *("report.md", "report.html", "explorer.html", "ab_test_results.json", "answers.csv", "junit.xml"),
        *("verify_a.json", "verify_b.json"),
    }
    assert [p.name for p in finished.results.iterdir()] == ["ab_test_results"]


def test_every_stage_is_committed_and_marked(finished: Workspace) -> None:
    """An artifact with a manifest and a completed marker for each stage, no failure, no leftover work or scratch."""
    assert sorted(finished.manifests()) == sorted(STAGES)
    markers = {p.parent.name for p in finished.store.glob("sessions/*/*/completed.json")}
    assert markers == set(STAGES)
    assert not list(finished.store.glob("sessions/*/*/failed.json"))
    assert not list(finished.store.glob("artifacts/*/*/attempts/*/checkpoints/*"))
    assert not list((finished.store / ".local" / "scratch").iterdir())


def test_results_cover_the_grid_and_add_up(finished: Workspace) -> None:
    """Two models x three quantizations x two scorings; each confusion matrix sums to n and gives the accuracy."""
    evaluation = finished.results_json()["evaluation"]
    cells = {(c["model"], c["quantization"], c["scoring"]) for c in evaluation["cells"]}
    assert len(cells) == len(evaluation["cells"]) == 12
    for cell in evaluation["cells"]:
        assert sum(map(sum, cell["confusion"])) == cell["n"] == evaluation["test_set"]["n"]
        right = sum(cell["confusion"][i][i] for i in range(4))
        assert cell["accuracy"]["value"] == pytest.approx(right / cell["n"])
        if cell["scoring"] == "logprob":
            assert cell["invalid"] == 0


def test_second_run_changes_nothing(finished_copy: Workspace) -> None:
    """A finished run started again reuses all stages and writes neither to the store nor to the results."""
    first = finished_copy.run()  # a copy has new inodes: lets the digests be remembered
    before = finished_copy.snapshot()
    second = finished_copy.run()
    assert finished_copy.snapshot() == before
    assert second.stdout == first.stdout
    assert [line.split() for line in second.stderr.splitlines() if "reused" in line] == [[s, "reused"] for s in STAGES]


def test_missing_results_are_exported_again(finished_copy: Workspace) -> None:
    """Deleting the exported folder costs nothing: it comes back from the store."""
    shutil.rmtree(finished_copy.results)
    finished_copy.run()
    assert list(finished_copy.results.glob("ab_test_results/*/report.html"))


@pytest.mark.parametrize(
    ("override", "running"),
    [
        ("visualization.dpi=51", ["report"]),
        ("training.learning_rate=0.001", ["train", "convert-b", "import", "evaluate", "conclude", "report"]),
        ("ab_test.confidence=0.9", ["conclude", "report"]),
        ("gguf.primary=q8_0", ["import", "evaluate", "conclude", "report"]),
        ("training.checkpoint_every_steps=3", []),
        ("ab_test.threads=2", []),
    ],
)
def test_plan_reruns_only_what_a_change_touches(finished: Workspace, override: str, running: list[str]) -> None:
    """A changed key reruns the stages that read it and those after them; the first of them says which key."""
    done = finished.cli("plan", "-c", "config.yaml", "--set", override)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.partition("\n\n")[0].splitlines()[1:]]
    assert [line[0] for line in lines if line[0] in STAGES and line[1] in {"run", "resume"}] == running
    if running:
        assert override.split("=")[0] in done.stdout


def test_changing_dpi_runs_the_report_alone(finished_copy: Workspace) -> None:
    """The other artifacts are the same files as before."""
    before = finished_copy.manifests()
    finished_copy.edit(visualization={"dpi": 60})
    done = finished_copy.run()
    assert [line.split()[0] for line in done.stderr.splitlines() if "reused" in line] == STAGES[:-1]
    reports = list(finished_copy.store.glob("artifacts/report/*/manifest.json"))
    assert len(reports) == 2
    for stage in STAGES[:-1]:
        [path] = finished_copy.store.glob(f"artifacts/{stage}/*/manifest.json")
        assert json.loads(path.read_text()) == before[stage]


def test_moving_and_touching_inputs_reruns_nothing(
    tmp_path: Path, finished_copy: Workspace, tiny_llama: Path, tiny_rows: Path
) -> None:
    """The same bytes at another place, with another time, are the same input."""
    model, data = tmp_path / "elsewhere" / "model", tmp_path / "elsewhere" / "data"
    shutil.copytree(tiny_llama, model)
    shutil.copytree(tiny_rows.parent, data)
    for path in [*model.rglob("*"), *data.rglob("*")]:
        path.touch()
    finished_copy.edit(model_a={"base_model": str(model)}, dataset={"paths": [str(data / tiny_rows.name)]})
    done = finished_copy.run()
    assert sum("reused" in line for line in done.stderr.splitlines()) == len(STAGES)


def test_new_session_reuses_artifacts(finished_copy: Workspace) -> None:
    """--new-session makes a second session and a second results folder, and computes nothing."""
    done = finished_copy.run("--new-session")
    assert sum("reused" in line for line in done.stderr.splitlines()) == len(STAGES)
    folders = sorted((finished_copy.results / "ab_test_results").iterdir())
    assert len(folders) == 2
    session_ids = {json.loads((f / "ab_test_results.json").read_text())["session_id"] for f in folders}
    assert {f.name.removeprefix("complete_so8t_ab_test_") for f in folders} == session_ids


def test_untrained_b_is_reported_as_no_difference(
    tmp_path: Path, finished_copy: Workspace, tiny_llama: Path, tiny_rows: Path
) -> None:
    """With zero steps B is A: the pipeline says so, and the gate refuses with exit code 10."""
    done = finished_copy.cli("run", "-c", "config.yaml", "--set", "training.max_steps=0", "--gate")
    message = message_of(done, 10)
    newest = max(finished_copy.results.glob("ab_test_results/*/ab_test_results.json"), key=lambda p: p.stat().st_mtime)
    evaluation = json.loads(newest.read_text())["evaluation"]
    found = {(c["scoring"], c["verdict"]) for c in evaluation["comparisons"]}
    assert found == {("generate", "nothing_read"), ("logprob", "same_classes")}
    assert all(c["only_a_right"] == c["only_b_right"] == 0 for c in evaluation["comparisons"])
    against = [c for c in evaluation["gate"]["clauses"] if c["required"] and c["result"] != "pass"]
    assert against
    assert [c["name"] for c in against if f"- {c['name']} ({c['result']}): {c['reason']}" not in message] == []


def test_files_of_b_name_their_training(finished: Workspace) -> None:
    """Every GGUF of B has rotation, layers, PET weights, classes and the training's fingerprint; A has none of them."""
    [training] = finished.store.glob("artifacts/train/*")
    for path in finished.store.glob("artifacts/convert-*/*/attempts/*/output/*.gguf"):
        fields = gguf.GGUFReader(path).fields
        found = {name: field.contents() for name, field in fields.items() if name.startswith("so8t.")}
        assert found.pop("so8t.pet_lambda", [0.01, 0.05, 0.1]) == pytest.approx([0.01, 0.05, 0.1])
        assert found == {
            "so8t.rotation": "exp",
            "so8t.layers": [0, 1],
            "so8t.safety_classes": list(LABELS),
            "so8t.training": training.name,
        } or path.name.startswith("model_a")
        assert bool(found) == path.name.startswith("model_b")


def test_logs_and_status_tell_what_happened(finished: Workspace) -> None:
    """`status` names every stage as done, `logs` prints what train wrote."""
    status = finished.cli("status", "-c", "config.yaml")
    assert status.returncode == 0
    assert all(re.search(rf"^{stage} +done", status.stdout, re.M) for stage in STAGES)
    logs = finished.cli("logs", "train", "-c", "config.yaml")
    assert logs.returncode == 0
    assert "#1 INFO" in logs.stdout


def test_stages_alone_make_the_same_artifacts(
    finished: Workspace, tmp_path: Path, tiny_llama: Path, tiny_rows: Path
) -> None:
    """Six single stage processes, as in six containers, agree on a session and give the same bytes."""
    other = make_workspace(tmp_path / "alone", tiny_llama, tiny_rows)
    for stage in STAGES:
        done = other.cli("stage", stage, "-c", "config.yaml")
        assert done.returncode == 0, done.stderr
    one, two = finished.manifests(), other.manifests()
    for stage in ("convert-a", "convert-b", "import"):
        gguf = [[(f["path"], f["sha256"]) for f in m[stage]["files"] if f["path"].endswith("gguf")] for m in (one, two)]
        assert gguf[0] == gguf[1]
    files = [path.name for path in (other.store / "sessions" / "by-config").glob("*.json")]
    assert len([name for name in files if not name.startswith("newest-")]) == 1
