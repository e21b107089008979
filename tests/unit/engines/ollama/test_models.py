"""Models on a real Ollama server: put there once, and again when they differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.messages import Said
from tests.servers import ollama_server as real
from tests.unit.engines.conftest import model_file
from tests.unit.engines.ollama.conftest import RECIPE, NewModel
from tests.unit.evaluator.material import make_gguf

from so8t_engines.ollama.models import OllamaModels
from so8t_engines.ollama.server import OllamaServer
from so8t_engines.protocol import Recipe
from so8t_shared.errors import InputError, IntegrityError, Interrupted


class Uploads(list[int]):
    """Bytes of each upload that was begun."""

    def note(self, sent: int, total: int) -> None:
        """Count the first piece of each file."""
        if sent == min(total, 4 << 20):
            self.append(total)


@pytest.fixture
def uploads() -> Uploads:
    """Nothing has been sent yet."""
    return Uploads()


@pytest.fixture
def models(server: OllamaServer, uploads: Uploads) -> OllamaModels:
    """Models of the shared server, uploads noted."""
    return OllamaModels(server, uploads.note)


def test_given(models: OllamaModels, new_model: NewModel, ollama_server: real.OllamaServer) -> None:
    """The server has the file under its digest, with template, system text, stops and parameters as they were given."""
    model = new_model()
    digest, changed = models.ensure(model)
    assert changed
    listed = {m["name"]: m["digest"] for m in ollama_server.get("/api/tags")["models"]}
    assert listed[model.name] == digest
    shown = ollama_server.post("/api/show", {"model": model.name})
    assert (shown["template"], shown["system"]) == (RECIPE.template, RECIPE.system)
    assert {tuple(line.split()) for line in shown["parameters"].splitlines()} == {
        ("stop", '"<|im_end|>"'),
        ("stop", '"<|endoftext|>"'),
        ("temperature", "0"),
        ("num_ctx", "512"),
    }
    blob = ollama_server.folder / "models" / "blobs" / f"sha256-{model.sha256}"
    assert blob.read_bytes() == model.path.read_bytes()


def test_second_time_does_nothing(
    models: OllamaModels, new_model: NewModel, ollama_server: real.OllamaServer, uploads: Uploads
) -> None:
    """The same file and recipe again: no upload, no new name, not even a write."""
    model = new_model("f16")
    first, _ = models.ensure(model)
    before = ollama_server.post("/api/show", {"model": model.name})["modified_at"]
    uploads.clear()
    assert models.ensure(model) == (first, False)
    assert ollama_server.post("/api/show", {"model": model.name})["modified_at"] == before
    assert uploads == []


def test_further_names_upload_nothing(models: OllamaModels, new_model: NewModel, uploads: Uploads) -> None:
    """The bare name is the same file: same digest, sent once at most."""
    model = new_model()
    first, _ = models.ensure(model)
    uploads.clear()
    bare = model.name.split(":")[0]
    assert models.ensure(model, f"{bare}:latest") == (first, True)
    assert models.ensure(model, f"{bare}:latest") == (first, False)
    assert uploads == []


@pytest.mark.parametrize(
    "recipe",
    [
        replace(RECIPE, template=RECIPE.template + " "),
        replace(RECIPE, system="Other."),
        replace(RECIPE, stop=("<|im_end|>",)),
        replace(RECIPE, parameters={"temperature": 0.0, "num_ctx": 256}),
        Recipe(RECIPE.template, 'quotes " and \\ and 日本語\n', ('"', "\\n", "日本語"), {"temperature": 0.25}),
    ],
    ids=["template", "system", "stops", "parameters", "all"],
)
def test_changed_recipe(models: OllamaModels, new_model: NewModel, uploads: Uploads, recipe: Recipe) -> None:
    """Another recipe is another model under the same name, made without sending the file again; then it stays."""
    model = new_model()
    first, _ = models.ensure(model)
    uploads.clear()
    second, changed = models.ensure(replace(model, recipe=recipe))
    assert (changed, second != first) == (True, True)
    assert models.ensure(replace(model, recipe=recipe)) == (second, False)
    assert uploads == []


def test_changed_file(models: OllamaModels, new_model: NewModel, ollama_server: real.OllamaServer) -> None:
    """A name is moved to the new file."""
    old, new = new_model("q8_0"), new_model("q4_k_m")
    models.ensure(old)
    _, changed = models.ensure(new, old.name)
    assert changed
    assert f"sha256-{new.sha256}" in ollama_server.post("/api/show", {"model": old.name})["modelfile"]


def test_forgotten_model_is_given_again(
    models: OllamaModels, new_model: NewModel, ollama_server: real.OllamaServer
) -> None:
    """After `ollama rm`, or on another server, the same call brings it back under the same digest."""
    model = new_model()
    first, _ = models.ensure(model)
    ollama_server.forget(model.name)
    assert model.name not in ollama_server.names()
    assert models.ensure(model) == (first, True)


def test_file_that_is_not_what_it_says(models: OllamaModels, new_model: NewModel, tmp_path: Path, said: Said) -> None:
    """The server refuses an upload whose bytes are not those of the digest."""
    path = make_gguf(tmp_path / "m.gguf", "other")
    with said.raised(IntegrityError):
        models.ensure(replace(new_model(), path=path, sha256="0" * 64))


@pytest.mark.parametrize("content", [b"no GGUF at all", b"GGUF\x03\x00\x00\x00\x00\x00"])
def test_unusable_file(models: OllamaModels, tmp_path: Path, content: bytes, said: Said) -> None:
    """A file that Ollama cannot read is the user's to mend, and named."""
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    with said.raised(InputError) as caught:
        models.ensure(replace(model_file(path), name="test-broken:q8_0"))
    assert "broken.gguf" in caught.value.where


def test_upload_can_be_ended(server: OllamaServer, tmp_path: Path) -> None:
    """What the caller raises between two pieces ends the upload at once."""

    def stop(sent: int, total: int) -> None:
        raise Interrupted("stop")

    path = make_gguf(tmp_path / "m.gguf", "never sent")
    with pytest.raises(Interrupted):
        OllamaModels(server, stop).ensure(replace(model_file(path), name="test-interrupted:q8_0"))
