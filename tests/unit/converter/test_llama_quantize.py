"""Every quantization against llama.cpp's own quantizer: the same file, byte for byte."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
import torch
from tests.servers.needed import binary
from tests.tiny_models import make_llama, make_phi3
from tests.unit.converter.gguf_files import quantize, write_gguf
from tests.unit.converter.test_llama_cpp import _f16

from so8t_converter.checkpoint import inspect
from so8t_converter.clean_folder import clean_folder
from so8t_shared.tables.quantizations import BASE, BY_NAME, ROWS

MODELS: dict[str, Callable[[Path], Path]] = {
    "llama, 8 layers, 4 heads share a value": lambda folder: make_llama(folder, layers=8, heads=8, kv_heads=2),
    "llama, rows no multiple of 256": lambda folder: make_llama(folder, hidden=576, heads=9, kv_heads=3),
    "phi3": make_phi3,
}


@pytest.fixture(scope="module", params=MODELS)
def f16(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model's F16 file."""
    folder = tmp_path_factory.mktemp("model")
    return _f16(MODELS[request.param](folder / "source"), folder)


@pytest.mark.parametrize("name", [row.name for row in ROWS if not row.from_checkpoint])
def test_file_equals_llama_cpps(f16: Path, name: str, tmp_path: Path) -> None:
    """Header, metadata, types and tensors are what llama.cpp writes."""
    theirs = _llama_cpps(f16, tmp_path / "theirs.gguf", name)
    quantize(f16, tmp_path / "ours.gguf", name, threads=1)
    assert (tmp_path / "ours.gguf").read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("name", [row.name for row in ROWS if row.from_checkpoint and row.name != BASE])
def test_tensors_from_the_checkpoint_equal_llama_cpps(name: str, tmp_path: Path) -> None:
    """From a checkpoint whose weights F16 holds exactly, the same bytes as by way of an F16 file."""
    source = make_llama(tmp_path / "source", dtype=torch.float16)
    theirs = _llama_cpps(_f16(source, tmp_path), tmp_path / "theirs.gguf", name)
    write_gguf(inspect(source), clean_folder(source, tmp_path / "model"), tmp_path / "ours.gguf", name)
    expected, found = ({t.name: t for t in gguf.GGUFReader(path).tensors} for path in (theirs, tmp_path / "ours.gguf"))
    assert found.keys() == expected.keys()
    for tensor, value in expected.items():
        assert found[tensor].tensor_type == value.tensor_type, tensor
        assert found[tensor].data.tobytes() == value.data.tobytes(), tensor


def _llama_cpps(f16: Path, target: Path, name: str) -> Path:
    command = [str(binary("llama_quantize")), str(f16), str(target), str(BY_NAME[name].file_type)]
    subprocess.run(command, check=True, capture_output=True)
    return target
