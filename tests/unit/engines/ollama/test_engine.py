"""The answers of the Ollama engine on a real server: what they depend on, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.messages import Said
from tests.servers import ollama_server as real
from tests.unit.engines.conftest import MANY_REQUESTS, REQUESTS, WARM_UP, chatml
from tests.unit.engines.ollama.conftest import BOUND, FREE, ONE, SMOLLM2, NewModel

from so8t_engines.ollama.engine import OllamaEngine
from so8t_engines.ollama.server import OllamaServer
from so8t_engines.protocol import (
    Completion,
    LoadedModel,
    ModelFile,
    Options,
    PromptTooLongError,
)
from so8t_evaluator.scoring import CHOICES
from so8t_shared.errors import InputError
from so8t_shared.host import host_name


def _answers(model: LoadedModel, requests: Sequence[str], *kinds: Options) -> dict[str, list[tuple[str, int]]]:
    return {text: [_what(model.complete(chatml(text), kind)) for kind in kinds] for text in requests}


def _what(completion: Completion) -> tuple[str, int]:
    return completion.text, completion.prompt_tokens


@pytest.mark.parametrize("quantization", ["f16", "q8_0", "q4_k_m"])
def test_answers_do_not_depend_on_history(engine: OllamaEngine, new_model: NewModel, quantization: str) -> None:
    """In any order, repeated, with or without the other scoring before it, freshly loaded: an answer is the same."""
    long = Options(max_tokens=24, seed=7)
    file = new_model(quantization)
    with engine.load(file, WARM_UP) as model:
        forward = _answers(model, MANY_REQUESTS, long, BOUND)
        assert _answers(model, MANY_REQUESTS[::-1], long, long) == {t: found[:1] * 2 for t, found in forward.items()}
    with engine.load(file, WARM_UP) as fresh:
        assert _answers(fresh, MANY_REQUESTS[::-1], BOUND) == {t: found[1:] for t, found in forward.items()}
    assert len({found[0] for found in forward.values()}) > 1, "all rows alike: this could not fail"


def test_constrained(engine: OllamaEngine, new_model: NewModel) -> None:
    """One of the four answers, or nothing where none is among the likely tokens; never anything else."""
    with engine.load(new_model("f16"), WARM_UP) as model:
        said = [model.complete(chatml(text), BOUND) for text in REQUESTS]
    assert {answer.text for answer in said} <= {*CHOICES, ""}
    assert not any(answer.cut for answer in said)


def test_constrained_follows_the_likeliest_token(
    engine: OllamaEngine, smollm2: ModelFile, ollama_server: real.OllamaServer
) -> None:
    """A trained model's choice is the label whose first token it finds likeliest, as the server itself says."""
    file = replace(smollm2, name=SMOLLM2)
    with engine.load(file, WARM_UP) as model:
        for text in REQUESTS[:4]:
            chosen = model.complete(chatml(text), BOUND).text
            raw = {"model": file.name, "prompt": chatml(text) + "<final>", "raw": True, "logprobs": True}
            asked = {**raw, "top_logprobs": 20, "options": {"num_predict": 1, "num_ctx": 1024, "num_batch": 512}}
            asked["options"] = {**asked["options"], "num_thread": 1, "temperature": 0}  # type: ignore[dict-item]
            tokens = [t["token"] for t in ollama_server.post("/api/generate", asked)["logprobs"][0]["top_logprobs"]]
            labels = [c for t in tokens for c in CHOICES if t and c.removeprefix("<final>").startswith(t)]
            assert chosen == (labels[0] if labels else "")


def test_constrained_where_the_model_would_end(engine: OllamaEngine, smollm2: ModelFile) -> None:
    """A model that wants to end the answer is asked for its next best, though the server then tells no likelihoods."""
    file = replace(smollm2, name=SMOLLM2)
    whole = "<|im_start|>user\nSay yes.<|im_end|>\n<|im_start|>assistant\nYes."
    with engine.load(file, WARM_UP) as model:
        ended = model.complete(whole, ONE).text
        found = model.complete(whole, replace(BOUND, choices=(" Yes", " No", "\n", "!")))
    assert ended == "", "the model does not want to end here: this could not fail"
    assert found.text in {" Yes", " No", "\n", "!"}


def test_measurements(engine: OllamaEngine, new_model: NewModel) -> None:
    """Times, counts and memory are there and plausible; the host is this one."""
    with engine.load(new_model(), WARM_UP) as model:
        for text in REQUESTS:
            answer = model.complete(chatml(text), FREE)
            assert answer.prompt_tokens > 30
            assert 1 <= answer.completion_tokens <= 10
            assert answer.ttft_ms is not None
            assert 0 < answer.ttft_ms <= answer.latency_ms
            later = answer.completion_tokens > 1
            assert (answer.decode_ms is not None) == later
            assert answer.ttft_ms + (answer.decode_ms or 0) <= answer.latency_ms
            assert answer.peak_memory_bytes is not None
            assert 1e6 < answer.peak_memory_bytes < 5e9
            assert answer.gpu_memory_bytes is not None
            assert 0 <= answer.gpu_memory_bytes <= answer.peak_memory_bytes
    assert engine.host == host_name()


