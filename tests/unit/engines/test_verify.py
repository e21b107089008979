"""Quantized files against F16, in llama.cpp."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from tests.broken_gguf import with_other_merges
from tests.messages import Said
from tests.unit.converter.engine import LlamaCpp
from tests.unit.engines.conftest import GetModel
from tests.unit.shared.core_environment import ROOT

from so8t_engines import hearing
from so8t_engines.embedded.engine import EmbeddedEngine
from so8t_engines.hearing import Setting
from so8t_engines.probes import TEXTS
from so8t_engines.protocol import ModelFile
from so8t_engines.verify import verify
from so8t_shared.errors import InputError
from so8t_shared.files import sha256_file
from so8t_shared.results.verification import Verification

ONE_THREAD = Setting(threads=1, device="cpu")


@pytest.fixture(scope="module")
def folder(tiny: GetModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files of one model."""
    folder = tmp_path_factory.mktemp("verify")
    for name in ("f16", "q8_0", "q4_k_m"):
        shutil.copy(tiny(name).path, folder / f"m-{name}.gguf")
    return folder


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One position per text."""
    monkeypatch.setattr(hearing, "_PLACES", 1)


@pytest.fixture(scope="module")
def found(folder: Path) -> Verification:
    """What the command prints and writes."""
    command = [sys.executable, "-m", "so8t_shared.cli", "gguf", "verify", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    schema = json.loads((ROOT / "docs/schema/gguf_verify.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads(done.stdout))
    written = Verification.read(folder / "verify.json")
    assert written.model_dump(mode="json") == json.loads(done.stdout)
    return written


def test_what_quantization_cost(found: Verification, folder: Path) -> None:
    """F16 is the reference; Q4_K_M is farther from it than Q8_0, in every figure."""
    assert found.reference == "m-f16.gguf"
    assert found.positions == 3 * sum(map(len, TEXTS.values()))
    assert not found.lower_bound
    files = {file.file: file for file in found.files}
    assert files["m-f16.gguf"].divergence is None
    q8, q4 = (files[name].divergence for name in ("m-q8_0.gguf", "m-q4_k_m.gguf"))
    assert q8
    assert q4
    for name in ("mean", "median", "p99", "largest"):
        assert 0 < getattr(q8, name) < getattr(q4, name), name
    for divergence in (q8, q4):
        assert divergence.median <= divergence.p99 <= divergence.largest
    for name, file in files.items():
        tensors = gguf.GGUFReader(folder / name).tensors
        assert sum(file.types.values()) == len(tensors)
        assert file.types.keys() == {tensor.tensor_type.name for tensor in tensors}
        assert file.sha256 == sha256_file(folder / name)


@pytest.mark.usefixtures("few")
def test_the_figures_are_those_of_llama_cpp(folder: Path, tmp_path: Path) -> None:
    """Computed from llama.cpp's own probabilities over the whole vocabulary, on the same texts; a copy is at 0."""
    files = [folder / f"m-{name}.gguf" for name in ("f16", "q4_k_m")]
    _, verified, same = verify([*files, shutil.copy(files[0], tmp_path / "same.gguf")], setting=ONE_THREAD).files
    found = verified.divergence
    assert found
    assert same.divergence
    assert (same.divergence.mean, same.divergence.largest, same.divergence.changed_top) == (0, 0, 0)
    vocabulary = len(gguf.GGUFReader(files[0]).fields["tokenizer.ggml.tokens"].data)
    engines = [LlamaCpp(file, vocabulary) for file in files]
    values, changed = [], 0
    for text in (text for group in TEXTS.values() for text in group):
        p, q = (engine.logprobs(engine.tokens(text)) for engine in engines)
        values.append(float(np.nansum(np.exp(p) * (p - q))))
        changed += int(np.nanargmax(p) != np.nanargmax(q))
    figures = (np.mean(values), np.median(values), np.percentile(values, 99), max(values))
    assert (found.mean, found.median, found.p99, found.largest) == pytest.approx(figures, rel=0.02)
    assert found.changed_top == pytest.approx(changed / len(values), abs=0.05)


def test_texts_come_back(found: Verification, smollm2: ModelFile) -> None:
    """Japanese, English, code and emoji are cut and put together again, by the tiny and by a real tokenizer."""
    assert found.sound
    texts = [text for group in TEXTS.values() for text in group]
    with EmbeddedEngine(num_ctx=512, threads=1).load(smollm2, []) as loaded:
        said = [loaded.hear(text, [], 1) for text in texts]
    assert [each and each["back"] for each in said] == texts


@pytest.mark.usefixtures("few")
def test_another_tokenizer_is_told(folder: Path, tmp_path: Path) -> None:
    """Merges of the tokenizer were changed after conversion: texts become other tokens than F16's."""
    broken = with_other_merges(folder / "m-q8_0.gguf", tmp_path / "broken-q8_0.gguf")
    found = verify([folder / "m-f16.gguf", broken], setting=ONE_THREAD)
    assert not found.sound
    assert found.files[1].other_tokens


def test_without_a_reference(folder: Path, said: Said) -> None:
    """Refused before any model is loaded."""
    with said.raised(InputError, folder=str(folder)) as caught:
        verify([folder / "m-q8_0.gguf", folder / "m-q4_k_m.gguf"])
    assert "m-q8_0.gguf" in caught.value.where
