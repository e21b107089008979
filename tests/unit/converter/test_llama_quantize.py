"""Every quantization against llama.cpp's own quantizer: the same file, byte for byte."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.servers.needed import binary
from tests.tiny_models import make_llama, make_phi3
from tests.unit.converter.test_llama_cpp import _f16

from so8t_converter.quantize import quantize
from so8t_shared.tables.quantizations import BY_NAME, ROWS

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
    program = binary("llama_quantize")
    command = [str(program), str(f16), str(tmp_path / "theirs.gguf"), str(BY_NAME[name].file_type)]
    subprocess.run(command, check=True, capture_output=True)
    quantize(f16, tmp_path / "ours.gguf", name, processes=1)
    assert (tmp_path / "ours.gguf").read_bytes() == (tmp_path / "theirs.gguf").read_bytes()
