"""The Ollama engine and what its server does: models that are loaded, lost, exchanged or too large."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.messages import Said
from tests.servers import ollama_server as real
from tests.servers.ollama_server import running_ollama
from tests.unit.engines.conftest import REQUESTS, WARM_UP, GetModel, chatml
from tests.unit.engines.ollama.conftest import BOUND, FREE, ONE, NewModel

from so8t_engines.ollama.engine import OllamaEngine
from so8t_engines.ollama.generation import BATCH_TOKENS
from so8t_engines.ollama.models import OllamaModels
from so8t_engines.ollama.server import OllamaServer, UnreachableError
from so8t_engines.protocol import EngineError, ModelFile, NoRoomError
from so8t_shared.errors import InputError


def test_server_knows_every_option(engine: OllamaEngine, new_model: NewModel, ollama_server: real.OllamaServer) -> None:
    """It warns in its log of one that it does not know, and of none of ours."""
    with engine.load(new_model(), WARM_UP) as model:
        model.complete(chatml("open"), FREE)
    assert "invalid option" not in ollama_server.log()


def test_one_runner(engine: OllamaEngine, new_model: NewModel, ollama_server: real.OllamaServer) -> None:
    """All requests of a model share one load: none differs in what would make the server load it again."""
    before = ollama_server.log().count("starting runner")
    with engine.load(new_model(), WARM_UP) as model:
        for text in REQUESTS[:3]:
            for kind in (FREE, BOUND, ONE):
                model.complete(chatml(text), kind)
    assert ollama_server.log().count("starting runner") == before + 1


def test_loaded_under_another_name(engine: OllamaEngine, new_model: NewModel, ollama_server: real.OllamaServer) -> None:
    """The same file with another recipe, which somebody else has loaded, is unloaded: ours has its runner alone."""
    file = new_model()
    theirs = ollama_server.create(f"theirs-{file.name}", f"FROM {file.path}\nTEMPLATE {{{{ .Prompt }}}}\n")
    options = {"num_ctx": min(1024, file.context_length), "num_batch": BATCH_TOKENS, "num_thread": 1}
    body = {"model": f"theirs-{file.name}", "prompt": "", "keep_alive": -1, "options": options}
    ollama_server.post("/api/generate", body)
    with engine.load(file, WARM_UP) as model:
        assert model.complete(chatml("open"), FREE).prompt_tokens > 0
        there = {loaded["digest"] for loaded in ollama_server.get("/api/ps")["models"]}
        assert (model.digest in there, theirs in there) == (True, False)


def test_unloaded_at_close(engine: OllamaEngine, new_model: NewModel, ollama_server: real.OllamaServer) -> None:
    """Leaving the context unloads the model; closing twice does no harm."""
    file = new_model()
    with engine.load(file, WARM_UP) as model:
        assert model.digest in {loaded["digest"] for loaded in ollama_server.get("/api/ps")["models"]}
    model.close()
    assert model.digest not in {loaded["digest"] for loaded in ollama_server.get("/api/ps")["models"]}


def test_lost_model_is_given_again(engine: OllamaEngine, new_model: NewModel, ollama_server: real.OllamaServer) -> None:
    """Deleted on the server between two questions, the model is put there again and answers as before."""
    file = new_model()
    with engine.load(file, WARM_UP) as model:
        before = model.complete(chatml("open"), FREE).text
        ollama_server.forget(file.name)
        assert model.complete(chatml("open the door"), FREE).prompt_tokens > 0
        assert model.complete(chatml("open"), FREE).text == before
    assert file.name in ollama_server.names()


class _Flaky(OllamaServer):
    """A connection that breaks off at one of the next questions for memory; it remembers the prompts it was asked."""

    breaks_at = 0
    """1: at the next one; 0: never."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.prompts: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        """Fail once."""
        if path == "/api/ps":
            self.breaks_at -= 1
            if self.breaks_at == 0:
                raise UnreachableError("broke off")
        return super().get(path)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Remember."""
        self.prompts.append(body.get("prompt", ""))
        return super().post(path, body)

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Remember."""
        self.prompts.append(body.get("prompt", ""))
        return super().stream(path, body)


@pytest.mark.parametrize("breaks_at", [1, 2], ids=["before the answer", "after the answer"])
def test_no_row_is_asked_twice(new_model: NewModel, ollama_server: real.OllamaServer, breaks_at: int) -> None:
    """A server that is away when only its memory is asked for is waited for; the answer just given is kept."""
    server = _Flaky(ollama_server.address, retry_s=30)
    with OllamaEngine(server, num_ctx=1024, threads=1).load(new_model(), WARM_UP) as model:
        assert model.complete(chatml("open"), FREE).peak_memory_bytes
        server.breaks_at = breaks_at
        assert model.complete(chatml("close"), FREE).peak_memory_bytes
    assert server.breaks_at <= 0, "it never broke off"
    for text in ("open", "close"):
        assert len([prompt for prompt in server.prompts if prompt == chatml(text)]) == 1


def test_exchanged_model_is_noticed(
    engine: OllamaEngine, new_model: NewModel, server: OllamaServer, said: Said
) -> None:
    """Another model put under the name by somebody else ends the asking instead of being measured as this one."""
    file, other = new_model("q8_0"), new_model("q4_k_m")
    with engine.load(file, WARM_UP) as model:
        OllamaModels(server).ensure(other, file.name)
        with said.raised(EngineError):
            model.complete(chatml("open"), FREE)


def test_unsupported_model(engine: OllamaEngine, new_model: NewModel, broken_gguf: ModelFile, said: Said) -> None:
    """A file that is taken but cannot be run is named with the server's reason, and spoils nothing."""
    with said.raised(InputError) as caught:
        engine.load(broken_gguf, WARM_UP)
    assert broken_gguf.name in caught.value.where
    with engine.load(new_model(), WARM_UP) as model:
        assert model.complete(chatml("open"), FREE).completion_tokens > 0


