"""Model B in its user's hands: what a run leaves is served by a real Ollama, and stays the user's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.workspace import Workspace
from tests.servers.needed import binary
from tests.servers.ollama_server import OllamaServer, running_ollama

from so8t_converter.gguf_diff import diff
from so8t_shared.artifacts.copies import EVALUATED_KEY, SESSION_KEY
from so8t_shared.files import sha256_file
from so8t_shared.models.gguf_file import read_header
from so8t_shared.stages import STAGES

QUANTIZATIONS = ("f16", "q8_0", "q4_k_m")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OllamaServer]:
    """A server that has no model yet."""
    with running_ollama(tmp_path_factory.mktemp("ollama")) as running:
        yield running


def _shell(command: str, server: OllamaServer, folder: Path, home: Path) -> None:
    """Run a printed command as a user would, with our Ollama first on PATH."""
    found = binary("ollama").parent
    environment = {**os.environ, "OLLAMA_HOST": server.address, "HOME": str(home)}
    done = subprocess.run(
        ["sh", "-c", command],
        env={**environment, "PATH": f"{found}:{os.environ['PATH']}"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _printed(text: str) -> tuple[str, str]:
    """The two commands that a run, `status` or `export` prints."""
    [create] = re.findall(r"^  (cd .* && ollama create .*)$", text, re.M)
    [run] = re.findall(r"^  (ollama run .*)$", text, re.M)
    return create, run


def _weights(server: OllamaServer, name: str) -> str:
    """Digest of a model's GGUF file on the server."""
    [digest] = re.findall(r"sha256-([0-9a-f]{64})", server.post("/api/show", {"model": name})["modelfile"])[:1]
    return str(digest)


def _ask(name: str) -> dict[str, object]:
    return {"model": name, "prompt": "hi", "options": {"num_predict": 4}}


def _imported(workspace: Workspace) -> dict[str, str]:
    """Digest of B's file at each quantization, as tested."""
    [path] = workspace.store.glob("artifacts/import/*/attempts/*/output/registry.json")
    return {m["quantization"]: m["sha256"] for m in json.loads(path.read_text())["models"] if m["model"] == "b"}


def test_commands_that_status_prints(finished: Workspace, server: OllamaServer, tmp_path: Path) -> None:
    """Copied into a shell, they serve the tested file, and it answers."""
    create, run = _printed(finished.cli("status", "-c", "config.yaml").stdout)
    _shell(create, server, finished.root, tmp_path)
    assert _weights(server, "tiny-retrained") == _imported(finished)["q4_k_m"]
    assert server.post("/api/generate", _ask("tiny-retrained"))["eval_count"] >= 1
    assert run == "ollama run tiny-retrained"


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_every_modelfile_works(finished: Workspace, server: OllamaServer, tmp_path: Path, quantization: str) -> None:
    """`cd models && ollama create` with each Modelfile."""
    [models] = finished.results.glob("ab_test_results/*/models")
    name = f"each:{quantization}"
    _shell(f"ollama create {name} -f tiny-retrained.{quantization}.Modelfile", server, models, tmp_path)
    assert _weights(server, name) == _imported(finished)[quantization]


def test_original_layout(finished_copy: Workspace, server: OllamaServer, tmp_path: Path) -> None:
    """The original's places, reused artifacts, models that name the session, and Modelfiles that find them."""
    finished_copy.edit(output_layout="original")
    done = finished_copy.run()
    base = finished_copy.results
    for side in ("a", "b"):
        found = {path.name for path in (base / "gguf_models" / f"model_{side}").iterdir()}
        assert found == {f"model_{side}_{quantization}.gguf" for quantization in QUANTIZATIONS}
    assert {p.name for p in (base / "modelfiles").iterdir()} == {
        f"tiny-{name}.{q}.Modelfile" for name in ("base", "retrained") for q in QUANTIZATIONS
    }
    create, _ = _printed(done.stdout)
    _shell(create, server, finished_copy.root, tmp_path)
    [named] = (base / "gguf_models" / "model_b").glob("*_q4_k_m.gguf")
    assert read_header(named).text(EVALUATED_KEY) == _imported(finished_copy)["q4_k_m"]
    assert _weights(server, "tiny-retrained") == sha256_file(named)
    assert sum("reused" in line for line in done.stderr.splitlines()) == len(STAGES) - 1


def test_export(finished: Workspace, server: OllamaServer, tmp_path: Path) -> None:
    """Model A at another quantization, in a folder with a blank in its name."""
    target = tmp_path / "my models"
    more = ("--model", "a", "--quantization", "q8_0", "--to", str(target))
    done = finished.cli("export", "-c", "config.yaml", *more)
    assert done.returncode == 0, done.stderr
    create, run = _printed(done.stdout)
    _shell(create, server, finished.root, tmp_path)
    assert run == "ollama run tiny-base:q8_0"
    [stored] = finished.store.glob("artifacts/convert-a/*/attempts/*/output/model_a_q8_0.gguf")
    assert _weights(server, "tiny-base:q8_0") == sha256_file(target / "model_a_q8_0.gguf")
    assert read_header(target / "model_a_q8_0.gguf").text(SESSION_KEY) == finished.results_json()["session_id"]
    found = diff(stored, target / "model_a_q8_0.gguf")
    assert ([key.key for key in found.keys], found.tensors) == ([SESSION_KEY, EVALUATED_KEY], [])
    assert server.post("/api/generate", _ask("tiny-base:q8_0"))["eval_count"] >= 1


def test_gc_leaves_models_alone(finished_copy: Workspace) -> None:
    """With the artifacts gone, the copies are still there."""
    shutil.rmtree(finished_copy.store / "sessions")
    done = finished_copy.cli("artifacts", "gc", "-c", "config.yaml", "--yes")
    assert done.returncode == 0, done.stderr
    assert not list(finished_copy.store.glob("artifacts/**/*.gguf"))
    [models] = finished_copy.results.glob("ab_test_results/*/models")
    assert {path.name for path in models.glob("*.gguf")} == {f"model_b_{q}.gguf" for q in QUANTIZATIONS}
