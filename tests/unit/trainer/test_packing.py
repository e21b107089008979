"""Packed rows with a shared prefix compute what separate, padded rows do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trainer.material import disturb, encoded_rows, trainee
from tests.unit.trainer.padded_reference import naive_pet, padded_objective

from so8t_trainer.encode import EncodedRow
from so8t_trainer.loop import objective
from so8t_trainer.packing import pack, shared_prefix
from so8t_trainer.pet import pet_sum


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
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        assert gradient.abs().max() > 0, name
        scale = expected[name].abs().max()
        torch.testing.assert_close(gradient / scale, expected[name] / scale, rtol=0, atol=1e-5, msg=name)


@pytest.mark.parametrize("count", [1, 2])
def test_a_single_row_and_identical_rows_can_be_packed(llama: Path, count: int) -> None:
    """Without anything to tell rows apart, each still keeps its last prompt token and its own loss."""
    rows = encoded_rows(llama)[:1] * count
    subject = trainee(llama)
    batch = pack(rows)
    assert batch.prefix == len(rows[0].prompt) - 1
    for value, reference in zip(objective(subject, batch), padded_objective(subject, rows), strict=True):
        torch.testing.assert_close(value, reference, rtol=1e-5, atol=1e-5)


def test_rows_without_a_common_prefix_can_be_packed(llama: Path) -> None:
    """The prefix may be empty."""
    rows = [EncodedRow("a", (5, 6, 7), (8, 9)), EncodedRow("b", (6, 7, 8, 9), (10,))]
    subject = trainee(llama)
    batch = pack(rows)
    assert batch.prefix == 0
    for value, reference in zip(objective(subject, batch), padded_objective(subject, rows), strict=True):
        torch.testing.assert_close(value, reference, rtol=1e-5, atol=1e-5)


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
        own = batch.own[number, : end - start] + batch.prefix
        assert own.tolist() == list(range(start, end))
        targets += [(position, ids[position + 1].item()) for position in range(end - len(row.completion) - 1, end - 1)]
        start = end
    assert start == batch.tokens
    assert list(zip(batch.predicting.tolist(), batch.targets.tolist(), strict=True)) == targets
    assert batch.own.flatten()[batch.unpadded].tolist() == list(range(batch.tokens - batch.prefix))


@given(_ROWS)
def test_pet_of_packed_rows_is_that_of_separate_rows(rows: list[EncodedRow]) -> None:
    """Triples inside the prefix count once per row, and none joins two rows."""
    batch = pack(rows)
    states = torch.randn(batch.tokens, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    longest = max(row.length for row in rows)
    separate = torch.zeros(len(rows), longest, 3)
    for number, row in enumerate(rows):
        own = batch.own[number, : row.length - batch.prefix] + batch.prefix
        separate[number, : row.length] = torch.cat([states[: batch.prefix], states[own]]).float()
    expected = naive_pet(separate, [row.length for row in rows])
    torch.testing.assert_close(pet_sum(states, batch), expected, rtol=1e-5, atol=1e-6)
    assert batch.triples == sum(max(0, row.length - 2) for row in rows)


def test_the_prefix_is_found_not_assumed() -> None:
    """It is as long as the prompts agree, but leaves every row its last prompt token."""
    rows = [EncodedRow("a", (1, 2, 3, 4), (9,)), EncodedRow("b", (1, 2, 5), (9,))]
    assert shared_prefix(rows) == 2
    assert shared_prefix([EncodedRow("a", (1, 2), (9,)), EncodedRow("b", (1, 2, 3), (9,))]) == 1
