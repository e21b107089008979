"""The import stage verifies the converted files: tiny real models, in the real stage."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL

import pytest
from tests.broken_gguf import other_architecture, with_other_merges
from tests.unit.engines.conftest import GetModel
from tests.unit.evaluator.imports import Imports
from tests.unit.evaluator.retention.material import forgetful

from so8t_engines import hearing
from so8t_engines.embedded.engine import EmbeddedEngine, EmbeddedModel
from so8t_engines.protocol import ModelFile
from so8t_shared.errors import Interrupted
from so8t_shared.files import sha256_file
from so8t_shared.json_files import write_json
from so8t_shared.results.conversion import SERVED_FILE, Served
from so8t_shared.running.context import StageContext

TEXTS = len(hearing.KINDS)
DOCUMENTS = ["verify_a.json", "verify_b.json"]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One position per text."""
    monkeypatch.setattr(hearing, "_PLACES", 1)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that llama.cpp has loaded since."""
    names: list[str] = []
    load = EmbeddedEngine.load

    def noted(self: EmbeddedEngine, model: ModelFile, warm_up: list[str]) -> EmbeddedModel:
        names.append(model.name)
        return load(self, model, warm_up)

    monkeypatch.setattr(EmbeddedEngine, "load", noted)
    return names


@pytest.fixture
def imports(tiny: GetModel, tmp_path: Path) -> Imports:
    """A model A, and a model B that is another; both in F16 and Q8_0."""
    a = [tiny(name).path for name in ("f16", "q8_0")]
    b = [forgetful(path, tmp_path / f"b_{path.stem[8:]}.gguf") for path in a]
    return Imports(tmp_path / "work").make(a, b)


def test_each_model_has_a_document(imports: Imports, loaded: list[str]) -> None:
    """Every file is in it; figures are in the log, and progress counts texts to the end."""
    found = imports.run(imports.config())
    assert list(found) == DOCUMENTS
    for side, verified in zip("ab", found.values(), strict=True):
        files = {file.file: file for file in verified.files}
        assert list(files) == [f"model_{side}_f16.gguf", f"model_{side}_q8_0.gguf"]
        assert all(file.sha256 == sha256_file(imports.root / side / name) for name, file in files.items())
        assert verified.reference == f"model_{side}_f16.gguf"
        assert verified.sound
        assert verified.positions == TEXTS
        far = files[f"model_{side}_q8_0.gguf"].divergence
        assert far
        assert 0 < far.mean < 0.1
    assert len(loaded) == 4
    counted = [state for state in imports.events.states if state[3].startswith("verifying")]
    assert [done for _, done, _, _ in counted] == sorted(done for _, done, _, _ in counted)
    assert counted[-1][1:] == (4 * TEXTS, 4 * TEXTS, "verifying model_b_q8_0.gguf")
    assert not [text for level, text in imports.events.logs if level == "WARNING"]
    assert sum("KL from model_" in text for _, text in imports.events.logs) == 4


def test_off(imports: Imports, loaded: list[str]) -> None:
    """No model is loaded and nothing is written."""
    assert imports.run(imports.config(gguf={"verify": False})) == {}
    assert not loaded
    assert not any("verif" in text for _, text in imports.events.logs)


def test_a_broken_tokenizer_is_named(imports: Imports) -> None:
    """A warning names the file and the kinds of texts, and the run goes on."""
    path = imports.root / "b" / "model_b_q8_0.gguf"
    with_other_merges(path, path)
    (broken,) = [file for file in imports.run(imports.config())["verify_b.json"].files if file.faults]
    assert broken.file == path.name
    warnings = [text for level, text in imports.events.logs if level == "WARNING"]
    assert warnings == [f"{path.name}: {fault}" for fault in broken.faults]
    assert "English" in warnings[0]


def test_no_file_to_compare_with(imports: Imports, loaded: list[str]) -> None:
    """One line of the log for each model says what to do."""
    assert imports.run(imports.config("q8_0")) == {}
    said = [text for _, text in imports.events.logs if "not verified" in text]
    assert [line.partition(":")[0] for line in said] == ["model A", "model B"]
    assert all("add f16 to gguf.quantizations" in line for line in said)
    assert not loaded


def test_an_external_file(imports: Imports, tmp_path: Path) -> None:
    """Its owner has the F16 file, if anyone: the command is named."""
    shutil.copy(imports.root / "b" / "model_b_q8_0.gguf", tmp_path / "theirs.gguf")
    config = imports.config("q8_0", model_b={"gguf": str(tmp_path / "theirs.gguf")})
    assert imports.run(config) == {}
    (said,) = [text for _, text in imports.events.logs if text.startswith("model B: files not verified")]
    assert "so8t-ab gguf verify" in said


def test_a_model_on_a_server(imports: Imports, loaded: list[str]) -> None:
    """It has no file here; the other model is verified."""
    served = Served(name="theirs:1", digest="d" * 64, size_bytes=7, quantization="f16", system="", parameters="")
    write_json(imports.root / "b" / SERVED_FILE, served)
    assert list(imports.run(imports.config("f16"))) == DOCUMENTS[:1]
    assert loaded == ["model_a_f16.gguf"]
    assert any("Ollama server" in text for _, text in imports.events.logs)


def test_a_file_that_llama_cpp_cannot_load(imports: Imports) -> None:
    """The run goes on: another engine may have it. A warning says why there is no document."""
    for path in (imports.root / "b").glob("*.gguf"):
        other_architecture(path)
    assert list(imports.run(imports.config())) == DOCUMENTS[:1]
    (warning,) = [text for level, text in imports.events.logs if level == "WARNING" and "not verified" in text]
    assert warning.startswith("model B: ")
    assert "\n" not in warning


def test_killed_between_files(imports: Imports, tmp_path: Path, loaded: list[str]) -> None:
    """What A's first file said is kept, the second is asked again; the documents are as without the kill."""
    plain = Imports(tmp_path / "plain")
    shutil.copytree(imports.root, plain.root)
    command = [sys.executable, "-m", "tests.unit.evaluator.imports", str(imports.root)]
    assert subprocess.run(command, check=False, timeout=300).returncode == -SIGKILL
    found = imports.run(imports.config())
    assert loaded == ["model_a_q8_0.gguf", "model_b_f16.gguf", "model_b_q8_0.gguf"]
    assert found == plain.run(plain.config())


