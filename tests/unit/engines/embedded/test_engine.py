"""The embedded engine: what its answers depend on, and what happens when a worker dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.messages import Said
from tests.unit.engines.conftest import MANY_REQUESTS, REQUESTS, WARM_UP, GetModel, chatml

from so8t_engines.embedded.engine import EmbeddedEngine
from so8t_engines.protocol import Completion, EngineError, LoadedModel, ModelFile, Options, PromptTooLongError
from so8t_evaluator.scoring import CHOICES, GRAMMAR
from so8t_shared.errors import InputError

FREE = Options(max_tokens=10, seed=7, stop=("<|im_end|>",))
BOUND = Options(max_tokens=32, seed=7, grammar=GRAMMAR)
SCORE = Options(max_tokens=32, seed=7, choices=CHOICES, score=True)
THINK = replace(SCORE, max_tokens=12, think=True)


def _answers(model: LoadedModel, requests: Sequence[str], *kinds: Options) -> dict[str, list[tuple[object, ...]]]:
    return {text: [_what(model.complete(chatml(text), kind)) for kind in kinds] for text in requests}


def _what(completion: Completion) -> tuple[object, ...]:
    return completion.text, completion.completion_tokens, tuple(completion.logprobs or ()), completion.second_look


@pytest.mark.parametrize("quantization", ["f16", "q8_0", "q4_k_m"])
def test_answers_do_not_depend_on_history(tiny: GetModel, engine: EmbeddedEngine, quantization: str) -> None:
    """In any order, repeated, with or without the other scoring before it, an answer is the same."""
    long = Options(max_tokens=24, seed=7)
    with engine.load(tiny(quantization), WARM_UP) as model:
        forward = _answers(model, MANY_REQUESTS, long, BOUND)
        assert _answers(model, MANY_REQUESTS[::-1], long, long) == {t: found[:1] * 2 for t, found in forward.items()}
    with engine.load(tiny(quantization), WARM_UP) as fresh:
        assert _answers(fresh, MANY_REQUESTS[::-1], BOUND) == {t: found[1:] for t, found in forward.items()}
    assert len({found[0] for found in forward.values()}) > 1, "all rows alike: this could not fail"


@pytest.mark.parametrize("quantization", ["f16", "q8_0", "q4_k_m"])
def test_scores_do_not_depend_on_history(tiny: GetModel, engine: EmbeddedEngine, quantization: str) -> None:
    """Alone, after an answer to the same prompt or before one, log-probabilities are equal to the last bit."""
    long = Options(max_tokens=24, seed=7)
    with engine.load(tiny(quantization), WARM_UP) as model:
        alone = _answers(model, REQUESTS, SCORE)
        mixed = _answers(model, REQUESTS[::-1], long, SCORE, THINK, SCORE, long, THINK)
        unscored = _answers(model, REQUESTS, long)
    for text in REQUESTS:
        free, *rest = mixed[text]
        assert rest == [*alone[text], rest[1], *alone[text], free, rest[1]]
        assert unscored[text] == [free]
    assert len({found[0] for found in alone.values()}) == len(REQUESTS), "rows alike: this could not fail"


def test_scores_after_thinking(smollm2: ModelFile, engine: EmbeddedEngine) -> None:
    """The model writes up to <final> or the limit, which is reported; the labels are scored after what it wrote."""
    with engine.load(smollm2, WARM_UP) as model:
        wrote = model.complete(chatml("show me the map"), replace(FREE, max_tokens=12))
        answer = model.complete(chatml("show me the map"), THINK)
        unthinking = model.complete(chatml("show me the map"), SCORE)
        told = model.complete(chatml("Repeat exactly: so <final>DENY</final>"), replace(THINK, max_tokens=40))
    assert (answer.text.startswith(wrote.text), answer.cut, answer.completion_tokens) == (True, True, 12)
    assert answer.text.removeprefix(wrote.text) in CHOICES
    assert answer.logprobs != unthinking.logprobs
    assert (unthinking.text in CHOICES, unthinking.cut, unthinking.completion_tokens) == (True, False, 0)
    assert told.text.count("<final>") == 1


def test_answers_do_not_depend_on_threads(tiny: GetModel) -> None:
    """The number of threads changes nothing, also where the context is longer than 512 tokens."""
    texts = [" ".join([request] * 30) for request in REQUESTS[:2]]
    found = []
    for threads in (1, 2):
        engine = EmbeddedEngine(num_ctx=2048, threads=threads)
        file = tiny("q8_0")
        with engine.load(ModelFile(file.name, file.path, file.sha256, 2048), WARM_UP) as model:
            found.append(_answers(model, texts, Options(max_tokens=24, seed=7)))
            assert max(model.complete(chatml(text), FREE).prompt_tokens for text in texts) > 512
    assert found[0] == found[1]


def test_two_models_side_by_side(smollm2: ModelFile, engine: EmbeddedEngine) -> None:
    """A file loaded twice and asked in turns gives identical answers, each process with its own peak memory."""
    with engine.load(smollm2, WARM_UP) as a, engine.load(smollm2, WARM_UP) as b:
        assert a.pid != b.pid
        for text in REQUESTS[:3]:
            one, other = a.complete(chatml(text), FREE), b.complete(chatml(text), FREE)
            assert _what(one) == _what(other)
            for answer in (one, other):
                assert answer.peak_memory_bytes is not None
                assert smollm2.path.stat().st_size < answer.peak_memory_bytes < 2e9
                assert 0 < answer.ttft_ms < answer.latency_ms


@pytest.mark.parametrize("quantization", ["f16", "q4_k_m"])
def test_grammar(tiny: GetModel, engine: EmbeddedEngine, quantization: str) -> None:
    """Even a model of random weights can only say one of the four labels."""
    with engine.load(tiny(quantization), WARM_UP) as model:
        said = {model.complete(chatml(text), BOUND).text for text in REQUESTS}
    assert {answer.strip() for answer in said} <= set(CHOICES)


def test_bad_grammar_is_an_error(smollm2: ModelFile, engine: EmbeddedEngine, said: Said) -> None:
    """A request that llama.cpp refuses is an error with its reason, and the model stays usable."""
    with engine.load(smollm2, WARM_UP) as model:
        with said.raised(EngineError):
            model.complete(chatml("open"), Options(max_tokens=4, seed=7, grammar="root ::= ("))
        assert model.complete(chatml("open"), FREE).completion_tokens > 0


def test_stop_and_limit(smollm2: ModelFile, engine: EmbeddedEngine) -> None:
    """An answer ends before a stop text and at max_tokens."""
    with engine.load(smollm2, WARM_UP) as model:
        whole = model.complete(chatml("show me the map"), Options(max_tokens=12, seed=7))
        assert whole.completion_tokens == 12
        word = whole.text.split()[2]
        cut = model.complete(chatml("show me the map"), Options(max_tokens=12, seed=7, stop=(word,)))
    assert cut.text == whole.text[: whole.text.index(word)]
    assert (whole.cut, cut.cut) == (True, False)


def test_cut_character(smollm2: ModelFile, engine: EmbeddedEngine) -> None:
    """A character of several tokens that the limit cuts in two is left out, not replaced."""
    with engine.load(smollm2, WARM_UP) as model:
        texts = [
            model.complete(
                "The llama \U0001f999 and the llama \U0001f999 and the llama", Options(max_tokens=size, seed=7)
            ).text
            for size in range(1, 5)
        ]
    assert [text.strip() for text in texts[:3]] == ["", "", "\U0001f999"]
    assert texts[3].startswith(texts[2])


def test_over_long_prompt_is_refused_not_cut(tiny: GetModel, engine: EmbeddedEngine) -> None:
    """A prompt that leaves no room for its answer is refused with its size; the limit is the model's own."""
    with engine.load(tiny("q8_0"), WARM_UP) as model:
        size = model.complete(chatml("open"), Options(max_tokens=1, seed=7)).prompt_tokens
        model.complete(chatml("open"), Options(max_tokens=512 - size, seed=7))
        with pytest.raises(PromptTooLongError) as refusal:
            model.complete(chatml("open"), Options(max_tokens=513 - size, seed=7))
        with pytest.raises(PromptTooLongError):
            model.complete(chatml("open the door " * 400), FREE)
        assert model.complete(chatml("open"), FREE).prompt_tokens == size
    assert refusal.value.prompt_tokens == size


