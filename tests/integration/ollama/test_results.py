"""Results of the pipeline on Ollama: as with the embedded engine, and reused as far as the server still has them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.integration.cached import forget_answers
from tests.integration.ollama.conftest import NAMES, samples
from tests.integration.workspace import Workspace, without_seconds
from tests.servers.ollama_server import OllamaServer, running_ollama

from so8t_shared.labels import LABELS
from so8t_shared.models.prompts import final_answer
from so8t_shared.stages import STAGES

TAGS = {f"{name}:{tag}" for name in NAMES for tag in ("f16", "q8_0", "q4_k_m", "latest")}


def _newest(workspace: Workspace) -> dict[str, Any]:
    newest = max(workspace.results.glob("ab_test_results/*/ab_test_results.json"), key=lambda p: p.stat().st_mtime)
    results: dict[str, Any] = json.loads(newest.read_text())
    return results


def _registry(workspace: Workspace) -> dict[str, Any]:
    registries = [
        json.loads(p.read_text()) for p in workspace.store.glob("artifacts/import/*/attempts/*/output/registry.json")
    ]
    [found] = [registry for registry in registries if registry["engine"] == "ollama"]
    return dict(found)


def _shape(value: Any) -> Any:
    """Keys and types, without the values; a figure that these answers do not define is a number as well."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    number = value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    return "number" if number else type(value).__name__


def test_same_result_in_shape(finished: Workspace, finished_on_ollama: Workspace) -> None:
    """The same grid, the same rows, the same fields as with the embedded engine; the report names the engine."""
    one, two = finished.results_json()["evaluation"], _newest(finished_on_ollama)["evaluation"]
    grids = [[(c["model"], c["quantization"], c["scoring"], c["n"]) for c in e["cells"]] for e in (one, two)]
    assert grids[0] == grids[1]
    assert one["test_set"] == two["test_set"]
    assert _shape(one["cells"][0]) == _shape(two["cells"][0])
    assert set(one["speed"][0]) == set(two["speed"][0])
    assert all(s["peak_memory_bytes"] > 1e6 for s in two["speed"])
    assert two["engine"]["name"] == "ollama"
    assert (two["control"]["verdict"], two["control"]["differing_answers"]) == ("nothing_read", 0)
    version = two["engine"]["version"]
    folder = max((finished_on_ollama.results / "ab_test_results").iterdir(), key=lambda p: p.stat().st_mtime)
    for name in ("report.md", "report.html"):
        assert f"ollama {version}" in (folder / name).read_text()


def test_both_engines_agree(finished_on_ollama: Workspace) -> None:
    """The same files and prompts on both engines: the same tokens in and out, the same classes read from free text.

    What such random models write is mostly no text; the engine's own tests compare the words of a trained one.
    """
    theirs, ours = (_by_row(finished_on_ollama, engine) for engine in ("embedded", "ollama"))
    assert theirs.keys() == ours.keys()
    for key in ours:
        assert theirs[key]["prompt_tokens"] == ours[key]["prompt_tokens"]
        if "generate" in key:
            assert theirs[key]["completion_tokens"] == ours[key]["completion_tokens"]
            assert theirs[key]["predicted"] == ours[key]["predicted"]


def test_names_and_digests(finished_on_ollama: Workspace, server: OllamaServer) -> None:
    """Each quantization is a tag, the bare name is the primary one; registry.json says what the server lists."""
    listed = {m["name"]: m["digest"] for m in server.get("/api/tags")["models"]}
    assert set(listed) >= TAGS
    registry = _registry(finished_on_ollama)
    assert {m["name"]: m["server_digest"] for m in registry["models"]}.items() <= listed.items()
    assert registry["server_version"] == server.get("/api/version")["version"]
    for name in NAMES:
        assert listed[f"{name}:latest"] == listed[f"{name}:q4_k_m"] != listed[f"{name}:f16"]
    assert {m["quantization"]: m["aliases"] for m in registry["models"] if m["model"] == "a"} == {
        "f16": [],
        "q8_0": [],
        "q4_k_m": [NAMES[0]],
    }


def test_second_run_changes_nothing(copy: Workspace, server: OllamaServer) -> None:
    """Run again: everything is reused, and the server is not written to."""
    copy.run()
    before = {m["name"]: (m["digest"], m["modified_at"]) for m in server.get("/api/tags")["models"]}
    done = copy.run()
    assert sum("reused" in line for line in done.stderr.splitlines()) == len(STAGES)
    assert {m["name"]: (m["digest"], m["modified_at"]) for m in server.get("/api/tags")["models"]} == before


def test_import_is_idempotent(copy: Workspace, server: OllamaServer) -> None:
    """Imported anew after its artifact was lost: nothing is uploaded, no name is made again, same registry."""
    before = {m["name"]: (m["digest"], m["modified_at"]) for m in server.get("/api/tags")["models"]}
    registry = _registry(copy)
    shutil.rmtree(copy.store / "artifacts" / "import")
    copy.run("--to", "import")
    assert {m["name"]: (m["digest"], m["modified_at"]) for m in server.get("/api/tags")["models"]} == before
    assert _registry(copy) == registry


def test_model_lost_on_the_server(copy: Workspace, server: OllamaServer) -> None:
    """Import is reused, but the server has lost a model that evaluate needs: it is imported again."""
    forget_answers(copy)
    for stage in ("evaluate", "conclude", "report"):
        shutil.rmtree(copy.store / "artifacts" / stage)
    gone = {f"{NAMES[0]}:q4_k_m", f"{NAMES[1]}:f16"}
    for name in gone:
        server.forget(name)
    done = copy.run()
    reused = [line.split()[0] for line in done.stderr.splitlines() if "reused" in line]
    assert "import" in reused
    assert "evaluate" not in reused
    assert server.names() >= gone


def test_another_server(copy: Workspace, tmp_path: Path) -> None:
    """Import is reused, but ollama.host is now an empty server: it gets the models that are asked."""
    forget_answers(copy)
    for stage in ("evaluate", "conclude", "report"):
        shutil.rmtree(copy.store / "artifacts" / stage)
    before = without_seconds(_newest(copy)["evaluation"]["cells"])
    with running_ollama(tmp_path / "ollama") as other:
        copy.edit(ollama={"host": other.address})
        copy.run()
        assert other.names() >= TAGS - {f"{name}:latest" for name in NAMES}
    assert without_seconds(_newest(copy)["evaluation"]["cells"]) == before


def test_out_of_context(fresh: Workspace, finished_on_ollama: Workspace) -> None:
    """Rows that do not fit are counted as INVALID and over-long, the same ones as with the embedded engine."""
    sizes = sorted(s["prompt_tokens"] for s in samples(finished_on_ollama, "ollama"))
    longest_answer = max(len(final_answer(label)) for label in LABELS) + 1
    fresh.edit(ab_test={"num_ctx": sizes[len(sizes) // 2] + longest_answer})
    fresh.run()
    ours = _by_row(fresh, "ollama")
    fresh.edit(ab_test={"engine": "embedded"})
    fresh.run()
    theirs = _by_row(fresh, "embedded")
    assert {key: s["over_long"] for key, s in ours.items()} == {key: s["over_long"] for key, s in theirs.items()}
    assert {s["over_long"] for s in ours.values()} == {True, False}
    assert {s["predicted"] for s in ours.values() if s["over_long"]} == {"INVALID"}


def _by_row(workspace: Workspace, engine: str) -> dict[tuple[str, ...], dict[str, Any]]:
    keys = ("model", "quantization", "scoring", "row_id")
    return {tuple(str(s[key]) for key in keys): s for s in samples(workspace, engine)}
