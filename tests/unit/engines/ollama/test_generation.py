"""What is asked of the server, and how its answer is put together."""

from __future__ import annotations

from typing import Any

import pytest
from tests.messages import Said

from so8t_engines.ollama.generation import gather, generation, sampling
from so8t_engines.ollama.server import UnreachableError
from so8t_engines.protocol import Options

DONE = {
    "done": True,
    "prompt_eval_count": 9,
    "eval_count": 2,
    "total_duration": 5_000_000_000,
    "load_duration": 4_000_000_000,
    "prompt_eval_duration": 700_000_000,
    "eval_duration": 200_000_000,
}


def _chunks(*pieces: str) -> list[dict[str, Any]]:
    return [{"response": piece, "done": False} for piece in pieces]


def test_every_option_is_sent() -> None:
    """None is left to the server, whose defaults differ from llama.cpp's (repeat_penalty 1.1, top_k 40)."""
    sent = sampling(Options(max_tokens=5, seed=3, stop=("</s>",)))
    assert sent == {
        "num_predict": 5,
        "seed": 3,
        "stop": ["</s>"],
        "temperature": 0.0,
        "top_k": 1,
        "top_p": 1.0,
        "min_p": 0.0,
        "typical_p": 1.0,
        "repeat_penalty": 1.0,
        "repeat_last_n": 0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "num_keep": 0,
    }
    own = set(vars(Options(max_tokens=1, seed=1))) - {"max_tokens", "grammar", "choices", "score", "think"}
    assert own <= set(sent), "an option of ours that Ollama is not told"


def test_nothing_is_cut_or_rendered() -> None:
    """The prompt goes as it is, and a long one is refused instead of cut."""
    body = generation("m:q", "text", {"num_ctx": 64}, logprobs=True)
    assert body.items() >= {"raw": True, "truncate": False, "shift": False, "logprobs": True}.items()
    assert (body["model"], body["prompt"], body["options"]) == ("m:q", "text", {"num_ctx": 64})


def test_misspelled_option(said: Said) -> None:
    """Ollama would ignore it without a word, so it never gets there."""
    with said.raised(ValueError):
        generation("m:q", "text", {"num_contex": 64})


def test_answer() -> None:
    """Pieces are joined; counts and times are the server's; the loading of the model is no part of the time."""
    answer = gather([*_chunks("<fi", "nal>"), DONE])
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("<final>", 9, 2)
    assert (answer.latency_ms, answer.ttft_ms, answer.decode_ms) == (1000.0, 700.0, 200.0)


def test_one_token() -> None:
    """The server tells no time for tokens after the first where there are none."""
    last = {key: value for key, value in DONE.items() if key != "eval_duration"}
    assert gather([*_chunks("a"), {**last, "eval_count": 1}]).decode_ms is None


@pytest.mark.parametrize(("reason", "cut"), [("length", True), ("stop", False), (None, False)])
def test_cut_answer(reason: str | None, cut: bool) -> None:
    """The server says whether its answer was ended by the number of tokens."""
    assert gather([*_chunks("a"), {**DONE, "done_reason": reason}]).cut is cut


def test_empty_answer() -> None:
    """An end token as the first one: no text, and the first token came with the last."""
    answer = gather([{**DONE, "eval_count": 1}])
    assert (answer.text, answer.completion_tokens, answer.logprobs) == ("", 1, [])


def test_likely_tokens() -> None:
    """Those of the first generated token."""
    top = [{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": -3.0}]
    chunk = {"response": "A", "logprobs": [{"token": "A", "logprob": -0.1, "top_logprobs": top}]}
    later = {"response": "x", "logprobs": [{"token": "x", "top_logprobs": [{"token": "x", "logprob": 0.0}]}]}
    assert gather([chunk, later, DONE]).logprobs == top


@pytest.mark.parametrize("pieces", [[], ["a"], ["a"] * 29, [*["a"] * 29, "b"]])
def test_broken_answer(pieces: list[str]) -> None:
    """A stream without an end is a broken one, never a short answer."""
    with pytest.raises(UnreachableError):
        gather(_chunks(*pieces))


@pytest.mark.parametrize("pieces", [["x", *["a"] * 31], [" a", "a"] * 16])
def test_guard_against_repetition(pieces: list[str]) -> None:
    """After some 30 equal pieces the server ends without an end: what came is the answer."""
    answer = gather(_chunks(*pieces))
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("".join(pieces), None, len(pieces))


def test_repetition_without_a_stream() -> None:
    """An answer that the guard ended tells neither tokens nor times; the caller has to ask again with a stream."""
    answer = gather(_chunks(" ha" * 40), streamed=False)
    assert (answer.text, answer.went_round, answer.prompt_tokens) == (" ha" * 40, True, None)
    assert not gather([*_chunks("a"), DONE], streamed=False).went_round
    assert not gather(_chunks(*[" ha"] * 40)).went_round
    with pytest.raises(UnreachableError):
        gather([], streamed=False)
