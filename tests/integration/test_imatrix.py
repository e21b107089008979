"""Quantization with an importance matrix, in a run."""

from __future__ import annotations

from pathlib import Path

import gguf
from tests.integration.workspace import Workspace, make_workspace, message_of

from so8t_converter.convert import Conversion
from so8t_converter.gguf_diff import diff
from so8t_converter.standalone import convert_folder


def test_a_matrix_of_the_training_prompts(
    finished: Workspace, tmp_path: Path, tiny_llama: Path, tiny_rows: Path
) -> None:
    """Both models are measured on the training side's rows alone, after the split; run again, all is reused."""
    gguf_keys = {"quantizations": ["Q4_K_M"], "imatrix": "prompts"}
    work = make_workspace(tmp_path / "work", tiny_llama, tiny_rows, gguf=gguf_keys)
    work.run("--to", "convert-b")
    [rows] = work.store.glob("artifacts/train/*/attempts/*/output/splits/train.jsonl")
    alone = Conversion(tiny_llama, "alone", ("q4_k_m",), imatrix=rows)
    [expected] = convert_folder(alone, tmp_path / "alone").files
    [a], [b] = (list(work.store.glob(f"artifacts/convert-{m}/*/attempts/*/output/model_{m}_q4_k_m.gguf")) for m in "ab")
    assert diff(a, Path(expected.path)).tensors == []
    [plain] = finished.store.glob("artifacts/convert-a/*/attempts/*/output/model_a_q4_k_m.gguf")
    assert diff(a, plain).tensors
    for path in (a, b):
        assert gguf.GGUFReader(path).fields["quantize.imatrix.dataset"].contents() == "train.jsonl"
    before = work.snapshot()
    work.run("--to", "convert-b")
    assert {k: v for k, v in work.snapshot().items() if k.startswith("store/artifacts")} == {
        k: v for k, v in before.items() if k.startswith("store/artifacts")
    }


def test_a_wrong_file_ends_a_run_before_any_work(workspace: Workspace, tmp_path: Path) -> None:
    """A file that is missing, and one that is no importance matrix: one message, exit code 2, nothing made."""
    path = tmp_path / "m.gguf"
    for content in (None, b"GGUF, but not really"):
        if content:
            path.write_bytes(content)
        workspace.edit(gguf={"imatrix": str(path)})
        message = message_of(workspace.cli("run", "-c", "config.yaml"), 2)
        assert str(path) in message
    assert not list(workspace.store.glob("artifacts/*"))
