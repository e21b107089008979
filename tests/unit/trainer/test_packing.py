"""Packed rows with a shared prefix compute what separate, padded rows do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.tiny_models import make_phi3
from tests.unit.trainer.material import FakeControl, disturb, encoded_rows, trainee, training
from tests.unit.trainer.padded_reference import naive_pet, padded_objective

from so8t_trainer.encode import EncodedRow
from so8t_trainer.loop import objective, run_training
from so8t_trainer.packing import pack, shared_prefix
from so8t_trainer.pet import pet_sum
from so8t_trainer.schedule import step_batches


def _gradients(subject, loss: torch.Tensor, pet: torch.Tensor) -> dict[str, torch.Tensor]:
    (loss.sum() + 0.1 * pet).backward()
    subject.gates.collect_gradients()
    return {name: parameter.grad for name, parameter in subject.trainable().items()}


def test_packed_rows_have_the_loss_and_gradients_of_padded_rows(any_model: Path) -> None:
    """Loss, PET and every gradient of LoRA and gates agree to 1e-5 with the plain computation."""
    rows = encoded_rows(any_model)
    packed, plain = (trainee(any_model) for _ in range(2))
    for subject in (packed, plain):
        disturb(subject)
    batch = pack(rows)
    assert batch.prefix > 20
    assert batch.tokens == sum(row.length for row in rows) - (len(rows) - 1) * batch.prefix

    losses, references = objective(packed, batch), padded_objective(plain, rows)

    for value, reference in zip(losses, references, strict=True):
        torch.testing.assert_close(value, reference, rtol=1e-5, atol=1e-5)
    expected = _gradients(plain, *references)
    found = _gradients(packed, *losses)
    assert all(gradient.abs().max() > 0 for gradient in found.values())
    _assert_alike(found, expected)


def _row(name: str, start: int, prompt: int, completion: int = 3, head: int = 0) -> EncodedRow:
    """A row of its own tokens after `head` tokens that all rows have."""
    own = [10 + (start + i * 7) % 200 for i in range(prompt - head + completion)]
    return EncodedRow(name, (*range(300, 300 + head), *own[: prompt - head]), tuple(own[prompt - head :]))


LAYOUTS = {
    "one row": ([_row("a", 0, 40)], 0),
    "nothing shared": ([_row("a", 0, 3), _row("b", 50, 9, 1), _row("c", 90, 17)], 0),
    "one long beside many short": (
        [_row("a", 0, 7), _row("long", 3, 150), *(_row(str(i), i, 5) for i in range(4, 9))],
        0,
    ),
    "equal lengths": ([_row(str(i), i, 20) for i in range(3)], 0),
    "a prefix and a long rest": (
        [_row("a", 0, 22, head=20), _row("b", 9, 120, head=20), _row("c", 30, 24, head=20)],
        20,
    ),
    "a prefix and nothing else": ([_row("a", 0, 21, head=20), _row("b", 9, 21, head=20)], 20),
    "identical rows": ([_row("a", 0, 30)] * 2, 29),
    "a prefix not worth it": ([_row("a", 0, 40, head=2), _row("b", 9, 90, head=2)], 0),
}


@pytest.mark.parametrize("settings", [{}, {"so8t": {"layers": "1"}}], ids=["all gates", "one gate"])
@pytest.mark.parametrize(("rows", "prefix"), LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_computes_what_its_rows_alone_do(
    llama: Path, rows: list[EncodedRow], prefix: int, settings: dict[str, Any]
) -> None:
    """Loss and PET to 1e-6 of the sum over rows that are computed one by one, and every gradient to float noise."""
    packed, alone = (trainee(llama, **settings) for _ in range(2))
    for subject in (packed, alone):
        disturb(subject)
    batch = pack(rows)
    assert batch.prefix == prefix
    assert batch.tokens == sum(row.length for row in rows) - (len(rows) - 1) * prefix
    losses = objective(packed, batch)
    each = [padded_objective(alone, [row]) for row in rows]
    references = torch.cat([loss for loss, _ in each]), torch.stack([pet for _, pet in each]).sum()
    for value, reference in zip(losses, references, strict=True):
        torch.testing.assert_close(value, reference, rtol=1e-6, atol=2e-6)
    _assert_alike(_gradients(packed, *losses), _gradients(alone, *references))


def _assert_alike(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        scale = expected[name].abs().max()
        torch.testing.assert_close(gradient / scale, expected[name] / scale, rtol=0, atol=1e-5, msg=name)


def test_rows_with_and_without_long_rope_share_no_pass(tmp_path: Path) -> None:
    """transformers chooses the factors by the longest row of a pass, so each row gets those that it has alone."""
    folder = make_phi3(tmp_path / "phi3", longrope=True)
    subject, settings = trainee(folder), training(batch_size=4)
    disturb(subject)
    limit = subject.long_above
    assert limit is not None
    rows = [_row("a", 0, 20), _row("b", 5, limit), _row("c", 9, limit - 3), _row("d", 2, limit + 9)]
    found = {}
    for chosen in step_batches(rows, 0, settings, limit):
        losses = objective(subject, pack(chosen))[0].split([len(row.completion) for row in chosen])
        found |= {row.id: loss for row, loss in zip(chosen, losses, strict=True)}
    assert len(step_batches(rows, 0, settings, limit)) == 2
    for row in rows:
        expected = padded_objective(subject, [row])[0]
        torch.testing.assert_close(found[row.id], expected, rtol=1e-5, atol=1e-5)


def test_each_row_draws_its_own_dropout_in_the_prefix(llama: Path, tmp_path: Path, caplog: Any) -> None:
    """With LoRA dropout a training shares no prefix, and its log says so; without it, it does."""
    tokens = {}
    for dropout in (0.0, 0.1):
        values = {"max_steps": 1, "batch_size": 6, "lora": {"dropout": dropout}}
        control = FakeControl(tmp_path / str(dropout))
        with caplog.at_level("INFO"):
            points = run_training(trainee(llama, **values), encoded_rows(llama), training(**values), control)
        tokens[dropout] = points[0].tokens
        assert ("dropout" in caplog.text) is (dropout > 0)
    assert tokens[0.0] < tokens[0.1] == sum(row.length for row in encoded_rows(llama))


_ROWS = st.lists(
    st.builds(
        EncodedRow,
        st.just("row"),
        st.lists(st.integers(0, 2), min_size=1, max_size=6).map(tuple),
        st.lists(st.integers(3, 5), min_size=1, max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=4,
)


@given(_ROWS)
def test_every_token_and_target_has_its_place(rows: list[EncodedRow]) -> None:
    """Prefix and own tokens give back each row; positions count from its start; targets follow their predictors."""
    batch = pack(rows)
    ids, positions = batch.input_ids[0], batch.position_ids[0]
    start, targets = batch.prefix, []
    for number, row in enumerate(rows):
        whole = [*row.prompt, *row.completion]
        end = start + row.length - batch.prefix
        assert [*ids[: batch.prefix].tolist(), *ids[start:end].tolist()] == whole
        assert positions[start:end].tolist() == list(range(batch.prefix, row.length))
        assert batch.lengths[number] == end - start
        targets += [(position, ids[position + 1].item()) for position in range(end - len(row.completion) - 1, end - 1)]
        start = end
    assert start == batch.tokens
    assert list(zip(batch.predicting.tolist(), batch.targets.tolist(), strict=True)) == targets
    assert len(batch.lengths) == len(rows)
    assert (batch.visible is None) is (batch.prefix == 0)


@given(_ROWS)
def test_pet_of_packed_rows_is_that_of_separate_rows(rows: list[EncodedRow]) -> None:
    """Triples inside the prefix count once per row, and none joins two rows."""
    batch = pack(rows)
    states = torch.randn(batch.tokens, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    longest = max(row.length for row in rows)
    separate = torch.zeros(len(rows), longest, 3)
    shared, *own = states.split([batch.prefix, *batch.lengths])
    for number, row in enumerate(rows):
        separate[number, : row.length] = torch.cat([shared, own[number]]).float()
    expected = naive_pet(separate, [row.length for row in rows])
    torch.testing.assert_close(pet_sum(states, batch), expected, rtol=1e-5, atol=1e-6)
    assert batch.triples == sum(max(0, row.length - 2) for row in rows)


def test_the_prefix_is_found_not_assumed() -> None:
    """It is as long as the prompts agree, but leaves every row its last prompt token."""
    rows = [EncodedRow("a", (1, 2, 3, 4), (9,)), EncodedRow("b", (1, 2, 5), (9,))]
    assert shared_prefix(rows) == 2
    assert shared_prefix([EncodedRow("a", (1, 2), (9,)), EncodedRow("b", (1, 2, 3), (9,))]) == 1
