"""A GGUF file that was made elsewhere, tested as model B by an ordinary run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.integration.workspace import Workspace, make_workspace


def test_a_file_as_model_b(finished: Workspace, tmp_path: Path, tiny_llama: Path, tiny_rows: Path) -> None:
    """It is asked the rows that a training would have held out, is never trained, and its bytes are not changed."""
    [made] = finished.store.glob("artifacts/convert-b/*/attempts/*/output/model_b_q8_0.gguf")
    file = tmp_path / "foreign.gguf"
    file.write_bytes(made.read_bytes())
    work = make_workspace(
        tmp_path / "work", tiny_llama, tiny_rows, gguf={"quantizations": ["Q8_0"]}, model_b={"gguf": str(file)}
    )
    work.run()
    [splits] = work.store.glob("artifacts/train/*/attempts/*/output")
    [trained] = finished.store.glob("artifacts/train/*/attempts/*/output")
    assert {path.name for path in splits.iterdir()} == {"splits", "data_report.json"}
    for name in ("test.jsonl", "train.jsonl", "targets.json"):
        assert (splits / "splits" / name).read_bytes() == (trained / "splits" / name).read_bytes()
    [taken] = work.store.glob("artifacts/convert-b/*/attempts/*/output/model_b_q8_0.gguf")
    assert hashlib.sha256(taken.read_bytes()).digest() == hashlib.sha256(file.read_bytes()).digest()
    assert not taken.samefile(file)
    chat, own = (json.loads((path.parent / "chat.json").read_text()) for path in (taken, made))
    shared = ("chat_template", "bos_token", "eos_token", "stop_tokens", "markers", "context_length", "layers")
    assert {key: chat[key] for key in shared} == {key: own[key] for key in shared}
    results = work.results_json()
    assert results["training"] is None
    assert _answers(work, "b") == _answers(finished, "b")


def _answers(work: Workspace, side: str) -> dict[str, object]:
    """Class probabilities of each row at Q8_0."""
    [path] = work.store.glob("artifacts/evaluate/*/attempts/*/output/samples.jsonl")
    samples = map(json.loads, path.read_text().splitlines())
    wanted = (side, "q8_0", "logprob")
    return {s["row_id"]: s["logprobs"] for s in samples if (s["model"], s["quantization"], s["scoring"]) == wanted}
