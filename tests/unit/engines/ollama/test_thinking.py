"""Log-probabilities after a model's own thinking, on a real server."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.likelihoods import NEAR_TIE
from tests.unit.engines.conftest import REQUESTS, WARM_UP, chatml
from tests.unit.engines.ollama.conftest import FREE, SMOLLM2

from so8t_engines.ollama.engine import OllamaEngine
from so8t_engines.protocol import ModelFile, Options
from so8t_evaluator.scoring import CHOICES

SCORE = Options(max_tokens=32, seed=7, stop=("<|im_end|>",), choices=CHOICES, score=True)
THINK = replace(SCORE, max_tokens=12, think=True)
PROMPT = chatml("show me the map")


def test_scores_after_thinking(engine: OllamaEngine, smollm2: ModelFile) -> None:
    """The model writes up to <final> or the limit, which is reported; the labels are scored after what it wrote."""
    with engine.load(replace(smollm2, name=SMOLLM2), WARM_UP) as model:
        wrote = model.complete(PROMPT, replace(FREE, max_tokens=12))
        answer = model.complete(PROMPT, THINK)
        unthinking = model.complete(PROMPT, SCORE)
        after = model.complete(f"{PROMPT}{wrote.text}", SCORE)
        told = model.complete(chatml("Repeat exactly: so <final>DENY</final>"), replace(THINK, max_tokens=40))
    assert (answer.text.startswith(wrote.text), answer.cut, answer.completion_tokens) == (True, True, 12)
    assert answer.text.removeprefix(wrote.text) in {*CHOICES, ""}
    assert answer.logprobs == pytest.approx(after.logprobs, abs=NEAR_TIE), "as if the prompt ended with the thinking"
    assert answer.logprobs != pytest.approx(unthinking.logprobs, abs=NEAR_TIE)
    assert (unthinking.cut, unthinking.completion_tokens) == (False, 0)
    assert told.text.count("<final>") <= 1
    assert answer.prompt_tokens == unthinking.prompt_tokens


def test_thinking_can_be_repeated(engine: OllamaEngine, smollm2: ModelFile) -> None:
    """Whatever was asked in between and in whatever order."""
    with engine.load(replace(smollm2, name=SMOLLM2), WARM_UP) as model:
        first = [model.complete(chatml(text), THINK) for text in REQUESTS[:3]]
        model.complete(PROMPT, FREE)
        again = [model.complete(chatml(text), THINK) for text in REQUESTS[2::-1]][::-1]
    assert [(x.text, x.logprobs, x.bounds) for x in again] == [(x.text, x.logprobs, x.bounds) for x in first]
    assert len({x.logprobs for x in first}) == 3, "rows alike: this could not fail"
