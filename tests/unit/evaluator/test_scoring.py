"""The ways of asking for a class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.messages import Said
from tests.tiny_models import make_llama, make_phi3
from tests.unit.converter.conftest import kept_in
from tests.unit.converter.engine import LlamaCpp
from tests.unit.evaluator.material import make_chat
from tokenizers import Tokenizer

from so8t_converter.convert import Conversion, convert
from so8t_evaluator.scoring import _LONGEST_ANSWER_TOKENS, CHOICES, GRAMMAR, by_label, options_for
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.models.prompts import final_answer
from so8t_shared.models.reading import parse_final

SETTINGS = AbTest(max_new_tokens=5, seed=11)


def test_generate() -> None:
    """Free text up to max_new_tokens, greedy, ended by the model's stop tokens."""
    options = options_for("generate", SETTINGS, make_chat(stop_tokens=["</s>", "<|end|>"]))
    assert (options.max_tokens, options.seed, options.stop, options.grammar) == (5, 11, ("</s>", "<|end|>"), "")
    assert options.choices == ()
    assert (options.temperature, options.top_k, options.repeat_penalty) == (0.0, 1, 1.0)


def test_an_open_limit(said: Said) -> None:
    """A limit that nobody has decided is a defect of this program, not an endless answer."""
    with said.raised(ValueError):
        options_for("generate", AbTest(), make_chat())


def test_constrained_is_never_cut() -> None:
    """A grammar, and room for the longest answer even at a token a character, whatever max_new_tokens says."""
    options = options_for("constrained", SETTINGS, make_chat())
    assert (options.grammar, options.choices) == (GRAMMAR, CHOICES)
    assert all(options.max_tokens > len(final_answer(label)) for label in LABELS)


def test_logprob_scores_the_choices() -> None:
    """Nothing is written and no grammar is needed; the likelihoods are named by label."""
    options = options_for("logprob", SETTINGS, make_chat())
    assert (options.grammar, options.choices, options.score, options.think) == ("", CHOICES, True, False)
    assert by_label((-1.0, -2.0, -3.0, -4.0)) == {"ALLOW": -1.0, "ESCALATION": -2.0, "DENY": -3.0, "REFUSE": -4.0}
    assert by_label(None) is None


@pytest.mark.parametrize("label", LABELS)
def test_grammar_leaves_the_final_answers(label: str) -> None:
    """Each class's final answer is one alternative, and is read back as that class, a space in front or not."""
    alternatives = GRAMMAR.removeprefix('root ::= " "? (').removesuffix(")").split(" | ")
    assert len(alternatives) == len(LABELS)
    assert f'"{final_answer(label)}"' in alternatives
    assert final_answer(label) in CHOICES
    assert parse_final(final_answer(label)) == parse_final(f" {final_answer(label)}") == (label, label)


@pytest.mark.parametrize("make", [make_llama, make_phi3])
def test_grammar_lets_a_model_say_what_it_was_taught(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """The first token of an answer is that of the training, also where it holds sentencepiece's space."""
    source = make(tmp_path / "source")
    for name in ("output", "scratch"):
        (tmp_path / name).mkdir()
    convert(Conversion(source, "m", ("f16",)), tmp_path / "output", tmp_path / "scratch", kept_in(tmp_path / "kept"))
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    model = LlamaCpp(tmp_path / "output" / "m_f16.gguf", tokenizer.get_vocab_size())
    prompt = model.tokens("Lend me a pen.")
    first = tokenizer.encode(final_answer("DENY"), add_special_tokens=False).ids[0]
    said = model.answer(prompt, first, GRAMMAR, limit=_LONGEST_ANSWER_TOKENS)
    assert said[0] == first
    assert parse_final(tokenizer.decode(said, skip_special_tokens=False))[0] in LABELS