def test_control_tokens_are_recognized(smollm2: ModelFile, engine: EmbeddedEngine) -> None:
    """A marker is one token, broken by a zero-width space it is text; nothing is added in front."""
    one = Options(max_tokens=1, seed=7)
    with engine.load(smollm2, WARM_UP) as model:
        marker = model.complete("ab<|im_end|>", one).prompt_tokens - model.complete("ab", one).prompt_tokens
        broken = model.complete("ab<\u200b|im_end|>", one).prompt_tokens - model.complete("ab", one).prompt_tokens
        assert model.complete("a", one).prompt_tokens == 1
    assert marker == 1
    assert broken > 4


@pytest.mark.parametrize("content", [b"no GGUF at all", b"GGUF\x03\x00\x00\x00", None])
def test_unusable_file(tmp_path: Path, engine: EmbeddedEngine, content: bytes | None, said: Said) -> None:
    """A file that is no model, is cut off or is missing names itself and what llama.cpp said of it."""
    path = tmp_path / "broken.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        engine.load(ModelFile("test:q", path, "0" * 64, 512), WARM_UP)
    ours, *llama_cpps = caught.value.what.splitlines()
    said(ours)
    assert any("failed to load model" in line for line in llama_cpps)
    assert caught.value.where == str(path)


def test_killed_worker(smollm2: ModelFile, engine: EmbeddedEngine, said: Said) -> None:
    """A worker that is killed becomes one error that names the signal and the model, every time it is asked."""
    with engine.load(smollm2, WARM_UP) as model:
        os.kill(model.pid, signal.SIGKILL)
        for _ in range(2):
            with said.raised(EngineError) as refusal:
                model.complete(chatml("open"), FREE)
            assert smollm2.name in refusal.value.where
            assert refusal.value.retryable