def test_stop_and_limit(engine: OllamaEngine, smollm2: ModelFile) -> None:
    """An answer ends before a stop text and at max_tokens."""
    with engine.load(replace(smollm2, name=SMOLLM2), WARM_UP) as model:
        whole = model.complete(chatml("show me the map"), Options(max_tokens=12, seed=7))
        assert whole.completion_tokens == 12
        word = whole.text.split()[2]
        cut = model.complete(chatml("show me the map"), Options(max_tokens=12, seed=7, stop=(word,)))
    assert cut.text == whole.text[: whole.text.index(word)]
    assert (whole.cut, cut.cut) == (True, False)


def test_endless_repetition(engine: OllamaEngine, smollm2: ModelFile) -> None:
    """An answer that the server's guard ends is what came until then, not an error."""
    with engine.load(replace(smollm2, name=SMOLLM2), WARM_UP) as model:
        answer = model.complete("a b " + " ha" * 150, Options(max_tokens=60, seed=7))
    assert answer.text.startswith(" ha" * 20), "the model does not go round: this could not fail"
    assert answer.prompt_tokens > 150


def test_over_long_prompt_is_refused_not_cut(engine: OllamaEngine, new_model: NewModel) -> None:
    """A prompt that leaves no room for its answer is refused with its size; the limit is the model's own."""
    with engine.load(new_model(), WARM_UP) as model:
        size = model.complete(chatml("open"), ONE).prompt_tokens
        model.complete(chatml("open"), Options(max_tokens=512 - size, seed=7))
        with pytest.raises(PromptTooLongError) as refusal:
            model.complete(chatml("open"), Options(max_tokens=513 - size, seed=7))
        assert refusal.value.prompt_tokens == size
        with pytest.raises(PromptTooLongError) as refusal:
            model.complete(chatml("open the door " * 400), FREE)
        assert refusal.value.prompt_tokens > 512
        assert model.complete(chatml("open"), FREE).prompt_tokens == size


def test_control_tokens_are_recognized(engine: OllamaEngine, smollm2: ModelFile) -> None:
    """A marker is one token, broken by a zero-width space it is text; nothing is added in front."""
    with engine.load(replace(smollm2, name=SMOLLM2), WARM_UP) as model:
        marker = model.complete("ab<|im_end|>", ONE).prompt_tokens - model.complete("ab", ONE).prompt_tokens
        broken = model.complete("ab<\u200b|im_end|>", ONE).prompt_tokens - model.complete("ab", ONE).prompt_tokens
        assert model.complete("a", ONE).prompt_tokens == 1
    assert marker == 1
    assert broken > 4


def test_beginning_stands_once(engine: OllamaEngine, new_model: NewModel) -> None:
    """Where the server adds the beginning by itself, the rendered one is left out; the count tells."""
    plain = replace(new_model(), bos_token="<|im_start|>")
    with engine.load(plain, WARM_UP) as model:
        assert model._added == 0
        tokens = model.complete(chatml("open"), ONE).prompt_tokens
        model._added = 1
        assert model.complete(chatml("open"), ONE).prompt_tokens == tokens - 1


def test_beginning_that_no_prompt_has(engine: OllamaEngine, new_model: NewModel, said: Said) -> None:
    """A server that adds what the prompts do not begin with is refused: the model would see more than it was taught."""
    with engine.load(new_model(), WARM_UP) as model:
        for added, bos in ((1, "<s>"), (1, ""), (2, "<|im_start|>")):
            model._added, model._model = added, replace(model._model, bos_token=bos)
            with said.raised(InputError):
                model.complete(chatml("open"), ONE)


def test_same_file_on_both_sides(engine: OllamaEngine, new_model: NewModel) -> None:
    """An untrained B is the same file as A: the server loads it once, and both answer."""
    file = new_model()
    with engine.load(file, WARM_UP) as a, engine.load(replace(file, name=file.name.replace("test", "b")), WARM_UP) as b:
        for text in REQUESTS[:3]:
            assert _what(a.complete(chatml(text), FREE)) == _what(b.complete(chatml(text), FREE))


def test_settings(server: OllamaServer) -> None:
    """What can change an answer names the context; threads are no part of it; the version is the server's."""
    one, two = OllamaEngine(server, num_ctx=512, threads=1), OllamaEngine(server, num_ctx=512)
    assert one.answer_settings == two.answer_settings
    assert one.answer_settings != OllamaEngine(server, num_ctx=513).answer_settings
    assert one.speed_settings != two.speed_settings
    assert one.version == server.get("/api/version")["version"]
