"""Several servers that share the questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.servers import ollama_server as real
from tests.servers.ollama_server import running_ollama
from tests.unit.evaluator.conftest import MANY_REQUESTS, WARM_UP, chatml
from tests.unit.evaluator.ollama.conftest import BOUND, NewModel

from so8t_evaluator.engine.protocol import Completion, Options, Outcome, Question
from so8t_evaluator.ollama.engine import OllamaEngine
from so8t_evaluator.ollama.server import OllamaServer
from so8t_evaluator.ollama.shared import divide
from so8t_shared.errors import InputError, ServerError

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


class Older(OllamaServer):
    """A server of another version."""

    def version(self) -> str:
        """An old one."""
        return "0.12.11"


def test_versions_differ(ollama_server: real.OllamaServer, said: Said) -> None:
    """Servers of different versions are refused."""
    servers = OllamaServer(ollama_server.address, retry_s=1), Older("http://127.0.0.1:9", retry_s=0)
    with said.raised(InputError, port=str(ollama_server.port)):
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
