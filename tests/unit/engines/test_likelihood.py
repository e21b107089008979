"""Log-probabilities of answers: which tokens count, and that they equal a forward pass's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from tests.tiny_models import make_llama, make_phi3, make_qwen2
from tests.unit.converter.conftest import kept_in
from tests.unit.engines.conftest import REQUESTS, chatml, model_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from so8t_converter.convert import Conversion, convert
from so8t_engines.embedded.engine import EmbeddedEngine
from so8t_engines.likelihood import score, shared_start, split
from so8t_engines.protocol import Options
from so8t_evaluator.scoring import CHOICES

SCORE = Options(max_tokens=32, seed=7, choices=CHOICES, score=True)


def test_shared_start() -> None:
    """The text that all choices begin with."""
    assert shared_start(CHOICES) == "<final>"


@pytest.mark.parametrize(
    ("answers", "given", "scored"),
    [
        ([[1, 2, 3, 9], [1, 2, 4, 5, 9]], [1, 2], [[3], [4, 5]]),
        ([[1, 3], [1, 4]], [1], [[3], [4]]),
        ([[3, 9], [4, 9]], [], [[3], [4]]),  # a token spans the end of <final> and the start of a label
        ([[1, 3, 9], [1, 9]], [1], [[3, 9], [9]]),  # an answer keeps at least one token
    ],
)
def test_split(answers: list[list[int]], given: list[int], scored: list[list[int]]) -> None:
    """What all answers begin with is given, and what all end with does not count."""
    assert split(answers) == (given, scored)


class Table:
    """A model of few tokens, which shows only the likeliest token by itself."""

    def __init__(self, logprobs: dict[tuple[int, ...], dict[int, float]]) -> None:
        self.logprobs = logprobs
        self.asked: list[tuple[list[int], int]] = []

    def __call__(self, tokens: Sequence[int], wanted: int, *, likeliest: bool = False) -> Mapping[int, float]:
        self.asked.append((list(tokens), wanted))
        known = self.logprobs[tuple(tokens)]
        likely = {max(known, key=lambda token: known[token])} if likeliest else set()
        return {token: known[token] for token in {*likely, wanted}}


def test_sum_over_tokens() -> None:
    """Each further token is asked for after those before it; a first token that is not shown is looked up."""
    model = Table({(0,): {1: -3.0, 2: -1.0, 3: -2.0}, (0, 2): {5: -0.5}, (0, 2, 5): {6: -0.25}, (0, 3): {7: -4.0}})
    scores = score([0], [[1], [2, 5, 6], [3, 7]], model)
    assert scores.logprobs == (-3.0, -1.75, -6.0)
    assert scores.second_look
    assert model.asked == [([0], 1), ([0], 3), ([0, 2], 5), ([0, 2, 5], 6), ([0, 3], 7)]
    assert not score([0], [[1], [2]], model).second_look


@pytest.mark.parametrize("make", [make_llama, make_qwen2, make_phi3])
def test_a_forward_pass_finds_the_same(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """As transformers computes them from the checkpoint, with the tokens of the training: tokenizer.json's, apart."""
    source = make(tmp_path / "source")
    for name in ("output", "scratch"):
        (tmp_path / name).mkdir()
    convert(Conversion(source, "m", ("f16",)), tmp_path / "output", tmp_path / "scratch", kept_in(tmp_path / "kept"))
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    prompts = [chatml("0"), chatml("?"), *map(chatml, REQUESTS[:3])]
    engine = EmbeddedEngine(num_ctx=512, threads=1)
    with engine.load(model_file(tmp_path / "output" / "m_f16.gguf", 512), prompts[:2]) as loaded:
        for prompt in prompts[2:]:
            answer = loaded.complete(prompt, SCORE)
            expected = _forward(model, tokenizer, prompt)
            assert answer.logprobs == pytest.approx(expected, abs=0.02), "weights are rounded to F16"
            assert answer.text == CHOICES[max(range(4), key=lambda i: expected[i])]


def _forward(model: torch.nn.Module, tokenizer: Tokenizer, prompt: str) -> list[float]:
    """The log-probability of each label; all end in the same three tokens or more, and begin so."""
    start = tokenizer.encode(prompt, add_special_tokens=False).ids
    answers = [tokenizer.encode(choice, add_special_tokens=False).ids for choice in CHOICES]
    given, scored = split(answers)
    sums = []
    for label in scored:
        ids = [*start, *given, *label]
        with torch.no_grad():
            likely = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), dim=-1)
        first = len(ids) - len(label)
        sums.append(sum(float(likely[first + i - 1, token]) for i, token in enumerate(label)))
    return sums