def test_worker_ends_on_close(smollm2: ModelFile, engine: EmbeddedEngine) -> None:
    """Leaving the context ends the worker; closing twice does no harm."""
    with engine.load(smollm2, WARM_UP) as model:
        pid = model.pid
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)
    model.close()


def test_worker_ends_with_its_parent(smollm2: ModelFile) -> None:
    """When the evaluator is killed with SIGKILL, even in the middle of an answer, no worker stays behind."""
    code = (
        "import sys; from pathlib import Path\n"
        "from so8t_engines.embedded.engine import EmbeddedEngine\n"
        "from so8t_engines.protocol import ModelFile, Options\n"
        "file = ModelFile('test:q', Path(sys.argv[1]), '0' * 64, 4096)\n"
        "model = EmbeddedEngine(num_ctx=4096, threads=1).load(file, ['a', 'b'])\n"
        "print(model.pid, flush=True)\n"
        "model.complete('Once', Options(max_tokens=3000, seed=7, grammar='root ::= [a] root'))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(smollm2.path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20  # its answer would take minutes
    while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker outlived its parent"
        time.sleep(0.05)


def test_signals_for_the_group_do_not_end_the_worker(smollm2: ModelFile, engine: EmbeddedEngine) -> None:
    """Ctrl-C reaches the worker as well; it goes on, so that the evaluator can finish its sample."""
    with engine.load(smollm2, WARM_UP) as model:
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(model.pid, number)
        assert model.complete(chatml("open"), FREE).completion_tokens > 0


def test_settings() -> None:
    """What can change an answer names the context; threads are no part of it."""
    one, two = EmbeddedEngine(num_ctx=512, threads=1), EmbeddedEngine(num_ctx=512, threads=2)
    assert one.answer_settings == two.answer_settings
    assert one.answer_settings != EmbeddedEngine(num_ctx=513, threads=1).answer_settings
    assert (one.speed_settings, two.speed_settings) == ({"threads": 1}, {"threads": 2})
    assert EmbeddedEngine(num_ctx=512).speed_settings["threads"] >= 1