def test_not_enough_memory(server: OllamaServer, new_model: NewModel, endless_context: ModelFile, said: Said) -> None:
    """A context that no memory can hold is refused with the server's figures and a remedy; others go on."""
    engine = OllamaEngine(server, num_ctx=1 << 30, threads=1)
    with pytest.raises(InputError) as caught:
        engine.load(endless_context, WARM_UP)
    said(caught.value, free=caught.value.what.rpartition("available (")[2].rstrip(")"))
    with engine.load(new_model(), WARM_UP) as model:
        assert model.complete(chatml("open"), FREE).completion_tokens > 0


def _patched(source: ModelFile, name: str, old: bytes, new: bytes) -> ModelFile:
    """A copy of a file with some bytes exchanged for as many others."""
    content = source.path.read_bytes()
    assert old in content
    assert len(old) == len(new)
    content = content.replace(old, new)
    path = source.path.with_name(f"{name}.gguf")
    path.write_bytes(content)
    return replace(source, name=f"test-{name}:q8_0", path=path, sha256=hashlib.sha256(content).hexdigest())


@pytest.fixture
def endless_context(tiny: GetModel) -> ModelFile:
    """A model that says it was made for a billion tokens."""
    key = b"llama.context_length" + struct.pack("<I", 4)
    old, new = (key + struct.pack("<I", length) for length in (1024, 1 << 30))
    return replace(_patched(tiny("q8_0"), "endless", old, new), context_length=1 << 30)


@pytest.fixture
def broken_gguf(tiny: GetModel) -> ModelFile:
    """A real file whose architecture nobody knows."""
    return _patched(tiny("q8_0"), "unknown", b"llama", b"lxama")


@pytest.fixture
def narrow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.OllamaServer]:
    """A server that keeps one model in memory."""
    with running_ollama(tmp_path_factory.mktemp("narrow"), OLLAMA_MAX_LOADED_MODELS="1") as server:
        yield server


def test_no_room_for_two(narrow_server: real.OllamaServer, new_model: NewModel, said: Said) -> None:
    """A server that puts one model out for the other is noticed at once; alone, each can be asked."""
    engine = OllamaEngine(OllamaServer(narrow_server.address, retry_s=30), num_ctx=512, threads=1)
    first, second = new_model("q8_0"), new_model("q4_k_m")
    with engine.load(first, WARM_UP), said.raised(NoRoomError):
        engine.load(second, WARM_UP)
    with engine.load(second, WARM_UP) as model:
        assert model.complete(chatml("open"), FREE).completion_tokens > 0
