"""Attention over packed rows computes no padding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from so8t_trainer.attention import packed_attention
from so8t_trainer.encode import EncodedRow
from so8t_trainer.packing import pack


class _Calls(TorchDispatchMode):
    """Notes the size of every attention, as (query tokens, key tokens, whether its upper triangle is skipped)."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, int, bool]] = []

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "scaled_dot_product" in str(operator):
            query, key = args[0], args[1]
            self.seen.append((query.shape[2], key.shape[2], len(args) > 4 and args[4]))
        return operator(*args, **(kwargs or {}))


def _row(own: int, head: int = 0) -> EncodedRow:
    return EncodedRow("row", (*range(head), *[100 + own] * (own - 1)), (7,))


@pytest.mark.parametrize(
    ("rows", "calls"),
    [
        ([_row(50)], [(50, 50, True)]),
        ([_row(200), *[_row(n) for n in (4, 5, 6)]], [(200, 200, True), (4, 4, True), (5, 5, True), (6, 6, True)]),
        ([_row(3, 20), _row(90, 20)], [(20, 20, True), (3, 23, False), (90, 110, False)]),
    ],
    ids=["one row", "one long beside short ones", "a prefix"],
)
def test_the_cost_is_the_sum_of_the_rows_own(rows: list[EncodedRow], calls: list[tuple[int, int, bool]]) -> None:
    """Each row is one attention of its own length, causal without a mask unless it sees a prefix."""
    packed = pack(rows)
    query, key, value = (torch.randn(1, heads, packed.tokens, 16) for heads in (4, 2, 2))
    with _Calls() as found:
        output, _ = packed_attention(torch.nn.Identity(), query, key, value, None, rows=packed)
    assert found.seen == calls
    assert output.shape == (1, packed.tokens, 4, 16)
