"""A model that the Ollama server had before, tested as it is, as an arm of a study."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from tests.integration.cached import cached_answers
from tests.integration.workspace import Workspace, kill_when, message_of
from tests.servers.ollama_server import OllamaServer

THEIRS = "someones/model:mine"
MODELFILE = 'FROM {}\nSYSTEM "be kind"\nPARAMETER temperature 0.8\nPARAMETER stop "zzz"\n'


@pytest.fixture
def study(finished: Workspace, server: OllamaServer, tmp_path: Path) -> Workspace:
    """A study whose only arm is on the server; A is converted already."""
    shutil.copytree(finished.root, tmp_path / "work")
    work = Workspace(tmp_path / "work")
    for stage in ("train", "import", "evaluate", "conclude", "report"):
        shutil.rmtree(work.store / "artifacts" / stage)
    work.edit(
        gguf={"quantizations": ["F16", "Q8_0", "Q4_K_M"], "primary": "Q8_0"},
        ollama={"host": server.address, "model_a_name": "served-base", "retry_s": 20},
        ab_test={"engine": "ollama", "scoring": ["logprob"], "speed_samples": 1},
    )
    arms = [{"name": "theirs", "description": "someone's", "model": {"ollama": THEIRS}}]
    raw = {"name": "ours", "base": "config.yaml", "seeds": [1], "arms": arms}
    (work.root / "study.yaml").write_text(yaml.safe_dump(raw))
    return work


def _made(work: Workspace, stage: str) -> set[Path]:
    return set(work.store.glob(f"artifacts/{stage}/*/manifest.json"))


def test_an_arm_on_a_server(study: Workspace, server: OllamaServer) -> None:
    """Missed before any work; killed once and resumed; left as it was; and a new model once it is made anew."""
    [gguf] = study.store.glob("artifacts/convert-b/*/attempts/*/output/model_b_q8_0.gguf")
    converted = _made(study, "convert-b")
    assert f"ollama pull {THEIRS}" in message_of(study.cli("study", "-c", "study.yaml"), 2)
    assert not _made(study, "train")
    digest = server.create(THEIRS, MODELFILE.format(gguf))
    before = _shown(server)

    cached = len(cached_answers(study))
    assert kill_when(study.start("study", "-c", "study.yaml"), lambda: len(cached_answers(study)) > cached)
    answered = cached_answers(study)
    done = study.cli("study", "-c", "study.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    after = cached_answers(study)
    assert {path: after[path] for path in answered} == answered

    assert (server.digests()[THEIRS], _shown(server)) == (digest, before)
    [path] = study.results.glob("ab_test_results/*ours-theirs/ab_test_results.json")
    results = json.loads(path.read_text())
    assert (results["model_b"], results["training"]) == (THEIRS, None)
    [file] = results["conversion"]["convert-b"]["files"]
    assert (file["file"], file["sha256"], file["quantization"]) == (THEIRS, digest, "q8_0")
    assert digest in path.with_name("report.html").read_text()
    told = (study.results / "studies" / "ours" / "study.html").read_text()
    assert f"{THEIRS} on Ollama {server.get('/api/version')['version']}, digest {digest[:12]}" in told
    assert len(_made(study, "convert-b") - converted) == 1

    assert server.create(THEIRS, f"{MODELFILE.format(gguf)}PARAMETER stop yyy\n") != digest
    planned = study.cli("study", "plan", "-c", "study.yaml").stdout
    [run] = [line for line in planned.splitlines() if "run:" in line]
    assert "convert-b" in run
    assert "train" not in run
    server.stop()
    assert server.address in message_of(study.cli("study", "plan", "-c", "study.yaml"), 4)


def _shown(server: OllamaServer) -> dict[str, list[str]]:
    """All that the server says about the model; it lists parameters in any order."""
    shown = server.post("/api/show", {"model": THEIRS})
    return {key: sorted(json.dumps(value).split("\\n")) for key, value in shown.items()}
