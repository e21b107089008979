"""A model on a real server: what its answers tell, and what only a second request does."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest
from tests.servers.ollama_server import OllamaServer
from tests.tiny_guard import DECISIONS, RAMBLE
from tests.unit.gateway.service_process import ollama_section
from tests.unit.gateway.session import Prepared, hand_over

from so8t_gateway.engines.engine import Sampling, ServedModel, Written
from so8t_gateway.letting_out import let_out
from so8t_gateway.loading import load
from so8t_gateway.prompts import Prompts
from so8t_gateway.session_model import SessionModel, read_session
from so8t_shared.classes import Likelihoods
from so8t_shared.labels import LABELS

Asked = tuple[Written, tuple[str, float] | None, Likelihoods | None]

GREEDY = Sampling(max_tokens=64, temperature=0.0, top_p=1.0)


@pytest.fixture(scope="module")
def prepared(guard: Path, ollama_server: OllamaServer, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """A session with the tiny model, to be served by the server."""
    found = Prepared(tmp_path_factory.mktemp("tested"), ollama_section(ollama_server.address))
    hand_over(found, guard)
    return found


def ask(prepared: Prepared, *queries: str, sampling: Sampling = GREEDY) -> list[Asked]:
    """Ask each query, and then ask again for the labels' probabilities."""

    async def one(engine: ServedModel, model: SessionModel, query: str) -> Asked:
        prompt = Prompts(model.chat).render(query)
        written = await engine.write(prompt, sampling)
        tag = let_out(written.text).tag
        return written, engine.sure(written, tag), await engine.likelihoods(prompt, written, tag)

    async def every() -> list[Asked]:
        model = read_session(prepared.store, prepared.config)
        engine = await load(prepared.config, model)
        try:
            return [await one(engine, model, query) for query in queries]
        finally:
            await engine.release()

    return asyncio.run(every())


def test_a_short_answer_tells_its_labels_probability(prepared: Prepared) -> None:
    """It is that which a second request finds."""
    for (query, label), (written, sure, told) in zip(DECISIONS.items(), ask(prepared, *DECISIONS), strict=True):
        assert sure, query
        assert told
        assert sure[0] == label, written.text
        assert sure[1] == pytest.approx(math.exp(told.logprobs[LABELS.index(label)]), abs=0.01)


@pytest.mark.parametrize("sampling", [Sampling(65, 0.0, 1.0), Sampling(64, 0.01, 1.0)], ids=["long", "sampled"])
def test_others_do_not(prepared: Prepared, sampling: Sampling) -> None:
    """Where answers may be long or are sampled, no probabilities are asked for."""
    ((written, sure, told),) = ask(prepared, "open the door", sampling=sampling)
    assert "ALLOW" in written.text
    assert sure is None
    assert told


def test_without_a_final_nothing_is_sure(prepared: Prepared) -> None:
    """The place of a decision that is not there has no label."""
    ((_, sure, _),) = ask(prepared, RAMBLE)
    assert sure is None
