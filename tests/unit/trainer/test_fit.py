"""A training is fitted to its device, or refused with what to lower."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.messages import Said
from tests.unit.trainer.material import training

from so8t_shared.config.training import Training
from so8t_shared.errors import ConfigError
from so8t_shared.tables.architectures import BY_NAME, Sizes
from so8t_trainer.encode import EncodedRow, shared_prefix
from so8t_trainer.fit import Fit, Room, Subject, fit_training
from so8t_trainer.packing import pack
from so8t_trainer.schedule import step_batches

PHI35 = Sizes(3072, 8192, 32, 32, 32, 96, 32064, tied=False, attention_bias=False, mlp_bias=False)


def _fit(gib: float, longest: int = 1024, *, device: Any = "cuda", free: float | None = None, **settings: Any) -> Fit:
    subject = Subject(BY_NAME["Phi3ForCausalLM"], PHI35, longest, 0, {(longest, longest // 4): 8})
    room = Room(device, round((gib if free is None else free) * 2**30), round(gib * 2**30))
    return fit_training(subject, Training(**{"lora": {"r": 16}, **settings}), room, 2)


@pytest.mark.parametrize(
    ("gib", "bits", "checkpointing", "splits"),
    [(80, 16, False, False), (24, 16, False, True), (12, 16, True, False), (10, 16, True, True), (8, 8, True, True)],
)
def test_defaults_fit_the_card(gib: float, bits: int, checkpointing: bool, splits: bool) -> None:
    """Eight rows of 1,024 tokens, Phi-3.5: nothing on a large card; then passes, checkpointing, and 8 bits."""
    found = _fit(gib)
    assert found.settings.base_bits == bits
    assert found.settings.gradient_checkpointing is checkpointing
    assert (found.settings.max_tokens_per_pass is not None) is splits
    assert found.needed.total <= gib * 2**30


def test_what_is_configured_stays(said: Said) -> None:
    """Only auto is chosen; the rest is kept, even if a choice would be faster."""
    found = _fit(80, base_bits=4, gradient_checkpointing=True, max_tokens_per_pass=2048)
    chosen = found.settings
    assert (chosen.base_bits, chosen.gradient_checkpointing, chosen.max_tokens_per_pass) == (4, True, 2048)
    said("; ".join([found.sentence(), *found.why]))


def test_the_bits_do_not_depend_on_what_is_free_now() -> None:
    """They change the result; so a resumed run has those of the first attempt, or says that memory is missing."""
    assert _fit(24, free=14).settings.base_bits == 16
    with pytest.raises(ConfigError):
        _fit(24, free=6)
    assert _fit(24, free=14, device="cpu").settings.base_bits == 16


def test_the_choices_are_told(said: Said) -> None:
    """What was chosen, and what it would need otherwise."""
    found = _fit(8)
    said("; ".join([found.sentence(), *found.why]))


@pytest.mark.parametrize(
    "settings",
    [
        {"gradient_checkpointing": False, "base_bits": 16},
        {"use_full_finetuning": True},
        {"base_bits": 8, "max_tokens_per_pass": 65536, "batch_size": 64},
    ],
    ids=["plain", "full", "wide"],
)
def test_too_little_is_refused_before_the_first_step(settings: dict[str, Any], said: Said) -> None:
    """The error says how much is needed, how much there is, and which changes suffice."""
    with said.raised(ConfigError):
        _fit(10, **settings)


def test_a_pass_is_bounded_by_its_limit() -> None:
    """By the rows' lengths added up; one row may be longer, and a shared prefix counts once."""
    subject = Subject(BY_NAME["Phi3ForCausalLM"], PHI35, 100, 30, {(40, 20): 3, (100, 25): 1})
    eight, dropping = Training(), Training.model_validate({"lora": {"dropout": 0.1}})
    assert subject.totals(eight) == [100, 200, 300, 340, 380, 420, 460, 500]  # a step may see each row in three epochs
    whole = subject.largest_pass(eight, 500)
    assert (whole.tokens, whole.attended, whole.predicted) == (500 - 7 * 30, 500, 3 * 25 + 5 * 20)
    part = subject.largest_pass(eight, 250)
    assert (part.tokens, part.attended, part.predicted) == (250 - 2 * 30, 250, 125)
    assert subject.largest_pass(eight, 50).attended == 100
    assert subject.largest_pass(dropping, 500).tokens == 500
    assert replace(subject, prefix=3).largest_pass(eight, 500).tokens == 500


_ROW = st.tuples(st.integers(1, 4), st.integers(1, 60), st.integers(1, 20))
"""First token, which is all that rows may share; other tokens of the prompt; completion tokens."""


@given(
    st.lists(_ROW, min_size=1, max_size=12),
    st.sampled_from([0, 5]),
    st.integers(1, 5),
    st.integers(1, 4),
    st.one_of(st.none(), st.integers(16, 300)),
)
def test_no_pass_of_a_training_is_larger(
    drawn: list[tuple[int, int, int]], head: int, batch: int, accumulated: int, limit: int | None
) -> None:
    """Whatever the rows, however often a step repeats them, and wherever it is split."""
    rows = [EncodedRow("r", ((9,) * head) + (first,) * own, (7,) * answer) for first, own, answer in drawn]
    lengths = Counter((row.length, len(row.completion)) for row in rows)
    subject = Subject(BY_NAME["Phi3ForCausalLM"], PHI35, max(row.length for row in rows), shared_prefix(rows), lengths)
    settings = training(batch_size=batch, gradient_accumulation_steps=accumulated, max_tokens_per_pass=limit)
    bound = subject.largest_pass(settings, limit or subject.totals(settings)[-1])
    for step in range(4):
        for chosen in step_batches(rows, step, settings):
            packed = pack(chosen, share=settings.shares_prefixes)
            assert packed.tokens <= bound.tokens
            assert sum(row.length for row in chosen) <= bound.attended
            assert len(packed.targets) <= bound.predicted


def test_nothing_suffices(said: Said) -> None:
    """Then the least possible need is told."""
    with said.raised(ConfigError):
        _fit(2)
