"""The whole pipeline with ab_test.engine ollama, on a real server: as a user runs it, and through faults."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.workspace import Workspace
from tests.servers.ollama_server import OllamaServer, running_ollama

from so8t_shared.labels import LABELS
from so8t_shared.models.prompts import final_answer

NAMES = ("olla-base", "olla-retrained")
TAGS = {f"{name}:{tag}" for name in NAMES for tag in ("f16", "q8_0", "q4_k_m", "latest")}


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OllamaServer]:
    """A server of this file's own, which its tests may stop and start."""
    with running_ollama(tmp_path_factory.mktemp("ollama")) as server:
        yield server


@pytest.fixture
def server(own_server: OllamaServer) -> OllamaServer:
    """The same, running whatever a test before did to it."""
    own_server.kill()
    own_server.start()
    return own_server


def _with_ollama(workspace: Workspace, address: str, **ab_test: Any) -> Workspace:
    names = {"model_a_name": NAMES[0], "model_b_name": NAMES[1], "host": address, "retry_s": 90}
    workspace.edit(ollama=names, ab_test={"engine": "ollama", **ab_test})
    return workspace


@pytest.fixture(scope="module")
def finished_on_ollama(
    own_server: OllamaServer, finished: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """The finished workspace, run again on Ollama: conversion and training are reused."""
    root = tmp_path_factory.mktemp("on-ollama") / "work"
    shutil.copytree(finished.root, root)
    workspace = _with_ollama(Workspace(root), own_server.address)
    workspace.run()
    return workspace


@pytest.fixture
def copy(finished_on_ollama: Workspace, tmp_path: Path) -> Workspace:
    """A private copy of it, to be changed at will."""
    shutil.copytree(finished_on_ollama.root, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


@pytest.fixture
def fresh(finished: Workspace, server: OllamaServer, tmp_path: Path) -> Workspace:
    """Converted and trained, neither imported nor evaluated; more rows, so that there is a middle."""
    shutil.copytree(finished.root, tmp_path / "fresh")
    for stage in ("import", "evaluate", "conclude", "report"):
        shutil.rmtree(tmp_path / "fresh" / "store" / "artifacts" / stage)
    shutil.rmtree(tmp_path / "fresh" / "store" / "cache")
    return _with_ollama(Workspace(tmp_path / "fresh"), server.address)


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


def _samples(workspace: Workspace, engine: str) -> list[dict[str, Any]]:
    for path in workspace.store.glob("artifacts/evaluate/*/attempts/*/output/asking.json"):
        if json.loads(path.read_text())["engine"]["name"] == engine:
            lines = (path.parent / "samples.jsonl").read_text().splitlines()
            return [json.loads(line) for line in lines]
    raise AssertionError(f"nothing was evaluated with {engine}")


def _shape(value: Any) -> Any:
    """Keys and types, without the values."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


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


def test_names_and_digests(finished_on_ollama: Workspace, own_server: OllamaServer) -> None:
    """Each quantization is a tag, the bare name is the primary one; registry.json says what the server lists."""
    listed = {m["name"]: m["digest"] for m in own_server.get("/api/tags")["models"]}
    assert set(listed) >= TAGS
    registry = _registry(finished_on_ollama)
    assert {m["name"]: m["server_digest"] for m in registry["models"]}.items() <= listed.items()
    assert registry["server_version"] == own_server.get("/api/version")["version"]
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
    assert sum("reused" in line for line in done.stderr.splitlines()) == 6
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
    for path in (copy.store / "cache").rglob("*.json"):
        path.unlink()
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
    for path in (copy.store / "cache").rglob("*.json"):
        path.unlink()
    for stage in ("evaluate", "conclude", "report"):
        shutil.rmtree(copy.store / "artifacts" / stage)
    before = _newest(copy)["evaluation"]["cells"]
    with running_ollama(tmp_path / "ollama") as other:
        copy.edit(ollama={"host": other.address})
        copy.run()
        assert other.names() >= TAGS - {f"{name}:latest" for name in NAMES}
    assert _newest(copy)["evaluation"]["cells"] == before


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_stopped_in_the_middle_of_evaluate(
    fresh: Workspace, server: OllamaServer, finished_on_ollama: Workspace, how: str
) -> None:
    """Killed or stopped, away for a while, started again: the same run goes on, no answered row is asked twice."""
    process = fresh.start()
    _wait_for(lambda: len(_records(fresh)) >= 12, process, fresh)
    getattr(server, how)()
    answered = {p: p.stat().st_mtime_ns for p in _records(fresh)}
    assert _is_waiting(fresh, process), "the run did not say that it waits for Ollama"
    server.start()
    assert process.wait(timeout=300) == 0, (fresh.root / "run.log").read_text()
    after = {p: p.stat().st_mtime_ns for p in _records(fresh)}
    assert {p: after[p] for p in answered} == answered
    assert _without_times(_samples(fresh, "ollama")) == _without_times(_samples(finished_on_ollama, "ollama"))


def test_not_running(fresh: Workspace, server: OllamaServer) -> None:
    """Not running: after a while exit 4 with address and remedy; once it runs, the same command goes on."""
    server.stop()
    fresh.edit(ollama={"retry_s": 2})
    done = fresh.cli("run", "-c", "config.yaml")
    assert done.returncode == 4, done.stderr
    assert server.address in done.stderr
    assert "ollama serve" in done.stderr
    assert "Traceback" not in done.stderr
    server.start()
    fresh.run("--to", "import")


def test_gone_for_good_in_evaluate(fresh: Workspace, server: OllamaServer) -> None:
    """Killed and not started again: exit 4; later the same command asks only the rest."""
    fresh.edit(ollama={"retry_s": 2})
    process = fresh.start()
    _wait_for(lambda: len(_records(fresh)) >= 12, process, fresh)
    server.kill()
    assert process.wait(timeout=120) == 4, (fresh.root / "run.log").read_text()
    answered = {p: p.stat().st_mtime_ns for p in _records(fresh)}
    server.start()
    fresh.run()
    after = {p: p.stat().st_mtime_ns for p in _records(fresh)}
    assert {p: after[p] for p in answered} == answered
    assert len(after) > len(answered)


def test_asked_to_stop_while_it_waits(fresh: Workspace, server: OllamaServer) -> None:
    """SIGTERM while Ollama is away ends the run at once, resumable, not after the whole patience."""
    process = fresh.start()
    _wait_for(lambda: len(_records(fresh)) >= 6, process, fresh)
    server.kill()
    assert _is_waiting(fresh, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 75, (fresh.root / "run.log").read_text()


@pytest.mark.parametrize(
    ("address", "words"),
    [("http://127.0.0.1:9", "127.0.0.1:9"), ("http://no-such-host.invalid:11434", "no-such-host.invalid")],
)
def test_wrong_address(fresh: Workspace, address: str, words: str) -> None:
    """An address where nobody answers, or that does not exist: exit 4 and the key to correct."""
    fresh.edit(ollama={"host": address, "retry_s": 1})
    done = fresh.cli("run", "-c", "config.yaml")
    assert done.returncode == 4, done.stderr
    assert words in done.stderr
    assert "ollama.host" in done.stderr


def test_out_of_context(fresh: Workspace, finished_on_ollama: Workspace) -> None:
    """Rows that do not fit are counted as INVALID and over-long, the same ones as with the embedded engine."""
    sizes = sorted(s["prompt_tokens"] for s in _samples(finished_on_ollama, "ollama"))
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
    return {tuple(str(s[key]) for key in keys): s for s in _samples(workspace, engine)}


def _without_times(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    timed = {"latency_ms", "ttft_ms", "decode_ms", "reused", "run", "host"}
    return [{key: value for key, value in sample.items() if key not in timed} for sample in samples]


def _records(workspace: Workspace) -> list[Path]:
    return sorted((workspace.store / "cache").rglob("*.json"))


def _wait_for(ready: Callable[[], bool], process: subprocess.Popen[bytes], workspace: Workspace) -> None:
    deadline = time.monotonic() + 240
    while not ready():
        assert process.poll() is None, (workspace.root / "run.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_waiting(workspace: Workspace, process: subprocess.Popen[bytes]) -> bool:
    """Whether its progress says so, within a while."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        for path in workspace.store.glob("sessions/*/evaluate/progress.json"):
            if "waiting for Ollama" in path.read_text():
                return True
        time.sleep(0.05)
    return False
