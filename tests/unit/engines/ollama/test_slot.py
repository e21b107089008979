"""The server's cache of a model: answers are the same whoever else asks, and no request is wasted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.servers import ollama_server as real
from tests.unit.engines.conftest import MANY_REQUESTS, REQUESTS, WARM_UP, chatml
from tests.unit.engines.ollama.conftest import BOUND, FREE, NewModel

from so8t_engines.ollama.engine import OllamaEngine
from so8t_engines.ollama.server import OllamaServer
from so8t_engines.protocol import Completion, LoadedModel, ModelFile, Options, Question
from so8t_shared.errors import ServerError

LONG = Options(max_tokens=24, seed=7)
QUESTIONS = [Question(chatml(text), options) for text in MANY_REQUESTS for options in (LONG, BOUND)]


class Watched(OllamaServer):
    """A connection that keeps the texts sent, and lets somebody else act before one of them."""

    def __init__(self, address: str) -> None:
        super().__init__(address, retry_s=30)
        self.texts: list[str] = []
        self.before: dict[int, Callable[[], object]] = {}

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Note it."""
        self.before.pop(len(self.texts), lambda: None)()
        self.texts.append(body["prompt"])
        return super().stream(path, body)


def _engine(server: OllamaServer) -> OllamaEngine:
    return OllamaEngine(server, num_ctx=1024, threads=1)


def _answers(model: LoadedModel, questions: Sequence[Question] = QUESTIONS) -> list[tuple[str, int]]:
    given = list(model.complete_many(questions))
    assert all(isinstance(one, Completion) for one in given)
    return [(one.text, one.prompt_tokens) for one in given if isinstance(one, Completion)]


OTHERS: dict[str, dict[str, Any]] = {
    "another context": {"options": {"num_ctx": 640, "num_predict": 1}},
    "the same options": {
        "options": {"num_ctx": 512, "num_batch": 512, "num_thread": 1, "num_predict": 1},
        "keep_alive": "7m",
    },
    "unloading it": {"keep_alive": 0},
}
"""What another client sends for the same model."""


@pytest.mark.parametrize("other", OTHERS)
def test_somebody_else_asks_meanwhile(ollama_server: real.OllamaServer, new_model: NewModel, other: str) -> None:
    """A reload or another client's request in the middle is noticed, and what it may have changed is asked again."""
    file, server = new_model("q4_k_m"), Watched(ollama_server.address)
    with _engine(server).load(file, WARM_UP) as model:
        loaded = len(server.texts)
        undisturbed = _answers(model)
        needed = len(server.texts) - loaded
        body = {"model": file.name, "prompt": chatml("open the door"), "raw": True, **OTHERS[other]}
        server.before = {len(server.texts) + 9: lambda: ollama_server.post("/api/generate", body)}
        assert _answers(model) == undisturbed
    assert not server.before
    assert len(server.texts) - loaded - needed > needed, "nothing was asked again"


def test_it_never_ends(ollama_server: real.OllamaServer, new_model: NewModel) -> None:
    """A model that somebody else keeps asking is not measured: after a while it counts as a server that is away."""
    file, server = new_model(), Watched(ollama_server.address)
    server._retry_s = 1
    with _engine(server).load(file, WARM_UP) as model:
        body = {"model": file.name, "prompt": "", "keep_alive": "7m", "options": {"num_ctx": 512, "num_thread": 1}}
        server.before = {number: lambda: ollama_server.post("/api/generate", body) for number in range(1000)}
        with pytest.raises(ServerError):
            model.complete(chatml("open"), FREE)


def test_requests(ollama_server: real.OllamaServer, new_model: NewModel) -> None:
    """A written answer takes one request; another only where the next prompt begins like the one before."""
    server = Watched(ollama_server.address)
    with _engine(server).load(new_model(), WARM_UP) as model:
        model.complete(chatml("a first one"), FREE)
        sent = len(server.texts)
        asked = [chatml(text) for text in ("open", "destroy it", "do it")]
        list(model.complete_many([Question(prompt, FREE) for prompt in asked]))
        prefix = chatml("").partition("<|im_end|>\n<|im_start|>assistant")[0]
        assert server.texts[sent:] == [*asked[:2], f"{prefix}<|im_end|>", asked[2]]
        sent = len(server.texts)
        model.complete(asked[2], BOUND)
        assert server.texts[sent:] == [f"{asked[2]}<final>"] or server.texts[sent:] == [
            f"{asked[2]}<|im_end|>",
            f"{asked[2]}<final>",
        ]


def test_two_models_of_one_file(ollama_server: real.OllamaServer, new_model: NewModel) -> None:
    """The server has one cache for both, which neither takes for its own."""
    server, file = Watched(ollama_server.address), new_model("q4_k_m")
    engine = _engine(server)
    other: ModelFile = replace(file, name=file.name.replace("test", "b"))
    with engine.load(file, WARM_UP) as a, engine.load(other, WARM_UP) as b:
        whole = _answers(a)
        for start in range(0, len(REQUESTS) * 2, 4):
            part = QUESTIONS[start : start + 4]
            assert _answers(b, part) == _answers(a, part) == whole[start : start + 4]


SCORE = replace(BOUND, grammar="", score=True)
THINK = replace(SCORE, max_tokens=12, think=True)


@pytest.mark.parametrize("quantization", ["f16", "q4_k_m"])
def test_scores_do_not_depend_on_history(engine: OllamaEngine, new_model: NewModel, quantization: str) -> None:
    """Alone, after an answer to the same prompt or before one, log-probabilities are equal to the last bit."""
    kinds = {"free": LONG, "bound": BOUND, "score": SCORE, "think": THINK}
    orders = ["score", "think", "free score bound think", "think score free think", "bound score think free score"]
    seen: dict[tuple[str, str], set[object]] = {}
    with engine.load(new_model(quantization), WARM_UP) as model:
        for order in orders:
            for text in REQUESTS:
                for kind in order.split():
                    one = model.complete(chatml(text), kinds[kind])
                    seen.setdefault((text, kind), set()).add((one.text, tuple(one.logprobs or ()), one.prompt_tokens))
    assert {key: len(found) for key, found in seen.items() if len(found) != 1} == {}
    assert len({next(iter(found)) for (_, kind), found in seen.items() if kind == "score"}) == len(REQUESTS)
