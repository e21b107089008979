"""A model that a real server had before: asked like one of ours, never uploaded, never another one unnoticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.messages import Said
from tests.servers import ollama_server as real
from tests.unit.engines.conftest import REQUESTS, WARM_UP, GetModel, chatml
from tests.unit.engines.ollama.conftest import FREE, TEMPLATE, NewModel

from so8t_converter.served import write_vocabulary
from so8t_engines.ollama.engine import OllamaEngine
from so8t_engines.ollama.opening import check_vocabularies
from so8t_engines.protocol import ModelFile, Options, Question, Served
from so8t_evaluator.scoring import CHOICES
from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.models.served import find_served

SCORED = Options(max_tokens=1, seed=7, choices=CHOICES, score=True)


def _served(server: real.OllamaServer, given: ModelFile, folder: Path) -> ModelFile:
    """The model as its user put it there, with all that the server gives of it."""
    name = given.name.replace("q8_0", "theirs")
    server.create(name, f'FROM {given.path}\nTEMPLATE """{TEMPLATE}"""\nPARAMETER temperature 0.8\n')
    found = find_served(name, server.address)
    vocabulary = folder / "vocabulary.gguf"
    write_vocabulary(found.shown(whole=True)["model_info"], vocabulary, "there")
    served = Served(found.digest, found.size_bytes)
    return replace(given, name=name, path=vocabulary, sha256=found.digest, served=served)


def test_the_same_answers(
    engine: OllamaEngine, new_model: NewModel, ollama_server: real.OllamaServer, tmp_path: Path
) -> None:
    """A file gives the same answers and probabilities, whether a user or we put it there; it stays as it was."""
    ours = new_model()
    theirs = _served(ollama_server, ours, tmp_path)
    assert theirs.size_bytes > theirs.path.stat().st_size > 0
    digests = ollama_server.digests()
    questions = [Question(chatml(text), options) for text in REQUESTS[:4] for options in (FREE, SCORED)]
    answers = []
    for model in (theirs, ours):
        with engine.load(model, WARM_UP) as loaded:
            given = list(loaded.complete_many(questions))
        answers.append([(one.text, one.prompt_tokens, one.logprobs) for one in given if hasattr(one, "text")])
    assert len(answers[0]) == len(questions)
    assert answers[0] == answers[1]
    assert ollama_server.digests().items() >= digests.items()


def test_replaced_while_it_is_asked(
    engine: OllamaEngine,
    new_model: NewModel,
    tiny: GetModel,
    ollama_server: real.OllamaServer,
    tmp_path: Path,
    said: Said,
) -> None:
    """Another model under its name gives no answer: exit 5, and to be run again."""
    model = _served(ollama_server, new_model(), tmp_path)
    with engine.load(model, WARM_UP) as loaded:
        loaded.complete(chatml("open"), FREE)
        ollama_server.create(model.name, f"FROM {tiny('q4_k_m').path}\n")
        with said.raised(IntegrityError) as caught:
            loaded.complete(chatml("close"), FREE)
    assert caught.value.exit_code == 5
    with pytest.raises(IntegrityError):
        engine.load(model, WARM_UP)


def test_removed_before_it_is_asked(
    engine: OllamaEngine, new_model: NewModel, ollama_server: real.OllamaServer, tmp_path: Path, said: Said
) -> None:
    """It is not ours to put back."""
    model = _served(ollama_server, new_model(), tmp_path)
    ollama_server.forget(model.name)
    with said.raised(InputError):
        engine.load(model, WARM_UP)
    assert model.name not in ollama_server.names()


def test_a_tokenizer_that_llama_cpp_does_not_know(tmp_path: Path, said: Said) -> None:
    """Then labels cannot be scored, which is found before anything is asked."""
    facts = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "from-the-future",
        "tokenizer.ggml.tokens": ["a", "b"],
        "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.token_type": [1, 1],
    }
    write_vocabulary(facts, tmp_path / "v.gguf", "there")
    model = ModelFile("theirs:1", tmp_path / "v.gguf", "d" * 64, 512, served=Served("d" * 64, 7))
    with pytest.raises(InputError) as caught:
        check_vocabularies([model])
    said(caught.value, llama=caught.value.what.partition("but ")[2])