def test_a_stop_keeps_what_was_said(imports: Imports, loaded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal ends it at the next text; the next attempt goes on with the next file."""
    report = StageContext.progress

    def progress(self: StageContext, done: int, total: int, message: str = "") -> None:
        report(self, done, total, message)
        if message.startswith("verifying") and done == TEXTS + 2:
            self.stop.ask()

    with monkeypatch.context() as patched:
        patched.setattr(StageContext, "progress", progress)
        with pytest.raises(Interrupted):
            imports.run(imports.config())
    assert loaded == ["model_a_f16.gguf", "model_a_q8_0.gguf"]
    loaded.clear()
    assert list(imports.run(imports.config())) == DOCUMENTS
    assert loaded == ["model_a_q8_0.gguf", "model_b_f16.gguf", "model_b_q8_0.gguf"]


def test_the_next_session_takes_over_a(imports: Imports, loaded: list[str]) -> None:
    """Another B beside the same A: only B is asked. With the same B, and another name, none is."""
    first = imports.run(imports.config())
    loaded.clear()
    assert imports.run(imports.config(ollama={"model_b_name": "other"})) == first
    assert loaded == []
    imports.leave("b", [imports.root / "a" / f"model_a_{name}.gguf" for name in ("f16", "q8_0")])
    second = imports.run(imports.config(training={"seed": 7}))
    assert second["verify_a.json"] == first["verify_a.json"]
    assert second["verify_b.json"] != first["verify_b.json"]
    assert loaded == ["model_b_f16.gguf", "model_b_q8_0.gguf"]


def test_figures_of_other_places_are_not_taken_over(
    imports: Imports, loaded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version may ask about more of each text, or less."""
    with monkeypatch.context() as patched:
        patched.setattr(hearing, "_PLACES", 2)
        imports.run(imports.config())
    loaded.clear()
    imports.run(imports.config(ollama={"model_b_name": "other"}))
    assert loaded == ["model_a_f16.gguf", "model_a_q8_0.gguf", "model_b_f16.gguf", "model_b_q8_0.gguf"]
