"""A training is fitted to its device, or refused with what to lower."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.messages import Said

from so8t_shared.config.training import Training
from so8t_shared.errors import ConfigError
from so8t_shared.tables.architectures import BY_NAME, Sizes
from so8t_trainer.fit import Fit, Room, Subject, fit_training

PHI35 = Sizes(3072, 8192, 32, 32, 32, 96, 32064, tied=False, attention_bias=False, mlp_bias=False)


def _fit(gib: float, longest: int = 1024, *, device: Any = "cuda", free: float | None = None, **settings: Any) -> Fit:
    subject = Subject(BY_NAME["Phi3ForCausalLM"], PHI35, longest, 0, [(longest, longest // 4)])
    room = Room(device, round((gib if free is None else free) * 2**30), round(gib * 2**30))
    return fit_training(subject, Training(**{"lora": {"r": 16}, **settings}), room, 2)


@pytest.mark.parametrize(
    ("gib", "bits", "checkpointing", "splits"),
    [(80, 16, False, False), (24, 16, False, True), (12, 16, True, True), (8, 8, True, True)],
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
    """One row may be longer; a shared prefix counts once."""
    subject = Subject(BY_NAME["Phi3ForCausalLM"], PHI35, 100, 30, [(40, 20), (100, 25)])
    whole = subject.largest_pass(8, 800)
    assert (whole.tokens, whole.attended, whole.predicted) == (800 - 7 * 30, 800, 200)
    part = subject.largest_pass(8, 250)
    assert (part.tokens, part.attended, part.predicted) == (250 - 30, 250, 120)
    assert subject.largest_pass(8, 50).attended == 100
    assert subject.largest_pass(8, 800, share=False).tokens == 800
    barely = replace(subject, prefix=3)
    assert barely.largest_pass(8, 800).tokens == 800


def test_nothing_suffices(said: Said) -> None:
    """Then the least possible need is told."""
    with said.raised(ConfigError):
        _fit(2)
