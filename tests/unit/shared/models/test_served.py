"""What is asked about a model on an Ollama server before anything runs; real servers: tests/unit/converter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.unit.shared.material import make_config
from tests.unit.shared.ollama_answers import SHOWN, THEIRS, OllamaAnswers, running_answers

from so8t_shared.config.model import Config
from so8t_shared.errors import InputError, ServerError
from so8t_shared.models.served import check_served, find_served


def _config(folder: Path, address: str, *others: str, scoring: str = "logprob") -> Config:
    sections: dict[str, Any] = {
        "model_b": {"ollama": "theirs:1"},
        "gguf": {"quantizations": ["q8_0"]},
        "ollama": {"host": address, "hosts": list(others)},
        "ab_test": {"engine": "ollama", "scoring": scoring},
    }
    return make_config(folder, **sections)


def test_a_model_that_can_be_asked(tmp_path: Path, ollama_answers: OllamaAnswers) -> None:
    """It has the digest and size from the server's list; upper and lower case do not matter in its name."""
    found = check_served(_config(tmp_path, ollama_answers.address))
    assert (found.name, found.digest, found.size_bytes) == ("theirs:1", "d" * 64, 7)
    assert find_served("Theirs:1", ollama_answers.address) == found


def test_a_model_that_is_not_there(tmp_path: Path, ollama_answers: OllamaAnswers, said: Said) -> None:
    """Exit 2, with the command that pulls it."""
    ollama_answers.answers["/api/tags"] = {"models": [{**THEIRS, "name": "theirs:2"}]}
    with said.raised(InputError) as caught:
        check_served(_config(tmp_path, ollama_answers.address))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "<html>",
        "refused",
        [],
        {"models": {"a": 1}},
        {"models": [{"name": "theirs:1"}]},
        {"models": [{**THEIRS, "size": None}]},
    ],
    ids=["nothing", "a page", "an error", "a list", "no list", "no digest", "no size"],
)
def test_no_ollama(tmp_path: Path, ollama_answers: OllamaAnswers, answer: Any) -> None:
    """Whatever else answers at the address: exit 4, at that address."""
    ollama_answers.answers["/api/tags"] = answer
    with pytest.raises(ServerError) as caught:
        check_served(_config(tmp_path, ollama_answers.address))
    assert (caught.value.exit_code, ollama_answers.address in caught.value.where) == (4, True)


def test_nobody_answers(tmp_path: Path, said: Said) -> None:
    """Exit 4, with the key to correct."""
    with pytest.raises(ServerError) as caught:
        check_served(_config(tmp_path, "http://127.0.0.1:9"))
    said(caught.value, cause=caught.value.what.partition(": ")[2])


@pytest.mark.parametrize(
    "shown",
    [
        {"details": {"quantization_level": "Q4_0"}},
        {"details": {}},
        {"capabilities": ["embedding"]},
        {"remote_host": "https://elsewhere"},
    ],
    ids=["another quantization", "no quantization", "no text", "cloud"],
)
def test_a_model_that_cannot_be_tested(
    tmp_path: Path, ollama_answers: OllamaAnswers, shown: dict[str, Any], said: Said
) -> None:
    """Another quantization is refused as a GGUF file's is; so is what writes nothing, or may change unnoticed."""
    ollama_answers.answers["/api/show"] = {**SHOWN, **shown}
    with said.raised(InputError):
        check_served(_config(tmp_path, ollama_answers.address))


@pytest.mark.parametrize(("version", "old"), [("0.12.10", True), ("0.12.11", False), ("0.0.0", False), ("x", False)])
def test_a_server_without_probabilities(
    tmp_path: Path, ollama_answers: OllamaAnswers, version: str, old: bool, said: Said
) -> None:
    """Scorings that need them are refused; written answers need none, and an own build's version says nothing."""
    ollama_answers.answers["/api/version"] = {"version": version}
    check_served(_config(tmp_path, ollama_answers.address, scoring="generate"))
    if not old:
        check_served(_config(tmp_path, ollama_answers.address))
        return
    with said.raised(InputError):
        check_served(_config(tmp_path, ollama_answers.address))


def test_several_servers(tmp_path: Path, ollama_answers: OllamaAnswers) -> None:
    """Each of them must have the same model."""
    with running_answers() as other:
        check_served(_config(tmp_path, ollama_answers.address, other.address))
        other.answers["/api/tags"] = {"models": [{**THEIRS, "digest": "e" * 64}]}
        with pytest.raises(InputError) as caught:
            check_served(_config(tmp_path, ollama_answers.address, other.address))
        assert other.address in caught.value.where
        other.answers["/api/tags"] = {"models": []}
        with pytest.raises(InputError) as caught:
            check_served(_config(tmp_path, ollama_answers.address, other.address))
        assert other.address in caught.value.where


@pytest.mark.parametrize("answer", [{"message": {"content": "hello"}}, "refused", None], ids=["text", "no", "gone"])
def test_a_server_that_shows_no_prompts(ollama_answers: OllamaAnswers, answer: Any) -> None:
    """A server that does not render without asking, or not this model, is refused."""
    ollama_answers.answers["/api/chat"] = answer
    with pytest.raises(InputError):
        find_served("theirs:1", ollama_answers.address).rendered([{"role": "user", "content": "hi"}])
