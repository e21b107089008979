"""What is to be set once memory ran out: computed from the prediction, corrected by the measured peak."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from tests.messages import Said
from tests.unit.trainer.test_fit import _fit

from so8t_shared.errors import ConfigError
from so8t_trainer.fit import USABLE, Fit
from so8t_trainer.shortage import _asked_bytes, explained_shortage, lower

GIB = 1 << 30


def _running(**settings: Any) -> Fit:
    """Eight rows of 1,024 tokens on a large card: 22 GiB without checkpointing, by the prediction."""
    return _fit(80, **settings)


def test_what_keeps_the_checkpoints_comes_first(said: Said) -> None:
    """Checkpointing, the largest passes that fit, or both; each with its need."""
    for room in (20 * GIB, 12 * GIB):
        same, told = lower(_running(), room, room)
        assert same
        said("\n".join(told))


def test_the_largest_pass_that_fits(said: Said) -> None:
    """One row more would not fit."""
    fit = _running(gradient_checkpointing=True)
    room = round(fit.needed.total * 0.9)
    same, [told] = lower(fit, room, room)
    found = re.search(r"max_tokens_per_pass: (\d+)", told)
    assert same
    assert found
    limit = int(found[1])
    assert fit.needs("16", True, limit).total <= room * USABLE < fit.needs("16", True, limit + 1024).total
    assert limit < fit.needs.whole
    said(told)


def test_a_prediction_that_was_too_low_is_corrected() -> None:
    """A peak above the prediction raises the need of every change, so smaller passes are told."""
    fit = _running(gradient_checkpointing=True)
    peak = round(fit.needed.total * 1.3)
    _, [told] = lower(fit, peak, peak)
    _, [trusting] = lower(fit, round(peak / 1.31), peak - GIB)
    assert "max_tokens_per_pass" in told
    assert trusting != told


def test_only_changes_of_the_result_help(said: Said) -> None:
    """A base in 8 bits where no pass is small enough."""
    fit = _running(gradient_checkpointing=True)
    same, told = lower(fit, 6 * GIB, 7 * GIB)
    assert not same
    said("\n".join(told))


def test_nothing_helps(said: Said) -> None:
    """Then the least possible need, and shorter rows."""
    same, told = lower(_running(use_full_finetuning=True), GIB, GIB)
    assert not same
    said("\n".join(told))


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        ("CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has a total capacity of 12 GiB", 3 * GIB // 2),
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes.", 4096),
        ("", 1 << 60),
    ],
)
def test_the_request_that_failed(message: str, asked: int) -> None:
    """As torch words it."""
    assert _asked_bytes(message) == asked


class _Saved:
    def names(self) -> list[str]:
        return ["step-000010", "step-000020"]


@pytest.mark.parametrize(("device", "kept"), [("a GPU of 80 GiB", True), ("a full one", False)])
def test_the_checkpoint_is_named(device: str, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one, and whether the next run uses it with the settings that are told."""
    monkeypatch.setattr("so8t_trainer.shortage.unused_bytes", lambda _: 100 * GIB if kept else 0)
    monkeypatch.setattr("so8t_trainer.shortage.peak_bytes", lambda _: 2 * GIB)
    with pytest.raises(ConfigError) as caught, explained_shortage(_running(), torch.device("cpu"), _Saved()):
        raise MemoryError
    assert caught.value.exit_code == 2
    assert "checkpoint step-000020 is kept" in caught.value.remedy, device
    assert ("the next run resumes from it" in caught.value.remedy) is kept
