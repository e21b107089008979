"""Several servers that share the questions."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.servers import ollama_server as real
from tests.servers.ollama_server import running_ollama
from tests.unit.engines.conftest import MANY_REQUESTS, WARM_UP, chatml
from tests.unit.engines.ollama.conftest import BOUND, NewModel

from so8t_engines.ollama.engine import OllamaEngine
from so8t_engines.ollama.opening import give_to_all
from so8t_engines.ollama.server import OllamaServer
from so8t_engines.ollama.shared import divide
from so8t_engines.protocol import Completion, ModelFile, Options, Outcome, Question
from so8t_shared.errors import InputError, ServerError
from so8t_shared.results.registry import ImportedModel, Registry

LONG = Options(max_tokens=24, seed=7)
QUESTIONS = [Question(chatml(text), options) for text in MANY_REQUESTS for options in (LONG, BOUND)]


@pytest.fixture
def second(tmp_path: Path) -> Iterator[real.OllamaServer]:
    """Another server, which a test may kill."""
    with running_ollama(tmp_path) as server:
        yield server


class Counting(OllamaServer):
    """A connection that counts the requests for text, and kills the server before one of them."""

    requests = 0
    victim: real.OllamaServer | None = None

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Count."""
        self.requests += 1
        if self.victim and self.requests == 20:
            self.victim.kill()
        return super().stream(path, body)


def _texts(given: Sequence[Outcome]) -> list[str]:
    return [one.text for one in given if isinstance(one, Completion)]


def _engine(*servers: OllamaServer) -> OllamaEngine:
    return OllamaEngine(*servers, num_ctx=1024, threads=1)


def test_they_share(ollama_server: real.OllamaServer, second: real.OllamaServer, new_model: NewModel) -> None:
    """Both get the model and their part; the answers are one server's, also where one is killed in the middle."""
    file = new_model("q4_k_m")
    with _engine(OllamaServer(ollama_server.address, retry_s=30)).load(file, WARM_UP) as alone:
        whole = _texts(list(alone.complete_many(QUESTIONS)))
    pair = [Counting(server.address, retry_s=1) for server in (second, ollama_server)]
    engine = _engine(*pair)
    with engine.load(file, WARM_UP) as model:
        loading = [server.requests for server in pair]
        assert _texts(list(model.complete_many(QUESTIONS))) == whole
        assert all(
            server.requests - before > len(MANY_REQUESTS) / 2 for server, before in zip(pair, loading, strict=True)
        )
        pair[0].requests, pair[0].victim = 0, second
        assert _texts(list(model.complete_many(QUESTIONS))) == whole
        assert _texts(list(model.complete_many(QUESTIONS[:4]))) == whole[:4]
    with engine.load(file, WARM_UP) as model:
        assert _texts(list(model.complete_many(QUESTIONS[:4]))) == whole[:4]
    assert len(set(whole)) > 1


def test_all_are_gone(second: real.OllamaServer, new_model: NewModel) -> None:
    """Where the last server stops answering, that is the error of a server that is away."""
    servers = [OllamaServer(address, retry_s=0.5) for address in (second.address, "http://127.0.0.1:9")]
    with _engine(*servers).load(new_model(), WARM_UP) as model:
        second.kill()
        with pytest.raises(ServerError):
            list(model.complete_many(QUESTIONS[:4]))


def test_all_get_the_models(
    ollama_server: real.OllamaServer,
    second: real.OllamaServer,
    new_model: NewModel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Under all their names, with the first one's digests; one that is away is left out and named."""
    files = {file.name: file for file in (new_model("q8_0"), new_model("q4_k_m"))}
    registry = Registry(engine="ollama", models=[_listed(file) for file in files.values()])
    addresses = [second.address, "http://127.0.0.1:9", ollama_server.address]
    servers = [OllamaServer(address, retry_s=0) for address in addresses]
    sent = list[tuple[int, int]]()
    given = give_to_all(registry, files, servers, lambda *part: sent.append(part), logging.getLogger("import"))
    wanted = {name for m in registry.models for name in (m.name, *(f"{alias}:latest" for alias in m.aliases))}
    assert second.names() == wanted
    assert wanted <= ollama_server.names()
    digests = {m["name"]: m["digest"] for m in second.get("/api/tags")["models"]}
    assert [m.server_digest for m in given.models] == [digests[m.name] for m in registry.models]
    assert sum(done == total for done, total in sent) >= len(files)  # the shared server may have had them
    (warning,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert "http://127.0.0.1:9" in warning.getMessage()


def test_without_the_first_nothing_is_imported(
    ollama_server: real.OllamaServer, new_model: NewModel, said: Said
) -> None:
    """Its digests are the registry's."""
    file = new_model()
    registry = Registry(engine="ollama", models=[_listed(file)])
    servers = [OllamaServer(address, retry_s=0) for address in ("http://127.0.0.1:9", ollama_server.address)]
    with said.raised(ServerError):
        give_to_all(registry, {file.name: file}, servers, lambda *part: None, logging.getLogger("import"))
    assert file.name not in ollama_server.names()


def _listed(file: ModelFile) -> ImportedModel:
    name, quantization = file.name.split(":")
    return ImportedModel(
        name=file.name,
        aliases=[f"{name}-alias"],
        model="a",
        quantization=quantization,
        stage="convert-a",
        file=file.path.name,
        size_bytes=file.path.stat().st_size,
        sha256=file.sha256,
        modelfile="m.Modelfile",
    )


class Older(OllamaServer):
    """A server of another version."""

    def version(self) -> str:
        """An old one."""
        return "0.12.11"


def test_versions_differ(ollama_server: real.OllamaServer, said: Said) -> None:
    """Servers of different versions are refused."""
    servers = OllamaServer(ollama_server.address, retry_s=1), Older("http://127.0.0.1:9", retry_s=0)
    version = ollama_server.get("/api/version")["version"]
    with said.raised(InputError, port=str(ollama_server.port), version=version):
        _engine(*servers).version  # noqa: B018 - it raises


def test_divide() -> None:
    """In order, as evenly as questions with the same prompt, which stay together, can be."""
    pairs = [Question(prompt, options) for prompt in "abcde" for options in (LONG, BOUND)]
    for parts in (1, 2, 3, 7):
        divided = divide(pairs, parts)
        assert [question for part in divided for question in part] == pairs
        assert len(divided) == parts
        assert {len(part) % 2 for part in divided} == {0}
        assert max(map(len, divided)) - min(map(len, divided)) <= 2
    assert divide([], 2) == [[], []]
