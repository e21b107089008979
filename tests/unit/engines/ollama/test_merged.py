"""Answers whose prompt ends so that Ollama merges it with the answer, on a real server."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.engines.ollama.conftest import SMOLLM2

from so8t_engines.ollama.engine import OllamaEngine
from so8t_engines.protocol import ModelFile, Options
from so8t_evaluator.asking import StoredAnswer
from so8t_evaluator.scoring import CHOICES

SCORE = Options(max_tokens=32, seed=7, choices=CHOICES, score=True)


def test_merged_answers_are_marked(engine: OllamaEngine, smollm2: ModelFile) -> None:
    """A template that ends with a space gives marked answers, one that ends with a colon does not."""
    for ending, merged in ((":", False), (": ", True)):
        prompts = [f"User: {text}\nAssistant{ending}" for text in ("open the door", "show me the map", "?")]
        with engine.load(replace(smollm2, name=SMOLLM2), prompts) as model:
            completion = model.complete(prompts[0], SCORE)
        assert completion.merged == merged
        stored = StoredAnswer.of(completion, host="h", fingerprint="f", keep_text=False)
        assert stored.merged == merged
